/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Several phones ring at the called side, and describe their media before one answers (SIG-9). One
 * of them is party->theirs; media must know of the others. */

/* Another has described its media: it is remembered. */
void dm_forks_note(DmParty *callee, const DmSdp *sdp);
/* Media that come from @address are those of another phone: it is heard from now on, where the
 * trunk wants it so. */
void dm_forks_heard(DmCall *call, const DmAddress *address);
/* Adds them to what media are told of the callee's side. */
void dm_forks_fill(const DmParty *callee, DmMediaSideSpec *spec);
