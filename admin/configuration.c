/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/changes.h"
#include "admin/json.h"
#include "admin/list.h"
#include "admin/resources.h"
#include "config/config.h"
#include "config/revision.h"

static uint64_t
current_revision(DmApi *api)
{
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);

    return config->revision;
}

/* What is in force, as one document: the file's and the API's resources, secrets masked. */
void
dm_configuration_export(DmApi *api, DmRequest *request, DmResponse *response)
{
    json_t *file = dm_settings_file_document(api->settings);
    json_t *document = dm_settings_api_document(api->settings);
    json_t *merged = dm_revision_merge(file, document);
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, current_revision(api));

    dm_response_header(response, "Demarc-Revision", number);
    dm_response_json(response, 200, dm_json_mask(merged, dm_config_members));
    json_decref(merged);
    json_decref(document);
    json_decref(file);
}

/* A whole document, as one would write it to the file; nothing is kept. */
void
dm_configuration_validate(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(DmConfig) config = NULL;
    DmProblems problems;

    dm_problems_init(&problems);
    config = dm_config_new_from_json(request->json, &problems);
    if (config == NULL) {
        dm_problem_list(response, 422, "invalid", "the document is not valid", &problems);
    } else {
        dm_response_json(response,
                         200,
                         json_pack("{s:b, s:i, s:i}",
                                   "valid",
                                   true,
                                   "trunks",
                                   (int)config->trunks->len,
                                   "routes",
                                   (int)config->routes->len));
    }
    dm_problems_clear(&problems);
}

/* --- Revisions --- */

static json_t *
revision_to_json(const DmStoreRevision *revision)
{
    return json_pack("{s:I, s:o, s:s, s:s}",
                     "number",
                     (json_int_t)revision->number,
                     "created_at",
                     dm_json_time(revision->created_wall_us),
                     "actor",
                     revision->actor,
                     "summary",
                     revision->summary);
}

/* A number of a path or a query; answers 400 and returns false when it is none. */
static bool
read_number(const char *name, const char *text, uint64_t *out_number, DmResponse *response)
{
    guint64 number;

    if (text == NULL || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &number, NULL)) {
        dm_problem(response, 400, "number", "%s: expected the number of a revision", name);
        return false;
    }
    *out_number = number;
    return true;
}

void
dm_configuration_revisions(DmApi *api, DmRequest *request, DmResponse *response)
{
    const char *cursor = dm_request_query(request, "cursor");
    g_autoptr(GPtrArray) revisions = NULL;
    g_autoptr(GError) error = NULL;
    uint64_t before = 0;
    unsigned limit;
    json_t *items;
    g_autofree char *next = NULL;

    if (!dm_list_limit(request, DM_LIST_MAX, &limit, response) ||
        (cursor != NULL && !read_number("cursor", cursor, &before, response))) {
        return;
    }
    revisions = dm_store_revisions(api->store, before, limit, &error);
    if (revisions == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    items = json_array();
    for (guint i = 0; i < revisions->len; i++) {
        json_array_append_new(items, revision_to_json(g_ptr_array_index(revisions, i)));
    }
    if (revisions->len == limit) {
        const DmStoreRevision *last = g_ptr_array_index(revisions, revisions->len - 1);

        next = g_strdup_printf("%" G_GUINT64_FORMAT, last->number);
    }
    dm_response_json(response, 200, dm_list_page(items, next));
}

/* The API's document as of @number, {} for 0. NULL: answered. (transfer full) */
static json_t *
load_document(DmApi *api, uint64_t number, DmStoreRevision **out_revision, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoreRevision) revision = NULL;
    json_t *document;

    if (number == 0 && out_revision == NULL) {
        return json_object();
    }
    revision = dm_store_revision(api->store, number, &error);
    if (revision == NULL) {
        dm_problem_from_error(response, error);
        return NULL;
    }
    document = json_loads(revision->document, 0, NULL);
    if (document == NULL) {
        dm_problem(response, 500, "internal", "the revision is not JSON");
    } else if (out_revision != NULL) {
        *out_revision = g_steal_pointer(&revision);
    }
    return document;
}

void
dm_configuration_revision(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(DmStoreRevision) revision = NULL;
    uint64_t number;
    json_t *document;
    json_t *json;

    if (!read_number("n", request->params[0], &number, response)) {
        return;
    }
    document = load_document(api, number, &revision, response);
    if (document == NULL) {
        return;
    }
    json = revision_to_json(revision);
    json_object_set_new(json, "document", dm_json_mask(document, dm_config_members));
    dm_response_json(response, 200, json);
    json_decref(document);
}

void
dm_configuration_rollback(DmApi *api, DmRequest *request, DmResponse *response)
{
    uint64_t number;

    if (read_number("n", request->params[0], &number, response)) {
        dm_changes_roll_back(api, request, number, response);
    }
}

/* ?a and ?b: by default the revision before the last one, and the last one. */
void
dm_configuration_diff(DmApi *api, DmRequest *request, DmResponse *response)
{
    const char *a_text = dm_request_query(request, "a");
    const char *b_text = dm_request_query(request, "b");
    uint64_t b = current_revision(api);
    uint64_t a;
    json_t *old_document;
    json_t *new_document;

    if (b_text != NULL && !read_number("b", b_text, &b, response)) {
        return;
    }
    a = b > 0 ? b - 1 : 0;
    if (a_text != NULL && !read_number("a", a_text, &a, response)) {
        return;
    }
    old_document = load_document(api, a, NULL, response);
    new_document = old_document != NULL ? load_document(api, b, NULL, response) : NULL;
    if (new_document != NULL) {
        dm_response_json(response,
                         200,
                         json_pack("{s:I, s:I, s:o}",
                                   "a",
                                   (json_int_t)a,
                                   "b",
                                   (json_int_t)b,
                                   "changes",
                                   dm_revision_diff(old_document, new_document)));
    }
    json_decref(old_document);
    json_decref(new_document);
}
