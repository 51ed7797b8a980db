/* SPDX-License-Identifier: Apache-2.0 */
/* Whole networks in one process and in virtual time: a PBX, the gateway's real signalling side, and
 * two carriers, over links that lose, double, delay and reorder. What a peer does next is chance;
 * what must be true afterwards is not.
 *
 * DM_SIM_SEED repeats a run, DM_SIM_CALLS says how many calls in all (10 000). */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/call-counters.h"
#include "gateway/sip/counters.h"
#include "tests/lib/sim-network.h"
#include "tests/sim/sim-media.h"
#include "tests/sim/sim-peer.h"
#include "tests/sim/sim-workers.h"

#define CALLS_A_RUN   100
#define PLACING_US    (60 * G_USEC_PER_SEC)
#define LONGEST_US    (INT64_C(3600) * G_USEC_PER_SEC)
#define N_PEERS       3
#define MAX_WORKERS   2
#define MAIL_US       1000                  /* from worker to worker, at most */
#define RETRANSMIT_US (40 * G_USEC_PER_SEC) /* beyond 64*T1 */

static const char document_text[] =
    "{'listeners':[{'id':'main','address':'192.0.2.1','port':5060,'transport':'udp'}],"
    "'media_pools':[{'id':'main','address':'192.0.2.1','port_min':30000,'port_max':39999}],"
    "'trunks':["
    "{'id':'pbx','role':'pbx','endpoints':[{'uri':'sip:192.0.2.2:5060'}],"
    " 'health':{'options':{'enabled':false}}},"
    "{'id':'carrier-1','role':'carrier','endpoints':[{'uri':'sip:192.0.2.3:5060'}],"
    " 'health':{'options':{'enabled':false}}},"
    "{'id':'carrier-2','role':'carrier','endpoints':[{'uri':'sip:192.0.2.4:5060'}],"
    " 'sip':{'delayed_offer':'transparent','update':'prefer','forking':'rtp_active'},"
    " 'health':{'options':{'enabled':false}}}],"
    "'routes':["
    "{'id':'out','match':{'source_trunks':['pbx']},'action':{'trunks':['carrier-1','carrier-2']}},"
    "{'id':'in','match':{'source_trunks':['carrier-1','carrier-2']},'action':{'trunks':['pbx']}}]}";

static const char *const peer_names[N_PEERS] = {"pbx", "carrier-1", "carrier-2"};
static const char *const peer_addresses[N_PEERS] = {"192.0.2.2:5060",
                                                    "192.0.2.3:5060",
                                                    "192.0.2.4:5060"};

/* One network, from its making to its judgement. */
typedef struct {
    uint64_t seed;
    DmSimNetwork *network;
    DmLoop *loop;
    DmRandom *random;
    DmConfig *config;
    DmTrunkRegistry *registry;
    SimMedia *media;
    SimWorkers *workers;
    DmSimHost *hosts[N_PEERS];
    SimPeer *peers[N_PEERS];
    DmCounter sip[DM_N_SIP_COUNTERS], calls[DM_N_CALL_COUNTERS];
    GHashTable *started, *ended; /* call id -> itself */
    unsigned left;               /* calls still to place */
    bool perfect;                /* the network loses nothing */
    DmTimer placing;
    bool steps; /* the wall clock does, both ways */
    DmTimer stepping;
    unsigned n_steps;
} Run;

/* --- the gateway --- */

static void
on_started(const DmRecord *record, void *user_data)
{
    Run *run = user_data;

    g_assert_true(g_hash_table_add(run->started, g_strdup(record->id)));
    g_assert_false(g_hash_table_contains(run->ended, record->id));
}

static void
on_ended(const DmRecord *record, void *user_data)
{
    Run *run = user_data;

    /* Exactly one record a call, and one that was answered has begun. */
    g_assert_true(g_hash_table_add(run->ended, g_strdup(record->id)));
    g_assert_cmpint(record->answer_wall_us != 0,
                    ==,
                    g_hash_table_contains(run->started, record->id));
    g_assert_cmpint(record->end_mono_us, >=, record->start_mono_us);
    g_assert_cmpint(record->end_wall_us, !=, 0);
}

static DmConfig *
make_config(void)
{
    g_autofree char *text = g_strdelimit(g_strdup(document_text), "'", '"');
    json_t *document = json_loads(text, 0, NULL);
    DmProblems problems;
    DmConfig *config;

    dm_problems_init(&problems);
    config = dm_config_new_from_json(document, &problems);
    if (config == NULL) {
        const DmProblem *first = problems.list->pdata[0];

        g_error("%s: %s", first->pointer, first->detail);
    }
    dm_problems_clear(&problems);
    json_decref(document);
    return config;
}

static void
make_gateway(Run *run)
{
    run->config = make_config();
    run->registry = dm_trunk_registry_new();
    run->media = sim_media_new(run->loop, run->random);
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
        .started = on_started,
        .ended = on_ended,
        .user_data = run,
    });
}

/* --- the peers --- */

static void
peer_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    sim_peer_receive(*(SimPeer **)user_data, data, len);
}

static void
peer_sends(void *net, const DmAddress *from, const DmAddress *to, const char *data, size_t len)
{
    DmSipWire wire = dm_sim_host_wire(net);
    DmSipFlow flow;

    g_assert_true(wire.ops->flow_to(wire.wire, 0, DM_TRANSPORT_UDP, to, &flow));
    wire.ops->send(wire.wire, &flow, data, len);
}

static unsigned
upto(Run *run, unsigned percent)
{
    return (unsigned)dm_random_range(run->random, 0, percent);
}

static void
make_peer(Run *run, unsigned i)
{
    SimPeerOptions options = {
        .name = peer_names[i],
        .loop = run->loop,
        .random = run->random,
        .habits =
            {
                .reject = upto(run, 40),
                .silent = upto(run, 10),
                .never_final = upto(run, 10),
                .early_media = upto(run, 100),
                .vanish = upto(run, 5),
                .cancel = upto(run, 40),
                .no_ack = upto(run, 5),
                .hold = upto(run, 60),
                .refuse_hold = upto(run, 20),
                .rel100 = upto(run, 100),
                .fork = upto(run, 30),
                .timers = upto(run, 100),
                .delayed = upto(run, 30),
                .refer = upto(run, 30),
                .pickup = upto(run, 20),
                .ask = upto(run, 40),
                .reupdate = upto(run, 40),
                .lazy_refresher = upto(run, 20),
            },
        .may_lack_offer = i == 2,
        .send = peer_sends,
    };

    run->hosts[i] =
        dm_sim_host_new(run->network, peer_addresses[i], peer_receives, NULL, &run->peers[i]);
    options.address = *dm_sim_host_address(run->hosts[i], 0);
    options.gateway = *dm_sim_host_address(sim_workers_host(run->workers), 0);
    options.net = run->hosts[i];
    run->peers[i] = sim_peer_new(&options);
}

/* Calls from both sides, at random moments. */
static void
place_next(DmTimer *timer, void *user_data)
{
    Run *run = user_data;
    unsigned from = upto(run, 99) < 60 ? 0 : 1 + upto(run, 1);

    if (run->left == 0) {
        return;
    }
    run->left--;
    sim_peer_call(run->peers[from], "+442079460000");
    dm_loop_arm(run->loop,
                timer,
                dm_random_range(run->random, 0, 2 * PLACING_US / CALLS_A_RUN),
                place_next,
                run);
}

static void
step_clock(DmTimer *timer, void *user_data)
{
    Run *run = user_data;
    int64_t hour_us = INT64_C(3600) * G_USEC_PER_SEC;

    dm_fake_clock_step_wall(dm_sim_network_clock(run->network),
                            run->n_steps++ % 2 == 0 ? hour_us : -hour_us);
    dm_loop_arm(run->loop, timer, 7 * G_USEC_PER_SEC, step_clock, run);
}

/* --- a run --- */

static void
make_network(Run *run)
{
    DmSimLink link = {0};

    run->network = dm_sim_network_new(run->seed);
    run->loop = dm_sim_network_loop(run->network);
    run->random = dm_sim_network_random(run->network);
    link.loss_percent = upto(run, 20);
    link.duplicate_percent = upto(run, 5);
    link.late_percent = upto(run, 10);
    link.delay_us = dm_random_range(run->random, 0, 100000);
    link.jitter_us = dm_random_range(run->random, 0, 50000);
    link.late_max_us = dm_random_range(run->random, 0, 1000000);
    /* A quarter of the networks are perfect: faults must not hide what goes wrong without them. */
    run->perfect = upto(run, 3) == 0;
    if (!run->perfect) {
        dm_sim_network_set_link(run->network, NULL, NULL, &link);
    }
}

static bool
is_quiet(void *user_data)
{
    Run *run = user_data;

    for (unsigned i = 0; i < N_PEERS; i++) {
        if (sim_peer_n_open(run->peers[i]) > 0) {
            return false;
        }
    }
    return run->left == 0 && sim_workers_n_calls(run->workers) == 0;
}

static int64_t
sum_of_results(const Run *run)
{
    static const DmCallCounterId results[] =
        {CALL_answered, CALL_rejected, CALL_failed, CALL_cancelled, CALL_busy, CALL_noanswer};
    int64_t sum = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(results); i++) {
        sum += dm_counter_value(&run->calls[results[i]]);
    }
    return sum;
}

static void
judge_trunks(Run *run)
{
    for (unsigned i = 0; i < N_PEERS; i++) {
        DmTrunkStatus status;

        g_assert_true(dm_trunk_registry_status(run->registry, peer_names[i], &status));
        g_assert_cmpint(status.calls_in, ==, 0);
        g_assert_cmpint(status.calls_out, ==, 0);
    }
}

static void
judge(Run *run)
{
    unsigned placed = 0, answered = 0, referred = 0;

    for (unsigned i = 0; i < N_PEERS; i++) {
        const char *stuck = sim_peer_stuck(run->peers[i]);

        if (stuck != NULL) {
            g_error("seed %" G_GUINT64_FORMAT ": %s", run->seed, stuck);
        }
        placed += sim_peer_counts(run->peers[i])->placed;
        answered += sim_peer_counts(run->peers[i])->answered;
        referred += sim_peer_counts(run->peers[i])->asked_to_refer;
        /* Where nothing is lost, whatever a peer says is answered or acknowledged. */
        if (run->perfect) {
            g_assert_cmpuint(sim_peer_counts(run->peers[i])->timed_out, ==, 0);
        }
    }
    g_assert_cmpuint(sim_workers_n_calls(run->workers), ==, 0);
    g_assert_true(sim_workers_are_quiet(run->workers));
    g_assert_cmpuint(sim_media_n_open(run->media), ==, 0);
    g_assert_cmpint(dm_counter_value(&run->calls[CALL_active]), ==, 0);
    g_assert_cmpint(sum_of_results(run), ==, g_hash_table_size(run->ended));
    /* each transfer may make a call of its own */
    g_assert_cmpuint(g_hash_table_size(run->ended), <=, placed + referred);
    g_assert_true(answered > 0 || g_hash_table_size(run->started) == 0);
    judge_trunks(run);
}

static void
clear(Run *run)
{
    dm_timer_disarm(&run->placing);
    dm_timer_disarm(&run->stepping);
    sim_workers_free(run->workers);
    sim_media_free(run->media);
    for (unsigned i = 0; i < N_PEERS; i++) {
        sim_peer_free(run->peers[i]);
    }
    dm_trunk_registry_unref(run->registry);
    dm_config_unref(run->config);
    g_hash_table_unref(run->started);
    g_hash_table_unref(run->ended);
    dm_sim_network_free(run->network);
}

/* What all runs came to. */
typedef struct {
    unsigned placed, answered, held, referred, transferred, picked_up, pracked, acknowledged,
        refreshed, refreshes_seen, records;
    int64_t virtual_us;
    uint64_t datagrams, lost;
} Totals;

static void
add_up(Totals *totals, Run *run)
{
    for (unsigned i = 0; i < N_PEERS; i++) {
        totals->placed += sim_peer_counts(run->peers[i])->placed;
        totals->answered += sim_peer_counts(run->peers[i])->answered;
        totals->held += sim_peer_counts(run->peers[i])->held;
        totals->referred += sim_peer_counts(run->peers[i])->referred;
        totals->transferred += sim_peer_counts(run->peers[i])->transferred;
        totals->picked_up += sim_peer_counts(run->peers[i])->picked_up;
        totals->pracked += sim_peer_counts(run->peers[i])->pracked;
        totals->acknowledged += sim_peer_counts(run->peers[i])->acknowledged;
        totals->refreshed += sim_peer_counts(run->peers[i])->refreshed;
        totals->refreshes_seen += sim_peer_counts(run->peers[i])->refreshes_seen;
    }
    totals->records += g_hash_table_size(run->ended);
    totals->virtual_us += dm_sim_network_now_us(run->network);
    totals->datagrams += dm_sim_network_counts(run->network)->sent;
    totals->lost += dm_sim_network_counts(run->network)->lost;
}

static void
run_one(uint64_t seed, unsigned calls, bool steps, Totals *totals)
{
    Run run = {.seed = seed, .left = calls, .steps = steps};

    run.started = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    run.ended = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    make_network(&run);
    make_gateway(&run);
    for (unsigned i = 0; i < N_PEERS; i++) {
        make_peer(&run, i);
    }
    dm_loop_arm(run.loop, &run.placing, 0, place_next, &run);
    if (steps) {
        step_clock(&run.stepping, &run);
    }
    dm_sim_network_run_until(run.network, is_quiet, &run, LONGEST_US);
    dm_sim_network_run(run.network, RETRANSMIT_US);
    judge(&run);
    add_up(totals, &run);
    clear(&run);
}

static uint64_t
number_from(const char *name, uint64_t otherwise)
{
    const char *text = g_getenv(name);

    return text == NULL ? otherwise : g_ascii_strtoull(text, NULL, 10);
}

static void
test_networks(void)
{
    uint64_t seed = number_from("DM_SIM_SEED", (uint64_t)g_get_real_time() / 1000);
    uint64_t calls = number_from("DM_SIM_CALLS", 10000);
    Totals totals = {0};

    g_test_summary(
        "Every call ends, both legs once, one record each, nothing left (SIG-1 SIG-2 SIG-5 "
        "SIG-6 SIG-7 SIG-8 SIG-9 SIG-13 SIG-15 SIG-16 SIG-18 SIG-19 CDR-1), with 0 to 20 % loss");
    for (uint64_t done = 0; done < calls; done += CALLS_A_RUN) {
        /* Printed before it runs: whatever stops it, its seed is there. */
        g_test_message("seed %" G_GUINT64_FORMAT, seed);
        run_one(seed++, (unsigned)MIN(calls - done, CALLS_A_RUN), false, &totals);
    }
    g_test_message("%u calls, %u ends answered, %u holds and resumes, %u transfers taken and %u "
                   "told of as done, %u picked up, %u and %u PRACKs, %u and %u "
                   "refreshes, %u "
                   "records; %" G_GUINT64_FORMAT " datagrams, %" G_GUINT64_FORMAT
                   " lost; %.1f virtual hours",
                   totals.placed,
                   totals.answered,
                   totals.held,
                   totals.referred,
                   totals.transferred,
                   totals.picked_up,
                   totals.pracked,
                   totals.acknowledged,
                   totals.refreshed,
                   totals.refreshes_seen,
                   totals.records,
                   totals.datagrams,
                   totals.lost,
                   (double)totals.virtual_us / 3.6e9);
    g_assert_cmpuint(totals.placed, >=, calls); /* those that take over come on top */
    g_assert_cmpuint(totals.transferred, >, calls / 200);
    g_assert_cmpuint(totals.picked_up, >, calls / 200);
    g_assert_cmpuint(totals.answered, >, calls / 10);
}

static void
test_clock_steps(void)
{
    uint64_t seed = number_from("DM_SIM_SEED", 1);
    Totals steady = {0}, stepped = {0};

    g_test_summary("A wall clock that steps an hour to and fro every 7 s changes nothing: the same "
                   "datagrams, calls and refreshes, each in its time (SIG-15)");
    run_one(seed, CALLS_A_RUN, false, &steady);
    run_one(seed, CALLS_A_RUN, true, &stepped);
    g_assert_cmpuint(steady.refreshed, >, 0);
    g_assert_cmpmem(&steady, sizeof steady, &stepped, sizeof stepped);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* A peer that misbehaves is worth a line in production, and thousands here. */
    dm_log_set_level(DM_LOG_ERROR);
    g_test_add_func("/sim/gateway/networks", test_networks);
    g_test_add_func("/sim/gateway/clock-steps", test_clock_steps);
    return g_test_run();
}
