/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dsp/key-pieces.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE_HZ 8000
#define WINDOW  DM_KEY_PIECES_WINDOW

/* Two packets of 20 ms, or more: with one lost there is enough left. And no more than a tone and a
 * pause. */
#define MIN_LOST 320
#define MAX_LOST 480
/* Tone there must be, both pieces together: 9 of the 10 ms that are left of 50. */
#define MIN_TONE 72
#define MAX_TONE 80
/* A tone is where it is louder than this share of its loudest; a key is no softer than -37 dBm0. */
#define SILENCE_SHARE 8
#define MIN_PEAK      400
/* What is not those two tones, of all there is: 15 dB less. The next best key explains much less.
 */
#define MAX_REST   0.03
#define MIN_BETTER 4.0
/* As power, either way (Q.24). */
#define MAX_TWIST 10.0

#define N_ROWS    4
#define N_COLUMNS 4

static const char keyboard[] = "123A456B789C*0#D";
static const double row_hz[N_ROWS] = {697, 770, 852, 941};
static const double column_hz[N_COLUMNS] = {1209, 1336, 1477, 1633};

/* The samples of the tone, and when each was heard. */
typedef struct {
    double value[2 * WINDOW], at[2 * WINDOW];
    size_t n;
} Tone;

/* Sines and cosines at right angles to each other. */
typedef struct {
    double of[4][2 * WINDOW];
    unsigned n;
} Axes;

bool
dm_key_pieces_hear(DmKeyPieces *pieces, const int16_t *samples, size_t n)
{
    if (pieces->n_lost > 0) {
        size_t n_taken = MIN(n, WINDOW - pieces->n_behind);

        memcpy(pieces->behind + pieces->n_behind, samples, n_taken * sizeof *samples);
        pieces->n_behind += n_taken;
        return pieces->n_behind == WINDOW;
    }
    if (n < WINDOW) {
        memmove(pieces->before, pieces->before + n, (WINDOW - n) * sizeof *samples);
    } else {
        samples += n - WINDOW;
        n = WINDOW;
    }
    memcpy(pieces->before + WINDOW - n, samples, n * sizeof *samples);
    pieces->n_before = MIN(pieces->n_before + n, WINDOW);
    return false;
}

void
dm_key_pieces_miss(DmKeyPieces *pieces, size_t n)
{
    if (pieces->n_behind > 0) {
        pieces->n_before = 0; /* another hole: too little is left between them */
        pieces->n_behind = 0;
        pieces->n_lost = 0;
    }
    pieces->n_lost += n;
}

static int
peak_of(const DmKeyPieces *pieces)
{
    int peak = 0;

    for (size_t i = 0; i < WINDOW; i++) {
        peak = MAX(peak, MAX(abs(pieces->before[i]), abs(pieces->behind[i])));
    }
    return peak;
}

/* False: it is not a tone with silence around it. */
static bool
cut_out(const DmKeyPieces *pieces, Tone *tone)
{
    int silence = peak_of(pieces) / SILENCE_SHARE;
    size_t first = 0;
    size_t end = WINDOW;

    while (first < WINDOW && abs(pieces->before[first]) <= silence) {
        first++;
    }
    while (end > 0 && abs(pieces->behind[end - 1]) <= silence) {
        end--;
    }
    if (WINDOW - first > MAX_TONE || end > MAX_TONE || WINDOW - first + end < MIN_TONE ||
        silence < MIN_PEAK / SILENCE_SHARE) {
        return false;
    }
    tone->n = 0;
    for (size_t i = first; i < WINDOW; i++) {
        tone->value[tone->n] = pieces->before[i];
        tone->at[tone->n++] = (double)i;
    }
    for (size_t i = 0; i < end; i++) {
        tone->value[tone->n] = pieces->behind[i];
        tone->at[tone->n++] = (double)(WINDOW + pieces->n_lost + i);
    }
    return true;
}

static double
product(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Gram and Schmidt. */
static void
add_axis(Axes *axes, const Tone *tone, double hz, double phase)
{
    double *axis = axes->of[axes->n];
    double length;

    for (size_t i = 0; i < tone->n; i++) {
        axis[i] = cos(2 * G_PI * hz * tone->at[i] / RATE_HZ + phase);
    }
    for (unsigned k = 0; k < axes->n; k++) {
        double share = product(axis, axes->of[k], tone->n);

        for (size_t i = 0; i < tone->n; i++) {
            axis[i] -= share * axes->of[k][i];
        }
    }
    length = sqrt(product(axis, axis, tone->n));
    for (size_t i = 0; i < tone->n; i++) {
        axis[i] /= length;
    }
    axes->n++;
}

/* The power that a sine of @hz explains, beyond those before it. */
static double
explained(Axes *axes, const Tone *tone, double hz)
{
    double power = 0;

    for (unsigned quarter = 0; quarter < 2; quarter++) {
        double share;

        add_axis(axes, tone, hz, quarter * G_PI / 2);
        share = product(tone->value, axes->of[axes->n - 1], tone->n);
        power += share * share;
    }
    return power;
}

/* Of the power of @tone, the share that is not the tones of that key; 1: it is none. */
static double
rest_of(const Tone *tone, double low_hz, double high_hz)
{
    double all = product(tone->value, tone->value, tone->n);
    Axes axes = {.n = 0};
    double low = explained(&axes, tone, low_hz);
    double high = explained(&axes, tone, high_hz);

    if (low > MAX_TWIST * high || high > MAX_TWIST * low) {
        return 1;
    }
    return MAX(1 - (low + high) / all, 0);
}

char
dm_key_pieces_judge(DmKeyPieces *pieces)
{
    bool is_big = pieces->n_before == WINDOW && pieces->n_lost >= MIN_LOST;
    bool is_hole = is_big && pieces->n_lost <= MAX_LOST;
    double best = 1;
    double next = 1;
    char key = 0;
    Tone tone;

    if (is_hole && cut_out(pieces, &tone)) {
        for (unsigned k = 0; k < N_ROWS * N_COLUMNS; k++) {
            double rest = rest_of(&tone, row_hz[k / N_COLUMNS], column_hz[k % N_COLUMNS]);

            next = MIN(next, MAX(rest, best));
            key = rest < best ? keyboard[k] : key;
            best = MIN(best, rest);
        }
    }
    memcpy(pieces->before, pieces->behind, sizeof pieces->before);
    pieces->n_before = pieces->n_behind;
    pieces->n_behind = pieces->n_lost = 0;
    return best <= MAX_REST && next >= MIN_BETTER * MAX(best, MAX_REST / 2) ? key : 0;
}
