/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gateway.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/call-counters.h"
#include "gateway/call/call-table.h"
#include "gateway/contacts.h"
#include "gateway/route/policy.h"
#include "gateway/signal-worker.h"
#include "gateway/sip/counters.h"
#include "gateway/sip/resolver.h"
#include "gateway/sip/transport/streams.h"
#include "gateway/sip/transport/udp.h"
#include "gateway/sounds.h"

DM_LOG_TOPIC("gateway");

/* How long peers may take to answer our BYEs at the end. */
#define STOP_GRACE_MS         3000
#define CERTIFICATE_WARNING_S (14 * 86400)

struct DmGateway {
    DmStore *store; /* not owned */
    int64_t started_wall_us, started_mono_us;
    char *token_secret;
    char *data_dir; /* NULL: the configuration's */
    DmTrunkRegistry *registry;
    DmMedia *media;
    DmCdrWriter *writer;
    DmContacts *contacts;
    DmSignalWorker *workers[DM_ID_MAX_WORKERS];
    unsigned n_workers;
    DmResolver *resolver;
    _Atomic bool draining;
    GMutex lock; /* protects config */
    DmConfig *config;
    DmTlsContexts *tls; /* protected by @lock */
    DmCounter sip_counters[DM_N_SIP_COUNTERS];
    DmCounter call_counters[DM_N_CALL_COUNTERS];
};

/* --- start and stop --- */

static void
on_foreign(unsigned number, const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    DmGateway *gateway = user_data;

    if (number < gateway->n_workers) {
        dm_signal_worker_post_datagram(gateway->workers[number], flow, data, len);
    }
}

static void
send_foreign(unsigned number, const DmSipFlow *flow, const void *data, size_t len, void *user_data)
{
    DmGateway *gateway = user_data;

    if (number < gateway->n_workers) {
        dm_signal_worker_post_send(gateway->workers[number], flow, data, len);
    }
}

static void
to_worker(unsigned number, DmNeighbourMail *mail, void *user_data)
{
    DmGateway *gateway = user_data;

    if (number < gateway->n_workers) {
        dm_signal_worker_post_mail(gateway->workers[number], mail);
    } else {
        dm_neighbour_mail_free(mail);
    }
}

/* Any worker may wait for an answer on a stream of worker @number's. */
static void
flow_failed(unsigned number, const DmSipFlow *flow, void *user_data)
{
    DmGateway *gateway = user_data;

    for (unsigned i = 0; i < gateway->n_workers; i++) {
        if (i != number) {
            dm_signal_worker_post_flow_failed(gateway->workers[i], flow);
        }
    }
}

static void
on_bindings(unsigned number, const char *trunk_id, DmBindings *bindings, void *user_data)
{
    DmGateway *gateway = user_data;

    for (unsigned i = 0; i < gateway->n_workers; i++) {
        if (i != number) {
            dm_signal_worker_post_bindings(gateway->workers[i], trunk_id, bindings);
        }
    }
    dm_contacts_keep(gateway->contacts, trunk_id, bindings);
}

static void
on_grant(unsigned number, const char *trunk_id, DmGrant *grant, void *user_data)
{
    DmGateway *gateway = user_data;

    for (unsigned i = 0; i < gateway->n_workers; i++) {
        if (i != number) {
            dm_signal_worker_post_grant(gateway->workers[i], trunk_id, grant);
        }
    }
}

static void
take_recordings(DmGateway *gateway, const DmConfig *config)
{
    const char *data_dir = gateway->data_dir != NULL ? gateway->data_dir : config->system.data_dir;
    g_autofree char *base = g_canonicalize_filename(data_dir, NULL);
    g_autofree char *folder = g_canonicalize_filename(config->recording.directory, base);

    dm_media_keep_recordings(gateway->media, folder, config->recording.retention_days);
}

static bool
start_media(DmGateway *gateway, GError **error)
{
    const GPtrArray *configured = gateway->config->media_pools;
    g_autofree DmMediaPool *pools = g_new0(DmMediaPool, configured->len);

    for (unsigned i = 0; i < configured->len; i++) {
        const DmMediaPoolConfig *from = configured->pdata[i];

        pools[i] = (DmMediaPool){
            .address = from->address,
            .advertised = from->advertised,
            .port_min = from->port_min,
            .port_max = from->port_max,
            .dscp = from->dscp,
        };
    }
    gateway->media = dm_media_new(
        &(DmMediaOptions){
            .n_workers = gateway->config->system.media_workers,
            .pools = pools,
            .n_pools = configured->len,
        },
        error);
    if (gateway->media == NULL) {
        return false;
    }
    take_recordings(gateway, gateway->config);
    return true;
}

static bool
start_writer(DmGateway *gateway, GError **error)
{
    const DmConfig *config = gateway->config;

    gateway->writer = dm_cdr_writer_start(
        gateway->store,
        &(DmCdrWriterOptions){
            .file_path = config->cdr.file_sink ? config->cdr.file_path : NULL,
            .node = *config->system.node != '\0' ? config->system.node : g_get_host_name(),
            .retention_days = config->cdr.retention_days,
        },
        error);
    return gateway->writer != NULL;
}

static bool
start_contacts(DmGateway *gateway, GError **error)
{
    gateway->contacts =
        dm_contacts_start(gateway->store, gateway->config, gateway->registry, error);
    return gateway->contacts != NULL;
}

static bool
make_workers(DmGateway *gateway, GError **error)
{
    for (unsigned i = 0; i < gateway->config->system.workers; i++) {
        gateway->workers[i] = dm_signal_worker_new(
            &(DmSignalWorkerOptions){
                .number = i,
                .n_workers = gateway->config->system.workers,
                .config = gateway->config,
                .registry = gateway->registry,
                .media = gateway->media,
                .writer = gateway->writer,
                .sip_counters = gateway->sip_counters,
                .call_counters = gateway->call_counters,
                .token_secret = gateway->token_secret,
                .on_foreign = on_foreign,
                .send_foreign = send_foreign,
                .flow_failed = flow_failed,
                .to_worker = to_worker,
                .on_bindings = on_bindings,
                .on_grant = on_grant,
                .tls = gateway->tls,
                .user_data = gateway,
            },
            error);
        if (gateway->workers[i] == NULL) {
            return false;
        }
        gateway->n_workers++;
    }
    return true;
}

/* Only once all are made: a worker may hand a message to any other as soon as it runs. */
static bool
start_workers(DmGateway *gateway, GError **error)
{
    for (unsigned i = 0; i < gateway->n_workers; i++) {
        if (!dm_signal_worker_start(gateway->workers[i], error)) {
            return false;
        }
    }
    return true;
}

static void
on_addresses(const char *trunk_id,
             unsigned endpoint,
             const DmResolved *addresses,
             size_t n,
             void *user_data)
{
    DmGateway *gateway = user_data;

    for (unsigned i = 0; i < gateway->n_workers; i++) {
        dm_signal_worker_post_addresses(gateway->workers[i], trunk_id, endpoint, addresses, n);
    }
}

static bool
start_resolver(DmGateway *gateway, GError **error)
{
    gateway->resolver = dm_resolver_start(on_addresses, gateway, error);
    if (gateway->resolver == NULL) {
        return false;
    }
    dm_resolver_take_config(gateway->resolver, gateway->config);
    return true;
}

/* RFC 3261 tags and nonces are worth nothing to who knows the secret, so it is made once and kept
 * in the store: tokens in Contacts stay the same across restarts. */
static bool
take_secret(DmGateway *gateway, GError **error)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(DmRandom) random = NULL;
    char token[49];

    gateway->token_secret = dm_store_value(gateway->store, "token_secret", &missing);
    if (gateway->token_secret != NULL) {
        return true;
    }
    if (!g_error_matches(missing, DM_ERROR, DM_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&missing));
        return false;
    }
    random = dm_random_new();
    dm_random_token(random, token, sizeof token - 1);
    gateway->token_secret = g_strdup(token);
    return dm_store_set_value(gateway->store, "token_secret", token, error);
}

/* Calls go on without it: whoever was to hear it hears silence. */
static void
on_bad_sound(const char *id, const char *why, void *user_data)
{
    dm_error(NULL, "sound '%s': %s; silence takes its place", id, why);
}

static void
warn_if_old(const DmCertificateFacts *facts, void *user_data)
{
    int64_t left_s = facts->expires_s - dm_clock_wall_us(dm_clock_system()) / G_USEC_PER_SEC;

    if (left_s < 0) {
        dm_error(NULL,
                 "the certificate of TLS profile '%s' has expired: peers refuse it",
                 facts->profile);
    } else if (left_s < CERTIFICATE_WARNING_S) {
        dm_warning(NULL,
                   "the certificate of TLS profile '%s' expires in %d days: renew it and reload",
                   facts->profile,
                   (int)(left_s / 86400));
    }
}

static bool
load_certificates(DmGateway *gateway, GError **error)
{
    gateway->tls = dm_tls_contexts_new(gateway->config, error);
    if (gateway->tls == NULL) {
        return false;
    }
    dm_tls_contexts_foreach(gateway->tls, warn_if_old, NULL);
    return true;
}

static bool
start_all(DmGateway *gateway, GError **error)
{
    return dm_udp_check_free(gateway->config->listeners, error) &&
           dm_streams_check_free(gateway->config->listeners, error) &&
           take_secret(gateway, error) && load_certificates(gateway, error) &&
           start_media(gateway, error) && start_writer(gateway, error) &&
           start_contacts(gateway, error) && make_workers(gateway, error) &&
           start_workers(gateway, error) && start_resolver(gateway, error);
}

DmGateway *
dm_gateway_start(const DmGatewayOptions *options, GError **error)
{
    DmGateway *gateway = g_new0(DmGateway, 1);

    g_mutex_init(&gateway->lock);
    gateway->store = options->store;
    gateway->data_dir = g_strdup(options->data_dir);
    gateway->config = dm_config_ref(options->config);
    gateway->started_wall_us = dm_clock_wall_us(dm_clock_system());
    gateway->started_mono_us = dm_clock_mono_us(dm_clock_system());
    gateway->registry = dm_trunk_registry_new();
    dm_route_prepare(gateway->config);
    dm_sounds_load(gateway->config, on_bad_sound, NULL);
    if (!start_all(gateway, error)) {
        dm_gateway_stop(gateway);
        return NULL;
    }
    dm_notice(
        NULL,
        "gateway is up: %u signalling workers, %u trunks, %u routes, revision %" G_GUINT64_FORMAT,
        gateway->n_workers,
        gateway->config->trunks->len,
        gateway->config->routes->len,
        gateway->config->revision);
    return gateway;
}

void
dm_gateway_stop(DmGateway *gateway)
{
    if (gateway == NULL) {
        return;
    }
    dm_resolver_stop(gateway->resolver);
    for (unsigned i = 0; i < gateway->n_workers; i++) {
        dm_signal_worker_stop(gateway->workers[i], STOP_GRACE_MS);
    }
    dm_media_free(gateway->media);
    for (unsigned i = 0; i < gateway->n_workers; i++) {
        dm_signal_worker_free(gateway->workers[i]);
    }
    dm_cdr_writer_stop(gateway->writer);
    dm_contacts_stop(gateway->contacts);
    dm_trunk_registry_unref(gateway->registry);
    dm_config_unref(gateway->config);
    dm_tls_contexts_unref(gateway->tls);
    g_free(gateway->token_secret);
    g_free(gateway->data_dir);
    g_mutex_clear(&gateway->lock);
    g_free(gateway);
}

/* --- draining --- */

void
dm_gateway_drain(DmGateway *gateway, bool draining)
{
    atomic_store(&gateway->draining, draining);
    for (unsigned i = 0; i < gateway->n_workers; i++) {
        dm_signal_worker_post_accepting(gateway->workers[i], !draining);
    }
    dm_notice(NULL, draining ? "draining: no new calls" : "new calls are welcome again");
}

bool
dm_gateway_is_draining(const DmGateway *gateway)
{
    return atomic_load(&gateway->draining);
}

size_t
dm_gateway_n_calls(const DmGateway *gateway)
{
    return (size_t)MAX(0, dm_counter_value(&gateway->call_counters[CALL_active]));
}

/* --- configuration --- */

DmConfig *
dm_gateway_config(DmGateway *gateway)
{
    DmConfig *config;

    g_mutex_lock(&gateway->lock);
    config = dm_config_ref(gateway->config);
    g_mutex_unlock(&gateway->lock);
    return config;
}

static bool
same_listeners(const DmConfig *a, const DmConfig *b)
{
    if (a->listeners->len != b->listeners->len) {
        return false;
    }
    for (unsigned i = 0; i < a->listeners->len; i++) {
        const DmListenerConfig *x = a->listeners->pdata[i];
        const DmListenerConfig *y = b->listeners->pdata[i];

        if (!dm_address_equal(&x->address, &y->address) || x->transport != y->transport ||
            !dm_address_equal(&x->advertised, &y->advertised) || x->dscp != y->dscp ||
            strcmp(x->tls_profile, y->tls_profile) != 0) {
            return false;
        }
    }
    return true;
}

static bool
same_pools(const DmConfig *a, const DmConfig *b)
{
    if (a->media_pools->len != b->media_pools->len) {
        return false;
    }
    for (unsigned i = 0; i < a->media_pools->len; i++) {
        const DmMediaPoolConfig *x = a->media_pools->pdata[i];
        const DmMediaPoolConfig *y = b->media_pools->pdata[i];

        if (!dm_address_same_host(&x->address, &y->address) || x->port_min != y->port_min ||
            x->port_max != y->port_max || x->dscp != y->dscp ||
            !dm_address_same_host(&x->advertised, &y->advertised)) {
            return false;
        }
    }
    return true;
}

static json_t *
needs_restart(const DmConfig *old, const DmConfig *new)
{
    json_t *names = json_array();

    if (!same_listeners(old, new)) {
        json_array_append_new(names, json_string("/listeners"));
    }
    if (!same_pools(old, new)) {
        json_array_append_new(names, json_string("/media_pools"));
    }
    if (old->system.workers != new->system.workers ||
        old->system.media_workers != new->system.media_workers) {
        json_array_append_new(names, json_string("/system/workers"));
    }
    if (g_strcmp0(old->system.data_dir, new->system.data_dir) != 0) {
        json_array_append_new(names, json_string("/system/data_dir"));
    }
    return names;
}

/* Certificates that cannot be read leave the old ones in force: a trunk that is up stays up. */
static void
take_certificates(DmGateway *gateway, const DmConfig *config)
{
    g_autoptr(GError) error = NULL;
    DmTlsContexts *fresh = dm_tls_contexts_new(config, &error);
    DmTlsContexts *old;

    if (fresh == NULL) {
        dm_error(NULL, "certificates not read again, the old ones stay: %s", error->message);
        return;
    }
    dm_tls_contexts_foreach(fresh, warn_if_old, NULL);
    for (unsigned i = 0; i < gateway->n_workers; i++) {
        dm_signal_worker_post_tls(gateway->workers[i], fresh);
    }
    g_mutex_lock(&gateway->lock);
    old = gateway->tls;
    gateway->tls = fresh;
    g_mutex_unlock(&gateway->lock);
    dm_tls_contexts_unref(old);
}

void
dm_gateway_apply(DmGateway *gateway, DmConfig *config, json_t **out_needs_restart)
{
    DmConfig *old;

    /* Here, and not at the first call on a signalling thread. */
    dm_route_prepare(config);
    dm_sounds_load(config, on_bad_sound, NULL);
    g_mutex_lock(&gateway->lock);
    old = gateway->config;
    gateway->config = dm_config_ref(config);
    g_mutex_unlock(&gateway->lock);
    if (out_needs_restart != NULL) {
        *out_needs_restart = needs_restart(old, config);
    }
    for (unsigned i = 0; i < gateway->n_workers; i++) {
        dm_signal_worker_post_config(gateway->workers[i], config);
    }
    take_certificates(gateway, config);
    take_recordings(gateway, config);
    dm_resolver_take_config(gateway->resolver, config);
    dm_notice(NULL, "configuration revision %" G_GUINT64_FORMAT " is in force", config->revision);
    dm_config_unref(old);
}

void
dm_gateway_certificates(DmGateway *gateway, DmGatewayCertificateFunc func, void *user_data)
{
    DmTlsContexts *tls;

    g_mutex_lock(&gateway->lock);
    tls = dm_tls_contexts_ref(gateway->tls);
    g_mutex_unlock(&gateway->lock);
    dm_tls_contexts_foreach(tls, func, user_data);
    dm_tls_contexts_unref(tls);
}

/* --- questions to workers --- */

typedef struct {
    char *call_id; /* NULL: all */
    char *reason;  /* of a hang-up */
    char *trunk_id, *action;
    DmRecordingAction recording;
    json_t *calls; /* the answer */
    GError *error;
    bool found;
} Ask;

static Ask *
ask_new(const char *call_id)
{
    Ask *ask = g_new0(Ask, 1);

    ask->call_id = g_strdup(call_id);
    return ask;
}

static void
ask_free(gpointer data)
{
    Ask *ask = data;

    g_free(ask->call_id);
    g_free(ask->reason);
    g_free(ask->trunk_id);
    g_free(ask->action);
    json_decref(ask->calls);
    g_clear_error(&ask->error);
    g_free(ask);
}

static bool
ask_worker(DmGateway *gateway,
           unsigned number,
           void (*func)(DmExchange *, void *),
           Ask *ask,
           void (*take)(void *, void *),
           void *user_data,
           unsigned deadline_ms,
           GError **error)
{
    DmSignalWorkerQuestion question = {
        .func = func,
        .data = ask,
        .free_data = ask_free,
        .take = take,
        .user_data = user_data,
    };

    if (!dm_signal_worker_ask(gateway->workers[number], &question, deadline_ms)) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_LIMIT,
                    "signalling worker %u did not answer within %u ms; try again",
                    number,
                    deadline_ms);
        return false;
    }
    return true;
}

static void
append_call(DmCall *call, void *user_data)
{
    json_array_append_new(user_data, dm_call_to_json(call));
}

static void
answer_calls(DmExchange *exchange, void *data)
{
    Ask *ask = data;

    ask->calls = json_array();
    if (ask->call_id == NULL) {
        dm_call_table_foreach(dm_exchange_calls(exchange), append_call, ask->calls);
    } else {
        DmCall *call = dm_call_table_find(dm_exchange_calls(exchange), ask->call_id);

        if (call != NULL) {
            append_call(call, ask->calls);
        }
    }
}

/* All of it, so that no value is left that the worker frees: Jansson's counts are not for threads.
 */
static void
take_calls(void *data, void *user_data)
{
    Ask *ask = data;

    json_array_extend(user_data, ask->calls);
    json_decref(g_steal_pointer(&ask->calls));
}

static bool
collect_calls(DmGateway *gateway,
              const char *call_id,
              json_t *into,
              unsigned deadline_ms,
              GError **error)
{
    for (unsigned i = 0; i < gateway->n_workers; i++) {
        if (!ask_worker(gateway,
                        i,
                        answer_calls,
                        ask_new(call_id),
                        take_calls,
                        into,
                        deadline_ms,
                        error)) {
            return false;
        }
    }
    return true;
}

static int
newest_first(const void *a, const void *b)
{
    const char *x = json_string_value(json_object_get(*(json_t *const *)a, "id"));
    const char *y = json_string_value(json_object_get(*(json_t *const *)b, "id"));

    return g_strcmp0(y, x);
}

/* Ids sort by start. */
static json_t *
sorted(json_t *calls)
{
    size_t n = json_array_size(calls);
    g_autofree json_t **all = g_new(json_t *, n + 1);
    json_t *result = json_array();

    for (size_t i = 0; i < n; i++) {
        all[i] = json_array_get(calls, i);
    }
    qsort(all, n, sizeof *all, newest_first);
    for (size_t i = 0; i < n; i++) {
        json_array_append(result, all[i]);
    }
    json_decref(calls);
    return result;
}

json_t *
dm_gateway_calls(DmGateway *gateway, unsigned deadline_ms, GError **error)
{
    json_t *calls = json_array();

    if (!collect_calls(gateway, NULL, calls, deadline_ms, error)) {
        json_decref(calls);
        return NULL;
    }
    return sorted(calls);
}

static void
set_not_found(GError **error, const char *call_id)
{
    g_set_error(error,
                DM_ERROR,
                DM_ERROR_NOT_FOUND,
                "no live call '%s'; a finished one is under /cdrs",
                call_id);
}

json_t *
dm_gateway_call(DmGateway *gateway, const char *call_id, unsigned deadline_ms, GError **error)
{
    json_t *calls = json_array();
    json_t *call = NULL;

    if (collect_calls(gateway, call_id, calls, deadline_ms, error)) {
        call = json_incref(json_array_get(calls, 0));
        if (call == NULL) {
            set_not_found(error, call_id);
        }
    }
    json_decref(calls);
    return call;
}

static void
answer_hang_up(DmExchange *exchange, void *data)
{
    Ask *ask = data;

    ask->found = dm_exchange_hang_up(exchange, ask->call_id, ask->reason);
}

static void
answer_recording(DmExchange *exchange, void *data)
{
    Ask *ask = data;

    ask->found = dm_exchange_recording(exchange, ask->call_id, ask->recording, &ask->error);
}

/* Of several workers, the one that has the call knows best what is wrong. */
static void
take_recording(void *data, void *user_data)
{
    Ask *ask = data;
    GError **error = user_data;

    if (*error == NULL || !g_error_matches(ask->error, DM_ERROR, DM_ERROR_NOT_FOUND)) {
        g_clear_error(error);
        *error = g_steal_pointer(&ask->error);
    }
}

static bool
find_recording_action(const char *name, DmRecordingAction *out, GError **error)
{
    static const char *const names[] = {
        [DM_RECORDING_START] = "start",
        [DM_RECORDING_STOP] = "stop",
        [DM_RECORDING_PAUSE] = "pause",
        [DM_RECORDING_RESUME] = "resume",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (DmRecordingAction)i;
            return true;
        }
    }
    g_set_error(error,
                DM_ERROR,
                DM_ERROR_UNSUPPORTED,
                "there is no action '%s': start, stop, pause, resume",
                name);
    return false;
}

bool
dm_gateway_recording(DmGateway *gateway,
                     const char *call_id,
                     const char *action,
                     unsigned deadline_ms,
                     GError **error)
{
    DmRecordingAction recording;
    g_autoptr(GError) said = g_error_new(DM_ERROR,
                                         DM_ERROR_NOT_FOUND,
                                         "no live call '%s'; a finished one is under /cdrs",
                                         call_id);

    if (!find_recording_action(action, &recording, error)) {
        return false;
    }
    for (unsigned i = 0;
         i < gateway->n_workers && g_error_matches(said, DM_ERROR, DM_ERROR_NOT_FOUND);
         i++) {
        Ask *ask = ask_new(call_id);

        ask->recording = recording;
        if (!ask_worker(gateway,
                        i,
                        answer_recording,
                        ask,
                        take_recording,
                        &said,
                        deadline_ms,
                        error)) {
            return false;
        }
    }
    if (said != NULL) {
        g_propagate_error(error, g_steal_pointer(&said));
        return false;
    }
    return true;
}

static void
answer_trunk_action(DmExchange *exchange, void *data)
{
    Ask *ask = data;

    ask->found = dm_sip_stack_trunk_action(dm_exchange_stack(exchange), ask->trunk_id, ask->action);
}

static void
take_found(void *data, void *user_data)
{
    bool *found = user_data;

    *found = *found || ((Ask *)data)->found;
}

bool
dm_gateway_hang_up(DmGateway *gateway,
                   const char *call_id,
                   const char *reason,
                   unsigned deadline_ms,
                   GError **error)
{
    bool found = false;

    for (unsigned i = 0; i < gateway->n_workers && !found; i++) {
        Ask *ask = ask_new(call_id);

        ask->reason = g_strdup(reason);
        if (!ask_worker(gateway, i, answer_hang_up, ask, take_found, &found, deadline_ms, error)) {
            return false;
        }
    }
    if (!found) {
        set_not_found(error, call_id);
    }
    return found;
}

bool
dm_gateway_trunk_action(DmGateway *gateway,
                        const char *trunk_id,
                        const char *action,
                        unsigned deadline_ms,
                        GError **error)
{
    g_autoptr(DmConfig) config = dm_gateway_config(gateway);
    bool found = false;

    if (dm_config_trunk(config, trunk_id) == NULL) {
        g_set_error(error, DM_ERROR, DM_ERROR_NOT_FOUND, "no trunk '%s'", trunk_id);
        return false;
    }
    for (unsigned i = 0; i < gateway->n_workers && !found; i++) {
        Ask *ask = ask_new(NULL);

        ask->trunk_id = g_strdup(trunk_id);
        ask->action = g_strdup(action);
        if (!ask_worker(gateway,
                        i,
                        answer_trunk_action,
                        ask,
                        take_found,
                        &found,
                        deadline_ms,
                        error)) {
            return false;
        }
    }
    if (!found) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_UNSUPPORTED,
                    "trunk '%s' cannot '%s': its configuration asks for no registration or probe",
                    trunk_id,
                    action);
    }
    return found;
}

/* --- what the admin side reads --- */

bool
dm_gateway_trunk_status(DmGateway *gateway, const char *trunk_id, DmTrunkStatus *out)
{
    return dm_trunk_registry_status(gateway->registry, trunk_id, out);
}

static int64_t
worst_lag_us(DmGateway *gateway)
{
    int64_t worst = 0;

    for (unsigned i = 0; i < gateway->n_workers; i++) {
        worst = MAX(worst, dm_signal_worker_take_lag_us(gateway->workers[i]));
    }
    return worst;
}

void
dm_gateway_status(DmGateway *gateway, DmGatewayStatus *out)
{
    DmCdrWriterStats cdr;

    dm_cdr_writer_stats(gateway->writer, &cdr);
    *out = (DmGatewayStatus){
        .started_wall_us = gateway->started_wall_us,
        .uptime_us = dm_clock_mono_us(dm_clock_system()) - gateway->started_mono_us,
        .workers = gateway->n_workers,
        .draining = dm_gateway_is_draining(gateway),
        .listeners_bound = true,
        .calls = dm_gateway_n_calls(gateway),
        .loop_lag_us = worst_lag_us(gateway),
        .cdr_queued = cdr.queued,
        .cdr_written = cdr.written,
        .cdr_failed = cdr.failed + cdr.dropped,
    };
    dm_media_usage(gateway->media, &out->media);
}

size_t
dm_gateway_counters(DmGateway *gateway, DmCounterSet *out, size_t max)
{
    DmCounterSet all[] = {
        {dm_call_counter_info, gateway->call_counters, DM_N_CALL_COUNTERS},
        {dm_sip_counter_info, gateway->sip_counters, DM_N_SIP_COUNTERS},
        dm_media_counters(gateway->media),
    };
    size_t n = MIN(max, G_N_ELEMENTS(all));

    for (size_t i = 0; i < n; i++) {
        out[i] = all[i];
    }
    return n;
}

DmStore *
dm_gateway_store(DmGateway *gateway)
{
    return gateway->store;
}
