/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/sm.h"
#include "gateway/sip/counters.h"
#include "gateway/sip/transport/streams-priv.h"

DM_LOG_TOPIC("sip-stream");

#define READ_BYTES      16384 /* a system call */
#define READS_A_TURN    4     /* then the others on the loop have a turn */
#define NAMES_MAX       8
#define WARNINGS_A_S    5
#define KEEPALIVE_IDLE  30 /* s: a peer that vanished is noticed, and NATs are kept open */
#define KEEPALIVE_EVERY 10
#define KEEPALIVE_COUNT 3

static const DmSmState states[] = {
    [DM_CONNECTION_CONNECTING] = {"connecting",
                                  DM_SM_TO(DM_CONNECTION_SHAKING) | DM_SM_TO(DM_CONNECTION_OPEN)},
    [DM_CONNECTION_SHAKING] = {"shaking hands",
                               DM_SM_TO(DM_CONNECTION_OPEN) | DM_SM_TO(DM_CONNECTION_LEAVING)},
    [DM_CONNECTION_OPEN] = {"open", DM_SM_TO(DM_CONNECTION_LEAVING)},
    [DM_CONNECTION_LEAVING] = {"leaving", 0},
};

static void
move(DmConnection *c, DmConnectionState to)
{
    dm_sm_move(states, "connection", &c->state, to, NULL);
}

static DmLoop *
loop_of(const DmConnection *c)
{
    return c->streams->options.loop;
}

static DmCounter *
counter(const DmConnection *c, DmSipCounterId id)
{
    return &c->streams->options.counters[id];
}

static const DmStreamLimits *
limits_of(const DmConnection *c)
{
    return &c->streams->options.limits;
}

static size_t
waiting(const DmConnection *c)
{
    return c->out->len - c->out_start + c->early->len;
}

/* --- failures --- */

static const DmSipCounterId failure_counters[DM_N_TLS_FAILURES] = {
    [DM_TLS_FAILED_NOT] = SIP_tls_failed_other,
    [DM_TLS_FAILED_PROTOCOL] = SIP_tls_failed_protocol,
    [DM_TLS_FAILED_UNTRUSTED] = SIP_tls_failed_untrusted,
    [DM_TLS_FAILED_EXPIRED] = SIP_tls_failed_expired,
    [DM_TLS_FAILED_NAME] = SIP_tls_failed_name,
    [DM_TLS_FAILED_NO_CERTIFICATE] = SIP_tls_failed_no_certificate,
    [DM_TLS_FAILED_ALERT] = SIP_tls_failed_alert,
    [DM_TLS_FAILED_CLOSED] = SIP_tls_failed_closed,
    [DM_TLS_FAILED_TIMEOUT] = SIP_tls_failed_timeout,
    [DM_TLS_FAILED_OTHER] = SIP_tls_failed_other,
};

/* What we connect to is ours to explain; what strangers do is counted, and told a few times. */
static void
explain_handshake(const DmConnection *c, DmTlsFailure failure, const char *text)
{
    static DmLogLimit limit;
    char remote[DM_ADDRESS_TEXT_MAX];
    uint32_t suppressed = 0;

    dm_count(counter(c, failure_counters[failure]));
    if (!dm_log_limit_pass(&limit, WARNINGS_A_S, &suppressed)) {
        return;
    }
    dm_warning(NULL,
               "TLS handshake %s %s by listener '%s' failed: %s; %s",
               c->is_outgoing ? "to" : "from",
               dm_address_text(&c->remote, remote),
               c->listener->config->id,
               dm_log_quote(text, strlen(text)),
               c->is_outgoing ? "its requests fail over" : "closed");
}

/* The end of a connection that nobody asked for. */
static void
drop(DmConnection *c, DmTlsFailure failure, const char *why)
{
    char remote[DM_ADDRESS_TEXT_MAX];

    if (c->state == DM_CONNECTION_SHAKING) {
        explain_handshake(c, failure, why);
    }
    if (c->state == DM_CONNECTION_CONNECTING) {
        dm_count(counter(c, SIP_stream_connect_failed));
    }
    dm_debug(NULL,
             "connection %s %s closed: %s",
             c->is_outgoing ? "to" : "from",
             dm_address_text(&c->remote, remote),
             why);
    dm_streams_drop(c->streams, c);
}

/* --- deadlines --- */

static void
on_read_timer(DmTimer *timer, void *user_data)
{
    DmConnection *c = user_data;

    dm_count(counter(c, SIP_stream_timeout));
    drop(c, DM_TLS_FAILED_TIMEOUT, "it took too long");
}

static void
on_stall_timer(DmTimer *timer, void *user_data)
{
    DmConnection *c = user_data;

    dm_count(counter(c, SIP_stream_timeout));
    drop(c, DM_TLS_FAILED_TIMEOUT, "it takes no more bytes");
}

static void
arm_read(DmConnection *c, unsigned ms)
{
    dm_loop_arm(loop_of(c), &c->read_timer, ms * (int64_t)1000, on_read_timer, c);
}

/* After reading: half a message has until its deadline, however many bytes it sends; whoever has
 * never said anything whole goes by the deadline of the beginning. */
static void
set_read_deadline(DmConnection *c, bool something_whole)
{
    bool midway = dm_framing_is_midway(&c->framing);

    c->had_message |= something_whole;
    if (!c->had_message && !c->is_outgoing) {
        return;
    }
    if (midway && (something_whole || !c->was_midway)) {
        arm_read(c, limits_of(c)->half_message_ms);
    } else if (!midway && c->is_kept) {
        dm_timer_disarm(&c->read_timer);
    } else if (!midway) {
        arm_read(c, limits_of(c)->idle_ms);
    }
    c->was_midway = midway;
}

/* --- the socket's events --- */

/* A peer that does not take our answers is not read either. */
static void
update_events(DmConnection *c)
{
    bool connecting = c->state == DM_CONNECTION_CONNECTING;
    bool full = waiting(c) > limits_of(c)->max_queue_bytes / 2;
    bool reads = !connecting && !full && c->state != DM_CONNECTION_LEAVING;
    bool writes = connecting || c->out->len > c->out_start;
    uint32_t events = (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0);

    if (events != c->events) {
        c->events = events;
        dm_watch_set_events(c->watch, events);
    }
}

/* --- out --- */

/* Moves what waited for the handshake into TLS, or straight to the socket's queue. */
static bool
release_early(DmConnection *c)
{
    bool good = true;

    if (c->early->len > 0 && c->tls != NULL) {
        good = dm_tls_session_send(c->tls, c->early->data, c->early->len, c->out);
    } else {
        g_byte_array_append(c->out, c->early->data, c->early->len);
    }
    g_byte_array_set_size(c->early, 0);
    return good;
}

static void
write_all(DmConnection *c)
{
    while (c->out->len > c->out_start) {
        ssize_t n = send(c->fd,
                         c->out->data + c->out_start,
                         c->out->len - c->out_start,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        c->out_start += (size_t)n;
        dm_timer_disarm(&c->stall_timer);
    }
    g_byte_array_set_size(c->out, 0);
    c->out_start = 0;
}

void
dm_connection_flush(DmConnection *c)
{
    if (c->state == DM_CONNECTION_CONNECTING) {
        return;
    }
    errno = 0;
    write_all(c);
    if (c->out->len > c->out_start) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOBUFS) {
            drop(c, DM_TLS_FAILED_CLOSED, g_strerror(errno));
            return;
        }
        if (!dm_timer_is_armed(&c->stall_timer)) {
            dm_loop_arm(loop_of(c),
                        &c->stall_timer,
                        limits_of(c)->stall_ms * (int64_t)1000,
                        on_stall_timer,
                        c);
        }
    } else if (c->state == DM_CONNECTION_LEAVING) {
        drop(c, DM_TLS_FAILED_OTHER, "it was asked to leave");
        return;
    }
    update_events(c);
}

bool
dm_connection_send(DmConnection *c, const void *data, size_t len)
{
    if (c->state == DM_CONNECTION_LEAVING || waiting(c) + len > limits_of(c)->max_queue_bytes) {
        return false;
    }
    if (c->state == DM_CONNECTION_OPEN && c->tls != NULL) {
        if (!dm_tls_session_send(c->tls, data, len, c->out)) {
            return false;
        }
    } else {
        g_byte_array_append(c->state == DM_CONNECTION_OPEN ? c->out : c->early, data, (guint)len);
    }
    c->has_sent = true;
    if (c->state == DM_CONNECTION_OPEN) {
        dm_streams_flush_later(c->streams, c);
    }
    return true;
}

/* --- in --- */

static bool
client_proves(const void *proof, const char *host)
{
    return dm_tls_session_client_proves(proof, host);
}

/* Asked once a connection and configuration: a look into a certificate takes its time. */
static GQuark
owner_of(DmConnection *c)
{
    const DmStreamsOptions *options = &c->streams->options;

    if (c->tls == NULL || c->is_outgoing || options->owner_of == NULL) {
        return 0;
    }
    if (c->epoch != c->streams->epoch) {
        c->epoch = c->streams->epoch;
        c->owner = options->owner_of(client_proves, c->tls, options->user_data);
    }
    return c->owner;
}

static DmSipFlow
flow_of(DmConnection *c)
{
    return (DmSipFlow){
        .certified = owner_of(c),
        .transport = c->listener->config->transport,
        .listener = c->listener->index,
        .connection = c->id,
        .remote = c->remote,
        .local = c->listener->bound,
    };
}

static void
leave(DmConnection *c)
{
    move(c, DM_CONNECTION_LEAVING);
    if (c->tls != NULL) {
        dm_tls_session_end(c->tls, c->out);
    }
    dm_timer_disarm(&c->read_timer);
    dm_streams_flush_later(c->streams, c);
}

static void
deliver(DmConnection *c, DmSpan message)
{
    const DmStreamsOptions *options = &c->streams->options;
    DmSipFlow flow = flow_of(c);

    dm_count(counter(c, flow.transport == DM_TRANSPORT_TLS ? SIP_tls_rx : SIP_tcp_rx));
    options->on_receive(&flow, message.p, message.len, options->user_data);
}

/* Plain bytes into messages. */
static void
take_plain(DmConnection *c, const void *data, size_t len)
{
    bool something_whole = false;
    DmSpan message;
    DmFrameVerdict verdict;

    dm_framing_add(&c->framing, data, len);
    while ((verdict = dm_framing_next(&c->framing, &message)) == DM_FRAME_MESSAGE ||
           verdict == DM_FRAME_PING) {
        something_whole = true;
        if (verdict == DM_FRAME_MESSAGE) {
            deliver(c, message);
        } else {
            dm_connection_send(c, "\r\n", 2); /* RFC 5626, 4.4.1 */
        }
    }
    if (verdict == DM_FRAME_BROKEN) {
        dm_count(counter(c, SIP_stream_broken));
        if (message.len > 0) {
            deliver(c, message); /* so that it is refused */
        }
        leave(c);
        return;
    }
    set_read_deadline(c, something_whole);
}

static void
open_up(DmConnection *c)
{
    move(c, DM_CONNECTION_OPEN);
    if (c->is_outgoing) {
        set_read_deadline(c, false);
    }
    if (!release_early(c)) {
        leave(c);
    }
    dm_streams_flush_later(c->streams, c);
}

/* The client's certificate was none, or not good. False: it is gone. */
static bool
take_tls(DmConnection *c, const void *data, size_t len)
{
    GByteArray *plain = c->streams->plain;
    const char *text;
    DmTlsFailure failure;

    g_byte_array_set_size(plain, 0);
    switch (dm_tls_session_receive(c->tls, data, len, plain, c->out)) {
    case DM_TLS_FAILED:
        failure = dm_tls_session_failure(c->tls, &text);
        write_all(c); /* the alert */
        drop(c, failure, text);
        return false;
    case DM_TLS_ENDED:
        drop(c, DM_TLS_FAILED_CLOSED, "the peer said good-bye");
        return false;
    case DM_TLS_UP:
        if (c->state == DM_CONNECTION_SHAKING) {
            dm_debug(NULL, "TLS is up: %s", dm_tls_session_describe(c->tls));
            dm_count(counter(c, SIP_tls_handshakes));
            open_up(c);
        }
        break;
    case DM_TLS_HANDSHAKING:
        break;
    }
    if (plain->len > 0 && c->state == DM_CONNECTION_OPEN) {
        take_plain(c, plain->data, plain->len);
    }
    if (c->out->len > c->out_start) {
        dm_streams_flush_later(c->streams, c);
    }
    return true;
}

/* False: the connection is gone, or there is no more for now. */
static bool
read_once(DmConnection *c)
{
    char data[READ_BYTES];
    ssize_t n = recv(c->fd, data, sizeof data, MSG_DONTWAIT);

    if (n == 0) {
        drop(c, DM_TLS_FAILED_CLOSED, "the peer closed it");
        return false;
    }
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            drop(c, DM_TLS_FAILED_CLOSED, g_strerror(errno));
        }
        return false;
    }
    if (c->tls != NULL) {
        return take_tls(c, data, (size_t)n) && n == (ssize_t)sizeof data;
    }
    take_plain(c, data, (size_t)n);
    return n == (ssize_t)sizeof data;
}

static void
receive(DmConnection *c)
{
    for (unsigned i = 0; i < READS_A_TURN; i++) {
        if (!read_once(c)) {
            return;
        }
        if (c->state == DM_CONNECTION_LEAVING || waiting(c) > limits_of(c)->max_queue_bytes / 2) {
            return;
        }
    }
}

/* --- connecting --- */

/* A client speaks first. */
static void
on_connected(DmConnection *c)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
        drop(c, DM_TLS_FAILED_CLOSED, g_strerror(error));
        return;
    }
    if (c->tls == NULL) {
        open_up(c);
    } else {
        move(c, DM_CONNECTION_SHAKING);
        if (!take_tls(c, NULL, 0)) {
            return;
        }
    }
    update_events(c);
}

static void
on_ready(int fd, uint32_t events, void *user_data)
{
    DmConnection *c = user_data;
    DmStreams *streams = c->streams;
    uint64_t id = c->id;

    if (c->state == DM_CONNECTION_CONNECTING) {
        on_connected(c);
        return;
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && c->state != DM_CONNECTION_LEAVING) {
        receive(c);
    }
    c = g_hash_table_lookup(streams->connections, &id);
    if (c != NULL && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
        dm_connection_flush(c);
        c = g_hash_table_lookup(streams->connections, &id);
    }
    if (c != NULL) {
        update_events(c);
    }
}

/* --- life --- */

static void
set_options(const DmConnection *c)
{
    unsigned stall_ms = limits_of(c)->stall_ms;
    bool is_v6 = dm_address_family(&c->remote) == AF_INET6;
    int dscp = c->listener->config->dscp << 2;
    static const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        setsockopt(c->fd,
                   options[i].level,
                   options[i].option,
                   &options[i].value,
                   sizeof options[i].value);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof stall_ms);
    setsockopt(c->fd,
               is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
               is_v6 ? IPV6_TCLASS : IP_TOS,
               &dscp,
               sizeof dscp);
}

static unsigned
names_of(const DmConnection *c, const char *names[NAMES_MAX])
{
    const DmStreamsOptions *options = &c->streams->options;

    return options->names_of != NULL
               ? options->names_of(&c->remote, names, NAMES_MAX, options->user_data)
               : 0;
}

/* RFC 5922: a server proves the name a trunk has for it; one that no trunk names, its address. */
static bool
start_tls(DmConnection *c, const char *const *names, unsigned n_names)
{
    DmTlsContext *context = dm_tls_contexts_find(c->streams->tls, c->listener->config->tls_profile);
    char host[DM_ADDRESS_TEXT_MAX];
    const char *own = dm_address_host(&c->remote, host);

    if (context == NULL) {
        return false;
    }
    if (!c->is_outgoing) {
        c->tls = dm_tls_session_new_server(context);
    } else if (n_names > 0) {
        c->tls = dm_tls_session_new_client(context, names, n_names);
    } else {
        c->tls = dm_tls_session_new_client(context, &own, 1);
    }
    return c->tls != NULL;
}

static bool
start(DmConnection *c)
{
    const char *names[NAMES_MAX];
    unsigned n_names = c->is_outgoing ? names_of(c, names) : 0;
    bool is_tls = c->listener->config->transport == DM_TRANSPORT_TLS;

    c->is_kept = n_names > 0;
    if (is_tls && !start_tls(c, names, n_names)) {
        return false;
    }
    if (!c->is_outgoing) {
        c->state = is_tls ? DM_CONNECTION_SHAKING : DM_CONNECTION_OPEN;
    }
    set_options(c);
    c->events = c->is_outgoing ? EPOLLOUT : EPOLLIN;
    c->watch = dm_loop_watch(loop_of(c), c->fd, c->events, on_ready, c, NULL);
    arm_read(c, c->is_outgoing ? limits_of(c)->handshake_ms : limits_of(c)->first_message_ms);
    return c->watch != NULL;
}

DmConnection *
dm_connection_new(DmStreamListener *listener,
                  uint64_t id,
                  int fd,
                  const DmAddress *remote,
                  bool is_outgoing)
{
    DmConnection *c = g_new0(DmConnection, 1);

    c->id = id;
    c->streams = listener->streams;
    c->listener = listener;
    c->fd = fd;
    c->remote = *remote;
    c->is_outgoing = is_outgoing;
    c->state = DM_CONNECTION_CONNECTING;
    c->early = g_byte_array_new();
    c->out = g_byte_array_new();
    dm_framing_init(&c->framing, listener->config->max_message_bytes);
    if (!start(c)) {
        dm_connection_free(c);
        return NULL;
    }
    return c;
}

void
dm_connection_free(void *data)
{
    DmConnection *c = data;

    dm_timer_disarm(&c->read_timer);
    dm_timer_disarm(&c->stall_timer);
    if (c->watch != NULL) {
        dm_watch_remove(c->watch);
    }
    close(c->fd);
    dm_tls_session_free(c->tls);
    dm_framing_clear(&c->framing);
    g_byte_array_unref(c->early);
    g_byte_array_unref(c->out);
    g_free(c);
}
