/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim-peer-priv.h"

/* Session timers (RFC 4028): some peers know of them, in every role; and UPDATE. */

static void on_session_timer(DmTimer *timer, void *user_data);

static void
start_session(SimCall *call, unsigned expires_s, bool we_refresh)
{
    call->session_s = expires_s;
    call->we_refresh = we_refresh;
    dm_timer_disarm(&call->session_timer);
    if (expires_s > 0 && we_refresh &&
        !sim_chance(call->peer, call->peer->options.habits.lazy_refresher)) {
        dm_loop_arm(call->peer->options.loop,
                    &call->session_timer,
                    expires_s * (G_USEC_PER_SEC / 2),
                    on_session_timer,
                    call);
    }
}

/* What a request of ours says of the session. (transfer full) */
char *
sim_session_wish(SimCall *call)
{
    if (call->session_s > 0) {
        return g_strdup_printf("Supported: timer\r\nSession-Expires: %u;refresher=%s\r\n",
                               call->session_s,
                               call->we_refresh ? "uac" : "uas");
    }
    if (call->state != SIM_CALLING || !sim_chance(call->peer, call->peer->options.habits.timers)) {
        return g_strdup("");
    }
    return g_strdup(sim_chance(call->peer, 50) ? "Supported: timer\r\n"
                                               : "Supported: timer\r\nSession-Expires: 90\r\n");
}

/* A 2xx to a request of ours. */
void
sim_take_session(SimCall *call, const char *text)
{
    g_autofree char *expires = sim_header(text, "Session-Expires");

    if (expires == NULL) {
        start_session(call, 0, false);
    } else {
        start_session(call, (unsigned)strtoul(expires, NULL, 10), strstr(expires, "=uac") != NULL);
    }
}

/* Before our 2xx to a request of theirs: what it will say. */
void
sim_answer_session(SimCall *call, const char *text)
{
    g_autofree char *expires = sim_header(text, "Session-Expires");
    bool asked_uas = expires != NULL && strstr(expires, "=uas") != NULL;
    bool asked_uac = expires != NULL && strstr(expires, "=uac") != NULL;
    bool we = asked_uas || (!asked_uac && sim_chance(call->peer, 50));

    g_clear_pointer(&call->extra, g_free);
    if (expires == NULL || (call->session_s == 0 && call->state != SIM_RINGING) ||
        (call->session_s == 0 && !sim_chance(call->peer, call->peer->options.habits.timers))) {
        start_session(call, 0, false);
        return;
    }
    start_session(call, call->session_s > 0 ? call->session_s : 90, we);
    call->extra = g_strdup_printf("%sSession-Expires: %u;refresher=%s\r\n",
                                  we ? "" : "Require: timer\r\n",
                                  call->session_s,
                                  we ? "uas" : "uac");
}

static void
on_update_timer(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;

    if (call->state < SIM_ENDING && call->update != NULL) {
        sim_transmit(call->peer, call->update);
        dm_loop_arm(call->peer->options.loop, timer, T2_US, on_update_timer, call);
    }
}

static void
on_session_timer(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;
    g_autofree char *branch = sim_token(call->peer);
    g_autofree char *session = NULL;

    if (call->state != SIM_UP) {
        return;
    }
    if (call->sending != NULL || call->reinviting || call->update != NULL) {
        dm_loop_arm(call->peer->options.loop, timer, G_USEC_PER_SEC, on_session_timer, call);
        return;
    }
    session = sim_session_wish(call);
    call->cseq++;
    call->update_cseq = call->cseq;
    call->update_offers = false;
    call->update = sim_request(call, "UPDATE", branch, session, "");
    on_update_timer(&call->update_timer, call);
}

void
sim_send_update(SimCall *call, const char *body)
{
    g_autofree char *branch = sim_token(call->peer);
    g_autofree char *session = call->state == SIM_UP ? sim_session_wish(call) : g_strdup("");
    g_autofree char *extra = g_strconcat(session, "Content-Type: application/sdp\r\n", NULL);

    call->cseq++;
    call->update_cseq = call->cseq;
    call->update_offers = true;
    call->update = sim_request(call, "UPDATE", branch, extra, body);
    on_update_timer(&call->update_timer, call);
}

void
sim_on_update_answered(SimCall *call, const char *text, unsigned code)
{
    g_autofree char *cseq = sim_header(text, "CSeq");

    if (call->update == NULL || strtoul(cseq, NULL, 10) != call->update_cseq || code < 200) {
        return;
    }
    dm_timer_disarm(&call->update_timer);
    g_clear_pointer(&call->update, g_free);
    g_assert_cmpuint(code, !=, 405);
    if (code < 300) {
        g_assert_cmpint(strstr(text, "m=audio") != NULL, ==, call->update_offers);
    }
    if (code < 300 && call->state == SIM_UP) {
        call->peer->counts.refreshed++;
        sim_take_session(call, text);
    }
}

void
sim_on_update(SimCall *call, const char *text)
{
    g_autofree char *body = NULL;

    if (strstr(text, "m=audio") != NULL) {
        body = sim_sdp(call, "sendrecv");
    }
    if (call->state != SIM_UP && (call->state != SIM_RINGING || body == NULL)) {
        sim_respond(call, text, 481, "Gone", "");
        return;
    }
    if (body != NULL && (call->reinviting || (call->update != NULL && call->update_offers))) {
        sim_respond(call, text, 491, "Request Pending", "");
        return;
    }
    if (body != NULL) {
        sim_respond(call, text, 200, "OK", body);
        return;
    }
    call->peer->counts.refreshes_seen++;
    sim_answer_session(call, text);
    sim_respond(call, text, 200, "OK", "");
}
