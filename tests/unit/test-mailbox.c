/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "gateway/base/mailbox.h"
#include "gateway/base/thread.h"

#define N_SENDERS  4
#define N_MESSAGES 20000

typedef struct {
    DmMessage head;
    int sender;
    int number;
} Note;

static Note *
note(int sender, int number)
{
    Note *n = g_new0(Note, 1);

    n->sender = sender;
    n->number = number;
    return n;
}

static void
drop(DmMessage *message)
{
    g_free(message);
}

typedef struct {
    DmLoop *loop;
    DmMailbox *mailbox;
    int next[N_SENDERS];
    int n_received;
    int quit_after;
} Receiver;

static void
receive(DmMessage *message, void *user_data)
{
    g_autofree Note *n = (Note *)message;
    Receiver *receiver = user_data;

    g_assert_cmpint(n->number, ==, receiver->next[n->sender]++);
    if (++receiver->n_received == receiver->quit_after) {
        dm_loop_quit(receiver->loop);
    }
}

typedef struct {
    DmMailbox *mailbox;
    int sender;
} Sender;

static void
send_all(void *user_data)
{
    const Sender *sender = user_data;

    for (int i = 0; i < N_MESSAGES; i++) {
        dm_mailbox_post(sender->mailbox, &note(sender->sender, i)->head);
    }
}

static void
test_many_senders(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    Receiver receiver = {.loop = loop, .quit_after = N_SENDERS * N_MESSAGES};
    Sender senders[N_SENDERS];
    DmThread *threads[N_SENDERS];

    g_test_summary("Everything posted by several threads arrives, in order per sender, while the "
                   "loop sleeps and wakes");

    receiver.mailbox = dm_mailbox_new(loop, receive, drop, &receiver);
    for (int i = 0; i < N_SENDERS; i++) {
        senders[i] = (Sender){receiver.mailbox, i};
        threads[i] = dm_thread_start(DM_THREAD_MEDIA, "sender", send_all, &senders[i], NULL);
    }
    dm_loop_run(loop);
    for (int i = 0; i < N_SENDERS; i++) {
        dm_thread_join(threads[i]);
    }
    g_assert_cmpint(receiver.n_received, ==, N_SENDERS * N_MESSAGES);
    g_assert_cmpuint(dm_mailbox_length(receiver.mailbox), ==, 0);
    dm_mailbox_free(receiver.mailbox);
}

typedef struct {
    DmLoop *loop;
    DmMailbox *to_peer;
    int left;
} Player;

static void
return_ball(DmMessage *message, void *user_data)
{
    Player *player = user_data;

    if (--player->left == 0) {
        dm_loop_quit(player->loop);
    }
    dm_mailbox_post(player->to_peer, message);
}

static void
play(void *user_data)
{
    dm_loop_run(((Player *)user_data)->loop);
}

static void
test_ping_pong(void)
{
    Player a = {.loop = dm_loop_new(NULL), .left = 5000};
    Player b = {.loop = dm_loop_new(NULL), .left = 5000};
    DmMailbox *to_a = dm_mailbox_new(a.loop, return_ball, drop, &a);
    DmMailbox *to_b = dm_mailbox_new(b.loop, return_ball, drop, &b);
    DmThread *thread;

    g_test_summary("No wake-up is lost between two loops that each sleep until the other speaks");

    a.to_peer = to_b;
    b.to_peer = to_a;
    thread = dm_thread_start(DM_THREAD_MEDIA, "player", play, &b, NULL);
    dm_mailbox_post(to_a, &note(0, 0)->head);
    dm_loop_run(a.loop);
    dm_thread_join(thread);
    dm_mailbox_free(to_a);
    dm_mailbox_free(to_b);
    dm_loop_free(a.loop);
    dm_loop_free(b.loop);
}

static void
test_virtual_loop(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    Receiver receiver = {0};

    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    receiver.loop = loop;
    receiver.mailbox = dm_mailbox_new(loop, receive, drop, &receiver);
    g_assert_cmpint(dm_loop_wait_us(loop), ==, -1);
    dm_mailbox_post(receiver.mailbox, &note(0, 0)->head);
    dm_mailbox_post(receiver.mailbox, &note(0, 1)->head);
    g_assert_cmpuint(dm_mailbox_length(receiver.mailbox), ==, 2);
    g_assert_cmpint(dm_loop_wait_us(loop), ==, 0);
    g_assert_true(dm_loop_turn(loop, -1));
    g_assert_cmpint(receiver.n_received, ==, 2);
    g_assert_false(dm_loop_turn(loop, -1));
    dm_mailbox_free(receiver.mailbox);
}

static void
test_gather(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    Receiver receiver = {0};

    g_test_summary("Messages that are gathered are delivered together, counted from the first");

    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    receiver.loop = loop;
    receiver.mailbox = dm_mailbox_new(loop, receive, drop, &receiver);
    dm_mailbox_set_gather_us(receiver.mailbox, 20000);
    for (int i = 0; i < 3; i++) {
        dm_mailbox_post(receiver.mailbox, &note(0, i)->head);
        dm_loop_turn(loop, -1);
        g_assert_cmpint(receiver.n_received, ==, 0);
        g_assert_cmpint(dm_loop_wait_us(loop), >, 0);
        dm_fake_clock_advance(&fake, 6000);
    }
    dm_fake_clock_advance(&fake, 5000);
    dm_loop_turn(loop, -1);
    g_assert_cmpint(receiver.n_received, ==, 3);
    g_assert_cmpint(dm_loop_wait_us(loop), ==, -1);

    dm_mailbox_post(receiver.mailbox, &note(0, 3)->head);
    dm_loop_turn(loop, -1);
    dm_mailbox_free(receiver.mailbox);
    g_assert_cmpint(dm_loop_wait_us(loop), ==, -1);
}

static void
mix_hurry(void *user_data)
{
    const Sender *sender = user_data;

    for (int i = 0; i < N_MESSAGES; i++) {
        Note *n = note(sender->sender, i);

        /* The last of all is in a hurry, as is every fourth. */
        if (i % 4 == 3) {
            dm_mailbox_post(sender->mailbox, &n->head);
        } else {
            dm_mailbox_post_unhurried(sender->mailbox, &n->head);
        }
    }
}

static void
test_unhurried(void)
{
    g_autoptr(DmLoop) loop = dm_loop_new(NULL);
    Receiver receiver = {.loop = loop};
    Sender senders[N_SENDERS];
    DmThread *threads[N_SENDERS];

    g_test_summary("A message in a hurry takes along those that were not, whoever posted them");

    receiver.mailbox = dm_mailbox_new(loop, receive, drop, &receiver);
    for (int i = 0; i < N_SENDERS; i++) {
        senders[i] = (Sender){receiver.mailbox, i};
        threads[i] = dm_thread_start(DM_THREAD_MEDIA, "sender", mix_hurry, &senders[i], NULL);
    }
    /* Without a bound to the wait: a wake-up that is missed is missed for good. */
    while (receiver.n_received < N_SENDERS * N_MESSAGES) {
        dm_loop_turn(loop, -1);
    }
    for (int i = 0; i < N_SENDERS; i++) {
        dm_thread_join(threads[i]);
    }
    dm_mailbox_free(receiver.mailbox);
}

static int n_dropped;

static void
count_drop(DmMessage *message)
{
    n_dropped++;
    g_free(message);
}

static void
free_mailboxes(DmMessage *message, void *user_data)
{
    DmMailbox **mailboxes = user_data;

    g_free(message);
    g_clear_pointer(&mailboxes[0], dm_mailbox_free);
    g_clear_pointer(&mailboxes[1], dm_mailbox_free);
}

static void
test_freed_by_a_handler(void)
{
    DmFakeClock fake;
    g_autoptr(DmLoop) loop = NULL;
    DmMailbox *mailboxes[2];

    g_test_summary(
        "A handler may free its own mailbox and another; what was not delivered is dropped");

    dm_fake_clock_init(&fake);
    loop = dm_loop_new_virtual(&fake.clock);
    n_dropped = 0;
    for (int i = 0; i < 2; i++) {
        mailboxes[i] = dm_mailbox_new(loop, free_mailboxes, count_drop, mailboxes);
        dm_mailbox_post(mailboxes[i], &note(0, 0)->head);
        dm_mailbox_post(mailboxes[i], &note(0, 1)->head);
    }
    dm_loop_turn(loop, 0);
    g_assert_cmpint(n_dropped, ==, 3);
    g_assert_false(dm_loop_turn(loop, 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mailbox/many-senders", test_many_senders);
    g_test_add_func("/mailbox/ping-pong", test_ping_pong);
    g_test_add_func("/mailbox/virtual-loop", test_virtual_loop);
    g_test_add_func("/mailbox/gather", test_gather);
    g_test_add_func("/mailbox/unhurried", test_unhurried);
    g_test_add_func("/mailbox/freed-by-a-handler", test_freed_by_a_handler);
    return g_test_run();
}
