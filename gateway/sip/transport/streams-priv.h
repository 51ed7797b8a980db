/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/transport/framing.h"
#include "gateway/sip/transport/streams.h"

typedef struct {
    DmStreams *streams;
    const DmListenerConfig *config; /* borrowed */
    uint16_t index;
    int fd; /* -1: not a listener of streams */
    DmAddress bound, advertised;
    DmWatch *watch;
    DmTimer pause_timer; /* out of descriptors */
} DmStreamListener;

typedef struct DmConnection DmConnection;

struct DmStreams {
    DmStreamsOptions options;
    DmTlsContexts *tls;
    DmStreamListener *listeners; /* one for each of the configuration, so that indexes agree */
    size_t n_listeners;
    uint64_t last_id;
    GHashTable *connections; /* DmConnection by its id, owned */
    GHashTable *outgoing;    /* those we made, by listener and remote */
    GHashTable *aliases;     /* those made to us that take requests too, by listener and alias */
    GHashTable *sources;     /* host of strangers -> number of connections */
    GPtrArray *dirty;        /* with bytes to be sent at the end of the turn; borrowed */
    bool flush_is_deferred;
    bool is_closing;   /* nobody is told any more */
    unsigned epoch;    /* of the configuration: what owner_of() said before does not count */
    GByteArray *plain; /* scratch of one read */
};

/*
 *   CONNECTING --connected--> SHAKING (TLS) --hands shaken--> OPEN --last bytes--> LEAVING
 *        '------------TCP-------------------------------------^
 *   from each, on any error or deadline: gone
 */
typedef enum {
    DM_CONNECTION_CONNECTING,
    DM_CONNECTION_SHAKING,
    DM_CONNECTION_OPEN,
    DM_CONNECTION_LEAVING, /* what waits is sent, nothing more is read */
} DmConnectionState;

struct DmConnection {
    uint64_t id; /* first: the table is keyed by it */
    DmStreams *streams;
    DmStreamListener *listener;
    int fd;
    DmWatch *watch;
    uint32_t events; /* watched */
    unsigned state;
    bool is_outgoing;
    bool is_kept;    /* to a trunk's endpoint: may be idle for ever */
    bool is_counted; /* in streams->sources */
    bool is_dirty;
    bool is_foreign; /* another worker has sent on it */
    bool had_message;
    bool was_midway;
    bool has_sent;
    DmAddress remote, local;
    DmAddress alias; /* where the other end would listen; not set: it has not said */
    DmTlsSession *tls;
    unsigned epoch; /* when @owner was asked for */
    GQuark owner;
    DmFraming framing;
    GByteArray *early; /* not encrypted yet: waits for the handshake */
    GByteArray *out;   /* waits for the socket, from @out_start on */
    size_t out_start;
    DmTimer read_timer, stall_timer;
};

/* Takes @fd over, connected or connecting. NULL: cannot be (TLS without a context). */
DmConnection *dm_connection_new(DmStreamListener *listener,
                                uint64_t id,
                                int fd,
                                const DmAddress *remote,
                                bool is_outgoing);
/* For the table: closes the socket, tells nobody. */
void dm_connection_free(void *data);
/* Queues; the bytes leave at the end of the turn. False: no room, or it is leaving. */
bool dm_connection_send(DmConnection *connection, const void *data, size_t len);
/* What waits goes to the socket, as much as it takes. */
void dm_connection_flush(DmConnection *connection);

/* streams.c: flushes @connection at the end of the turn. */
void dm_streams_flush_later(DmStreams *streams, DmConnection *connection);
/* streams.c: forgets @connection, frees it, and tells the user. */
void dm_streams_drop(DmStreams *streams, DmConnection *connection);
