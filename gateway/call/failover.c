/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/failover.h"

static bool
is_in_list(const GPtrArray *codes, uint16_t status)
{
    for (guint i = 0; codes != NULL && i < codes->len; i++) {
        if (GPOINTER_TO_UINT(g_ptr_array_index(codes, i)) == status) {
            return true;
        }
    }
    return false;
}

DmFailover
dm_failover_decide(const DmRelease *failure, const DmTrunkConfig *trunk)
{
    switch (failure->cause) {
    case DM_RELEASE_TIMEOUT:
    case DM_RELEASE_TRANSPORT:
        return DM_FAILOVER_NEXT_ADDRESS;
    case DM_RELEASE_REJECTED:
        if (!is_in_list(trunk->failover_codes, failure->status)) {
            return DM_FAILOVER_STOP;
        }
        return failure->status / 100 == 5 || failure->status == 408 ? DM_FAILOVER_NEXT_ADDRESS
                                                                    : DM_FAILOVER_NEXT_TRUNK;
    default:
        return DM_FAILOVER_STOP;
    }
}

/* The caller learns most from a 6xx, then from what a callee said, least from what is wrong in
 * between. */
static unsigned
weight(const DmRelease *failure)
{
    if (failure->status >= 600) {
        return 4;
    }
    if (failure->status >= 400 && failure->status < 500 && failure->status != 408) {
        return 3;
    }
    return failure->cause == DM_RELEASE_REJECTED ? 2 : 1;
}

bool
dm_failover_is_better(const DmRelease *failure, const DmRelease *best)
{
    return weight(failure) > weight(best);
}

const char *
dm_failover_class(const DmRelease *failure)
{
    if (failure->cause == DM_RELEASE_TRANSPORT) {
        return "transport";
    }
    switch (failure->status) {
    case 401:
    case 407:
        return "auth";
    case 408:
    case 504:
        return "timeout";
    case 486:
    case 600:
        return "busy";
    default:
        return failure->status / 100 == 5 ? "server" : "rejected";
    }
}
