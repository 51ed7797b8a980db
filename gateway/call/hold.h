/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* One side holds the other (SIG-16): whether that one is told, and what it hears. */

/* Whether @offer of @party only holds or resumes a side that is not to hear of it. */
bool dm_hold_stays_here(const DmParty *party, const DmParty *other, const DmSdp *offer);
/* What @other is offered for @offer: one that is to hear us is not told that nobody will speak.
 * (transfer full) */
DmSdp *dm_hold_as_told(const DmSdp *offer, const DmParty *other);
/* Plays, or ends, what each side hears of ours as things are now. */
void dm_hold_apply(DmCall *call);
