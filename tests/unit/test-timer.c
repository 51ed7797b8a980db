/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "gateway/base/timer.h"

#define MS 1000

typedef struct {
    DmTimerWheel *wheel;
    GString *fired; /* the letters of those that fired, in order */
} Fixture;

typedef struct {
    DmTimer timer;
    Fixture *fixture;
    char letter;
    DmTimer *victim;   /* disarmed on firing */
    int64_t repeat_us; /* armed again on firing, when positive */
} Lettered;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->wheel = dm_timer_wheel_new(5000 * MS);
    f->fired = g_string_new(NULL);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    dm_timer_wheel_free(f->wheel);
    g_string_free(f->fired, TRUE);
}

static void
on_fire(DmTimer *timer, void *user_data)
{
    Lettered *l = user_data;

    g_assert_true(timer == &l->timer);
    g_assert_false(dm_timer_is_armed(timer));
    g_string_append_c(l->fixture->fired, l->letter);
    if (l->victim != NULL) {
        dm_timer_disarm(l->victim);
    }
    if (l->repeat_us > 0) {
        dm_timer_arm(l->fixture->wheel, timer, l->repeat_us, on_fire, l);
    }
}

static void
arm(Fixture *f, Lettered *l, char letter, int64_t delay_us)
{
    l->fixture = f;
    l->letter = letter;
    dm_timer_arm(f->wheel, &l->timer, delay_us, on_fire, l);
}

static void
test_fires_not_early(Fixture *f, gconstpointer data)
{
    Lettered a = {0};

    arm(f, &a, 'a', 1500);
    g_assert_cmpuint(dm_timer_wheel_advance(f->wheel, 5001999), ==, 0);
    g_assert_cmpuint(dm_timer_wheel_advance(f->wheel, 5002000), ==, 1);
    g_assert_cmpstr(f->fired->str, ==, "a");
    g_assert_cmpuint(dm_timer_wheel_n_armed(f->wheel), ==, 0);
}

static void
test_same_tick_keeps_order(Fixture *f, gconstpointer data)
{
    Lettered t[4] = {0};

    g_test_summary(
        "Timers due in one tick fire in the order of arming, however far ahead each was armed");

    arm(f, &t[0], 'a', 5000 * MS);
    dm_timer_wheel_advance(f->wheel, 5000 * MS + 4000 * MS);
    arm(f, &t[1], 'b', 1000 * MS);
    dm_timer_wheel_advance(f->wheel, 5000 * MS + 4990 * MS);
    arm(f, &t[2], 'c', 10 * MS);
    dm_timer_wheel_advance(f->wheel, 5000 * MS + 4999 * MS);
    arm(f, &t[3], 'd', 1 * MS);
    dm_timer_wheel_advance(f->wheel, 5000 * MS + 5000 * MS);
    g_assert_cmpstr(f->fired->str, ==, "abcd");
}

static void
test_disarm_inside_fire(Fixture *f, gconstpointer data)
{
    Lettered a = {0};
    Lettered b = {0};
    Lettered c = {0};

    arm(f, &a, 'a', 10 * MS);
    arm(f, &b, 'b', 10 * MS);
    arm(f, &c, 'c', 10 * MS);
    a.victim = &b.timer;
    dm_timer_wheel_advance(f->wheel, 5010 * MS);
    g_assert_cmpstr(f->fired->str, ==, "ac");
}

static void
test_rearm_moves(Fixture *f, gconstpointer data)
{
    Lettered a = {0};

    arm(f, &a, 'a', 10 * MS);
    arm(f, &a, 'a', 30 * MS);
    g_assert_cmpuint(dm_timer_wheel_n_armed(f->wheel), ==, 1);
    dm_timer_wheel_advance(f->wheel, 5029 * MS);
    g_assert_cmpstr(f->fired->str, ==, "");
    dm_timer_wheel_advance(f->wheel, 5030 * MS);
    g_assert_cmpstr(f->fired->str, ==, "a");
    dm_timer_disarm(&a.timer);
}

static void
test_rearm_in_fire_does_not_starve(Fixture *f, gconstpointer data)
{
    Lettered a = {.repeat_us = 1};

    g_test_summary("A timer that arms itself at once fires once per advance");

    arm(f, &a, 'a', 0);
    dm_timer_wheel_advance(f->wheel, 5100 * MS);
    dm_timer_wheel_advance(f->wheel, 5100 * MS);
    g_assert_cmpstr(f->fired->str, ==, "a");
    dm_timer_wheel_advance(f->wheel, 5101 * MS);
    g_assert_cmpstr(f->fired->str, ==, "aa");
    dm_timer_disarm(&a.timer);
}

static void
free_holder(DmTimer *timer, void *user_data)
{
    g_free(user_data);
}

static void
test_holder_freed_in_fire(Fixture *f, gconstpointer data)
{
    Lettered *l = g_new0(Lettered, 1);

    dm_timer_arm(f->wheel, &l->timer, 0, free_holder, l);
    g_assert_cmpuint(dm_timer_wheel_advance(f->wheel, 5001 * MS), ==, 1);
}

static void
test_free_disarms(void)
{
    DmTimerWheel *wheel = dm_timer_wheel_new(0);
    DmTimer near = {0};
    DmTimer far = {0};

    dm_timer_arm(wheel, &near, 1 * MS, free_holder, NULL);
    dm_timer_arm(wheel, &far, INT64_MAX, free_holder, NULL);
    dm_timer_wheel_free(wheel);
    g_assert_false(dm_timer_is_armed(&near));
    g_assert_false(dm_timer_is_armed(&far));
}

static void
test_time_never_goes_back(Fixture *f, gconstpointer data)
{
    Lettered a = {0};

    dm_timer_wheel_advance(f->wheel, 6000 * MS);
    dm_timer_wheel_advance(f->wheel, 1 * MS);
    arm(f, &a, 'a', 10 * MS);
    dm_timer_wheel_advance(f->wheel, 6009 * MS);
    g_assert_cmpstr(f->fired->str, ==, "");
    dm_timer_wheel_advance(f->wheel, 6010 * MS);
    g_assert_cmpstr(f->fired->str, ==, "a");
}

static void
test_set_now_counts_from_the_event(Fixture *f, gconstpointer data)
{
    Lettered a = {0};
    Lettered b = {0};

    g_test_summary("A delay armed while handling events counts from the time of the events");

    arm(f, &b, 'b', 700 * MS);
    dm_timer_wheel_set_now(f->wheel, 6000 * MS);
    arm(f, &a, 'a', 500 * MS);
    dm_timer_wheel_advance(f->wheel, 6000 * MS);
    g_assert_cmpstr(f->fired->str, ==, "b");
    dm_timer_wheel_advance(f->wheel, 6500 * MS);
    g_assert_cmpstr(f->fired->str, ==, "ba");
}

static void
test_wait(Fixture *f, gconstpointer data)
{
    Lettered a = {0};
    Lettered b = {0};

    g_assert_cmpint(dm_timer_wheel_wait_us(f->wheel, 5000 * MS), ==, -1);
    arm(f, &b, 'b', 40 * MS);
    arm(f, &a, 'a', 20 * MS);
    g_assert_cmpint(dm_timer_wheel_wait_us(f->wheel, 5000 * MS), ==, 20 * MS);
    g_assert_cmpint(dm_timer_wheel_wait_us(f->wheel, 5019 * MS + 999), ==, 1);
    g_assert_cmpint(dm_timer_wheel_wait_us(f->wheel, 9000 * MS), ==, 0);
    g_assert_cmpint(dm_timer_wheel_next_us(f->wheel), ==, 5020 * MS);
    dm_timer_disarm(&a.timer);
    dm_timer_disarm(&b.timer);
}

static void
test_sleeping_until_told_is_exact(void)
{
    static const int64_t delays_ms[] =
        {1, 63, 64, 65, 500, 4095, 4096, 4097, 32000, 180000, 86400000};

    g_test_summary("Waking whenever the wheel says so fires every timer in its own millisecond, "
                   "after few wake-ups");

    for (size_t i = 0; i < G_N_ELEMENTS(delays_ms); i++) {
        DmTimerWheel *wheel = dm_timer_wheel_new(777);
        DmTimer timer = {0};
        int64_t now_us = 777 + 123;
        int n_wakes = 0;

        dm_timer_wheel_advance(wheel, now_us);
        dm_timer_arm(wheel, &timer, delays_ms[i] * MS, free_holder, NULL);
        while (dm_timer_is_armed(&timer)) {
            now_us += dm_timer_wheel_wait_us(wheel, now_us);
            dm_timer_wheel_advance(wheel, now_us);
            n_wakes++;
        }
        g_assert_cmpint(now_us - 900, >=, delays_ms[i] * MS);
        g_assert_cmpint(now_us - 900, <, delays_ms[i] * MS + 1 * MS);
        g_assert_cmpint(n_wakes, <=, 6);
        dm_timer_wheel_free(wheel);
    }
}

/* What the wheel should do, done the slow and obvious way. */
typedef struct {
    DmTimer timer;
    int64_t due_ms; /* relative; -1 when idle */
    int64_t *clock_ms;
    size_t *n_fired;
} Modelled;

static void
check_due(DmTimer *timer, void *user_data)
{
    Modelled *m = user_data;

    g_assert_cmpint(m->due_ms, >=, 0);
    g_assert_cmpint(m->due_ms, <=, *m->clock_ms);
    m->due_ms = -1;
    (*m->n_fired)++;
}

static void
test_hundred_thousand(void)
{
    enum { N = 100000 };
    g_autofree Modelled *all = g_new0(Modelled, N);
    DmTimerWheel *wheel = dm_timer_wheel_new(0);
    guint32 seed = (guint32)g_test_rand_int();
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    int64_t clock_ms = 0;
    size_t n_fired = 0;
    size_t n_disarmed = 0;

    g_test_summary("100 000 timers, armed, moved and disarmed at random, fire exactly when due");
    g_test_message("seed %u", seed);

    for (int i = 0; i < N; i++) {
        all[i] = (Modelled){.due_ms = g_rand_int_range(rand, 1, 200000),
                            .clock_ms = &clock_ms,
                            .n_fired = &n_fired};
        dm_timer_arm(wheel, &all[i].timer, all[i].due_ms * MS, check_due, &all[i]);
    }
    g_assert_cmpuint(dm_timer_wheel_n_armed(wheel), ==, N);
    while (clock_ms < 200000) {
        Modelled *m = &all[g_rand_int_range(rand, 0, N)];

        if (dm_timer_is_armed(&m->timer) && g_rand_boolean(rand)) {
            dm_timer_disarm(&m->timer);
            m->due_ms = -1;
            n_disarmed++;
        }
        clock_ms += g_rand_int_range(rand, 1, 100);
        dm_timer_wheel_advance(wheel, clock_ms * MS);
    }
    for (int i = 0; i < N; i++) {
        g_assert_cmpint(all[i].due_ms, ==, -1);
    }
    g_assert_cmpuint(n_fired + n_disarmed, ==, N);
    g_assert_cmpuint(dm_timer_wheel_n_armed(wheel), ==, 0);
    dm_timer_wheel_free(wheel);
}

static void
add(const char *path, void (*func)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, func, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/timer/fires-not-early", test_fires_not_early);
    add("/timer/same-tick-keeps-order", test_same_tick_keeps_order);
    add("/timer/disarm-inside-fire", test_disarm_inside_fire);
    add("/timer/rearm-moves", test_rearm_moves);
    add("/timer/rearm-in-fire-does-not-starve", test_rearm_in_fire_does_not_starve);
    add("/timer/holder-freed-in-fire", test_holder_freed_in_fire);
    add("/timer/time-never-goes-back", test_time_never_goes_back);
    add("/timer/set-now-counts-from-the-event", test_set_now_counts_from_the_event);
    add("/timer/wait", test_wait);
    g_test_add_func("/timer/free-disarms", test_free_disarms);
    g_test_add_func("/timer/sleeping-until-told-is-exact", test_sleeping_until_told_is_exact);
    g_test_add_func("/timer/hundred-thousand", test_hundred_thousand);
    return g_test_run();
}
