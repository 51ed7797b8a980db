/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/sip/transaction/layer-priv.h"
#include "gateway/sip/transaction/request-text.h"

DM_LOG_TOPIC("sip-transaction");

DmTxLayer *
dm_tx_layer_new(const DmTxLayerOptions *options)
{
    DmTxLayer *layer = g_new0(DmTxLayer, 1);

    layer->options = *options;
    dm_tx_secret_init(&layer->secret, options->random);
    layer->servers =
        g_hash_table_new_full(dm_tx_key_hash, dm_tx_key_equal, NULL, dm_server_tx_free);
    layer->clients =
        g_hash_table_new_full(dm_tx_key_hash, dm_tx_key_equal, NULL, dm_client_tx_free);
    g_queue_init(&layer->unanswered);
    layer->scratch = g_string_sized_new(2048);
    return layer;
}

void
dm_tx_layer_free(DmTxLayer *layer)
{
    if (layer == NULL) {
        return;
    }
    dm_tx_count_active(layer, -(int)dm_tx_layer_n_active(layer));
    g_hash_table_destroy(layer->clients);
    g_hash_table_destroy(layer->servers);
    g_string_free(layer->scratch, TRUE);
    g_free(layer);
}

size_t
dm_tx_layer_n_active(const DmTxLayer *layer)
{
    return g_hash_table_size(layer->servers) + g_hash_table_size(layer->clients);
}

void
dm_tx_count_active(DmTxLayer *layer, int by)
{
    dm_count_add(&layer->options.counters[SIP_tx_active], by);
}

/* --- out --- */

bool
dm_tx_send(DmTxLayer *layer, const DmSipFlow *flow, const void *data, size_t len)
{
    const DmSipWire *wire = &layer->options.wire;

    return wire->ops->send(wire->wire, flow, data, len);
}

bool
dm_tx_layer_send_raw(DmTxLayer *layer, const DmSipFlow *flow, const void *data, size_t len)
{
    dm_count(&layer->options.counters[SIP_repeat_out_request]);
    return dm_tx_send(layer, flow, data, len);
}

static const char *
transport_in_via(DmTransport transport)
{
    static const char *const names[DM_N_TRANSPORTS] = {
        [DM_TRANSPORT_UDP] = "UDP",
        [DM_TRANSPORT_TCP] = "TCP",
        [DM_TRANSPORT_TLS] = "TLS",
    };

    return names[transport];
}

void
dm_tx_make_via(DmTxLayer *layer,
               const DmSipFlow *flow,
               char out_via[DM_TX_VIA_MAX],
               char out_branch[DM_TX_BRANCH_MAX])
{
    const DmSipWire *wire = &layer->options.wire;
    const DmAddress *sent_by = wire->ops->advertised(wire->wire, flow->listener);
    char host[DM_ADDRESS_TEXT_MAX];

    g_strlcpy(out_branch, DM_TX_BRANCH_PREFIX, DM_TX_BRANCH_MAX);
    dm_token_make(out_branch + strlen(DM_TX_BRANCH_PREFIX),
                  layer->options.worker,
                  layer->options.random);
    g_strlcpy(out_via, "Via: SIP/2.0/", DM_TX_VIA_MAX);
    g_strlcat(out_via, transport_in_via(flow->transport), DM_TX_VIA_MAX);
    g_strlcat(out_via, " ", DM_TX_VIA_MAX);
    g_strlcat(out_via, dm_address_text(sent_by, host), DM_TX_VIA_MAX);
    g_strlcat(out_via, ";branch=", DM_TX_VIA_MAX);
    g_strlcat(out_via, out_branch, DM_TX_VIA_MAX);
    g_strlcat(out_via, ";rport", DM_TX_VIA_MAX);
    if (flow->transport == DM_TRANSPORT_TLS) {
        g_strlcat(out_via, ";alias", DM_TX_VIA_MAX); /* RFC 5923, 6 */
    }
}

int
dm_tx_branch_worker(DmSpan branch)
{
    size_t prefix = strlen(DM_TX_BRANCH_PREFIX);

    if (branch.len <= prefix || memcmp(branch.p, DM_TX_BRANCH_PREFIX, prefix) != 0) {
        return -1;
    }
    return dm_token_worker(branch.p + prefix, branch.len - prefix);
}

bool
dm_tx_layer_send_ack(DmTxLayer *layer, DmSipMessage *ack, const DmSipFlow *flow, GString *out_bytes)
{
    char via[DM_TX_VIA_MAX];
    char branch[DM_TX_BRANCH_MAX];
    GString *text = layer->scratch;

    g_string_truncate(text, 0);
    if (!dm_sip_message_print(ack, text)) {
        return false;
    }
    dm_tx_make_via(layer, flow, via, branch);
    dm_request_text_add_via(text, via);
    if (out_bytes != NULL) {
        g_string_append_len(out_bytes, text->str, (gssize)text->len);
    }
    dm_tx_count_request(layer, false, flow->transport, DM_METHOD_ACK);
    return dm_tx_send(layer, flow, text->str, text->len);
}

/* --- in --- */

static void
answer_statelessly(DmTxLayer *layer,
                   const DmSipFlow *flow,
                   const char *data,
                   const DmScan *scan,
                   unsigned status)
{
    DmSipFlow back;

    g_string_truncate(layer->scratch, 0);
    if (!dm_sip_raw_response(data, scan, flow, status, NULL, layer->scratch)) {
        return;
    }
    dm_sip_response_flow(scan, flow, &back);
    dm_count(&layer->options.counters[SIP_resp_out_1 + status / 100 - 1]);
    dm_tx_send(layer, &back, layer->scratch->str, layer->scratch->len);
}

/* The message of @data, or NULL when it is faulty: then it has been counted. */
static DmSipMessage *
parse(DmTxLayer *layer, const DmSipFlow *flow, const char *data, size_t len, const DmScan *scan)
{
    bool faulty = false;
    g_autoptr(DmSipMessage) message = dm_sip_message_parse(data, len, scan, flow, &faulty);

    if (message == NULL || faulty) {
        dm_count(&layer->options.counters[SIP_parse_faulty_header]);
        return NULL;
    }
    return g_steal_pointer(&message);
}

/* RFC 3261, 18.1.2: what does not carry a branch of ours is not for us. Of the rest only a 2xx to
 * INVITE matters: a fork that answered late must be acknowledged and ended. */
static void
receive_stray_response(DmTxLayer *layer,
                       const DmSipFlow *flow,
                       const char *data,
                       size_t len,
                       const DmScan *scan)
{
    DmSipMessage *response;

    dm_count(&layer->options.counters[SIP_tx_stray_response]);
    if (scan->method != DM_METHOD_INVITE || scan->status / 100 != 2 ||
        dm_tx_branch_worker(scan->branch) != (int)layer->options.worker) {
        return;
    }
    response = parse(layer, flow, data, len, scan);
    if (response != NULL) {
        layer->options.user->on_stray_response(response, layer->options.user_data);
    }
}

static void
receive_response(DmTxLayer *layer,
                 const DmSipFlow *flow,
                 const char *data,
                 size_t len,
                 const DmScan *scan)
{
    DmTxKey key;
    DmClientTx *tx;

    dm_tx_key_client(&layer->secret, scan->branch, scan->method_text, &key);
    tx = g_hash_table_lookup(layer->clients, &key);
    if (tx == NULL || !dm_client_tx_receive(tx, flow, data, len, scan)) {
        receive_stray_response(layer, flow, data, len, scan);
    }
}

static void
receive_ack(DmTxLayer *layer,
            DmServerTx *tx,
            const DmSipFlow *flow,
            const char *data,
            size_t len,
            const DmScan *scan)
{
    DmSipMessage *ack;

    if (tx != NULL && dm_server_tx_receive_ack(tx)) {
        return;
    }
    dm_tx_count_request(layer, true, flow->transport, DM_METHOD_ACK);
    ack = parse(layer, flow, data, len, scan);
    if (ack != NULL) {
        layer->options.user->on_ack(ack, layer->options.user_data);
    }
}

/* RFC 3261, 9.2. A CANCEL needs no transaction of its own: the answer to each copy is the same. */
static void
receive_cancel(DmTxLayer *layer,
               DmServerTx *tx,
               const DmSipFlow *flow,
               const char *data,
               const DmScan *scan)
{
    g_autofree char *reason = NULL;

    dm_tx_count_request(layer, true, flow->transport, DM_METHOD_CANCEL);
    answer_statelessly(layer, flow, data, scan, tx != NULL ? 200 : 481);
    if (tx != NULL) {
        reason = dm_request_text_header(data, scan->head_len, "Reason");
        dm_server_tx_receive_cancel(tx, reason);
    }
}

static void
receive_new_request(DmTxLayer *layer,
                    const DmTxKey *key,
                    const DmSipFlow *flow,
                    const char *data,
                    size_t len,
                    const DmScan *scan)
{
    DmSipMessage *request;

    dm_tx_count_request(layer, true, flow->transport, scan->method);
    if (dm_tx_layer_n_active(layer) >= layer->options.max_transactions) {
        dm_count(&layer->options.counters[SIP_tx_refused]);
        answer_statelessly(layer, flow, data, scan, 503);
        return;
    }
    request = parse(layer, flow, data, len, scan);
    if (request == NULL) {
        /* a method nobody knows is that first, also when its headers are beyond the parser */
        answer_statelessly(layer, flow, data, scan, scan->method == DM_METHOD_OTHER ? 501 : 400);
        return;
    }
    dm_server_tx_accept(layer, key, flow, data, request, scan);
}

static void
receive_request(DmTxLayer *layer,
                const DmSipFlow *flow,
                const char *data,
                size_t len,
                const DmScan *scan)
{
    DmTxKey key;
    DmServerTx *tx;

    dm_tx_key_server(&layer->secret, scan, &key);
    tx = g_hash_table_lookup(layer->servers, &key);
    if (scan->method == DM_METHOD_ACK) {
        receive_ack(layer, tx, flow, data, len, scan);
    } else if (scan->method == DM_METHOD_CANCEL) {
        receive_cancel(layer, tx, flow, data, scan);
    } else if (tx != NULL) {
        dm_count(&layer->options.counters[SIP_repeat_in_request]);
        dm_server_tx_receive_again(tx);
    } else {
        receive_new_request(layer, &key, flow, data, len, scan);
    }
}

void
dm_tx_layer_receive(DmTxLayer *layer,
                    const DmSipFlow *flow,
                    const char *data,
                    size_t len,
                    const DmScan *scan)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (scan->is_request) {
        receive_request(layer, flow, data, len, scan);
    } else {
        receive_response(layer, flow, data, len, scan);
    }
}

void
dm_tx_layer_unreachable(DmTxLayer *layer, const DmAddress *remote)
{
    for (GList *l = layer->unanswered.head; l != NULL; l = l->next) {
        if (dm_address_equal(&dm_client_tx_flow(l->data)->remote, remote)) {
            dm_client_tx_fail_soon(l->data);
        }
    }
}

/* Whether what was sent on @flow left, or would have left, by the stream @gone. */
static bool
went_by(const DmSipFlow *flow, const DmSipFlow *gone)
{
    if (flow->transport != gone->transport) {
        return false;
    }
    return flow->connection == gone->connection || dm_address_equal(&flow->remote, &gone->remote) ||
           dm_address_equal(&flow->fallback, &gone->remote);
}

void
dm_tx_layer_flow_failed(DmTxLayer *layer, const DmSipFlow *flow)
{
    for (GList *l = layer->unanswered.head; l != NULL; l = l->next) {
        if (went_by(dm_client_tx_flow(l->data), flow)) {
            dm_client_tx_fail_soon(l->data);
        }
    }
}
