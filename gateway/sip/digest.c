/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const EVP_MD *(*hash)(void);
    bool session;
} algorithms[DM_DIGEST_UNKNOWN] = {
    [DM_DIGEST_MD5] = {"MD5", EVP_md5, false},
    [DM_DIGEST_MD5_SESS] = {"MD5-sess", EVP_md5, true},
    [DM_DIGEST_SHA256] = {"SHA-256", EVP_sha256, false},
    [DM_DIGEST_SHA256_SESS] = {"SHA-256-sess", EVP_sha256, true},
    [DM_DIGEST_SHA512_256] = {"SHA-512-256", EVP_sha512_256, false},
    [DM_DIGEST_SHA512_256_SESS] = {"SHA-512-256-sess", EVP_sha512_256, true},
};

static const char *const qop_names[] = {
    [DM_QOP_NONE] = NULL,
    [DM_QOP_AUTH] = "auth",
    [DM_QOP_AUTH_INT] = "auth-int",
};

const char *
dm_digest_algorithm_name(DmDigestAlgorithm algorithm)
{
    return algorithm < DM_DIGEST_UNKNOWN ? algorithms[algorithm].name : "unknown";
}

/* --- the hash --- */

static void
to_hex(const uint8_t *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

static void
hash_bytes(DmDigestAlgorithm algorithm, const char *data, size_t len, char out[DM_DIGEST_HEX_MAX])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_Digest(data, len, hash, &n, algorithms[algorithm].hash(), NULL) != 1 || n > 32) {
        n = 0;
    }
    to_hex(hash, n, out);
}

/* The hash of strings joined by colons; the list ends with NULL. */
static void G_GNUC_NULL_TERMINATED
hash_joined(DmDigestAlgorithm algorithm, char out[DM_DIGEST_HEX_MAX], const char *first, ...)
{
    g_autoptr(GString) text = g_string_new(first);
    va_list rest;

    va_start(rest, first);
    for (const char *s; (s = va_arg(rest, const char *)) != NULL;) {
        g_string_append_c(text, ':');
        g_string_append(text, s);
    }
    va_end(rest);
    hash_bytes(algorithm, text->str, text->len, out);
    OPENSSL_cleanse(text->str, text->len);
}

bool
dm_digest_response(const DmDigestInput *input, char out[DM_DIGEST_HEX_MAX])
{
    char ha1[DM_DIGEST_HEX_MAX];
    char ha2[DM_DIGEST_HEX_MAX];
    char body[DM_DIGEST_HEX_MAX];
    DmDigestAlgorithm algorithm = input->algorithm;

    g_return_val_if_fail(algorithm < DM_DIGEST_UNKNOWN, false);
    if (input->ha1 != NULL) {
        g_strlcpy(ha1, input->ha1, sizeof ha1);
    } else {
        hash_joined(algorithm, ha1, input->user, input->realm, input->password, NULL);
    }
    if (algorithms[algorithm].session) {
        g_autofree char *base = g_strdup(ha1);

        hash_joined(algorithm, ha1, base, input->nonce, input->cnonce, NULL);
    }
    if (input->qop == DM_QOP_AUTH_INT) {
        hash_bytes(algorithm, input->body != NULL ? input->body : "", input->body_len, body);
        hash_joined(algorithm, ha2, input->method, input->uri, body, NULL);
    } else {
        hash_joined(algorithm, ha2, input->method, input->uri, NULL);
    }
    if (input->qop == DM_QOP_NONE) {
        hash_joined(algorithm, out, ha1, input->nonce, ha2, NULL);
    } else {
        const char *qop = qop_names[input->qop];

        hash_joined(algorithm, out, ha1, input->nonce, input->nc, input->cnonce, qop, ha2, NULL);
    }
    return true;
}

/* --- parameters --- */

/* The text between the quotes stays as it is, escapes included: peers hash it so, and it can be
 * echoed as it came. */
static bool
copy_value(const char *value, char out[DM_DIGEST_TEXT_MAX])
{
    size_t len = strlen(value);
    bool escaped = false;

    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value++;
        len -= 2;
    }
    if (len >= DM_DIGEST_TEXT_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (g_ascii_iscntrl(value[i]) || (value[i] == '"' && !escaped)) {
            return false;
        }
        escaped = !escaped && value[i] == '\\';
    }
    if (escaped) {
        return false;
    }
    memcpy(out, value, len);
    out[len] = '\0';
    return true;
}

/* Copies the value of parameter @name. False: absent (@out is ""), or not usable (@*bad set). */
static bool
get_param(const char *const *params, const char *name, char out[DM_DIGEST_TEXT_MAX], bool *bad)
{
    size_t len = strlen(name);

    out[0] = '\0';
    for (; params != NULL && *params != NULL; params++) {
        if (g_ascii_strncasecmp(*params, name, len) == 0 && (*params)[len] == '=') {
            if (copy_value(*params + len + 1, out)) {
                return true;
            }
            *bad = true;
            return false;
        }
    }
    return false;
}

static DmDigestAlgorithm
find_algorithm(const char *name)
{
    unsigned i = 0;

    while (i < DM_DIGEST_UNKNOWN && g_ascii_strcasecmp(name, algorithms[i].name) != 0) {
        i++;
    }
    return i;
}

static bool
list_has(const char *list, const char *token)
{
    g_auto(GStrv) items = g_strsplit(list, ",", 16);

    for (char **item = items; *item != NULL; item++) {
        if (g_ascii_strcasecmp(g_strstrip(*item), token) == 0) {
            return true;
        }
    }
    return false;
}

static bool
choose_qop(const char *offered, DmDigestQop *out)
{
    if (list_has(offered, "auth")) {
        *out = DM_QOP_AUTH;
        return true;
    }
    if (list_has(offered, "auth-int")) {
        *out = DM_QOP_AUTH_INT;
        return true;
    }
    return false;
}

bool
dm_digest_challenge_parse(DmDigestChallenge *out, const char *scheme, const char *const *params)
{
    DmDigestChallenge c = {0};
    char text[DM_DIGEST_TEXT_MAX];
    bool bad = false;

    if (scheme == NULL || g_ascii_strcasecmp(scheme, "Digest") != 0) {
        return false;
    }
    if (!get_param(params, "realm", c.realm, &bad) || !get_param(params, "nonce", c.nonce, &bad)) {
        return false;
    }
    c.has_opaque = get_param(params, "opaque", c.opaque, &bad);
    if (get_param(params, "algorithm", text, &bad)) {
        c.algorithm = find_algorithm(text);
    }
    if (get_param(params, "qop", text, &bad) && !choose_qop(text, &c.qop)) {
        return false;
    }
    if (get_param(params, "stale", text, &bad)) {
        c.stale = g_ascii_strcasecmp(text, "true") == 0;
    }
    if (bad || c.algorithm == DM_DIGEST_UNKNOWN) {
        return false;
    }
    *out = c;
    return true;
}

/* --- answering --- */

typedef struct {
    DmDigestChallenge challenge;
    bool proxy;
    bool fresh; /* its challenge was an answer to the request under way */
    uint32_t nc;
} Realm;

struct DmDigestClient {
    char *user, *password, *only_realm;
    unsigned n_realms;
    Realm *realms; /* DM_DIGEST_MAX_REALMS, made at the first challenge */
};

DmDigestClient *
dm_digest_client_new(const char *user, const char *password, const char *realm)
{
    DmDigestClient *client = g_new0(DmDigestClient, 1);

    client->user = g_strdup(user);
    client->password = g_strdup(password);
    client->only_realm = g_strdup(realm != NULL ? realm : "");
    return client;
}

void
dm_digest_client_free(DmDigestClient *client)
{
    if (client == NULL) {
        return;
    }
    OPENSSL_cleanse(client->password, strlen(client->password));
    g_free(client->user);
    g_free(client->password);
    g_free(client->only_realm);
    g_free(client->realms);
    g_free(client);
}

void
dm_digest_client_begin(DmDigestClient *client)
{
    for (unsigned i = 0; i < client->n_realms; i++) {
        client->realms[i].fresh = false;
    }
}

static Realm *
find_realm(DmDigestClient *client, bool proxy, const char *name)
{
    for (unsigned i = 0; i < client->n_realms; i++) {
        Realm *realm = &client->realms[i];

        if (realm->proxy == proxy && strcmp(realm->challenge.realm, name) == 0) {
            return realm;
        }
    }
    return NULL;
}

static Realm *
add_realm(DmDigestClient *client, bool proxy)
{
    Realm *realm;

    if (client->n_realms == DM_DIGEST_MAX_REALMS) {
        return NULL;
    }
    if (client->realms == NULL) {
        client->realms = g_new0(Realm, DM_DIGEST_MAX_REALMS);
    }
    realm = &client->realms[client->n_realms++];
    realm->proxy = proxy;
    return realm;
}

/* RFC 8760, 2.4: of several challenges of one realm the top-most we understand counts. */
static bool
is_first_of_realm(const DmDigestChallenge *challenges, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (strcmp(challenges[j].realm, challenges[i].realm) == 0) {
            return false;
        }
    }
    return true;
}

DmDigestVerdict
dm_digest_client_take(DmDigestClient *client,
                      bool proxy,
                      const DmDigestChallenge *challenges,
                      size_t n)
{
    bool answerable = false;

    for (size_t i = 0; i < n; i++) {
        const DmDigestChallenge *challenge = &challenges[i];
        Realm *realm;

        if (!is_first_of_realm(challenges, i) ||
            (*client->only_realm != '\0' && strcmp(client->only_realm, challenge->realm) != 0)) {
            continue;
        }
        realm = find_realm(client, proxy, challenge->realm);
        if (realm != NULL && realm->fresh) {
            return DM_DIGEST_REFUSED;
        }
        if (realm == NULL) {
            realm = add_realm(client, proxy);
        }
        if (realm == NULL) {
            return DM_DIGEST_REFUSED;
        }
        if (strcmp(realm->challenge.nonce, challenge->nonce) != 0) {
            realm->nc = 0; /* RFC 7616, 3.4: nc counts the uses of one nonce */
        }
        realm->challenge = *challenge;
        realm->fresh = true;
        answerable = true;
    }
    return answerable ? DM_DIGEST_RETRY : DM_DIGEST_UNSUPPORTED;
}

/* A user name may hold what a quoted string may not hold bare. */
static void
append_quoted(GString *out, const char *name, const char *text)
{
    g_string_append_printf(out, "%s=\"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            g_string_append_c(out, '\\');
        }
        if (!g_ascii_iscntrl(*text)) {
            g_string_append_c(out, *text);
        }
    }
    g_string_append_c(out, '"');
}

static void
append_credentials(GString *out,
                   const char *user,
                   const DmDigestInput *in,
                   const DmDigestChallenge *challenge)
{
    char response[DM_DIGEST_HEX_MAX];

    dm_digest_response(in, response);
    g_string_append(out, "Digest ");
    append_quoted(out, "username", user);
    g_string_append_printf(
        out,
        ", realm=\"%s\", nonce=\"%s\", uri=\"%s\", response=\"%s\", algorithm=%s",
        in->realm,
        in->nonce,
        in->uri,
        response,
        algorithms[in->algorithm].name);
    if (in->qop != DM_QOP_NONE) {
        g_string_append_printf(out, ", qop=%s, nc=%s", qop_names[in->qop], in->nc);
    }
    if (in->qop != DM_QOP_NONE || algorithms[in->algorithm].session) {
        g_string_append_printf(out, ", cnonce=\"%s\"", in->cnonce);
    }
    if (challenge->has_opaque) {
        g_string_append_printf(out, ", opaque=\"%s\"", challenge->opaque);
    }
}

void
dm_digest_client_authorize(DmDigestClient *client,
                           DmRandom *random,
                           const DmDigestRequest *request,
                           DmDigestAddFunc add,
                           void *user_data)
{
    for (unsigned i = 0; i < client->n_realms; i++) {
        Realm *realm = &client->realms[i];
        g_autoptr(GString) value = g_string_sized_new(400);
        char nc[9];
        char cnonce[17];

        g_snprintf(nc, sizeof nc, "%08x", ++realm->nc);
        dm_random_token(random, cnonce, sizeof cnonce - 1);
        append_credentials(value,
                           client->user,
                           &(DmDigestInput){.algorithm = realm->challenge.algorithm,
                                            .qop = realm->challenge.qop,
                                            .user = client->user,
                                            .realm = realm->challenge.realm,
                                            .password = client->password,
                                            .method = request->method,
                                            .uri = request->uri,
                                            .nonce = realm->challenge.nonce,
                                            .cnonce = cnonce,
                                            .nc = nc,
                                            .body = request->body,
                                            .body_len = request->body_len},
                           &realm->challenge);
        add(realm->proxy, value->str, user_data);
    }
}

/* --- asking --- */

void
dm_digest_server_challenge(const char *realm,
                           const char *nonce,
                           DmDigestAlgorithm algorithm,
                           bool stale,
                           GString *out)
{
    g_string_append_printf(out,
                           "Digest realm=\"%s\", nonce=\"%s\", algorithm=%s, qop=\"auth\"%s",
                           realm,
                           nonce,
                           dm_digest_algorithm_name(algorithm),
                           stale ? ", stale=true" : "");
}

/* RFC 7616, 3.3. */
void
dm_digest_server_offer_integrity(GString *challenge)
{
    g_string_replace(challenge, "qop=\"auth\"", "qop=\"auth,auth-int\"", 1);
}

/* What an Authorization header says. */
typedef struct {
    char user[DM_DIGEST_TEXT_MAX], realm[DM_DIGEST_TEXT_MAX], nonce[DM_DIGEST_TEXT_MAX];
    char response[DM_DIGEST_TEXT_MAX], cnonce[DM_DIGEST_TEXT_MAX], nc[DM_DIGEST_TEXT_MAX];
    char uri[DM_DIGEST_TEXT_MAX];
    DmDigestAlgorithm algorithm;
    DmDigestQop qop;
    uint32_t count; /* nc; 0: none */
} Credentials;

/* Eight hexadecimal digits, and not all of them 0 (RFC 7616, 3.4). */
static bool
parse_count(const char *text, uint32_t *out)
{
    char *end;

    *out = (uint32_t)strtoul(text, &end, 16);
    return strlen(text) == 8 && strspn(text, "0123456789abcdefABCDEF") == 8 && *end == '\0' &&
           *out > 0;
}

static bool
parse_credentials(Credentials *c, const char *scheme, const char *const *params)
{
    char text[DM_DIGEST_TEXT_MAX];
    bool bad = false;

    if (scheme == NULL || g_ascii_strcasecmp(scheme, "Digest") != 0) {
        return false;
    }
    *c = (Credentials){0};
    get_param(params, "username", c->user, &bad);
    get_param(params, "realm", c->realm, &bad);
    get_param(params, "nonce", c->nonce, &bad);
    get_param(params, "response", c->response, &bad);
    get_param(params, "uri", c->uri, &bad);
    get_param(params, "cnonce", c->cnonce, &bad);
    get_param(params, "nc", c->nc, &bad);
    if (get_param(params, "algorithm", text, &bad)) {
        c->algorithm = find_algorithm(text);
    }
    if (get_param(params, "qop", text, &bad) && !choose_qop(text, &c->qop)) {
        return false;
    }
    if (c->qop != DM_QOP_NONE && !parse_count(c->nc, &c->count)) {
        return false;
    }
    return !bad && c->algorithm != DM_DIGEST_UNKNOWN;
}

bool
dm_digest_claim(const char *scheme,
                const char *const *params,
                char out_user[DM_DIGEST_TEXT_MAX],
                char out_realm[DM_DIGEST_TEXT_MAX])
{
    bool bad = false;

    return scheme != NULL && g_ascii_strcasecmp(scheme, "Digest") == 0 &&
           get_param(params, "username", out_user, &bad) &&
           get_param(params, "realm", out_realm, &bad) && !bad;
}

/* The whole answer is computed even for a user that does not exist, so that time tells nothing. */
static bool
response_is_right(const DmDigestExpected *expected, const Credentials *c)
{
    char want[DM_DIGEST_HEX_MAX];
    char got[DM_DIGEST_HEX_MAX] = {0};
    bool same_user = strlen(c->user) == strlen(expected->user) &&
                     CRYPTO_memcmp(c->user, expected->user, strlen(expected->user)) == 0;
    size_t len;

    dm_digest_response(&(DmDigestInput){.algorithm = c->algorithm,
                                        .qop = c->qop,
                                        .user = expected->user,
                                        .realm = expected->realm,
                                        .password = expected->password,
                                        .ha1 = expected->password != NULL
                                                   ? NULL
                                                   : expected->ha1[dm_digest_hash_of(c->algorithm)],
                                        .method = expected->request.method,
                                        .uri = c->uri,
                                        .nonce = c->nonce,
                                        .cnonce = c->cnonce,
                                        .nc = c->nc,
                                        .body = expected->request.body,
                                        .body_len = expected->request.body_len},
                       want);
    len = strlen(want);
    g_strlcpy(got, c->response, sizeof got);
    return strlen(c->response) == len && CRYPTO_memcmp(want, got, len) == 0 && same_user;
}

static bool
is_offered(const DmDigestExpected *expected, DmDigestAlgorithm algorithm)
{
    unsigned hash = dm_digest_hash_of(algorithm);

    return (expected->hashes >> hash & 1) != 0 &&
           (expected->password != NULL || expected->ha1[hash] != NULL);
}

DmDigestCheck
dm_digest_server_check(const DmDigestExpected *expected,
                       const char *scheme,
                       const char *const *params)
{
    Credentials c;

    if (!parse_credentials(&c, scheme, params) || strcmp(c.realm, expected->realm) != 0 ||
        !is_offered(expected, c.algorithm)) {
        return DM_DIGEST_ABSENT;
    }
    if (!response_is_right(expected, &c)) {
        return DM_DIGEST_WRONG;
    }
    if (strcmp(c.uri, expected->request.uri) != 0) {
        return DM_DIGEST_BAD_URI;
    }
    return dm_nonces_take(expected->nonces,
                          expected->source,
                          expected->realm,
                          c.nonce,
                          c.count,
                          expected->now_s)
               ? DM_DIGEST_ACCEPTED
               : DM_DIGEST_STALE;
}
