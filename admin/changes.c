/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/changes.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"

DM_LOG_TOPIC("admin-changes");

struct DmChanges {
    GMutex lock; /* held through a whole write: from reading the document to putting it in force */
    json_t *document; /* replaced, never changed */
    uint64_t revision;
};

DmChanges *
dm_changes_new(DmApi *api, const json_t *document, uint64_t revision)
{
    DmChanges *changes = g_new0(DmChanges, 1);

    g_mutex_init(&changes->lock);
    changes->document = document != NULL ? json_deep_copy(document) : json_object();
    changes->revision = revision;
    return changes;
}

void
dm_changes_free(DmChanges *changes)
{
    if (changes == NULL) {
        return;
    }
    json_decref(changes->document);
    g_mutex_clear(&changes->lock);
    g_free(changes);
}

json_t *
dm_changes_document(DmChanges *changes, uint64_t *out_revision)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&changes->lock);

    if (out_revision != NULL) {
        *out_revision = changes->revision;
    }
    return json_incref(changes->document);
}

/* --- Conditions --- */

/* Whether @header, an If-Match, names @etag (RFC 9110, 13.1.1): "*" or a list of quoted ones. Weak
 * ones never match. */
static bool
names_etag(const char *header, const char *etag)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\"", etag);
    g_auto(GStrv) parts = g_strsplit(header, ",", 64);

    for (size_t i = 0; parts[i] != NULL; i++) {
        const char *part = g_strstrip(parts[i]);

        if (strcmp(part, "*") == 0 || strcmp(part, quoted) == 0) {
            return true;
        }
    }
    return false;
}

/* What is there must be what the client has seen, when it says what it has seen. */
static bool
check_if_match(DmApi *api, const DmRequest *request, const DmChange *change, DmResponse *response)
{
    const char *header = dm_request_header(request, "if-match");
    g_autoptr(DmConfig) config = NULL;
    json_t *shown;
    char etag[17] = "";

    if (header == NULL || change->id == NULL) {
        return true;
    }
    config = dm_gateway_config(api->gateway);
    shown = dm_resource_show(config, change->collection, change->id);
    if (shown != NULL) {
        dm_resource_etag(shown, etag);
        json_decref(shown);
        if (names_etag(header, etag)) {
            return true;
        }
    }
    dm_problem(response, 412, "etag", "it has changed since it was read; its ETag is \"%s\"", etag);
    return false;
}

/* --- Keeping and putting in force: with the lock held --- */

/* @document: (transfer none). Answers and returns false when it cannot be kept. */
static bool
put_in_force(DmApi *api,
             const DmRequest *request,
             json_t *document,
             DmConfig *config,
             json_t **out_needs_restart,
             DmResponse *response)
{
    DmChanges *changes = api->changes;
    char *text = json_dumps(document, JSON_COMPACT);
    g_autofree char *summary = g_strdup_printf("%s %s", request->method, request->path);
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, changes->revision + 1);
    g_autoptr(GError) error = NULL;

    if (!dm_store_revision_add(api->store,
                               changes->revision,
                               request->token->name,
                               summary,
                               text,
                               NULL,
                               &error)) {
        dm_problem_from_error(response, error);
        free(text);
        return false;
    }
    free(text);
    changes->revision++;
    json_decref(changes->document);
    changes->document = json_incref(document);
    config->revision = changes->revision; /* nobody else has seen it yet */
    dm_gateway_apply(api->gateway, config, out_needs_restart);
    dm_notice(NULL, "configuration revision %s: %s by '%s'", number, summary, request->token->name);
    dm_response_header(response, "Demarc-Revision", number);
    return true;
}

/* --- Answers --- */

static void
answer_resource(const DmConfig *config,
                const DmRequest *request,
                const DmChange *change,
                const char *id,
                DmResponse *response)
{
    json_t *shown = dm_resource_show(config, change->collection, id);
    bool is_created = change->kind == DM_CHANGE_CREATE && !request->dry_run;
    char etag[17];
    g_autofree char *quoted = NULL;

    dm_resource_etag(shown, etag);
    quoted = g_strdup_printf("\"%s\"", etag);
    dm_response_header(response, "ETag", quoted);
    if (is_created) {
        g_autofree char *location = g_strdup_printf("%s/%s", request->path, id);

        dm_response_header(response, "Location", location);
    }
    dm_response_json(response, is_created ? 201 : 200, shown);
}

static void
answer_verdict(DmChangeVerdict verdict,
               const DmChange *change,
               const DmProblems *problems,
               DmResponse *response)
{
    switch (verdict) {
    case DM_CHANGE_NOT_FOUND:
        dm_problem(response, 404, "not_found", "'%s' does not exist", change->id);
        break;
    case DM_CHANGE_EXISTS:
        dm_problem_list(response, 409, "exists", "a resource with this id exists", problems);
        break;
    case DM_CHANGE_REFERENCED:
        dm_problem_list(response, 409, "referenced", "other resources name it", problems);
        break;
    case DM_CHANGE_PROVISIONED:
        dm_problem(response,
                   409,
                   "provisioned",
                   "'%s' belongs to the configuration file: change it there",
                   change->id);
        break;
    case DM_CHANGE_INVALID:
    case DM_CHANGE_OK:
    default:
        dm_problem_list(response, 422, "invalid", "the resource is not valid", problems);
    }
}

static void
finish_change(DmApi *api,
              DmRequest *request,
              const DmChange *change,
              json_t *document,
              DmConfig *config,
              const char *id,
              DmResponse *response)
{
    if (!request->dry_run && !put_in_force(api, request, document, config, NULL, response)) {
        return;
    }
    if (change->kind == DM_CHANGE_DELETE) {
        dm_response_empty(response, 204);
    } else {
        answer_resource(config, request, change, id, response);
    }
}

void
dm_changes_run(DmApi *api, DmRequest *request, const DmChange *change, DmResponse *response)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&api->changes->lock);
    json_t *document = NULL;
    g_autoptr(DmConfig) config = NULL;
    g_autofree char *id = NULL;
    DmProblems problems;
    DmChangeVerdict verdict;

    if (!check_if_match(api, request, change, response)) {
        return;
    }
    dm_problems_init(&problems);
    verdict = dm_change_apply(api->file,
                              api->changes->document,
                              change,
                              &document,
                              &config,
                              &id,
                              &problems);
    if (verdict == DM_CHANGE_OK) {
        finish_change(api, request, change, document, config, id, response);
    } else {
        answer_verdict(verdict, change, &problems, response);
    }
    json_decref(document);
    dm_problems_clear(&problems);
}

/* --- Rolling back --- */

static void
answer_roll_back(DmApi *api, const DmRequest *request, json_t *needs_restart, DmResponse *response)
{
    dm_response_json(response,
                     200,
                     json_pack("{s:I, s:b, s:o}",
                               "revision",
                               (json_int_t)api->changes->revision,
                               "dry_run",
                               request->dry_run,
                               "needs_restart",
                               needs_restart != NULL ? needs_restart : json_array()));
}

static void
roll_back_to(DmApi *api, DmRequest *request, json_t *document, DmResponse *response)
{
    json_t *merged = dm_revision_merge(api->file, document);
    json_t *needs_restart = NULL;
    g_autoptr(DmConfig) config = NULL;
    DmProblems problems;

    dm_problems_init(&problems);
    config = dm_config_new_from_json(merged, &problems);
    if (config == NULL) {
        dm_problem_list(response,
                        409,
                        "invalid",
                        "with the configuration file as it is now, that revision is not valid",
                        &problems);
    } else if (request->dry_run ||
               put_in_force(api, request, document, config, &needs_restart, response)) {
        answer_roll_back(api, request, needs_restart, response);
    }
    dm_problems_clear(&problems);
    json_decref(merged);
}

void
dm_changes_roll_back(DmApi *api, DmRequest *request, uint64_t revision, DmResponse *response)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&api->changes->lock);
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoreRevision) stored = dm_store_revision(api->store, revision, &error);
    json_t *document = stored != NULL ? json_loads(stored->document, 0, NULL) : NULL;

    if (stored == NULL) {
        dm_problem_from_error(response, error);
    } else if (document == NULL) {
        dm_problem(response, 500, "internal", "the revision is not JSON");
    } else {
        roll_back_to(api, request, document, response);
    }
    json_decref(document);
}
