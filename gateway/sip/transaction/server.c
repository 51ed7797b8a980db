/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/transaction/layer-priv.h"

DM_LOG_TOPIC("sip-server-tx");

typedef enum {
    TRYING,     /* not INVITE: nothing was answered */
    PROCEEDING, /* INVITE starts here */
    ACCEPTED,   /* INVITE: a 2xx was sent; it is the user's to repeat (RFC 6026) */
    COMPLETED,  /* a final answer was sent, and is repeated */
    CONFIRMED,  /* INVITE: the ACK has come */
    TERMINATED,
    N_STATES,
} State;

/*
 *   INVITE (RFC 3261, 17.2.1; RFC 6026, 7.1)
 *
 *   PROCEEDING --300 to 699--> COMPLETED --ACK--> CONFIRMED --timer I--> TERMINATED
 *       |                          '---------------timer H-----------------^
 *       '--2xx--> ACCEPTED --timer L---------------------------------------'
 */
static const DmSmState invite_states[N_STATES] = {
    [TRYING] = {"trying", 0},
    [PROCEEDING] = {"proceeding", DM_SM_TO(ACCEPTED) | DM_SM_TO(COMPLETED) | DM_SM_TO(TERMINATED)},
    [ACCEPTED] = {"accepted", DM_SM_TO(TERMINATED)},
    [COMPLETED] = {"completed", DM_SM_TO(CONFIRMED) | DM_SM_TO(TERMINATED)},
    [CONFIRMED] = {"confirmed", DM_SM_TO(TERMINATED)},
    [TERMINATED] = {"terminated", 0},
};

/*
 *   others (RFC 3261, 17.2.2)
 *
 *   TRYING --1xx--> PROCEEDING --200 to 699--> COMPLETED --timer J--> TERMINATED
 *      '----------------200 to 699----------------^
 */
static const DmSmState other_states[N_STATES] = {
    [TRYING] = {"trying", DM_SM_TO(PROCEEDING) | DM_SM_TO(COMPLETED) | DM_SM_TO(TERMINATED)},
    [PROCEEDING] = {"proceeding", DM_SM_TO(COMPLETED) | DM_SM_TO(TERMINATED)},
    [ACCEPTED] = {"accepted", 0},
    [COMPLETED] = {"completed", DM_SM_TO(TERMINATED)},
    [CONFIRMED] = {"confirmed", 0},
    [TERMINATED] = {"terminated", 0},
};

/* What was said last, and where to. */
typedef struct {
    DmSipFlow flow;
    bool was_sent; /* at first @text is a 100 that waits */
    uint32_t len;
    char *text;           /* NULL: nothing yet */
    int64_t repeat_us;    /* timer G */
    DmTimer repeat_timer; /* the waiting 100; G */
} Reply;

struct DmServerTx {
    DmTxKey key; /* first: the table is keyed by it */
    DmTxLayer *layer;
    const DmServerTxUser *user; /* NULL: nobody is told */
    void *user_data;
    unsigned state;
    bool is_invite;
    bool is_cancelled;
    bool acked;
    DmTimer end_timer; /* H, I, J, L; and that of a transaction nobody answers */
    Reply *reply;      /* NULL: it has been acknowledged, what comes again is absorbed */
};

static DmLoop *
loop_of(const DmServerTx *tx)
{
    return tx->layer->options.loop;
}

static void
forget_reply(DmServerTx *tx)
{
    if (tx->reply != NULL) {
        dm_timer_disarm(&tx->reply->repeat_timer);
        g_free(tx->reply->text);
        g_clear_pointer(&tx->reply, g_free);
    }
}

void
dm_server_tx_free(void *data)
{
    DmServerTx *tx = data;

    dm_timer_disarm(&tx->end_timer);
    forget_reply(tx);
    g_free(tx);
}

static bool
move(DmServerTx *tx, State to)
{
    return dm_sm_move(tx->is_invite ? invite_states : other_states,
                      tx->is_invite ? "invite-server" : "server",
                      &tx->state,
                      to,
                      NULL);
}

static void
end(DmServerTx *tx)
{
    DmTxLayer *layer = tx->layer;
    const DmServerTxUser *user = tx->user;
    void *user_data = tx->user_data;

    move(tx, TERMINATED);
    g_hash_table_steal(layer->servers, &tx->key);
    dm_tx_count_active(layer, -1);
    if (user != NULL && user->on_ended != NULL) {
        user->on_ended(tx, tx->acked, user_data);
    }
    dm_server_tx_free(tx);
}

/* --- timers --- */

/* H (no ACK came), I, J, L. */
static void
on_end_timer(DmTimer *timer, void *user_data)
{
    DmServerTx *tx = user_data;

    if (tx->is_invite && tx->state == COMPLETED) {
        tx->acked = false;
        dm_count(&tx->layer->options.counters[SIP_ack_timeout]);
    }
    end(tx);
}

/* Nobody answered. The client has given up by now (RFC 4320, 4.2: then no answer helps), except for
 * an INVITE whose user is still at it. */
static void
on_unanswered(DmTimer *timer, void *user_data)
{
    DmServerTx *tx = user_data;

    if (tx->is_invite && tx->user != NULL) {
        dm_loop_arm(loop_of(tx), &tx->end_timer, DM_TX_GIVE_UP_US, on_unanswered, tx);
        return;
    }
    end(tx);
}

static void
send_response(DmServerTx *tx)
{
    Reply *reply = tx->reply;

    reply->was_sent = true;
    dm_tx_send(tx->layer, &reply->flow, reply->text, reply->len);
}

static void
repeat_response(DmServerTx *tx)
{
    dm_count(&tx->layer->options.counters[SIP_repeat_out_response]);
    send_response(tx);
}

static void
on_timer_g(DmTimer *timer, void *user_data)
{
    DmServerTx *tx = user_data;
    Reply *reply = tx->reply;

    repeat_response(tx);
    reply->repeat_us = MIN(reply->repeat_us * 2, DM_TX_T2_US);
    dm_loop_arm(loop_of(tx), &reply->repeat_timer, reply->repeat_us, on_timer_g, tx);
}

static void
on_trying_timer(DmTimer *timer, void *user_data)
{
    dm_server_tx_trying(user_data);
}

/* --- in --- */

static void
keep_response(Reply *reply, const GString *text)
{
    g_free(reply->text);
    reply->text = g_memdup2(text->str, text->len);
    reply->len = (uint32_t)text->len;
    reply->was_sent = false;
}

/* A 100 straight from the request's bytes, in case the user is slow. */
static void
prepare_trying(DmServerTx *tx, const DmSipFlow *flow, const char *data, const DmScan *scan)
{
    GString *text = tx->layer->scratch;

    g_string_truncate(text, 0);
    if (dm_sip_raw_response(data, scan, flow, 100, NULL, text)) {
        keep_response(tx->reply, text);
        dm_loop_arm(loop_of(tx), &tx->reply->repeat_timer, DM_TX_TRYING_US, on_trying_timer, tx);
    }
}

void
dm_server_tx_accept(DmTxLayer *layer,
                    const DmTxKey *key,
                    const DmSipFlow *flow,
                    const char *data,
                    DmSipMessage *request,
                    const DmScan *scan)
{
    DmServerTx *tx = g_new0(DmServerTx, 1);

    tx->key = *key;
    tx->layer = layer;
    tx->reply = g_new0(Reply, 1);
    dm_sip_response_flow(scan, flow, &tx->reply->flow);
    tx->is_invite = scan->method == DM_METHOD_INVITE;
    tx->state = tx->is_invite ? PROCEEDING : TRYING;
    tx->acked = true;
    g_hash_table_insert(layer->servers, &tx->key, tx);
    dm_tx_count_active(layer, 1);
    if (tx->is_invite) {
        prepare_trying(tx, flow, data, scan);
    }
    dm_loop_arm(loop_of(tx), &tx->end_timer, DM_TX_GIVE_UP_US, on_unanswered, tx);
    layer->options.user->on_request(tx, request, layer->options.user_data);
}

void
dm_server_tx_receive_again(DmServerTx *tx)
{
    if ((tx->state == PROCEEDING || tx->state == COMPLETED) && tx->reply->was_sent) {
        repeat_response(tx);
    }
}

bool
dm_server_tx_receive_ack(DmServerTx *tx)
{
    if (tx->state == COMPLETED) {
        move(tx, CONFIRMED);
        dm_loop_arm(loop_of(tx),
                    &tx->end_timer,
                    dm_tx_unreliable_us(&tx->reply->flow, DM_TX_T4_US), /* timer I */
                    on_end_timer,
                    tx);
        forget_reply(tx);
        return true;
    }
    return tx->state == CONFIRMED;
}

void
dm_server_tx_receive_cancel(DmServerTx *tx, const char *reason)
{
    if (tx->state != PROCEEDING || tx->is_cancelled) {
        return;
    }
    tx->is_cancelled = true;
    if (tx->user != NULL && tx->user->on_cancel != NULL) {
        tx->user->on_cancel(tx, reason, tx->user_data);
    }
}

/* --- out --- */

void
dm_server_tx_set_user(DmServerTx *tx, const DmServerTxUser *user, void *user_data)
{
    tx->user = user;
    tx->user_data = user_data;
    if (user == NULL && tx->state == ACCEPTED) {
        forget_reply(tx); /* nobody is left to repeat it */
    }
}

void
dm_server_tx_trying(DmServerTx *tx)
{
    if (tx->is_invite && tx->state == PROCEEDING && !tx->reply->was_sent &&
        tx->reply->text != NULL) {
        dm_timer_disarm(&tx->reply->repeat_timer);
        dm_count(&tx->layer->options.counters[SIP_resp_out_1]);
        send_response(tx);
    }
}

/* Timers H and G (RFC 3261, 17.2.1), J (17.2.2), L (RFC 6026, 7.1). */
static void
arm_after_final(DmServerTx *tx)
{
    Reply *reply = tx->reply;
    int64_t end_us = DM_TX_GIVE_UP_US;

    dm_timer_disarm(&reply->repeat_timer);
    if (!tx->is_invite) {
        end_us = dm_tx_unreliable_us(&reply->flow, DM_TX_GIVE_UP_US);
    } else if (tx->state == COMPLETED && reply->flow.transport == DM_TRANSPORT_UDP) {
        reply->repeat_us = DM_TX_T1_US;
        dm_loop_arm(loop_of(tx), &reply->repeat_timer, reply->repeat_us, on_timer_g, tx);
    }
    dm_loop_arm(loop_of(tx), &tx->end_timer, end_us, on_end_timer, tx);
}

static bool
may_respond(const DmServerTx *tx)
{
    return tx->state == TRYING || tx->state == PROCEEDING;
}

static State
state_after(const DmServerTx *tx, unsigned status)
{
    if (status < 200) {
        return PROCEEDING;
    }
    return tx->is_invite && status < 300 ? ACCEPTED : COMPLETED;
}

bool
dm_server_tx_respond(DmServerTx *tx, DmSipMessage *response)
{
    GString *text = tx->layer->scratch;
    unsigned status;
    State to;

    g_return_val_if_fail(response->sip->sip_status != NULL, false);
    status = (unsigned)response->sip->sip_status->st_status;
    g_return_val_if_fail(status >= 100 && status <= 699, false);
    g_string_truncate(text, 0);
    if (!may_respond(tx) || !dm_sip_message_print(response, text)) {
        return false;
    }
    to = state_after(tx, status);
    if (tx->state != to && !move(tx, to)) {
        return false;
    }
    keep_response(tx->reply, text);
    dm_timer_disarm(&tx->reply->repeat_timer); /* the waiting 100 */
    dm_count(&tx->layer->options.counters[SIP_resp_out_1 + status / 100 - 1]);
    send_response(tx);
    if (status >= 200) {
        arm_after_final(tx);
    }
    return true;
}

void
dm_server_tx_repeat(DmServerTx *tx)
{
    if (tx->state == ACCEPTED && tx->reply != NULL) {
        repeat_response(tx);
    }
}

void
dm_server_tx_reject(DmServerTx *tx,
                    const DmSipMessage *request,
                    unsigned status,
                    const char *phrase)
{
    char tag[DM_TOKEN_MAX];
    g_autoptr(DmSipMessage) response = NULL;

    dm_token_make(tag, tx->layer->options.worker, tx->layer->options.random);
    response = dm_sip_response_new(request, status, phrase, tag);
    dm_server_tx_set_user(tx, NULL, NULL);
    dm_server_tx_respond(tx, response);
}
