/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "gateway/base/counters.h"
#include "media/path/stage.h"
#include "media/spec.h"

/* Writes calls to files, on a thread of its own: media workers leave copies of packets with it, and
 * whatever takes time (decoding, disks) happens there. A worker never waits; when the recorder is
 * more than 2 s behind, packets are missing in the file, and counted. */
typedef struct DmRecorder DmRecorder;

/* One file. Counted references: the session's and the recorder's. */
typedef struct DmRecording DmRecording;

/* @stats: DM_MEDIA_N_STATS counters that outlive it. Errors: DM_ERROR_IO. */
DmRecorder *dm_recorder_new(DmCounter *stats, GError **error);
/* Finishes every file. */
void dm_recorder_free(DmRecorder *recorder);
/* Files whose path is relative are made in @directory; those named "*.wav" in and below it are
 * removed once they are so old; 0: never. Any thread. */
void dm_recorder_keep(DmRecorder *recorder, const char *directory, unsigned days);

/* The file is made on the recorder's thread; that it cannot be is told by the report. Any thread.
 */
DmRecording *dm_recorder_start(DmRecorder *recorder, const DmRecordSpec *spec);
DmRecording *dm_recording_ref(DmRecording *recording);
void dm_recording_unref(DmRecording *recording);
/* Any thread. */
void dm_recording_read(const DmRecording *recording, DmMediaRecording *out);

/* These four: the one media worker that owns the session. */
void dm_recording_input(DmRecording *recording, DmSide side, const DmPacket *packet);
/* Silence in the file until it goes on. */
void dm_recording_pause(DmRecording *recording, bool paused);
void dm_recording_end(DmRecording *recording, int64_t now_us);
