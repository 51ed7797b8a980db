/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>

#include "gateway/trunk/pool.h"

/* What all workers know of a trunk. Calls write atomics; lists change under the registry's lock,
 * which is taken for configurations, resolved addresses and status only. */

/* One endpoint's health, kept while its host, port and transport stay what they are. */
typedef struct {
    char *key;
    unsigned refs; /* under the registry's lock */

    /* any worker */
    _Atomic uint32_t health; /* bit 31: down; the rest: results in a row that say otherwise */
    _Atomic uint32_t rtt_us;
    _Atomic int64_t last_ok_wall_us, last_fail_wall_us;
    _Atomic int64_t learned_until_us[DM_N_LESSONS]; /* monotonic; 0: not learned */

    char address[DM_ADDRESS_TEXT_MAX]; /* under the registry's lock; "" : unresolved */
} DmEndpointShared;

struct DmTrunkShared {
    char *id;
    DmTrunkRegistry *registry;

    /* under the registry's lock */
    unsigned refs;
    GPtrArray *endpoints; /* DmEndpointShared, in the order of the configuration taken last */
    DmBindings *bindings; /* where a PBX has registered; NULL: nowhere */

    /* any worker */
    _Atomic bool registers_here;             /* as configured: without a contact it is nowhere */
    _Atomic uint64_t calls;                  /* inbound in the upper half, outbound in the lower */
    _Atomic int64_t rate_in_us, rate_out_us; /* when the bucket would be full again, monotonic */
    _Atomic uint64_t attempts, answered, failed, rejected_limit, auth_failures;
    DmCounter unheard[2];                 /* calls from it, and to it, with one-way audio */
    DmCounter mos[2][DM_HISTOGRAM_SLOTS]; /* from the trunk, to the trunk */
    _Atomic int registration;             /* DmRegistrationState */
    _Atomic unsigned registration_code, registration_failures;
    _Atomic int64_t registration_expires_wall_us, registration_next_wall_us;
    _Atomic int64_t t38_until_us, t38_until_wall_us; /* not asked for T.38 before; 0: it may be */
};

DmTrunkRegistry *dm_trunk_registry_ref(DmTrunkRegistry *registry);
/* Finds or makes what is shared of trunk @id. One reference. */
DmTrunkShared *dm_trunk_shared_get(DmTrunkRegistry *registry, const char *id);
void dm_trunk_shared_unref(DmTrunkShared *shared);

/* The endpoints of the trunk are now those with these keys, in this order; health of keys that stay
 * is kept. Writes one reference each to @out. */
void dm_trunk_shared_set_endpoints(DmTrunkShared *shared, GPtrArray *keys, DmEndpointShared **out);
void dm_endpoint_shared_unref(DmTrunkShared *shared, DmEndpointShared *endpoint);
/* For the status: @address not set means unresolved. */
void dm_endpoint_shared_set_address(DmTrunkShared *shared,
                                    DmEndpointShared *endpoint,
                                    const DmAddress *address);

/* @bindings: referenced; NULL: none. */
void dm_trunk_shared_set_bindings(DmTrunkShared *shared, DmBindings *bindings);
/* (transfer full) */
DmBindings *dm_trunk_shared_bindings(DmTrunkShared *shared);

/* Takes a place unless one of the limits (0: none) is reached. */
bool dm_trunk_shared_take_place(DmTrunkShared *shared,
                                bool inbound,
                                unsigned max_direction,
                                unsigned max_total);
void dm_trunk_shared_give_place(DmTrunkShared *shared, bool inbound);
/* A bucket of @cps tokens that fills up in a second, one at a time; 0: no limit. */
bool dm_trunk_shared_take_token(DmTrunkShared *shared, bool inbound, unsigned cps, int64_t mono_us);

/* Counts a result; true when the endpoint has gone up or down by it. */
bool dm_endpoint_shared_report(DmEndpointShared *endpoint,
                               bool alive,
                               unsigned up_after,
                               unsigned down_after);
bool dm_endpoint_shared_is_up(const DmEndpointShared *endpoint);
