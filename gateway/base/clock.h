/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Where time comes from. Everything that waits uses monotonic time; wall time is only for people
 * and protocols that print dates. Tests turn a DmFakeClock by hand. Any thread may read a clock. */
typedef struct DmClock {
    int64_t (*mono_us)(
        const struct DmClock *clock); /* never steps; microseconds since an arbitrary start */
    int64_t (*wall_us)(
        const struct DmClock *clock); /* microseconds since 1970-01-01 UTC; may step */
} DmClock;

static inline int64_t
dm_clock_mono_us(const DmClock *clock)
{
    return clock->mono_us(clock);
}

static inline int64_t
dm_clock_wall_us(const DmClock *clock)
{
    return clock->wall_us(clock);
}

/* The operating system's clocks. (transfer none), lives for ever. */
const DmClock *dm_clock_system(void);

/* A clock that stands still until told. */
typedef struct {
    DmClock clock;
    int64_t mono_now_us;
    int64_t wall_now_us;
} DmFakeClock;

/* Starts at monotonic 1 s and wall 2026-01-01T00:00:00Z. */
void dm_fake_clock_init(DmFakeClock *fake);
/* Moves both clocks forward. */
void dm_fake_clock_advance(DmFakeClock *fake, int64_t us);
/* Steps the wall clock only, either way, as NTP or an administrator would. */
void dm_fake_clock_step_wall(DmFakeClock *fake, int64_t us);

/* "2026-11-20T18:12:39.123Z" (RFC 3339, UTC, milliseconds). */
#define DM_TIME_TEXT_MAX 32
const char *dm_wall_text(int64_t wall_us, char text[DM_TIME_TEXT_MAX]);
