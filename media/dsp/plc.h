/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Conceals loss from the sound before it: the last pitch period again and again, fading to silence
 * within 60 ms, and blended with what comes after. At 8 and 16 kHz. (SpanDSP's own, in 0.0.6, knows
 * 8 kHz only, writes past short buffers and moves its history with an overlapping memcpy().) */
typedef struct DmPlc DmPlc;

DmPlc *dm_plc_new(unsigned rate_hz);
void dm_plc_free(DmPlc *plc);

/* What was received; after a loss its beginning is blended with what was made up. */
void dm_plc_hear(DmPlc *plc, int16_t *samples, size_t n);
/* Makes up @n samples. */
void dm_plc_fill(DmPlc *plc, int16_t *samples, size_t n);
