/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transport/streams.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/sip/counters.h"
#include "gateway/sip/transport/streams-priv.h"

DM_LOG_TOPIC("sip-stream");

#define BACKLOG         512
#define ACCEPTS_A_TURN  64 /* then the others on the loop have a turn */
#define PAUSE_US        (100 * 1000)
#define STALL_MS        20000
#define MAX_QUEUE_BYTES (256 * 1024)

void
dm_stream_limits(const DmConfig *config, DmStreamLimits *out)
{
    unsigned first_ms = config->security.first_message_s * 1000;

    *out = (DmStreamLimits){
        .handshake_ms = first_ms,
        .first_message_ms = first_ms,
        .half_message_ms = first_ms,
        .idle_ms = config->security.connection_idle_s * 1000,
        .stall_ms = STALL_MS,
        .max_queue_bytes = MAX_QUEUE_BYTES,
        .max_connections = config->security.max_connections,
        .max_per_source = config->security.max_connections_per_source,
    };
}

/* --- sources --- */

static DmAddress
host_only(const DmAddress *address)
{
    DmAddress host = *address;

    dm_address_set_port(&host, 0);
    return host;
}

static unsigned
count_of(const DmStreams *streams, const DmAddress *remote)
{
    DmAddress host = host_only(remote);

    return GPOINTER_TO_UINT(g_hash_table_lookup(streams->sources, &host));
}

static void
count_source(DmStreams *streams, const DmAddress *remote, int by)
{
    DmAddress host = host_only(remote);
    unsigned n = count_of(streams, remote) + (unsigned)by;

    if (n == 0) {
        g_hash_table_remove(streams->sources, &host);
    } else {
        g_hash_table_insert(streams->sources, g_memdup2(&host, sizeof host), GUINT_TO_POINTER(n));
    }
}

/* --- connections --- */

/* Those we made are found by whom they lead to, and from which listener. */
static guint
hash_outgoing(gconstpointer key)
{
    const DmConnection *c = key;

    return dm_address_hash(&c->remote) * 31 + c->listener->index;
}

static gboolean
same_outgoing(gconstpointer a, gconstpointer b)
{
    const DmConnection *x = a, *y = b;

    return x->listener == y->listener && dm_address_equal(&x->remote, &y->remote);
}

static guint
hash_alias(gconstpointer key)
{
    const DmConnection *c = key;

    return dm_address_hash(&c->alias) * 31 + c->listener->index;
}

static gboolean
same_alias(gconstpointer a, gconstpointer b)
{
    const DmConnection *x = a, *y = b;

    return x->listener == y->listener && dm_address_equal(&x->alias, &y->alias);
}

static void
drop_alias(DmStreams *streams, DmConnection *c)
{
    if (dm_address_is_set(&c->alias) && g_hash_table_lookup(streams->aliases, c) == c) {
        g_hash_table_remove(streams->aliases, c);
    }
    c->alias = (DmAddress){0};
}

/* The newest connection is the one that is alive. */
static void
streams_take_alias(void *wire, const DmSipFlow *flow, uint16_t port)
{
    DmStreams *streams = wire;
    DmConnection *c = g_hash_table_lookup(streams->connections, &flow->connection);

    if (c == NULL || c->is_outgoing) {
        return;
    }
    drop_alias(streams, c);
    c->alias = c->remote;
    dm_address_set_port(&c->alias, port);
    g_hash_table_add(streams->aliases, c);
}

static DmConnection *
add_connection(DmStreamListener *l, int fd, const DmAddress *remote, bool is_outgoing)
{
    DmStreams *streams = l->streams;
    uint64_t id = (uint64_t)streams->options.worker << DM_FLOW_WORKER_SHIFT | ++streams->last_id;
    DmConnection *c = dm_connection_new(l, id, fd, remote, is_outgoing);
    DmCounter *counters = streams->options.counters;

    if (c == NULL) {
        return NULL;
    }
    g_hash_table_insert(streams->connections, &c->id, c);
    dm_count(&counters[is_outgoing ? SIP_connections_out : SIP_connections_in]);
    dm_count(&counters[SIP_connections]);
    if (is_outgoing) {
        g_hash_table_add(streams->outgoing, c);
    }
    return c;
}

void
dm_streams_drop(DmStreams *streams, DmConnection *c)
{
    const DmStreamsOptions *options = &streams->options;
    DmSipFlow flow = {
        .transport = c->listener->config->transport,
        .listener = c->listener->index,
        .connection = c->id,
        .remote = c->remote,
        .local = c->listener->bound,
    };
    bool was_used = c->has_sent;
    bool foreign = c->is_foreign;

    if (c->is_outgoing) {
        g_hash_table_remove(streams->outgoing, c);
    }
    drop_alias(streams, c);
    if (c->is_counted) {
        count_source(streams, &c->remote, -1);
    }
    if (c->is_dirty) {
        g_ptr_array_remove_fast(streams->dirty, c);
    }
    dm_count_add(&options->counters[SIP_connections], -1);
    g_hash_table_remove(streams->connections, &c->id);
    if (was_used && !streams->is_closing) {
        options->on_closed(&flow, foreign, options->user_data);
    }
}

/* --- out --- */

static void
flush_all(void *user_data)
{
    DmStreams *streams = user_data;

    streams->flush_is_deferred = false;
    while (streams->dirty->len > 0) {
        DmConnection *c = g_ptr_array_remove_index_fast(streams->dirty, streams->dirty->len - 1);

        c->is_dirty = false;
        dm_connection_flush(c);
    }
}

void
dm_streams_flush_later(DmStreams *streams, DmConnection *c)
{
    if (!c->is_dirty) {
        c->is_dirty = true;
        g_ptr_array_add(streams->dirty, c);
    }
    if (!streams->flush_is_deferred) {
        streams->flush_is_deferred = true;
        dm_loop_defer(streams->options.loop, flush_all, streams);
    }
}

static int
set_on(int fd, int level, int option)
{
    int on = 1;

    return setsockopt(fd, level, option, &on, sizeof on);
}

/* From the listener's address, which peers know, and a port of the system's. */
static int
open_outgoing(const DmStreamListener *l, const DmAddress *remote)
{
    DmAddress local = host_only(&l->bound);
    int fd = socket(dm_address_family(remote), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    set_on(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    if ((!dm_address_is_any(&local) && bind(fd, &local.any, dm_address_len(&local)) < 0) ||
        (connect(fd, &remote->any, dm_address_len(remote)) < 0 && errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool
is_full(const DmStreams *streams, unsigned max)
{
    return dm_counter_value(&streams->options.counters[SIP_connections]) >= max;
}

static DmConnection *
connect_to(DmStreamListener *l, const DmAddress *remote)
{
    DmStreams *streams = l->streams;
    int fd =
        is_full(streams, streams->options.limits.max_connections) ? -1 : open_outgoing(l, remote);

    if (fd < 0) {
        dm_count(&streams->options.counters[SIP_stream_connect_failed]);
        return NULL;
    }
    return add_connection(l, fd, remote, true);
}

static bool
is_usable(const DmStreams *streams, unsigned listener)
{
    return listener < streams->n_listeners && streams->listeners[listener].fd >= 0;
}

static DmConnection *
find_or_connect(DmStreams *streams, unsigned listener, const DmAddress *remote)
{
    DmStreamListener *l = &streams->listeners[listener];
    DmConnection probe = {.listener = l, .remote = *remote, .alias = *remote};
    DmConnection *c = g_hash_table_lookup(streams->outgoing, &probe);

    if (dm_address_family(remote) != dm_address_family(&l->bound)) {
        return NULL;
    }
    if (c == NULL) {
        c = g_hash_table_lookup(streams->aliases, &probe);
    }
    return c != NULL && c->state != DM_CONNECTION_LEAVING ? c : connect_to(l, remote);
}

/* The connection of a flow; when it is gone, one to where the peer said it can be reached. */
static DmConnection *
connection_of(DmStreams *streams, const DmSipFlow *flow)
{
    DmConnection *c;

    if (flow->connection == 0) {
        return find_or_connect(streams, flow->listener, &flow->remote);
    }
    c = g_hash_table_lookup(streams->connections, &flow->connection);
    if (c == NULL && dm_address_is_set(&flow->fallback)) {
        c = find_or_connect(streams, flow->listener, &flow->fallback);
    }
    return c;
}

static bool
send_here(DmStreams *streams, const DmSipFlow *flow, const void *data, size_t len, bool foreign)
{
    DmCounter *counters = streams->options.counters;
    bool is_tls = flow->transport == DM_TRANSPORT_TLS;
    DmConnection *c = is_usable(streams, flow->listener) ? connection_of(streams, flow) : NULL;

    if (c == NULL || !dm_connection_send(c, data, len)) {
        dm_count(&counters[is_tls ? SIP_tls_tx_failed : SIP_tcp_tx_failed]);
        return false;
    }
    c->is_foreign |= foreign;
    dm_count(&counters[is_tls ? SIP_tls_tx : SIP_tcp_tx]);
    return true;
}

bool
dm_streams_send_own(DmStreams *streams, const DmSipFlow *flow, const void *data, size_t len)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    return send_here(streams, flow, data, len, true);
}

static bool
streams_send(void *wire, const DmSipFlow *flow, const void *data, size_t len)
{
    DmStreams *streams = wire;
    const DmStreamsOptions *options = &streams->options;
    unsigned owner = dm_flow_worker(flow->connection);

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (flow->connection != 0 && owner != options->worker && options->send_foreign != NULL) {
        options->send_foreign(owner, flow, data, len, options->user_data);
        return true;
    }
    return send_here(streams, flow, data, len, false);
}

/* --- in --- */

/* Strangers leave room for trunks. */
static bool
is_welcome(DmStreams *streams, const DmAddress *remote, bool *out_stranger)
{
    const DmStreamsOptions *options = &streams->options;
    unsigned max = options->limits.max_connections;

    *out_stranger = options->is_known == NULL || !options->is_known(remote, options->user_data);
    if (is_full(streams, *out_stranger ? max - max / 4 : max)) {
        dm_count(&options->counters[SIP_refused_total]);
        return false;
    }
    if (*out_stranger && count_of(streams, remote) >= options->limits.max_per_source) {
        dm_count(&options->counters[SIP_refused_source]);
        return false;
    }
    return true;
}

static void
take_in(DmStreamListener *l, int fd, const struct sockaddr *source)
{
    DmStreams *streams = l->streams;
    DmAddress remote;
    DmConnection *c;
    bool stranger;

    dm_address_from_sockaddr(&remote, source);
    if (!is_welcome(streams, &remote, &stranger)) {
        close(fd);
        return;
    }
    c = add_connection(l, fd, &remote, false);
    if (c != NULL && stranger) {
        c->is_counted = true;
        count_source(streams, &remote, 1);
    }
}

static void
on_pause_over(DmTimer *timer, void *user_data)
{
    DmStreamListener *l = user_data;

    dm_watch_set_events(l->watch, EPOLLIN);
}

/* What waits to be accepted would wake the loop again and again. */
static void
pause_accepting(DmStreamListener *l)
{
    static DmLogLimit limit;
    uint32_t suppressed;

    dm_count(&l->streams->options.counters[SIP_refused_system]);
    if (dm_log_limit_pass(&limit, 1, &suppressed)) {
        dm_error(NULL,
                 "listener '%s' cannot accept: %s; it tries again in %d ms",
                 l->config->id,
                 g_strerror(errno),
                 PAUSE_US / 1000);
    }
    dm_watch_set_events(l->watch, 0);
    dm_loop_arm(l->streams->options.loop, &l->pause_timer, PAUSE_US, on_pause_over, l);
}

static void
on_acceptable(int fd, uint32_t events, void *user_data)
{
    DmStreamListener *l = user_data;

    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage source = {0};
        socklen_t len = sizeof source;
        int accepted = accept4(fd, (struct sockaddr *)&source, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted >= 0) {
            take_in(l, accepted, (struct sockaddr *)&source);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(l);
            return;
        } /* else that one has gone already */
    }
}

/* --- listeners --- */

/* A bound socket, or -1 with @error. @shared: other workers bind it too. */
static int
bind_socket(const DmListenerConfig *config, bool shared, GError **error)
{
    const DmAddress *address = &config->address;
    int family = dm_address_family(address);
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char text[DM_ADDRESS_TEXT_MAX];

    if (fd >= 0 && set_on(fd, SOL_SOCKET, SO_REUSEADDR) == 0 &&
        (!shared || set_on(fd, SOL_SOCKET, SO_REUSEPORT) == 0) &&
        (family != AF_INET6 || set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0) &&
        bind(fd, &address->any, dm_address_len(address)) == 0) {
        return fd;
    }
    dm_error_set_errno(error, errno, dm_address_text(address, text));
    g_prefix_error(error, "listener '%s': ", config->id);
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

bool
dm_streams_check_free(const GPtrArray *listeners, GError **error)
{
    for (guint i = 0; i < listeners->len; i++) {
        const DmListenerConfig *config = listeners->pdata[i];
        int fd;

        if (config->transport == DM_TRANSPORT_UDP) {
            continue;
        }
        fd = bind_socket(config, false, error);
        if (fd < 0) {
            return false;
        }
        close(fd);
    }
    return true;
}

static bool
open_socket(DmStreamListener *l, GError **error)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;

    l->fd = bind_socket(l->config, true, error);
    if (l->fd < 0) {
        return false;
    }
    if (listen(l->fd, BACKLOG) < 0 || getsockname(l->fd, (struct sockaddr *)&bound, &len) < 0) {
        dm_error_set_errno(error, errno, l->config->id);
        return false;
    }
    dm_address_from_sockaddr(&l->bound, (struct sockaddr *)&bound);
    return true;
}

static bool
open_listener(DmStreamListener *l, GError **error)
{
    if (!open_socket(l, error)) {
        return false;
    }
    l->advertised = dm_address_is_set(&l->config->advertised) ? l->config->advertised : l->bound;
    if (dm_address_port(&l->advertised) == 0) {
        dm_address_set_port(&l->advertised, dm_address_port(&l->bound));
    }
    l->watch = dm_loop_watch(l->streams->options.loop, l->fd, EPOLLIN, on_acceptable, l, error);
    return l->watch != NULL;
}

DmStreams *
dm_streams_new(const DmStreamsOptions *options, DmTlsContexts *tls, GError **error)
{
    DmStreams *streams = g_new0(DmStreams, 1);

    streams->options = *options;
    streams->epoch = 1;
    streams->tls = tls != NULL ? dm_tls_contexts_ref(tls) : NULL;
    streams->connections =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, dm_connection_free);
    streams->outgoing = g_hash_table_new(hash_outgoing, same_outgoing);
    streams->aliases = g_hash_table_new(hash_alias, same_alias);
    streams->sources = g_hash_table_new_full(dm_address_hash, dm_address_equal_func, g_free, NULL);
    streams->dirty = g_ptr_array_new();
    streams->plain = g_byte_array_new();
    streams->n_listeners = options->listeners->len;
    streams->listeners = g_new0(DmStreamListener, streams->n_listeners);
    for (size_t i = 0; i < streams->n_listeners; i++) {
        streams->listeners[i] = (DmStreamListener){
            .streams = streams,
            .config = options->listeners->pdata[i],
            .index = (uint16_t)i,
            .fd = -1,
        };
    }
    for (size_t i = 0; i < streams->n_listeners; i++) {
        DmStreamListener *l = &streams->listeners[i];

        if (l->config->transport != DM_TRANSPORT_UDP && !open_listener(l, error)) {
            dm_streams_free(streams);
            return NULL;
        }
    }
    return streams;
}

void
dm_streams_free(DmStreams *streams)
{
    if (streams == NULL) {
        return;
    }
    streams->is_closing = true;
    flush_all(streams); /* the last BYEs */
    dm_loop_undefer(streams->options.loop, flush_all, streams);
    dm_count_add(&streams->options.counters[SIP_connections],
                 -(int64_t)g_hash_table_size(streams->connections));
    g_hash_table_unref(streams->outgoing);
    g_hash_table_unref(streams->aliases);
    g_hash_table_unref(streams->connections);
    g_hash_table_unref(streams->sources);
    for (size_t i = 0; i < streams->n_listeners; i++) {
        DmStreamListener *l = &streams->listeners[i];

        dm_timer_disarm(&l->pause_timer);
        if (l->watch != NULL) {
            dm_watch_remove(l->watch);
        }
        if (l->fd >= 0) {
            close(l->fd);
        }
    }
    g_ptr_array_unref(streams->dirty);
    g_byte_array_unref(streams->plain);
    dm_tls_contexts_unref(streams->tls);
    g_free(streams->listeners);
    g_free(streams);
}

void
dm_streams_take_tls(DmStreams *streams, DmTlsContexts *tls)
{
    DmTlsContexts *old = streams->tls;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    streams->tls = dm_tls_contexts_ref(tls);
    dm_tls_contexts_unref(old);
}

void
dm_streams_forget_owners(DmStreams *streams)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    streams->epoch++;
}

size_t
dm_streams_n_connections(const DmStreams *streams)
{
    return g_hash_table_size(streams->connections);
}

/* --- the table --- */

static bool
streams_flow_to(void *wire,
                int listener,
                DmTransport transport,
                const DmAddress *remote,
                DmSipFlow *out_flow)
{
    const DmStreams *streams = wire;
    size_t first = listener < 0 ? 0 : (size_t)listener;
    size_t end = listener < 0 ? streams->n_listeners : MIN(first + 1, streams->n_listeners);

    for (size_t i = first; i < end; i++) {
        const DmStreamListener *l = &streams->listeners[i];

        if (l->fd >= 0 && l->config->transport == transport &&
            dm_address_family(&l->bound) == dm_address_family(remote)) {
            *out_flow = (DmSipFlow){
                .transport = transport,
                .listener = l->index,
                .remote = *remote,
                .local = l->bound,
            };
            return true;
        }
    }
    return false;
}

static const DmAddress *
streams_advertised(void *wire, unsigned listener)
{
    DmStreams *streams = wire;

    g_return_val_if_fail(is_usable(streams, listener), NULL);
    return &streams->listeners[listener].advertised;
}

static const char *
streams_contact_host(void *wire, unsigned listener)
{
    DmStreams *streams = wire;
    const char *host;

    g_return_val_if_fail(is_usable(streams, listener), NULL);
    host = streams->listeners[listener].config->fqdn_contact;
    return host != NULL && *host != '\0' ? host : NULL;
}

static void
streams_give_up_connecting(void *wire, const DmSipFlow *flow)
{
    DmStreams *streams = wire;
    DmConnection probe = {.remote = flow->remote};
    DmConnection *c;

    g_return_if_fail(is_usable(streams, flow->listener));
    probe.listener = &streams->listeners[flow->listener];
    c = g_hash_table_lookup(streams->outgoing, &probe);
    if (c != NULL && c->state <= DM_CONNECTION_SHAKING) {
        dm_count(&streams->options.counters[SIP_stream_connect_failed]);
        dm_streams_drop(streams, c);
    }
}

const DmSipWireOps *
dm_streams_ops(void)
{
    static const DmSipWireOps ops = {
        .send = streams_send,
        .flow_to = streams_flow_to,
        .advertised = streams_advertised,
        .contact_host = streams_contact_host,
        .take_alias = streams_take_alias,
        .give_up_connecting = streams_give_up_connecting,
    };

    return &ops;
}
