/* SPDX-License-Identifier: Apache-2.0 */
/* Short calls with any codec on either side, in the clear, with keys from signalling (SDES) or by
 * DTLS, one after the other and a few at a time, on real sockets: at the end everything is where it
 * was. 150 calls; DM_SOAK_CALLS says otherwise. */
#include <glib.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media/dsp/codec.h"
#include "media/dtls/association.h"
#include "media/net/socket.h"
#include "media/rtp/packet.h"
#include "media/session.h"
#include "media/srtp/srtp.h"
#include "media/stats.h"

#define WATCHDOG_US    (30 * G_USEC_PER_SEC)
#define N_AT_ONCE      4
#define PACKETS_A_CALL 6
#define DEFAULT_CALLS  150

typedef struct {
    DmCodec codec;
    uint8_t pt;
    uint32_t clock_hz;
    uint8_t channels;
} Codec;

static const Codec codecs[] = {
    {DM_CODEC_PCMU, 0, 8000, 1},
    {DM_CODEC_PCMA, 8, 8000, 1},
    {DM_CODEC_G722, 9, 8000, 1},
    {DM_CODEC_GSM, 3, 8000, 1},
    {DM_CODEC_G726_16, 96, 8000, 1},
    {DM_CODEC_G726_24, 97, 8000, 1},
    {DM_CODEC_G726_32, 98, 8000, 1},
    {DM_CODEC_G726_40, 99, 8000, 1},
    {DM_CODEC_OPUS, 111, 48000, 2},
    {DM_CODEC_G729, 18, 8000, 1},
    {DM_CODEC_OTHER, 120, 8000, 1},
};

/* One peer of a call. */
typedef struct {
    int fd;
    const DmAddress *to; /* ours */
    const Codec *codec;
    DmEncoder *encoder; /* NULL: a codec we only pass on */
    DmSrtp *srtp;       /* NULL: in the clear */
    DmDtls *dtls;       /* NULL: keys from signalling, or none */
} Peer;

typedef struct {
    DmMediaSession *session;
    Peer peer[DM_N_SIDES];
} Call;

static GAsyncQueue *ended;
static DmDtlsIdentity *identity; /* of all peers */

static void
on_event(const DmMediaEvent *event, void *user_data)
{
    if (event->type == DM_MEDIA_EVENT_CLOSED) {
        g_async_queue_push(ended, g_memdup2(event, sizeof *event));
    }
}

static DmMedia *
new_media(void)
{
    DmMediaPool pool = {.port_min = 30400, .port_max = 30799};
    DmMediaOptions options = {.n_workers = 2, .pools = &pool, .n_pools = 1, .quarantine_ms = 1};
    g_autoptr(GError) error = NULL;
    DmMedia *media;

    dm_address_parse(&pool.address, "127.0.0.1", 0);
    media = dm_media_new(&options, &error);
    g_assert_no_error(error);
    return media;
}

static void
send_bytes(const uint8_t *bytes, size_t len, void *user_data)
{
    const Peer *peer = user_data;

    (void)sendto(peer->fd, bytes, len, 0, &peer->to->any, dm_address_len(peer->to));
}

static void
take_keys(DmMediaSideSpec *spec, Peer *peer)
{
    DmSrtpSuite suite = (DmSrtpSuite)g_test_rand_int_range(DM_SRTP_AES_CM_128_HMAC_SHA1_80,
                                                           DM_SRTP_AEAD_AES_256_GCM + 1);

    spec->srtp_in.suite = spec->srtp_out.suite = (uint8_t)suite;
    for (unsigned i = 0; i < dm_srtp_key_len(suite); i++) {
        spec->srtp_in.bytes[i] = (uint8_t)g_test_rand_int_range(0, 256);
        spec->srtp_out.bytes[i] = (uint8_t)g_test_rand_int_range(0, 256);
    }
    peer->srtp = dm_srtp_new_sender(&spec->srtp_in, 1, 0);
}

static void
offer_dtls(const DmMediaSession *session, DmMediaSideSpec *spec, Peer *peer)
{
    DmDtlsSpec theirs = {
        .role = DM_DTLS_ACTIVE,
        .n_suites = 1,
        .suites = {DM_SRTP_AEAD_AES_128_GCM},
        .peer = *dm_media_session_fingerprint((DmMediaSession *)session),
    };

    spec->dtls = theirs;
    spec->dtls.role = DM_DTLS_PASSIVE;
    spec->dtls.association = (uint32_t)g_test_rand_int();
    spec->dtls.peer = *dm_dtls_identity_fingerprint(identity);
    peer->dtls = dm_dtls_new(identity, &theirs, true, send_bytes, peer);
}

/* @peer's codec, and events: the agreement of an ordinary trunk. */
static void
agree(const DmMediaSession *session, DmMediaSideSpec *spec, Peer *peer)
{
    const Codec *codec = peer->codec;
    DmMediaFormat voice = {.codec = codec->codec,
                           .pt = codec->pt,
                           .clock_hz = codec->clock_hz,
                           .channels = codec->channels};
    DmMediaFormat events = {.codec = DM_CODEC_TELEPHONE_EVENT, .pt = 101, .clock_hz = 8000};
    socklen_t len = sizeof spec->remote_rtp;
    int dice = g_test_rand_int_range(0, 8);
    DmAddress any;

    g_strlcpy(voice.name, "any", sizeof voice.name);
    dm_address_parse(&any, "127.0.0.1", 0);
    peer->fd = dm_udp_open(&any, 0);
    g_assert_cmpint(getsockname(peer->fd, &spec->remote_rtp.any, &len), ==, 0);
    spec->direction = DM_MEDIA_BOTH;
    spec->ptime_ms = (uint16_t)(10 * g_test_rand_int_range(1, 5));
    spec->recv[0] = spec->send[0] = voice;
    spec->recv[1] = spec->send[1] = events;
    spec->n_recv = spec->n_send = 2;
    if (dice < 3) {
        take_keys(spec, peer);
    } else if (dice == 3) {
        offer_dtls(session, spec, peer);
    }
}

static void
begin(DmMedia *media, Call *call)
{
    DmMediaOpen open = {.on_event = on_event};
    DmMediaSpec spec = {.answered = true, .timeout_ms = 60000};
    g_autoptr(GError) error = NULL;

    call->session = dm_media_session_open(media, &open, &error);
    g_assert_no_error(error);
    for (DmSide side = 0; side < DM_N_SIDES; side++) {
        Peer *peer = &call->peer[side];
        const DmCodecType *type;

        peer->to = dm_media_session_local(call->session, side);
        peer->codec = &codecs[g_test_rand_int_range(0, G_N_ELEMENTS(codecs))];
        type = dm_codec_type(peer->codec->codec);
        peer->encoder =
            type != NULL ? dm_encoder_new(type, DM_NARROW_HZ, &(DmEncoderWishes){0}) : NULL;
        agree(call->session, &spec.side[side], peer);
    }
    dm_media_session_update(call->session, &spec);
}

/* One in four gives up in the middle of it. */
static void
shake_hands(Peer *peer)
{
    unsigned n_messages = g_test_rand_int_range(0, 4) == 0 ? 1 : G_MAXUINT;
    DmSrtpKey in;
    DmSrtpKey out;

    dm_dtls_start(peer->dtls);
    while (dm_dtls_state(peer->dtls) == DM_DTLS_HANDSHAKE && n_messages-- > 0) {
        uint8_t bytes[DM_DATAGRAM_MAX];
        struct pollfd ready = {.fd = peer->fd, .events = POLLIN};
        int64_t wait_us = dm_dtls_wait_us(peer->dtls);

        if (poll(&ready, 1, wait_us >= 0 ? (int)(wait_us / 1000) + 1 : 1000) > 0) {
            ssize_t len = recv(peer->fd, bytes, sizeof bytes, 0);

            dm_dtls_input(peer->dtls, bytes, (size_t)MAX(len, 0), peer->to);
        } else {
            dm_dtls_on_timer(peer->dtls);
        }
    }
    if (dm_dtls_state(peer->dtls) == DM_DTLS_DONE) {
        dm_dtls_keys(peer->dtls, &in, &out);
        peer->srtp = dm_srtp_new_sender(&out, 1, 0);
    }
}

/* One packet of 20 ms; now and then one is lost. */
static void
speak(Peer *peer, unsigned i)
{
    static const int16_t silence[160];
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES + DM_SRTP_ROOM] = {0};
    DmRtpPacket packet = {
        .ssrc = 1,
        .sequence = (uint16_t)i,
        .timestamp = i * peer->codec->clock_hz / 50,
        .pt = peer->codec->pt,
    };
    size_t len = DM_RTP_HEADER_LEN +
                 (peer->encoder != NULL
                      ? dm_encoder_encode(peer->encoder, silence, 160, bytes + DM_RTP_HEADER_LEN)
                      : 20);

    dm_rtp_build(bytes, &packet);
    if (peer->srtp != NULL) {
        g_assert_cmpint(dm_srtp_protect_rtp(peer->srtp, bytes, &len), ==, DM_SRTP_OK);
    }
    if (g_test_rand_int_range(0, 10) > 0) {
        send_bytes(bytes, len, peer);
    }
}

static void
end(Call *call)
{
    dm_media_session_close(call->session);
    for (DmSide side = 0; side < DM_N_SIDES; side++) {
        Peer *peer = &call->peer[side];

        close(peer->fd);
        dm_encoder_free(peer->encoder);
        dm_srtp_free(peer->srtp);
        dm_dtls_free(peer->dtls);
    }
}

static unsigned
n_open_files(void)
{
    g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(folder) != NULL) {
        n++;
    }
    return n;
}

/* Returns how many packets the engine took. */
static uint64_t
run_calls(DmMedia *media, unsigned n)
{
    uint64_t n_taken = 0;

    for (unsigned done = 0; done < n; done += N_AT_ONCE) {
        Call calls[N_AT_ONCE] = {0};

        for (unsigned i = 0; i < N_AT_ONCE; i++) {
            begin(media, &calls[i]);
        }
        for (unsigned i = 0; i < 2 * N_AT_ONCE; i++) {
            Peer *peer = &calls[i / 2].peer[i % 2];

            if (peer->dtls != NULL) {
                shake_hands(peer);
            }
        }
        for (unsigned i = 0; i < 2 * N_AT_ONCE * PACKETS_A_CALL; i++) {
            speak(&calls[i / 2 % N_AT_ONCE].peer[i % 2], i / 2 / N_AT_ONCE);
        }
        for (unsigned i = 0; i < N_AT_ONCE; i++) {
            end(&calls[i]);
        }
        for (unsigned i = 0; i < N_AT_ONCE; i++) {
            g_autofree DmMediaEvent *last = g_async_queue_timeout_pop(ended, WATCHDOG_US);

            g_assert_nonnull(last);
            n_taken += last->report.side[0].rx_packets + last->report.side[1].rx_packets;
            g_assert_cmpuint(last->report.side[0].rx_srtp_auth, ==, 0);
            g_assert_cmpuint(last->report.side[1].rx_srtp_auth, ==, 0);
        }
    }
    return n_taken;
}

static int64_t
stat_of(DmMedia *media, DmMediaStat stat)
{
    return dm_counter_value(&dm_media_counters(media).values[stat]);
}

/* Ports rest for a millisecond after a call. */
static void
wait_for_ports(DmMedia *media)
{
    int64_t until_us = g_get_monotonic_time() + WATCHDOG_US;

    while (stat_of(media, DM_MEDIA_STAT_ports_used) > 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, until_us);
        g_thread_yield();
    }
}

static void
test_everything_is_given_back(void)
{
    const char *wanted = g_getenv("DM_SOAK_CALLS");
    unsigned n = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : DEFAULT_CALLS;
    DmMedia *media = new_media();
    unsigned n_files;
    uint64_t n_taken;

    g_test_summary("Calls with random codecs, packet lengths, losses and keys: sessions, "
                   "transcoders, ports and descriptors are all back at the end");

    n = MAX(n - n % N_AT_ONCE, N_AT_ONCE);
    ended = g_async_queue_new();
    identity = dm_dtls_identity_new(NULL);
    g_assert_nonnull(identity);
    run_calls(media, N_AT_ONCE); /* what is made once is made */
    n_files = n_open_files();
    n_taken = run_calls(media, n);
    g_test_message("%u calls, %" G_GUINT64_FORMAT " packets taken", n, n_taken);
    /* Some come before the agreement does, and with codecs of no use to the other side. */
    g_assert_cmpuint(n_taken, >, n * PACKETS_A_CALL / 4);
    wait_for_ports(media);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_sessions), ==, n + N_AT_ONCE);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_sessions_active), ==, 0);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_transcoding), ==, 0);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_recordings_active), ==, 0);
    g_assert_cmpuint(n_open_files(), ==, n_files);
    g_async_queue_unref(ended);
    dm_dtls_identity_unref(identity);
    dm_media_free(media);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    (void)dm_codec_load_g729("libbcg729.so.0", NULL); /* passed on only without it */
    g_test_add_func("/media/soak/given-back", test_everything_is_given_back);
    return g_test_run();
}
