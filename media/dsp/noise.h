/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* White noise, for a peer that does not know RFC 3389. */
typedef struct {
    uint32_t state; /* never 0 */
    int amplitude;
} DmNoise;

/* @level: of a comfort noise payload: 0 to 127 dB below overload (RFC 3389, 3.1). */
void dm_noise_init(DmNoise *noise, unsigned level);
void dm_noise_make(DmNoise *noise, int16_t *samples, size_t n);
