/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/spec.h"

/* Speech between a codec and samples: 16 bit linear, mono, at 8 kHz, or 16 kHz for wide band codecs
 * among themselves. A decoder or encoder belongs to one stream and one thread; making one
 * allocates, using it does not. */

#define DM_NARROW_HZ 8000
#define DM_WIDE_HZ   16000

/* The longest packet we decode or make; longer ones are refused. */
#define DM_CODEC_MAX_MS      120
#define DM_CODEC_MAX_SAMPLES (DM_WIDE_HZ / 1000 * DM_CODEC_MAX_MS)
#define DM_CODEC_MAX_BYTES   1275 /* Opus, RFC 6716, 3.4; all others have 64 kbit/s at most */

/* What there is to know of a codec before using it; in a table, immutable. */
typedef struct DmCodecType DmCodecType;

/* NULL: a codec that this process does not turn into samples. */
const DmCodecType *dm_codec_type(DmCodec codec);
bool dm_codec_is_wide(const DmCodecType *type);

/* Loads @library, which is libbcg729, for DM_CODEC_G729; for good, and before there are streams. It
 * is free software of another licence (GPL 3), so we do not link with it. Error: DM_ERROR_CONFIG.
 */
bool dm_codec_load_g729(const char *library, GError **error);
bool dm_codec_has_g729(void);
/* What came of it: the file that is used, or why there is none; both empty: none was asked for. */
typedef struct {
    char file[256], fault[256];
} DmG729State;
const DmG729State *dm_codec_g729_state(void);
/* Whether a packet of @len bytes ends with a frame that stands for the silence from there on
 * (G.729, annex B). */
bool dm_codec_ends_silent(DmCodec codec, size_t len);

/* The packet length nearest below @wanted_ms (0: 20) that the codec can have, and not above
 * @max_ms (0: no bound) where the codec has one so short. */
unsigned dm_codec_ptime_ms(const DmCodecType *type, unsigned wanted_ms, unsigned max_ms);

typedef struct DmDecoder DmDecoder;
typedef struct DmEncoder DmEncoder;

/* @rate_hz: DM_NARROW_HZ, or DM_WIDE_HZ if dm_codec_is_wide(). NULL: the library refused. */
DmDecoder *dm_decoder_new(const DmCodecType *type, unsigned rate_hz);
void dm_decoder_free(DmDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmDecoder, dm_decoder_free)

/* Returns the number of samples; 0: not a whole number of frames, or longer than DM_CODEC_MAX_MS.
 */
size_t dm_decoder_decode(DmDecoder *decoder,
                         const uint8_t *payload,
                         size_t len,
                         int16_t samples[DM_CODEC_MAX_SAMPLES]);

/* Makes up @n samples (DM_CODEC_MAX_SAMPLES at most) in place of lost ones: the sound goes on,
 * and fades. @next: (nullable): the payload behind the hole, which may carry a copy of what was
 * lost. */
void dm_decoder_conceal(DmDecoder *decoder,
                        const uint8_t *next,
                        size_t next_len,
                        int16_t *samples,
                        size_t n);

DmEncoder *dm_encoder_new(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes);
void dm_encoder_free(DmEncoder *encoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmEncoder, dm_encoder_free)

/* @n: of a length that dm_codec_ptime_ms() gave. Returns the number of bytes; 0: refused. */
size_t dm_encoder_encode(DmEncoder *encoder,
                         const int16_t *samples,
                         size_t n,
                         uint8_t payload[DM_CODEC_MAX_BYTES]);
