/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/player.h"

#include <string.h>

#include "media/dsp/codec.h"
#include "media/dsp/tones.h"
#include "media/path/flow.h"

/* Players of one worker do their work together, so that it wakes once for all of them. */
#define GRID_US (20 * INT64_C(1000))
/* A worker so late does not make good what was missed. */
#define MAX_LATE_US (200 * INT64_C(1000))

#define MS INT64_C(1000)

struct DmPlayer {
    DmStream *to; /* it owns us */
    DmTimer timer;
    int64_t due_us; /* of the next packet */

    /* what is played */
    DmPlay play;
    DmToneMaker tone;
    bool is_on;
    bool sounds; /* and does not wait for silence */
    bool was_told;
    int64_t quiet_from_us; /* asked for, or the other peer was heard */
    uint32_t played_ms;

    /* packets */
    DmEncoder *encoder; /* NULL: nothing agreed that we can make; time goes on */
    DmMediaFormat made;
    unsigned ptime_ms;
    uint32_t timestamp;     /* of the next one */
    uint16_t last_sequence; /* of our own last; another in the stream is not ours */
    bool is_joined;
};

static DmLoop *
loop_of(const DmStream *to)
{
    return dm_worker_loop(dm_stream_session((DmStream *)to)->worker);
}

static void
tell(DmPlayer *player, DmMediaEventType type)
{
    DmMediaEvent event = {.type = type};

    dm_session_emit(player->to, &event);
}

/*
 * Packets
 */

static bool
can_send(const DmStream *to)
{
    return (to->direction & DM_MEDIA_SEND) != 0 && dm_address_is_set(&to->remote);
}

/* Goes on from whatever was sent last, by others or by us. */
static bool
join(DmPlayer *player, int64_t now_us)
{
    const DmRtpContinuity *out = &player->to->out;

    if (player->is_joined && out->last_sequence == player->last_sequence) {
        return false;
    }
    player->timestamp = dm_rtp_continuity_next_timestamp(out, player->made.clock_hz, now_us);
    player->is_joined = true;
    return true;
}

static void
send_frame(DmPlayer *player, const int16_t *samples, size_t n, int64_t now_us)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES];
    size_t len = dm_encoder_encode(player->encoder, samples, n, bytes + DM_RTP_HEADER_LEN);
    DmPacket packet = {.bytes = bytes, .len = DM_RTP_HEADER_LEN + len};

    if (len == 0) {
        return;
    }
    packet.rtp = (DmRtpPacket){
        .payload_offset = DM_RTP_HEADER_LEN,
        .payload_len = (uint16_t)len,
        .pt = player->made.pt,
        .marker = join(player, now_us),
    };
    packet.rtp.timestamp = player->timestamp;
    dm_rtp_continuity_append(&player->to->out, &packet.rtp, now_us);
    player->last_sequence = packet.rtp.sequence;
    dm_rtp_build(bytes, &packet.rtp);
    dm_flow_send(player->to, &packet);
}

/*
 * Time
 */

static void on_due(DmTimer *timer, void *user_data);

static void
arm(DmPlayer *player, int64_t due_us)
{
    DmLoop *loop = loop_of(player->to);

    player->due_us = due_us;
    dm_loop_arm(loop, &player->timer, MAX(due_us - dm_loop_now_us(loop), 0), on_due, player);
}

/* The next point of the grid. */
static int64_t
next_grid_us(int64_t now_us)
{
    return (now_us / GRID_US + 1) * GRID_US;
}

static void
end(DmPlayer *player)
{
    player->is_on = false;
    player->sounds = false;
    player->to->played = false;
    dm_timer_disarm(&player->timer);
}

static void
begin(DmPlayer *player)
{
    player->sounds = true;
    player->is_joined = false;
    if (!player->was_told) {
        player->was_told = true;
        dm_worker_count(dm_worker_stats(dm_stream_session(player->to)->worker), plays);
        tell(player, DM_MEDIA_EVENT_PLAY_STARTED);
    }
}

static void
play_frame(DmPlayer *player, int64_t now_us)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    size_t n = (size_t)player->ptime_ms * (DM_NARROW_HZ / 1000);

    dm_tone_maker_make(&player->tone, samples, n);
    if (player->encoder != NULL && can_send(player->to)) {
        send_frame(player, samples, n, now_us);
    }
    player->timestamp += player->made.clock_hz / 1000 * player->ptime_ms;
    player->played_ms += player->ptime_ms;
}

static bool
is_over(const DmPlayer *player)
{
    return player->play.duration_ms != 0 && player->played_ms >= player->play.duration_ms;
}

static void
on_due(DmTimer *timer, void *user_data)
{
    DmPlayer *player = user_data;
    int64_t now_us = dm_loop_now_us(loop_of(player->to));
    int64_t begins_us = player->quiet_from_us + player->play.yield_ms * MS;

    if (!player->sounds && now_us < begins_us) {
        arm(player, next_grid_us(begins_us));
        return;
    }
    if (!player->sounds) {
        begin(player);
    }
    if (is_over(player)) {
        end(player);
        tell(player, DM_MEDIA_EVENT_PLAY_ENDED);
        return;
    }
    play_frame(player, now_us);
    if (now_us - player->due_us > MAX_LATE_US) {
        player->due_us = now_us;
    }
    arm(player, player->due_us + player->ptime_ms * MS);
}

/*
 * What others want of it
 */

void
dm_player_replan(DmStream *to)
{
    DmPlayer *player = to->player;
    const DmPathPlan *plan = &dm_stream_other(to)->plan;
    const DmCodecType *type = dm_codec_type(plan->made.codec);
    DmEncoderWishes wishes = {0};

    if (player == NULL) {
        return;
    }
    player->made = plan->made;
    player->ptime_ms =
        type != NULL ? dm_codec_ptime_ms(type, plan->ptime_ms, plan->maxptime_ms) : 20;
    g_clear_pointer(&player->encoder, dm_encoder_free);
    if (type != NULL) {
        player->encoder = dm_encoder_new(type, DM_NARROW_HZ, &wishes);
    }
}

void
dm_player_play(DmStream *to, const DmPlay *play)
{
    int64_t now_us = dm_loop_now_us(loop_of(to));

    if (to->player == NULL) {
        to->player = g_new0(DmPlayer, 1);
        to->player->to = to;
        dm_player_replan(to);
    }
    to->player->play = *play;
    dm_tone_maker_init(&to->player->tone, play->tone, play->country);
    to->player->is_on = true;
    to->player->sounds = false;
    to->player->was_told = false;
    to->player->quiet_from_us = now_us;
    to->player->played_ms = 0;
    to->played = true;
    arm(to->player, next_grid_us(now_us));
}

void
dm_player_stop(DmStream *to)
{
    if (to->player != NULL && to->player->is_on) {
        end(to->player);
    }
}

void
dm_player_free(DmStream *to)
{
    if (to->player == NULL) {
        return;
    }
    dm_timer_disarm(&to->player->timer);
    dm_encoder_free(to->player->encoder);
    g_clear_pointer(&to->player, g_free);
}

bool
dm_player_takes_over(DmStream *to, const DmPacket *packet)
{
    DmPlayer *player = to->player;

    if (player->play.yield_ms == 0) {
        return true;
    }
    player->sounds = false;
    player->quiet_from_us = packet->now_us;
    return false;
}
