/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "media/dsp/codec.h"
#include "media/session.h"
#include "tests/lib/tone.h"

#define AMPLITUDE 8000.0
#define TONE_HZ   1000.0

static const DmCodec codecs[] = {
    DM_CODEC_PCMU,
    DM_CODEC_PCMA,
    DM_CODEC_G722,
    DM_CODEC_G726_16,
    DM_CODEC_G726_24,
    DM_CODEC_G726_32,
    DM_CODEC_G726_40,
    DM_CODEC_GSM,
    DM_CODEC_OPUS,
    DM_CODEC_G729,
};

/* Half a second of @tone_hz through encoder and decoder, in packets of 20 ms. */
typedef struct {
    int16_t samples[DM_WIDE_HZ / 2];
    size_t n;
    size_t n_bytes;
} Heard;

static void
send_tone(DmCodec encode_as, unsigned rate_in, unsigned rate_out, double tone_hz, Heard *heard)
{
    const DmCodecType *type = dm_codec_type(encode_as);
    g_autoptr(DmEncoder) encoder = dm_encoder_new(type, rate_in, &(DmEncoderWishes){0});
    g_autoptr(DmDecoder) decoder = dm_decoder_new(type, rate_out);
    size_t n_in = rate_in / 50;

    g_assert_nonnull(encoder);
    g_assert_nonnull(decoder);
    memset(heard, 0, sizeof *heard);
    for (unsigned frame = 0; frame < 25; frame++) {
        int16_t in[DM_CODEC_MAX_SAMPLES] = {0};
        int16_t out[DM_CODEC_MAX_SAMPLES];
        uint8_t payload[DM_CODEC_MAX_BYTES];
        size_t len;
        size_t n;

        tone_add(in, n_in, tone_hz, AMPLITUDE, rate_in, frame * n_in);
        len = dm_encoder_encode(encoder, in, n_in, payload);
        g_assert_cmpuint(len, >, 0);
        n = dm_decoder_decode(decoder, payload, len, out);
        g_assert_cmpuint(n, ==, rate_out / 50);
        memcpy(heard->samples + heard->n, out, n * sizeof *out);
        heard->n += n;
        heard->n_bytes = len;
    }
}

static void
assert_tone(const Heard *heard, unsigned rate_hz, double tone_hz, double min_share)
{
    const int16_t *settled = heard->samples + rate_hz / 5;
    size_t n = heard->n - rate_hz / 5;
    double gain_db = 20 * log10(tone_amplitude(settled, n, tone_hz, rate_hz) / AMPLITUDE);

    g_assert_cmpfloat(fabs(gain_db), <, 1.0);
    g_assert_cmpfloat(tone_share(settled, n, tone_hz, rate_hz), >, min_share);
}

static void
test_a_tone_comes_back(void)
{
    g_test_summary("A 1 kHz tone keeps frequency and level through every codec there is");

    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        Heard heard;

        if (dm_codec_type(codecs[i]) == NULL) {
            continue; /* built without */
        }
        g_test_message("%s", dm_codec_name(codecs[i]));
        send_tone(codecs[i], DM_NARROW_HZ, DM_NARROW_HZ, TONE_HZ, &heard);
        assert_tone(&heard, DM_NARROW_HZ, TONE_HZ, codecs[i] == DM_CODEC_G726_16 ? 0.8 : 0.95);
    }
}

static void
test_wide_band_reaches_where_narrow_band_does_not(void)
{
    g_test_summary("At 16 kHz a 5 kHz tone passes; a 1 kHz tone also from one rate to the other");

    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        const DmCodecType *type = dm_codec_type(codecs[i]);
        Heard heard;

        if (type == NULL || !dm_codec_is_wide(type)) {
            continue;
        }
        g_test_message("%s", dm_codec_name(codecs[i]));
        send_tone(codecs[i], DM_WIDE_HZ, DM_WIDE_HZ, 5000, &heard);
        assert_tone(&heard, DM_WIDE_HZ, 5000, 0.9);
        send_tone(codecs[i], DM_WIDE_HZ, DM_NARROW_HZ, TONE_HZ, &heard);
        assert_tone(&heard, DM_NARROW_HZ, TONE_HZ, 0.95);
        send_tone(codecs[i], DM_NARROW_HZ, DM_WIDE_HZ, TONE_HZ, &heard);
        /* The upper band of G.722 has only noise of its own then. */
        assert_tone(&heard, DM_WIDE_HZ, TONE_HZ, 0.9);
    }
}

static void
test_payloads_are_as_long_as_the_codec_says(void)
{
    static const struct {
        DmCodec codec;
        size_t n_bytes;
    } of_20_ms[] = {
        {DM_CODEC_PCMU, 160},
        {DM_CODEC_PCMA, 160},
        {DM_CODEC_G722, 160},
        {DM_CODEC_G726_16, 40},
        {DM_CODEC_G726_24, 60},
        {DM_CODEC_G726_32, 80},
        {DM_CODEC_G726_40, 100},
        {DM_CODEC_GSM, 33},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(of_20_ms); i++) {
        Heard heard;

        send_tone(of_20_ms[i].codec, DM_NARROW_HZ, DM_NARROW_HZ, TONE_HZ, &heard);
        g_assert_cmpuint(heard.n_bytes, ==, of_20_ms[i].n_bytes);
    }
}

static void
test_packet_lengths_are_those_the_codec_has(void)
{
    const DmCodecType *pcmu = dm_codec_type(DM_CODEC_PCMU);
    const DmCodecType *gsm = dm_codec_type(DM_CODEC_GSM);
    const DmCodecType *opus = dm_codec_type(DM_CODEC_OPUS);

    g_test_summary("The length wanted, or the next below that the codec can have");

    g_assert_cmpuint(dm_codec_ptime_ms(pcmu, 0, 0), ==, 20);
    g_assert_cmpuint(dm_codec_ptime_ms(pcmu, 30, 0), ==, 30);
    g_assert_cmpuint(dm_codec_ptime_ms(pcmu, 30, 10), ==, 10);
    g_assert_cmpuint(dm_codec_ptime_ms(pcmu, 1000, 0), ==, DM_CODEC_MAX_MS);
    g_assert_cmpuint(dm_codec_ptime_ms(gsm, 30, 0), ==, 20);
    g_assert_cmpuint(dm_codec_ptime_ms(gsm, 40, 0), ==, 40);
    g_assert_cmpuint(dm_codec_ptime_ms(gsm, 20, 10), ==, 20);
    if (opus != NULL) {
        g_assert_cmpuint(dm_codec_ptime_ms(opus, 30, 0), ==, 20);
        g_assert_cmpuint(dm_codec_ptime_ms(opus, 120, 0), ==, 60);
        g_assert_cmpuint(dm_codec_ptime_ms(opus, 1, 0), ==, 5);
    }
    g_assert_null(dm_codec_type(DM_CODEC_OTHER));
    g_assert_null(dm_codec_type(DM_CODEC_TELEPHONE_EVENT));
}

static void
test_what_is_not_whole_is_refused(void)
{
    static const uint8_t bytes[1500];
    g_autoptr(DmDecoder) gsm = dm_decoder_new(dm_codec_type(DM_CODEC_GSM), DM_NARROW_HZ);
    g_autoptr(DmDecoder) pcmu = dm_decoder_new(dm_codec_type(DM_CODEC_PCMU), DM_NARROW_HZ);
    g_autoptr(DmDecoder) g726 = dm_decoder_new(dm_codec_type(DM_CODEC_G726_24), DM_NARROW_HZ);
    g_autoptr(DmEncoder) encoder =
        dm_encoder_new(dm_codec_type(DM_CODEC_GSM), DM_NARROW_HZ, &(DmEncoderWishes){0});
    int16_t samples[DM_CODEC_MAX_SAMPLES] = {0};
    uint8_t payload[DM_CODEC_MAX_BYTES];

    g_test_summary("No length gets to a library that it does not expect");

    g_assert_cmpuint(dm_decoder_decode(gsm, bytes, 32, samples), ==, 0);
    g_assert_cmpuint(dm_decoder_decode(gsm, bytes, 66, samples), ==, 320);
    g_assert_cmpuint(dm_decoder_decode(gsm, bytes, 33 * 7, samples), ==, 0);
    g_assert_cmpuint(dm_decoder_decode(pcmu, bytes, 0, samples), ==, 0);
    g_assert_cmpuint(dm_decoder_decode(pcmu, bytes, 960, samples), ==, 960);
    g_assert_cmpuint(dm_decoder_decode(pcmu, bytes, 961, samples), ==, 0);
    g_assert_cmpuint(dm_decoder_decode(g726, bytes, 31, samples), ==, 0);
    g_assert_cmpuint(dm_decoder_decode(g726, bytes, 30, samples), ==, 80);
    g_assert_cmpuint(dm_encoder_encode(encoder, samples, 80, payload), ==, 0);
    g_assert_cmpuint(dm_encoder_encode(encoder, samples, 160, payload), ==, 33);
}

/* 100 ms of tone, then a hole of @n samples. */
static void
assert_concealed(DmCodec codec, unsigned rate_hz, size_t n)
{
    const DmCodecType *type = dm_codec_type(codec);
    g_autoptr(DmEncoder) encoder = dm_encoder_new(type, rate_hz, &(DmEncoderWishes){0});
    g_autoptr(DmDecoder) decoder = dm_decoder_new(type, rate_hz);
    int16_t samples[DM_CODEC_MAX_SAMPLES + 1];
    uint8_t payload[DM_CODEC_MAX_BYTES];
    size_t n_frame = rate_hz / 50;

    for (unsigned frame = 0; frame < 5; frame++) {
        size_t len;

        memset(samples, 0, sizeof samples);
        tone_add(samples, n_frame, 400, AMPLITUDE, rate_hz, frame * n_frame);
        len = dm_encoder_encode(encoder, samples, n_frame, payload);
        dm_decoder_decode(decoder, payload, len, samples);
    }
    samples[n] = 12345;
    dm_decoder_conceal(decoder, NULL, 0, samples, n);
    g_assert_cmpint(samples[n], ==, 12345);
    if (n >= rate_hz / 100) {
        size_t n_judged = MIN(n, n_frame);

        g_assert_cmpfloat(tone_rms(samples, n_judged), >, AMPLITUDE * 0.3);
        g_assert_cmpfloat(tone_amplitude(samples, n_judged, 400, rate_hz), >, AMPLITUDE * 0.3);
    }
    memset(samples, 0, sizeof samples);
    dm_decoder_conceal(decoder, NULL, 0, samples, n_frame * 5);
    dm_decoder_conceal(decoder, NULL, 0, samples, n_frame);
    g_assert_cmpfloat(tone_rms(samples, n_frame), <, AMPLITUDE * 0.3);
}

static void
test_a_hole_is_filled_and_fades(void)
{
    static const size_t lengths[] = {1, 8, 29, 30, 80, 160, 480};

    g_test_summary("MED-7: a lost packet sounds like the one before; a long loss becomes silence; "
                   "not a sample too much is written");

    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        for (size_t n = 0; dm_codec_type(codecs[i]) != NULL && n < G_N_ELEMENTS(lengths); n++) {
            g_test_message("%s, %zu samples", dm_codec_name(codecs[i]), lengths[n]);
            assert_concealed(codecs[i], DM_NARROW_HZ, lengths[n]);
            if (dm_codec_is_wide(dm_codec_type(codecs[i]))) {
                assert_concealed(codecs[i], DM_WIDE_HZ, lengths[n]);
            }
        }
    }
}

static void
assert_repaired(unsigned rate_hz, const DmEncoderWishes *wishes)
{
    const DmCodecType *type = dm_codec_type(DM_CODEC_OPUS);
    g_autoptr(DmEncoder) encoder = dm_encoder_new(type, rate_hz, wishes);
    g_autoptr(DmDecoder) decoder = dm_decoder_new(type, rate_hz);
    size_t n = rate_hz / 50;
    int16_t lost[DM_CODEC_MAX_SAMPLES];
    uint8_t payload[2][DM_CODEC_MAX_BYTES];
    size_t len[2] = {0};

    for (unsigned frame = 0; frame < 12; frame++) {
        int16_t in[DM_CODEC_MAX_SAMPLES] = {0};

        tone_add(in, n, frame < 10 ? 300 : 800, AMPLITUDE, rate_hz, (unsigned)(frame * n));
        len[frame % 2] = dm_encoder_encode(encoder, in, n, payload[frame % 2]);
        if (frame < 10) {
            dm_decoder_decode(decoder, payload[frame % 2], len[frame % 2], in);
        }
    }
    /* Frame 10 is lost; 11 is there. */
    dm_decoder_conceal(decoder, payload[1], len[1], lost, n);
    g_assert_cmpfloat(tone_amplitude(lost + n / 2, n / 2, 800, rate_hz), >, AMPLITUDE * 0.4);
}

static void
test_opus_repairs_a_loss_from_the_next_packet(void)
{
    g_test_summary("MED-7: in-band FEC, without a word about the bit rate: the tone changes in the "
                   "very packet that is lost, and is heard");

    if (dm_codec_type(DM_CODEC_OPUS) == NULL) {
        g_test_skip("built without libopus");
        return;
    }
    assert_repaired(DM_NARROW_HZ, &(DmEncoderWishes){.fec = true});
    assert_repaired(DM_WIDE_HZ, &(DmEncoderWishes){.fec = true});
    assert_repaired(DM_WIDE_HZ, &(DmEncoderWishes){.fec = true, .max_playback_hz = 8000});
    assert_repaired(DM_WIDE_HZ, &(DmEncoderWishes){.fec = true, .cbr = true});
}

static void
test_opus_does_as_the_peer_wants(void)
{
    static const DmEncoderWishes wishes[] = {
        {.cbr = true},
        {.cbr = true, .bitrate_bps = 12000},
        {.max_playback_hz = 8000, .bitrate_bps = 32000},
    };
    const DmCodecType *type = dm_codec_type(DM_CODEC_OPUS);
    size_t sizes[G_N_ELEMENTS(wishes)] = {0};

    g_test_summary("RFC 7587, 6.1: packets of one size, a bit rate, a band");

    if (type == NULL) {
        g_test_skip("built without libopus");
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(wishes); i++) {
        g_autoptr(DmEncoder) encoder = dm_encoder_new(type, DM_WIDE_HZ, &wishes[i]);

        for (unsigned frame = 0; frame < 20; frame++) {
            int16_t in[DM_CODEC_MAX_SAMPLES] = {0};
            uint8_t payload[DM_CODEC_MAX_BYTES];
            size_t len;

            tone_add(in, 320, 300 + 100 * frame, AMPLITUDE / (1 + frame % 3), DM_WIDE_HZ, 0);
            len = dm_encoder_encode(encoder, in, 320, payload);
            g_assert_true(!wishes[i].cbr || sizes[i] == 0 || len == sizes[i]);
            sizes[i] = len;
            /* RFC 6716, 3.1: of the first byte's five upper bits, the first four are narrow band.
             */
            g_assert_true((payload[0] >> 3 < 4) == (wishes[i].max_playback_hz != 0));
        }
    }
    g_assert_cmpuint(sizes[1], ==, 12000 / 8 / 50);
    g_assert_cmpuint(sizes[0], >, sizes[1]);
}

/* 200 ms of a tone in G.729. */
static size_t
encode_g729(uint8_t payload[200 + DM_CODEC_MAX_BYTES])
{
    g_autoptr(DmEncoder) encoder =
        dm_encoder_new(dm_codec_type(DM_CODEC_G729), DM_NARROW_HZ, &(DmEncoderWishes){0});
    size_t len = 0;

    for (unsigned i = 0; i < 10; i++) {
        int16_t in[160] = {0};

        tone_add(in, 160, TONE_HZ, AMPLITUDE, DM_NARROW_HZ, 160 * i);
        len += dm_encoder_encode(encoder, in, 160, payload + len);
    }
    g_assert_cmpuint(len, ==, 200);
    return len;
}

static void
test_g729_frames(void)
{
    static const uint8_t silence[] = {0x34, 0x56};
    g_autoptr(DmDecoder) decoder = NULL;
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    uint8_t payload[200 + DM_CODEC_MAX_BYTES];
    uint8_t mixed[22];
    double loud;

    g_test_summary("MED-2: G.729 in packets of 10 to 120 ms, silence of annex B behind speech or "
                   "alone, and what is lost is made up and fades");

    if (dm_codec_type(DM_CODEC_G729) == NULL) {
        g_test_skip("libbcg729 is not installed");
        return;
    }
    decoder = dm_decoder_new(dm_codec_type(DM_CODEC_G729), DM_NARROW_HZ);
    encode_g729(payload);
    g_assert_cmpuint(dm_decoder_decode(decoder, payload, 10, samples), ==, 80);
    g_assert_cmpuint(dm_decoder_decode(decoder, payload + 10, 30, samples), ==, 240);
    g_assert_cmpuint(dm_decoder_decode(decoder, payload + 40, 120, samples), ==, 960);
    g_assert_cmpuint(dm_decoder_decode(decoder, payload, 130, samples), ==, 0);
    g_assert_cmpuint(dm_decoder_decode(decoder, payload, 15, samples), ==, 0);
    g_assert_cmpuint(dm_decoder_decode(decoder, payload, 0, samples), ==, 0);

    memcpy(mixed, payload + 160, 20);
    memcpy(mixed + 20, silence, 2);
    g_assert_cmpuint(dm_decoder_decode(decoder, mixed, 22, samples), ==, 240);
    g_assert_cmpuint(dm_decoder_decode(decoder, silence, 2, samples), ==, 80);
    g_assert_true(dm_codec_ends_silent(DM_CODEC_G729, 22));
    g_assert_true(dm_codec_ends_silent(DM_CODEC_G729, 2));
    g_assert_false(dm_codec_ends_silent(DM_CODEC_G729, 20));
    g_assert_false(dm_codec_ends_silent(DM_CODEC_PCMA, 162));

    for (unsigned i = 0; i < 10; i++) {
        dm_decoder_decode(decoder, payload + i * 20, 20, samples);
    }
    loud = tone_rms(samples, 160);
    dm_decoder_conceal(decoder, NULL, 0, samples, 160);
    g_assert_cmpfloat(tone_rms(samples, 160), >, loud / 4);
    for (unsigned i = 0; i < 20; i++) {
        dm_decoder_conceal(decoder, NULL, 0, samples, 165);
    }
    g_assert_cmpfloat(tone_rms(samples, 160), <, loud / 8);
}

static void
test_g729_is_loaded(void)
{
    g_autoptr(GError) error = NULL;

    g_test_summary("MED-2: with Debian's libbcg729-0 the codec is there");

    if (!dm_codec_load_g729("libbcg729.so.0", &error)) {
        g_test_skip(error->message);
        return;
    }
    g_assert_nonnull(dm_codec_type(DM_CODEC_G729));
    g_assert_nonnull(strstr(dm_codec_g729_state()->file, "libbcg729.so.0"));
    g_assert_cmpstr(dm_codec_g729_state()->fault, ==, "");
}

/* Of characters that take three bytes. */
static char *
long_library_name(void)
{
    GString *name = g_string_new("lib");

    for (unsigned i = 0; i < 300; i++) {
        g_string_append_unichar(name, 0x4e2d);
    }
    return g_string_free(name, FALSE);
}

static void
test_g729_is_asked_for(void)
{
    g_autofree char *long_name = long_library_name();
    g_autoptr(GError) error = NULL;

    g_test_summary(
        "A library that is not there, or is none of the kind, is said and changes nothing");

    if (dm_codec_has_g729()) {
        g_test_skip("it is loaded already, for good");
        return;
    }
    g_assert_false(dm_codec_load_g729("libno-such-thing.so.9", &error));
    g_assert_nonnull(strstr(error->message, "libno-such-thing.so.9"));
    g_assert_cmpstr(dm_codec_g729_state()->fault, ==, error->message);
    g_clear_error(&error);
    g_assert_false(dm_codec_load_g729("libm.so.6", &error));
    g_assert_nonnull(strstr(error->message, "initBcg729DecoderChannel"));
    g_assert_cmpstr(dm_codec_g729_state()->fault, ==, error->message);
    g_assert_cmpstr(dm_codec_g729_state()->file, ==, "");
    g_clear_error(&error);
    g_assert_false(dm_codec_load_g729(long_name, &error));
    g_assert_true(g_utf8_validate(dm_codec_g729_state()->fault, -1, NULL));
    g_assert_cmpuint(strlen(dm_codec_g729_state()->fault), >, 250);
    g_assert_null(dm_codec_type(DM_CODEC_G729));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/codec/g729-library", test_g729_is_asked_for);
    g_test_add_func("/codec/g729-load", test_g729_is_loaded);
    g_test_add_func("/codec/g729-frames", test_g729_frames);
    g_test_add_func("/codec/tone", test_a_tone_comes_back);
    g_test_add_func("/codec/wide", test_wide_band_reaches_where_narrow_band_does_not);
    g_test_add_func("/codec/payload", test_payloads_are_as_long_as_the_codec_says);
    g_test_add_func("/codec/ptime", test_packet_lengths_are_those_the_codec_has);
    g_test_add_func("/codec/guards", test_what_is_not_whole_is_refused);
    g_test_add_func("/codec/conceal", test_a_hole_is_filled_and_fades);
    g_test_add_func("/codec/fec", test_opus_repairs_a_loss_from_the_next_packet);
    g_test_add_func("/codec/opus/wishes", test_opus_does_as_the_peer_wants);
    return g_test_run();
}
