/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/trunk/pool.h"
#include "gateway/trunk/shared.h"

#define DM_TRUNK_MAX_ENDPOINTS 16
#define DM_TRUNK_MAX_ADDRESSES 8

/* An endpoint as one worker knows it. */
typedef struct {
    DmEndpointShared *shared;
    DmResolved addresses[DM_TRUNK_MAX_ADDRESSES]; /* with port */
    size_t n_addresses;
} DmEndpoint;

/* One worker's view of a trunk. */
struct DmTrunk {
    DmConfig *config;
    const DmTrunkConfig *trunk; /* of @config */
    DmTrunkShared *shared;
    DmPool *pool; /* not owned; NULL once the configuration has no such trunk any more */
    const DmClock *clock;
    DmRandom *random; /* both not owned; they outlive every trunk */
    unsigned n_endpoints;
    DmEndpoint endpoints[DM_TRUNK_MAX_ENDPOINTS];
    DmBindings *bindings; /* NULL: nowhere */
    DmGrant *grant;       /* NULL: nothing */
};

/* One reference. */
DmTrunk *dm_trunk_new(DmPool *pool,
                      DmTrunkRegistry *registry,
                      const char *id,
                      const DmClock *clock,
                      DmRandom *random);
/* Takes a configuration that has the trunk; addresses of endpoints that stay are kept. */
void dm_trunk_take_config(DmTrunk *trunk, DmConfig *config);
/* Addresses have changed: who a request is from may have too. */
void dm_pool_forget_sources(DmPool *pool);
