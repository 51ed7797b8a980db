/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/answer.h"

#include "gateway/call/call-media.h"
#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/diagnosis.h"
#include "gateway/call/dial.h"
#include "gateway/call/early-media.h"
#include "gateway/call/forks.h"
#include "gateway/call/negotiation.h"
#include "gateway/call/party.h"
#include "gateway/call/recording.h"
#include "gateway/call/renegotiate.h"

DM_LOG_TOPIC("call-answer");

static bool
take_early_description(DmCall *call, const DmSdp *sdp)
{
    DmSdpVerdict verdict;

    if (sdp == NULL) {
        return false;
    }
    verdict = dm_negotiate_callee_answered(call, sdp, false);
    if (verdict != DM_SDP_OK) {
        dm_info(&call->log, "early description ignored: %s", dm_sdp_verdict_name(verdict));
        return false;
    }
    return call->a->ours != NULL; /* not when the caller waits for our offer until the 200 */
}

static void
refuse_answer(DmCall *call, const DmSdp *sdp, DmSdpVerdict verdict)
{
    DmRelease why = dm_diagnose_refusal(verdict);

    dm_record_add_evidence(call->record,
                           "The called side's answer cannot be used: %s",
                           dm_sdp_verdict_name(verdict));
    dm_diagnose_sdp(call, verdict, "The caller", call->a->theirs, call->a->config);
    if (sdp != NULL) {
        dm_diagnose_sdp(call, verdict, "The called side", sdp, call->b->config);
    }
    dm_call_release(call, DM_RELEASED_BY_GATEWAY, &why);
}

/* SIG-9: a final answer that is not what the caller was told early cannot be told again in the same
 * exchange (RFC 6337, 3.1.1). It goes into another: by UPDATE now, or once the call is up. */
static void
let_caller_catch_up(DmCall *call)
{
    if (call->caller_is_behind && !dm_renegotiate_is_pending(call)) {
        call->caller_is_behind = false;
        dm_renegotiate_tell(call->a, true);
    }
}

static void
now_rings(DmParty *party)
{
    dm_dial_heard(party);
    if (party->state == DM_LEG_TRYING) {
        dm_party_move(party, DM_LEG_EARLY);
    }
    if (party->call->state == DM_CALL_DIALING) {
        dm_call_move(party->call, DM_CALL_RINGING);
    }
}

static void
pass_progress(DmParty *party, const DmLegEvent *event, bool described)
{
    DmCall *call = party->call;
    bool early_media = described && !event->is_barred;

    dm_call_record_facts(party);
    dm_call_record_progress(call, event->status, early_media);
    dm_info(&call->log,
            "%u from the called side%s",
            event->status,
            early_media ? ", with media" : "");
    dm_early_media_tell(call, event->status, described, event->is_barred);
}

void
dm_answer_on_progress(DmParty *party, const DmLegEvent *event)
{
    if (event->status <= 100) {
        dm_dial_heard(party);
        dm_call_record_progress(party->call, event->status, false);
        return;
    }
    now_rings(party);
    if (event->is_rival) {
        dm_forks_note(party, event->sdp);
        dm_call_media_update(party->call, false);
        pass_progress(party, event, false);
    } else {
        pass_progress(party, event, take_early_description(party->call, event->sdp));
        let_caller_catch_up(party->call);
    }
}

/* RFC 3262, 5: the called side offers before it answers, as we offered nothing (SIG-11). */
void
dm_answer_on_offered(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;
    DmSdpVerdict verdict;

    now_rings(party);
    verdict = dm_negotiate_callee_offered(call, event->sdp, false);
    if (verdict == DM_SDP_OK) {
        verdict = dm_negotiate_answer_callee(call);
    }
    if (verdict != DM_SDP_OK) {
        refuse_answer(call, event->sdp, verdict);
        return;
    }
    party->leg->ops->reanswer(party->leg, party->ours);
    pass_progress(party, event, call->a->ours != NULL);
}

/* What the caller says to an offer of ours, before the answer or in ACK. */
static void
take_caller_answer(DmParty *party, const DmSdp *sdp)
{
    DmCall *call = party->call;
    DmSdpVerdict verdict =
        sdp != NULL ? dm_negotiate_caller_answered(call, sdp) : DM_SDP_BAD_ANSWER;
    DmRelease why;

    if (verdict == DM_SDP_OK && call->b != NULL && call->b->ours == NULL &&
        call->state >= DM_CALL_ANSWERED) {
        verdict = dm_negotiate_answer_callee(call);
        if (verdict == DM_SDP_OK) {
            call->b->leg->ops->reanswer(call->b->leg, call->b->ours);
        }
    }
    if (verdict != DM_SDP_OK) {
        dm_record_add_evidence(call->record,
                               "The caller's answer to our offer cannot be used: %s",
                               dm_sdp_verdict_name(verdict));
        why = dm_diagnose_refusal(verdict);
        dm_call_release(call, DM_RELEASED_BY_GATEWAY, &why);
        return;
    }
    dm_diagnose_address(party);
    dm_call_media_update(call, call->state >= DM_CALL_ANSWERED);
}

void
dm_answer_on_early_answer(DmParty *party, const DmLegEvent *event)
{
    if (party->theirs == NULL && party->ours != NULL) {
        take_caller_answer(party, event->sdp);
    }
}

static void
on_duration_timer(DmTimer *timer, void *user_data)
{
    DmCall *call = user_data;

    dm_record_add_evidence(call->record, "The call reached the longest duration its trunks allow");
    dm_call_end(call, DM_Q850_TIMER, "Longest duration reached", "max_duration");
    dm_call_check_over(call);
}

static unsigned
longest_s(const DmCall *call)
{
    unsigned a_s = call->a->config->sip.max_duration_s;
    unsigned b_s = call->b->config->sip.max_duration_s;

    return a_s == 0 ? b_s : b_s == 0 ? a_s : MIN(a_s, b_s);
}

int64_t
dm_answer_ends_us(const DmCall *call)
{
    int64_t limit_us = longest_s(call) * G_USEC_PER_SEC;

    return limit_us > 0 ? call->record->answer_mono_us + limit_us : 0;
}

void
dm_answer_arm_end(DmCall *call, int64_t ends_us)
{
    int64_t left_us = ends_us - dm_loop_now_us(call->deps->loop);

    if (ends_us != 0) {
        dm_loop_arm(call->deps->loop, &call->timer, MAX(left_us, 0), on_duration_timer, call);
    }
}

/* A 2xx may leave out what a 18x has said already. An offer in it waits for the caller's answer. */
static DmSdpVerdict
settle(DmCall *call, const DmLegEvent *event)
{
    const DmSdp *sdp = event->sdp;
    g_autoptr(DmSdp) said = NULL;
    DmSdpVerdict verdict;

    if (event->is_offer || (call->b->ours_was_answer && sdp != NULL)) {
        verdict = dm_negotiate_callee_offered(call, sdp, true);
        return verdict == DM_SDP_OK && (!event->is_offer || call->a->theirs != NULL)
                   ? dm_negotiate_answer_callee(call)
                   : verdict;
    }
    if (sdp == NULL && call->b->theirs == NULL) {
        return DM_SDP_BAD_ANSWER;
    }
    said = dm_sdp_ref(sdp != NULL ? sdp : call->b->theirs);
    return dm_negotiate_callee_answered(call, said, true);
}

void
dm_answer_caller(DmCall *call)
{
    dm_timer_disarm(&call->timer);
    dm_trunk_count_result(call->b->trunk, true);
    dm_call_move(call, DM_CALL_ANSWERED);
    dm_call_record_answer(call);
    dm_early_media_over(call);
    dm_call_media_update(call, true);
    dm_call_recording_by_policy(call);
    dm_dial_end(call);
    dm_party_move(call->a, DM_LEG_WAITS_FOR_ACK);
    call->a->leg->ops->answer(call->a->leg, call->a->ours);
    let_caller_catch_up(call);
    dm_answer_arm_end(call, dm_answer_ends_us(call));
    call->deps->observer->started(call->record, call->deps->observer->user_data);
}

void
dm_answer_on_answered(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;
    DmSdpVerdict verdict;

    dm_dial_heard(party);
    dm_timer_disarm(&call->timer);
    dm_party_move(party, DM_LEG_UP);
    dm_call_record_facts(party);
    verdict = settle(call, event);
    if (verdict != DM_SDP_OK) {
        dm_trunk_count_result(party->trunk, false);
        refuse_answer(call, event->sdp, verdict);
        return;
    }
    if (event->is_offer && party->ours != NULL) {
        party->leg->ops->reanswer(party->leg, party->ours);
    }
    dm_info(&call->log, "answered by trunk %s", dm_trunk_id(party->trunk));
    dm_answer_caller(call);
}

void
dm_answer_on_acked(DmParty *party, const DmLegEvent *event)
{
    dm_party_move(party, DM_LEG_UP);
    dm_call_move(party->call, DM_CALL_UP);
    if (party->theirs == NULL) {
        take_caller_answer(party, event->sdp);
    }
}
