/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dtls/identity.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

#include "gateway/base/error.h"
#include "media/dtls/identity-priv.h"

#define SECONDS_A_DAY (24 * 60 * 60)
#define VALID_DAYS    30 /* nobody looks: the fingerprint counts (RFC 5763, 5) */
#define COMMON_NAME   "demarc"

/* What WebRTC asks for (RFC 8827, 6.5) and what phones of the last ten years can do; each with
 * forward secrecy. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES+SHA256:ECDHE+AES+SHA1:!aNULL:!PSK:!SRP"
#define GROUPS  "X25519:P-256:P-384"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

static const EVP_MD *
md_of(DmFingerprintHash hash)
{
    switch (hash) {
    case DM_FINGERPRINT_SHA_256:
        return EVP_sha256();
    case DM_FINGERPRINT_SHA_384:
        return EVP_sha384();
    case DM_FINGERPRINT_SHA_512:
        return EVP_sha512();
    case DM_FINGERPRINT_NONE:
        break;
    }
    return NULL;
}

bool
dm_fingerprint_is_of(const DmFingerprint *expected, const X509 *certificate)
{
    const EVP_MD *md = md_of((DmFingerprintHash)expected->hash);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    return md != NULL && X509_digest(certificate, md, digest, &len) == 1 &&
           len == dm_fingerprint_len((DmFingerprintHash)expected->hash) &&
           CRYPTO_memcmp(digest, expected->bytes, len) == 0;
}

static bool
set_serial(X509 *certificate)
{
    uint64_t serial;

    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

static X509 *
make_certificate(EVP_PKEY *key)
{
    g_autoptr(X509) certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    const unsigned char *text = (const unsigned char *)COMMON_NAME;

    if (X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -SECONDS_A_DAY) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_DAYS * SECONDS_A_DAY) != NULL &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
        X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
        X509_sign(certificate, key, EVP_sha256()) > 0) {
        return g_steal_pointer(&certificate);
    }
    return NULL;
}

static bool
set_up(DmDtlsIdentity *identity, EVP_PKEY *key, X509 *certificate)
{
    SSL_CTX *context = identity->context;
    unsigned len = 0;

    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context,
                        SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU |
                            SSL_OP_NO_COMPRESSION);
    dm_dtls_set_callbacks(context);
    identity->fingerprint.hash = DM_FINGERPRINT_SHA_256;
    return SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(context, GROUPS) == 1 &&
           SSL_CTX_use_certificate(context, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(context, key) == 1 &&
           X509_digest(certificate, EVP_sha256(), identity->fingerprint.bytes, &len) == 1;
}

DmDtlsIdentity *
dm_dtls_identity_new(GError **error)
{
    g_autoptr(DmDtlsIdentity) identity = g_atomic_rc_box_new0(DmDtlsIdentity);
    g_autoptr(EVP_PKEY) key = EVP_EC_gen("P-256");
    g_autoptr(X509) certificate = key != NULL ? make_certificate(key) : NULL;

    identity->context = SSL_CTX_new(DTLS_method());
    if (certificate == NULL || identity->context == NULL || !set_up(identity, key, certificate)) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_IO,
                    "certificate for DTLS: %s",
                    ERR_reason_error_string(ERR_peek_last_error()));
        ERR_clear_error();
        return NULL;
    }
    return g_steal_pointer(&identity);
}

DmDtlsIdentity *
dm_dtls_identity_ref(DmDtlsIdentity *identity)
{
    return g_atomic_rc_box_acquire(identity);
}

static void
clear(gpointer data)
{
    DmDtlsIdentity *identity = data;

    SSL_CTX_free(identity->context);
}

void
dm_dtls_identity_unref(DmDtlsIdentity *identity)
{
    if (identity != NULL) {
        g_atomic_rc_box_release_full(identity, clear);
    }
}

const DmFingerprint *
dm_dtls_identity_fingerprint(const DmDtlsIdentity *identity)
{
    return &identity->fingerprint;
}

struct DmDtlsKeeper {
    GMutex lock; /* protects the rest */
    DmDtlsIdentity *identity;
    int64_t made_us;
};

DmDtlsKeeper *
dm_dtls_keeper_new(void)
{
    DmDtlsKeeper *keeper = g_new0(DmDtlsKeeper, 1);

    g_mutex_init(&keeper->lock);
    return keeper;
}

void
dm_dtls_keeper_free(DmDtlsKeeper *keeper)
{
    if (keeper != NULL) {
        dm_dtls_identity_unref(keeper->identity);
        g_mutex_clear(&keeper->lock);
        g_free(keeper);
    }
}

DmDtlsIdentity *
dm_dtls_keeper_take(DmDtlsKeeper *keeper, int64_t now_us, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&keeper->lock);

    if (keeper->identity == NULL || now_us - keeper->made_us >= DM_DTLS_IDENTITY_US) {
        DmDtlsIdentity *made = dm_dtls_identity_new(error);

        if (made == NULL) {
            return NULL;
        }
        dm_dtls_identity_unref(keeper->identity);
        keeper->identity = made;
        keeper->made_us = now_us;
    }
    return dm_dtls_identity_ref(keeper->identity);
}
