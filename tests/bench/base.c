/* SPDX-License-Identifier: Apache-2.0 */
/* What the foundation costs: timers, turns of the loop, messages, log lines. */
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/loop.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/random.h"
#include "gateway/base/thread.h"
#include "gateway/base/timer.h"

DM_LOG_TOPIC("bench");

#define N_TIMERS   100000
#define N_ROUNDS   20
#define N_MESSAGES 1000000
#define N_TRIPS    100000
#define N_LINES    10000

static int64_t
now_us(void)
{
    return dm_clock_mono_us(dm_clock_system());
}

static void
print_ns(const char *name, int64_t started_us, int64_t n)
{
    printf("%s %.1f ns\n", name, (double)(now_us() - started_us) * 1000 / (double)n);
}

static void
do_nothing(DmTimer *timer, void *user_data)
{
}

/* Among 100 000 armed timers of 0 to 32 s, as a busy gateway has them. */
static void
bench_timers(void)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    g_autofree DmTimer *timers = g_new0(DmTimer, N_TIMERS);
    g_autofree int64_t *delays = g_new(int64_t, N_TIMERS);
    DmTimerWheel *wheel = dm_timer_wheel_new(0);
    int64_t wheel_us = 0;
    int64_t started_us;

    for (int i = 0; i < N_TIMERS; i++) {
        delays[i] = dm_random_range(random, 0, 32000000);
    }
    started_us = now_us();
    for (int round = 0; round < N_ROUNDS; round++) {
        for (int i = 0; i < N_TIMERS; i++) {
            dm_timer_arm(wheel, &timers[i], delays[i], do_nothing, NULL);
        }
    }
    print_ns("timer_arm", started_us, (int64_t)N_TIMERS * N_ROUNDS);

    started_us = now_us();
    while (dm_timer_wheel_n_armed(wheel) > 0) {
        wheel_us += 1000;
        dm_timer_wheel_advance(wheel, wheel_us);
    }
    print_ns("timer_fire", started_us, N_TIMERS);
    dm_timer_wheel_free(wheel);
}

static void
bench_idle_turns(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    int64_t started_us = now_us();

    for (int i = 0; i < N_TRIPS; i++) {
        dm_loop_turn(loop, 0);
    }
    print_ns("loop_idle_turn", started_us, N_TRIPS);
}

typedef struct {
    DmLoop *loop;
    DmMailbox *mailbox; /* the other side's */
    DmMessage *messages;
    int left;
} Player;

static void
count_down(DmMessage *message, void *user_data)
{
    Player *player = user_data;

    if (--player->left == 0) {
        dm_loop_quit(player->loop);
    }
}

static void
post_all(void *user_data)
{
    Player *player = user_data;
    int64_t started_us = now_us();

    for (int i = 0; i < N_MESSAGES; i++) {
        dm_mailbox_post(player->mailbox, &player->messages[i]);
    }
    print_ns("mailbox_post", started_us, N_MESSAGES);
}

static void
bench_one_way(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    Player player = {.loop = loop, .left = N_MESSAGES};
    DmThread *sender;
    int64_t started_us = now_us();

    player.messages = g_new0(DmMessage, N_MESSAGES);
    player.mailbox = dm_mailbox_new(loop, count_down, NULL, &player);
    sender = dm_thread_start(DM_THREAD_MEDIA, "sender", post_all, &player, NULL);
    dm_loop_run(loop);
    print_ns("mailbox_post_and_deliver", started_us, N_MESSAGES);
    dm_thread_join(sender);
    dm_mailbox_free(player.mailbox);
    g_free(player.messages);
}

static void
return_ball(DmMessage *message, void *user_data)
{
    Player *player = user_data;

    count_down(message, user_data);
    dm_mailbox_post(player->mailbox, message);
}

static void
play(void *user_data)
{
    dm_loop_run(((Player *)user_data)->loop);
}

/* Both loops sleep between two messages: the cost of a wake-up. */
static void
bench_round_trip(void)
{
    Player a = {.loop = dm_loop_new(NULL), .left = N_TRIPS};
    Player b = {.loop = dm_loop_new(NULL), .left = N_TRIPS};
    DmMailbox *to_a = dm_mailbox_new(a.loop, return_ball, NULL, &a);
    DmMailbox *to_b = dm_mailbox_new(b.loop, return_ball, NULL, &b);
    DmMessage ball = {0};
    DmThread *thread;
    int64_t started_us = now_us();

    a.mailbox = to_b;
    b.mailbox = to_a;
    thread = dm_thread_start(DM_THREAD_MEDIA, "player", play, &b, NULL);
    dm_mailbox_post(to_a, &ball);
    dm_loop_run(a.loop);
    dm_thread_join(thread);
    print_ns("mailbox_wake_and_deliver", started_us, 2 * (int64_t)N_TRIPS);
    dm_mailbox_free(to_a);
    dm_mailbox_free(to_b);
    dm_loop_free(a.loop);
    dm_loop_free(b.loop);
}

static void
bench_log(void)
{
    DmLogContext context = {.call = "01KDVDNA000000000000000000", .leg = "a", .trunk = "carrier"};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int64_t started_us;

    dm_log_start(DM_LOG_LOGFMT, DM_LOG_INFO, fd, NULL);
    started_us = now_us();
    for (int i = 0; i < N_LINES; i++) {
        dm_info(&context, "trying target %d of %d at %s", i, N_LINES, dm_log_quote("sip:x@y", 7));
    }
    print_ns("log_line", started_us, N_LINES);
    dm_log_stop();
    close(fd);
}

int
main(void)
{
    bench_timers();
    bench_idle_turns();
    bench_one_way();
    bench_round_trip();
    bench_log();
    return 0;
}
