/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "media/record/tape.h"

/* One side's packets made into samples at their places in time, for a recording: put in order,
 * decoded, small losses concealed. Time follows the peer's timestamps, and the clock on the wall
 * where the two part by more than 300 ms. What cannot be decoded, keys and comfort noise are
 * silence. Pure: packets in, samples out. */
typedef struct DmRecordTrack DmRecordTrack;

/* @at: the first one's place, in samples of the file since its beginning. */
typedef void (*DmRecordTrackFunc)(int64_t at, const int16_t *samples, size_t n, void *user_data);

/* @rate_hz: 8000 or 16000; @begin_us: monotonic, where the file begins. */
DmRecordTrack *dm_record_track_new(unsigned rate_hz,
                                   int64_t begin_us,
                                   DmRecordTrackFunc place,
                                   void *user_data);
void dm_record_track_free(DmRecordTrack *track);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmRecordTrack, dm_record_track_free)

void dm_record_track_input(DmRecordTrack *track, const DmTapeEntry *entry, const uint8_t *payload);
