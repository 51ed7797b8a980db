/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* A leg of a call. Freed when it is gone. */
DmParty *dm_party_new(DmCall *call, DmSide side, DmTrunk *trunk, const DmTrunkConfig *config);
void dm_party_free(DmParty *party);

/* Takes a place on the trunk, given back by dm_party_leave_trunk() or with the party. */
DmReserve dm_party_enter_trunk(DmParty *party);
void dm_party_leave_trunk(DmParty *party);

bool dm_party_move(DmParty *party, DmLegState to);
/* Once; harmless when it is closing or gone. */
void dm_party_close(DmParty *party, const DmRelease *why);

/* From now on its policy has what the session of @host has for @side; NULL: there is none yet. */
void dm_party_set_policy(DmParty *party, const DmCall *host, DmSide side, bool transcode);
/* With the trunk's media settings; it borrows from @party. */
DmSdpPolicy dm_party_policy(const DmParty *party);
/* References @sdp, or NULL. */
void dm_party_set_ours(DmParty *party, const DmSdp *sdp, bool is_answer);
void dm_party_set_theirs(DmParty *party, const DmSdp *sdp);
/* What was agreed with it last; all zero: nothing. */
DmMediaSideSpec dm_party_spec(const DmParty *party);
/* That was fax by T.38. */
bool dm_party_is_t38(const DmParty *party);
/* Works out what both descriptions agree on. On failure everything stays as it was. */
DmSdpVerdict dm_party_agree(DmParty *party);
/* Puts an agreed exchange into force, and tells media; when they do not fit all stays as it was. */
DmSdpVerdict dm_party_take(DmParty *party,
                           const DmSdp *ours,
                           const DmSdp *theirs,
                           bool ours_is_answer);
