/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/router.h"

#include <string.h>

#include "admin/resources.h"

#define V1 "/api/v1"

static const char *const no_query[] = {NULL};
static const char *const write_query[] = {"dry_run", NULL};
static const char *const show_query[] = {"fields", NULL};
static const char *const list_query[] = {"limit", "cursor", "sort", "fields", "filter[]", NULL};
static const char *const page_query[] = {"limit", "cursor", NULL};
static const char *const diff_query[] = {"a", "b", NULL};

static const char *const as_json[] = {DM_TYPE_JSON, NULL};
static const char *const as_text[] = {DM_TYPE_TEXT, NULL};
static const char *const record_types[] = {DM_TYPE_JSON, DM_TYPE_NDJSON, DM_TYPE_CSV, NULL};

/* What an operation needs, by what it does. */
#define LOOK(query)      false, DM_ROLE_READ, DM_BODY_NONE, query, as_json
#define ANYONE(types)    true, DM_ROLE_READ, DM_BODY_NONE, no_query, types
#define ACT(body)        false, DM_ROLE_OPERATOR, body, no_query, as_json
#define CHANGE(body)     false, DM_ROLE_ADMIN, body, write_query, as_json
#define ADMINISTER(body) false, DM_ROLE_ADMIN, body, no_query, as_json

const DmOperation dm_operations[] = {
    {"GET", V1 "/trunks", dm_trunks_list, LOOK(list_query)},
    {"POST", V1 "/trunks", dm_trunks_create, CHANGE(DM_BODY_JSON)},
    {"GET", V1 "/trunks/{id}", dm_trunks_show, LOOK(show_query)},
    {"PUT", V1 "/trunks/{id}", dm_trunks_replace, CHANGE(DM_BODY_JSON)},
    {"PATCH", V1 "/trunks/{id}", dm_trunks_merge, CHANGE(DM_BODY_MERGE)},
    {"DELETE", V1 "/trunks/{id}", dm_trunks_delete, CHANGE(DM_BODY_NONE)},
    {"GET", V1 "/trunks/{id}/status", dm_trunks_status, LOOK(no_query)},
    {"POST", V1 "/trunks/{id}/actions/{action}", dm_trunks_action, ACT(DM_BODY_NONE)},

    {"GET", V1 "/routes", dm_routes_list, LOOK(list_query)},
    {"POST", V1 "/routes", dm_routes_create, CHANGE(DM_BODY_JSON)},
    {"GET", V1 "/routes/{id}", dm_routes_show, LOOK(show_query)},
    {"PUT", V1 "/routes/{id}", dm_routes_replace, CHANGE(DM_BODY_JSON)},
    {"PATCH", V1 "/routes/{id}", dm_routes_merge, CHANGE(DM_BODY_MERGE)},
    {"DELETE", V1 "/routes/{id}", dm_routes_delete, CHANGE(DM_BODY_NONE)},

    {"GET", V1 "/tls-profiles", dm_tls_profiles_list, LOOK(list_query)},
    {"GET", V1 "/tls-profiles/{id}", dm_tls_profiles_show, LOOK(show_query)},
    {"GET", V1 "/tls-profiles/{id}/certificate", dm_tls_profiles_certificate, LOOK(no_query)},

    /* decides and changes nothing, so whoever may look may ask */
    {"POST",
     V1 "/route-tests",
     dm_route_tests_run,
     false,
     DM_ROLE_READ,
     DM_BODY_JSON,
     no_query,
     as_json},

    {"GET", V1 "/calls", dm_calls_list, LOOK(list_query)},
    {"GET", V1 "/calls/{id}", dm_calls_show, LOOK(show_query)},
    {"DELETE", V1 "/calls/{id}", dm_calls_hang_up, ACT(DM_BODY_NONE)},
    {"POST", V1 "/calls/{id}/actions/{action}", dm_calls_action, ACT(DM_BODY_OPTIONAL)},

    {"GET", V1 "/cdrs", dm_cdrs_list, false, DM_ROLE_READ, DM_BODY_NONE, list_query, record_types},
    {"GET", V1 "/cdrs/{id}", dm_cdrs_show, LOOK(show_query)},
    {"GET", V1 "/cdrs/{id}/attempts", dm_cdrs_attempts, LOOK(no_query)},

    {"GET", V1 "/config", dm_configuration_export, LOOK(no_query)},
    {"POST", V1 "/config/validate", dm_configuration_validate, ADMINISTER(DM_BODY_JSON)},
    {"GET", V1 "/config/revisions", dm_configuration_revisions, LOOK(page_query)},
    {"GET", V1 "/config/revisions/{n}", dm_configuration_revision, LOOK(no_query)},
    {"POST", V1 "/config/revisions/{n}/rollback", dm_configuration_rollback, CHANGE(DM_BODY_NONE)},
    {"GET", V1 "/config/diff", dm_configuration_diff, LOOK(diff_query)},

    {"GET", V1 "/tokens", dm_tokens_list, ADMINISTER(DM_BODY_NONE)},
    {"POST", V1 "/tokens", dm_tokens_create, ADMINISTER(DM_BODY_JSON)},
    {"GET", V1 "/tokens/{id}", dm_tokens_show, ADMINISTER(DM_BODY_NONE)},
    {"DELETE", V1 "/tokens/{id}", dm_tokens_delete, ADMINISTER(DM_BODY_NONE)},
    {"GET", V1 "/audit", dm_audit_list, false, DM_ROLE_ADMIN, DM_BODY_NONE, page_query, as_json},

    {"GET", V1 "/system", dm_system_show, LOOK(no_query)},
    {"PUT", V1 "/system/loglevel", dm_system_set_log_level, ACT(DM_BODY_JSON)},
    {"POST", V1 "/system/drain", dm_system_drain, ACT(DM_BODY_OPTIONAL)},

    {"GET", V1 "/openapi.json", dm_openapi_show, ANYONE(as_json)},
    {"GET", "/healthz", dm_health_live, ANYONE(as_json)},
    {"GET", "/readyz", dm_health_ready, ANYONE(as_json)},
    {"GET", "/metrics", dm_metrics_show, false, DM_ROLE_READ, DM_BODY_NONE, no_query, as_text},
    {NULL},
};

/* --- Matching --- */

/* The segment at *@at, which moves behind it; NULL at the end. Paths begin with a slash. */
static const char *
next_segment(const char **at, size_t *out_len)
{
    const char *segment;

    if (**at != '/') {
        return NULL;
    }
    segment = *at + 1;
    *out_len = strcspn(segment, "/");
    *at = segment + *out_len;
    return segment;
}

/* @params may be NULL: only whether it fits. What it wrote on the way to a misfit is overwritten by
 * the next template, or freed with the request. */
static bool
segment_fits(const char *template,
             size_t template_len,
             const char *segment,
             size_t len,
             char **param)
{
    if (*template != '{') {
        return template_len == len && strncmp(template, segment, len) == 0;
    }
    if (len == 0) {
        return false;
    }
    if (param != NULL) {
        g_free(*param);
        *param = dm_percent_decode(segment, len, false);
        return *param != NULL && strchr(*param, '/') == NULL;
    }
    return true;
}

static bool
path_fits(const char *template, const char *path, char **params)
{
    size_t n_params = 0;

    for (;;) {
        size_t template_len;
        size_t len;
        const char *wanted = next_segment(&template, &template_len);
        const char *segment = next_segment(&path, &len);
        char **param = NULL;

        if (wanted == NULL || segment == NULL) {
            return wanted == NULL && segment == NULL && *path == '\0';
        }
        if (*wanted == '{' && params != NULL && n_params < DM_REQUEST_MAX_PARAMS) {
            param = &params[n_params++];
        }
        if (!segment_fits(wanted, template_len, segment, len, param)) {
            return false;
        }
    }
}

DmMatch
dm_router_match(DmRequest *request, const DmOperation **out_operation)
{
    const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
    DmMatch match = DM_MATCH_NO_PATH;

    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        if (!path_fits(operation->path, request->path, NULL)) {
            continue;
        }
        match = DM_MATCH_NO_METHOD;
        if (strcmp(operation->method, method) == 0 &&
            path_fits(operation->path, request->path, request->params)) {
            *out_operation = operation;
            return DM_MATCH_OK;
        }
    }
    return match;
}

char *
dm_router_allow(const char *path)
{
    GString *allow = g_string_new("");

    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        if (path_fits(operation->path, path, NULL)) {
            g_string_append_printf(allow,
                                   "%s%s%s",
                                   allow->len > 0 ? ", " : "",
                                   operation->method,
                                   strcmp(operation->method, "GET") == 0 ? ", HEAD" : "");
        }
    }
    return g_string_free(allow, FALSE);
}
