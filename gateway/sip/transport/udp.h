/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/base/counters.h"
#include "gateway/sip/transport/transport.h"

/* The configuration's UDP listeners on real sockets, one set a worker (SO_REUSEPORT), datagrams in
 * batches (recvmmsg, sendmmsg at the end of a turn). */
typedef struct DmUdp DmUdp;

typedef struct {
    DmLoop *loop;
    const GPtrArray *listeners; /* DmListenerConfig; borrowed, outlives it */
    DmSipReceiveFunc on_receive;
    DmSipUnreachableFunc on_unreachable;
    void *user_data;
    DmCounter *counters; /* of gateway/sip/sip.def */
} DmUdpOptions;

/* Whether nobody listens there yet, ourselves included: to be asked before the first dm_udp_new().
 * Workers share their ports, and the system would share them with a second gateway of the same user
 * too, each hearing half of everything. Error: as of dm_udp_new(). */
bool dm_udp_check_free(const GPtrArray *listeners, GError **error);
/* Listeners of other transports are passed over. on_unreachable also tells of datagrams that the
 * system would not send; both callbacks come from the loop. Error: DM_ERROR_IO, "listener 'x':
 * 127.0.0.1:5060: Address already in use". */
DmUdp *dm_udp_new(const DmUdpOptions *options, GError **error);
/* Sends what waits. */
void dm_udp_free(DmUdp *udp);
const DmSipWireOps *dm_udp_ops(void);
