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
