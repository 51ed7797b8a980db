/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/handshake.h"

#include <string.h>

#include "media/dtls/association.h"
#include "media/net/socket.h"
#include "media/path/checks.h"
#include "media/path/control.h"
#include "media/path/flow.h"
#include "media/path/latch.h"
#include "media/path/secure.h"
#include "media/rtp/published.h"

/* Datagrams of a peer that wait for their turn: more than a flight of any certificate has. */
#define MAX_WAITING 8

/* Strangers who may come to nothing in one handshake before it does. */
#define MAX_STRANGERS 3

typedef struct DmEarlyDatagram {
    DmAddress from;
    uint16_t len;
    uint8_t bytes[];
} Datagram;

struct DmHandshake {
    DmStream *stream;
    bool is_rtcp;
    DmWorkerJob job;
    DmTimer timer;
    GQueue waiting; /* of Datagram */
    DmDtlsSpec agreed;
    DmDtls *dtls;      /* NULL: it has failed */
    DmAddress to;      /* where the peer's last datagram came from; not set: none yet */
    int64_t resend_us; /* 0: not needed */
    int64_t limit_us;  /* 0: not answered yet, or ended */
    uint8_t n_strangers;
    uint8_t failure; /* DmDtlsFailure, with the last of them */
};

static DmWorker *
worker_of(const DmHandshake *handshake)
{
    return dm_stream_session(handshake->stream)->worker;
}

static int64_t
now_of(const DmHandshake *handshake)
{
    return dm_loop_now_us(dm_worker_loop(worker_of(handshake)));
}

/*
 * Where the peer is
 */

/* As signalling or checks say it; not set: they do not yet. */
static DmAddress
known_place(const DmHandshake *handshake)
{
    const DmStream *stream = handshake->stream;

    if (stream->checked) {
        return *dm_checks_way(stream, handshake->is_rtcp);
    }
    return handshake->is_rtcp ? dm_control_destination(stream) : stream->remote;
}

/* Not set: nowhere yet. */
static DmAddress
destination(const DmHandshake *handshake)
{
    const DmStream *stream = handshake->stream;
    bool is_fixed = stream->checked || (stream->pinned && !handshake->is_rtcp);

    return is_fixed || !dm_address_is_set(&handshake->to) ? known_place(handshake) : handshake->to;
}

/* Whether it may be the peer's: from where a check came, or as the policy has it for media. That it
 * is the peer is for the handshake to show. Another phone that rings has another certificate. */
static bool
may_be_peers(const DmStream *stream, bool is_rtcp, const DmAddress *from)
{
    if (stream->checked) {
        return dm_checks_knows(stream, is_rtcp, from);
    }
    /* The port of RTCP may be any, as for RTCP itself. */
    if (is_rtcp && dm_address_same_host(from, &stream->remote)) {
        return true;
    }
    if (stream->pinned) {
        return dm_address_equal(from, &stream->remote);
    }
    return dm_latch_allows(&stream->latch, from) && !dm_latch_is_rival(&stream->latch, from);
}

/* The same within a handshake: once someone has shown where it is, or answers from where the peer
 * is known to be, nobody else is heard, who could spoil it with a word. */
static bool
is_heard(const DmHandshake *handshake, const DmAddress *from)
{
    DmAddress place = known_place(handshake);
    bool is_bound = dm_address_is_set(&handshake->to) && !handshake->stream->checked &&
                    (dm_dtls_is_met(handshake->dtls) || (handshake->agreed.role == DM_DTLS_ACTIVE &&
                                                         dm_address_equal(&handshake->to, &place)));

    return is_bound ? dm_address_equal(from, &handshake->to)
                    : may_be_peers(handshake->stream, handshake->is_rtcp, from);
}

static void
send_datagram(const uint8_t *bytes, size_t len, void *user_data)
{
    DmHandshake *handshake = user_data;
    DmAddress to = destination(handshake);

    /* What is lost here is sent again like any other. */
    if (dm_address_is_set(&to)) {
        (void)sendto(handshake->is_rtcp ? handshake->stream->rtcp_fd : handshake->stream->fd,
                     bytes,
                     len,
                     MSG_DONTWAIT | MSG_NOSIGNAL,
                     &to.any,
                     dm_address_len(&to));
    }
}

/*
 * How it ends
 */

/* Whoever has shown the certificate is where its datagrams came from. */
static void
believe(const DmHandshake *handshake)
{
    DmStream *stream = handshake->stream;

    if (stream->checked || !dm_address_is_set(&handshake->to)) {
        return;
    }
    if (handshake->is_rtcp) {
        stream->rtcp.source = handshake->to;
    } else if (!stream->pinned && !dm_address_equal(&handshake->to, &stream->remote)) {
        dm_flow_believe(stream, &handshake->to);
    }
}

static void
on_done(DmHandshake *handshake)
{
    DmStream *stream = handshake->stream;
    DmMediaEvent event = {.type = DM_MEDIA_EVENT_KEYED};
    DmSrtpKey in;
    DmSrtpKey out;

    handshake->limit_us = 0;
    dm_worker_count(dm_worker_stats(worker_of(handshake)), dtls_done);
    dm_dtls_keys(handshake->dtls, &in, &out);
    believe(handshake);
    if (handshake->is_rtcp) {
        dm_secure_take_rtcp_keys(stream, &in, &out);
    } else {
        dm_secure_take_keys(stream, &in, &out);
        dm_publish(stream->srtp_suite, in.suite);
        dm_session_emit(stream, &event);
    }
    explicit_bzero(&in, sizeof in);
    explicit_bzero(&out, sizeof out);
}

/* A call goes on without RTCP: many peers have none, and speech shows that the peer is there. */
static void
on_failed(DmHandshake *handshake, DmDtlsFailure failure)
{
    int64_t *stats = dm_worker_stats(worker_of(handshake));
    DmMediaEvent event = {.type = DM_MEDIA_EVENT_KEYS_FAILED, .failure = failure};

    handshake->limit_us = 0;
    g_clear_pointer(&handshake->dtls, dm_dtls_free);
    if (failure == DM_DTLS_NO_ANSWER) {
        dm_worker_count(stats, dtls_timeout);
    } else {
        dm_worker_count(stats, dtls_failed);
    }
    if (!handshake->is_rtcp) {
        dm_session_emit(handshake->stream, &event);
    }
}

static void
begin(DmHandshake *handshake)
{
    DmStream *stream = handshake->stream;

    dm_dtls_free(handshake->dtls);
    handshake->dtls = dm_dtls_new(dm_stream_session(stream)->identity,
                                  &handshake->agreed,
                                  stream->checked,
                                  send_datagram,
                                  handshake);
}

static void
reach(DmHandshake *handshake)
{
    if (handshake->dtls != NULL && dm_dtls_state(handshake->dtls) == DM_DTLS_NEW) {
        dm_worker_ask(worker_of(handshake), &handshake->job);
    }
}

/* Whether it failed with who is where the peer is known to be. */
static bool
was_with_peer(const DmHandshake *handshake)
{
    DmAddress place = known_place(handshake);

    return dm_address_equal(&handshake->to, &place);
}

/* Silence is met by beginning anew, until the time is over: a phone that rings has no reason to
 * answer yet. So is whoever calls from elsewhere with another certificate, which may be another
 * phone that rang and has not heard yet that it lost; but not for ever. */
static bool
shall_begin_anew(DmHandshake *handshake, DmDtlsFailure failure)
{
    bool is_answered = handshake->limit_us != 0;

    if (failure == DM_DTLS_NO_ANSWER) {
        return true;
    }
    if ((is_answered && was_with_peer(handshake)) || handshake->n_strangers == MAX_STRANGERS) {
        return false;
    }
    handshake->n_strangers++;
    handshake->failure = (uint8_t)failure;
    return true;
}

static void
note_failure(DmHandshake *handshake)
{
    DmDtlsFailure failure = dm_dtls_failure(handshake->dtls);

    if (shall_begin_anew(handshake, failure)) {
        begin(handshake);
        handshake->to = (DmAddress){0};
        reach(handshake);
    } else {
        on_failed(handshake, failure);
    }
}

static void
note_state(DmHandshake *handshake, DmDtlsState before)
{
    DmDtlsState state = dm_dtls_state(handshake->dtls);

    if (state == DM_DTLS_FAILED) {
        note_failure(handshake);
    } else if (state == DM_DTLS_DONE && before != DM_DTLS_DONE) {
        on_done(handshake);
    }
}

/*
 * What is done, and when
 */

static void on_timer(DmTimer *timer, void *user_data);

static void
arm(DmHandshake *handshake)
{
    int64_t wait_us = handshake->dtls != NULL ? dm_dtls_wait_us(handshake->dtls) : -1;
    int64_t due_us;

    handshake->resend_us = wait_us >= 0 ? now_of(handshake) + wait_us : 0;
    due_us = handshake->resend_us != 0 ? handshake->resend_us : G_MAXINT64;
    if (handshake->limit_us != 0) {
        due_us = MIN(due_us, handshake->limit_us);
    }
    if (due_us == G_MAXINT64) {
        dm_timer_disarm(&handshake->timer);
        return;
    }
    dm_loop_arm(dm_worker_loop(worker_of(handshake)),
                &handshake->timer,
                MAX(due_us - now_of(handshake), 0),
                on_timer,
                handshake);
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    DmHandshake *handshake = user_data;

    dm_worker_ask(worker_of(handshake), &handshake->job);
}

static bool
is_to_begin(const DmHandshake *handshake)
{
    DmAddress to = destination(handshake);

    return dm_dtls_state(handshake->dtls) == DM_DTLS_NEW &&
           (handshake->agreed.role == DM_DTLS_PASSIVE || dm_address_is_set(&to));
}

static void
take_datagram(DmHandshake *handshake)
{
    g_autofree Datagram *datagram = g_queue_pop_head(&handshake->waiting);

    if (datagram != NULL && is_heard(handshake, &datagram->from)) {
        handshake->to = datagram->from;
        dm_dtls_input(handshake->dtls, datagram->bytes, datagram->len, &datagram->from);
    }
}

/* One step: whatever is most urgent. */
static void
step(DmHandshake *handshake)
{
    int64_t now_us = now_of(handshake);
    DmDtlsState before = dm_dtls_state(handshake->dtls);

    if (is_to_begin(handshake)) {
        dm_dtls_start(handshake->dtls);
    } else if (handshake->waiting.head != NULL) {
        take_datagram(handshake);
    } else if (handshake->resend_us != 0 && now_us >= handshake->resend_us) {
        dm_dtls_on_timer(handshake->dtls);
    }
    note_state(handshake, before);
    if (handshake->limit_us != 0 && now_us >= handshake->limit_us) {
        on_failed(handshake,
                  handshake->failure != 0 ? (DmDtlsFailure)handshake->failure : DM_DTLS_NO_ANSWER);
    }
}

static void
drop_waiting(DmHandshake *handshake)
{
    g_queue_clear_full(&handshake->waiting, g_free);
}

static void
run(DmWorkerJob *job)
{
    DmHandshake *handshake = (DmHandshake *)((char *)job - G_STRUCT_OFFSET(DmHandshake, job));

    if (handshake->dtls != NULL) {
        step(handshake);
    }
    if (handshake->dtls == NULL) {
        drop_waiting(handshake);
    } else if (handshake->waiting.head != NULL) {
        dm_worker_ask(worker_of(handshake), job);
    }
    arm(handshake);
}

/*
 * From outside
 */

static bool
is_same(const DmDtlsSpec *a, const DmDtlsSpec *b)
{
    return a->role == b->role && a->association == b->association &&
           memcmp(&a->peer, &b->peer, sizeof a->peer) == 0;
}

static DmHandshake *
handshake_new(DmStream *stream, bool is_rtcp)
{
    DmHandshake *handshake = g_new0(DmHandshake, 1);

    handshake->stream = stream;
    handshake->is_rtcp = is_rtcp;
    handshake->job.run = run;
    g_queue_init(&handshake->waiting);
    return handshake;
}

static void
handshake_free(DmHandshake *handshake)
{
    if (handshake != NULL) {
        dm_worker_unask(worker_of(handshake), &handshake->job);
        dm_timer_disarm(&handshake->timer);
        drop_waiting(handshake);
        dm_dtls_free(handshake->dtls);
        g_free(handshake);
    }
}

/* The limit counts from the answer, and from what is agreed on later. */
static void
set_limit(DmHandshake *handshake, bool is_answered)
{
    if (is_answered && handshake->limit_us == 0 && handshake->dtls != NULL &&
        dm_dtls_state(handshake->dtls) != DM_DTLS_DONE) {
        handshake->limit_us = now_of(handshake) + DM_HANDSHAKE_LIMIT_US;
    }
}

static void
update(DmHandshake *handshake, const DmDtlsSpec *agreed, bool is_answered)
{
    if (!is_same(&handshake->agreed, agreed)) {
        handshake->agreed = *agreed;
        handshake->limit_us = 0;
        handshake->to = (DmAddress){0};
        handshake->n_strangers = 0;
        handshake->failure = DM_DTLS_NO_FAILURE;
        drop_waiting(handshake);
        begin(handshake);
    }
    set_limit(handshake, is_answered);
    dm_worker_ask(worker_of(handshake), &handshake->job);
}

static struct DmHandshake **
place_of(DmStream *stream, bool is_rtcp)
{
    return is_rtcp ? &stream->rtcp_handshake : &stream->handshake;
}

void
dm_handshake_update(DmStream *stream, const DmMediaSideSpec *agreed, bool is_answered)
{
    bool has_dtls = agreed->dtls.role != DM_DTLS_OFF && dm_stream_session(stream)->identity != NULL;

    if (!has_dtls) {
        dm_publish(stream->srtp_suite, DM_SRTP_NONE);
    }
    for (unsigned is_rtcp = 0; is_rtcp < 2; is_rtcp++) {
        struct DmHandshake **place = place_of(stream, is_rtcp);

        if (!has_dtls || (is_rtcp && agreed->rtcp_mux)) {
            handshake_free(g_steal_pointer(place));
            continue;
        }
        if (*place == NULL) {
            *place = handshake_new(stream, is_rtcp);
        }
        update(*place, &agreed->dtls, is_answered);
    }
    if (has_dtls && stream->early != NULL) {
        g_queue_push_tail(&stream->handshake->waiting, g_steal_pointer(&stream->early));
    }
    g_clear_pointer(&stream->early, g_free);
}

void
dm_handshake_free(DmStream *stream)
{
    handshake_free(g_steal_pointer(&stream->handshake));
    handshake_free(g_steal_pointer(&stream->rtcp_handshake));
    g_clear_pointer(&stream->early, g_free);
}

static Datagram *
datagram_new(const uint8_t *bytes, size_t len, const DmAddress *from)
{
    Datagram *datagram = g_malloc(sizeof *datagram + len);

    datagram->from = *from;
    datagram->len = (uint16_t)len;
    memcpy(datagram->bytes, bytes, len);
    return datagram;
}

void
dm_handshake_input(DmStream *stream,
                   bool is_rtcp,
                   const uint8_t *bytes,
                   size_t len,
                   const DmAddress *from)
{
    DmHandshake *handshake = *place_of(stream, is_rtcp);

    if (handshake == NULL || handshake->dtls == NULL || !is_heard(handshake, from) ||
        handshake->waiting.length == MAX_WAITING) {
        dm_worker_count(dm_worker_stats(dm_stream_session(stream)->worker), dtls_dropped);
        return;
    }
    g_queue_push_tail(&handshake->waiting, datagram_new(bytes, len, from));
    dm_worker_ask(worker_of(handshake), &handshake->job);
}

void
dm_handshake_keep(DmStream *stream, const uint8_t *bytes, size_t len, const DmAddress *from)
{
    if (stream->early == NULL) {
        stream->early = datagram_new(bytes, len, from);
    }
}

void
dm_handshake_reach(DmStream *stream, bool is_rtcp)
{
    DmHandshake *handshake = *place_of(stream, is_rtcp);

    if (handshake != NULL) {
        reach(handshake);
    }
}
