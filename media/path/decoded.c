/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/decoded.h"

#include <glib.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "media/dsp/codec.h"
#include "media/dsp/keys.h"
#include "media/path/dtmf.h"
#include "media/path/jitter.h"
#include "media/rtp/bytes.h"

/* A hole of more is not a lost packet or a few: the peer was silent, or away. */
#define MAX_CONCEALED_MS 240
/* More than that is not silence between words: time goes by the clock on the wall. */
#define MAX_SILENCE_MS 10000

/* A key as we send it: at least so long (Q.24 wants 40 ms of tone and of pause; peers want more),
 * and with so much silence behind it. */
#define MIN_TONE_MS  60
#define MIN_PAUSE_MS 50
/* A press of which nothing is heard for so long is over, whether or not its end came. */
#define MAX_PRESS_GAP_US (200 * INT64_C(1000))

#define EVENT_STEP_MS     20
#define EVENT_VOLUME      10
#define EVENT_END         0x80
#define EVENT_LEN         4
#define N_EVENT_ENDS      3
#define MAX_EVENT_SAMPLES (8 * 8000) /* as many as a duration of 16 bits holds */

/* Samples looked at for keys at a time: as exactly as this is known when one begins. */
#define KEY_STEP 40

/* Tones heard in what comes, and told as events. What is heard goes on DM_KEY_LAG later, so that a
 * tone has been recognised before any of it has left. */
typedef struct {
    DmKeyEar *ear;    /* NULL: nobody listens */
    char key;         /* that sounds; 0: none */
    bool is_silent;   /* and nobody is told of */
    uint32_t n_key;   /* samples since it was recognised */
    uint32_t n_told;  /* of them when last told */
    uint32_t started; /* timestamp of its events */
    size_t n_held;
    int16_t held[DM_KEY_LAG];
} Listener;

/* Events that come, made into tones. */
typedef struct {
    DmKeyTone tone;
    char key; /* of the press last heard of */
    bool is_over;
    uint32_t n_made;     /* samples of tone */
    uint32_t timestamp;  /* of the press, on the peer's line */
    uint32_t hush_until; /* speech from before this is not passed on */
    int64_t heard_us;
} Sounder;

struct DmDecodedPath {
    const DmPathPlan *plan;
    DmRtpContinuity *out;
    DmPathOutput output;
    void *user_data;
    unsigned rate_hz; /* of all samples in here */
    DmJitter *jitter;
    int64_t now_us; /* of the packet being dealt with */
    uint64_t n_concealed;

    /* what comes */
    DmDecoder *decoder[DM_MEDIA_MAX_FORMATS]; /* by rule; made with its first packet */
    uint32_t in_next;                         /* timestamp that follows what has been heard */
    uint32_t in_hz;                           /* clock of it; 0: nothing to go by */

    /* what goes */
    DmEncoder *encoder;
    uint32_t out_next;            /* timestamp of the first sample in @frame */
    uint16_t last_sequence;       /* of our own last packet; another one in @out is not ours */
    bool marker;                  /* the next packet begins a talk spurt */
    uint32_t event_in, event_out; /* timestamp of a key press, there and here */
    bool has_event;
    size_t n_frame, n_wanted; /* samples there are in @frame, and that make a packet */
    int16_t *frame;

    Listener listener;
    Sounder sounder;
};

/*
 * Out: samples into packets
 */

static uint32_t
out_hz(const DmDecodedPath *path)
{
    return path->plan->made.clock_hz != 0 ? path->plan->made.clock_hz : DM_NARROW_HZ;
}

static uint32_t
out_units(const DmDecodedPath *path, uint64_t n_samples)
{
    return (uint32_t)(n_samples * out_hz(path) / path->rate_hz);
}

/* A plain header, then @len bytes of payload that are already in their place behind it. */
static void
send_packet(DmDecodedPath *path,
            uint8_t *bytes,
            size_t len,
            uint8_t pt,
            bool marker,
            uint32_t timestamp)
{
    DmRtpPacket rtp = {
        .timestamp = timestamp,
        .payload_offset = DM_RTP_HEADER_LEN,
        .payload_len = (uint16_t)len,
        .pt = pt,
        .marker = marker,
    };

    dm_rtp_continuity_append(path->out, &rtp, path->now_us);
    path->last_sequence = rtp.sequence;
    dm_rtp_build(bytes, &rtp);
    path->output.send(&rtp, bytes, DM_RTP_HEADER_LEN + len, path->user_data);
}

static void
send_frame(DmDecodedPath *path)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES];
    size_t len =
        dm_encoder_encode(path->encoder, path->frame, path->n_wanted, bytes + DM_RTP_HEADER_LEN);

    if (len > 0) {
        send_packet(path, bytes, len, path->plan->made.pt, path->marker, path->out_next);
        path->marker = false;
    }
    path->out_next += out_units(path, path->n_wanted);
    path->n_frame = 0;
}

static void
put_samples(DmDecodedPath *path, const int16_t *samples, size_t n)
{
    while (n > 0) {
        size_t n_taken = MIN(n, path->n_wanted - path->n_frame);

        memcpy(path->frame + path->n_frame, samples, n_taken * sizeof *samples);
        path->n_frame += n_taken;
        samples += n_taken;
        n -= n_taken;
        if (path->n_frame == path->n_wanted) {
            send_frame(path);
        }
    }
}

/* Sends what is there, filled up with silence. Returns how many samples of silence that took. */
static size_t
flush_frame(DmDecodedPath *path)
{
    size_t n_silent = path->n_frame > 0 ? path->n_wanted - path->n_frame : 0;

    if (path->n_frame > 0) {
        memset(path->frame + path->n_frame, 0, n_silent * sizeof *path->frame);
        send_frame(path);
    }
    return n_silent;
}

static bool
is_ours(const DmDecodedPath *path)
{
    return path->out->last_sequence == path->last_sequence;
}

/*
 * Keys: tones in speech into events
 */

static void
send_event(DmDecodedPath *path, bool is_first, bool is_end)
{
    Listener *listener = &path->listener;
    uint8_t bytes[DM_RTP_HEADER_LEN + EVENT_LEN];
    uint8_t *block = bytes + DM_RTP_HEADER_LEN;
    uint32_t duration = out_units(path, MAX(listener->n_key, DM_KEY_LAG));

    listener->n_told = listener->n_key;
    if (listener->is_silent) {
        return;
    }
    block[0] = (uint8_t)dm_key_event(listener->key);
    block[1] = (uint8_t)(EVENT_VOLUME | (is_end ? EVENT_END : 0));
    dm_put_u16(block + 2, (uint16_t)MIN(duration, UINT16_MAX));
    send_packet(path, bytes, EVENT_LEN, path->plan->event_pt, is_first, listener->started);
}

/* All that was held back is the beginning of the tone. */
static void
begin_key(DmDecodedPath *path, char key)
{
    Listener *listener = &path->listener;

    flush_frame(path);
    listener->key = key;
    listener->n_held = 0;
    listener->n_key = 0;
    listener->started = path->out_next;
    listener->is_silent = !path->output.on_key(key, path->user_data) || path->plan->event_pt == 0 ||
                          dm_key_event(key) < 0;
    send_event(path, true, false);
}

static void
end_key(DmDecodedPath *path)
{
    Listener *listener = &path->listener;

    for (unsigned i = 0; i < N_EVENT_ENDS; i++) {
        send_event(path, false, true);
    }
    path->out_next = listener->started + out_units(path, MAX(listener->n_key, DM_KEY_LAG));
    path->marker = true;
    memset(listener->held, 0, sizeof listener->held);
    listener->n_held = DM_KEY_LAG;
    listener->key = 0;
}

/* Lets the oldest go until there is room for @n. */
static void
delay_samples(DmDecodedPath *path, const int16_t *samples, size_t n)
{
    Listener *listener = &path->listener;
    size_t n_over = listener->n_held + n > DM_KEY_LAG ? listener->n_held + n - DM_KEY_LAG : 0;

    put_samples(path, listener->held, n_over);
    memmove(listener->held, listener->held + n_over, (listener->n_held - n_over) * sizeof *samples);
    memcpy(listener->held + listener->n_held - n_over, samples, n * sizeof *samples);
    listener->n_held = listener->n_held - n_over + n;
}

/* @key: that sounds at the end of @samples. */
static void
pass_step(DmDecodedPath *path, char key, const int16_t *samples, size_t n)
{
    Listener *listener = &path->listener;

    if (listener->key != 0 && key != listener->key) {
        end_key(path);
    }
    if (key != 0 && listener->key == 0) {
        begin_key(path, key);
    }
    if (listener->key == 0) {
        delay_samples(path, samples, n);
        return;
    }
    listener->n_key = MIN(listener->n_key + (uint32_t)n, MAX_EVENT_SAMPLES);
    if (listener->n_key - listener->n_told >= EVENT_STEP_MS * DM_NARROW_HZ / 1000) {
        send_event(path, false, false);
    }
}

/* Speech that was heard, or made up in place of what was lost, goes on its way. */
static void
pass_samples(DmDecodedPath *path, const int16_t *samples, size_t n, bool is_made_up)
{
    DmKeyEar *ear = path->listener.ear;

    if (ear == NULL) {
        put_samples(path, samples, n);
        return;
    }
    for (size_t at = 0; at < n; at += KEY_STEP) {
        size_t n_now = MIN(KEY_STEP, n - at);
        char key =
            is_made_up ? dm_key_ear_miss(ear, n_now) : dm_key_ear_hear(ear, samples + at, n_now);

        pass_step(path, key, samples + at, n_now);
    }
}

/* Nothing comes for now: what is held back has its turn. */
static void
release_held(DmDecodedPath *path)
{
    Listener *listener = &path->listener;

    if (listener->key != 0) {
        end_key(path);
    }
    if (listener->ear != NULL) {
        dm_key_ear_reset(listener->ear);
    }
    put_samples(path, listener->held, listener->n_held);
    listener->n_held = 0;
}

/* Goes on from whatever was sent last, by us or by others. */
static void
join_out(DmDecodedPath *path)
{
    if (is_ours(path)) {
        release_held(path);
        flush_frame(path);
    }
    path->listener.n_held = 0;
    path->listener.key = 0;
    path->n_frame = 0; /* of a time that is over */
    path->last_sequence = path->out->last_sequence;
    path->out_next = dm_rtp_continuity_next_timestamp(path->out, out_hz(path), path->now_us);
    path->marker = true;
}

static void
skip_silence(DmDecodedPath *path, uint64_t n)
{
    size_t n_flushed;

    release_held(path);
    n_flushed = flush_frame(path);
    if (n > n_flushed) {
        path->out_next += out_units(path, n - n_flushed);
        path->marker = true;
    }
}

/*
 * In: packets into samples
 */

static DmDecoder *
decoder_for(DmDecodedPath *path, const DmPathRule *rule)
{
    size_t i = (size_t)(rule - path->plan->rule);

    if (path->decoder[i] == NULL) {
        path->decoder[i] = dm_decoder_new(dm_codec_type((DmCodec)rule->codec), path->rate_hz);
    }
    return path->decoder[i];
}

static void
conceal(DmDecodedPath *path, DmDecoder *decoder, const DmPlayed *played, uint64_t n)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES];

    /* A modem copes with a hole better than with what a vowel might have gone on like. */
    if (path->plan->modem_tones) {
        memset(samples, 0, sizeof samples);
        decoder = NULL;
    }
    path->n_concealed += n;
    while (n > 0) {
        size_t n_now = MIN(n, DM_CODEC_MAX_SAMPLES);
        bool is_last = n_now == n;

        if (decoder != NULL) {
            dm_decoder_conceal(decoder,
                               is_last ? played->payload : NULL,
                               is_last ? played->rtp.payload_len : 0,
                               samples,
                               n_now);
        }
        pass_samples(path, samples, n_now, true);
        n -= n_now;
    }
}

/* Whether time on the peer's line since its last packet is time on ours. */
static bool
is_joined(const DmDecodedPath *path, const DmPlayed *played, const DmPathRule *rule)
{
    return !played->is_new_source && path->in_hz == rule->clock_in_hz && is_ours(path);
}

/* Time between what was heard last and this packet: lost, or silence. */
static void
bridge_gap(DmDecodedPath *path, DmDecoder *decoder, const DmPlayed *played, const DmPathRule *rule)
{
    int32_t gap = (int32_t)(played->rtp.timestamp - path->in_next);
    uint64_t n;

    if (gap <= 0) {
        return; /* all of it heard before, or a peer whose clock is set back: goes on */
    }
    n = (uint64_t)gap * path->rate_hz / rule->clock_in_hz;
    if (n > (uint64_t)MAX_SILENCE_MS * path->rate_hz / 1000) {
        join_out(path);
    } else if (decoder != NULL && played->n_lost > 0 &&
               n <= (uint64_t)MAX_CONCEALED_MS * path->rate_hz / 1000) {
        conceal(path, decoder, played, n);
    } else {
        skip_silence(path, n);
    }
}

/* Some peers send speech along with the events of a key: the tone stands for both. */
static bool
is_hushed(const DmDecodedPath *path, const DmPlayed *played)
{
    return path->sounder.key != 0 &&
           (int32_t)(path->sounder.hush_until - played->rtp.timestamp) > 0;
}

/* The peer is silent from here on, over the noise that its last frame sounds like. */
static void
begin_silence(DmDecodedPath *path, const int16_t *samples, size_t n)
{
    size_t n_last = MIN(n, path->rate_hz / 100);
    double power = 1;

    for (size_t i = n - n_last; i < n; i++) {
        power += (double)samples[i] * samples[i];
    }
    release_held(path);
    flush_frame(path);
    path->output.on_noise((unsigned)CLAMP(10 * log10(32768.0 * 32768.0 * n_last / power), 0, 127),
                          path->user_data);
}

static void
play_speech(DmDecodedPath *path, const DmPlayed *played, const DmPathRule *rule)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    DmDecoder *decoder = decoder_for(path, rule);
    size_t n;

    if (decoder == NULL) {
        return;
    }
    if (is_joined(path, played, rule)) {
        bridge_gap(path, decoder, played, rule);
    } else {
        join_out(path);
    }
    n = dm_decoder_decode(decoder, played->payload, played->rtp.payload_len, samples);
    if (!is_hushed(path, played)) {
        pass_samples(path, samples, n, false);
    }
    if (n > 0 && dm_codec_ends_silent((DmCodec)rule->codec, played->rtp.payload_len)) {
        begin_silence(path, samples, n);
    }
    path->in_hz = rule->clock_in_hz;
    path->in_next =
        played->rtp.timestamp + (uint32_t)((uint64_t)n * rule->clock_in_hz / path->rate_hz);
    path->has_event = false;
}

/* The first packet of a key press: where on our time line it lies. */
static void
place_event(DmDecodedPath *path, const DmPlayed *played, const DmPathRule *rule)
{
    bool is_later = true;

    if (path->has_event && played->rtp.timestamp == path->event_in) {
        return;
    }
    if (is_joined(path, played, rule)) {
        bridge_gap(path, NULL, played, rule);
        flush_frame(path);
        is_later = (int32_t)(played->rtp.timestamp - path->in_next) > 0;
    } else {
        join_out(path);
        path->in_hz = rule->clock_in_hz;
    }
    if (is_later) {
        path->in_next = played->rtp.timestamp;
    }
    path->has_event = true;
    path->event_in = played->rtp.timestamp;
    path->event_out = path->out_next;
}

static void
play_event(DmDecodedPath *path, const DmPlayed *played, const DmPathRule *rule)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES];
    DmPacket packet = {
        .bytes = bytes,
        .rtp = {.payload_offset = DM_RTP_HEADER_LEN, .payload_len = played->rtp.payload_len},
        .rule = *rule,
    };

    if (played->rtp.payload_len > DM_CODEC_MAX_BYTES) {
        return;
    }
    place_event(path, played, rule);
    memcpy(bytes + DM_RTP_HEADER_LEN, played->payload, played->rtp.payload_len);
    dm_stage_dtmf(&packet);
    send_packet(path,
                bytes,
                played->rtp.payload_len,
                rule->pt_out,
                played->rtp.marker,
                path->event_out);
}

static void
make_tone(DmDecodedPath *path, uint32_t n)
{
    Sounder *sounder = &path->sounder;
    int16_t samples[DM_CODEC_MAX_SAMPLES];

    while (n > 0) {
        uint32_t n_now = MIN(n, DM_CODEC_MAX_SAMPLES);

        dm_key_tone_make(&sounder->tone, sounder->key, path->rate_hz, samples, n_now);
        put_samples(path, samples, n_now);
        sounder->n_made += n_now;
        n -= n_now;
    }
}

static void
make_pause(DmDecodedPath *path)
{
    static const int16_t silence[MIN_PAUSE_MS * DM_WIDE_HZ / 1000];

    put_samples(path, silence, MIN_PAUSE_MS * (path->rate_hz / 1000));
    flush_frame(path);
}

static void
end_tone(DmDecodedPath *path)
{
    Sounder *sounder = &path->sounder;
    uint32_t n_least = MIN_TONE_MS * (path->rate_hz / 1000);

    if (sounder->n_made < n_least) {
        make_tone(path, n_least - sounder->n_made);
    }
    make_pause(path);
    sounder->is_over = true;
}

static void
begin_tone(DmDecodedPath *path, const DmPlayed *played, const DmPathRule *rule, char key)
{
    Sounder *sounder = &path->sounder;

    if (sounder->key != 0 && !sounder->is_over) {
        end_tone(path);
    }
    place_event(path, played, rule);
    *sounder = (Sounder){
        .key = key,
        .timestamp = played->rtp.timestamp,
        .hush_until = played->rtp.timestamp,
    };
}

/* A press is as long as its events say so far: the tone follows them, packet by packet, and what
 * was lost is made good by the next. */
static void
play_tone(DmDecodedPath *path, const DmPlayed *played, const DmPathRule *rule)
{
    Sounder *sounder = &path->sounder;
    const uint8_t *block = played->payload;
    int32_t later = (int32_t)(played->rtp.timestamp - sounder->timestamp);
    char key = played->rtp.payload_len >= EVENT_LEN ? dm_key_of_event(block[0]) : 0;
    uint64_t n;

    if (key == 0 || key == DM_KEY_FLASH || (sounder->key != 0 && later < 0)) {
        return;
    }
    if (sounder->key == 0 || later > 0) {
        begin_tone(path, played, rule, key);
    }
    if (sounder->is_over || key != sounder->key) {
        return;
    }
    n = (uint64_t)dm_get_u16(block + 2) * path->rate_hz / rule->clock_in_hz;
    sounder->heard_us = path->now_us;
    sounder->hush_until = sounder->timestamp + dm_get_u16(block + 2);
    if (n > sounder->n_made) {
        make_tone(path, (uint32_t)(n - sounder->n_made));
    }
    if (block[1] & EVENT_END) {
        end_tone(path);
    }
    if ((int32_t)(sounder->hush_until - path->in_next) > 0) {
        path->in_next = sounder->hush_until;
    }
}

/* The end of a press was lost, and speech goes on. */
static void
end_lost_press(DmDecodedPath *path)
{
    Sounder *sounder = &path->sounder;

    if (sounder->key != 0 && !sounder->is_over &&
        path->now_us - sounder->heard_us > MAX_PRESS_GAP_US) {
        end_tone(path);
    }
}

void
dm_decoded_path_fall_silent(DmDecodedPath *path, int64_t now_us)
{
    path->now_us = now_us;
    if (!is_ours(path)) {
        return;
    }
    end_lost_press(path);
    release_held(path);
    flush_frame(path);
}

bool
dm_decoded_path_sounds(const DmDecodedPath *path, int64_t now_us)
{
    return path->sounder.key != 0 && !path->sounder.is_over &&
           now_us - path->sounder.heard_us <= MAX_PRESS_GAP_US;
}

/* The peer has said all it had to say: what comes next is as far away as its timestamp says. */
static void
play_noise(DmDecodedPath *path, const DmPlayed *played, const DmPathRule *rule)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES];
    size_t len = MIN(played->rtp.payload_len, DM_CODEC_MAX_BYTES);

    if (is_joined(path, played, rule)) {
        bridge_gap(path, NULL, played, rule);
        path->in_next = played->rtp.timestamp;
    }
    if (is_ours(path)) {
        release_held(path);
        flush_frame(path);
    } else {
        join_out(path);
    }
    if (rule->ops & DM_PATH_FORWARD) {
        memcpy(bytes + DM_RTP_HEADER_LEN, played->payload, len);
        send_packet(path, bytes, len, rule->pt_out, false, path->out_next);
        path->marker = true;
    } else if (len > 0) {
        path->output.on_noise(played->payload[0], path->user_data);
    }
}

static void
play(const DmPlayed *played, void *user_data)
{
    DmDecodedPath *path = user_data;
    const DmPathRule *rule = dm_path_plan_rule(path->plan, played->rtp.pt);

    if (rule == NULL || (rule->ops & (DM_PATH_FORWARD | DM_PATH_NOISE)) == 0) {
        return;
    }
    end_lost_press(path);
    if (rule->codec == DM_CODEC_CN) {
        play_noise(path, played, rule);
    } else if (rule->ops & DM_PATH_TONES) {
        play_tone(path, played, rule);
    } else if (rule->ops & DM_PATH_EVENT) {
        play_event(path, played, rule);
    } else if (dm_codec_type((DmCodec)rule->codec) != NULL) {
        play_speech(path, played, rule);
    }
}

bool
dm_decoded_path_input(DmDecodedPath *path, const DmPacket *packet)
{
    /* The events of one press share a timestamp, and that of comfort noise has a clock of its own
     * where its format has. */
    bool has_time = (packet->rule.ops & (DM_PATH_EVENT | DM_PATH_TONES)) == 0 &&
                    packet->rule.codec != DM_CODEC_CN;

    path->now_us = packet->now_us;
    return dm_jitter_input(path->jitter,
                           &packet->rtp,
                           dm_packet_payload(packet),
                           has_time ? packet->rule.clock_in_hz : 0,
                           packet->now_us);
}

int64_t
dm_decoded_path_due_us(const DmDecodedPath *path)
{
    return dm_jitter_due_us(path->jitter);
}

void
dm_decoded_path_tick(DmDecodedPath *path, int64_t now_us)
{
    path->now_us = now_us;
    dm_jitter_tick(path->jitter, now_us);
}

int64_t
dm_decoded_path_delay_us(const DmDecodedPath *path)
{
    return dm_jitter_delay_us(path->jitter);
}

uint64_t
dm_decoded_path_concealed_ms(const DmDecodedPath *path)
{
    return path->n_concealed * 1000 / path->rate_hz;
}

/* Wide band is worth its price where both ends have it. */
static unsigned
choose_rate(const DmPathPlan *plan, const DmCodecType *made)
{
    if (!dm_codec_is_wide(made) || plan->hears_keys) {
        return DM_NARROW_HZ;
    }
    for (unsigned i = 0; i < plan->n; i++) {
        const DmCodecType *type = dm_codec_type((DmCodec)plan->rule[i].codec);

        if (type != NULL && !dm_codec_is_wide(type)) {
            return DM_NARROW_HZ;
        }
    }
    return DM_WIDE_HZ;
}

DmDecodedPath *
dm_decoded_path_new(const DmPathPlan *plan,
                    DmRtpContinuity *out,
                    const DmPathOutput *output,
                    void *user_data)
{
    const DmCodecType *made = dm_codec_type(plan->made.codec);
    g_autoptr(DmDecodedPath) path = NULL;

    if (made == NULL) {
        return NULL;
    }
    path = g_new0(DmDecodedPath, 1);
    path->plan = plan;
    path->out = out;
    path->output = *output;
    path->user_data = user_data;
    path->rate_hz = choose_rate(plan, made);
    path->n_wanted =
        dm_codec_ptime_ms(made, plan->ptime_ms, plan->maxptime_ms) * (path->rate_hz / 1000);
    path->frame = g_new(int16_t, path->n_wanted);
    path->jitter = dm_jitter_new(&plan->jitter, play, path);
    path->listener.ear = plan->hears_keys ? dm_key_ear_new() : NULL;
    path->encoder = dm_encoder_new(made, path->rate_hz, &plan->wishes);
    return path->encoder != NULL ? g_steal_pointer(&path) : NULL;
}

void
dm_decoded_path_free(DmDecodedPath *path)
{
    if (path == NULL) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(path->decoder); i++) {
        dm_decoder_free(path->decoder[i]);
    }
    dm_encoder_free(path->encoder);
    dm_jitter_free(path->jitter);
    dm_key_ear_free(path->listener.ear);
    g_free(path->frame);
    g_free(path);
}
