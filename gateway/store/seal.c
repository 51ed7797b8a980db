/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"

#define PREFIX    "sealed:1:"
#define KEY_LEN   32
#define NONCE_LEN 12
#define TAG_LEN   16

struct DmSeal {
    uint8_t key[KEY_LEN];
};

/* --- the key --- */

static bool
parse_key(const char *text, uint8_t out[KEY_LEN])
{
    size_t digits = strspn(text, "0123456789abcdefABCDEF");

    if (digits != (size_t)KEY_LEN * 2 || (text[digits] != '\0' && text[digits] != '\n')) {
        return false;
    }
    for (unsigned i = 0; i < KEY_LEN; i++) {
        out[i] = (uint8_t)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                           g_ascii_xdigit_value(text[2 * i + 1]));
    }
    return true;
}

static bool
write_all(int fd, const char *text, size_t len)
{
    return write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
}

/* Only when there is none: what is sealed with a key that was overwritten is lost. */
static bool
make_key(const char *path, GError **error)
{
    uint8_t key[KEY_LEN];
    char text[KEY_LEN * 2 + 2];
    int fd;
    bool written;

    if (RAND_bytes(key, sizeof key) != 1) {
        g_set_error(error, DM_ERROR, DM_ERROR_IO, "no randomness for a key");
        return false;
    }
    for (unsigned i = 0; i < KEY_LEN; i++) {
        g_snprintf(text + (size_t)i * 2, 3, "%02x", key[i]);
    }
    text[sizeof text - 2] = '\n';
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    written = fd >= 0 && write_all(fd, text, sizeof text - 1);
    if (!written) {
        dm_error_set_errno(error, errno, path);
    }
    if (fd >= 0) {
        close(fd);
    }
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(text, sizeof text);
    return written;
}

DmSeal *
dm_seal_new(const char *path, bool make, GError **error)
{
    g_autoptr(DmSeal) seal = g_new0(DmSeal, 1);
    char *text = NULL;
    bool usable;

    if (make && !g_file_test(path, G_FILE_TEST_EXISTS) && !make_key(path, error)) {
        return NULL;
    }
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        dm_error_set_errno(error, errno, path);
        return NULL;
    }
    usable = parse_key(text, seal->key);
    OPENSSL_cleanse(text, strlen(text));
    g_free(text);
    if (!usable) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "'%s' is no key: expected %d hexadecimal digits",
                    path,
                    KEY_LEN * 2);
        return NULL;
    }
    return g_steal_pointer(&seal);
}

void
dm_seal_free(DmSeal *seal)
{
    if (seal != NULL) {
        OPENSSL_cleanse(seal->key, sizeof seal->key);
        g_free(seal);
    }
}

/* --- sealing --- */

bool
dm_seal_is_sealed(const char *text)
{
    return g_str_has_prefix(text, PREFIX);
}

/* @out: nonce, then as many bytes as @text has, then the tag. */
static bool
encrypt(const DmSeal *seal, const char *purpose, const char *text, size_t len, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *body = out + NONCE_LEN;
    int n;
    bool done =
        ctx != NULL && RAND_bytes(out, NONCE_LEN) == 1 &&
        EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, out) == 1 &&
        EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)purpose, (int)strlen(purpose)) == 1 &&
        EVP_EncryptUpdate(ctx, body, &n, (const uint8_t *)text, (int)len) == 1 &&
        EVP_EncryptFinal_ex(ctx, body + len, &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, body + len) == 1;

    EVP_CIPHER_CTX_free(ctx);
    return done;
}

char *
dm_seal_close(const DmSeal *seal, const char *purpose, const char *text)
{
    size_t len = strlen(text);
    size_t total = NONCE_LEN + len + TAG_LEN;
    g_autofree uint8_t *bytes = g_malloc(total);
    g_autofree char *encoded = NULL;

    g_return_val_if_fail(len < G_MAXINT32 && encrypt(seal, purpose, text, len, bytes), NULL);
    encoded = g_base64_encode(bytes, total);
    return g_strconcat(PREFIX, encoded, NULL);
}

static bool
decrypt(const DmSeal *seal, const char *purpose, uint8_t *bytes, size_t len, char *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *body = bytes + NONCE_LEN;
    int n;
    bool done =
        ctx != NULL && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, bytes) == 1 &&
        EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)purpose, (int)strlen(purpose)) == 1 &&
        EVP_DecryptUpdate(ctx, (uint8_t *)out, &n, body, (int)len) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, body + len) == 1 &&
        EVP_DecryptFinal_ex(ctx, (uint8_t *)out + len, &n) == 1;

    EVP_CIPHER_CTX_free(ctx);
    return done;
}

char *
dm_seal_open(const DmSeal *seal, const char *purpose, const char *sealed, GError **error)
{
    size_t total = 0;
    g_autofree uint8_t *bytes =
        dm_seal_is_sealed(sealed) ? g_base64_decode(sealed + strlen(PREFIX), &total) : NULL;
    g_autofree char *text = NULL;

    if (total >= NONCE_LEN + TAG_LEN && total < G_MAXINT32) {
        size_t len = total - NONCE_LEN - TAG_LEN;

        text = g_malloc0(len + 1);
        if (decrypt(seal, purpose, bytes, len, text)) {
            return g_steal_pointer(&text);
        }
    }
    g_set_error(error,
                DM_ERROR,
                DM_ERROR_CONFIG,
                "%s in the database was sealed with another key, or changed",
                purpose);
    return NULL;
}
