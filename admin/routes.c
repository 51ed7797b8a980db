/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/collection.h"
#include "admin/resources.h"

void
dm_routes_list(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_list(api, request, "routes", response);
}

void
dm_routes_create(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_create(api, request, "routes", response);
}

void
dm_routes_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_show(api, request, "routes", response);
}

void
dm_routes_replace(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_replace(api, request, "routes", response);
}

void
dm_routes_merge(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_merge(api, request, "routes", response);
}

void
dm_routes_delete(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_delete(api, request, "routes", response);
}
