/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What a receiver knows about one peer's stream from its sequence numbers and timestamps (RFC 3550,
 * A.1, A.3, A.8). All zero is a stream not heard yet. One thread writes; the functions marked "any
 * thread" may be called by others. */
typedef struct {
    uint64_t seen; /* bit n: the packet n before the highest has come */
    uint32_t ssrc;
    uint32_t transit;          /* arrival less timestamp of the last packet, in timestamp units */
    _Atomic uint32_t base;     /* extended sequence number of the first packet */
    _Atomic uint32_t highest;  /* extended sequence number */
    _Atomic uint32_t received; /* different packets since base */
    _Atomic uint32_t lost_before; /* lost in earlier streams: another SSRC, or before a jump */
    _Atomic uint32_t jitter_x16;  /* in sixteenths of timestamp units */
    _Atomic uint32_t jitter_max_x16;
    uint16_t n_missing; /* right before the last packet, after DM_SEQUENCE_GAP */
    uint16_t resume_at; /* a jump is believed when the packet after it follows */
    int8_t run_change;  /* by how much a late packet changed the number of runs of missing ones */
    bool started;
    bool jumped;
} DmRtpSequence;

/* The first two are in order. */
typedef enum {
    DM_SEQUENCE_NEXT,      /* right after the last one */
    DM_SEQUENCE_GAP,       /* one or more are missing before it */
    DM_SEQUENCE_LATE,      /* its turn was earlier */
    DM_SEQUENCE_DUPLICATE, /* has come before */
    DM_SEQUENCE_RESTART,   /* first packet, or first of another source: counting begins anew */
    DM_SEQUENCE_JUMP, /* implausibly far from the last; not counted unless the next one follows it
                       */
} DmSequenceOutcome;

DmSequenceOutcome dm_rtp_sequence_input(DmRtpSequence *sequence, uint32_t ssrc, uint16_t number);

/* Interarrival jitter; call for packets in order whose timestamp is the time of their sampling (so
 * not for telephone events, whose timestamp stands still). */
void dm_rtp_sequence_arrival(DmRtpSequence *sequence,
                             uint32_t timestamp,
                             uint32_t clock_hz,
                             int64_t now_us);
/* Forgets the last arrival: the next packet is on another time line. */
void dm_rtp_sequence_new_timeline(DmRtpSequence *sequence);

/* Any thread. Expected and received are of the present source; lost is of all there were. */
uint32_t dm_rtp_sequence_expected(const DmRtpSequence *sequence);
uint32_t dm_rtp_sequence_lost(const DmRtpSequence *sequence);
uint32_t dm_rtp_sequence_jitter_us(const DmRtpSequence *sequence, uint32_t clock_hz);
uint32_t dm_rtp_sequence_jitter_max_us(const DmRtpSequence *sequence, uint32_t clock_hz);
