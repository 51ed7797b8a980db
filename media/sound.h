/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "media/spec.h"

/* A recording to be played: announcements, music. Immutable, so any thread may play it; DmPlay
 * names it. Read whole when it is made, at 8 kHz, on whichever thread may wait for a disk. */

/* 5 minutes: 4.8 MB. */
#define DM_SOUND_MAX_MS (5 * 60 * 1000)

/* A WAV file: mono; 16 bit linear at 8 or 16 kHz, or G.711 at 8 kHz. Errors: DM_ERROR_IO,
 * DM_ERROR_CONFIG (not such a file, empty, too long), in words for the operator. (transfer full) */
DmSound *dm_sound_load(const char *path, GError **error);
/* The same from its bytes. */
DmSound *dm_sound_new_from_wav(const uint8_t *bytes, size_t len, GError **error);

DmSound *dm_sound_ref(DmSound *sound);
void dm_sound_unref(DmSound *sound); /* NULL is ignored */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmSound, dm_sound_unref)

unsigned dm_sound_ms(const DmSound *sound);
/* @n samples from @at on, at 8 kHz; fewer at the end. Returns how many. */
size_t dm_sound_read(const DmSound *sound, size_t at, int16_t *samples, size_t n);
