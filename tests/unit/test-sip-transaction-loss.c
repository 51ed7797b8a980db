/* SPDX-License-Identifier: Apache-2.0 */
/* Two transaction layers and a network that loses, doubles, delays and disorders, as a printed seed
 * says. */
#include <glib.h>
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/transaction/transaction.h"
#include "tests/lib/sim-network.h"

#define MS      1000
#define S       (1000 * MS)
#define N_TX    300
#define N_SEEDS 4

typedef struct World World;

/* One request, and what each side has seen of it. */
typedef struct {
    World *world;
    unsigned number;
    const char *method;
    unsigned status; /* what the callee answers */
    bool is_cancelled;

    /* caller */
    DmClientTx *client;
    DmTimer start_timer, cancel_timer;
    unsigned n_finals, n_failures, n_ended;
    unsigned got_status;

    /* callee */
    DmServerTx *server;
    DmSipMessage *request;
    DmTimer answer_timer, repeat_timer;
    unsigned n_requests, n_server_ended, n_cancels;
    unsigned sent_status;
    bool acked;
} Exchange;

struct World {
    DmSimNetwork *network;
    DmRandom *random;
    DmSimHost *caller_host, *callee_host;
    DmTxLayer *caller, *callee;
    DmCounter caller_counters[DM_N_SIP_COUNTERS], callee_counters[DM_N_SIP_COUNTERS];
    Exchange exchanges[N_TX];
};

static Exchange *
exchange_of(World *world, const sip_t *sip)
{
    const char *text = sip->sip_call_id->i_id;
    guint64 number = 0;

    g_assert_true(g_ascii_string_to_unsigned(text, 10, 0, N_TX - 1, &number, NULL));
    return &world->exchanges[number];
}

static void
arm(World *world, DmTimer *timer, int64_t us, DmTimerFunc func, Exchange *x)
{
    dm_loop_arm(dm_sim_network_loop(world->network), timer, us, func, x);
}

/* --- callee --- */

static void
send_answer(Exchange *x, unsigned status)
{
    g_autoptr(DmSipMessage) response = dm_sip_response_new(x->request, status, NULL, "callee");

    if (dm_server_tx_respond(x->server, response)) {
        x->sent_status = status;
    }
}

/* RFC 3261, 13.3.1.4: the 2xx again until it is acknowledged. */
static void
on_repeat_timer(DmTimer *timer, void *user_data)
{
    Exchange *x = user_data;

    if (!x->acked && x->server != NULL) {
        dm_server_tx_repeat(x->server);
        arm(x->world, &x->repeat_timer, 500 * MS, on_repeat_timer, x);
    }
}

static void
on_answer_timer(DmTimer *timer, void *user_data)
{
    Exchange *x = user_data;

    if (x->server != NULL && x->sent_status < 200) {
        send_answer(x, x->status);
        if (x->status < 300 && strcmp(x->method, "INVITE") == 0) {
            arm(x->world, &x->repeat_timer, 500 * MS, on_repeat_timer, x);
        }
    }
}

static void
on_cancel(DmServerTx *tx, const char *reason, void *user_data)
{
    Exchange *x = user_data;

    x->n_cancels++;
    send_answer(x, 487);
}

static void
on_server_ended(DmServerTx *tx, bool acked, void *user_data)
{
    Exchange *x = user_data;

    x->n_server_ended++;
    x->server = NULL;
}

static void
on_request(DmServerTx *tx, DmSipMessage *request, void *user_data)
{
    static const DmServerTxUser user = {on_cancel, on_server_ended};
    World *world = user_data;
    Exchange *x = exchange_of(world, request->sip);

    x->n_requests++;
    g_assert_null(x->request);
    x->request = request;
    x->server = tx;
    dm_server_tx_set_user(tx, &user, x);
    if (dm_random_range(world->random, 0, 1) == 1) {
        send_answer(x, 180);
    }
    arm(world, &x->answer_timer, dm_random_range(world->random, 0, 6 * S), on_answer_timer, x);
}

static void
on_ack(DmSipMessage *ack, void *user_data)
{
    Exchange *x = exchange_of(user_data, ack->sip);

    x->acked = true;
    dm_sip_message_free(ack);
}

/* --- caller --- */

static DmSipMessage *
make_request(const Exchange *x, const char *method)
{
    DmSipMessage *message = dm_sip_message_new();
    g_autofree char *cseq = g_strdup_printf("1 %s", method);
    g_autofree char *call_id = g_strdup_printf("%u", x->number);

    msg_header_insert(
        message->msg,
        (msg_pub_t *)message->sip,
        (msg_header_t *)sip_request_create(message->home,
                                           sip_method_code(method),
                                           method,
                                           (const url_string_t *)"sip:callee@192.0.2.2",
                                           NULL));
    dm_sip_message_add(message, "From", "<sip:caller@192.0.2.1>;tag=caller");
    dm_sip_message_add(message, "To", "<sip:callee@192.0.2.2>");
    dm_sip_message_add(message, "Call-ID", call_id);
    dm_sip_message_add(message, "CSeq", cseq);
    return message;
}

static void
flow_to_callee(World *world, DmSipFlow *out)
{
    DmSipWire wire = dm_sim_host_wire(world->caller_host);

    wire.ops->flow_to(wire.wire,
                      -1,
                      DM_TRANSPORT_UDP,
                      dm_sim_host_address(world->callee_host, 0),
                      out);
}

static void
acknowledge(Exchange *x)
{
    g_autoptr(DmSipMessage) ack = make_request(x, "ACK");
    DmSipFlow flow;

    flow_to_callee(x->world, &flow);
    g_assert_true(dm_tx_layer_send_ack(x->world->caller, ack, &flow, NULL));
}

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    Exchange *x = user_data;
    unsigned status = (unsigned)response->sip->sip_status->st_status;

    g_assert_true(exchange_of(x->world, response->sip) == x);
    if (status < 200) {
        g_assert_cmpuint(x->n_finals, ==, 0);
    } else if (status < 300 && strcmp(x->method, "INVITE") == 0) {
        acknowledge(x); /* every one, for the ACK before may be lost */
        x->n_finals = 1;
        x->got_status = status;
    } else {
        x->n_finals++;
        x->got_status = status;
    }
    dm_sip_message_free(response);
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    Exchange *x = user_data;

    g_assert_cmpint(failure, ==, DM_TX_TIMEOUT);
    x->n_failures++;
}

static void
on_client_ended(DmClientTx *tx, void *user_data)
{
    Exchange *x = user_data;

    x->n_ended++;
    x->client = NULL;
}

static void
on_stray_response(DmSipMessage *response, void *user_data)
{
    acknowledge(exchange_of(user_data, response->sip));
    dm_sip_message_free(response);
}

static void
on_cancel_timer(DmTimer *timer, void *user_data)
{
    Exchange *x = user_data;

    if (x->client != NULL) {
        dm_client_tx_cancel(x->client, "SIP;cause=487");
    }
}

static void
on_start_timer(DmTimer *timer, void *user_data)
{
    static const DmClientTxUser user = {on_response, on_failed, on_client_ended};
    Exchange *x = user_data;
    g_autoptr(DmSipMessage) request = make_request(x, x->method);
    DmSipFlow flow;

    flow_to_callee(x->world, &flow);
    x->client = dm_client_tx_start(x->world->caller, request, &flow, &user, x);
    if (x->is_cancelled) {
        arm(x->world,
            &x->cancel_timer,
            dm_random_range(x->world->random, 0, 6 * S),
            on_cancel_timer,
            x);
    }
}

/* --- the world --- */

static void
caller_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    World *world = user_data;
    DmScan scan;

    g_assert_cmpint(dm_scan(data, len, false, &scan), ==, DM_SCAN_OK);
    dm_tx_layer_receive(world->caller, flow, data, len, &scan);
}

static void
callee_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    World *world = user_data;
    DmScan scan;

    g_assert_cmpint(dm_scan(data, len, false, &scan), ==, DM_SCAN_OK);
    dm_tx_layer_receive(world->callee, flow, data, len, &scan);
}

static DmTxLayer *
make_layer(World *world, DmSimHost *host, unsigned worker, DmCounter *counters)
{
    static const DmTxLayerUser user = {on_request, on_ack, on_stray_response};

    return dm_tx_layer_new(&(DmTxLayerOptions){
        .loop = dm_sim_network_loop(world->network),
        .random = world->random,
        .wire = dm_sim_host_wire(host),
        .worker = worker,
        .max_transactions = 10 * N_TX,
        .user = &user,
        .user_data = world,
        .counters = counters,
    });
}

static void
plan_exchange(World *world, unsigned number)
{
    static const char *const methods[] = {"INVITE", "INVITE", "OPTIONS", "BYE"};
    static const unsigned statuses[] = {200, 200, 404, 486, 503};
    Exchange *x = &world->exchanges[number];

    x->world = world;
    x->number = number;
    x->method = methods[dm_random_range(world->random, 0, G_N_ELEMENTS(methods) - 1)];
    x->status = statuses[dm_random_range(world->random, 0, G_N_ELEMENTS(statuses) - 1)];
    x->is_cancelled = strcmp(x->method, "INVITE") == 0 && dm_random_range(world->random, 0, 3) == 0;
    arm(world, &x->start_timer, dm_random_range(world->random, 0, 60 * S), on_start_timer, x);
}

static World *
world_new(uint64_t seed, const DmSimLink *link)
{
    World *world = g_new0(World, 1);

    world->network = dm_sim_network_new(seed);
    world->random = dm_sim_network_random(world->network);
    world->caller_host =
        dm_sim_host_new(world->network, "192.0.2.1:5060", caller_receives, NULL, world);
    world->callee_host =
        dm_sim_host_new(world->network, "192.0.2.2:5060", callee_receives, NULL, world);
    dm_sim_network_set_link(world->network, NULL, NULL, link);
    world->caller = make_layer(world, world->caller_host, 0, world->caller_counters);
    world->callee = make_layer(world, world->callee_host, 1, world->callee_counters);
    for (unsigned i = 0; i < N_TX; i++) {
        plan_exchange(world, i);
    }
    return world;
}

static void
world_free(World *world)
{
    dm_tx_layer_free(world->caller);
    dm_tx_layer_free(world->callee);
    for (unsigned i = 0; i < N_TX; i++) {
        dm_sip_message_free(world->exchanges[i].request);
    }
    dm_sim_network_free(world->network);
    g_free(world);
}

/* A 408 of our own making is the only difference loss may make. */
static void
check_exchange(const Exchange *x)
{
    g_assert_cmpuint(x->n_ended, ==, 1);
    g_assert_cmpuint(x->n_finals + x->n_failures, ==, 1);
    g_assert_cmpuint(x->n_requests, <=, 1);
    g_assert_cmpuint(x->n_server_ended, ==, x->n_requests);
    g_assert_cmpuint(x->n_cancels, <=, x->is_cancelled ? 1 : 0);
    if (x->n_finals > 0) {
        g_assert_cmpuint(x->got_status, ==, x->sent_status);
    }
}

static unsigned
run_world(uint64_t seed, const DmSimLink *link)
{
    World *world = world_new(seed, link);
    unsigned n_failures = 0;

    g_test_message("seed %" G_GUINT64_FORMAT ", loss %u %%", seed, link->loss_percent);
    dm_sim_network_run(world->network, 300 * (int64_t)S);
    for (unsigned i = 0; i < N_TX; i++) {
        check_exchange(&world->exchanges[i]);
        n_failures += world->exchanges[i].n_failures;
    }
    g_assert_cmpuint(dm_tx_layer_n_active(world->caller), ==, 0);
    g_assert_cmpuint(dm_tx_layer_n_active(world->callee), ==, 0);
    world_free(world);
    return n_failures;
}

static void
test_calm(void)
{
    DmSimLink link = {.delay_us = 20 * MS};

    g_test_summary("On a good network every request has its answer");
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        g_assert_cmpuint(run_world(seed, &link), ==, 0);
    }
}

static void
test_storm(void)
{
    g_test_summary("Whatever is lost, doubled, late or out of order: one request, one outcome, "
                   "nothing left behind");
    for (unsigned loss = 5; loss <= 40; loss += 5) {
        DmSimLink link = {
            .loss_percent = loss,
            .duplicate_percent = 10,
            .late_percent = 20,
            .delay_us = 20 * MS,
            .jitter_us = 30 * MS,
            .late_max_us = 2 * S,
        };

        for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
            run_world(seed * 1000 + loss, &link);
        }
    }
}

static void
test_mild_loss(void)
{
    DmSimLink link = {.loss_percent = 5, .delay_us = 20 * MS};

    g_test_summary("Repetition makes up for 5 % of loss");
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        g_assert_cmpuint(run_world(seed, &link), ==, 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-transaction-loss/calm", test_calm);
    g_test_add_func("/sip-transaction-loss/mild", test_mild_loss);
    g_test_add_func("/sip-transaction-loss/storm", test_storm);
    return g_test_run();
}
