/* SPDX-License-Identifier: Apache-2.0 */
#include "media/net/worker.h"

#include <time.h>

#include "gateway/base/log.h"
#include "gateway/base/thread.h"

DM_LOG_TOPIC("media-worker");

/* tests/bench/media-relay: pacing saves some 7 % of a packet's CPU and adds 0.3 ms, 1 ms at worst,
 * which MED-7 does not want of a relay. So only where a core runs short. */
#define PACE_US          1000
#define PACE_ABOVE_PPS   120000
#define UNPACE_BELOW_PPS 100000 /* lower, so that it does not swing */
#define MAX_PACED_TURNS  16     /* of 256 sockets each, before we sleep again */
#define CHORES_US        G_USEC_PER_SEC
#define MAX_WAIT_US      G_USEC_PER_SEC /* the watchdog wants a sign of life */

struct DmWorker {
    /* set when made */
    unsigned number;
    DmCounter *stats; /* the engine's; not owned */
    DmLoop *loop;
    DmMailbox *mailbox;
    DmThread *thread;

    /* the worker's thread */
    DmRandom *random;
    DmTimer chores;
    DmTimer jobs_timer;
    GQueue jobs;   /* of DmWorkerJob, by their links */
    GQueue guests; /* of DmWorkerGuest, by their links */
    int64_t pending[DM_MEDIA_N_STATS];
    int64_t passed; /* packets since the last chores */
    bool paced;
    bool quit;
    DmBatch batch;

    /* any thread */
    _Atomic unsigned load;
};

static void
on_command(DmMessage *message, void *user_data)
{
    DmWorkerCommand *command = (DmWorkerCommand *)message;

    command->run(command);
}

static void
pace(DmWorker *worker, int64_t packets)
{
    bool paced = packets > (worker->paced ? UNPACE_BELOW_PPS : PACE_ABOVE_PPS);

    if (paced != worker->paced) {
        dm_count_add(&worker->stats[DM_MEDIA_STAT_workers_paced], paced ? 1 : -1);
        dm_debug(NULL, "worker %u: %s", worker->number, paced ? "paced" : "not paced");
    }
    worker->paced = paced;
}

static void
on_chores(DmTimer *timer, void *user_data)
{
    DmWorker *worker = user_data;

    dm_worker_flush_stats(worker);
    pace(worker, worker->passed);
    worker->passed = 0;
    dm_loop_arm(worker->loop, timer, CHORES_US, on_chores, worker);
}

/* Serves what has come in the last millisecond, then sleeps until the next one is over. */
static void
turn_paced(DmWorker *worker)
{
    int64_t next_us = dm_clock_mono_us(dm_loop_clock(worker->loop)) + PACE_US;
    struct timespec until = {next_us / G_USEC_PER_SEC, next_us % G_USEC_PER_SEC * 1000};

    for (unsigned i = 0; i < MAX_PACED_TURNS && dm_loop_turn(worker->loop, 0); i++) {
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void
stop_guests(DmWorker *worker)
{
    GList *link;

    while ((link = worker->guests.head) != NULL) {
        DmWorkerGuest *guest = link->data;

        guest->stop(guest);
    }
}

static void
run(void *user_data)
{
    DmWorker *worker = user_data;

    dm_loop_arm(worker->loop, &worker->chores, CHORES_US, on_chores, worker);
    while (!worker->quit) {
        if (worker->paced) {
            turn_paced(worker);
        } else {
            dm_loop_turn(worker->loop, MAX_WAIT_US);
        }
    }
    stop_guests(worker);
    dm_timer_disarm(&worker->chores);
    dm_timer_disarm(&worker->jobs_timer);
    pace(worker, 0);
    dm_worker_flush_stats(worker);
}

DmWorker *
dm_worker_new(unsigned number, DmCounter *stats, GError **error)
{
    DmWorker *worker = g_new0(DmWorker, 1);
    char name[16];

    worker->number = number;
    worker->stats = stats;
    g_queue_init(&worker->guests);
    g_queue_init(&worker->jobs);
    dm_batch_init(&worker->batch);
    worker->random = dm_random_new();
    worker->loop = dm_loop_new(error);
    if (worker->loop != NULL) {
        worker->mailbox = dm_mailbox_new(worker->loop, on_command, NULL, worker);
        g_snprintf(name, sizeof name, "media-%u", number);
        worker->thread = dm_thread_start(DM_THREAD_MEDIA, name, run, worker, error);
    }
    if (worker->thread == NULL) {
        dm_worker_free(worker);
        return NULL;
    }
    return worker;
}

typedef struct {
    DmWorkerCommand command;
    DmWorker *worker;
} QuitCommand;

static void
quit(DmWorkerCommand *command)
{
    QuitCommand *self = (QuitCommand *)command;

    self->worker->quit = true;
    g_free(self);
}

void
dm_worker_free(DmWorker *worker)
{
    if (worker == NULL) {
        return;
    }
    if (worker->thread != NULL) {
        QuitCommand *command = g_new0(QuitCommand, 1);

        command->command.run = quit;
        command->worker = worker;
        dm_worker_post(worker, &command->command);
        dm_thread_join(worker->thread);
    }
    dm_mailbox_free(worker->mailbox);
    dm_loop_free(worker->loop);
    dm_random_free(worker->random);
    g_free(worker);
}

void
dm_worker_post(DmWorker *worker, DmWorkerCommand *command)
{
    dm_mailbox_post(worker->mailbox, &command->message);
}

void
dm_worker_post_unhurried(DmWorker *worker, DmWorkerCommand *command)
{
    dm_mailbox_post_unhurried(worker->mailbox, &command->message);
}

unsigned
dm_worker_load(const DmWorker *worker)
{
    return atomic_load_explicit(&worker->load, memory_order_relaxed);
}

void
dm_worker_reserve(DmWorker *worker)
{
    atomic_fetch_add_explicit(&worker->load, 1, memory_order_relaxed);
}

void
dm_worker_enter(DmWorker *worker, DmWorkerGuest *guest)
{
    guest->link = (GList){.data = guest};
    g_queue_push_tail_link(&worker->guests, &guest->link);
}

void
dm_worker_leave(DmWorker *worker, DmWorkerGuest *guest)
{
    g_queue_unlink(&worker->guests, &guest->link);
    atomic_fetch_sub_explicit(&worker->load, 1, memory_order_relaxed);
}

static void
on_jobs(DmTimer *timer, void *user_data)
{
    DmWorker *worker = user_data;

    for (unsigned i = 0; i < DM_WORKER_JOBS && worker->jobs.head != NULL; i++) {
        DmWorkerJob *job = g_queue_pop_head_link(&worker->jobs)->data;

        job->is_waiting = false;
        job->run(job);
    }
    if (worker->jobs.head != NULL) {
        dm_loop_arm(worker->loop, timer, 0, on_jobs, worker);
    }
}

void
dm_worker_ask(DmWorker *worker, DmWorkerJob *job)
{
    if (job->is_waiting) {
        return;
    }
    job->is_waiting = true;
    job->link = (GList){.data = job};
    g_queue_push_tail_link(&worker->jobs, &job->link);
    if (!dm_timer_is_armed(&worker->jobs_timer)) {
        dm_loop_arm(worker->loop, &worker->jobs_timer, 0, on_jobs, worker);
    }
}

void
dm_worker_unask(DmWorker *worker, DmWorkerJob *job)
{
    if (job->is_waiting) {
        g_queue_unlink(&worker->jobs, &job->link);
        job->is_waiting = false;
    }
}

DmLoop *
dm_worker_loop(DmWorker *worker)
{
    return worker->loop;
}

DmRandom *
dm_worker_random(DmWorker *worker)
{
    return worker->random;
}

DmBatch *
dm_worker_batch(DmWorker *worker)
{
    return &worker->batch;
}

int64_t *
dm_worker_stats(DmWorker *worker)
{
    return worker->pending;
}

void
dm_worker_flush_stats(DmWorker *worker)
{
    worker->passed += worker->pending[DM_MEDIA_STAT_rtp_in];
    for (unsigned i = 0; i < DM_MEDIA_N_STATS; i++) {
        if (worker->pending[i] != 0) {
            dm_count_add(&worker->stats[i], worker->pending[i]);
            worker->pending[i] = 0;
        }
    }
}
