/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS-SRTP and the lite side of ICE through the engine, on real sockets of the loopback interface:
 * a peer A with plain RTP and a peer B that shakes hands, checks, or both. Nothing here sleeps:
 * everything waits for a packet or an event, under a watchdog. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "media/dtls/association.h"
#include "media/net/socket.h"
#include "media/rtp/packet.h"
#include "media/rtp/rtcp.h"
#include "media/session.h"
#include "media/srtp/srtp.h"
#include "media/stun/message.h"

#define WATCHDOG_MS 10000
#define PORT_MIN    44100
#define PORT_MAX    44199
#define FRAME_LEN   160
#define PASSWORD    "a-password-of-24-letters"

typedef struct {
    int fd;
    DmAddress address, gateway;
    DmRtpPacket next;
    DmDtlsIdentity *identity;
    DmDtls *dtls;     /* NULL: plain RTP, or keys from elsewhere */
    DmSrtp *in, *out; /* NULL: plain RTP */
} Peer;

typedef struct {
    DmMedia *media;
    DmMediaSession *session;
    GAsyncQueue *events;
    DmMediaSpec spec;
    Peer a, b;
} Call;

static void
peer_open(Peer *peer, const DmAddress *gateway)
{
    socklen_t len = sizeof peer->address;

    *peer = (Peer){.gateway = *gateway, .next = {.ssrc = g_random_int()}};
    dm_address_parse(&peer->address, "127.0.0.1", 0);
    peer->fd = dm_udp_open(&peer->address, 0);
    g_assert_cmpint(peer->fd, >=, 0);
    g_assert_cmpint(getsockname(peer->fd, &peer->address.any, &len), ==, 0);
    peer->identity = dm_dtls_identity_new(NULL);
    g_assert_nonnull(peer->identity);
}

static void
peer_close(Peer *peer)
{
    close(peer->fd);
    dm_dtls_free(peer->dtls);
    dm_dtls_identity_unref(peer->identity);
    dm_srtp_free(peer->in);
    dm_srtp_free(peer->out);
}

static void
peer_send_bytes(const uint8_t *bytes, size_t len, void *user_data)
{
    const Peer *peer = user_data;

    g_assert_cmpint(
        sendto(peer->fd, bytes, len, 0, &peer->gateway.any, dm_address_len(&peer->gateway)),
        ==,
        len);
}

/* 0: nothing came. */
static size_t
peer_receive_bytes(const Peer *peer, uint8_t bytes[DM_DATAGRAM_MAX], int wait_ms)
{
    struct pollfd ready = {.fd = peer->fd, .events = POLLIN};

    return poll(&ready, 1, wait_ms) > 0 ? (size_t)recv(peer->fd, bytes, DM_DATAGRAM_MAX, 0) : 0;
}

static void
peer_send(Peer *peer, uint8_t octet)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len = DM_RTP_HEADER_LEN + FRAME_LEN;

    dm_rtp_build(bytes, &peer->next);
    memset(bytes + DM_RTP_HEADER_LEN, octet, FRAME_LEN);
    peer->next.sequence++;
    peer->next.timestamp += FRAME_LEN;
    if (peer->out != NULL) {
        g_assert_cmpint(dm_srtp_protect_rtp(peer->out, bytes, &len), ==, DM_SRTP_OK);
    }
    peer_send_bytes(bytes, len, peer);
}

static uint8_t
peer_receive(Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len = peer_receive_bytes(peer, bytes, WATCHDOG_MS);
    DmRtpPacket rtp;

    g_assert_cmpuint(len, >, 0);
    if (peer->in != NULL) {
        g_assert_cmpint(dm_srtp_unprotect_rtp(peer->in, bytes, &len), ==, DM_SRTP_OK);
    }
    g_assert_cmpint(dm_rtp_parse(bytes, len, &rtp), ==, DM_RTP_OK);
    g_assert_cmpuint(rtp.payload_len, ==, FRAME_LEN);
    return bytes[rtp.payload_offset];
}

static void
talk(Peer *from, Peer *to, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        peer_send(from, (uint8_t)(i + 1));
        g_assert_cmphex(peer_receive(to), ==, (uint8_t)(i + 1));
    }
}

static void
assert_silent(const Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];

    g_assert_cmpuint(peer_receive_bytes(peer, bytes, 0), ==, 0);
}

static unsigned
count_waiting(const Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    unsigned n = 0;

    while (peer_receive_bytes(peer, bytes, 0) > 0) {
        n++;
    }
    return n;
}

/*
 * The call
 */

static void
on_event(const DmMediaEvent *event, void *user_data)
{
    g_async_queue_push(user_data, g_memdup2(event, sizeof *event));
}

static DmMediaEvent
wait_for(GAsyncQueue *events, DmMediaEventType type)
{
    for (;;) {
        g_autofree DmMediaEvent *event =
            g_async_queue_timeout_pop(events, WATCHDOG_MS * G_GUINT64_CONSTANT(1000));

        if (event == NULL) {
            g_error("event %d did not come", type);
        }
        if (event->type == type) {
            return *event;
        }
    }
}

/* Of all that have come. */
static void
assert_no_event(GAsyncQueue *events, DmMediaEventType type)
{
    DmMediaEvent *event;

    while ((event = g_async_queue_try_pop(events)) != NULL) {
        g_assert_cmpint(event->type, !=, type);
        g_free(event);
    }
}

/* Hands the session what was agreed, and waits until it has it: commands are run in order. */
static void
call_update(Call *call)
{
    g_autoptr(GAsyncQueue) events = g_async_queue_new_full(g_free);
    DmMediaOpen open = {.on_event = on_event, .user_data = events};

    dm_media_session_update(call->session, &call->spec);
    dm_media_session_close(dm_media_session_open(call->media, &open, NULL));
    wait_for(events, DM_MEDIA_EVENT_CLOSED);
}

static void
call_open(Call *call)
{
    DmMediaPool pool = {.port_min = PORT_MIN, .port_max = PORT_MAX};
    DmMediaOptions options = {.n_workers = 1, .pools = &pool, .n_pools = 1, .quarantine_ms = 1};
    DmMediaOpen open = {.on_event = on_event};
    g_autoptr(GError) error = NULL;

    memset(call, 0, sizeof *call);
    dm_address_parse(&pool.address, "127.0.0.1", 0);
    call->media = dm_media_new(&options, &error);
    g_assert_no_error(error);
    open.user_data = call->events = g_async_queue_new_full(g_free);
    call->session = dm_media_session_open(call->media, &open, &error);
    g_assert_no_error(error);
    peer_open(&call->a, dm_media_session_local(call->session, DM_SIDE_A));
    peer_open(&call->b, dm_media_session_local(call->session, DM_SIDE_B));
    call->spec.answered = true;
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        DmMediaSideSpec *agreed = &call->spec.side[side];

        agreed->remote_rtp = side == DM_SIDE_A ? call->a.address : call->b.address;
        agreed->direction = DM_MEDIA_BOTH;
        agreed->rtcp_mux = true;
        agreed->recv[0] = agreed->send[0] =
            (DmMediaFormat){.codec = DM_CODEC_PCMU, .channels = 1, .clock_hz = 8000};
        agreed->n_recv = agreed->n_send = 1;
    }
}

/* @expect: (nullable): of @peer, when the session has said goodbye. */
static DmMediaReport
call_close_with(Call *call, void (*expect)(Peer *peer), Peer *peer)
{
    DmMediaReport report;

    dm_media_session_close(call->session);
    report = wait_for(call->events, DM_MEDIA_EVENT_CLOSED).report;
    if (expect != NULL) {
        expect(peer);
    }
    dm_media_free(call->media);
    g_async_queue_unref(call->events);
    peer_close(&call->a);
    peer_close(&call->b);
    return report;
}

static DmMediaReport
call_close(Call *call)
{
    return call_close_with(call, NULL, NULL);
}

/*
 * What B and the gateway have agreed on
 */

static DmDtlsSpec
theirs_for(const Call *call, DmDtlsRole ours)
{
    return (DmDtlsSpec){
        .role = ours == DM_DTLS_ACTIVE ? DM_DTLS_PASSIVE : DM_DTLS_ACTIVE,
        .n_suites = 1,
        .suites = {DM_SRTP_AEAD_AES_128_GCM},
        .peer = *dm_media_session_fingerprint(call->session),
    };
}

static void
agree_dtls(Call *call, DmDtlsRole ours)
{
    DmDtlsSpec theirs = theirs_for(call, ours);
    DmDtlsSpec *spec = &call->spec.side[DM_SIDE_B].dtls;

    *spec = theirs;
    spec->role = (uint8_t)ours;
    spec->association = g_random_int();
    spec->peer = *dm_dtls_identity_fingerprint(call->b.identity);
    dm_dtls_free(call->b.dtls);
    call->b.dtls = dm_dtls_new(call->b.identity, &theirs, true, peer_send_bytes, &call->b);
}

static void
agree_ice(Call *call, const char *ufrag)
{
    DmIceCredentials *ice = &call->spec.side[DM_SIDE_B].ice;

    g_strlcpy(ice->ufrag, ufrag, sizeof ice->ufrag);
    g_strlcpy(ice->pwd, PASSWORD, sizeof ice->pwd);
}

/* B's RTCP, on a port of its own: what was agreed for RTP is for it as well. */
static void
agree_control(Call *call, Peer *control, DmDtlsRole ours)
{
    DmDtlsSpec theirs = theirs_for(call, ours);
    DmAddress gateway = call->b.gateway;

    dm_address_set_port(&gateway, (uint16_t)(dm_address_port(&gateway) + 1));
    peer_open(control, &gateway);
    control->next.ssrc = call->b.next.ssrc;
    call->spec.side[DM_SIDE_B].rtcp_mux = false;
    call->spec.side[DM_SIDE_B].remote_rtcp = control->address;
    control->dtls = dm_dtls_new(call->b.identity, &theirs, true, peer_send_bytes, control);
}

/* B and the gateway, until B knows. */
static void
shake_hands(Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];

    dm_dtls_start(peer->dtls); /* unless it has begun */
    while (dm_dtls_state(peer->dtls) == DM_DTLS_HANDSHAKE) {
        int64_t wait_us = dm_dtls_wait_us(peer->dtls);
        int wait_ms = wait_us >= 0 ? (int)(wait_us / 1000) + 1 : WATCHDOG_MS;
        size_t len = peer_receive_bytes(peer, bytes, wait_ms);

        g_assert_true(len > 0 || wait_us >= 0);
        if (len > 0) {
            dm_dtls_input(peer->dtls, bytes, len, &peer->gateway);
        } else {
            dm_dtls_on_timer(peer->dtls);
        }
    }
}

static void
take_keys(Peer *peer)
{
    DmSrtpKey in;
    DmSrtpKey out;

    g_assert_cmpint(dm_dtls_state(peer->dtls), ==, DM_DTLS_DONE);
    dm_dtls_keys(peer->dtls, &in, &out);
    dm_srtp_free(peer->in);
    dm_srtp_free(peer->out);
    peer->in = dm_srtp_new_receiver(&in, 0, 0);
    peer->out = dm_srtp_new_sender(&out, peer->next.ssrc, 0);
}

static void
send_check(Peer *peer, const char *username, const char *password, uint32_t priority)
{
    static const uint8_t transaction[DM_STUN_TRANSACTION_LEN] = "transaction";
    uint32_t be = GUINT32_TO_BE(priority);
    DmStunWriter writer;
    size_t len;

    dm_stun_begin(&writer, DM_STUN_REQUEST, transaction);
    dm_stun_add(&writer, DM_STUN_USERNAME, username, strlen(username));
    dm_stun_add(&writer, DM_STUN_PRIORITY, &be, sizeof be);
    dm_stun_add(&writer, DM_STUN_USE_CANDIDATE, NULL, 0);
    len = dm_stun_finish(&writer, password);
    peer_send_bytes(writer.bytes, len, peer);
}

/* Returns the answer's class; DM_STUN_INDICATION: something else came. */
static DmStunClass
check(Peer *peer, const char *username, const char *password, uint32_t priority)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    DmStun answer;
    size_t len;

    send_check(peer, username, password, priority);
    len = peer_receive_bytes(peer, bytes, WATCHDOG_MS);
    g_assert_cmpuint(len, >, 0);
    return dm_stun_parse(bytes, len, &answer) ? answer.class : DM_STUN_INDICATION;
}

/*
 * Stories
 */

static void
test_a_handshake_gives_the_keys(void)
{
    g_test_summary("SEC-2, RFC 5764: whoever begins, the keys are found on the port of the media, "
                   "and speech crosses to a plain peer and back");

    for (unsigned role = DM_DTLS_ACTIVE; role <= DM_DTLS_PASSIVE; role++) {
        Call call;
        DmMediaReport report;

        call_open(&call);
        agree_dtls(&call, (DmDtlsRole)role);
        if (role == DM_DTLS_ACTIVE) {
            dm_dtls_start(call.b.dtls); /* it waits, and must not miss the first message */
        }
        call_update(&call);
        shake_hands(&call.b);
        take_keys(&call.b);
        wait_for(call.events, DM_MEDIA_EVENT_KEYED);
        talk(&call.a, &call.b, 20);
        talk(&call.b, &call.a, 20);
        report = call_close(&call);
        g_assert_cmpint(report.side[DM_SIDE_B].srtp_suite, ==, DM_SRTP_AEAD_AES_128_GCM);
        g_assert_cmpint(report.side[DM_SIDE_A].srtp_suite, ==, DM_SRTP_NONE);
        g_assert_cmpuint(report.side[DM_SIDE_B].rx_packets, ==, 20);
        g_assert_cmpuint(report.side[DM_SIDE_B].rx_srtp_auth, ==, 0);
    }
}

static void
test_nothing_is_said_in_the_clear(void)
{
    Call call;

    g_test_summary("SEC-2: before there are keys nothing goes to the peer, and nothing of it is "
                   "heard");

    call_open(&call);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call_update(&call);
    for (unsigned i = 0; i < 5; i++) {
        peer_send(&call.a, 7);
        peer_send(&call.b, 8);
    }
    call_update(&call);
    assert_silent(&call.a);
    assert_silent(&call.b);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    talk(&call.a, &call.b, 5);
    talk(&call.b, &call.a, 5);
    call_close(&call);
}

static void
test_another_certificate_is_refused(void)
{
    Call call;
    DmMediaReport report;

    g_test_summary("RFC 5763, 5: a peer whose certificate is not the one it signalled gets no "
                   "keys, and the call hears why");

    call_open(&call);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call.spec.side[DM_SIDE_B].dtls.peer.bytes[0] ^= 0x80;
    call_update(&call);
    shake_hands(&call.b);
    g_assert_cmpint(wait_for(call.events, DM_MEDIA_EVENT_KEYS_FAILED).failure,
                    ==,
                    DM_DTLS_WRONG_FINGERPRINT);
    peer_send(&call.a, 7);
    call_update(&call);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_B].tx_packets, ==, 0);
    g_assert_cmpint(report.side[DM_SIDE_B].srtp_suite, ==, DM_SRTP_NONE);
}

/* One answer of the gateway's, without saying anything again. */
static void
hear_once(Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len = peer_receive_bytes(peer, bytes, WATCHDOG_MS);

    g_assert_cmpuint(len, >, 0);
    dm_dtls_input(peer->dtls, bytes, len, &peer->gateway);
}

/* Two turns of the worker, so that what was sent before has been read. */
static void
let_it_read(Call *call)
{
    DmMediaOpen open = {.on_event = on_event};

    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GAsyncQueue) events = g_async_queue_new_full(g_free);

        open.user_data = events;
        dm_media_session_close(dm_media_session_open(call->media, &open, NULL));
        wait_for(events, DM_MEDIA_EVENT_CLOSED);
    }
}

static void
test_a_first_message_may_come_early(void)
{
    Call call;

    g_test_summary("RFC 5763, 5: a peer that begins before its answer has arrived is answered when "
                   "that is here, and need not ask again");

    call_open(&call);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    dm_dtls_start(call.b.dtls);
    let_it_read(&call);
    assert_silent(&call.b);
    call_update(&call);
    hear_once(&call.b);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    talk(&call.b, &call.a, 5);
    call_close(&call);
}

static void
test_a_word_of_a_stranger_spoils_nothing(void)
{
    static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};

    g_test_summary("RFC 6347, 4.1.2.7: behind NAT anyone may be the peer until one has shown that "
                   "it is where it says; from then on nobody else is heard (SEC-3)");

    for (unsigned role = DM_DTLS_ACTIVE; role <= DM_DTLS_PASSIVE; role++) {
        Call call;
        Peer stranger;
        uint8_t held[DM_DATAGRAM_MAX];
        size_t len;

        call_open(&call);
        peer_open(&stranger, &call.b.gateway);
        agree_dtls(&call, (DmDtlsRole)role);
        call.spec.side[DM_SIDE_B].nat = DM_NAT_ANY;
        dm_dtls_start(call.b.dtls);
        call_update(&call);
        hear_once(&call.b); /* the cookie, or the first message */
        len = peer_receive_bytes(&call.b, held, WATCHDOG_MS);
        for (unsigned i = 0; i < 3; i++) {
            peer_send_bytes(alert, sizeof alert, &stranger);
            let_it_read(&call);
        }
        dm_dtls_input(call.b.dtls, held, len, &call.b.gateway);
        shake_hands(&call.b);
        take_keys(&call.b);
        wait_for(call.events, DM_MEDIA_EVENT_KEYED);
        talk(&call.b, &call.a, 5);
        talk(&call.a, &call.b, 5);
        assert_silent(&stranger);
        peer_close(&stranger);
        call_close(&call);
    }
}

static void
test_another_phone_may_shake_hands_first(void)
{
    Call call;
    Peer other;
    DmDtlsSpec theirs;

    g_test_summary("RFC 5763, 6.5: of two phones that ring, behind NAT, the one that lost still "
                   "comes with its certificate: it gets no keys, and the call goes on (SIG-9)");

    call_open(&call);
    peer_open(&other, &call.b.gateway);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call.spec.side[DM_SIDE_B].nat = DM_NAT_ANY;
    theirs = theirs_for(&call, DM_DTLS_PASSIVE);
    other.dtls = dm_dtls_new(other.identity, &theirs, true, peer_send_bytes, &other);
    call_update(&call);
    shake_hands(&other);
    g_assert_cmpint(dm_dtls_failure(other.dtls), ==, DM_DTLS_REFUSED);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    talk(&call.b, &call.a, 5);
    talk(&call.a, &call.b, 5);
    peer_close(&other);
    call_close(&call);
}

static void
test_strangers_that_do_not_cease(void)
{
    Call call;

    g_test_summary("But not for ever: the fourth other certificate ends it");

    call_open(&call);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call.spec.side[DM_SIDE_B].nat = DM_NAT_ANY;
    call_update(&call);
    for (unsigned i = 0; i < 4; i++) {
        DmDtlsSpec theirs = theirs_for(&call, DM_DTLS_PASSIVE);
        Peer other;

        peer_open(&other, &call.b.gateway);
        other.dtls = dm_dtls_new(other.identity, &theirs, true, peer_send_bytes, &other);
        shake_hands(&other);
        peer_close(&other);
    }
    g_assert_cmpint(wait_for(call.events, DM_MEDIA_EVENT_KEYS_FAILED).failure,
                    ==,
                    DM_DTLS_WRONG_FINGERPRINT);
    call_close(&call);
}

/* A first message, with @hello, or bytes that begin like DTLS, or like STUN. */
static void
flood(Peer *from, const DmDtlsSpec *hello, unsigned n)
{
    static const uint8_t firsts[] = {20, 21, 22, 23, 63, 0, 1};
    uint8_t bytes[200];

    if (hello != NULL && n % 2 == 0) {
        g_autoptr(DmDtls) dtls = dm_dtls_new(from->identity, hello, true, peer_send_bytes, from);

        dm_dtls_start(dtls);
        return;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)g_test_rand_int();
    }
    bytes[0] = firsts[n / 2 % G_N_ELEMENTS(firsts)];
    peer_send_bytes(bytes, sizeof bytes, from);
}

static void
test_a_flood_during_a_call(void)
{
    Call call;
    Peer stranger;
    DmDtlsSpec theirs;
    DmMediaReport report;

    g_test_summary("MED-4 SEC-2: first messages and junk of a stranger, ten for each packet of the "
                   "call, and junk from the peer's own address: nobody hears any of it, and the "
                   "stranger gets nothing");

    call_open(&call);
    peer_open(&stranger, &call.b.gateway);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call_update(&call);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    theirs = theirs_for(&call, DM_DTLS_PASSIVE);
    for (unsigned i = 0; i < 400; i++) {
        for (unsigned k = 0; k < 10; k++) {
            flood(&stranger, &theirs, i * 10 + k);
        }
        flood(&call.b, NULL, i);
        talk(&call.a, &call.b, 1);
        talk(&call.b, &call.a, 1);
    }
    assert_silent(&stranger);
    g_assert_cmpint(dm_dtls_state(call.b.dtls), ==, DM_DTLS_DONE);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_packets, ==, 400);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_lost, ==, 0);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 400);
    peer_close(&stranger);
}

static void
test_another_fingerprint_is_another_handshake(void)
{
    Call call;

    g_test_summary("RFC 8842, 4: the same agreement again leaves the keys alone; another "
                   "fingerprint is another handshake, until which the old keys go on");

    call_open(&call);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call_update(&call);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    call_update(&call);
    talk(&call.b, &call.a, 5);
    talk(&call.a, &call.b, 5);

    dm_dtls_identity_unref(call.b.identity);
    call.b.identity = dm_dtls_identity_new(NULL);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call_update(&call);
    talk(&call.a, &call.b, 5);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    talk(&call.b, &call.a, 5);
    talk(&call.a, &call.b, 5);
    call_close(&call);
}

static void
test_checks_say_where_the_peer_is(void)
{
    Call call;
    Peer stranger;
    DmMediaReport report;

    g_test_summary(
        "RFC 8445, 12: media go where a check with our password has chosen, whatever was "
        "signalled; a stranger without it changes nothing (MED-4 SEC-3)");

    call_open(&call);
    agree_ice(&call, "gateway1");
    dm_address_set_port(&call.spec.side[DM_SIDE_B].remote_rtp, 9); /* where nobody is */
    call_update(&call);
    peer_send(&call.a, 7);
    peer_send(&call.b, 7);
    call_update(&call);
    assert_silent(&call.a);
    assert_silent(&call.b);

    g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    talk(&call.a, &call.b, 5);
    talk(&call.b, &call.a, 5);

    peer_open(&stranger, &call.b.gateway);
    g_assert_cmpint(check(&stranger, "gateway1:peer", "another-password-of-24.l", 900),
                    ==,
                    DM_STUN_ERROR);
    peer_send(&stranger, 66);
    talk(&call.a, &call.b, 5);
    assert_silent(&stranger);
    assert_silent(&call.a);
    peer_close(&stranger);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_foreign_source, ==, 2);
    g_assert_true(report.side[DM_SIDE_B].is_checked);
}

static void
test_the_peer_may_move(void)
{
    Call call;
    Peer elsewhere;

    g_test_summary(
        "RFC 8445, 8.1.1: the peer chooses another address of its own, and media follow");

    call_open(&call);
    agree_ice(&call, "gateway1");
    call_update(&call);
    peer_open(&elsewhere, &call.b.gateway);
    g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    talk(&call.a, &call.b, 300); /* longer than it takes to be shielded from strangers */
    talk(&call.b, &call.a, 300);
    g_assert_cmpint(check(&elsewhere, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    talk(&call.a, &elsewhere, 5);
    talk(&elsewhere, &call.a, 5);

    agree_ice(&call, "gateway2"); /* a restart */
    call_update(&call);
    talk(&call.a, &elsewhere, 5);
    g_assert_cmpint(check(&call.b, "gateway2:peer", PASSWORD, 1), ==, DM_STUN_SUCCESS);
    wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    talk(&call.a, &call.b, 5);
    peer_close(&elsewhere);
    call_close(&call);
}

static void
test_a_handshake_begins_with_a_check(void)
{
    Call call;

    g_test_summary("RFC 8842, 7: with ICE the handshake begins when a check has shown the way, and "
                   "only with who has passed one");

    call_open(&call);
    agree_ice(&call, "gateway1");
    agree_dtls(&call, DM_DTLS_ACTIVE);
    call_update(&call);
    assert_silent(&call.b);
    g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    talk(&call.a, &call.b, 20);
    talk(&call.b, &call.a, 20);
    g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    call_close(&call);
}

static void
test_keys_outlast_hold_and_restart(void)
{
    Call call;
    Peer elsewhere;
    DmMediaReport report;

    g_test_summary(
        "SIG-16, RFC 8445, 9: hold, resume and a restart of ICE, after which the peer is "
        "elsewhere, go on under the keys there are (SEC-2)");

    call_open(&call);
    agree_ice(&call, "gateway1");
    agree_dtls(&call, DM_DTLS_PASSIVE);
    call_update(&call);
    g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    talk(&call.a, &call.b, 5);

    call.spec.side[DM_SIDE_B].direction = DM_MEDIA_SEND;
    call_update(&call);
    talk(&call.a, &call.b, 5);
    peer_send(&call.b, 7); /* not to be heard */
    let_it_read(&call);
    call.spec.side[DM_SIDE_B].direction = DM_MEDIA_BOTH;
    call_update(&call);
    talk(&call.b, &call.a, 5);

    agree_ice(&call, "gateway2");
    call_update(&call);
    talk(&call.a, &call.b, 5);
    peer_open(&elsewhere, &call.b.gateway);
    g_assert_cmpint(check(&elsewhere, "gateway2:peer", PASSWORD, 1), ==, DM_STUN_SUCCESS);
    elsewhere.in = g_steal_pointer(&call.b.in);
    elsewhere.out = g_steal_pointer(&call.b.out);
    elsewhere.next = call.b.next;
    talk(&call.a, &elsewhere, 5);
    talk(&elsewhere, &call.a, 5);
    peer_close(&elsewhere);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_srtp_auth, ==, 0);
}

static void
test_checks_are_heard_in_a_flood(void)
{
    Call call;
    Peer stranger;

    g_test_summary("SEC-3, RFC 8445, 7.3: a thousand checks of a stranger with a wrong password, "
                   "and as many with another name: few are answered, and those of the peer all");

    call_open(&call);
    peer_open(&stranger, &call.b.gateway);
    agree_ice(&call, "gateway1");
    call_update(&call);
    g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned k = 0; k < 100; k++) {
            send_check(&stranger,
                       k % 2 == 0 ? "gateway1:peer" : "gateway2:peer",
                       "another-password-of-24.l",
                       900);
        }
        g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
        talk(&call.a, &call.b, 1);
        talk(&call.b, &call.a, 1);
    }
    g_assert_cmpuint(count_waiting(&stranger), <, 100);
    peer_close(&stranger);
    call_close(&call);
}

static void
send_report(Peer *control)
{
    DmRtcpReport report = {.ssrc = control->next.ssrc, .is_sender = true, .cname = "b"};
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len = dm_rtcp_build(bytes, &report);

    g_assert_cmpint(dm_srtp_protect_rtcp(control->out, bytes, &len), ==, DM_SRTP_OK);
    peer_send_bytes(bytes, len, control);
}

/* The last one says goodbye. */
static void
assert_reported(Peer *control)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len = peer_receive_bytes(control, bytes, WATCHDOG_MS);
    DmRtcpInfo info;

    g_assert_cmpint(dm_srtp_unprotect_rtcp(control->in, bytes, &len), ==, DM_SRTP_OK);
    g_assert_cmpint(dm_rtcp_parse(bytes, len, 0, &info), ==, DM_RTCP_OK);
}

static void
test_rtcp_has_a_handshake_of_its_own(void)
{
    g_test_summary("RFC 5764, 4.1.2 and RFC 8445, 4: without rtcp-mux RTCP has a component, a "
                   "handshake and keys of its own, whoever begins (SEC-2 MED-6 MED-8)");

    for (unsigned i = 0; i < 4; i++) {
        DmDtlsRole role = i % 2 == 0 ? DM_DTLS_ACTIVE : DM_DTLS_PASSIVE;
        bool has_ice = i >= 2;
        Call call;
        Peer control;
        DmMediaReport report;

        call_open(&call);
        agree_dtls(&call, role);
        agree_control(&call, &control, role);
        if (role == DM_DTLS_ACTIVE) {
            dm_dtls_start(call.b.dtls);
            dm_dtls_start(control.dtls);
        }
        if (has_ice) {
            agree_ice(&call, "gateway1");
        }
        call_update(&call);
        if (has_ice) {
            g_assert_cmpint(check(&control, "gateway1:peer", PASSWORD, 99), ==, DM_STUN_SUCCESS);
            g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
        }
        shake_hands(&control);
        shake_hands(&call.b);
        take_keys(&control);
        take_keys(&call.b);
        wait_for(call.events, DM_MEDIA_EVENT_KEYED);
        talk(&call.a, &call.b, 5);
        talk(&call.b, &call.a, 5);
        send_report(&control);
        call_update(&call);
        report = call_close_with(&call, assert_reported, &control);
        g_assert_cmpuint(report.side[DM_SIDE_B].rtcp_rx, ==, 1);
        g_assert_cmpuint(report.side[DM_SIDE_B].rtcp_tx, ==, 1);
        g_assert_cmpuint(report.side[DM_SIDE_B].rx_srtp_auth, ==, 0);
        peer_close(&control);
    }
}

static void
test_speech_goes_on_without_rtcp(void)
{
    Call call;
    Peer control;
    DmDtlsSpec theirs;

    g_test_summary("A handshake for RTCP that comes to nothing, with another certificate than "
                   "signalled, costs the RTCP and not the call");

    call_open(&call);
    agree_dtls(&call, DM_DTLS_PASSIVE);
    agree_control(&call, &control, DM_DTLS_PASSIVE);
    theirs = theirs_for(&call, DM_DTLS_PASSIVE);
    dm_dtls_free(control.dtls);
    control.dtls = dm_dtls_new(control.identity, &theirs, true, peer_send_bytes, &control);
    call_update(&call);
    shake_hands(&control);
    g_assert_cmpint(dm_dtls_failure(control.dtls), ==, DM_DTLS_REFUSED);
    shake_hands(&call.b);
    take_keys(&call.b);
    wait_for(call.events, DM_MEDIA_EVENT_KEYED);
    talk(&call.b, &call.a, 5);
    talk(&call.a, &call.b, 5);
    call_update(&call);
    assert_no_event(call.events, DM_MEDIA_EVENT_KEYS_FAILED);
    peer_close(&control);
    call_close(&call);
}

static void
test_checks_and_keys_of_signalling(void)
{
    Call call;
    DmSrtpKey in = {.suite = DM_SRTP_AES_CM_128_HMAC_SHA1_80, .bytes = {1}};
    DmSrtpKey out = {.suite = DM_SRTP_AES_CM_128_HMAC_SHA1_80, .bytes = {2}};

    g_test_summary("SEC-2: ICE with keys from SDP, as Teams has it with media bypass");

    call_open(&call);
    agree_ice(&call, "gateway1");
    call.spec.side[DM_SIDE_B].srtp_in = in;
    call.spec.side[DM_SIDE_B].srtp_out = out;
    call.b.in = dm_srtp_new_receiver(&out, 0, 0);
    call.b.out = dm_srtp_new_sender(&in, call.b.next.ssrc, 0);
    call_update(&call);
    g_assert_cmpint(check(&call.b, "gateway1:peer", PASSWORD, 100), ==, DM_STUN_SUCCESS);
    wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    talk(&call.a, &call.b, 20);
    talk(&call.b, &call.a, 20);
    call_close(&call);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/media-dtls/keys", test_a_handshake_gives_the_keys);
    g_test_add_func("/media-dtls/clear", test_nothing_is_said_in_the_clear);
    g_test_add_func("/media-dtls/wrong-fingerprint", test_another_certificate_is_refused);
    g_test_add_func("/media-dtls/early", test_a_first_message_may_come_early);
    g_test_add_func("/media-dtls/alert", test_a_word_of_a_stranger_spoils_nothing);
    g_test_add_func("/media-dtls/other-phone", test_another_phone_may_shake_hands_first);
    g_test_add_func("/media-dtls/other-phones", test_strangers_that_do_not_cease);
    g_test_add_func("/media-dtls/flood", test_a_flood_during_a_call);
    g_test_add_func("/media-dtls/again", test_another_fingerprint_is_another_handshake);
    g_test_add_func("/media-dtls/rtcp", test_rtcp_has_a_handshake_of_its_own);
    g_test_add_func("/media-dtls/no-rtcp", test_speech_goes_on_without_rtcp);
    g_test_add_func("/media-ice/address", test_checks_say_where_the_peer_is);
    g_test_add_func("/media-ice/moves", test_the_peer_may_move);
    g_test_add_func("/media-ice/dtls", test_a_handshake_begins_with_a_check);
    g_test_add_func("/media-ice/keys", test_keys_outlast_hold_and_restart);
    g_test_add_func("/media-ice/flood", test_checks_are_heard_in_a_flood);
    g_test_add_func("/media-ice/sdes", test_checks_and_keys_of_signalling);
    return g_test_run();
}
