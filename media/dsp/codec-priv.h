/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/dsp/codec.h"

/* One codec: what a library offers, under one set of functions. Lengths have been checked against
 * @frame_ms and @frame_bytes before anything is called. */
struct DmCodecType {
    DmCodec codec;
    bool is_wide;
    bool is_framed;       /* one frame after the other, each of frame_ms; else any whole number */
    uint8_t frame_ms;     /* of the shortest frame */
    uint16_t frame_bytes; /* of it; 0: varies */
    const uint8_t *lengths_ms; /* the only packet lengths there are, ascending, 0 last; or NULL */

    void *(*decoder_new)(const DmCodecType *type, unsigned rate_hz);
    void (*decoder_free)(void *state);
    size_t (*decode)(void *state, const uint8_t *payload, size_t len, int16_t *samples);
    /* NULL: concealed from the samples before (plc.h). */
    void (*conceal)(void *state, const uint8_t *next, size_t len, int16_t *samples, size_t n);

    void *(*encoder_new)(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes);
    void (*encoder_free)(void *state);
    size_t (*encode)(void *state, const int16_t *samples, size_t n, uint8_t *payload);
};

extern const DmCodecType dm_codec_pcmu, dm_codec_pcma;
extern const DmCodecType dm_codec_g722;
extern const DmCodecType dm_codec_g726_16, dm_codec_g726_24, dm_codec_g726_32, dm_codec_g726_40;
extern const DmCodecType dm_codec_gsm;
extern const DmCodecType dm_codec_g729; /* of use when dm_codec_has_g729() */
#ifdef DM_HAVE_OPUS
extern const DmCodecType dm_codec_opus;
#endif
