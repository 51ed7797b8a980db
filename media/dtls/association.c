/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dtls/association.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "media/dtls/identity-priv.h"

/* Fits wherever speech fits, IPv6 and tunnels included (RFC 6347, 4.1.1.1). */
#define MTU 1200

/* RFC 6347, 4.2.4.1 has one second and lets those who must be quick begin with less: what waits for
 * it is speech, and a call gives up after seconds (test-dtls: with 30 % loss). */
#define FIRST_WAIT_US   400000
#define LONGEST_WAIT_US 800000

#define EXPORT_LABEL "EXTRACTOR-dtls_srtp"
#define COOKIE_LEN   32
#define SECRET_LEN   32

/* Of DTLS 1.2: type, version, epoch, number, length (RFC 6347, 4.1). */
#define RECORD_HEAD_LEN  13
#define RECORD_HANDSHAKE 22

struct DmDtls {
    SSL *ssl; /* NULL when DONE */
    DmDtlsIdentity *identity;
    DmDtlsSpec spec;
    DmDtlsState state;
    DmDtlsFailure failure;
    bool wants_cookie, is_met;
    uint8_t cookie_secret[SECRET_LEN];
    DmSrtpKey in, out;

    DmDtlsSend send;
    void *user_data;
    GByteArray *flight; /* sent in the last step; NULL when DONE and active */

    /* the datagram that is being read */
    const uint8_t *bytes;
    size_t len;
    DmAddress from;
};

/* The profiles of RFC 5764, 4.1.2 and RFC 7714, 14.2. */
static const struct {
    const char *name;
    unsigned long id;
    uint8_t suite; /* DmSrtpSuite */
    uint8_t key_len, salt_len;
} profiles[] = {
    {"SRTP_AES128_CM_SHA1_80", SRTP_AES128_CM_SHA1_80, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 14},
    {"SRTP_AES128_CM_SHA1_32", SRTP_AES128_CM_SHA1_32, DM_SRTP_AES_CM_128_HMAC_SHA1_32, 16, 14},
    {"SRTP_AEAD_AES_128_GCM", SRTP_AEAD_AES_128_GCM, DM_SRTP_AEAD_AES_128_GCM, 16, 12},
    {"SRTP_AEAD_AES_256_GCM", SRTP_AEAD_AES_256_GCM, DM_SRTP_AEAD_AES_256_GCM, 32, 12},
};

/*
 * Datagrams, as OpenSSL reads and writes them
 */

static int
read_datagram(BIO *bio, char *out, int size)
{
    DmDtls *dtls = BIO_get_data(bio);
    size_t len = MIN(dtls->len, (size_t)MAX(size, 0));

    BIO_clear_retry_flags(bio);
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, dtls->bytes, len);
    dtls->len = 0;
    return (int)len;
}

static int
write_datagram(BIO *bio, const char *bytes, int len)
{
    DmDtls *dtls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    g_byte_array_append(dtls->flight, (const guint8 *)bytes, (guint)len);
    dtls->send((const uint8_t *)bytes, (size_t)len, dtls->user_data);
    return len;
}

static long
control(BIO *bio, int command, long number, void *pointer)
{
    switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return MTU;
    default:
        return 0;
    }
}

static gpointer
make_method(gpointer data)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagram");

    BIO_meth_set_read(method, read_datagram);
    BIO_meth_set_write(method, write_datagram);
    BIO_meth_set_ctrl(method, control);
    return method;
}

static BIO *
bio_new(DmDtls *dtls)
{
    static GOnce once = G_ONCE_INIT;
    BIO *bio = BIO_new(g_once(&once, make_method, NULL));

    BIO_set_data(bio, dtls);
    BIO_set_init(bio, 1);
    return bio;
}

/*
 * What OpenSSL asks
 */

/* In place of a chain of trust: the certificate is the one that signalling told of. */
static int
verify(X509_STORE_CTX *store, void *unused)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    DmDtls *dtls = SSL_get_app_data(ssl);

    if (dm_fingerprint_is_of(&dtls->spec.peer, X509_STORE_CTX_get0_cert(store))) {
        return 1;
    }
    dtls->failure = DM_DTLS_WRONG_FINGERPRINT;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static unsigned
next_wait_us(SSL *ssl, unsigned before_us)
{
    return before_us == 0 ? FIRST_WAIT_US : MIN(before_us * 2, LONGEST_WAIT_US);
}

static int
make_cookie(SSL *ssl, unsigned char *out, unsigned *len)
{
    const DmDtls *dtls = SSL_get_app_data(ssl);
    char text[DM_ADDRESS_TEXT_MAX];

    dm_address_text(&dtls->from, text);
    *len = COOKIE_LEN;
    return HMAC(EVP_sha256(),
                dtls->cookie_secret,
                SECRET_LEN,
                (const unsigned char *)text,
                strlen(text),
                out,
                len) != NULL;
}

static int
check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned expected_len;

    return make_cookie(ssl, expected, &expected_len) == 1 && len == expected_len &&
           CRYPTO_memcmp(cookie, expected, len) == 0;
}

static void
note_alert(const SSL *ssl, int where, int code)
{
    DmDtls *dtls = SSL_get_app_data(ssl);
    bool is_fatal = code >> 8 == SSL3_AL_FATAL;

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && is_fatal &&
        dtls->failure == DM_DTLS_NO_FAILURE) {
        dtls->failure = DM_DTLS_REFUSED;
    }
}

void
dm_dtls_set_callbacks(SSL_CTX *context)
{
    SSL_CTX_set_cert_verify_callback(context, verify, NULL);
    SSL_CTX_set_cookie_generate_cb(context, make_cookie);
    SSL_CTX_set_cookie_verify_cb(context, check_cookie);
    SSL_CTX_set_info_callback(context, note_alert);
}

/*
 * Life
 */

static bool
set_profiles(DmDtls *dtls)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < dtls->spec.n_suites; i++) {
        for (size_t k = 0; k < G_N_ELEMENTS(profiles); k++) {
            if (profiles[k].suite == dtls->spec.suites[i]) {
                g_string_append_printf(names, "%s%s", names->len > 0 ? ":" : "", profiles[k].name);
            }
        }
    }
    return names->len > 0 && SSL_set_tlsext_use_srtp(dtls->ssl, names->str) == 0;
}

DmDtls *
dm_dtls_new(DmDtlsIdentity *identity,
            const DmDtlsSpec *spec,
            bool is_proven,
            DmDtlsSend send,
            void *user_data)
{
    DmDtls *dtls = g_new0(DmDtls, 1);
    BIO *bio = bio_new(dtls);

    dtls->identity = dm_dtls_identity_ref(identity);
    dtls->spec = *spec;
    dtls->send = send;
    dtls->user_data = user_data;
    dtls->flight = g_byte_array_new();
    dtls->ssl = SSL_new(identity->context);
    SSL_set_app_data(dtls->ssl, dtls);
    SSL_set_bio(dtls->ssl, bio, bio);
    SSL_set_mtu(dtls->ssl, MTU);
    DTLS_set_timer_cb(dtls->ssl, next_wait_us);
    SSL_set_verify(dtls->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (!set_profiles(dtls)) {
        dtls->state = DM_DTLS_FAILED;
        dtls->failure = DM_DTLS_NO_PROFILE;
    }
    if (spec->role == DM_DTLS_PASSIVE && !is_proven) {
        dtls->wants_cookie = RAND_bytes(dtls->cookie_secret, SECRET_LEN) == 1;
    }
    return dtls;
}

void
dm_dtls_free(DmDtls *dtls)
{
    if (dtls == NULL) {
        return;
    }
    SSL_free(dtls->ssl);
    g_clear_pointer(&dtls->flight, g_byte_array_unref);
    dm_dtls_identity_unref(dtls->identity);
    explicit_bzero(dtls, sizeof *dtls);
    g_free(dtls);
}

/*
 * The handshake
 */

static DmDtlsState
fail(DmDtls *dtls, DmDtlsFailure why)
{
    ERR_clear_error();
    if (dtls->failure == DM_DTLS_NO_FAILURE) {
        dtls->failure = why;
    }
    return dtls->state = DM_DTLS_FAILED;
}

/* The client's key, the server's, the client's salt, the server's (RFC 5764, 4.2). */
static bool
take_keys(DmDtls *dtls, unsigned profile)
{
    size_t key_len = profiles[profile].key_len;
    size_t salt_len = profiles[profile].salt_len;
    bool is_client = dtls->spec.role == DM_DTLS_ACTIVE;
    DmSrtpKey *client = is_client ? &dtls->out : &dtls->in;
    DmSrtpKey *server = is_client ? &dtls->in : &dtls->out;
    uint8_t material[2 * DM_SRTP_MAX_KEY_LEN];
    bool is_made = SSL_export_keying_material(dtls->ssl,
                                              material,
                                              2 * (key_len + salt_len),
                                              EXPORT_LABEL,
                                              strlen(EXPORT_LABEL),
                                              NULL,
                                              0,
                                              0) == 1;

    client->suite = server->suite = profiles[profile].suite;
    memcpy(client->bytes, material, key_len);
    memcpy(server->bytes, material + key_len, key_len);
    memcpy(client->bytes + key_len, material + 2 * key_len, salt_len);
    memcpy(server->bytes + key_len, material + 2 * key_len + salt_len, salt_len);
    explicit_bzero(material, sizeof material);
    return is_made;
}

/* The active side has the last word of its peer's, which waits for nothing more. */
static void
let_go(DmDtls *dtls)
{
    g_clear_pointer(&dtls->ssl, SSL_free);
    if (dtls->spec.role == DM_DTLS_ACTIVE || dtls->flight->len > MTU) {
        g_clear_pointer(&dtls->flight, g_byte_array_unref);
    }
}

static DmDtlsState
finish(DmDtls *dtls)
{
    const SRTP_PROTECTION_PROFILE *chosen = SSL_get_selected_srtp_profile(dtls->ssl);

    for (unsigned i = 0; chosen != NULL && i < G_N_ELEMENTS(profiles); i++) {
        if (profiles[i].id == chosen->id && take_keys(dtls, i)) {
            let_go(dtls);
            return dtls->state = DM_DTLS_DONE;
        }
    }
    return fail(dtls, DM_DTLS_NO_PROFILE);
}

static DmDtlsState
go_on(DmDtls *dtls)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(dtls->ssl);
    if (result == 1) {
        return finish(dtls);
    }
    if (SSL_get_error(dtls->ssl, result) == SSL_ERROR_WANT_READ) {
        return dtls->state;
    }
    return fail(dtls, DM_DTLS_BROKEN);
}

/* Whether the datagram has a message of a handshake under the new keys: the peer's Finished. */
static bool
has_finished(const uint8_t *bytes, size_t len)
{
    static const uint8_t finished[] = {RECORD_HANDSHAKE, 0xfe, 0xfd, 0, 1};

    while (len >= RECORD_HEAD_LEN) {
        size_t record_len = RECORD_HEAD_LEN + (size_t)(bytes[11] << 8 | bytes[12]);

        if (record_len > len) {
            return false;
        }
        if (memcmp(bytes, finished, sizeof finished) == 0) {
            return true;
        }
        bytes += record_len;
        len -= record_len;
    }
    return false;
}

/* After the handshake: a peer that says Finished again has not got our last flight. The same bytes
 * are as good as new ones, to one that has none of them. What it may say otherwise is nothing to
 * us. */
static void
repeat_flight(DmDtls *dtls)
{
    if (dtls->flight != NULL && has_finished(dtls->bytes, dtls->len)) {
        dtls->send(dtls->flight->data, dtls->flight->len, dtls->user_data);
    }
}

DmDtlsState
dm_dtls_start(DmDtls *dtls)
{
    if (dtls->state != DM_DTLS_NEW) {
        return dtls->state;
    }
    dtls->state = DM_DTLS_HANDSHAKE;
    if (dtls->spec.role == DM_DTLS_PASSIVE) {
        SSL_set_accept_state(dtls->ssl);
        return dtls->state;
    }
    SSL_set_connect_state(dtls->ssl);
    return go_on(dtls);
}

/* Nothing is kept of a first message without our cookie, so that nobody can spoil the handshake by
 * sending one in the peer's name. */
static bool
has_cookie(DmDtls *dtls)
{
    BIO_ADDR *unused;

    if (!dtls->wants_cookie) {
        return true;
    }
    unused = BIO_ADDR_new();
    dtls->wants_cookie = DTLSv1_listen(dtls->ssl, unused) <= 0;
    BIO_ADDR_free(unused);
    ERR_clear_error();
    dtls->is_met = !dtls->wants_cookie;
    return dtls->is_met;
}

DmDtlsState
dm_dtls_input(DmDtls *dtls, const uint8_t *bytes, size_t len, const DmAddress *from)
{
    if (!dm_dtls_looks_like(bytes, len) || dtls->state == DM_DTLS_NEW ||
        dtls->state == DM_DTLS_FAILED) {
        return dtls->state;
    }
    dtls->bytes = bytes;
    dtls->len = len;
    dtls->from = *from;
    if (dtls->state == DM_DTLS_DONE) {
        repeat_flight(dtls);
    } else {
        g_byte_array_set_size(dtls->flight, 0);
        if (has_cookie(dtls)) {
            go_on(dtls);
        }
    }
    dtls->len = 0;
    return dtls->state;
}

DmDtlsState
dm_dtls_on_timer(DmDtls *dtls)
{
    if (dtls->state != DM_DTLS_HANDSHAKE) {
        return dtls->state;
    }
    g_byte_array_set_size(dtls->flight, 0);
    if (DTLSv1_handle_timeout(dtls->ssl) < 0) {
        return fail(dtls, DM_DTLS_NO_ANSWER);
    }
    return dtls->state;
}

int64_t
dm_dtls_wait_us(const DmDtls *dtls)
{
    struct timeval left;

    if (dtls->state != DM_DTLS_HANDSHAKE || dtls->wants_cookie ||
        DTLSv1_get_timeout(dtls->ssl, &left) != 1) {
        return -1;
    }
    return MIN((int64_t)left.tv_sec * G_USEC_PER_SEC + left.tv_usec, LONGEST_WAIT_US);
}

DmDtlsState
dm_dtls_state(const DmDtls *dtls)
{
    return dtls->state;
}

DmDtlsFailure
dm_dtls_failure(const DmDtls *dtls)
{
    return dtls->failure;
}

bool
dm_dtls_is_met(const DmDtls *dtls)
{
    return dtls->is_met;
}

void
dm_dtls_keys(const DmDtls *dtls, DmSrtpKey *out_in, DmSrtpKey *out_out)
{
    *out_in = dtls->in;
    *out_out = dtls->out;
}
