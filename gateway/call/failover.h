/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/leg-ops.h"

/* Which failures are worth another target, and which of several is told to the caller. Pure. */

#define DM_MAX_ATTEMPTS 8
/* No further attempt starts this long after the call came in (RTE-5): the caller has heard nothing
 * yet. */
#define DM_POST_DIAL_BUDGET_US (12 * INT64_C(1000000))

typedef enum {
    DM_FAILOVER_STOP,
    DM_FAILOVER_NEXT_ADDRESS, /* this one is out of order: the same trunk elsewhere, then the next
                                 trunk */
    DM_FAILOVER_NEXT_TRUNK,   /* the trunk itself said no */
} DmFailover;

/* RTE-6. @failure: how the leg ended before it was answered; @trunk: on which it was. */
DmFailover dm_failover_decide(const DmRelease *failure, const DmTrunkConfig *trunk);
/* RTE-7: whether @failure says more to the caller than @best (RFC 3261, 16.7, item 6). */
bool dm_failover_is_better(const DmRelease *failure, const DmRelease *best);
/* "busy", "timeout", "transport", "server", "auth", "limit", "rejected": a word for statistics. */
const char *dm_failover_class(const DmRelease *failure);
