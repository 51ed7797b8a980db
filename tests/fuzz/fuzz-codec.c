/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of anyone's making into each decoder. First byte: codec and rate; then packets, each
 * behind its length in two bytes, and a loss before those with an odd one. */
#include <glib.h>
#include <string.h>

#include "media/dsp/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_packet(DmDecoder *decoder, const uint8_t *payload, size_t len)
{
    /* Copies of their own, so that a byte too much is found. */
    g_autofree uint8_t *copy = g_malloc(MAX(len, 1));
    g_autofree int16_t *samples = g_new(int16_t, DM_CODEC_MAX_SAMPLES);

    if (len > 0) {
        memcpy(copy, payload, len);
    }
    if (len % 2 == 1) {
        g_autofree int16_t *hole = g_new(int16_t, len);

        dm_decoder_conceal(decoder, copy, len, hole, MIN(len, DM_CODEC_MAX_SAMPLES));
    }
    g_assert_cmpuint(dm_decoder_decode(decoder, copy, len, samples), <=, DM_CODEC_MAX_SAMPLES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const DmCodec codecs[] = {DM_CODEC_PCMU,
                                     DM_CODEC_PCMA,
                                     DM_CODEC_G722,
                                     DM_CODEC_G726_16,
                                     DM_CODEC_G726_24,
                                     DM_CODEC_G726_32,
                                     DM_CODEC_G726_40,
                                     DM_CODEC_GSM,
                                     DM_CODEC_OPUS};
    g_autoptr(DmDecoder) decoder = NULL;
    const DmCodecType *type;
    bool is_wide;

    if (size < 3) {
        return 0;
    }
    type = dm_codec_type(codecs[data[0] % G_N_ELEMENTS(codecs)]);
    if (type == NULL) {
        return 0;
    }
    is_wide = dm_codec_is_wide(type) && data[0] >= 128;
    decoder = dm_decoder_new(type, is_wide ? DM_WIDE_HZ : DM_NARROW_HZ);
    data++;
    size--;
    while (size >= 2) {
        size_t len = MIN((size_t)(data[0] << 8 | data[1]) % 1500, size - 2);

        check_packet(decoder, data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    return 0;
}
