/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/timer.h"

/* One thread's event loop: descriptors by epoll, timers by a wheel, messages by mailboxes. A
 * virtual loop has the same timers and mailboxes and no descriptors: a simulation turns its clock
 * and runs what is due. Only dm_loop_quit() and dm_mailbox_post() may be called from another
 * thread. */
typedef struct DmLoop DmLoop;

/* On the system clock, with epoll. Error: DM_ERROR_IO. */
DmLoop *dm_loop_new(GError **error);
/* On @clock (not owned, outlives the loop), without descriptors. */
DmLoop *dm_loop_new_virtual(const DmClock *clock);
void dm_loop_free(DmLoop *loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmLoop, dm_loop_free)

const DmClock *dm_loop_clock(const DmLoop *loop);
/* Monotonic time as of this turn of the loop: cheap, and the same for everything in one turn.
 * Between turns it is the clock's. */
int64_t dm_loop_now_us(const DmLoop *loop);
/* Fires @delay_us from dm_loop_now_us(). */
void dm_loop_arm(DmLoop *loop, DmTimer *timer, int64_t delay_us, DmTimerFunc fire, void *user_data);
DmTimerWheel *dm_loop_wheel(DmLoop *loop);

/* Called with the EPOLL* bits that are ready. */
typedef void (*DmWatchFunc)(int fd, uint32_t events, void *user_data);
typedef struct DmWatch DmWatch;
/* Watches @fd (not owned) for EPOLL* @events (EPOLLET allowed). Real loops only. Error:
 * DM_ERROR_IO. */
DmWatch *dm_loop_watch(DmLoop *loop,
                       int fd,
                       uint32_t events,
                       DmWatchFunc func,
                       void *user_data,
                       GError **error);
bool dm_watch_set_events(DmWatch *watch, uint32_t events);
/* Safe inside any callback of the same loop, its own included: events already fetched for it are
 * dropped. */
void dm_watch_remove(DmWatch *watch);
/* The same for a descriptor that its owner closes before this turn ends: closing takes it out of
 * the kernel's set by itself. */
void dm_watch_forget(DmWatch *watch);

/* Runs @func once at the end of this turn (after all events and timers), in order of calling: where
 * batches of datagrams are flushed. */
typedef void (*DmDeferFunc)(void *user_data);
void dm_loop_defer(DmLoop *loop, DmDeferFunc func, void *user_data);
/* What was deferred with the same arguments and has not run does not run: for the destructor of
 * @user_data. */
void dm_loop_undefer(DmLoop *loop, DmDeferFunc func, void *user_data);

/* Turns until dm_loop_quit(). Calls dm_thread_beat() every turn (at least once a second). */
void dm_loop_run(DmLoop *loop);
/* Any thread. */
void dm_loop_quit(DmLoop *loop);
/* One turn: waits at most @max_wait_us (-1: until something happens) for events, then runs
 * messages, timers, deferred functions. On a virtual loop never waits. Returns whether anything
 * ran. */
bool dm_loop_turn(DmLoop *loop, int64_t max_wait_us);
/* As dm_timer_wheel_wait_us(), 0 when a message or deferred function is waiting. */
int64_t dm_loop_wait_us(const DmLoop *loop);

/* Worst lag seen since the last call: how late the loop was to a timer, microseconds. Any thread.
 */
int64_t dm_loop_take_lag_us(DmLoop *loop);
