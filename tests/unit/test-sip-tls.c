/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/sip/transport/tls.h"
#include "tests/lib/certificates.h"
#include "tests/lib/temp-dir.h"

#define DAY_S 86400

/* Both ends in one process; what one wants to send is what the other receives. */
typedef struct {
    DmTempDir temp;
    const char *dir;
    DmTlsContext *server, *client;
} Fixture;

typedef struct {
    DmTlsSession *client, *server;
    DmTlsState client_state, server_state;
    GByteArray *to_server, *to_client, *at_server, *at_client;
} Pair;

static void
set_up(Fixture *f, gconstpointer data)
{
    DmTestAuthority *good, *other;

    dm_temp_dir_init(&f->temp);
    f->dir = f->temp.path;
    good = dm_test_authority_new(f->dir, "ca");
    other = dm_test_authority_new(f->dir, "other-ca");
    dm_test_certificate(good, "sbc", "DNS:sbc.example.com,IP:127.0.0.1", 10 * DAY_S);
    dm_test_certificate(good, "uri", "URI:sip:carrier.example.com", 10 * DAY_S);
    dm_test_certificate(good, "wild", "DNS:*.carrier.example", 10 * DAY_S);
    dm_test_certificate(good, "old", "DNS:sbc.example.com", -60);
    dm_test_certificate(good, "pbx", "DNS:pbx.example.com", 5 * DAY_S);
    dm_test_certificate(other, "stranger", "DNS:sbc.example.com", 10 * DAY_S);
    dm_test_authority_free(good);
    dm_test_authority_free(other);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    dm_tls_context_unref(f->server);
    dm_tls_context_unref(f->client);
    dm_temp_dir_clear(&f->temp);
}

static GPtrArray *
list(const char *one)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    if (one != NULL) {
        g_ptr_array_add(names, g_strdup(one));
    }
    return names;
}

typedef struct {
    const char *cert, *ca;
    DmVerifyClient verify_client;
    bool trusts_anyone, tls13_only;
    const char *client_name, *server_name, *fingerprint;
} Want;

static DmTlsContext *
context(const Fixture *f, const Want *want, GError **error)
{
    g_autofree char *cert =
        want->cert != NULL ? g_strdup_printf("%s/%s.pem", f->dir, want->cert) : g_strdup("");
    g_autofree char *key =
        want->cert != NULL ? g_strdup_printf("%s/%s.key", f->dir, want->cert) : g_strdup("");
    g_autofree char *ca = g_strdup_printf("%s/%s.pem", f->dir, want->ca != NULL ? want->ca : "ca");
    g_autoptr(GPtrArray) client_names = list(want->client_name);
    g_autoptr(GPtrArray) server_names = list(want->server_name);
    g_autoptr(GPtrArray) fingerprints = list(want->fingerprint);
    DmTlsProfileConfig profile = {
        .id = (char *)"test",
        .cert = cert,
        .key = key,
        .ca = ca,
        .verify_client = want->verify_client,
        .verify_server = !want->trusts_anyone,
        .tls13_only = want->tls13_only,
        .client_names = client_names,
        .server_names = server_names,
        .server_fingerprints = fingerprints,
    };

    return dm_tls_context_new(&profile, error);
}

static DmTlsContext *
good_context(const Fixture *f, const Want *want)
{
    g_autoptr(GError) error = NULL;
    DmTlsContext *made = context(f, want, &error);

    g_assert_no_error(error);
    return made;
}

static void
init_pair(Pair *p, DmTlsContext *server, DmTlsContext *client, const char *name)
{
    *p = (Pair){
        .server = dm_tls_session_new_server(server),
        .client = dm_tls_session_new_client(client, &name, name != NULL ? 1 : 0),
        .to_server = g_byte_array_new(),
        .to_client = g_byte_array_new(),
        .at_server = g_byte_array_new(),
        .at_client = g_byte_array_new(),
    };
}

static void
clear_pair(Pair *p)
{
    dm_tls_session_free(p->server);
    dm_tls_session_free(p->client);
    g_byte_array_unref(p->to_server);
    g_byte_array_unref(p->to_client);
    g_byte_array_unref(p->at_server);
    g_byte_array_unref(p->at_client);
}

/* Carries bytes, at most @step at a time, until nobody has anything to say. */
static void
carry(Pair *p, size_t step)
{
    p->client_state = dm_tls_session_receive(p->client, NULL, 0, p->at_client, p->to_server);
    while (p->to_server->len > 0 || p->to_client->len > 0) {
        size_t n = MIN(step, p->to_server->len);

        if (n > 0) {
            g_autofree guint8 *bytes = g_memdup2(p->to_server->data, n);

            g_byte_array_remove_range(p->to_server, 0, (guint)n);
            p->server_state =
                dm_tls_session_receive(p->server, bytes, n, p->at_server, p->to_client);
        }
        n = MIN(step, p->to_client->len);
        if (n > 0) {
            g_autofree guint8 *bytes = g_memdup2(p->to_client->data, n);

            g_byte_array_remove_range(p->to_client, 0, (guint)n);
            p->client_state =
                dm_tls_session_receive(p->client, bytes, n, p->at_client, p->to_server);
        }
    }
}

static void
assert_talks(Pair *p, size_t step)
{
    g_assert_cmpint(p->client_state, ==, DM_TLS_UP);
    g_assert_cmpint(p->server_state, ==, DM_TLS_UP);
    g_assert_true(dm_tls_session_send(p->client, "hello", 5, p->to_server));
    g_assert_true(dm_tls_session_send(p->server, "world", 5, p->to_client));
    carry(p, step);
    g_assert_cmpmem(p->at_server->data, p->at_server->len, "hello", 5);
    g_assert_cmpmem(p->at_client->data, p->at_client->len, "world", 5);
}

static DmTlsFailure
failure(const DmTlsSession *session, const char **out_text)
{
    return dm_tls_session_failure(session, out_text);
}

static void
both_versions_at_any_segmentation(Fixture *f, gconstpointer data)
{
    static const size_t steps[] = {1, 7, 65536};

    g_test_summary("SEC-1, SIG-24: a handshake and text both ways, whole or byte by byte");
    f->server = good_context(f, &(Want){.cert = "sbc"});
    f->client = good_context(f, &(Want){});
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        Pair p;

        init_pair(&p, f->server, f->client, "sbc.example.com");
        g_assert_false(dm_tls_session_send(p.client, "early", 5, p.to_server));
        carry(&p, steps[i]);
        assert_talks(&p, steps[i]);
        g_assert_true(g_str_has_prefix(dm_tls_session_describe(p.client), "TLSv1.3 TLS_"));
        dm_tls_session_end(p.client, p.to_server);
        carry(&p, steps[i]);
        g_assert_cmpint(p.server_state, ==, DM_TLS_ENDED);
        clear_pair(&p);
    }
}

static void
servers_prove_their_name(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *cert, *name;
        const char *also; /* server_names of the profile */
        DmTlsFailure failure;
    } cases[] = {
        {"sbc", "sbc.example.com", NULL, DM_TLS_FAILED_NOT},
        {"sbc", "SBC.Example.COM", NULL, DM_TLS_FAILED_NOT},
        {"sbc", "127.0.0.1", NULL, DM_TLS_FAILED_NOT},
        {"sbc", "127.0.0.2", NULL, DM_TLS_FAILED_NAME},
        {"sbc", "evil.example.com", NULL, DM_TLS_FAILED_NAME},
        {"sbc", "sbc", NULL, DM_TLS_FAILED_NAME}, /* its CN: with names it counts for nothing */
        {"sbc", "sip.carrier.example", "sbc.example.com", DM_TLS_FAILED_NOT},
        {"uri", "carrier.example.com", NULL, DM_TLS_FAILED_NOT},
        {"uri", "sip.carrier.example.com", NULL, DM_TLS_FAILED_NAME},
        {"wild", "a.carrier.example", NULL, DM_TLS_FAILED_NOT},
        {"wild", "a.b.carrier.example", NULL, DM_TLS_FAILED_NAME},
        {"wild", "carrier.example", NULL, DM_TLS_FAILED_NAME},
        {"old", "sbc.example.com", NULL, DM_TLS_FAILED_EXPIRED},
        {"stranger", "sbc.example.com", NULL, DM_TLS_FAILED_UNTRUSTED},
        {"sbc", NULL, NULL, DM_TLS_FAILED_NAME},
    };

    g_test_summary("SEC-1, RFC 5922: chain and host name are verified; what is wrong is told");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DmTlsContext) server = good_context(f, &(Want){.cert = cases[i].cert});
        g_autoptr(DmTlsContext) client = good_context(f, &(Want){.server_name = cases[i].also});
        const char *text;
        Pair p;

        init_pair(&p, server, client, cases[i].name);
        carry(&p, 65536);
        g_test_message("%s as %s", cases[i].cert, cases[i].name);
        g_assert_cmpint(failure(p.client, &text), ==, cases[i].failure);
        if (cases[i].failure == DM_TLS_FAILED_NOT) {
            assert_talks(&p, 65536);
        } else {
            g_assert_cmpint(p.client_state, ==, DM_TLS_FAILED);
            g_assert_true(strstr(text, cases[i].cert) != NULL);
            g_assert_cmpint(failure(p.server, &text), ==, DM_TLS_FAILED_ALERT);
        }
        clear_pair(&p);
    }
}

static void
pinned_and_unverified_servers(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_strdup_printf("%s/stranger.pem", f->dir);
    g_autofree char *pin = dm_test_fingerprint(path);
    g_autofree char *digits = NULL;
    g_auto(GStrv) parts = g_strsplit(pin, ":", -1);
    const char *text;
    Pair p;

    g_test_summary("SEC-1: a pinned certificate needs no authority; verification can be off; "
                   "another certificate than the pinned one does not pass");
    digits = g_strjoinv("", parts);
    for (char *c = digits; *c != '\0'; c++) {
        *c = g_ascii_tolower(*c);
    }
    f->server = good_context(f, &(Want){.cert = "stranger"});
    f->client = good_context(f, &(Want){.fingerprint = digits});
    init_pair(&p, f->server, f->client, "any.example");
    carry(&p, 65536);
    assert_talks(&p, 65536);
    clear_pair(&p);

    g_autoptr(DmTlsContext) careless = good_context(f, &(Want){.trusts_anyone = true});
    init_pair(&p, f->server, careless, "any.example");
    carry(&p, 65536);
    assert_talks(&p, 65536);
    clear_pair(&p);

    g_autoptr(DmTlsContext) other = good_context(f, &(Want){.cert = "old"});
    init_pair(&p, other, f->client, "any.example");
    carry(&p, 65536);
    g_assert_cmpint(failure(p.client, &text), ==, DM_TLS_FAILED_EXPIRED);
    clear_pair(&p);
}

static void
clients_prove_theirs(Fixture *f, gconstpointer data)
{
    static const struct {
        DmVerifyClient verify;
        const char *cert, *wanted;
        DmTlsFailure failure;
    } cases[] = {
        {DM_VERIFY_NONE, NULL, NULL, DM_TLS_FAILED_NOT},
        {DM_VERIFY_NONE, "stranger", NULL, DM_TLS_FAILED_NOT},
        {DM_VERIFY_OPTIONAL, NULL, NULL, DM_TLS_FAILED_NOT},
        {DM_VERIFY_OPTIONAL, "stranger", NULL, DM_TLS_FAILED_UNTRUSTED},
        {DM_VERIFY_REQUIRED, NULL, NULL, DM_TLS_FAILED_NO_CERTIFICATE},
        {DM_VERIFY_REQUIRED, "pbx", NULL, DM_TLS_FAILED_NOT},
        {DM_VERIFY_REQUIRED, "pbx", "pbx.example.com", DM_TLS_FAILED_NOT},
        {DM_VERIFY_REQUIRED, "sbc", "pbx.example.com", DM_TLS_FAILED_NAME},
        {DM_VERIFY_REQUIRED, "old", NULL, DM_TLS_FAILED_EXPIRED},
        {DM_VERIFY_REQUIRED, "stranger", NULL, DM_TLS_FAILED_UNTRUSTED},
    };

    g_test_summary("SEC-1: mutual TLS, with and without names");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DmTlsContext) server = good_context(f,
                                                      &(Want){.cert = "sbc",
                                                              .verify_client = cases[i].verify,
                                                              .client_name = cases[i].wanted});
        g_autoptr(DmTlsContext) client =
            good_context(f, &(Want){.cert = cases[i].cert, .trusts_anyone = true});
        const char *text;
        Pair p;

        init_pair(&p, server, client, "sbc.example.com");
        carry(&p, 65536);
        g_test_message("%zu: %s", i, cases[i].cert);
        g_assert_cmpint(failure(p.server, &text), ==, cases[i].failure);
        if (cases[i].failure == DM_TLS_FAILED_NOT) {
            assert_talks(&p, 65536);
        } else {
            g_assert_cmpint(failure(p.client, &text), ==, DM_TLS_FAILED_ALERT);
        }
        clear_pair(&p);
    }
}

static void
sessions_are_resumed(Fixture *f, gconstpointer data)
{
    g_test_summary("SEC-1: the second connection to a server resumes the first one's session; to "
                   "another name it does not");
    f->server = good_context(f, &(Want){.cert = "sbc"});
    f->client = good_context(f, &(Want){});
    for (unsigned i = 0; i < 3; i++) {
        Pair p;

        init_pair(&p, f->server, f->client, i < 2 ? "sbc.example.com" : "127.0.0.1");
        carry(&p, 65536);
        assert_talks(&p, 65536);
        g_assert_cmpint(dm_tls_session_is_resumed(p.client), ==, i == 1);
        clear_pair(&p);
    }
}

static void
rubbish_is_no_handshake(Fixture *f, gconstpointer data)
{
    static const char *const rubbish[] = {
        "INVITE sip:1@h SIP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\xff\xff\x01",
    };

    g_test_summary("SEC-1: who speaks no TLS is told from who speaks it badly");
    f->server = good_context(f, &(Want){.cert = "sbc"});
    for (size_t i = 0; i < G_N_ELEMENTS(rubbish); i++) {
        g_autoptr(GByteArray) plain = g_byte_array_new();
        g_autoptr(GByteArray) wire = g_byte_array_new();
        DmTlsSession *session = dm_tls_session_new_server(f->server);
        char bytes[64] = {0};
        const char *text;

        memcpy(bytes, rubbish[i], strlen(rubbish[i]));
        g_assert_cmpint(dm_tls_session_receive(session, bytes, sizeof bytes, plain, wire),
                        ==,
                        DM_TLS_FAILED);
        failure(session, &text);
        g_test_message("%zu: %s", i, text);
        g_assert_cmpint(failure(session, &text), ==, DM_TLS_FAILED_PROTOCOL);
        g_assert_cmpuint(plain->len, ==, 0);
        dm_tls_session_free(session);
    }
}

static void
versions_that_do_not_meet(Fixture *f, gconstpointer data)
{
    const char *text;
    Pair p;

    g_test_summary("SEC-1: expiry is known; a missing file is told with its name");
    f->server = good_context(f, &(Want){.cert = "pbx"});
    g_assert_cmpint(dm_tls_context_expires_s(f->server),
                    <=,
                    g_get_real_time() / G_USEC_PER_SEC + 5 * DAY_S);
    g_assert_cmpint(dm_tls_context_expires_s(f->server),
                    >,
                    g_get_real_time() / G_USEC_PER_SEC + 4 * DAY_S);
    f->client = good_context(f, &(Want){.tls13_only = true});
    g_assert_cmpint(dm_tls_context_expires_s(f->client), ==, 0);
    init_pair(&p, f->server, f->client, "pbx.example.com");
    carry(&p, 65536);
    g_assert_cmpint(failure(p.client, &text), ==, DM_TLS_FAILED_NOT);
    clear_pair(&p);

    g_autoptr(GError) error = NULL;
    g_assert_null(context(f, &(Want){.cert = "nobody"}, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFIG);
    g_assert_true(g_str_has_prefix(error->message, "TLS profile 'test': certificate /"));
    g_assert_true(g_str_has_suffix(error->message, "nobody.pem: No such file or directory"));
}

#define ADD(name, func) g_test_add("/sip-tls/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    ADD("handshake", both_versions_at_any_segmentation);
    ADD("server-names", servers_prove_their_name);
    ADD("pinned", pinned_and_unverified_servers);
    ADD("client-names", clients_prove_theirs);
    ADD("resumption", sessions_are_resumed);
    ADD("rubbish", rubbish_is_no_handshake);
    ADD("files", versions_that_do_not_meet);
    return g_test_run();
}
