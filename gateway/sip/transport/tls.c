/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transport/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "gateway/base/error.h"

/* AEAD with forward secrecy only; TLS 1.3 has nothing else. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define SESSIONS_MAX  1024 /* kept for resumption, of all servers together */
#define READ_SIZE     4096

struct DmTlsContext {
    SSL_CTX *server; /* NULL: no certificate */
    SSL_CTX *client;
    DmVerifyClient verify_client;
    bool verify_server;
    char **client_names, **server_names, **server_fingerprints;
    int64_t expires_s;
    char *subject, *issuer, *fingerprint; /* of our certificate; NULL: none */
    char **names;

    GMutex lock;          /* protects sessions; workers share a context */
    GHashTable *sessions; /* names asked for -> SSL_SESSION */
};

struct DmTlsSession {
    DmTlsContext *context;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool is_server;
    char **names; /* a client's: of which the server must prove one */
    DmTlsState state;
    DmTlsFailure failure;
    char *text; /* of the failure */
    char *description;
};

/* --- contexts --- */

static void
set_openssl_error(GError **error, const char *what, const char *path)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(code)) {
        reason = g_strerror(ERR_GET_REASON(code));
    }
    g_set_error(error,
                DM_ERROR,
                DM_ERROR_CONFIG,
                "%s %s: %s",
                what,
                path,
                reason != NULL ? reason : "cannot be used");
    ERR_clear_error();
}

/* A key with a pass phrase is refused; nobody is there to type it. */
static int
no_passphrase(char *buffer, int size, int for_writing, void *user_data)
{
    return -1;
}

static bool
load_certificate(SSL_CTX *ctx, const DmTlsProfileConfig *profile, GError **error)
{
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, profile->cert) != 1) {
        set_openssl_error(error, "certificate", profile->cert);
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, profile->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        set_openssl_error(error, "key", profile->key);
        return false;
    }
    return true;
}

static bool
load_authorities(SSL_CTX *ctx, const DmTlsProfileConfig *profile, GError **error)
{
    if (*profile->ca == '\0') {
        return SSL_CTX_set_default_verify_paths(ctx) == 1;
    }
    if (SSL_CTX_load_verify_locations(ctx, profile->ca, NULL) != 1) {
        set_openssl_error(error, "authorities", profile->ca);
        return false;
    }
    return true;
}

static int64_t
expiry_of(const X509 *certificate)
{
    struct tm tm = {0};

    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int64_t
first_expiry(SSL_CTX *ctx)
{
    STACK_OF(X509) *chain = NULL;
    const X509 *own = SSL_CTX_get0_certificate(ctx);
    int64_t first = own != NULL ? expiry_of(own) : 0;

    SSL_CTX_get0_chain_certs(ctx, &chain);
    for (int i = 0; i < sk_X509_num(chain); i++) {
        first = MIN(first, expiry_of(sk_X509_value(chain, i)));
    }
    return first;
}

static char *
name_text(const X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *data = NULL;
    char *text;
    long len;

    X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
    len = BIO_get_mem_data(out, &data);
    text = g_utf8_make_valid(data != NULL ? data : "", (gssize)len);
    BIO_free(out);
    return text;
}

/* SHA-256 in 64 digits; "": cannot be had. (transfer full) */
static char *
fingerprint_of(const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    GString *text = g_string_new(NULL);

    if (X509_digest(certificate, EVP_sha256(), digest, &len) == 1) {
        for (unsigned i = 0; i < len; i++) {
            g_string_append_printf(text, "%02x", digest[i]);
        }
    }
    return g_string_free(text, FALSE);
}

/* Host names it is for. (transfer full) */
static char **
names_of(const X509 *certificate)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    GStrvBuilder *builder = g_strv_builder_new();
    char **names;

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);

        if (type == GEN_DNS || type == GEN_URI) {
            g_autofree char *name = g_utf8_make_valid((const char *)ASN1_STRING_get0_data(value),
                                                      ASN1_STRING_length(value));

            g_strv_builder_add(builder, name);
        }
    }
    GENERAL_NAMES_free(all);
    names = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return names;
}

static void
note_certificate(DmTlsContext *context, SSL_CTX *ctx)
{
    const X509 *own = SSL_CTX_get0_certificate(ctx);

    context->expires_s = first_expiry(ctx);
    if (own != NULL) {
        context->subject = name_text(X509_get_subject_name(own));
        context->issuer = name_text(X509_get_issuer_name(own));
        context->fingerprint = fingerprint_of(own);
        context->names = names_of(own);
    }
}

static int verify(X509_STORE_CTX *store, void *user_data);

static SSL_CTX *
new_ctx(DmTlsContext *context, const SSL_METHOD *method, const DmTlsProfileConfig *profile)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    SSL_CTX_set_min_proto_version(ctx, profile->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS);
    SSL_CTX_set_options(ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                            SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cert_verify_callback(ctx, verify, context);
    return ctx;
}

/* RFC 5922: one certificate serves a SIP host in both directions, and public authorities issue them
 * for servers only; so the purpose of a client's is not asked. */
static bool
make_server(DmTlsContext *context, const DmTlsProfileConfig *profile, GError **error)
{
    static const unsigned char id[] = "demarc";
    static const int modes[] = {
        [DM_VERIFY_NONE] = SSL_VERIFY_NONE,
        [DM_VERIFY_OPTIONAL] = SSL_VERIFY_PEER,
        [DM_VERIFY_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };
    SSL_CTX *ctx = context->server = new_ctx(context, TLS_server_method(), profile);

    if (!load_certificate(ctx, profile, error) || !load_authorities(ctx, profile, error)) {
        return false;
    }
    SSL_CTX_set_verify(ctx, modes[profile->verify_client], NULL);
    if (profile->verify_client != DM_VERIFY_NONE && *profile->ca != '\0') {
        SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(profile->ca));
    }
    X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(ctx), X509_PURPOSE_ANY);
    SSL_CTX_set_session_id_context(ctx, id, sizeof id);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need no memory of ours */
    SSL_CTX_set_num_tickets(ctx, 1);
    note_certificate(context, ctx);
    return true;
}

static int keep_session(SSL *ssl, SSL_SESSION *resumable);

static bool
make_client(DmTlsContext *context, const DmTlsProfileConfig *profile, GError **error)
{
    SSL_CTX *ctx = context->client = new_ctx(context, TLS_client_method(), profile);

    SSL_CTX_set_verify(ctx, profile->verify_server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    return (*profile->cert == '\0' || load_certificate(ctx, profile, error)) &&
           load_authorities(ctx, profile, error);
}

static char **
copy_names(GPtrArray *names)
{
    GStrvBuilder *builder = g_strv_builder_new();
    char **copy;

    for (guint i = 0; names != NULL && i < names->len; i++) {
        g_strv_builder_add(builder, names->pdata[i]);
    }
    copy = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return copy;
}

static void
free_session(gpointer session)
{
    SSL_SESSION_free(session);
}

DmTlsContext *
dm_tls_context_new(const DmTlsProfileConfig *profile, GError **error)
{
    g_autoptr(DmTlsContext) context = g_atomic_rc_box_new0(DmTlsContext);

    ERR_clear_error();
    g_mutex_init(&context->lock);
    context->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_session);
    context->verify_client = profile->verify_client;
    context->verify_server = profile->verify_server;
    context->client_names = copy_names(profile->client_names);
    context->server_names = copy_names(profile->server_names);
    context->server_fingerprints = copy_names(profile->server_fingerprints);
    if ((*profile->cert != '\0' && !make_server(context, profile, error)) ||
        !make_client(context, profile, error)) {
        g_prefix_error(error, "TLS profile '%s': ", profile->id);
        return NULL;
    }
    return g_steal_pointer(&context);
}

DmTlsContext *
dm_tls_context_ref(DmTlsContext *context)
{
    return g_atomic_rc_box_acquire(context);
}

static void
clear_context(DmTlsContext *context)
{
    g_hash_table_unref(context->sessions);
    g_mutex_clear(&context->lock);
    SSL_CTX_free(context->server);
    SSL_CTX_free(context->client);
    g_strfreev(context->client_names);
    g_strfreev(context->server_names);
    g_strfreev(context->server_fingerprints);
    g_free(context->subject);
    g_free(context->issuer);
    g_free(context->fingerprint);
    g_strfreev(context->names);
}

void
dm_tls_context_unref(DmTlsContext *context)
{
    if (context != NULL) {
        g_atomic_rc_box_release_full(context, (GDestroyNotify)clear_context);
    }
}

int64_t
dm_tls_context_expires_s(const DmTlsContext *context)
{
    return context->expires_s;
}

struct DmTlsContexts {
    GHashTable *by_profile; /* id -> DmTlsContext */
};

static void
unref_context(gpointer context)
{
    dm_tls_context_unref(context);
}

DmTlsContexts *
dm_tls_contexts_new(const DmConfig *config, GError **error)
{
    g_autoptr(DmTlsContexts) contexts = g_atomic_rc_box_new0(DmTlsContexts);

    contexts->by_profile = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_context);
    for (guint i = 0; i < config->tls_profiles->len; i++) {
        const DmTlsProfileConfig *profile = config->tls_profiles->pdata[i];
        DmTlsContext *context = dm_tls_context_new(profile, error);

        if (context == NULL) {
            return NULL;
        }
        g_hash_table_insert(contexts->by_profile, g_strdup(profile->id), context);
    }
    return g_steal_pointer(&contexts);
}

DmTlsContexts *
dm_tls_contexts_ref(DmTlsContexts *contexts)
{
    return g_atomic_rc_box_acquire(contexts);
}

static void
clear_contexts(DmTlsContexts *contexts)
{
    g_hash_table_unref(contexts->by_profile);
}

void
dm_tls_contexts_unref(DmTlsContexts *contexts)
{
    if (contexts != NULL) {
        g_atomic_rc_box_release_full(contexts, (GDestroyNotify)clear_contexts);
    }
}

void
dm_tls_contexts_foreach(const DmTlsContexts *contexts,
                        void (*func)(const DmCertificateFacts *facts, void *user_data),
                        void *user_data)
{
    GHashTableIter iter;
    gpointer profile, value;

    g_hash_table_iter_init(&iter, contexts->by_profile);
    while (g_hash_table_iter_next(&iter, &profile, &value)) {
        const DmTlsContext *context = value;
        const DmCertificateFacts facts = {
            .profile = profile,
            .expires_s = context->expires_s,
            .subject = context->subject,
            .issuer = context->issuer,
            .fingerprint = context->fingerprint,
            .names = (const char *const *)context->names,
        };

        if (facts.fingerprint != NULL) {
            func(&facts, user_data);
        }
    }
}

DmTlsContext *
dm_tls_contexts_find(const DmTlsContexts *contexts, const char *profile)
{
    return contexts != NULL && profile != NULL ? g_hash_table_lookup(contexts->by_profile, profile)
                                               : NULL;
}

/* --- who the peer is --- */

static bool
has_fingerprint(const X509 *certificate, char **wanted)
{
    g_autofree char *fingerprint = *wanted != NULL ? fingerprint_of(certificate) : NULL;

    return fingerprint != NULL && g_strv_contains((const char *const *)wanted, fingerprint);
}

/* RFC 5922, 7.1: the identity may be a SIP URI. */
static bool
has_sip_uri(const X509 *certificate, const char *name)
{
    g_autofree char *wanted = g_strconcat("sip:", name, NULL);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *each = sk_GENERAL_NAME_value(names, i);

        if (each->type == GEN_URI) {
            const ASN1_IA5STRING *uri = each->d.uniformResourceIdentifier;

            found |= (size_t)ASN1_STRING_length(uri) == strlen(wanted) &&
                     g_ascii_strncasecmp((const char *)ASN1_STRING_get0_data(uri),
                                         wanted,
                                         strlen(wanted)) == 0;
        }
    }
    GENERAL_NAMES_free(names);
    return found;
}

static bool
proves(X509 *certificate, const char *name)
{
    DmAddress address;

    if (dm_address_parse(&address, name, 0)) {
        return X509_check_ip_asc(certificate, name, 0) == 1;
    }
    return X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1 ||
           has_sip_uri(certificate, name);
}

static bool
proves_one(X509 *certificate, char **names)
{
    for (char **name = names; *name != NULL; name++) {
        if (proves(certificate, *name)) {
            return true;
        }
    }
    return false;
}

static bool
has_right_name(const DmTlsSession *session, X509 *certificate)
{
    const DmTlsContext *context = session->context;

    if (session->is_server) {
        return *context->client_names == NULL || proves_one(certificate, context->client_names);
    }
    return proves_one(certificate, session->names) ||
           proves_one(certificate, context->server_names);
}

static DmTlsFailure
failure_of(int verify_error)
{
    switch (verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return DM_TLS_FAILED_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return DM_TLS_FAILED_NAME;
    default:
        return DM_TLS_FAILED_UNTRUSTED;
    }
}

/* The session fails, when this one decides at all. */
static void
note_bad_certificate(DmTlsSession *session, const X509 *certificate, int verify_error)
{
    char *subject =
        certificate != NULL ? X509_NAME_oneline(X509_get_subject_name(certificate), NULL, 0) : NULL;
    g_autofree char *wanted = session->names != NULL ? g_strjoinv(" or ", session->names) : NULL;

    session->failure = failure_of(verify_error);
    g_free(session->text);
    session->text = g_strdup_printf("certificate \"%s\"%s%s: %s",
                                    subject != NULL ? subject : "",
                                    wanted != NULL ? " of " : "",
                                    wanted != NULL ? wanted : "",
                                    X509_verify_cert_error_string(verify_error));
    OPENSSL_free(subject);
}

/* Chain, then name; a pinned certificate needs neither. */
static int
verify(X509_STORE_CTX *store, void *user_data)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    DmTlsSession *session = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get0_cert(store);

    if (!session->is_server &&
        has_fingerprint(certificate, session->context->server_fingerprints)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (X509_verify_cert(store) == 1 && !has_right_name(session, certificate)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    }
    if (X509_STORE_CTX_get_error(store) == X509_V_OK) {
        return 1;
    }
    note_bad_certificate(session, certificate, X509_STORE_CTX_get_error(store));
    return 0;
}

/* --- sessions --- */

static char *
resumption_key(const DmTlsSession *session)
{
    return g_strjoinv(" ", session->names);
}

/* A ticket came. TLS 1.3 tickets are meant for one use; the newest replaces the last. */
static int
keep_session(SSL *ssl, SSL_SESSION *resumable)
{
    DmTlsSession *session = SSL_get_app_data(ssl);
    DmTlsContext *context = session->context;

    g_mutex_lock(&context->lock);
    if (g_hash_table_size(context->sessions) >= SESSIONS_MAX) {
        g_hash_table_remove_all(context->sessions);
    }
    g_hash_table_replace(context->sessions, resumption_key(session), resumable);
    g_mutex_unlock(&context->lock);
    return 1; /* the reference is ours now */
}

static void
try_to_resume(DmTlsSession *session)
{
    DmTlsContext *context = session->context;
    g_autofree char *key = resumption_key(session);
    SSL_SESSION *known;

    g_mutex_lock(&context->lock);
    known = g_hash_table_lookup(context->sessions, key);
    if (known != NULL) {
        SSL_set_session(session->ssl, known);
    }
    g_mutex_unlock(&context->lock);
}

static DmTlsSession *
session_new(DmTlsContext *context, SSL_CTX *ctx, bool is_server)
{
    DmTlsSession *session = g_new0(DmTlsSession, 1);

    session->context = dm_tls_context_ref(context);
    session->is_server = is_server;
    session->ssl = SSL_new(ctx);
    session->in = BIO_new(BIO_s_mem());
    session->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(session->in, -1);
    BIO_set_mem_eof_return(session->out, -1);
    SSL_set_bio(session->ssl, session->in, session->out);
    SSL_set_app_data(session->ssl, session);
    return session;
}

DmTlsSession *
dm_tls_session_new_server(DmTlsContext *context)
{
    DmTlsSession *session;

    g_return_val_if_fail(context->server != NULL, NULL);
    session = session_new(context, context->server, true);
    SSL_set_accept_state(session->ssl);
    return session;
}

/* RFC 6066, 3: a name, never an address. */
static void
ask_for_name(DmTlsSession *session)
{
    for (char **name = session->names; *name != NULL; name++) {
        DmAddress address;

        if (!dm_address_parse(&address, *name, 0)) {
            SSL_set_tlsext_host_name(session->ssl, *name);
            return;
        }
    }
}

DmTlsSession *
dm_tls_session_new_client(DmTlsContext *context, const char *const *names, unsigned n_names)
{
    DmTlsSession *session = session_new(context, context->client, false);

    session->names = g_new0(char *, n_names + 1);
    for (unsigned i = 0; i < n_names; i++) {
        session->names[i] = g_strdup(names[i]);
    }
    SSL_set_connect_state(session->ssl);
    ask_for_name(session);
    if (n_names > 0) {
        try_to_resume(session);
    }
    return session;
}

void
dm_tls_session_free(DmTlsSession *session)
{
    if (session == NULL) {
        return;
    }
    /* Otherwise a connection that was cut could not be resumed, which TLS 1.0 asked for. */
    SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(session->ssl);
    g_strfreev(session->names);
    g_free(session->text);
    g_free(session->description);
    dm_tls_context_unref(session->context);
    g_free(session);
}

/* --- what went wrong --- */

static DmTlsFailure
failure_of_reason(int reason)
{
    if (reason >= SSL_AD_REASON_OFFSET) {
        return DM_TLS_FAILED_ALERT;
    }
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return DM_TLS_FAILED_NO_CERTIFICATE;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_MESSAGE:
        return DM_TLS_FAILED_PROTOCOL;
    default:
        return DM_TLS_FAILED_OTHER;
    }
}

static DmTlsState
fail(DmTlsSession *session)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    if (session->failure == DM_TLS_FAILED_NOT || session->text == NULL) {
        session->failure = failure_of_reason(ERR_GET_REASON(code));
        session->text = g_strdup(reason != NULL ? reason : "the connection broke");
    }
    ERR_clear_error();
    return session->state = DM_TLS_FAILED;
}

DmTlsFailure
dm_tls_session_failure(const DmTlsSession *session, const char **out_text)
{
    *out_text = session->text != NULL ? session->text : "";
    return session->state == DM_TLS_FAILED ? session->failure : DM_TLS_FAILED_NOT;
}

/* --- bytes --- */

static void
drain(DmTlsSession *session, GByteArray *out_wire)
{
    char *data = NULL;
    long len = BIO_get_mem_data(session->out, &data);

    if (len > 0) {
        g_byte_array_append(out_wire, (const guint8 *)data, (guint)len);
        (void)BIO_reset(session->out);
    }
}

/* What OpenSSL says of a call that returned @result. */
static DmTlsState
judge(DmTlsSession *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return session->state;
    case SSL_ERROR_ZERO_RETURN:
        return session->state = DM_TLS_ENDED;
    default:
        return fail(session);
    }
}

static DmTlsState
shake_hands(DmTlsSession *session)
{
    int result = SSL_do_handshake(session->ssl);

    if (result != 1) {
        return judge(session, result);
    }
    session->failure = DM_TLS_FAILED_NOT; /* a certificate that nobody was to verify */
    g_clear_pointer(&session->text, g_free);
    session->description =
        g_strdup_printf("%s %s", SSL_get_version(session->ssl), SSL_get_cipher_name(session->ssl));
    return session->state = DM_TLS_UP;
}

static DmTlsState
read_plain(DmTlsSession *session, GByteArray *out_plain)
{
    char buffer[READ_SIZE];
    int n;

    while ((n = SSL_read(session->ssl, buffer, sizeof buffer)) > 0) {
        g_byte_array_append(out_plain, (const guint8 *)buffer, (guint)n);
    }
    return judge(session, n);
}

DmTlsState
dm_tls_session_receive(DmTlsSession *session,
                       const void *data,
                       size_t len,
                       GByteArray *out_plain,
                       GByteArray *out_wire)
{
    if (session->state == DM_TLS_FAILED || session->state == DM_TLS_ENDED) {
        return session->state;
    }
    ERR_clear_error();
    if (len > 0) {
        BIO_write(session->in, data, (int)len);
    }
    if (session->state == DM_TLS_HANDSHAKING) {
        shake_hands(session);
    }
    if (session->state == DM_TLS_UP) {
        read_plain(session, out_plain);
    }
    drain(session, out_wire);
    return session->state;
}

bool
dm_tls_session_send(DmTlsSession *session, const void *data, size_t len, GByteArray *out_wire)
{
    bool sent;

    if (session->state != DM_TLS_UP) {
        return false;
    }
    ERR_clear_error();
    sent = len == 0 || SSL_write(session->ssl, data, (int)len) == (int)len;
    drain(session, out_wire);
    if (!sent) {
        fail(session);
    }
    return sent;
}

void
dm_tls_session_end(DmTlsSession *session, GByteArray *out_wire)
{
    if (session->state == DM_TLS_UP) {
        ERR_clear_error();
        SSL_shutdown(session->ssl);
        drain(session, out_wire);
    }
}

bool
dm_tls_session_client_proves(const DmTlsSession *session, const char *name)
{
    X509 *certificate;
    bool proved;

    if (!session->is_server || session->state != DM_TLS_UP ||
        session->context->verify_client == DM_VERIFY_NONE ||
        SSL_get_verify_result(session->ssl) != X509_V_OK) {
        return false;
    }
    certificate = SSL_get1_peer_certificate(session->ssl);
    proved = certificate != NULL && proves(certificate, name);
    X509_free(certificate);
    return proved;
}

const char *
dm_tls_session_describe(const DmTlsSession *session)
{
    return session->description != NULL ? session->description : "";
}

bool
dm_tls_session_is_resumed(const DmTlsSession *session)
{
    return SSL_session_reused(session->ssl) == 1;
}
