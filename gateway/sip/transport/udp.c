/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transport/udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/sip/counters.h"

DM_LOG_TOPIC("sip-udp");

#define DATAGRAM_MAX   65536
#define BATCH          32                /* datagrams a system call */
#define BATCHES_A_TURN 8                 /* then the others on the loop have a turn */
#define QUEUE_MAX      (8 * 1024 * 1024) /* bytes that wait to be sent */
#define SOCKET_BUFFER  (4 * 1024 * 1024)

/* One that waits for the end of the turn. */
typedef struct {
    size_t offset, len; /* in the queue's bytes */
    DmAddress to;
} Outgoing;

typedef struct {
    DmUdp *udp;
    const DmListenerConfig *config; /* borrowed */
    uint16_t index;
    int fd; /* -1: not a UDP listener */
    DmAddress bound, advertised;
    DmWatch *watch;
    bool waits_for_room; /* EPOLLOUT is watched */
    GArray *outgoing;    /* Outgoing */
    GByteArray *bytes;
} Listener;

struct DmUdp {
    DmUdpOptions options;
    Listener *listeners; /* one for each of the configuration, so that indexes agree */
    size_t n_listeners;
    bool flush_is_deferred;
    bool is_closing;

    /* where a batch is received */
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage sources[BATCH];
    char *buffer; /* BATCH * DATAGRAM_MAX */
};

/* --- in --- */

static void
receive_datagram(Listener *l, const struct sockaddr *source, const char *data, size_t len)
{
    DmSipFlow flow = {.transport = DM_TRANSPORT_UDP, .listener = l->index, .local = l->bound};

    dm_address_from_sockaddr(&flow.remote, source);
    dm_count(&l->udp->options.counters[SIP_udp_rx]);
    l->udp->options.on_receive(&flow, data, len, l->udp->options.user_data);
}

static void
prepare_batch(DmUdp *udp)
{
    for (unsigned i = 0; i < BATCH; i++) {
        udp->vectors[i] = (struct iovec){udp->buffer + (size_t)i * DATAGRAM_MAX, DATAGRAM_MAX};
        udp->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &udp->sources[i],
            .msg_namelen = sizeof(udp->sources[i]),
            .msg_iov = &udp->vectors[i],
            .msg_iovlen = 1,
        };
    }
}

/* An error that recvmmsg() returns is one of a datagram sent earlier; the error queue has it too.
 */
static void
receive_all(Listener *l)
{
    DmUdp *udp = l->udp;

    for (unsigned batch = 0; batch < BATCHES_A_TURN; batch++) {
        int n;

        prepare_batch(udp);
        n = recvmmsg(l->fd, udp->headers, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            receive_datagram(l,
                             (struct sockaddr *)&udp->sources[i],
                             udp->vectors[i].iov_base,
                             udp->headers[i].msg_len);
        }
        if (n < BATCH && !(n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) {
            return;
        }
    }
}

static const struct sock_extended_err *
extended_error(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            return (const struct sock_extended_err *)CMSG_DATA(c);
        }
    }
    return NULL;
}

/* ICMP "fragmentation needed" is no verdict on the peer: the next try leaves with the path's MTU.
 */
static bool
says_unreachable(const struct sock_extended_err *error)
{
    return error != NULL &&
           (error->ee_origin == SO_EE_ORIGIN_ICMP || error->ee_origin == SO_EE_ORIGIN_ICMP6) &&
           error->ee_errno != EMSGSIZE;
}

/* Each entry of the error queue names where the datagram had gone. */
static void
receive_errors(Listener *l)
{
    for (unsigned i = 0; i < BATCH; i++) {
        struct sockaddr_storage to;
        char control[512];
        char ignored[1];
        struct iovec vector = {ignored, sizeof(ignored)};
        struct msghdr header = {
            .msg_name = &to,
            .msg_namelen = sizeof(to),
            .msg_iov = &vector,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof(control),
        };
        DmAddress remote;

        if (recvmsg(l->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            return;
        }
        if (header.msg_namelen > 0 && says_unreachable(extended_error(&header))) {
            dm_address_from_sockaddr(&remote, (struct sockaddr *)&to);
            dm_count(&l->udp->options.counters[SIP_udp_unreachable]);
            l->udp->options.on_unreachable(&remote, l->udp->options.user_data);
        }
    }
}

/* --- out --- */

static void
watch_for_room(Listener *l, bool wanted)
{
    if (l->waits_for_room != wanted) {
        l->waits_for_room = wanted;
        dm_watch_set_events(l->watch, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

/* Sends what fits into one system call, from number @first on. Returns how many left, or -1 with
 * errno. */
static int
send_batch(Listener *l, guint first)
{
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    unsigned n = MIN(l->outgoing->len - first, BATCH);

    memset(headers, 0, sizeof(headers[0]) * n);
    for (unsigned i = 0; i < n; i++) {
        Outgoing *o = &g_array_index(l->outgoing, Outgoing, first + i);

        vectors[i] = (struct iovec){l->bytes->data + o->offset, o->len};
        headers[i].msg_hdr.msg_name = &o->to;
        headers[i].msg_hdr.msg_namelen = dm_address_len(&o->to);
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
    return sendmmsg(l->fd, headers, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
drop_sent(Listener *l, guint n)
{
    if (n == l->outgoing->len) {
        g_array_set_size(l->outgoing, 0);
        g_byte_array_set_size(l->bytes, 0);
    } else if (n > 0) {
        g_array_remove_range(l->outgoing, 0, n);
    }
}

/* The system would not take it: no route, or a filter. As good as unreachable. */
static void
give_up_on(Listener *l, guint number)
{
    DmUdp *udp = l->udp;
    DmAddress to = g_array_index(l->outgoing, Outgoing, number).to;

    dm_count(&udp->options.counters[SIP_udp_tx_failed]);
    if (!udp->is_closing) {
        udp->options.on_unreachable(&to, udp->options.user_data);
    }
}

/* The socket may return the error of an earlier datagram, which says nothing of this one: it gets a
 * second try. */
static void
flush(Listener *l)
{
    DmCounter *counters = l->udp->options.counters;
    guint sent = 0;
    bool again = false;

    while (sent < l->outgoing->len) {
        int n = send_batch(l, sent);

        if (n > 0) {
            sent += (guint)n;
            dm_count_add(&counters[SIP_udp_tx], n);
            again = false;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
            break;
        } else if (again) {
            give_up_on(l, sent++);
            again = false;
        } else {
            again = true;
        }
    }
    drop_sent(l, sent);
    watch_for_room(l, l->outgoing->len > 0);
}

static void
flush_all(void *user_data)
{
    DmUdp *udp = user_data;

    udp->flush_is_deferred = false;
    for (size_t i = 0; i < udp->n_listeners; i++) {
        if (udp->listeners[i].fd >= 0 && udp->listeners[i].outgoing->len > 0) {
            flush(&udp->listeners[i]);
        }
    }
}

static bool
is_usable(const DmUdp *udp, unsigned listener)
{
    return listener < udp->n_listeners && udp->listeners[listener].fd >= 0;
}

static bool
udp_send(void *wire, const DmSipFlow *flow, const void *data, size_t len)
{
    DmUdp *udp = wire;
    Listener *l;
    Outgoing outgoing;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (flow->transport != DM_TRANSPORT_UDP || !is_usable(udp, flow->listener)) {
        return false;
    }
    l = &udp->listeners[flow->listener];
    if (l->bytes->len + len > QUEUE_MAX ||
        dm_address_family(&flow->remote) != dm_address_family(&l->bound)) {
        dm_count(&udp->options.counters[SIP_udp_tx_failed]);
        return false;
    }
    outgoing = (Outgoing){l->bytes->len, len, flow->remote};
    g_byte_array_append(l->bytes, data, (guint)len);
    g_array_append_val(l->outgoing, outgoing);
    if (!udp->flush_is_deferred) {
        udp->flush_is_deferred = true;
        dm_loop_defer(udp->options.loop, flush_all, udp);
    }
    return true;
}

/* --- listeners --- */

static void
on_ready(int fd, uint32_t events, void *user_data)
{
    Listener *l = user_data;

    if ((events & EPOLLERR) != 0) {
        receive_errors(l);
    }
    if ((events & (EPOLLIN | EPOLLERR)) != 0) {
        receive_all(l);
    }
    if ((events & EPOLLOUT) != 0) {
        flush(l);
    }
}

static bool
set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* Buffers and DSCP are wishes; the rest is needed. */
static bool
set_options(int fd, int family, uint8_t dscp)
{
    set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
    if (!set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
        return false;
    }
    if (family == AF_INET6) {
        set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
        return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
               set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    }
    set_option(fd, IPPROTO_IP, IP_TOS, dscp << 2);
    return set_option(fd, IPPROTO_IP, IP_RECVERR, 1);
}

static bool
open_socket(Listener *l, GError **error)
{
    const DmAddress *address = &l->config->address;
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    int family = dm_address_family(address);

    l->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || !set_options(l->fd, family, l->config->dscp) ||
        bind(l->fd, &address->any, dm_address_len(address)) < 0 ||
        getsockname(l->fd, (struct sockaddr *)&bound, &len) < 0) {
        char text[DM_ADDRESS_TEXT_MAX];

        dm_error_set_errno(error, errno, dm_address_text(address, text));
        return false;
    }
    dm_address_from_sockaddr(&l->bound, (struct sockaddr *)&bound);
    return true;
}

/* A port that was left to the system is advertised as the one it chose. */
static void
decide_advertised(Listener *l)
{
    l->advertised = dm_address_is_set(&l->config->advertised) ? l->config->advertised : l->bound;
    if (dm_address_port(&l->advertised) == 0) {
        dm_address_set_port(&l->advertised, dm_address_port(&l->bound));
    }
}

/* Bound without SO_REUSEPORT, which would let it share the port with another process of this user.
 */
static bool
is_free(const DmListenerConfig *config, GError **error)
{
    const DmAddress *address = &config->address;
    int fd = socket(dm_address_family(address), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool free =
        fd >= 0 &&
        (dm_address_family(address) != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
        bind(fd, &address->any, dm_address_len(address)) == 0;

    if (!free) {
        char text[DM_ADDRESS_TEXT_MAX];

        dm_error_set_errno(error, errno, dm_address_text(address, text));
        g_prefix_error(error, "listener '%s': ", config->id);
    }
    if (fd >= 0) {
        close(fd);
    }
    return free;
}

bool
dm_udp_check_free(const GPtrArray *listeners, GError **error)
{
    for (guint i = 0; i < listeners->len; i++) {
        const DmListenerConfig *config = listeners->pdata[i];

        if (config->transport == DM_TRANSPORT_UDP && !is_free(config, error)) {
            return false;
        }
    }
    return true;
}

static bool
open_listener(Listener *l, GError **error)
{
    if (!open_socket(l, error)) {
        g_prefix_error(error, "listener '%s': ", l->config->id);
        return false;
    }
    decide_advertised(l);
    l->watch = dm_loop_watch(l->udp->options.loop, l->fd, EPOLLIN, on_ready, l, error);
    return l->watch != NULL;
}

DmUdp *
dm_udp_new(const DmUdpOptions *options, GError **error)
{
    DmUdp *udp = g_new0(DmUdp, 1);

    udp->options = *options;
    udp->n_listeners = options->listeners->len;
    udp->listeners = g_new0(Listener, udp->n_listeners);
    udp->buffer = g_malloc((size_t)BATCH * DATAGRAM_MAX);
    for (size_t i = 0; i < udp->n_listeners; i++) {
        udp->listeners[i] = (Listener){
            .udp = udp,
            .config = options->listeners->pdata[i],
            .index = (uint16_t)i,
            .fd = -1,
            .outgoing = g_array_new(FALSE, FALSE, sizeof(Outgoing)),
            .bytes = g_byte_array_new(),
        };
    }
    for (size_t i = 0; i < udp->n_listeners; i++) {
        Listener *l = &udp->listeners[i];

        if (l->config->transport == DM_TRANSPORT_UDP && !open_listener(l, error)) {
            dm_udp_free(udp);
            return NULL;
        }
    }
    return udp;
}

static void
close_listener(Listener *l)
{
    if (l->watch != NULL) {
        dm_watch_remove(l->watch);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    g_array_free(l->outgoing, TRUE);
    g_byte_array_free(l->bytes, TRUE);
}

void
dm_udp_free(DmUdp *udp)
{
    if (udp == NULL) {
        return;
    }
    udp->is_closing = true;
    flush_all(udp); /* the last words of a shutdown */
    dm_loop_undefer(udp->options.loop, flush_all, udp);
    for (size_t i = 0; i < udp->n_listeners; i++) {
        close_listener(&udp->listeners[i]);
    }
    g_free(udp->listeners);
    g_free(udp->buffer);
    g_free(udp);
}

/* --- the table of operations --- */

static bool
udp_flow_to(void *wire,
            int listener,
            DmTransport transport,
            const DmAddress *remote,
            DmSipFlow *out_flow)
{
    const DmUdp *udp = wire;
    size_t first = listener < 0 ? 0 : (size_t)listener;
    size_t end = listener < 0 ? udp->n_listeners : MIN(first + 1, udp->n_listeners);

    if (transport != DM_TRANSPORT_UDP) {
        return false;
    }
    for (size_t i = first; i < end; i++) {
        const Listener *l = &udp->listeners[i];

        if (l->fd >= 0 && dm_address_family(&l->bound) == dm_address_family(remote)) {
            *out_flow = (DmSipFlow){
                .transport = DM_TRANSPORT_UDP,
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
udp_advertised(void *wire, unsigned listener)
{
    DmUdp *udp = wire;

    g_return_val_if_fail(is_usable(udp, listener), NULL);
    return &udp->listeners[listener].advertised;
}

static const char *
udp_contact_host(void *wire, unsigned listener)
{
    DmUdp *udp = wire;
    const char *host;

    g_return_val_if_fail(is_usable(udp, listener), NULL);
    host = udp->listeners[listener].config->fqdn_contact;
    return host != NULL && *host != '\0' ? host : NULL;
}

/* RFC 3261, 18.1.1: for headers on the way, and an answer that is longer. */
#define MTU_RESERVE 200

static size_t
udp_max_request_bytes(void *wire, unsigned listener)
{
    DmUdp *udp = wire;
    unsigned mtu;

    g_return_val_if_fail(is_usable(udp, listener), 0);
    mtu = udp->listeners[listener].config->udp_mtu;
    return mtu > MTU_RESERVE ? mtu - MTU_RESERVE : 0;
}

const DmSipWireOps *
dm_udp_ops(void)
{
    static const DmSipWireOps ops = {
        .send = udp_send,
        .flow_to = udp_flow_to,
        .advertised = udp_advertised,
        .contact_host = udp_contact_host,
        .max_request_bytes = udp_max_request_bytes,
    };

    return &ops;
}
