/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dsp/plc.h"

#include <glib.h>
#include <string.h>

#include "media/dsp/codec.h"

/* The pitch of voices, 200 to 66 Hz, and how long a stretch is compared to find it. */
#define MIN_PITCH_MS  5
#define MAX_PITCH_MS  15
#define COMPARED_MS   20
#define HISTORY_MS    (MAX_PITCH_MS + COMPARED_MS)
#define FULL_LEVEL_MS 10
#define SILENT_MS     60

#define MAX_PER_MS  (DM_WIDE_HZ / 1000)
#define MAX_PITCH   (MAX_PITCH_MS * MAX_PER_MS)
#define MAX_HISTORY (HISTORY_MS * MAX_PER_MS)

struct DmPlc {
    unsigned per_ms;
    unsigned missing; /* samples made up since the last that was heard */
    unsigned pitch;   /* of the loss that goes on, in samples */
    int16_t cycle[MAX_PITCH];
    int16_t history[MAX_HISTORY]; /* the newest last */
};

DmPlc *
dm_plc_new(unsigned rate_hz)
{
    DmPlc *plc = g_new0(DmPlc, 1);

    plc->per_ms = rate_hz / 1000;
    return plc;
}

void
dm_plc_free(DmPlc *plc)
{
    g_free(plc);
}

static unsigned
history_len(const DmPlc *plc)
{
    return HISTORY_MS * plc->per_ms;
}

static void
remember(DmPlc *plc, const int16_t *samples, size_t n)
{
    size_t len = history_len(plc);
    size_t n_new = MIN(n, len);

    memmove(plc->history, plc->history + n_new, (len - n_new) * sizeof *samples);
    memcpy(plc->history + len - n_new, samples + n - n_new, n_new * sizeof *samples);
}

/* How unlike the last stretch of history is to itself @lag samples earlier. */
static unsigned
difference(const DmPlc *plc, unsigned lag, unsigned step)
{
    const int16_t *end = plc->history + history_len(plc);
    int n = (int)(COMPARED_MS * plc->per_ms);
    unsigned sum = 0;

    for (int i = -n; i < 0; i += (int)step) {
        sum += (unsigned)ABS(end[i] - end[i - (int)lag]);
    }
    return sum;
}

/* Every second sample of 16 kHz is enough: there is little of a voice above 4 kHz. */
static unsigned
find_pitch(const DmPlc *plc)
{
    unsigned step = plc->per_ms * 1000 / DM_NARROW_HZ;
    unsigned best = MIN_PITCH_MS * plc->per_ms;
    unsigned least = G_MAXUINT;

    for (unsigned lag = best; lag <= MAX_PITCH_MS * plc->per_ms; lag += step) {
        unsigned sum = difference(plc, lag, step);

        if (sum < least) {
            least = sum;
            best = lag;
        }
    }
    return best;
}

static int16_t
blend(int from, int to, unsigned at, unsigned of)
{
    return (int16_t)((from * (int)(of - at) + to * (int)at) / (int)of);
}

/* The last period; its end leads over into what came before it, so that it repeats without a click.
 */
static void
make_cycle(DmPlc *plc)
{
    const int16_t *end = plc->history + history_len(plc);
    unsigned overlap;

    plc->pitch = find_pitch(plc);
    overlap = plc->pitch / 4;
    memcpy(plc->cycle, end - plc->pitch, plc->pitch * sizeof *plc->cycle);
    for (unsigned i = 0; i < overlap; i++) {
        int16_t *sample = &plc->cycle[plc->pitch - overlap + i];

        *sample = blend(*sample, *(end - plc->pitch - overlap + i), i + 1, overlap);
    }
}

/* The next sample of the made-up sound. */
static int16_t
make_up(DmPlc *plc)
{
    unsigned full = FULL_LEVEL_MS * plc->per_ms;
    unsigned silent = SILENT_MS * plc->per_ms;
    int sample;

    if (plc->missing >= silent) {
        return 0;
    }
    sample = plc->cycle[plc->missing++ % plc->pitch];
    if (plc->missing > full) {
        sample = blend(sample, 0, plc->missing - full, silent - full);
    }
    return (int16_t)sample;
}

void
dm_plc_fill(DmPlc *plc, int16_t *samples, size_t n)
{
    if (plc->missing == 0 && n > 0) {
        make_cycle(plc);
    }
    for (size_t i = 0; i < n; i++) {
        samples[i] = make_up(plc);
    }
    remember(plc, samples, n);
}

void
dm_plc_hear(DmPlc *plc, int16_t *samples, size_t n)
{
    if (plc->missing > 0) {
        unsigned overlap = (unsigned)MIN(plc->pitch / 4, n);

        for (unsigned i = 0; i < overlap; i++) {
            samples[i] = blend(make_up(plc), samples[i], i + 1, overlap);
        }
        plc->missing = 0;
    }
    remember(plc, samples, n);
}
