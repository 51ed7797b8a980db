/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dsp/keys.h"

#include <spandsp.h>
#include <string.h>

/* Q.23 and common practice: -8 dBm0 for the high tone, 2 dB less for the low one, as lines
 * attenuate high tones more. */
#define HIGH_DBM0 (-8.0f)
#define LOW_DBM0  (-10.0f)

static const char keys[] = "0123456789*#ABCD!"; /* by event; flash is 16 */
/* The keyboard, row by row. */
static const char keyboard[] = "123A456B789C*0#D";
static const float row_hz[] = {697, 770, 852, 941};
static const float column_hz[] = {1209, 1336, 1477, 1633};

int
dm_key_event(char key)
{
    const char *at = key != 0 ? strchr(keys, key) : NULL;

    return at != NULL ? (int)(at - keys) : -1;
}

char
dm_key_of_event(unsigned event)
{
    return event < sizeof keys - 1 ? keys[event] : 0;
}

void
dm_key_tone_make(DmKeyTone *tone, char key, unsigned rate_hz, int16_t *samples, size_t n)
{
    const char *at = strchr(keyboard, key);
    /* SpanDSP's oscillator reckons with 8 kHz. */
    float scale = (float)SAMPLE_RATE / (float)rate_hz;
    int32_t low_rate;
    int32_t high_rate;
    int16_t low_level = dds_scaling_dbm0(LOW_DBM0);
    int16_t high_level = dds_scaling_dbm0(HIGH_DBM0);

    g_return_if_fail(key != 0 && at != NULL);
    low_rate = dds_phase_rate(row_hz[(at - keyboard) / 4] * scale);
    high_rate = dds_phase_rate(column_hz[(at - keyboard) % 4] * scale);
    for (size_t i = 0; i < n; i++) {
        samples[i] = (int16_t)(dds_mod(&tone->low, low_rate, low_level, 0) +
                               dds_mod(&tone->high, high_rate, high_level, 0));
    }
}
