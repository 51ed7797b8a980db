/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-table.h"
#include "gateway/call/call.h"
#include "gateway/neighbours.h"
#include "gateway/sip/stack.h"

/* The signalling side of one worker, whole and without a thread: trunks, SIP stack and calls on one
 * loop, one wire and one media implementation. Production puts it on sockets and a thread
 * (gateway/signal-worker.c), the simulation on a virtual loop and a simulated network. One thread.
 */
typedef struct DmExchange DmExchange;

typedef struct {
    /* See DmSipStackUser. */
    void (*on_foreign)(unsigned worker,
                       const DmSipFlow *flow,
                       const char *data,
                       size_t len,
                       void *user_data);
    /* See DmSipStackUser. (nullable) */
    void (*on_bindings)(const char *trunk_id, DmBindings *bindings, void *user_data);
    void (*on_grant)(const char *trunk_id, DmGrant *grant, void *user_data); /* (nullable) */
    /* Takes @mail to dm_exchange_take_mail() of that worker, in order. (transfer full: @mail)
     * (nullable: there is one worker) */
    void (*to_worker)(unsigned worker, DmNeighbourMail *mail, void *user_data);
    void (*started)(const DmRecord *record, void *user_data); /* a call was answered */
    void (*ended)(const DmRecord *record, void *user_data);   /* exactly once a call */
} DmExchangeUser;

typedef struct {
    DmLoop *loop;
    DmRandom *random;
    DmSipWire wire;
    unsigned worker, n_workers;
    DmTrunkRegistry *registry;
    const DmMediaOps *media;
    void *media_engine;
    DmCounter *sip_counters;  /* DM_N_SIP_COUNTERS */
    DmCounter *call_counters; /* DM_N_CALL_COUNTERS of gateway/call-counters.h */
    const char *token_secret;
    const DmExchangeUser *user;
    void *user_data;
} DmExchangeOptions;

/* Everything in @options is borrowed and outlives it. @config is referenced. */
DmExchange *dm_exchange_new(const DmExchangeOptions *options, DmConfig *config);
/* Calls still there go without a word and without a record: hang up and turn the loop first. */
void dm_exchange_free(DmExchange *exchange);
void dm_exchange_take_config(DmExchange *exchange, DmConfig *config);

DmSipStack *dm_exchange_stack(DmExchange *exchange);
DmPool *dm_exchange_pool(DmExchange *exchange);
DmCallTable *dm_exchange_calls(DmExchange *exchange);

/* Another worker's news: contacts of a trunk that registers with us. NULL: none. */
void dm_exchange_take_bindings(DmExchange *exchange, const char *trunk_id, DmBindings *bindings);

/* (transfer full: @mail) */
void dm_exchange_take_mail(DmExchange *exchange, DmNeighbourMail *mail);

/* The same of what a registrar said; NULL: nothing. */
void dm_exchange_take_grant(DmExchange *exchange, const char *trunk_id, DmGrant *grant);
/* The resolver's news. */
void dm_exchange_take_addresses(DmExchange *exchange,
                                const char *trunk_id,
                                unsigned endpoint,
                                const DmResolved *addresses,
                                size_t n);

/* No new calls from now on, or welcome again. */
void dm_exchange_set_accepting(DmExchange *exchange, bool accepting);
/* Hangs up every call, with @reason for peers and records. */
void dm_exchange_hang_up_all(DmExchange *exchange, const char *reason);
/* Errors: DM_ERROR_NOT_FOUND, and those of dm_call_recording(). */
bool dm_exchange_recording(DmExchange *exchange,
                           const char *call_id,
                           DmRecordingAction action,
                           GError **error);
/* False: no such call. */
bool dm_exchange_hang_up(DmExchange *exchange, const char *call_id, const char *reason);
