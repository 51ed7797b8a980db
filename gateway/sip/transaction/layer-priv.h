/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/id.h"
#include "gateway/base/sm.h"
#include "gateway/sip/counters.h"
#include "gateway/sip/transaction/key.h"
#include "gateway/sip/transaction/transaction.h"

#define DM_TX_MS            1000 /* of microseconds */
#define DM_TX_T1_US         (DM_SIP_T1_MS * DM_TX_MS)
#define DM_TX_T2_US         (DM_SIP_T2_MS * DM_TX_MS)
#define DM_TX_T4_US         (DM_SIP_T4_MS * DM_TX_MS)
#define DM_TX_GIVE_UP_US    (64 * DM_TX_T1_US)
#define DM_TX_TRYING_US     (200 * DM_TX_MS)  /* RFC 3261, 17.2.1 */
#define DM_TX_CONNECT_US    (2000 * DM_TX_MS) /* then UDP has to do (SIG-23) */
#define DM_TX_BRANCH_PREFIX "z9hG4bKdm"

struct DmTxLayer {
    DmTxLayerOptions options;
    DmTxSecret secret;
    GHashTable *servers; /* DmTxKey -> DmServerTx, owned */
    GHashTable *clients; /* DmTxKey -> DmClientTx, owned */
    GQueue unanswered;   /* DmClientTx without any response yet, linked by their own links */
    GString *scratch;    /* where messages are printed */
};

/* Queues bytes on the wire. Counting is the caller's. */
bool dm_tx_send(DmTxLayer *layer, const DmSipFlow *flow, const void *data, size_t len);
/* Writes "Via: ..." with a new branch for a request on @flow to @out_via, and the branch to
 * @out_branch. */
#define DM_TX_VIA_MAX    160
#define DM_TX_BRANCH_MAX (sizeof(DM_TX_BRANCH_PREFIX) + DM_TOKEN_MAX)
void dm_tx_make_via(DmTxLayer *layer,
                    const DmSipFlow *flow,
                    char out_via[DM_TX_VIA_MAX],
                    char out_branch[DM_TX_BRANCH_MAX]);
/* Zero on a reliable transport: nothing is repeated there. */
static inline int64_t
dm_tx_unreliable_us(const DmSipFlow *flow, int64_t us)
{
    return flow->transport == DM_TRANSPORT_UDP ? us : 0;
}
/* Counts a transaction made or gone. */
void dm_tx_count_active(DmTxLayer *layer, int by);
static inline void
dm_tx_count_request(DmTxLayer *layer, bool inbound, DmTransport transport, DmSipMethod method)
{
    dm_count(&layer->options.counters[dm_sip_request_counter(inbound, transport, method)]);
}

/* --- server.c --- */

/* A new request that is no retransmission: makes its transaction and tells the layer's user. */
void dm_server_tx_accept(DmTxLayer *layer,
                         const DmTxKey *key,
                         const DmSipFlow *flow,
                         const char *data,
                         DmSipMessage *request, /* (transfer full) */
                         const DmScan *scan);
void dm_server_tx_receive_again(DmServerTx *tx);
/* False: the ACK is not for a 300 to 699, so it acknowledges a 2xx. */
bool dm_server_tx_receive_ack(DmServerTx *tx);
void dm_server_tx_receive_cancel(DmServerTx *tx, const char *reason);
void dm_server_tx_free(void *data);

/* --- client.c --- */

/* False: not for this transaction's user (a 2xx after another final answer). */
bool dm_client_tx_receive(DmClientTx *tx,
                          const DmSipFlow *flow,
                          const char *data,
                          size_t len,
                          const DmScan *scan);
void dm_client_tx_fail_soon(DmClientTx *tx);
const DmSipFlow *dm_client_tx_flow(const DmClientTx *tx);
void dm_client_tx_free(void *data);
