/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim-peer.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim-peer-priv.h"

static const char *const state_names[] = {"calling", "ringing", "up", "ending", "over", "gone"};

static void
on_first_answer(SimCall *call, const char *text)
{
    sim_stop_sending(call);
    sim_learn_dialog(call, text);
    sim_take_session(call, text);
    if (sim_chance(call->peer, call->peer->options.habits.no_ack) && !call->cancelled) {
        /* The gateway has to notice by itself, and will say BYE. */
        call->state = SIM_GONE;
        return;
    }
    sim_send_ack(call);
    if (call->cancelled) {
        sim_send_bye(call); /* RFC 3261, 9.1: it crossed */
    } else {
        sim_now_up(call);
    }
}

static void
on_invite_answered(SimCall *call, const char *text)
{
    if (call->state == SIM_CALLING) {
        g_assert_true(call->early_sdp || strstr(text, "m=audio") != NULL);
        on_first_answer(call, text);
    } else if (call->reinviting) {
        sim_stop_sending(call);
        call->reinviting = false;
        sim_take_session(call, text);
        call->peer->counts.held++;
        g_assert_true(!call->holding || call->asking || strstr(text, "a=recvonly") != NULL ||
                      strstr(text, "a=inactive") != NULL);
        sim_send_ack(call);
    } else if (call->ack != NULL && call->state != SIM_GONE) {
        sim_transmit(call->peer, call->ack);
    }
}

static void
on_invite_refused(SimCall *call, const char *text, unsigned code)
{
    sim_ack_failure(call, text);
    if (call->state == SIM_CALLING) {
        call->peer->counts.rejected++;
        sim_call_over(call);
    } else if (call->reinviting) {
        sim_stop_sending(call);
        call->reinviting = false;
        call->holding = call->asking ? call->holding : !call->holding;
        call->asking = false;
        if (code == 408 || code == 481) {
            sim_call_over(call);
        }
    }
}

static void
on_response(SimCall *call, const char *text, unsigned code)
{
    g_autofree char *cseq = sim_header(text, "CSeq");
    bool current = strtoul(cseq, NULL, 10) == call->invite_cseq;

    if (strstr(cseq, "INVITE") != NULL && current) {
        if (code < 200) {
            call->provisional = true;
            sim_take_provisional(call, text, code);
            /* RFC 3261, 17.1.1.2: no repeats after that, and no end but the caller's own patience;
             * the other side may take all of a transaction, behind another. */
            if ((call->state == SIM_CALLING && !call->cancelled) || call->reinviting) {
                call->interval_us = 200 * G_USEC_PER_SEC;
                call->give_up_us = dm_loop_now_us(call->peer->options.loop) + 400 * G_USEC_PER_SEC;
                dm_loop_arm(call->peer->options.loop,
                            &call->send_timer,
                            call->interval_us,
                            sim_on_send_timer,
                            call);
            }
        } else if (code < 300) {
            on_invite_answered(call, text);
        } else {
            on_invite_refused(call, text, code);
        }
    } else if (strstr(cseq, "REFER") != NULL) {
        sim_on_refer_answered(call, text, code);
    } else if (strstr(cseq, "UPDATE") != NULL) {
        sim_on_update_answered(call, text, code);
    } else if (strstr(cseq, "BYE") != NULL && code >= 200 && call->state == SIM_ENDING) {
        sim_call_over(call);
    }
}

static void
on_new_invite(SimPeer *peer, const char *text, char *call_id)
{
    SimCall *call = sim_call_new(peer, call_id, false);
    g_autofree char *from = sim_header(text, "From"), *contact = sim_header(text, "Contact"),
                    *cseq = sim_header(text, "CSeq");
    g_autofree char *early = NULL;

    peer->counts.taken++;
    call->offerless = strstr(text, "m=audio") == NULL;
    g_assert_true(!call->offerless || peer->options.may_lack_offer);
    /* RFC 7332, 3; one hop more for each transfer */
    g_assert_nonnull(strstr(text,
                            strstr(text, "\r\nReferred-By: ") != NULL
                                ? "\r\nMax-Forwards: "
                                : "\r\nMax-Forwards: 69\r\n"));
    call->state = SIM_RINGING;
    call->number = g_strdup(peer->options.name);
    call->remote_tag = sim_tag_of(from);
    call->target = sim_uri_of(contact);
    call->remote_cseq = (unsigned)strtoul(cseq, NULL, 10);
    call->seen = UINT64_C(1) << MIN(call->remote_cseq, 63);
    call->invite = g_strdup(text);
    if (peer->options.scripted) {
        sim_respond(call, text, 100, "Trying", "");
        return;
    }
    if (sim_chance(peer, peer->options.habits.silent)) {
        call->state = SIM_GONE;
        return;
    }
    early = sim_chance(peer, peer->options.habits.early_media) ? sim_sdp(call, "sendrecv")
                                                               : g_strdup("");
    if (sim_chance(peer, peer->options.habits.fork)) {
        sim_ring_elsewhere(call, text);
    }
    sim_ring(call, text, early);
    if (sim_chance(peer, peer->options.habits.never_final)) {
        sim_act_in(call, NEVER_MS, NEVER_MS, sim_on_rung_out);
    } else {
        sim_act_in(call, 0, 20000, sim_on_answer_time);
    }
}

static void
on_reinvite(SimCall *call, const char *text)
{
    bool held = strstr(text, "a=sendonly") != NULL || strstr(text, "a=inactive") != NULL;
    g_autofree char *body = sim_sdp(call, held ? "recvonly" : "sendrecv");

    if (call->reinviting || (call->update != NULL && call->update_offers)) {
        sim_respond(call, text, 491, "Request Pending", ""); /* glare */
    } else if (sim_chance(call->peer, call->peer->options.habits.refuse_hold)) {
        sim_respond(call, text, 488, "Not Acceptable Here", "");
    } else {
        g_free(call->invite);
        call->invite = g_strdup(text);
        sim_answer_session(call, text);
        sim_send_final(call, text, 200, "OK", body, sim_answer_gave_up);
    }
}

static void
on_cancel(SimCall *call, const char *text)
{
    g_autofree char *invite = g_strdup(call->invite);

    sim_respond(call, text, 200, "OK", "");
    if (call->state == SIM_RINGING) {
        dm_timer_disarm(&call->act_timer);
        sim_send_final(call, invite, 487, "Request Terminated", "", sim_timed_out);
        call->state = SIM_OVER;
    }
}

static void
on_ack(SimCall *call, const char *text)
{
    g_autofree char *cseq = sim_header(text, "CSeq");
    g_autofree char *of = call->final == NULL ? NULL : sim_header(call->final, "CSeq");

    if (of != NULL && call->sending != NULL && strcmp(call->sending, call->final) == 0 &&
        strtoul(cseq, NULL, 10) == strtoul(of, NULL, 10)) {
        sim_stop_sending(call);
        if (call->state == SIM_RINGING) {
            call->state = SIM_OVER; /* a rejection, acknowledged */
        }
    }
}

/* True when it was one: our answer is sent again. */
static bool
is_repeated(SimCall *call, const char *text)
{
    g_autofree char *cseq = sim_header(text, "CSeq");

    if (call->last_request == NULL || strcmp(call->last_request, cseq) != 0) {
        return false;
    }
    sim_transmit(call->peer, call->last_answer);
    return true;
}

static void
on_bye(SimCall *call, const char *text)
{
    sim_respond(call, text, 200, "OK", "");
    sim_call_over(call);
}

/* RFC 3261, 12.2.2: a dialog's sequence numbers only go up; a lower one is an old datagram. True:
 * it is new. */
static bool
check_cseq(SimCall *call, const char *text)
{
    g_autofree char *cseq = sim_header(text, "CSeq");
    unsigned number = (unsigned)strtoul(cseq, NULL, 10);
    uint64_t bit = UINT64_C(1) << MIN(number, 63);

    if (number < call->remote_cseq) {
        /* or one of which the first copy was lost, overtaken by the BYE */
        g_assert_true((call->seen & bit) != 0 || call->state == SIM_OVER ||
                      strstr(cseq, "INVITE") == NULL);
        return false;
    }
    call->seen |= bit;
    call->remote_cseq = number;
    return true;
}

static void
on_request(SimCall *call, const char *text)
{
    if (call->state == SIM_GONE) {
        return; /* nobody is there to hear it */
    }
    if (g_str_has_prefix(text, "ACK ")) {
        on_ack(call, text);
        return;
    }
    if (is_repeated(call, text)) {
        return;
    }
    if (g_str_has_prefix(text, "CANCEL ")) {
        on_cancel(call, text);
        return;
    }
    if (!check_cseq(call, text)) {
        return;
    }
    if (g_str_has_prefix(text, "BYE ")) {
        on_bye(call, text);
    } else if (g_str_has_prefix(text, "UPDATE ")) {
        sim_on_update(call, text);
    } else if (g_str_has_prefix(text, "NOTIFY ")) {
        sim_on_notify(call, text);
    } else if (g_str_has_prefix(text, "PRACK ")) {
        sim_on_prack(call, text);
    } else if (g_str_has_prefix(text, "INVITE ") && call->state == SIM_UP) {
        on_reinvite(call, text);
    } else {
        sim_respond(call, text, 481, "Gone", "");
    }
}

/* What the gateway sends a peer carries nothing of ours back to us, and nothing of another peer's.
 */
static void
check_hidden(SimPeer *peer, const char *text, bool is_request)
{
    static const char *const names[] = {"pbx", "carrier-1", "carrier-2"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *agent = g_strdup_printf("sim-%s", names[i]);
        g_autofree char *inside = g_strdup_printf("%s-inside", names[i]);
        g_autofree char *origin = g_strdup_printf("o=%s", names[i]);

        g_assert_null(strstr(text, agent));
        g_assert_null(strstr(text, origin));
        /* A request inside a dialog of ours is addressed to our own Contact. */
        g_assert_true(strstr(text, inside) == NULL ||
                      (is_request && strcmp(names[i], peer->options.name) == 0));
    }
}

static void
stray_request(SimPeer *peer, const char *text, char *call_id)
{
    g_autofree char *own = call_id;
    SimCall *call;

    if (g_str_has_prefix(text, "ACK ")) {
        return;
    }
    call = sim_call_new(peer, g_steal_pointer(&own), false);
    call->number = g_strdup("");
    call->state = SIM_OVER;
    sim_respond(call, text, g_str_has_prefix(text, "OPTIONS ") ? 200 : 481, "Unknown", "");
}

void
sim_peer_receive(SimPeer *peer, const char *data, size_t len)
{
    g_autofree char *text = g_strndup(data, len);
    char *call_id = sim_header(text, "Call-ID");
    bool response = g_str_has_prefix(text, "SIP/2.0 ");
    SimCall *call;

    g_assert_nonnull(call_id);
    check_hidden(peer, text, !response);
    call = g_hash_table_lookup(peer->calls, call_id);
    if (response) {
        if (call != NULL) {
            on_response(call, text, (unsigned)strtoul(text + 8, NULL, 10));
        }
        g_free(call_id);
    } else if (call != NULL) {
        g_free(call_id);
        on_request(call, text);
    } else if (g_str_has_prefix(text, "INVITE ")) {
        on_new_invite(peer, text, call_id);
    } else {
        stray_request(peer, text, call_id);
    }
}

SimPeer *
sim_peer_new(const SimPeerOptions *options)
{
    SimPeer *peer = g_new0(SimPeer, 1);

    peer->options = *options;
    peer->calls = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, sim_call_free);
    return peer;
}

void
sim_peer_free(SimPeer *peer)
{
    g_hash_table_unref(peer->calls);
    g_free(peer->stuck);
    g_free(peer);
}

const SimPeerCounts *
sim_peer_counts(const SimPeer *peer)
{
    return &peer->counts;
}

bool
sim_peer_knows(const SimPeer *peer, const char *call_id)
{
    return g_hash_table_contains(peer->calls, call_id);
}

static bool
is_open(const SimCall *call)
{
    return call->state != SIM_OVER && call->state != SIM_GONE;
}

size_t
sim_peer_n_open(const SimPeer *peer)
{
    GHashTableIter iter;
    gpointer value;
    size_t n = 0;

    g_hash_table_iter_init(&iter, peer->calls);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        n += is_open(value);
    }
    return n;
}

const char *
sim_peer_stuck(SimPeer *peer)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, peer->calls);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        SimCall *call = value;

        if (is_open(call)) {
            g_free(peer->stuck);
            peer->stuck = g_strdup_printf("%s: %s call %s is still %s%s%s",
                                          peer->options.name,
                                          call->caller ? "placed" : "taken",
                                          call->call_id,
                                          state_names[call->state],
                                          call->cancelled ? ", cancelled" : "",
                                          call->reinviting ? ", reinviting" : "");
            return peer->stuck;
        }
    }
    return NULL;
}
