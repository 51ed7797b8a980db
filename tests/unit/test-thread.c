/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>

#include "gateway/base/log.h"
#include "gateway/base/ring.h"
#include "gateway/base/thread.h"

typedef struct {
    DmThreadRole role;
    bool signals_blocked;
} Seen;

static void
look_around(void *user_data)
{
    Seen *seen = user_data;
    sigset_t blocked;

    DM_RUNS_ON(DM_THREAD_STORE);
    seen->role = dm_thread_role();
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    seen->signals_blocked = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGHUP);
    dm_thread_beat();
}

static void
test_role_and_signals(void)
{
    g_autoptr(GError) error = NULL;
    Seen seen = {0};
    DmThread *thread =
        dm_thread_start(DM_THREAD_STORE, "a name longer than fifteen", look_around, &seen, &error);

    g_assert_no_error(error);
    dm_thread_join(thread);
    g_assert_cmpint(seen.role, ==, DM_THREAD_STORE);
    g_assert_true(seen.signals_blocked);
    g_assert_cmpint(dm_thread_role(), ==, DM_THREAD_NONE);
    DM_RUNS_ON(DM_THREAD_MEDIA); /* a thread without a role may run anything */
    dm_thread_beat();
    dm_thread_join(NULL);
}

static void
trespass(void *user_data)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
}

static void
test_wrong_role_is_a_bug(void)
{
    if (g_test_subprocess()) {
        dm_thread_join(dm_thread_start(DM_THREAD_MEDIA, "lost", trespass, NULL, NULL));
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*trespass runs on signal threads*called on a media thread*");
}

static void
beat_and_hang(void *user_data)
{
    dm_thread_beat();
    while (sem_wait(user_data) != 0) {
        /* interrupted by the watchdog's wish to see our stack */
    }
}

static void
test_watchdog_ends_a_stalled_process(void)
{
    sem_t never;

    g_test_summary("A thread that stops beating is named, all stacks are written, the process "
                   "ends");

    if (g_test_subprocess()) {
        sem_init(&never, 0, 0);
        g_assert_true(dm_watchdog_start(50, NULL));
        dm_thread_join(dm_thread_start(DM_THREAD_SIGNAL, "hanging", beat_and_hang, &never, NULL));
        return;
    }
    g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_DEFAULT);
    g_assert_false(g_test_trap_reached_timeout());
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*hanging has not moved for * ms*thread *:*test-thread*");
}

static void
hang_until_told(void *user_data)
{
    while (sem_wait(user_data) != 0) {
        /* interrupted */
    }
}

static void
test_watchdog_lets_others_be(void)
{
    sem_t done;
    DmThread *silent;
    DmThread *without_role;

    g_test_summary("A thread that never beat, or has no role, is not watched");

    sem_init(&done, 0, 0);
    silent = dm_thread_start(DM_THREAD_SIGNAL, "silent", hang_until_told, &done, NULL);
    without_role = dm_thread_start(DM_THREAD_NONE, "free", beat_and_hang, &done, NULL);
    g_assert_true(dm_watchdog_start(0, NULL));
    g_assert_true(dm_watchdog_start(2, NULL));
    /* Time for the watchdog to be wrong in; nothing to wait for when it is right. */
    g_usleep(50000);
    sem_post(&done);
    sem_post(&done);
    dm_thread_join(silent);
    dm_thread_join(without_role);
    dm_watchdog_stop();
    dm_watchdog_stop();
}

#define N_ITEMS 200000

static void
produce(void *user_data)
{
    DmRing *ring = user_data;

    for (uintptr_t i = 1; i <= N_ITEMS;) {
        if (dm_ring_push(ring, (void *)i)) {
            i++;
        } else {
            g_thread_yield();
        }
    }
}

static void
test_ring_between_threads(void)
{
    DmRing ring;
    DmThread *producer;

    dm_ring_init(&ring, 64);
    g_assert_null(dm_ring_pop(&ring));
    producer = dm_thread_start(DM_THREAD_SIGNAL, "producer", produce, &ring, NULL);
    for (uintptr_t expected = 1; expected <= N_ITEMS;) {
        void *item = dm_ring_pop(&ring);

        if (item == NULL) {
            g_thread_yield();
            continue;
        }
        g_assert_true((uintptr_t)item == expected);
        expected++;
    }
    dm_thread_join(producer);
    g_assert_null(dm_ring_pop(&ring));
    dm_ring_clear(&ring);
}

static void
test_ring_refuses_when_full(void)
{
    DmRing ring;
    int item;

    dm_ring_init(&ring, 2);
    g_assert_true(dm_ring_push(&ring, &item));
    g_assert_true(dm_ring_push(&ring, &item));
    g_assert_false(dm_ring_push(&ring, &item));
    g_assert_true(dm_ring_pop(&ring) == &item);
    g_assert_true(dm_ring_push(&ring, &item));
    dm_ring_clear(&ring);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread/role-and-signals", test_role_and_signals);
    g_test_add_func("/thread/wrong-role-is-a-bug", test_wrong_role_is_a_bug);
    g_test_add_func("/watchdog/ends-a-stalled-process", test_watchdog_ends_a_stalled_process);
    g_test_add_func("/watchdog/lets-others-be", test_watchdog_lets_others_be);
    g_test_add_func("/ring/between-threads", test_ring_between_threads);
    g_test_add_func("/ring/refuses-when-full", test_ring_refuses_when_full);
    return g_test_run();
}
