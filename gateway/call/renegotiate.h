/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Offers while a call is up: hold and resume, new codecs, new addresses, refreshes. Handlers of leg
 * events; @party is whose. One at a time for the whole call; a second one is refused with 491 (RFC
 * 3261, 14.2). */
/* DM_CALL_MEDIA_FAX: T.38 is asked for where that is ours to do; later, when an offer is on its
 * way. */
void dm_renegotiate_fax_heard(DmCall *call, DmSide side);
/* An event of a leg has been dealt with: asks for the T.38 that had to wait, once nothing else is
 * on its way. */
void dm_renegotiate_ask_late(DmCall *call);
void dm_renegotiate_on_reoffer(DmParty *party, const DmLegEvent *event);
void dm_renegotiate_on_reanswer(DmParty *party, const DmLegEvent *event);
void dm_renegotiate_on_failed(DmParty *party, const DmLegEvent *event);
/* The ACK with the answer to an offer the peer had asked for. */
void dm_renegotiate_on_acked(DmParty *party, const DmLegEvent *event);
/* Whether an offer is on its way across. */
bool dm_renegotiate_is_pending(const DmCall *call);
/* Offers @party, by ourselves, what the other side last described, as that one wishes it. False:
 * there is nothing to say, or, unless @always, nothing but what it was told before. */
bool dm_renegotiate_tell(DmParty *party, bool always);
/* What @party last described, as if it wished what it wished by itself: its present direction may
 * only be the answer to a hold that the other side now wants to end. (transfer full) */
DmSdp *dm_renegotiate_wish(const DmParty *party);
/* The direction of the first live audio line; what its writer wishes when it is an offer. */
DmMediaDirection dm_renegotiate_direction(const DmSdp *sdp);
void dm_renegotiation_clear(DmRenegotiation *renegotiation);
