/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/cdr/writer.h"
#include "gateway/exchange.h"
#include "gateway/sip/transport/tls.h"
#include "media/media.h"

/* A signalling worker: a thread with an exchange on real sockets and the real clock. Nothing is
 * shared with other workers but configuration snapshots, the trunk registry and counters. */
typedef struct DmSignalWorker DmSignalWorker;

typedef struct {
    unsigned number, n_workers;
    DmConfig *config;
    DmTrunkRegistry *registry;
    DmMedia *media;
    DmCdrWriter *writer;
    DmCounter *sip_counters, *call_counters;
    const char *token_secret;
    /* A message another worker owns. */
    void (*on_foreign)(unsigned worker,
                       const DmSipFlow *flow,
                       const char *data,
                       size_t len,
                       void *user_data);
    /* Bytes for a connection another worker owns; a stream others have sent on is gone. */
    void (*send_foreign)(unsigned worker,
                         const DmSipFlow *flow,
                         const void *data,
                         size_t len,
                         void *user_data);
    void (*flow_failed)(unsigned worker, const DmSipFlow *flow, void *user_data);
    /* See DmExchangeUser. */
    void (*to_worker)(unsigned worker, DmNeighbourMail *mail, void *user_data);
    /* Contacts of a trunk that registers with us have changed; NULL: none any more. */
    void (*on_bindings)(unsigned worker,
                        const char *trunk_id,
                        DmBindings *bindings,
                        void *user_data);
    /* What a registrar said; NULL: nothing any more. */
    void (*on_grant)(unsigned worker, const char *trunk_id, DmGrant *grant, void *user_data);
    void *user_data;
    DmTlsContexts *tls; /* referenced */
} DmSignalWorkerOptions;

/* Binds its sockets. Everything in @options outlives it; config is referenced. Error: DM_ERROR_IO.
 */
DmSignalWorker *dm_signal_worker_new(const DmSignalWorkerOptions *options, GError **error);
bool dm_signal_worker_start(DmSignalWorker *worker, GError **error);
/* Ends calls and registrations, waits for peers at most @grace_ms, and joins the thread. */
void dm_signal_worker_stop(DmSignalWorker *worker, unsigned grace_ms);
/* Stopped, and after the media engine. */
void dm_signal_worker_free(DmSignalWorker *worker);

/* Any thread, none waits. */
void dm_signal_worker_post_datagram(DmSignalWorker *worker,
                                    const DmSipFlow *flow,
                                    const char *data,
                                    size_t len);
/* (transfer full: @mail) */
void dm_signal_worker_post_mail(DmSignalWorker *worker, DmNeighbourMail *mail);
/* To be sent on a connection of @worker's. */
void dm_signal_worker_post_send(DmSignalWorker *worker,
                                const DmSipFlow *flow,
                                const void *data,
                                size_t len);
void dm_signal_worker_post_flow_failed(DmSignalWorker *worker, const DmSipFlow *flow);
/* New certificates. */
void dm_signal_worker_post_tls(DmSignalWorker *worker, DmTlsContexts *tls);
void dm_signal_worker_post_config(DmSignalWorker *worker, DmConfig *config);
void dm_signal_worker_post_accepting(DmSignalWorker *worker, bool accepting);
/* Another worker's news; NULL: none any more. Referenced. */
void dm_signal_worker_post_bindings(DmSignalWorker *worker,
                                    const char *trunk_id,
                                    DmBindings *bindings);
void dm_signal_worker_post_grant(DmSignalWorker *worker, const char *trunk_id, DmGrant *grant);
/* The resolver's news: addresses of one endpoint of a trunk. */
void dm_signal_worker_post_addresses(DmSignalWorker *worker,
                                     const char *trunk_id,
                                     unsigned endpoint,
                                     const DmResolved *addresses,
                                     size_t n);

/* Something to run with a worker's exchange on its thread. */
typedef struct {
    void (*func)(DmExchange *exchange, void *data); /* fills @data */
    void
        *data; /* (transfer full): the asker may stop waiting while the worker still writes to it */
    GDestroyNotify free_data;                  /* when both have let go */
    void (*take)(void *data, void *user_data); /* (nullable): reads the answer on the asker's
                                                  thread, when there is one */
    void *user_data;
} DmSignalWorkerQuestion;
/* Waits for the answer. False: none within @deadline_ms. */
bool dm_signal_worker_ask(DmSignalWorker *worker,
                          const DmSignalWorkerQuestion *ask,
                          unsigned deadline_ms);

int64_t dm_signal_worker_take_lag_us(DmSignalWorker *worker);
