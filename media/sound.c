/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sound.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "gateway/base/error.h"
#include "media/dsp/codec.h"

/* 16 kHz, 16 bit, and room for what else a file may hold. */
#define MAX_FILE_BYTES (DM_SOUND_MAX_MS / 1000 * 2 * DM_WIDE_HZ + (64 << 10))

#define TAG_LINEAR 1
#define TAG_ALAW   6
#define TAG_ULAW   7

struct DmSound {
    int16_t *samples;
    size_t n;
};

/* What the chunks of a file say. */
typedef struct {
    uint16_t tag, channels, bits;
    uint32_t rate_hz;
    const uint8_t *data;
    size_t len;
} Wav;

static uint16_t
get_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t
get_u32(const uint8_t *bytes)
{
    return get_u16(bytes) | (uint32_t)get_u16(bytes + 2) << 16;
}

static void
take_chunk(Wav *wav, const uint8_t *chunk, size_t len)
{
    const uint8_t *body = chunk + 8;

    if (memcmp(chunk, "fmt ", 4) == 0 && len >= 16) {
        wav->tag = get_u16(body);
        wav->channels = get_u16(body + 2);
        wav->rate_hz = get_u32(body + 4);
        wav->bits = get_u16(body + 14);
    } else if (memcmp(chunk, "data", 4) == 0) {
        wav->data = body;
        wav->len = len;
    }
}

static bool
read_chunks(Wav *wav, const uint8_t *bytes, size_t len)
{
    size_t at = 12;

    if (len < at || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0) {
        return false;
    }
    while (len - at >= 8) {
        size_t chunk_len = MIN(get_u32(bytes + at + 4), len - at - 8); /* as far as it is there */

        take_chunk(wav, bytes + at, chunk_len);
        at += 8 + chunk_len;
        at += MIN(chunk_len % 2, len - at);
    }
    return wav->rate_hz != 0 && wav->data != NULL;
}

/* Takes off what lies above 4 kHz, then every other sample: a short half-band filter. */
static size_t
halve_rate(int16_t *samples, size_t n)
{
    static const int taps[] =
        {-77, 0, 573, 0, -2304, 0, 9999, 16386, 9999, 0, -2304, 0, 573, 0, -77};
    g_autofree int16_t *in = g_memdup2(samples, n * sizeof *samples);
    size_t n_out = n / 2;

    for (size_t i = 0; i < n_out; i++) {
        int64_t sum = 0;

        for (size_t k = 0; k < G_N_ELEMENTS(taps); k++) {
            int64_t at = (int64_t)(2 * i + k) - (int64_t)(G_N_ELEMENTS(taps) / 2);

            sum += at >= 0 && at < (int64_t)n ? taps[k] * (int64_t)in[at] : 0;
        }
        samples[i] = (int16_t)CLAMP(sum / 32768, INT16_MIN, INT16_MAX);
    }
    return n_out;
}

static void
take_linear(DmSound *sound, const Wav *wav)
{
    sound->n = wav->len / 2;
    sound->samples = g_new(int16_t, MAX(sound->n, 1));
    for (size_t i = 0; i < sound->n; i++) {
        sound->samples[i] = (int16_t)get_u16(wav->data + 2 * i);
    }
    if (wav->rate_hz == DM_WIDE_HZ) {
        sound->n = halve_rate(sound->samples, sound->n);
    }
}

static void
take_g711(DmSound *sound, const Wav *wav)
{
    DmCodec codec = wav->tag == TAG_ALAW ? DM_CODEC_PCMA : DM_CODEC_PCMU;
    g_autoptr(DmDecoder) decoder = dm_decoder_new(dm_codec_type(codec), DM_NARROW_HZ);
    int16_t samples[DM_CODEC_MAX_SAMPLES];

    sound->samples = g_new(int16_t, MAX(wav->len, 1));
    while (sound->n < wav->len) {
        size_t n = MIN(wav->len - sound->n, DM_NARROW_HZ / 50);

        dm_decoder_decode(decoder, wav->data + sound->n, n, samples);
        memcpy(sound->samples + sound->n, samples, n * sizeof *samples);
        sound->n += n;
    }
}

static bool
is_linear(const Wav *wav)
{
    return wav->tag == TAG_LINEAR && wav->bits == 16 &&
           (wav->rate_hz == DM_NARROW_HZ || wav->rate_hz == DM_WIDE_HZ);
}

static bool
is_g711(const Wav *wav)
{
    return (wav->tag == TAG_ALAW || wav->tag == TAG_ULAW) && wav->bits == 8 &&
           wav->rate_hz == DM_NARROW_HZ;
}

static bool
check(const Wav *wav, GError **error)
{
    if (wav->channels != 1 || (!is_linear(wav) && !is_g711(wav))) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "format %u with %u channels of %u bits at %u Hz: expected one channel, 16 bit "
                    "linear at 8000 or 16000 Hz or G.711 at 8000 Hz; 'sox in.wav -r 8000 -c 1 -b "
                    "16 out.wav' makes it so",
                    wav->tag,
                    wav->channels,
                    wav->bits,
                    wav->rate_hz);
        return false;
    }
    if (wav->len / (wav->bits / 8) > (size_t)DM_SOUND_MAX_MS / 1000 * wav->rate_hz) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "longer than %d minutes",
                    DM_SOUND_MAX_MS / 60000);
        return false;
    }
    return true;
}

DmSound *
dm_sound_new_from_wav(const uint8_t *bytes, size_t len, GError **error)
{
    g_autoptr(DmSound) sound = NULL;
    Wav wav = {0};

    if (!read_chunks(&wav, bytes, len)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFIG, "not a WAV file");
        return NULL;
    }
    if (!check(&wav, error)) {
        return NULL;
    }
    sound = g_atomic_rc_box_new0(DmSound);
    if (is_linear(&wav)) {
        take_linear(sound, &wav);
    } else {
        take_g711(sound, &wav);
    }
    if (sound->n < DM_NARROW_HZ / 50) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFIG, "there is no sound in it");
        return NULL;
    }
    return g_steal_pointer(&sound);
}

static bool
is_of_sane_size(const char *path, GError **error)
{
    GStatBuf about;

    if (g_stat(path, &about) != 0) {
        dm_error_set_errno(error, errno, "cannot be read");
        return false;
    }
    if (!S_ISREG(about.st_mode) || about.st_size > MAX_FILE_BYTES) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "not a file of %d bytes at most",
                    MAX_FILE_BYTES);
        return false;
    }
    return true;
}

DmSound *
dm_sound_load(const char *path, GError **error)
{
    g_autofree char *bytes = NULL;
    gsize len;

    if (!is_of_sane_size(path, error)) {
        return NULL;
    }
    if (!g_file_get_contents(path, &bytes, &len, NULL)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_IO, "cannot be read");
        return NULL;
    }
    return dm_sound_new_from_wav((const uint8_t *)bytes, len, error);
}

DmSound *
dm_sound_ref(DmSound *sound)
{
    return g_atomic_rc_box_acquire(sound);
}

static void
clear(gpointer data)
{
    g_free(((DmSound *)data)->samples);
}

void
dm_sound_unref(DmSound *sound)
{
    if (sound != NULL) {
        g_atomic_rc_box_release_full(sound, clear);
    }
}

unsigned
dm_sound_ms(const DmSound *sound)
{
    return (unsigned)(sound->n / (DM_NARROW_HZ / 1000));
}

size_t
dm_sound_read(const DmSound *sound, size_t at, int16_t *samples, size_t n)
{
    size_t n_there = at < sound->n ? MIN(n, sound->n - at) : 0;

    memcpy(samples, sound->samples + MIN(at, sound->n), n_there * sizeof *samples);
    return n_there;
}
