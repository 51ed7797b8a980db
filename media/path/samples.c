/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/samples.h"

#include "media/path/decoded.h"
#include "media/path/flow.h"
#include "media/path/player.h"
#include "media/rtp/published.h"

/* A peer of which nothing has come for so long is silent: not a phone that stalls, and sooner than
 * anybody thinks that the line is dead. */
#define SILENT_AFTER_US (400 * INT64_C(1000))
/* And so often after that we see to it that the other one hears something. */
#define SILENT_STILL_US (20 * G_USEC_PER_SEC)

struct DmSamples {
    DmDecodedPath *path;
    DmTimer timer;     /* what waits in it, or nothing having come for long */
    int64_t silent_us; /* when that is; G_MAXINT64: never */
};

static int64_t *
stats_of(DmStream *stream)
{
    return dm_worker_stats(dm_stream_session(stream)->worker);
}

void
dm_samples_note_transcoding(DmStream *stream)
{
    DmMediaSession *session = dm_stream_session(stream);

    if (!dm_published(session->transcoded)) {
        dm_publish(session->transcoded, true);
        dm_worker_count(stats_of(stream), transcoding);
    }
}

static void
send_made(const DmRtpPacket *rtp, const uint8_t *bytes, size_t len, void *user_data)
{
    DmStream *stream = user_data;
    DmPacket packet = {.bytes = (uint8_t *)bytes, .len = len, .rtp = *rtp};

    dm_flow_send(dm_stream_other(stream), &packet);
}

static bool
on_key(char key, void *user_data)
{
    DmStream *stream = user_data;
    int64_t now_us = dm_loop_now_us(dm_worker_loop(dm_stream_session(stream)->worker));

    if (!dm_session_take_key(stream, key, DM_KEYS_TONES, now_us)) {
        return false;
    }
    dm_worker_count(stats_of(stream), dtmf_inband);
    return true;
}

static void
on_noise(unsigned level, void *user_data)
{
    dm_player_noise(dm_stream_other(user_data), level);
}

/*
 * The path's clock
 */

static void on_due(DmTimer *timer, void *user_data);

static void
arm(DmStream *stream)
{
    DmLoop *loop = dm_worker_loop(dm_stream_session(stream)->worker);
    int64_t due_us = MIN(dm_decoded_path_due_us(stream->samples->path), stream->samples->silent_us);

    if (due_us == G_MAXINT64) {
        dm_timer_disarm(&stream->samples->timer);
    } else {
        int64_t delay_us = MAX(due_us - dm_loop_now_us(loop), 0);

        dm_loop_arm(loop, &stream->samples->timer, delay_us, on_due, stream);
    }
}

/* MED-9: a peer that sends nothing while nobody talks and does not tell so, toward one that knows
 * no comfort noise. Not on hold, and until the call ends for it (MED-6). Before the answer it only
 * rings: a phone that hears anything from us would not ring by itself. */
static void
keep_up(DmStream *stream, int64_t now_us)
{
    const DmMediaSession *session = dm_stream_session(stream);
    bool is_answered = dm_published(session->answered_us) != 0;
    bool is_missed = stream->forward && !stream->timeout_told && session->expected[stream->side];

    if (!is_answered || !is_missed) {
        stream->samples->silent_us = is_answered ? G_MAXINT64 : now_us + SILENT_AFTER_US;
        return;
    }
    stream->samples->silent_us = now_us + SILENT_STILL_US;
    dm_decoded_path_fall_silent(stream->samples->path, now_us);
    dm_player_keep_up(dm_stream_other(stream));
}

static void
on_due(DmTimer *timer, void *user_data)
{
    DmStream *stream = user_data;
    int64_t now_us = dm_loop_now_us(dm_worker_loop(dm_stream_session(stream)->worker));

    dm_decoded_path_tick(stream->samples->path, now_us);
    if (now_us >= stream->samples->silent_us) {
        keep_up(stream, now_us);
    }
    arm(stream);
}

static void
input(DmStream *stream, const DmPacket *packet)
{
    uint32_t delay_ms;

    if (!dm_decoded_path_input(stream->samples->path, packet)) {
        dm_worker_count(stats_of(stream), rtp_discarded);
    }
    stream->samples->silent_us =
        dm_stream_plan(stream)->keeps_up ? packet->now_us + SILENT_AFTER_US : G_MAXINT64;
    arm(stream);
    delay_ms = (uint32_t)(dm_decoded_path_delay_us(stream->samples->path) / 1000);
    dm_publish(stream->buffer_ms, delay_ms);
    if (delay_ms > dm_published(stream->buffer_max_ms)) {
        dm_publish(stream->buffer_max_ms, delay_ms);
    }
}

/* Speech in the other law stays as it is, packet by packet, unless the peer wants another length;
 * and whatever a decoded stream carries besides speech goes with it, in its order. */
static bool
is_wanted(const DmStream *stream, const DmPacket *packet)
{
    uint8_t ops = packet->rule.ops & (uint8_t)~DM_PATH_HUSH;

    if (ops & (DM_PATH_DECODE | DM_PATH_TONES)) {
        return true;
    }
    if (stream->samples != NULL) {
        return ops != DM_PATH_FORWARD || packet->rule.codec == DM_CODEC_CN;
    }
    return ops & (DM_PATH_TO_ALAW | DM_PATH_TO_ULAW) &&
           !dm_path_plan_keeps_length(dm_stream_plan(stream), packet->rtp.payload_len);
}

/* Relayed speech under the tone of a key. */
static bool
is_hushed(const DmStream *stream, const DmPacket *packet)
{
    return (packet->rule.ops & DM_PATH_HUSH) && stream->samples != NULL &&
           dm_decoded_path_sounds(stream->samples->path, packet->now_us);
}

void
dm_samples_noise(DmStream *stream, const DmPacket *packet)
{
    if (stream->samples != NULL) {
        input(stream, packet);
    } else if (packet->rtp.payload_len > 0) {
        dm_player_noise(dm_stream_other(stream), dm_packet_payload(packet)[0]);
    }
}

static bool
start(DmStream *stream)
{
    static const DmPathOutput output = {send_made, on_key, on_noise};
    DmRtpContinuity *out = &dm_stream_other(stream)->out;
    DmDecodedPath *path = dm_decoded_path_new(dm_stream_plan(stream), out, &output, stream);

    if (path != NULL) {
        stream->samples = g_new0(struct DmSamples, 1);
        stream->samples->path = path;
    }
    return path != NULL;
}

bool
dm_samples_input(DmStream *stream, const DmPacket *packet)
{
    if (!is_wanted(stream, packet)) {
        return is_hushed(stream, packet);
    }
    if (stream->samples == NULL && !start(stream)) {
        dm_worker_count(stats_of(stream), rtp_no_codec);
        return true;
    }
    if (packet->rule.codec != dm_stream_plan(stream)->made.codec &&
        (packet->rule.ops & DM_PATH_EVENT) == 0) {
        dm_samples_note_transcoding(stream);
    }
    input(stream, packet);
    return true;
}

void
dm_samples_stop(DmStream *stream)
{
    struct DmSamples *samples = g_steal_pointer(&stream->samples);

    if (samples == NULL) {
        return;
    }
    stats_of(stream)[DM_MEDIA_STAT_concealed_ms] +=
        (int64_t)dm_decoded_path_concealed_ms(samples->path);
    dm_timer_disarm(&samples->timer);
    dm_publish(stream->buffer_ms, 0);
    dm_decoded_path_free(samples->path);
    g_free(samples);
}
