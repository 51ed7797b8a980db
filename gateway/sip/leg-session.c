/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>

#include "gateway/base/thread.h"
#include "gateway/sip/leg-priv.h"

/* The life of a session on one leg (RFC 4028): agreed with this peer alone, refreshed here, never
 * heard of on the other side (SIG-15). */

DM_LOG_TOPIC("sip-leg");

#define MAX_TOO_SMALL   4
#define RETRY_REFRESH_S 10

static const DmTrunkConfig *
trunk_of(const DmSipLeg *leg)
{
    return dm_trunk_config(leg->trunk);
}

/* --- the clock --- */

static void on_session_timer(DmTimer *timer, void *user_data);

static void
arm(DmSipLeg *leg, int64_t wait_us)
{
    dm_loop_arm(leg->core->loop, &leg->session.timer, MAX(wait_us, 0), on_session_timer, leg);
}

static void
start_over(DmSipLeg *leg, DmSessionTerms terms)
{
    DmLegSession *session = &leg->session;
    int64_t now_us = dm_loop_now_us(leg->core->loop);

    session->terms = terms;
    session->due = false;
    session->n_too_small = 0;
    dm_timer_disarm(&session->timer);
    if (terms.interval_s == 0) {
        return;
    }
    session->ends_us = now_us + dm_session_end_s(&terms) * G_USEC_PER_SEC;
    arm(leg,
        terms.we_refresh ? dm_session_refresh_s(&terms) * G_USEC_PER_SEC
                         : session->ends_us - now_us);
}

static void
on_session_timer(DmTimer *timer, void *user_data)
{
    DmSipLeg *leg = user_data;
    int64_t left_us = leg->session.ends_us - dm_loop_now_us(leg->core->loop);

    if (left_us > 0) {
        leg->session.due = true;
        arm(leg, left_us);
        dm_sip_leg_send_queued(leg);
        return;
    }
    if (leg->state != DM_SIP_LEG_UP || leg->ending) {
        return; /* it ends already */
    }
    dm_info(&leg->log, "session not refreshed in %u s", leg->session.terms.interval_s);
    dm_sip_leg_lost(leg, 408, "Session expired", "refresh_failed");
}

/* --- requests of ours --- */

void
dm_sip_leg_write_session(DmSipLeg *leg, DmSipMessage *request)
{
    bool in_dialog = leg->dialog != NULL;

    dm_sip_add_extensions(request, trunk_of(leg));
    if (trunk_of(leg)->sip.session_timer.mode != DM_ABILITY_OFF &&
        (!in_dialog || leg->session.terms.interval_s > 0)) {
        dm_session_write_request(request, trunk_of(leg), &leg->session.terms, leg->session.min_s);
    }
}

static void
remove_header(DmSipMessage *request, void *header)
{
    if (header != NULL) {
        msg_header_remove(request->msg, (msg_pub_t *)request->sip, header);
    }
}

void
dm_sip_leg_rewrite_session(DmSipLeg *leg, DmSipMessage *request)
{
    remove_header(request, request->sip->sip_session_expires);
    remove_header(request, request->sip->sip_min_se);
    dm_session_write_request(request, trunk_of(leg), &leg->session.terms, leg->session.min_s);
}

bool
dm_sip_leg_take_too_small(DmSipLeg *leg, const DmSipMessage *response)
{
    DmLegSession *session = &leg->session;
    DmSessionWord word;

    dm_session_word_read(response, &word);
    if (response->sip->sip_status->st_status != 422 || word.min_s == 0 ||
        ++session->n_too_small > MAX_TOO_SMALL ||
        trunk_of(leg)->sip.session_timer.mode == DM_ABILITY_OFF) {
        return false;
    }
    session->min_s = MAX(session->min_s, word.min_s);
    return true;
}

void
dm_sip_leg_settle_session(DmSipLeg *leg, const DmSipMessage *response)
{
    DmSessionWord word;

    dm_session_word_read(response, &word);
    start_over(leg, dm_session_settle(trunk_of(leg), &word));
}

/* --- requests of the peer --- */

static void
add_reason(const DmSipLeg *leg, DmSipMessage *response, uint16_t status)
{
    char text[16];

    if (status == 421) {
        dm_sip_message_add(response, "Require", "timer");
        return;
    }
    g_snprintf(text, sizeof text, "%u", trunk_of(leg)->sip.session_timer.min_se_s);
    dm_sip_message_add(response, "Min-SE", text);
}

bool
dm_sip_leg_check_session(DmSipLeg *leg, DmServerTx *tx, const DmSipMessage *request)
{
    g_autoptr(DmSipMessage) response = NULL;
    uint16_t status;

    dm_session_word_read(request, &leg->session.asked);
    status = dm_session_check(trunk_of(leg), &leg->session.asked);
    if (status == 0) {
        return true;
    }
    response = dm_sip_response_new(request,
                                   status,
                                   status == 422 ? "Session Interval Too Small" : NULL,
                                   leg->local_tag);
    add_reason(leg, response, status);
    dm_server_tx_respond(tx, response);
    return false;
}

void
dm_sip_leg_agree_session(DmSipLeg *leg, DmSipMessage *response)
{
    DmLegSession *session = &leg->session;

    start_over(leg, dm_session_agree(trunk_of(leg), &session->asked, &session->terms));
    dm_session_write_answer(response, &session->terms, &session->asked);
}

/* --- refreshing --- */

static bool
uses_update(const DmSipLeg *leg)
{
    DmRefreshMethod method = trunk_of(leg)->sip.session_timer.method;

    return method != DM_REFRESH_INVITE && !leg->session.no_update &&
           (method == DM_REFRESH_UPDATE || dm_sip_leg_peer_allows(leg, DM_METHOD_UPDATE));
}

/* SIG-15: by re-INVITE it says again what was said last, to the byte. */
void
dm_sip_leg_send_refresh(DmSipLeg *leg)
{
    leg->session.due = false;
    if (uses_update(leg)) {
        dm_sip_leg_send_update(leg);
    } else if (leg->origin.last != NULL) {
        dm_sip_leg_send_reinvite(leg, leg->origin.last)->is_refresh = true;
    }
}

void
dm_sip_leg_refresh_failed(DmSipLeg *leg, uint16_t status)
{
    int64_t left_us = leg->session.ends_us - dm_loop_now_us(leg->core->loop);

    if (leg->state != DM_SIP_LEG_UP) {
        return;
    }
    if (status == 408 || status == 481) {
        dm_sip_leg_lost(leg, status, "Session refresh failed", "refresh_failed");
        return;
    }
    if (status == 491) {
        leg->session.due = true;
        dm_sip_leg_wait_after_glare(leg);
        return;
    }
    dm_info(&leg->log, "refresh refused with %u", status);
    if (leg->session.terms.interval_s > 0) {
        arm(leg, MIN(left_us, MAX(left_us / 2, RETRY_REFRESH_S * G_USEC_PER_SEC)));
    }
    dm_sip_leg_send_queued(leg);
}
