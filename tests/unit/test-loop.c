/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/loop.h"
#include "gateway/base/thread.h"

static void
note_fired(DmTimer *timer, void *user_data)
{
    g_string_append_c(user_data, 't');
}

static void
note_deferred(void *user_data)
{
    g_string_append_c(user_data, 'd');
}

static void
test_virtual_time(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    g_autoptr(GString) log = g_string_new(NULL);
    DmTimer timer = {0};

    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    dm_loop_arm(loop, &timer, 32000000, note_fired, log);
    dm_fake_clock_advance(&fake, 31999999);
    g_assert_false(dm_loop_turn(loop, -1));
    /* The step that would break a timer on the wall clock. */
    dm_fake_clock_step_wall(&fake, -INT64_C(3600) * 1000000);
    dm_fake_clock_advance(&fake, 1);
    g_assert_cmpint(dm_loop_wait_us(loop), ==, 0);
    g_assert_true(dm_loop_turn(loop, -1));
    g_assert_cmpstr(log->str, ==, "t");
    g_assert_cmpint(dm_loop_wait_us(loop), ==, -1);
    g_assert_cmpint(dm_loop_now_us(loop), ==, fake.mono_now_us);
}

static void
test_delay_armed_between_turns_counts_from_then(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    g_autoptr(GString) log = g_string_new(NULL);
    DmTimer timer = {0};

    g_test_summary("A loop that is set up slowly, or driven from outside, does not fire early");

    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    dm_fake_clock_advance(&fake, 2000000);
    dm_loop_arm(loop, &timer, 1000000, note_fired, log);
    dm_fake_clock_advance(&fake, 999999);
    dm_loop_turn(loop, 0);
    g_assert_cmpstr(log->str, ==, "");
    dm_fake_clock_advance(&fake, 1);
    dm_loop_turn(loop, 0);
    g_assert_cmpstr(log->str, ==, "t");
}

static void
test_lag(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    g_autoptr(GString) log = g_string_new(NULL);
    DmTimer timer = {0};

    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    dm_loop_arm(loop, &timer, 10000, note_fired, log);
    dm_fake_clock_advance(&fake, 25000);
    dm_loop_turn(loop, 0);
    g_assert_cmpint(dm_loop_take_lag_us(loop), ==, 15000);
    g_assert_cmpint(dm_loop_take_lag_us(loop), ==, 0);
}

typedef struct {
    DmLoop *loop;
    GString *log;
} DeferChain;

static void
defer_again(void *user_data)
{
    DeferChain *chain = user_data;

    g_string_append_c(chain->log, 'D');
    dm_loop_defer(chain->loop, note_deferred, chain->log);
}

static void
test_deferred_run_after_timers(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    g_autoptr(GString) log = g_string_new(NULL);
    DmTimer timer = {0};
    DeferChain chain;

    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    chain = (DeferChain){loop, log};
    dm_loop_arm(loop, &timer, 1000, note_fired, log);
    dm_loop_defer(loop, defer_again, &chain);
    dm_loop_defer(loop, note_deferred, log);
    dm_fake_clock_advance(&fake, 1000);
    dm_loop_turn(loop, 0);
    g_assert_cmpstr(log->str, ==, "tDd");
    g_assert_cmpint(dm_loop_wait_us(loop), ==, 0);
    dm_loop_turn(loop, 0);
    g_assert_cmpstr(log->str, ==, "tDdd");
}

static void
undefer_other(void *user_data)
{
    DeferChain *chain = user_data;

    g_string_append_c(chain->log, 'U');
    dm_loop_undefer(chain->loop, note_deferred, chain->log);
}

static void
test_undeferred_does_not_run(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    g_autoptr(GString) log = g_string_new(NULL);
    DeferChain chain;

    g_test_summary("What is undeferred does not run, be it for later or next in this turn");
    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    chain = (DeferChain){loop, log};
    dm_loop_defer(loop, note_deferred, log);
    dm_loop_undefer(loop, note_deferred, log);
    dm_loop_defer(loop, undefer_other, &chain);
    dm_loop_defer(loop, note_deferred, log);
    dm_loop_turn(loop, 0);
    g_assert_cmpstr(log->str, ==, "U");
}

typedef struct {
    int fds[2];
    DmWatch *watch;
    DmWatch *victim; /* removed when this one speaks */
    int n_calls;
} Side;

static void
on_readable(int fd, uint32_t events, void *user_data)
{
    Side *side = user_data;
    char byte;

    g_assert_cmpuint(events & EPOLLIN, !=, 0);
    g_assert_cmpint(read(fd, &byte, 1), ==, 1);
    side->n_calls++;
    g_clear_pointer(&side->victim, dm_watch_remove);
}

static void
open_side(Side *side, DmLoop *loop)
{
    g_autoptr(GError) error = NULL;

    *side = (Side){0};
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, side->fds), ==, 0);
    side->watch = dm_loop_watch(loop, side->fds[0], EPOLLIN, on_readable, side, &error);
    g_assert_no_error(error);
}

static void
close_side(Side *side)
{
    close(side->fds[0]);
    close(side->fds[1]);
}

static void
test_watch_and_remove(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    Side side;

    open_side(&side, loop);
    g_assert_cmpint(write(side.fds[1], "ab", 2), ==, 2);
    g_assert_true(dm_loop_turn(loop, -1));
    g_assert_cmpint(side.n_calls, ==, 1);
    g_assert_true(dm_watch_set_events(side.watch, 0));
    g_assert_false(dm_loop_turn(loop, 0));
    g_assert_true(dm_watch_set_events(side.watch, EPOLLIN));
    side.victim = side.watch;
    g_assert_true(dm_loop_turn(loop, -1));
    g_assert_cmpint(write(side.fds[1], "c", 1), ==, 1);
    g_assert_false(dm_loop_turn(loop, 0));
    g_assert_cmpint(side.n_calls, ==, 2);
    close_side(&side);
}

static void
test_removed_watch_hears_nothing_fetched_before(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    Side a;
    Side b;

    g_test_summary("Of two watches that are ready at once and remove each other, one is called");

    open_side(&a, loop);
    open_side(&b, loop);
    a.victim = b.watch;
    b.victim = a.watch;
    g_assert_cmpint(write(a.fds[1], "a", 1), ==, 1);
    g_assert_cmpint(write(b.fds[1], "b", 1), ==, 1);
    dm_loop_turn(loop, -1);
    dm_loop_turn(loop, 0);
    g_assert_cmpint(a.n_calls + b.n_calls, ==, 1);
    dm_watch_remove(a.n_calls > 0 ? a.watch : b.watch);
    close_side(&a);
    close_side(&b);
}

static void
test_watch_refuses_a_bad_descriptor(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(dm_loop_watch(loop, -1, EPOLLIN, on_readable, NULL, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
}

typedef struct {
    DmLoop *loop;
    int64_t armed_us, fired_us;
} Once;

static void
fire_and_quit(DmTimer *timer, void *user_data)
{
    Once *once = user_data;

    once->fired_us = dm_loop_now_us(once->loop);
    dm_loop_quit(once->loop);
}

static void
test_real_timer_is_never_early(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    Once once = {.loop = loop};
    DmTimer timer = {0};

    once.armed_us = dm_loop_now_us(loop);
    dm_loop_arm(loop, &timer, 20000, fire_and_quit, &once);
    dm_loop_run(loop);
    g_assert_cmpint(once.fired_us - once.armed_us, >=, 20000);
}

static void
run_loop(void *user_data)
{
    dm_loop_run(user_data);
}

static void
test_quit_from_another_thread(void)
{
    for (int i = 0; i < 200; i++) {
        g_autoptr(DmLoop) loop = dm_loop_new(NULL);
        DmThread *thread = dm_thread_start(DM_THREAD_SIGNAL, "loop", run_loop, loop, NULL);

        dm_loop_quit(loop);
        dm_thread_join(thread);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/virtual-time", test_virtual_time);
    g_test_add_func("/loop/delay-armed-between-turns-counts-from-then",
                    test_delay_armed_between_turns_counts_from_then);
    g_test_add_func("/loop/lag", test_lag);
    g_test_add_func("/loop/deferred-run-after-timers", test_deferred_run_after_timers);
    g_test_add_func("/loop/undeferred-does-not-run", test_undeferred_does_not_run);
    g_test_add_func("/loop/watch-and-remove", test_watch_and_remove);
    g_test_add_func("/loop/removed-watch-hears-nothing-fetched-before",
                    test_removed_watch_hears_nothing_fetched_before);
    g_test_add_func("/loop/watch-refuses-a-bad-descriptor", test_watch_refuses_a_bad_descriptor);
    g_test_add_func("/loop/real-timer-is-never-early", test_real_timer_is_never_early);
    g_test_add_func("/loop/quit-from-another-thread", test_quit_from_another_thread);
    return g_test_run();
}
