/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call.h"

/* A call whose other party is put through to somebody whose call another signalling worker has: the
 * party that stays and the record move there, and are a call of that worker's from then on. The leg
 * itself stays where its dialog is: gateway/neighbours.c speaks for it. */
typedef struct DmHandOver DmHandOver;

/* Takes the call apart whose party @leg is: that one gets BYE, and the other is handed over.
 * @trunk_id: of who asks for it. 0, or why not: 403, 481, or 491 when it is in the middle of an
 * offer; nothing has changed then. @out_leg: of who is handed over; its events go to its old party
 * no more. What is left of the call has another id: dm_call_table_rename(). */
uint16_t dm_call_hand_over(DmLeg *leg,
                           const char *trunk_id,
                           DmHandOver **out_hand_over,
                           DmLeg **out_leg);
/* The same call, on the worker that is to have it. @leg speaks for the party. Its trunk may have
 * been taken away meanwhile: the call ends then. (transfer full: @hand_over) */
DmCall *dm_call_adopt(const DmCallDeps *deps, DmHandOver *hand_over, DmLeg *leg);
/* One that never arrived. */
void dm_hand_over_free(DmHandOver *hand_over);
/* Of the call that moves. */
const char *dm_hand_over_id(const DmHandOver *hand_over);

/* What came of DmCallObserver's fetch(), for the transfer that waits in @call; NULL: that is gone.
 * @adopted: the call that was asked for, or NULL and the reason. */
void dm_transfer_fetched(DmCall *call, DmCall *adopted, uint16_t status);
