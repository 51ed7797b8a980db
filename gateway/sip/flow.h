/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "config/trunk.h"
#include "gateway/base/address.h"

/* The way a message came, and the way its answer goes: a value. For UDP a listener and the peer's
 * address; for streams the connection as well. */
typedef struct {
    DmTransport transport;
    uint16_t listener;   /* index in the configuration's listeners */
    uint64_t connection; /* 0 for UDP, and for a stream: whichever leads to @remote; never reused.
                            Tells the worker that owns it: dm_flow_worker() */
    DmAddress remote;    /* where it really came from or goes to */
    DmAddress
        fallback;     /* streams: whom to connect to when the connection is gone; not set: nobody */
    DmAddress local;  /* the listener's bound address */
    GQuark certified; /* of a received message: the id of the trunk whose certificate the other end
                         showed; 0: none */
} DmSipFlow;

/* Connections are numbered by their workers. */
#define DM_FLOW_WORKER_SHIFT 48
static inline unsigned
dm_flow_worker(uint64_t connection)
{
    return (unsigned)(connection >> DM_FLOW_WORKER_SHIFT);
}
