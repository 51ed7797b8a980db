/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/rtp/published.h"
#include "media/session-priv.h"

/* When the streams of a session are judged (MED-8, quality.h): what comes every 5 s, what goes
 * whenever the peer's RTCP tells something new of it. */

#define DM_JUDGE_INTERVAL_US (5 * G_USEC_PER_SEC)

/* What has come from @stream's peer since the last time; silence is not judged. */
void dm_judge_in(DmStream *stream);

/* What the peer says of the stream we send it. */
void dm_judge_out(DmStream *stream, const DmRtcpBlock *block, int64_t now_us);

/* The metrics of what comes from the peer, once something has. Any thread. */
void dm_judge_voip(const DmStream *stream, DmVoipMetrics *out);

/* What the peer says of what it hears. */
void dm_judge_note_told(DmStream *stream, const DmVoipMetrics *metrics);
/* Any thread. */
DmVoipMetrics dm_judge_told(const DmStream *stream);

/* Of a packet's outcome: how many runs of losses there were. */
static inline void
dm_judge_note_gap(DmStream *stream, DmSequenceOutcome outcome)
{
    if (outcome == DM_SEQUENCE_GAP) {
        dm_publish_add(stream->judge.n_runs, 1);
        dm_rtp_bursts_input(&stream->judge.bursts,
                            dm_published(stream->rx.highest) - stream->rx.n_missing,
                            stream->rx.n_missing);
    } else if (outcome == DM_SEQUENCE_LATE) {
        dm_publish_add(stream->judge.n_runs, (uint32_t)stream->rx.run_change);
    }
}
