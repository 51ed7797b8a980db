/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/signal-worker.h"

#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/thread.h"
#include "gateway/bridge.h"
#include "gateway/call/call-table.h"
#include "gateway/sip/transport/wire.h"

DM_LOG_TOPIC("worker");

#define ALIVE_US (10 * G_USEC_PER_SEC)
#define STOP_US  (50 * 1000)

struct DmSignalWorker {
    DmSignalWorkerOptions options;
    DmLoop *loop;
    DmRandom *random;
    DmMailbox *mailbox;
    DmWire *wire;
    DmBridge *bridge;
    DmExchange *exchange;
    DmThread *thread;
    DmTimer alive_timer, stop_timer;
    int64_t stop_by_us; /* monotonic; 0: not stopping */
};

/* What the mailbox carries: one thing to do on the worker's thread. */
typedef struct WorkerMessage WorkerMessage;
struct WorkerMessage {
    DmMessage message;
    void (*run)(DmSignalWorker *worker, WorkerMessage *message);
    void (*drop)(WorkerMessage *message);
};

/* --- a datagram for a worker that did not receive it --- */

typedef struct {
    WorkerMessage head;
    DmSipFlow flow;
    size_t len;
    char data[];
} DatagramMessage;

static void
run_datagram(DmSignalWorker *worker, WorkerMessage *message)
{
    DatagramMessage *own = (DatagramMessage *)message;

    dm_sip_stack_receive_own(dm_exchange_stack(worker->exchange), &own->flow, own->data, own->len);
}

static void
drop_plain(WorkerMessage *message)
{
    g_free(message);
}

static void
post_bytes(DmSignalWorker *worker,
           void (*run)(DmSignalWorker *worker, WorkerMessage *message),
           const DmSipFlow *flow,
           const void *data,
           size_t len)
{
    DatagramMessage *own = g_malloc(sizeof *own + len);

    own->head = (WorkerMessage){.run = run, .drop = drop_plain};
    own->flow = *flow;
    own->len = len;
    memcpy(own->data, data, len);
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

void
dm_signal_worker_post_datagram(DmSignalWorker *worker,
                               const DmSipFlow *flow,
                               const char *data,
                               size_t len)
{
    post_bytes(worker, run_datagram, flow, data, len);
}

/* --- bytes for a connection of ours, from a worker that does not own it --- */

static void
run_send(DmSignalWorker *worker, WorkerMessage *message)
{
    DatagramMessage *own = (DatagramMessage *)message;

    if (!dm_streams_send_own(dm_wire_streams(worker->wire), &own->flow, own->data, own->len)) {
        worker->options.flow_failed(worker->options.number, &own->flow, worker->options.user_data);
    }
}

static void
run_flow_failed(DmSignalWorker *worker, WorkerMessage *message)
{
    dm_sip_stack_flow_failed(dm_exchange_stack(worker->exchange),
                             &((DatagramMessage *)message)->flow);
}

void
dm_signal_worker_post_send(DmSignalWorker *worker,
                           const DmSipFlow *flow,
                           const void *data,
                           size_t len)
{
    post_bytes(worker, run_send, flow, data, len);
}

void
dm_signal_worker_post_flow_failed(DmSignalWorker *worker, const DmSipFlow *flow)
{
    post_bytes(worker, run_flow_failed, flow, "", 0);
}

/* --- mail of a neighbour --- */

typedef struct {
    WorkerMessage head;
    DmNeighbourMail *mail; /* NULL: taken */
} MailMessage;

static void
run_mail(DmSignalWorker *worker, WorkerMessage *message)
{
    dm_exchange_take_mail(worker->exchange, g_steal_pointer(&((MailMessage *)message)->mail));
}

static void
drop_mail(WorkerMessage *message)
{
    g_clear_pointer(&((MailMessage *)message)->mail, dm_neighbour_mail_free);
    g_free(message);
}

void
dm_signal_worker_post_mail(DmSignalWorker *worker, DmNeighbourMail *mail)
{
    MailMessage *own = g_new0(MailMessage, 1);

    own->head = (WorkerMessage){.run = run_mail, .drop = drop_mail};
    own->mail = mail;
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

/* --- new certificates --- */

typedef struct {
    WorkerMessage head;
    DmTlsContexts *tls;
} TlsMessage;

static void
run_tls(DmSignalWorker *worker, WorkerMessage *message)
{
    dm_streams_take_tls(dm_wire_streams(worker->wire), ((TlsMessage *)message)->tls);
}

static void
drop_tls(WorkerMessage *message)
{
    dm_tls_contexts_unref(((TlsMessage *)message)->tls);
    g_free(message);
}

void
dm_signal_worker_post_tls(DmSignalWorker *worker, DmTlsContexts *tls)
{
    TlsMessage *own = g_new0(TlsMessage, 1);

    own->head = (WorkerMessage){.run = run_tls, .drop = drop_tls};
    own->tls = dm_tls_contexts_ref(tls);
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

/* --- a new configuration --- */

typedef struct {
    WorkerMessage head;
    DmConfig *config;
} ConfigMessage;

static void
run_config(DmSignalWorker *worker, WorkerMessage *message)
{
    dm_exchange_take_config(worker->exchange, ((ConfigMessage *)message)->config);
    dm_streams_forget_owners(dm_wire_streams(worker->wire));
}

static void
drop_config(WorkerMessage *message)
{
    dm_config_unref(((ConfigMessage *)message)->config);
    g_free(message);
}

void
dm_signal_worker_post_config(DmSignalWorker *worker, DmConfig *config)
{
    ConfigMessage *own = g_new0(ConfigMessage, 1);

    own->head = (WorkerMessage){.run = run_config, .drop = drop_config};
    own->config = dm_config_ref(config);
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

/* --- new calls welcome or not --- */

typedef struct {
    WorkerMessage head;
    bool accepting;
} AcceptingMessage;

static void
run_accepting(DmSignalWorker *worker, WorkerMessage *message)
{
    dm_exchange_set_accepting(worker->exchange, ((AcceptingMessage *)message)->accepting);
}

void
dm_signal_worker_post_accepting(DmSignalWorker *worker, bool accepting)
{
    AcceptingMessage *own = g_new0(AcceptingMessage, 1);

    own->head = (WorkerMessage){.run = run_accepting, .drop = drop_plain};
    own->accepting = accepting;
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

/* --- addresses of an endpoint --- */

typedef struct {
    WorkerMessage head;
    char *trunk_id;
    unsigned endpoint;
    size_t n;
    DmResolved addresses[];
} AddressesMessage;

static void
run_addresses(DmSignalWorker *worker, WorkerMessage *message)
{
    AddressesMessage *own = (AddressesMessage *)message;

    dm_exchange_take_addresses(worker->exchange,
                               own->trunk_id,
                               own->endpoint,
                               own->addresses,
                               own->n);
}

static void
drop_addresses(WorkerMessage *message)
{
    g_free(((AddressesMessage *)message)->trunk_id);
    g_free(message);
}

void
dm_signal_worker_post_addresses(DmSignalWorker *worker,
                                const char *trunk_id,
                                unsigned endpoint,
                                const DmResolved *addresses,
                                size_t n)
{
    AddressesMessage *own = g_malloc0(sizeof *own + n * sizeof *addresses);

    own->head = (WorkerMessage){.run = run_addresses, .drop = drop_addresses};
    own->trunk_id = g_strdup(trunk_id);
    own->endpoint = endpoint;
    own->n = n;
    memcpy(own->addresses, addresses, n * sizeof *addresses);
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

/* --- contacts of a trunk that registers with us --- */

typedef struct {
    WorkerMessage head;
    char *trunk_id;
    DmBindings *bindings;
} BindingsMessage;

static void
run_bindings(DmSignalWorker *worker, WorkerMessage *message)
{
    BindingsMessage *own = (BindingsMessage *)message;

    dm_exchange_take_bindings(worker->exchange, own->trunk_id, own->bindings);
}

static void
drop_bindings(WorkerMessage *message)
{
    BindingsMessage *own = (BindingsMessage *)message;

    dm_bindings_unref(own->bindings);
    g_free(own->trunk_id);
    g_free(own);
}

void
dm_signal_worker_post_bindings(DmSignalWorker *worker, const char *trunk_id, DmBindings *bindings)
{
    BindingsMessage *own = g_new0(BindingsMessage, 1);

    own->head = (WorkerMessage){.run = run_bindings, .drop = drop_bindings};
    own->trunk_id = g_strdup(trunk_id);
    own->bindings = bindings != NULL ? dm_bindings_ref(bindings) : NULL;
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

/* --- what a registrar said --- */

typedef struct {
    WorkerMessage head;
    char *trunk_id;
    DmGrant *grant;
} GrantMessage;

static void
run_grant(DmSignalWorker *worker, WorkerMessage *message)
{
    GrantMessage *own = (GrantMessage *)message;

    dm_exchange_take_grant(worker->exchange, own->trunk_id, own->grant);
}

static void
drop_grant(WorkerMessage *message)
{
    GrantMessage *own = (GrantMessage *)message;

    dm_grant_unref(own->grant);
    g_free(own->trunk_id);
    g_free(own);
}

void
dm_signal_worker_post_grant(DmSignalWorker *worker, const char *trunk_id, DmGrant *grant)
{
    GrantMessage *own = g_new0(GrantMessage, 1);

    own->head = (WorkerMessage){.run = run_grant, .drop = drop_grant};
    own->trunk_id = g_strdup(trunk_id);
    own->grant = grant != NULL ? dm_grant_ref(grant) : NULL;
    dm_mailbox_post(worker->mailbox, &own->head.message);
}

/* --- a question, with someone waiting for the answer --- */

/* Held by the asker and by the message; the last to let go frees it. */
typedef struct {
    gatomicrefcount refs;
    GMutex lock; /* protects done */
    GCond answered;
    bool done;
    void (*func)(DmExchange *exchange, void *data);
    void *data;
    GDestroyNotify free_data;
} Question;

typedef struct {
    WorkerMessage head;
    Question *question;
} QuestionMessage;

static void
question_unref(Question *question)
{
    if (!g_atomic_ref_count_dec(&question->refs)) {
        return;
    }
    question->free_data(question->data);
    g_mutex_clear(&question->lock);
    g_cond_clear(&question->answered);
    g_free(question);
}

static void
run_question(DmSignalWorker *worker, WorkerMessage *message)
{
    Question *question = ((QuestionMessage *)message)->question;

    question->func(worker->exchange, question->data);
    g_mutex_lock(&question->lock);
    question->done = true;
    g_cond_signal(&question->answered);
    g_mutex_unlock(&question->lock);
}

static void
drop_question(WorkerMessage *message)
{
    question_unref(((QuestionMessage *)message)->question);
    g_free(message);
}

static bool
wait_for_answer(Question *question, unsigned deadline_ms)
{
    int64_t until_us = g_get_monotonic_time() + deadline_ms * (int64_t)1000;
    bool done;

    g_mutex_lock(&question->lock);
    while (!question->done) {
        if (!g_cond_wait_until(&question->answered, &question->lock, until_us)) {
            break;
        }
    }
    done = question->done;
    g_mutex_unlock(&question->lock);
    return done;
}

bool
dm_signal_worker_ask(DmSignalWorker *worker,
                     const DmSignalWorkerQuestion *ask,
                     unsigned deadline_ms)
{
    Question *question = g_new0(Question, 1);
    QuestionMessage *own = g_new0(QuestionMessage, 1);
    bool done;

    g_atomic_ref_count_init(&question->refs);
    g_atomic_ref_count_inc(&question->refs);
    g_mutex_init(&question->lock);
    g_cond_init(&question->answered);
    question->func = ask->func;
    question->data = ask->data;
    question->free_data = ask->free_data;
    own->head = (WorkerMessage){.run = run_question, .drop = drop_question};
    own->question = question;
    dm_mailbox_post(worker->mailbox, &own->head.message);
    done = wait_for_answer(question, deadline_ms);
    if (done && ask->take != NULL) {
        ask->take(question->data, ask->user_data);
    }
    question_unref(question);
    return done;
}

/* --- mailbox --- */

static void
on_message(DmMessage *message, void *user_data)
{
    WorkerMessage *own = (WorkerMessage *)message;

    own->run(user_data, own);
    own->drop(own);
}

static void
drop_message(DmMessage *message)
{
    WorkerMessage *own = (WorkerMessage *)message;

    own->drop(own);
}

/* --- the exchange's user --- */

static void
on_started(const DmRecord *record, void *user_data)
{
    DmSignalWorker *worker = user_data;

    dm_cdr_writer_started(worker->options.writer, record);
}

static void
on_ended(const DmRecord *record, void *user_data)
{
    DmSignalWorker *worker = user_data;

    dm_cdr_writer_ended(worker->options.writer, record);
}

static void
on_foreign(unsigned number, const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    DmSignalWorker *worker = user_data;

    worker->options.on_foreign(number, flow, data, len, worker->options.user_data);
}

static void
to_worker(unsigned number, DmNeighbourMail *mail, void *user_data)
{
    DmSignalWorker *worker = user_data;

    worker->options.to_worker(number, mail, worker->options.user_data);
}

static void
on_bindings(const char *trunk_id, DmBindings *bindings, void *user_data)
{
    DmSignalWorker *worker = user_data;

    worker->options.on_bindings(worker->options.number,
                                trunk_id,
                                bindings,
                                worker->options.user_data);
}

static void
on_grant(const char *trunk_id, DmGrant *grant, void *user_data)
{
    DmSignalWorker *worker = user_data;

    worker->options.on_grant(worker->options.number, trunk_id, grant, worker->options.user_data);
}

static const DmExchangeUser exchange_user = {
    .on_foreign = on_foreign,
    .on_bindings = on_bindings,
    .on_grant = on_grant,
    .to_worker = to_worker,
    .started = on_started,
    .ended = on_ended,
};

/* --- the wire's user --- */

static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    DmSignalWorker *worker = user_data;

    dm_sip_stack_receive(dm_exchange_stack(worker->exchange), flow, data, len);
}

static void
on_unreachable(const DmAddress *remote, void *user_data)
{
    DmSignalWorker *worker = user_data;

    dm_sip_stack_unreachable(dm_exchange_stack(worker->exchange), remote);
}

static void
on_closed(const DmSipFlow *flow, bool foreign, void *user_data)
{
    DmSignalWorker *worker = user_data;

    dm_sip_stack_flow_failed(dm_exchange_stack(worker->exchange), flow);
    if (foreign) {
        worker->options.flow_failed(worker->options.number, flow, worker->options.user_data);
    }
}

static void
send_foreign(unsigned number, const DmSipFlow *flow, const void *data, size_t len, void *user_data)
{
    DmSignalWorker *worker = user_data;

    worker->options.send_foreign(number, flow, data, len, worker->options.user_data);
}

static bool
is_known(const DmAddress *remote, void *user_data)
{
    DmSignalWorker *worker = user_data;

    return dm_pool_knows(dm_exchange_pool(worker->exchange), remote);
}

static unsigned
names_of(const DmAddress *remote, const char **out_names, unsigned max, void *user_data)
{
    DmSignalWorker *worker = user_data;

    return dm_pool_hosts_at(dm_exchange_pool(worker->exchange), remote, out_names, max);
}

static GQuark
owner_of(bool (*proves)(const void *proof, const char *host), const void *proof, void *user_data)
{
    DmSignalWorker *worker = user_data;
    DmTrunk *trunk = dm_pool_find_certified(dm_exchange_pool(worker->exchange), proves, proof);

    return trunk != NULL ? g_quark_from_string(dm_trunk_id(trunk)) : 0;
}

/* --- what is up, for the record of a call that a crash cuts off --- */

static void
add_if_answered(DmCall *call, void *user_data)
{
    GPtrArray *ids = user_data;

    if (dm_call_record(call)->answer_wall_us != 0) {
        g_ptr_array_add(ids, (gpointer)dm_call_id(call));
    }
}

static void
on_alive_timer(DmTimer *timer, void *user_data)
{
    DmSignalWorker *worker = user_data;
    g_autoptr(GPtrArray) ids = g_ptr_array_new();

    dm_call_table_foreach(dm_exchange_calls(worker->exchange), add_if_answered, ids);
    if (ids->len > 0) {
        dm_cdr_writer_alive(worker->options.writer,
                            (const char *const *)ids->pdata,
                            ids->len,
                            dm_clock_wall_us(dm_loop_clock(worker->loop)));
    }
    dm_loop_arm(worker->loop, timer, ALIVE_US, on_alive_timer, worker);
}

/* --- life --- */

static DmExchange *
new_exchange(DmSignalWorker *worker)
{
    const DmSignalWorkerOptions *options = &worker->options;

    return dm_exchange_new(
        &(DmExchangeOptions){
            .loop = worker->loop,
            .random = worker->random,
            .wire = {dm_wire_ops(), worker->wire},
            .worker = options->number,
            .n_workers = options->n_workers,
            .registry = options->registry,
            .media = dm_bridge_ops(),
            .media_engine = worker->bridge,
            .sip_counters = options->sip_counters,
            .call_counters = options->call_counters,
            .token_secret = options->token_secret,
            .user = &exchange_user,
            .user_data = worker,
        },
        options->config);
}

static bool
open_wire(DmSignalWorker *worker, GError **error)
{
    const DmSignalWorkerOptions *options = &worker->options;
    DmStreamLimits limits;

    dm_stream_limits(options->config, &limits);
    worker->wire = dm_wire_new(
        &(DmUdpOptions){
            .loop = worker->loop,
            .listeners = options->config->listeners,
            .on_receive = on_receive,
            .on_unreachable = on_unreachable,
            .user_data = worker,
            .counters = options->sip_counters,
        },
        &(DmStreamsOptions){
            .loop = worker->loop,
            .listeners = options->config->listeners,
            .worker = options->number,
            .limits = limits,
            .on_receive = on_receive,
            .on_closed = on_closed,
            .send_foreign = send_foreign,
            .is_known = is_known,
            .names_of = names_of,
            .owner_of = owner_of,
            .user_data = worker,
            .counters = options->sip_counters,
        },
        options->tls,
        error);
    return worker->wire != NULL;
}

DmSignalWorker *
dm_signal_worker_new(const DmSignalWorkerOptions *options, GError **error)
{
    DmSignalWorker *worker = g_new0(DmSignalWorker, 1);

    worker->options = *options;
    worker->options.config = dm_config_ref(options->config);
    worker->options.tls = dm_tls_contexts_ref(options->tls);
    worker->random = dm_random_new();
    worker->loop = dm_loop_new(error);
    if (worker->loop == NULL) {
        dm_signal_worker_free(worker);
        return NULL;
    }
    if (!open_wire(worker, error)) {
        dm_signal_worker_free(worker);
        return NULL;
    }
    worker->mailbox = dm_mailbox_new(worker->loop, on_message, drop_message, worker);
    worker->bridge = dm_bridge_new(worker->loop, options->media);
    worker->exchange = new_exchange(worker);
    return worker;
}

static void
run(void *user_data)
{
    DmSignalWorker *worker = user_data;

    dm_loop_arm(worker->loop, &worker->alive_timer, ALIVE_US, on_alive_timer, worker);
    dm_loop_run(worker->loop);
}

bool
dm_signal_worker_start(DmSignalWorker *worker, GError **error)
{
    g_autofree char *name = g_strdup_printf("signal-%u", worker->options.number);

    worker->thread = dm_thread_start(DM_THREAD_SIGNAL, name, run, worker, error);
    return worker->thread != NULL;
}

static bool
is_finished(const DmSignalWorker *worker)
{
    return dm_call_table_count(dm_exchange_calls(worker->exchange)) == 0 &&
           dm_bridge_n_open(worker->bridge) == 0 &&
           dm_sip_stack_is_quiet(dm_exchange_stack(worker->exchange));
}

static void
on_stop_timer(DmTimer *timer, void *user_data)
{
    DmSignalWorker *worker = user_data;

    if (is_finished(worker) || dm_loop_now_us(worker->loop) >= worker->stop_by_us) {
        dm_loop_quit(worker->loop);
        return;
    }
    dm_loop_arm(worker->loop, timer, STOP_US, on_stop_timer, worker);
}

typedef struct {
    WorkerMessage head;
    unsigned grace_ms;
} StopMessage;

static void
run_stop(DmSignalWorker *worker, WorkerMessage *message)
{
    unsigned grace_ms = ((StopMessage *)message)->grace_ms;

    worker->stop_by_us = dm_loop_now_us(worker->loop) + grace_ms * (int64_t)1000;
    dm_exchange_set_accepting(worker->exchange, false);
    dm_exchange_hang_up_all(worker->exchange, "Gateway is shutting down");
    dm_sip_stack_shutdown(dm_exchange_stack(worker->exchange));
    dm_loop_arm(worker->loop, &worker->stop_timer, STOP_US, on_stop_timer, worker);
}

void
dm_signal_worker_stop(DmSignalWorker *worker, unsigned grace_ms)
{
    StopMessage *own;

    if (worker->thread == NULL) {
        return;
    }
    own = g_new0(StopMessage, 1);
    own->head = (WorkerMessage){.run = run_stop, .drop = drop_plain};
    own->grace_ms = grace_ms;
    dm_mailbox_post(worker->mailbox, &own->head.message);
    dm_thread_join(g_steal_pointer(&worker->thread));
}

void
dm_signal_worker_free(DmSignalWorker *worker)
{
    if (worker == NULL) {
        return;
    }
    dm_timer_disarm(&worker->alive_timer);
    dm_timer_disarm(&worker->stop_timer);
    dm_exchange_free(worker->exchange);
    dm_bridge_free(worker->bridge);
    g_clear_pointer(&worker->mailbox, dm_mailbox_free);
    dm_wire_free(worker->wire);
    dm_loop_free(worker->loop);
    dm_random_free(worker->random);
    dm_config_unref(worker->options.config);
    dm_tls_contexts_unref(worker->options.tls);
    g_free(worker);
}

int64_t
dm_signal_worker_take_lag_us(DmSignalWorker *worker)
{
    return dm_loop_take_lag_us(worker->loop);
}
