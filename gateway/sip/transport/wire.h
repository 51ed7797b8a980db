/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/transport/streams.h"
#include "gateway/sip/transport/udp.h"

/* All listeners of one worker, whatever their transport, as one wire: datagrams in udp.c, TCP and
 * TLS in streams.c. */
typedef struct DmWire DmWire;

/* @udp and @streams with the same listeners. Error: DM_ERROR_IO. */
DmWire *dm_wire_new(const DmUdpOptions *udp,
                    const DmStreamsOptions *streams,
                    DmTlsContexts *tls,
                    GError **error);
/* Sends what waits. */
void dm_wire_free(DmWire *wire);
DmStreams *dm_wire_streams(DmWire *wire);
const DmSipWireOps *dm_wire_ops(void);
