/* SPDX-License-Identifier: Apache-2.0 */
/* What a handshake of DTLS-SRTP costs, and what it costs the others: CPU of our side alone, its
 * longest step, and how long packets of relayed calls take through a media worker that does so many
 * handshakes a second, beside one that does none. Latency is from a peer's send to the arrival at
 * the other peer's socket, by the kernel's clock.
 *
 *   bench-dtls [handshakes a second [seconds]] */
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "media/dtls/association.h"
#include "media/net/socket.h"
#include "media/rtp/packet.h"
#include "media/session.h"
#include "media/stats.h"

#define N_HANDSHAKES 300
#define N_CALLS      40 /* relayed; each sends a packet every 20 ms */
#define TICK_US      500
#define SECOND_TICKS 2000
#define FRAME_LEN    160
#define PORT_MIN     30000
#define PORT_MAX     30999
#define WARM_UP_S    2

static int64_t
clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static gint
compare_int64(gconstpointer a, gconstpointer b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/*
 * One side alone
 */

typedef struct {
    DmDtls *dtls;
    GQueue inbox; /* of GBytes */
    int64_t cpu_ns, longest_ns;
} Side;

static void
to_other(const uint8_t *bytes, size_t len, void *user_data)
{
    g_queue_push_tail(&((Side *)user_data)->inbox, g_bytes_new(bytes, len));
}

static void
note(Side *side, int64_t begun_ns)
{
    int64_t took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun_ns;

    side->cpu_ns += took_ns;
    side->longest_ns = MAX(side->longest_ns, took_ns);
}

static bool
take(Side *side)
{
    g_autoptr(GBytes) datagram = g_queue_pop_head(&side->inbox);
    DmAddress from = {0};
    gsize len;
    const uint8_t *bytes;
    int64_t begun_ns;

    if (datagram == NULL) {
        return false;
    }
    bytes = g_bytes_get_data(datagram, &len);
    begun_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    dm_dtls_input(side->dtls, bytes, len, &from);
    note(side, begun_ns);
    return true;
}

static DmDtlsSpec
spec_for(DmDtlsRole role, const DmFingerprint *peer)
{
    return (DmDtlsSpec){
        .role = (uint8_t)role,
        .n_suites = 1,
        .suites = {DM_SRTP_AES_CM_128_HMAC_SHA1_80},
        .association = 1,
        .peer = *peer,
    };
}

/* @side[0] is active. */
static void
shake_hands(DmDtlsIdentity *identity, Side side[2])
{
    for (int i = 1; i >= 0; i--) {
        DmDtlsSpec spec = spec_for(i == 0 ? DM_DTLS_ACTIVE : DM_DTLS_PASSIVE,
                                   dm_dtls_identity_fingerprint(identity));
        int64_t begun_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

        side[i].dtls = dm_dtls_new(identity, &spec, true, to_other, &side[1 - i]);
        dm_dtls_start(side[i].dtls);
        note(&side[i], begun_ns);
    }
    while (take(&side[0]) || take(&side[1])) {
    }
    for (unsigned i = 0; i < 2; i++) {
        if (dm_dtls_state(side[i].dtls) != DM_DTLS_DONE) {
            g_error("handshake failed: %s", dm_dtls_failure_name(dm_dtls_failure(side[i].dtls)));
        }
        dm_dtls_free(side[i].dtls);
        g_queue_clear_full(&side[i].inbox, (GDestroyNotify)g_bytes_unref);
    }
}

static void
measure_sides(DmDtlsIdentity *identity)
{
    static const char *const names[] = {"active", "passive"};
    Side side[2] = {0};

    for (unsigned i = 0; i < N_HANDSHAKES; i++) {
        shake_hands(identity, side);
    }
    for (unsigned i = 0; i < 2; i++) {
        double us = (double)side[i].cpu_ns / N_HANDSHAKES / 1000;

        printf("dtls_handshake_cpu_%s %.0f us\n", names[i], us);
        printf("dtls_handshakes_a_core_%s %.0f 1/s\n", names[i], 1e6 / us);
        printf("dtls_longest_step_%s %.0f us\n", names[i], (double)side[i].longest_ns / 1000);
    }
}

/*
 * Beside calls that talk
 */

typedef struct {
    int fd;
    DmAddress address, gateway;
    DmRtpPacket next;
} Peer;

typedef struct {
    Peer peer;
    DmMediaSession *session;
    DmDtls *dtls;
} Newcomer;

typedef struct {
    DmMedia *media;
    DmDtlsIdentity *identity;
    Peer peers[N_CALLS][DM_N_SIDES];
    DmMediaSession *sessions[N_CALLS];
    GArray *latency_ns; /* of int64_t */
    GQueue newcomers;
    unsigned n_begun;
} Load;

static void
peer_open(Peer *peer, const DmAddress *gateway)
{
    socklen_t len = sizeof peer->address;
    int on = 1;

    *peer = (Peer){.gateway = *gateway, .next = {.ssrc = g_random_int()}};
    dm_address_parse(&peer->address, "127.0.0.1", 0);
    peer->fd = dm_udp_open(&peer->address, 0);
    if (peer->fd < 0 || getsockname(peer->fd, &peer->address.any, &len) < 0 ||
        connect(peer->fd, &gateway->any, dm_address_len(gateway)) < 0) {
        g_error("peer: %s", g_strerror(errno));
    }
    setsockopt(peer->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

static void
agree(DmMediaSideSpec *side, const Peer *peer)
{
    side->remote_rtp = peer->address;
    side->direction = DM_MEDIA_BOTH;
    side->rtcp_mux = true;
    side->recv[0] = side->send[0] =
        (DmMediaFormat){.codec = DM_CODEC_PCMU, .channels = 1, .clock_hz = 8000};
    side->n_recv = side->n_send = 1;
}

static DmMediaSession *
session_open(Load *load, Peer *a, Peer *b, DmMediaSpec *spec)
{
    DmMediaOpen open = {0};
    g_autoptr(GError) error = NULL;
    DmMediaSession *session = dm_media_session_open(load->media, &open, &error);

    if (session == NULL) {
        g_error("%s", error->message);
    }
    *spec = (DmMediaSpec){.answered = true};
    peer_open(a, dm_media_session_local(session, DM_SIDE_A));
    agree(&spec->side[DM_SIDE_A], a);
    if (b != NULL) {
        peer_open(b, dm_media_session_local(session, DM_SIDE_B));
        agree(&spec->side[DM_SIDE_B], b);
    }
    return session;
}

static void
peer_send(Peer *peer)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + FRAME_LEN] = {0};
    int64_t now_ns = clock_ns(CLOCK_REALTIME);

    dm_rtp_build(bytes, &peer->next);
    memcpy(bytes + DM_RTP_HEADER_LEN, &now_ns, sizeof now_ns);
    peer->next.sequence++;
    peer->next.timestamp += FRAME_LEN;
    (void)send(peer->fd, bytes, sizeof bytes, 0);
}

/* When the kernel got it, 0 when there is nothing. */
static int64_t
receive(const Peer *peer, uint8_t bytes[DM_DATAGRAM_MAX], size_t *out_len)
{
    char control[128];
    struct iovec iov = {bytes, DM_DATAGRAM_MAX};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t len = recvmsg(peer->fd, &message, MSG_DONTWAIT);
    struct timespec arrived = {0};

    for (struct cmsghdr *c = len > 0 ? CMSG_FIRSTHDR(&message) : NULL; c != NULL;
         c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            memcpy(&arrived, CMSG_DATA(c), sizeof arrived);
        }
    }
    *out_len = (size_t)MAX(len, 0);
    return arrived.tv_sec * INT64_C(1000000000) + arrived.tv_nsec;
}

static void
peer_drain(Load *load, const Peer *peer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    int64_t arrived_ns;
    size_t len;

    while ((arrived_ns = receive(peer, bytes, &len)) > 0) {
        int64_t sent_ns;

        if (len == DM_RTP_HEADER_LEN + FRAME_LEN) {
            memcpy(&sent_ns, bytes + DM_RTP_HEADER_LEN, sizeof sent_ns);
            arrived_ns -= sent_ns;
            g_array_append_val(load->latency_ns, arrived_ns);
        }
    }
}

static void
to_gateway(const uint8_t *bytes, size_t len, void *user_data)
{
    (void)send(((Newcomer *)user_data)->peer.fd, bytes, len, 0);
}

static void
newcomer_begin(Load *load)
{
    Newcomer *newcomer = g_new0(Newcomer, 1);
    DmMediaSpec spec;
    DmDtlsSpec theirs;

    newcomer->session = session_open(load, &newcomer->peer, NULL, &spec);
    spec.side[DM_SIDE_A].dtls =
        spec_for(DM_DTLS_PASSIVE, dm_dtls_identity_fingerprint(load->identity));
    theirs = spec_for(DM_DTLS_ACTIVE, dm_media_session_fingerprint(newcomer->session));
    dm_media_session_update(newcomer->session, &spec);
    newcomer->dtls = dm_dtls_new(load->identity, &theirs, true, to_gateway, newcomer);
    dm_dtls_start(newcomer->dtls);
    g_queue_push_tail(&load->newcomers, newcomer);
    load->n_begun++;
}

/* Returns whether it has ended, and then is no more. */
static bool
newcomer_go_on(Newcomer *newcomer)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len;

    while (receive(&newcomer->peer, bytes, &len) > 0) {
        dm_dtls_input(newcomer->dtls, bytes, len, &newcomer->peer.gateway);
    }
    if (dm_dtls_wait_us(newcomer->dtls) == 0) {
        dm_dtls_on_timer(newcomer->dtls);
    }
    if (dm_dtls_state(newcomer->dtls) == DM_DTLS_HANDSHAKE) {
        return false;
    }
    dm_media_session_close(newcomer->session);
    dm_dtls_free(newcomer->dtls);
    close(newcomer->peer.fd);
    g_free(newcomer);
    return true;
}

static void
go_on_all(Load *load)
{
    for (guint n = load->newcomers.length; n > 0; n--) {
        Newcomer *newcomer = g_queue_pop_head(&load->newcomers);

        if (!newcomer_go_on(newcomer)) {
            g_queue_push_tail(&load->newcomers, newcomer);
        }
    }
}

/* Every tick one call has a packet from each side; newcomers are evenly spread. */
static void
load_run(Load *load, unsigned seconds, unsigned handshakes)
{
    int64_t start_us = dm_clock_mono_us(dm_clock_system());

    for (unsigned tick = 0; tick < seconds * SECOND_TICKS; tick++) {
        int64_t due_us = start_us + (int64_t)tick * TICK_US;
        struct timespec until = {due_us / G_USEC_PER_SEC, due_us % G_USEC_PER_SEC * 1000};
        Peer *peers = load->peers[tick % N_CALLS];

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        for (unsigned side = 0; side < DM_N_SIDES; side++) {
            peer_drain(load, &peers[side]);
            peer_send(&peers[side]);
        }
        if (handshakes > 0 && tick % (SECOND_TICKS / handshakes) == 0) {
            newcomer_begin(load);
        }
        go_on_all(load);
    }
}

static void
measure_latency(Load *load, const char *name, unsigned seconds, unsigned handshakes)
{
    guint n;

    g_array_set_size(load->latency_ns, 0);
    load_run(load, seconds, handshakes);
    n = load->latency_ns->len;
    g_array_sort(load->latency_ns, compare_int64);
    printf("dtls_relay_latency_p50_%s %.0f us\n",
           name,
           (double)g_array_index(load->latency_ns, int64_t, n / 2) / 1000);
    printf("dtls_relay_latency_p99_%s %.0f us\n",
           name,
           (double)g_array_index(load->latency_ns, int64_t, n / 100 * 99) / 1000);
    printf("dtls_relay_latency_max_%s %.0f us\n",
           name,
           (double)g_array_index(load->latency_ns, int64_t, n - 1) / 1000);
}

static void
load_open(Load *load)
{
    for (unsigned i = 0; i < N_CALLS; i++) {
        Peer *peers = load->peers[i];
        DmMediaSpec spec;

        load->sessions[i] = session_open(load, &peers[DM_SIDE_A], &peers[DM_SIDE_B], &spec);
        dm_media_session_update(load->sessions[i], &spec);
    }
}

static void
load_close(Load *load)
{
    while (load->newcomers.length > 0) {
        go_on_all(load);
        poll(NULL, 0, 1);
    }
    for (unsigned i = 0; i < N_CALLS; i++) {
        dm_media_session_close(load->sessions[i]);
        close(load->peers[i][DM_SIDE_A].fd);
        close(load->peers[i][DM_SIDE_B].fd);
    }
}

int
main(int argc, char **argv)
{
    unsigned handshakes = argc > 1 ? (unsigned)atoi(argv[1]) : 50;
    unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
    DmMediaPool pool = {.port_min = PORT_MIN, .port_max = PORT_MAX};
    DmMediaOptions options = {.n_workers = 1, .pools = &pool, .n_pools = 1, .quarantine_ms = 1};
    g_autoptr(GError) error = NULL;
    Load load = {.latency_ns = g_array_new(FALSE, FALSE, sizeof(int64_t))};
    int64_t done;

    if (handshakes == 0 || handshakes > SECOND_TICKS) {
        g_error("1 to %d handshakes a second", SECOND_TICKS);
    }
    load.identity = dm_dtls_identity_new(&error);
    dm_address_parse(&pool.address, "127.0.0.1", 0);
    load.media = load.identity != NULL ? dm_media_new(&options, &error) : NULL;
    if (load.media == NULL) {
        g_error("%s", error->message);
    }
    measure_sides(load.identity);
    load_open(&load);
    load_run(&load, WARM_UP_S, handshakes);
    measure_latency(&load, "quiet", seconds, 0);
    measure_latency(&load, "busy", seconds, handshakes);
    load_close(&load);
    done = dm_counter_value(&dm_media_counters(load.media).values[DM_MEDIA_STAT_dtls_done]);
    printf("dtls_handshakes_done %.1f %%\n", 100.0 * (double)done / load.n_begun);
    dm_media_free(load.media);
    dm_dtls_identity_unref(load.identity);
    g_array_unref(load.latency_ns);
    return 0;
}
