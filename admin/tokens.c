/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/auth.h"
#include "admin/body.h"
#include "admin/json.h"
#include "admin/list.h"
#include "admin/resources.h"
#include "gateway/base/error.h"

#define MAX_TOKENS  1000
#define TEN_YEARS_S (INT64_C(10) * 366 * 24 * 3600)

/* What creating one takes. */
typedef struct {
    char *name;
    int role;
    int64_t expires_in_s;
} TokenBody;

static const DmJsonChoice role_choices[] = {
    {"read", DM_ROLE_READ},
    {"operator", DM_ROLE_OPERATOR},
    {"admin", DM_ROLE_ADMIN},
    {NULL},
};

static const DmJsonMember token_members[] = {
    {"name",
     DM_JSON_STRING,
     .required = true,
     .min = 1,
     .max = 64,
     DM_JSON_AT(TokenBody, name),
     .doc = "Whose it is; unique"},
    {"role",
     DM_JSON_ENUM,
     .required = true,
     .choices = role_choices,
     DM_JSON_AT(TokenBody, role),
     .doc = "What it may do"},
    {"expires_in_s",
     DM_JSON_INTEGER,
     .min = 0,
     .max = TEN_YEARS_S,
     DM_JSON_AT(TokenBody, expires_in_s),
     .doc = "Seconds from now; 0: never"},
    {NULL},
};

static json_t *
token_to_json(const DmStoreToken *token)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}",
                     "id",
                     token->id,
                     "name",
                     token->name,
                     "role",
                     dm_role_name(token->role),
                     "created_at",
                     dm_json_time(token->created_wall_us),
                     "last_used_at",
                     dm_json_time(token->last_used_wall_us),
                     "expires_at",
                     dm_json_time(token->expires_wall_us));
}

void
dm_tokens_list(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) tokens = dm_store_tokens(api->store, &error);
    json_t *items;

    if (tokens == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    items = json_array();
    for (guint i = 0; i < tokens->len; i++) {
        json_array_append_new(items, token_to_json(g_ptr_array_index(tokens, i)));
    }
    dm_list_answer(request, items, response);
}

/* Answers when there is no room. */
static bool
check_room(DmApi *api, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) tokens = dm_store_tokens(api->store, &error);

    if (tokens == NULL) {
        dm_problem_from_error(response, error);
        return false;
    }
    if (tokens->len >= MAX_TOKENS) {
        dm_problem(response, 409, "limit", "there are %d tokens already", MAX_TOKENS);
        return false;
    }
    return true;
}

/* The only time the secret is seen. */
static void
answer_created(const DmStoreToken *token, const char *secret, DmResponse *response)
{
    g_autofree char *location = g_strdup_printf("/api/v1/tokens/%s", token->id);
    json_t *json = token_to_json(token);

    json_object_set_new(json, "token", json_string(secret));
    dm_response_header(response, "Location", location);
    dm_response_header(response, "Cache-Control", "no-store");
    dm_response_json(response, 201, json);
}

static void
create(DmApi *api, TokenBody *body, DmResponse *response)
{
    g_autofree char *id = dm_auth_make_id();
    g_autofree char *secret = dm_auth_make_secret();
    g_autofree char *hash = dm_store_hash_secret(secret);
    g_autoptr(GError) error = NULL;
    int64_t now_us = g_get_real_time();
    DmStoreToken token = {
        .id = id,
        .name = body->name,
        .role = (DmRole)body->role,
        .created_wall_us = now_us,
        .expires_wall_us =
            body->expires_in_s > 0 ? now_us + body->expires_in_s * G_USEC_PER_SEC : 0,
    };

    if (dm_store_token_add(api->store, &token, hash, &error)) {
        answer_created(&token, secret, response);
    } else if (g_error_matches(error, DM_ERROR, DM_ERROR_CONFLICT)) {
        dm_problem(response, 409, "exists", "a token with the name '%s' exists", token.name);
    } else {
        dm_problem_from_error(response, error);
    }
}

void
dm_tokens_create(DmApi *api, DmRequest *request, DmResponse *response)
{
    TokenBody body = {0};

    if (dm_body_read(request, token_members, &body, response) && check_room(api, response)) {
        create(api, &body, response);
    }
    g_free(body.name);
}

void
dm_tokens_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoreToken) token = dm_store_token(api->store, request->params[0], &error);

    if (token == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_response_json(response, 200, token_to_json(token));
}

void
dm_tokens_delete(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;

    if (!dm_store_token_delete(api->store, request->params[0], g_get_real_time(), &error)) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_response_empty(response, 204);
}
