/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Listens for a fax machine (FAX-1). The preamble of V.21, before everything T.30 says, is proof.
 * The tones before it prove less, and come sooner: CED (2100 Hz), which counts once it has been
 * steady for a second, because other modems modulate it or turn its phase (ANSam and ANS of V.8 and
 * V.25, which are to stay in G.711); and CNG (1100 Hz), which voice and music hardly ever hold for
 * as long. Samples are 8 kHz. One thread. */
typedef struct DmFaxEar DmFaxEar;

/* @signs: bits of DmFaxSign, at least one. NULL: the library refused. */
DmFaxEar *dm_fax_ear_new(unsigned signs);
void dm_fax_ear_free(DmFaxEar *ear);

/* Returns whether one has been heard, from then on. */
bool dm_fax_ear_hear(DmFaxEar *ear, const int16_t *samples, size_t n);
