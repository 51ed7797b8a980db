/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/gateway.h"

/* A gateway without signalling or media, for tests of what stands in front of it. Members may be
 * set by the test before anything else runs. */
struct DmGateway {
    GMutex lock; /* protects config and script */
    DmConfig *config;
    GString *script; /* what it was asked: "apply(3) register(carrier) hang-up(CALL1) " */
    DmStore *store;  /* not owned */
    json_t *calls;   /* array */
    bool is_busy;    /* asking the workers misses the deadline */
    bool listeners_bound;
    _Atomic bool draining;
    DmTrunkStatus trunk_status;
    DmCounterSet sets[3];
    size_t n_sets;
};

/* (transfer full) */
DmGateway *dm_fake_gateway_new(DmStore *store, DmConfig *config);
void dm_fake_gateway_free(DmGateway *gateway);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmGateway, dm_fake_gateway_free)
/* What it was asked since the last call. (transfer full) */
char *dm_fake_gateway_take_script(DmGateway *gateway);
