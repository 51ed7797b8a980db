/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/leg.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/text.h"
#include "gateway/base/thread.h"
#include "gateway/sip/auth.h"
#include "gateway/sip/leg-priv.h"

DM_LOG_TOPIC("sip-leg");

#define TO(state) DM_SM_TO(DM_SIP_LEG_##state)
static const DmSmState leg_states[DM_SIP_N_LEG_STATES] = {
    [DM_SIP_LEG_IDLE] = {"idle", TO(CALLING) | TO(INCOMING) | TO(CLOSED)},
    [DM_SIP_LEG_CALLING] = {"calling", TO(EARLY) | TO(UP) | TO(CANCELLING) | TO(CLOSED)},
    [DM_SIP_LEG_EARLY] = {"early", TO(UP) | TO(CANCELLING) | TO(CLOSED)},
    [DM_SIP_LEG_CANCELLING] = {"cancelling", TO(CLOSING) | TO(CLOSED)},
    [DM_SIP_LEG_INCOMING] = {"incoming", TO(ANSWERED) | TO(CLOSED)},
    [DM_SIP_LEG_ANSWERED] = {"answered", TO(UP) | TO(CLOSED)},
    [DM_SIP_LEG_UP] = {"up", TO(CLOSING) | TO(CLOSED)},
    [DM_SIP_LEG_CLOSING] = {"closing", TO(CLOSED)},
    [DM_SIP_LEG_CLOSED] = {"closed", 0},
};
#undef TO

bool
dm_sip_leg_move(DmSipLeg *leg, unsigned state)
{
    return dm_sm_move(leg_states, "sip-leg", &leg->state, state, &leg->log);
}

/* --- the end --- */

DmRelease *
dm_sip_leg_release(DmSipLeg *leg)
{
    if (leg->release == NULL) {
        leg->release = g_new0(DmRelease, 1);
    }
    return leg->release;
}

void
dm_sip_leg_set_release(DmSipLeg *leg,
                       DmReleaseCause cause,
                       uint16_t status,
                       const char *reason,
                       const char *diagnosis)
{
    DmRelease *release = dm_sip_leg_release(leg);

    *release = (DmRelease){.cause = cause, .status = status};
    g_strlcpy(release->diagnosis, diagnosis, sizeof release->diagnosis);
    for (size_t i = 0, n = 0; reason != NULL && reason[i] != '\0'; i++) {
        if (n + 1 < sizeof release->reason && g_ascii_isprint(reason[i])) {
            release->reason[n++] = reason[i];
        }
    }
}

static void
take_text(DmRelease *release, const char *text)
{
    size_t n = 0;

    memset(release->reason, 0, sizeof release->reason);
    for (; *text != '\0' && n + 1 < sizeof release->reason; text++) {
        if (g_ascii_isprint(*text) && *text != '"' && *text != '\\') {
            release->reason[n++] = *text;
        }
    }
}

uint16_t
dm_sip_reason_cause(const sip_reason_t *reason, unsigned max)
{
    unsigned long cause = reason->re_cause != NULL ? strtoul(reason->re_cause, NULL, 10) : 0;

    return cause <= max ? (uint16_t)cause : 0;
}

void
dm_sip_leg_take_reason(DmSipLeg *leg, const sip_reason_t *reason)
{
    for (unsigned n = 0; reason != NULL && n < 8; n++, reason = reason->re_next) {
        uint16_t status = dm_sip_reason_cause(reason, 699);

        if (reason->re_protocol == NULL) {
            continue;
        }
        if (strcasecmp(reason->re_protocol, "Q.850") == 0) {
            dm_sip_leg_release(leg)->q850 = dm_sip_reason_cause(reason, 127);
        } else if (strcasecmp(reason->re_protocol, "SIP") == 0 && status >= 200) {
            dm_sip_leg_release(leg)->status = status;
        }
        if (reason->re_text != NULL) {
            take_text(dm_sip_leg_release(leg), reason->re_text);
        }
    }
}

static void
append_reason(GString *out, const char *protocol, unsigned cause, const char *text)
{
    if (cause == 0) {
        return;
    }
    dm_text_add_all(out, out->len > 0 ? ", " : "", protocol, ";cause=", NULL);
    dm_text_add_unsigned(out, cause);
    if (*text == '\0') {
        return;
    }
    g_string_append(out, ";text=\"");
    for (; *text != '\0'; text++) {
        if (g_ascii_isprint(*text) && *text != '"' && *text != '\\') {
            g_string_append_c(out, *text);
        }
    }
    g_string_append_c(out, '"');
}

char *
dm_sip_reason_text(const DmRelease *why)
{
    g_autoptr(GString) text = g_string_new(NULL);

    /* A call that ends as calls do has no SIP reason; 200 with a text is RFC 3326's "Call completed
     * elsewhere". */
    if (why->status >= 300 || *why->reason != '\0') {
        append_reason(text, "SIP", why->status, why->reason);
    }
    append_reason(text, "Q.850", why->q850, "");
    return text->len > 0 ? g_strdup(text->str) : NULL;
}

/* What other modules still hold of the leg is told that it is gone. */
static void
leave_transactions(DmSipLeg *leg)
{
    while (leg->invites != NULL) {
        dm_sip_invite_leave(leg->invites->data);
    }
    dm_sip_leg_drop_incoming(leg);
    dm_sip_leg_drop_change(leg);
    dm_sip_leg_drop_ack_wait(leg);
    if (leg->bye != NULL) {
        dm_client_tx_forget_user(leg->bye);
    }
    dm_sip_leg_drop_info(leg);
    if (leg->update != NULL) {
        dm_client_tx_forget_user(leg->update);
    }
    dm_sip_leg_drop_refers(leg);
    dm_timer_disarm(&leg->session.timer);
    if (leg->glare_timer != NULL) {
        dm_timer_disarm(leg->glare_timer);
        g_clear_pointer(&leg->glare_timer, g_free);
    }
    dm_timer_disarm(&leg->close_timer);
}

static void
leg_free(DmSipLeg *leg)
{
    leave_transactions(leg);
    if (leg->dialog != NULL) {
        dm_replaces_remember(&leg->core->ended,
                             leg->facts.call_id,
                             leg->local_tag,
                             dm_dialog_remote_tag(leg->dialog));
    }
    g_hash_table_remove(leg->core->legs, leg->local_tag);
    if (leg->request_key != NULL) {
        g_hash_table_remove(leg->core->requests, leg->request_key);
        g_free(leg->request_key);
    }
    leg->core->n_legs--;
    dm_sip_forks_drop(leg);
    dm_dialog_free(leg->dialog);
    dm_digest_client_free(leg->digest);
    dm_sdp_origin_clear(&leg->origin);
    g_clear_pointer(&leg->remote_sdp, dm_sdp_unref);
    g_clear_pointer(&leg->offer, dm_sdp_unref);
    g_clear_pointer(&leg->contacts, g_ptr_array_unref);
    g_free(leg->release);
    g_free((char *)leg->facts.call_id);
    g_free((char *)leg->facts.user_agent);
    dm_trunk_unref(leg->trunk);
    g_free(leg);
}

void
dm_sip_leg_discard(DmSipLeg *leg)
{
    leg_free(leg);
}

void
dm_sip_leg_emit(DmSipLeg *leg, DmLegEventType type, uint16_t status, const DmSdp *sdp)
{
    DmLegEvent event = {.type = type, .status = status, .sdp = sdp};

    if (leg->base.on_event != NULL) {
        leg->base.on_event(&leg->base, &event, leg->base.user_data);
    }
}

void
dm_sip_leg_emit_key(DmSipLeg *leg, char key, unsigned ms)
{
    DmLegEvent event = {.type = DM_LEG_KEY, .key = key, .key_ms = ms};

    if (leg->base.on_event != NULL) {
        leg->base.on_event(&leg->base, &event, leg->base.user_data);
    }
}

void
dm_sip_leg_emit_answer(DmSipLeg *leg, DmLegEventType type, uint16_t status, const DmSdp *sdp)
{
    DmLegEvent event = {.type = type,
                        .status = status,
                        .sdp = sdp,
                        .is_offer = leg->invite != NULL && leg->invite->unacked != NULL};

    if (leg->base.on_event != NULL) {
        leg->base.on_event(&leg->base, &event, leg->base.user_data);
    }
}

void
dm_sip_leg_finish(DmSipLeg *leg)
{
    DmLegEvent event = {.type = DM_LEG_CLOSED,
                        .status = dm_sip_leg_release(leg)->status,
                        .release = leg->release,
                        .contacts = leg->contacts};

    if (leg->incoming.tx != NULL) {
        dm_sip_leg_reject(leg, &(DmRelease){.status = 487});
    }
    if (leg->invite != NULL) {
        /* a re-INVITE whose answer will not be repeated to a dialog that is gone */
        dm_client_tx_cancel(leg->invite->tx, NULL);
    }
    leave_transactions(leg);
    dm_sip_leg_move(leg, DM_SIP_LEG_CLOSED);
    if (leg->base.on_event != NULL) {
        leg->base.on_event(&leg->base, &event, leg->base.user_data);
    }
    leg_free(leg);
}

static void
on_close_timer(DmTimer *timer, void *user_data)
{
    dm_sip_leg_finish(user_data);
}

void
dm_sip_leg_finish_soon(DmSipLeg *leg)
{
    dm_loop_arm(leg->core->loop, &leg->close_timer, 0, on_close_timer, leg);
}

void
dm_sip_legs_drop(DmSipCore *core)
{
    GHashTableIter iter;
    gpointer leg;

    g_hash_table_iter_init(&iter, core->legs);
    while (g_hash_table_iter_next(&iter, NULL, &leg)) {
        leg_free(leg);
        g_hash_table_iter_init(&iter, core->legs);
    }
}

/* --- BYE --- */

static void start_bye(DmSipLeg *leg);

static void
on_bye_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    g_autoptr(DmSipMessage) owned = response;
    DmSipLeg *leg = user_data;
    int status = response->sip->sip_status->st_status;

    if (status < 200) {
        return;
    }
    dm_client_tx_forget_user(tx);
    leg->bye = NULL;
    if ((status == 401 || status == 407) && leg->digest != NULL &&
        dm_auth_take(leg->digest, response) == DM_DIGEST_RETRY) {
        start_bye(leg);
        return;
    }
    dm_sip_leg_finish(leg);
}

static void
on_bye_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    DmSipLeg *leg = user_data;

    dm_client_tx_forget_user(tx);
    leg->bye = NULL;
    dm_sip_leg_finish(leg);
}

static void
on_bye_ended(DmClientTx *tx, void *user_data)
{
    ((DmSipLeg *)user_data)->bye = NULL;
}

static const DmClientTxUser bye_user = {
    .on_response = on_bye_response,
    .on_failed = on_bye_failed,
    .on_ended = on_bye_ended,
};

static DmSipMessage *
new_bye(DmDialog *dialog, const char *reason)
{
    DmSipMessage *bye = dm_dialog_request(dialog, DM_METHOD_BYE, 0);

    if (reason != NULL) {
        dm_sip_message_add(bye, "Reason", reason);
    }
    dm_sip_message_add(bye, "User-Agent", DM_SIP_USER_AGENT);
    return bye;
}

/* leg->release has been filled in by whoever ends it. */
static void
start_bye(DmSipLeg *leg)
{
    g_autofree char *reason = dm_sip_reason_text(dm_sip_leg_release(leg));
    g_autoptr(DmSipMessage) bye = new_bye(leg->dialog, reason);
    DmSipFlow flow;

    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, bye);
    }
    dm_dialog_flow(leg->dialog, &leg->core->wire, &flow);
    leg->bye = dm_client_tx_start(leg->core->tx, bye, &flow, &bye_user, leg);
}

void
dm_sip_leg_send_bye(DmSipLeg *leg)
{
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    leg->ending = false; /* whatever else it waited for */
    dm_sip_leg_move(leg, DM_SIP_LEG_CLOSING);
    start_bye(leg);
}

void
dm_sip_send_lone_bye(DmSipCore *core, DmDialog *dialog, const char *reason)
{
    g_autoptr(DmSipMessage) bye = new_bye(dialog, reason);
    DmSipFlow flow;

    dm_dialog_flow(dialog, &core->wire, &flow);
    dm_client_tx_start(core->tx, bye, &flow, NULL, NULL);
}

/* --- what is known --- */

static const DmLegFacts *
facts(DmLeg *base)
{
    return &((DmSipLeg *)base)->facts;
}

/* --- operations --- */

static void
close_leg(DmLeg *base, const DmRelease *why)
{
    DmSipLeg *leg = (DmSipLeg *)base;
    g_autofree char *reason = dm_sip_reason_text(why);

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (leg->ending || leg->state >= DM_SIP_LEG_CLOSING || leg->state == DM_SIP_LEG_CANCELLING ||
        dm_timer_is_armed(&leg->close_timer)) {
        return;
    }
    *dm_sip_leg_release(leg) = *why;
    leg->release->cause = DM_RELEASE_LOCAL;
    switch (leg->state) {
    case DM_SIP_LEG_CALLING:
    case DM_SIP_LEG_EARLY:
        dm_sip_leg_move(leg, DM_SIP_LEG_CANCELLING);
        dm_client_tx_cancel(leg->invite->tx, reason);
        break;
    case DM_SIP_LEG_INCOMING:
        dm_sip_leg_reject(leg, why);
        dm_sip_leg_finish_soon(leg);
        break;
    case DM_SIP_LEG_ANSWERED:
        leg->ending = true; /* RFC 3261, 15: no BYE before the ACK, or 64*T1 without one */
        break;
    default:
        if (leg->incoming.tx != NULL) {
            dm_sip_leg_reject(leg, &(DmRelease){.status = 487});
        }
        if (leg->invite != NULL && leg->invite->unacked != NULL) {
            dm_sip_invite_ack_kept(leg->invite, NULL);
        }
        if (!dm_sip_leg_bye_has_to_wait(leg)) {
            dm_sip_leg_send_bye(leg);
        }
        break;
    }
}

static void
progress(DmLeg *leg, uint16_t status, const DmSdp *sdp)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_progress((DmSipLeg *)leg, status, sdp);
}

static void
answer(DmLeg *leg, const DmSdp *sdp)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_answer((DmSipLeg *)leg, sdp);
}

static void
reoffer(DmLeg *leg, const DmSdp *sdp)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_reoffer((DmSipLeg *)leg, sdp);
}

static void
reanswer(DmLeg *leg, const DmSdp *sdp)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_reanswer((DmSipLeg *)leg, sdp);
}

static void
refuse_reoffer(DmLeg *leg, uint16_t status)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_refuse_reoffer((DmSipLeg *)leg, status);
}

static void
answer_refer(DmLeg *leg, uint16_t status)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_answer_refer((DmSipLeg *)leg, status);
}

static void
notify(DmLeg *leg, uint16_t status)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_notify((DmSipLeg *)leg, status);
}

static void
refer(DmLeg *leg, const DmReferral *referral)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_refer((DmSipLeg *)leg, referral);
}

static void
press(DmLeg *leg, char key)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_sip_leg_press((DmSipLeg *)leg, key);
}

static const DmLegOps leg_ops = {
    .progress = progress,
    .answer = answer,
    .reoffer = reoffer,
    .reanswer = reanswer,
    .refuse_reoffer = refuse_reoffer,
    .close = close_leg,
    .press = press,
    .facts = facts,
    .answer_refer = answer_refer,
    .notify = notify,
    .refer = refer,
};

DmSipLeg *
dm_sip_leg_new(DmSipCore *core, DmTrunk *trunk, const DmSipFlow *flow)
{
    const DmTrunkConfig *config = dm_trunk_config(trunk);
    DmSipLeg *leg = g_new0(DmSipLeg, 1);

    leg->base.ops = &leg_ops;
    leg->core = core;
    leg->trunk = dm_trunk_ref(trunk);
    leg->listener = flow->listener;
    leg->facts.user_agent = g_strdup("");
    leg->facts.transport = flow->transport;
    leg->facts.remote = flow->remote;
    leg->facts.local = flow->local;
    leg->log = (DmLogContext){.call = leg->base.call_id, .trunk = dm_trunk_id(trunk)};
    dm_sip_token(core, leg->local_tag);
    if (*config->auth.user != '\0') {
        leg->digest =
            dm_digest_client_new(config->auth.user, config->auth.password, config->auth.realm);
    }
    g_hash_table_insert(core->legs, leg->local_tag, leg);
    core->n_legs++;
    return leg;
}
