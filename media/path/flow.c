/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/flow.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "media/dtls/association.h"
#include "media/fax/path.h"
#include "media/path/checks.h"
#include "media/path/control.h"
#include "media/path/handshake.h"
#include "media/path/judge.h"
#include "media/path/player.h"
#include "media/path/relay.h"
#include "media/path/samples.h"
#include "media/path/secure.h"
#include "media/path/transcode.h"
#include "media/record/recorder.h"
#include "media/rtp/published.h"

/* Rounds of DM_BATCH_SIZE from one socket before others have their turn. */
#define MAX_ROUNDS 4

/* A pinned peer is shielded when it has been heard for this long, or when so many strangers came.
 * In between, while it is open, strangers are counted (MED-4). */
#define SHIELD_AFTER_PACKETS   250
#define SHIELD_AFTER_STRANGERS 1000

/* How long a shield stays open each time reports are sent. */
#define REOPEN_PACKETS 25

/* Family, port and host of IPv4 are the first eight bytes. */
static inline bool
is_same_peer(const DmAddress *a, const DmAddress *b)
{
    return a->any.sa_family == AF_INET ? memcmp(a, b, 8) == 0 : dm_address_equal(a, b);
}

/* From now on the kernel drops what strangers send, before it fills the socket's queue and costs us
 * a system call, and it need not look up the way to the peer for each packet: a tenth of the CPU or
 * more (tests/bench/media-relay). */
static void
shield(DmStream *stream)
{
    stream->shielded =
        connect(stream->fd, &stream->remote.any, dm_address_len(&stream->remote)) == 0;
    stream->direct = stream->shielded && !stream->secured;
}

/* A peer with ICE may come from another address at any time, and is heard there first. */
static void
shield_in_time(DmStream *stream)
{
    if (!stream->checked) {
        shield(stream);
    }
}

void
dm_flow_unshield(DmStream *stream)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    stream->n_strangers = 0;
    stream->shield_at = dm_published(stream->rx_packets) + REOPEN_PACKETS;
    if (stream->shielded) {
        stream->shielded = false;
        stream->direct = false;
        (void)connect(stream->fd, &nobody, sizeof nobody);
    }
}

static void
drop_foreign(DmStream *stream, int64_t *stats)
{
    dm_publish_add(stream->rx_foreign_source, 1);
    dm_worker_count(stats, rtp_foreign);
    if (stream->pinned && ++stream->n_strangers == SHIELD_AFTER_STRANGERS) {
        shield(stream);
        dm_worker_count(stats, shielded);
    }
}

static void
drop_invalid(DmStream *stream, int64_t *stats)
{
    dm_publish_add(stream->rx_invalid, 1);
    dm_worker_count(stats, rtp_invalid);
}

/* Is it RTP of a type we agreed on? */
static bool
read_packet(DmStream *stream, DmPacket *packet, bool is_from_peer, int64_t *stats)
{
    const DmPathRule *rule;

    if (dm_rtp_parse(packet->bytes, packet->len, &packet->rtp) != DM_RTP_OK) {
        drop_invalid(stream, stats);
        return false;
    }
    if (packet->rtp.pt == stream->rule.pt_in) {
        packet->rule = stream->rule;
        return true;
    }
    rule = dm_path_plan_rule(dm_stream_plan(stream), packet->rtp.pt);
    if (rule != NULL) {
        packet->rule = *rule;
        return true;
    }
    if (is_from_peer) {
        dm_publish_add(stream->rx_unknown_pt, 1);
        dm_worker_count(stats, rtp_unknown_pt);
    } else {
        drop_foreign(stream, stats);
    }
    return false;
}

void
dm_flow_publish_latched(DmStream *stream, const DmAddress *address)
{
    DmLatchPublished *published = dm_published(stream->latched);
    unsigned slot;

    if (published == NULL) {
        published = g_new0(DmLatchPublished, 1);
    }
    slot = 1 - dm_published(published->slot);
    published->address[slot] = *address;
    atomic_store_explicit(&published->slot, slot, memory_order_release);
    atomic_store_explicit(&stream->latched, published, memory_order_release);
}

DmAddress
dm_flow_latched(const DmStream *stream)
{
    const DmLatchPublished *published =
        atomic_load_explicit(&stream->latched, memory_order_acquire);

    return published != NULL
               ? published->address[atomic_load_explicit(&published->slot, memory_order_acquire)]
               : (DmAddress){0};
}

/* Its address is the latch's now. */
static void
on_moved(DmStream *stream, int64_t *stats)
{
    DmMediaEvent event = {.type = DM_MEDIA_EVENT_LATCHED, .address = stream->latch.believed};

    stream->remote = stream->latch.believed;
    dm_flow_publish_latched(stream, &stream->latch.believed);
    dm_session_set_forwarding(dm_stream_session(stream));
    dm_worker_count(stats, latched);
    dm_session_emit(stream, &event);
}

static void
pin(DmStream *stream)
{
    stream->pinned = true;
    stream->shield_at = dm_published(stream->rx_packets) + SHIELD_AFTER_PACKETS;
}

void
dm_flow_believe(DmStream *stream, const DmAddress *address)
{
    dm_flow_unshield(stream);
    dm_latch_believe(&stream->latch, address);
    pin(stream);
    on_moved(stream, dm_worker_stats(dm_stream_session(stream)->worker));
}

/* Until the source is pinned: is this the peer? */
static bool
pass_latch(DmStream *stream, const DmPacket *packet, const DmAddress *from, int64_t *stats)
{
    switch (dm_latch_input(&stream->latch, from, &packet->rtp, packet->now_us)) {
    case DM_LATCH_ACCEPT:
        pin(stream);
        return true;
    case DM_LATCH_MOVED:
        pin(stream);
        on_moved(stream, stats);
        return true;
    case DM_LATCH_LEARNING:
        dm_worker_count(stats, rtp_learning);
        return false;
    case DM_LATCH_FOREIGN:
        break;
    }
    drop_foreign(stream, stats);
    return false;
}

static void
on_unusual_sequence(DmStream *stream, DmSequenceOutcome outcome, int64_t *stats)
{
    dm_judge_note_gap(stream, outcome);
    switch (outcome) {
    case DM_SEQUENCE_RESTART:
        dm_publish(stream->ssrc_rx, stream->rx.ssrc);
        dm_dtmf_receiver_reset(&stream->dtmf);
        break;
    case DM_SEQUENCE_LATE:
        dm_publish_add(stream->rx_out_of_order, 1);
        dm_worker_count(stats, rtp_late);
        break;
    case DM_SEQUENCE_DUPLICATE:
        dm_publish_add(stream->rx_duplicates, 1);
        dm_worker_count(stats, rtp_duplicate);
        break;
    case DM_SEQUENCE_JUMP:
    case DM_SEQUENCE_GAP:
    case DM_SEQUENCE_NEXT:
        break;
    }
}

static void
on_other_format(DmStream *stream, const DmPathRule *rule)
{
    stream->rule = *rule;
    dm_rtp_sequence_new_timeline(&stream->rx);
    dm_publish(stream->format, (uint32_t)rule->codec << 8 | rule->pt_in);
    dm_publish(stream->clock_hz, rule->clock_in_hz);
}

static void
on_first_packet(DmStream *stream, const DmPacket *packet)
{
    DmMediaEvent event = {.type = DM_MEDIA_EVENT_FIRST_PACKET, .address = stream->remote};

    stream->heard = true;
    if (dm_published(stream->first_rx_us) == 0) {
        dm_publish(stream->first_rx_us, packet->now_us);
    }
    dm_session_emit(stream, &event);
}

static void
note_arrival(DmStream *stream, const DmPacket *packet)
{
    dm_publish_add(stream->rx_packets, 1);
    dm_publish_add(stream->rx_bytes, packet->rtp.payload_len);
    dm_publish(stream->last_rx_ms, (uint32_t)(packet->now_us / 1000));
    if (dm_published(stream->rx_packets) == stream->shield_at && !stream->shielded) {
        shield_in_time(stream);
    }
    if (!stream->heard) {
        on_first_packet(stream, packet);
    }
}

/* What a receiver learns from an accepted packet (RFC 3550, A). */
static void
account(DmStream *stream, const DmPacket *packet, int64_t *stats)
{
    /* Neither is speech, and the codec of speech stays what it was. */
    bool is_event = (packet->rule.ops & (DM_PATH_EVENT | DM_PATH_NOISE)) != 0;
    DmSequenceOutcome outcome =
        dm_rtp_sequence_input(&stream->rx, packet->rtp.ssrc, packet->rtp.sequence);

    if (outcome != DM_SEQUENCE_NEXT) {
        on_unusual_sequence(stream, outcome, stats);
    }
    if (packet->rule.pt_in != stream->rule.pt_in && !is_event) {
        on_other_format(stream, &packet->rule);
    }
    if (outcome <= DM_SEQUENCE_GAP && !is_event) {
        dm_rtp_sequence_arrival(&stream->rx,
                                packet->rtp.timestamp,
                                packet->rule.clock_in_hz,
                                packet->now_us);
    }
    dm_worker_count(stats, rtp_in);
    stats[DM_MEDIA_STAT_rtp_in_bytes] += packet->rtp.payload_len;
    note_arrival(stream, packet);
}

/* Returns false when the press is known already, and shall not go on. */
static bool
listen_for_digits(DmStream *stream, const DmPacket *packet, int64_t *stats)
{
    uint32_t before = stream->dtmf.timestamp;
    char digit = dm_dtmf_receive(&stream->dtmf, packet);

    stream->event_us = packet->now_us;
    if (digit != 0) {
        stream->drops_press = !dm_session_take_key(stream, digit, DM_KEYS_EVENTS, packet->now_us);
        stats[DM_MEDIA_STAT_dtmf_in] += !stream->drops_press;
    } else if (stream->dtmf.timestamp != before) {
        stream->drops_press = false; /* something else than a key */
    } else {
        dm_key_once_lasts(&stream->key_once, DM_KEYS_EVENTS, packet->now_us);
    }
    return !stream->drops_press;
}

/* A shielded socket tells of an ICMP error of an earlier packet in place of sending this one. */
static bool
send_shielded(const DmStream *to, const uint8_t *bytes, size_t len)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

    return send(to->fd, bytes, len, flags) >= 0 ||
           (errno == ECONNREFUSED && send(to->fd, bytes, len, flags) >= 0);
}

static bool
send_plain(const DmStream *to, const uint8_t *bytes, size_t len)
{
    if (to->shielded) {
        return send_shielded(to, bytes, len);
    }
    return sendto(to->fd,
                  bytes,
                  len,
                  MSG_DONTWAIT | MSG_NOSIGNAL,
                  &to->remote.any,
                  dm_address_len(&to->remote)) >= 0;
}

static bool
send_otherwise(const DmStream *to, const DmPacket *packet)
{
    uint8_t sealed[DM_DATAGRAM_MAX + DM_SRTP_ROOM];
    size_t len;

    if (!to->secured) {
        return send_plain(to, packet->bytes, packet->len);
    }
    len = dm_secure_seal_rtp(to, packet->bytes, packet->len, sealed);
    return len > 0 && send_plain(to, sealed, len);
}

void
dm_flow_send(DmStream *to, const DmPacket *packet)
{
    int64_t *stats = dm_worker_stats(dm_stream_session(to)->worker);
    bool is_sent =
        to->direct ? send_shielded(to, packet->bytes, packet->len) : send_otherwise(to, packet);

    if (!is_sent) {
        dm_worker_count(stats, rtp_send_failed);
        return;
    }
    dm_publish_add(to->tx_packets, 1);
    dm_publish_add(to->tx_bytes, packet->rtp.payload_len);
    dm_worker_count(stats, rtp_out);
    stats[DM_MEDIA_STAT_rtp_out_bytes] += packet->rtp.payload_len;
}

/* The same for fax, whose datagrams are not RTP. */
void
dm_flow_send_udptl(DmStream *to, const uint8_t *bytes, size_t len)
{
    int64_t *stats = dm_worker_stats(dm_stream_session(to)->worker);

    if (!send_plain(to, bytes, len)) {
        dm_worker_count(stats, rtp_send_failed);
        return;
    }
    dm_publish_add(to->tx_packets, 1);
    dm_publish_add(to->tx_bytes, len);
    dm_worker_count(stats, udptl_out);
}

static void
pass_on(DmStream *stream, DmPacket *packet, int64_t *stats)
{
    DmStream *to = dm_stream_other(stream);

    if (stream->modem) {
        dm_fax_hear(stream, packet);
        return;
    }
    if (stream->listens) {
        dm_fax_listen(stream, packet);
    }
    if (!stream->forward) {
        dm_worker_count(stats, rtp_held);
        return;
    }
    if (packet->rule.ops & DM_PATH_NOISE) {
        dm_samples_noise(stream, packet);
        return;
    }
    if ((packet->rule.ops & DM_PATH_FORWARD) == 0) {
        dm_worker_count(stats, rtp_no_codec);
        return;
    }
    if (to->played && dm_player_takes_over(to, packet)) {
        dm_worker_count(stats, rtp_held);
        return;
    }
    if (packet->rule.ops != DM_PATH_FORWARD && dm_samples_input(stream, packet)) {
        return;
    }
    if (packet->rule.ops & DM_PATH_EVENT) {
        dm_stage_dtmf(packet);
    }
    if (dm_stage_transcode(packet)) {
        dm_samples_note_transcoding(stream);
    }
    dm_stage_relay(packet, &to->out);
    dm_flow_send(to, packet);
}

/* Fax on the port that RTP had. Speech that is still under way is dropped here. */
static void
input_udptl(DmStream *stream, DmPacket *packet, const DmAddress *from, int64_t *stats)
{
    if (!dm_fax_read(packet)) {
        dm_worker_count(stats, udptl_invalid);
        return;
    }
    if (!stream->pinned && !pass_latch(stream, packet, from, stats)) {
        return;
    }
    dm_worker_count(stats, udptl_in);
    note_arrival(stream, packet);
    dm_fax_input(stream, packet);
}

void
dm_flow_input(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from)
{
    DmWorker *worker = dm_stream_session(stream)->worker;
    int64_t *stats = dm_worker_stats(worker);
    bool is_from_peer = is_same_peer(from, &stream->remote);
    DmPacket packet = {
        .bytes = bytes,
        .len = len,
        .now_us = dm_loop_now_us(dm_worker_loop(worker)),
    };

    if (!stream->planned && !stream->udptl) {
        if (dm_dtls_looks_like(bytes, len)) {
            dm_handshake_keep(stream, bytes, len, from);
        }
        dm_worker_count(stats, rtp_early);
        return;
    }
    if (stream->pinned && !is_from_peer) {
        drop_foreign(stream, stats);
        return;
    }
    if (stream->udptl) {
        input_udptl(stream, &packet, from, stats);
        return;
    }
    if (dm_rtp_is_rtcp(bytes, len)) {
        dm_control_input(stream, bytes, len, from);
        return;
    }
    if (!read_packet(stream, &packet, is_from_peer, stats)) {
        return;
    }
    if (!stream->pinned && !pass_latch(stream, &packet, from, stats)) {
        return;
    }
    account(stream, &packet, stats);
    if (stream->taped) {
        dm_recording_input(dm_stream_session(stream)->recording, (DmSide)stream->side, &packet);
    }
    if ((packet.rule.ops & DM_PATH_EVENT) && !listen_for_digits(stream, &packet, stats)) {
        return;
    }
    pass_on(stream, &packet, stats);
}

/* Another phone that rings has a key of its own, which we learn when its description is taken up
 * because it was heard: until then its address, which was signalled, is all there is to go by. */
static void
hear_rival(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from)
{
    DmWorker *worker = dm_stream_session(stream)->worker;
    DmPacket packet = {
        .bytes = bytes,
        .len = len,
        .now_us = dm_loop_now_us(dm_worker_loop(worker)),
    };

    if (dm_rtp_parse(bytes, len, &packet.rtp) == DM_RTP_OK) {
        pass_latch(stream, &packet, from, dm_worker_stats(worker));
    }
}

void
dm_flow_input_secured(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from)
{
    /* Strangers and what comes too early: dropped there, unread. */
    bool is_dropped = !stream->planned || (stream->pinned && !is_same_peer(from, &stream->remote));

    if (!is_dropped && dm_rtp_is_rtcp(bytes, len)) {
        dm_control_input(stream, bytes, len, from);
    } else if (!stream->pinned && stream->latch.hear_rivals &&
               dm_latch_is_rival(&stream->latch, from)) {
        hear_rival(stream, bytes, len, from);
    } else if (is_dropped || dm_secure_open_rtp(stream, bytes, &len)) {
        dm_flow_input(stream, bytes, len, from);
    }
}

/* RFC 7983, 7: told apart by the first byte. */
static void
input_mixed(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from)
{
    if (len > 0 && bytes[0] <= 3 && stream->checked) {
        dm_checks_input(stream, false, bytes, len, from);
    } else if (dm_dtls_looks_like(bytes, len) && !stream->udptl) {
        dm_handshake_input(stream, false, bytes, len, from);
    } else if (stream->secured) {
        dm_flow_input_secured(stream, bytes, len, from);
    } else {
        dm_flow_input(stream, bytes, len, from);
    }
}

typedef void (*Input)(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from);

static inline void
read_socket(DmStream *stream, int fd, Input input)
{
    DmBatch *batch = dm_worker_batch(dm_stream_session(stream)->worker);
    unsigned rounds = 0;
    unsigned n;

    do {
        n = dm_batch_receive(batch, fd);
        for (unsigned i = 0; i < n; i++) {
            input(stream, batch->bytes[i], dm_batch_len(batch, i), &batch->from[i]);
        }
    } while (n == DM_BATCH_SIZE && ++rounds < MAX_ROUNDS);

    /* There is more: asking again for the same events makes an edge for the next turn. */
    if (n == DM_BATCH_SIZE) {
        dm_watch_set_events(stream->watch, EPOLLIN | EPOLLET);
    }
}

void
dm_flow_on_readable(int fd, uint32_t events, void *user_data)
{
    read_socket(user_data, fd, dm_flow_input);
}

void
dm_flow_on_mixed_readable(int fd, uint32_t events, void *user_data)
{
    read_socket(user_data, fd, input_mixed);
}

void
dm_flow_on_secured_readable(int fd, uint32_t events, void *user_data)
{
    read_socket(user_data, fd, dm_flow_input_secured);
}
