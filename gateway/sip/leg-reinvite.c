/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>

#include "gateway/sip/auth.h"
#include "gateway/sip/leg-priv.h"

/* Sessions that change: re-INVITE both ways, glare, UPDATE of the peer. */

DM_LOG_TOPIC("sip-leg");

#define MS_US      1000
#define MAX_GLARES 10

/* --- ours --- */

static bool
may_send_invite(const DmSipLeg *leg)
{
    return leg->state == DM_SIP_LEG_UP && leg->invite == NULL && leg->incoming.tx == NULL &&
           !leg->ack.due && !dm_timer_is_armed(&leg->glare_timer);
}

static void
send_reinvite(DmSipLeg *leg)
{
    DmSipMessage *request = dm_dialog_request(leg->dialog, DM_METHOD_INVITE, 0);
    DmSipFlow flow;

    leg->queued = false;
    dm_sip_add_contact(leg->core, request, dm_trunk_config(leg->trunk), &leg->flow);
    dm_sip_add_abilities(request);
    dm_sip_leg_write_sdp(leg, request, leg->offer);
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    dm_dialog_flow(leg->dialog, &leg->core->wire, &flow);
    dm_sip_invite_start(leg, request, &flow, leg->offer != NULL);
}

void
dm_sip_leg_send_queued(DmSipLeg *leg)
{
    if (leg->queued && may_send_invite(leg)) {
        send_reinvite(leg);
    }
}

void
dm_sip_leg_reoffer(DmSipLeg *leg, const DmSdp *sdp)
{
    if (leg->reoffering || leg->ending ||
        (leg->state != DM_SIP_LEG_UP && leg->state != DM_SIP_LEG_ANSWERED)) {
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
static void
wait_after_glare(DmSipLeg *leg)
{
    DmRandom *random = leg->core->random;
    int64_t tens_ms =
        leg->is_caller_side ? dm_random_range(random, 0, 200) : dm_random_range(random, 210, 400);

    leg->glares++;
    leg->queued = true;
    dm_loop_arm(leg->core->loop, &leg->glare_timer, tens_ms * 10 * MS_US, on_glare_timer, leg);
}

void
dm_sip_leg_reinvite_failed(DmSipLeg *leg, uint16_t status)
{
    if (leg->state != DM_SIP_LEG_UP) {
        return;
    }
    if (status == 491 && leg->glares < MAX_GLARES) {
        wait_after_glare(leg);
        return;
    }
    leg->reoffering = false;
    if (status == 481 || status == 408) {
        /* RFC 3261, 12.2.1.2: the peer has lost the dialog, or is gone */
        dm_sip_leg_set_release(leg, DM_RELEASE_PROTOCOL, status, "Dialog lost", "");
        dm_sip_send_lone_bye(leg->core, leg->dialog, "SIP;cause=408;text=\"Dialog lost\"");
        dm_sip_leg_finish(leg);
        return;
    }
    dm_sip_leg_emit(leg, DM_LEG_REOFFER_FAILED, status, NULL);
}

void
dm_sip_leg_reinvite_answered(DmSipLeg *leg, DmInviteOut *invite, DmSipMessage *response)
{
    uint16_t status = (uint16_t)response->sip->sip_status->st_status;
    const char *tag = response->sip->sip_to->a_tag;
    g_autoptr(DmSdp) sdp = NULL;

    dm_dialog_refresh_target(leg->dialog, response);
    invite->confirmed_tag = g_strdup(tag != NULL ? tag : "");
    dm_sip_leg_read_sdp(response, &sdp);
    dm_sip_invite_ack_or_keep(invite, response, leg->state == DM_SIP_LEG_UP ? sdp : NULL);
    leg->reoffering = false;
    if (leg->state != DM_SIP_LEG_UP) {
        return;
    }
    dm_sip_leg_set_remote_sdp(leg, sdp);
    dm_sip_leg_emit(leg, DM_LEG_REANSWER, status, sdp);
}

/* --- the peer's --- */

static void
reject(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request, uint16_t status)
{
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, status, NULL, leg->local_tag);

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
    if (leg->invite != NULL || leg->ack.due) {
        return 491;
    }
    return leg->state == DM_SIP_LEG_UP ? 0 : 491;
}

/* A refresh says what was said before, by its o= line and in fact: it gets what we said before, and
 * the other side of the call hears nothing of it (SIG-14). */
static bool
is_refresh(const DmSipLeg *leg, const DmSdp *offer)
{
    return offer != NULL && leg->remote_sdp != NULL && leg->origin.last != NULL &&
           dm_sdp_version(offer) == dm_sdp_version(leg->remote_sdp) &&
           dm_sdp_same_media(offer, leg->remote_sdp);
}

/* Takes @request over. */
static void
take_offer(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request, const DmSdp *offer)
{
    dm_dialog_refresh_target(leg->dialog, request);
    dm_sip_leg_set_incoming(leg, tx, request);
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
    trying = dm_sip_response_new(request, 100, NULL, NULL);
    dm_server_tx_respond(tx, trying);
    take_offer(leg, tx, request, offer);
}

/* RFC 3311: with a description as a re-INVITE, without one only a new target (and a session
 * refreshed). */
void
dm_sip_leg_take_update(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSdp) offer = NULL;
    bool readable = dm_sip_leg_read_sdp(request, &offer);

    if (readable && offer == NULL) {
        g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 200, NULL, leg->local_tag);

        dm_dialog_refresh_target(leg->dialog, request);
        dm_sip_add_contact(leg->core, response, dm_trunk_config(leg->trunk), &leg->flow);
        dm_sip_message_add(response, "Allow", DM_SIP_ALLOW);
        dm_server_tx_respond(tx, response);
        dm_sip_message_free(request);
    } else if (!readable) {
        reject(leg, tx, request, 488);
    } else if (leg->state == DM_SIP_LEG_INCOMING) {
        reject(leg, tx, request, 500); /* our answer to its first offer is still owed */
    } else if (why_not_now(leg) != 0) {
        reject(leg, tx, request, why_not_now(leg));
    } else {
        take_offer(leg, tx, request, offer);
    }
}

void
dm_sip_leg_reanswer(DmSipLeg *leg, const DmSdp *sdp)
{
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
    if (leg->state == DM_SIP_LEG_UP && leg->incoming.tx != NULL) {
        dm_sip_leg_reject(leg, &(DmRelease){.status = status});
        dm_sip_leg_send_queued(leg);
    }
}
