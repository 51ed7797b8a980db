/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/control.h"

#include <sys/epoll.h>

#include "media/dtls/association.h"
#include "media/path/checks.h"
#include "media/path/handshake.h"
#include "media/path/judge.h"
#include "media/path/secure.h"
#include "media/rtp/published.h"

/* RFC 3550, 6.2 and A.7: 5 s, spread over half to one and a half of it, so that peers do not fall
 * into step. */
#define INTERVAL_US (5 * G_USEC_PER_SEC)

/* One cycle that DmRtpSequence puts below its first number. */
#define SEQUENCE_BASE UINT32_C(0x10000)

void
dm_control_init(DmStream *stream, const uint8_t random[DM_CONTROL_NAME_LEN])
{
    /* RFC 7022, 4.2: random and for this call only, so it tells nobody who we are. */
    static const char digits[] = "0123456789abcdef";
    char *cname = stream->rtcp.cname;

    G_STATIC_ASSERT(sizeof stream->rtcp.cname == 2 * DM_CONTROL_NAME_LEN + 1);
    for (unsigned i = 0; i < DM_CONTROL_NAME_LEN; i++) {
        *cname++ = digits[random[i] >> 4];
        *cname++ = digits[random[i] & 0xf];
    }
}

static int64_t
next_interval_us(DmStream *stream)
{
    DmRandom *random = dm_worker_random(dm_stream_session(stream)->worker);

    return dm_random_range(random, INTERVAL_US / 2, INTERVAL_US * 3 / 2);
}

void
dm_control_update(DmStream *stream, const DmMediaSideSpec *agreed, int64_t now_us)
{
    stream->rtcp.agreed = agreed->remote_rtcp;
    stream->rtcp.mux = agreed->rtcp_mux;
    stream->rtcp.xr = agreed->rtcp_xr;
    if (stream->rtcp.due_us == 0) {
        stream->rtcp.due_us = now_us + next_interval_us(stream);
    }
}

static uint64_t
ntp_at(const DmStream *stream, int64_t now_us)
{
    const DmMediaSession *session = dm_stream_session((DmStream *)stream);

    return dm_ntp_from_wall_us(now_us + session->wall_offset_us);
}

/* What the peer says of the stream we send it. */
static void
note_block(DmStream *stream, const DmRtcpBlock *block, int64_t now_us)
{
    uint32_t clock_hz = dm_path_plan_clock_out(dm_stream_plan(dm_stream_other(stream)));
    uint32_t trip_us = dm_rtcp_round_trip_us(block, dm_ntp_middle(ntp_at(stream, now_us)));

    if (trip_us != 0) {
        dm_publish(stream->rtt_us, trip_us);
        dm_publish(stream->rtt_max_us, MAX(trip_us, dm_published(stream->rtt_max_us)));
        dm_worker_observe(dm_worker_stats(dm_stream_session(stream)->worker), rtcp_rtt, trip_us);
    }
    dm_publish(stream->tx_lost, (uint32_t)MAX(block->lost, 0));
    dm_publish(stream->tx_jitter_us,
               (uint32_t)MIN((uint64_t)block->jitter * G_USEC_PER_SEC / clock_hz, G_MAXUINT32));
    dm_judge_out(stream, block, now_us);
}

void
dm_control_input(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from)
{
    DmWorker *worker = dm_stream_session(stream)->worker;
    int64_t now_us = dm_loop_now_us(dm_worker_loop(worker));
    int64_t *stats = dm_worker_stats(worker);
    DmRtcpInfo info;

    /* The port may be any: behind NAT it is. */
    if (!dm_address_same_host(from, &stream->remote)) {
        dm_worker_count(stats, rtcp_foreign);
        return;
    }
    if (stream->secured && !dm_secure_open_rtcp(stream, bytes, &len)) {
        return;
    }
    if (dm_rtcp_parse(bytes, len, stream->out.ssrc, &info) != DM_RTCP_OK) {
        dm_worker_count(stats, rtcp_invalid);
        return;
    }
    stream->rtcp.heard_us = now_us;
    stream->rtcp.source = *from;
    dm_publish_add(stream->rtcp_rx, 1);
    dm_worker_count(stats, rtcp_in);
    if (info.has_sr) {
        stream->rtcp.sr_ntp_middle = info.sr_ntp_middle;
        stream->rtcp.sr_arrived_us = now_us;
    }
    if (info.has_voip) {
        dm_judge_note_told(stream, &info.voip);
    }
    /* RFC 3611, 4.7.5: 10 to 50; what is outside means nothing, 127 that it does not know. */
    if (info.has_voip && info.voip.mos_cq_x10 >= 10 && info.voip.mos_cq_x10 <= 50) {
        dm_publish(stream->peer_mos_x100, 10u * info.voip.mos_cq_x10);
    }
    if (info.has_block) {
        note_block(stream, &info.block, now_us);
    }
}

/* RFC 7983, 7. RTCP itself begins with 128 or more. */
static void
input_mixed(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from)
{
    if (stream->checked && len > 0 && bytes[0] <= 3) {
        dm_checks_input(stream, true, bytes, len, from);
    } else if (stream->rtcp_handshake != NULL && dm_dtls_looks_like(bytes, len)) {
        dm_handshake_input(stream, true, bytes, len, from);
    } else {
        dm_control_input(stream, bytes, len, from);
    }
}

void
dm_control_on_readable(int fd, uint32_t events, void *user_data)
{
    DmStream *stream = user_data;
    DmBatch *batch = dm_worker_batch(dm_stream_session(stream)->worker);
    unsigned n = dm_batch_receive(batch, fd);

    for (unsigned i = 0; i < n; i++) {
        input_mixed(stream, batch->bytes[i], dm_batch_len(batch, i), &batch->from[i]);
    }
    if (n == DM_BATCH_SIZE) {
        dm_watch_set_events(stream->rtcp_watch, EPOLLIN | EPOLLET);
    }
}

int64_t
dm_control_due_us(const DmStream *stream)
{
    return stream->rtcp.due_us != 0 ? stream->rtcp.due_us : G_MAXINT64;
}

/* RFC 3550, A.3. */
static uint8_t
fraction_lost(DmStream *stream, uint32_t expected, uint32_t received)
{
    DmStreamRtcp *rtcp = &stream->rtcp;
    bool is_same_source = expected >= rtcp->prior_expected && received >= rtcp->prior_received;
    uint32_t expected_now = expected - (is_same_source ? rtcp->prior_expected : 0);
    uint32_t received_now = received - (is_same_source ? rtcp->prior_received : 0);

    rtcp->prior_expected = expected;
    rtcp->prior_received = received;
    if (received_now >= expected_now) {
        return 0;
    }
    return (uint8_t)MIN((uint64_t)(expected_now - received_now) * 256 / expected_now, 255);
}

static DmRtcpBlock
make_block(DmStream *stream, int64_t now_us)
{
    const DmRtpSequence *rx = &stream->rx;
    uint32_t expected = dm_rtp_sequence_expected(rx);
    uint32_t received = dm_published(rx->received);
    int64_t since_us = now_us - stream->rtcp.sr_arrived_us;
    DmRtcpBlock block = {
        .ssrc = rx->ssrc,
        .lost = (int32_t)(expected - received),
        .fraction_lost = fraction_lost(stream, expected, received),
        .highest = dm_published(rx->highest) - SEQUENCE_BASE,
        .jitter = dm_published(rx->jitter_x16) / 16,
    };

    if (stream->rtcp.sr_arrived_us != 0) {
        block.last_sr = stream->rtcp.sr_ntp_middle;
        block.since_sr = (uint32_t)MIN((uint64_t)since_us * 65536 / G_USEC_PER_SEC, G_MAXUINT32);
    }
    return block;
}

static DmRtcpReport
make_report(DmStream *stream, bool is_bye, int64_t now_us)
{
    uint32_t clock_hz = dm_path_plan_clock_out(dm_stream_plan(dm_stream_other(stream)));
    DmRtcpReport report = {
        .ssrc = stream->out.ssrc,
        .is_sender = dm_published(stream->tx_packets) != stream->rtcp.reported_packets,
        .ntp = ntp_at(stream, now_us),
        .rtp_timestamp = dm_rtp_continuity_timestamp_at(&stream->out, clock_hz, now_us),
        .packets = dm_published(stream->tx_packets),
        .octets = (uint32_t)dm_published(stream->tx_bytes),
        .has_block = stream->rx.started,
        .is_bye = is_bye,
    };

    g_strlcpy(report.cname, stream->rtcp.cname, sizeof report.cname);
    report.has_voip = report.has_block && stream->rtcp.xr;
    if (report.has_voip) {
        dm_judge_voip(stream, &report.voip);
    }
    if (report.has_block) {
        report.block = make_block(stream, now_us);
    }
    stream->rtcp.reported_packets = report.packets;
    return report;
}

DmAddress
dm_control_destination(const DmStream *stream)
{
    bool has_moved = !dm_address_equal(&stream->remote, &stream->latch.signalled);
    bool is_shown = has_moved || stream->rtcp_handshake != NULL;
    DmAddress address = stream->remote;

    if (stream->rtcp.mux) {
        return address;
    }
    if (is_shown && dm_address_same_host(&stream->rtcp.source, &address)) {
        return stream->rtcp.source;
    }
    if (!has_moved && dm_address_is_set(&stream->rtcp.agreed) &&
        dm_address_port(&stream->rtcp.agreed) != 0) {
        return stream->rtcp.agreed;
    }
    dm_address_set_port(&address, (uint16_t)(dm_address_port(&address) + 1));
    return address;
}

static void
send_report(DmStream *stream, bool is_bye, int64_t now_us)
{
    DmRtcpReport report = make_report(stream, is_bye, now_us);
    DmAddress to = dm_control_destination(stream);
    uint8_t plain[DM_RTCP_MAX];
    uint8_t sealed[DM_RTCP_MAX + DM_SRTP_ROOM];
    uint8_t *bytes = stream->secured ? sealed : plain;
    size_t len = dm_rtcp_build(plain, &report);
    int fd = stream->rtcp.mux ? stream->fd : stream->rtcp_fd;

    if (stream->secured) {
        len = dm_secure_seal_rtcp(stream, plain, len, sealed);
    }
    if (len > 0 &&
        sendto(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL, &to.any, dm_address_len(&to)) > 0) {
        dm_publish_add(stream->rtcp_tx, 1);
        dm_worker_count(dm_worker_stats(dm_stream_session(stream)->worker), rtcp_out);
    }
}

void
dm_control_send(DmStream *stream, bool is_bye, int64_t now_us)
{
    bool has_flowed = dm_published(stream->tx_packets) > 0 || dm_published(stream->rx_packets) > 0;

    stream->rtcp.due_us = now_us + next_interval_us(stream);
    if (has_flowed && !stream->udptl && dm_address_is_set(&stream->remote)) {
        send_report(stream, is_bye, now_us);
    }
}
