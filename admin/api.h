/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/request.h"
#include "admin/response.h"
#include "gateway/gateway.h"
#include "gateway/settings.h"
#include "gateway/store/store.h"

/* The API without HTTP: requests in, answers out. Any number of threads at once, none of them a
 * signalling or media one. */
typedef struct DmApi DmApi;

/* How long a request waits for signalling workers before it is answered with 503. */
#define DM_API_DEADLINE_MS 2000

struct DmApi {
    /* set when made, read by any thread */
    DmGateway *gateway;   /* not owned */
    DmStore *store;       /* not owned */
    DmSettings *settings; /* not owned */
    GMutex idempotency;   /* held while a request with an Idempotency-Key is answered */
};

/* Everything is borrowed and outlives the API. */
DmApi *dm_api_new(DmGateway *gateway, DmStore *store, DmSettings *settings);
void dm_api_free(DmApi *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmApi, dm_api_free)

/* Always answers. */
void dm_api_handle(DmApi *api, DmRequest *request, DmResponse *response);
