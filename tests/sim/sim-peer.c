/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim-peer.h"

#include <stdlib.h>
#include <string.h>

#define T1_US      (500 * 1000)
#define T2_US      (4 * G_USEC_PER_SEC)
#define ALLOW      "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK\r\n"
#define GIVE_UP_US (32 * G_USEC_PER_SEC) /* 64 * T1 */

typedef enum {
    SIM_CALLING, /* our INVITE, nothing final yet */
    SIM_RINGING, /* their INVITE, nothing final from us yet */
    SIM_UP,
    SIM_ENDING, /* our BYE, not answered yet */
    SIM_OVER,
    SIM_GONE, /* we walked away without a word */
} SimState;

static const char *const state_names[] = {"calling", "ringing", "up", "ending", "over", "gone"};

typedef struct {
    SimPeer *peer;
    SimState state;
    bool caller;
    char *call_id, *local_tag, *remote_tag; /* remote_tag NULL until known */
    char *number, *target;                  /* target: their Contact's URI */
    unsigned cseq, invite_cseq, remote_cseq;
    uint64_t seen;         /* CSeq numbers of theirs, below 64 */
    char *invite, *branch; /* of our last INVITE */
    bool provisional, cancelled, acked, holding, reinviting;
    char *final;        /* our last final answer to an INVITE, to repeat until acknowledged */
    char *last_request; /* theirs, by its CSeq line, and our answer to it: for retransmissions */
    char *last_answer;
    char *extra;        /* headers of the next answer */
    char *ack;          /* ours, for repeated 2xx */
    unsigned version;   /* of our SDP */
    unsigned session_s; /* 0: it does not expire */
    bool we_refresh;
    DmTimer session_timer, update_timer;
    char *update;      /* ours, not answered yet */
    bool requires_rel; /* our INVITE requires 100rel */
    bool early_sdp;    /* their early description was acknowledged */
    unsigned rseq_in, rseq_out;
    char *prack;         /* ours, for rseq_in */
    char *reliable;      /* our provisional answer that waits for PRACK */
    int64_t reliable_us; /* its next interval */
    DmTimer reliable_timer;
    DmTimer send_timer, act_timer;
    char *sending; /* what send_timer repeats */
    int64_t interval_us, give_up_us;
    void (*next)(void *call);
} SimCall;

struct SimPeer {
    SimPeerOptions options;
    GHashTable *calls; /* call_id -> SimCall */
    SimPeerCounts counts;
    char *stuck;
};

/* --- text --- */

/* Value of the first header of this name; NULL when absent. (transfer full) */
static char *
header(const char *text, const char *name)
{
    g_autofree char *needle = g_strdup_printf("\r\n%s:", name);
    const char *at = strcasestr(text, needle);
    const char *end;

    if (at == NULL) {
        return NULL;
    }
    at += strlen(needle);
    at += strspn(at, " \t");
    end = strstr(at, "\r\n");
    return end == NULL ? NULL : g_strndup(at, (gsize)(end - at));
}

static char *
tag_of(const char *value)
{
    const char *at = value == NULL ? NULL : strstr(value, ";tag=");

    return at == NULL ? NULL : g_strndup(at + 5, strcspn(at + 5, ";> \r\n"));
}

/* The URI between < and >. */
static char *
uri_of(const char *value)
{
    const char *at = value == NULL ? NULL : strchr(value, '<');

    return at == NULL ? NULL : g_strndup(at + 1, strcspn(at + 1, ">"));
}

static char *
token(SimPeer *peer)
{
    char text[17];

    dm_random_token(peer->options.random, text, sizeof text - 1);
    return g_strdup(text);
}

static bool
chance(SimPeer *peer, unsigned percent)
{
    return dm_random_range(peer->options.random, 0, 99) < (int64_t)percent;
}

static void
transmit(SimPeer *peer, const char *text)
{
    peer->options.send(peer->options.net,
                       &peer->options.address,
                       &peer->options.gateway,
                       text,
                       strlen(text));
}

static char *
sdp(SimCall *call, const char *direction)
{
    return g_strdup_printf(
        "v=0\r\no=%s 77 %u IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio %u RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n",
        call->peer->options.name,
        ++call->version,
        (unsigned)dm_random_range(call->peer->options.random, 10000, 60000) & ~1U,
        direction);
}

/* --- sending again until told to stop --- */

static void
stop_sending(SimCall *call)
{
    dm_timer_disarm(&call->send_timer);
    g_clear_pointer(&call->sending, g_free);
}

static void
on_send_timer(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;
    DmLoop *loop = call->peer->options.loop;

    if (dm_loop_now_us(loop) >= call->give_up_us) {
        void (*give_up)(void *) = call->next;

        stop_sending(call);
        if (give_up != NULL) {
            give_up(call);
        }
        return;
    }
    transmit(call->peer, call->sending);
    call->interval_us = MIN(call->interval_us * 2, T2_US);
    dm_loop_arm(loop, timer, call->interval_us, on_send_timer, call);
}

/* @give_up: when nobody has stopped it for 64*T1. */
static void
send_until(SimCall *call, const char *text, void (*give_up)(void *))
{
    DmLoop *loop = call->peer->options.loop;

    stop_sending(call);
    call->sending = g_strdup(text);
    call->next = give_up;
    call->interval_us = T1_US;
    call->give_up_us = dm_loop_now_us(loop) + GIVE_UP_US;
    transmit(call->peer, text);
    dm_loop_arm(loop, &call->send_timer, T1_US, on_send_timer, call);
}

static void
act_in(SimCall *call, int64_t low_ms, int64_t high_ms, DmTimerFunc act)
{
    dm_loop_arm(call->peer->options.loop,
                &call->act_timer,
                dm_random_range(call->peer->options.random, low_ms, high_ms) * 1000,
                act,
                call);
}

/* --- a call's life --- */

static void
stop_refreshing(SimCall *call)
{
    dm_timer_disarm(&call->session_timer);
    dm_timer_disarm(&call->update_timer);
    g_clear_pointer(&call->update, g_free);
    dm_timer_disarm(&call->reliable_timer);
    g_clear_pointer(&call->reliable, g_free);
}

static void
call_free(void *data)
{
    SimCall *call = data;

    stop_sending(call);
    dm_timer_disarm(&call->act_timer);
    stop_refreshing(call);
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

static SimCall *
call_new(SimPeer *peer, char *call_id, bool caller)
{
    SimCall *call = g_new0(SimCall, 1);

    call->peer = peer;
    call->caller = caller;
    call->call_id = call_id;
    call->local_tag = token(peer);
    g_hash_table_insert(peer->calls, call->call_id, call);
    return call;
}

static void
over(void *data)
{
    SimCall *call = data;

    stop_sending(call);
    stop_refreshing(call);
    dm_timer_disarm(&call->act_timer);
    call->state = SIM_OVER;
}

/* Nobody answered or acknowledged for 64*T1. */
static void
timed_out(void *data)
{
    SimCall *call = data;

    call->peer->counts.timed_out++;
    over(call);
}

/* A request of ours inside the dialog, or the INVITE that makes it. (transfer full) */
static char *
request(SimCall *call, const char *method, const char *branch, const char *extra, const char *body)
{
    const SimPeerOptions *options = &call->peer->options;
    char us[DM_ADDRESS_TEXT_MAX], gateway[DM_ADDRESS_TEXT_MAX];
    g_autofree char *uri = NULL;
    g_autofree char *remote_tag = NULL;

    dm_address_text(&options->address, us);
    dm_address_text(&options->gateway, gateway);
    uri = call->target != NULL ? g_strdup(call->target)
                               : g_strdup_printf("sip:%s@%s", call->number, gateway);
    remote_tag =
        call->remote_tag != NULL ? g_strdup_printf(";tag=%s", call->remote_tag) : g_strdup("");
    return g_strdup_printf(
        "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\n"
        "From: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
        "Contact: <sip:%s-inside@%s>\r\nMax-Forwards: 70\r\nUser-Agent: sim-%s\r\n" ALLOW "%s"
        "Content-Length: %zu\r\n\r\n%s",
        method,
        uri,
        us,
        branch,
        options->name,
        us,
        call->local_tag,
        call->number,
        gateway,
        remote_tag,
        call->call_id,
        strcmp(method, "ACK") == 0 ? call->invite_cseq : call->cseq,
        method,
        options->name,
        us,
        options->name,
        extra,
        strlen(body),
        body);
}

static void
respond(SimCall *call, const char *text, unsigned code, const char *phrase, const char *body)
{
    const SimPeerOptions *options = &call->peer->options;
    char us[DM_ADDRESS_TEXT_MAX];
    g_autofree char *user =
        code == 302 ? g_strdup("+442079460001") : g_strdup_printf("%s-inside", options->name);
    g_autofree char *via = header(text, "Via"), *from = header(text, "From"),
                    *to = header(text, "To");
    g_autofree char *cseq = header(text, "CSeq");
    bool tagged = strstr(to, ";tag=") != NULL || code == 100;
    char *answer;

    dm_address_text(&options->address, us);
    answer = g_strdup_printf(
        "SIP/2.0 %u %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
        "Contact: <sip:%s@%s>\r\nServer: sim-%s\r\n" ALLOW "%s%sContent-Length: %zu\r\n\r\n%s",
        code,
        phrase,
        via,
        from,
        to,
        tagged ? "" : ";tag=",
        tagged ? "" : call->local_tag,
        call->call_id,
        cseq,
        user,
        us,
        options->name,
        call->extra != NULL ? call->extra : "",
        *body != '\0' ? "Content-Type: application/sdp\r\n" : "",
        strlen(body),
        body);
    g_free(call->last_request);
    g_free(call->last_answer);
    call->last_request = g_steal_pointer(&cseq);
    call->last_answer = answer;
    g_clear_pointer(&call->extra, g_free);
    transmit(call->peer, answer);
}

static void
send_bye(SimCall *call)
{
    g_autofree char *branch = token(call->peer);
    g_autofree char *bye = NULL;

    call->cseq++;
    bye = request(call, "BYE", branch, "", "");
    dm_timer_disarm(&call->act_timer);
    stop_refreshing(call);
    call->state = SIM_ENDING;
    send_until(call, bye, timed_out);
}

static void
send_ack(SimCall *call)
{
    g_autofree char *branch = token(call->peer);

    g_free(call->ack);
    call->ack = request(call, "ACK", branch, "", "");
    transmit(call->peer, call->ack);
}

/* RFC 3261, 17.1.1.3: same branch as the INVITE, the To of the answer. */
static void
ack_failure(SimCall *call, const char *answer)
{
    g_autofree char *to = header(answer, "To");
    g_autofree char *from = header(call->invite, "From");
    g_autofree char *via = header(call->invite, "Via");
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

    transmit(call->peer, ack);
}

/* --- session timers (RFC 4028): some peers know of them, in every role --- */

static void on_session_timer(DmTimer *timer, void *user_data);

static void
start_session(SimCall *call, unsigned expires_s, bool we_refresh)
{
    call->session_s = expires_s;
    call->we_refresh = we_refresh;
    dm_timer_disarm(&call->session_timer);
    if (expires_s > 0 && we_refresh &&
        !chance(call->peer, call->peer->options.habits.lazy_refresher)) {
        dm_loop_arm(call->peer->options.loop,
                    &call->session_timer,
                    expires_s * (G_USEC_PER_SEC / 2),
                    on_session_timer,
                    call);
    }
}

/* What a request of ours says of the session. (transfer full) */
static char *
session_wish(SimCall *call)
{
    if (call->session_s > 0) {
        return g_strdup_printf("Supported: timer\r\nSession-Expires: %u;refresher=%s\r\n",
                               call->session_s,
                               call->we_refresh ? "uac" : "uas");
    }
    if (call->state != SIM_CALLING || !chance(call->peer, call->peer->options.habits.timers)) {
        return g_strdup("");
    }
    return g_strdup(chance(call->peer, 50) ? "Supported: timer\r\n"
                                           : "Supported: timer\r\nSession-Expires: 90\r\n");
}

/* A 2xx to a request of ours. */
static void
take_session(SimCall *call, const char *text)
{
    g_autofree char *expires = header(text, "Session-Expires");

    if (expires == NULL) {
        start_session(call, 0, false);
    } else {
        start_session(call, (unsigned)strtoul(expires, NULL, 10), strstr(expires, "=uac") != NULL);
    }
}

/* Before our 2xx to a request of theirs: what it will say. */
static void
answer_session(SimCall *call, const char *text)
{
    g_autofree char *expires = header(text, "Session-Expires");
    bool asked_uas = expires != NULL && strstr(expires, "=uas") != NULL;
    bool asked_uac = expires != NULL && strstr(expires, "=uac") != NULL;
    bool we = asked_uas || (!asked_uac && chance(call->peer, 50));

    g_clear_pointer(&call->extra, g_free);
    if (expires == NULL || (call->session_s == 0 && call->state != SIM_RINGING) ||
        (call->session_s == 0 && !chance(call->peer, call->peer->options.habits.timers))) {
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

    if (call->state == SIM_UP && call->update != NULL) {
        transmit(call->peer, call->update);
        dm_loop_arm(call->peer->options.loop, timer, T2_US, on_update_timer, call);
    }
}

static void
on_session_timer(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;
    g_autofree char *branch = token(call->peer);
    g_autofree char *session = NULL;

    if (call->state != SIM_UP) {
        return;
    }
    if (call->sending != NULL || call->reinviting || call->update != NULL) {
        dm_loop_arm(call->peer->options.loop, timer, G_USEC_PER_SEC, on_session_timer, call);
        return;
    }
    session = session_wish(call);
    call->cseq++;
    call->update = request(call, "UPDATE", branch, session, "");
    on_update_timer(&call->update_timer, call);
}

static void
on_update_answered(SimCall *call, const char *text, unsigned code)
{
    g_autofree char *cseq = header(text, "CSeq");

    if (call->update == NULL || strtoul(cseq, NULL, 10) != call->cseq || code < 200) {
        return;
    }
    dm_timer_disarm(&call->update_timer);
    g_clear_pointer(&call->update, g_free);
    g_assert_cmpuint(code, !=, 405);
    if (code < 300) {
        call->peer->counts.refreshed++;
        take_session(call, text);
    }
}

static void
on_update(SimCall *call, const char *text)
{
    if (call->state != SIM_UP) {
        respond(call, text, 481, "Gone", "");
        return;
    }
    call->peer->counts.refreshes_seen++;
    answer_session(call, text);
    respond(call, text, 200, "OK", "");
}

static void
learn_dialog(SimCall *call, const char *text)
{
    g_autofree char *to = header(text, "To");
    g_autofree char *contact = header(text, "Contact");
    char *tag = tag_of(to);

    g_assert_nonnull(tag);
    g_assert_nonnull(contact);
    g_free(call->remote_tag);
    call->remote_tag = tag;
    g_free(call->target);
    call->target = uri_of(contact);
}

/* --- provisional answers that are acknowledged (RFC 3262) --- */

/* What our first INVITE says of them. */
static const char *
reliable_wish(SimCall *call)
{
    if (call->state != SIM_CALLING || !chance(call->peer, call->peer->options.habits.rel100)) {
        return "";
    }
    call->requires_rel = chance(call->peer, 30);
    return call->requires_rel ? "Require: 100rel\r\n" : "Supported: 100rel\r\n";
}

/* SIG-8: in order, each acknowledged; its repetition gets the same again. */
static void
take_reliable(SimCall *call, const char *text, const char *rseq)
{
    unsigned number = (unsigned)strtoul(rseq, NULL, 10);
    g_autofree char *branch = token(call->peer), *rack = NULL;

    if (number == call->rseq_in && call->prack != NULL) {
        transmit(call->peer, call->prack);
        return;
    }
    if (number < call->rseq_in) {
        return; /* an old datagram */
    }
    g_assert_true(call->rseq_in == 0 || number == call->rseq_in + 1);
    call->rseq_in = number;
    call->early_sdp = call->early_sdp || strstr(text, "m=audio") != NULL;
    learn_dialog(call, text);
    call->cseq++;
    rack = g_strdup_printf("RAck: %u %u INVITE\r\n", number, call->invite_cseq);
    g_free(call->prack);
    call->prack = request(call, "PRACK", branch, rack, "");
    call->peer->counts.pracked++;
    transmit(call->peer, call->prack);
}

static void
take_provisional(SimCall *call, const char *text, unsigned code)
{
    g_autofree char *rseq = header(text, "RSeq"), *to = header(text, "To");
    g_autofree char *tag = tag_of(to);

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
        transmit(call->peer, call->reliable);
        call->reliable_us *= 2;
        dm_loop_arm(call->peer->options.loop, timer, call->reliable_us, on_reliable_timer, call);
    }
}

/* Rings, so that it is acknowledged where the gateway says that it can. */
static void
ring(SimCall *call, const char *text, const char *early)
{
    bool reliable =
        strstr(text, "100rel") != NULL && chance(call->peer, call->peer->options.habits.rel100);

    if (reliable) {
        call->rseq_out = (unsigned)dm_random_range(call->peer->options.random, 1, 1000000);
        call->extra = g_strdup_printf("Require: 100rel\r\nRSeq: %u\r\n", call->rseq_out);
    }
    respond(call, text, *early != '\0' ? 183 : 180, "Ringing", early);
    if (reliable) {
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
static void
ring_elsewhere(SimCall *call, const char *text)
{
    char *own = call->local_tag;
    g_autofree char *early = chance(call->peer, 50) ? sdp(call, "sendrecv") : g_strdup("");

    call->local_tag = token(call->peer);
    respond(call, text, 183, "Elsewhere", early);
    g_free(call->local_tag);
    call->local_tag = own;
}

static void
on_prack(SimCall *call, const char *text)
{
    g_autofree char *rack = header(text, "RAck");

    if (call->reliable == NULL || strtoul(rack, NULL, 10) != call->rseq_out) {
        respond(call, text, 481, "No Such Response", "");
        return;
    }
    dm_timer_disarm(&call->reliable_timer);
    g_clear_pointer(&call->reliable, g_free);
    call->peer->counts.acknowledged++;
    respond(call, text, 200, "OK", "");
}

/* --- what a peer does of its own accord --- */

static void on_talked(DmTimer *timer, void *user_data);

static void
send_invite(SimCall *call, const char *direction, void (*give_up)(void *))
{
    g_autofree char *body = sdp(call, direction);

    g_autofree char *session = session_wish(call);
    g_autofree char *extra =
        g_strconcat(session, reliable_wish(call), "Content-Type: application/sdp\r\n", NULL);

    call->invite_cseq = ++call->cseq;
    g_free(call->branch);
    g_free(call->invite);
    call->branch = token(call->peer);
    call->invite = request(call, "INVITE", call->branch, extra, body);
    send_until(call, call->invite, give_up);
}

/* No answer to a re-INVITE: the dialog is dead (RFC 3261, 14.1). */
static void
reinvite_gave_up(void *data)
{
    SimCall *call = data;

    call->reinviting = false;
    call->peer->counts.timed_out++;
    send_bye(call);
}

static void
hold_or_resume(SimCall *call)
{
    call->reinviting = true;
    call->holding = !call->holding;
    send_invite(call, call->holding ? "sendonly" : "sendrecv", reinvite_gave_up);
}

static void
on_talked(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;

    if (call->state != SIM_UP) {
        return;
    }
    if (chance(call->peer, call->peer->options.habits.vanish)) {
        stop_sending(call);
        stop_refreshing(call);
        call->state = SIM_GONE;
    } else if (!call->reinviting && call->sending == NULL && call->update == NULL &&
               chance(call->peer, call->peer->options.habits.hold)) {
        hold_or_resume(call);
        act_in(call, 5000, 60000, on_talked);
    } else if (call->sending == NULL) {
        send_bye(call);
    } else {
        act_in(call, 1000, 5000, on_talked);
    }
}

static void
now_up(SimCall *call)
{
    call->state = SIM_UP;
    call->peer->counts.answered++;
    /* One side's patience ends first; which, is chance. */
    act_in(call, 100, 120000, on_talked);
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
    via = header(call->invite, "Via");
    from = header(call->invite, "From");
    to = header(call->invite, "To");
    cancel = g_strdup_printf(
        "CANCEL%s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u CANCEL\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        line,
        via,
        from,
        to,
        call->call_id,
        call->invite_cseq);
    send_until(call, cancel, timed_out);
}

void
sim_peer_call(SimPeer *peer, const char *number)
{
    SimCall *call = call_new(peer, token(peer), true);

    call->number = g_strdup(number);
    call->state = SIM_CALLING;
    peer->counts.placed++;
    send_invite(call, "sendrecv", timed_out);
    if (chance(peer, peer->options.habits.cancel)) {
        act_in(call, 50, 8000, on_cancel_time);
    }
}

/* --- answers from the gateway --- */

static void
on_first_answer(SimCall *call, const char *text)
{
    stop_sending(call);
    learn_dialog(call, text);
    take_session(call, text);
    if (chance(call->peer, call->peer->options.habits.no_ack) && !call->cancelled) {
        /* The gateway has to notice by itself, and will say BYE. */
        call->state = SIM_GONE;
        return;
    }
    send_ack(call);
    if (call->cancelled) {
        send_bye(call); /* RFC 3261, 9.1: it crossed */
    } else {
        now_up(call);
    }
}

static void
on_invite_answered(SimCall *call, const char *text)
{
    if (call->state == SIM_CALLING) {
        g_assert_true(call->early_sdp || strstr(text, "m=audio") != NULL);
        on_first_answer(call, text);
    } else if (call->reinviting) {
        stop_sending(call);
        call->reinviting = false;
        take_session(call, text);
        call->peer->counts.held++;
        g_assert_true(!call->holding || strstr(text, "a=recvonly") != NULL ||
                      strstr(text, "a=inactive") != NULL);
        send_ack(call);
    } else if (call->ack != NULL && call->state != SIM_GONE) {
        transmit(call->peer, call->ack);
    }
}

static void
on_invite_refused(SimCall *call, const char *text, unsigned code)
{
    ack_failure(call, text);
    if (call->state == SIM_CALLING) {
        call->peer->counts.rejected++;
        over(call);
    } else if (call->reinviting) {
        stop_sending(call);
        call->reinviting = false;
        call->holding = !call->holding;
        if (code == 408 || code == 481) {
            over(call);
        }
    }
}

static void
on_response(SimCall *call, const char *text, unsigned code)
{
    g_autofree char *cseq = header(text, "CSeq");
    bool current = strtoul(cseq, NULL, 10) == call->invite_cseq;

    if (strstr(cseq, "INVITE") != NULL && current) {
        if (code < 200) {
            call->provisional = true;
            take_provisional(call, text, code);
            /* Further repeats would only be noise; the give-up of a caller is its own timer C. */
            if (call->state == SIM_CALLING && !call->cancelled) {
                call->interval_us = 200 * G_USEC_PER_SEC;
                call->give_up_us = dm_loop_now_us(call->peer->options.loop) + 400 * G_USEC_PER_SEC;
                dm_loop_arm(call->peer->options.loop,
                            &call->send_timer,
                            call->interval_us,
                            on_send_timer,
                            call);
            }
        } else if (code < 300) {
            on_invite_answered(call, text);
        } else {
            on_invite_refused(call, text, code);
        }
    } else if (strstr(cseq, "UPDATE") != NULL) {
        on_update_answered(call, text, code);
    } else if (strstr(cseq, "BYE") != NULL && code >= 200 && call->state == SIM_ENDING) {
        over(call);
    }
}

/* --- requests from the gateway --- */

static void
answer_gave_up(void *data)
{
    SimCall *call = data;

    /* Our 2xx was never acknowledged. */
    call->peer->counts.timed_out++;
    send_bye(call);
}

static void
send_final(SimCall *call,
           const char *invite,
           unsigned code,
           const char *phrase,
           const char *body,
           void (*give_up)(void *))
{
    respond(call, invite, code, phrase, body);
    g_free(call->final);
    call->final = g_strdup(call->last_answer);
    send_until(call, call->final, give_up);
}

static void
on_answer_time(DmTimer *timer, void *user_data)
{
    SimCall *call = user_data;
    g_autofree char *body = sdp(call, "sendrecv");
    unsigned codes[] = {486, 503, 404, 480, 603, 500, 302};

    if (call->state != SIM_RINGING) {
        return;
    }
    if (call->reliable != NULL && call->reliable_us < GIVE_UP_US) {
        act_in(call, 100, 1000, on_answer_time); /* RFC 3262, 3: not before it is acknowledged */
        return;
    }
    g_clear_pointer(&call->reliable, g_free);
    if (chance(call->peer, call->peer->options.habits.reject)) {
        send_final(call,
                   call->invite,
                   codes[dm_random_range(call->peer->options.random, 0, 6)],
                   "No",
                   "",
                   timed_out);
    } else {
        answer_session(call, call->invite);
        send_final(call, call->invite, 200, "OK", body, answer_gave_up);
        now_up(call);
    }
}

static void
on_new_invite(SimPeer *peer, const char *text, char *call_id)
{
    SimCall *call = call_new(peer, call_id, false);
    g_autofree char *from = header(text, "From"), *contact = header(text, "Contact"),
                    *cseq = header(text, "CSeq");
    g_autofree char *early = NULL;

    peer->counts.taken++;
    g_assert_nonnull(strstr(text, "m=audio"));
    g_assert_nonnull(strstr(text, "\r\nMax-Forwards: 69\r\n")); /* RFC 7332, 3 */
    call->state = SIM_RINGING;
    call->number = g_strdup(peer->options.name);
    call->remote_tag = tag_of(from);
    call->target = uri_of(contact);
    call->remote_cseq = (unsigned)strtoul(cseq, NULL, 10);
    call->seen = UINT64_C(1) << MIN(call->remote_cseq, 63);
    call->invite = g_strdup(text);
    if (chance(peer, peer->options.habits.silent)) {
        call->state = SIM_GONE;
        return;
    }
    early = chance(peer, peer->options.habits.early_media) ? sdp(call, "sendrecv") : g_strdup("");
    if (chance(peer, peer->options.habits.fork)) {
        ring_elsewhere(call, text);
    }
    ring(call, text, early);
    if (!chance(peer, peer->options.habits.never_final)) {
        act_in(call, 0, 20000, on_answer_time);
    }
}

static void
on_reinvite(SimCall *call, const char *text)
{
    bool held = strstr(text, "a=sendonly") != NULL || strstr(text, "a=inactive") != NULL;
    g_autofree char *body = sdp(call, held ? "recvonly" : "sendrecv");

    if (call->reinviting) {
        respond(call, text, 491, "Request Pending", ""); /* glare */
    } else if (chance(call->peer, call->peer->options.habits.refuse_hold)) {
        respond(call, text, 488, "Not Acceptable Here", "");
    } else {
        g_free(call->invite);
        call->invite = g_strdup(text);
        answer_session(call, text);
        send_final(call, text, 200, "OK", body, answer_gave_up);
    }
}

static void
on_cancel(SimCall *call, const char *text)
{
    g_autofree char *invite = g_strdup(call->invite);

    respond(call, text, 200, "OK", "");
    if (call->state == SIM_RINGING) {
        dm_timer_disarm(&call->act_timer);
        send_final(call, invite, 487, "Request Terminated", "", timed_out);
        call->state = SIM_OVER;
    }
}

static void
on_ack(SimCall *call, const char *text)
{
    g_autofree char *cseq = header(text, "CSeq");
    g_autofree char *of = call->final == NULL ? NULL : header(call->final, "CSeq");

    if (of != NULL && call->sending != NULL && strcmp(call->sending, call->final) == 0 &&
        strtoul(cseq, NULL, 10) == strtoul(of, NULL, 10)) {
        stop_sending(call);
        if (call->state == SIM_RINGING) {
            call->state = SIM_OVER; /* a rejection, acknowledged */
        }
    }
}

/* True when it was one: our answer is sent again. */
static bool
is_repeated(SimCall *call, const char *text)
{
    g_autofree char *cseq = header(text, "CSeq");

    if (call->last_request == NULL || strcmp(call->last_request, cseq) != 0) {
        return false;
    }
    transmit(call->peer, call->last_answer);
    return true;
}

static void
on_bye(SimCall *call, const char *text)
{
    respond(call, text, 200, "OK", "");
    over(call);
}

/* RFC 3261, 12.2.2: a dialog's sequence numbers only go up; a lower one is an old datagram. True:
 * it is new. */
static bool
check_cseq(SimCall *call, const char *text)
{
    g_autofree char *cseq = header(text, "CSeq");
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
        on_update(call, text);
    } else if (g_str_has_prefix(text, "PRACK ")) {
        on_prack(call, text);
    } else if (g_str_has_prefix(text, "INVITE ") && call->state == SIM_UP) {
        on_reinvite(call, text);
    } else {
        respond(call, text, 481, "Gone", "");
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
    call = call_new(peer, g_steal_pointer(&own), false);
    call->number = g_strdup("");
    call->state = SIM_OVER;
    respond(call, text, g_str_has_prefix(text, "OPTIONS ") ? 200 : 481, "Unknown", "");
}

void
sim_peer_receive(SimPeer *peer, const char *data, size_t len)
{
    g_autofree char *text = g_strndup(data, len);
    char *call_id = header(text, "Call-ID");
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

/* --- the peer --- */

SimPeer *
sim_peer_new(const SimPeerOptions *options)
{
    SimPeer *peer = g_new0(SimPeer, 1);

    peer->options = *options;
    peer->calls = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, call_free);
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
