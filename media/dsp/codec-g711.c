/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "media/dsp/codec-priv.h"
#include "media/dsp/g711.h"

/* No state: any address says that there is none. */
static void *
new_decoder(const DmCodecType *type, unsigned rate_hz)
{
    return (void *)type;
}

static void *
new_encoder(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes)
{
    return (void *)type;
}

static void
free_state(void *state)
{
}

static size_t
decode_ulaw(void *state, const uint8_t *payload, size_t len, int16_t *samples)
{
    const int16_t *linear = dm_g711_tables()->ulaw_to_linear;

    for (size_t i = 0; i < len; i++) {
        samples[i] = linear[payload[i]];
    }
    return len;
}

static size_t
decode_alaw(void *state, const uint8_t *payload, size_t len, int16_t *samples)
{
    const int16_t *linear = dm_g711_tables()->alaw_to_linear;

    for (size_t i = 0; i < len; i++) {
        samples[i] = linear[payload[i]];
    }
    return len;
}

static size_t
encode_ulaw(void *state, const int16_t *samples, size_t n, uint8_t *payload)
{
    for (size_t i = 0; i < n; i++) {
        payload[i] = dm_g711_to_ulaw(samples[i]);
    }
    return n;
}

static size_t
encode_alaw(void *state, const int16_t *samples, size_t n, uint8_t *payload)
{
    for (size_t i = 0; i < n; i++) {
        payload[i] = dm_g711_to_alaw(samples[i]);
    }
    return n;
}

const DmCodecType dm_codec_pcmu = {
    .codec = DM_CODEC_PCMU,
    .frame_ms = 1,
    .frame_bytes = 8,
    .decoder_new = new_decoder,
    .decoder_free = free_state,
    .decode = decode_ulaw,
    .encoder_new = new_encoder,
    .encoder_free = free_state,
    .encode = encode_ulaw,
};

const DmCodecType dm_codec_pcma = {
    .codec = DM_CODEC_PCMA,
    .frame_ms = 1,
    .frame_bytes = 8,
    .decoder_new = new_decoder,
    .decoder_free = free_state,
    .decode = decode_alaw,
    .encoder_new = new_encoder,
    .encoder_free = free_state,
    .encode = encode_alaw,
};
