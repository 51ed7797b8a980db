/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim-peer-priv.h"

/* Transfers (RFC 3515, 3891): a peer that is up asks for one, to a number or to a call of its own,
 * or takes a call of its own over from elsewhere; and hears how it goes. */

static SimCall *
another_call(const SimCall *call)
{
    GHashTableIter iter;
    gpointer each;

    g_hash_table_iter_init(&iter, call->peer->calls);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        const SimCall *other = each;

        /* now and then one that is not up, or not any more */
        if (other != call && other->remote_tag != NULL &&
            sim_chance(call->peer, other->state == SIM_UP ? 80 : 2)) {
            return each;
        }
    }
    return NULL;
}

/* Of @call, as the one it talks to knows it. */
static char *
replaces(const SimCall *call, const char *semicolon)
{
    return g_strdup_printf("%s%sto-tag=%s%sfrom-tag=%s",
                           call->call_id,
                           semicolon,
                           call->remote_tag,
                           semicolon,
                           call->local_tag);
}

void
sim_stop_referring(SimCall *call)
{
    dm_timer_disarm(&call->refer_timer);
    g_clear_pointer(&call->refer, g_free);
}

static void
on_refer_timer(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;

    if (call->refer == NULL || call->state != SIM_UP) {
        return;
    }
    if (dm_loop_now_us(call->peer->options.loop) >= call->refer_until_us) {
        call->peer->counts.timed_out++;
        sim_stop_referring(call);
        return;
    }
    sim_transmit(call->peer, call->refer);
    dm_loop_arm(call->peer->options.loop, timer, T2_US / 4, on_refer_timer, call);
}

static void
send_refer(SimCall *call, const SimCall *replaced)
{
    g_autofree char *inside = replaced != NULL ? replaces(replaced, "%3B") : NULL;
    g_autofree char *headers =
        g_strdup_printf("Refer-To: <sip:+442079461111@192.0.2.1%s%s>\r\n"
                        "Referred-By: <sip:%s-inside@192.0.2.9>\r\n%s",
                        inside != NULL ? "?Replaces=" : "",
                        inside != NULL ? inside : "",
                        call->peer->options.name,
                        sim_chance(call->peer, 10) ? "Refer-Sub: false\r\n" : "");
    g_autofree char *branch = sim_token(call->peer);

    call->peer->counts.asked_to_refer++;
    call->refer_cseq = ++call->cseq;
    call->refer = sim_request(call, "REFER", branch, headers, "");
    call->referring = strstr(headers, "Refer-Sub") == NULL;
    call->refer_until_us = dm_loop_now_us(call->peer->options.loop) + GIVE_UP_US;
    on_refer_timer(&call->refer_timer, call);
}

void
sim_transfer(SimCall *call)
{
    SimCall *other = sim_chance(call->peer, 40) ? another_call(call) : NULL;

    if (call->refer != NULL || call->referring) {
        return;
    }
    if (sim_chance(call->peer, 25)) {
        g_autofree char *value = replaces(call, ";");
        g_autofree char *header = g_strdup_printf("Replaces: %s\r\n", value);

        sim_call_with(call->peer, "+442079462222", header);
    } else {
        send_refer(call, other);
    }
}

void
sim_pick_up(SimCall *call)
{
    g_autofree char *value = replaces(call, ";");
    g_autofree char *header = g_strdup_printf("Replaces: %s%s\r\n",
                                              value,
                                              sim_chance(call->peer, 50) ? ";early-only" : "");

    sim_call_with(call->peer, "+442079462222", header);
    call->peer->newest->picks_up = true;
}

void
sim_on_refer_answered(SimCall *call, const char *text, unsigned code)
{
    g_autofree char *cseq = sim_header(text, "CSeq");

    if (call->refer == NULL || code < 200 || strtoul(cseq, NULL, 10) != call->refer_cseq) {
        return;
    }
    sim_stop_referring(call);
    g_assert_true(code == 202 || code >= 400);
    if (code == 202) {
        call->peer->counts.referred++;
    } else {
        call->referring = false;
    }
}

/* RFC 3515, 2.4.4: the final status ends the subscription, and nothing else does. */
void
sim_on_notify(SimCall *call, const char *text)
{
    g_autofree char *state = sim_header(text, "Subscription-State");
    g_autofree char *event = sim_header(text, "Event");
    const char *fragment = strstr(text, "\r\n\r\nSIP/2.0 ");
    unsigned status;

    g_assert_true(event != NULL && g_str_has_prefix(event, "refer"));
    g_assert_nonnull(fragment);
    status = (unsigned)strtoul(fragment + 12, NULL, 10);
    g_assert_cmpint(status >= 200, ==, g_str_has_prefix(state, "terminated"));
    if (!call->referring || call->state != SIM_UP) {
        sim_respond(call, text, call->state == SIM_UP ? 481 : 200, "No", "");
        return;
    }
    sim_respond(call, text, 200, "OK", "");
    call->referring = status < 200;
    call->peer->counts.transferred += status >= 200 && status < 300;
}
