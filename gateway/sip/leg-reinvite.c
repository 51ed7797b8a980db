/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/sip/auth.h"
#include "gateway/sip/leg-priv.h"

/* Sessions that change: re-INVITE both ways, glare, UPDATE of the peer. */

DM_LOG_TOPIC("sip-leg");

#define MS_US      1000
#define MAX_GLARES 10

/* --- ours --- */

bool
dm_sip_leg_may_send_invite(const DmSipLeg *leg)
{
    return leg->state == DM_SIP_LEG_UP && leg->invite == NULL && leg->update == NULL &&
           !dm_sip_leg_is_notifying(leg) && leg->incoming.tx == NULL && leg->ack == NULL &&
           !leg->ending && !dm_sip_leg_waits_after_glare(leg);
}

DmInviteOut *
dm_sip_leg_send_reinvite(DmSipLeg *leg, const DmSdp *sdp)
{
    DmSipMessage *request = dm_dialog_request(leg->dialog, DM_METHOD_INVITE, 0);
    DmSipFlow flow;

    dm_sip_leg_add_contact(leg, request);
    dm_sip_add_abilities(request, dm_trunk_config(leg->trunk));
    dm_sip_leg_write_session(leg, request);
    dm_sip_leg_write_sdp(leg, request, sdp);
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    dm_dialog_flow(leg->dialog, &leg->core->wire, &flow);
    return dm_sip_invite_start(leg, request, &flow, sdp != NULL);
}

/* What the call wants goes first: it refreshes as well. */
void
dm_sip_leg_send_queued(DmSipLeg *leg)
{
    dm_sip_leg_send_next_notify(leg);
    if (leg->queued && dm_sip_leg_offer_by_update(leg)) {
        leg->queued = false;
        leg->session.due = false;
        return;
    }
    if (!dm_sip_leg_may_send_invite(leg)) {
        return;
    }
    if (leg->queued) {
        leg->queued = false;
        leg->session.due = false;
        dm_sip_leg_send_reinvite(leg, leg->offer);
    } else if (leg->session.due) {
        dm_sip_leg_send_refresh(leg);
    }
}

void
dm_sip_leg_reoffer(DmSipLeg *leg, const DmSdp *sdp)
{
    if (leg->reoffering || leg->ending || leg->state == DM_SIP_LEG_CANCELLING ||
        leg->state >= DM_SIP_LEG_CLOSING) {
        return;
    }
    leg->reoffering = true;
    leg->queued = true;
    leg->glares = 0;
    g_clear_pointer(&leg->offer, dm_sdp_unref);
    leg->offer = sdp != NULL ? dm_sdp_ref(sdp) : NULL;
    dm_sip_leg_send_queued(leg);
}

static void
on_glare_timer(DmTimer *timer, void *user_data)
{
    dm_sip_leg_send_queued(user_data);
}

/* RFC 3261, 14.1: who made the Call-ID waits longer (SIG-13). */
void
dm_sip_leg_wait_after_glare(DmSipLeg *leg)
{
    DmRandom *random = leg->core->random;
    int64_t tens_ms =
        leg->is_caller_side ? dm_random_range(random, 0, 200) : dm_random_range(random, 210, 400);

    if (leg->glare_timer == NULL) {
        leg->glare_timer = g_new0(DmTimer, 1);
    }
    dm_loop_arm(leg->core->loop, leg->glare_timer, tens_ms * 10 * MS_US, on_glare_timer, leg);
}

bool
dm_sip_leg_waits_after_glare(const DmSipLeg *leg)
{
    return leg->glare_timer != NULL && dm_timer_is_armed(leg->glare_timer);
}

/* RFC 3261, 12.2.1.2 */
void
dm_sip_leg_lost(DmSipLeg *leg, uint16_t status, const char *reason, const char *diagnosis)
{
    g_autofree char *said = g_strdup_printf("SIP;cause=408;text=\"%s\"", reason);

    dm_sip_leg_set_release(leg, DM_RELEASE_PROTOCOL, status, reason, diagnosis);
    dm_sip_send_lone_bye(leg->core, leg->dialog, said);
    dm_sip_leg_finish(leg);
}

void
dm_sip_leg_reoffer_failed(DmSipLeg *leg, uint16_t status)
{
    if (leg->state == DM_SIP_LEG_CANCELLING || leg->state >= DM_SIP_LEG_CLOSING) {
        return;
    }
    if (status == 491 && leg->glares < MAX_GLARES) {
        leg->glares++;
        leg->queued = true;
        dm_sip_leg_wait_after_glare(leg);
        return;
    }
    leg->reoffering = false;
    if (leg->state == DM_SIP_LEG_UP && (status == 481 || status == 408)) {
        dm_sip_leg_lost(leg, status, "Dialog lost", "");
        return;
    }
    dm_sip_leg_emit(leg, DM_LEG_REOFFER_FAILED, status, NULL);
    dm_sip_leg_send_queued(leg);
}

void
dm_sip_leg_tell_reanswer(DmSipLeg *leg, uint16_t status, const DmSdp *sdp)
{
    leg->reoffering = false;
    dm_sip_leg_emit_answer(leg, DM_LEG_REANSWER, status, sdp);
}

/* A refresh is nobody's business but ours, unless its answer says something new. */
static void
tell_of_answer(DmSipLeg *leg, const DmInviteOut *invite, uint16_t status, const DmSdp *sdp)
{
    bool is_new =
        leg->remote_sdp == NULL || sdp == NULL || !dm_sdp_same_media(sdp, leg->remote_sdp);

    dm_sip_leg_set_remote_sdp(leg, sdp);
    if (!invite->is_refresh) {
        dm_sip_leg_tell_reanswer(leg, status, sdp);
    } else if (sdp != NULL && is_new) {
        dm_sip_leg_emit(leg, DM_LEG_REANSWER, status, sdp);
    }
}

void
dm_sip_leg_reinvite_answered(DmSipLeg *leg, DmInviteOut *invite, DmSipMessage *response)
{
    uint16_t status = (uint16_t)response->sip->sip_status->st_status;
    g_autoptr(DmSdp) sdp = NULL;

    dm_dialog_refresh_target(leg->dialog, response);
    invite->is_confirmed = true;
    dm_sip_leg_read_sdp(response, &sdp);
    dm_sip_leg_learn(leg, response);
    if (leg->state == DM_SIP_LEG_UP) {
        dm_sip_leg_settle_session(leg, response);
    }
    dm_sip_invite_ack_or_keep(invite,
                              response,
                              leg->state == DM_SIP_LEG_UP && !invite->offered && sdp != NULL);
    if (leg->state == DM_SIP_LEG_UP) {
        tell_of_answer(leg, invite, status, sdp);
        dm_sip_leg_send_queued(leg);
    } else {
        leg->reoffering = false;
    }
}

/* --- the peer's --- */

/* Why a change is refused; 488 says that it is for its description (RFC 3261, 20.43). */
static DmRelease
refusal(uint16_t status)
{
    DmRelease why = {.status = status, .warning_code = 305};

    if (status == 488) {
        g_strlcpy(why.warning, "incompatible media format", sizeof why.warning);
    }
    return why;
}

static void
reject(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request, uint16_t status)
{
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, status, NULL, leg->local_tag);
    const DmRelease why = refusal(status);

    dm_sip_leg_add_warning(leg, response, &why);
    if (status == 500) {
        char text[8];

        g_snprintf(text, sizeof text, "%d", (int)dm_random_range(leg->core->random, 0, 10));
        dm_sip_message_add(response, "Retry-After", text);
    }
    dm_server_tx_respond(tx, response);
    dm_sip_message_free(request);
}

/* RFC 3261, 14.2 and RFC 3311, 5.2; 0: welcome. */
static uint16_t
why_not_now(const DmSipLeg *leg)
{
    if (leg->incoming.tx != NULL) {
        return 500;
    }
    if (leg->invite != NULL || leg->ack != NULL || (leg->update != NULL && leg->update_offers)) {
        return 491;
    }
    return leg->state == DM_SIP_LEG_UP ? 0 : 491;
}

/* A refresh says what was said before, by its o= line and in fact: it gets what we said before, and
 * the other side of the call hears nothing of it (SIG-14). */
static bool
is_refresh(const DmSipLeg *leg, const DmSdp *offer)
{
    return dm_trunk_config(leg->trunk)->sip.absorb_refresh && offer != NULL &&
           leg->remote_sdp != NULL && leg->origin.last != NULL &&
           dm_sdp_version(offer) == dm_sdp_version(leg->remote_sdp) &&
           dm_sdp_same_media(offer, leg->remote_sdp);
}

/* Takes @request over. */
static void
take_offer(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request, const DmSdp *offer)
{
    dm_dialog_refresh_target(leg->dialog, request);
    dm_sip_leg_set_incoming(leg, tx, request, offer);
    if (is_refresh(leg, offer)) {
        dm_sip_leg_send_2xx(leg, leg->origin.last);
        return;
    }
    dm_sip_leg_emit(leg, DM_LEG_REOFFER, 0, offer);
}

void
dm_sip_leg_take_reinvite(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) trying = NULL;
    g_autoptr(DmSdp) offer = NULL;
    uint16_t status = why_not_now(leg);

    if (status == 0 && !dm_sip_leg_read_sdp(request, &offer)) {
        status = 488;
    }
    if (status != 0) {
        reject(leg, tx, request, status);
        return;
    }
    if (!dm_sip_leg_check_session(leg, tx, request)) {
        dm_sip_message_free(request);
        return;
    }
    dm_sip_leg_learn(leg, request);
    trying = dm_sip_response_new(request, 100, NULL, NULL);
    dm_server_tx_respond(tx, trying);
    take_offer(leg, tx, request, offer);
}

/* Takes @request over. */
static void
accept_bare_update(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 200, NULL, leg->local_tag);

    dm_sip_leg_learn(leg, request);
    dm_sip_leg_add_contact(leg, response);
    dm_sip_message_add(response, "Allow", dm_sip_allow(dm_trunk_config(leg->trunk)));
    dm_sip_add_extensions(response, dm_trunk_config(leg->trunk));
    if (leg->state == DM_SIP_LEG_UP) {
        dm_sip_leg_agree_session(leg, response);
    }
    dm_server_tx_respond(tx, response);
}

/* --- offers before the final answer --- */

void
dm_sip_leg_drop_change(DmSipLeg *leg)
{
    if (leg->change.tx != NULL) {
        dm_server_tx_set_user(leg->change.tx, NULL, NULL);
        leg->change.tx = NULL;
    }
    g_clear_pointer(&leg->change.request, dm_sip_message_free);
    g_clear_pointer(&leg->change.offer, dm_sdp_unref);
}

void
dm_sip_leg_take_change(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request, const DmSdp *offer)
{
    dm_sip_leg_drop_change(leg);
    leg->change = (DmInviteIn){tx, request, dm_sdp_ref(offer)};
    dm_sip_leg_watch(leg, tx);
    dm_sip_leg_emit(leg, DM_LEG_REOFFER, 0, offer);
}

static void
answer_change(DmSipLeg *leg, const DmSdp *sdp)
{
    g_autoptr(DmSipMessage) response =
        dm_sip_response_new(leg->change.request, 200, NULL, leg->local_tag);

    dm_sip_leg_add_contact(leg, response);
    dm_sip_message_add(response, "Allow", dm_sip_allow(dm_trunk_config(leg->trunk)));
    dm_sip_leg_write_sdp(leg, response, sdp);
    dm_sip_leg_set_remote_sdp(leg, leg->change.offer);
    dm_server_tx_respond(leg->change.tx, response);
    dm_sip_leg_drop_change(leg);
    dm_sip_leg_send_queued(leg);
}

static void
refuse_change(DmSipLeg *leg, uint16_t status)
{
    DmServerTx *tx = g_steal_pointer(&leg->change.tx);

    dm_server_tx_set_user(tx, NULL, NULL);
    reject(leg, tx, g_steal_pointer(&leg->change.request), status);
    dm_sip_leg_send_queued(leg);
}

/* RFC 3311, 5.2: only when the first offer is answered for good, and one after the other. */
static void
take_caller_update(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request, const DmSdp *offer)
{
    if (!dm_sip_leg_has_agreed(leg) || leg->change.tx != NULL || leg->update != NULL) {
        reject(leg, tx, request, leg->update != NULL ? 491 : 500);
        return;
    }
    dm_dialog_refresh_target(leg->dialog, request);
    dm_sip_leg_take_change(leg, tx, request, offer);
}

void
dm_sip_leg_take_fork_update(DmSipLeg *leg, DmSipFork *fork, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSdp) offer = NULL;
    bool readable = dm_sip_leg_read_sdp(request, &offer);
    bool is_heard =
        leg->early_tag != NULL && strcmp(leg->early_tag, dm_dialog_remote_tag(fork->dialog)) == 0;

    if (dm_dialog_take_cseq(fork->dialog, request) == DM_CSEQ_OLD || leg->change.tx != NULL) {
        reject(leg, tx, request, 500);
    } else if (!readable) {
        reject(leg, tx, request, 488);
    } else if (offer != NULL && (!fork->agreed || !is_heard || leg->update != NULL)) {
        reject(leg, tx, request, 491);
    } else if (offer != NULL) {
        dm_dialog_refresh_target(fork->dialog, request);
        g_clear_pointer(&fork->sdp, dm_sdp_unref);
        fork->sdp = dm_sdp_ref(offer);
        dm_sip_leg_take_change(leg, tx, request, offer);
    } else {
        dm_dialog_refresh_target(fork->dialog, request);
        accept_bare_update(leg, tx, request);
    }
}

/* RFC 3311: with a description as a re-INVITE, without one only a new target (and a session
 * refreshed). */
void
dm_sip_leg_take_update(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSdp) offer = NULL;
    bool readable = dm_sip_leg_read_sdp(request, &offer);

    if (!dm_sip_leg_check_session(leg, tx, request)) {
        dm_sip_message_free(request);
    } else if (readable && offer == NULL) {
        dm_dialog_refresh_target(leg->dialog, request);
        accept_bare_update(leg, tx, request);
    } else if (!readable) {
        reject(leg, tx, request, 488);
    } else if (leg->state == DM_SIP_LEG_INCOMING) {
        take_caller_update(leg, tx, request, offer);
    } else if (why_not_now(leg) != 0) {
        reject(leg, tx, request, why_not_now(leg));
    } else {
        take_offer(leg, tx, request, offer);
    }
}

void
dm_sip_leg_reanswer(DmSipLeg *leg, const DmSdp *sdp)
{
    if (leg->asking != NULL) {
        dm_sip_fork_answer(leg, sdp);
        return;
    }
    if (leg->change.tx != NULL) {
        answer_change(leg, sdp);
        return;
    }
    if (leg->state != DM_SIP_LEG_UP) {
        return;
    }
    if (leg->invite != NULL && leg->invite->unacked != NULL) {
        dm_sip_invite_ack_kept(leg->invite, sdp);
        dm_sip_leg_send_queued(leg);
        return;
    }
    dm_sip_leg_send_2xx(leg, sdp);
    dm_sip_leg_send_queued(leg);
}

void
dm_sip_leg_refuse_reoffer(DmSipLeg *leg, uint16_t status)
{
    if (leg->change.tx != NULL) {
        refuse_change(leg, status);
    } else if (leg->state == DM_SIP_LEG_UP && leg->incoming.tx != NULL) {
        const DmRelease why = refusal(status);

        dm_sip_leg_reject(leg, &why);
        dm_sip_leg_send_queued(leg);
    }
}
