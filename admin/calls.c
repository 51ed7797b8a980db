/* SPDX-License-Identifier: Apache-2.0 */
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

void
dm_calls_recordings(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    json_t *call = dm_gateway_call(api->gateway, request->params[0], DM_API_DEADLINE_MS, &error);
    json_t *recordings;

    if (call == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    recordings = json_object_get(json_object_get(call, "media"), "recordings");
    dm_response_json(response,
                     200,
                     json_pack("{s:s, s:O}",
                               "id",
                               request->params[0],
                               "recordings",
                               recordings != NULL ? recordings : json_null()));
    json_decref(call);
}

/* 202: the media worker does it next; the file is made on a thread of its own. */
void
dm_calls_record(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;

    if (!dm_gateway_recording(api->gateway,
                              request->params[0],
                              request->params[1],
                              DM_API_DEADLINE_MS,
                              &error)) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_response_json(
        response,
        202,
        json_pack("{s:s, s:s}", "id", request->params[0], "action", request->params[1]));
}
