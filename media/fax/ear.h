/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Listens for a fax machine that answers: the preamble of V.21 before everything T.30 says. The
 * tones before it (CNG, CED) prove less: other modems have them too, and so have voice and music.
 * Samples are 8 kHz. One thread. */
typedef struct DmFaxEar DmFaxEar;

/* NULL: the library refused. */
DmFaxEar *dm_fax_ear_new(void);
void dm_fax_ear_free(DmFaxEar *ear);

/* Returns whether one has been heard, from then on. */
bool dm_fax_ear_hear(DmFaxEar *ear, const int16_t *samples, size_t n);
