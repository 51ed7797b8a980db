/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim-peer-priv.h"

/* What a peer does of its own accord. */

/* @direction NULL: without an offer. @more: headers. */
static void
send_invite_with(SimCall *call, const char *direction, const char *more, void (*give_up)(void *))
{
    g_autofree char *body = direction != NULL ? sim_sdp(call, direction) : g_strdup("");
    g_autofree char *session = sim_session_wish(call);
    g_autofree char *extra =
        g_strconcat(session,
                    sim_reliable_wish(call),
                    more,
                    direction != NULL ? "Content-Type: application/sdp\r\n" : "",
                    NULL);

    call->asking = direction == NULL;
    call->invite_cseq = ++call->cseq;
    g_free(call->branch);
    g_free(call->invite);
    call->branch = sim_token(call->peer);
    call->invite = sim_request(call, "INVITE", call->branch, extra, body);
    sim_send_until(call, call->invite, give_up);
}

static void
send_invite(SimCall *call, const char *direction, void (*give_up)(void *))
{
    send_invite_with(call, direction, "", give_up);
}

/* No answer to a re-INVITE: the dialog is dead (RFC 3261, 14.1). */
static void
reinvite_gave_up(void *data)
{
    SimCall *call = data;

    call->reinviting = false;
    call->peer->counts.timed_out++;
    sim_send_bye(call);
}

static void
hold_or_resume(SimCall *call)
{
    call->reinviting = true;
    call->holding = !call->holding;
    send_invite(call, call->holding ? "sendonly" : "sendrecv", reinvite_gave_up);
}

static void
ask_for_offer(SimCall *call)
{
    call->reinviting = true;
    send_invite(call, NULL, reinvite_gave_up);
}

static void
offer_by_update(SimCall *call)
{
    g_autofree char *body = sim_sdp(call, "sendrecv");

    sim_send_update(call, body);
}

static bool
may_change(const SimCall *call)
{
    return !call->reinviting && call->sending == NULL && call->update == NULL;
}

/* True: it has begun to change the session, and goes on talking. */
static bool
changes_session(SimCall *call)
{
    const SimHabits *habits = &call->peer->options.habits;

    if (!may_change(call)) {
        return false;
    }
    if (sim_chance(call->peer, habits->hold)) {
        hold_or_resume(call);
    } else if (sim_chance(call->peer, habits->ask)) {
        ask_for_offer(call);
    } else if (sim_chance(call->peer, habits->reupdate)) {
        offer_by_update(call);
    } else {
        return false;
    }
    return true;
}

static void
on_talked(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;

    if (call->state != SIM_UP) {
        return;
    }
    if (sim_chance(call->peer, call->peer->options.habits.vanish)) {
        sim_stop_sending(call);
        sim_stop_refreshing(call);
        call->state = SIM_GONE;
    } else if (sim_chance(call->peer, call->peer->options.habits.refer)) {
        sim_transfer(call);
        sim_act_in(call, 1000, 30000, on_talked);
    } else if (changes_session(call)) {
        sim_act_in(call, 5000, 60000, on_talked);
    } else if (call->sending == NULL) {
        sim_send_bye(call);
    } else {
        sim_act_in(call, 1000, 5000, on_talked);
    }
}

void
sim_now_up(SimCall *call)
{
    call->state = SIM_UP;
    call->peer->counts.answered++;
    call->peer->counts.picked_up += call->picks_up;
    if (!call->peer->options.scripted) {
        /* One side's patience ends first; which, is chance. */
        sim_act_in(call, 100, 120000, on_talked);
    }
}

static void
on_cancel_time(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;
    g_autofree char *line = NULL, *via = NULL, *from = NULL, *to = NULL, *cancel = NULL;

    if (call->state != SIM_CALLING || !call->provisional || call->cancelled) {
        return;
    }
    call->cancelled = true;
    line =
        g_strndup(call->invite + strlen("INVITE"), strcspn(call->invite, "\r") - strlen("INVITE"));
    via = sim_header(call->invite, "Via");
    from = sim_header(call->invite, "From");
    to = sim_header(call->invite, "To");
    cancel = g_strdup_printf(
        "CANCEL%s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u CANCEL\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        line,
        via,
        from,
        to,
        call->call_id,
        call->invite_cseq);
    sim_send_until(call, cancel, sim_timed_out);
}

void
sim_call_with(SimPeer *peer, const char *number, const char *extra)
{
    SimCall *call = sim_call_new(peer, sim_token(peer), true);

    call->number = g_strdup(number);
    call->state = SIM_CALLING;
    peer->counts.placed++;
    send_invite_with(call,
                     sim_chance(peer, peer->options.habits.delayed) ? NULL : "sendrecv",
                     extra,
                     sim_timed_out);
    if (sim_chance(peer, peer->options.habits.cancel)) {
        sim_act_in(call, 50, 8000, on_cancel_time);
    }
}

void
sim_peer_call(SimPeer *peer, const char *number)
{
    sim_call_with(peer, number, "");
}

void
sim_answer_gave_up(void *data)
{
    SimCall *call = data;

    /* Our 2xx was never acknowledged. */
    call->peer->counts.timed_out++;
    sim_send_bye(call);
}

void
sim_send_final(SimCall *call,
               const char *invite,
               unsigned code,
               const char *phrase,
               const char *body,
               void (*give_up)(void *))
{
    sim_respond(call, invite, code, phrase, body);
    g_free(call->final);
    call->final = g_strdup(call->last_answer);
    sim_send_until(call, call->final, give_up);
}

static void
answer(SimCall *call)
{
    g_autofree char *body = sim_sdp(call, "sendrecv");

    sim_answer_session(call, call->invite);
    sim_send_final(call, call->invite, 200, "OK", body, sim_answer_gave_up);
    sim_now_up(call);
}

void
sim_on_answer_time(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;
    unsigned codes[] = {486, 503, 404, 480, 603, 500, 302};

    if (call->state != SIM_RINGING) {
        return;
    }
    if (call->reliable != NULL && call->reliable_us < GIVE_UP_US) {
        sim_act_in(call,
                   100,
                   1000,
                   sim_on_answer_time); /* RFC 3262, 3: not before it is acknowledged */
        return;
    }
    g_clear_pointer(&call->reliable, g_free);
    if (sim_chance(call->peer, call->peer->options.habits.pickup)) {
        sim_pick_up(call);
        sim_act_in(call, NEVER_MS, NEVER_MS, sim_on_rung_out);
    } else if (sim_chance(call->peer, call->peer->options.habits.reject)) {
        sim_send_final(call,
                       call->invite,
                       codes[dm_random_range(call->peer->options.random, 0, 6)],
                       "No",
                       "",
                       sim_timed_out);
    } else {
        answer(call);
    }
}

/* Nobody has answered, and the caller has not gone: no word of ours can have reached the gateway,
 * or its CANCEL would have come. */
void
sim_on_rung_out(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;

    if (call->state == SIM_RINGING) {
        call->peer->counts.timed_out++;
        sim_send_final(call, call->invite, 480, "Nobody", "", sim_call_over);
    }
}

/* --- as it is told --- */

static void
act_ringing(SimCall *call, SimAct act)
{
    g_autofree char *early = act == SIM_ACT_RING ? g_strdup("") : sim_sdp(call, "sendrecv");

    if (act == SIM_ACT_RING || act == SIM_ACT_RING_RELIABLY) {
        call->peer->options.habits.rel100 = act == SIM_ACT_RING ? 0 : 100;
        sim_ring(call, call->invite, early);
    } else if (act == SIM_ACT_ANSWER && call->reliable == NULL) {
        answer(call);
    } else if (act == SIM_ACT_REJECT) {
        sim_send_final(call, call->invite, 486, "Busy", "", sim_timed_out);
    } else if (act == SIM_ACT_UPDATE && call->rseq_out != 0 && call->reliable == NULL) {
        offer_by_update(call);
    }
}

static void
act_up(SimCall *call, SimAct act)
{
    if (act == SIM_ACT_BYE) {
        sim_send_bye(call);
    } else if (!may_change(call)) {
        return;
    } else if (act == SIM_ACT_HOLD) {
        hold_or_resume(call);
    } else if (act == SIM_ACT_ASK) {
        ask_for_offer(call);
    } else if (act == SIM_ACT_UPDATE) {
        offer_by_update(call);
    }
}

void
sim_peer_act(SimPeer *peer, SimAct act)
{
    SimCall *call = peer->newest;

    if (call == NULL) {
        return;
    }
    if (call->state == SIM_CALLING && act == SIM_ACT_CANCEL) {
        on_cancel_time(NULL, call);
    } else if (call->state == SIM_CALLING && act == SIM_ACT_UPDATE && call->early_sdp) {
        offer_by_update(call);
    } else if (call->state == SIM_RINGING) {
        act_ringing(call, act);
    } else if (call->state == SIM_UP) {
        act_up(call, act);
    }
}

bool
sim_peer_is_up(const SimPeer *peer)
{
    return peer->newest != NULL && peer->newest->state == SIM_UP;
}
