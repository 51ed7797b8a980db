/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/answer.h"
#include "gateway/call/call-media.h"
#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/diagnosis.h"
#include "gateway/call/hold.h"
#include "gateway/call/negotiation.h"
#include "gateway/call/party.h"
#include "gateway/call/renegotiate.h"
#include "gateway/call/transfer-join.h"
#include "gateway/call/transfer.h"

/* A caller with Replaces (RFC 3891): it takes the place of a party of another call, and is answered
 * at once. */

DM_LOG_TOPIC("call-transfer");

/* What it is told: an answer to its offer, or an offer. */
static DmSdpVerdict
describe(DmParty *in, const DmParty *stays)
{
    const DmSdpPolicy policy = dm_party_policy(in);
    g_autoptr(DmSdp) wished = dm_renegotiate_wish(stays);
    g_autoptr(DmSdp) sdp = NULL;
    DmSdpVerdict verdict = in->theirs != NULL
                               ? dm_sdp_answer_across(in->theirs, &policy, wished, &sdp)
                               : dm_sdp_offer_across(wished, &policy, NULL, &sdp);

    if (verdict == DM_SDP_OK) {
        dm_party_set_ours(in, sdp, in->theirs != NULL);
        verdict = in->theirs != NULL ? dm_party_agree(in) : DM_SDP_OK;
    }
    return verdict;
}

static void
note_answered(DmCall *call, const DmParty *stays)
{
    dm_call_move(call, DM_CALL_DIALING);
    dm_call_move(call, DM_CALL_ANSWERED);
    dm_call_move(call, DM_CALL_UP);
    dm_call_record_taken(call, stays);
    call->deps->observer->started(call->record, call->deps->observer->user_data);
}

static bool
is_replaceable(const DmCall *call, const DmLeg *replaced)
{
    const DmParty *out = replaced->user_data;

    return replaced->on_event == dm_call_on_leg_event && out->call != call &&
           out->state == DM_LEG_UP && dm_join_is_possible(out->call) &&
           out->call->joining.unsettled == 0 && *dm_call_place(out->call, out->side) == out &&
           out->call->n_transfers < DM_MAX_TRANSFERS;
}

/* --- a phone that rings elsewhere --- */

/* Not the new call of a transfer: its caller is only played by ourselves. */
static bool
may_be_picked_up(const DmCall *call, const DmLeg *replaced)
{
    const DmParty *out = replaced->user_data;

    return replaced->on_event == dm_call_on_leg_event && out->call != call &&
           out->call->state == DM_CALL_RINGING && out == out->call->b &&
           out->state == DM_LEG_EARLY && out->call->of == NULL;
}

/* Both sides, before anything has happened. Without an offer of @in's there would be nothing to
 * tell the caller yet. */
static DmSdpVerdict
agree_on_pickup(DmCall *host, DmParty *in)
{
    DmParty *out = host->b;
    DmSdpVerdict verdict;

    if (in->theirs == NULL) {
        return DM_SDP_NO_AUDIO;
    }
    dm_party_set_policy(in, host, DM_SIDE_B, dm_negotiate_may_transcode(host, in->config));
    host->b = in;
    verdict = dm_negotiate_picked_up(host);
    host->b = out;
    return verdict;
}

/* The phone that rang is told that somebody has answered, so that it shows no missed call (RFC
 * 3326, 2). */
static const DmRelease answered_elsewhere = {
    .cause = DM_RELEASE_LOCAL,
    .status = 200,
    .q850 = DM_Q850_NORMAL,
    .reason = "Call completed elsewhere",
};

static void
pick_up(DmCall *call, DmCall *host)
{
    DmParty *in = call->a;
    DmParty *out;

    if (agree_on_pickup(host, in) != DM_SDP_OK) {
        dm_diagnose_codecs(call, "The caller", in->theirs, in->config);
        dm_call_fail(call, 488, DM_Q850_INCOMPATIBLE, "codec_mismatch");
        return;
    }
    note_answered(call, host->a);
    dm_call_record_transfer(host, call, "picked up");
    call->deps->observer->transferred(true, call->deps->observer->user_data);
    dm_info(&host->log, "picked up by call %s", call->record->id);
    dm_party_move(in, DM_LEG_WAITS_FOR_ACK);
    dm_call_record_attempt_end(host->b, &answered_elsewhere);
    out = dm_join_change_places(host, DM_SIDE_B, in);
    in->leg->ops->answer(in->leg, in->ours);
    dm_party_close(out, &answered_elsewhere);
    dm_answer_caller(host);
}

/* --- a call that is up --- */

void
dm_transfer_take_place(DmCall *call, DmLeg *replaced)
{
    DmParty *out = replaced->user_data;
    DmParty *in = call->a;
    DmCall *host;
    DmParty *stays;
    bool transcode;

    if (may_be_picked_up(call, replaced)) {
        pick_up(call, out->call);
        return;
    }
    if (!is_replaceable(call, replaced)) {
        dm_call_fail(call, 481, 0, "replaces_failed");
        return;
    }
    host = out->call;
    stays = *dm_call_place(host, dm_side_other(out->side));
    if (!dm_join_prepare_media(host, out->side, in)) {
        dm_call_fail(call, 503, DM_Q850_NO_CIRCUIT, "media_ports");
        return;
    }
    transcode = in->media->media.transcode && stays->media->media.transcode;
    dm_party_set_policy(in, host, out->side, transcode);
    if (describe(in, stays) != DM_SDP_OK) {
        dm_diagnose_codecs(call, "The caller", in->theirs, in->config);
        dm_call_fail(call, 488, DM_Q850_INCOMPATIBLE, "codec_mismatch");
        return;
    }
    note_answered(call, stays);
    dm_call_record_transfer(host, call, "replaced");
    call->deps->observer->transferred(true, call->deps->observer->user_data);
    dm_party_move(in, DM_LEG_WAITS_FOR_ACK);
    host->n_transfers++;
    dm_join_take_place(host, out->side, in);
    in->leg->ops->answer(in->leg, in->ours);
    dm_party_close(out, &(DmRelease){.cause = DM_RELEASE_LOCAL, .q850 = DM_Q850_NORMAL});
    dm_join_settle(host);
}

void
dm_transfer_on_acked(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;

    dm_party_move(party, DM_LEG_UP);
    if (party->theirs == NULL) {
        dm_party_set_theirs(party, event->sdp);
        if (event->sdp == NULL || dm_party_agree(party) != DM_SDP_OK) {
            dm_record_add_evidence(call->record,
                                   "Who took over a call gave no usable answer in ACK");
            dm_call_fail(call, 488, DM_Q850_INCOMPATIBLE, "codec_mismatch");
            return;
        }
        dm_call_media_update(call, true);
        dm_hold_apply(call);
    }
    dm_join_settle(call);
}
