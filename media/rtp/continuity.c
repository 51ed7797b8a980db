/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtp/continuity.h"

/* A step of the source's sequence numbers beyond these is another source under the same SSRC (RFC
 * 3550, A.1). */
#define MAX_DROPOUT  3000
#define MAX_MISORDER 100

/* Time that goes on by more than this share of a second, with no packet missing: the source paused.
 */
#define PAUSE_SHARE 5

/* The least we let pass between the last packet of one source and the first of the next. */
#define MIN_STEP_MS 20

void
dm_rtp_continuity_init(DmRtpContinuity *continuity,
                       uint32_t ssrc,
                       uint16_t sequence,
                       uint32_t timestamp)
{
    *continuity = (DmRtpContinuity){
        .ssrc = ssrc,
        .last_sequence = sequence,
        .last_timestamp = timestamp,
    };
}

void
dm_rtp_continuity_splice(DmRtpContinuity *continuity)
{
    continuity->splice = true;
}

static uint32_t
ms_since_last(const DmRtpContinuity *continuity, int64_t now_us)
{
    return (uint32_t)(now_us / 1000) - continuity->last_sent_ms;
}

uint32_t
dm_rtp_continuity_timestamp_at(const DmRtpContinuity *continuity, uint32_t clock_hz, int64_t now_us)
{
    uint64_t elapsed = (uint64_t)ms_since_last(continuity, now_us) * clock_hz / 1000;

    return continuity->last_timestamp + (uint32_t)elapsed;
}

uint32_t
dm_rtp_continuity_next_timestamp(const DmRtpContinuity *continuity,
                                 uint32_t clock_hz,
                                 int64_t now_us)
{
    if (!continuity->started) {
        return continuity->last_timestamp;
    }
    if (ms_since_last(continuity, now_us) < MIN_STEP_MS) {
        return continuity->last_timestamp + clock_hz * MIN_STEP_MS / 1000;
    }
    return dm_rtp_continuity_timestamp_at(continuity, clock_hz, now_us);
}

static void
join_timestamps(DmRtpContinuity *continuity,
                const DmRtpPacket *packet,
                uint32_t clock_hz,
                int64_t now_us)
{
    continuity->timestamp_offset =
        dm_rtp_continuity_next_timestamp(continuity, clock_hz, now_us) - packet->timestamp;
}

static void
begin(DmRtpContinuity *continuity, const DmRtpPacket *packet)
{
    continuity->started = true;
    continuity->timestamp_offset = continuity->last_timestamp - packet->timestamp;
}

/* The first packet of a source follows the last one we sent. */
static void
join(DmRtpContinuity *continuity,
     DmRtpPacket *packet,
     uint32_t clock_hz,
     bool is_event,
     int64_t now_us)
{
    if (continuity->started) {
        join_timestamps(continuity, packet, clock_hz, now_us);
    } else {
        begin(continuity, packet);
    }
    continuity->splice = false;
    continuity->source_ssrc = packet->ssrc;
    continuity->sequence_offset = (uint16_t)(continuity->last_sequence + 1 - packet->sequence);
    /* On an event the marker says that a key went down, which is not ours to say. */
    packet->marker = packet->marker || !is_event;
}

void
dm_rtp_continuity_next(DmRtpContinuity *continuity,
                       DmRtpPacket *packet,
                       uint32_t clock_hz,
                       bool is_event,
                       int64_t now_us)
{
    int16_t step =
        (int16_t)(packet->sequence + continuity->sequence_offset - continuity->last_sequence);
    int32_t progress =
        (int32_t)(packet->timestamp + continuity->timestamp_offset - continuity->last_timestamp);

    if (!continuity->started || continuity->splice || packet->ssrc != continuity->source_ssrc ||
        step >= MAX_DROPOUT || step <= -MAX_MISORDER) {
        join(continuity, packet, clock_hz, is_event, now_us);
        step = 1;
        progress = 1;
    } else if (step > 0 && progress < 0 && !is_event) {
        join_timestamps(continuity, packet, clock_hz, now_us);
        progress = 1;
    } else if (step == 1 && progress > (int32_t)(clock_hz / PAUSE_SHARE) && !is_event) {
        packet->marker = true;
    }
    packet->ssrc = continuity->ssrc;
    packet->sequence = (uint16_t)(packet->sequence + continuity->sequence_offset);
    packet->timestamp += continuity->timestamp_offset;
    if (step > 0) {
        continuity->last_sequence = packet->sequence;
        continuity->last_sent_ms = (uint32_t)(now_us / 1000);
    }
    if (progress > 0) {
        continuity->last_timestamp = packet->timestamp;
    }
}

void
dm_rtp_continuity_append(DmRtpContinuity *continuity, DmRtpPacket *packet, int64_t now_us)
{
    packet->ssrc = continuity->ssrc;
    packet->sequence = ++continuity->last_sequence;
    if (!continuity->started || (int32_t)(packet->timestamp - continuity->last_timestamp) > 0) {
        continuity->last_timestamp = packet->timestamp;
    }
    continuity->last_sent_ms = (uint32_t)(now_us / 1000);
    continuity->started = true;
    continuity->splice = true;
}

void
dm_rtp_continuity_fill(DmRtpContinuity *continuity, uint32_t timestamp, int64_t now_us)
{
    if ((int32_t)(timestamp - continuity->last_timestamp) > 0) {
        continuity->last_timestamp = timestamp;
        continuity->last_sent_ms = (uint32_t)(now_us / 1000);
    }
}
