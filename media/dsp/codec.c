/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dsp/codec.h"

#include <string.h>

#include "media/dsp/codec-priv.h"
#include "media/dsp/plc.h"

#define DEFAULT_PTIME_MS 20

struct DmDecoder {
    const DmCodecType *type;
    void *state;
    DmPlc *plc; /* NULL: the codec has its own */
    unsigned rate_hz;
};

struct DmEncoder {
    const DmCodecType *type;
    void *state;
    unsigned rate_hz;
};

const DmCodecType *
dm_codec_type(DmCodec codec)
{
    static const DmCodecType *const types[] = {
        &dm_codec_pcmu,
        &dm_codec_pcma,
        &dm_codec_g722,
        &dm_codec_g726_16,
        &dm_codec_g726_24,
        &dm_codec_g726_32,
        &dm_codec_g726_40,
        &dm_codec_gsm,
        &dm_codec_g729,
#ifdef DM_HAVE_OPUS
        &dm_codec_opus,
#endif
    };

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i]->codec == codec) {
            return codec != DM_CODEC_G729 || dm_codec_has_g729() ? types[i] : NULL;
        }
    }
    return NULL;
}

bool
dm_codec_is_wide(const DmCodecType *type)
{
    return type->is_wide;
}

static unsigned
longest_of(const uint8_t *lengths_ms, unsigned wanted_ms)
{
    unsigned best_ms = lengths_ms[0];

    for (; *lengths_ms != 0 && *lengths_ms <= wanted_ms; lengths_ms++) {
        best_ms = *lengths_ms;
    }
    return best_ms;
}

unsigned
dm_codec_ptime_ms(const DmCodecType *type, unsigned wanted_ms, unsigned max_ms)
{
    wanted_ms = wanted_ms != 0 ? wanted_ms : DEFAULT_PTIME_MS;
    if (max_ms != 0) {
        wanted_ms = MIN(wanted_ms, max_ms);
    }
    wanted_ms = MIN(wanted_ms, DM_CODEC_MAX_MS);
    if (type->lengths_ms != NULL) {
        return longest_of(type->lengths_ms, wanted_ms);
    }
    return MAX(wanted_ms - wanted_ms % type->frame_ms, type->frame_ms);
}

DmDecoder *
dm_decoder_new(const DmCodecType *type, unsigned rate_hz)
{
    g_autoptr(DmDecoder) decoder = g_new0(DmDecoder, 1);

    g_return_val_if_fail(rate_hz == DM_NARROW_HZ || (type->is_wide && rate_hz == DM_WIDE_HZ), NULL);
    decoder->type = type;
    decoder->rate_hz = rate_hz;
    decoder->state = type->decoder_new(type, rate_hz);
    if (decoder->state == NULL) {
        return NULL;
    }
    if (type->conceal == NULL) {
        decoder->plc = dm_plc_new(rate_hz);
    }
    return g_steal_pointer(&decoder);
}

void
dm_decoder_free(DmDecoder *decoder)
{
    if (decoder == NULL) {
        return;
    }
    if (decoder->state != NULL) {
        decoder->type->decoder_free(decoder->state);
    }
    dm_plc_free(decoder->plc);
    g_free(decoder);
}

static bool
is_decodable(const DmCodecType *type, size_t len)
{
    if (type->frame_bytes == 0) {
        return len > 0 && len <= DM_CODEC_MAX_BYTES;
    }
    if (type->is_framed && len % type->frame_bytes != 0) {
        return false;
    }
    return len > 0 && len * type->frame_ms <= (size_t)DM_CODEC_MAX_MS * type->frame_bytes;
}

size_t
dm_decoder_decode(DmDecoder *decoder,
                  const uint8_t *payload,
                  size_t len,
                  int16_t samples[DM_CODEC_MAX_SAMPLES])
{
    size_t n;

    if (!is_decodable(decoder->type, len)) {
        return 0;
    }
    n = decoder->type->decode(decoder->state, payload, len, samples);
    if (decoder->plc != NULL) {
        dm_plc_hear(decoder->plc, samples, n);
    }
    return n;
}

void
dm_decoder_conceal(DmDecoder *decoder,
                   const uint8_t *next,
                   size_t next_len,
                   int16_t *samples,
                   size_t n)
{
    g_return_if_fail(n <= DM_CODEC_MAX_SAMPLES);

    if (decoder->plc != NULL) {
        dm_plc_fill(decoder->plc, samples, n);
    } else {
        decoder->type->conceal(decoder->state, next, next_len, samples, n);
    }
}

DmEncoder *
dm_encoder_new(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes)
{
    g_autoptr(DmEncoder) encoder = g_new0(DmEncoder, 1);

    g_return_val_if_fail(rate_hz == DM_NARROW_HZ || (type->is_wide && rate_hz == DM_WIDE_HZ), NULL);
    encoder->type = type;
    encoder->rate_hz = rate_hz;
    encoder->state = type->encoder_new(type, rate_hz, wishes);
    return encoder->state != NULL ? g_steal_pointer(&encoder) : NULL;
}

void
dm_encoder_free(DmEncoder *encoder)
{
    if (encoder == NULL) {
        return;
    }
    if (encoder->state != NULL) {
        encoder->type->encoder_free(encoder->state);
    }
    g_free(encoder);
}

size_t
dm_encoder_encode(DmEncoder *encoder,
                  const int16_t *samples,
                  size_t n,
                  uint8_t payload[DM_CODEC_MAX_BYTES])
{
    unsigned per_ms = encoder->rate_hz / 1000;
    unsigned ms = (unsigned)(n / per_ms);

    if (n == 0 || n % per_ms != 0 || dm_codec_ptime_ms(encoder->type, ms, 0) != ms) {
        return 0;
    }
    return encoder->type->encode(encoder->state, samples, n, payload);
}
