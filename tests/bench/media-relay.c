/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to relay a packet: sessions on real sockets of the loopback interface, each side of
 * each sending 50 packets a second from a socket of its own, as many calls would. CPU is that of
 * the media worker alone, from its schedstat; latency is from a peer's send to the arrival at the
 * other peer's socket, by the kernel's clock.
 *
 *   bench-media-relay [sessions [seconds [suite]]]
 *
 * With a suite of SRTP, "AES_CM_128_HMAC_SHA1_80", one side of each session has it: what comes from
 * it is decrypted, what goes to it encrypted. */
#include <glib.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "media/net/socket.h"
#include "media/rtp/packet.h"
#include "media/session.h"
#include "media/srtp/srtp.h"
#include "media/stats.h"

#define PORT_MIN      20000
#define PEER_PORTS    0
#define FRAME_LEN     160
#define TICK_US       250
#define FRAME_TICKS   80 /* 20 ms */
#define SECOND_TICKS  4000
#define WARM_UP_S     6  /* until peers are shielded (path/flow.c) */
#define PROBE_EVERY   37 /* streams between two whose latency is measured */
#define MAX_LATENCY   200000
#define DRAIN_AT_ONCE 64

typedef struct {
    int fd;
    bool is_probe;
    DmSrtp *srtp; /* NULL: plain RTP */
    DmRtpPacket next;
} Peer;

typedef struct {
    DmSrtpKey key; /* of the first side of all sessions */
    unsigned n_sessions;
    unsigned n_peers;
    Peer *peers;
    DmMediaSession **sessions;
    GArray *latency_ns; /* of int64_t */
    uint64_t sent, received;
} Load;

static int64_t
wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void
peer_open(Peer *peer, const DmAddress *gateway, DmAddress *out_address)
{
    socklen_t len = sizeof *out_address;
    int on = 1;

    dm_address_parse(out_address, "127.0.0.1", PEER_PORTS);
    peer->fd = dm_udp_open(out_address, 0);
    if (peer->fd < 0 || getsockname(peer->fd, &out_address->any, &len) < 0 ||
        connect(peer->fd, &gateway->any, dm_address_len(gateway)) < 0) {
        g_error("peer: %s", g_strerror(errno));
    }
    if (peer->is_probe) {
        setsockopt(peer->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    }
    peer->next = (DmRtpPacket){.ssrc = g_random_int(), .sequence = (uint16_t)g_random_int()};
}

static void
agree(DmMediaSideSpec *side)
{
    side->direction = DM_MEDIA_BOTH;
    side->recv[0] = side->send[0] =
        (DmMediaFormat){.codec = DM_CODEC_PCMU, .channels = 1, .clock_hz = 8000};
    side->n_recv = side->n_send = 1;
}

static void
load_open(Load *load, DmMedia *media)
{
    DmMediaOpen open = {0};

    for (unsigned i = 0; i < load->n_sessions; i++) {
        g_autoptr(GError) error = NULL;
        DmMediaSession *session = dm_media_session_open(media, &open, &error);
        DmMediaSpec spec = {.answered = true, .timeout_ms = 60000};

        if (session == NULL) {
            g_error("session %u: %s", i, error->message);
        }
        load->sessions[i] = session;
        for (unsigned side = 0; side < DM_N_SIDES; side++) {
            Peer *peer = &load->peers[2 * i + side];

            /* What is encrypted cannot be looked into. */
            peer->is_probe = (2 * i + side) % PROBE_EVERY == 0 &&
                             (side == DM_SIDE_B || load->key.suite == DM_SRTP_NONE);
            peer_open(peer,
                      dm_media_session_local(session, (DmSide)side),
                      &spec.side[side].remote_rtp);
            agree(&spec.side[side]);
        }
        spec.side[DM_SIDE_A].srtp_in = spec.side[DM_SIDE_A].srtp_out = load->key;
        dm_media_session_update(session, &spec);
    }
}

static void
peer_send(Load *load, Peer *peer)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + FRAME_LEN + DM_SRTP_ROOM];
    size_t len = DM_RTP_HEADER_LEN + FRAME_LEN;
    int64_t now_ns = wall_ns();

    dm_rtp_build(bytes, &peer->next);
    memset(bytes + DM_RTP_HEADER_LEN, 0xff, FRAME_LEN);
    memcpy(bytes + DM_RTP_HEADER_LEN, &now_ns, sizeof now_ns);
    peer->next.sequence++;
    peer->next.timestamp += FRAME_LEN;
    if (peer->srtp != NULL) {
        dm_srtp_protect_rtp(peer->srtp, bytes, &len);
    }
    load->sent += send(peer->fd, bytes, len, 0) > 0;
}

static void
note_latency(Load *load, const struct msghdr *message, const uint8_t *bytes)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR((struct msghdr *)message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec arrived;
            int64_t sent_ns;
            int64_t latency_ns;

            memcpy(&arrived, CMSG_DATA(c), sizeof arrived);
            memcpy(&sent_ns, bytes + DM_RTP_HEADER_LEN, sizeof sent_ns);
            latency_ns = arrived.tv_sec * INT64_C(1000000000) + arrived.tv_nsec - sent_ns;
            if (load->latency_ns->len < MAX_LATENCY) {
                g_array_append_val(load->latency_ns, latency_ns);
            }
        }
    }
}

static void
probe_drain(Load *load, Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    char control[128];
    struct iovec iov = {bytes, sizeof bytes};

    for (;;) {
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};

        if (recvmsg(peer->fd, &message, MSG_DONTWAIT) < 0) {
            return;
        }
        load->received++;
        note_latency(load, &message, bytes);
    }
}

/* What came in is thrown away, a second's worth in one call. */
static void
peer_drain(Load *load, Peer *peer)
{
    static uint8_t bytes[64];
    struct iovec iov = {bytes, sizeof bytes};
    struct mmsghdr messages[DRAIN_AT_ONCE];
    int n;

    if (peer->is_probe) {
        probe_drain(load, peer);
        return;
    }
    do {
        memset(messages, 0, sizeof messages);
        for (unsigned i = 0; i < DRAIN_AT_ONCE; i++) {
            messages[i].msg_hdr.msg_iov = &iov;
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        n = recvmmsg(peer->fd, messages, DRAIN_AT_ONCE, MSG_DONTWAIT, NULL);
        load->received += (uint64_t)MAX(n, 0);
    } while (n == DRAIN_AT_ONCE);
}

/* Every tick an eightieth of all streams sends; each stream is emptied once a second. */
static void
load_run(Load *load, unsigned seconds)
{
    int64_t start_us = dm_clock_mono_us(dm_clock_system());

    for (unsigned tick = 0; tick < seconds * SECOND_TICKS; tick++) {
        int64_t due_us = start_us + (int64_t)tick * TICK_US;
        struct timespec until = {due_us / G_USEC_PER_SEC, due_us % G_USEC_PER_SEC * 1000};

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        for (unsigned i = tick % FRAME_TICKS; i < load->n_peers; i += FRAME_TICKS) {
            peer_send(load, &load->peers[i]);
        }
        for (unsigned i = tick % SECOND_TICKS; i < load->n_peers; i += SECOND_TICKS) {
            peer_drain(load, &load->peers[i]);
        }
    }
}

static DmSrtpKey
find_suite(const char *name)
{
    DmSrtpKey key = {.bytes = {1, 2, 3}};

    for (uint8_t suite = 1; suite < DM_N_SRTP_SUITES; suite++) {
        if (strcmp(name, dm_srtp_suite_name((DmSrtpSuite)suite)) == 0) {
            key.suite = suite;
            return key;
        }
    }
    g_error("no such suite: %s", name);
}

static void
give_keys(Load *load)
{
    for (unsigned i = DM_SIDE_A; i < load->n_peers; i += DM_N_SIDES) {
        load->peers[i].srtp = dm_srtp_new_sender(&load->key, load->peers[i].next.ssrc, 0);
    }
}

static uint64_t
read_schedstat(const char *task)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%s/schedstat", task);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* CPU time of the threads called media-N. */
static uint64_t
worker_cpu_ns(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
    const char *task;
    uint64_t ns = 0;

    while ((task = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_strdup_printf("/proc/self/task/%s/comm", task);
        g_autofree char *comm = NULL;

        if (g_file_get_contents(path, &comm, NULL, NULL) && g_str_has_prefix(comm, "media-")) {
            ns += read_schedstat(task);
        }
    }
    return ns;
}

static gint
compare_int64(gconstpointer a, gconstpointer b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void
print_latency(const Load *load)
{
    guint n = load->latency_ns->len;

    if (n == 0) {
        return;
    }
    g_array_sort(load->latency_ns, compare_int64);
    printf("media_relay_latency_p50 %.1f us\n",
           (double)g_array_index(load->latency_ns, int64_t, n / 2) / 1000);
    printf("media_relay_latency_p99 %.1f us\n",
           (double)g_array_index(load->latency_ns, int64_t, n / 100 * 99) / 1000);
}

static int64_t
relayed(DmMedia *media)
{
    return dm_counter_value(&dm_media_counters(media).values[DM_MEDIA_STAT_rtp_out]);
}

int
main(int argc, char **argv)
{
    Load load = {.n_sessions = argc > 1 ? (unsigned)atoi(argv[1]) : 1000};
    unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 6;
    DmMediaPool pool = {.port_min = PORT_MIN};
    DmMediaOptions options = {.n_workers = 1, .pools = &pool, .n_pools = 1};
    g_autoptr(GError) error = NULL;
    DmMedia *media;
    size_t heap;
    uint64_t cpu_ns;
    uint64_t sent;

    if (argc > 3) {
        load.key = find_suite(argv[3]);
    }
    dm_address_parse(&pool.address, "127.0.0.1", 0);
    pool.port_max = (uint16_t)(PORT_MIN + 4 * load.n_sessions + 63);
    media = dm_media_new(&options, &error);
    if (media == NULL) {
        g_error("%s", error->message);
    }
    load.n_peers = 2 * load.n_sessions;
    load.peers = g_new0(Peer, load.n_peers);
    load.sessions = g_new0(DmMediaSession *, load.n_sessions);
    load.latency_ns = g_array_new(FALSE, FALSE, sizeof(int64_t));
    heap = mallinfo2().uordblks;
    load_open(&load, media);
    heap = mallinfo2().uordblks - heap;
    give_keys(&load);

    load_run(&load, WARM_UP_S);
    g_array_set_size(load.latency_ns, 0);
    cpu_ns = worker_cpu_ns();
    sent = load.sent;
    load_run(&load, seconds);
    cpu_ns = worker_cpu_ns() - cpu_ns;
    sent = load.sent - sent;

    printf("media_relay_sessions %u sessions\n", load.n_sessions);
    printf("media_relay_cpu_per_packet %.0f ns\n", (double)cpu_ns / (double)sent);
    printf("media_relay_worker_load %.1f %%\n", (double)cpu_ns / seconds / 1e7);
    print_latency(&load);
    for (unsigned i = 0; i < load.n_sessions; i++) {
        dm_media_session_close(load.sessions[i]);
    }
    printf("media_relay_session_heap %zu bytes\n", heap / load.n_sessions);
    while (dm_counter_value(&dm_media_counters(media).values[DM_MEDIA_STAT_sessions_active]) > 0) {
        poll(NULL, 0, 10);
    }
    printf("media_relay_lost %.4f %%\n",
           100.0 * (double)((int64_t)load.sent - relayed(media)) / (double)load.sent);
    dm_media_free(media);
    for (unsigned i = 0; i < load.n_peers; i++) {
        close(load.peers[i].fd);
        dm_srtp_free(load.peers[i].srtp);
    }
    g_array_unref(load.latency_ns);
    g_free(load.peers);
    g_free(load.sessions);
    return 0;
}
