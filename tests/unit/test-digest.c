/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/digest.h"

/* --- vectors --- */

typedef struct {
    const char *what;
    DmDigestInput input;
    const char *response;
} Vector;

/* As published; the last three worked out from RFC 7616, 3.4, with coreutils and openssl(1). */
static const Vector vectors[] = {
    {"RFC 2617, 3.5",
     {.algorithm = DM_DIGEST_MD5,
      .qop = DM_QOP_AUTH,
      .user = "Mufasa",
      .realm = "testrealm@host.com",
      .password = "Circle Of Life",
      .method = "GET",
      .uri = "/dir/index.html",
      .nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093",
      .cnonce = "0a4f113b",
      .nc = "00000001"},
     "6629fae49393a05397450978507c4ef1"},
    {"RFC 7616, 3.9.1, MD5",
     {.algorithm = DM_DIGEST_MD5,
      .qop = DM_QOP_AUTH,
      .user = "Mufasa",
      .realm = "http-auth@example.org",
      .password = "Circle of Life",
      .method = "GET",
      .uri = "/dir/index.html",
      .nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
      .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
      .nc = "00000001"},
     "8ca523f5e9506fed4657c9700eebdbec"},
    {"RFC 7616, 3.9.1, SHA-256",
     {.algorithm = DM_DIGEST_SHA256,
      .qop = DM_QOP_AUTH,
      .user = "Mufasa",
      .realm = "http-auth@example.org",
      .password = "Circle of Life",
      .method = "GET",
      .uri = "/dir/index.html",
      .nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
      .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
      .nc = "00000001"},
     "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
    {"MD5-sess",
     {.algorithm = DM_DIGEST_MD5_SESS,
      .qop = DM_QOP_AUTH,
      .user = "bob",
      .realm = "r",
      .password = "pw",
      .method = "REGISTER",
      .uri = "sip:x",
      .nonce = "nn",
      .cnonce = "cc",
      .nc = "00000001"},
     "a6e5aa63e0d401148494b2aefacb3c9e"},
    {"MD5 with auth-int",
     {.algorithm = DM_DIGEST_MD5,
      .qop = DM_QOP_AUTH_INT,
      .user = "bob",
      .realm = "r",
      .password = "pw",
      .method = "INVITE",
      .uri = "sip:x",
      .nonce = "nn",
      .cnonce = "cc",
      .nc = "00000002",
      .body = "hello",
      .body_len = 5},
     "2d53763b72324d5c5838a7ed05d25915"},
    {"SHA-512-256 without qop",
     {.algorithm = DM_DIGEST_SHA512_256,
      .user = "bob",
      .realm = "r",
      .password = "pw",
      .method = "REGISTER",
      .uri = "sip:x",
      .nonce = "nn"},
     "2cc59e5916fd6456edb10ad05e80ac63418422597be8b879676b0a357c289bab"},
};

static void
test_vectors(void)
{
    g_test_summary("AUTH-1: the published examples come out");
    for (unsigned i = 0; i < G_N_ELEMENTS(vectors); i++) {
        char response[DM_DIGEST_HEX_MAX];

        g_test_message("%s", vectors[i].what);
        g_assert_true(dm_digest_response(&vectors[i].input, response));
        g_assert_cmpstr(response, ==, vectors[i].response);
    }
}

/* --- challenges --- */

static bool
parse(DmDigestChallenge *out, const char *header)
{
    g_auto(GStrv) params = g_strsplit(header, ", ", 0);

    return dm_digest_challenge_parse(out, "Digest", (const char *const *)params);
}

static void
test_challenge(void)
{
    DmDigestChallenge c;

    g_test_summary("AUTH-1: a challenge is read with and without quotes, whatever the case");
    g_assert_true(
        parse(&c, "REALM=\"a b\", Nonce=\"n\", algorithm=\"sha-256\", qop=\"auth-int,auth\""));
    g_assert_cmpstr(c.realm, ==, "a b");
    g_assert_cmpstr(c.nonce, ==, "n");
    g_assert_cmpint(c.algorithm, ==, DM_DIGEST_SHA256);
    g_assert_cmpint(c.qop, ==, DM_QOP_AUTH);
    g_assert_false(c.has_opaque);
    g_assert_true(parse(&c, "realm=\"r\", nonce=\"n\", opaque=\"\", stale=TRUE, qop=auth-int"));
    g_assert_cmpint(c.algorithm, ==, DM_DIGEST_MD5);
    g_assert_cmpint(c.qop, ==, DM_QOP_AUTH_INT);
    g_assert_true(c.has_opaque);
    g_assert_true(c.stale);
    g_assert_true(parse(&c, "realm=\"r\", nonce=\"n\", algorithm=MD5-sess"));
    g_assert_cmpint(c.algorithm, ==, DM_DIGEST_MD5_SESS);
    g_assert_cmpint(c.qop, ==, DM_QOP_NONE);
}

static void
test_bad_challenge(void)
{
    static const char *const bad[] = {
        "realm=\"r\"",
        "nonce=\"n\"",
        "realm=\"r\", nonce=\"n\", algorithm=AKAv1-MD5",
        "realm=\"r\", nonce=\"n\", qop=\"other\"",
        "realm=\"r\r\nX: y\", nonce=\"n\"",
        "realm=\"r\" x=\"\", nonce=\"n\"",
        "realm=\"r\", nonce=\"n\\\"",
    };
    g_autofree char *long_one = g_strnfill(DM_DIGEST_TEXT_MAX, 'a');
    g_autofree char *too_long = g_strdup_printf("realm=\"r\", nonce=\"%s\"", long_one);
    const char *none[] = {NULL};
    DmDigestChallenge c;

    g_test_summary("SEC-5: challenges that cannot be answered safely are not understood");
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i]);
        g_assert_false(parse(&c, bad[i]));
    }
    g_assert_false(parse(&c, too_long));
    g_assert_false(dm_digest_challenge_parse(&c, "Basic", none));
    g_assert_false(dm_digest_challenge_parse(&c, "Digest", none));
    g_assert_false(dm_digest_challenge_parse(&c, "Digest", NULL));
}

/* --- the client --- */

static DmDigestChallenge
challenge(const char *realm, const char *nonce, DmDigestAlgorithm algorithm)
{
    DmDigestChallenge c = {.algorithm = algorithm, .qop = DM_QOP_AUTH};

    g_strlcpy(c.realm, realm, sizeof c.realm);
    g_strlcpy(c.nonce, nonce, sizeof c.nonce);
    return c;
}

static void
collect(bool proxy, const char *value, void *user_data)
{
    g_string_append_printf(user_data, "%s%s\n", proxy ? "proxy " : "", value);
}

static char *
authorize(DmDigestClient *client)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    GString *text = g_string_new(NULL);

    dm_digest_client_authorize(client,
                               random,
                               &(DmDigestRequest){"INVITE", "sip:1@example.net", NULL, 0},
                               collect,
                               text);
    return g_string_free(text, FALSE);
}

static void
assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        g_error("\"%s\" is not in: %s", part, text);
    }
}

static void
test_first_of_realm(void)
{
    DmDigestChallenge list[] = {
        challenge("a", "n1", DM_DIGEST_SHA256),
        challenge("a", "n2", DM_DIGEST_MD5),
        challenge("b", "n3", DM_DIGEST_MD5),
    };
    DmDigestClient *client = dm_digest_client_new("u", "p", "");
    g_autofree char *text = NULL;

    g_test_summary(
        "AUTH-1: the top-most challenge of each realm is answered, in both kinds of header");
    g_assert_cmpint(dm_digest_client_take(client, false, list, 2), ==, DM_DIGEST_RETRY);
    g_assert_cmpint(dm_digest_client_take(client, true, list + 2, 1), ==, DM_DIGEST_RETRY);
    text = authorize(client);
    assert_has(text, "realm=\"a\", nonce=\"n1\"");
    assert_has(text, "algorithm=SHA-256");
    assert_has(text, "proxy Digest username=\"u\", realm=\"b\", nonce=\"n3\"");
    g_assert_null(strstr(text, "n2"));
    dm_digest_client_free(client);
}

static void
test_no_loop(void)
{
    DmDigestChallenge first = challenge("a", "n1", DM_DIGEST_MD5);
    DmDigestChallenge second = challenge("a", "n2", DM_DIGEST_MD5);
    DmDigestClient *client = dm_digest_client_new("u", "p", "");

    g_test_summary("AUTH-4: a realm that asks again within one request is not believed");
    g_assert_cmpint(dm_digest_client_take(client, false, &first, 1), ==, DM_DIGEST_RETRY);
    g_assert_cmpint(dm_digest_client_take(client, false, &second, 1), ==, DM_DIGEST_REFUSED);
    dm_digest_client_begin(client);
    g_assert_cmpint(dm_digest_client_take(client, false, &second, 1), ==, DM_DIGEST_RETRY);
    dm_digest_client_free(client);
}

static void
test_many_realms(void)
{
    DmDigestClient *client = dm_digest_client_new("u", "p", "");
    unsigned retries = 0;

    g_test_summary("AUTH-4: a peer that invents realms is not followed for ever");
    for (unsigned i = 0; i < 100; i++) {
        g_autofree char *realm = g_strdup_printf("r%u", i);
        DmDigestChallenge c = challenge(realm, "n", DM_DIGEST_MD5);

        retries += dm_digest_client_take(client, false, &c, 1) == DM_DIGEST_RETRY;
    }
    g_assert_cmpuint(retries, ==, DM_DIGEST_MAX_REALMS);
    dm_digest_client_free(client);
}

static void
test_nonce_count(void)
{
    DmDigestChallenge c = challenge("a", "n1", DM_DIGEST_MD5);
    DmDigestClient *client = dm_digest_client_new("u", "p", "a");
    g_autofree char *first = NULL, *second = NULL, *third = NULL;

    g_test_summary("AUTH-1: nc counts the uses of a nonce and begins anew with the next");
    dm_digest_client_take(client, false, &c, 1);
    first = authorize(client);
    second = authorize(client);
    assert_has(first, "nc=00000001");
    assert_has(second, "nc=00000002");
    dm_digest_client_begin(client);
    c = challenge("a", "n2", DM_DIGEST_MD5);
    dm_digest_client_take(client, false, &c, 1);
    third = authorize(client);
    assert_has(third, "nc=00000001");
    dm_digest_client_free(client);
}

static void
test_foreign_realm(void)
{
    DmDigestChallenge c = challenge("other", "n1", DM_DIGEST_MD5);
    DmDigestClient *client = dm_digest_client_new("u", "p", "a");

    g_test_summary("AUTH-1: with a realm configured, no other one gets an answer");
    g_assert_cmpint(dm_digest_client_take(client, false, &c, 1), ==, DM_DIGEST_UNSUPPORTED);
    g_assert_cmpint(dm_digest_client_take(client, false, NULL, 0), ==, DM_DIGEST_UNSUPPORTED);
    dm_digest_client_free(client);
}

/* --- client against server --- */

static void
keep_header(bool proxy, const char *value, void *user_data)
{
    *(char **)user_data = g_strdup(value + strlen("Digest "));
}

/* A server and one source. */
typedef struct {
    DmRandom *random;
    DmNonces *nonces;
    DmAddress source;
} Server;

static void
server_set_up(Server *server)
{
    server->random = dm_random_new_seeded(3);
    server->nonces = dm_nonces_new(server->random);
    dm_address_parse(&server->source, "192.0.2.1", 5060);
}

static void
server_tear_down(Server *server)
{
    dm_nonces_free(server->nonces);
    dm_random_free(server->random);
}

/* What a client sends that was challenged at second 1000. */
static char *
answer_of(Server *server, const char *user, const char *password, DmDigestAlgorithm algorithm)
{
    g_autoptr(GString) text = g_string_new(NULL);
    DmDigestClient *client = dm_digest_client_new(user, password, "");
    DmDigestChallenge c;
    char nonce[DM_NONCE_MAX];
    char *header = NULL;

    dm_nonces_make(server->nonces, &server->source, "demarc", 1000, nonce);
    dm_digest_server_challenge("demarc", nonce, algorithm, false, text);
    g_assert_true(parse(&c, text->str + strlen("Digest ")));
    dm_digest_client_take(client, false, &c, 1);
    dm_digest_client_authorize(client,
                               server->random,
                               &(DmDigestRequest){"INVITE", "sip:1@example.net", NULL, 0},
                               keep_header,
                               &header);
    dm_digest_client_free(client);
    return header;
}

static DmDigestExpected
expect(Server *server)
{
    return (DmDigestExpected){.realm = "demarc",
                              .user = "alice",
                              .password = "wonder",
                              .hashes = 7,
                              .nonces = server->nonces,
                              .source = &server->source,
                              .now_s = 1000,
                              .request = {"INVITE", "sip:1@example.net", NULL, 0}};
}

static DmDigestCheck
check(const DmDigestExpected *expected, const char *header)
{
    g_auto(GStrv) params = g_strsplit(header, ", ", 0);

    return dm_digest_server_check(expected, "Digest", (const char *const *)params);
}

static const DmDigestAlgorithm all_hashes[] = {
    DM_DIGEST_MD5,
    DM_DIGEST_SHA256,
    DM_DIGEST_SHA512_256,
};

static void
test_server(void)
{
    DmAddress other;

    g_test_summary(
        "AUTH-2: the right answer is accepted once; the wrong, the late and the stolen are not");
    dm_address_parse(&other, "192.0.2.2", 5060);
    for (unsigned i = 0; i < G_N_ELEMENTS(all_hashes); i++) {
        Server server;
        DmDigestExpected expected;
        g_autofree char *right = NULL, *wrong = NULL, *nobody = NULL;

        server_set_up(&server);
        right = answer_of(&server, "alice", "wonder", all_hashes[i]);
        wrong = answer_of(&server, "alice", "land", all_hashes[i]);
        nobody = answer_of(&server, "mallory", "wonder", all_hashes[i]);
        expected = expect(&server);
        g_assert_cmpint(check(&expected, wrong), ==, DM_DIGEST_WRONG);
        g_assert_cmpint(check(&expected, nobody), ==, DM_DIGEST_WRONG);
        g_assert_cmpint(check(&expected, ""), ==, DM_DIGEST_ABSENT);
        expected.request.uri = "sip:0900@example.net";
        g_assert_cmpint(check(&expected, right), ==, DM_DIGEST_BAD_URI);
        expected = expect(&server);
        expected.source = &other;
        g_assert_cmpint(check(&expected, right), ==, DM_DIGEST_STALE);
        expected = expect(&server);
        expected.now_s += DM_NONCE_LIFE_S + 1;
        g_assert_cmpint(check(&expected, right), ==, DM_DIGEST_STALE);
        expected = expect(&server);
        expected.request.method = "BYE";
        g_assert_cmpint(check(&expected, right), ==, DM_DIGEST_WRONG);
        expected = expect(&server);
        g_assert_cmpint(check(&expected, right), ==, DM_DIGEST_ACCEPTED);
        g_assert_cmpint(check(&expected, right), ==, DM_DIGEST_STALE);
        server_tear_down(&server);
    }
}

static void
test_server_hashes(void)
{
    static const char wrong[] = "0123456789abcdef0123456789abcdef"
                                "0123456789abcdef0123456789abcdef";
    Server server;
    DmDigestExpected expected;
    g_autofree char *by_sha = NULL, *by_md5 = NULL;
    g_autofree char *ha1 =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, "alice:demarc:wonder", -1);

    g_test_summary("AUTH-2: a stored hash serves as well as the password, for its algorithm alone");
    server_set_up(&server);
    expected = expect(&server);
    by_sha = answer_of(&server, "alice", "wonder", DM_DIGEST_SHA256);
    by_md5 = answer_of(&server, "alice", "wonder", DM_DIGEST_MD5);
    expected.password = NULL;
    expected.ha1[dm_digest_hash_of(DM_DIGEST_SHA256)] = wrong;
    g_assert_cmpint(check(&expected, by_sha), ==, DM_DIGEST_WRONG);
    expected.ha1[dm_digest_hash_of(DM_DIGEST_SHA256)] = ha1;
    g_assert_cmpint(check(&expected, by_md5), ==, DM_DIGEST_ABSENT);
    g_assert_cmpint(check(&expected, by_sha), ==, DM_DIGEST_ACCEPTED);
    server_tear_down(&server);
}

static void
test_server_downgrade(void)
{
    Server server;
    DmDigestExpected expected;
    g_autofree char *by_md5 = NULL;

    g_test_summary("AUTH-2: an algorithm that was not offered is not accepted (RFC 8760, 4)");
    server_set_up(&server);
    expected = expect(&server);
    by_md5 = answer_of(&server, "alice", "wonder", DM_DIGEST_MD5);
    expected.hashes = 1U << dm_digest_hash_of(DM_DIGEST_SHA256);
    g_assert_cmpint(check(&expected, by_md5), ==, DM_DIGEST_ABSENT);
    server_tear_down(&server);
}

static void
test_server_bad_count(void)
{
    static const char *const counts[] = {"nc=00000000", "nc=1", "nc=+0000001", "nc=0000000g"};
    Server server;
    DmDigestExpected expected;
    g_autofree char *right = NULL;

    g_test_summary("AUTH-2: a nonce count is eight digits and not 0");
    server_set_up(&server);
    expected = expect(&server);
    right = answer_of(&server, "alice", "wonder", DM_DIGEST_SHA256);
    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_auto(GStrv) parts = g_strsplit(right, "nc=00000001", 2);
        g_autofree char *bad = g_strjoinv(counts[i], parts);

        g_assert_cmpint(check(&expected, bad), ==, DM_DIGEST_ABSENT);
    }
    g_assert_cmpint(check(&expected, right), ==, DM_DIGEST_ACCEPTED);
    server_tear_down(&server);
}

static void
test_user_with_quotes(void)
{
    Server server;
    g_autofree char *header = NULL;

    g_test_summary("SEC-5: a user name cannot break out of its quotes");
    server_set_up(&server);
    header = answer_of(&server, "a\"\r\nX: b", "p", DM_DIGEST_MD5);
    assert_has(header, "username=\"a\\\"X: b\",");
    server_tear_down(&server);
}

static void
test_integrity_offered(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    DmDigestChallenge c;

    g_test_summary("AUTH-1: auth-int is offered beside auth where it is wanted");
    dm_digest_server_challenge("demarc", "n", DM_DIGEST_MD5, false, text);
    dm_digest_server_offer_integrity(text);
    g_assert_nonnull(strstr(text->str, ", qop=\"auth,auth-int\""));
    g_assert_true(parse(&c, text->str + strlen("Digest ")));
    g_assert_cmpint(c.qop, ==, DM_QOP_AUTH);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/digest/vectors", test_vectors);
    g_test_add_func("/digest/challenge", test_challenge);
    g_test_add_func("/digest/challenge/bad", test_bad_challenge);
    g_test_add_func("/digest/client/first-of-realm", test_first_of_realm);
    g_test_add_func("/digest/client/no-loop", test_no_loop);
    g_test_add_func("/digest/client/many-realms", test_many_realms);
    g_test_add_func("/digest/client/nonce-count", test_nonce_count);
    g_test_add_func("/digest/client/foreign-realm", test_foreign_realm);
    g_test_add_func("/digest/server", test_server);
    g_test_add_func("/digest/server/hashes", test_server_hashes);
    g_test_add_func("/digest/server/downgrade", test_server_downgrade);
    g_test_add_func("/digest/server/bad-count", test_server_bad_count);
    g_test_add_func("/digest/user-with-quotes", test_user_with_quotes);
    g_test_add_func("/digest/integrity-offered", test_integrity_offered);
    return g_test_run();
}
