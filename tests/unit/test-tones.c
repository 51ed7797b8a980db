/* SPDX-License-Identifier: Apache-2.0 */
/* The tones of the network: made, and measured. */
#include <glib.h>

#include "media/dsp/noise.h"
#include "media/dsp/tones.h"
#include "tests/lib/tone.h"

#define RATE_HZ 8000

static void
test_every_country_has_its_tones(void)
{
    static const DmTone tones[] = {DM_TONE_RINGING,
                                   DM_TONE_BUSY,
                                   DM_TONE_CONGESTION,
                                   DM_TONE_INFORMATION};

    g_test_summary("SIG-10: every cadence of the list has sound and silence, and sensible figures");

    g_assert_cmpuint(DM_N_COUNTRIES, >=, 25);
    for (unsigned country = 0; country < DM_N_COUNTRIES; country++) {
        for (size_t i = 0; i < G_N_ELEMENTS(tones); i++) {
            DmToneMaker maker;

            dm_tone_maker_init(&maker, tones[i], country);
            g_assert_cmpuint(maker.n_steps, >=, 2);
            g_assert_cmpuint(maker.n_steps, <, DM_TONE_MAX_STEPS);
            g_assert_cmpuint(maker.step[0].hz, >=, 400);
            g_assert_cmpuint(maker.step[maker.n_steps - 1].hz, ==, 0);
            for (unsigned step = 0; step < maker.n_steps; step++) {
                g_assert_cmpuint(maker.step[step].n, >=, 165 * RATE_HZ / 1000);
                g_assert_cmpuint(maker.step[step].n, <=, 5 * RATE_HZ);
                g_assert_cmpuint(maker.step[step].hz, <=, 1800);
            }
        }
    }
}

/* dBm0 of a sine at full scale is 3.14 in mu-law (G.711). */
static double
level_dbm0(const int16_t *samples, size_t n)
{
    return 20 * log10(tone_rms(samples, n) / 32767 * sqrt(2)) + 3.14;
}

static void
test_ringing_is_as_long_and_as_loud_as_it_should_be(void)
{
    static int16_t samples[10 * RATE_HZ];
    DmToneMaker maker;

    g_test_summary("Germany: 425 Hz, one second of five, at -10 dBm0, in pieces of any length");

    dm_tone_maker_init(&maker, DM_TONE_RINGING, DM_COUNTRY_de);
    for (size_t at = 0; at < G_N_ELEMENTS(samples);) {
        size_t n = MIN(170, G_N_ELEMENTS(samples) - at);

        dm_tone_maker_make(&maker, samples + at, n);
        at += n;
    }
    for (unsigned second = 0; second < 10; second++) {
        const int16_t *from = samples + (size_t)second * RATE_HZ;

        if (second % 5 == 0) {
            g_assert_cmpfloat(tone_share(from, RATE_HZ, 425, RATE_HZ), >, 0.999);
            g_assert_cmpfloat(fabs(level_dbm0(from, RATE_HZ) + 10), <, 0.5);
        } else {
            g_assert_cmpfloat(tone_rms(from, RATE_HZ), ==, 0);
        }
    }
}

static void
test_two_frequencies_are_heard_at_once(void)
{
    static int16_t samples[RATE_HZ];
    DmToneMaker maker;

    g_test_summary("United States: 440 and 480 Hz, equally loud, -10 dBm0 together");

    dm_tone_maker_init(&maker, DM_TONE_RINGING, DM_COUNTRY_us);
    dm_tone_maker_make(&maker, samples, RATE_HZ);
    g_assert_cmpfloat(tone_share(samples, RATE_HZ, 440, RATE_HZ), >, 0.49);
    g_assert_cmpfloat(tone_share(samples, RATE_HZ, 480, RATE_HZ), >, 0.49);
    g_assert_cmpfloat(fabs(level_dbm0(samples, RATE_HZ) + 10), <, 0.5);
}

static void
test_modulation_swells_and_fades(void)
{
    static int16_t samples[RATE_HZ];
    DmToneMaker maker;
    double carrier;

    g_test_summary("Japan: 400 Hz modulated by 16 Hz has both side bands at half the carrier");

    dm_tone_maker_init(&maker, DM_TONE_RINGING, DM_COUNTRY_jp);
    dm_tone_maker_make(&maker, samples, RATE_HZ);
    carrier = tone_amplitude(samples, RATE_HZ, 400, RATE_HZ);
    g_assert_cmpfloat(fabs(tone_amplitude(samples, RATE_HZ, 384, RATE_HZ) / carrier - 0.5),
                      <,
                      0.02);
    g_assert_cmpfloat(fabs(tone_amplitude(samples, RATE_HZ, 416, RATE_HZ) / carrier - 0.5),
                      <,
                      0.02);
}

static void
test_silence_is_silent(void)
{
    int16_t samples[160] = {1, 2, 3};
    DmToneMaker maker;

    dm_tone_maker_init(&maker, DM_TONE_SILENCE, DM_COUNTRY_us);
    dm_tone_maker_make(&maker, samples, G_N_ELEMENTS(samples));
    g_assert_cmpfloat(tone_rms(samples, G_N_ELEMENTS(samples)), ==, 0);
}

static void
test_noise_is_as_loud_as_the_peer_said(void)
{
    static int16_t samples[RATE_HZ];
    DmNoise noise;

    g_test_summary("MED-9: noise at the level of RFC 3389, and nothing of a tone in it");
    for (unsigned level = 40; level <= 60; level += 10) {
        double wanted = 32768 * pow(10, -(double)level / 20);

        dm_noise_init(&noise, level);
        dm_noise_make(&noise, samples, RATE_HZ);
        g_assert_cmpfloat(fabs(20 * log10(tone_rms(samples, RATE_HZ) / wanted)), <, 0.6);
        g_assert_cmpfloat(tone_share(samples, RATE_HZ, 1000, RATE_HZ), <, 0.01);
    }
    dm_noise_init(&noise, 127);
    dm_noise_make(&noise, samples, RATE_HZ);
    g_assert_cmpfloat(tone_rms(samples, RATE_HZ), <=, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tones/countries", test_every_country_has_its_tones);
    g_test_add_func("/tones/cadence", test_ringing_is_as_long_and_as_loud_as_it_should_be);
    g_test_add_func("/tones/sum", test_two_frequencies_are_heard_at_once);
    g_test_add_func("/tones/modulated", test_modulation_swells_and_fades);
    g_test_add_func("/tones/silence", test_silence_is_silent);
    g_test_add_func("/tones/noise", test_noise_is_as_loud_as_the_peer_said);
    return g_test_run();
}
