/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings, from files as people have them. */
#include <glib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "media/dsp/g711.h"
#include "media/sound.h"
#include "tests/lib/temp-dir.h"
#include "tests/lib/tone.h"

/* A WAV file in the making. */
static void
put_u16(GByteArray *wav, unsigned value)
{
    const guint8 bytes[] = {(guint8)value, (guint8)(value >> 8)};

    g_byte_array_append(wav, bytes, sizeof bytes);
}

static void
put_u32(GByteArray *wav, unsigned value)
{
    put_u16(wav, value & 0xffff);
    put_u16(wav, value >> 16);
}

static void
put_text(GByteArray *wav, const char *text)
{
    g_byte_array_append(wav, (const guint8 *)text, 4);
}

static GByteArray *
wav_of(unsigned tag,
       unsigned channels,
       unsigned rate_hz,
       unsigned bits,
       const void *data,
       size_t len)
{
    GByteArray *wav = g_byte_array_new();

    put_text(wav, "RIFF");
    put_u32(wav, (unsigned)(36 + len));
    put_text(wav, "WAVE");
    put_text(wav, "LIST"); /* what sox and others put in front */
    put_u32(wav, 3);
    put_text(wav, "abc\0");
    put_text(wav, "fmt ");
    put_u32(wav, 16);
    put_u16(wav, tag);
    put_u16(wav, channels);
    put_u32(wav, rate_hz);
    put_u32(wav, rate_hz * channels * bits / 8);
    put_u16(wav, channels * bits / 8);
    put_u16(wav, bits);
    put_text(wav, "data");
    put_u32(wav, (unsigned)len);
    g_byte_array_append(wav, data, (guint)len);
    return wav;
}

static void
assert_tone_in(const DmSound *sound)
{
    static int16_t samples[9000];
    size_t n = dm_sound_read(sound, 0, samples, G_N_ELEMENTS(samples));

    g_assert_cmpuint(dm_sound_ms(sound), ==, 1000);
    g_assert_cmpuint(n, ==, 8000);
    g_assert_cmpuint(dm_sound_read(sound, 7990, samples, 20), ==, 10);
    g_assert_cmpuint(dm_sound_read(sound, 8000, samples, 20), ==, 0);
    dm_sound_read(sound, 0, samples, 8000);
    g_assert_cmpfloat(tone_share(samples, 8000, 1000, 8000), >, 0.99);
    g_assert_cmpfloat(fabs(tone_amplitude(samples, 8000, 1000, 8000) - 8000), <, 200);
}

static void
test_kinds_of_files(void)
{
    static int16_t narrow[8000];
    static int16_t wide[16000];
    static uint8_t ulaw[8000];
    GByteArray *files[3];

    g_test_summary("16 bit at 8 and at 16 kHz and G.711 are the same sound");
    tone_add(narrow, G_N_ELEMENTS(narrow), 1000, 8000, 8000, 0);
    tone_add(wide, G_N_ELEMENTS(wide), 1000, 8000, 16000, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(ulaw); i++) {
        ulaw[i] = dm_g711_to_ulaw(narrow[i]);
    }
    files[0] = wav_of(1, 1, 8000, 16, narrow, sizeof narrow);
    files[1] = wav_of(1, 1, 16000, 16, wide, sizeof wide);
    files[2] = wav_of(7, 1, 8000, 8, ulaw, sizeof ulaw);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DmSound) sound = dm_sound_new_from_wav(files[i]->data, files[i]->len, &error);

        g_assert_no_error(error);
        assert_tone_in(sound);
        g_byte_array_unref(files[i]);
    }
}

static void
test_cut_files_are_played_as_far_as_they_go(void)
{
    static int16_t narrow[8000];
    g_autoptr(GByteArray) wav = wav_of(1, 1, 8000, 16, narrow, sizeof narrow);
    g_autoptr(DmSound) sound = dm_sound_new_from_wav(wav->data, wav->len - 8000, NULL);

    g_assert_nonnull(sound);
    g_assert_cmpuint(dm_sound_ms(sound), ==, 500);
}

static void
test_other_files_are_refused(void)
{
    static const struct {
        unsigned tag, channels, rate_hz, bits;
        size_t len;
        const char *why;
    } cases[] = {
        {1, 2, 8000, 16, 16000, "2 channels"},
        {1, 1, 44100, 16, 16000, "44100 Hz"},
        {1, 1, 8000, 8, 16000, "8 bits"},
        {0x55, 1, 8000, 16, 16000, "format 85"},
        {7, 1, 16000, 8, 16000, "16000 Hz"},
        {1, 1, 8000, 16, 0, "no sound"},
        {1, 1, 8000, 16, 8000 * 2 * 301, "5 minutes"},
    };
    g_autofree uint8_t *data = g_malloc0(8000 * 2 * 301);

    g_test_summary("What cannot be played is refused in words for the operator");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) wav = wav_of(cases[i].tag,
                                           cases[i].channels,
                                           cases[i].rate_hz,
                                           cases[i].bits,
                                           data,
                                           cases[i].len);
        g_autoptr(GError) error = NULL;

        g_assert_null(dm_sound_new_from_wav(wav->data, wav->len, &error));
        g_assert_error(error, DM_ERROR, DM_ERROR_CONFIG);
        g_assert_nonnull(strstr(error->message, cases[i].why));
    }
}

static void
test_files_on_disk(void)
{
    static int16_t narrow[8000];
    g_autoptr(GByteArray) wav = wav_of(1, 1, 8000, 16, narrow, sizeof narrow);
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(DmSound) sound = NULL;
    DmTempDir folder;

    dm_temp_dir_init(&folder);
    path = dm_temp_dir_file(&folder, "moh.wav");
    g_assert_null(dm_sound_load(path, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    g_clear_error(&error);
    g_assert_null(dm_sound_load(folder.path, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFIG);
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(path, (const char *)wav->data, wav->len, NULL));
    sound = dm_sound_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(dm_sound_ms(sound), ==, 1000);
    dm_temp_dir_clear(&folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sound/kinds", test_kinds_of_files);
    g_test_add_func("/sound/cut", test_cut_files_are_played_as_far_as_they_go);
    g_test_add_func("/sound/refused", test_other_files_are_refused);
    g_test_add_func("/sound/disk", test_files_on_disk);
    return g_test_run();
}
