/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/loop.h"

/* Messages from any thread into one loop, in order per sender, without a lock on the sender's side
 * (an atomic exchange, and a wake-up only when the loop sleeps). */
typedef struct DmMailbox DmMailbox;

/* The head of every message; embed it first. Owned by the mailbox from post to delivery, then by
 * the handler. */
typedef struct DmMessage {
    struct DmMessage *next;
} DmMessage;

typedef void (*DmMailboxFunc)(DmMessage *message, void *user_data);
typedef void (*DmMessageFreeFunc)(DmMessage *message);

/* @drop: frees messages still undelivered when the mailbox is freed. Created and freed on the
 * loop's thread or before it runs. Works on virtual loops too. */
DmMailbox *dm_mailbox_new(DmLoop *loop,
                          DmMailboxFunc func,
                          DmMessageFreeFunc drop,
                          void *user_data);
void dm_mailbox_free(DmMailbox *mailbox);
/* The loop's thread, or before it runs: what comes waits this long for more, and the loop is woken
 * once for all of it. For work that is cheaper in batches. 0, as at first: delivered at once. */
void dm_mailbox_set_gather_us(DmMailbox *mailbox, int64_t gather_us);
/* Any thread. */
void dm_mailbox_post(DmMailbox *mailbox, DmMessage *message);
/* Any thread: delivered, in order, when the loop is awake anyway: with the next message posted, or
 * at the latest when it gives the watchdog its sign of life. Waking a thread costs more than most
 * messages do. */
void dm_mailbox_post_unhurried(DmMailbox *mailbox, DmMessage *message);
/* Messages posted and not yet delivered; approximate, any thread. */
size_t dm_mailbox_length(const DmMailbox *mailbox);
