/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transport/wire.h"

struct DmWire {
    DmUdp *udp;
    DmStreams *streams;
    const GPtrArray *listeners; /* DmListenerConfig; borrowed */
};

DmWire *
dm_wire_new(const DmUdpOptions *udp,
            const DmStreamsOptions *streams,
            DmTlsContexts *tls,
            GError **error)
{
    DmWire *wire = g_new0(DmWire, 1);

    wire->listeners = udp->listeners;
    wire->udp = dm_udp_new(udp, error);
    wire->streams = wire->udp != NULL ? dm_streams_new(streams, tls, error) : NULL;
    if (wire->streams == NULL) {
        dm_wire_free(wire);
        return NULL;
    }
    return wire;
}

void
dm_wire_free(DmWire *wire)
{
    if (wire == NULL) {
        return;
    }
    dm_udp_free(wire->udp);
    dm_streams_free(wire->streams);
    g_free(wire);
}

DmStreams *
dm_wire_streams(DmWire *wire)
{
    return wire->streams;
}

static bool
is_datagrams(const DmWire *wire, unsigned listener)
{
    const DmListenerConfig *config;

    g_return_val_if_fail(listener < wire->listeners->len, true);
    config = wire->listeners->pdata[listener];
    return config->transport == DM_TRANSPORT_UDP;
}

static bool
wire_send(void *data, const DmSipFlow *flow, const void *bytes, size_t len)
{
    DmWire *wire = data;

    return flow->transport == DM_TRANSPORT_UDP
               ? dm_udp_ops()->send(wire->udp, flow, bytes, len)
               : dm_streams_ops()->send(wire->streams, flow, bytes, len);
}

static bool
wire_flow_to(void *data,
             int listener,
             DmTransport transport,
             const DmAddress *remote,
             DmSipFlow *out_flow)
{
    DmWire *wire = data;

    return transport == DM_TRANSPORT_UDP
               ? dm_udp_ops()->flow_to(wire->udp, listener, transport, remote, out_flow)
               : dm_streams_ops()->flow_to(wire->streams, listener, transport, remote, out_flow);
}

static const DmAddress *
wire_advertised(void *data, unsigned listener)
{
    DmWire *wire = data;

    return is_datagrams(wire, listener) ? dm_udp_ops()->advertised(wire->udp, listener)
                                        : dm_streams_ops()->advertised(wire->streams, listener);
}

static const char *
wire_contact_host(void *data, unsigned listener)
{
    DmWire *wire = data;

    return is_datagrams(wire, listener) ? dm_udp_ops()->contact_host(wire->udp, listener)
                                        : dm_streams_ops()->contact_host(wire->streams, listener);
}

static size_t
wire_max_request_bytes(void *data, unsigned listener)
{
    DmWire *wire = data;

    return is_datagrams(wire, listener) ? dm_udp_ops()->max_request_bytes(wire->udp, listener) : 0;
}

static void
wire_take_alias(void *data, const DmSipFlow *flow, uint16_t port)
{
    DmWire *wire = data;

    if (flow->connection != 0) {
        dm_streams_ops()->take_alias(wire->streams, flow, port);
    }
}

static void
wire_give_up_connecting(void *data, const DmSipFlow *flow)
{
    DmWire *wire = data;

    if (flow->transport != DM_TRANSPORT_UDP) {
        dm_streams_ops()->give_up_connecting(wire->streams, flow);
    }
}

const DmSipWireOps *
dm_wire_ops(void)
{
    static const DmSipWireOps ops = {
        .send = wire_send,
        .flow_to = wire_flow_to,
        .advertised = wire_advertised,
        .contact_host = wire_contact_host,
        .max_request_bytes = wire_max_request_bytes,
        .take_alias = wire_take_alias,
        .give_up_connecting = wire_give_up_connecting,
    };

    return &ops;
}
