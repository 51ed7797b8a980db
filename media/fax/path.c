/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fax/path.h"

#include <string.h>

#include "media/dsp/g711.h"
#include "media/fax/ear.h"
#include "media/fax/gateway.h"
#include "media/fax/progress.h"
#include "media/path/flow.h"
#include "media/path/reorder.h"
#include "media/rtp/published.h"
#include "media/udptl/stream.h"

#define RATE_HZ      8000
#define STEP_US      20000
#define STEP         (RATE_HZ / 1000 * 20)
#define MAX_STEPS    5 /* made up for at a time when the worker was late */
#define MAX_GAP      (RATE_HZ / 2)
#define MAX_QUIET_US 60000 /* with nothing from the modem time goes on without it */

/* The way of the modem's packets. */
typedef struct {
    DmStream *modem;
    DmReorder *reorder;
    DmMediaFormat made; /* what goes to it */
    bool has_next;
    uint32_t next; /* timestamp that follows what was heard */
    uint32_t out;  /* timestamp of the next packet */
    bool has_out;
    int64_t heard_us, due_us;
    DmTimer timer;
} ModemLine;

struct DmFaxPath {
    DmMediaSession *session;
    DmMediaSideSpec agreed[DM_N_SIDES]; /* what it was made for */
    unsigned version;
    DmFaxReport last; /* as published */

    /* T.38 on both sides */
    DmUdptlReceiver receiver[DM_N_SIDES];
    DmFaxProgress progress;

    /* on one */
    DmFaxGateway *gateway; /* NULL: on both */
    DmStream *t38;
    ModemLine line;
};

/*
 * Reports: the worker writes, anyone reads
 */

#define RATE_UNIT 100 /* bit/s */

static uint64_t
pack(const DmFaxReport *report)
{
    return (uint64_t)report->mode | (uint64_t)report->result << 8 | (uint64_t)report->ecm << 16 |
           (uint64_t)report->pages << 24 | (uint64_t)(report->bit_rate / RATE_UNIT) << 40;
}

void
dm_fax_report(const DmMediaSession *session, DmFaxReport *out)
{
    uint64_t packed = dm_published(session->fax_packed);

    *out = (DmFaxReport){
        .mode = (uint8_t)packed,
        .result = (uint8_t)(packed >> 8),
        .ecm = (packed >> 16 & 1) != 0,
        .pages = (uint16_t)(packed >> 24),
        .bit_rate = (uint32_t)(packed >> 40) * RATE_UNIT,
        .recovered = dm_published(session->fax_recovered),
        .missed = dm_published(session->fax_missed),
    };
}

static void
report_relay(const DmFaxPath *path, DmFaxReport *out)
{
    *out = (DmFaxReport){
        .mode = DM_FAX_RELAY,
        .result = (uint8_t)dm_fax_progress_result(&path->progress),
        .ecm = path->progress.ecm,
        .pages = path->progress.pages,
        .bit_rate = path->progress.bit_rate,
    };
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        out->recovered += (uint32_t)path->receiver[side].n_recovered;
        out->missed += (uint32_t)path->receiver[side].n_missed;
    }
}

static void
publish(DmFaxPath *path)
{
    DmFaxReport report;

    if (path->gateway != NULL) {
        dm_fax_gateway_report(path->gateway, &report);
    } else {
        report_relay(path, &report);
    }
    dm_publish(path->session->fax_packed, pack(&report));
    dm_publish(path->session->fax_recovered, report.recovered);
    dm_publish(path->session->fax_missed, report.missed);
    path->last = report;
}

/*
 * T.38 in
 */

bool
dm_fax_read(DmPacket *packet)
{
    DmUdptlPacket udptl;

    if (dm_udptl_parse(packet->bytes, packet->len, &udptl) != DM_UDPTL_OK) {
        return false;
    }
    packet->rtp = (DmRtpPacket){
        .sequence = udptl.sequence,
        .payload_len = (uint16_t)packet->len,
    };
    return true;
}

typedef struct {
    DmFaxPath *path;
    DmSide side;
} Reader;

static void
on_ifp(uint16_t sequence, const uint8_t *ifp, size_t len, void *user_data)
{
    Reader *reader = user_data;

    dm_fax_progress_take(&reader->path->progress, reader->side, ifp, len, reader->path->version);
}

/* As it came: numbers, copies and sums are the peers' own affair. */
static void
relay(DmStream *stream, const DmPacket *packet, const DmUdptlPacket *udptl)
{
    DmFaxPath *path = dm_stream_session(stream)->fax;
    Reader reader = {path, (DmSide)stream->side};

    if (stream->forward) {
        dm_flow_send_udptl(dm_stream_other(stream), packet->bytes, packet->len);
    }
    dm_udptl_receive(&path->receiver[stream->side], udptl, on_ifp, &reader);
}

void
dm_fax_input(DmStream *stream, const DmPacket *packet)
{
    DmFaxPath *path = dm_stream_session(stream)->fax;
    DmUdptlPacket udptl;

    if (path == NULL || dm_udptl_parse(packet->bytes, packet->len, &udptl) != DM_UDPTL_OK) {
        return;
    }
    if (path->gateway != NULL) {
        dm_fax_gateway_input(path->gateway, &udptl);
    } else {
        relay(stream, packet, &udptl);
    }
    publish(path);
}

/*
 * The modem in
 */

static void
decode(DmCodec codec, const uint8_t *octets, size_t n, int16_t *samples)
{
    const DmG711Tables *tables = dm_g711_tables();
    const int16_t *table = codec == DM_CODEC_PCMA ? tables->alaw_to_linear : tables->ulaw_to_linear;

    for (size_t i = 0; i < n; i++) {
        samples[i] = table[octets[i]];
    }
}

/* Time between what was heard last and this packet: lost, or a modem that was silent. */
static void
bridge_gap(DmFaxPath *path, uint32_t timestamp)
{
    int32_t gap = (int32_t)(timestamp - path->line.next);

    if (path->line.has_next && gap > 0 && gap <= MAX_GAP) {
        dm_fax_gateway_miss(path->gateway, (size_t)gap);
    }
}

static void
play(const DmPlayed *played, void *user_data)
{
    DmFaxPath *path = user_data;
    const DmPathRule *rule = dm_path_plan_rule(dm_stream_plan(path->line.modem), played->rtp.pt);
    int16_t samples[STEP];

    if (rule == NULL || (rule->codec != DM_CODEC_PCMA && rule->codec != DM_CODEC_PCMU)) {
        return;
    }
    if (played->is_new_source) {
        path->line.has_next = false;
    }
    bridge_gap(path, played->rtp.timestamp);
    for (size_t at = 0; at < played->rtp.payload_len; at += STEP) {
        size_t n = MIN(STEP, played->rtp.payload_len - at);

        decode((DmCodec)rule->codec, played->payload + at, n, samples);
        dm_fax_gateway_hear(path->gateway, samples, n);
    }
    path->line.has_next = true;
    path->line.next = played->rtp.timestamp + played->rtp.payload_len;
}

void
dm_fax_hear(DmStream *stream, const DmPacket *packet)
{
    DmFaxPath *path = dm_stream_session(stream)->fax;

    if (path == NULL || path->gateway == NULL) {
        return;
    }
    path->line.heard_us = packet->now_us;
    dm_reorder_input(path->line.reorder, &packet->rtp, dm_packet_payload(packet), packet->now_us);
}

void
dm_fax_listen(DmStream *stream, const DmPacket *packet)
{
    DmMediaEvent event = {.type = DM_MEDIA_EVENT_FAX};
    DmCodec codec = (DmCodec)packet->rule.codec;
    size_t n = packet->rtp.payload_len;
    int16_t samples[STEP];

    if (codec != DM_CODEC_PCMA && codec != DM_CODEC_PCMU) {
        return;
    }
    for (size_t at = 0; at < n && stream->listens; at += STEP) {
        size_t n_now = MIN(STEP, n - at);

        decode(codec, dm_packet_payload(packet) + at, n_now, samples);
        stream->listens = !dm_fax_ear_hear(stream->fax_ear, samples, n_now);
    }
    if (!stream->listens) {
        g_clear_pointer(&stream->fax_ear, dm_fax_ear_free);
        dm_session_emit(stream, &event);
    }
}

/* Who calls has CNG, who is called has CED. Once heard is enough: then there is no ear any more. */
static void
update_ear(DmStream *stream, unsigned signs)
{
    unsigned own = stream->side == DM_SIDE_A ? DM_FAX_SIGN_CNG : DM_FAX_SIGN_CED;
    unsigned wanted = signs & (DM_FAX_SIGN_V21 | own);

    if (wanted != 0 && !stream->asked_to_listen) {
        stream->fax_ear = dm_fax_ear_new(wanted);
        stream->asked_to_listen = stream->fax_ear != NULL;
    }
    stream->listens = wanted != 0 && stream->fax_ear != NULL;
}

/*
 * The modem out, 20 ms by 20 ms
 */

static void
on_datagram(const uint8_t *bytes, size_t len, void *user_data)
{
    DmFaxPath *path = user_data;
    DmStream *to = path->t38;

    if (dm_address_is_set(&to->remote)) {
        dm_flow_send_udptl(to, bytes, len);
    }
}

static void
encode(DmCodec codec, const int16_t *samples, uint8_t *octets)
{
    for (unsigned i = 0; i < STEP; i++) {
        octets[i] =
            codec == DM_CODEC_PCMA ? dm_g711_to_alaw(samples[i]) : dm_g711_to_ulaw(samples[i]);
    }
}

static void
send_speech(ModemLine *line, const int16_t *samples, int64_t now_us)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + STEP];
    DmRtpPacket rtp = {
        .pt = line->made.pt,
        .marker = !line->has_out,
        .payload_offset = DM_RTP_HEADER_LEN,
        .payload_len = STEP,
    };
    DmPacket packet = {.bytes = bytes, .len = sizeof bytes, .now_us = now_us};

    if (!line->has_out) {
        line->out = dm_rtp_continuity_next_timestamp(&line->modem->out, RATE_HZ, now_us);
        line->has_out = true;
    }
    rtp.timestamp = line->out;
    line->out += STEP;
    dm_rtp_continuity_append(&line->modem->out, &rtp, now_us);
    dm_rtp_build(bytes, &rtp);
    encode(line->made.codec, samples, bytes + DM_RTP_HEADER_LEN);
    packet.rtp = rtp;
    dm_flow_send(line->modem, &packet);
}

static void
make_step(DmFaxPath *path, int64_t now_us)
{
    ModemLine *line = &path->line;
    int16_t samples[STEP];

    if (now_us - line->heard_us > MAX_QUIET_US) {
        dm_fax_gateway_miss(path->gateway, STEP);
        line->has_next = false;
    }
    dm_fax_gateway_speak(path->gateway, samples, STEP);
    if (path->t38->forward) {
        send_speech(line, samples, now_us);
    }
}

static void
on_step(DmTimer *timer, void *user_data)
{
    DmFaxPath *path = user_data;
    DmLoop *loop = dm_worker_loop(path->session->worker);
    int64_t now_us = dm_loop_now_us(loop);

    for (unsigned i = 0; i < MAX_STEPS && path->line.due_us <= now_us; i++) {
        make_step(path, now_us);
        path->line.due_us += STEP_US;
    }
    if (path->line.due_us <= now_us) {
        path->line.due_us = now_us + STEP_US;
    }
    publish(path);
    dm_loop_arm(loop, timer, path->line.due_us - now_us, on_step, path);
}

/*
 * Making and ending one
 */

static const DmMediaFormat *
find_g711(const DmMediaSideSpec *side)
{
    for (unsigned i = 0; i < side->n_send; i++) {
        if (side->send[i].codec == DM_CODEC_PCMA || side->send[i].codec == DM_CODEC_PCMU) {
            return &side->send[i];
        }
    }
    return NULL;
}

static bool
start_gateway(DmFaxPath *path, const DmMediaSpec *spec)
{
    DmSide side = spec->side[DM_SIDE_A].is_t38 ? DM_SIDE_A : DM_SIDE_B;
    const DmMediaFormat *made = find_g711(&spec->side[dm_side_other(side)]);
    DmLoop *loop = dm_worker_loop(path->session->worker);

    path->t38 = &path->session->stream[side];
    path->line.modem = dm_stream_other(path->t38);
    if (made != NULL) {
        path->gateway = dm_fax_gateway_new(&spec->side[side].t38, on_datagram, path);
    }
    if (path->gateway == NULL) {
        return false;
    }
    path->line.made = *made;
    path->line.reorder = dm_reorder_new(play, path);
    path->line.heard_us = path->line.due_us = dm_loop_now_us(loop);
    dm_loop_arm(loop, &path->line.timer, 0, on_step, path);
    return true;
}

static void
path_free(DmFaxPath *path)
{
    if (path == NULL) {
        return;
    }
    dm_timer_disarm(&path->line.timer);
    dm_fax_gateway_free(path->gateway);
    dm_reorder_free(path->line.reorder);
    g_free(path);
}

/* NULL: the modem's side has no G.711. Its speech is dropped then, and counted. */
static DmFaxPath *
path_new(DmMediaSession *session, const DmMediaSpec *spec)
{
    bool is_relay = spec->side[DM_SIDE_A].is_t38 && spec->side[DM_SIDE_B].is_t38;
    DmFaxPath *path = g_new0(DmFaxPath, 1);

    path->session = session;
    memcpy(path->agreed, spec->side, sizeof path->agreed);
    path->version = spec->side[spec->side[DM_SIDE_A].is_t38 ? DM_SIDE_A : DM_SIDE_B].t38.version;
    if (!is_relay && !start_gateway(path, spec)) {
        path_free(path);
        return NULL;
    }
    publish(path);
    return path;
}

static void
count_result(const DmMediaSession *session)
{
    static const DmMediaStat stats_of[] = {
        [DM_FAX_UNKNOWN] = DM_MEDIA_STAT_t38_unknown,
        [DM_FAX_COMPLETE] = DM_MEDIA_STAT_t38_complete,
        [DM_FAX_PARTIAL] = DM_MEDIA_STAT_t38_partial,
        [DM_FAX_FAILED] = DM_MEDIA_STAT_t38_failed,
    };
    int64_t *stats = dm_worker_stats(session->worker);

    stats[stats_of[session->fax->last.result]]++;
    stats[DM_MEDIA_STAT_t38_active]--;
}

/* What a fax depends on; a peer may move without it noticing. */
static bool
is_same_fax(const DmMediaSideSpec *a, const DmMediaSideSpec *b)
{
    const DmMediaFormat *a_law = find_g711(a);
    const DmMediaFormat *b_law = find_g711(b);

    if (a->is_t38 != b->is_t38 || (a_law == NULL) != (b_law == NULL)) {
        return false;
    }
    return dm_t38_equal(&a->t38, &b->t38) &&
           (a_law == NULL || (a_law->codec == b_law->codec && a_law->pt == b_law->pt));
}

static void
end_path(DmMediaSession *session)
{
    if (session->fax != NULL) {
        publish(session->fax);
        count_result(session);
        g_clear_pointer(&session->fax, path_free);
    }
}

void
dm_fax_stop(DmMediaSession *session)
{
    end_path(session);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        g_clear_pointer(&session->stream[side].fax_ear, dm_fax_ear_free);
    }
}

void
dm_fax_update(DmMediaSession *session, const DmMediaSpec *spec)
{
    bool is_fax = spec->side[DM_SIDE_A].is_t38 || spec->side[DM_SIDE_B].is_t38;

    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        session->stream[side].udptl = spec->side[side].is_t38;
        session->stream[side].modem = is_fax && !spec->side[side].is_t38;
        update_ear(&session->stream[side], is_fax ? 0 : spec->fax_signs);
    }
    if (session->fax != NULL &&
        is_same_fax(&session->fax->agreed[DM_SIDE_A], &spec->side[DM_SIDE_A]) &&
        is_same_fax(&session->fax->agreed[DM_SIDE_B], &spec->side[DM_SIDE_B])) {
        return;
    }
    end_path(session);
    if (is_fax) {
        session->fax = path_new(session, spec);
        dm_worker_stats(session->worker)[DM_MEDIA_STAT_t38_active] += session->fax != NULL;
    }
}
