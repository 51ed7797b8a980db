/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A hierarchical timer wheel: arm, disarm and fire in constant time, 1 ms ticks, any number of
 * timers. One thread owns a wheel and its timers. Timers due in the same tick fire in the order
 * they were armed. */
typedef struct DmTimerWheel DmTimerWheel;

typedef struct DmTimer DmTimer;
typedef void (*DmTimerFunc)(DmTimer *timer, void *user_data);

/* Embedded in what it times. All zero is a valid idle timer. Members belong to timer.c. */
struct DmTimer {
    DmTimer *prev, *next;
    int64_t due_tick;
    DmTimerFunc fire;
    void *user_data;
    DmTimerWheel *wheel; /* set while armed */
};

/* @now_us: monotonic time the wheel starts at. */
DmTimerWheel *dm_timer_wheel_new(int64_t now_us);
/* Timers still armed are disarmed, not fired. */
void dm_timer_wheel_free(DmTimerWheel *wheel);

/* Tells the wheel the time without firing anything: for a loop that handles its events before its
 * timers. */
void dm_timer_wheel_set_now(DmTimerWheel *wheel, int64_t now_us);

/* Fires once, at least @delay_us from the wheel's current time (rounded up to a tick, and never in
 * the tick that is being served: a timer that arms itself with no delay does not hold up the
 * others). Arming an armed timer moves it. A timer may arm itself or free its holder in @fire. */
void dm_timer_arm(DmTimerWheel *wheel,
                  DmTimer *timer,
                  int64_t delay_us,
                  DmTimerFunc fire,
                  void *user_data);
/* Idle timers are ignored. */
void dm_timer_disarm(DmTimer *timer);
bool dm_timer_is_armed(const DmTimer *timer);

/* Fires everything due up to @now_us; time never goes backward. Returns how many fired. */
size_t dm_timer_wheel_advance(DmTimerWheel *wheel, int64_t now_us);
/* Microseconds from @now_us until the next timer may be due (never later than it is, possibly
 * earlier: a cascade); -1 when none is armed. */
int64_t dm_timer_wheel_wait_us(const DmTimerWheel *wheel, int64_t now_us);
/* The same as a point in monotonic time; it lies in the past when the wheel is late. */
int64_t dm_timer_wheel_next_us(const DmTimerWheel *wheel);
size_t dm_timer_wheel_n_armed(const DmTimerWheel *wheel);
