/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/player.h"

#include <string.h>

#include "media/dsp/codec.h"
#include "media/dsp/keys.h"
#include "media/dsp/noise.h"
#include "media/dsp/tones.h"
#include "media/path/flow.h"
#include "media/rtp/bytes.h"
#include "media/sound.h"

/* Players of one worker do their work together, so that it wakes once for all of them. */
#define GRID_US (20 * INT64_C(1000))
/* A worker so late does not make good what was missed. */
#define MAX_LATE_US (200 * INT64_C(1000))

#define MS INT64_C(1000)

/* A peer that is silent for longer says so again. */
#define MAX_NOISE_MS 60000

/* What a line sounds like on which nobody talks, in dB below full scale (RFC 3389). */
#define FAINT 70

/* Keys that wait; more are dropped. */
#define MAX_KEYS 32
/* How long a key is down when nobody says, and the bounds of what is said: Q.24 wants 40 ms, peers
 * want more, and 16 bits of duration at 48 kHz hold 1365. */
#define KEY_MS     160
#define KEY_MIN_MS 60
#define KEY_MAX_MS 1300
#define PAUSE_MS   60
/* A press that is being relayed is over when nothing has come of it for so long: two at once would
 * be one too many. */
#define RELAYED_GAP_US (60 * MS)

#define EVENT_LEN    4
#define EVENT_END    0x80
#define EVENT_VOLUME 10
#define N_EVENT_ENDS 3
#define EVENT_MS     20

typedef struct {
    char key;
    unsigned ms;
} Press;

/* Keys on their way, one after the other. */
typedef struct {
    Press press[MAX_KEYS];
    unsigned n;
    unsigned n_made_ms; /* of the first one, its pause included; 0: not begun */
    DmKeyTone tone;
} Keys;

struct DmPlayer {
    DmStream *to; /* it owns us */
    DmTimer timer;
    int64_t due_us; /* of the next packet */

    /* what is played */
    DmPlay play; /* its sound is ours */
    DmToneMaker tone;
    size_t at; /* in the sound */
    DmNoise noise;
    bool is_noise; /* nobody asked for it, nobody is told */
    bool is_on;
    bool sounds; /* and does not wait for silence */
    bool was_told;
    int64_t quiet_from_us; /* asked for, or the other peer was heard */
    uint32_t played_ms;

    Keys keys; /* go before what is played */

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
join(DmPlayer *player, uint32_t clock_hz, int64_t now_us)
{
    const DmRtpContinuity *out = &player->to->out;

    if (player->is_joined && out->last_sequence == player->last_sequence) {
        return false;
    }
    player->timestamp = dm_rtp_continuity_next_timestamp(out, clock_hz, now_us);
    player->is_joined = true;
    return true;
}

/* @len bytes of payload that are in their place behind the header. */
static void
send_packet(DmPlayer *player, uint8_t *bytes, size_t len, uint8_t pt, bool marker, int64_t now_us)
{
    DmPacket packet = {
        .bytes = bytes,
        .len = DM_RTP_HEADER_LEN + len,
        .rtp =
            {
                .timestamp = player->timestamp,
                .payload_offset = DM_RTP_HEADER_LEN,
                .payload_len = (uint16_t)len,
                .pt = pt,
                .marker = marker,
            },
    };

    dm_rtp_continuity_append(&player->to->out, &packet.rtp, now_us);
    player->last_sequence = packet.rtp.sequence;
    dm_rtp_build(bytes, &packet.rtp);
    dm_flow_send(player->to, &packet);
}

static void
send_frame(DmPlayer *player, const int16_t *samples, size_t n, int64_t now_us)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES];
    size_t len = 0;

    if (player->encoder != NULL && can_send(player->to)) {
        len = dm_encoder_encode(player->encoder, samples, n, bytes + DM_RTP_HEADER_LEN);
    }
    if (len > 0) {
        bool marker = join(player, player->made.clock_hz, now_us);

        send_packet(player, bytes, len, player->made.pt, marker, now_us);
    }
    player->timestamp += player->made.clock_hz / 1000 * player->ptime_ms;
}

/*
 * Keys
 */

static const DmPathPlan *
plan_of(const DmPlayer *player)
{
    return dm_stream_plan(dm_stream_other(player->to));
}

static void
send_event(DmPlayer *player, const Press *press, unsigned down_ms, int64_t now_us)
{
    const DmPathPlan *plan = plan_of(player);
    uint8_t bytes[DM_RTP_HEADER_LEN + EVENT_LEN];
    uint8_t *block = bytes + DM_RTP_HEADER_LEN;
    bool is_end = down_ms >= press->ms;
    uint32_t duration = MIN(down_ms, press->ms) * (plan->event_hz / 1000);

    block[0] = (uint8_t)dm_key_event(press->key);
    block[1] = (uint8_t)(EVENT_VOLUME | (is_end ? EVENT_END : 0));
    dm_put_u16(block + 2, (uint16_t)MIN(duration, UINT16_MAX));
    send_packet(player, bytes, EVENT_LEN, plan->event_pt, down_ms == EVENT_MS, now_us);
}

/* Another packet of the first key. Its timestamp stands still until it is up (RFC 4733, 2.5.1.2).
 */
static void
make_event(DmPlayer *player, int64_t now_us)
{
    Keys *keys = &player->keys;
    const Press *press = &keys->press[0];
    unsigned before_ms = keys->n_made_ms;
    unsigned n = 1;

    keys->n_made_ms += EVENT_MS;
    if (before_ms >= press->ms) {
        return; /* the pause behind it */
    }
    if (before_ms == 0) {
        join(player, plan_of(player)->event_hz, now_us);
    }
    if (keys->n_made_ms >= press->ms) {
        n = N_EVENT_ENDS;
    }
    for (unsigned i = 0; i < n && can_send(player->to); i++) {
        send_event(player, press, keys->n_made_ms, now_us);
    }
    if (n == N_EVENT_ENDS) {
        player->timestamp += press->ms * (plan_of(player)->event_hz / 1000);
        player->is_joined = false; /* speech goes on by the clock */
        dm_rtp_continuity_fill(&player->to->out, player->timestamp, now_us);
    }
}

static void
make_key_tone(DmPlayer *player, int64_t now_us)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES] = {0};
    Keys *keys = &player->keys;
    const Press *press = &keys->press[0];
    unsigned sound_ms = press->ms > keys->n_made_ms ? press->ms - keys->n_made_ms : 0;

    sound_ms = MIN(sound_ms, player->ptime_ms);
    if (sound_ms > 0) {
        dm_key_tone_make(&keys->tone,
                         press->key,
                         DM_NARROW_HZ,
                         samples,
                         (size_t)sound_ms * (DM_NARROW_HZ / 1000));
    }
    send_frame(player, samples, (size_t)player->ptime_ms * (DM_NARROW_HZ / 1000), now_us);
    keys->n_made_ms += player->ptime_ms;
}

static bool
has_to_wait(const DmPlayer *player, int64_t now_us)
{
    int64_t event_us = dm_stream_other(player->to)->event_us;

    return player->keys.n_made_ms == 0 && event_us != 0 && now_us - event_us < RELAYED_GAP_US;
}

/* Returns how long that was, in milliseconds. */
static unsigned
make_key(DmPlayer *player, int64_t now_us)
{
    Keys *keys = &player->keys;
    bool is_event = plan_of(player)->event_pt != 0;

    if (is_event) {
        make_event(player, now_us);
    } else {
        make_key_tone(player, now_us);
    }
    if (keys->n_made_ms >= keys->press[0].ms + PAUSE_MS) {
        keys->n--;
        memmove(keys->press, keys->press + 1, keys->n * sizeof *keys->press);
        keys->n_made_ms = 0;
        keys->tone = (DmKeyTone){0};
    }
    return is_event ? EVENT_MS : player->ptime_ms;
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

/* Nothing is played any more; keys may be on their way. */
static void
end(DmPlayer *player)
{
    player->is_on = false;
    player->sounds = false;
    g_clear_pointer(&player->play.sound, dm_sound_unref);
    if (player->keys.n == 0) {
        player->to->played = false;
        dm_timer_disarm(&player->timer);
    }
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

/* What comes next of it, and silence behind its end. */
static void
read_sound(DmPlayer *player, int16_t *samples, size_t n)
{
    size_t n_read = 0;

    while (n_read < n) {
        size_t n_now = dm_sound_read(player->play.sound, player->at, samples + n_read, n - n_read);

        player->at += n_now;
        n_read += n_now;
        if (n_now == 0 && !player->play.repeats) {
            memset(samples + n_read, 0, (n - n_read) * sizeof *samples);
            return;
        }
        if (n_now == 0) {
            player->at = 0;
        }
    }
}

static void
play_frame(DmPlayer *player, int64_t now_us)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    size_t n = (size_t)player->ptime_ms * (DM_NARROW_HZ / 1000);

    if (player->is_noise) {
        dm_noise_make(&player->noise, samples, n);
    } else if (player->play.sound != NULL) {
        read_sound(player, samples, n);
    } else {
        dm_tone_maker_make(&player->tone, samples, n);
    }
    send_frame(player, samples, n, now_us);
    player->played_ms += player->ptime_ms;
}

static bool
is_over(const DmPlayer *player)
{
    const DmPlay *play = &player->play;

    if (play->sound != NULL && !play->repeats && player->played_ms >= dm_sound_ms(play->sound)) {
        return true;
    }
    return play->duration_ms != 0 && player->played_ms >= play->duration_ms;
}

/* What was due has been made, and was @ms long. */
static void
arm_next(DmPlayer *player, unsigned ms, int64_t now_us)
{
    if (now_us - player->due_us > MAX_LATE_US) {
        player->due_us = now_us;
    }
    arm(player, player->due_us + ms * MS);
}

static void
go_on_playing(DmPlayer *player, int64_t now_us)
{
    int64_t begins_us = player->quiet_from_us + player->play.yield_ms * MS;

    if (!player->sounds && now_us < begins_us) {
        arm(player, next_grid_us(begins_us));
        return;
    }
    if (!player->sounds) {
        begin(player);
    }
    if (is_over(player)) {
        bool is_told = !player->is_noise;

        end(player);
        if (is_told) {
            tell(player, DM_MEDIA_EVENT_PLAY_ENDED);
        }
        return;
    }
    play_frame(player, now_us);
    arm_next(player, player->ptime_ms, now_us);
}

static void
on_due(DmTimer *timer, void *user_data)
{
    DmPlayer *player = user_data;
    int64_t now_us = dm_loop_now_us(loop_of(player->to));

    if (player->keys.n > 0 && has_to_wait(player, now_us)) {
        arm(player, next_grid_us(now_us));
    } else if (player->keys.n > 0) {
        arm_next(player, make_key(player, now_us), now_us);
    } else if (player->is_on) {
        go_on_playing(player, now_us);
    } else {
        end(player);
    }
}

/*
 * What others want of it
 */

void
dm_player_replan(DmStream *to)
{
    DmPlayer *player = to->player;
    const DmPathPlan *plan = dm_stream_plan(dm_stream_other(to));
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

static void
ensure_player(DmStream *to)
{
    if (to->player == NULL) {
        to->player = g_new0(DmPlayer, 1);
        to->player->to = to;
        dm_player_replan(to);
    }
}

void
dm_player_play(DmStream *to, const DmPlay *play)
{
    int64_t now_us = dm_loop_now_us(loop_of(to));

    ensure_player(to);
    to->player->is_noise = false;
    dm_sound_unref(to->player->play.sound);
    to->player->play = *play;
    to->player->at = 0;
    if (play->sound != NULL) {
        dm_sound_ref(play->sound);
    }
    dm_tone_maker_init(&to->player->tone, play->tone, play->country);
    to->player->is_on = true;
    to->player->sounds = false;
    to->player->was_told = false;
    to->player->quiet_from_us = now_us;
    to->player->played_ms = 0;
    to->played = true;
    if (to->player->keys.n == 0) {
        arm(to->player, next_grid_us(now_us));
    }
}

void
dm_player_noise(DmStream *to, unsigned level)
{
    static const DmPlay noise = {.duration_ms = MAX_NOISE_MS};

    if (to->player != NULL && to->player->is_on && !to->player->is_noise) {
        return;
    }
    if (to->player == NULL || !to->player->is_noise || !to->player->is_on) {
        dm_player_play(to, &noise);
        to->player->is_noise = true;
        to->player->was_told = true;
    }
    dm_noise_init(&to->player->noise, level & 0x7f);
    to->player->played_ms = 0;
}

void
dm_player_keep_up(DmStream *to)
{
    DmPlayer *player = to->player;

    if (player != NULL && player->is_on && player->is_noise) {
        player->played_ms = 0;
    } else {
        dm_player_noise(to, FAINT);
    }
}

void
dm_player_press(DmStream *to, char key, unsigned ms)
{
    const DmPathPlan *plan = dm_stream_plan(dm_stream_other(to));
    Keys *keys;

    if (dm_key_event(key) < 0 || (plan->event_pt == 0 && !plan->makes_tones) ||
        (plan->event_pt == 0 && key == DM_KEY_FLASH)) {
        return; /* nothing agreed that could carry it */
    }
    ensure_player(to);
    keys = &to->player->keys;
    if (keys->n == MAX_KEYS) {
        return;
    }
    keys->press[keys->n++] = (Press){key, ms == 0 ? KEY_MS : CLAMP(ms, KEY_MIN_MS, KEY_MAX_MS)};
    if (keys->n == 1) {
        to->played = true;
        to->player->is_joined = false;
        arm(to->player, next_grid_us(dm_loop_now_us(loop_of(to))));
    }
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
    dm_sound_unref(to->player->play.sound);
    g_clear_pointer(&to->player, g_free);
}

bool
dm_player_takes_over(DmStream *to, const DmPacket *packet)
{
    DmPlayer *player = to->player;

    if (player->is_on && player->is_noise) {
        end(player);
        return player->keys.n_made_ms > 0;
    }
    if (player->keys.n_made_ms > 0 || (player->is_on && player->play.yield_ms == 0)) {
        return true;
    }
    player->sounds = false;
    player->quiet_from_us = packet->now_us;
    return false;
}
