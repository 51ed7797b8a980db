/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t
system_mono_us(const DmClock *clock)
{
    return read_us(CLOCK_MONOTONIC);
}

static int64_t
system_wall_us(const DmClock *clock)
{
    return read_us(CLOCK_REALTIME);
}

static int64_t
fake_mono_us(const DmClock *clock)
{
    return ((const DmFakeClock *)clock)->mono_now_us;
}

static int64_t
fake_wall_us(const DmClock *clock)
{
    return ((const DmFakeClock *)clock)->wall_now_us;
}

const DmClock *
dm_clock_system(void)
{
    static const DmClock clock = {system_mono_us, system_wall_us};

    return &clock;
}

void
dm_fake_clock_init(DmFakeClock *fake)
{
    *fake = (DmFakeClock){
        .clock = {fake_mono_us, fake_wall_us},
        .mono_now_us = 1000000,
        .wall_now_us = INT64_C(1767225600) * 1000000, /* 2026-01-01T00:00:00Z */
    };
}

void
dm_fake_clock_advance(DmFakeClock *fake, int64_t us)
{
    fake->mono_now_us += us;
    fake->wall_now_us += us;
}

void
dm_fake_clock_step_wall(DmFakeClock *fake, int64_t us)
{
    fake->wall_now_us += us;
}

const char *
dm_wall_text(int64_t wall_us, char text[DM_TIME_TEXT_MAX])
{
    int64_t ms = wall_us / 1000;
    time_t seconds = ms / 1000;
    struct tm tm;

    if (ms < 0 || gmtime_r(&seconds, &tm) == NULL) {
        tm = (struct tm){.tm_year = 70, .tm_mday = 1};
        ms = 0;
    }
    /* The moduli change no value; they tell the compiler that the text fits. */
    snprintf(text,
             DM_TIME_TEXT_MAX,
             "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)(tm.tm_mon + 1) % 100,
             (unsigned)tm.tm_mday % 100,
             (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100,
             (unsigned)tm.tm_sec % 100,
             (unsigned)(ms % 1000));
    return text;
}
