/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/clock.h"

#include <glib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/text.h"

#define MS_PER_DAY   86400000
#define JULIAN_1970  719163                             /* GLib's day 1 is 0001-01-01 */
#define LAST_TEXT_MS (INT64_C(253402300800) * 1000 - 1) /* 9999-12-31T23:59:59.999Z */

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

/* @width digits, and what follows them. */
static void
put_field(char **at, unsigned value, size_t width, char end)
{
    char digits[DM_DIGITS_MAX];
    size_t n = dm_text_digits(digits, value, width);

    memcpy(*at, digits, n);
    (*at)[n] = end;
    *at += n + 1;
}

const char *
dm_wall_text(int64_t wall_us, char text[DM_TIME_TEXT_MAX])
{
    int64_t ms = CLAMP(wall_us / 1000, 0, LAST_TEXT_MS);
    unsigned ms_of_day = (unsigned)(ms % MS_PER_DAY);
    char *at = text;
    GDate date;

    /* Not gmtime_r(): it takes a lock of the C library. */
    g_date_clear(&date, 1);
    g_date_set_julian(&date, JULIAN_1970 + (guint32)(ms / MS_PER_DAY));
    put_field(&at, g_date_get_year(&date), 4, '-');
    put_field(&at, g_date_get_month(&date), 2, '-');
    put_field(&at, g_date_get_day(&date), 2, 'T');
    put_field(&at, ms_of_day / 3600000, 2, ':');
    put_field(&at, ms_of_day / 60000 % 60, 2, ':');
    put_field(&at, ms_of_day / 1000 % 60, 2, '.');
    put_field(&at, ms_of_day % 1000, 3, 'Z');
    *at = '\0';
    return text;
}
