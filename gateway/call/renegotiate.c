/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/renegotiate.h"

#include "gateway/call/call-media.h"
#include "gateway/call/cause.h"
#include "gateway/call/party.h"
#include "gateway/call/transfer-join.h"
#include "gateway/sdp/format.h"

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

/* Puts an agreed exchange of one leg into force, and tells media. */
static DmSdpVerdict
take(DmParty *party, const DmSdp *ours, const DmSdp *theirs, bool ours_is_answer)
{
    g_autoptr(DmSdp) keep_ours = dm_sdp_ref(party->ours);
    g_autoptr(DmSdp) keep_theirs = party->theirs != NULL ? dm_sdp_ref(party->theirs) : NULL;
    bool kept_role = party->ours_was_answer;
    DmSdpVerdict verdict;

    dm_party_set_ours(party, ours, ours_is_answer);
    dm_party_set_theirs(party, theirs);
    verdict = dm_party_agree(party);
    if (verdict != DM_SDP_OK) {
        dm_party_set_ours(party, keep_ours, kept_role);
        dm_party_set_theirs(party, keep_theirs);
        return verdict;
    }
    dm_call_media_update(party->call, party->call->state >= DM_CALL_ANSWERED);
    return verdict;
}

/* Answers @offer of @party from what the other side has last agreed to. */
static bool
answer_locally(DmParty *party, const DmSdp *offer)
{
    g_autoptr(DmSdp) answer = NULL;

    if (dm_sdp_answer_across(offer, &party->policy, other_party(party)->theirs, &answer) !=
            DM_SDP_OK ||
        take(party, answer, offer, true) != DM_SDP_OK) {
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

static void
pass_across(DmParty *party, const DmSdp *offer)
{
    DmCall *call = party->call;
    DmParty *other = other_party(party);
    g_autoptr(DmSdp) sent = NULL;

    if (dm_sdp_judge_keys(offer, &party->policy) != DM_SDP_OK ||
        dm_sdp_offer_across(offer, &other->policy, other->ours, &sent) != DM_SDP_OK) {
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

static void
offer_on_request(DmParty *party)
{
    DmCall *call = party->call;
    g_autoptr(DmSdp) wished = dm_renegotiate_wish(other_party(party));
    g_autoptr(DmSdp) offer = NULL;

    if (dm_sdp_offer_across(wished, &party->policy, party->ours, &offer) != DM_SDP_OK) {
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

/* One offer at a time, and only when there are two who have agreed with us before. */
static bool
may_change(const DmParty *party)
{
    const DmCall *call = party->call;
    const DmParty *other = other_party(party);

    return call->state == DM_CALL_UP && !dm_renegotiate_is_pending(call) &&
           call->joining.unsettled == 0 && other != NULL && other->theirs != NULL &&
           party->theirs != NULL;
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
    if (!answer_refresh(party, event->sdp) && !answer_move(party, event->sdp)) {
        pass_across(party, event->sdp);
    }
}

static void
check_bridge(DmCall *call)
{
    if (call->a != NULL && call->b != NULL &&
        !dm_sides_bridge(&call->a->spec, &call->b->spec, call->b->policy.transcode)) {
        dm_record_add_evidence(call->record,
                               "After a re-INVITE the two sides have no codec in common");
        dm_call_fail(call, 488, DM_Q850_INCOMPATIBLE, "codec_mismatch");
    }
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
    taken = answer != NULL && take(done.to, sent, answer, false) == DM_SDP_OK;
    if (done.from != NULL && !(taken && answer_locally(done.from, offer))) {
        refuse(done.from, 488);
    }
    if (done.from == NULL && call->joining.unsettled != 0) {
        dm_join_on_settled(call, done.to->side, taken);
    } else {
        check_bridge(call);
    }
}

void
dm_renegotiate_on_reanswer(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;

    if (call->renegotiation.to == party) {
        finish(call, event->sdp);
    } else if (!dm_renegotiate_is_pending(call) && event->sdp != NULL &&
               take(party, party->ours, event->sdp, false) == DM_SDP_OK) {
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
    dm_renegotiation_clear(&call->renegotiation);
    if (from != NULL) {
        refuse(from, event->status == 491 ? 491 : 488);
    } else {
        dm_join_on_settled(call, party->side, false);
    }
}

bool
dm_renegotiate_tell(DmParty *party, bool always)
{
    DmCall *call = party->call;
    const DmParty *other = other_party(party);
    g_autoptr(DmSdp) wished = NULL;
    g_autoptr(DmSdp) sent = NULL;

    if (other == NULL || other->theirs == NULL || party->ours == NULL) {
        return false;
    }
    wished = dm_renegotiate_wish(other);
    if (dm_sdp_offer_across(wished, &party->policy, party->ours, &sent) != DM_SDP_OK ||
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

    if (other == NULL ||
        dm_sdp_offer_across(party->theirs, &other->policy, other->ours, &sent) != DM_SDP_OK ||
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
    if (event->sdp == NULL || take(party, sent, event->sdp, false) != DM_SDP_OK) {
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
