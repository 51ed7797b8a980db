/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/arrival.h"

#include <glib.h>

#define SPAN_US (5 * G_USEC_PER_SEC)
/* A transit so much longer or shorter is a timestamp that was set anew. */
#define LEAP_US (500 * INT64_C(1000))
/* The delay goes down by this share of what is too much with each packet, and at least so much. */
#define FALL_SHARE 64
#define FALL_US    INT64_C(250)

#define NOBODY_LATE G_MININT64

void
dm_arrival_init(DmArrival *arrival, int64_t min_us, int64_t max_us)
{
    *arrival = (DmArrival){.min_us = MIN(min_us, max_us), .max_us = max_us};
}

/* Packets may come out of order: a timestamp lies before or after the last one. */
static int64_t
media_time(const DmArrival *arrival, uint32_t timestamp)
{
    int64_t ahead = (int32_t)(timestamp - arrival->timestamp);

    return arrival->media_us + ahead * G_USEC_PER_SEC / (int64_t)arrival->clock_hz;
}

bool
dm_arrival_leaps(const DmArrival *arrival, uint32_t timestamp, uint32_t clock_hz, int64_t now_us)
{
    if (!arrival->started || arrival->clock_hz != clock_hz) {
        return true;
    }
    return ABS(now_us - media_time(arrival, timestamp) - arrival->base_us) > LEAP_US;
}

void
dm_arrival_restart(DmArrival *arrival, uint32_t timestamp, uint32_t clock_hz, int64_t now_us)
{
    arrival->started = true;
    arrival->clock_hz = clock_hz;
    arrival->timestamp = timestamp;
    arrival->media_us = 0;
    arrival->base_us = arrival->line_us = now_us;
    arrival->span_us = now_us;
    for (unsigned i = 0; i < G_N_ELEMENTS(arrival->span); i++) {
        arrival->span[i].fastest_us = now_us;
        arrival->span[i].slowest_us = NOBODY_LATE;
    }
}

/* What is older than two spans is forgotten. */
static void
turn_span(DmArrival *arrival, int64_t transit_us, int64_t now_us)
{
    bool is_long_ago = now_us - arrival->span_us >= 2 * SPAN_US;

    if (now_us - arrival->span_us < SPAN_US) {
        return;
    }
    arrival->span_us = now_us;
    arrival->span[1] = arrival->span[0];
    arrival->span[0].fastest_us = transit_us;
    arrival->span[0].slowest_us = NOBODY_LATE;
    if (is_long_ago) {
        arrival->span[1] = arrival->span[0];
    }
}

/* A faster way: how late the others were is as it was, of less. Where there was no delay there is
 * none now. */
static void
lower_base(DmArrival *arrival, int64_t by_us)
{
    if (arrival->line_us <= arrival->base_us) {
        arrival->line_us = arrival->base_us - by_us;
    }
    arrival->base_us -= by_us;
    for (unsigned i = 0; i < G_N_ELEMENTS(arrival->span); i++) {
        if (arrival->span[i].slowest_us != NOBODY_LATE) {
            arrival->span[i].slowest_us -= by_us;
        }
    }
}

static void
note_transit(DmArrival *arrival, int64_t transit_us)
{
    arrival->span[0].fastest_us = MIN(arrival->span[0].fastest_us, transit_us);
    arrival->base_us =
        MAX(arrival->base_us, MIN(arrival->span[0].fastest_us, arrival->span[1].fastest_us));
    if (transit_us < arrival->base_us) {
        lower_base(arrival, arrival->base_us - transit_us);
    } else if (transit_us > arrival->base_us + DM_ARRIVAL_TOLERANCE_US) {
        arrival->span[0].slowest_us = MAX(arrival->span[0].slowest_us, transit_us);
    }
}

/* Above the base; 0: nobody was late. */
static int64_t
slowest_us(const DmArrival *arrival)
{
    int64_t transit_us = MAX(arrival->span[0].slowest_us, arrival->span[1].slowest_us);

    return transit_us == NOBODY_LATE ? 0 : MAX(transit_us - arrival->base_us, 0);
}

int64_t
dm_arrival_patience_us(const DmArrival *arrival)
{
    return CLAMP(slowest_us(arrival), arrival->min_us, arrival->max_us);
}

static int64_t
wanted_delay_us(const DmArrival *arrival)
{
    return slowest_us(arrival) <= DM_ARRIVAL_TOLERANCE_US ? 0 : dm_arrival_patience_us(arrival);
}

static void
adapt(DmArrival *arrival, bool is_silent)
{
    int64_t wanted_us = arrival->base_us + wanted_delay_us(arrival);
    int64_t above_us = arrival->line_us - wanted_us;

    if (above_us <= 0 || is_silent) {
        arrival->line_us = wanted_us;
    } else {
        arrival->line_us -= MIN(above_us, MAX(above_us / FALL_SHARE, FALL_US));
    }
    arrival->line_us = MIN(arrival->line_us, arrival->base_us + arrival->max_us);
}

int64_t
dm_arrival_note(DmArrival *arrival, uint32_t timestamp, bool is_silent, int64_t now_us)
{
    int64_t media_us = media_time(arrival, timestamp);
    int64_t transit_us = now_us - media_us;

    turn_span(arrival, transit_us, now_us);
    note_transit(arrival, transit_us);
    adapt(arrival, is_silent);
    arrival->media_us = media_us;
    arrival->timestamp = timestamp;
    return media_us;
}
