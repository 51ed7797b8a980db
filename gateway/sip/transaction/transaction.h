/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/counters.h"
#include "gateway/base/loop.h"
#include "gateway/base/random.h"
#include "gateway/sip/message.h"
#include "gateway/sip/transaction/oversize.h"
#include "gateway/sip/transport/transport.h"

/* Client and server transactions of RFC 3261, 17, with RFC 6026, as state tables on the loop's
 * clock. A finished transaction is a key, a timer and, as long as they may be wanted, the bytes to
 * repeat. One signalling thread. The user is told of events from inside dm_tx_layer_receive() or
 * from timers, never from inside a call of its own. */
typedef struct DmTxLayer DmTxLayer;
typedef struct DmServerTx DmServerTx;
typedef struct DmClientTx DmClientTx;

typedef struct {
    /* A new request that is no retransmission. 100 has not been sent. ACK never comes here; CANCEL
     * does not either. */
    void (*on_request)(DmServerTx *tx,
                       DmSipMessage *request,
                       void *user_data); /* (transfer full): request */
    /* An ACK that belongs to no transaction: it acknowledges a 2xx. (transfer full) */
    void (*on_ack)(DmSipMessage *ack, void *user_data);
    /* A response that belongs to no transaction (a late 2xx of a fork). (transfer full) */
    void (*on_stray_response)(DmSipMessage *response, void *user_data);
} DmTxLayerUser;

typedef struct {
    DmLoop *loop;
    DmRandom *random;
    DmSipWire wire;
    unsigned worker;
    unsigned max_transactions; /* beyond: new requests get 503, statelessly */
    const DmTxLayerUser *user;
    void *user_data;
    DmCounter *counters; /* of gateway/sip/sip.def */
} DmTxLayerOptions;

DmTxLayer *dm_tx_layer_new(const DmTxLayerOptions *options);
/* Ends every transaction without a word. */
void dm_tx_layer_free(DmTxLayer *layer);
/* Every message that belongs to this worker comes in here. @scan is dm_scan()'s result for @data;
 * verdicts other than OK have been dealt with by the caller. */
void dm_tx_layer_receive(DmTxLayer *layer,
                         const DmSipFlow *flow,
                         const char *data,
                         size_t len,
                         const DmScan *scan);
/* ICMP said @remote cannot be reached: client transactions toward it fail now. */
void dm_tx_layer_unreachable(DmTxLayer *layer, const DmAddress *remote);
/* The stream @flow is gone, or could not be made: client transactions that have had no response on
 * it fail now. Those that have one wait for the rest: it may come on another connection (RFC 3261,
 * 18.2.2). */
void dm_tx_layer_flow_failed(DmTxLayer *layer, const DmSipFlow *flow);
size_t dm_tx_layer_n_active(const DmTxLayer *layer);

/* The worker that made a Via branch, or -1 when it is none of ours: tells whose transaction a
 * response belongs to. */
int dm_tx_branch_worker(DmSpan branch);

/* --- server --- */
typedef struct {
    /* CANCEL came while no final answer was sent; it has been answered with 200. Send 487. @reason:
     * (nullable) text of its Reason header. */
    void (*on_cancel)(DmServerTx *tx, const char *reason, void *user_data);
    /* The transaction is gone; @tx is invalid when this returns. @acked: false when the ACK for a
     * 300 to 699 never came (that for a 2xx is the user's to wait for). */
    void (*on_ended)(DmServerTx *tx, bool acked, void *user_data);
} DmServerTxUser;
/* Without a user nobody is told, and an unanswered transaction ends by itself after 64*T1. The user
 * of a 2xx to INVITE leaves when its ACK has come: the 2xx is forgotten then. */
void dm_server_tx_set_user(DmServerTx *tx, const DmServerTxUser *user, void *user_data);
/* Sends and remembers; responses are retransmitted as RFC 3261 says (2xx to INVITE are the user's
 * to repeat: call again with dm_server_tx_repeat()). @response stays the caller's. False: refused
 * by the state (final already sent). */
bool dm_server_tx_respond(DmServerTx *tx, DmSipMessage *response);
/* INVITE: sends 100 now, without building one, unless something was sent already. Otherwise the
 * transaction does it when nothing was sent within 200 ms (RFC 3261, 17.2.1). */
void dm_server_tx_trying(DmServerTx *tx);
/* Sends the last 2xx again (RFC 6026, 7.1: Accepted). */
void dm_server_tx_repeat(DmServerTx *tx);
/* Shortcut: builds and sends a bare response, forgets the transaction's user. */
void dm_server_tx_reject(DmServerTx *tx,
                         const DmSipMessage *request,
                         unsigned status,
                         const char *phrase);

/* --- client --- */
typedef enum {
    DM_TX_TIMEOUT,   /* timer B or F */
    DM_TX_TRANSPORT, /* could not be sent, or ICMP */
} DmTxFailure;

typedef struct {
    /* Every provisional; the final one; for INVITE every further 2xx (repeated or of another fork).
     * ACK for 300 to 699 is sent by the transaction; ACK for 2xx is the user's. (transfer full):
     * response */
    void (*on_response)(DmClientTx *tx, DmSipMessage *response, void *user_data);
    void (*on_failed)(DmClientTx *tx, DmTxFailure failure, void *user_data);
    /* Last call; @tx is invalid when it returns. */
    void (*on_ended)(DmClientTx *tx, void *user_data);
    /* (nullable) It was too long for UDP, and the peer took no connection: it has gone by UDP all
     * the same. */
    void (*on_no_tcp)(DmClientTx *tx, void *user_data);
} DmClientTxUser;

/* Adds the Via (branch with the worker's number, rport) on top, prints, sends, runs. @request stays
 * the caller's. Failure to send arrives as on_failed from the loop. Never NULL. Without @user a
 * response is dropped (fire and forget BYE). */
DmClientTx *dm_client_tx_start(DmTxLayer *layer,
                               DmSipMessage *request,
                               const DmSipFlow *flow,
                               const DmClientTxUser *user,
                               void *user_data);
/* The same, for a request that may be made shorter: see @fit, whose `taken` and `too_long` are set.
 */
DmClientTx *dm_client_tx_start_fit(DmTxLayer *layer,
                                   DmSipMessage *request,
                                   const DmSipFlow *flow,
                                   DmFit *fit,
                                   const DmClientTxUser *user,
                                   void *user_data);
/* INVITE only: CANCEL as soon as a provisional has come (RFC 3261, 9.1), never after a final.
 * @reason: (nullable) text of a Reason header. 64*T1 after the CANCEL without a final answer:
 * on_failed with timeout. */
void dm_client_tx_cancel(DmClientTx *tx, const char *reason);
/* From now on nobody is told, but of a 2xx to an INVITE as of a stray response. An INVITE that
 * rings ends after 64*T1 (cancel it first, or the peer rings on). */
void dm_client_tx_forget_user(DmClientTx *tx);

/* Sends a request outside any transaction: ACK for a 2xx. Adds the Via. The bytes sent are appended
 * to @out_bytes (nullable) so that they can be repeated with dm_tx_layer_send_raw(). */
bool dm_tx_layer_send_ack(DmTxLayer *layer,
                          DmSipMessage *ack,
                          const DmSipFlow *flow,
                          GString *out_bytes);
bool dm_tx_layer_send_raw(DmTxLayer *layer, const DmSipFlow *flow, const void *data, size_t len);

/* RFC 3261, 17 and table 4 */
#define DM_SIP_T1_MS 500
#define DM_SIP_T2_MS 4000
#define DM_SIP_T4_MS 5000
