/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/renegotiate.h"

#include "gateway/call/call-media.h"
#include "gateway/call/cause.h"
#include "gateway/call/fax.h"
#include "gateway/call/hold.h"
#include "gateway/call/party.h"
#include "gateway/call/transfer-join.h"
#include "gateway/sdp/format.h"
#include "gateway/sdp/t38.h"

DM_LOG_TOPIC("call-renegotiate");

static DmParty *
other_party(const DmParty *party)
{
    return party->side == DM_SIDE_A ? party->call->b : party->call->a;
}

bool
dm_renegotiate_is_pending(const DmCall *call)
{
    return call->renegotiation.from != NULL || call->renegotiation.to != NULL;
}

void
dm_renegotiation_clear(DmRenegotiation *renegotiation)
{
    dm_sdp_unref(renegotiation->offer);
    dm_sdp_unref(renegotiation->sent);
    *renegotiation = (DmRenegotiation){0};
}

static void
refuse(DmParty *party, uint16_t status)
{
    dm_info(&party->call->log, "offer refused with %u", status);
    party->leg->ops->refuse_reoffer(party->leg, status);
}

DmMediaDirection
dm_renegotiate_direction(const DmSdp *sdp)
{
    for (unsigned i = 0; i < dm_sdp_n_media(sdp); i++) {
        const DmSdpMedia *media = dm_sdp_media(sdp, i);

        if (media->type == DM_SDP_AUDIO && media->port != 0) {
            return media->connection_any ? media->peer_direction & DM_MEDIA_SEND
                                         : media->peer_direction;
        }
    }
    return DM_MEDIA_BOTH;
}

/* What an answer to @party may promise: what the other side last agreed to; while that is a fax in
 * T.38, and @party's modem tones, what was promised before. */
static const DmSdp *
basis_of(const DmParty *party, const DmSdp *offer)
{
    const DmParty *other = other_party(party);
    bool is_modem = dm_party_is_t38(other) && !dm_party_is_t38(party);

    return is_modem && !dm_t38_is_wanted(offer, true) ? party->ours : other->theirs;
}

/* Answers @offer of @party without asking the other side. */
static bool
answer_locally(DmParty *party, const DmSdp *offer)
{
    const DmSdpPolicy policy = dm_party_policy(party);
    g_autoptr(DmSdp) answer = NULL;

    if (dm_sdp_answer_across(offer, &policy, basis_of(party, offer), &answer) != DM_SDP_OK ||
        dm_party_take(party, answer, offer, true) != DM_SDP_OK) {
        return false;
    }
    party->leg->ops->reanswer(party->leg, party->ours);
    return true;
}

/* The same media as before: a refresh. The same bytes go back, and the other leg hears nothing of
 * it (SIG-14). */
static bool
answer_refresh(DmParty *party, const DmSdp *offer)
{
    if (!party->config->sip.absorb_refresh || !dm_sdp_same_media(offer, party->theirs)) {
        return false;
    }
    if (!party->ours_was_answer) {
        return answer_locally(party, offer);
    }
    party->leg->ops->reanswer(party->leg, party->ours);
    return true;
}

static bool
is_same_line(const DmSdpMedia *a, const DmSdpMedia *b)
{
    if (a->type != b->type || a->proto != b->proto || (a->port == 0) != (b->port == 0) ||
        a->peer_direction != b->peer_direction || a->connection_any || b->connection_any ||
        a->n_formats != b->n_formats) {
        return false;
    }
    for (unsigned i = 0; i < a->n_formats; i++) {
        if (!dm_format_equal(&a->formats[i], &b->formats[i])) {
            return false;
        }
    }
    return true;
}

/* The peer has moved, and nothing else: our affair, as media are anchored here. */
static bool
answer_move(DmParty *party, const DmSdp *offer)
{
    if (dm_sdp_n_media(offer) != dm_sdp_n_media(party->theirs)) {
        return false;
    }
    for (unsigned i = 0; i < dm_sdp_n_media(offer); i++) {
        if (!is_same_line(dm_sdp_media(offer, i), dm_sdp_media(party->theirs, i))) {
            return false;
        }
    }
    return answer_locally(party, offer);
}

static bool
is_settled(const DmCall *call)
{
    return call->state == DM_CALL_UP && !dm_renegotiate_is_pending(call) &&
           call->joining.unsettled == 0;
}

/* One offer at a time, and only when there are two who have agreed with us before. */
static bool
may_change(const DmParty *party)
{
    const DmParty *other = other_party(party);

    return is_settled(party->call) && other != NULL && other->theirs != NULL &&
           party->theirs != NULL;
}

static void
ask_for_fax(DmParty *party)
{
    DmCall *call = party->call;
    const DmSdpPolicy policy = dm_party_policy(party);

    call->renegotiation.sent = dm_t38_offer_from_policy(&policy, party->ours);
    if (call->renegotiation.sent != NULL) {
        call->renegotiation.to = party;
        dm_info(&call->log, "side %s is asked for T.38", party->side == DM_SIDE_A ? "a" : "b");
        party->leg->ops->reoffer(party->leg, call->renegotiation.sent);
    }
}

static void
ask_next_for_fax(DmCall *call)
{
    DmParty *party = dm_fax_next(call);

    if (party != NULL && may_change(party)) {
        ask_for_fax(party);
    }
}

void
dm_renegotiate_fax_heard(DmCall *call, DmSide side)
{
    dm_fax_note_heard(call, side);
    call->fax_heard_us = dm_loop_now_us(call->deps->loop);
    dm_renegotiate_ask_late(call);
}

void
dm_renegotiate_ask_late(DmCall *call)
{
    if (call->fax_heard_us == 0 || !is_settled(call) || call->a == NULL || call->b == NULL) {
        return;
    }
    if (dm_fax_is_still_wanted(call)) {
        ask_next_for_fax(call);
    }
    call->fax_heard_us = 0;
}

static void
pass_across(DmParty *party, const DmSdp *offer)
{
    DmCall *call = party->call;
    DmParty *other = other_party(party);
    const DmSdpPolicy from = dm_party_policy(party);
    const DmSdpPolicy to = dm_party_policy(other);
    g_autoptr(DmSdp) told = dm_hold_as_told(offer, other);
    g_autoptr(DmSdp) sent = NULL;

    if (dm_sdp_judge_keys(offer, &from) != DM_SDP_OK ||
        dm_sdp_offer_across(told, &to, other->ours, &sent) != DM_SDP_OK) {
        refuse(party, 488);
        return;
    }
    call->renegotiation.from = party;
    call->renegotiation.to = other;
    call->renegotiation.offer = dm_sdp_ref(offer);
    call->renegotiation.sent = g_steal_pointer(&sent);
    dm_info(&call->log, "offer of side %s passed across", party->side == DM_SIDE_A ? "a" : "b");
    other->leg->ops->reoffer(other->leg, call->renegotiation.sent);
}

DmSdp *
dm_renegotiate_wish(const DmParty *party)
{
    unsigned n = dm_sdp_n_media(party->theirs);
    g_autofree DmSdpMedia *media =
        g_memdup2(dm_sdp_media(party->theirs, 0), n * sizeof(DmSdpMedia));

    for (unsigned i = 0; i < n; i++) {
        media[i].peer_direction = party->wish;
        media[i].connection_any = false;
    }
    return dm_sdp_new(media, n);
}

/* A leg of a fax that is translated has nothing in common with the other: it is offered what it
 * has.
 */
static DmSdpVerdict
make_offer(const DmParty *party, DmSdp **out_offer)
{
    const DmParty *other = other_party(party);
    g_autoptr(DmSdp) wished = dm_renegotiate_wish(other);
    DmSdpPolicy policy;

    if (dm_party_is_t38(party) != dm_party_is_t38(other)) {
        *out_offer = dm_sdp_ref(party->ours);
        return DM_SDP_OK;
    }
    policy = dm_party_policy(party);
    return dm_sdp_offer_across(wished, &policy, party->ours, out_offer);
}

static void
offer_on_request(DmParty *party)
{
    DmCall *call = party->call;
    g_autoptr(DmSdp) offer = NULL;

    if (make_offer(party, &offer) != DM_SDP_OK) {
        refuse(party, 488);
        return;
    }
    call->renegotiation.from = party;
    call->renegotiation.sent = g_steal_pointer(&offer);
    party->leg->ops->reanswer(party->leg, call->renegotiation.sent);
}

/* Before the call is answered: media are anchored here, so the other side, whose own first exchange
 * may not be over, need not hear of it (SIG-12). */
static void
answer_early(DmParty *party, const DmSdp *offer)
{
    const DmParty *other = other_party(party);

    if (offer == NULL || other == NULL || other->theirs == NULL || party->theirs == NULL ||
        party->ours == NULL) {
        refuse(party, 491);
        return;
    }
    party->wish = dm_renegotiate_direction(offer);
    if (!answer_locally(party, offer)) {
        refuse(party, 488);
    }
}

static void
take_offer(DmParty *party, const DmSdp *offer)
{
    /* A fax that is translated here: neither side's changes are the other's affair. */
    bool is_translated = dm_party_is_t38(party) != dm_party_is_t38(other_party(party));
    bool stays_here = is_translated || dm_hold_stays_here(party, other_party(party), offer);

    if (answer_refresh(party, offer) || answer_move(party, offer)) {
        return;
    }
    if (dm_t38_is_wanted(offer, true) && dm_fax_take_offer(party, offer)) {
        return;
    }
    if (!stays_here || !answer_locally(party, offer)) {
        pass_across(party, offer);
    }
}

void
dm_renegotiate_on_reoffer(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;

    if (call->state == DM_CALL_DIALING || call->state == DM_CALL_RINGING) {
        answer_early(party, event->sdp);
        return;
    }
    if (!may_change(party)) {
        refuse(party, 491);
        return;
    }
    if (event->sdp == NULL) {
        offer_on_request(party);
        return;
    }
    party->wish = dm_renegotiate_direction(event->sdp);
    take_offer(party, event->sdp);
}

static void
check_bridge(DmCall *call)
{
    if (call->a != NULL && call->b != NULL && !dm_parties_bridge(call->a, call->b)) {
        dm_record_add_evidence(call->record,
                               "After a re-INVITE the two sides have no codec in common");
        dm_call_fail(call, 488, DM_Q850_INCOMPATIBLE, "codec_mismatch");
    }
}

/* T.38 was accepted with a description that has none: the leg is left without media, so it is
 * offered what it had. */
static void
take_back_fax(DmParty *party)
{
    DmCall *call = party->call;

    dm_fax_refused(party, 200);
    call->renegotiation.to = party;
    call->renegotiation.sent = dm_sdp_ref(party->ours);
    party->leg->ops->reoffer(party->leg, party->ours);
}

/* @from is answered with what @to has answered. */
static void
finish(DmCall *call, const DmSdp *answer)
{
    DmRenegotiation done = call->renegotiation;
    g_autoptr(DmSdp) offer = done.offer;
    g_autoptr(DmSdp) sent = done.sent;
    bool taken;

    call->renegotiation = (DmRenegotiation){0};
    call->media_waits = done.from != NULL;
    taken = answer != NULL && dm_party_take(done.to, sent, answer, false) == DM_SDP_OK;
    call->media_waits = false;
    if (done.from != NULL && !(taken && answer_locally(done.from, offer))) {
        refuse(done.from, 488);
        dm_call_media_update(call, call->state >= DM_CALL_ANSWERED);
    }
    if (done.from == NULL && call->joining.unsettled != 0) {
        dm_join_on_settled(call, done.to->side, taken);
        return;
    }
    if (!taken && dm_t38_find(sent, NULL) != NULL) {
        take_back_fax(done.to);
        return;
    }
    check_bridge(call);
    if (done.from == NULL && dm_party_is_t38(done.to) && !dm_call_is_ending(call)) {
        ask_next_for_fax(call); /* the other side may have it too */
    }
}

void
dm_renegotiate_on_reanswer(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;

    if (call->renegotiation.to == party) {
        finish(call, event->sdp);
    } else if (call->state == DM_CALL_UP && !dm_renegotiate_is_pending(call) &&
               event->sdp != NULL &&
               dm_party_take(party, party->ours, event->sdp, false) == DM_SDP_OK) {
        check_bridge(call); /* the answer to a refresh of the leg's own: the peer has moved */
    }
}

/* Whatever the other side said, the one who offered keeps its session (RFC 3261, 14.1): 491 makes
 * it try again, 488 does not; 408 or 481 would make it hang up. */
void
dm_renegotiate_on_failed(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;
    DmParty *from = call->renegotiation.from;

    if (call->renegotiation.to != party) {
        return;
    }
    if (event->status != 491 && dm_t38_find(call->renegotiation.sent, NULL) != NULL) {
        dm_fax_refused(party, event->status);
    }
    dm_renegotiation_clear(&call->renegotiation);
    if (from != NULL) {
        refuse(from, event->status == 491 ? 491 : 488);
    } else if (call->joining.unsettled != 0) {
        dm_join_on_settled(call, party->side, false);
    } else {
        check_bridge(call);
    }
}

bool
dm_renegotiate_tell(DmParty *party, bool always)
{
    DmCall *call = party->call;
    const DmParty *other = other_party(party);
    g_autoptr(DmSdp) wished = NULL;
    g_autoptr(DmSdp) sent = NULL;
    DmSdpPolicy policy;

    if (other == NULL || other->theirs == NULL || party->ours == NULL) {
        return false;
    }
    wished = dm_renegotiate_wish(other);
    policy = dm_party_policy(party);
    if (dm_sdp_offer_across(wished, &policy, party->ours, &sent) != DM_SDP_OK ||
        (!always && dm_renegotiate_direction(sent) == dm_renegotiate_direction(party->ours))) {
        return false;
    }
    call->renegotiation.to = party;
    call->renegotiation.sent = g_steal_pointer(&sent);
    party->leg->ops->reoffer(party->leg, call->renegotiation.sent);
    return true;
}

/* An offer of our own, because the one who asked for one has answered it with another direction. */
static void
tell_other_side(DmParty *party)
{
    DmCall *call = party->call;
    DmParty *other = other_party(party);
    g_autoptr(DmSdp) sent = NULL;
    DmSdpPolicy policy;

    if (other == NULL) {
        return;
    }
    policy = dm_party_policy(other);
    if (dm_sdp_offer_across(party->theirs, &policy, other->ours, &sent) != DM_SDP_OK ||
        dm_renegotiate_direction(sent) == dm_renegotiate_direction(other->ours)) {
        return;
    }
    call->renegotiation.to = other;
    call->renegotiation.sent = g_steal_pointer(&sent);
    other->leg->ops->reoffer(other->leg, call->renegotiation.sent);
}

void
dm_renegotiate_on_acked(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;
    g_autoptr(DmSdp) sent = NULL;

    if (call->renegotiation.from != party || call->renegotiation.to != NULL) {
        return; /* of an answer: nothing left to agree on */
    }
    sent = g_steal_pointer(&call->renegotiation.sent);
    dm_renegotiation_clear(&call->renegotiation);
    if (event->sdp == NULL || dm_party_take(party, sent, event->sdp, false) != DM_SDP_OK) {
        dm_record_add_evidence(call->record,
                               "An offer that was asked for got no usable answer in ACK");
        dm_call_fail(call, 488, DM_Q850_INCOMPATIBLE, "codec_mismatch");
        return;
    }
    party->wish = dm_renegotiate_direction(party->theirs);
    check_bridge(call);
    if (!dm_call_is_ending(call)) {
        tell_other_side(party);
    }
}
