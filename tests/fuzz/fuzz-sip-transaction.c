/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction layer under a stream of commands: messages of a peer, words of its user, time.
 * Whatever the order, nothing leaks, every transaction ends, and what leaves is SIP. */
#include <glib.h>
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/transaction/transaction.h"
#include "tests/lib/sim-network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MS          1000
#define S           (1000 * MS)
#define MAX_TX      16
#define MAX_COMMAND 200

typedef struct {
    const uint8_t *data;
    size_t left;
    DmSimNetwork *network;
    DmSimHost *gateway, *peer;
    DmTxLayer *layer;
    DmCounter counters[DM_N_SIP_COUNTERS];
    DmServerTx *servers[MAX_TX];
    DmSipMessage *requests[MAX_TX]; /* of servers, by the same number */
    DmClientTx *clients[MAX_TX];
    char *last_at_peer; /* the last request the peer has received */
} World;

static unsigned
next(World *w, unsigned below)
{
    if (w->left == 0) {
        return 0;
    }
    w->left--;
    return *w->data++ % below;
}

/* --- the layer's user --- */

static void
forget_server(World *w, const DmServerTx *tx)
{
    for (unsigned i = 0; i < MAX_TX; i++) {
        if (w->servers[i] == tx) {
            w->servers[i] = NULL;
            g_clear_pointer(&w->requests[i], dm_sip_message_free);
        }
    }
}

static void
on_server_ended(DmServerTx *tx, bool acked, void *user_data)
{
    forget_server(user_data, tx);
}

static void
on_request(DmServerTx *tx, DmSipMessage *request, void *user_data)
{
    static const DmServerTxUser user = {.on_ended = on_server_ended};
    World *w = user_data;

    for (unsigned i = 0; i < MAX_TX; i++) {
        if (w->servers[i] == NULL) {
            w->servers[i] = tx;
            w->requests[i] = request;
            dm_server_tx_set_user(tx, &user, w);
            return;
        }
    }
    dm_server_tx_reject(tx, request, 503, NULL);
    dm_sip_message_free(request);
}

static void
on_message(DmSipMessage *message, void *user_data)
{
    dm_sip_message_free(message);
}

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    g_assert_nonnull(response->sip->sip_status);
    dm_sip_message_free(response);
}

static void
on_client_ended(DmClientTx *tx, void *user_data)
{
    World *w = user_data;

    for (unsigned i = 0; i < MAX_TX; i++) {
        if (w->clients[i] == tx) {
            w->clients[i] = NULL;
        }
    }
}

/* --- the hosts --- */

static void
gateway_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    World *w = user_data;
    DmScan scan;

    if (dm_scan(data, len, false, &scan) == DM_SCAN_OK) {
        dm_tx_layer_receive(w->layer, flow, data, len, &scan);
    }
}

static void
gateway_hears_unreachable(const DmAddress *remote, void *user_data)
{
    dm_tx_layer_unreachable(((World *)user_data)->layer, remote);
}

static void
peer_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    World *w = user_data;
    DmScan scan;

    g_assert_cmpint(dm_scan(data, len, true, &scan), ==, DM_SCAN_OK);
    g_assert_cmpuint(scan.head_len + scan.body_len, ==, len);
    if (scan.is_request) {
        g_free(w->last_at_peer);
        w->last_at_peer = g_strndup(data, len);
    }
}

static void
send_between(DmSimHost *from, DmSimHost *to, const char *text, size_t len)
{
    DmSipWire wire = dm_sim_host_wire(from);
    DmSipFlow flow;

    wire.ops->flow_to(wire.wire, -1, DM_TRANSPORT_UDP, dm_sim_host_address(to, 0), &flow);
    wire.ops->send(wire.wire, &flow, text, len);
}

/* --- commands --- */

static const char *const methods[] = {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "FLY"};

static void
peer_requests(World *w)
{
    static const char *const branches[] = {";branch=z9hG4bKa",
                                           ";branch=z9hG4bKb;rport",
                                           ";branch=old",
                                           ""};
    const char *method = methods[next(w, G_N_ELEMENTS(methods))];
    g_autofree char *text = g_strdup_printf(
        "%s sip:gw SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060%s\r\nFrom: <sip:a>;tag=1\r\n"
        "To: <sip:b>\r\nCall-ID: %u\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
        method,
        branches[next(w, G_N_ELEMENTS(branches))],
        next(w, 4),
        method);

    send_between(w->peer, w->gateway, text, strlen(text));
}

static void
peer_answers(World *w)
{
    static const unsigned codes[] = {100, 180, 200, 302, 401, 487, 503, 600};
    DmScan scan;
    DmSipFlow flow = {.remote = *dm_sim_host_address(w->gateway, 0)};
    g_autoptr(GString) out = g_string_new(NULL);

    if (w->last_at_peer != NULL &&
        dm_scan(w->last_at_peer, strlen(w->last_at_peer), false, &scan) == DM_SCAN_OK &&
        dm_sip_raw_response(w->last_at_peer,
                            &scan,
                            &flow,
                            codes[next(w, G_N_ELEMENTS(codes))],
                            NULL,
                            out)) {
        send_between(w->peer, w->gateway, out->str, out->len);
    }
}

static void
peer_sends_bytes(World *w)
{
    size_t wanted = (size_t)next(w, 256) * 4;
    size_t len = MIN(wanted, w->left);

    send_between(w->peer, w->gateway, (const char *)w->data, len);
    w->data += len;
    w->left -= len;
}

static void
respond(World *w)
{
    static const unsigned codes[] = {100, 183, 200, 404, 487, 603};
    unsigned number = next(w, MAX_TX);
    unsigned code = codes[next(w, G_N_ELEMENTS(codes))];
    g_autoptr(DmSipMessage) response = NULL;

    if (w->servers[number] != NULL) {
        response = dm_sip_response_new(w->requests[number], code, NULL, "tag");
        dm_server_tx_respond(w->servers[number], response);
    }
}

static void
nudge_server(World *w)
{
    unsigned number = next(w, MAX_TX);

    if (w->servers[number] == NULL) {
        return;
    }
    switch (next(w, 3)) {
    case 0:
        dm_server_tx_repeat(w->servers[number]);
        break;
    case 1:
        dm_server_tx_trying(w->servers[number]);
        break;
    default:
        dm_server_tx_reject(w->servers[number], w->requests[number], 480, NULL);
        forget_server(w, w->servers[number]);
        break;
    }
}

static void
start_client(World *w)
{
    static const DmClientTxUser user = {.on_response = on_response, .on_ended = on_client_ended};
    unsigned number = next(w, MAX_TX);
    const char *method = methods[next(w, 2) == 0 ? 0 : 3];
    g_autofree char *cseq = g_strdup_printf("1 %s", method);
    g_autoptr(DmSipMessage) request = dm_sip_message_new();
    DmSipWire wire = dm_sim_host_wire(w->gateway);
    sip_request_t *line = sip_request_create(request->home,
                                             sip_method_code(method),
                                             method,
                                             (const url_string_t *)"sip:peer",
                                             NULL);
    DmSipFlow flow;

    if (w->clients[number] != NULL) {
        return;
    }
    msg_header_insert(request->msg, (msg_pub_t *)request->sip, (msg_header_t *)line);
    dm_sip_message_add(request, "From", "<sip:gw>;tag=1");
    dm_sip_message_add(request, "To", "<sip:peer>");
    dm_sip_message_add(request, "Call-ID", "x");
    dm_sip_message_add(request, "CSeq", cseq);
    wire.ops->flow_to(wire.wire, -1, DM_TRANSPORT_UDP, dm_sim_host_address(w->peer, 0), &flow);
    w->clients[number] = dm_client_tx_start(w->layer, request, &flow, &user, w);
}

static void
nudge_client(World *w)
{
    unsigned number = next(w, MAX_TX);

    if (w->clients[number] == NULL) {
        return;
    }
    if (next(w, 4) > 0) {
        dm_client_tx_cancel(w->clients[number], next(w, 2) == 0 ? NULL : "SIP;cause=200");
    } else {
        dm_client_tx_forget_user(w->clients[number]);
        w->clients[number] = NULL;
    }
}

static void
pass_time(World *w)
{
    static const int64_t steps_us[] = {0, 1 * MS, 100 * MS, 250 * MS, 600 * MS, 5 * S, 33 * S};

    dm_sim_network_run(w->network, steps_us[next(w, G_N_ELEMENTS(steps_us))]);
}

static void
change_peer(World *w)
{
    static const DmSimHostState states[] = {DM_SIM_UP, DM_SIM_SILENT, DM_SIM_REFUSES};

    dm_sim_host_set_state(w->peer, states[next(w, G_N_ELEMENTS(states))]);
}

static void (*const commands[])(World *w) = {
    peer_requests,
    peer_requests,
    peer_answers,
    peer_sends_bytes,
    respond,
    respond,
    nudge_server,
    start_client,
    nudge_client,
    pass_time,
    pass_time,
    change_peer,
};

/* --- one run --- */

static void
set_up(World *w)
{
    static const DmTxLayerUser user = {on_request, on_message, on_message};

    w->network = dm_sim_network_new(1);
    w->gateway = dm_sim_host_new(w->network,
                                 "192.0.2.1:5060",
                                 gateway_receives,
                                 gateway_hears_unreachable,
                                 w);
    w->peer = dm_sim_host_new(w->network, "192.0.2.9:5060", peer_receives, NULL, w);
    w->layer = dm_tx_layer_new(&(DmTxLayerOptions){
        .loop = dm_sim_network_loop(w->network),
        .random = dm_sim_network_random(w->network),
        .wire = dm_sim_host_wire(w->gateway),
        .max_transactions = 2 * MAX_TX,
        .user = &user,
        .user_data = w,
        .counters = w->counters,
    });
}

/* What waits for its user or its peer is answered or cancelled; then everything must end by itself.
 */
static void
finish(World *w)
{
    dm_sim_network_run(w->network, 10 * MS); /* what is under way arrives */
    for (unsigned i = 0; i < MAX_TX; i++) {
        if (w->servers[i] != NULL) {
            dm_server_tx_reject(w->servers[i], w->requests[i], 480, NULL);
            forget_server(w, w->servers[i]);
        }
        if (w->clients[i] != NULL) {
            dm_client_tx_cancel(w->clients[i], NULL);
        }
    }
}

static void
tear_down(World *w)
{
    dm_tx_layer_free(w->layer);
    g_assert_cmpint(dm_counter_value(&w->counters[SIP_tx_active]), ==, 0);
    dm_sim_network_free(w->network);
    g_free(w->last_at_peer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree World *w = g_new0(World, 1);
    bool wants_end = size > 0 && (data[size - 1] & 1) == 0; /* else it is freed in the middle */

    w->data = data;
    w->left = size;
    set_up(w);
    for (unsigned n = 0; n < MAX_COMMAND && w->left > 0; n++) {
        commands[next(w, G_N_ELEMENTS(commands))](w);
        g_assert_cmpuint(dm_tx_layer_n_active(w->layer),
                         ==,
                         dm_counter_value(&w->counters[SIP_tx_active]));
    }
    if (wants_end) {
        finish(w);
        dm_sim_network_run(w->network, 200 * (int64_t)S);
        g_assert_cmpuint(dm_tx_layer_n_active(w->layer), ==, 0);
        for (unsigned i = 0; i < MAX_TX; i++) {
            g_assert_true(w->servers[i] == NULL && w->clients[i] == NULL);
        }
    } else {
        for (unsigned i = 0; i < MAX_TX; i++) {
            g_clear_pointer(&w->requests[i], dm_sip_message_free);
        }
    }
    tear_down(w);
    return 0;
}
