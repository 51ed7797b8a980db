/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/mailbox.h"

#include <glib.h>
#include <stdatomic.h>

#include "gateway/base/loop-priv.h"

struct DmMailbox {
    /* set when made */
    DmLoop *loop;
    DmMailboxFunc func;
    DmMessageFreeFunc drop;
    void *user_data;

    /* the loop's thread */
    DmLoopSource source;
    DmMessage *batch; /* taken from @posted, in order, not yet handled */
    bool delivering;
    bool freed; /* by a handler of its own; freeing waits until that returns */
    int64_t gather_us;
    DmTimer gathering;

    /* any thread */
    _Atomic(DmMessage *) posted; /* newest first */
    _Atomic size_t length;
    _Atomic bool unhurried; /* ever: then no message may count on an earlier one's wake-up */
};

/* The messages posted since the last call, oldest first. */
static DmMessage *
take_posted(DmMailbox *mailbox)
{
    DmMessage *newest = atomic_exchange_explicit(&mailbox->posted, NULL, memory_order_acquire);
    DmMessage *oldest = NULL;

    while (newest != NULL) {
        DmMessage *older = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

static DmMessage *
pop_batch(DmMailbox *mailbox)
{
    DmMessage *message = mailbox->batch;

    if (message != NULL) {
        mailbox->batch = message->next;
        message->next = NULL;
        atomic_fetch_sub_explicit(&mailbox->length, 1, memory_order_relaxed);
    }
    return message;
}

static void
drop_all(DmMailbox *mailbox)
{
    DmMessage *message;

    do {
        while ((message = pop_batch(mailbox)) != NULL) {
            if (mailbox->drop != NULL) {
                mailbox->drop(message);
            }
        }
        mailbox->batch = take_posted(mailbox);
    } while (mailbox->batch != NULL);
}

static void
free_now(DmMailbox *mailbox)
{
    drop_all(mailbox);
    g_free(mailbox);
}

static bool
has_messages(DmLoopSource *source)
{
    DmMailbox *mailbox = (DmMailbox *)((char *)source - G_STRUCT_OFFSET(DmMailbox, source));

    if (dm_timer_is_armed(&mailbox->gathering)) {
        return false;
    }
    /* Sequentially consistent, against the poster's push and look at the sleeping loop: one of the
     * two sees the other. */
    return atomic_load(&mailbox->posted) != NULL;
}

static void
deliver(DmMailbox *mailbox)
{
    DmMessage *message;

    /* Only what is there now: handlers that post to themselves do not starve the rest of the loop.
     */
    mailbox->batch = take_posted(mailbox);
    mailbox->delivering = true;
    while (!mailbox->freed && (message = pop_batch(mailbox)) != NULL) {
        mailbox->func(message, mailbox->user_data);
    }
    mailbox->delivering = false;
    if (mailbox->freed) {
        free_now(mailbox);
    }
}

static void
on_gathered(DmTimer *timer, void *user_data)
{
    deliver(user_data);
}

static void
deliver_or_gather(DmLoopSource *source)
{
    DmMailbox *mailbox = (DmMailbox *)((char *)source - G_STRUCT_OFFSET(DmMailbox, source));

    if (mailbox->gather_us > 0) {
        dm_loop_arm(mailbox->loop, &mailbox->gathering, mailbox->gather_us, on_gathered, mailbox);
    } else {
        deliver(mailbox);
    }
}

DmMailbox *
dm_mailbox_new(DmLoop *loop, DmMailboxFunc func, DmMessageFreeFunc drop, void *user_data)
{
    DmMailbox *mailbox = g_new0(DmMailbox, 1);

    mailbox->loop = loop;
    mailbox->func = func;
    mailbox->drop = drop;
    mailbox->user_data = user_data;
    mailbox->source.is_ready = has_messages;
    mailbox->source.run = deliver_or_gather;
    dm_loop_add_source(loop, &mailbox->source);
    return mailbox;
}

void
dm_mailbox_free(DmMailbox *mailbox)
{
    if (mailbox == NULL) {
        return;
    }
    dm_loop_remove_source(mailbox->loop, &mailbox->source);
    dm_timer_disarm(&mailbox->gathering);
    if (mailbox->delivering) {
        mailbox->freed = true;
    } else {
        free_now(mailbox);
    }
}

void
dm_mailbox_set_gather_us(DmMailbox *mailbox, int64_t gather_us)
{
    mailbox->gather_us = gather_us;
}

/* Whether nothing was waiting before. */
static bool
push(DmMailbox *mailbox, DmMessage *message)
{
    DmMessage *newest = atomic_load_explicit(&mailbox->posted, memory_order_relaxed);

    atomic_fetch_add_explicit(&mailbox->length, 1, memory_order_relaxed);
    do {
        message->next = newest;
    } while (!atomic_compare_exchange_weak(&mailbox->posted, &newest, message));
    return newest == NULL;
}

void
dm_mailbox_post(DmMailbox *mailbox, DmMessage *message)
{
    DmLoop *loop = mailbox->loop;
    bool is_first = push(mailbox, message);

    /* The first of a batch wakes, and the others find the loop awake or about to be; but not when
     * the first was in no hurry. */
    if (is_first || atomic_load(&mailbox->unhurried)) {
        dm_loop_wake(loop);
    }
}

void
dm_mailbox_post_unhurried(DmMailbox *mailbox, DmMessage *message)
{
    atomic_store(&mailbox->unhurried, true);
    push(mailbox, message);
}

size_t
dm_mailbox_length(const DmMailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->length, memory_order_relaxed);
}
