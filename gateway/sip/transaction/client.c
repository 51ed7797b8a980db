/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/transaction/layer-priv.h"
#include "gateway/sip/transaction/request-text.h"

DM_LOG_TOPIC("sip-client-tx");

typedef enum {
    CALLING,    /* no response yet; "trying" when it is not an INVITE */
    PROCEEDING, /* a provisional has come */
    ACCEPTED,   /* INVITE: a 2xx has come; more may (RFC 6026) */
    COMPLETED,  /* another final answer has come */
    TERMINATED,
    N_STATES,
} State;

/*
 *   INVITE (RFC 3261, 17.1.1; RFC 6026, 7.2)
 *
 *   CALLING --1xx--> PROCEEDING --300 to 699, ACK sent--> COMPLETED --timer D--> TERMINATED
 *    | | '----------------------------------------------------^                      ^
 *    | '--2xx--> ACCEPTED (also from PROCEEDING) --timer M---------------------------|
 *    '--timer B, transport error; PROCEEDING: no final answer after CANCEL-----------'
 */
static const DmSmState invite_states[N_STATES] = {
    [CALLING] = {"calling",
                 DM_SM_TO(PROCEEDING) | DM_SM_TO(ACCEPTED) | DM_SM_TO(COMPLETED) |
                     DM_SM_TO(TERMINATED)},
    [PROCEEDING] = {"proceeding", DM_SM_TO(ACCEPTED) | DM_SM_TO(COMPLETED) | DM_SM_TO(TERMINATED)},
    [ACCEPTED] = {"accepted", DM_SM_TO(TERMINATED)},
    [COMPLETED] = {"completed", DM_SM_TO(TERMINATED)},
    [TERMINATED] = {"terminated", 0},
};

/*
 *   others (RFC 3261, 17.1.2)
 *
 *   TRYING --1xx--> PROCEEDING --200 to 699--> COMPLETED --timer K--> TERMINATED
 *     | '---------------200 to 699----------------^                       ^
 *     '--timer F (also in PROCEEDING), transport error--------------------'
 */
static const DmSmState other_states[N_STATES] = {
    [CALLING] = {"trying", DM_SM_TO(PROCEEDING) | DM_SM_TO(COMPLETED) | DM_SM_TO(TERMINATED)},
    [PROCEEDING] = {"proceeding", DM_SM_TO(COMPLETED) | DM_SM_TO(TERMINATED)},
    [ACCEPTED] = {"accepted", 0},
    [COMPLETED] = {"completed", DM_SM_TO(TERMINATED)},
    [TERMINATED] = {"terminated", 0},
};

typedef enum {
    CANCEL_NOT_WANTED,
    CANCEL_WHEN_PROVISIONAL, /* RFC 3261, 9.1: not before the peer has said anything */
    CANCEL_SENT,
} CancelState;

/* What is said, how, and until when. */
typedef struct {
    GString *text; /* the request; after 300 to 699 to INVITE the ACK; NULL: it cannot be printed */
    DmSipFlow flow;
    char branch[DM_TX_BRANCH_MAX];
    CancelState cancel;
    char *reason; /* of the CANCEL that waits */
    int64_t repeat_us;
    DmTimer repeat_timer;  /* A, E */
    DmTimer connect_timer; /* how long a connection may take before UDP is used instead */
    bool falls_back;       /* to @datagram_flow, when there is no connection */
    DmSipFlow datagram_flow;
    GList link; /* of layer->unanswered, while CALLING */
} Request;

struct DmClientTx {
    DmTxKey key; /* first: the table is keyed by it */
    DmTxLayer *layer;
    const DmClientTxUser *user; /* NULL: nobody is told */
    void *user_data;
    unsigned state;
    bool is_invite;
    bool could_not_send;
    DmTimer end_timer; /* B, F; D, K, M */
    Request *request;  /* NULL: it has its final answer, and nothing is repeated */
};

static DmLoop *
loop_of(const DmClientTx *tx)
{
    return tx->layer->options.loop;
}

const DmSipFlow *
dm_client_tx_flow(const DmClientTx *tx)
{
    return &tx->request->flow;
}

static void
set_text(Request *request, GString *text)
{
    if (request->text != NULL) {
        g_string_free(request->text, TRUE);
    }
    request->text = text;
}

static void
no_longer_unanswered(DmClientTx *tx)
{
    Request *request = tx->request;

    if (request == NULL) {
        return;
    }
    dm_timer_disarm(&request->connect_timer);
    if (request->link.data != NULL) {
        g_queue_unlink(&tx->layer->unanswered, &request->link);
        request->link.data = NULL;
    }
}

static void
forget_request(DmClientTx *tx)
{
    if (tx->request != NULL) {
        no_longer_unanswered(tx);
        dm_timer_disarm(&tx->request->repeat_timer);
        set_text(tx->request, NULL);
        g_free(tx->request->reason);
        g_clear_pointer(&tx->request, g_free);
    }
}

void
dm_client_tx_free(void *data)
{
    DmClientTx *tx = data;

    dm_timer_disarm(&tx->end_timer);
    forget_request(tx);
    g_free(tx);
}

static bool
move(DmClientTx *tx, State to)
{
    if (!dm_sm_move(tx->is_invite ? invite_states : other_states,
                    tx->is_invite ? "invite-client" : "client",
                    &tx->state,
                    to,
                    NULL)) {
        return false;
    }
    no_longer_unanswered(tx);
    return true;
}

static void begin(DmClientTx *tx, DmSpan method);
static void fall_back(DmClientTx *tx);

/* --- the end --- */

static void
end(DmClientTx *tx)
{
    DmTxLayer *layer = tx->layer;

    g_hash_table_steal(layer->clients, &tx->key);
    dm_tx_count_active(layer, -1);
    if (tx->user != NULL && tx->user->on_ended != NULL) {
        tx->user->on_ended(tx, tx->user_data);
    }
    dm_client_tx_free(tx);
}

static void
fail(DmClientTx *tx, DmTxFailure failure)
{
    move(tx, TERMINATED);
    forget_request(tx);
    dm_timer_disarm(&tx->end_timer);
    if (failure == DM_TX_TIMEOUT) {
        dm_count(&tx->layer->options.counters[SIP_tx_timeout]);
    }
    if (tx->user != NULL && tx->user->on_failed != NULL) {
        tx->user->on_failed(tx, failure, tx->user_data);
    }
    end(tx);
}

/* B and F; 64*T1 after a CANCEL; at once when the request could not be sent. */
static void
on_failure_timer(DmTimer *timer, void *user_data)
{
    DmClientTx *tx = user_data;

    if (tx->could_not_send && tx->request->falls_back) {
        fall_back(tx);
    } else {
        fail(tx, tx->could_not_send ? DM_TX_TRANSPORT : DM_TX_TIMEOUT);
    }
}

void
dm_client_tx_fail_soon(DmClientTx *tx)
{
    tx->could_not_send = true;
    dm_timer_disarm(&tx->request->repeat_timer);
    dm_loop_arm(loop_of(tx), &tx->end_timer, 0, on_failure_timer, tx);
}

/* D, K, M */
static void
on_end_timer(DmTimer *timer, void *user_data)
{
    DmClientTx *tx = user_data;

    move(tx, TERMINATED);
    end(tx);
}

/* --- out --- */

static void
repeat_request(DmClientTx *tx)
{
    const Request *request = tx->request;

    dm_count(&tx->layer->options.counters[SIP_repeat_out_request]);
    dm_tx_send(tx->layer, &request->flow, request->text->str, request->text->len);
}

/* A doubles without limit; E up to T2, and is T2 once a provisional has come (RFC 3261, 17.1.2.2).
 */
static void
on_repeat_timer(DmTimer *timer, void *user_data)
{
    DmClientTx *tx = user_data;
    int64_t *repeat_us = &tx->request->repeat_us;

    repeat_request(tx);
    *repeat_us *= 2;
    if (!tx->is_invite) {
        *repeat_us = tx->state == PROCEEDING ? DM_TX_T2_US : MIN(*repeat_us, DM_TX_T2_US);
    }
    dm_loop_arm(loop_of(tx), &tx->request->repeat_timer, *repeat_us, on_repeat_timer, tx);
}

/* Begins with the text in @tx->request. */
static void
begin(DmClientTx *tx, DmSpan method)
{
    DmTxLayer *layer = tx->layer;
    Request *request = tx->request;
    DmSpan branch = {request->branch, strlen(request->branch)};

    dm_tx_key_client(&layer->secret, branch, method, &tx->key);
    g_hash_table_insert(layer->clients, &tx->key, tx);
    dm_tx_count_active(layer, 1);
    request->link.data = tx;
    g_queue_push_tail_link(&layer->unanswered, &request->link);
    if (request->text == NULL ||
        !dm_tx_send(layer, &request->flow, request->text->str, request->text->len)) {
        dm_client_tx_fail_soon(tx);
        return;
    }
    if (request->flow.transport == DM_TRANSPORT_UDP) {
        request->repeat_us = DM_TX_T1_US;
        dm_loop_arm(loop_of(tx), &request->repeat_timer, request->repeat_us, on_repeat_timer, tx);
    }
    dm_loop_arm(loop_of(tx), &tx->end_timer, DM_TX_GIVE_UP_US, on_failure_timer, tx);
}

static void
run(DmClientTx *tx, DmSpan method)
{
    dm_tx_count_request(tx->layer, false, tx->request->flow.transport, dm_method_parse(method));
    begin(tx, method);
}

/* --- too long for a datagram (SIG-23) --- */

static size_t
room(const DmClientTx *tx)
{
    const DmSipWire *wire = &tx->layer->options.wire;
    const DmSipFlow *flow = &tx->request->flow;

    return flow->transport == DM_TRANSPORT_UDP && wire->ops->max_request_bytes != NULL
               ? wire->ops->max_request_bytes(wire->wire, flow->listener)
               : 0;
}

static void
on_connect_timer(DmTimer *timer, void *user_data)
{
    DmClientTx *tx = user_data;
    const DmSipWire *wire = &tx->layer->options.wire;

    if (wire->ops->give_up_connecting != NULL) {
        wire->ops->give_up_connecting(wire->wire, &tx->request->flow);
    }
}

/* RFC 3261, 18.1.1. False: there is no way. */
static bool
go_by_tcp(DmClientTx *tx, GString *text)
{
    const DmSipWire *wire = &tx->layer->options.wire;
    Request *request = tx->request;
    char via[DM_TX_VIA_MAX];
    DmSipFlow tcp;

    if (!wire->ops->flow_to(wire->wire, -1, DM_TRANSPORT_TCP, &request->flow.remote, &tcp)) {
        return false;
    }
    request->datagram_flow = request->flow;
    request->falls_back = true;
    request->flow = tcp;
    dm_tx_make_via(tx->layer, &request->flow, via, request->branch);
    dm_request_text_replace_via(text, via);
    dm_loop_arm(loop_of(tx), &request->connect_timer, DM_TX_CONNECT_US, on_connect_timer, tx);
    return true;
}

static DmSipCounterId
what_was_done(const DmClientTx *tx, const DmFit *fit)
{
    if (tx->request->falls_back) {
        return SIP_oversize_tcp;
    }
    if (fit->too_long) {
        return SIP_oversize_fragmented;
    }
    return fit->taken == DM_OVERSIZE_BIT(DM_OVERSIZE_COMPACT) ? SIP_oversize_compact
                                                              : SIP_oversize_slim;
}

/* What is still too long after all that is allowed goes as it is: TCP would lose it for peers that
 * have none. */
static void
fit_into_datagram(DmClientTx *tx, GString *text, DmFit *fit)
{
    size_t max = room(tx);
    bool is_too_long = max > 0 && text->len > max;

    if (is_too_long || fit->always != 0) {
        dm_fit_request(text, max, fit);
    }
    fit->too_long = max > 0 && text->len > max;
    if (fit->too_long && dm_fit_may_use_tcp(fit) && go_by_tcp(tx, text)) {
        fit->too_long = false;
    }
    if (is_too_long) {
        dm_count(&tx->layer->options.counters[what_was_done(tx, fit)]);
    }
}

/* The same request, by UDP after all: nobody has seen it. */
static void
fall_back(DmClientTx *tx)
{
    DmTxLayer *layer = tx->layer;
    Request *request = tx->request;
    const char *line = request->text->str;
    g_autofree char *method = g_strndup(line, (gsize)(strchr(line, ' ') - line));
    char via[DM_TX_VIA_MAX];

    g_hash_table_steal(layer->clients, &tx->key);
    dm_tx_count_active(layer, -1);
    no_longer_unanswered(tx);
    tx->could_not_send = false;
    request->falls_back = false;
    request->flow = request->datagram_flow;
    dm_tx_make_via(layer, &request->flow, via, request->branch);
    dm_request_text_replace_via(request->text, via);
    dm_count(&layer->options.counters[SIP_oversize_tcp_failed]);
    begin(tx, (DmSpan){method, strlen(method)});
    if (tx->user != NULL && tx->user->on_no_tcp != NULL) {
        tx->user->on_no_tcp(tx, tx->user_data);
    }
}

static DmClientTx *
new_tx(DmTxLayer *layer, const DmSipFlow *flow, const DmClientTxUser *user, void *user_data)
{
    DmClientTx *tx = g_new0(DmClientTx, 1);

    tx->layer = layer;
    tx->user = user;
    tx->user_data = user_data;
    tx->state = CALLING;
    tx->request = g_new0(Request, 1);
    tx->request->flow = *flow;
    return tx;
}

DmClientTx *
dm_client_tx_start_fit(DmTxLayer *layer,
                       DmSipMessage *request,
                       const DmSipFlow *flow,
                       DmFit *fit,
                       const DmClientTxUser *user,
                       void *user_data)
{
    DmClientTx *tx = new_tx(layer, flow, user, user_data);
    GString *text = layer->scratch;
    const sip_request_t *line = request->sip->sip_request;
    const char *method = line != NULL ? line->rq_method_name : "";
    char via[DM_TX_VIA_MAX];

    tx->is_invite = strcmp(method, "INVITE") == 0;
    dm_tx_make_via(layer, flow, via, tx->request->branch);
    g_string_truncate(text, 0);
    if (dm_sip_message_print(request, text)) {
        dm_request_text_add_via(text, via);
        fit_into_datagram(tx, text, fit);
        tx->request->text = g_string_new_len(text->str, (gssize)text->len);
    }
    run(tx, (DmSpan){method, strlen(method)});
    return tx;
}

DmClientTx *
dm_client_tx_start(DmTxLayer *layer,
                   DmSipMessage *request,
                   const DmSipFlow *flow,
                   const DmClientTxUser *user,
                   void *user_data)
{
    DmFit fit = {0};

    return dm_client_tx_start_fit(layer, request, flow, &fit, user, user_data);
}

/* An INVITE that rings waits for its user; without one it waits no longer than any other request.
 */
static void
end_if_abandoned(DmClientTx *tx)
{
    if (tx->user == NULL && tx->is_invite && tx->state == PROCEEDING &&
        !dm_timer_is_armed(&tx->end_timer)) {
        dm_loop_arm(loop_of(tx), &tx->end_timer, DM_TX_GIVE_UP_US, on_failure_timer, tx);
    }
}

void
dm_client_tx_forget_user(DmClientTx *tx)
{
    tx->user = NULL;
    tx->user_data = NULL;
    end_if_abandoned(tx);
}

/* --- CANCEL --- */

/* RFC 3261, 9.1: a transaction of its own with the INVITE's branch. Nobody waits for its answer,
 * only for the INVITE's, and for that no longer than 64*T1. */
static void
send_cancel(DmClientTx *invite)
{
    Request *of = invite->request;
    DmClientTx *tx = new_tx(invite->layer, &of->flow, NULL, NULL);

    memcpy(tx->request->branch, of->branch, sizeof(of->branch));
    tx->request->text = g_string_sized_new(512);
    dm_request_text_derive(of->text, "CANCEL", NULL, of->reason, tx->request->text);
    run(tx, (DmSpan){"CANCEL", 6});
    of->cancel = CANCEL_SENT;
    g_clear_pointer(&of->reason, g_free);
    dm_loop_arm(loop_of(invite), &invite->end_timer, DM_TX_GIVE_UP_US, on_failure_timer, invite);
}

void
dm_client_tx_cancel(DmClientTx *tx, const char *reason)
{
    if (!tx->is_invite || (tx->state != CALLING && tx->state != PROCEEDING) ||
        tx->request->cancel != CANCEL_NOT_WANTED || tx->could_not_send) {
        return;
    }
    tx->request->reason = g_strdup(reason);
    tx->request->cancel = CANCEL_WHEN_PROVISIONAL;
    if (tx->state == PROCEEDING) {
        send_cancel(tx);
    }
}

/* --- in --- */

/* A 2xx to an INVITE that nobody waits for any more still has to be acknowledged and ended. */
static void
tell(DmClientTx *tx, DmSipMessage *response, const DmScan *scan)
{
    const DmTxLayerOptions *options = &tx->layer->options;

    if (tx->user != NULL && tx->user->on_response != NULL) {
        tx->user->on_response(tx, response, tx->user_data);
    } else if (tx->is_invite && scan->status / 100 == 2) {
        options->user->on_stray_response(response, options->user_data);
    } else {
        dm_sip_message_free(response);
    }
}

static void
receive_provisional(DmClientTx *tx, DmSipMessage *response, const DmScan *scan)
{
    if (tx->state == CALLING) {
        move(tx, PROCEEDING);
        if (tx->is_invite) {
            dm_timer_disarm(&tx->request->repeat_timer);
            dm_timer_disarm(&tx->end_timer);
            end_if_abandoned(tx);
        }
    }
    if (tx->request->cancel == CANCEL_WHEN_PROVISIONAL) {
        send_cancel(tx);
    }
    tell(tx, response, scan);
}

/* RFC 3261, 17.1.1.3. From here on the ACK is what is repeated. */
static void
acknowledge(DmClientTx *tx, const DmScan *scan)
{
    Request *request = tx->request;
    GString *ack = g_string_sized_new(512);

    dm_request_text_derive(request->text, "ACK", &scan->to, NULL, ack);
    set_text(request, ack);
    dm_tx_count_request(tx->layer, false, request->flow.transport, DM_METHOD_ACK);
    dm_tx_send(tx->layer, &request->flow, ack->str, ack->len);
}

static void
receive_final(DmClientTx *tx, DmSipMessage *response, const DmScan *scan)
{
    const DmSipFlow *way = &tx->request->flow;
    int64_t end_us;

    dm_timer_disarm(&tx->request->repeat_timer);
    if (tx->is_invite && scan->status < 300) {
        move(tx, ACCEPTED);
        end_us = DM_TX_GIVE_UP_US; /* timer M */
        forget_request(tx);
    } else if (tx->is_invite) {
        move(tx, COMPLETED);
        acknowledge(tx, scan);
        end_us = dm_tx_unreliable_us(way, DM_TX_GIVE_UP_US); /* timer D */
    } else {
        move(tx, COMPLETED);
        end_us = dm_tx_unreliable_us(way, DM_TX_T4_US); /* timer K */
        forget_request(tx);
    }
    dm_loop_arm(loop_of(tx), &tx->end_timer, end_us, on_end_timer, tx);
    tell(tx, response, scan);
}

/* A response to a transaction that has its final answer. False: a 2xx that this transaction's user
 * no longer expects. */
static bool
receive_again(DmClientTx *tx, const DmScan *scan)
{
    if (tx->is_invite && scan->status >= 200 && scan->status < 300) {
        return false;
    }
    dm_count(&tx->layer->options.counters[SIP_repeat_in_response]);
    if (tx->is_invite && scan->status >= 300) {
        repeat_request(tx); /* the ACK was lost */
    }
    return true;
}

bool
dm_client_tx_receive(DmClientTx *tx,
                     const DmSipFlow *flow,
                     const char *data,
                     size_t len,
                     const DmScan *scan)
{
    bool faulty = false;
    g_autoptr(DmSipMessage) response = NULL;

    if (tx->state == COMPLETED) {
        return receive_again(tx, scan);
    }
    if (tx->could_not_send || tx->state == TERMINATED ||
        (tx->state == ACCEPTED && scan->status / 100 != 2)) {
        return true;
    }
    response = dm_sip_message_parse(data, len, scan, flow, &faulty);
    if (response == NULL || faulty) {
        dm_count(&tx->layer->options.counters[SIP_parse_faulty_header]);
        return true; /* as if it had not come */
    }
    dm_count(&tx->layer->options.counters[SIP_resp_in_1 + scan->status / 100 - 1]);
    if (tx->state == ACCEPTED) {
        tell(tx, g_steal_pointer(&response), scan);
    } else if (scan->status < 200) {
        receive_provisional(tx, g_steal_pointer(&response), scan);
    } else {
        receive_final(tx, g_steal_pointer(&response), scan);
    }
    return true;
}
