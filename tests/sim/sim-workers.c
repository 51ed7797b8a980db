/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim-workers.h"

#define MAIL_US 1000 /* from worker to worker, at most */

struct SimWorkers {
    SimWorkersOptions options;
    DmLoop *loop;
    DmRandom *random;
    DmSimHost *host;
    struct Worker {
        SimWorkers *workers;
        unsigned number;
        DmExchange *exchange;
    } each[SIM_MAX_WORKERS];
    GPtrArray *mail; /* Mail, owned: on its way */
};

/* --- what one has for another --- */

typedef struct {
    struct Worker *to;
    DmTimer timer;
    int64_t due_us;
    DmNeighbourMail *mail; /* one of these, or a message that arrived */
    DmBindings *bindings;
    DmGrant *grant;
    char *trunk_id; /* of these two, which may be NULL */
    bool is_grant;
    DmSipFlow flow;
    size_t len;
    char *data;
} Mail;

static void
mail_free(gpointer data)
{
    Mail *mail = data;

    dm_timer_disarm(&mail->timer);
    g_clear_pointer(&mail->mail, dm_neighbour_mail_free);
    dm_bindings_unref(mail->bindings);
    dm_grant_unref(mail->grant);
    g_free(mail->trunk_id);
    g_free(mail->data);
    g_free(mail);
}

static void
on_mail(DmTimer *timer, void *user_data)
{
    Mail *mail = user_data;
    DmExchange *exchange = mail->to->exchange;

    if (mail->mail != NULL) {
        dm_exchange_take_mail(exchange, g_steal_pointer(&mail->mail));
    } else if (mail->is_grant) {
        dm_exchange_take_grant(exchange, mail->trunk_id, mail->grant);
    } else if (mail->trunk_id != NULL) {
        dm_exchange_take_bindings(exchange, mail->trunk_id, mail->bindings);
    } else {
        dm_sip_stack_receive_own(dm_exchange_stack(exchange), &mail->flow, mail->data, mail->len);
    }
    g_ptr_array_remove(mail->to->workers->mail, mail);
}

static Mail *
mail_to(SimWorkers *workers, unsigned number)
{
    Mail *mail = g_new0(Mail, 1);
    int64_t now_us = dm_loop_now_us(workers->loop);

    mail->to = &workers->each[number];
    mail->due_us = now_us + dm_random_range(workers->random, 0, MAIL_US);
    for (unsigned i = 0; i < workers->mail->len; i++) {
        const Mail *other = g_ptr_array_index(workers->mail, i);

        mail->due_us = MAX(mail->due_us, other->due_us + 1);
    }
    g_ptr_array_add(workers->mail, mail);
    dm_loop_arm(workers->loop, &mail->timer, mail->due_us - now_us, on_mail, mail);
    return mail;
}

static void
on_foreign(unsigned number, const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    Mail *mail = mail_to(((struct Worker *)user_data)->workers, number);

    mail->flow = *flow;
    mail->data = g_memdup2(data, len);
    mail->len = len;
}

static void
to_worker(unsigned number, DmNeighbourMail *mail, void *user_data)
{
    mail_to(((struct Worker *)user_data)->workers, number)->mail = mail;
}

/* To all others, as the gateway does. */
static void
on_bindings(const char *trunk_id, DmBindings *bindings, void *user_data)
{
    const struct Worker *from = user_data;

    for (unsigned i = 0; i < from->workers->options.n; i++) {
        if (i != from->number) {
            Mail *mail = mail_to(from->workers, i);

            mail->trunk_id = g_strdup(trunk_id);
            mail->bindings = bindings != NULL ? dm_bindings_ref(bindings) : NULL;
        }
    }
}

static void
on_grant(const char *trunk_id, DmGrant *grant, void *user_data)
{
    const struct Worker *from = user_data;

    for (unsigned i = 0; i < from->workers->options.n; i++) {
        if (i != from->number) {
            Mail *mail = mail_to(from->workers, i);

            mail->is_grant = true;
            mail->trunk_id = g_strdup(trunk_id);
            mail->grant = grant != NULL ? dm_grant_ref(grant) : NULL;
        }
    }
}

static void
started(const DmRecord *record, void *user_data)
{
    const SimWorkersOptions *options = &((struct Worker *)user_data)->workers->options;

    options->started(record, options->user_data);
}

static void
ended(const DmRecord *record, void *user_data)
{
    const SimWorkersOptions *options = &((struct Worker *)user_data)->workers->options;

    options->ended(record, options->user_data);
}

static const DmExchangeUser exchange_user = {
    .on_foreign = on_foreign,
    .on_bindings = on_bindings,
    .on_grant = on_grant,
    .to_worker = to_worker,
    .started = started,
    .ended = ended,
};

/* --- the wire --- */

static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    SimWorkers *workers = user_data;
    unsigned number = (unsigned)dm_random_range(workers->random, 0, workers->options.n - 1);

    dm_sip_stack_receive(dm_exchange_stack(workers->each[number].exchange), flow, data, len);
}

static void
on_unreachable(const DmAddress *remote, void *user_data)
{
    SimWorkers *workers = user_data;

    for (unsigned i = 0; i < workers->options.n; i++) {
        dm_sip_stack_unreachable(dm_exchange_stack(workers->each[i].exchange), remote);
    }
}

/* --- life --- */

static DmExchange *
new_exchange(SimWorkers *workers, struct Worker *worker)
{
    const SimWorkersOptions *options = &workers->options;

    return dm_exchange_new(
        &(DmExchangeOptions){
            .loop = workers->loop,
            .random = workers->random,
            .wire = dm_sim_host_wire(workers->host),
            .worker = worker->number,
            .n_workers = options->n,
            .registry = options->registry,
            .media = options->media,
            .media_engine = options->media_engine,
            .sip_counters = options->sip_counters,
            .call_counters = options->call_counters,
            .token_secret = "simulated",
            .user = &exchange_user,
            .user_data = worker,
        },
        options->config);
}

SimWorkers *
sim_workers_new(const SimWorkersOptions *options)
{
    SimWorkers *workers = g_new0(SimWorkers, 1);

    workers->options = *options;
    workers->loop = dm_sim_network_loop(options->network);
    workers->random = dm_sim_network_random(options->network);
    workers->mail = g_ptr_array_new_with_free_func(mail_free);
    workers->host =
        dm_sim_host_new(options->network, options->address, on_receive, on_unreachable, workers);
    for (unsigned i = 0; i < options->n; i++) {
        workers->each[i].workers = workers;
        workers->each[i].number = i;
        workers->each[i].exchange = new_exchange(workers, &workers->each[i]);
    }
    return workers;
}

void
sim_workers_free(SimWorkers *workers)
{
    g_ptr_array_unref(workers->mail);
    for (unsigned i = 0; i < workers->options.n; i++) {
        dm_exchange_free(workers->each[i].exchange);
    }
    g_free(workers);
}

DmSimHost *
sim_workers_host(const SimWorkers *workers)
{
    return workers->host;
}

unsigned
sim_workers_n(const SimWorkers *workers)
{
    return workers->options.n;
}

DmExchange *
sim_workers_exchange(const SimWorkers *workers, unsigned i)
{
    return workers->each[i].exchange;
}

size_t
sim_workers_n_calls(const SimWorkers *workers)
{
    size_t n = 0;

    for (unsigned i = 0; i < workers->options.n; i++) {
        n += dm_call_table_count(dm_exchange_calls(workers->each[i].exchange));
    }
    return n;
}

bool
sim_workers_are_quiet(const SimWorkers *workers)
{
    for (unsigned i = 0; i < workers->options.n; i++) {
        DmSipStack *stack = dm_exchange_stack(workers->each[i].exchange);

        if (dm_sip_stack_n_legs(stack) > 0 || !dm_sip_stack_is_quiet(stack)) {
            return false;
        }
    }
    return workers->mail->len == 0;
}
