/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/sip/identity.h"
#include "gateway/sip/leg-priv.h"

/* INVITEs of the peer: the first, provisional answers, 2xx until its ACK, rejection, CANCEL. */

DM_LOG_TOPIC("sip-leg");

#define MS_US          1000
#define ACK_TIMEOUT_US (64LL * DM_SIP_T1_MS * MS_US)
#define AGAIN_US       (60LL * G_USEC_PER_SEC)
#define MAX_CALL_ID    256

/* --- the pending INVITE --- */

void
dm_sip_leg_drop_incoming(DmSipLeg *leg)
{
    if (leg->incoming.tx != NULL) {
        dm_server_tx_set_user(leg->incoming.tx, NULL, NULL);
        leg->incoming.tx = NULL;
    }
    g_clear_pointer(&leg->incoming.request, dm_sip_message_free);
    g_clear_pointer(&leg->incoming.offer, dm_sdp_unref);
    dm_sip_leg_drop_provisional(leg);
}

static void
on_cancel(DmServerTx *tx, const char *reason, void *user_data)
{
    DmSipLeg *leg = user_data;
    sip_reason_t *parsed = NULL;

    if (leg->incoming.tx != tx) {
        return;
    }
    if (reason != NULL) {
        parsed = sip_reason_make(leg->incoming.request->home, reason);
    }
    if (leg->state != DM_SIP_LEG_INCOMING) {
        /* of a re-INVITE: the session stays as it was */
        dm_sip_leg_refuse_reoffer(leg, 487);
        return;
    }
    dm_sip_leg_set_release(leg, DM_RELEASE_PEER_CANCEL, 487, "", "");
    dm_sip_leg_take_reason(leg, parsed);
    dm_sip_leg_reject(leg, &(DmRelease){.status = 487, .reason = "Request Terminated"});
    dm_sip_leg_finish(leg);
}

static void
on_ended(DmServerTx *tx, bool acked, void *user_data)
{
    DmSipLeg *leg = user_data;

    if (leg->incoming.tx == tx) {
        leg->incoming.tx = NULL;
    }
    if (leg->change.tx == tx) {
        leg->change.tx = NULL;
    }
    if (leg->ack != NULL && leg->ack->tx == tx) {
        leg->ack->tx = NULL;
    }
}

static const DmServerTxUser server_user = {
    .on_cancel = on_cancel,
    .on_ended = on_ended,
};

void
dm_sip_leg_watch(DmSipLeg *leg, DmServerTx *tx)
{
    dm_server_tx_set_user(tx, &server_user, leg);
}

void
dm_sip_leg_set_incoming(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request, const DmSdp *offer)
{
    dm_sip_leg_drop_incoming(leg);
    leg->incoming = (DmInviteIn){
        .tx = tx,
        .request = request,
        .offer = offer != NULL ? dm_sdp_ref(offer) : NULL,
    };
    dm_sip_leg_watch(leg, tx);
}

static DmSipMessage *
new_response(DmSipLeg *leg, uint16_t status, const char *phrase)
{
    DmSipMessage *response =
        dm_sip_response_new(leg->incoming.request, status, phrase, leg->local_tag);

    dm_sip_message_add(response, "Server", DM_SIP_USER_AGENT);
    return response;
}

/* --- provisional --- */

static void on_again_timer(DmTimer *timer, void *user_data);

DmSipMessage *
dm_sip_leg_new_provisional(DmSipLeg *leg, uint16_t status, const DmSdp *sdp)
{
    DmSipMessage *response = new_response(leg, status, NULL);

    dm_sip_leg_add_contact(leg, response);
    dm_sip_message_add(response, "Allow", dm_sip_allow(dm_trunk_config(leg->trunk)));
    if (sdp != NULL && leg->provisional->knows_early_gate) {
        dm_sip_message_add(response, "P-Early-Media", "sendrecv");
    }
    dm_sip_leg_write_sdp(leg, response, sdp);
    return response;
}

static void
send_provisional(DmSipLeg *leg, uint16_t status, const DmSdp *sdp)
{
    if (dm_sip_leg_is_reliable(leg, sdp)) {
        dm_sip_leg_send_reliable(leg, status, sdp);
    } else {
        g_autoptr(DmSipMessage) response = dm_sip_leg_new_provisional(leg, status, sdp);

        dm_server_tx_respond(leg->incoming.tx, response);
    }
    leg->provisional->last_status = status;
    dm_loop_arm(leg->core->loop, &leg->provisional->again_timer, AGAIN_US, on_again_timer, leg);
}

static void
on_again_timer(DmTimer *timer, void *user_data)
{
    DmSipLeg *leg = user_data;

    if (leg->incoming.tx != NULL && leg->state == DM_SIP_LEG_INCOMING) {
        send_provisional(leg, leg->provisional->last_status, NULL);
    }
}

void
dm_sip_leg_progress(DmSipLeg *leg, uint16_t status, const DmSdp *sdp)
{
    if (leg->state != DM_SIP_LEG_INCOMING || leg->incoming.tx == NULL || status <= 100 ||
        status >= 200 || (status == 199 && !leg->provisional->knows_199)) {
        return;
    }
    send_provisional(leg, status, dm_sip_leg_may_say(leg) ? sdp : NULL);
}

/* --- 2xx and its ACK --- */

void
dm_sip_leg_drop_ack_wait(DmSipLeg *leg)
{
    DmAckWait *wait = g_steal_pointer(&leg->ack);

    if (wait == NULL) {
        return;
    }
    if (wait->tx != NULL) {
        dm_server_tx_set_user(wait->tx, NULL, NULL);
    }
    dm_timer_disarm(&wait->timer);
    g_free(wait);
}

/* SIG-6: nobody acknowledged for 64*T1. The peer may well be gone; it is told once, and the call
 * ends now. */
static void
give_up(DmSipLeg *leg)
{
    bool wanted_to_end = leg->ending;

    dm_info(&leg->log, "no ACK for our 2xx in %d s", (int)(ACK_TIMEOUT_US / G_USEC_PER_SEC));
    dm_sip_send_lone_bye(leg->core, leg->dialog, "SIP;cause=408;text=\"ACK timeout\"");
    if (!wanted_to_end) {
        dm_sip_leg_set_release(leg, DM_RELEASE_ACK_TIMEOUT, 408, "ACK timeout", "ack_timeout");
    }
    dm_sip_leg_finish(leg);
}

static void
on_ack_timer(DmTimer *timer, void *user_data)
{
    DmSipLeg *leg = user_data;
    DmAckWait *wait = leg->ack;
    int64_t now_us = dm_loop_now_us(leg->core->loop);
    int64_t left_us = wait->since_us + ACK_TIMEOUT_US - now_us;

    if (left_us <= 0) {
        give_up(leg);
        return;
    }
    if (wait->tx != NULL) {
        dm_server_tx_repeat(wait->tx);
    }
    wait->wait_us = MIN(2 * wait->wait_us, DM_SIP_T2_MS * MS_US);
    dm_loop_arm(leg->core->loop, &wait->timer, MIN(wait->wait_us, left_us), on_ack_timer, leg);
}

/* The INVITE's transaction goes on as the one whose 2xx waits for its ACK. */
static void
wait_for_ack(DmSipLeg *leg, bool offered)
{
    DmAckWait *wait = g_new0(DmAckWait, 1);

    dm_sip_leg_drop_ack_wait(leg);
    *wait = (DmAckWait){
        .tx = g_steal_pointer(&leg->incoming.tx),
        .offered = offered,
        .cseq = leg->incoming.request->sip->sip_cseq->cs_seq,
        .since_us = dm_loop_now_us(leg->core->loop),
        .wait_us = DM_SIP_T1_MS * MS_US,
    };
    leg->ack = wait;
    dm_loop_arm(leg->core->loop, &wait->timer, wait->wait_us, on_ack_timer, leg);
}

void
dm_sip_leg_send_2xx(DmSipLeg *leg, const DmSdp *sdp)
{
    g_autoptr(DmSipMessage) response = NULL;
    bool had_offer = leg->incoming.offer != NULL;

    if (leg->incoming.tx == NULL) {
        return;
    }
    response = new_response(leg, 200, NULL);
    dm_sip_leg_add_contact(leg, response);
    dm_sip_message_add(response, "Allow", dm_sip_allow(dm_trunk_config(leg->trunk)));
    dm_sip_add_extensions(response, dm_trunk_config(leg->trunk));
    dm_sip_leg_agree_session(leg, response);
    dm_sip_leg_write_sdp(leg, response, sdp);
    if (sdp != NULL) {
        dm_sip_leg_set_remote_sdp(leg, leg->incoming.offer); /* else it was answered before */
    }
    dm_server_tx_respond(leg->incoming.tx, response);
    if (leg->incoming.request->method == DM_METHOD_INVITE) {
        wait_for_ack(leg, !had_offer && sdp != NULL);
    }
    dm_sip_leg_drop_incoming(leg);
}

void
dm_sip_leg_answer(DmSipLeg *leg, const DmSdp *sdp)
{
    if (leg->state == DM_SIP_LEG_INCOMING && leg->incoming.tx != NULL &&
        !dm_timer_is_armed(&leg->close_timer) && !dm_sip_leg_answer_has_to_wait(leg, sdp)) {
        dm_sip_leg_move(leg, DM_SIP_LEG_ANSWERED);
        dm_sip_leg_send_2xx(leg, dm_sip_leg_has_agreed(leg) ? NULL : sdp);
    }
}

void
dm_sip_leg_take_ack(DmSipLeg *leg, DmSipMessage *ack)
{
    g_autoptr(DmSipMessage) owned = ack;
    g_autoptr(DmSdp) sdp = NULL;
    bool first = leg->state == DM_SIP_LEG_ANSWERED;
    bool offered;

    if (leg->ack == NULL || ack->sip->sip_cseq->cs_seq != leg->ack->cseq) {
        return;
    }
    offered = leg->ack->offered;
    dm_sip_leg_drop_ack_wait(leg);
    if (offered && dm_sip_leg_read_sdp(ack, &sdp)) {
        dm_sip_leg_set_remote_sdp(leg, sdp);
    }
    if (first) {
        dm_sip_leg_move(leg, DM_SIP_LEG_UP);
    }
    if (leg->ending) {
        dm_sip_leg_send_bye(leg);
        return;
    }
    if (first || offered) {
        dm_sip_leg_emit(leg, DM_LEG_ACKED, 0, sdp);
    }
    dm_sip_leg_send_queued(leg);
}

/* --- rejection --- */

void
dm_sip_leg_add_warning(DmSipLeg *leg, DmSipMessage *response, const DmRelease *why)
{
    const DmAddress *ours = dm_sip_leg_advertised(leg);
    char host[DM_ADDRESS_TEXT_MAX];
    g_autofree char *value = NULL;

    if (*why->warning == '\0' || strpbrk(why->warning, "\"\\") != NULL) {
        return;
    }
    value = g_strdup_printf("%u %s \"%s\"",
                            why->warning_code != 0 ? why->warning_code : 399,
                            dm_address_uri_host(ours, host),
                            why->warning);
    dm_sip_message_add(response, "Warning", value);
}

/* The number, at our own address: the caller's next call comes here again and is routed like any
 * (SIG-1, SIG-20). */
static void
add_redirection(DmSipLeg *leg, DmSipMessage *response, const DmRelease *why)
{
    const DmAddress *ours = dm_sip_leg_advertised(leg);
    char host[DM_ADDRESS_TEXT_MAX];
    g_autoptr(GString) value = g_string_new("<");

    if (*why->redirect_to == '\0' || why->status < 300 || why->status > 302) {
        return;
    }
    dm_identity_append_uri(value,
                           why->redirect_to,
                           dm_address_uri_host(ours, host),
                           dm_address_port(ours),
                           false);
    g_string_append_c(value, '>');
    dm_sip_message_add(response, "Contact", value->str);
}

void
dm_sip_leg_reject(DmSipLeg *leg, const DmRelease *why)
{
    uint16_t status = why->status >= 300 && why->status <= 699 ? why->status : 500;
    g_autoptr(DmSipMessage) response = NULL;

    if (leg->incoming.tx == NULL) {
        return;
    }
    response = new_response(leg, status, NULL);
    if (why->q850 != 0) {
        g_autofree char *reason = dm_sip_reason_text(&(DmRelease){.q850 = why->q850});

        dm_sip_message_add(response, "Reason", reason);
    }
    if (why->retry_after_s > 0) {
        char text[16];

        g_snprintf(text, sizeof text, "%u", why->retry_after_s);
        dm_sip_message_add(response, "Retry-After", text);
    }
    dm_sip_leg_add_warning(leg, response, why);
    add_redirection(leg, response, why);
    dm_server_tx_respond(leg->incoming.tx, response);
    dm_sip_leg_drop_incoming(leg);
}

/* --- a new call --- */

static void
send_trying(DmServerTx *tx, const DmSipMessage *request)
{
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 100, NULL, NULL);

    dm_server_tx_respond(tx, response);
}

char *
dm_sip_request_key(const DmSipMessage *request)
{
    const sip_t *sip = request->sip;

    return g_strdup_printf("%s %s %u",
                           sip->sip_call_id->i_id,
                           sip->sip_from->a_tag != NULL ? sip->sip_from->a_tag : "",
                           sip->sip_cseq->cs_seq);
}

/* What the caller knows of before the answer: RFC 6228, RFC 5009. */
static void
take_early_wishes(DmSipLeg *leg, const sip_t *sip)
{
    DmProvisional *said = leg->provisional;
    const char *gate = dm_sip_message_extension(sip, "P-Early-Media");

    said->knows_199 = sip_has_feature(sip->sip_supported, "199");
    said->knows_early_gate = dm_trunk_config(leg->trunk)->sip.p_early_media && gate != NULL &&
                             strcasestr(gate, "supported") != NULL;
}

DmLeg *
dm_sip_leg_accept(DmSipCore *core,
                  DmTrunk *trunk,
                  DmServerTx *tx,
                  DmSipMessage *request,
                  const DmSdp **out_offer,
                  bool *out_unreadable)
{
    const char *call_id = request->sip->sip_call_id->i_id;
    g_autoptr(DmSdp) offer = NULL;
    DmSipLeg *leg;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    *out_unreadable = !dm_sip_leg_read_sdp(request, &offer);
    leg = dm_sip_leg_new(core, trunk, &request->flow);
    if (!dm_sip_leg_check_session(leg, tx, request) ||
        !dm_sip_leg_check_reliable(leg, tx, request)) {
        dm_sip_leg_discard(leg);
        dm_sip_message_free(request);
        return NULL;
    }
    send_trying(tx, request);
    leg->log.leg = "a";
    dm_call_id_make(leg->base.call_id, dm_clock_wall_us(dm_loop_clock(core->loop)), core->random);
    leg->is_caller_side = true;
    leg->facts.call_id = g_strndup(call_id, strnlen(call_id, MAX_CALL_ID));
    leg->request_key = dm_sip_request_key(request);
    g_hash_table_insert(core->requests, leg->request_key, leg);
    leg->dialog = dm_dialog_new_uas(request, leg->local_tag);
    dm_sip_leg_learn(leg, request);
    dm_sip_leg_set_remote_sdp(leg, offer);
    dm_sip_leg_set_incoming(leg, tx, request, offer);
    dm_sip_leg_start_provisional(leg, request, offer);
    take_early_wishes(leg, request->sip);
    dm_sip_leg_move(leg, DM_SIP_LEG_INCOMING);
    *out_offer = leg->remote_sdp;
    return &leg->base;
}
