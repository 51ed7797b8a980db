/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "media/rtp/packet.h"

/* The stream we send to one peer, whoever is behind it: one SSRC for the life of the call, sequence
 * numbers and timestamps that go on from where they were when the source behind changes (MED-3).
 * Many peers mute a stream that jumps backward. A hole or a swap made by the network on the way to
 * us is passed on as it is. */
typedef struct {
    uint32_t ssrc;
    uint32_t source_ssrc;
    uint32_t timestamp_offset;
    uint32_t last_timestamp; /* newest sent */
    uint32_t last_sent_ms;
    uint16_t sequence_offset;
    uint16_t last_sequence; /* newest sent */
    bool started;
    bool splice; /* the next packet begins another source */
} DmRtpContinuity;

/* RFC 3550, 5.1: all three start at random. */
void dm_rtp_continuity_init(DmRtpContinuity *continuity,
                            uint32_t ssrc,
                            uint16_t sequence,
                            uint32_t timestamp);

/* What comes next is of another source or was interrupted: it is joined on. */
void dm_rtp_continuity_splice(DmRtpContinuity *continuity);

/* Turns SSRC, sequence number, timestamp and, at a join, the marker of a packet from the source
 * into those of our stream. The first packet after a pause has a marker, whether or not its source
 * has set it (RFC 3551, 4.1): phones that come back from hold forget it. @clock_hz: of the
 * timestamps of our stream, in which @packet's already is. @is_event: a telephone event, whose
 * timestamp stands still while its sequence number moves.
 */
void dm_rtp_continuity_next(DmRtpContinuity *continuity,
                            DmRtpPacket *packet,
                            uint32_t clock_hz,
                            bool is_event,
                            int64_t now_us);

/* For packets made here and not relayed: the timestamp that one may have which follows what was
 * sent so far after a break. */
uint32_t dm_rtp_continuity_next_timestamp(const DmRtpContinuity *continuity,
                                          uint32_t clock_hz,
                                          int64_t now_us);
/* Gives @packet, whose timestamp is one of our stream, our SSRC and the next sequence number. What
 * is relayed after it is joined on. */
void dm_rtp_continuity_append(DmRtpContinuity *continuity, DmRtpPacket *packet, int64_t now_us);

/* Time up to @timestamp has been spoken for: the event that began before lasts until then. */
void dm_rtp_continuity_fill(DmRtpContinuity *continuity, uint32_t timestamp, int64_t now_us);

/* The timestamp our stream has at @now_us, for sender reports. */
uint32_t dm_rtp_continuity_timestamp_at(const DmRtpContinuity *continuity,
                                        uint32_t clock_hz,
                                        int64_t now_us);
