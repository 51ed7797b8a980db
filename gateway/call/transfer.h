/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Transfers of a call that is up (SIG-18, SIG-19). Whoever asks with REFER is answered from here;
 * the new call is a call of its own, with its own record, that joins the old one when it is
 * answered (transfer-join.h). Until then nothing has changed, so a transfer that fails leaves the
 * call as it was. */

/* Transfers of one conversation, one after the other. */
#define DM_MAX_TRANSFERS 10

/* Handlers of leg events. */
void dm_transfer_on_referred(DmParty *party, const DmLegEvent *event);
void dm_transfer_on_refer_progress(DmParty *party, const DmLegEvent *event);

/* A REFER that had to wait may go on (transfer-wait.c); @status: or may not, for that reason. */
void dm_transfer_go_on(DmCall *call, const DmReferral *asked, DmParty *in, uint16_t status);

/* The stand-in's call, from transfer-leg.c. */
void dm_transfer_on_progress(DmCall *made, uint16_t status);
void dm_transfer_on_answered(DmCall *made);
void dm_transfer_on_failed(DmCall *made, uint16_t status);

/* @made has just begun, as the new call of @incoming->transfer. */
void dm_transfer_begin(DmCall *made, const DmIncoming *incoming);
/* It has a plan: what the referral does not allow is left out of it. */
void dm_transfer_plan(DmCall *made);

/* The one who asked has hung up without waiting for the outcome: true, and the other one waits for
 * it alone. */
bool dm_transfer_goes_on_without(const DmParty *party, const DmRelease *release);
/* @call ends: so does what was made for it. */
void dm_transfer_abandon(DmCall *call);
/* Forgets every other call, in a process that ends. */
void dm_transfer_forget(DmCall *call);

/* A call that is to take @replaced's place, instead of being routed (RFC 3891). */
void dm_transfer_take_place(DmCall *call, DmLeg *replaced);
/* The ACK of a caller who took a place. */
void dm_transfer_on_acked(DmParty *party, const DmLegEvent *event);
