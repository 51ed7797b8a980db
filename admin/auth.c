/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/auth.h"

#include <string.h>

#include "admin/admin.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"

DM_LOG_TOPIC("admin-auth");

#define SECRET_BYTES  32
#define SECRET_PREFIX "dmt_"
/* Of a secret that somebody made up. */
#define GIVEN_MIN 32
/* RFC 6750, 2.1 */
#define BEARER_CHARS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-._~+/="
/* "last used" is for people: once a minute is enough, and spares a commit a request. */
#define USED_STEP_US (INT64_C(60) * G_USEC_PER_SEC)
/* Refused tokens logged a second. */
#define LOG_RATE 2

static char *
random_text(size_t n_bytes)
{
    g_autofree uint8_t *bytes = g_malloc(n_bytes);
    DmRandom *random = dm_random_new();
    char *text;

    dm_random_bytes(random, bytes, n_bytes);
    dm_random_free(random);
    text = g_base64_encode(bytes, n_bytes);
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

char *
dm_auth_make_secret(void)
{
    g_autofree char *text = random_text(SECRET_BYTES);

    return g_strconcat(SECRET_PREFIX, text, NULL);
}

char *
dm_auth_make_id(void)
{
    return random_text(12);
}

/* The secret of an Authorization header; NULL when it is no bearer token. */
static const char *
bearer(const char *header)
{
    if (header == NULL || g_ascii_strncasecmp(header, "Bearer ", 7) != 0) {
        return NULL;
    }
    header += 7;
    return header + strspn(header, " ");
}

static bool
refuse(const DmRequest *request, DmResponse *response, const char *code, const char *detail)
{
    static DmLogLimit limit;
    uint32_t suppressed;
    char remote[DM_ADDRESS_TEXT_MAX];

    if (dm_log_limit_pass(&limit, LOG_RATE, &suppressed)) {
        dm_info(NULL,
                "request refused: %s; %s from %s",
                detail,
                request->method,
                dm_address_text(&request->remote, remote));
    }
    dm_response_header(response,
                       "WWW-Authenticate",
                       strcmp(code, "token_missing") == 0
                           ? "Bearer realm=\"demarc\""
                           : "Bearer realm=\"demarc\", error=\"invalid_token\"");
    dm_problem(response, 401, code, "%s", detail);
    return false;
}

/* Whether the request comes from somebody we know; sets its token. */
static bool
authenticate(DmApi *api, DmRequest *request, DmResponse *response)
{
    const char *secret = bearer(dm_request_header(request, "authorization"));
    g_autofree char *hash = NULL;
    g_autoptr(GError) error = NULL;
    int64_t now_us = g_get_real_time();

    if (secret == NULL) {
        return refuse(request,
                      response,
                      "token_missing",
                      "a bearer token is needed: Authorization: Bearer ...");
    }
    hash = dm_store_hash_secret(secret);
    request->token = dm_store_token_by_hash(api->store, hash, &error);
    if (request->token == NULL && !g_error_matches(error, DM_ERROR, DM_ERROR_NOT_FOUND)) {
        dm_problem(response, 503, "store", "%s", error->message);
        return false;
    }
    if (request->token == NULL) {
        return refuse(request, response, "token_unknown", "this token is not known");
    }
    if (request->token->expires_wall_us != 0 && request->token->expires_wall_us <= now_us) {
        return refuse(request, response, "token_expired", "this token has expired");
    }
    if (now_us - request->token->last_used_wall_us >= USED_STEP_US) {
        dm_store_token_used(api->store, request->token->id, now_us, NULL);
    }
    return true;
}

bool
dm_auth_check(DmApi *api, DmRequest *request, const DmOperation *operation, DmResponse *response)
{
    if (operation->is_public) {
        return true;
    }
    if (!authenticate(api, request, response)) {
        return false;
    }
    if (request->token->role < operation->role) {
        dm_response_header(response,
                           "WWW-Authenticate",
                           "Bearer realm=\"demarc\", error=\"insufficient_scope\"");
        dm_problem(response,
                   403,
                   "role",
                   "this needs the role '%s', and the token '%s' has '%s'",
                   dm_role_name(operation->role),
                   request->token->name,
                   dm_role_name(request->token->role));
        return false;
    }
    return true;
}

/* What whoever starts a container wants the first token to be; NULL: nothing said. False: it would
 * be too easy to guess. */
static bool
given_secret(const char **out_secret, GError **error)
{
    const char *secret = g_getenv(DM_ADMIN_TOKEN_ENV);

    *out_secret = secret != NULL && *secret != '\0' ? secret : NULL;
    if (*out_secret != NULL && strlen(secret) < GIVEN_MIN) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    DM_ADMIN_TOKEN_ENV " has %zu characters; it needs at least %d",
                    strlen(secret),
                    GIVEN_MIN);
        return false;
    }
    if (*out_secret != NULL && strspn(secret, BEARER_CHARS) < strlen(secret)) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    DM_ADMIN_TOKEN_ENV " may hold letters, digits and - . _ ~ + / = only");
        return false;
    }
    return true;
}

static bool
add_first_token(DmStore *store, const char *secret, GError **error)
{
    g_autofree char *id = dm_auth_make_id();
    g_autofree char *hash = dm_store_hash_secret(secret);
    DmStoreToken token = {
        .id = id,
        .name = (char *)"first",
        .role = DM_ROLE_ADMIN,
        .created_wall_us = g_get_real_time(),
    };

    return dm_store_token_add(store, &token, hash, error);
}

char *
dm_admin_first_token(DmStore *store, GError **error)
{
    g_autoptr(GPtrArray) tokens = dm_store_tokens(store, error);
    g_autofree char *made = NULL;
    const char *given;

    if (tokens == NULL || tokens->len > 0 || !given_secret(&given, error)) {
        return NULL;
    }
    if (given != NULL) {
        add_first_token(store, given, error);
        return NULL; /* who gave it knows it */
    }
    made = dm_auth_make_secret();
    return add_first_token(store, made, error) ? g_steal_pointer(&made) : NULL;
}
