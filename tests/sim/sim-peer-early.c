/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim-peer-priv.h"

/* Provisional answers that are acknowledged (RFC 3262), ringing, forks. */

/* What our first INVITE says of them. */
const char *
sim_reliable_wish(SimCall *call)
{
    if (call->state != SIM_CALLING || !sim_chance(call->peer, call->peer->options.habits.rel100)) {
        return "";
    }
    call->requires_rel = !call->peer->options.scripted && sim_chance(call->peer, 30);
    return call->requires_rel ? "Require: 100rel\r\n" : "Supported: 100rel\r\n";
}

/* SIG-8: in order, each acknowledged; its repetition gets the same again. */
static void
take_reliable(SimCall *call, const char *text, const char *rseq)
{
    unsigned number = (unsigned)strtoul(rseq, NULL, 10);
    g_autofree char *branch = sim_token(call->peer), *rack = NULL, *body = NULL;
    bool has_sdp = strstr(text, "m=audio") != NULL;

    if (number == call->rseq_in && call->prack != NULL) {
        sim_transmit(call->peer, call->prack);
        return;
    }
    if (number < call->rseq_in) {
        return; /* an old datagram */
    }
    g_assert_true(call->rseq_in == 0 || number == call->rseq_in + 1);
    call->rseq_in = number;
    call->early_sdp = call->early_sdp || has_sdp;
    sim_learn_dialog(call, text);
    call->cseq++;
    body = call->asking && has_sdp ? sim_sdp(call, "sendrecv") : g_strdup("");
    rack = g_strdup_printf("RAck: %u %u INVITE\r\n%s",
                           number,
                           call->invite_cseq,
                           *body != '\0' ? "Content-Type: application/sdp\r\n" : "");
    call->asking = call->asking && !has_sdp; /* it is answered there, and not in the ACK */
    g_free(call->prack);
    call->prack = sim_request(call, "PRACK", branch, rack, body);
    call->peer->counts.pracked++;
    sim_transmit(call->peer, call->prack);
}

void
sim_take_provisional(SimCall *call, const char *text, unsigned code)
{
    g_autofree char *rseq = sim_header(text, "RSeq"), *to = sim_header(text, "To");
    g_autofree char *tag = sim_tag_of(to);

    if (code == 100 || call->state != SIM_CALLING || call->cancelled) {
        return;
    }
    /* SIG-9: however many ring over there, here it is one dialog */
    g_assert_true(call->remote_tag == NULL || g_strcmp0(call->remote_tag, tag) == 0);
    g_assert_true(rseq != NULL || !call->requires_rel);
    if (rseq != NULL) {
        take_reliable(call, text, rseq);
    }
}

static void
on_reliable_timer(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;

    if (call->reliable != NULL && call->state == SIM_RINGING) {
        sim_transmit(call->peer, call->reliable);
        call->reliable_us *= 2;
        dm_loop_arm(call->peer->options.loop, timer, call->reliable_us, on_reliable_timer, call);
    }
}

/* Rings, so that it is acknowledged where the gateway says that it can. */
void
sim_ring(SimCall *call, const char *text, const char *early)
{
    bool reliable =
        strstr(text, "100rel") != NULL && sim_chance(call->peer, call->peer->options.habits.rel100);

    if (reliable) {
        call->rseq_out = (unsigned)dm_random_range(call->peer->options.random, 1, 1000000);
        call->extra = g_strdup_printf("Require: 100rel\r\nRSeq: %u\r\n", call->rseq_out);
    }
    sim_respond(call, text, *early != '\0' ? 183 : 180, "Ringing", early);
    if (reliable) {
        call->offered_early = call->offerless && *early != '\0';
        call->reliable = g_strdup(call->last_answer);
        call->reliable_us = T1_US;
        dm_loop_arm(call->peer->options.loop,
                    &call->reliable_timer,
                    T1_US,
                    on_reliable_timer,
                    call);
    }
}

/* SIG-9: another phone rings before ours does. */
void
sim_ring_elsewhere(SimCall *call, const char *text)
{
    char *own = call->local_tag;
    g_autofree char *early = sim_chance(call->peer, 50) ? sim_sdp(call, "sendrecv") : g_strdup("");

    call->local_tag = sim_token(call->peer);
    sim_respond(call, text, 183, "Elsewhere", early);
    g_free(call->local_tag);
    call->local_tag = own;
}

void
sim_on_prack(SimCall *call, const char *text)
{
    g_autofree char *rack = sim_header(text, "RAck");

    if (call->reliable == NULL || strtoul(rack, NULL, 10) != call->rseq_out) {
        sim_respond(call, text, 481, "No Such Response", "");
        return;
    }
    dm_timer_disarm(&call->reliable_timer);
    g_clear_pointer(&call->reliable, g_free);
    call->peer->counts.acknowledged++;
    /* RFC 3262, 5: an offer in it is answered there */
    g_assert_cmpint(strstr(text, "m=audio") != NULL, ==, call->offerless && call->offered_early);
    call->offerless = call->offerless && !call->offered_early;
    sim_respond(call, text, 200, "OK", "");
}
