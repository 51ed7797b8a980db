/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/api.h"

/* What trunks, routes and TLS profiles have in common: resources of the configuration, by the name
 * of their collection ("trunks"). */

void dm_collection_list(DmApi *api,
                        const DmRequest *request,
                        const char *collection,
                        DmResponse *response);
void dm_collection_show(DmApi *api,
                        const DmRequest *request,
                        const char *collection,
                        DmResponse *response);
void dm_collection_create(DmApi *api,
                          DmRequest *request,
                          const char *collection,
                          DmResponse *response);
void dm_collection_replace(DmApi *api,
                           DmRequest *request,
                           const char *collection,
                           DmResponse *response);
void dm_collection_merge(DmApi *api,
                         DmRequest *request,
                         const char *collection,
                         DmResponse *response);
void dm_collection_delete(DmApi *api,
                          DmRequest *request,
                          const char *collection,
                          DmResponse *response);
