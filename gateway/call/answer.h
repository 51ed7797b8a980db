/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* From the first ringing to the caller's ACK. Handlers of leg events; @party is whose. */
void dm_answer_on_progress(DmParty *party, const DmLegEvent *event);
void dm_answer_on_offered(DmParty *party, const DmLegEvent *event);
void dm_answer_on_early_answer(DmParty *party, const DmLegEvent *event);
void dm_answer_on_answered(DmParty *party, const DmLegEvent *event);
void dm_answer_on_acked(DmParty *party, const DmLegEvent *event);
/* When it has lasted as long as its trunks allow, monotonic; 0: never. Both parties are there. */
int64_t dm_answer_ends_us(const DmCall *call);
/* It is ended then. */
void dm_answer_arm_end(DmCall *call, int64_t ends_us);
/* The called side is there, and both sides have been agreed with: so the caller is answered. */
void dm_answer_caller(DmCall *call);
