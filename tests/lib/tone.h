/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* Sine waves in tests: made, and found again by Goertzel's algorithm. */

static inline void
tone_add(int16_t *samples, size_t n, double hz, double amplitude, unsigned rate_hz, size_t from)
{
    for (size_t i = 0; i < n; i++) {
        samples[i] += (int16_t)lrint(amplitude * sin(2 * G_PI * hz * (double)(from + i) / rate_hz));
    }
}

/* Amplitude of the part of the sound that is at @hz. */
static inline double
tone_amplitude(const int16_t *samples, size_t n, double hz, unsigned rate_hz)
{
    double re = 0;
    double im = 0;

    for (size_t i = 0; i < n; i++) {
        double at = 2 * G_PI * hz * (double)i / rate_hz;

        re += samples[i] * cos(at);
        im += samples[i] * sin(at);
    }
    return 2 * sqrt(re * re + im * im) / (double)n;
}

static inline double
tone_rms(const int16_t *samples, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)samples[i] * samples[i];
    }
    return sqrt(sum / (double)n);
}

/* How much of the sound, in power, is the tone: 1 is all of it. */
static inline double
tone_share(const int16_t *samples, size_t n, double hz, unsigned rate_hz)
{
    double amplitude = tone_amplitude(samples, n, hz, rate_hz);
    double rms = tone_rms(samples, n);

    return amplitude * amplitude / 2 / (rms * rms);
}
