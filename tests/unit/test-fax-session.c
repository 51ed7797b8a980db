/* SPDX-License-Identifier: Apache-2.0 */
/* Fax in a media session on real sockets of the loopback interface. Nothing sleeps: everything
 * waits for a datagram or an event, under a watchdog. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "media/net/socket.h"
#include "media/rtp/bytes.h"
#include "media/rtp/packet.h"
#include "media/session.h"
#include "media/udptl/packet.h"

#define WATCHDOG_MS 10000
#define FRAME_LEN   160

typedef struct {
    int fd;
    DmAddress address, gateway;
} Peer;

typedef struct {
    DmMedia *media;
    DmMediaSession *session;
    GAsyncQueue *events; /* of DmMediaEvent */
    DmMediaSpec spec;
    Peer peer[DM_N_SIDES];
} Call;

typedef struct {
    size_t len;
    uint8_t bytes[DM_DATAGRAM_MAX];
} Datagram;

static void
on_event(const DmMediaEvent *event, void *user_data)
{
    g_async_queue_push(user_data, g_memdup2(event, sizeof *event));
}

static void
peer_open(Peer *peer, const char *host, const DmAddress *gateway)
{
    socklen_t len = sizeof peer->address;

    g_assert_true(dm_address_parse(&peer->address, host, 0));
    peer->fd = dm_udp_open(&peer->address, 0);
    g_assert_cmpint(peer->fd, >=, 0);
    g_assert_cmpint(getsockname(peer->fd, &peer->address.any, &len), ==, 0);
    peer->gateway = *gateway;
}

static void
peer_send(const Peer *peer, const void *bytes, size_t len)
{
    g_assert_cmpint(
        sendto(peer->fd, bytes, len, 0, &peer->gateway.any, dm_address_len(&peer->gateway)),
        ==,
        len);
}

/* The smallest datagram there is: indicator @what under @sequence. */
static void
peer_send_fax(const Peer *peer, uint16_t sequence, uint8_t what)
{
    uint8_t bytes[] = {0, 0, 1, what, 0, 0};

    dm_put_u16(bytes, sequence);
    peer_send(peer, bytes, sizeof bytes);
}

static void
peer_send_speech(const Peer *peer, uint16_t sequence)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + FRAME_LEN] = {0};
    DmRtpPacket rtp = {.ssrc = 5, .sequence = sequence, .timestamp = sequence * FRAME_LEN};

    dm_rtp_build(bytes, &rtp);
    memset(bytes + DM_RTP_HEADER_LEN, 0xff, FRAME_LEN);
    peer_send(peer, bytes, sizeof bytes);
}

static bool
peer_try_receive(const Peer *peer, Datagram *out, int wait_ms)
{
    struct pollfd ready = {.fd = peer->fd, .events = POLLIN};
    ssize_t n;

    if (poll(&ready, 1, wait_ms) == 0) {
        return false;
    }
    n = recv(peer->fd, out->bytes, sizeof out->bytes, 0);
    out->len = (size_t)MAX(n, 0);
    return true;
}

static void
peer_receive(const Peer *peer, Datagram *out)
{
    if (!peer_try_receive(peer, out, WATCHDOG_MS)) {
        g_error("no datagram came");
    }
}

static void
agree_fax(Call *call, DmSide side)
{
    call->spec.side[side] = (DmMediaSideSpec){
        .remote_rtp = call->peer[side].address,
        .direction = DM_MEDIA_BOTH,
        .is_t38 = true,
        .t38 = {.max_bit_rate = 14400, .ec = DM_T38_REDUNDANCY},
    };
}

static void
agree_speech(Call *call, DmSide side)
{
    DmMediaFormat ulaw = {.codec = DM_CODEC_PCMU, .channels = 1, .clock_hz = 8000};

    call->spec.side[side] = (DmMediaSideSpec){
        .remote_rtp = call->peer[side].address,
        .direction = DM_MEDIA_BOTH,
        .n_recv = 1,
        .n_send = 1,
        .recv = {ulaw},
        .send = {ulaw},
    };
}

static void
call_open(Call *call)
{
    DmMediaPool pool = {.port_min = 40200, .port_max = 40299};
    DmMediaOptions options = {.n_workers = 1, .pools = &pool, .n_pools = 1, .quarantine_ms = 1};
    DmMediaOpen open = {.on_event = on_event};
    g_autoptr(GError) error = NULL;

    memset(call, 0, sizeof *call);
    dm_address_parse(&pool.address, "127.0.0.1", 0);
    call->events = g_async_queue_new_full(g_free);
    call->media = dm_media_new(&options, &error);
    g_assert_no_error(error);
    open.user_data = call->events;
    call->session = dm_media_session_open(call->media, &open, &error);
    g_assert_no_error(error);
    call->spec.answered = true;
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        peer_open(&call->peer[side],
                  "127.0.0.1",
                  dm_media_session_local(call->session, (DmSide)side));
        agree_speech(call, (DmSide)side);
    }
}

/* Commands are run in order: once a session made afterwards is gone, the update has happened. */
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
    close(call->peer[DM_SIDE_A].fd);
    close(call->peer[DM_SIDE_B].fd);
    return report;
}

static void
assert_fax_goes(Call *call, DmSide from, uint16_t sequence)
{
    Datagram got;

    peer_send_fax(&call->peer[from], sequence, 0x06);
    peer_receive(&call->peer[dm_side_other(from)], &got);
    g_assert_cmpuint(got.len, ==, 6);
    g_assert_cmpuint(dm_get_u16(got.bytes), ==, sequence);
    g_assert_cmphex(got.bytes[3], ==, 0x06);
}

static void
test_datagrams_go_both_ways(void)
{
    Call call;
    DmMediaReport report;

    g_test_summary(
        "FAX-5: with T.38 on both sides datagrams go on as they are, both ways, counted");
    call_open(&call);
    agree_fax(&call, DM_SIDE_A);
    agree_fax(&call, DM_SIDE_B);
    call_update(&call);
    for (uint16_t i = 0; i < 20; i++) {
        assert_fax_goes(&call, DM_SIDE_A, i);
        assert_fax_goes(&call, DM_SIDE_B, i);
    }
    assert_fax_goes(&call, DM_SIDE_A, 22);
    report = call_close(&call);
    g_assert_cmpint(report.fax.mode, ==, DM_FAX_RELAY);
    g_assert_cmpint(report.fax.result, ==, DM_FAX_UNKNOWN);
    g_assert_cmpuint(report.fax.missed, ==, 2);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 21);
    g_assert_cmpuint(report.side[DM_SIDE_A].tx_packets, ==, 20);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_packets, ==, 20);
    g_assert_cmpuint(report.side[DM_SIDE_B].rx_invalid, ==, 0);
}

static void
test_strangers_and_speech_are_not_fax(void)
{
    Call call;
    Peer stranger;
    Datagram got;
    DmMediaReport report;

    g_test_summary(
        "MED-4: whoever is not the peer is not heard in T.38 either; nor is late speech");
    call_open(&call);
    agree_fax(&call, DM_SIDE_A);
    agree_fax(&call, DM_SIDE_B);
    call_update(&call);
    peer_open(&stranger, "127.0.0.1", dm_media_session_local(call.session, DM_SIDE_A));
    peer_send_fax(&stranger, 0, 0x02);
    assert_fax_goes(&call, DM_SIDE_A, 0);
    peer_send_fax(&stranger, 1, 0x02);
    peer_send_speech(&call.peer[DM_SIDE_A], 77);
    assert_fax_goes(&call, DM_SIDE_A, 1);
    g_assert_false(peer_try_receive(&call.peer[DM_SIDE_B], &got, 0));
    close(stranger.fd);
    report = call_close(&call);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_foreign_source, ==, 2);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 2);
}

static void
test_peer_behind_nat_is_found(void)
{
    Call call;
    Datagram got;

    g_test_summary("MED-4: three datagrams in a row, repeated ones aside, find a peer behind NAT");
    call_open(&call);
    agree_fax(&call, DM_SIDE_A);
    agree_fax(&call, DM_SIDE_B);
    call.spec.side[DM_SIDE_A].nat = DM_NAT_PREFIX;
    dm_address_set_port(&call.spec.side[DM_SIDE_A].remote_rtp, 9);
    call_update(&call);
    for (uint16_t i = 0; i < 3; i++) {
        peer_send_fax(&call.peer[DM_SIDE_A], i, 0x06);
        peer_send_fax(&call.peer[DM_SIDE_A], i, 0x06);
    }
    peer_receive(&call.peer[DM_SIDE_B], &got);
    g_assert_cmpuint(dm_get_u16(got.bytes), ==, 2);
    assert_fax_goes(&call, DM_SIDE_B, 0);
    call_close(&call);
}

/* One packet of the modem's tones. */
static DmRtpPacket
receive_tones(Call *call, DmSide side, Datagram *got)
{
    DmRtpPacket rtp;

    peer_receive(&call->peer[side], got);
    g_assert_cmpint(dm_rtp_parse(got->bytes, got->len, &rtp), ==, DM_RTP_OK);
    g_assert_cmpuint(rtp.payload_len, ==, FRAME_LEN);
    return rtp;
}

static void
test_t38_becomes_tones(void)
{
    Call call;
    Datagram got;
    DmRtpPacket first;
    bool is_loud = false;
    DmMediaReport report;

    g_test_summary("FAX-3: CED in T.38 is a tone in G.711, in packets of 20 ms in order");
    call_open(&call);
    agree_fax(&call, DM_SIDE_A);
    call_update(&call);
    peer_send_fax(&call.peer[DM_SIDE_A], 0, 0x04);
    first = receive_tones(&call, DM_SIDE_B, &got);
    for (uint16_t i = 1; !is_loud; i++) {
        DmRtpPacket next = receive_tones(&call, DM_SIDE_B, &got);

        g_assert_cmpuint(next.sequence, ==, (uint16_t)(first.sequence + i));
        g_assert_cmpuint(next.timestamp - first.timestamp, ==, i * FRAME_LEN);
        g_assert_cmpuint(i, <, 500);
        for (unsigned k = 0; k < FRAME_LEN; k++) {
            is_loud = is_loud || (got.bytes[next.payload_offset + k] & 0x7f) < 0x30;
        }
        peer_send_speech(&call.peer[DM_SIDE_B], i);
    }
    report = call_close(&call);
    g_assert_cmpint(report.fax.mode, ==, DM_FAX_GATEWAY);
    g_assert_cmpuint(report.side[DM_SIDE_A].rx_packets, ==, 1);
}

static void
test_back_to_speech(void)
{
    Call call;
    Datagram got;
    DmRtpPacket tones;
    DmRtpPacket speech;

    g_test_summary("MED-3: after the fax the same stream goes on with speech");
    call_open(&call);
    agree_fax(&call, DM_SIDE_A);
    call_update(&call);
    tones = receive_tones(&call, DM_SIDE_B, &got);
    agree_speech(&call, DM_SIDE_A);
    call_update(&call);
    while (peer_try_receive(&call.peer[DM_SIDE_B], &got, 0)) {
        g_assert_cmpint(dm_rtp_parse(got.bytes, got.len, &tones), ==, DM_RTP_OK);
    }
    peer_send_speech(&call.peer[DM_SIDE_A], 4000);
    speech = receive_tones(&call, DM_SIDE_B, &got);
    g_assert_cmphex(speech.ssrc, ==, tones.ssrc);
    g_assert_cmpuint(speech.sequence, ==, (uint16_t)(tones.sequence + 1));
    g_assert_cmpint((int32_t)(speech.timestamp - tones.timestamp), >, 0);
    g_assert_cmpint(call_close(&call).fax.mode, ==, DM_FAX_GATEWAY);
}

static void
test_receiving_machine_may_be_silent(void)
{
    Call call;
    DmMediaEvent event;

    g_test_summary("MED-6: T.38 is alive while either side is; with neither it times out");
    call_open(&call);
    agree_fax(&call, DM_SIDE_A);
    agree_fax(&call, DM_SIDE_B);
    call.spec.timeout_ms = 300;
    call_update(&call);
    for (uint16_t i = 0; i < 30; i++) {
        Datagram got;

        assert_fax_goes(&call, DM_SIDE_A, i);
        g_assert_false(peer_try_receive(&call.peer[DM_SIDE_A], &got, 20));
    }
    event = wait_for(&call, DM_MEDIA_EVENT_TIMEOUT);
    g_assert_cmpuint(event.report.side[DM_SIDE_A].rx_packets, ==, 30);
    call_close(&call);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fax-session/relay", test_datagrams_go_both_ways);
    g_test_add_func("/fax-session/strangers", test_strangers_and_speech_are_not_fax);
    g_test_add_func("/fax-session/nat", test_peer_behind_nat_is_found);
    g_test_add_func("/fax-session/gateway", test_t38_becomes_tones);
    g_test_add_func("/fax-session/back", test_back_to_speech);
    g_test_add_func("/fax-session/silence", test_receiving_machine_may_be_silent);
    return g_test_run();
}
