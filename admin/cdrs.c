/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "admin/csv.h"
#include "admin/list.h"
#include "admin/resources.h"
#include "gateway/base/error.h"
#include "gateway/cdr/query.h"

/* Order of the operation's media types in the router. */
enum {
    AS_JSON,
    AS_NDJSON,
    AS_CSV,
};

/* --- The question --- */

/* "filter[trunk]" and "trunk" of "sort", "cursor" by the names the query knows. (transfer full) */
static char *
query_name(const char *name)
{
    if (g_str_has_prefix(name, "filter[")) {
        return g_strndup(name + 7, strlen(name) - 8);
    }
    return strcmp(name, "sort") == 0 || strcmp(name, "cursor") == 0 ? g_strdup(name) : NULL;
}

static bool
set_filters(const DmRequest *request, DmCdrQuery *query, DmResponse *response)
{
    GHashTableIter iter;
    gpointer name;
    gpointer value;

    g_hash_table_iter_init(&iter, request->query);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        g_autofree char *known = query_name(name);
        g_autoptr(GError) error = NULL;

        if (known != NULL && !dm_cdr_query_set(query, known, value, &error)) {
            dm_problem(response, 400, "query", "%s: %s", (char *)name, error->message);
            return false;
        }
    }
    return true;
}

/* --- The answer --- */

static void
answer_json(const DmRequest *request,
            const GPtrArray *records,
            const char *next,
            DmResponse *response)
{
    json_t *items = json_array();

    for (guint i = 0; i < records->len; i++) {
        json_t *record = json_loads(g_ptr_array_index(records, i), 0, NULL);

        if (record != NULL) {
            json_array_append_new(items, dm_list_fields(request, record));
        }
    }
    dm_response_json(response, 200, dm_list_page(items, next));
}

static void
answer_ndjson(const GPtrArray *records, DmResponse *response)
{
    g_autoptr(GString) lines = g_string_new("");

    for (guint i = 0; i < records->len; i++) {
        g_string_append(lines, g_ptr_array_index(records, i));
        g_string_append_c(lines, '\n');
    }
    dm_response_text(response, 200, DM_TYPE_NDJSON, lines->str);
}

static void
answer_csv(const GPtrArray *records, DmResponse *response)
{
    g_autoptr(GString) lines = g_string_new("");

    dm_csv_add_head(lines);
    for (guint i = 0; i < records->len; i++) {
        json_t *record = json_loads(g_ptr_array_index(records, i), 0, NULL);

        dm_csv_add_record(lines, record);
        json_decref(record);
    }
    dm_response_text(response, 200, DM_TYPE_CSV, lines->str);
}

/* RFC 8288: where formats without a place for the cursor find the next page. */
static void
add_next_link(const DmRequest *request, const char *next, DmResponse *response)
{
    g_autoptr(GString) link = g_string_new("<");
    GHashTableIter iter;
    gpointer name;
    gpointer value;

    if (next == NULL) {
        return;
    }
    g_string_append_printf(link, "%s?cursor=", request->path);
    g_string_append_uri_escaped(link, next, NULL, FALSE);
    g_hash_table_iter_init(&iter, request->query);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        if (strcmp(name, "cursor") != 0) {
            g_string_append_c(link, '&');
            g_string_append_uri_escaped(link, name, NULL, FALSE);
            g_string_append_c(link, '=');
            g_string_append_uri_escaped(link, value, NULL, FALSE);
        }
    }
    g_string_append(link, ">; rel=\"next\"");
    dm_response_header(response, "Link", link->str);
}

static void
answer_records(const DmRequest *request,
               const GPtrArray *records,
               const char *next,
               DmResponse *response)
{
    static const char *const types[] = {DM_TYPE_JSON, DM_TYPE_NDJSON, DM_TYPE_CSV, NULL};

    add_next_link(request, next, response);
    switch (dm_request_accepts(request, types)) {
    case AS_NDJSON:
        answer_ndjson(records, response);
        break;
    case AS_CSV:
        answer_csv(records, response);
        break;
    case AS_JSON:
    default:
        answer_json(request, records, next, response);
    }
}

void
dm_cdrs_list(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(DmCdrQuery) query = dm_cdr_query_new();
    g_autoptr(GPtrArray) records = NULL;
    g_autofree char *next = NULL;
    g_autoptr(GError) error = NULL;
    unsigned limit;

    if (!dm_list_limit(request, DM_LIST_MAX, &limit, response) ||
        !set_filters(request, query, response)) {
        return;
    }
    dm_cdr_query_set_limit(query, limit);
    records = dm_cdr_query_run(api->store, query, &next, &error);
    if (records == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    answer_records(request, records, next, response);
}

/* --- One --- */

/* (transfer full); NULL: answered */
static json_t *
find_record(DmApi *api, const DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoredRecord) stored = dm_store_record(api->store, request->params[0], &error);
    json_t *record;

    if (stored == NULL) {
        dm_problem_from_error(response, error);
        return NULL;
    }
    record = json_loads(stored->json, 0, NULL);
    if (record == NULL) {
        dm_problem(response, 500, "internal", "the record is not JSON");
    }
    return record;
}

void
dm_cdrs_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    json_t *record = find_record(api, request, response);

    if (record != NULL) {
        dm_response_json(response, 200, dm_list_fields(request, record));
    }
}

void
dm_cdrs_attempts(DmApi *api, DmRequest *request, DmResponse *response)
{
    json_t *record = find_record(api, request, response);
    json_t *attempts = json_object_get(record, "attempts");

    if (record != NULL) {
        dm_response_json(
            response,
            200,
            dm_list_page(attempts != NULL ? json_incref(attempts) : json_array(), NULL));
    }
    json_decref(record);
}
