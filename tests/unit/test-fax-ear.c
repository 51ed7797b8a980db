/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <math.h>
#include <spandsp.h>
#include <string.h>

#include "media/dsp/g711.h"
#include "media/fax/ear.h"
#include "media/spec.h"
#include "tests/lib/temp-dir.h"

/* Which tones are taken for a fax machine, and which are not (FAX-1). */

#define RATE_HZ 8000
#define STEP    160
#define STEP_MS 20
#define TONES   (DM_FAX_SIGN_CED | DM_FAX_SIGN_CNG)

/* As it comes out of G.711. */
static bool
hear(DmFaxEar *ear, const int16_t *samples)
{
    int16_t heard[STEP];

    for (unsigned i = 0; i < STEP; i++) {
        heard[i] = dm_g711_from_alaw(dm_g711_to_alaw(samples[i]));
    }
    return dm_fax_ear_hear(ear, heard, STEP);
}

/* A tone as the library makes it, with @noise around it; milliseconds until @signs were heard in
 * it, 0: never in 6 s. */
static unsigned
heard_after_ms(int tone, unsigned signs, int noise)
{
    modem_connect_tones_tx_state_t *tx = modem_connect_tones_tx_init(NULL, tone);
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    DmFaxEar *ear = dm_fax_ear_new(signs);
    unsigned ms = 0;

    for (unsigned i = 0; i < 6000 / STEP_MS && ms == 0; i++) {
        int16_t samples[STEP] = {0};

        modem_connect_tones_tx(tx, samples, STEP);
        for (unsigned k = 0; k < STEP && noise > 0; k++) {
            samples[k] = (int16_t)(samples[k] + g_rand_int_range(random, -noise, noise));
        }
        if (hear(ear, samples)) {
            ms = (i + 1) * STEP_MS;
        }
    }
    modem_connect_tones_tx_free(tx);
    dm_fax_ear_free(ear);
    return ms;
}

static void
test_calling_tone(void)
{
    unsigned ms = heard_after_ms(MODEM_CONNECT_TONES_FAX_CNG, DM_FAX_SIGN_CNG, 0);

    g_test_summary("FAX-1: CNG is heard within its first half second, where it is listened for, "
                   "and over noise");
    g_test_message("heard after %u ms", ms);
    g_assert_cmpuint(ms, >, 300);
    g_assert_cmpuint(ms, <=, 520);
    g_assert_cmpuint(heard_after_ms(MODEM_CONNECT_TONES_FAX_CNG, DM_FAX_SIGN_CNG, 150), >, 0);
    g_assert_cmpuint(heard_after_ms(MODEM_CONNECT_TONES_FAX_CNG, DM_FAX_SIGN_CED, 0), ==, 0);
    g_assert_cmpuint(heard_after_ms(MODEM_CONNECT_TONES_FAX_CNG, DM_FAX_SIGN_V21, 0), ==, 0);
}

static void
test_answer_tone(void)
{
    unsigned ms = heard_after_ms(MODEM_CONNECT_TONES_FAX_CED, DM_FAX_SIGN_CED, 0);

    g_test_summary("FAX-1: CED is heard once it has been steady for a second, over noise too");
    g_test_message("heard after %u ms", ms);
    g_assert_cmpuint(ms, >, 1000);
    g_assert_cmpuint(ms, <, 1800);
    g_assert_cmpuint(heard_after_ms(MODEM_CONNECT_TONES_FAX_CED, DM_FAX_SIGN_CED, 150), >, 0);
    g_assert_cmpuint(heard_after_ms(MODEM_CONNECT_TONES_FAX_CED, DM_FAX_SIGN_CNG, 0), ==, 0);
}

static void
test_other_modems(void)
{
    static const int others[] = {
        MODEM_CONNECT_TONES_ANS_PR,
        MODEM_CONNECT_TONES_ANSAM,
        MODEM_CONNECT_TONES_ANSAM_PR,
        MODEM_CONNECT_TONES_BELL_ANS,
    };

    g_test_summary("FAX-1: 2100 Hz with turned phase (V.25), ANSam (V.8) and Bell's answer are of "
                   "other modems and stay in G.711, with noise or without");
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        g_test_message("tone %d", others[i]);
        g_assert_cmpuint(heard_after_ms(others[i], TONES, 0), ==, 0);
        g_assert_cmpuint(heard_after_ms(others[i], TONES, 150), ==, 0);
    }
}

/* --- talk-off --- */

static const char text[] =
    "Please hold the line, all our agents are busy. Your call will be answered in the order in "
    "which it arrived. To hear your balance, press one. To speak with somebody about a bill, press "
    "two. Who knew you would queue at noon? Bees hum, new moons rise, you see, the fee is due by "
    "two. Oooooooo. Eeeeeeee. Aaaaaaaah, ooooh, hmmmmmmmm. Our offices are open from nine to five, "
    "Monday to Friday. Twelve hundred and nine, thirteen thirty six, fourteen seventy seven.";

/* What espeak-ng says with @voice, at 8 kHz. */
static GArray *
speech_of(const char *voice, const DmTempDir *folder)
{
    g_autofree char *path = dm_temp_dir_file(folder, "speech.wav");
    const char *argv[] = {"espeak-ng", "-v", voice, "-w", path, text, NULL};
    GArray *speech = g_array_new(FALSE, FALSE, sizeof(int16_t));
    g_autofree char *wav = NULL;
    const int16_t *in;
    gsize len;

    g_assert_true(g_spawn_sync(NULL,
                               (char **)argv,
                               NULL,
                               G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL));
    g_assert_true(g_file_get_contents(path, &wav, &len, NULL));
    g_assert_cmpuint(len, >, 100000);
    in = (const int16_t *)(const void *)(wav + 44);
    /* 22 050 Hz; three at a time take off what would be folded back. */
    for (double at = 0; at + 4 < (double)(len - 44) / 2; at += 22050.0 / RATE_HZ) {
        size_t i = (size_t)at;
        int16_t sample = (int16_t)((in[i] + in[i + 1] + in[i + 2]) / 3);

        g_array_append_val(speech, sample);
    }
    return speech;
}

/* @speed: of the voice, in percent: other pitches of the same words. */
static void
assert_nothing_in(const GArray *speech, unsigned speed)
{
    DmFaxEar *ear = dm_fax_ear_new(DM_FAX_SIGN_V21 | TONES);
    unsigned n = speech->len * 100 / speed;
    int16_t samples[STEP];

    for (unsigned i = 0; i < n; i++) {
        guint at = MIN(i * speed / 100, speech->len - 1);

        samples[i % STEP] = g_array_index(speech, int16_t, at);
        if (i % STEP == STEP - 1) {
            g_assert_false(hear(ear, samples));
        }
    }
    dm_fax_ear_free(ear);
}

static void
test_speech(void)
{
    static const char *const voices[] = {"en-us", "en-gb+f3", "de", "fr+f4", "en-us+whisper"};
    g_autofree char *program = g_find_program_in_path("espeak-ng");
    DmTempDir folder;

    g_test_summary("FAX-1, talk-off: nobody who speaks is taken for a fax machine: five voices, "
                   "each at eight pitches, long vowels too");
    if (program == NULL) {
        g_test_skip("espeak-ng is not installed");
        return;
    }
    dm_temp_dir_init(&folder);
    for (unsigned i = 0; i < G_N_ELEMENTS(voices); i++) {
        g_autoptr(GArray) speech = speech_of(voices[i], &folder);

        for (unsigned speed = 60; speed <= 200; speed += 20) {
            assert_nothing_in(speech, speed);
        }
    }
    dm_temp_dir_clear(&folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fax-ear/cng", test_calling_tone);
    g_test_add_func("/fax-ear/ced", test_answer_tone);
    g_test_add_func("/fax-ear/other-modems", test_other_modems);
    g_test_add_func("/fax-ear/talk-off", test_speech);
    return g_test_run();
}
