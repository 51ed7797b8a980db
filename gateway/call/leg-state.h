/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/sm.h"

/* One leg, seen by its call.
 *
 *   IDLE --has a leg--> TRYING --18x--> EARLY --2xx--> ANSWERED --ACK--> UP
 *
 * and from each of these --close--> CLOSING --CLOSED--> GONE, or GONE at once when the peer ends
 * it. A called leg is UP with its 2xx, as the leg itself acknowledges that. */
typedef enum {
    DM_LEG_IDLE,
    DM_LEG_TRYING,
    DM_LEG_EARLY,
    DM_LEG_WAITS_FOR_ACK,
    DM_LEG_UP,
    DM_LEG_CLOSING,
    DM_LEG_GONE,
    DM_LEG_N_STATES,
} DmLegState;

extern const DmSmState dm_leg_states[DM_LEG_N_STATES];
