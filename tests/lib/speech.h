/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "tests/lib/temp-dir.h"

/* Speech for tests: half a minute of espeak-ng. */

#define SPEECH_HZ 8000

static const char speech_text[] =
    "Please hold the line, all our agents are busy. Your call will be answered in the order in "
    "which it arrived. To hear your balance, press one. To speak with somebody about a bill, press "
    "two. Who knew you would queue at noon? Bees hum, new moons rise, you see, the fee is due by "
    "two. Our offices are open from nine to five, Monday to Friday, and on Saturday until one. "
    "Alice, Bob, Eve and Mallory agree on a key, and nobody else can hear what they say. Twelve "
    "hundred and nine, thirteen thirty six, fourteen seventy seven, sixteen thirty three.";

/* A WAV file of 16 bits, mono, as espeak-ng writes it, at 8 kHz. */
static inline GArray *
speech_at_8_khz(const guint8 *wav, gsize len)
{
    guint32 rate_hz = wav[24] | (guint32)wav[25] << 8 | (guint32)wav[26] << 16;
    const int16_t *in = (const int16_t *)(const void *)(wav + 44);
    size_t n = (len - 44) / 2;
    GArray *out = g_array_new(FALSE, FALSE, sizeof(int16_t));

    for (double at = 0; at + 4 < (double)n; at += rate_hz / (double)SPEECH_HZ) {
        size_t i = (size_t)at;
        int sum = in[i] + in[i + 1] + in[i + 2]; /* takes off what would be folded back */
        int16_t sample = (int16_t)(sum / 3);

        g_array_append_val(out, sample);
    }
    return out;
}

/* What espeak-ng says with @voice; NULL: it is not installed. */
static inline GArray *
speech_of(const char *voice)
{
    g_autofree char *program = g_find_program_in_path("espeak-ng");
    g_autofree char *wav = NULL;
    g_autofree char *path = NULL;
    GArray *speech = NULL;
    DmTempDir folder;
    gsize len;

    if (program == NULL) {
        return NULL;
    }
    dm_temp_dir_init(&folder);
    path = dm_temp_dir_file(&folder, "speech.wav");

    const char *argv[] = {program, "-v", voice, "-w", path, speech_text, NULL};

    g_assert_true(g_spawn_sync(NULL,
                               (char **)argv,
                               NULL,
                               G_SPAWN_STDERR_TO_DEV_NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL));
    g_assert_true(g_file_get_contents(path, &wav, &len, NULL));
    g_assert_cmpuint(len, >, 100000);
    speech = speech_at_8_khz((const guint8 *)wav, len);
    dm_temp_dir_clear(&folder);
    return speech;
}
