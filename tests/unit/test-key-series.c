/* SPDX-License-Identifier: Apache-2.0 */
/* DTMF-4, the whole series: strings of 20 keys, 50 ms down and 50 ms up, from every way of keys to
 * every other one, with packets lost on the way to us and on the way to the other peer. What INFO
 * carries is what the gateway has been told: SIP loses nothing. */
#include <glib.h>
#include <string.h>

#include "media/dsp/codec.h"
#include "media/dsp/keys.h"
#include "media/path/decoded.h"
#include "media/path/dtmf.h"
#include "media/path/relay.h"
#include "media/rtp/bytes.h"
#include "media/session.h"
#include "tests/lib/seed.h"

#define MS       INT64_C(1000)
#define VOICE_PT 96
#define EVENT_PT 101
#define N_KEYS   20

/* How a peer has keys: events of this clock beside its codec; 0: tones. */
typedef struct {
    const char *name;
    DmCodec codec;
    uint32_t event_hz;
} Way;

static const Way from_ways[] = {
    {"4733 at 8000", DM_CODEC_PCMU, 8000},
    {"4733 at 16000", DM_CODEC_G722, 16000},
    {"4733 at 48000", DM_CODEC_OPUS, 48000},
    {"in-band", DM_CODEC_PCMU, 0},
};
static const Way to_ways[] = {
    {"4733 at 8000", DM_CODEC_PCMA, 8000},
    {"4733 at 16000", DM_CODEC_G722, 16000},
    {"4733 at 48000", DM_CODEC_OPUS, 48000},
    {"in-band", DM_CODEC_PCMA, 0},
};

typedef struct {
    const Way *to;
    DmPathPlan plan;
    DmRtpContinuity out;
    DmDecodedPath *path;
    DmEncoder *encoder;
    DmRtpPacket next;
    int64_t now_us;
    GRand *random;
    int percent;

    DmDtmfReceiver told_receiver;
    GString *told; /* INFO */

    DmDecoder *decoder;
    DmKeyEar *ear;
    char tone;
    DmDtmfReceiver receiver;
    uint16_t longest; /* duration of the event heard last */
    GString *heard;   /* by the other peer */
} Line;

static bool
is_lost(Line *line)
{
    return g_rand_int_range(line->random, 0, 100) < line->percent;
}

/*
 * The other peer
 */

static void
hear_event(Line *line, DmPacket *packet)
{
    uint16_t duration = dm_get_u16(packet->bytes + DM_RTP_HEADER_LEN + 2);
    char key = dm_dtmf_receive(&line->receiver, packet);

    if (key != 0) {
        g_string_append_c(line->heard, key);
        line->longest = 0;
    }
    /* DTMF-1: monotone, and in the peer's clock: a press of 50 ms is never 100 ms of it, though its
     * end be lost. */
    g_assert_cmpuint(duration, >=, line->longest);
    g_assert_cmpuint(duration, <=, line->to->event_hz / 10);
    line->longest = duration;
}

static void
hear_speech(Line *line, const uint8_t *payload, size_t len)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    size_t n = dm_decoder_decode(line->decoder, payload, len, samples);

    for (size_t at = 0; at + 40 <= n; at += 40) {
        char tone = dm_key_ear_hear(line->ear, samples + at, 40);

        if (tone != 0 && tone != line->tone) {
            g_string_append_c(line->heard, tone);
        }
        line->tone = tone;
    }
}

static void
hear(const DmRtpPacket *rtp, const uint8_t *bytes, size_t len, void *user_data)
{
    Line *line = user_data;
    DmPacket packet = {.bytes = (uint8_t *)bytes, .len = len, .rtp = *rtp};

    if (rtp->pt == EVENT_PT && !is_lost(line)) {
        hear_event(line, &packet);
    } else if (rtp->pt != EVENT_PT && line->to->event_hz == 0) {
        hear_speech(line, bytes + rtp->payload_offset, rtp->payload_len);
    }
}

static bool
on_key(char key, void *user_data)
{
    Line *line = user_data;

    g_string_append_c(line->told, key);
    return true;
}

static void
on_noise(unsigned level, void *user_data)
{
}

/*
 * The way
 */

/* As samples.c has it. */
static bool
is_for_path(const Line *line, const DmPathRule *rule)
{
    uint8_t ops = rule->ops & (uint8_t)~DM_PATH_HUSH;

    return ops & (DM_PATH_DECODE | DM_PATH_TONES) || (line->path != NULL && ops != DM_PATH_FORWARD);
}

static void
pass_on(Line *line, DmPacket *packet)
{
    static const DmPathOutput output = {hear, on_key, on_noise};

    if (is_for_path(line, &packet->rule)) {
        if (line->path == NULL) {
            line->path = dm_decoded_path_new(&line->plan, &line->out, &output, line);
        }
        (void)dm_decoded_path_input(line->path, packet);
        return;
    }
    if (packet->rule.ops & DM_PATH_EVENT) {
        dm_stage_dtmf(packet);
    }
    dm_stage_relay(packet, &line->out);
    hear(&packet->rtp, packet->bytes, packet->len, line);
}

static void
deliver(Line *line, uint8_t *bytes, const DmRtpPacket *rtp)
{
    DmPacket packet = {
        .bytes = bytes,
        .len = (size_t)rtp->payload_offset + rtp->payload_len,
        .rtp = *rtp,
        .rule = *dm_path_plan_rule(&line->plan, rtp->pt),
        .now_us = line->now_us,
    };
    char key = 0;

    if (is_lost(line)) {
        return;
    }
    if (packet.rule.ops & DM_PATH_EVENT) {
        key = dm_dtmf_receive(&line->told_receiver, &packet);
    }
    if (key != 0) {
        g_string_append_c(line->told, key);
    }
    pass_on(line, &packet);
}

static void
let_pass(Line *line, int64_t us)
{
    int64_t until_us = line->now_us + us;
    int64_t due_us;

    while (line->path != NULL && (due_us = dm_decoded_path_due_us(line->path)) <= until_us) {
        line->now_us = MAX(line->now_us, due_us);
        dm_decoded_path_tick(line->path, line->now_us);
    }
    line->now_us = until_us;
}

/*
 * The one who presses
 */

static uint32_t
clock_of(DmCodec codec)
{
    return codec == DM_CODEC_OPUS ? 48000 : 8000;
}

static void
say(Line *line, const Way *from, const int16_t samples[160])
{
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES];
    DmRtpPacket rtp = line->next;

    rtp.pt = VOICE_PT;
    rtp.payload_offset = DM_RTP_HEADER_LEN;
    rtp.payload_len =
        (uint16_t)dm_encoder_encode(line->encoder, samples, 160, bytes + DM_RTP_HEADER_LEN);
    line->next.sequence++;
    line->next.timestamp += clock_of(from->codec) / 50;
    deliver(line, bytes, &rtp);
    let_pass(line, 20 * MS);
}

static void
say_nothing(Line *line, const Way *from, unsigned n)
{
    static const int16_t silence[160];

    while (n-- > 0) {
        say(line, from, silence);
    }
}

/* RFC 4733, 2.5: every 20 ms, and the end three times. */
static void
press(Line *line, const Way *from, char key)
{
    for (unsigned i = 1; i <= 5; i++) {
        uint8_t bytes[DM_RTP_HEADER_LEN + 4] = {0};
        DmRtpPacket rtp = line->next;

        rtp.pt = EVENT_PT;
        rtp.payload_offset = DM_RTP_HEADER_LEN;
        rtp.payload_len = 4;
        bytes[DM_RTP_HEADER_LEN] = (uint8_t)dm_key_event(key);
        bytes[DM_RTP_HEADER_LEN + 1] = i >= 3 ? 0x8a : 0x0a;
        dm_put_u16(bytes + DM_RTP_HEADER_LEN + 2,
                   (uint16_t)(MIN(i * 20, 50) * (from->event_hz / 1000)));
        line->next.sequence++;
        deliver(line, bytes, &rtp);
        let_pass(line, i < 3 ? 20 * MS : 0);
    }
    line->next.timestamp += clock_of(from->codec) * 60 / 1000;
    let_pass(line, 20 * MS);
}

static void
press_all(Line *line, const Way *from, const char *keys)
{
    for (; *keys != '\0'; keys++) {
        press(line, from, *keys);
        say_nothing(line, from, 2);
    }
}

static void
sound_all(Line *line, const Way *from, const char *keys)
{
    int16_t samples[N_KEYS * 800] = {0};

    for (size_t at = 0; *keys != '\0'; keys++, at += 800) {
        DmKeyTone tone = {0};

        dm_key_tone_make(&tone, *keys, DM_NARROW_HZ, samples + at, 400);
    }
    for (size_t at = 0; at < G_N_ELEMENTS(samples); at += 160) {
        say(line, from, samples + at);
    }
}

/*
 * The series
 */

static void
agree(const Way *way, DmMediaFormat *formats, uint8_t *n)
{
    formats[0] = (DmMediaFormat){.codec = way->codec,
                                 .pt = VOICE_PT,
                                 .channels = 1,
                                 .clock_hz = clock_of(way->codec)};
    *n = 1;
    if (way->event_hz != 0) {
        formats[(*n)++] = (DmMediaFormat){.codec = DM_CODEC_TELEPHONE_EVENT,
                                          .pt = EVENT_PT,
                                          .clock_hz = way->event_hz};
    }
}

static void
line_open(Line *line, const Way *from, const Way *to, int percent, GRand *random)
{
    DmMediaSideSpec sides[2] = {0};

    memset(line, 0, sizeof *line);
    agree(from, sides[0].recv, &sides[0].n_recv);
    agree(to, sides[1].send, &sides[1].n_send);
    dm_path_plan(&line->plan, &sides[0], &sides[1]);
    dm_rtp_continuity_init(&line->out, 77, 1, 2);
    line->to = to;
    line->percent = percent;
    line->random = random;
    line->next = (DmRtpPacket){.ssrc = 5, .sequence = 65000, .timestamp = 4294960000u};
    line->now_us = 1000 * MS;
    line->encoder = dm_encoder_new(dm_codec_type(from->codec), DM_NARROW_HZ, &(DmEncoderWishes){0});
    line->decoder = dm_decoder_new(dm_codec_type(to->codec), DM_NARROW_HZ);
    line->ear = dm_key_ear_new();
    line->told = g_string_new(NULL);
    line->heard = g_string_new(NULL);
}

static void
line_close(Line *line)
{
    dm_decoded_path_free(line->path);
    dm_encoder_free(line->encoder);
    dm_decoder_free(line->decoder);
    dm_key_ear_free(line->ear);
    g_string_free(line->told, TRUE);
    g_string_free(line->heard, TRUE);
}

/* Whether all keys of a string were told and heard, once each. */
static bool
crosses(const Way *from, const Way *to, int percent, GRand *random)
{
    char keys[N_KEYS + 1] = "";
    bool is_whole;
    Line line;

    for (unsigned i = 0; i < N_KEYS; i++) {
        keys[i] = "0123456789*#ABCD"[g_rand_int_range(random, 0, 16)];
    }
    line_open(&line, from, to, percent, random);
    say_nothing(&line, from, 10);
    if (from->event_hz != 0) {
        press_all(&line, from, keys);
    } else {
        sound_all(&line, from, keys);
    }
    line.percent = 0; /* the call goes on */
    say_nothing(&line, from, 10);
    is_whole = strcmp(line.told->str, keys) == 0 && strcmp(line.heard->str, keys) == 0;
    g_assert_cmpuint(line.heard->len, <=, N_KEYS);
    line_close(&line);
    return is_whole;
}

static void
run(const Way *from, const Way *to)
{
    static const int percents[] = {0, 1, 3};
    unsigned n_strings = g_test_slow() ? 1000 : 100;
    g_autoptr(GRand) random = g_rand_new_with_seed(dm_test_seed());

    for (size_t i = 0; i < G_N_ELEMENTS(percents); i++) {
        unsigned n = percents[i] > 0 ? n_strings : n_strings / 5;
        unsigned n_wrong = 0;

        for (unsigned s = 0; s < n; s++) {
            n_wrong += !crosses(from, to, percents[i], random);
        }
        g_test_message("%s and INFO, from %s, %d %% loss: %u of %u strings wrong",
                       to->name,
                       from->name,
                       percents[i],
                       n_wrong,
                       n);
        g_assert_cmpuint(percents[i] <= 1 ? n_wrong : 0, ==, 0);
    }
}

static void
test_series(void)
{
    g_test_summary("DTMF-4 DTMF-1 DTMF-2 DTMF-3: 100 strings of 20 keys from every way and clock "
                   "to every other: none lost and none doubled at 0 and 1 % loss");

    for (size_t i = 0; i < G_N_ELEMENTS(from_ways); i++) {
        for (size_t k = 0; k < G_N_ELEMENTS(to_ways); k++) {
            /* Tones to tones are speech like any other. */
            if ((from_ways[i].event_hz != 0 || to_ways[k].event_hz != 0) &&
                dm_codec_type(from_ways[i].codec) != NULL &&
                dm_codec_type(to_ways[k].codec) != NULL) {
                run(&from_ways[i], &to_ways[k]);
            }
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/key-series/all", test_series);
    return g_test_run();
}
