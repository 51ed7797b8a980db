/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/api.h"

#include <string.h>

#include "admin/auth.h"
#include "admin/router.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"

DM_LOG_TOPIC("admin-api");

/* Nesting of a body. Nothing we accept is deeper than half of it. */
#define MAX_DEPTH   32
#define MAX_KEY_LEN 128

DmApi *
dm_api_new(DmGateway *gateway, DmStore *store, DmSettings *settings)
{
    DmApi *api = g_new0(DmApi, 1);

    api->gateway = gateway;
    api->store = store;
    api->settings = settings;
    g_mutex_init(&api->idempotency);
    return api;
}

void
dm_api_free(DmApi *api)
{
    if (api == NULL) {
        return;
    }
    g_mutex_clear(&api->idempotency);
    g_free(api);
}

/* --- The steps before a handler: each answers and returns false, or lets pass --- */

static bool
find_operation(DmRequest *request, const DmOperation **out_operation, DmResponse *response)
{
    DmMatch match = dm_router_match(request, out_operation);
    g_autofree char *allow = NULL;

    if (match == DM_MATCH_OK) {
        return true;
    }
    if (match == DM_MATCH_NO_PATH) {
        dm_problem(response, 404, "path", "there is nothing at this path");
        return false;
    }
    allow = dm_router_allow(request->path);
    dm_response_header(response, "Allow", allow);
    if (strcmp(request->method, "OPTIONS") == 0) {
        dm_response_empty(response, 204);
    } else {
        dm_problem(response, 405, "method", "this path knows %s", allow);
    }
    return false;
}

static bool
is_known_name(const char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        bool is_filter = strcmp(*names, "filter[]") == 0 && g_str_has_prefix(name, "filter[") &&
                         g_str_has_suffix(name, "]");

        if (is_filter || strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A misspelt "dry_run" must not write, nor a misspelt filter list everything. */
static bool
check_query(DmRequest *request, const DmOperation *operation, DmResponse *response)
{
    const char *dry_run = dm_request_query(request, "dry_run");
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, request->query);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (!is_known_name(operation->query, name)) {
            dm_problem(response, 400, "query", "unknown query parameter '%s'", (char *)name);
            return false;
        }
    }
    if (dry_run != NULL && strcmp(dry_run, "true") != 0 && strcmp(dry_run, "false") != 0) {
        dm_problem(response, 400, "query", "dry_run: expected true or false");
        return false;
    }
    request->dry_run = g_strcmp0(dry_run, "true") == 0;
    return true;
}

static bool
check_accept(const DmRequest *request, const DmOperation *operation, DmResponse *response)
{
    if (dm_request_accepts(request, operation->produces) >= 0) {
        return true;
    }
    dm_problem(response, 406, "accept", "this is available as %s", operation->produces[0]);
    return false;
}

static bool
is_type_accepted(const DmRequest *request, DmBodyKind kind)
{
    g_autofree char *type = dm_request_media_type(request);

    return strcmp(type, DM_TYPE_JSON) == 0 ||
           (kind == DM_BODY_MERGE && strcmp(type, "application/merge-patch+json") == 0);
}

/* Jansson follows 2048 levels down on the stack, which is more than anyone means. */
static bool
is_too_deep(const GString *text)
{
    unsigned depth = 0;
    bool in_string = false;

    for (gsize i = 0; i < text->len; i++) {
        char c = text->str[i];

        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if ((c == '{' || c == '[') && ++depth > MAX_DEPTH) {
            return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static bool
parse_body(DmRequest *request, DmResponse *response)
{
    json_error_t where;

    if (is_too_deep(request->body)) {
        dm_problem(response, 400, "json", "nested deeper than %d levels", MAX_DEPTH);
        return false;
    }
    request->json = json_loadb(request->body->str,
                               request->body->len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                               &where);
    if (request->json == NULL) {
        dm_problem(response,
                   400,
                   "json",
                   "line %d, column %d: %s",
                   where.line,
                   where.column,
                   where.text);
    }
    return request->json != NULL;
}

static bool
read_body(DmRequest *request, const DmOperation *operation, DmResponse *response)
{
    bool has_body = request->body->len > 0;

    if (operation->body == DM_BODY_NONE) {
        if (has_body) {
            dm_problem(response, 400, "body", "this takes no body");
        }
        return !has_body;
    }
    if (!has_body) {
        if (operation->body != DM_BODY_OPTIONAL) {
            dm_problem(response, 400, "body", "a body is needed");
        }
        return operation->body == DM_BODY_OPTIONAL;
    }
    if (!is_type_accepted(request, operation->body)) {
        dm_response_header(response, "Accept", DM_TYPE_JSON);
        dm_problem(response, 415, "content_type", "the body must be %s", DM_TYPE_JSON);
        return false;
    }
    return parse_body(request, response);
}

/* --- Idempotency-Key --- */

static char *
hash_request(const DmRequest *request)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    char *hash;

    g_checksum_update(sum, (const guchar *)request->method, -1);
    g_checksum_update(sum, (const guchar *)" ", 1);
    g_checksum_update(sum, (const guchar *)request->path, -1);
    g_checksum_update(sum, (const guchar *)(request->dry_run ? "?" : " "), 1);
    g_checksum_update(sum, (const guchar *)request->body->str, (gssize)request->body->len);
    hash = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return hash;
}

static void
replay(const DmStoreAnswer *answer, const char *hash, DmResponse *response)
{
    if (strcmp(answer->request_hash, hash) != 0) {
        dm_problem(response,
                   422,
                   "idempotency_key",
                   "this Idempotency-Key was used for another request");
        return;
    }
    dm_response_header(response, "Idempotency-Replayed", "true");
    if (answer->location != NULL) {
        dm_response_header(response, "Location", answer->location);
    }
    if (answer->etag != NULL) {
        dm_response_header(response, "ETag", answer->etag);
    }
    dm_response_text(response,
                     answer->status,
                     answer->status >= 400 ? DM_TYPE_PROBLEM : DM_TYPE_JSON,
                     answer->body);
}

/* What went wrong on our side, or waits for a condition to change, is worth another try. */
static bool
is_worth_keeping(const DmResponse *response)
{
    return response->status < 500 && response->status != 409 && response->status != 412;
}

static void
keep_answer(DmApi *api,
            const DmRequest *request,
            const char *key,
            const char *hash,
            const DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    DmStoreAnswer answer = {
        .request_hash = (char *)hash,
        .status = response->status,
        .location = (char *)dm_response_get_header(response, "Location"),
        .etag = (char *)dm_response_get_header(response, "ETag"),
        .body = response->body->str,
    };

    if (!dm_store_answer_keep(api->store,
                              request->token->id,
                              key,
                              &answer,
                              g_get_real_time(),
                              &error)) {
        dm_warning(NULL,
                   "answer for an idempotency key: %s; a repetition will be run again",
                   error->message);
    }
}

static void
run_once(DmApi *api,
         DmRequest *request,
         const DmOperation *operation,
         const char *key,
         DmResponse *response)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&api->idempotency);
    g_autofree char *hash = hash_request(request);
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoreAnswer) answer =
        dm_store_answer(api->store, request->token->id, key, g_get_real_time(), &error);

    if (answer != NULL) {
        replay(answer, hash, response);
    } else if (!g_error_matches(error, DM_ERROR, DM_ERROR_NOT_FOUND)) {
        dm_problem_from_error(response, error);
    } else {
        operation->handler(api, request, response);
        if (is_worth_keeping(response)) {
            keep_answer(api, request, key, hash, response);
        }
    }
}

/* --- Answering --- */

static bool
changes_something(const DmRequest *request)
{
    return strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0;
}

/* The secret of a new token is in the answer, and is to be kept nowhere. */
static bool
may_be_kept(const DmOperation *operation)
{
    return operation->role != DM_ROLE_ADMIN || strstr(operation->path, "/tokens") == NULL;
}

static void
run(DmApi *api, DmRequest *request, const DmOperation *operation, DmResponse *response)
{
    const char *key = dm_request_header(request, "idempotency-key");

    if (key == NULL || strcmp(request->method, "POST") != 0) {
        operation->handler(api, request, response);
    } else if (*key == '\0' || strlen(key) > MAX_KEY_LEN || !may_be_kept(operation)) {
        dm_problem(response,
                   400,
                   "idempotency_key",
                   "Idempotency-Key: 1 to %d characters, and not where a secret is answered",
                   MAX_KEY_LEN);
    } else {
        run_once(api, request, operation, key, response);
    }
}

static void
audit(DmApi *api, const DmRequest *request, const DmResponse *response)
{
    const char *revision = dm_response_get_header(response, "Demarc-Revision");
    char remote[DM_ADDRESS_TEXT_MAX];
    g_autoptr(GError) error = NULL;
    DmStoreAudit entry = {
        .at_wall_us = g_get_real_time(),
        .actor = request->token->name,
        .remote = (char *)dm_address_host(&request->remote, remote),
        .method = request->method,
        .path = request->path,
        .status = response->status,
        .revision = revision != NULL ? g_ascii_strtoull(revision, NULL, 10) : 0,
    };

    if (!dm_store_audit_add(api->store, &entry, &error)) {
        dm_warning(NULL,
                   "audit: %s; %s %s by %s is only in this log",
                   error->message,
                   entry.method,
                   entry.path,
                   entry.actor);
    }
}

void
dm_api_handle(DmApi *api, DmRequest *request, DmResponse *response)
{
    const DmOperation *operation = NULL;

    if (!find_operation(request, &operation, response) ||
        !dm_auth_check(api, request, operation, response)) {
        return;
    }
    if (check_query(request, operation, response) && check_accept(request, operation, response) &&
        read_body(request, operation, response)) {
        run(api, request, operation, response);
    }
    if (request->token != NULL && changes_something(request)) {
        audit(api, request, response);
    }
}
