/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "gateway/base/loop.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/random.h"
#include "media/net/socket.h"
#include "media/stats.h"

/* One media thread: an event loop, commands from signalling threads in order, and what its sessions
 * share (room for datagrams, randomness, counters that are added to the engine's once a second). It
 * knows nothing of sessions but that it must stop those that are left when it ends.
 *
 * A worker that passes more than 120 000 packets a second serves its sockets once a millisecond:
 * fewer wake-ups, and up to 1 ms of delay. */
typedef struct DmWorker DmWorker;

/* Something to be done on the worker's thread. Embed it first; @run owns it. */
typedef struct DmWorkerCommand DmWorkerCommand;
struct DmWorkerCommand {
    DmMessage message;
    void (*run)(DmWorkerCommand *command);
};

/* What lives on a worker. Embedded in it; @stop is called when the worker ends before it has left.
 */
typedef struct DmWorkerGuest DmWorkerGuest;
struct DmWorkerGuest {
    void (*stop)(DmWorkerGuest *guest);
    GList link;
};

/* @stats: the engine's counters, DM_MEDIA_N_STATS of them; outlive the worker. @number: for the
 * thread's name. Errors: DM_ERROR_IO. */
DmWorker *dm_worker_new(unsigned number, DmCounter *stats, GError **error);
/* Stops every guest that is left, ends the thread. Commands not yet run must be none. */
void dm_worker_free(DmWorker *worker);

/* Any thread. */
void dm_worker_post(DmWorker *worker, DmWorkerCommand *command);
/* The same for what may wait for the next command: see dm_mailbox_post_unhurried(). */
void dm_worker_post_unhurried(DmWorker *worker, DmWorkerCommand *command);

/* How many guests there are or will be: signalling counts one in when it chooses a worker. Any
 * thread. */
unsigned dm_worker_load(const DmWorker *worker);
void dm_worker_reserve(DmWorker *worker);

/* The rest: on the worker's thread. */
void dm_worker_enter(DmWorker *worker, DmWorkerGuest *guest);
void dm_worker_leave(DmWorker *worker, DmWorkerGuest *guest); /* undoes dm_worker_reserve() too */

/* Work that is dear and can wait, such as the arithmetic of a handshake: DM_WORKER_JOBS of all that
 * is asked for are done a millisecond, in order, so that packets never wait for more than those.
 * Embedded; asked for again while it waits, it is done once. */
#define DM_WORKER_JOBS 2
typedef struct DmWorkerJob DmWorkerJob;
struct DmWorkerJob {
    void (*run)(DmWorkerJob *job);
    GList link;
    bool is_waiting;
};
void dm_worker_ask(DmWorker *worker, DmWorkerJob *job);
/* It is not done any more; for its end. */
void dm_worker_unask(DmWorker *worker, DmWorkerJob *job);

DmLoop *dm_worker_loop(DmWorker *worker);
DmRandom *dm_worker_random(DmWorker *worker);
DmBatch *dm_worker_batch(DmWorker *worker);

/* Counts of this worker since they were last added to the engine's; a plain array, for the packet
 * path. */
int64_t *dm_worker_stats(DmWorker *worker);
void dm_worker_flush_stats(DmWorker *worker);

#define dm_worker_count(stats, member) ((stats)[DM_MEDIA_STAT_##member]++)

/* A value for a histogram of stats.def. */
#define dm_worker_observe(stats, member, value)                                                    \
    do {                                                                                           \
        int64_t *dm_slots = &(stats)[DM_MEDIA_STAT_##member];                                      \
        int64_t dm_value = (value);                                                                \
                                                                                                   \
        dm_slots[dm_histogram_slot(DM_MEDIA_SHAPE(member), dm_value)]++;                           \
        dm_slots[DM_HISTOGRAM_SLOTS - 1] += dm_value;                                              \
    } while (0)
