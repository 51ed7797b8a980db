/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "gateway/base/loop.h"
#include "gateway/sip/flow.h"

/* Bytes out and bytes in. The stack knows only this table; behind it are sockets in production and
 * a simulated network in tests. One per signalling worker, on its thread. */
typedef struct {
    /* Queues bytes; they leave at the end of this turn of the loop. @data is copied. False: cannot
     * be sent (no such listener, connection gone, queue full). */
    bool (*send)(void *wire, const DmSipFlow *flow, const void *data, size_t len);
    /* A flow toward @remote from listener @listener (index), or from the first of that transport
     * and family when -1. */
    bool (*flow_to)(void *wire,
                    int listener,
                    DmTransport transport,
                    const DmAddress *remote,
                    DmSipFlow *out_flow);
    /* What Via and Contact say of a listener: advertised address and port; a host name or NULL for
     * Contact. */
    const DmAddress *(*advertised)(void *wire, unsigned listener);
    const char *(*contact_host)(void *wire, unsigned listener);
    /* (nullable) Bytes a request may have to leave a datagram listener in one piece (RFC 3261,
     * 18.1.1: 200 below the path's MTU); 0: any number. */
    size_t (*max_request_bytes)(void *wire, unsigned listener);
    /* (nullable) The other end of @flow's connection is who it says, and takes requests for its
     * port @port on it as well (RFC 5923): none need be made to it. */
    void (*take_alias)(void *wire, const DmSipFlow *flow, uint16_t port);
    /* (nullable) Drops the connection that is being made to @flow's remote, and what waits on it;
     * as when it could not be made. One that is up stays. */
    void (*give_up_connecting)(void *wire, const DmSipFlow *flow);
} DmSipWireOps;

typedef struct {
    const DmSipWireOps *ops;
    void *wire;
} DmSipWire;

/* One datagram, or one framed message of a stream. @data is valid during the call. */
typedef void (*DmSipReceiveFunc)(const DmSipFlow *flow,
                                 const char *data,
                                 size_t len,
                                 void *user_data);
/* A datagram could not be delivered (ICMP): whom it was for. */
typedef void (*DmSipUnreachableFunc)(const DmAddress *remote, void *user_data);
