/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/leg-state.h"

#define TO(state) DM_SM_TO(DM_LEG_##state)

const DmSmState dm_leg_states[DM_LEG_N_STATES] = {
    [DM_LEG_IDLE] = {"idle", TO(TRYING)},
    [DM_LEG_TRYING] = {"trying", TO(EARLY) | TO(WAITS_FOR_ACK) | TO(UP) | TO(CLOSING) | TO(GONE)},
    [DM_LEG_EARLY] = {"early", TO(WAITS_FOR_ACK) | TO(UP) | TO(CLOSING) | TO(GONE)},
    [DM_LEG_WAITS_FOR_ACK] = {"waits for ACK", TO(UP) | TO(CLOSING) | TO(GONE)},
    [DM_LEG_UP] = {"up", TO(CLOSING) | TO(GONE)},
    [DM_LEG_CLOSING] = {"closing", TO(GONE)},
    [DM_LEG_GONE] = {"gone", 0},
};
