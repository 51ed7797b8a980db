/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* The record of a call, filled in as it lives. */

void dm_call_record_open(DmCall *call, const DmIncoming *incoming);
void dm_call_record_plan(DmCall *call);
/* Another plan, because the called side named another number. */
void dm_call_record_redirect(DmCall *call);
/* An INVITE has left for @address. */
void dm_call_record_attempt(DmParty *party, const DmRouteTarget *target, const DmTarget *address);
void dm_call_record_attempt_end(DmParty *party, const DmRelease *release);
/* What is known of the leg's peer by now. */
void dm_call_record_facts(DmParty *party);
void dm_call_record_progress(DmCall *call, uint16_t status, bool early_media);
void dm_call_record_answer(DmCall *call);
void dm_call_record_release(DmCall *call, DmReleasedBy by, const DmRelease *why);
/* The check 5 s after the answer. */
void dm_call_record_audio(DmCall *call, const DmMediaReport *report, DmAudioVerdict verdict);
/* The final report. */
void dm_call_record_media(DmCall *call, const DmMediaReport *report, DmAudioVerdict verdict);
/* A transfer of @call, and @other, which it has to do with; NULL: no call here. In the traces. */
void dm_call_record_transfer(DmCall *call, const DmCall *other, const char *what);
/* A caller who took a place in another call, where it talks to @stays. */
void dm_call_record_taken(DmCall *call, const DmParty *stays);
