/* SPDX-License-Identifier: Apache-2.0 */
/* Two sides of a call that do something at the same moment, in every order of arrival and with
 * every one of the next datagrams lost: CANCEL and 200, BYE and BYE, re-INVITE and re-INVITE, and
 * so on. Nothing here is chance: a failure names its crossing, its order and its loss.
 *
 * DM_SIM_CROSSING=NAME runs one of them. */
#include <string.h>

#include "gateway/call-counters.h"
#include "gateway/exchange.h"
#include "gateway/sip/counters.h"
#include "tests/lib/sim-network.h"
#include "tests/sim/sim-media.h"
#include "tests/sim/sim-peer.h"

#define MS           1000
#define ONE_WAY_MS   10 /* through the network; a message between peers takes twice that */
#define WINDOW_MS    60 /* one side is up to that much earlier than the other, */
#define STEP_MS      10 /* in such steps: each order of arrival at each of the three is there */
#define N_LOSSES     12 /* the datagrams after the crossing that are lost, one a run */
#define SETTLE_US    (20 * G_USEC_PER_SEC)
#define FORGOTTEN_US (80 * G_USEC_PER_SEC) /* beyond every transaction */

static const char document_text[] =
    "{'listeners':[{'id':'main','address':'192.0.2.1','port':5060,'transport':'udp'}],"
    "'media_pools':[{'id':'main','address':'192.0.2.1','port_min':30000,'port_max':39999}],"
    "'trunks':["
    "{'id':'pbx','role':'pbx','endpoints':[{'uri':'sip:192.0.2.2:5060'}],"
    " 'health':{'options':{'enabled':false}}},"
    "{'id':'carrier','role':'carrier','endpoints':[{'uri':'sip:192.0.2.3:5060'}],"
    " 'health':{'options':{'enabled':false}}}],"
    "'routes':["
    "{'id':'out','match':{'source_trunks':['pbx']},'action':{'trunks':['carrier']}}]}";

/* How far the call is when the two things happen. */
typedef enum {
    TRYING,
    RINGING,
    EARLY, /* an answer of the called side was acknowledged */
    UP,
} Stage;

typedef enum {
    ENDS,
    LIVES,
    EITHER, /* whoever came first */
} Outcome;

typedef struct {
    const char *name;
    Stage stage;
    SimAct caller, called;
    Outcome outcome;
} Crossing;

static const Crossing crossings[] = {
    {"cancel-ringing", TRYING, SIM_ACT_CANCEL, SIM_ACT_RING, ENDS},
    {"cancel-reliable", TRYING, SIM_ACT_CANCEL, SIM_ACT_RING_RELIABLY, ENDS},
    {"cancel-answer", RINGING, SIM_ACT_CANCEL, SIM_ACT_ANSWER, EITHER},
    {"cancel-reject", RINGING, SIM_ACT_CANCEL, SIM_ACT_REJECT, ENDS},
    {"cancel-early-answer", EARLY, SIM_ACT_CANCEL, SIM_ACT_ANSWER, EITHER},
    {"cancel-update", EARLY, SIM_ACT_CANCEL, SIM_ACT_UPDATE, ENDS},
    {"update-prack", TRYING, SIM_ACT_UPDATE, SIM_ACT_RING_RELIABLY, LIVES},
    {"update-update-early", EARLY, SIM_ACT_UPDATE, SIM_ACT_UPDATE, LIVES},
    {"update-answer", EARLY, SIM_ACT_UPDATE, SIM_ACT_ANSWER, LIVES},
    {"update-reject", EARLY, SIM_ACT_UPDATE, SIM_ACT_REJECT, ENDS},
    {"bye-bye", UP, SIM_ACT_BYE, SIM_ACT_BYE, ENDS},
    {"reinvite-reinvite", UP, SIM_ACT_HOLD, SIM_ACT_HOLD, LIVES},
    {"reinvite-bye", UP, SIM_ACT_HOLD, SIM_ACT_BYE, ENDS},
    {"bye-reinvite", UP, SIM_ACT_BYE, SIM_ACT_HOLD, ENDS},
    {"update-update", UP, SIM_ACT_UPDATE, SIM_ACT_UPDATE, LIVES},
    {"reinvite-update", UP, SIM_ACT_HOLD, SIM_ACT_UPDATE, LIVES},
    {"update-reinvite", UP, SIM_ACT_UPDATE, SIM_ACT_HOLD, LIVES},
    {"update-bye", UP, SIM_ACT_UPDATE, SIM_ACT_BYE, ENDS},
    {"ask-reinvite", UP, SIM_ACT_ASK, SIM_ACT_HOLD, LIVES},
    {"ask-ask", UP, SIM_ACT_ASK, SIM_ACT_ASK, LIVES},
    {"ask-bye", UP, SIM_ACT_ASK, SIM_ACT_BYE, ENDS},
    {"bye-ask", UP, SIM_ACT_BYE, SIM_ACT_ASK, ENDS},
};

typedef struct {
    DmSimNetwork *network;
    DmLoop *loop;
    DmConfig *config;
    DmTrunkRegistry *registry;
    SimMedia *media;
    DmExchange *exchange;
    DmSimHost *gateway_host, *caller_host, *called_host;
    SimPeer *caller, *called;
    DmCounter sip[DM_N_SIP_COUNTERS], calls[DM_N_CALL_COUNTERS];
    unsigned n_records;
    bool is_counting; /* from the crossing on */
    int n_datagrams, lost_one;
    const Crossing *crossing;
    DmTimer caller_timer, called_timer;
} Run;

/* --- the network: one datagram of those after the crossing is lost --- */

static bool
is_lost(Run *run)
{
    return run->is_counting && run->n_datagrams++ == run->lost_one;
}

static void
gateway_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    Run *run = user_data;

    if (!is_lost(run)) {
        dm_sip_stack_receive(dm_exchange_stack(run->exchange), flow, data, len);
    }
}

static void
caller_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    Run *run = user_data;

    if (!is_lost(run)) {
        sim_peer_receive(run->caller, data, len);
    }
}

static void
called_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    Run *run = user_data;

    if (!is_lost(run)) {
        sim_peer_receive(run->called, data, len);
    }
}

static void
peer_sends(void *net, const DmAddress *from, const DmAddress *to, const char *data, size_t len)
{
    DmSipWire wire = dm_sim_host_wire(net);
    DmSipFlow flow;

    g_assert_true(wire.ops->flow_to(wire.wire, 0, DM_TRANSPORT_UDP, to, &flow));
    wire.ops->send(wire.wire, &flow, data, len);
}

/* --- the three of them --- */

static void
on_started(const DmRecord *record, void *user_data)
{
}

static void
on_ended(const DmRecord *record, void *user_data)
{
    ((Run *)user_data)->n_records++;
}

static const DmExchangeUser exchange_user = {
    .started = on_started,
    .ended = on_ended,
};

static DmConfig *
make_config(void)
{
    g_autofree char *text = g_strdelimit(g_strdup(document_text), "'", '"');
    json_t *document = json_loads(text, 0, NULL);
    DmProblems problems;
    DmConfig *config;

    dm_problems_init(&problems);
    config = dm_config_new_from_json(document, &problems);
    g_assert_nonnull(config);
    dm_problems_clear(&problems);
    json_decref(document);
    return config;
}

static void
make_gateway(Run *run)
{
    DmRandom *random = dm_sim_network_random(run->network);

    run->gateway_host =
        dm_sim_host_new(run->network, "192.0.2.1:5060", gateway_receives, NULL, run);
    run->config = make_config();
    run->registry = dm_trunk_registry_new();
    run->media = sim_media_new(run->loop, random);
    sim_media_set_perfect(run->media);
    run->exchange = dm_exchange_new(
        &(DmExchangeOptions){
            .loop = run->loop,
            .random = random,
            .wire = dm_sim_host_wire(run->gateway_host),
            .n_workers = 1,
            .registry = run->registry,
            .media = sim_media_ops(),
            .media_engine = run->media,
            .sip_counters = run->sip,
            .call_counters = run->calls,
            .token_secret = "simulated",
            .user = &exchange_user,
            .user_data = run,
        },
        run->config);
}

static SimPeer *
make_peer(Run *run, const char *name, DmSimHost *host)
{
    return sim_peer_new(&(SimPeerOptions){
        .name = name,
        .loop = run->loop,
        .random = dm_sim_network_random(run->network),
        .address = *dm_sim_host_address(host, 0),
        .gateway = *dm_sim_host_address(run->gateway_host, 0),
        .habits = {.rel100 = 100},
        .scripted = true,
        .send = peer_sends,
        .net = host,
    });
}

static void
set_up(Run *run, const Crossing *crossing)
{
    const DmSimLink link = {.delay_us = ONE_WAY_MS * MS};

    *run = (Run){.crossing = crossing, .lost_one = -1};
    run->network = dm_sim_network_new(1);
    run->loop = dm_sim_network_loop(run->network);
    dm_sim_network_set_link(run->network, NULL, NULL, &link);
    make_gateway(run);
    run->caller_host = dm_sim_host_new(run->network, "192.0.2.2:5060", caller_receives, NULL, run);
    run->called_host = dm_sim_host_new(run->network, "192.0.2.3:5060", called_receives, NULL, run);
    run->caller = make_peer(run, "pbx", run->caller_host);
    run->called = make_peer(run, "carrier-1", run->called_host);
}

static void
tear_down(Run *run)
{
    dm_exchange_free(run->exchange);
    sim_media_free(run->media);
    sim_peer_free(run->caller);
    sim_peer_free(run->called);
    dm_trunk_registry_unref(run->registry);
    dm_config_unref(run->config);
    dm_sim_network_free(run->network);
}

/* --- one call --- */

static void
then(Run *run, SimPeer *peer, SimAct act)
{
    sim_peer_act(peer, act);
    dm_sim_network_run(run->network, 500 * MS);
}

static void
bring_to_stage(Run *run)
{
    sim_peer_call(run->caller, "+442079460000");
    dm_sim_network_run(run->network, 500 * MS);
    if (run->crossing->stage == EARLY) {
        then(run, run->called, SIM_ACT_RING_RELIABLY);
    } else if (run->crossing->stage != TRYING) {
        then(run, run->called, SIM_ACT_RING);
    }
    if (run->crossing->stage == UP) {
        then(run, run->called, SIM_ACT_ANSWER);
        g_assert_true(sim_peer_is_up(run->caller) && sim_peer_is_up(run->called));
    }
}

static void
on_caller_timer(DmTimer *timer, void *user_data)
{
    Run *run = user_data;

    sim_peer_act(run->caller, run->crossing->caller);
}

static void
on_called_timer(DmTimer *timer, void *user_data)
{
    Run *run = user_data;

    sim_peer_act(run->called, run->crossing->called);
}

static void
cross(Run *run, int caller_later_ms, int lost_one)
{
    run->is_counting = true;
    run->n_datagrams = 0;
    run->lost_one = lost_one;
    dm_loop_arm(run->loop, &run->caller_timer, MAX(caller_later_ms, 0) * MS, on_caller_timer, run);
    dm_loop_arm(run->loop, &run->called_timer, MAX(-caller_later_ms, 0) * MS, on_called_timer, run);
    dm_sim_network_run(run->network, SETTLE_US);
    run->is_counting = false;
}

/* What an early crossing has left to do, so that the call can be judged. */
static void
answer_if_it_rings(Run *run)
{
    if (run->crossing->stage < UP) {
        then(run, run->called, SIM_ACT_ANSWER);
    }
    dm_sim_network_run(run->network, G_USEC_PER_SEC);
}

static void
judge_outcome(Run *run)
{
    bool caller_up = sim_peer_is_up(run->caller), called_up = sim_peer_is_up(run->called);

    g_assert_cmpint(caller_up, ==, called_up);
    if (run->crossing->outcome != EITHER) {
        g_assert_cmpint(caller_up, ==, run->crossing->outcome == LIVES);
    }
}

static void
judge_remains(Run *run)
{
    g_assert_null(sim_peer_stuck(run->caller));
    g_assert_null(sim_peer_stuck(run->called));
    g_assert_cmpuint(run->n_records, ==, 1);
    g_assert_cmpuint(dm_call_table_count(dm_exchange_calls(run->exchange)), ==, 0);
    g_assert_cmpuint(dm_sip_stack_n_legs(dm_exchange_stack(run->exchange)), ==, 0);
    g_assert_true(dm_sip_stack_is_quiet(dm_exchange_stack(run->exchange)));
    g_assert_cmpuint(sim_media_n_open(run->media), ==, 0);
}

/* Still a call in both directions: it can be held and resumed from each side. */
static void
judge_life(Run *run)
{
    unsigned held = sim_peer_counts(run->caller)->held + sim_peer_counts(run->called)->held;

    for (unsigned i = 0; i < 2; i++) {
        then(run, run->caller, SIM_ACT_HOLD);
        dm_sim_network_run(run->network, 5 * G_USEC_PER_SEC);
        then(run, run->called, SIM_ACT_HOLD);
        dm_sim_network_run(run->network, 5 * G_USEC_PER_SEC);
    }
    g_assert_cmpuint(sim_peer_counts(run->caller)->held + sim_peer_counts(run->called)->held,
                     ==,
                     held + 4);
}

/* False: there was no datagram of that number left to lose. */
static bool
run_one(const Crossing *crossing, int caller_later_ms, int lost_one)
{
    Run run;
    bool lost;

    set_up(&run, crossing);
    bring_to_stage(&run);
    cross(&run, caller_later_ms, lost_one);
    lost = run.n_datagrams > lost_one;
    answer_if_it_rings(&run);
    judge_outcome(&run);
    if (sim_peer_is_up(run.caller)) {
        judge_life(&run);
        then(&run, run.caller, SIM_ACT_BYE);
    }
    dm_sim_network_run(run.network, FORGOTTEN_US);
    judge_remains(&run);
    tear_down(&run);
    return lost;
}

static void
test_crossing(gconstpointer data)
{
    const Crossing *crossing = data;
    unsigned n = 0;

    g_test_summary("SIG-5 SIG-7 SIG-8 SIG-12 SIG-13 SIG-14: both sides at once, in every order and "
                   "with every loss");

    for (int later_ms = -WINDOW_MS; later_ms <= WINDOW_MS; later_ms += STEP_MS) {
        for (int lost_one = -1; lost_one < N_LOSSES; lost_one++) {
            g_test_message("%s: caller %d ms later, datagram %d lost",
                           crossing->name,
                           later_ms,
                           lost_one);
            n++;
            if (!run_one(crossing, later_ms, lost_one)) {
                break;
            }
        }
    }
    g_test_message("%s: %u runs", crossing->name, n);
}

int
main(int argc, char **argv)
{
    const char *only = g_getenv("DM_SIM_CROSSING");

    g_test_init(&argc, &argv, NULL);
    dm_log_set_level(DM_LOG_ERROR);
    for (unsigned i = 0; i < G_N_ELEMENTS(crossings); i++) {
        g_autofree char *path = g_strdup_printf("/sim/crossings/%s", crossings[i].name);

        if (only == NULL || strcmp(only, crossings[i].name) == 0) {
            g_test_add_data_func(path, &crossings[i], test_crossing);
        }
    }
    return g_test_run();
}
