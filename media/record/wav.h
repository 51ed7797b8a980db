/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A WAV file being written: 16 bit linear, two channels. The header says what has been written as
 * of the last dm_wav_sync(), so whenever the process dies the file is whole up to there. */
typedef struct DmWav DmWav;

/* Makes the folders above (0700) and the file (0600), which must not exist. Errors: DM_ERROR_IO. */
DmWav *dm_wav_create(const char *path, unsigned rate_hz, GError **error);
/* @n_frames: pairs of samples, first channel first. What was begun of a frame when the disk is full
 * is taken back. Errors: DM_ERROR_IO, DM_ERROR_LIMIT when a WAV file cannot be longer (4 GB). */
bool dm_wav_write(DmWav *wav, const int16_t *frames, size_t n_frames, GError **error);
bool dm_wav_sync(DmWav *wav, GError **error);
/* Frames so far. */
uint64_t dm_wav_length(const DmWav *wav);
/* With a last sync. NULL is ignored. */
void dm_wav_close(DmWav *wav);
