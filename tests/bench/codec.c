/* SPDX-License-Identifier: Apache-2.0 */
/* CPU of one 20 ms frame from each codec to each other one: decoded and encoded, without the
 * network. */
#include "media/dsp/codec.h"

#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "media/session.h"

#define N_FRAMES   500
#define MAX_ROUNDS 5

static const DmCodec codecs[] = {
    DM_CODEC_PCMU,
    DM_CODEC_PCMA,
    DM_CODEC_G722,
    DM_CODEC_G726_32,
    DM_CODEC_GSM,
    DM_CODEC_OPUS,
};

static int64_t
cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A voiced sound with a slow rise and fall: silence and pure tones are too easy for some codecs. */
static void
make_speech(int16_t *samples, size_t n, unsigned rate_hz, size_t from)
{
    for (size_t i = 0; i < n; i++) {
        double t = (double)(from + i) / rate_hz;
        double level = 3000 * (1.2 + sin(2 * G_PI * 3 * t));

        samples[i] = (int16_t)(level * (sin(2 * G_PI * 140 * t) + 0.5 * sin(2 * G_PI * 700 * t) +
                                        0.2 * sin(2 * G_PI * 2300 * t)));
    }
}

static void
make_payload(DmEncoder *encoder, unsigned rate_hz, size_t frame, uint8_t *payload, size_t *len)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    size_t n = rate_hz / 50;

    make_speech(samples, n, rate_hz, frame * n);
    *len = dm_encoder_encode(encoder, samples, n, payload);
}

static double
measure(const DmCodecType *from, const DmCodecType *to, unsigned rate_hz)
{
    g_autoptr(DmEncoder) source = dm_encoder_new(from, rate_hz, &(DmEncoderWishes){0});
    g_autoptr(DmDecoder) decoder = dm_decoder_new(from, rate_hz);
    g_autoptr(DmEncoder) encoder = dm_encoder_new(to, rate_hz, &(DmEncoderWishes){0});
    static uint8_t payload[N_FRAMES][DM_CODEC_MAX_BYTES];
    static size_t len[N_FRAMES];
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    uint8_t out[DM_CODEC_MAX_BYTES];
    double best = INFINITY;

    for (size_t i = 0; i < N_FRAMES; i++) {
        make_payload(source, rate_hz, i, payload[i], &len[i]);
    }
    for (unsigned round = 0; round < MAX_ROUNDS; round++) {
        int64_t start = cpu_ns();

        for (size_t i = 0; i < N_FRAMES; i++) {
            size_t n = dm_decoder_decode(decoder, payload[i], len[i], samples);

            g_assert_cmpuint(dm_encoder_encode(encoder, samples, n, out), >, 0);
        }
        best = MIN(best, (double)(cpu_ns() - start) / N_FRAMES);
    }
    return best;
}

static void
print_pair(DmCodec from, DmCodec to, unsigned rate_hz)
{
    const DmCodecType *decoded = dm_codec_type(from);
    const DmCodecType *encoded = dm_codec_type(to);

    if (decoded == NULL || encoded == NULL) {
        return;
    }
    if (rate_hz == DM_WIDE_HZ && (!dm_codec_is_wide(decoded) || !dm_codec_is_wide(encoded))) {
        return;
    }
    printf("codec.%s_to_%s_at_%u_khz %.0f ns/frame\n",
           dm_codec_name(from),
           dm_codec_name(to),
           rate_hz / 1000,
           measure(decoded, encoded, rate_hz));
}

int
main(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(codecs); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(codecs); j++) {
            print_pair(codecs[i], codecs[j], DM_NARROW_HZ);
            print_pair(codecs[i], codecs[j], DM_WIDE_HZ);
        }
    }
    return 0;
}
