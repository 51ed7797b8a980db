/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "media/srtp/cipher.h"

/* AES in counter mode (RFC 3711, 4.1.1): the counter begins at the packet's index, XOR the salt. */

#define BLOCK_LEN 16
#define SALT_LEN  14

typedef struct {
    srtp_cipher_t cipher; /* what the library holds on to; its state is all of this */
    EVP_CIPHER_CTX *evp;
    uint8_t salt[BLOCK_LEN]; /* two zeros behind it */
} AesCm;

static srtp_err_status_t
alloc(srtp_cipher_t **out_cipher, const srtp_cipher_type_t *type, int key_len, int expected)
{
    AesCm *own;

    if (key_len != expected) {
        return srtp_err_status_bad_param;
    }
    own = g_new0(AesCm, 1);
    own->evp = EVP_CIPHER_CTX_new();
    if (own->evp == NULL) {
        g_free(own);
        return srtp_err_status_alloc_fail;
    }
    own->cipher = (srtp_cipher_t){type, own, key_len, type->id};
    *out_cipher = &own->cipher;
    return srtp_err_status_ok;
}

static srtp_err_status_t
alloc_128(srtp_cipher_t **out_cipher, int key_len, int tag_len)
{
    return alloc(out_cipher, &dm_srtp_aes_cm_128, key_len, 16 + SALT_LEN);
}

static srtp_err_status_t
alloc_256(srtp_cipher_t **out_cipher, int key_len, int tag_len)
{
    return alloc(out_cipher, &dm_srtp_aes_cm_256, key_len, 32 + SALT_LEN);
}

static srtp_err_status_t
dealloc(srtp_cipher_t *cipher)
{
    AesCm *own = cipher->state;

    EVP_CIPHER_CTX_free(own->evp);
    OPENSSL_cleanse(own, sizeof *own);
    g_free(own);
    return srtp_err_status_ok;
}

static srtp_err_status_t
init(void *state, const uint8_t *key)
{
    AesCm *own = state;
    int len = own->cipher.key_len - SALT_LEN;
    const EVP_CIPHER *type = len == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr();

    memcpy(own->salt, key + len, SALT_LEN);
    return EVP_EncryptInit_ex(own->evp, type, NULL, key, NULL) == 1 ? srtp_err_status_ok
                                                                    : srtp_err_status_init_fail;
}

/* Counter mode is its own inverse: @direction does not matter. */
static srtp_err_status_t
set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
    AesCm *own = state;
    uint8_t counter[BLOCK_LEN];

    for (unsigned i = 0; i < BLOCK_LEN; i++) {
        counter[i] = own->salt[i] ^ iv[i];
    }
    return EVP_EncryptInit_ex(own->evp, NULL, NULL, NULL, counter) == 1
               ? srtp_err_status_ok
               : srtp_err_status_cipher_fail;
}

static srtp_err_status_t
crypt_in_place(void *state, uint8_t *bytes, unsigned int *len)
{
    AesCm *own = state;
    int n = 0;

    if (EVP_EncryptUpdate(own->evp, bytes, &n, bytes, (int)*len) != 1) {
        return srtp_err_status_cipher_fail;
    }
    *len = (unsigned)n;
    return srtp_err_status_ok;
}

/* RFC 3711, B.2 */
static const uint8_t key_128[] = {
    0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f,
    0x3c, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd,
};
static const uint8_t stream_128[] = {
    0xe0, 0x3e, 0xad, 0x09, 0x35, 0xc9, 0x5e, 0x80, 0xe1, 0x66, 0xb1, 0x6d, 0xd9, 0x2b, 0x4e, 0xb4,
    0xd2, 0x35, 0x13, 0x16, 0x2b, 0x02, 0xd0, 0xf7, 0x2a, 0x43, 0xa2, 0xfe, 0x4a, 0x5f, 0x97, 0xab,
};
/* RFC 6188, 7.1 */
static const uint8_t key_256[] = {
    0x57, 0xf8, 0x2f, 0xe3, 0x61, 0x3f, 0xd1, 0x70, 0xa8, 0x5e, 0xc9, 0x3c, 0x40, 0xb1, 0xf0, 0x92,
    0x2e, 0xc4, 0xcb, 0x0d, 0xc0, 0x25, 0xb5, 0x82, 0x72, 0x14, 0x7c, 0xc4, 0x38, 0x94, 0x4a, 0x98,
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd,
};
static const uint8_t stream_256[] = {
    0x92, 0xbd, 0xd2, 0x8a, 0x93, 0xc3, 0xf5, 0x25, 0x11, 0xc6, 0x77, 0xd0, 0x8b, 0x55, 0x15, 0xa4,
    0x9d, 0xa7, 0x1b, 0x23, 0x78, 0xa8, 0x54, 0xf6, 0x70, 0x50, 0x75, 0x6d, 0xed, 0x16, 0x5b, 0xac,
};
static const uint8_t zeros[32];

static const srtp_cipher_test_case_t test_128 = {
    .key_length_octets = sizeof key_128,
    .key = key_128,
    .idx = (uint8_t *)zeros,
    .plaintext_length_octets = sizeof stream_128,
    .plaintext = zeros,
    .ciphertext_length_octets = sizeof stream_128,
    .ciphertext = stream_128,
};
static const srtp_cipher_test_case_t test_256 = {
    .key_length_octets = sizeof key_256,
    .key = key_256,
    .idx = (uint8_t *)zeros,
    .plaintext_length_octets = sizeof stream_256,
    .plaintext = zeros,
    .ciphertext_length_octets = sizeof stream_256,
    .ciphertext = stream_256,
};

const srtp_cipher_type_t dm_srtp_aes_cm_128 = {
    .alloc = alloc_128,
    .dealloc = dealloc,
    .init = init,
    .encrypt = crypt_in_place,
    .decrypt = crypt_in_place,
    .set_iv = set_iv,
    .description = "AES-128 counter mode, OpenSSL",
    .test_data = &test_128,
    .id = SRTP_AES_ICM_128,
};

const srtp_cipher_type_t dm_srtp_aes_cm_256 = {
    .alloc = alloc_256,
    .dealloc = dealloc,
    .init = init,
    .encrypt = crypt_in_place,
    .decrypt = crypt_in_place,
    .set_iv = set_iv,
    .description = "AES-256 counter mode, OpenSSL",
    .test_data = &test_256,
    .id = SRTP_AES_ICM_256,
};
