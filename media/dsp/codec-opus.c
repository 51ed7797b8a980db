/* SPDX-License-Identifier: Apache-2.0 */
/* Opus (RFC 6716, RFC 7587) by libopus, mono, at the rate of the samples: it resamples itself. */
#include <opus/opus.h>
#include <string.h>

#include "media/dsp/codec-priv.h"

/* Of 0 to 10; what a gateway can pay for on every call. */
#define COMPLEXITY 5
/* How much loss the copies within the stream shall make up for, when the peer can use them. For
 * that loss libopus 1.3 has bits to spare for copies from 18 kbit/s on at 8 kHz, from 26 kbit/s on
 * at 16 kHz, and none at all at the 11 and 19 kbit/s that it would choose. */
#define EXPECTED_LOSS_PERCENT 5
#define NARROW_FEC_BPS        20000
#define WIDE_FEC_BPS          28000

/* One frame a packet. */
static const uint8_t lengths_ms[] = {5, 10, 20, 40, 60, 0};

typedef struct {
    OpusDecoder *opus;
    int rate_hz;
} Decoder;

static void *
new_decoder(const DmCodecType *type, unsigned rate_hz)
{
    Decoder *decoder = g_new0(Decoder, 1);
    int error;

    decoder->rate_hz = (int)rate_hz;
    decoder->opus = opus_decoder_create(decoder->rate_hz, 1, &error);
    if (decoder->opus == NULL) {
        g_clear_pointer(&decoder, g_free);
    }
    return decoder;
}

static void
free_decoder(void *state)
{
    Decoder *decoder = state;

    opus_decoder_destroy(decoder->opus);
    g_free(decoder);
}

static size_t
decode(void *state, const uint8_t *payload, size_t len, int16_t *samples)
{
    Decoder *decoder = state;
    int n = opus_decode(decoder->opus, payload, (opus_int32)len, samples, DM_CODEC_MAX_SAMPLES, 0);

    return n > 0 ? (size_t)n : 0;
}

/* Whole frames of 2.5 ms, as the library wants them: the rest is silence. */
static void
conceal(void *state, const uint8_t *next, size_t len, int16_t *samples, size_t n)
{
    Decoder *decoder = state;
    size_t step = (size_t)decoder->rate_hz / 400;
    size_t whole = n - n % step;
    int copy = 0;
    int made = 0;

    if (next != NULL && len > 0) {
        copy = opus_packet_get_samples_per_frame(next, decoder->rate_hz);
        copy = MIN(copy, (int)whole);
    }
    memset(samples, 0, n * sizeof *samples);
    if ((int)whole > copy) {
        made = opus_decode(decoder->opus, NULL, 0, samples, (int)whole - copy, 0);
    }
    if (copy > 0 && made >= 0 &&
        opus_decode(decoder->opus, next, (opus_int32)len, samples + made, copy, 1) < 0) {
        memset(samples + made, 0, (size_t)copy * sizeof *samples);
    }
}

static bool
is_below_wide(unsigned max_playback_hz)
{
    return max_playback_hz != 0 && max_playback_hz < DM_WIDE_HZ;
}

static void
obey(OpusEncoder *opus, bool is_narrow, const DmEncoderWishes *wishes)
{
    opus_int32 bitrate_bps = (opus_int32)wishes->bitrate_bps;

    if (is_narrow) {
        opus_encoder_ctl(opus, OPUS_SET_MAX_BANDWIDTH(OPUS_BANDWIDTH_NARROWBAND));
    }
    if (wishes->cbr) {
        opus_encoder_ctl(opus, OPUS_SET_VBR(0));
    }
    if (wishes->fec) {
        opus_encoder_ctl(opus, OPUS_SET_INBAND_FEC(1));
        opus_encoder_ctl(opus, OPUS_SET_PACKET_LOSS_PERC(EXPECTED_LOSS_PERCENT));
    }
    if (wishes->fec && bitrate_bps == 0) {
        bitrate_bps = is_narrow ? NARROW_FEC_BPS : WIDE_FEC_BPS;
    }
    if (bitrate_bps != 0) {
        opus_encoder_ctl(opus, OPUS_SET_BITRATE(bitrate_bps));
    }
}

static void *
new_encoder(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes)
{
    bool is_narrow = rate_hz == DM_NARROW_HZ || is_below_wide(wishes->max_playback_hz);
    int error;
    OpusEncoder *opus = opus_encoder_create((opus_int32)rate_hz, 1, OPUS_APPLICATION_VOIP, &error);

    if (opus == NULL) {
        return NULL;
    }
    opus_encoder_ctl(opus, OPUS_SET_COMPLEXITY(COMPLEXITY));
    obey(opus, is_narrow, wishes);
    return opus;
}

static void
free_encoder(void *state)
{
    opus_encoder_destroy(state);
}

static size_t
encode(void *state, const int16_t *samples, size_t n, uint8_t *payload)
{
    opus_int32 len = opus_encode(state, samples, (int)n, payload, DM_CODEC_MAX_BYTES);

    return len > 0 ? (size_t)len : 0;
}

const DmCodecType dm_codec_opus = {
    .codec = DM_CODEC_OPUS,
    .is_wide = true,
    .frame_ms = 5,
    .lengths_ms = lengths_ms,
    .decoder_new = new_decoder,
    .decoder_free = free_decoder,
    .decode = decode,
    .conceal = conceal,
    .encoder_new = new_encoder,
    .encoder_free = free_encoder,
    .encode = encode,
};
