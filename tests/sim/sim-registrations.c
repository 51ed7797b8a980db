/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "gateway/call-counters.h"
#include "gateway/sip/counters.h"
#include "tests/lib/sip-gateway.h"
#include "tests/sim/sim-media.h"
#include "tests/sim/sim-workers.h"

/* Registrations in both directions, with calls that go by them: PBXs register with the gateway,
 * refresh, take back, vanish and come back elsewhere; the gateway registers with a carrier that
 * moves; all over networks that lose, double and delay. What must be true is asked all the while,
 * and once the network is well again everybody must be there.
 *
 * PBXs and carrier are SIP stacks of ours, whose call core is this test. DM_SIM_SEED repeats a run,
 * DM_SIM_CALLS says how many networks: one for every 500 calls of the other simulations. */

#define S           (1000LL * 1000)
#define N_PBXS      3
#define EXPIRES_S   120
#define CALLS_A_RUN 500
#define STEP_US     (500 * 1000)
#define BAD_STEPS   1200 /* ten minutes */
/* somebody may vanish while it rings there, and each message may take 64*T1 */
#define OUTCOME_US     ((180 + 70) * S)
#define RECOVERY_US    (2000 * S) /* beyond the longest pause between two attempts */
#define STILL_UNDER_US (10 * S)   /* a REGISTER that was sent before its sender vanished */

static const char gateway_yaml[] =
    "listeners: [{id: main, address: 192.0.2.1, port: 5060}]\n"
    "media_pools: [{id: main, address: 192.0.2.1, port_min: 30000, port_max: 39999}]\n"
    "trunks:\n"
    "  - {id: office-0, role: pbx, domain: gw.example, auth: {mode: register_in, inbound_user: "
    "office-0, inbound_password: p}, registration: {max_contacts: 3, max_expires: 120}}\n"
    "  - {id: office-1, role: pbx, domain: gw.example, auth: {mode: register_in, inbound_user: "
    "office-1, inbound_password: p}, registration: {max_contacts: 3, max_expires: 120}}\n"
    "  - {id: office-2, role: pbx, domain: gw.example, auth: {mode: register_in, inbound_user: "
    "office-2, inbound_password: p}, registration: {max_contacts: 3, max_expires: 120}}\n"
    "  - {id: carrier, role: carrier, endpoints: [{uri: 'sip:sbc.carrier.example:5060'}], domain: "
    "carrier.example, auth: {mode: register, user: us, password: p}, registration: {expires: "
    "120}, health: {options: {enabled: false}}}\n"
    "routes:\n"
    "  - {id: r0, match: {source_trunks: [carrier], called: '+440'}, action: {trunks: "
    "[office-0]}}\n"
    "  - {id: r1, match: {source_trunks: [carrier], called: '+441'}, action: {trunks: "
    "[office-1]}}\n"
    "  - {id: r2, match: {source_trunks: [carrier], called: '+442'}, action: {trunks: "
    "[office-2]}}\n";

static const char carrier_yaml[] =
    "trunks:\n"
    "  - {id: gw, role: pbx, domain: carrier.example, auth: {mode: register_in, inbound_user: us, "
    "inbound_password: p}, registration: {max_contacts: 3, max_expires: 120}}\n";

typedef struct {
    DmSimGateway *stack; /* NULL: it is switched off */
    GHashTable *seen;    /* legs that were answered; borrowed */
    unsigned n_moves;
    int64_t silent_since_us; /* 0: it can be heard */
    unsigned n_calls;        /* that came */
} Pbx;

/* A call of the carrier's, on its way. */
typedef struct {
    DmLeg *leg; /* NULL: none */
    unsigned number;
    int64_t since_us;
    bool answered;
    unsigned calls_before; /* of the PBX it is for */
} Calling;

typedef struct {
    uint64_t seed;
    DmSimNetwork *network;
    DmRandom *random;
    DmConfig *config;
    DmTrunkRegistry *registry;
    SimMedia *media;
    SimWorkers *workers;
    DmCounter sip[DM_N_SIP_COUNTERS], calls[DM_N_CALL_COUNTERS];
    Pbx pbxs[N_PBXS];
    DmSimGateway *carrier;
    unsigned n_carriers;
    Calling calling;
    DmSdp *sdp;
    bool is_well; /* the network, and everybody there */
    unsigned n_answered, n_refused, n_moves;
} Run;

static bool
chance(Run *run, unsigned per_mille)
{
    return dm_random_range(run->random, 0, 999) < (int64_t)per_mille;
}

static int64_t
now(const Run *run)
{
    return dm_sim_network_now_us(run->network);
}

/* --- PBXs --- */

static void
switch_on(Run *run, unsigned i)
{
    Pbx *pbx = &run->pbxs[i];
    g_autofree char *address =
        g_strdup_printf("198.51.100.%u:%u", 10 + i, 5060 + pbx->n_moves++ % 100);
    g_autofree char *yaml = g_strdup_printf(
        "trunks:\n"
        "  - {id: up, role: carrier, endpoints: [{uri: 192.0.2.1}], domain: gw.example, auth: "
        "{mode: register, user: office-%u, password: p}, registration: {expires: %u}}\n",
        i,
        EXPIRES_S);

    pbx->stack = dm_sim_gateway_new(run->network, address, yaml);
    pbx->silent_since_us = 0;
}

/* Without a word: its host answers nobody any more. */
static void
switch_off(Run *run, Pbx *pbx)
{
    dm_sim_host_set_state(pbx->stack->host, DM_SIM_SILENT);
    g_hash_table_remove_all(pbx->seen);
    g_clear_pointer(&pbx->stack, dm_sim_gateway_free);
    if (pbx->silent_since_us == 0) {
        pbx->silent_since_us = now(run);
    }
}

static void
vanish(Run *run, Pbx *pbx)
{
    dm_sim_host_set_state(pbx->stack->host, DM_SIM_SILENT);
    pbx->silent_since_us = now(run);
}

static void
come_back(Pbx *pbx)
{
    dm_sim_host_set_state(pbx->stack->host, DM_SIM_UP);
    pbx->silent_since_us = 0;
}

static void
pbx_does_something(Run *run, unsigned i)
{
    Pbx *pbx = &run->pbxs[i];

    if (pbx->stack == NULL) {
        if (chance(run, 20)) {
            switch_on(run, i);
        }
    } else if (pbx->silent_since_us != 0) {
        if (chance(run, 10)) {
            come_back(pbx);
        }
    } else if (chance(run, 4)) {
        vanish(run, pbx);
    } else if (chance(run, 4)) {
        switch_off(run, pbx);
    } else if (chance(run, 4)) {
        dm_sip_stack_trunk_action(pbx->stack->stack, "up", "unregister");
    } else if (chance(run, 10)) {
        dm_sip_stack_trunk_action(pbx->stack->stack, "up", "register");
    }
}

/* Every call is for it, and is answered at once. */
static void
answer_calls(Run *run, unsigned i)
{
    Pbx *pbx = &run->pbxs[i];

    for (guint k = 0; pbx->stack != NULL && k < pbx->stack->legs->len; k++) {
        DmLeg *leg = g_ptr_array_index(pbx->stack->legs, k);

        if (g_hash_table_add(pbx->seen, leg)) {
            g_autofree char *prefix = g_strdup_printf("+44%u", i);

            g_assert_true(g_str_has_prefix(pbx->stack->identity.to_user, prefix));
            pbx->n_calls++;
            leg->ops->answer(leg, run->sdp);
        }
    }
}

/* A leg that is gone may have its place in memory taken by another. */
static gboolean
is_gone(gpointer leg, gpointer value, gpointer user_data)
{
    const Pbx *pbx = user_data;

    return pbx->stack == NULL || !g_ptr_array_find(pbx->stack->legs, leg, NULL);
}

/* --- the carrier --- */

/* Its name has another address from now on; who was there before is gone. */
static void
move_carrier(Run *run)
{
    g_autofree char *address = g_strdup_printf("203.0.113.%u:5060", 1 + run->n_carriers % 250);
    DmResolved resolved = {0};

    if (run->carrier != NULL) {
        dm_sim_host_set_state(run->carrier->host, DM_SIM_SILENT);
        dm_sim_gateway_free(run->carrier);
        run->calling = (Calling){0};
    }
    run->n_carriers++;
    run->n_moves++;
    run->carrier = dm_sim_gateway_new(run->network, address, carrier_yaml);
    resolved.address = *dm_sim_host_address(run->carrier->host, 0);
    for (unsigned i = 0; i < sim_workers_n(run->workers); i++) {
        dm_exchange_take_addresses(sim_workers_exchange(run->workers, i),
                                   "carrier",
                                   0,
                                   &resolved,
                                   1);
    }
}

static DmBindings *
contacts_of_gateway(const Run *run)
{
    return dm_trunk_bindings(dm_pool_find(run->carrier->pool, "gw"));
}

static void
on_carrier_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    Run *run = user_data;
    Calling *calling = &run->calling;

    if (calling->leg != leg) {
        return;
    }
    if (event->type == DM_LEG_ANSWERED) {
        calling->answered = true;
        run->n_answered++;
        g_assert_cmpuint(run->pbxs[calling->number].n_calls, >, calling->calls_before);
    } else if (event->type == DM_LEG_CLOSED) {
        /* a proper error, or the end of a call that was answered */
        g_assert_true(calling->answered || event->release->status >= 400);
        g_assert_false(run->is_well && !calling->answered);
        run->n_refused += !calling->answered;
        calling->leg = NULL;
    }
}

static void
call_somebody(Run *run, unsigned number)
{
    g_autofree char *called = g_strdup_printf("+44%u1234", number);

    run->carrier->on_event = on_carrier_event;
    run->carrier->user_data = run;
    run->calling = (Calling){
        .number = number,
        .since_us = now(run),
        .calls_before = run->pbxs[number].n_calls,
    };
    run->calling.leg = dm_sim_gateway_dial(run->carrier, "gw", called, run->sdp);
}

static void
carrier_does_something(Run *run)
{
    Calling *calling = &run->calling;

    if (calling->leg == NULL) {
        if (contacts_of_gateway(run) != NULL && chance(run, 100)) {
            call_somebody(run, (unsigned)dm_random_range(run->random, 0, N_PBXS - 1));
        }
    } else if (calling->answered && chance(run, 200)) {
        calling->leg->ops->close(calling->leg, &(DmRelease){.cause = DM_RELEASE_LOCAL});
    }
    if (chance(run, 3)) {
        move_carrier(run);
    }
}

/* --- what must be true --- */

static void
check_bindings(Run *run, unsigned i)
{
    g_autofree char *id = g_strdup_printf("office-%u", i);
    const Pbx *pbx = &run->pbxs[i];
    bool is_long_gone = pbx->silent_since_us != 0 &&
                        now(run) - pbx->silent_since_us > (EXPIRES_S + 1) * S + STILL_UNDER_US;

    for (unsigned k = 0; k < sim_workers_n(run->workers); k++) {
        DmPool *pool = dm_exchange_pool(sim_workers_exchange(run->workers, k));
        DmBindings *bindings = dm_trunk_bindings(dm_pool_find(pool, id));

        g_assert_false(is_long_gone && bindings != NULL);
        for (guint n = 0; bindings != NULL && n < bindings->list->len; n++) {
            const DmBinding *binding = g_ptr_array_index(bindings->list, n);

            g_assert_cmpint(binding->expires_us, >, now(run) - S);
            g_assert_cmpuint(binding->granted_s, <=, EXPIRES_S);
            g_assert_cmpuint(n, <, 3);
        }
    }
}

static void
check(Run *run)
{
    g_auto(DmTrunkStatus) status = {0};

    g_assert_true(dm_trunk_registry_status(run->registry, "carrier", &status));
    g_assert_cmpint(status.registration, !=, DM_REG_AUTH_FAILED);
    g_assert_cmpint(status.registration, !=, DM_REG_REJECTED);
    /* refreshes of one registration replace each other: the carrier never sees us twice */
    g_assert_true(contacts_of_gateway(run) == NULL || contacts_of_gateway(run)->list->len == 1);
    if (run->calling.leg != NULL && !run->calling.answered) {
        g_assert_cmpint(now(run) - run->calling.since_us, <, OUTCOME_US);
    }
    for (unsigned i = 0; i < N_PBXS; i++) {
        check_bindings(run, i);
    }
}

static void
step(Run *run)
{
    dm_sim_network_run(run->network, STEP_US);
    for (unsigned i = 0; i < N_PBXS; i++) {
        answer_calls(run, i);
        g_hash_table_foreach_remove(run->pbxs[i].seen, is_gone, &run->pbxs[i]);
    }
    check(run);
}

/* --- once all is well --- */

static unsigned
n_contacts(const Run *run, unsigned worker, unsigned i)
{
    g_autofree char *id = g_strdup_printf("office-%u", i);
    DmPool *pool = dm_exchange_pool(sim_workers_exchange(run->workers, worker));
    DmBindings *bindings = dm_trunk_bindings(dm_pool_find(pool, id));

    return bindings != NULL ? bindings->list->len : 0;
}

static DmRegistrationState
state(DmTrunkRegistry *registry, const char *id)
{
    g_auto(DmTrunkStatus) status = {0};

    g_assert_true(dm_trunk_registry_status(registry, id, &status));
    return status.registration;
}

static bool
all_registered(void *user_data)
{
    const Run *run = user_data;

    for (unsigned i = 0; i < N_PBXS; i++) {
        if (state(run->pbxs[i].stack->registry, "up") != DM_REG_REGISTERED) {
            return false;
        }
        for (unsigned k = 0; k < sim_workers_n(run->workers); k++) {
            if (n_contacts(run, k, i) != 1) {
                return false;
            }
        }
    }
    return contacts_of_gateway(run) != NULL && state(run->registry, "carrier") == DM_REG_REGISTERED;
}

static void
make_well(Run *run)
{
    dm_sim_network_set_link(run->network, NULL, NULL, &(DmSimLink){.delay_us = 20000});
    for (unsigned i = 0; i < N_PBXS; i++) {
        if (run->pbxs[i].stack == NULL) {
            switch_on(run, i);
        } else if (run->pbxs[i].silent_since_us != 0) {
            come_back(&run->pbxs[i]);
        }
        dm_sip_stack_trunk_action(run->pbxs[i].stack->stack, "up", "register");
    }
    if (run->calling.leg != NULL) {
        run->calling.leg->ops->close(run->calling.leg, &(DmRelease){.status = 487});
    }
}

static void
check_everybody_is_there(Run *run)
{
    int64_t until_us = now(run) + RECOVERY_US;

    while (!all_registered(run) || run->calling.leg != NULL) {
        g_assert_cmpint(now(run), <, until_us);
        step(run);
    }
    run->is_well = true;
    for (unsigned i = 0; i < N_PBXS; i++) {
        call_somebody(run, i);
        for (unsigned k = 0; k < 10 && !run->calling.answered; k++) {
            step(run);
        }
        g_assert_true(run->calling.answered);
        run->calling.leg->ops->close(run->calling.leg, &(DmRelease){.cause = DM_RELEASE_LOCAL});
        while (run->calling.leg != NULL) {
            step(run);
        }
    }
}

static void
check_everybody_leaves(Run *run)
{
    for (unsigned i = 0; i < N_PBXS; i++) {
        dm_sip_stack_shutdown(run->pbxs[i].stack->stack);
    }
    for (unsigned k = 0; k < sim_workers_n(run->workers); k++) {
        DmExchange *exchange = sim_workers_exchange(run->workers, k);

        dm_exchange_hang_up_all(exchange, "The end"); /* calls whose carrier has moved away */
        dm_sip_stack_shutdown(dm_exchange_stack(exchange));
    }
    dm_sim_network_run(run->network, 5 * S);
    for (unsigned i = 0; i < N_PBXS; i++) {
        for (unsigned k = 0; k < sim_workers_n(run->workers); k++) {
            g_assert_cmpuint(n_contacts(run, k, i), ==, 0);
        }
    }
    g_assert_null(contacts_of_gateway(run));
    dm_sim_network_run(run->network, 40 * S);
    g_assert_cmpint(dm_counter_value(&run->calls[CALL_active]), ==, 0);
    g_assert_cmpuint(sim_workers_n_calls(run->workers), ==, 0);
    g_assert_cmpuint(sim_media_n_open(run->media), ==, 0);
    g_assert_true(sim_workers_are_quiet(run->workers));
}

/* --- a run --- */

static void
ignore_record(const DmRecord *record, void *user_data)
{
}

static void
set_up(Run *run)
{
    const DmSimLink link = {
        .loss_percent = (unsigned)dm_random_range(run->random, 0, 40),
        .duplicate_percent = (unsigned)dm_random_range(run->random, 0, 20),
        .late_percent = (unsigned)dm_random_range(run->random, 0, 20),
        .delay_us = dm_random_range(run->random, 1000, 200000),
        .jitter_us = dm_random_range(run->random, 0, 200000),
        .late_max_us = dm_random_range(run->random, 0, 3 * S),
    };

    run->config = dm_sim_config(gateway_yaml);
    run->registry = dm_trunk_registry_new();
    run->media = sim_media_new(dm_sim_network_loop(run->network), run->random);
    sim_media_set_perfect(run->media);
    run->sdp = dm_sim_sdp(20000);
    run->workers = sim_workers_new(&(SimWorkersOptions){
        .network = run->network,
        .address = "192.0.2.1:5060",
        .n = (unsigned)dm_random_range(run->random, 1, SIM_MAX_WORKERS),
        .config = run->config,
        .registry = run->registry,
        .media = sim_media_ops(),
        .media_engine = run->media,
        .sip_counters = run->sip,
        .call_counters = run->calls,
        .started = ignore_record,
        .ended = ignore_record,
        .user_data = run,
    });
    dm_sim_network_set_link(run->network, NULL, NULL, &link);
    move_carrier(run);
    for (unsigned i = 0; i < N_PBXS; i++) {
        run->pbxs[i].seen = g_hash_table_new(NULL, NULL);
        switch_on(run, i);
    }
}

static void
tear_down(Run *run)
{
    sim_workers_free(run->workers);
    for (unsigned i = 0; i < N_PBXS; i++) {
        g_hash_table_unref(run->pbxs[i].seen);
        dm_sim_gateway_free(run->pbxs[i].stack);
    }
    dm_sim_gateway_free(run->carrier);
    sim_media_free(run->media);
    dm_trunk_registry_unref(run->registry);
    dm_config_unref(run->config);
    dm_sdp_unref(run->sdp);
    dm_sim_network_free(run->network);
}

typedef struct {
    unsigned answered, refused, moves;
} Totals;

static void
run_one(uint64_t seed, Totals *totals)
{
    Run run = {.seed = seed, .network = dm_sim_network_new(seed)};

    run.random = dm_sim_network_random(run.network);
    set_up(&run);
    for (unsigned i = 0; i < BAD_STEPS; i++) {
        step(&run);
        for (unsigned k = 0; k < N_PBXS; k++) {
            pbx_does_something(&run, k);
        }
        carrier_does_something(&run);
    }
    make_well(&run);
    check_everybody_is_there(&run);
    check_everybody_leaves(&run);
    totals->answered += run.n_answered;
    totals->refused += run.n_refused;
    totals->moves += run.n_moves;
    for (unsigned i = 0; i < N_PBXS; i++) {
        totals->moves += run.pbxs[i].n_moves;
    }
    tear_down(&run);
}

static uint64_t
number_from(const char *name, uint64_t otherwise)
{
    const char *text = g_getenv(name);

    return text == NULL ? otherwise : g_ascii_strtoull(text, NULL, 10);
}

static void
test_lives(void)
{
    uint64_t seed = number_from("DM_SIM_SEED", (uint64_t)g_get_real_time() / 1000);
    uint64_t runs = MAX(number_from("DM_SIM_CALLS", 10000) / CALLS_A_RUN, 1);
    Totals totals = {0};

    g_test_summary("REG-1 REG-2 REG-4 REG-5 SIG-22: registrations that come, go and move, both "
                   "ways, under loss: no contact outlives its time, every call reaches the PBX it "
                   "is for or gets an error, and all are there once the network is");
    for (uint64_t i = 0; i < runs; i++) {
        g_test_message("seed %" G_GUINT64_FORMAT, seed);
        run_one(seed++, &totals);
    }
    g_test_message("%u networks, %u calls answered, %u refused, %u moves",
                   (unsigned)runs,
                   totals.answered,
                   totals.refused,
                   totals.moves);
    g_assert_cmpuint(totals.answered, >, runs);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dm_log_set_level(DM_LOG_ERROR);
    g_test_add_func("/sim/registrations/lives", test_lives);
    return g_test_run();
}
