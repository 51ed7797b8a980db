/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/transaction/transaction.h"
#include "tests/lib/sim-network.h"

#define MS 1000
#define S  (1000 * MS)

/* The gateway's layer on one host; on the other a peer that the test plays with bytes. */
typedef struct {
    DmSimNetwork *network;
    DmSimHost *gateway, *peer;
    DmTxLayer *layer;
    DmCounter counters[DM_N_SIP_COUNTERS];
    GString *events; /* what the layer told its users: "request:INVITE ", ... */
    GString
        *at_peer; /* first words of what the peer received: "INVITE 0, INVITE 500, " with times */
    char *last_at_peer; /* the whole of the last */
    int64_t origin_us;  /* what times count from; -1: the next one received */
    DmServerTx *server;
    DmClientTx *client;
    DmSipMessage *request;
} Fixture;

/* --- the layer's user --- */

static void
on_request(DmServerTx *tx, DmSipMessage *request, void *user_data)
{
    Fixture *f = user_data;

    g_string_append_printf(f->events, "request:%s ", dm_method_name(request->method));
    f->server = tx;
    dm_sip_message_free(f->request);
    f->request = request;
}

static void
on_ack(DmSipMessage *ack, void *user_data)
{
    Fixture *f = user_data;

    g_string_append(f->events, "ack ");
    dm_sip_message_free(ack);
}

static void
on_stray_response(DmSipMessage *response, void *user_data)
{
    Fixture *f = user_data;

    g_string_append_printf(f->events, "stray:%d ", response->sip->sip_status->st_status);
    dm_sip_message_free(response);
}

static void
on_cancel(DmServerTx *tx, const char *reason, void *user_data)
{
    Fixture *f = user_data;

    g_string_append_printf(f->events, "cancel:%s ", reason != NULL ? reason : "");
}

static void
on_server_ended(DmServerTx *tx, bool acked, void *user_data)
{
    Fixture *f = user_data;

    g_string_append_printf(f->events, "ended:%s ", acked ? "acked" : "unacked");
    f->server = NULL;
}

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    Fixture *f = user_data;

    g_string_append_printf(f->events, "response:%d ", response->sip->sip_status->st_status);
    dm_sip_message_free(response);
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    Fixture *f = user_data;

    g_string_append(f->events, failure == DM_TX_TIMEOUT ? "timeout " : "transport ");
}

static void
on_client_ended(DmClientTx *tx, void *user_data)
{
    Fixture *f = user_data;

    g_string_append(f->events, "ended ");
    f->client = NULL;
}

static const DmTxLayerUser layer_user = {on_request, on_ack, on_stray_response};
static const DmServerTxUser server_user = {on_cancel, on_server_ended};
static const DmClientTxUser client_user = {on_response, on_failed, on_client_ended};

/* --- the hosts --- */

static void
gateway_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    Fixture *f = user_data;
    DmScan scan;

    g_assert_cmpint(dm_scan(data, len, false, &scan), ==, DM_SCAN_OK);
    dm_tx_layer_receive(f->layer, flow, data, len, &scan);
}

static void
gateway_hears_unreachable(const DmAddress *remote, void *user_data)
{
    Fixture *f = user_data;

    dm_tx_layer_unreachable(f->layer, remote);
}

static void
peer_receives(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    Fixture *f = user_data;
    DmScan scan;

    g_assert_cmpint(dm_scan(data, len, true, &scan), ==, DM_SCAN_OK);
    if (f->origin_us < 0) {
        f->origin_us = dm_sim_network_now_us(f->network);
    }
    if (scan.is_request) {
        g_string_append_printf(f->at_peer, "%s ", dm_method_name(scan.method));
    } else {
        g_string_append_printf(f->at_peer, "%u ", scan.status);
    }
    g_string_append_printf(f->at_peer,
                           "%" G_GINT64_FORMAT ", ",
                           (dm_sim_network_now_us(f->network) - f->origin_us) / MS);
    g_free(f->last_at_peer);
    f->last_at_peer = g_strndup(data, len);
}

static void
set_up(Fixture *f, gconstpointer max_transactions)
{
    f->network = dm_sim_network_new(1);
    f->gateway = dm_sim_host_new(f->network,
                                 "192.0.2.1:5060",
                                 gateway_receives,
                                 gateway_hears_unreachable,
                                 f);
    f->peer = dm_sim_host_new(f->network, "192.0.2.9:5070", peer_receives, NULL, f);
    f->events = g_string_new(NULL);
    f->at_peer = g_string_new(NULL);
    f->origin_us = -1;
    f->layer = dm_tx_layer_new(&(DmTxLayerOptions){
        .loop = dm_sim_network_loop(f->network),
        .random = dm_sim_network_random(f->network),
        .wire = dm_sim_host_wire(f->gateway),
        .worker = 3,
        .max_transactions = max_transactions != NULL ? GPOINTER_TO_UINT(max_transactions) : 100,
        .user = &layer_user,
        .user_data = f,
        .counters = f->counters,
    });
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(dm_counter_value(&f->counters[SIP_tx_active]),
                    ==,
                    dm_tx_layer_n_active(f->layer));
    dm_tx_layer_free(f->layer);
    g_assert_cmpint(dm_counter_value(&f->counters[SIP_tx_active]), ==, 0);
    dm_sip_message_free(f->request);
    dm_sim_network_free(f->network);
    g_string_free(f->events, TRUE);
    g_string_free(f->at_peer, TRUE);
    g_free(f->last_at_peer);
}

static void
run(Fixture *f, int64_t us)
{
    dm_sim_network_run(f->network, us);
}

/* What has been told, and what the peer has received, since the last time it was asked. */
static void
assert_told(Fixture *f, const char *events)
{
    g_assert_cmpstr(f->events->str, ==, events);
    g_string_truncate(f->events, 0);
}

static void
assert_at_peer(Fixture *f, const char *received)
{
    g_assert_cmpstr(f->at_peer->str, ==, received);
    g_string_truncate(f->at_peer, 0);
}

static void
assert_ended(Fixture *f)
{
    g_assert_cmpuint(dm_tx_layer_n_active(f->layer), ==, 0);
}

/* --- what the peer sends --- */

static void
peer_sends(Fixture *f, const char *text)
{
    DmSipWire wire = dm_sim_host_wire(f->peer);
    DmSipFlow flow;

    g_assert_true(wire.ops->flow_to(wire.wire,
                                    -1,
                                    DM_TRANSPORT_UDP,
                                    dm_sim_host_address(f->gateway, 0),
                                    &flow));
    g_assert_true(wire.ops->send(wire.wire, &flow, text, strlen(text)));
}

static void
peer_requests(Fixture *f, const char *method, const char *branch, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "%s sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK%s\r\n"
        "From: <sip:200@pbx>;tag=p1\r\nTo: <sip:100@gw>\r\nCall-ID: c1\r\nCSeq: 1 %s\r\n%s"
        "Content-Length: 0\r\n\r\n",
        method,
        branch,
        method,
        more);

    peer_sends(f, text);
}

/* A response to the last request the peer has received. */
static char *
response_text(const char *request, const char *status, const char *to_tag)
{
    DmScan scan;

    g_assert_cmpint(dm_scan(request, strlen(request), false, &scan), ==, DM_SCAN_OK);
    return g_strdup_printf(
        "SIP/2.0 %s\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s%s\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n"
        "Content-Length: 0\r\n\r\n",
        status,
        (int)scan.via.len,
        scan.via.p,
        (int)scan.from.len,
        scan.from.p,
        (int)scan.to.len,
        scan.to.p,
        to_tag,
        (int)scan.call_id.len,
        scan.call_id.p,
        scan.cseq,
        (int)scan.method_text.len,
        scan.method_text.p);
}

static void
peer_answers(Fixture *f, const char *status)
{
    g_autofree char *text = response_text(f->last_at_peer, status, ";tag=peer");

    peer_sends(f, text);
}

/* --- what the gateway does --- */

static void
respond(Fixture *f, unsigned status)
{
    g_autoptr(DmSipMessage) response = dm_sip_response_new(f->request, status, NULL, "gw");

    g_assert_true(dm_server_tx_respond(f->server, response));
}

/* The peer's request has come in and has a user. */
static void
accept_request(Fixture *f, const char *method)
{
    g_autofree char *event = g_strdup_printf("request:%s ", method);

    peer_requests(f, method, "a", "");
    run(f, 2 * MS);
    assert_told(f, event);
    dm_server_tx_set_user(f->server, &server_user, f);
}

static DmSipMessage *
make_request(const char *method)
{
    DmSipMessage *message = dm_sip_message_new();
    g_autofree char *cseq = g_strdup_printf("42 %s", method);
    sip_request_t *line = sip_request_create(message->home,
                                             sip_method_code(method),
                                             method,
                                             (const url_string_t *)"sip:300@192.0.2.9:5070",
                                             NULL);

    msg_header_insert(message->msg, (msg_pub_t *)message->sip, (msg_header_t *)line);
    g_assert_true(dm_sip_message_add(message, "Max-Forwards", "70"));
    g_assert_true(dm_sip_message_add(message, "Route", "<sip:edge.example;lr>"));
    g_assert_true(dm_sip_message_add(message, "From", "<sip:gw@192.0.2.1>;tag=g1"));
    g_assert_true(dm_sip_message_add(message, "To", "<sip:300@192.0.2.9>"));
    g_assert_true(dm_sip_message_add(message, "Call-ID", "ours"));
    g_assert_true(dm_sip_message_add(message, "CSeq", cseq));
    return message;
}

static void
flow_to_peer(Fixture *f, DmSipFlow *out)
{
    DmSipWire wire = dm_sim_host_wire(f->gateway);

    g_assert_true(
        wire.ops->flow_to(wire.wire, -1, DM_TRANSPORT_UDP, dm_sim_host_address(f->peer, 0), out));
}

static void
start(Fixture *f, const char *method)
{
    g_autoptr(DmSipMessage) request = make_request(method);
    DmSipFlow flow;

    flow_to_peer(f, &flow);
    f->client = dm_client_tx_start(f->layer, request, &flow, &client_user, f);
}

/* --- INVITE, server --- */

static void
test_trying(Fixture *f, gconstpointer data)
{
    g_test_summary(
        "An INVITE nobody answers gets 100 within 200 ms, and the 100 again for each copy (SIG-2)");
    accept_request(f, "INVITE");
    f->origin_us = dm_sim_network_now_us(f->network);
    run(f, 198 * MS);
    assert_at_peer(f, "");
    run(f, 10 * MS);
    assert_at_peer(f, "100 200, ");
    peer_requests(f, "INVITE", "a", "");
    run(f, 100 * MS);
    assert_at_peer(f, "100 210, ");
    assert_told(f, "");
}

static void
test_trying_at_once(Fixture *f, gconstpointer data)
{
    g_test_summary("The user may have 100 sent at once; it is sent once");
    accept_request(f, "INVITE");
    dm_server_tx_trying(f->server);
    dm_server_tx_trying(f->server);
    run(f, S);
    assert_at_peer(f, "100 0, ");
}

static void
test_no_trying_after_answer(Fixture *f, gconstpointer data)
{
    g_test_summary("An INVITE that is answered in time gets no 100; copies get the last answer");
    accept_request(f, "INVITE");
    respond(f, 180);
    run(f, S);
    assert_at_peer(f, "180 0, ");
    peer_requests(f, "INVITE", "a", "");
    run(f, 10 * MS);
    assert_at_peer(f, "180 1001, ");
    assert_told(f, "");
}

static void
test_rejected_invite(Fixture *f, gconstpointer data)
{
    g_test_summary("G: 486 is repeated at T1, doubling to T2, until the ACK; I: ACKs are absorbed "
                   "for T4 (17.2.1)");
    accept_request(f, "INVITE");
    respond(f, 486);
    run(f, 12 * S);
    assert_at_peer(f, "486 0, 486 500, 486 1500, 486 3500, 486 7500, 486 11500, ");
    peer_requests(f, "ACK", "a", "");
    run(f, 4900 * MS);
    peer_requests(f, "ACK", "a", "");
    run(f, 50 * MS);
    assert_told(f, "");
    assert_at_peer(f, "");
    run(f, 100 * MS);
    assert_told(f, "ended:acked ");
    assert_ended(f);
}

static void
test_missing_ack(Fixture *f, gconstpointer data)
{
    g_test_summary("H: without an ACK the transaction ends after 64*T1 and says so (17.2.1)");
    accept_request(f, "INVITE");
    respond(f, 486);
    run(f, 31990 * MS);
    assert_told(f, "");
    run(f, 20 * MS);
    assert_told(f, "ended:unacked ");
    g_assert_cmpint(dm_counter_value(&f->counters[SIP_ack_timeout]), ==, 1);
    assert_ended(f);
}

static void
test_accepted_invite(Fixture *f, gconstpointer data)
{
    g_test_summary("L: after a 2xx copies of the INVITE are absorbed, the 2xx is the user's to "
                   "repeat (RFC 6026, 7.1)");
    accept_request(f, "INVITE");
    respond(f, 200);
    run(f, 10 * S);
    assert_at_peer(f, "200 0, ");
    peer_requests(f, "INVITE", "a", "");
    run(f, 10 * MS);
    assert_at_peer(f, "");
    dm_server_tx_repeat(f->server);
    run(f, 10 * MS);
    assert_at_peer(f, "200 10010, ");
    peer_requests(f, "ACK", "other", "");
    run(f, 10 * MS);
    assert_told(f, "ack ");
    run(f, 22 * S);
    assert_told(f, "ended:acked ");
    assert_ended(f);
}

static void
test_acknowledged_invite(Fixture *f, gconstpointer data)
{
    g_test_summary(
        "Once its user has the ACK, the 2xx is forgotten: copies of the INVITE are still "
        "absorbed, until L");
    accept_request(f, "INVITE");
    respond(f, 200);
    run(f, 10 * MS);
    assert_at_peer(f, "200 0, ");
    dm_server_tx_set_user(f->server, NULL, NULL);
    dm_server_tx_repeat(f->server);
    peer_requests(f, "INVITE", "a", "");
    run(f, 31 * S);
    assert_at_peer(f, "");
    assert_told(f, "");
    run(f, 2 * S);
    assert_ended(f);
}

static void
test_second_final_is_refused(Fixture *f, gconstpointer data)
{
    g_autoptr(DmSipMessage) late = NULL;

    g_test_summary("After a final answer nothing else is sent");
    accept_request(f, "INVITE");
    respond(f, 200);
    late = dm_sip_response_new(f->request, 180, NULL, "gw");
    g_assert_false(dm_server_tx_respond(f->server, late));
    run(f, 10 * MS);
    assert_at_peer(f, "200 0, ");
}

static void
test_reject(Fixture *f, gconstpointer data)
{
    g_test_summary("A rejected request is answered with a tag and forgotten");
    accept_request(f, "INVITE");
    dm_server_tx_reject(f->server, f->request, 403, "Not you");
    run(f, 10 * MS);
    assert_at_peer(f, "403 0, ");
    g_assert_true(g_str_has_prefix(f->last_at_peer, "SIP/2.0 403 Not you\r\n"));
    g_assert_nonnull(strstr(f->last_at_peer, "To: <sip:100@gw>;tag="));
    run(f, 40 * S);
    assert_told(f, "");
    assert_ended(f);
}

static void
test_unanswered_ends(Fixture *f, gconstpointer data)
{
    g_test_summary(
        "A request without a user ends although it is never answered; an INVITE with one waits");
    peer_requests(f, "INVITE", "a", "");
    peer_requests(f, "OPTIONS", "b", "");
    run(f, 33 * S);
    assert_ended(f);
    assert_told(f, "request:INVITE request:OPTIONS ");
    accept_request(f, "INVITE");
    run(f, 100 * S);
    g_assert_cmpuint(dm_tx_layer_n_active(f->layer), ==, 1);
    respond(f, 480);
    run(f, 33 * S);
    assert_ended(f);
}

/* --- CANCEL, server --- */

static void
test_cancel(Fixture *f, gconstpointer data)
{
    g_test_summary(
        "CANCEL: 200, and the user is told once, with the Reason (SIG-7; RFC 3261, 9.2; RFC 3326)");
    accept_request(f, "INVITE");
    respond(f, 180);
    peer_requests(f, "CANCEL", "a", "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
    run(f, 10 * MS);
    assert_told(f, "cancel:SIP;cause=200;text=\"Call completed elsewhere\" ");
    assert_at_peer(f, "180 0, 200 1, ");
    peer_requests(f, "CANCEL", "a", "");
    run(f, 10 * MS);
    assert_told(f, "");
    assert_at_peer(f, "200 11, ");
    respond(f, 487);
    peer_requests(f, "ACK", "a", "");
    run(f, 6 * S);
    assert_told(f, "ended:acked ");
}

static void
test_cancel_crosses_answer(Fixture *f, gconstpointer data)
{
    g_test_summary("A CANCEL that crosses the 200 is answered and changes nothing (RFC 3261, 9.2)");
    accept_request(f, "INVITE");
    peer_requests(f, "CANCEL", "a", "");
    respond(f, 200);
    run(f, 10 * MS);
    assert_told(f, "");
    assert_at_peer(f, "200 0, 200 1, ");
}

static void
test_cancel_without_invite(Fixture *f, gconstpointer data)
{
    g_test_summary("A CANCEL for nothing gets 481");
    peer_requests(f, "CANCEL", "nothing", "");
    run(f, 10 * MS);
    assert_at_peer(f, "481 0, ");
    assert_told(f, "");
    assert_ended(f);
}

/* --- others, server --- */

static void
test_other_server(Fixture *f, gconstpointer data)
{
    g_test_summary("J: the final answer is repeated for each copy during 64*T1; before it copies "
                   "are absorbed (17.2.2)");
    accept_request(f, "OPTIONS");
    peer_requests(f, "OPTIONS", "a", "");
    run(f, 10 * MS);
    assert_at_peer(f, "");
    respond(f, 200);
    run(f, 30 * S);
    assert_at_peer(f, "200 0, ");
    peer_requests(f, "OPTIONS", "a", "");
    run(f, 10 * MS);
    assert_at_peer(f, "200 30001, ");
    run(f, 2 * S);
    assert_told(f, "ended:acked ");
    assert_ended(f);
}

static void
test_stray_ack(Fixture *f, gconstpointer data)
{
    g_test_summary("An ACK of no transaction goes to the user; it is never answered");
    peer_requests(f, "ACK", "z", "");
    run(f, 10 * MS);
    assert_told(f, "ack ");
    assert_at_peer(f, "");
}

static void
test_faulty_request(Fixture *f, gconstpointer data)
{
    g_test_summary("A faulty request is answered 400, or 501 when its method is unknown, without a "
                   "transaction (SIG-3)");
    peer_requests(f, "INVITE", "a", "Max-Forwards: many\r\n");
    run(f, 10 * MS);
    assert_at_peer(f, "400 0, ");
    peer_requests(f, "FLY", "b", "Max-Forwards: many\r\n");
    run(f, 10 * MS);
    assert_at_peer(f, "501 10, ");
    peer_requests(f, "ACK", "c", "Max-Forwards: many\r\n");
    run(f, 10 * MS);
    assert_at_peer(f, "");
    assert_told(f, "");
    assert_ended(f);
    g_assert_cmpint(dm_counter_value(&f->counters[SIP_parse_faulty_header]), ==, 3);
}

static void
test_too_many(Fixture *f, gconstpointer data)
{
    g_test_summary("Beyond the limit new requests get 503 and Retry-After; the old ones go on");
    peer_requests(f, "INVITE", "1", "");
    peer_requests(f, "INVITE", "2", "");
    peer_requests(f, "INVITE", "3", "");
    run(f, 10 * MS);
    assert_told(f, "request:INVITE request:INVITE ");
    assert_at_peer(f, "503 0, ");
    g_assert_nonnull(strstr(f->last_at_peer, "\r\nRetry-After: "));
    peer_requests(f, "CANCEL", "1", "");
    run(f, 10 * MS);
    assert_at_peer(f, "200 10, ");
    g_assert_cmpint(dm_counter_value(&f->counters[SIP_tx_refused]), ==, 1);
}

/* --- INVITE, client --- */

static void
test_invite_timeout(Fixture *f, gconstpointer data)
{
    g_test_summary("A: INVITE at T1, doubling; B: timeout after 64*T1 (17.1.1.2)");
    start(f, "INVITE");
    run(f, 31990 * MS);
    assert_at_peer(f,
                   "INVITE 0, INVITE 500, INVITE 1500, INVITE 3500, INVITE 7500, INVITE 15500, "
                   "INVITE 31500, ");
    assert_told(f, "");
    run(f, 20 * MS);
    assert_told(f, "timeout ended ");
    assert_ended(f);
}

static void
test_request_on_the_wire(Fixture *f, gconstpointer data)
{
    DmScan scan;

    g_test_summary("A request leaves with a Via of ours: advertised address, rport, a branch that "
                   "tells the worker");
    start(f, "INVITE");
    run(f, 10 * MS);
    g_assert_cmpint(dm_scan(f->last_at_peer, strlen(f->last_at_peer), true, &scan), ==, DM_SCAN_OK);
    g_assert_true(dm_span_equals(scan.sent_by, "192.0.2.1:5060"));
    g_assert_nonnull(strstr(f->last_at_peer, ";rport"));
    g_assert_cmpint(dm_tx_branch_worker(scan.branch), ==, 3);
    g_assert_cmpint(dm_tx_branch_worker((DmSpan){"z9hG4bKother", 12}), ==, -1);
}

static void
test_invite_rings(Fixture *f, gconstpointer data)
{
    g_test_summary(
        "After a provisional an INVITE is not repeated and waits as long as its user does");
    start(f, "INVITE");
    run(f, 10 * MS);
    peer_answers(f, "100 Trying");
    peer_answers(f, "180 Ringing");
    run(f, 100 * S);
    assert_at_peer(f, "INVITE 0, ");
    assert_told(f, "response:100 response:180 ");
    g_assert_cmpuint(dm_tx_layer_n_active(f->layer), ==, 1);
}

static void
test_invite_rejected(Fixture *f, gconstpointer data)
{
    g_autofree char *busy = NULL;
    DmScan invite;
    DmScan ack;
    g_autofree char *invite_text = NULL;

    g_test_summary("300 to 699: ACK with the INVITE's branch, Route and number, for every copy; D: "
                   "32 s (17.1.1.2)");
    start(f, "INVITE");
    run(f, 10 * MS);
    invite_text = g_strdup(f->last_at_peer);
    busy = response_text(invite_text, "486 Busy Here", ";tag=peer");
    peer_sends(f, busy);
    run(f, 10 * MS);
    assert_told(f, "response:486 ");
    assert_at_peer(f, "INVITE 0, ACK 11, ");
    g_assert_cmpint(dm_scan(invite_text, strlen(invite_text), true, &invite), ==, DM_SCAN_OK);
    g_assert_cmpint(dm_scan(f->last_at_peer, strlen(f->last_at_peer), true, &ack), ==, DM_SCAN_OK);
    g_assert_cmpmem(ack.via.p, ack.via.len, invite.via.p, invite.via.len);
    g_assert_cmpuint(ack.cseq, ==, 42);
    g_assert_true(dm_span_equals(ack.to_tag, "peer"));
    g_assert_nonnull(strstr(f->last_at_peer, "\r\nRoute: <sip:edge.example;lr>\r\n"));
    peer_sends(f, busy);
    run(f, 31900 * MS);
    assert_told(f, "");
    assert_at_peer(f, "ACK 21, ");
    run(f, 100 * MS);
    assert_told(f, "ended ");
    assert_ended(f);
}

static void
test_invite_accepted(Fixture *f, gconstpointer data)
{
    g_autofree char *fork = NULL;

    g_test_summary("M: every 2xx reaches the user for 64*T1, those of other forks too; later ones "
                   "are stray (RFC 6026)");
    start(f, "INVITE");
    run(f, 10 * MS);
    fork = response_text(f->last_at_peer, "200 OK", ";tag=fork");
    peer_answers(f, "200 OK");
    peer_answers(f, "200 OK");
    peer_sends(f, fork);
    peer_answers(f, "486 Busy Here");
    run(f, 31 * S);
    assert_told(f, "response:200 response:200 response:200 ");
    assert_at_peer(f, "INVITE 0, ");
    run(f, 2 * S);
    assert_told(f, "ended ");
    assert_ended(f);
    peer_sends(f, fork);
    run(f, 10 * MS);
    assert_told(f, "stray:200 ");
}

static void
test_responses_of_others(Fixture *f, gconstpointer data)
{
    g_test_summary(
        "Responses without a branch of ours are dropped (RFC 3261, 18.1.2; RFC 4475, 3.3.10)");
    peer_sends(f,
               "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKelse\r\nFrom: "
               "<sip:a>;tag=1\r\n"
               "To: <sip:b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:b>\r\n\r\n");
    run(f, 10 * MS);
    assert_told(f, "");
    g_assert_cmpint(dm_counter_value(&f->counters[SIP_tx_stray_response]), ==, 1);
}

static void
test_faulty_response(Fixture *f, gconstpointer data)
{
    g_test_summary("A faulty response is as if it had not come");
    start(f, "OPTIONS");
    run(f, 10 * MS);
    {
        g_autofree char *text =
            response_text(f->last_at_peer, "200 OK\r\nExpires: soon", ";tag=peer");

        peer_sends(f, text);
    }
    run(f, 600 * MS);
    assert_told(f, "");
    assert_at_peer(f, "OPTIONS 0, OPTIONS 500, ");
}

/* --- CANCEL, client --- */

static void
test_cancel_waits_for_provisional(Fixture *f, gconstpointer data)
{
    DmScan scan;

    g_test_summary("CANCEL leaves only after a provisional, with the INVITE's branch and the "
                   "Reason (RFC 3261, 9.1)");
    start(f, "INVITE");
    run(f, 10 * MS);
    dm_client_tx_cancel(f->client, "Q.850;cause=16");
    run(f, 10 * MS);
    assert_at_peer(f, "INVITE 0, ");
    peer_answers(f, "180 Ringing");
    run(f, 10 * MS);
    assert_at_peer(f, "CANCEL 21, ");
    g_assert_nonnull(strstr(f->last_at_peer, "\r\nReason: Q.850;cause=16\r\n"));
    g_assert_cmpint(dm_scan(f->last_at_peer, strlen(f->last_at_peer), true, &scan), ==, DM_SCAN_OK);
    g_assert_cmpint(dm_tx_branch_worker(scan.branch), ==, 3);
    g_assert_cmpuint(scan.cseq, ==, 42);
    assert_told(f, "response:180 ");
}

static void
test_cancel_and_487(Fixture *f, gconstpointer data)
{
    g_autofree char *invite = NULL;
    g_autofree char *terminated = NULL;

    g_test_summary(
        "CANCEL is repeated until answered; 487 ends the INVITE as any other answer (SIG-7)");
    start(f, "INVITE");
    run(f, 10 * MS);
    invite = g_strdup(f->last_at_peer);
    peer_answers(f, "180 Ringing");
    run(f, 10 * MS);
    dm_client_tx_cancel(f->client, NULL);
    dm_client_tx_cancel(f->client, NULL);
    run(f, 600 * MS);
    assert_at_peer(f, "INVITE 0, CANCEL 20, CANCEL 520, ");
    peer_answers(f, "200 OK");
    terminated = response_text(invite, "487 Request Terminated", ";tag=peer");
    peer_sends(f, terminated);
    run(f, 40 * S);
    assert_at_peer(f, "ACK 621, ");
    assert_told(f, "response:180 response:487 ended ");
    assert_ended(f);
}

static void
test_cancel_crosses_200(Fixture *f, gconstpointer data)
{
    g_autofree char *invite = NULL;
    g_autofree char *ok = NULL;

    g_test_summary("A 200 that crosses the CANCEL reaches the user, who must end the call (SIG-7)");
    start(f, "INVITE");
    run(f, 10 * MS);
    invite = g_strdup(f->last_at_peer);
    peer_answers(f, "180 Ringing");
    run(f, 10 * MS);
    dm_client_tx_cancel(f->client, NULL);
    ok = response_text(invite, "200 OK", ";tag=peer");
    peer_sends(f, ok);
    run(f, 10 * MS);
    assert_told(f, "response:180 response:200 ");
    peer_answers(f, "481 Call/Transaction Does Not Exist");
    run(f, 40 * S);
    assert_told(f, "ended ");
    assert_ended(f);
}

static void
test_cancel_without_final(Fixture *f, gconstpointer data)
{
    g_test_summary("A peer that never ends a cancelled INVITE is given 64*T1 (RFC 3261, 9.1)");
    start(f, "INVITE");
    run(f, 10 * MS);
    peer_answers(f, "180 Ringing");
    run(f, 10 * MS);
    dm_client_tx_cancel(f->client, NULL);
    run(f, 31 * S);
    assert_told(f, "response:180 ");
    run(f, 2 * S);
    assert_told(f, "timeout ended ");
    assert_ended(f);
}

static void
test_cancel_after_final(Fixture *f, gconstpointer data)
{
    g_test_summary("CANCEL never leaves after a final answer, nor for anything but INVITE");
    start(f, "INVITE");
    run(f, 10 * MS);
    peer_answers(f, "200 OK");
    run(f, 10 * MS);
    dm_client_tx_cancel(f->client, NULL);
    start(f, "BYE");
    run(f, 10 * MS);
    peer_answers(f, "100 Trying");
    run(f, 10 * MS);
    dm_client_tx_cancel(f->client, NULL);
    run(f, 100 * MS);
    assert_at_peer(f, "INVITE 0, BYE 20, ");
}

/* --- others, client --- */

static void
test_other_timeout(Fixture *f, gconstpointer data)
{
    g_test_summary("E: T1, doubling to T2; F: timeout after 64*T1 (17.1.2.2)");
    start(f, "OPTIONS");
    run(f, 33 * S);
    assert_at_peer(f,
                   "OPTIONS 0, OPTIONS 500, OPTIONS 1500, OPTIONS 3500, OPTIONS 7500, OPTIONS "
                   "11500, OPTIONS 15500, "
                   "OPTIONS 19500, OPTIONS 23500, OPTIONS 27500, OPTIONS 31500, ");
    assert_told(f, "timeout ended ");
    assert_ended(f);
}

static void
test_other_proceeding(Fixture *f, gconstpointer data)
{
    g_test_summary("After a provisional E is T2, and F still ends it (17.1.2.2)");
    start(f, "BYE");
    run(f, 10 * MS);
    peer_answers(f, "100 Trying");
    run(f, 10 * S);
    assert_at_peer(f, "BYE 0, BYE 500, BYE 4500, BYE 8500, ");
    run(f, 23 * S);
    assert_told(f, "response:100 timeout ended ");
    assert_ended(f);
}

static void
test_other_answered(Fixture *f, gconstpointer data)
{
    g_test_summary("K: copies of the final answer are absorbed for T4 (17.1.2.2)");
    start(f, "BYE");
    run(f, 10 * MS);
    peer_answers(f, "200 OK");
    run(f, 4 * S);
    peer_answers(f, "200 OK");
    run(f, 900 * MS);
    assert_told(f, "response:200 ");
    run(f, 200 * MS);
    assert_told(f, "ended ");
    assert_at_peer(f, "BYE 0, ");
    assert_ended(f);
}

static void
test_forgotten_user(Fixture *f, gconstpointer data)
{
    g_test_summary("Without a user a transaction runs to its end in silence");
    start(f, "BYE");
    dm_client_tx_forget_user(f->client);
    run(f, 10 * MS);
    peer_answers(f, "200 OK");
    run(f, 6 * S);
    assert_told(f, "");
    assert_ended(f);
}

static void
test_abandoned_invite(Fixture *f, gconstpointer data)
{
    g_test_summary("An INVITE without a user ends although it rings; a 2xx to it is a stray one");
    start(f, "INVITE");
    run(f, 10 * MS);
    peer_answers(f, "180 Ringing");
    run(f, 10 * MS);
    dm_client_tx_forget_user(f->client);
    run(f, 33 * S);
    assert_told(f, "response:180 ");
    assert_ended(f);
    start(f, "INVITE");
    dm_client_tx_forget_user(f->client);
    run(f, 10 * MS);
    peer_answers(f, "180 Ringing");
    peer_answers(f, "200 OK");
    run(f, 33 * S);
    assert_told(f, "stray:200 ");
    assert_ended(f);
}

static void
test_unreachable(Fixture *f, gconstpointer data)
{
    g_test_summary("ICMP ends what was sent there and not answered; other transactions go on (RFC "
                   "3261, 17.1.4)");
    start(f, "INVITE");
    run(f, 10 * MS);
    peer_answers(f, "180 Ringing");
    run(f, 10 * MS);
    assert_told(f, "response:180 ");
    dm_sim_host_set_state(f->peer, DM_SIM_REFUSES);
    start(f, "OPTIONS");
    start(f, "BYE");
    run(f, 10 * MS);
    assert_told(f, "transport ended transport ended ");
    g_assert_cmpuint(dm_tx_layer_n_active(f->layer), ==, 1);
}

static void
test_cannot_send(Fixture *f, gconstpointer data)
{
    g_autoptr(DmSipMessage) empty = dm_sip_message_new();
    DmSipFlow flow;

    g_test_summary("A request that cannot even be printed fails from the loop, never from the call "
                   "that made it");
    flow_to_peer(f, &flow);
    f->client = dm_client_tx_start(f->layer, empty, &flow, &client_user, f);
    assert_told(f, "");
    run(f, 10 * MS);
    assert_told(f, "transport ended ");
    assert_ended(f);
}

static void
test_ack_for_2xx(Fixture *f, gconstpointer data)
{
    g_autoptr(DmSipMessage) ack = make_request("ACK");
    g_autoptr(GString) bytes = g_string_new(NULL);
    DmSipFlow flow;

    g_test_summary(
        "The ACK for a 2xx is sent outside any transaction and can be repeated as bytes (SIG-5)");
    flow_to_peer(f, &flow);
    g_assert_true(dm_tx_layer_send_ack(f->layer, ack, &flow, bytes));
    g_assert_true(dm_tx_layer_send_raw(f->layer, &flow, bytes->str, bytes->len));
    run(f, S);
    assert_at_peer(f, "ACK 0, ACK 0, ");
    g_assert_cmpstr(f->last_at_peer, ==, bytes->str);
    assert_ended(f);
}

/* The network carries it all the same; what matters is what the transactions think of it. */
static void
start_on_stream(Fixture *f, const char *method)
{
    g_autoptr(DmSipMessage) request = make_request(method);
    DmSipFlow flow;

    flow_to_peer(f, &flow);
    flow.transport = DM_TRANSPORT_TCP;
    flow.connection = 7;
    f->client = dm_client_tx_start(f->layer, request, &flow, &client_user, f);
}

static void
test_streams_repeat_nothing(Fixture *f, gconstpointer data)
{
    g_test_summary("SIG-24, RFC 3261, 17: on a stream nothing is sent again (A, E), and who waits "
                   "waits as long (B, F)");
    start_on_stream(f, GPOINTER_TO_INT(data) ? "INVITE" : "OPTIONS");
    run(f, 31 * S);
    assert_told(f, "");
    run(f, 2 * S);
    assert_at_peer(f, GPOINTER_TO_INT(data) ? "INVITE 0, " : "OPTIONS 0, ");
    assert_told(f, "timeout ended ");
    assert_ended(f);
}

static void
test_stream_gone(Fixture *f, gconstpointer data)
{
    DmSipFlow gone;

    g_test_summary("SIG-22: a stream that ends fails what was sent on it and had no answer, and "
                   "nothing else");
    start_on_stream(f, "INVITE");
    flow_to_peer(f, &gone);
    dm_tx_layer_flow_failed(f->layer, &gone); /* a datagram's flow to the same address */
    gone.transport = DM_TRANSPORT_TCP;
    gone.connection = 8;
    dm_address_set_port(&gone.remote, 9);
    dm_tx_layer_flow_failed(f->layer, &gone); /* another peer's */
    run(f, 10 * MS);
    assert_told(f, "");
    gone.connection = 7;
    dm_tx_layer_flow_failed(f->layer, &gone);
    run(f, 10 * MS);
    assert_told(f, "transport ended ");
    assert_ended(f);
}

#define TEST(name, func)                                                                           \
    g_test_add("/sip-transaction/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("client/stream/gone", test_stream_gone);
    g_test_add("/sip-transaction/client/stream/invite",
               Fixture,
               GINT_TO_POINTER(1),
               set_up,
               test_streams_repeat_nothing,
               tear_down);
    g_test_add("/sip-transaction/client/stream/options",
               Fixture,
               GINT_TO_POINTER(0),
               set_up,
               test_streams_repeat_nothing,
               tear_down);
    TEST("server/invite/trying", test_trying);
    TEST("server/invite/trying-at-once", test_trying_at_once);
    TEST("server/invite/no-trying-after-answer", test_no_trying_after_answer);
    TEST("server/invite/rejected", test_rejected_invite);
    TEST("server/invite/missing-ack", test_missing_ack);
    TEST("server/invite/accepted", test_accepted_invite);
    TEST("server/invite/acknowledged", test_acknowledged_invite);
    TEST("server/invite/second-final", test_second_final_is_refused);
    TEST("server/invite/reject", test_reject);
    TEST("server/unanswered-ends", test_unanswered_ends);
    TEST("server/cancel", test_cancel);
    TEST("server/cancel-crosses-answer", test_cancel_crosses_answer);
    TEST("server/cancel-without-invite", test_cancel_without_invite);
    TEST("server/other", test_other_server);
    TEST("server/stray-ack", test_stray_ack);
    TEST("server/faulty-request", test_faulty_request);
    g_test_add("/sip-transaction/server/too-many",
               Fixture,
               GUINT_TO_POINTER(2),
               set_up,
               test_too_many,
               tear_down);
    TEST("client/invite/timeout", test_invite_timeout);
    TEST("client/invite/on-the-wire", test_request_on_the_wire);
    TEST("client/invite/rings", test_invite_rings);
    TEST("client/invite/rejected", test_invite_rejected);
    TEST("client/invite/accepted", test_invite_accepted);
    TEST("client/responses-of-others", test_responses_of_others);
    TEST("client/faulty-response", test_faulty_response);
    TEST("client/cancel/waits-for-provisional", test_cancel_waits_for_provisional);
    TEST("client/cancel/487", test_cancel_and_487);
    TEST("client/cancel/crosses-200", test_cancel_crosses_200);
    TEST("client/cancel/without-final", test_cancel_without_final);
    TEST("client/cancel/after-final", test_cancel_after_final);
    TEST("client/other/timeout", test_other_timeout);
    TEST("client/other/proceeding", test_other_proceeding);
    TEST("client/other/answered", test_other_answered);
    TEST("client/forgotten-user", test_forgotten_user);
    TEST("client/abandoned-invite", test_abandoned_invite);
    TEST("client/unreachable", test_unreachable);
    TEST("client/cannot-send", test_cannot_send);
    TEST("client/ack-for-2xx", test_ack_for_2xx);
    return g_test_run();
}
