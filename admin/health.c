/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/resources.h"

/* Alive: somebody answers. A stalled worker is the watchdog's business, which ends the process. */
void
dm_health_live(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_response_json(response, 200, json_pack("{s:s}", "status", "ok"));
}

/* Ready for new calls: a load balancer sends none while this is 503. */
void
dm_health_ready(DmApi *api, DmRequest *request, DmResponse *response)
{
    DmGatewayStatus status = {0};
    bool store_is_fine = dm_store_check(api->store, NULL);
    bool ready;

    dm_gateway_status(api->gateway, &status);
    ready = store_is_fine && status.listeners_bound && !status.draining;
    dm_response_json(response,
                     ready ? 200 : 503,
                     json_pack("{s:s, s:{s:b, s:b, s:b}}",
                               "status",
                               ready ? "ready" : "not ready",
                               "checks",
                               "listeners",
                               status.listeners_bound,
                               "store",
                               store_is_fine,
                               "accepting",
                               !status.draining));
}
