/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Keys that signalling tells of, or is to tell of (SIP INFO). Media knows which presses are the
 * same and carries the rest. Which keys they are is kept nowhere (DTMF-5). */

/* DM_LEG_KEY */
void dm_keys_on_signalled(DmParty *party, const DmLegEvent *event);
/* @side's peer pressed a key, in whichever way. */
void dm_keys_on_pressed(DmCall *call, DmSide side, char key);
