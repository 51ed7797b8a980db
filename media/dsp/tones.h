/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "media/spec.h"

/* The tones of the network, made sample by sample at 8 kHz, at the level of E.180: -10 dBm0 in all.
 */

#define DM_TONE_MAX_STEPS 8

typedef struct {
    uint16_t hz, other_hz; /* 0: none of it */
    bool is_modulated;     /* @hz by @other_hz; else both at once */
    uint32_t n;            /* samples */
} DmToneStep;

/* A cadence and where it is. */
typedef struct {
    DmToneStep step[DM_TONE_MAX_STEPS];
    unsigned n_steps; /* 0: silence */
    unsigned at_step;
    uint32_t n_made; /* of the step */
    uint32_t phase, other_phase;
} DmToneMaker;

/* At its beginning. */
void dm_tone_maker_init(DmToneMaker *maker, DmTone tone, DmCountry country);
void dm_tone_maker_make(DmToneMaker *maker, int16_t *samples, size_t n);
