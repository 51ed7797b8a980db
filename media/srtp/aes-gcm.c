/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>

#include "media/srtp/cipher.h"

/* AES in Galois counter mode (RFC 7714). The library works out the nonce, salt included. */

#define SALT_LEN  12
#define NONCE_LEN 12

typedef struct {
    srtp_cipher_t cipher; /* what the library holds on to; its state is all of this */
    EVP_CIPHER_CTX *evp;
    int tag_len;
} AesGcm;

static srtp_err_status_t
outcome(bool is_ok)
{
    return is_ok ? srtp_err_status_ok : srtp_err_status_cipher_fail;
}

static srtp_err_status_t
alloc(srtp_cipher_t **out_cipher, const srtp_cipher_type_t *type, int key_len, int tag_len)
{
    AesGcm *own;

    if (tag_len != 8 && tag_len != 16) {
        return srtp_err_status_bad_param;
    }
    own = g_new0(AesGcm, 1);
    own->evp = EVP_CIPHER_CTX_new();
    if (own->evp == NULL) {
        g_free(own);
        return srtp_err_status_alloc_fail;
    }
    own->tag_len = tag_len;
    own->cipher = (srtp_cipher_t){type, own, key_len, type->id};
    *out_cipher = &own->cipher;
    return srtp_err_status_ok;
}

static srtp_err_status_t
alloc_128(srtp_cipher_t **out_cipher, int key_len, int tag_len)
{
    return key_len == 16 + SALT_LEN ? alloc(out_cipher, &dm_srtp_aes_gcm_128, key_len, tag_len)
                                    : srtp_err_status_bad_param;
}

static srtp_err_status_t
alloc_256(srtp_cipher_t **out_cipher, int key_len, int tag_len)
{
    return key_len == 32 + SALT_LEN ? alloc(out_cipher, &dm_srtp_aes_gcm_256, key_len, tag_len)
                                    : srtp_err_status_bad_param;
}

static srtp_err_status_t
dealloc(srtp_cipher_t *cipher)
{
    AesGcm *own = cipher->state;

    EVP_CIPHER_CTX_free(own->evp);
    OPENSSL_cleanse(own, sizeof *own);
    g_free(own);
    return srtp_err_status_ok;
}

static srtp_err_status_t
init(void *state, const uint8_t *key)
{
    AesGcm *own = state;
    const EVP_CIPHER *type =
        own->cipher.key_len == 16 + SALT_LEN ? EVP_aes_128_gcm() : EVP_aes_256_gcm();

    return EVP_CipherInit_ex(own->evp, type, NULL, key, NULL, 1) == 1 ? srtp_err_status_ok
                                                                      : srtp_err_status_init_fail;
}

static srtp_err_status_t
set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
    AesGcm *own = state;

    return outcome(EVP_CipherInit_ex(own->evp,
                                     NULL,
                                     NULL,
                                     NULL,
                                     iv,
                                     direction == srtp_direction_encrypt ? 1 : 0) == 1);
}

static srtp_err_status_t
set_aad(void *state, const uint8_t *aad, uint32_t len)
{
    AesGcm *own = state;
    int n;

    return outcome(EVP_CipherUpdate(own->evp, NULL, &n, aad, (int)len) == 1);
}

static srtp_err_status_t
encrypt(void *state, uint8_t *bytes, unsigned int *len)
{
    AesGcm *own = state;
    int n;
    int n_final;

    return outcome(EVP_EncryptUpdate(own->evp, bytes, &n, bytes, (int)*len) == 1 &&
                   EVP_EncryptFinal_ex(own->evp, bytes + n, &n_final) == 1);
}

static srtp_err_status_t
get_tag(void *state, uint8_t *tag, uint32_t *len)
{
    AesGcm *own = state;

    *len = (uint32_t)own->tag_len;
    return outcome(EVP_CIPHER_CTX_ctrl(own->evp, EVP_CTRL_AEAD_GET_TAG, own->tag_len, tag) == 1);
}

/* @bytes end with the tag. */
static srtp_err_status_t
decrypt(void *state, uint8_t *bytes, unsigned int *len)
{
    AesGcm *own = state;
    int n_text = (int)*len - own->tag_len;
    int n;
    int n_final;

    if (n_text < 0) {
        return srtp_err_status_bad_param;
    }
    if (EVP_CIPHER_CTX_ctrl(own->evp, EVP_CTRL_AEAD_SET_TAG, own->tag_len, bytes + n_text) != 1 ||
        EVP_DecryptUpdate(own->evp, bytes, &n, bytes, n_text) != 1) {
        return srtp_err_status_cipher_fail;
    }
    if (EVP_DecryptFinal_ex(own->evp, bytes + n, &n_final) != 1) {
        return srtp_err_status_auth_fail;
    }
    *len = (unsigned)n_text;
    return srtp_err_status_ok;
}

/* The Galois/Counter Mode of Operation (McGrew, Viega), test cases 4 and 16; the salt behind the
 * key is not used here. */
static const uint8_t key_128[16 + SALT_LEN] = {
    0xfe,
    0xff,
    0xe9,
    0x92,
    0x86,
    0x65,
    0x73,
    0x1c,
    0x6d,
    0x6a,
    0x8f,
    0x94,
    0x67,
    0x30,
    0x83,
    0x08,
};
static const uint8_t key_256[32 + SALT_LEN] = {
    0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08,
    0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08,
};
static const uint8_t nonce[NONCE_LEN] =
    {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
static const uint8_t aad[] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
                              0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
static const uint8_t text[] = {
    0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26,
    0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31,
    0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49,
    0xa6, 0xb5, 0x25, 0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39,
};
static const uint8_t sealed_128[] = {
    0x42, 0x83, 0x1e, 0xc2, 0x21, 0x77, 0x74, 0x24, 0x4b, 0x72, 0x21, 0xb7, 0x84, 0xd0, 0xd4, 0x9c,
    0xe3, 0xaa, 0x21, 0x2f, 0x2c, 0x02, 0xa4, 0xe0, 0x35, 0xc1, 0x7e, 0x23, 0x29, 0xac, 0xa1, 0x2e,
    0x21, 0xd5, 0x14, 0xb2, 0x54, 0x66, 0x93, 0x1c, 0x7d, 0x8f, 0x6a, 0x5a, 0xac, 0x84, 0xaa, 0x05,
    0x1b, 0xa3, 0x0b, 0x39, 0x6a, 0x0a, 0xac, 0x97, 0x3d, 0x58, 0xe0, 0x91, 0x5b, 0xc9, 0x4f, 0xbc,
    0x32, 0x21, 0xa5, 0xdb, 0x94, 0xfa, 0xe9, 0x5a, 0xe7, 0x12, 0x1a, 0x47,
};
static const uint8_t sealed_256[] = {
    0x52, 0x2d, 0xc1, 0xf0, 0x99, 0x56, 0x7d, 0x07, 0xf4, 0x7f, 0x37, 0xa3, 0x2a, 0x84, 0x42, 0x7d,
    0x64, 0x3a, 0x8c, 0xdc, 0xbf, 0xe5, 0xc0, 0xc9, 0x75, 0x98, 0xa2, 0xbd, 0x25, 0x55, 0xd1, 0xaa,
    0x8c, 0xb0, 0x8e, 0x48, 0x59, 0x0d, 0xbb, 0x3d, 0xa7, 0xb0, 0x8b, 0x10, 0x56, 0x82, 0x88, 0x38,
    0xc5, 0xf6, 0x1e, 0x63, 0x93, 0xba, 0x7a, 0x0a, 0xbc, 0xc9, 0xf6, 0x62, 0x76, 0xfc, 0x6e, 0xce,
    0x0f, 0x4e, 0x17, 0x68, 0xcd, 0xdf, 0x88, 0x53, 0xbb, 0x2d, 0x55, 0x1b,
};

static const srtp_cipher_test_case_t test_128 = {
    .key_length_octets = sizeof key_128,
    .key = key_128,
    .idx = (uint8_t *)nonce,
    .plaintext_length_octets = sizeof text,
    .plaintext = text,
    .ciphertext_length_octets = sizeof sealed_128,
    .ciphertext = sealed_128,
    .aad_length_octets = sizeof aad,
    .aad = aad,
    .tag_length_octets = 16,
};
static const srtp_cipher_test_case_t test_256 = {
    .key_length_octets = sizeof key_256,
    .key = key_256,
    .idx = (uint8_t *)nonce,
    .plaintext_length_octets = sizeof text,
    .plaintext = text,
    .ciphertext_length_octets = sizeof sealed_256,
    .ciphertext = sealed_256,
    .aad_length_octets = sizeof aad,
    .aad = aad,
    .tag_length_octets = 16,
};

const srtp_cipher_type_t dm_srtp_aes_gcm_128 = {
    .alloc = alloc_128,
    .dealloc = dealloc,
    .init = init,
    .set_aad = set_aad,
    .encrypt = encrypt,
    .decrypt = decrypt,
    .set_iv = set_iv,
    .get_tag = get_tag,
    .description = "AES-128 GCM, OpenSSL",
    .test_data = &test_128,
    .id = SRTP_AES_GCM_128,
};

const srtp_cipher_type_t dm_srtp_aes_gcm_256 = {
    .alloc = alloc_256,
    .dealloc = dealloc,
    .init = init,
    .set_aad = set_aad,
    .encrypt = encrypt,
    .decrypt = decrypt,
    .set_iv = set_iv,
    .get_tag = get_tag,
    .description = "AES-256 GCM, OpenSSL",
    .test_data = &test_256,
    .id = SRTP_AES_GCM_256,
};
