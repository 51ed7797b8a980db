/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtp/sequence.h"

#include <glib.h>

#include "media/rtp/published.h"

/* RFC 3550, A.1. */
#define MAX_DROPOUT  3000
#define MAX_MISORDER 100

#define SEEN_BITS 64
#define USEC      G_USEC_PER_SEC

static uint32_t
lost_now(const DmRtpSequence *sequence)
{
    uint32_t expected = dm_rtp_sequence_expected(sequence);
    uint32_t received = dm_published(sequence->received);

    return expected > received ? expected - received : 0;
}

static DmSequenceOutcome
restart(DmRtpSequence *sequence, uint32_t ssrc, uint16_t number)
{
    uint32_t lost = dm_rtp_sequence_lost(sequence);

    /* One cycle up, so that a packet from before the first one has a number too. */
    dm_publish(sequence->base, UINT32_C(0x10000) + number);
    dm_publish(sequence->highest, UINT32_C(0x10000) + number);
    dm_publish(sequence->received, 1);
    dm_publish(sequence->lost_before, lost);
    sequence->seen = 1;
    sequence->ssrc = ssrc;
    sequence->started = true;
    sequence->jumped = false;
    dm_rtp_sequence_new_timeline(sequence);
    return DM_SEQUENCE_RESTART;
}

static DmSequenceOutcome
advance(DmRtpSequence *sequence, uint16_t ahead)
{
    sequence->seen = ahead < SEEN_BITS ? sequence->seen << ahead | 1 : 1;
    sequence->jumped = false;
    dm_publish_add(sequence->highest, ahead);
    dm_publish_add(sequence->received, 1);
    if (ahead == 1) {
        return DM_SEQUENCE_NEXT;
    }
    sequence->n_missing = (uint16_t)(ahead - 1);
    return DM_SEQUENCE_GAP;
}

/* A packet that fills a hole of one closes it; one in the middle of a long one makes two of it. */
static int8_t
run_change(uint64_t seen, unsigned behind)
{
    bool has_next = behind > 0 && (seen >> (behind - 1) & 1) != 0;
    bool has_previous = behind + 1 >= SEEN_BITS || (seen >> (behind + 1) & 1) != 0;

    return (int8_t)(1 - has_next - has_previous);
}

static DmSequenceOutcome
look_back(DmRtpSequence *sequence, uint16_t behind)
{
    uint32_t number = dm_published(sequence->highest) - behind;
    uint64_t bit = UINT64_C(1) << (behind % SEEN_BITS);

    /* Further back than we remember whether it has come: more than a second late, so as good as
     * lost. */
    sequence->run_change = 0;
    if (behind >= SEEN_BITS) {
        return DM_SEQUENCE_LATE;
    }
    if (sequence->seen & bit) {
        return DM_SEQUENCE_DUPLICATE;
    }
    sequence->run_change = run_change(sequence->seen, behind);
    sequence->seen |= bit;
    dm_publish_add(sequence->received, 1);
    if (number < dm_published(sequence->base)) {
        dm_publish(sequence->base, number);
    }
    return DM_SEQUENCE_LATE;
}

DmSequenceOutcome
dm_rtp_sequence_input(DmRtpSequence *sequence, uint32_t ssrc, uint16_t number)
{
    uint16_t ahead = (uint16_t)(number - dm_published(sequence->highest));

    if (!sequence->started || ssrc != sequence->ssrc) {
        return restart(sequence, ssrc, number);
    }
    if (ahead != 0 && ahead < MAX_DROPOUT) {
        return advance(sequence, ahead);
    }
    if ((uint16_t)-ahead < MAX_MISORDER) {
        return look_back(sequence, (uint16_t)-ahead);
    }
    if (sequence->jumped && number == sequence->resume_at) {
        return restart(sequence, ssrc, number);
    }
    sequence->jumped = true;
    sequence->resume_at = (uint16_t)(number + 1);
    return DM_SEQUENCE_JUMP;
}

void
dm_rtp_sequence_new_timeline(DmRtpSequence *sequence)
{
    sequence->transit = 0;
}

void
dm_rtp_sequence_arrival(DmRtpSequence *sequence,
                        uint32_t timestamp,
                        uint32_t clock_hz,
                        int64_t now_us)
{
    uint32_t transit = (uint32_t)(now_us * clock_hz / USEC) - timestamp;
    uint32_t jitter = dm_published(sequence->jitter_x16);
    int32_t change = (int32_t)(transit - sequence->transit);

    /* 0 stands for "none yet"; one unit of timestamp is nothing. */
    transit = transit != 0 ? transit : 1;
    if (sequence->transit != 0) {
        uint32_t size = change < 0 ? 0u - (uint32_t)change : (uint32_t)change;

        /* More than a minute is a new time line and says nothing of the network. */
        if (size < 60 * clock_hz) {
            jitter += size - ((jitter + 8) >> 4);
            dm_publish(sequence->jitter_x16, jitter);
            dm_publish(sequence->jitter_max_x16,
                       MAX(jitter, dm_published(sequence->jitter_max_x16)));
        }
    }
    sequence->transit = transit;
}

uint32_t
dm_rtp_sequence_expected(const DmRtpSequence *sequence)
{
    uint32_t highest = dm_published(sequence->highest);

    return highest == 0 ? 0 : highest - dm_published(sequence->base) + 1;
}

uint32_t
dm_rtp_sequence_lost(const DmRtpSequence *sequence)
{
    return dm_published(sequence->lost_before) + lost_now(sequence);
}

static uint32_t
to_us(uint32_t jitter_x16, uint32_t clock_hz)
{
    return clock_hz == 0 ? 0 : (uint32_t)((uint64_t)jitter_x16 * USEC / 16 / clock_hz);
}

uint32_t
dm_rtp_sequence_jitter_us(const DmRtpSequence *sequence, uint32_t clock_hz)
{
    return to_us(dm_published(sequence->jitter_x16), clock_hz);
}

uint32_t
dm_rtp_sequence_jitter_max_us(const DmRtpSequence *sequence, uint32_t clock_hz)
{
    return to_us(dm_published(sequence->jitter_max_x16), clock_hz);
}
