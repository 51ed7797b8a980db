/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dsp/tones.h"

#include <glib.h>
#include <spandsp.h>
#include <string.h>

#define LEVEL_DBM0      (-10.0f)
#define PART_LEVEL_DBM0 (-13.0f) /* of two */

/* E.180, 7: what cannot be reached; the same everywhere. */
#define INFORMATION "950 330, 1400 330, 1800 330, 0 1000"

enum { RINGING, BUSY, CONGESTION, N_CADENCES };

#define COUNTRY(code, ringing, busy, congestion) [DM_COUNTRY_##code] = {ringing, busy, congestion},
static const char *const cadences[DM_N_COUNTRIES][N_CADENCES] = {
#include "media/tones.def"
};
#undef COUNTRY

static const char *
cadence_of(DmTone tone, DmCountry country)
{
    g_return_val_if_fail(country < DM_N_COUNTRIES, "");
    switch (tone) {
    case DM_TONE_RINGING:
        return cadences[country][RINGING];
    case DM_TONE_BUSY:
        return cadences[country][BUSY];
    case DM_TONE_CONGESTION:
        return cadences[country][CONGESTION];
    case DM_TONE_INFORMATION:
        return INFORMATION;
    case DM_TONE_SILENCE:
        break;
    }
    return "";
}

/* "400+450 400, " */
static const char *
read_step(const char *text, DmToneStep *step)
{
    char *end;

    *step = (DmToneStep){.hz = (uint16_t)g_ascii_strtoull(text, &end, 10)};
    if (*end == '+' || *end == 'x') {
        step->is_modulated = *end == 'x';
        step->other_hz = (uint16_t)g_ascii_strtoull(end + 1, &end, 10);
    }
    step->n = (uint32_t)g_ascii_strtoull(end, &end, 10) * (SAMPLE_RATE / 1000);
    return end + strspn(end, ", ");
}

void
dm_tone_maker_init(DmToneMaker *maker, DmTone tone, DmCountry country)
{
    const char *text = cadence_of(tone, country);

    *maker = (DmToneMaker){0};
    while (*text != '\0' && maker->n_steps < DM_TONE_MAX_STEPS) {
        text = read_step(text, &maker->step[maker->n_steps++]);
    }
}

static void
make_step(DmToneMaker *maker, const DmToneStep *step, int16_t *samples, size_t n)
{
    bool is_sum = step->other_hz != 0 && !step->is_modulated;
    int16_t level = dds_scaling_dbm0(is_sum ? PART_LEVEL_DBM0 : LEVEL_DBM0);
    int32_t rate = dds_phase_rate(step->hz);
    int32_t other_rate = dds_phase_rate(step->other_hz);

    for (size_t i = 0; i < n; i++) {
        int32_t sample = dds_mod(&maker->phase, rate, level, 0);

        if (is_sum) {
            sample += dds_mod(&maker->other_phase, other_rate, level, 0);
        } else if (step->is_modulated) {
            /* From all of it to none of it. */
            sample = sample * (INT16_MAX + dds_mod(&maker->other_phase, other_rate, INT16_MAX, 0)) /
                     (2 * INT16_MAX);
        }
        samples[i] = (int16_t)CLAMP(sample, INT16_MIN, INT16_MAX);
    }
}

void
dm_tone_maker_make(DmToneMaker *maker, int16_t *samples, size_t n)
{
    if (maker->n_steps == 0) {
        memset(samples, 0, n * sizeof *samples);
        return;
    }
    while (n > 0) {
        const DmToneStep *step = &maker->step[maker->at_step];
        size_t n_now = MIN(n, step->n - maker->n_made);

        if (step->hz != 0) {
            make_step(maker, step, samples, n_now);
        } else {
            memset(samples, 0, n_now * sizeof *samples);
        }
        samples += n_now;
        n -= n_now;
        maker->n_made += (uint32_t)n_now;
        if (maker->n_made == step->n) {
            maker->at_step = (maker->at_step + 1) % maker->n_steps;
            maker->n_made = 0;
        }
    }
}
