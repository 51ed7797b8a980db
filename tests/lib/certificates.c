/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/certificates.h"

#include <glib.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct DmTestAuthority {
    char *dir;
    X509 *certificate;
    EVP_PKEY *key;
    long serial;
};

static char *
path_of(const DmTestAuthority *authority, const char *name, const char *suffix)
{
    return g_strdup_printf("%s/%s.%s", authority->dir, name, suffix);
}

static void
write_certificate(const char *path, X509 *certificate)
{
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpint(PEM_write_X509(file, certificate), ==, 1);
    fclose(file);
}

static void
add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    g_assert_nonnull(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* Signed by @issuer, or by itself. */
static X509 *
make(DmTestAuthority *authority, const char *name, EVP_PKEY *key, int64_t expires_s)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    const X509 *issuer = authority->certificate != NULL ? authority->certificate : certificate;

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++authority->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (long)expires_s);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const guint8 *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_set_pubkey(certificate, key);
    return certificate;
}

DmTestAuthority *
dm_test_authority_new(const char *dir, const char *name)
{
    DmTestAuthority *authority = g_new0(DmTestAuthority, 1);
    g_autofree char *path = NULL;

    authority->dir = g_strdup(dir);
    authority->serial = 1000;
    authority->key = EVP_EC_gen("P-256");
    authority->certificate = make(authority, name, authority->key, 864000);
    add_extension(authority->certificate, NID_basic_constraints, "critical,CA:TRUE");
    g_assert_cmpint(X509_sign(authority->certificate, authority->key, EVP_sha256()), >, 0);
    path = path_of(authority, name, "pem");
    write_certificate(path, authority->certificate);
    return authority;
}

void
dm_test_authority_free(DmTestAuthority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    g_free(authority->dir);
    g_free(authority);
}

void
dm_test_certificate(DmTestAuthority *authority,
                    const char *name,
                    const char *names,
                    int64_t expires_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make(authority, name, key, expires_s);
    g_autofree char *pem = path_of(authority, name, "pem");
    g_autofree char *key_path = path_of(authority, name, "key");
    FILE *file = fopen(key_path, "w");

    add_extension(certificate, NID_subject_alt_name, names);
    g_assert_cmpint(X509_sign(certificate, authority->key, EVP_sha256()), >, 0);
    write_certificate(pem, certificate);
    g_assert_nonnull(file);
    g_assert_cmpint(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), ==, 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

char *
dm_test_fingerprint(const char *path)
{
    FILE *file = fopen(path, "r");
    X509 *certificate;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    GString *text = g_string_new(NULL);

    g_assert_nonnull(file);
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    X509_digest(certificate, EVP_sha256(), digest, &len);
    X509_free(certificate);
    for (unsigned i = 0; i < len; i++) {
        g_string_append_printf(text, "%s%02X", i > 0 ? ":" : "", digest[i]);
    }
    return g_string_free(text, FALSE);
}
