/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of one codec and length in, packets of another out: what arrives is decoded as the other
 * peer would. */
#include <glib.h>
#include <string.h>

#include "media/dsp/codec.h"
#include "media/dsp/keys.h"
#include "media/path/decoded.h"
#include "media/path/dtmf.h"
#include "media/rtp/bytes.h"
#include "media/session.h"
#include "tests/lib/allocations.h"
#include "tests/lib/seed.h"
#include "tests/lib/speech.h"
#include "tests/lib/tone.h"

#define AMPLITUDE 8000.0
#define TONE_HZ   1000.0
#define MS        INT64_C(1000)
#define EVENT_PT  101

/* What the other peer has received. */
typedef struct {
    DmDecoder *decoder;
    unsigned rate_hz;
    unsigned n_packets;
    unsigned n_events;
    unsigned noise_level;
    DmRtpPacket first, last;
    size_t n;
    int16_t samples[16 * DM_WIDE_HZ];

    /* keys, as tones and as events */
    DmKeyEar *keys;
    char tone;
    GString *tones;
    DmDtmfReceiver receiver;
    GString *events;
} Ear;

/* A peer that talks, and the path from it to the ear. */
typedef struct {
    DmMediaSideSpec from, to;
    GString *told;   /* keys the path has told of */
    bool knows_keys; /* from elsewhere */
    DmPathPlan plan;
    DmRtpContinuity out;
    DmDecodedPath *path;
    DmEncoder *encoder;
    unsigned rate_hz;
    unsigned ptime_ms;
    DmRtpPacket next;
    size_t n_said; /* samples */
    int64_t now_us;
    Ear ear;
} Line;

static bool
note_key(char key, void *user_data)
{
    Line *line = user_data;

    g_string_append_c(line->told, key);
    return !line->knows_keys;
}

static void
note_noise(unsigned level, void *user_data)
{
    Line *line = user_data;

    line->ear.noise_level = level;
}

static void
hear_tones(Ear *ear, const int16_t *samples, size_t n)
{
    for (size_t at = 0; ear->rate_hz == DM_NARROW_HZ && at < n; at += 40) {
        char tone = dm_key_ear_hear(ear->keys, samples + at, MIN(40, n - at));

        if (tone != 0 && tone != ear->tone) {
            g_string_append_c(ear->tones, tone);
        }
        ear->tone = tone;
    }
}

static void
hear_event(Ear *ear, const DmRtpPacket *rtp, const uint8_t *bytes)
{
    DmPacket packet = {.bytes = (uint8_t *)bytes, .rtp = *rtp};
    char key = dm_dtmf_receive(&ear->receiver, &packet);

    ear->n_events++;
    if (key != 0) {
        g_string_append_c(ear->events, key);
    }
}

static void
hear(const DmRtpPacket *rtp, const uint8_t *bytes, size_t len, void *user_data)
{
    Line *line = user_data;
    Ear *ear = &line->ear;
    DmRtpPacket packet;
    size_t n;

    g_assert_cmpint(dm_rtp_parse(bytes, len, &packet), ==, DM_RTP_OK);
    g_assert_cmpuint(packet.ssrc, ==, 77);
    g_assert_cmpuint(packet.timestamp, ==, rtp->timestamp);
    if (ear->n_packets + ear->n_events > 0) {
        g_assert_cmpuint(packet.sequence, ==, (uint16_t)(ear->last.sequence + 1));
        g_assert_cmpint((int32_t)(packet.timestamp - ear->last.timestamp), >=, 0);
    } else {
        ear->first = packet;
    }
    ear->last = packet;
    if (packet.pt == EVENT_PT) {
        hear_event(ear, &packet, bytes);
        return;
    }
    ear->n_packets++;
    if (ear->n >= G_N_ELEMENTS(ear->samples) - DM_CODEC_MAX_SAMPLES) {
        ear->n = 0; /* only the keys of a long call are looked at */
    }
    n = dm_decoder_decode(ear->decoder,
                          bytes + packet.payload_offset,
                          packet.payload_len,
                          ear->samples + ear->n);
    hear_tones(ear, ear->samples + ear->n, n);
    ear->n += n;
}

static DmMediaFormat
format_of(DmCodec codec, uint8_t pt)
{
    return (DmMediaFormat){
        .codec = codec,
        .pt = pt,
        .channels = 1,
        .clock_hz = codec == DM_CODEC_OPUS ? 48000 : 8000,
    };
}

static unsigned
best_rate(DmCodec a, DmCodec b)
{
    return dm_codec_is_wide(dm_codec_type(a)) && dm_codec_is_wide(dm_codec_type(b)) ? DM_WIDE_HZ
                                                                                    : DM_NARROW_HZ;
}

static void
line_start(Line *line, DmCodec from, unsigned from_ms, DmCodec to)
{
    static const DmPathOutput output = {hear, note_key, note_noise};

    dm_path_plan(&line->plan, &line->from, &line->to);
    dm_rtp_continuity_init(&line->out, 77, 65530, 4294960000u);
    line->path = dm_decoded_path_new(&line->plan, &line->out, &output, line);
    g_assert_nonnull(line->path);
    line->told = g_string_new(NULL);
    line->ear.keys = dm_key_ear_new();
    line->ear.tones = g_string_new(NULL);
    line->ear.events = g_string_new(NULL);
    line->rate_hz = line->plan.hears_keys ? DM_NARROW_HZ : best_rate(from, to);
    line->encoder =
        dm_encoder_new(dm_codec_type(from), line->rate_hz, &(DmEncoderWishes){.fec = true});
    line->ear.decoder = dm_decoder_new(dm_codec_type(to), line->rate_hz);
    line->ear.rate_hz = line->rate_hz;
    line->ptime_ms = from_ms;
    line->now_us = 1000 * MS;
    line->next = (DmRtpPacket){.ssrc = 5, .sequence = 65500, .timestamp = 4294950000u, .pt = 96};
}

static void
line_open(Line *line, DmCodec from, unsigned from_ms, DmCodec to, unsigned to_ms)
{
    memset(line, 0, sizeof *line);
    line->from.recv[0] = line->from.send[0] = format_of(from, 96);
    line->to.recv[0] = line->to.send[0] = format_of(to, 97);
    line->from.recv[1] = line->to.send[1] = format_of(DM_CODEC_TELEPHONE_EVENT, EVENT_PT);
    line->from.n_recv = line->to.n_send = 2;
    line->to.ptime_ms = (uint16_t)to_ms;
    line_start(line, from, from_ms, to);
}

/* Only one of them has events. */
static void
line_open_for_keys(Line *line, DmCodec from, DmCodec to, bool has_from)
{
    DmMediaSideSpec *side = has_from ? &line->from : &line->to;

    memset(line, 0, sizeof *line);
    line->from.recv[0] = format_of(from, 96);
    line->to.send[0] = format_of(to, 97);
    line->from.n_recv = line->to.n_send = 1;
    side->recv[1] = side->send[1] = format_of(DM_CODEC_TELEPHONE_EVENT, EVENT_PT);
    line->from.n_recv += has_from;
    line->to.n_send += !has_from;
    line_start(line, from, 20, to);
}

static void
line_close(Line *line)
{
    dm_decoded_path_free(line->path);
    dm_encoder_free(line->encoder);
    dm_decoder_free(line->ear.decoder);
    dm_key_ear_free(line->ear.keys);
    g_string_free(line->ear.tones, TRUE);
    g_string_free(line->ear.events, TRUE);
    g_string_free(line->told, TRUE);
}

/* A datagram made and not yet sent. */
typedef struct {
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES];
    DmRtpPacket rtp;
} Datagram;

static void
make_packet(Line *line, double hz, Datagram *datagram)
{
    size_t n = line->rate_hz / 1000 * line->ptime_ms;
    int16_t samples[DM_CODEC_MAX_SAMPLES] = {0};

    tone_add(samples, n, hz, AMPLITUDE, line->rate_hz, line->n_said);
    datagram->rtp = line->next;
    datagram->rtp.payload_offset = DM_RTP_HEADER_LEN;
    datagram->rtp.payload_len =
        (uint16_t)dm_encoder_encode(line->encoder, samples, n, datagram->bytes + DM_RTP_HEADER_LEN);
    g_assert_cmpuint(datagram->rtp.payload_len, >, 0);
    line->n_said += n;
    line->next.sequence++;
    line->next.timestamp += line->from.recv[0].clock_hz / 1000 * line->ptime_ms;
}

/* What waits is played when it is due. */
static void
let_pass(Line *line, int64_t us)
{
    int64_t until_us = line->now_us + us;
    int64_t due_us;

    while ((due_us = dm_decoded_path_due_us(line->path)) <= until_us) {
        line->now_us = MAX(line->now_us, due_us);
        dm_decoded_path_tick(line->path, line->now_us);
    }
    line->now_us = until_us;
}

static bool
deliver(Line *line, Datagram *datagram)
{
    DmPacket packet = {
        .bytes = datagram->bytes,
        .len = datagram->rtp.payload_offset + datagram->rtp.payload_len,
        .rtp = datagram->rtp,
        .rule = *dm_path_plan_rule(&line->plan, datagram->rtp.pt),
        .now_us = line->now_us,
    };

    return dm_decoded_path_input(line->path, &packet);
}

static void
say(Line *line, double hz)
{
    Datagram datagram;

    make_packet(line, hz, &datagram);
    g_assert_true(deliver(line, &datagram));
    let_pass(line, line->ptime_ms * MS);
}

static void
say_for(Line *line, double hz, unsigned ms)
{
    for (unsigned said_ms = 0; said_ms < ms; said_ms += line->ptime_ms) {
        say(line, hz);
    }
}

/* From @from_ms on. */
static void
assert_tone(const Line *line, unsigned from_ms, double min_share)
{
    const Ear *ear = &line->ear;
    size_t from = (size_t)ear->rate_hz / 1000 * from_ms;
    const int16_t *samples = ear->samples + from;
    size_t n = ear->n - from;

    g_assert_cmpuint(ear->n, >, from);
    g_assert_cmpfloat(
        fabs(20 * log10(tone_amplitude(samples, n, TONE_HZ, ear->rate_hz) / AMPLITUDE)),
        <,
        1.5);
    g_assert_cmpfloat(tone_share(samples, n, TONE_HZ, ear->rate_hz), >, min_share);
}

static const DmCodec codecs[] = {DM_CODEC_PCMU,
                                 DM_CODEC_PCMA,
                                 DM_CODEC_G722,
                                 DM_CODEC_G726_24,
                                 DM_CODEC_G726_32,
                                 DM_CODEC_G726_40,
                                 DM_CODEC_GSM,
                                 DM_CODEC_OPUS,
                                 DM_CODEC_G729};

static void
test_every_codec_becomes_every_other(void)
{
    g_test_summary("MED-2: a tone keeps frequency and level from each codec to each other one");

    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(codecs); j++) {
            Line line;

            if (i == j || dm_codec_type(codecs[i]) == NULL || dm_codec_type(codecs[j]) == NULL) {
                continue;
            }
            g_test_message("%s to %s", dm_codec_name(codecs[i]), dm_codec_name(codecs[j]));
            line_open(&line, codecs[i], 20, codecs[j], 20);
            say_for(&line, TONE_HZ, 1000);
            assert_tone(&line, 300, 0.9);
            g_assert_cmpuint(line.ear.n_packets, ==, 50);
            g_assert_cmpuint(line.ear.last.timestamp - line.ear.first.timestamp,
                             ==,
                             line.to.send[0].clock_hz * 49 / 50);
            line_close(&line);
        }
    }
}

static void
test_any_packet_length_becomes_any_other(void)
{
    static const unsigned lengths_ms[] = {10, 20, 30, 40};

    g_test_summary("10, 20, 30 and 40 ms to each other: the tone stays whole, timestamps follow");

    for (size_t i = 0; i < G_N_ELEMENTS(lengths_ms); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(lengths_ms); j++) {
            unsigned n_out = 1200 / lengths_ms[j];
            Line line;

            line_open(&line, DM_CODEC_PCMU, lengths_ms[i], DM_CODEC_PCMA, lengths_ms[j]);
            say_for(&line, TONE_HZ, 1200);
            assert_tone(&line, 0, 0.999);
            g_assert_cmpuint(line.ear.n_packets, ==, n_out);
            g_assert_cmpuint(line.ear.last.payload_len, ==, 8 * lengths_ms[j]);
            g_assert_cmpuint(line.ear.last.timestamp - line.ear.first.timestamp,
                             ==,
                             (n_out - 1) * 8 * lengths_ms[j]);
            line_close(&line);
        }
    }
}

static void
test_a_lost_packet_is_concealed(void)
{
    Line line;
    Datagram lost;

    g_test_summary("MED-7: one packet in twenty lost: no time is lost, and little of the tone");

    line_open(&line, DM_CODEC_PCMU, 20, DM_CODEC_G722, 20);
    for (unsigned i = 0; i < 100; i++) {
        if (i % 20 == 10) {
            make_packet(&line, TONE_HZ, &lost);
            let_pass(&line, 20 * MS);
        } else {
            say(&line, TONE_HZ);
        }
    }
    g_assert_cmpuint(line.ear.n_packets, ==, 100);
    g_assert_cmpuint(dm_decoded_path_concealed_ms(line.path), ==, 100);
    assert_tone(&line, 100, 0.9);
    line_close(&line);
}

static void
test_packets_out_of_order_are_put_in_order(void)
{
    Line line;
    Datagram early;
    Datagram late;

    g_test_summary("Two packets that swap places on the way are heard as they were said");

    line_open(&line, DM_CODEC_PCMU, 20, DM_CODEC_PCMA, 20);
    say(&line, TONE_HZ);
    for (unsigned i = 0; i < 50; i++) {
        make_packet(&line, TONE_HZ, &early);
        make_packet(&line, TONE_HZ, &late);
        g_assert_true(deliver(&line, &late));
        let_pass(&line, MS);
        g_assert_true(deliver(&line, &early));
        g_assert_false(deliver(&line, &early));
        let_pass(&line, 39 * MS);
    }
    let_pass(&line, 200 * MS);
    g_assert_cmpuint(dm_decoded_path_concealed_ms(line.path), ==, 0);
    g_assert_cmpuint(line.ear.n_packets, ==, 101);
    assert_tone(&line, 0, 0.999);
    line_close(&line);
}

static void
test_silence_stays_silence_of_the_same_length(void)
{
    Line line;
    uint32_t before;

    g_test_summary("A peer that sends nothing while nobody talks: time goes on, a marker tells");

    line_open(&line, DM_CODEC_PCMU, 20, DM_CODEC_GSM, 20);
    say_for(&line, TONE_HZ, 200);
    before = line.ear.last.timestamp;
    g_assert_false(line.ear.last.marker);
    line.next.timestamp += 8000;
    let_pass(&line, 1000 * MS);
    say(&line, TONE_HZ);
    g_assert_true(line.ear.last.marker);
    g_assert_cmpuint(line.ear.last.timestamp - before, ==, 8000 + 160);
    say(&line, TONE_HZ);
    g_assert_false(line.ear.last.marker);
    g_assert_cmpuint(dm_decoded_path_concealed_ms(line.path), ==, 0);
    line_close(&line);
}

/* A packet of comfort noise (RFC 3389) at the end of speech. */
static void
fall_silent(Line *line, uint8_t level)
{
    Datagram noise = {.rtp = line->next};

    noise.rtp.pt = 13;
    noise.rtp.payload_offset = DM_RTP_HEADER_LEN;
    noise.rtp.payload_len = 1;
    noise.bytes[DM_RTP_HEADER_LEN] = level;
    g_assert_true(deliver(line, &noise));
    line->next.sequence++;
}

static void
test_comfort_noise_has_its_turn(void)
{
    Line line;

    g_test_summary("MED-9: noise begins when all that was said has been heard, and is no loss");

    line_open(&line, DM_CODEC_PCMU, 20, DM_CODEC_GSM, 20);
    say_for(&line, TONE_HZ, 200);
    let_pass(&line, 40 * MS); /* one is late, and what follows waits as long */
    say_for(&line, TONE_HZ, 20);
    line.now_us -= 40 * MS;
    say_for(&line, TONE_HZ, 200);
    g_assert_cmpint(dm_decoded_path_delay_us(line.path), >=, 30 * MS);
    g_assert_cmpuint(line.ear.n_packets, <, 21);
    fall_silent(&line, 50);
    g_assert_cmpuint(line.ear.noise_level, ==, 0);
    let_pass(&line, 100 * MS);
    g_assert_cmpuint(line.ear.n_packets, ==, 21);
    g_assert_cmpuint(line.ear.noise_level, ==, 50);
    line.next.timestamp += 800;
    say_for(&line, TONE_HZ, 200);
    let_pass(&line, 100 * MS);
    g_assert_cmpuint(line.ear.n_packets, ==, 31);
    g_assert_cmpuint(dm_decoded_path_concealed_ms(line.path), ==, 0);
    line_close(&line);
}

static void
test_silence_of_g729_is_noise(void)
{
    static const uint8_t silence[] = {0x12, 0x00};
    Datagram datagram;
    Line line;

    g_test_summary(
        "MED-9: a G.729 peer that falls silent by annex B is heard as noise, not as loss");

    if (dm_codec_type(DM_CODEC_G729) == NULL) {
        g_test_skip("libbcg729 is not installed");
        return;
    }
    line_open(&line, DM_CODEC_G729, 20, DM_CODEC_PCMA, 20);
    say_for(&line, TONE_HZ, 200);
    datagram.rtp = line.next;
    datagram.rtp.payload_offset = DM_RTP_HEADER_LEN;
    datagram.rtp.payload_len = sizeof silence;
    memcpy(datagram.bytes + DM_RTP_HEADER_LEN, silence, sizeof silence);
    line.next.sequence++;
    g_assert_cmpuint(line.ear.noise_level, ==, 0);
    g_assert_true(deliver(&line, &datagram));
    g_assert_cmpuint(line.ear.noise_level, >, 0);
    line.next.timestamp += 8000;
    let_pass(&line, 1000 * MS);
    say_for(&line, TONE_HZ, 200);
    g_assert_cmpuint(dm_decoded_path_concealed_ms(line.path), ==, 0);
    line_close(&line);
}

static void
test_another_source_is_joined_on(void)
{
    Line line;
    uint32_t before;

    g_test_summary("MED-3: a source with other numbers goes on where the one before stopped");

    line_open(&line, DM_CODEC_PCMU, 30, DM_CODEC_PCMA, 20);
    say_for(&line, TONE_HZ, 210);
    before = line.ear.last.timestamp;
    line.next = (DmRtpPacket){.ssrc = 6, .sequence = 1, .timestamp = 3, .pt = 96};
    say_for(&line, TONE_HZ, 210);
    /* The ear has checked every step. */
    g_assert_cmpuint(line.ear.last.timestamp - before, <=, 8 * 260);
    line_close(&line);
}

static void
test_keys_go_along_in_order(void)
{
    Line line;
    Datagram event = {0};
    uint32_t at = 0;

    g_test_summary("DTMF-1: events of a decoded stream keep their order, one timestamp a press");

    if (dm_codec_type(DM_CODEC_OPUS) == NULL) {
        g_test_skip("built without libopus");
        return;
    }
    line_open(&line, DM_CODEC_PCMU, 20, DM_CODEC_OPUS, 20);
    say_for(&line, TONE_HZ, 200);
    event.rtp = line.next;
    event.rtp.pt = EVENT_PT;
    event.rtp.payload_offset = DM_RTP_HEADER_LEN;
    event.rtp.payload_len = 4;
    event.bytes[DM_RTP_HEADER_LEN] = 5;
    for (unsigned i = 0; i < 6; i++) {
        g_assert_true(deliver(&line, &event));
        at = i == 0 ? line.ear.last.timestamp : at;
        g_assert_cmpuint(line.ear.last.timestamp, ==, at);
        event.rtp.sequence++;
        let_pass(&line, 20 * MS);
    }
    g_assert_cmpuint(line.ear.n_events, ==, 6);
    line.next.sequence += 6;
    line.next.timestamp += 6 * 160;
    say(&line, TONE_HZ);
    g_assert_cmpuint(line.ear.last.timestamp - at, ==, 6 * 960);
    line_close(&line);
}

static void
test_what_was_relayed_meanwhile_is_followed(void)
{
    Line line;
    DmRtpPacket relayed = {.ssrc = 5, .sequence = 9, .timestamp = 1000000};
    uint32_t between;

    g_test_summary("MED-3: decoded and relayed packets of one stream follow each other");

    line_open(&line, DM_CODEC_G722, 30, DM_CODEC_PCMA, 20);
    say_for(&line, TONE_HZ, 210);
    dm_rtp_continuity_next(&line.out, &relayed, 8000, false, line.now_us);
    g_assert_cmpuint(relayed.sequence, ==, (uint16_t)(line.ear.last.sequence + 1));
    g_assert_cmpint((int32_t)(relayed.timestamp - line.ear.last.timestamp), >=, 160);
    between = relayed.timestamp;
    line.ear.last = relayed;
    say_for(&line, TONE_HZ, 210);
    g_assert_cmpint((int32_t)(line.ear.last.timestamp - between), >=, 8 * 180);
    line_close(&line);
}

static void
test_nothing_is_allocated_per_packet(void)
{
    g_test_summary("Once a stream runs, a packet allocates nothing, lost ones neither");

    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        Line line;
        Datagram lost;
        unsigned long before;

        if (dm_codec_type(codecs[i]) == NULL) {
            continue;
        }
        line_open(&line,
                  codecs[i],
                  20,
                  codecs[i] == DM_CODEC_PCMU ? DM_CODEC_G722 : DM_CODEC_PCMU,
                  20);
        say(&line, TONE_HZ);
        before = n_allocations;
        for (unsigned n = 0; n < 50; n++) {
            make_packet(&line, TONE_HZ, &lost);
            say_for(&line, TONE_HZ, 100);
        }
        g_assert_cmpuint(n_allocations - before, ==, 0);
        line_close(&line);
        g_free(g_malloc(1));
        g_assert_cmpuint(n_allocations, >, before); /* they are counted at all */
    }
}

/*
 * Keys, 50 ms down and 50 ms up, twenty in a row, with packets lost on the way (DTMF-4)
 */

#define N_STRINGS 100
#define N_KEYS    20

static const char keyboard[] = "0123456789*#ABCD";

static bool
is_lost(GRand *random, unsigned percent)
{
    return g_rand_int_range(random, 0, 100) < (int)percent;
}

static void
deliver_unless_lost(Line *line, Datagram *datagram, GRand *random, unsigned percent)
{
    if (!is_lost(random, percent)) {
        deliver(line, datagram);
    }
    let_pass(line, 20 * MS);
}

/* Silence, as a phone sends it between keys. */
static void
say_nothing(Line *line, unsigned n_packets, GRand *random, unsigned percent)
{
    double silence_hz = 0;
    Datagram datagram;

    for (unsigned i = 0; i < n_packets; i++) {
        make_packet(line, silence_hz, &datagram);
        deliver_unless_lost(line, &datagram, random, percent);
    }
}

static void
press_as_events(Line *line, char key, GRand *random, unsigned percent)
{
    Datagram event = {.rtp = line->next};

    event.rtp.pt = EVENT_PT;
    event.rtp.payload_offset = DM_RTP_HEADER_LEN;
    event.rtp.payload_len = 4;
    event.bytes[DM_RTP_HEADER_LEN] = (uint8_t)dm_key_event(key);
    for (unsigned i = 1; i <= 5; i++) {
        event.bytes[DM_RTP_HEADER_LEN + 1] = i >= 3 ? 0x8a : 0x0a;
        dm_put_u16(event.bytes + DM_RTP_HEADER_LEN + 2, (uint16_t)MIN(i * 160, 400));
        event.rtp.sequence = line->next.sequence++;
        if (!is_lost(random, percent)) {
            deliver(line, &event);
        }
        let_pass(line, i < 3 ? 20 * MS : 0);
    }
    line->next.timestamp += 480;
    let_pass(line, 20 * MS);
}

static void
random_keys(GRand *random, char keys[N_KEYS + 1])
{
    for (unsigned i = 0; i < N_KEYS; i++) {
        keys[i] = keyboard[g_rand_int_range(random, 0, 16)];
    }
    keys[N_KEYS] = '\0';
}

static void
assert_events_become_tones(unsigned percent)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(dm_test_seed());

    for (unsigned s = 0; s < N_STRINGS; s++) {
        char keys[N_KEYS + 1];
        Line line;

        random_keys(random, keys);
        line_open_for_keys(&line, DM_CODEC_PCMU, DM_CODEC_PCMA, true);
        say_nothing(&line, 10, random, percent);
        for (unsigned i = 0; i < N_KEYS; i++) {
            press_as_events(&line, keys[i], random, percent);
            say_nothing(&line, 2, random, percent);
        }
        say_nothing(&line, 10, random, 0);
        g_assert_cmpstr(line.ear.tones->str, ==, keys);
        g_assert_cmpuint(line.ear.n_events, ==, 0);
        line_close(&line);
    }
}

static void
test_events_become_tones(void)
{
    g_test_summary("DTMF-2, DTMF-4: toward a peer without events; 0, 1 and 3 % loss, none lost or "
                   "doubled");

    assert_events_become_tones(0);
    assert_events_become_tones(1);
    assert_events_become_tones(3);
}

/* @n samples of a call: tones of 50 ms, 50 ms apart. */
static void
make_keys(const char *keys, int16_t *samples, size_t n)
{
    size_t at = DM_NARROW_HZ / 5;

    memset(samples, 0, n * sizeof *samples);
    for (; *keys != '\0'; keys++) {
        DmKeyTone tone = {0};

        dm_key_tone_make(&tone, *keys, DM_NARROW_HZ, samples + at, 400);
        at += 800;
    }
}

static void
say_samples(Line *line, const int16_t *samples, size_t n, GRand *random, unsigned percent)
{
    for (size_t at = 0; at + 160 <= n; at += 160) {
        Datagram datagram;

        datagram.rtp = line->next;
        datagram.rtp.payload_offset = DM_RTP_HEADER_LEN;
        datagram.rtp.payload_len = (uint16_t)
            dm_encoder_encode(line->encoder, samples + at, 160, datagram.bytes + DM_RTP_HEADER_LEN);
        line->next.sequence++;
        line->next.timestamp += 160;
        deliver_unless_lost(line, &datagram, random, percent);
    }
}

/* Returns how many of the strings did not arrive as they were. */
static unsigned
send_tones(DmCodec from, unsigned percent)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(percent);
    static int16_t samples[DM_NARROW_HZ * 3];
    unsigned n_wrong = 0;

    for (unsigned s = 0; s < N_STRINGS; s++) {
        char keys[N_KEYS + 1];
        Line line;

        random_keys(random, keys);
        make_keys(keys, samples, G_N_ELEMENTS(samples));
        line_open_for_keys(&line, from, DM_CODEC_PCMA, false);
        say_samples(&line, samples, G_N_ELEMENTS(samples), random, percent);
        n_wrong += strcmp(line.ear.events->str, keys) != 0;
        g_assert_cmpstr(line.told->str, ==, line.ear.events->str);
        if (percent == 0) {
            /* Nothing of the tones is left for another detector behind us. */
            g_assert_cmpstr(line.ear.tones->str, ==, "");
            g_assert_cmpfloat(tone_rms(line.ear.samples, line.ear.n), <, 150);
        }
        line_close(&line);
    }
    return n_wrong;
}

static void
test_tones_become_events(void)
{
    g_test_summary("DTMF-2, DTMF-4: from a peer without events, at 0 and 1 % loss; the tones "
                   "themselves are taken out");

    g_assert_cmpuint(send_tones(DM_CODEC_PCMU, 0), ==, 0);
    g_assert_cmpuint(send_tones(DM_CODEC_PCMA, 0), ==, 0);
    g_assert_cmpuint(send_tones(DM_CODEC_PCMU, 1), ==, 0);
}

static void
test_keys_known_already_are_taken_out(void)
{
    static int16_t samples[DM_NARROW_HZ];
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    Line line;

    g_test_summary("DTMF-2: a key that came in another way leaves neither event nor tone; a peer "
                   "that is told by signalling gets none either");

    make_keys("58", samples, G_N_ELEMENTS(samples));
    line_open_for_keys(&line, DM_CODEC_PCMU, DM_CODEC_PCMA, false);
    line.knows_keys = true;
    say_samples(&line, samples, G_N_ELEMENTS(samples), random, 0);
    g_assert_cmpstr(line.told->str, ==, "58");
    g_assert_cmpuint(line.ear.n_events, ==, 0);
    g_assert_cmpstr(line.ear.tones->str, ==, "");
    line_close(&line);

    memset(&line, 0, sizeof line);
    line.from.recv[0] = format_of(DM_CODEC_PCMU, 96);
    line.to.send[0] = format_of(DM_CODEC_PCMA, 97);
    line.from.n_recv = line.to.n_send = 1;
    line.to.keys = DM_KEYS_SIGNALLED;
    line_start(&line, DM_CODEC_PCMU, 20, DM_CODEC_PCMA);
    say_samples(&line, samples, G_N_ELEMENTS(samples), random, 0);
    g_assert_cmpstr(line.told->str, ==, "58");
    g_assert_cmpuint(line.ear.n_events, ==, 0);
    g_assert_cmpstr(line.ear.tones->str, ==, "");
    g_assert_cmpuint(line.ear.n_packets, >, 20);
    line_close(&line);
}

static void
test_a_long_tone_is_one_key(void)
{
    static int16_t samples[DM_NARROW_HZ * 5];
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    DmKeyTone tone = {0};
    Line line;

    g_test_summary("DTMF-4: 3.5 s is one digit, with events all along");

    dm_key_tone_make(&tone, '7', DM_NARROW_HZ, samples + 8000, 28000);
    line_open_for_keys(&line, DM_CODEC_PCMA, DM_CODEC_PCMA, false);
    say_samples(&line, samples, G_N_ELEMENTS(samples), random, 0);
    g_assert_cmpstr(line.ear.events->str, ==, "7");
    g_assert_cmpuint(line.ear.n_events, >=, 170);
    line_close(&line);
}

static void
assert_no_key_in(const int16_t *samples, size_t n, unsigned percent)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(dm_test_seed());
    Line line;

    line_open_for_keys(&line, DM_CODEC_PCMU, DM_CODEC_PCMA, false);
    say_samples(&line, samples, n, random, percent);
    g_assert_cmpstr(line.told->str, ==, "");
    line_close(&line);
}

/* DEMARC_SPEECH may name a recording: 8 kHz, 16 bit, mono, without a header. */
static void
test_speech_is_no_key(void)
{
    static const unsigned percents[] = {0, 1, 3};
    const char *path = g_getenv("DEMARC_SPEECH");
    g_autoptr(GArray) made = speech_of("en-us");
    g_autofree char *recorded = NULL;
    gsize len = 0;

    g_test_summary("Talk-off: nothing in speech, at 0, 1 and 3 % loss, is taken for a key");

    if (path != NULL) {
        g_assert_true(g_file_get_contents(path, &recorded, &len, NULL));
    } else if (made == NULL) {
        g_test_skip("espeak-ng is not installed, and DEMARC_SPEECH names no recording");
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(percents); i++) {
        if (recorded != NULL) {
            assert_no_key_in((const int16_t *)(const void *)recorded, len / 2, percents[i]);
        } else {
            assert_no_key_in((const int16_t *)(void *)made->data, made->len, percents[i]);
        }
    }
    g_test_message("%zu s of speech", (recorded != NULL ? len / 2 : made->len) / SPEECH_HZ);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    (void)dm_codec_load_g729("libbcg729.so.0", NULL); /* those that need it are skipped without */
    allocations_watch();
    g_test_add_func("/decoded/noise", test_comfort_noise_has_its_turn);
    g_test_add_func("/decoded/g729-silence", test_silence_of_g729_is_noise);
    g_test_add_func("/decoded/codecs", test_every_codec_becomes_every_other);
    g_test_add_func("/decoded/ptime", test_any_packet_length_becomes_any_other);
    g_test_add_func("/decoded/loss", test_a_lost_packet_is_concealed);
    g_test_add_func("/decoded/order", test_packets_out_of_order_are_put_in_order);
    g_test_add_func("/decoded/silence", test_silence_stays_silence_of_the_same_length);
    g_test_add_func("/decoded/source", test_another_source_is_joined_on);
    g_test_add_func("/decoded/keys", test_keys_go_along_in_order);
    g_test_add_func("/decoded/relayed", test_what_was_relayed_meanwhile_is_followed);
    g_test_add_func("/decoded/allocations", test_nothing_is_allocated_per_packet);
    g_test_add_func("/decoded/events-to-tones", test_events_become_tones);
    g_test_add_func("/decoded/tones-to-events", test_tones_become_events);
    g_test_add_func("/decoded/known-keys", test_keys_known_already_are_taken_out);
    g_test_add_func("/decoded/long-tone", test_a_long_tone_is_one_key);
    g_test_add_func("/decoded/talk-off", test_speech_is_no_key);
    return g_test_run();
}
