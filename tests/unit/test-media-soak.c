/* SPDX-License-Identifier: Apache-2.0 */
/* Short calls with any codec on either side, one after the other and a few at a time, on real
 * sockets: at the end everything is where it was. 150 calls; DM_SOAK_CALLS says otherwise. */
#include <glib.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media/dsp/codec.h"
#include "media/net/socket.h"
#include "media/rtp/packet.h"
#include "media/session.h"
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
    {DM_CODEC_OTHER, 18, 8000, 1},
};

typedef struct {
    DmMediaSession *session;
    int fd[DM_N_SIDES];
    const Codec *codec[DM_N_SIDES];
    DmEncoder *encoder[DM_N_SIDES];
} Call;

static GAsyncQueue *ended;

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
    DmMediaPool pool = {.port_min = 41000, .port_max = 41399};
    DmMediaOptions options = {.n_workers = 2, .pools = &pool, .n_pools = 1, .quarantine_ms = 1};
    g_autoptr(GError) error = NULL;
    DmMedia *media;

    dm_address_parse(&pool.address, "127.0.0.1", 0);
    media = dm_media_new(&options, &error);
    g_assert_no_error(error);
    return media;
}

/* @side's codec, and events: the agreement of an ordinary trunk. */
static void
agree(Call *call, DmSide side, DmMediaSideSpec *spec)
{
    const Codec *codec = call->codec[side];
    DmMediaFormat voice = {.codec = codec->codec,
                           .pt = codec->pt,
                           .clock_hz = codec->clock_hz,
                           .channels = codec->channels};
    DmMediaFormat events = {.codec = DM_CODEC_TELEPHONE_EVENT, .pt = 101, .clock_hz = 8000};
    socklen_t len = sizeof spec->remote_rtp;
    DmAddress any;

    g_strlcpy(voice.name, "any", sizeof voice.name);
    dm_address_parse(&any, "127.0.0.1", 0);
    call->fd[side] = dm_udp_open(&any, 0);
    g_assert_cmpint(getsockname(call->fd[side], &spec->remote_rtp.any, &len), ==, 0);
    spec->direction = DM_MEDIA_BOTH;
    spec->ptime_ms = (uint16_t)(10 * g_test_rand_int_range(1, 5));
    spec->recv[0] = spec->send[0] = voice;
    spec->recv[1] = spec->send[1] = events;
    spec->n_recv = spec->n_send = 2;
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
        const DmCodecType *type;

        call->codec[side] = &codecs[g_test_rand_int_range(0, G_N_ELEMENTS(codecs))];
        type = dm_codec_type(call->codec[side]->codec);
        call->encoder[side] =
            type != NULL ? dm_encoder_new(type, DM_NARROW_HZ, &(DmEncoderWishes){0}) : NULL;
        agree(call, side, &spec.side[side]);
    }
    dm_media_session_update(call->session, &spec);
}

/* One packet of @side's, of 20 ms; now and then one is lost. */
static void
speak(Call *call, DmSide side, unsigned i)
{
    static const int16_t silence[160];
    uint8_t bytes[DM_RTP_HEADER_LEN + DM_CODEC_MAX_BYTES] = {0};
    const DmAddress *to = dm_media_session_local(call->session, side);
    DmRtpPacket packet = {
        .ssrc = 1 + side,
        .sequence = (uint16_t)i,
        .timestamp = i * call->codec[side]->clock_hz / 50,
        .pt = call->codec[side]->pt,
    };
    size_t len =
        call->encoder[side] != NULL
            ? dm_encoder_encode(call->encoder[side], silence, 160, bytes + DM_RTP_HEADER_LEN)
            : 20;

    dm_rtp_build(bytes, &packet);
    if (g_test_rand_int_range(0, 10) > 0) {
        (void)
            sendto(call->fd[side], bytes, DM_RTP_HEADER_LEN + len, 0, &to->any, dm_address_len(to));
    }
}

static void
end(Call *call)
{
    dm_media_session_close(call->session);
    for (DmSide side = 0; side < DM_N_SIDES; side++) {
        close(call->fd[side]);
        dm_encoder_free(call->encoder[side]);
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
        for (unsigned i = 0; i < N_AT_ONCE * PACKETS_A_CALL; i++) {
            speak(&calls[i % N_AT_ONCE], DM_SIDE_A, i / N_AT_ONCE);
            speak(&calls[i % N_AT_ONCE], DM_SIDE_B, i / N_AT_ONCE);
        }
        for (unsigned i = 0; i < N_AT_ONCE; i++) {
            end(&calls[i]);
        }
        for (unsigned i = 0; i < N_AT_ONCE; i++) {
            g_autofree DmMediaEvent *last = g_async_queue_timeout_pop(ended, WATCHDOG_US);

            g_assert_nonnull(last);
            n_taken += last->report.side[0].rx_packets + last->report.side[1].rx_packets;
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

    g_test_summary("Calls with random codecs, packet lengths and losses: sessions, transcoders, "
                   "ports and descriptors are all back at the end");

    n = MAX(n - n % N_AT_ONCE, N_AT_ONCE);
    ended = g_async_queue_new();
    run_calls(media, N_AT_ONCE); /* what is made once is made */
    n_files = n_open_files();
    n_taken = run_calls(media, n);
    /* Some come before the agreement does, and with codecs of no use to the other side. */
    g_assert_cmpuint(n_taken, >, n * PACKETS_A_CALL / 4);
    wait_for_ports(media);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_sessions), ==, n + N_AT_ONCE);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_sessions_active), ==, 0);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_transcoding), ==, 0);
    g_assert_cmpint(stat_of(media, DM_MEDIA_STAT_recordings_active), ==, 0);
    g_assert_cmpuint(n_open_files(), ==, n_files);
    g_async_queue_unref(ended);
    dm_media_free(media);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/media/soak/given-back", test_everything_is_given_back);
    return g_test_run();
}
