/* SPDX-License-Identifier: Apache-2.0 */
/* The engine on real sockets of the loopback interface: the gateway's ports on 127.0.0.1, peers
 * wherever a test puts them. Nothing here sleeps: everything waits for a packet or an event, under
 * a watchdog. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "media/dsp/codec.h"
#include "media/dsp/g711.h"
#include "media/dsp/keys.h"
#include "media/net/socket.h"
#include "media/rtp/bytes.h"
#include "media/rtp/packet.h"
#include "media/rtp/rtcp.h"
#include "media/session.h"
#include "media/sound.h"
#include "media/stats.h"
#include "tests/lib/temp-dir.h"

#define WATCHDOG_MS 10000
#define PORT_MIN    40000
#define PORT_MAX    40199
#define FRAME_LEN   160

/*
 * A peer: a socket that sends and receives RTP
 */
typedef struct {
    int fd;
    DmAddress address;
    DmAddress gateway; /* where it sends */
    DmRtpPacket next;
} Peer;

static void
peer_open(Peer *peer, const char *host, const DmAddress *gateway)
{
    socklen_t len = sizeof peer->address;

    memset(peer, 0, sizeof *peer);
    g_assert_true(dm_address_parse(&peer->address, host, 0));
    peer->fd = dm_udp_open(&peer->address, 0);
    g_assert_cmpint(peer->fd, >=, 0);
    g_assert_cmpint(getsockname(peer->fd, &peer->address.any, &len), ==, 0);
    if (gateway != NULL) {
        peer->gateway = *gateway;
    }
    peer->next = (DmRtpPacket){.ssrc = g_random_int(), .sequence = 65530, .timestamp = 4294967000u};
}

static void
peer_send_bytes(Peer *peer, const void *bytes, size_t len)
{
    g_assert_cmpint(
        sendto(peer->fd, bytes, len, 0, &peer->gateway.any, dm_address_len(&peer->gateway)),
        ==,
        len);
}

/* One 20 ms frame of @octet. */
static void
peer_send(Peer *peer, uint8_t pt, uint8_t octet)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + FRAME_LEN];

    peer->next.pt = pt;
    dm_rtp_build(bytes, &peer->next);
    memset(bytes + DM_RTP_HEADER_LEN, octet, FRAME_LEN);
    peer_send_bytes(peer, bytes, sizeof bytes);
    peer->next.sequence++;
    peer->next.timestamp += FRAME_LEN;
}

static void
peer_send_event(Peer *peer, uint8_t pt, uint8_t key, bool is_end, uint16_t duration)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + 4];

    peer->next.pt = pt;
    dm_rtp_build(bytes, &peer->next);
    bytes[12] = key;
    bytes[13] = is_end ? 0x8a : 0x0a;
    dm_put_u16(bytes + 14, duration);
    peer_send_bytes(peer, bytes, sizeof bytes);
    peer->next.sequence++;
}

/* A key press as phones send it: three packets while it is down, three when it is up. */
static void
peer_press(Peer *peer, uint8_t pt, uint8_t key)
{
    for (unsigned i = 1; i <= 6; i++) {
        peer_send_event(peer, pt, key, i > 3, (uint16_t)(MIN(i, 4) * FRAME_LEN));
    }
    peer->next.timestamp += 10 * FRAME_LEN;
}

typedef struct {
    DmRtpPacket rtp;
    uint8_t bytes[DM_DATAGRAM_MAX];
    uint8_t *payload;
    DmAddress from;
} Received;

static bool
peer_try_receive(Peer *peer, Received *received, int wait_ms)
{
    struct pollfd ready = {.fd = peer->fd, .events = POLLIN};
    socklen_t len = sizeof received->from;
    ssize_t n;

    if (poll(&ready, 1, wait_ms) == 0) {
        return false;
    }
    n = recvfrom(peer->fd, received->bytes, sizeof received->bytes, 0, &received->from.any, &len);
    g_assert_cmpint(dm_rtp_parse(received->bytes, (size_t)MAX(n, 0), &received->rtp),
                    ==,
                    DM_RTP_OK);
    received->payload = received->bytes + received->rtp.payload_offset;
    return true;
}

static void
peer_receive(Peer *peer, Received *received)
{
    if (!peer_try_receive(peer, received, WATCHDOG_MS)) {
        g_error("no packet came");
    }
}

/*
 * A call: the engine, one session, two peers
 */
typedef struct {
    DmMedia *media;
    DmMediaSession *session;
    GAsyncQueue *events; /* of DmMediaEvent */
    DmMediaSpec spec;
    Peer a, b;
} Call;

static void
on_event(const DmMediaEvent *event, void *user_data)
{
    g_async_queue_push(user_data, g_memdup2(event, sizeof *event));
}

static DmMedia *
new_media(uint16_t port_min, uint16_t port_max, unsigned quarantine_ms)
{
    DmMediaPool pool = {.port_min = port_min, .port_max = port_max, .dscp = 46};
    DmMediaOptions options = {.n_workers = 1,
                              .pools = &pool,
                              .n_pools = 1,
                              .quarantine_ms = quarantine_ms};
    g_autoptr(GError) error = NULL;
    DmMedia *media;

    dm_address_parse(&pool.address, "127.0.0.1", 0);
    media = dm_media_new(&options, &error);
    g_assert_no_error(error);
    return media;
}

static DmMediaFormat
format(DmCodec codec, uint8_t pt)
{
    return (DmMediaFormat){.codec = codec, .pt = pt, .channels = 1, .clock_hz = 8000};
}

/* @side agrees on one voice codec and on events, under the same numbers both ways. */
static void
agree(Call *call, DmSide side, DmMediaFormat voice, uint8_t event_pt)
{
    DmMediaSideSpec *agreed = &call->spec.side[side];

    agreed->remote_rtp = side == DM_SIDE_A ? call->a.address : call->b.address;
    agreed->direction = DM_MEDIA_BOTH;
    agreed->recv[0] = agreed->send[0] = voice;
    agreed->recv[1] = agreed->send[1] = format(DM_CODEC_TELEPHONE_EVENT, event_pt);
    agreed->n_recv = agreed->n_send = 2;
}

static void
call_open(Call *call)
{
    DmMediaOpen open = {.on_event = on_event};
    g_autoptr(GError) error = NULL;

    memset(call, 0, sizeof *call);
    call->events = g_async_queue_new_full(g_free);
    call->media = new_media(PORT_MIN, PORT_MAX, 1);
    open.user_data = call->events;
    call->session = dm_media_session_open(call->media, &open, &error);
    g_assert_no_error(error);
    peer_open(&call->a, "127.0.0.1", dm_media_session_local(call->session, DM_SIDE_A));
    peer_open(&call->b, "127.0.0.1", dm_media_session_local(call->session, DM_SIDE_B));
    agree(call, DM_SIDE_A, format(DM_CODEC_PCMU, 0), 101);
    agree(call, DM_SIDE_B, format(DM_CODEC_PCMU, 0), 101);
}

/* Updates the session and waits until that is done: commands are run in order, so once a session
 * made afterwards is gone, whatever was asked before has happened. */
static void
call_update(Call *call)
{
    g_autoptr(GAsyncQueue) events = g_async_queue_new_full(g_free);
    DmMediaOpen open = {.on_event = on_event, .user_data = events};

    dm_media_session_update(call->session, &call->spec);
    dm_media_session_close(dm_media_session_open(call->media, &open, NULL));
    g_free(g_async_queue_pop(events));
}

static DmMediaEvent
wait_for(Call *call, DmMediaEventType type)
{
    for (;;) {
        g_autofree DmMediaEvent *event =
            g_async_queue_timeout_pop(call->events, WATCHDOG_MS * G_GUINT64_CONSTANT(1000));

        if (event == NULL) {
            g_error("event %d did not come", type);
        }
        if (event->type == type) {
            return *event;
        }
    }
}

static DmMediaReport
call_close(Call *call)
{
    DmMediaReport report;

    dm_media_session_close(call->session);
    report = wait_for(call, DM_MEDIA_EVENT_CLOSED).report;
    dm_media_free(call->media);
    g_async_queue_unref(call->events);
    close(call->a.fd);
    close(call->b.fd);
    return report;
}

/* A packet that is answered for: whatever came to the same socket before it is done. */
static void
send_through(Peer *from, Peer *to)
{
    Received received;

    peer_send(from, 0, 0x42);
    peer_receive(to, &received);
    g_assert_cmphex(received.payload[0], ==, 0x42);
}

static void
test_voice_flows_both_ways(void)
{
    Call call;
    Received first;
    Received second;
    DmMediaReport report;

    g_test_summary("Anchored: each hears the other from our ports, under our SSRC, in sequence");

    call_open(&call);
    call_update(&call);
    peer_send(&call.a, 0, 1);
    peer_receive(&call.b, &first);
    peer_send(&call.a, 0, 2);
    peer_receive(&call.b, &second);

    g_assert_true(dm_address_equal(&first.from, &call.b.gateway));
    g_assert_cmpuint(first.rtp.payload_len, ==, FRAME_LEN);
    g_assert_cmphex(first.payload[0], ==, 1);
    g_assert_cmphex(second.payload[159], ==, 2);
    g_assert_cmphex(first.rtp.ssrc, ==, second.rtp.ssrc);
    g_assert_cmphex(first.rtp.ssrc, !=, call.a.next.ssrc);
    g_assert_cmpuint((uint16_t)(second.rtp.sequence - first.rtp.sequence), ==, 1);
    g_assert_cmpuint(second.rtp.timestamp - first.rtp.timestamp, ==, FRAME_LEN);

    peer_send(&call.b, 0, 3);
    peer_receive(&call.a, &first);
    g_assert_true(dm_address_equal(&first.from, &call.a.gateway));

    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 2);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_bytes, ==, 2 * FRAME_LEN);
    g_assert_cmpuint(report.side[DM_SIDE_B].tx_packets, ==, 2);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_packets, ==, 1);
    g_assert_cmpuint(report.side[DM_SIDE_A].tx_packets, ==, 1);
    g_assert_cmpint(report.side[DM_SIDE_A].codec, ==, DM_CODEC_PCMU);
    g_assert_cmphex(report.side[DM_SIDE_A].ssrc_rx, ==, call.a.next.ssrc);
    g_assert_cmphex(report.side[DM_SIDE_A].ssrc_tx, ==, first.rtp.ssrc);
    g_assert_cmpint(report.side[DM_SIDE_A].first_rx_mono_us, >=, report.opened_mono_us);
    g_assert_cmpint(report.closed_mono_us, >=, report.side[DM_SIDE_A].last_rx_mono_us);
    g_assert_false(report.transcoded);
}

static void
test_laws_and_payload_types_are_turned_into_the_other_sides(void)
{
    Call call;
    Received received;

    g_test_summary(
        "MED-1, DTMF-1: mu-law 0 becomes A-law 8 and back; unknown types are dropped and counted");

    call_open(&call);
    agree(&call, DM_SIDE_B, format(DM_CODEC_PCMA, 8), 96);
    call_update(&call);
    peer_send(&call.a, 0, 0xff);
    peer_receive(&call.b, &received);
    g_assert_cmpuint(received.rtp.pt, ==, 8);
    g_assert_cmphex(received.payload[0], ==, 0xd5);
    peer_send(&call.b, 8, 0xd5);
    peer_receive(&call.a, &received);
    g_assert_cmpuint(received.rtp.pt, ==, 0);
    g_assert_cmphex(received.payload[0], ==, 0xfe); /* A-law has no zero: its smallest value */

    peer_send(&call.a, 18, 0);
    peer_send(&call.a, 0, 0xff);
    peer_receive(&call.b, &received);
    g_assert_cmpuint(received.rtp.pt, ==, 8);

    DmMediaReport report = call_close(&call);
    g_assert_true(report.transcoded);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_unknown_pt, ==, 1);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 2);
}

/* Twenty packets from @from arrive at @to as such of @len bytes each under @pt, without a gap. */
static void
assert_decoded(Call *call, Peer *from, uint8_t from_pt, Peer *to, uint8_t pt, size_t len)
{
    size_t n_expected = 20 * FRAME_LEN / len;
    Received received;
    DmRtpPacket last = {0};

    for (unsigned i = 0; i < 20; i++) {
        peer_send(from, from_pt, (uint8_t)(i * 7));
    }
    for (size_t i = 0; i < n_expected; i++) {
        peer_receive(to, &received);
        g_assert_cmpuint(received.rtp.pt, ==, pt);
        g_assert_cmpuint(received.rtp.payload_len, ==, len);
        if (i > 0) {
            g_assert_cmpuint((uint16_t)(received.rtp.sequence - last.sequence), ==, 1);
            g_assert_cmpuint(received.rtp.timestamp - last.timestamp, ==, len);
        }
        last = received.rtp;
    }
}

static void
test_codecs_and_lengths_are_turned_into_the_other_sides(void)
{
    Call call;
    DmMediaReport report;

    g_test_summary("MED-1, MED-2, MED-3: G.722 of 20 ms to mu-law of 40 ms and back; then A-law to "
                   "mu-law of 10 ms, and mu-law to that of 40 ms and of 10 ms at most; one stream "
                   "all the while");

    call_open(&call);
    agree(&call, DM_SIDE_A, format(DM_CODEC_G722, 9), 101);
    call.spec.side[DM_SIDE_B].ptime_ms = 40;
    call_update(&call);
    assert_decoded(&call, &call.a, 9, &call.b, 0, 320);
    assert_decoded(&call, &call.b, 0, &call.a, 9, 160);

    /* The same again: nothing happens to the streams. */
    call_update(&call);
    assert_decoded(&call, &call.a, 9, &call.b, 0, 320);

    agree(&call, DM_SIDE_A, format(DM_CODEC_PCMA, 8), 101);
    call.spec.side[DM_SIDE_B].ptime_ms = 10;
    call_update(&call);
    assert_decoded(&call, &call.a, 8, &call.b, 0, 80);

    agree(&call, DM_SIDE_A, format(DM_CODEC_PCMU, 0), 101);
    call.spec.side[DM_SIDE_B].ptime_ms = 40;
    call_update(&call);
    assert_decoded(&call, &call.a, 0, &call.b, 0, 320);
    call.spec.side[DM_SIDE_B].ptime_ms = 0;
    call.spec.side[DM_SIDE_B].maxptime_ms = 10;
    call_update(&call);
    assert_decoded(&call, &call.a, 0, &call.b, 0, 80);

    report = call_close(&call);
    g_assert_true(report.transcoded);
    g_assert_cmpuint(report.side[DM_SIDE_B].tx_packets, ==, 10 + 10 + 40 + 10 + 40);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 100);
}

/* Speech of @to's peer until a key is heard in it. */
static char
receive_tone(Peer *to)
{
    g_autoptr(DmDecoder) decoder = dm_decoder_new(dm_codec_type(DM_CODEC_PCMU), DM_NARROW_HZ);
    g_autoptr(DmKeyEar) ear = dm_key_ear_new();
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    Received received;
    char key = 0;

    while (key == 0) {
        size_t n;

        peer_receive(to, &received);
        g_assert_cmpuint(received.rtp.pt, ==, 0);
        n = dm_decoder_decode(decoder, received.payload, received.rtp.payload_len, samples);
        key = dm_key_ear_hear(ear, samples, n);
    }
    return key;
}

static void
peer_send_tone(Peer *peer, char key, unsigned n_packets)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + FRAME_LEN];
    DmKeyTone tone = {0};

    for (unsigned i = 0; i < n_packets; i++) {
        int16_t samples[FRAME_LEN];

        peer->next.pt = 0;
        dm_rtp_build(bytes, &peer->next);
        dm_key_tone_make(&tone, key, DM_NARROW_HZ, samples, FRAME_LEN);
        for (unsigned k = 0; k < FRAME_LEN; k++) {
            bytes[DM_RTP_HEADER_LEN + k] = dm_g711_to_ulaw(samples[k]);
        }
        peer_send_bytes(peer, bytes, sizeof bytes);
        peer->next.sequence++;
        peer->next.timestamp += FRAME_LEN;
    }
}

static void
test_keys_reach_a_peer_without_events_and_come_from_it(void)
{
    Call call;
    Received received;
    DmMediaReport report;

    g_test_summary("DTMF-2: A has events and B has not; both speak mu-law, which is relayed from A "
                   "to B but for the tones");

    call_open(&call);
    call.spec.side[DM_SIDE_B].n_recv = call.spec.side[DM_SIDE_B].n_send = 1;
    call_update(&call);
    send_through(&call.a, &call.b);
    peer_press(&call.a, 101, 5);
    g_assert_cmpint(receive_tone(&call.b), ==, '5');
    g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_DIGIT).digit, ==, '5');

    peer_send_tone(&call.b, '#', 10);
    do {
        peer_receive(&call.a, &received);
    } while (received.rtp.pt != 101);
    g_assert_cmpuint(received.payload[0], ==, 11);
    g_assert_true(received.rtp.marker);
    g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_DIGIT).digit, ==, '#');

    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].dtmf_events, ==, 1);
    g_assert_cmpuint(report.side[DM_SIDE_B].dtmf_events, ==, 1);
    g_assert_false(report.transcoded);
}

static void
test_key_presses_cross_and_are_told_once_each(void)
{
    static const char keys[] = "0123456789*#ABCD";
    Call call;
    Received received;

    g_test_summary(
        "DTMF-1, DTMF-4: type 101 becomes 96, timestamp frozen, three ends; one digit a press");

    call_open(&call);
    agree(&call, DM_SIDE_B, format(DM_CODEC_PCMU, 0), 96);
    call_update(&call);
    for (uint8_t key = 0; key < 16; key++) {
        uint32_t timestamp = 0;

        peer_press(&call.a, 101, key);
        for (unsigned i = 1; i <= 6; i++) {
            peer_receive(&call.b, &received);
            g_assert_cmpuint(received.rtp.pt, ==, 96);
            g_assert_cmpuint(received.payload[0], ==, key);
            g_assert_cmphex(received.payload[1], ==, i > 3 ? 0x8a : 0x0a);
            g_assert_cmpuint(dm_get_u16(received.payload + 2), ==, MIN(i, 4) * FRAME_LEN);
            timestamp = i == 1 ? received.rtp.timestamp : timestamp;
            g_assert_cmpuint(received.rtp.timestamp, ==, timestamp);
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        DmMediaEvent event = wait_for(&call, DM_MEDIA_EVENT_DIGIT);

        g_assert_cmpint(event.side, ==, DM_SIDE_A);
        g_assert_cmpint(event.digit, ==, keys[i]);
    }
    g_assert_cmpuint(call_close(&call).side[DM_SIDE_A].dtmf_events, ==, 16);
}

static void
test_peer_behind_nat_is_found(void)
{
    Call call;
    Peer real;
    Received received;
    DmMediaEvent event;

    g_test_summary(
        "MED-4: with policy any, three packets in a row from elsewhere move the peer there");

    call_open(&call);
    peer_open(&real, "127.0.0.2", &call.a.gateway);
    call.spec.side[DM_SIDE_A].nat = DM_NAT_ANY;
    call_update(&call);
    for (unsigned i = 0; i < 4; i++) {
        peer_send(&real, 0, (uint8_t)i);
    }
    event = wait_for(&call, DM_MEDIA_EVENT_LATCHED);
    g_assert_cmpint(event.side, ==, DM_SIDE_A);
    g_assert_true(dm_address_equal(&event.address, &real.address));
    peer_receive(&call.b, &received);
    g_assert_cmphex(received.payload[0], ==, 2);
    peer_receive(&call.b, &received);
    g_assert_cmphex(received.payload[0], ==, 3);

    peer_send(&call.b, 0, 9);
    peer_receive(&real, &received);
    g_assert_cmphex(received.payload[0], ==, 9);

    /* Who was signalled comes too late. */
    peer_send(&call.a, 0, 7);
    send_through(&real, &call.b);

    DmMediaReport report = call_close(&call);
    g_assert_true(dm_address_equal(&report.side[DM_SIDE_A].latched, &real.address));
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_foreign_source, ==, 1);
    close(real.fd);
}

static void
test_attacker_hears_nothing_and_is_not_heard(void)
{
    Call call;
    Peer attacker;
    Received received;

    g_test_summary("MED-4: a flood from a second address neither diverts nor injects (RTP bleed)");

    for (unsigned nat = DM_NAT_NEVER; nat <= DM_NAT_ANY; nat++) {
        call_open(&call);
        call.spec.side[DM_SIDE_A].nat = (DmNatPolicy)nat;
        peer_open(&attacker, nat == DM_NAT_PREFIX ? "127.0.1.1" : "127.0.0.2", &call.a.gateway);
        call_update(&call);
        if (nat == DM_NAT_ANY) {
            /* Anyone may be learned until the peer has been heard: here it was. */
            send_through(&call.a, &call.b);
        }
        /* No more at once than the socket holds: this is about whom we believe. */
        for (unsigned i = 0; i < 20; i++) {
            for (unsigned j = 0; j < 100; j++) {
                peer_send(&attacker, 0, 0x66);
            }
            send_through(&call.a, &call.b);
        }
        peer_send(&call.b, 0, 9);
        peer_receive(&call.a, &received);
        g_assert_cmphex(received.payload[0], ==, 9);
        g_assert_false(peer_try_receive(&attacker, &received, 0));

        DmMediaReport report = call_close(&call);
        g_assert_cmpuint(report.side[DM_SIDE_A].rx_foreign_source, >=, 1000);
        g_assert_cmpuint(report.side[DM_SIDE_A].rx_foreign_source, <, 2000); /* then the kernel */
        g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, nat == DM_NAT_ANY ? 21 : 20);
        g_assert_false(dm_address_is_set(&report.side[DM_SIDE_A].latched));
        close(attacker.fd);
    }
}

static void
test_new_address_opens_the_latch_again(void)
{
    Call call;
    Peer moved;
    Received received;
    uint32_t ssrc;
    uint16_t sequence;

    g_test_summary(
        "MED-3, MED-4: the peer signals another address; the stream to the other goes on");

    call_open(&call);
    peer_open(&moved, "127.0.0.1", &call.a.gateway);
    call_update(&call);
    peer_send(&call.a, 0, 1);
    peer_receive(&call.b, &received);
    ssrc = received.rtp.ssrc;
    sequence = received.rtp.sequence;

    call.spec.side[DM_SIDE_A].remote_rtp = moved.address;
    call_update(&call);
    /* Commands and packets meet in no order: until the update is seen, b still reaches the old
     * place. */
    do {
        peer_send(&call.b, 0, 5);
    } while (!peer_try_receive(&moved, &received, 20));
    peer_send(&moved, 0, 2);
    peer_receive(&call.b, &received);
    g_assert_cmphex(received.payload[0], ==, 2);
    g_assert_cmphex(received.rtp.ssrc, ==, ssrc);
    g_assert_cmpuint((uint16_t)(received.rtp.sequence - sequence), ==, 1);
    g_assert_true(received.rtp.marker);
    call_close(&call);
    close(moved.fd);
}

static void
test_shield_falls_when_the_peer_moves(void)
{
    Call call;
    Peer moved;
    Received received;

    g_test_summary(
        "After a flood the kernel drops strangers; who is signalled next is heard all the same");

    call_open(&call);
    peer_open(&moved, "127.0.0.2", &call.a.gateway);
    call_update(&call);
    send_through(&call.a, &call.b);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 100; j++) {
            peer_send(&moved, 0, 0x66);
        }
        send_through(&call.a, &call.b);
    }
    call.spec.side[DM_SIDE_A].remote_rtp = moved.address;
    call_update(&call);
    send_through(&moved, &call.b);
    peer_send(&call.b, 0, 9);
    peer_receive(&moved, &received);
    g_assert_cmphex(received.payload[0], ==, 9);
    call_close(&call);
    close(moved.fd);
}

static void
test_peer_heard_for_long_is_shielded(void)
{
    Call call;
    Peer attacker;
    DmMediaReport report;

    g_test_summary(
        "After 250 packets strangers do not even reach the socket; the call goes on both ways");

    call_open(&call);
    peer_open(&attacker, "127.0.0.2", &call.a.gateway);
    call_update(&call);
    for (unsigned i = 0; i < 260; i++) {
        send_through(&call.a, &call.b);
        send_through(&call.b, &call.a);
    }
    for (unsigned i = 0; i < 50; i++) {
        peer_send(&attacker, 0, 0x66);
    }
    send_through(&call.a, &call.b);
    send_through(&call.b, &call.a);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 261);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_foreign_source, ==, 0);
    close(attacker.fd);
}

static void
test_hold_stops_what_is_off(void)
{
    Call call;
    Received received;
    DmMediaReport report;

    g_test_summary("A side that is sendonly is heard and not sent to");

    call_open(&call);
    call.spec.side[DM_SIDE_A].direction = DM_MEDIA_RECV;
    call.spec.side[DM_SIDE_B].direction = DM_MEDIA_SEND;
    call_update(&call);
    peer_send(&call.a, 0, 1);
    peer_receive(&call.b, &received);
    peer_send(&call.b, 0, 1);
    peer_send(&call.b, 0, 1);
    wait_for(&call, DM_MEDIA_EVENT_FIRST_PACKET);
    wait_for(&call, DM_MEDIA_EVENT_FIRST_PACKET);
    g_assert_false(peer_try_receive(&call.a, &received, 0));
    send_through(&call.a, &call.b);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].tx_packets, ==, 0);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_packets, >=, 1);
}

static void
test_silent_peer_is_told_once(void)
{
    Call call;
    DmMediaEvent event;

    g_test_summary("MED-6: counted from the answer; one event, with the numbers");

    call_open(&call);
    call.spec.timeout_ms = 60;
    call_update(&call);
    peer_send(&call.a, 0, 1);
    wait_for(&call, DM_MEDIA_EVENT_FIRST_PACKET);
    call.spec.answered = true;
    call_update(&call);
    event = wait_for(&call, DM_MEDIA_EVENT_TIMEOUT);
    g_assert_cmpint(event.report.answered_mono_us, >, 0);
    g_assert_cmpint(event.report.side[event.side].last_rx_mono_us,
                    <,
                    event.report.answered_mono_us + 60000);
    g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_TIMEOUT).side, !=, event.side);
    dm_media_session_close(call.session);
    for (;;) {
        g_autofree DmMediaEvent *next = g_async_queue_pop(call.events);

        g_assert_cmpint(next->type, !=, DM_MEDIA_EVENT_TIMEOUT);
        if (next->type == DM_MEDIA_EVENT_CLOSED) {
            break;
        }
    }
    dm_media_free(call.media);
    g_async_queue_unref(call.events);
    close(call.a.fd);
    close(call.b.fd);
}

static void
test_every_direction_is_judged(void)
{
    Call call;
    Received received;
    uint8_t bytes[DM_RTCP_MAX];
    DmMediaReport report;
    DmRtcpReport said = {.ssrc = 9, .cname = "peer", .has_block = true};

    g_test_summary("MED-8: loss and MOS of what comes by its numbers, of what goes by the peer's "
                   "RTCP; of silence nothing");

    call_open(&call);
    call_update(&call);
    for (unsigned i = 0; i < 19; i++) {
        call.a.next.sequence += i == 10 ? 1 : 0; /* one of twenty is lost */
        peer_send(&call.a, 0, 0x42);
        peer_receive(&call.b, &received);
    }
    said.block = (DmRtcpBlock){.ssrc = received.rtp.ssrc, .lost = 2, .highest = 19};
    peer_send_bytes(&call.b, bytes, dm_rtcp_build(bytes, &said));
    send_through(&call.b, &call.a);
    report = call_close(&call);

    g_assert_cmpuint(report.side[DM_SIDE_A].in.n, ==, 1);
    g_assert_cmpuint(report.side[DM_SIDE_A].in.loss_x100, ==, 500);
    g_assert_cmpuint(report.side[DM_SIDE_A].in.burst_x100, ==, 100);
    g_assert_cmpuint(report.side[DM_SIDE_A].in.mos_x100, <, 420);
    g_assert_cmpuint(report.side[DM_SIDE_A].in.mos_x100, >, 350);
    g_assert_cmpuint(report.side[DM_SIDE_A].out.n, ==, 0);
    g_assert_cmpuint(report.side[DM_SIDE_B].in.n, ==, 0);
    g_assert_cmpuint(report.side[DM_SIDE_B].out.n, ==, 1);
    g_assert_cmpuint(report.side[DM_SIDE_B].out.loss_x100, ==, 1052);
}

static void
test_a_session_is_recorded(void)
{
    DmTempDir folder;
    Call call;
    DmRecordSpec spec = {.rate_hz = 8000};
    DmMediaReport report;
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    g_test_summary("One file at a time, four a session; each has its place in the report; the "
                   "folder is the engine's");

    dm_temp_dir_init(&folder);
    call_open(&call);
    dm_media_keep_recordings(call.media, folder.path, 0);
    call_update(&call);
    g_assert_false(dm_media_session_end_recording(call.session));
    for (unsigned i = 0; i < DM_MEDIA_MAX_RECORDINGS; i++) {
        g_snprintf(spec.path, sizeof spec.path, "call-%u.wav", i);
        g_assert_true(dm_media_session_record(call.session, &spec, &error));
        g_assert_false(dm_media_session_record(call.session, &spec, &error));
        g_assert_error(error, DM_ERROR, DM_ERROR_CONFLICT);
        g_clear_error(&error);
        send_through(&call.a, &call.b);
        g_assert_true(dm_media_session_pause_recording(call.session, true));
        send_through(&call.b, &call.a);
        g_assert_true(dm_media_session_pause_recording(call.session, false));
        g_assert_true(dm_media_session_end_recording(call.session));
        dm_media_session_report(call.session, &report);
        g_assert_cmpuint(report.n_recordings, ==, i + 1);
    }
    g_assert_false(dm_media_session_record(call.session, &spec, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFLICT);
    report = call_close(&call);
    g_assert_cmpuint(report.n_recordings, ==, DM_MEDIA_MAX_RECORDINGS);
    for (unsigned i = 0; i < DM_MEDIA_MAX_RECORDINGS; i++) {
        g_assert_cmpint(report.recordings[i].state, ==, DM_RECORDING_DONE);
        g_assert_cmpuint(report.recordings[i].n_dropped, ==, 0);
    }
    path = dm_temp_dir_file(&folder, "call-3.wav");
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    dm_temp_dir_clear(&folder);
}

/* RFC 3550, 6.5.1: a name is a must; RFC 7022, 4.2: of 96 random bits. */
static void
check_name(const uint8_t *description)
{
    const uint8_t *item = description + 8;

    g_assert_cmphex(description[1], ==, 202);
    g_assert_cmpuint(item[0], ==, 1);
    g_assert_cmpuint(item[1], ==, 24);
    for (unsigned i = 0; i < 24; i++) {
        g_assert_true(g_ascii_isxdigit(item[2 + i]));
    }
}

static void
test_rtcp_ends_here(void)
{
    /* A receiver report of a peer that has seen nothing of ours, and a name. */
    static const uint8_t report[] = {0x80, 201, 0, 1, 0, 0, 0,   9,   0x81, 202, 0,   3,
                                     0,    0,   0, 9, 1, 5, 'o', 't', 'h',  'e', 'r', 0};
    Call call;
    Peer control;
    uint8_t bytes[DM_RTCP_MAX];
    struct pollfd ready = {.events = POLLIN};
    DmRtcpInfo info;
    DmMediaReport end;
    ssize_t n;

    g_test_summary("MED-8: a peer's RTCP is counted and does not cross; ours goes where a=rtcp "
                   "says, under a name of its own, BYE last");

    call_open(&call);
    call.spec.side[DM_SIDE_B].rtcp_xr = true;
    peer_open(&control, "127.0.0.1", &call.b.gateway);
    dm_address_set_port(&control.gateway, (uint16_t)(dm_address_port(&control.gateway) + 1));
    call.spec.side[DM_SIDE_B].remote_rtcp = control.address;
    call_update(&call);
    peer_send_bytes(&control, report, sizeof report);
    peer_send_bytes(&call.b, report, sizeof report); /* on one port with RTP (RFC 5761) */
    peer_send_bytes(&control, report, 7);
    send_through(&call.a, &call.b);
    send_through(&call.b, &call.a);
    end = call_close(&call);
    g_assert_cmpuint(end.side[DM_SIDE_B].rtcp_rx, ==, 2);
    g_assert_cmpuint(end.side[DM_SIDE_B].rx_invalid, ==, 0);

    ready.fd = control.fd;
    g_assert_cmpint(poll(&ready, 1, WATCHDOG_MS), ==, 1);
    n = recv(control.fd, bytes, sizeof bytes, 0);
    g_assert_cmpint(dm_rtcp_parse(bytes, (size_t)MAX(n, 0), 0, &info), ==, DM_RTCP_OK);
    g_assert_true(info.has_sr);
    g_assert_true(info.has_bye);
    g_assert_cmpint(dm_rtcp_parse(bytes, (size_t)n, call.b.next.ssrc, &info), ==, DM_RTCP_OK);
    g_assert_true(info.has_voip); /* RFC 3611: this peer asked for it */
    g_assert_cmpuint(info.voip.mos_cq_x10, ==, 43);
    g_assert_cmpuint(info.voip.loss_rate, ==, 0);
    g_assert_cmphex(info.sender, ==, end.side[DM_SIDE_B].ssrc_tx);
    /* Sender information, then the one block: of the stream the peer sends us. */
    g_assert_cmpuint(dm_get_u32(bytes + 20), ==, 1);
    g_assert_cmpuint(dm_get_u32(bytes + 24), ==, FRAME_LEN);
    g_assert_cmphex(dm_get_u32(bytes + 28), ==, call.b.next.ssrc);
    check_name(bytes + 52);
    close(control.fd);
}

static void
test_what_the_peer_tells_is_reported(void)
{
    DmRtcpReport told = {
        .ssrc = 9,
        .cname = "phone",
        .has_voip = true,
        .voip = {.loss_rate = 26, .mos_cq_x10 = 37, .signal_dbm = -18, .buffer_limit_ms = 120},
    };
    Call call;
    uint8_t bytes[DM_RTCP_MAX];
    DmMediaReport now;
    DmMediaReport end;

    g_test_summary("MED-8, RFC 3611: what comes is reported in the same terms as what the peer "
                   "tells of what it hears");

    call_open(&call);
    call_update(&call);
    send_through(&call.a, &call.b);
    dm_media_session_report(call.session, &now);
    told.voip.ssrc = now.side[DM_SIDE_A].ssrc_tx;
    peer_send_bytes(&call.a, bytes, dm_rtcp_build(bytes, &told));
    told.voip.mos_cq_x10 = 9; /* 4.7.5: means nothing */
    peer_send_bytes(&call.a, bytes, dm_rtcp_build(bytes, &told));
    send_through(&call.a, &call.b);
    end = call_close(&call);
    g_assert_true(end.side[DM_SIDE_A].told.known);
    g_assert_cmpuint(end.side[DM_SIDE_A].peer_mos_x100, ==, 370);
    g_assert_cmpuint(end.side[DM_SIDE_A].told.loss_rate, ==, 26);
    g_assert_cmpint(end.side[DM_SIDE_A].told.signal_dbm, ==, -18);
    g_assert_cmpuint(end.side[DM_SIDE_A].told.buffer_limit_ms, ==, 120);
    g_assert_false(end.side[DM_SIDE_B].told.known);
    g_assert_true(end.side[DM_SIDE_A].heard.known);
    g_assert_cmphex(end.side[DM_SIDE_A].heard.ssrc, ==, call.a.next.ssrc);
    g_assert_false(end.side[DM_SIDE_B].heard.known); /* it never sent anything */
    g_assert_true(dm_address_equal(&end.side[DM_SIDE_A].local, &call.a.gateway));
}

static void
test_no_port_left_is_a_limit(void)
{
    uint16_t first = (uint16_t)(PORT_MIN + 4 * (getpid() % 40));
    DmMedia *media = new_media(first, (uint16_t)(first + 3), 60000);
    g_autoptr(GAsyncQueue) events = g_async_queue_new_full(g_free);
    DmMediaOpen open = {.on_event = on_event, .user_data = events};
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) resting = NULL;
    DmMediaUsage usage;
    DmMediaSession *session = dm_media_session_open(media, &open, &error);

    g_test_summary("MED-10: two pairs are one call; given back they rest and still count");

    g_assert_no_error(error);
    g_assert_null(dm_media_session_open(media, &open, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_LIMIT);
    dm_media_usage(media, &usage);
    g_assert_cmpuint(usage.sessions, ==, 1);
    g_assert_cmpuint(usage.ports_used, ==, 4);
    g_assert_cmpuint(usage.ports_limit, ==, 4);

    dm_media_session_close(session);
    g_free(g_async_queue_pop(events));
    g_assert_null(dm_media_session_open(media, &open, &resting));
    g_assert_error(resting, DM_ERROR, DM_ERROR_LIMIT);
    dm_media_usage(media, &usage);
    g_assert_cmpuint(usage.sessions, ==, 0);
    g_assert_cmpuint(usage.ports_used, ==, 4);
    g_assert_cmpint(dm_counter_value(&dm_media_counters(media).values[DM_MEDIA_STAT_no_port]),
                    ==,
                    2);
    dm_media_free(media);
}

/* One signalling thread's worth of calls that come, change, are looked at and go. */
#define N_CALLS  60
#define MAX_OPEN 10 /* that are closed and have not ended */

static void
wait_for_ends(GAsyncQueue *events, unsigned n)
{
    while (n > 0) {
        g_autofree DmMediaEvent *event = g_async_queue_pop(events);

        n -= event->type == DM_MEDIA_EVENT_CLOSED;
    }
}

static gpointer
make_calls(gpointer data)
{
    DmMedia *media = data;
    g_autoptr(GAsyncQueue) events = g_async_queue_new_full(g_free);
    DmMediaOpen open = {.on_event = on_event, .user_data = events};

    for (unsigned i = 0; i < N_CALLS; i++) {
        DmMediaSpec spec = {.answered = true, .timeout_ms = 1000};
        DmMediaSession *session = dm_media_session_open(media, &open, NULL);
        DmMediaReport report;
        Peer peer;

        g_assert_nonnull(session);
        peer_open(&peer, "127.0.0.1", dm_media_session_local(session, DM_SIDE_A));
        spec.side[DM_SIDE_A].remote_rtp = spec.side[DM_SIDE_B].remote_rtp = peer.address;
        spec.side[DM_SIDE_A].direction = spec.side[DM_SIDE_B].direction = DM_MEDIA_BOTH;
        spec.side[DM_SIDE_A].n_recv = spec.side[DM_SIDE_B].n_send = 1;
        spec.side[DM_SIDE_A].recv[0] = spec.side[DM_SIDE_B].send[0] = format(DM_CODEC_PCMU, 0);
        spec.side[DM_SIDE_A].nat = DM_NAT_ANY;
        dm_media_session_update(session, &spec);
        peer_send(&peer, 0, 1);
        dm_media_session_update(session, &spec);
        dm_media_session_report(session, &report);
        g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, <=, 1);
        dm_media_session_close(session);
        close(peer.fd);
        if (i >= MAX_OPEN) {
            wait_for_ends(events, 1);
        }
    }
    wait_for_ends(events, MAX_OPEN);
    return NULL;
}

static void
test_threads_share_the_workers(void)
{
    DmMediaPool pool = {.port_min = PORT_MIN, .port_max = PORT_MAX};
    DmMediaOptions options = {.n_workers = 2, .pools = &pool, .n_pools = 1, .quarantine_ms = 1};
    GThread *threads[2];
    DmMediaUsage usage;
    DmMedia *media;

    g_test_summary(
        "Two signalling threads, two workers: every call ends and every port comes back");

    dm_address_parse(&pool.address, "127.0.0.1", 0);
    media = dm_media_new(&options, NULL);
    g_assert_nonnull(media);
    for (unsigned i = 0; i < 2; i++) {
        threads[i] = g_thread_new(NULL, make_calls, media);
    }
    for (unsigned i = 0; i < 2; i++) {
        g_thread_join(threads[i]);
    }
    dm_media_usage(media, &usage);
    g_assert_cmpuint(usage.sessions, ==, 0);
    g_assert_cmpuint(usage.n_workers, ==, 2);
    g_assert_cmpint(dm_counter_value(&dm_media_counters(media).values[DM_MEDIA_STAT_sessions]),
                    ==,
                    2 * N_CALLS);
    g_assert_cmpint(
        dm_counter_value(&dm_media_counters(media).values[DM_MEDIA_STAT_sessions_active]),
        ==,
        0);
    dm_media_free(media);
}

static void
test_ipv6_on_one_side(void)
{
    DmMediaPool pools[2] = {{.port_min = PORT_MIN, .port_max = PORT_MAX},
                            {.port_min = PORT_MIN, .port_max = PORT_MAX, .dscp = 46}};
    DmMediaOptions options = {.n_workers = 1, .pools = pools, .n_pools = 2, .quarantine_ms = 1};
    DmMediaOpen open = {.pool = {0, 1}, .on_event = on_event};
    g_autoptr(GError) error = NULL;
    Call call = {0};
    Received received;

    g_test_summary("An IPv4 peer and an IPv6 peer hear each other");

    dm_address_parse(&pools[0].address, "127.0.0.1", 0);
    dm_address_parse(&pools[1].address, "::1", 0);
    call.events = open.user_data = g_async_queue_new_full(g_free);
    call.media = dm_media_new(&options, &error);
    g_assert_no_error(error);
    call.session = dm_media_session_open(call.media, &open, &error);
    if (error != NULL && g_error_matches(error, DM_ERROR, DM_ERROR_IO)) {
        g_test_skip(error->message); /* a machine without IPv6 */
        dm_media_free(call.media);
        g_async_queue_unref(call.events);
        return;
    }
    g_assert_no_error(error);
    peer_open(&call.a, "127.0.0.1", dm_media_session_local(call.session, DM_SIDE_A));
    peer_open(&call.b, "::1", dm_media_session_local(call.session, DM_SIDE_B));
    agree(&call, DM_SIDE_A, format(DM_CODEC_PCMU, 0), 101);
    agree(&call, DM_SIDE_B, format(DM_CODEC_PCMU, 0), 101);
    dm_media_session_update(call.session, &call.spec);
    /* Commands and packets meet in no order: the first packets may come before the update. */
    do {
        peer_send(&call.a, 0, 0x42);
    } while (!peer_try_receive(&call.b, &received, 50));
    send_through(&call.b, &call.a);
    call_close(&call);
}

static void
test_engine_that_ends_closes_what_is_open(void)
{
    DmMedia *media = new_media(PORT_MIN, PORT_MAX, 1);
    g_autoptr(GAsyncQueue) events = g_async_queue_new_full(g_free);
    DmMediaOpen open = {.on_event = on_event, .user_data = events};
    g_autofree DmMediaEvent *event = NULL;

    g_assert_nonnull(dm_media_session_open(media, &open, NULL));
    dm_media_free(media);
    event = g_async_queue_try_pop(events);
    g_assert_nonnull(event);
    g_assert_cmpint(event->type, ==, DM_MEDIA_EVENT_CLOSED);
}

static void
test_bad_pools_are_refused(void)
{
    DmMediaPool pools[2] = {{.port_min = 40000, .port_max = 40099},
                            {.port_min = 40099, .port_max = 40199}};
    DmMediaOptions options = {.n_workers = 1, .pools = pools, .n_pools = 2};
    g_autoptr(GError) overlap = NULL;
    g_autoptr(GError) empty = NULL;

    dm_address_parse(&pools[0].address, "127.0.0.1", 0);
    dm_address_parse(&pools[1].address, "127.0.0.1", 0);
    g_assert_null(dm_media_new(&options, &overlap));
    g_assert_error(overlap, DM_ERROR, DM_ERROR_CONFIG);
    options.n_pools = 1;
    pools[0].port_min = 40099;
    g_assert_null(dm_media_new(&options, &empty));
    g_assert_error(empty, DM_ERROR, DM_ERROR_CONFIG);
}

/* All of it is heard: @n packets of our own in a row, none missing, time going on. */
static Received
hear_ours(Peer *peer, unsigned n, Received last)
{
    for (unsigned i = 0; i < n; i++) {
        Received received;

        peer_receive(peer, &received);
        g_assert_cmphex(received.rtp.ssrc, ==, last.rtp.ssrc);
        g_assert_cmpuint(received.rtp.sequence, ==, (uint16_t)(last.rtp.sequence + 1));
        g_assert_cmpint((int32_t)(received.rtp.timestamp - last.rtp.timestamp), >=, FRAME_LEN);
        g_assert_true(received.rtp.marker == (i == 0));
        last = received;
    }
    return last;
}

static void
test_a_tone_takes_the_place_of_the_other_side(void)
{
    Call call;
    DmPlay busy = {.tone = DM_TONE_BUSY, .country = DM_COUNTRY_de, .duration_ms = 100};
    Received received;
    Received last;

    g_test_summary("MED-3: a tone of 100 ms to A between what B says: one stream, marked where it "
                   "begins; B is not heard meanwhile");

    call_open(&call);
    agree(&call, DM_SIDE_A, format(DM_CODEC_PCMA, 8), 101);
    call_update(&call);
    peer_send(&call.b, 0, 0x80);
    peer_receive(&call.a, &last);

    dm_media_session_play(call.session, DM_SIDE_A, &busy);
    last = hear_ours(&call.a, 1, last);
    g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_PLAY_STARTED).side, ==, DM_SIDE_A);
    peer_send(&call.b, 0, 0x80);
    for (unsigned i = 0; i < 4; i++) {
        peer_receive(&call.a, &received);
        g_assert_cmpuint(received.rtp.timestamp - last.rtp.timestamp, ==, FRAME_LEN);
        g_assert_cmpuint(received.rtp.pt, ==, 8);
        g_assert_false(received.rtp.marker);
        last = received;
    }
    g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_PLAY_ENDED).side, ==, DM_SIDE_A);

    peer_send(&call.b, 0, 0x80);
    peer_receive(&call.a, &received);
    g_assert_cmphex(received.rtp.ssrc, ==, last.rtp.ssrc);
    g_assert_cmpuint(received.rtp.sequence, ==, (uint16_t)(last.rtp.sequence + 1));
    g_assert_cmpint((int32_t)(received.rtp.timestamp - last.rtp.timestamp), >=, FRAME_LEN);
    g_assert_true(received.rtp.marker);
    call_close(&call);
}

static void
test_a_recording_is_played_again_and_again(void)
{
    static uint8_t wav[44 + 2 * 240] = "RIFF....WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0"
                                       "\2\0\x10\0data";
    g_autoptr(DmSound) sound = NULL;
    DmPlay music = {.repeats = true, .duration_ms = 100};
    Call call;
    Received last;

    g_test_summary("SIG-16: 30 ms of recording, from its end to its beginning for 100 ms; nobody "
                   "need keep it meanwhile");

    dm_put_u16(wav + 40, 0xe001); /* 480, the low byte first */
    for (unsigned i = 0; i < 240; i++) {
        wav[44 + 2 * i + 1] = (uint8_t)(i / 80 + 1);
    }
    sound = dm_sound_new_from_wav(wav, sizeof wav, NULL);
    g_assert_nonnull(sound);
    music.sound = sound;
    call_open(&call);
    call_update(&call);
    dm_media_session_play(call.session, DM_SIDE_A, &music);
    dm_sound_unref(g_steal_pointer(&sound));
    for (unsigned i = 0; i < 5; i++) {
        peer_receive(&call.a, &last);
        g_assert_cmphex(last.payload[0], ==, dm_g711_to_ulaw((int16_t)(((i * 2) % 3 + 1) << 8)));
        g_assert_cmphex(last.payload[159],
                        ==,
                        dm_g711_to_ulaw((int16_t)(((i * 2 + 1) % 3 + 1) << 8)));
    }
    wait_for(&call, DM_MEDIA_EVENT_PLAY_ENDED);
    call_close(&call);
}

/* B has G.722 and says so much of it that A hears it; A has heard @out_last then. */
static void
speak_from_b(Call *call, unsigned n, Received *out_last)
{
    for (unsigned i = 0; i < n; i++) {
        peer_send(&call->b, 9, 0x55);
        peer_receive(&call->a, out_last);
    }
}

static void
test_a_peer_that_goes_quiet_leaves_no_hole(void)
{
    Call call;
    Received last;
    Received after;

    g_test_summary("MED-9 MED-3: B sends nothing and has not said that it would, A knows no "
                   "comfort noise: A hears faint noise in packets of its codec, until B talks");

    call_open(&call);
    call.spec.answered = true;
    agree(&call, DM_SIDE_B, format(DM_CODEC_G722, 9), 101);
    call_update(&call);
    speak_from_b(&call, 3, &last);
    last = hear_ours(&call.a, 10, last);
    g_assert_cmpuint(last.rtp.pt, ==, 0);
    g_assert_cmpuint(last.rtp.payload_len, ==, FRAME_LEN);
    last.payload = last.bytes + last.rtp.payload_offset; /* it is a copy */
    for (unsigned i = 0; i < FRAME_LEN; i++) {
        g_assert_cmpint(abs(dm_g711_from_ulaw(last.payload[i])), <, 64);
    }
    call.b.next.timestamp += 30 * FRAME_LEN;
    peer_send(&call.b, 9, 0x55);
    do {
        peer_receive(&call.a, &after);
        g_assert_cmpuint(after.rtp.sequence, ==, (uint16_t)(last.rtp.sequence + 1));
        g_assert_cmpint((int32_t)(after.rtp.timestamp - last.rtp.timestamp), >=, FRAME_LEN);
        last = after;
    } while (!after.rtp.marker);
    g_assert_false(peer_try_receive(&call.a, &after, 60)); /* B talks, and is silent for 60 ms */
    call_close(&call);
}

static void
test_who_may_fall_silent(void)
{
    Call call;
    Received last;
    DmMediaSideSpec *a = &call.spec.side[DM_SIDE_A];

    g_test_summary("MED-9: nothing is made up for a peer that knows comfort noise, on hold, or "
                   "where packets are only passed on");

    call_open(&call);
    call.spec.answered = true;
    agree(&call, DM_SIDE_B, format(DM_CODEC_G722, 9), 101);
    a->send[a->n_send++] = a->recv[a->n_recv++] = format(DM_CODEC_CN, 13);
    call_update(&call);
    speak_from_b(&call, 3, &last);
    g_assert_false(peer_try_receive(&call.a, &last, 600));

    a->n_send = a->n_recv = 2;
    call_update(&call);
    speak_from_b(&call, 3, &last);
    call.spec.side[DM_SIDE_B].direction = DM_MEDIA_INACTIVE;
    call_update(&call);
    g_assert_false(peer_try_receive(&call.a, &last, 600));

    agree(&call, DM_SIDE_B, format(DM_CODEC_PCMA, 8), 101);
    call_update(&call);
    peer_send(&call.b, 8, 0x55);
    peer_receive(&call.a, &last);
    g_assert_false(peer_try_receive(&call.a, &last, 600));
    call_close(&call);
}

static void
test_who_rings_may_be_silent(void)
{
    Call call;
    Received last;

    g_test_summary("MED-9 SIG-10: nothing is made up before the answer, where a phone rings by "
                   "itself as long as it hears nothing; it is from then on");

    call_open(&call);
    agree(&call, DM_SIDE_B, format(DM_CODEC_G722, 9), 101);
    call.spec.answered = false;
    call_update(&call);
    speak_from_b(&call, 3, &last);
    g_assert_false(peer_try_receive(&call.a, &last, 600));
    call.spec.answered = true;
    call_update(&call);
    hear_ours(&call.a, 10, last);
    call_close(&call);
}

static void
test_comfort_noise_becomes_noise(void)
{
    static const uint8_t payload[] = {40};
    uint8_t bytes[DM_RTP_HEADER_LEN + sizeof payload];
    Call call;
    Received before;
    Received noise;
    Received after;

    g_test_summary("MED-9: B sends comfort noise nobody agreed on: A hears noise, until B talks");

    call_open(&call);
    call_update(&call);
    peer_send(&call.b, 0, 0x7f);
    peer_receive(&call.a, &before);
    call.b.next.pt = 13;
    dm_rtp_build(bytes, &call.b.next);
    memcpy(bytes + DM_RTP_HEADER_LEN, payload, sizeof payload);
    peer_send_bytes(&call.b, bytes, sizeof bytes);
    call.b.next.sequence++;
    noise = hear_ours(&call.a, 5, before);
    g_assert_cmpuint(noise.rtp.pt, ==, 0);
    g_assert_cmpuint(noise.rtp.payload_len, ==, FRAME_LEN);
    noise.payload = noise.bytes + noise.rtp.payload_offset; /* it is a copy */
    g_assert_cmpint(memcmp(noise.payload, noise.payload + 1, FRAME_LEN - 1), !=, 0);

    call.b.next.timestamp += 10 * FRAME_LEN;
    peer_send(&call.b, 0, 0x11);
    do {
        peer_receive(&call.a, &after);
        g_assert_cmpuint(after.rtp.sequence, ==, (uint16_t)(noise.rtp.sequence + 1));
        g_assert_cmpint((int32_t)(after.rtp.timestamp - noise.rtp.timestamp), >=, FRAME_LEN);
        noise = after;
    } while (after.payload[0] != 0x11 || after.payload[1] != 0x11);
    g_assert_false(peer_try_receive(&call.a, &after, 60));
    call_close(&call);
}

static void
test_ringing_gives_way_to_what_arrives(void)
{
    Call call;
    DmPlay ringing = {.tone = DM_TONE_RINGING, .country = DM_COUNTRY_us, .yield_ms = 500};
    Received last;
    int64_t began_us;

    g_test_summary("SIG-10: ringing to A once B has been silent; B's own sound silences it");

    call_open(&call);
    memset(&call.spec.side[DM_SIDE_B], 0, sizeof call.spec.side[DM_SIDE_B]);
    call_update(&call);
    began_us = g_get_monotonic_time();
    dm_media_session_play(call.session, DM_SIDE_A, &ringing);
    peer_receive(&call.a, &last);
    g_assert_cmpint(g_get_monotonic_time() - began_us, >=, 500000);
    g_assert_true(last.rtp.marker);
    wait_for(&call, DM_MEDIA_EVENT_PLAY_STARTED);

    agree(&call, DM_SIDE_B, format(DM_CODEC_PCMU, 0), 101);
    call_update(&call);
    while (peer_try_receive(&call.a, &last, 0)) {
    }
    /* B is faster than the ringing could begin again. */
    for (unsigned i = 0; i < 5; i++) {
        Received received;

        peer_send(&call.b, 0, 0x11);
        do {
            peer_receive(&call.a, &received);
            g_assert_cmpuint(received.rtp.sequence, ==, (uint16_t)(last.rtp.sequence + 1));
            last = received;
        } while (received.payload[0] != 0x11);
        g_assert_false(peer_try_receive(&call.a, &received, 25));
    }
    /* And rings again when B falls silent. */
    hear_ours(&call.a, 3, last);
    dm_media_session_stop(call.session, DM_SIDE_A);
    call_close(&call);
}

/* The keys that reach @peer as events under @pt, until @n have. Each has one timestamp. */
static char *
receive_keys(Peer *peer, uint8_t pt, unsigned n, bool all_ours)
{
    GString *keys = g_string_new(NULL);
    uint32_t last_timestamp = 0;
    unsigned n_ends = 0;

    while (n_ends < 3 * n) {
        Received received;

        peer_receive(peer, &received);
        if (received.rtp.pt != pt) {
            continue;
        }
        if (keys->len == 0 || received.rtp.timestamp != last_timestamp) {
            g_assert_true(received.rtp.marker || !all_ours);
            g_assert_true(keys->len == 0 || (int32_t)(received.rtp.timestamp - last_timestamp) > 0);
            g_string_append_c(keys, dm_key_of_event(received.payload[0]));
            last_timestamp = received.rtp.timestamp;
        }
        n_ends += (received.payload[1] & 0x80) != 0;
    }
    return g_string_free(keys, FALSE);
}

static void
test_signalled_keys_become_events(void)
{
    Call call;
    g_autofree char *keys = NULL;
    Received before;
    Received after;
    DmMediaReport report;

    g_test_summary("DTMF-3: keys that A signals reach B as events, in order, flash too, between "
                   "what A says");

    call_open(&call);
    agree(&call, DM_SIDE_B, format(DM_CODEC_PCMU, 0), 97);
    call_update(&call);
    peer_send(&call.a, 0, 1);
    peer_receive(&call.b, &before);
    dm_media_session_press(call.session, DM_SIDE_A, '5', 100);
    dm_media_session_press(call.session, DM_SIDE_A, '5', 0);
    dm_media_session_press(call.session, DM_SIDE_A, '#', 70);
    dm_media_session_press(call.session, DM_SIDE_A, DM_KEY_FLASH, 0);
    keys = receive_keys(&call.b, 97, 4, true);
    g_assert_cmpstr(keys, ==, "55#!");
    for (const char *key = keys; *key != '\0'; key++) {
        g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_DIGIT).digit, ==, *key);
    }
    do {
        peer_send(&call.a, 0, 2);
    } while (!peer_try_receive(&call.b, &after, 20));
    g_assert_cmphex(after.rtp.ssrc, ==, before.rtp.ssrc);
    g_assert_true(after.rtp.marker);
    g_assert_cmpint((int32_t)(after.rtp.timestamp - before.rtp.timestamp), >=, 8 * 490);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].dtmf_events, ==, 4);
}

static void
test_signalled_keys_become_tones(void)
{
    Call call;
    g_autoptr(DmKeyEar) ear = dm_key_ear_new();
    g_autoptr(GString) keys = g_string_new(NULL);
    g_autoptr(DmDecoder) decoder = dm_decoder_new(dm_codec_type(DM_CODEC_PCMA), DM_NARROW_HZ);
    char last = 0;

    g_test_summary("DTMF-3: and as tones where B has no events; flash has none");

    call_open(&call);
    agree(&call, DM_SIDE_B, format(DM_CODEC_PCMA, 8), 0);
    call.spec.side[DM_SIDE_B].n_recv = call.spec.side[DM_SIDE_B].n_send = 1;
    call_update(&call);
    dm_media_session_press(call.session, DM_SIDE_A, DM_KEY_FLASH, 0);
    dm_media_session_press(call.session, DM_SIDE_A, '5', 60);
    dm_media_session_press(call.session, DM_SIDE_A, '5', 60);
    dm_media_session_press(call.session, DM_SIDE_A, 'A', 60);
    while (keys->len < 3) {
        int16_t samples[DM_CODEC_MAX_SAMPLES];
        Received received;
        size_t n;

        peer_receive(&call.b, &received);
        n = dm_decoder_decode(decoder, received.payload, received.rtp.payload_len, samples);
        for (size_t at = 0; at + 40 <= n; at += 40) {
            char key = dm_key_ear_hear(ear, samples + at, 40);

            if (key != 0 && key != last) {
                g_string_append_c(keys, key);
            }
            last = key;
        }
    }
    g_assert_cmpstr(keys->str, ==, "55A");
    call_close(&call);
}

static void
test_a_key_told_twice_is_passed_on_once(void)
{
    Call call;
    g_autofree char *keys = NULL;
    DmMediaReport report;

    g_test_summary("Interop 3: A sends each key as an event and by signalling: B gets it once, "
                   "whichever comes first");

    call_open(&call);
    call_update(&call);
    peer_press(&call.a, 101, 7);
    g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_DIGIT).digit, ==, '7');
    dm_media_session_press(call.session, DM_SIDE_A, '7', 0);
    dm_media_session_press(call.session, DM_SIDE_A, '7', 60);
    g_assert_cmpint(wait_for(&call, DM_MEDIA_EVENT_DIGIT).digit, ==, '7');
    keys = receive_keys(&call.b, 101, 2, false);
    g_assert_cmpstr(keys, ==, "77");
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].dtmf_events, ==, 2);
    g_assert_cmpuint(report.side[DM_SIDE_A].dtmf_duplicates, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/media/session/relay", test_voice_flows_both_ways);
    g_test_add_func("/media/session/formats",
                    test_laws_and_payload_types_are_turned_into_the_other_sides);
    g_test_add_func("/media/session/tones", test_keys_reach_a_peer_without_events_and_come_from_it);
    g_test_add_func("/media/session/codecs",
                    test_codecs_and_lengths_are_turned_into_the_other_sides);
    g_test_add_func("/media/session/dtmf", test_key_presses_cross_and_are_told_once_each);
    g_test_add_func("/media/session/latch", test_peer_behind_nat_is_found);
    g_test_add_func("/media/session/attack", test_attacker_hears_nothing_and_is_not_heard);
    g_test_add_func("/media/session/shield", test_shield_falls_when_the_peer_moves);
    g_test_add_func("/media/session/heard-long", test_peer_heard_for_long_is_shielded);
    g_test_add_func("/media/session/moved", test_new_address_opens_the_latch_again);
    g_test_add_func("/media/session/hold", test_hold_stops_what_is_off);
    g_test_add_func("/media/session/silence", test_silent_peer_is_told_once);
    g_test_add_func("/media/session/rtcp", test_rtcp_ends_here);
    g_test_add_func("/media/session/voip-metrics", test_what_the_peer_tells_is_reported);
    g_test_add_func("/media/session/quality", test_every_direction_is_judged);
    g_test_add_func("/media/session/recorded", test_a_session_is_recorded);
    g_test_add_func("/media/session/no-port", test_no_port_left_is_a_limit);
    g_test_add_func("/media/session/threads", test_threads_share_the_workers);
    g_test_add_func("/media/session/ipv6", test_ipv6_on_one_side);
    g_test_add_func("/media/session/engine-ends", test_engine_that_ends_closes_what_is_open);
    g_test_add_func("/media/session/bad-pools", test_bad_pools_are_refused);
    g_test_add_func("/media/session/play", test_a_tone_takes_the_place_of_the_other_side);
    g_test_add_func("/media/session/signalled-events", test_signalled_keys_become_events);
    g_test_add_func("/media/session/signalled-tones", test_signalled_keys_become_tones);
    g_test_add_func("/media/session/key-once", test_a_key_told_twice_is_passed_on_once);
    g_test_add_func("/media/session/recording", test_a_recording_is_played_again_and_again);
    g_test_add_func("/media/session/noise", test_comfort_noise_becomes_noise);
    g_test_add_func("/media/session/quiet", test_a_peer_that_goes_quiet_leaves_no_hole);
    g_test_add_func("/media/session/quiet-allowed", test_who_may_fall_silent);
    g_test_add_func("/media/session/quiet-early", test_who_rings_may_be_silent);
    g_test_add_func("/media/session/ringing", test_ringing_gives_way_to_what_arrives);
    return g_test_run();
}
