/* SPDX-License-Identifier: Apache-2.0 */
/* SRTP through the engine on real sockets of the loopback interface: peers with keys of their own.
 * Nothing here sleeps: everything waits for a packet or an event, under a watchdog. With "-m slow"
 * the flood is of a million packets. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "media/net/socket.h"
#include "media/rtp/packet.h"
#include "media/rtp/rtcp.h"
#include "media/session.h"
#include "media/srtp/srtp.h"

#define WATCHDOG_MS 10000
#define PORT_MIN    24000
#define PORT_MAX    24099
#define FRAME_LEN   160
#define NEAR_WRAP   65530 /* six packets before the sequence number begins anew */

static DmSrtpKey
make_key(DmSrtpSuite suite, uint8_t seed)
{
    DmSrtpKey key = {.suite = (uint8_t)suite};

    for (unsigned i = 0; i < dm_srtp_key_len(suite); i++) {
        key.bytes[i] = (uint8_t)(seed + i * 11);
    }
    return key;
}

/*
 * A peer: a socket, and what it encrypts and decrypts with
 */
typedef struct {
    int fd;
    DmAddress address, gateway;
    DmRtpPacket next;
    DmSrtpKey own_key, gateway_key;
    DmSrtp *out, *in; /* NULL: plain RTP */
} Peer;

static int
open_socket(DmAddress *out_address)
{
    socklen_t len = sizeof *out_address;
    int fd;

    dm_address_parse(out_address, "127.0.0.1", 0);
    fd = dm_udp_open(out_address, 0);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(getsockname(fd, &out_address->any, &len), ==, 0);
    return fd;
}

static void
peer_open(Peer *peer, const DmAddress *gateway)
{
    *peer = (Peer){.gateway = *gateway};
    peer->fd = open_socket(&peer->address);
    peer->next = (DmRtpPacket){.ssrc = g_random_int(), .sequence = NEAR_WRAP};
}

static void
peer_close(Peer *peer)
{
    close(peer->fd);
    dm_srtp_free(peer->in);
    dm_srtp_free(peer->out);
}

/* New keys both ways; the counts go on from where they are. */
static void
peer_take_keys(Peer *peer, DmSrtpSuite suite, uint8_t seed, bool reset_roc)
{
    uint32_t roc = peer->out != NULL && !reset_roc ? dm_srtp_roc(peer->out, peer->next.ssrc) : 0;

    peer->own_key = make_key(suite, seed);
    peer->gateway_key = make_key(suite, (uint8_t)(seed + 1));
    dm_srtp_free(peer->out);
    dm_srtp_free(peer->in);
    peer->out = dm_srtp_new_sender(&peer->own_key, peer->next.ssrc, roc);
    peer->in = dm_srtp_new_receiver(&peer->gateway_key, 0, 0);
}

static void
send_bytes(int fd, const DmAddress *to, const void *bytes, size_t len)
{
    g_assert_cmpint(sendto(fd, bytes, len, 0, &to->any, dm_address_len(to)), ==, len);
}

/* Builds the next packet, protected when the peer has keys. Returns its length. */
static size_t
peer_make(Peer *peer, uint8_t octet, uint8_t *bytes)
{
    size_t len = DM_RTP_HEADER_LEN + FRAME_LEN;

    dm_rtp_build(bytes, &peer->next);
    memset(bytes + DM_RTP_HEADER_LEN, octet, FRAME_LEN);
    peer->next.sequence++;
    peer->next.timestamp += FRAME_LEN;
    if (peer->out != NULL) {
        g_assert_cmpint(dm_srtp_protect_rtp(peer->out, bytes, &len), ==, DM_SRTP_OK);
    }
    return len;
}

static void
peer_send(Peer *peer, uint8_t octet)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len = peer_make(peer, octet, bytes);

    send_bytes(peer->fd, &peer->gateway, bytes, len);
}

static size_t
receive_datagram(int fd, uint8_t *bytes)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (poll(&ready, 1, WATCHDOG_MS) == 0) {
        g_error("no packet came");
    }
    n = recv(fd, bytes, DM_DATAGRAM_MAX, 0);
    g_assert_cmpint(n, >, 0);
    return (size_t)n;
}

/* Returns the octet of the frame that came. */
static uint8_t
peer_receive(Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len = receive_datagram(peer->fd, bytes);
    DmRtpPacket rtp;

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

/*
 * A call
 */
typedef struct {
    DmMedia *media;
    DmMediaSession *session;
    GAsyncQueue *events;
    DmMediaSpec spec;
    Peer a, b;
} Call;

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

/* Hands the session what was agreed, and waits until it has it: commands are run in order. */
static void
call_update(Call *call)
{
    g_autoptr(GAsyncQueue) events = g_async_queue_new_full(g_free);
    DmMediaOpen open = {.on_event = on_event, .user_data = events};
    const Peer *peers[] = {&call->a, &call->b};

    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        call->spec.side[side].srtp_in = peers[side]->own_key;
        call->spec.side[side].srtp_out = peers[side]->gateway_key;
    }
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
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        DmMediaSideSpec *agreed = &call->spec.side[side];

        agreed->remote_rtp = side == DM_SIDE_A ? call->a.address : call->b.address;
        agreed->direction = DM_MEDIA_BOTH;
        agreed->recv[0] = agreed->send[0] =
            (DmMediaFormat){.codec = DM_CODEC_PCMU, .channels = 1, .clock_hz = 8000};
        agreed->n_recv = agreed->n_send = 1;
    }
}

static DmMediaReport
call_close(Call *call)
{
    DmMediaReport report;

    dm_media_session_close(call->session);
    report = wait_for(call->events, DM_MEDIA_EVENT_CLOSED).report;
    dm_media_free(call->media);
    g_async_queue_unref(call->events);
    peer_close(&call->a);
    peer_close(&call->b);
    return report;
}

static void
test_one_side_protected(void)
{
    Call call;
    DmMediaReport report;

    g_test_summary("SEC-2: SRTP on one side, RTP on the other, the sequence number going round");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
    call_update(&call);
    talk(&call.a, &call.b, 20);
    talk(&call.b, &call.a, 20);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 20);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_bytes, ==, 20 * FRAME_LEN);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_srtp_auth, ==, 0);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_lost, ==, 0);
}

static void
test_both_sides_with_keys_of_their_own(void)
{
    g_test_summary("SEC-2: every suite toward A, another one toward B: taken apart and made anew");

    for (unsigned suite = 1; suite < DM_N_SRTP_SUITES; suite++) {
        Call call;

        call_open(&call);
        peer_take_keys(&call.a, (DmSrtpSuite)suite, 1, false);
        peer_take_keys(&call.b, (DmSrtpSuite)(suite % (DM_N_SRTP_SUITES - 1) + 1), 50, false);
        call_update(&call);
        talk(&call.a, &call.b, 10);
        talk(&call.b, &call.a, 10);
        call_close(&call);
    }
}

static void
test_speech_is_transcoded_between_keys(void)
{
    Call call;
    DmMediaFormat a_law = {.codec = DM_CODEC_PCMA, .pt = 8, .channels = 1, .clock_hz = 8000};
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len;
    DmRtpPacket rtp;

    g_test_summary("SEC-2, MED-2: protected mu-law of 20 ms into protected A-law of 40 ms");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AEAD_AES_256_GCM, 1, false);
    peer_take_keys(&call.b, DM_SRTP_AES_CM_128_HMAC_SHA1_32, 50, false);
    call.spec.side[DM_SIDE_B].recv[0] = call.spec.side[DM_SIDE_B].send[0] = a_law;
    call.spec.side[DM_SIDE_B].ptime_ms = 40;
    call_update(&call);
    for (unsigned i = 0; i < 10; i++) {
        peer_send(&call.a, 0xff);
    }
    for (unsigned i = 0; i < 5; i++) {
        len = receive_datagram(call.b.fd, bytes);
        g_assert_cmpint(dm_srtp_unprotect_rtp(call.b.in, bytes, &len), ==, DM_SRTP_OK);
        g_assert_cmpint(dm_rtp_parse(bytes, len, &rtp), ==, DM_RTP_OK);
        g_assert_cmpuint(rtp.pt, ==, 8);
        g_assert_cmpuint(rtp.payload_len, ==, 320);
    }
    call_close(&call);
}

static void
test_reports_are_protected(void)
{
    Call call;
    DmAddress address;
    DmAddress gateway_rtcp;
    uint8_t bytes[DM_DATAGRAM_MAX];
    DmRtcpReport report = {.cname = "peer"};
    DmMediaReport end;
    DmRtcpInfo info;
    size_t len;
    int fd = open_socket(&address);

    g_test_summary("SEC-2, MED-8: SRTCP both ways; a plain report from the same host is not heard");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_32, 1, false);
    call.spec.side[DM_SIDE_A].remote_rtcp = address;
    call_update(&call);
    talk(&call.a, &call.b, 2);

    gateway_rtcp = call.a.gateway;
    dm_address_set_port(&gateway_rtcp, (uint16_t)(dm_address_port(&gateway_rtcp) + 1));
    report.ssrc = call.a.next.ssrc;
    len = dm_rtcp_build(bytes, &report);
    send_bytes(fd, &gateway_rtcp, bytes, len);
    g_assert_cmpint(dm_srtp_protect_rtcp(call.a.out, bytes, &len), ==, DM_SRTP_OK);
    send_bytes(fd, &gateway_rtcp, bytes, len);
    do {
        g_thread_yield();
        dm_media_session_report(call.session, &end);
    } while (end.side[DM_SIDE_A].rtcp_rx == 0 || end.side[DM_SIDE_A].rx_srtp_auth == 0);

    dm_media_session_close(call.session);
    len = receive_datagram(fd, bytes);
    g_assert_cmpint(dm_srtp_unprotect_rtcp(call.a.in, bytes, &len), ==, DM_SRTP_OK);
    g_assert_cmpint(dm_rtcp_parse(bytes, len, 0, &info), ==, DM_RTCP_OK);
    end = wait_for(call.events, DM_MEDIA_EVENT_CLOSED).report;
    g_assert_cmpuint(end.side[DM_SIDE_A].rtcp_rx, ==, 1);
    g_assert_cmpuint(end.side[DM_SIDE_A].rx_srtp_auth, ==, 1);
    dm_media_free(call.media);
    g_async_queue_unref(call.events);
    peer_close(&call.a);
    peer_close(&call.b);
    close(fd);
}

static void
test_only_the_keys_owner_is_latched_on(void)
{
    Call call;
    DmAddress address;
    DmMediaReport report;
    DmMediaEvent event;
    Peer stranger;
    int fd = open_socket(&address);

    g_test_summary("MED-4: a stranger who is first, in sequence and plausible is not learned; the "
                   "owner of the key is, from wherever it sends");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
    call.spec.side[DM_SIDE_A].nat = DM_NAT_ANY;
    dm_address_parse(&call.spec.side[DM_SIDE_A].remote_rtp, "127.0.0.1", 9);
    call_update(&call);
    peer_open(&stranger, &call.a.gateway);
    for (unsigned i = 0; i < 20; i++) {
        peer_send(&stranger, 0x66);
    }
    peer_take_keys(&stranger, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 77, false);
    for (unsigned i = 0; i < 20; i++) {
        peer_send(&stranger, 0x66);
    }
    for (unsigned i = 0; i < 3; i++) {
        peer_send(&call.a, 0x11);
    }
    event = wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    g_assert_true(dm_address_equal(&event.address, &call.a.address));
    g_assert_cmphex(peer_receive(&call.b), ==, 0x11);
    talk(&call.b, &call.a, 3);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_srtp_auth, ==, 40);
    peer_close(&stranger);
    close(fd);
}

static void
test_another_phone_with_another_key(void)
{
    Call call;
    Peer rival;
    DmMediaSideSpec *b = &call.spec.side[DM_SIDE_B];
    DmMediaEvent event;

    g_test_summary(
        "SEC-2, SIG-9: of several phones that ring, each with a key, one is heard first: "
        "it is told of, and heard once its key is known");

    call_open(&call);
    peer_take_keys(&call.b, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
    peer_open(&rival, &call.b.gateway);
    peer_take_keys(&rival, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 50, false);
    b->hear_rivals = true;
    b->rivals[b->n_rivals++] = rival.address;
    call_update(&call);
    for (unsigned i = 0; i < 3; i++) {
        peer_send(&rival, 0x44);
    }
    event = wait_for(call.events, DM_MEDIA_EVENT_LATCHED);
    g_assert_true(dm_address_equal(&event.address, &rival.address));

    b->remote_rtp = rival.address;
    b->rivals[0] = call.b.address;
    dm_srtp_free(call.b.in);
    dm_srtp_free(call.b.out);
    close(call.b.fd);
    call.b = rival;
    call_update(&call);
    talk(&call.b, &call.a, 3);
    talk(&call.a, &call.b, 3);
    g_assert_cmpuint(call_close(&call).side[DM_SIDE_B].rx_srtp_auth, ==, 0);
}

static void
test_hold_keeps_the_count(void)
{
    Call call;

    g_test_summary("SEC-2: the same keys again, held, resumed, moved, and fax in between: the "
                   "rollover counter goes on both ways");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
    call_update(&call);
    talk(&call.a, &call.b, 12);
    g_assert_cmpuint(dm_srtp_roc(call.a.out, call.a.next.ssrc), ==, 1);
    talk(&call.b, &call.a, 3);

    call_update(&call);
    talk(&call.a, &call.b, 3);
    call.spec.side[DM_SIDE_A].direction = DM_MEDIA_SEND;
    call_update(&call);
    call.spec.side[DM_SIDE_A].direction = DM_MEDIA_BOTH;
    call_update(&call);
    talk(&call.a, &call.b, 3);
    talk(&call.b, &call.a, 3);

    close(call.a.fd);
    call.a.fd = open_socket(&call.a.address);
    call.spec.side[DM_SIDE_A].remote_rtp = call.a.address;
    call_update(&call);
    talk(&call.a, &call.b, 3);
    talk(&call.b, &call.a, 3);
    g_assert_cmpuint(call_close(&call).side[DM_SIDE_A].rx_srtp_auth, ==, 0);
}

static void
test_plain_media_in_between_do_not_reset_the_count(void)
{
    Call call;
    DmSrtp *in;
    DmSrtp *out;

    g_test_summary("SEC-2: from SRTP to RTP and back with the same keys: nothing is sent twice "
                   "under one count");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
    call_update(&call);
    talk(&call.a, &call.b, 12);
    talk(&call.b, &call.a, 3);

    in = g_steal_pointer(&call.a.in);
    out = g_steal_pointer(&call.a.out);
    call.a.own_key.suite = call.a.gateway_key.suite = DM_SRTP_NONE;
    call_update(&call);
    talk(&call.a, &call.b, 3);
    talk(&call.b, &call.a, 3);

    call.a.in = in;
    call.a.out = out;
    call.a.own_key.suite = call.a.gateway_key.suite = DM_SRTP_AES_CM_128_HMAC_SHA1_80;
    call_update(&call);
    talk(&call.a, &call.b, 3);
    talk(&call.b, &call.a, 3);
    g_assert_cmpuint(call_close(&call).side[DM_SIDE_A].rx_srtp_auth, ==, 0);
}

static void
test_a_new_key_takes_over(void)
{
    Call call;
    uint8_t late[DM_DATAGRAM_MAX];
    size_t late_len;

    g_test_summary("SEC-2: a new key, the count going on (RFC 3711) or reset (Teams); what comes "
                   "late under the old one is heard until the new one is used");

    for (unsigned reset = 0; reset < 2; reset++) {
        DmMediaReport report;

        call_open(&call);
        call.spec.side[DM_SIDE_A].rekey_resets_roc = reset != 0;
        peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
        call_update(&call);
        talk(&call.a, &call.b, 12);
        talk(&call.b, &call.a, 3);

        late_len = peer_make(&call.a, 0x77, late);
        peer_take_keys(&call.a, DM_SRTP_AEAD_AES_128_GCM, 90, reset != 0);
        call_update(&call);
        send_bytes(call.a.fd, &call.a.gateway, late, late_len);
        g_assert_cmphex(peer_receive(&call.b), ==, 0x77);
        talk(&call.a, &call.b, 3);
        talk(&call.b, &call.a, 3);
        late[20] ^= 1;
        send_bytes(call.a.fd, &call.a.gateway, late, late_len);
        talk(&call.a, &call.b, 1);
        report = call_close(&call);
        g_assert_cmpuint(report.side[DM_SIDE_A].rx_srtp_auth, ==, 1);
    }
}

static void
test_a_peer_in_the_middle_of_its_count(void)
{
    Call call;
    Peer *a = &call.a;
    DmMediaReport report;
    uint8_t garbage[180] = {0x80};

    g_test_summary(
        "SEC-2: a peer whose number has gone round before it came here is heard; another "
        "peer on the same side has seen nothing of our count");

    call_open(&call);
    peer_take_keys(a, DM_SRTP_AEAD_AES_128_GCM, 1, false);
    dm_srtp_free(a->out);
    a->out = dm_srtp_new_sender(&a->own_key, a->next.ssrc, 3);
    call.spec.side[DM_SIDE_A].peer = 1;
    call_update(&call);
    for (unsigned i = 0; i < 5; i++) {
        garbage[11] = (uint8_t)i;
        send_bytes(a->fd, &a->gateway, garbage, sizeof garbage);
    }
    talk(a, &call.b, 12);
    g_assert_cmpuint(dm_srtp_roc(a->out, a->next.ssrc), ==, 4);

    /* Our own number goes round toward A. */
    for (unsigned i = 0; i < 70000; i++) {
        peer_send(&call.b, 0x33);
        g_assert_cmphex(peer_receive(a), ==, 0x33);
    }
    peer_take_keys(a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 60, true);
    call.spec.side[DM_SIDE_A].peer = 2;
    call_update(&call);
    talk(a, &call.b, 5);
    talk(&call.b, a, 5);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_srtp_auth, ==, 5);
}

static void
test_packets_sent_again_are_dropped(void)
{
    Call call;
    DmMediaReport report;
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len;

    g_test_summary("SEC-2: a recorded packet sent again goes nowhere, and is counted");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
    call_update(&call);
    talk(&call.a, &call.b, 1);
    len = peer_make(&call.a, 0x21, bytes);
    for (unsigned i = 0; i < 5; i++) {
        send_bytes(call.a.fd, &call.a.gateway, bytes, len);
    }
    g_assert_cmphex(peer_receive(&call.b), ==, 0x21);
    talk(&call.a, &call.b, 2);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_srtp_replayed, ==, 4);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 4);
}

/* What an attacker makes: nothing, noise, or a packet that is right but for its tag. */
static size_t
make_garbage(const Call *call, uint32_t i, uint8_t *bytes)
{
    DmRtpPacket rtp = call->a.next;
    size_t len = i % 7 == 0 ? i % 30 : DM_RTP_HEADER_LEN + FRAME_LEN + 10;

    rtp.sequence = (uint16_t)(rtp.sequence + i % 1000);
    rtp.ssrc += i % 3;
    memset(bytes, (int)(i * 31), DM_RTP_HEADER_LEN + FRAME_LEN + 10);
    if (i % 5 != 0) {
        dm_rtp_build(bytes, &rtp);
        bytes[0] |= (uint8_t)(i % 64); /* padding, extension, sources */
    }
    return MAX(len, 1);
}

static void
test_a_flood_of_garbage_changes_nothing(void)
{
    Call call;
    DmMediaReport report;
    DmAddress address;
    uint8_t bytes[DM_DATAGRAM_MAX];
    int stranger = open_socket(&address);
    uint32_t n_flood = g_test_slow() ? 1000000 : 20000;
    unsigned n_talked = 0;

    g_test_summary("SEC-2, MED-4: garbage from the peer's own address and from a stranger's: every "
                   "packet of the victim arrives, in order, and nothing else");

    call_open(&call);
    peer_take_keys(&call.a, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1, false);
    call_update(&call);
    talk(&call.a, &call.b, 1);
    for (uint32_t i = 0; i < n_flood; i++) {
        size_t len = make_garbage(&call, i, bytes);

        send_bytes(i % 2 ? stranger : call.a.fd, &call.a.gateway, bytes, len);
        /* Each answered for, so that no queue of the system's overflows. */
        if (i % 20 == 19) {
            talk(&call.a, &call.b, 1);
            n_talked++;
        }
    }
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, n_talked + 1);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_lost, ==, 0);
    g_assert_cmpuint(report.side[DM_SIDE_B].tx_packets, ==, n_talked + 1);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_srtp_auth, >, 1000);
    close(stranger);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/media-srtp/one-side", test_one_side_protected);
    g_test_add_func("/media-srtp/both-sides", test_both_sides_with_keys_of_their_own);
    g_test_add_func("/media-srtp/transcoded", test_speech_is_transcoded_between_keys);
    g_test_add_func("/media-srtp/rtcp", test_reports_are_protected);
    g_test_add_func("/media-srtp/latch", test_only_the_keys_owner_is_latched_on);
    g_test_add_func("/media-srtp/rival", test_another_phone_with_another_key);
    g_test_add_func("/media-srtp/hold", test_hold_keeps_the_count);
    g_test_add_func("/media-srtp/plain-between",
                    test_plain_media_in_between_do_not_reset_the_count);
    g_test_add_func("/media-srtp/rekey", test_a_new_key_takes_over);
    g_test_add_func("/media-srtp/count", test_a_peer_in_the_middle_of_its_count);
    g_test_add_func("/media-srtp/replay", test_packets_sent_again_are_dropped);
    g_test_add_func("/media-srtp/garbage", test_a_flood_of_garbage_changes_nothing);
    return g_test_run();
}
