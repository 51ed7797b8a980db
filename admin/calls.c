/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "admin/body.h"
#include "admin/list.h"
#include "admin/resources.h"

void
dm_calls_list(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    json_t *calls = dm_gateway_calls(api->gateway, DM_API_DEADLINE_MS, &error);

    if (calls == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_list_answer(request, calls, response);
}

void
dm_calls_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    json_t *call = dm_gateway_call(api->gateway, request->params[0], DM_API_DEADLINE_MS, &error);

    if (call == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_response_json(response, 200, dm_list_fields(request, call));
}

/* 202: the BYEs are on their way; the record tells how it went. The reason goes to the peers, so it
 * does not say who it was: the audit log does. */
void
dm_calls_hang_up(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;

    if (!dm_gateway_hang_up(api->gateway,
                            request->params[0],
                            "released by an operator",
                            DM_API_DEADLINE_MS,
                            &error)) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_response_json(response, 202, json_pack("{s:s}", "id", request->params[0]));
}

/* --- Actions --- */

typedef struct {
    int recording; /* START and so on */
} RecordBody;

enum { START, STOP, PAUSE, RESUME };

static const DmJsonChoice recording_choices[] = {
    {"start", START},
    {"stop", STOP},
    {"pause", PAUSE},
    {"resume", RESUME},
    {NULL},
};

static const DmJsonMember record_members[] = {
    {"recording",
     DM_JSON_ENUM,
     DM_JSON_AT(RecordBody, recording),
     .choices = recording_choices,
     .doc = "What becomes of the recording"},
    {NULL},
};

/* 202: the media worker does it next; the file is made on a thread of its own. */
static void
change_recording(DmApi *api, const DmRequest *request, int what, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    const char *name = recording_choices[what].name;

    if (!dm_gateway_recording(api->gateway, request->params[0], name, DM_API_DEADLINE_MS, &error)) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_response_json(response,
                     202,
                     json_pack("{s:s, s:s, s:s}",
                               "id",
                               request->params[0],
                               "action",
                               request->params[1],
                               "recording",
                               name));
}

void
dm_calls_action(DmApi *api, DmRequest *request, DmResponse *response)
{
    RecordBody body = {.recording = START};
    const char *action = request->params[1];
    bool is_record = strcmp(action, "record") == 0;

    if (!is_record && strcmp(action, "pause") != 0) {
        dm_problem(response, 404, "action", "there is no action '%s': record, pause", action);
    } else if (!is_record && request->json != NULL) {
        dm_problem(response, 400, "body", "'pause' takes no body");
    } else if (!is_record) {
        change_recording(api, request, PAUSE, response);
    } else if (request->json == NULL || dm_body_read(request, record_members, &body, response)) {
        change_recording(api, request, body.recording, response);
    }
}
