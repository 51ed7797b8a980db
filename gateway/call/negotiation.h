/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* The first offer and answer of a call, on both legs: gateway/sdp decides, this applies it. */

/* Whether the caller's offer can be taken up at all; DM_SDP_OK when it made none. */
DmSdpVerdict dm_negotiate_check_caller(DmCall *call);
/* Makes the offer toward a callee: from the caller's, or from policy when the caller waits for
 * ours; none (callee->ours stays NULL) where the callee's trunk is to make it. */
DmSdpVerdict dm_negotiate_first_offer(DmParty *callee);
/* The callee has answered @sdp, early or finally. Afterwards the caller's side has something to be
 * told: an answer, or an offer when it made none (@final, or call->early_offer). An answer once
 * given to the caller stays as it is (RFC 6337, 3.1.1). On failure nothing has changed. */
DmSdpVerdict dm_negotiate_callee_answered(DmCall *call, const DmSdp *sdp, bool final);
/* The callee offers, as we have not: afterwards the caller's side has an offer to be told, as
 * above. */
DmSdpVerdict dm_negotiate_callee_offered(DmCall *call, const DmSdp *sdp, bool final);
/* Makes callee->ours the answer to that: what the caller has answered, or what policy allows. */
DmSdpVerdict dm_negotiate_answer_callee(DmCall *call);
/* Another phone than the one called is there, in its place, with an offer (call->b->theirs): both
 * it and the caller have something to be told afterwards. On failure nothing has changed for the
 * caller. */
DmSdpVerdict dm_negotiate_picked_up(DmCall *call);
/* The caller has answered our offer, in its ACK or PRACK. */
DmSdpVerdict dm_negotiate_caller_answered(DmCall *call, const DmSdp *sdp);

/* Transcoding takes the consent of both trunks. */
bool dm_negotiate_may_transcode(const DmCall *call, const DmTrunkConfig *b);
