/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* When the packets of one stream are to be played, from when they came (MED-7): as late as the
 * slowest of the last seconds, and no later than need be. Packets of one stream that are all played
 * so are as far apart as the peer sent them.
 *
 * What is measured is a packet's transit: its arrival less the time its timestamp tells. The
 * fastest of the last 5 to 10 s is the base, which follows the clocks of the two ends as they
 * drift apart. A packet that comes more than 10 ms above the base raises the delay at once to what
 * it took; when none has been so late for as long, the delay goes down again, bit by bit. While
 * none is, there is no delay at all. Arithmetic only. */

/* Less is not worth holding packets for: whoever plays them out has more room than that. */
#define DM_ARRIVAL_TOLERANCE_US INT64_C(10000)

typedef struct {
    int64_t min_us, max_us; /* of the delay, when there is one */

    bool started;
    uint32_t clock_hz;
    uint32_t timestamp; /* of the last packet */
    int64_t media_us;   /* what it tells */
    int64_t base_us;    /* transit of the fastest */
    int64_t line_us;    /* transit at which packets are played */

    /* Of the last 5 s, and of the 5 s before: the fastest, and the slowest of those that were late.
     */
    struct {
        int64_t fastest_us, slowest_us;
    } span[2];
    int64_t span_us; /* when the first of them began */
} DmArrival;

void dm_arrival_init(DmArrival *arrival, int64_t min_us, int64_t max_us);

/* Whether a packet belongs to another line of time than those before: another clock, or a leap
 * no network makes. */
bool dm_arrival_leaps(const DmArrival *arrival,
                      uint32_t timestamp,
                      uint32_t clock_hz,
                      int64_t now_us);
/* The packet is the first of its line of time. */
void dm_arrival_restart(DmArrival *arrival, uint32_t timestamp, uint32_t clock_hz, int64_t now_us);

/* Returns what the timestamp tells in microseconds on the stream's own line. @is_silent: nothing is
 * heard before this packet, so that the delay may go down at once. */
int64_t dm_arrival_note(DmArrival *arrival, uint32_t timestamp, bool is_silent, int64_t now_us);

/* When to play it. */
static inline int64_t
dm_arrival_due_us(const DmArrival *arrival, int64_t media_us)
{
    return media_us + arrival->line_us;
}

/* By how much the fastest packets are held back now. */
static inline int64_t
dm_arrival_delay_us(const DmArrival *arrival)
{
    return arrival->line_us - arrival->base_us;
}

/* How long a missing packet may still come: what the slowest took, and @min_us at least. */
int64_t dm_arrival_patience_us(const DmArrival *arrival);
