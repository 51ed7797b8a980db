/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/base/counters.h"
#include "gateway/sip/transport/tls.h"
#include "gateway/sip/transport/transport.h"

/* The configuration's TCP and TLS listeners on real sockets, one set a worker (SO_REUSEPORT), and
 * the connections that came in by them or were made on demand. A connection belongs to the worker
 * that accepted or made it, for as long as it lives; its number says whose it is. */
typedef struct DmStreams DmStreams;

/* A stream ended, or could not be made: who was at the other end. Requests that wait for an answer
 * from there will not get one on it. @foreign: another worker has sent on it. */
typedef void (*DmStreamClosedFunc)(const DmSipFlow *flow, bool foreign, void *user_data);

typedef struct {
    unsigned handshake_ms;     /* connecting and TLS together */
    unsigned first_message_ms; /* from accepting to the first whole message, TLS included */
    unsigned half_message_ms;  /* from the first byte of a message to its last */
    unsigned idle_ms;          /* between messages or pings; not for connections we keep */
    unsigned stall_ms;         /* bytes that wait, and the peer takes none */
    size_t max_queue_bytes;    /* that wait to be sent on one connection */
    unsigned max_connections;  /* of all workers; strangers get three quarters at most */
    unsigned max_per_source;   /* from one stranger's address, on this worker */
} DmStreamLimits;

typedef struct {
    DmLoop *loop;
    const GPtrArray *listeners; /* DmListenerConfig; borrowed, outlives it */
    unsigned worker;
    DmStreamLimits limits;
    DmSipReceiveFunc on_receive;
    DmStreamClosedFunc on_closed;
    /* Bytes for a connection of another worker. */
    void (*send_foreign)(unsigned worker,
                         const DmSipFlow *flow,
                         const void *data,
                         size_t len,
                         void *user_data);
    /* Whether a trunk is at this address: it is not counted as a stranger. */
    bool (*is_known)(const DmAddress *remote, void *user_data);
    /* The names a server at this address may prove (RFC 5922): hosts of configured endpoints.
     * Returns how many were written. */
    unsigned (*names_of)(const DmAddress *remote,
                         const char **out_names,
                         unsigned max,
                         void *user_data);
    /* (nullable) Whose the client of a TLS connection is, by the certificate it showed: @proves
     * says whether that is for a host. 0: nobody's. */
    GQuark (*owner_of)(bool (*proves)(const void *proof, const char *host),
                       const void *proof,
                       void *user_data);
    void *user_data;
    DmCounter *counters; /* of gateway/sip/sip.def; connections held are counted there */
} DmStreamsOptions;

/* From configuration to milliseconds. */
void dm_stream_limits(const DmConfig *config, DmStreamLimits *out);

/* As dm_udp_check_free(), for listeners of streams. */
bool dm_streams_check_free(const GPtrArray *listeners, GError **error);
/* Listeners of other transports are passed over. @tls: one context a listener (NULL elements where
 * none is needed); referenced. Error: DM_ERROR_IO. */
DmStreams *dm_streams_new(const DmStreamsOptions *options, DmTlsContexts *tls, GError **error);
/* Connections are closed without a word to anyone. */
void dm_streams_free(DmStreams *streams);
/* New certificates, for connections made from now on. */
void dm_streams_take_tls(DmStreams *streams, DmTlsContexts *tls);
/* Whose connections are may be another's now: asked again when their next message comes. */
void dm_streams_forget_owners(DmStreams *streams);
/* As in DmSipWireOps, for the connection of another worker's flow that this worker owns. */
bool dm_streams_send_own(DmStreams *streams, const DmSipFlow *flow, const void *data, size_t len);
const DmSipWireOps *dm_streams_ops(void);
/* Connections of this worker. */
size_t dm_streams_n_connections(const DmStreams *streams);
