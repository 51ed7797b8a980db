/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/call-counters.h"
#include "gateway/cdr/quality-report.h"

DM_LOG_TOPIC("exchange");

struct DmExchange {
    DmExchangeOptions options;
    DmConfig *config;
    DmPool *pool;
    DmSipStack *stack;
    DmCallTable *calls;
    DmCallDeps deps;
    DmCallObserver observer;
    DmNeighbours *neighbours;
    bool accepting;
    DmTimer report_timer; /* for the collector, in the middle of calls */
};

/* Q.850 cause 16 and 41 in words the records use. */
static void
fill_release(DmRelease *why, const char *reason)
{
    *why = (DmRelease){.cause = DM_RELEASE_LOCAL, .status = 503, .q850 = 41};
    g_strlcpy(why->reason, reason, sizeof why->reason);
    g_strlcpy(why->diagnosis, "operator", sizeof why->diagnosis);
}

static DmCallCounterId
result_counter(const DmRecord *record)
{
    if (record->answer_wall_us != 0) {
        return CALL_answered;
    }
    switch (record->release.code) {
    case 486:
    case 600:
        return CALL_busy;
    case 408:
    case 480:
        return CALL_noanswer;
    case 487:
        return CALL_cancelled;
    case 403:
    case 404:
    case 488:
        return CALL_rejected;
    default:
        return CALL_failed;
    }
}

static void
count_end(DmExchange *exchange, const DmRecord *record)
{
    static const DmCallCounterId by_side[] = {
        [DM_RELEASED_BY_A] = CALL_released_a,
        [DM_RELEASED_BY_B] = CALL_released_b,
        [DM_RELEASED_BY_GATEWAY] = CALL_released_gateway,
    };
    DmCounter *counters = exchange->options.call_counters;

    dm_count(&counters[result_counter(record)]);
    dm_count(&counters[by_side[record->release.by]]);
    dm_count_add(&counters[CALL_active], -1);
}

/* @end_wall_us: as in dm_quality_report_print(). */
static void
report_quality(DmExchange *exchange, const DmRecord *record, int64_t end_wall_us)
{
    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        GString *body = dm_config_is_reported(exchange->config, record->leg[side].trunk)
                            ? dm_quality_report_print(record, side, end_wall_us)
                            : NULL;

        if (body != NULL) {
            dm_sip_stack_publish(exchange->stack, body);
        }
    }
}

static void
report_one(DmCall *call, void *user_data)
{
    DmExchange *exchange = user_data;
    const DmRecord *record = dm_call_record_now(call);

    if (record->end_wall_us == 0) {
        report_quality(exchange, record, dm_clock_wall_us(dm_loop_clock(exchange->options.loop)));
    }
}

static void arm_reports(DmExchange *exchange);

static void
on_report_timer(DmTimer *timer, void *user_data)
{
    DmExchange *exchange = user_data;

    arm_reports(exchange);
    dm_call_table_foreach(exchange->calls, report_one, exchange);
}

static void
arm_reports(DmExchange *exchange)
{
    unsigned interval_s = exchange->config->quality.reports.interval_s;

    dm_timer_disarm(&exchange->report_timer);
    if (interval_s > 0 && *exchange->config->quality.reports.collector != '\0') {
        dm_loop_arm(exchange->options.loop,
                    &exchange->report_timer,
                    (int64_t)interval_s * G_USEC_PER_SEC,
                    on_report_timer,
                    exchange);
    }
}

static void
on_call_started(const DmRecord *record, void *user_data)
{
    DmExchange *exchange = user_data;

    exchange->options.user->started(record, exchange->options.user_data);
}

static void
on_call_ended(const DmRecord *record, void *user_data)
{
    DmExchange *exchange = user_data;

    count_end(exchange, record);
    report_quality(exchange, record, 0);
    exchange->options.user->ended(record, exchange->options.user_data);
}

static void
on_call_over(DmCall *call, void *user_data)
{
    DmExchange *exchange = user_data;

    dm_call_table_remove(exchange->calls, call);
}

static void
on_incoming(const DmIncoming *incoming, void *user_data)
{
    DmExchange *exchange = user_data;

    dm_count(&exchange->options.call_counters[CALL_active]);
    dm_call_table_add(exchange->calls, dm_call_new(&exchange->deps, exchange->config, incoming));
}

static void
on_transferred(bool done, void *user_data)
{
    DmExchange *exchange = user_data;

    dm_count(&exchange->options.call_counters[done ? CALL_transfers_done : CALL_transfers_failed]);
}

static void
on_fetch(const char *call_id, const DmFarDialog *dialog, const char *trunk_id, void *user_data)
{
    DmExchange *exchange = user_data;

    dm_neighbours_fetch(exchange->neighbours, call_id, dialog, trunk_id);
}

static void
to_worker(unsigned worker, DmNeighbourMail *mail, void *user_data)
{
    DmExchange *exchange = user_data;

    exchange->options.user->to_worker(worker, mail, exchange->options.user_data);
}

static void
on_foreign(unsigned worker, const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    DmExchange *exchange = user_data;

    exchange->options.user->on_foreign(worker, flow, data, len, exchange->options.user_data);
}

static void
on_bindings(const char *trunk_id, DmBindings *bindings, void *user_data)
{
    DmExchange *exchange = user_data;

    if (exchange->options.user->on_bindings != NULL) {
        exchange->options.user->on_bindings(trunk_id, bindings, exchange->options.user_data);
    }
}

static void
on_grant(const char *trunk_id, DmGrant *grant, void *user_data)
{
    DmExchange *exchange = user_data;

    if (exchange->options.user->on_grant != NULL) {
        exchange->options.user->on_grant(trunk_id, grant, exchange->options.user_data);
    }
}

static bool
is_accepting(void *user_data)
{
    const DmExchange *exchange = user_data;
    unsigned max = exchange->config->security.max_calls;

    return exchange->accepting && (max == 0 || dm_call_table_count(exchange->calls) < max);
}

static const DmSipStackUser stack_user = {
    .on_incoming = on_incoming,
    .on_foreign = on_foreign,
    .on_bindings = on_bindings,
    .on_grant = on_grant,
    .is_accepting = is_accepting,
};

static DmSipStack *
new_stack(DmExchange *exchange)
{
    const DmExchangeOptions *options = &exchange->options;

    return dm_sip_stack_new(
        &(DmSipStackOptions){
            .loop = options->loop,
            .random = options->random,
            .pool = exchange->pool,
            .wire = options->wire,
            .worker = options->worker,
            .n_workers = options->n_workers,
            .user = &stack_user,
            .user_data = exchange,
            .counters = options->sip_counters,
            .token_secret = options->token_secret,
        },
        exchange->config);
}

DmExchange *
dm_exchange_new(const DmExchangeOptions *options, DmConfig *config)
{
    DmExchange *exchange = g_new0(DmExchange, 1);

    exchange->options = *options;
    exchange->config = dm_config_ref(config);
    exchange->accepting = true;
    exchange->pool = dm_pool_new(options->registry, dm_loop_clock(options->loop), options->random);
    dm_pool_take_config(exchange->pool, config);
    exchange->calls = dm_call_table_new();
    exchange->stack = new_stack(exchange);
    exchange->observer = (DmCallObserver){
        .started = on_call_started,
        .ended = on_call_ended,
        .arrives = on_incoming,
        .fetch = options->user->to_worker != NULL ? on_fetch : NULL,
        .transferred = on_transferred,
        .over = on_call_over,
        .user_data = exchange,
    };
    exchange->deps = (DmCallDeps){
        .loop = options->loop,
        .random = options->random,
        .pool = exchange->pool,
        .legs = dm_sip_stack_legs(exchange->stack),
        .media = options->media,
        .media_engine = options->media_engine,
        .observer = &exchange->observer,
    };
    exchange->neighbours = dm_neighbours_new(&(DmNeighboursOptions){
        .worker = options->worker,
        .stack = exchange->stack,
        .calls = exchange->calls,
        .deps = &exchange->deps,
        .post = to_worker,
        .user_data = exchange,
    });
    arm_reports(exchange);
    return exchange;
}

void
dm_exchange_free(DmExchange *exchange)
{
    if (exchange == NULL) {
        return;
    }
    dm_timer_disarm(&exchange->report_timer);
    dm_call_table_free(exchange->calls);
    dm_sip_stack_free(exchange->stack);
    dm_neighbours_free(exchange->neighbours);
    dm_pool_free(exchange->pool);
    dm_config_unref(exchange->config);
    g_free(exchange);
}

void
dm_exchange_take_config(DmExchange *exchange, DmConfig *config)
{
    DmConfig *old = exchange->config;

    exchange->config = dm_config_ref(config);
    dm_pool_take_config(exchange->pool, config);
    dm_sip_stack_take_config(exchange->stack, config);
    if (config->quality.reports.interval_s != old->quality.reports.interval_s ||
        strcmp(config->quality.reports.collector, old->quality.reports.collector) != 0) {
        arm_reports(exchange);
    }
    dm_config_unref(old);
}

void
dm_exchange_take_bindings(DmExchange *exchange, const char *trunk_id, DmBindings *bindings)
{
    DmTrunk *trunk = dm_pool_find(exchange->pool, trunk_id);

    if (trunk != NULL) {
        dm_trunk_set_bindings(trunk, bindings);
    }
}

void
dm_exchange_take_grant(DmExchange *exchange, const char *trunk_id, DmGrant *grant)
{
    DmTrunk *trunk = dm_pool_find(exchange->pool, trunk_id);

    if (trunk != NULL) {
        dm_trunk_set_grant(trunk, grant);
    }
}

void
dm_exchange_take_addresses(DmExchange *exchange,
                           const char *trunk_id,
                           unsigned endpoint,
                           const DmResolved *addresses,
                           size_t n)
{
    DmTrunk *trunk = dm_pool_find(exchange->pool, trunk_id);

    if (trunk != NULL && endpoint < dm_trunk_n_endpoints(trunk)) {
        dm_trunk_set_addresses(trunk, endpoint, addresses, n);
        dm_sip_stack_addresses_changed(exchange->stack, trunk_id);
    }
}

DmSipStack *
dm_exchange_stack(DmExchange *exchange)
{
    return exchange->stack;
}

DmPool *
dm_exchange_pool(DmExchange *exchange)
{
    return exchange->pool;
}

DmCallTable *
dm_exchange_calls(DmExchange *exchange)
{
    return exchange->calls;
}

void
dm_exchange_set_accepting(DmExchange *exchange, bool accepting)
{
    exchange->accepting = accepting;
}

static void
hang_up_one(DmCall *call, void *user_data)
{
    dm_call_hang_up(call, user_data);
}

void
dm_exchange_hang_up_all(DmExchange *exchange, const char *reason)
{
    DmRelease why;

    fill_release(&why, reason);
    g_strlcpy(why.diagnosis, "shutdown", sizeof why.diagnosis);
    dm_call_table_foreach(exchange->calls, hang_up_one, &why);
    dm_neighbours_close_all(exchange->neighbours, &why);
}

void
dm_exchange_take_mail(DmExchange *exchange, DmNeighbourMail *mail)
{
    dm_neighbours_take(exchange->neighbours, mail);
}

bool
dm_exchange_recording(DmExchange *exchange,
                      const char *call_id,
                      DmRecordingAction action,
                      GError **error)
{
    DmCall *call = dm_call_table_find(exchange->calls, call_id);

    if (call == NULL) {
        g_set_error(error, DM_ERROR, DM_ERROR_NOT_FOUND, "no live call '%s'", call_id);
        return false;
    }
    return dm_call_recording(call, action, error);
}

bool
dm_exchange_hang_up(DmExchange *exchange, const char *call_id, const char *reason)
{
    DmCall *call = dm_call_table_find(exchange->calls, call_id);
    DmRelease why;

    if (call == NULL) {
        return false;
    }
    fill_release(&why, reason);
    dm_call_hang_up(call, &why);
    return true;
}
