/* SPDX-License-Identifier: Apache-2.0 */
/* G.722, G.726 and GSM full rate by SpanDSP 0.0.6, which trusts every length it is given: whole
 * frames only come this far (codec.c). */
#include <spandsp.h>

#include "media/dsp/codec-priv.h"

/*
 * G.722, 64 kbit/s. At 8 kHz only its lower band is made and heard: a third of the work, and all
 * that a narrow band side can use.
 */

#define G722_BPS 64000

static int
g722_options(unsigned rate_hz)
{
    return rate_hz == DM_NARROW_HZ ? G722_SAMPLE_RATE_8000 : 0;
}

static void *
g722_decoder_new(const DmCodecType *type, unsigned rate_hz)
{
    return g722_decode_init(NULL, G722_BPS, g722_options(rate_hz));
}

static void
g722_decoder_free(void *state)
{
    g722_decode_free(state);
}

static size_t
g722_decode_samples(void *state, const uint8_t *payload, size_t len, int16_t *samples)
{
    return (size_t)g722_decode(state, samples, payload, (int)len);
}

static void *
g722_encoder_new(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes)
{
    return g722_encode_init(NULL, G722_BPS, g722_options(rate_hz));
}

static void
g722_encoder_free(void *state)
{
    g722_encode_free(state);
}

static size_t
g722_encode_samples(void *state, const int16_t *samples, size_t n, uint8_t *payload)
{
    return (size_t)g722_encode(state, payload, samples, (int)n);
}

const DmCodecType dm_codec_g722 = {
    .codec = DM_CODEC_G722,
    .is_wide = true,
    .frame_ms = 1,
    .frame_bytes = 8,
    .decoder_new = g722_decoder_new,
    .decoder_free = g722_decoder_free,
    .decode = g722_decode_samples,
    .encoder_new = g722_encoder_new,
    .encoder_free = g722_encoder_free,
    .encode = g722_encode_samples,
};

/*
 * G.726. A byte per bit of a code is the shortest whole number of bytes: 8 samples. RFC 3551,
 * 4.5.4: the first code is in the least significant bits.
 */

static void *
g726_new(const DmCodecType *type)
{
    return g726_init(NULL, type->frame_bytes * 8000, G726_ENCODING_LINEAR, G726_PACKING_RIGHT);
}

static void *
g726_decoder_new(const DmCodecType *type, unsigned rate_hz)
{
    return g726_new(type);
}

static void *
g726_encoder_new(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes)
{
    return g726_new(type);
}

static void
g726_state_free(void *state)
{
    g726_free(state);
}

static size_t
g726_decode_samples(void *state, const uint8_t *payload, size_t len, int16_t *samples)
{
    return (size_t)g726_decode(state, samples, payload, (int)len);
}

static size_t
g726_encode_samples(void *state, const int16_t *samples, size_t n, uint8_t *payload)
{
    return (size_t)g726_encode(state, payload, samples, (int)n);
}

#define G726(bits)                                                                                 \
    {                                                                                              \
        .codec = DM_CODEC_G726_##bits, .is_framed = true, .frame_ms = 1,                           \
        .frame_bytes = (bits) / 8, .decoder_new = g726_decoder_new,                                \
        .decoder_free = g726_state_free, .decode = g726_decode_samples,                            \
        .encoder_new = g726_encoder_new, .encoder_free = g726_state_free,                          \
        .encode = g726_encode_samples                                                              \
    }

const DmCodecType dm_codec_g726_16 = G726(16);
const DmCodecType dm_codec_g726_24 = G726(24);
const DmCodecType dm_codec_g726_32 = G726(32);
const DmCodecType dm_codec_g726_40 = G726(40);

/*
 * GSM 06.10 full rate: 33 bytes each 20 ms (RFC 3551, 4.5.8).
 */

static void *
gsm_decoder_new(const DmCodecType *type, unsigned rate_hz)
{
    return gsm0610_init(NULL, GSM0610_PACKING_VOIP);
}

static void *
gsm_encoder_new(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes)
{
    return gsm0610_init(NULL, GSM0610_PACKING_VOIP);
}

static void
gsm_free(void *state)
{
    gsm0610_free(state);
}

static size_t
gsm_decode_samples(void *state, const uint8_t *payload, size_t len, int16_t *samples)
{
    return (size_t)gsm0610_decode(state, samples, payload, (int)len);
}

static size_t
gsm_encode_samples(void *state, const int16_t *samples, size_t n, uint8_t *payload)
{
    return (size_t)gsm0610_encode(state, payload, samples, (int)n);
}

const DmCodecType dm_codec_gsm = {
    .codec = DM_CODEC_GSM,
    .is_framed = true,
    .frame_ms = 20,
    .frame_bytes = 33,
    .decoder_new = gsm_decoder_new,
    .decoder_free = gsm_free,
    .decode = gsm_decode_samples,
    .encoder_new = gsm_encoder_new,
    .encoder_free = gsm_free,
    .encode = gsm_encode_samples,
};
