/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Offers while a call is up: hold and resume, new codecs, new addresses, refreshes. Handlers of leg
 * events; @party is whose. One at a time for the whole call; a second one is refused with 491 (RFC
 * 3261, 14.2). */
void dm_renegotiate_on_reoffer(DmParty *party, const DmLegEvent *event);
void dm_renegotiate_on_reanswer(DmParty *party, const DmLegEvent *event);
void dm_renegotiate_on_failed(DmParty *party, const DmLegEvent *event);
/* The ACK with the answer to an offer the peer had asked for. */
void dm_renegotiate_on_acked(DmParty *party, const DmLegEvent *event);
void dm_renegotiation_clear(DmRenegotiation *renegotiation);
