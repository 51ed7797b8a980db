/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dsp/noise.h"

#include <math.h>

/* Louder is no background. */
#define LOUDEST 30

void
dm_noise_init(DmNoise *noise, unsigned level)
{
    double rms = 32768 * pow(10, -(double)(level < LOUDEST ? LOUDEST : level) / 20);

    noise->state = 0x2545f491;
    noise->amplitude = (int)lrint(rms * sqrt(3)); /* of values that are all equally likely */
}

void
dm_noise_make(DmNoise *noise, int16_t *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        noise->state ^= noise->state << 13;
        noise->state ^= noise->state >> 17;
        noise->state ^= noise->state << 5;
        samples[i] =
            (int16_t)((int)(noise->state >> 16) * 2 * noise->amplitude / 65536 - noise->amplitude);
    }
}
