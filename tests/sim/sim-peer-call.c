/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim-peer-priv.h"

/* A call of a peer: its life, and sending again until told to stop. */

void
sim_stop_sending(SimCall *call)
{
    dm_timer_disarm(&call->send_timer);
    g_clear_pointer(&call->sending, g_free);
}

void
sim_on_send_timer(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;
    DmLoop *loop = call->peer->options.loop;

    if (dm_loop_now_us(loop) >= call->give_up_us) {
        void (*give_up)(void *) = call->next;

        sim_stop_sending(call);
        if (give_up != NULL) {
            give_up(call);
        }
        return;
    }
    sim_transmit(call->peer, call->sending);
    call->interval_us = MIN(call->interval_us * 2, T2_US);
    dm_loop_arm(loop, timer, call->interval_us, sim_on_send_timer, call);
}

/* @give_up: when nobody has stopped it for 64*T1. */
void
sim_send_until(SimCall *call, const char *text, void (*give_up)(void *))
{
    DmLoop *loop = call->peer->options.loop;

    sim_stop_sending(call);
    call->sending = g_strdup(text);
    call->next = give_up;
    call->interval_us = T1_US;
    call->give_up_us = dm_loop_now_us(loop) + GIVE_UP_US;
    sim_transmit(call->peer, text);
    dm_loop_arm(loop, &call->send_timer, T1_US, sim_on_send_timer, call);
}

void
sim_act_in(SimCall *call, int64_t low_ms, int64_t high_ms, DmTimerFunc act)
{
    dm_loop_arm(call->peer->options.loop,
                &call->act_timer,
                dm_random_range(call->peer->options.random, low_ms, high_ms) * 1000,
                act,
                call);
}

void
sim_stop_refreshing(SimCall *call)
{
    dm_timer_disarm(&call->session_timer);
    dm_timer_disarm(&call->update_timer);
    g_clear_pointer(&call->update, g_free);
    sim_stop_referring(call);
    dm_timer_disarm(&call->reliable_timer);
    g_clear_pointer(&call->reliable, g_free);
}

void
sim_call_free(void *data)
{
    SimCall *call = data;

    sim_stop_sending(call);
    dm_timer_disarm(&call->act_timer);
    sim_stop_refreshing(call);
    g_free(call->call_id);
    g_free(call->local_tag);
    g_free(call->remote_tag);
    g_free(call->number);
    g_free(call->target);
    g_free(call->invite);
    g_free(call->branch);
    g_free(call->final);
    g_free(call->last_request);
    g_free(call->last_answer);
    g_free(call->ack);
    g_free(call->extra);
    g_free(call->prack);
    g_free(call);
}

SimCall *
sim_call_new(SimPeer *peer, char *call_id, bool caller)
{
    SimCall *call = g_new0(SimCall, 1);

    call->peer = peer;
    call->caller = caller;
    call->call_id = call_id;
    call->local_tag = sim_token(peer);
    g_hash_table_insert(peer->calls, call->call_id, call);
    peer->newest = call;
    return call;
}

void
sim_call_over(void *data)
{
    SimCall *call = data;

    sim_stop_sending(call);
    sim_stop_refreshing(call);
    dm_timer_disarm(&call->act_timer);
    call->state = SIM_OVER;
}

/* Nobody answered or acknowledged for 64*T1. */
void
sim_timed_out(void *data)
{
    SimCall *call = data;

    call->peer->counts.timed_out++;
    sim_call_over(call);
}

void
sim_send_bye(SimCall *call)
{
    g_autofree char *branch = sim_token(call->peer);
    g_autofree char *bye = NULL;

    call->cseq++;
    bye = sim_request(call, "BYE", branch, "", "");
    dm_timer_disarm(&call->act_timer);
    sim_stop_refreshing(call);
    call->state = SIM_ENDING;
    sim_send_until(call, bye, sim_timed_out);
}

void
sim_send_ack(SimCall *call)
{
    g_autofree char *branch = sim_token(call->peer);
    g_autofree char *body = call->asking ? sim_sdp(call, "sendrecv") : g_strdup("");

    g_free(call->ack);
    call->ack = sim_request(call,
                            "ACK",
                            branch,
                            call->asking ? "Content-Type: application/sdp\r\n" : "",
                            body);
    call->asking = false;
    sim_transmit(call->peer, call->ack);
}

/* RFC 3261, 17.1.1.3: same branch as the INVITE, the To of the answer. */
void
sim_ack_failure(SimCall *call, const char *answer)
{
    g_autofree char *to = sim_header(answer, "To");
    g_autofree char *from = sim_header(call->invite, "From");
    g_autofree char *via = sim_header(call->invite, "Via");
    g_autofree char *line =
        g_strndup(call->invite + strlen("INVITE"), strcspn(call->invite, "\r") - strlen("INVITE"));
    g_autofree char *ack =
        g_strdup_printf("ACK%s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u ACK\r\n"
                        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                        line,
                        via,
                        from,
                        to,
                        call->call_id,
                        call->invite_cseq);

    sim_transmit(call->peer, ack);
}

void
sim_learn_dialog(SimCall *call, const char *text)
{
    g_autofree char *to = sim_header(text, "To");
    g_autofree char *contact = sim_header(text, "Contact");
    char *tag = sim_tag_of(to);

    g_assert_nonnull(tag);
    g_assert_nonnull(contact);
    g_free(call->remote_tag);
    call->remote_tag = tag;
    g_free(call->target);
    call->target = sim_uri_of(contact);
}
