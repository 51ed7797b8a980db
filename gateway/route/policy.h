/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "gateway/route/request.h"

/* Where a call goes: a pure function of a configuration and a request, with its own explanation
 * (RTE-1). Any thread. */

/* One trunk to try, with the identity as that trunk wants it. */
typedef struct {
    const DmTrunkConfig *trunk; /* borrowed from the configuration */
    DmIdentity identity; /* what to write into Request-URI, To, From and the identity headers; hosts
                            are left to sip/ */
    bool anonymous;      /* From is to be anonymous@anonymous.invalid (RFC 3323, 4.1.1.3) */
} DmRouteTarget;

typedef struct {
    DmConfig *config;     /* one reference: targets borrow from it */
    GPtrArray *targets;   /* DmRouteTarget, in order; empty: see reject_* */
    uint16_t reject_code; /* 404 when nothing matched */
    char *reject_reason;
    unsigned reject_q850;
    char *route_id;                 /* or NULL */
    const GPtrArray *announcements; /* the route's; borrowed from the configuration; NULL: none */
    bool record;                    /* the route wants its calls written to files */
    json_t *trace; /* array of {"step","rule","detail"}: what was decided, and why not otherwise */
} DmRoutePlan;

/* Arranges the routes of @config for looking up, unless that was done. The first plan does it too;
 * done where the configuration is made, no call waits for it (100 000 routes: tens of
 * milliseconds). */
void dm_route_prepare(DmConfig *config);
/* (transfer full). Never NULL. @config is referenced by the plan. */
DmRoutePlan *dm_route_plan(DmConfig *config, const DmRouteRequest *request);
void dm_route_plan_free(DmRoutePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmRoutePlan, dm_route_plan_free)
