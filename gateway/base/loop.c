/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/loop-priv.h"
#include "gateway/base/thread.h"

#define MAX_EVENTS  256
#define MAX_WAIT_US 1000000 /* in dm_loop_run(): the watchdog wants a sign of life */

struct DmWatch {
    DmLoop *loop;
    int fd;
    DmWatchFunc func; /* NULL once removed */
    void *user_data;
};

typedef struct {
    DmDeferFunc func;
    void *user_data;
} Deferred;

struct DmLoop {
    /* set when made */
    const DmClock *clock; /* not owned */
    int epoll_fd;         /* -1: a virtual loop */
    int wake_fd;

    /* the loop's thread */
    bool turning;
    int64_t now_us; /* of this turn, or of the last */
    DmTimerWheel *wheel;
    DmLoopSource *sources;
    DmLoopSource *next_source; /* to run in this turn */
    GArray *deferred;          /* of Deferred */
    GArray *deferring;         /* those being run */
    GPtrArray *removed;        /* watches removed in this turn */

    /* any thread */
    _Atomic bool sleeping;
    _Atomic bool quitting;
    _Atomic int64_t lag_us;
};

static DmLoop *
loop_new(const DmClock *clock)
{
    DmLoop *loop = g_new0(DmLoop, 1);

    loop->clock = clock;
    loop->epoll_fd = -1;
    loop->wake_fd = -1;
    loop->now_us = dm_clock_mono_us(clock);
    loop->wheel = dm_timer_wheel_new(loop->now_us);
    loop->deferred = g_array_new(FALSE, FALSE, sizeof(Deferred));
    loop->deferring = g_array_new(FALSE, FALSE, sizeof(Deferred));
    loop->removed = g_ptr_array_new_with_free_func(g_free);
    return loop;
}

static bool
open_descriptors(DmLoop *loop, GError **error)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0) {
        dm_error_set_errno(error, errno, "event loop");
        return false;
    }
    return true;
}

DmLoop *
dm_loop_new(GError **error)
{
    g_autoptr(DmLoop) loop = loop_new(dm_clock_system());

    if (!open_descriptors(loop, error)) {
        return NULL;
    }
    return g_steal_pointer(&loop);
}

DmLoop *
dm_loop_new_virtual(const DmClock *clock)
{
    return loop_new(clock);
}

void
dm_loop_free(DmLoop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    dm_timer_wheel_free(loop->wheel);
    g_array_unref(loop->deferred);
    g_array_unref(loop->deferring);
    g_ptr_array_unref(loop->removed);
    g_free(loop);
}

const DmClock *
dm_loop_clock(const DmLoop *loop)
{
    return loop->clock;
}

int64_t
dm_loop_now_us(const DmLoop *loop)
{
    return loop->turning ? loop->now_us : MAX(loop->now_us, dm_clock_mono_us(loop->clock));
}

void
dm_loop_arm(DmLoop *loop, DmTimer *timer, int64_t delay_us, DmTimerFunc fire, void *user_data)
{
    dm_timer_wheel_set_now(loop->wheel, dm_loop_now_us(loop));
    dm_timer_arm(loop->wheel, timer, delay_us, fire, user_data);
}

DmTimerWheel *
dm_loop_wheel(DmLoop *loop)
{
    return loop->wheel;
}

DmWatch *
dm_loop_watch(DmLoop *loop,
              int fd,
              uint32_t events,
              DmWatchFunc func,
              void *user_data,
              GError **error)
{
    g_autofree DmWatch *watch = g_new0(DmWatch, 1);
    struct epoll_event event = {.events = events, .data.ptr = watch};

    g_return_val_if_fail(loop->epoll_fd >= 0 && func != NULL, NULL);

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        dm_error_set_errno(error, errno, "watching a descriptor");
        return NULL;
    }
    watch->loop = loop;
    watch->fd = fd;
    watch->func = func;
    watch->user_data = user_data;
    return g_steal_pointer(&watch);
}

bool
dm_watch_set_events(DmWatch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0;
}

void
dm_watch_remove(DmWatch *watch)
{
    if (watch == NULL || watch->func == NULL) {
        return;
    }
    /* Fails when the descriptor was closed before, which has removed it already. */
    epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    dm_watch_forget(watch);
}

void
dm_watch_forget(DmWatch *watch)
{
    if (watch == NULL || watch->func == NULL) {
        return;
    }
    watch->func = NULL;
    /* An event for it may have been fetched and not yet looked at. */
    g_ptr_array_add(watch->loop->removed, watch);
}

void
dm_loop_defer(DmLoop *loop, DmDeferFunc func, void *user_data)
{
    Deferred deferred = {func, user_data};

    g_array_append_val(loop->deferred, deferred);
}

static void
forget_deferred(GArray *deferred, DmDeferFunc func, const void *user_data)
{
    for (guint i = 0; i < deferred->len; i++) {
        Deferred *d = &g_array_index(deferred, Deferred, i);

        if (d->func == func && d->user_data == user_data) {
            d->func = NULL;
        }
    }
}

void
dm_loop_undefer(DmLoop *loop, DmDeferFunc func, void *user_data)
{
    forget_deferred(loop->deferred, func, user_data);
    forget_deferred(loop->deferring, func, user_data);
}

void
dm_loop_add_source(DmLoop *loop, DmLoopSource *source)
{
    source->prev = NULL;
    source->next = loop->sources;
    if (loop->sources != NULL) {
        loop->sources->prev = source;
    }
    loop->sources = source;
}

void
dm_loop_remove_source(DmLoop *loop, DmLoopSource *source)
{
    if (loop->next_source == source) {
        loop->next_source = source->next;
    }
    if (source->next != NULL) {
        source->next->prev = source->prev;
    }
    if (source->prev != NULL) {
        source->prev->next = source->next;
    } else {
        loop->sources = source->next;
    }
}

void
dm_loop_wake(DmLoop *loop)
{
    uint64_t one = 1;

    if (atomic_load(&loop->sleeping) && atomic_exchange(&loop->sleeping, false)) {
        /* Can only fail when the counter is full, and then the loop is awake. */
        (void)!write(loop->wake_fd, &one, sizeof one);
    }
}

static bool
any_source_ready(const DmLoop *loop)
{
    for (DmLoopSource *source = loop->sources; source != NULL; source = source->next) {
        if (source->is_ready(source)) {
            return true;
        }
    }
    return false;
}

static bool
run_sources(DmLoop *loop)
{
    bool ran = false;
    DmLoopSource *source;

    for (source = loop->sources; source != NULL; source = loop->next_source) {
        loop->next_source = source->next;
        if (source->is_ready(source)) {
            source->run(source);
            ran = true;
        }
    }
    return ran;
}

static bool
run_timers(DmLoop *loop)
{
    int64_t due_us = dm_timer_wheel_next_us(loop->wheel);
    int64_t lag_us = due_us >= 0 ? loop->now_us - due_us : 0;

    if (lag_us > atomic_load_explicit(&loop->lag_us, memory_order_relaxed)) {
        atomic_store_explicit(&loop->lag_us, lag_us, memory_order_relaxed);
    }
    return dm_timer_wheel_advance(loop->wheel, loop->now_us) > 0;
}

/* What a deferred function defers waits for the next turn, which comes at once. */
static bool
run_deferred(DmLoop *loop)
{
    GArray *deferring = loop->deferred;

    if (deferring->len == 0) {
        return false;
    }
    loop->deferred = loop->deferring;
    loop->deferring = deferring;
    for (guint i = 0; i < deferring->len; i++) {
        Deferred deferred = g_array_index(deferring, Deferred, i);

        if (deferred.func != NULL) {
            deferred.func(deferred.user_data);
        }
    }
    g_array_set_size(deferring, 0);
    return true;
}

static bool
dispatch(DmLoop *loop, const struct epoll_event *event)
{
    DmWatch *watch = event->data.ptr;
    uint64_t wakes;

    if (watch == NULL) {
        (void)!read(loop->wake_fd, &wakes, sizeof wakes);
        return false;
    }
    if (watch->func == NULL) {
        return false;
    }
    watch->func(watch->fd, event->events, watch->user_data);
    return true;
}

/* To the microsecond where the kernel can (5.11), or else to the next millisecond: valgrind and the
 * seccomp filters of older containers do not know the call. */
static int
poll_events(const DmLoop *loop, struct epoll_event *events, int64_t wait_us)
{
    struct timespec timeout = {wait_us / 1000000, wait_us % 1000000 * 1000};
    int n = epoll_pwait2(loop->epoll_fd, events, MAX_EVENTS, wait_us < 0 ? NULL : &timeout, NULL);

    if (n < 0 && errno != EINTR) {
        int wait_ms = wait_us < 0 ? -1 : (int)MIN((wait_us + 999) / 1000, INT_MAX);

        n = epoll_wait(loop->epoll_fd, events, MAX_EVENTS, wait_ms);
    }
    return n;
}

static int
wait_for_events(DmLoop *loop, struct epoll_event *events, int64_t wait_us)
{
    int n;

    if (wait_us != 0) {
        atomic_store(&loop->sleeping, true);
        /* Whoever posts from here on sees us sleeping; what was posted before, we see. */
        if (any_source_ready(loop) || atomic_load(&loop->quitting)) {
            wait_us = 0;
        }
    }
    n = poll_events(loop, events, wait_us);
    atomic_store_explicit(&loop->sleeping, false, memory_order_relaxed);
    return n;
}

static int64_t
shorter_wait_us(int64_t a, int64_t b)
{
    if (a < 0 || b < 0) {
        return MAX(a, b);
    }
    return MIN(a, b);
}

int64_t
dm_loop_wait_us(const DmLoop *loop)
{
    if (loop->deferred->len > 0 || any_source_ready(loop)) {
        return 0;
    }
    return dm_timer_wheel_wait_us(loop->wheel, dm_clock_mono_us(loop->clock));
}

bool
dm_loop_turn(DmLoop *loop, int64_t max_wait_us)
{
    struct epoll_event events[MAX_EVENTS];
    int n_events = 0;
    bool ran = false;

    if (loop->epoll_fd >= 0) {
        int64_t wait_us = shorter_wait_us(max_wait_us, dm_loop_wait_us(loop));

        n_events = wait_for_events(loop, events, wait_us);
    }
    loop->now_us = dm_loop_now_us(loop);
    loop->turning = true;
    dm_timer_wheel_set_now(loop->wheel, loop->now_us);
    dm_thread_beat();

    for (int i = 0; i < n_events; i++) {
        ran |= dispatch(loop, &events[i]);
    }
    ran |= run_sources(loop);
    ran |= run_timers(loop);
    ran |= run_deferred(loop);
    g_ptr_array_set_size(loop->removed, 0);
    loop->turning = false;
    return ran;
}

void
dm_loop_run(DmLoop *loop)
{
    while (!atomic_exchange(&loop->quitting, false)) {
        dm_loop_turn(loop, MAX_WAIT_US);
    }
}

void
dm_loop_quit(DmLoop *loop)
{
    atomic_store(&loop->quitting, true);
    dm_loop_wake(loop);
}

int64_t
dm_loop_take_lag_us(DmLoop *loop)
{
    return atomic_exchange_explicit(&loop->lag_us, 0, memory_order_relaxed);
}
