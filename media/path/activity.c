/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/activity.h"

uint32_t
dm_activity_limit_ms(DmMediaDirection side,
                     DmMediaDirection other,
                     uint32_t timeout_ms,
                     uint32_t hold_timeout_ms)
{
    if (side == DM_MEDIA_BOTH && other == DM_MEDIA_BOTH) {
        return timeout_ms;
    }
    if ((side & DM_MEDIA_RECV) != 0 || (other & DM_MEDIA_RECV) == 0) {
        return hold_timeout_ms;
    }
    return 0;
}
