/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/changes.h"

#include <string.h>

#include "gateway/base/log.h"

DM_LOG_TOPIC("admin-changes");

/* --- If-Match --- */

/* The ETag of the resource as it is; "" when it is not there. */
static void
current_etag(DmApi *api, const DmChange *change, char out[17])
{
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);
    json_t *shown = dm_resource_show(config, change->collection, change->id);

    *out = '\0';
    if (shown != NULL) {
        dm_resource_etag(shown, out);
        json_decref(shown);
    }
}

/* What the writer says it has seen (RFC 9110, 13.1.1), without quotes: of a list, the one that is
 * current, or else the first. NULL: it does not say. (transfer full) */
static char *
seen_etag(DmApi *api, const DmRequest *request, const DmChange *change)
{
    const char *header = dm_request_header(request, "if-match");
    g_auto(GStrv) parts = NULL;
    char etag[17];
    g_autofree char *quoted = NULL;

    if (header == NULL || change->id == NULL) {
        return NULL;
    }
    current_etag(api, change, etag);
    quoted = g_strdup_printf("\"%s\"", etag);
    parts = g_strsplit(header, ",", 64);
    for (size_t i = 0; parts[i] != NULL; i++) {
        if (strcmp(g_strstrip(parts[i]), quoted) == 0) {
            return g_strdup(etag);
        }
    }
    return g_strdup(parts[0] != NULL ? parts[0] : "");
}

/* --- Answers --- */

static void
add_revision(const DmRequest *request, uint64_t revision, DmResponse *response)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, revision);

    if (revision == 0) {
        return; /* a dry run, or nothing was different */
    }
    dm_notice(NULL,
              "configuration revision %s: %s %s by '%s'",
              number,
              request->method,
              request->path,
              request->token->name);
    dm_response_header(response, "Demarc-Revision", number);
}

static void
answer_resource(const DmRequest *request,
                const DmChange *change,
                const DmSettingsOutcome *outcome,
                DmResponse *response)
{
    bool is_created = change->kind == DM_CHANGE_CREATE && !request->dry_run;
    g_autofree char *etag = g_strdup_printf("\"%s\"", outcome->etag);

    dm_response_header(response, "ETag", etag);
    if (is_created) {
        g_autofree char *location = g_strdup_printf("%s/%s", request->path, outcome->id);

        dm_response_header(response, "Location", location);
    }
    dm_response_json(response, is_created ? 201 : 200, json_incref(outcome->shown));
}

static void
answer_refusal(DmChangeVerdict verdict,
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
answer_outcome(const DmRequest *request,
               const DmChange *change,
               const DmSettingsOutcome *outcome,
               const DmProblems *problems,
               DmResponse *response)
{
    if (outcome->precondition_failed) {
        dm_problem(response, 412, "etag", "it has changed since it was read");
        return;
    }
    if (outcome->verdict != DM_CHANGE_OK) {
        answer_refusal(outcome->verdict, change, problems, response);
        return;
    }
    add_revision(request, outcome->revision, response);
    if (outcome->shown == NULL) {
        dm_response_empty(response, 204);
    } else {
        answer_resource(request, change, outcome, response);
    }
}

void
dm_changes_run(DmApi *api, DmRequest *request, const DmChange *change, DmResponse *response)
{
    g_autofree char *if_match = seen_etag(api, request, change);
    g_autoptr(GError) error = NULL;
    DmSettingsOutcome outcome = {0};
    DmProblems problems;
    DmSettingsWrite write = {
        .change = *change,
        .if_match = if_match,
        .dry_run = request->dry_run,
        .actor = request->token->name,
    };

    dm_problems_init(&problems);
    if (dm_settings_write(api->settings, &write, &outcome, &problems, &error)) {
        answer_outcome(request, change, &outcome, &problems, response);
    } else {
        dm_problem_from_error(response, error);
    }
    dm_settings_outcome_clear(&outcome);
    dm_problems_clear(&problems);
}

/* --- Rolling back --- */

static void
answer_roll_back(const DmRequest *request, const DmSettingsOutcome *outcome, DmResponse *response)
{
    add_revision(request, outcome->revision, response);
    dm_response_json(response,
                     200,
                     json_pack("{s:o, s:b, s:o, s:o}",
                               "revision",
                               outcome->revision != 0 ? json_integer((json_int_t)outcome->revision)
                                                      : json_null(),
                               "dry_run",
                               request->dry_run,
                               "changes",
                               outcome->diff != NULL ? json_incref(outcome->diff) : json_array(),
                               "needs_restart",
                               outcome->needs_restart != NULL ? json_incref(outcome->needs_restart)
                                                              : json_array()));
}

void
dm_changes_roll_back(DmApi *api, DmRequest *request, uint64_t revision, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    DmSettingsOutcome outcome = {0};
    DmProblems problems;

    dm_problems_init(&problems);
    if (!dm_settings_rollback(api->settings,
                              revision,
                              request->dry_run,
                              request->token->name,
                              &outcome,
                              &problems,
                              &error)) {
        dm_problem_from_error(response, error);
    } else if (outcome.verdict != DM_CHANGE_OK) {
        dm_problem_list(response,
                        409,
                        "invalid",
                        "with the configuration file as it is now, that revision is not valid",
                        &problems);
    } else {
        answer_roll_back(request, &outcome, response);
    }
    dm_settings_outcome_clear(&outcome);
    dm_problems_clear(&problems);
}
