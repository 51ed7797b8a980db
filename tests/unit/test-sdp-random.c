/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "gateway/base/random.h"
#include "tests/lib/sdp-check.h"

/* Random offers, answers and policies; what we make of them must hold in every case. */

#define N_EXCHANGES 10000

static const char *const maps[] = {
    "PCMU/8000",
    "PCMA/8000",
    "G729/8000",
    "opus/48000/2",
    "telephone-event/8000",
    "telephone-event/48000",
    "AMR/8000",
    "AMR-WB/16000",
    "G722/8000",
    "GSM/8000",
    "speex/16000",
    "CN/8000",
};
static const char *const types[] = {"audio", "audio", "audio", "video"};
static const char *const protos[] =
    {"RTP/AVP", "RTP/AVP", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "a/b"};
static const char *const attributes[] = {
    "a=sendonly",
    "a=recvonly",
    "a=inactive",
    "a=sendrecv",
    "a=ptime:30",
    "a=maxptime:40",
    "a=rtcp-mux",
    "a=rtcp-xr:voip-metrics",
    "a=rtcp:9",
    "c=IN IP4 0.0.0.0",
    "c=IN IP6 2001:db8::1",
};

static const char *
pick(DmRandom *random, const char *const *from, size_t n)
{
    return from[dm_random_range(random, 0, (int64_t)n - 1)];
}

static void
write_line(DmRandom *random, GString *text)
{
    static const unsigned static_pts[] = {0, 8, 3, 9, 18, 13, 4};
    g_autoptr(GString) rtpmaps = g_string_new(NULL);
    unsigned port = dm_random_range(random, 0, 5) == 0 ? 0 : 4000;

    g_string_append_printf(text, "m=%s %u ", pick(random, types, G_N_ELEMENTS(types)), port);
    g_string_append(text, pick(random, protos, G_N_ELEMENTS(protos)));
    for (int64_t i = dm_random_range(random, 1, 8); i > 0; i--) {
        if (dm_random_range(random, 0, 1) == 0) {
            g_string_append_printf(
                text,
                " %u",
                static_pts[dm_random_range(random, 0, G_N_ELEMENTS(static_pts) - 1)]);
        } else {
            unsigned pt = (unsigned)dm_random_range(random, 94, 127);

            g_string_append_printf(text, " %u", pt);
            g_string_append_printf(rtpmaps,
                                   "a=rtpmap:%u %s\r\n",
                                   pt,
                                   pick(random, maps, G_N_ELEMENTS(maps)));
        }
    }
    g_string_append_printf(text, "\r\n%s", rtpmaps->str);
    for (int64_t i = dm_random_range(random, 0, 2); i > 0; i--) {
        g_string_append_printf(text, "%s\r\n", pick(random, attributes, G_N_ELEMENTS(attributes)));
    }
}

static DmSdp *
random_sdp(DmRandom *random)
{
    g_autoptr(GString) text =
        g_string_new("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");

    for (int64_t i = dm_random_range(random, 1, 3); i > 0; i--) {
        write_line(random, text);
    }
    return dm_sdp_parse(text->str, text->len, NULL);
}

static void
random_policy(DmRandom *random, DmSdpPolicy *policy, DmCodec codecs[4])
{
    static const DmCodec all[] = {DM_CODEC_PCMU,
                                  DM_CODEC_PCMA,
                                  DM_CODEC_G729,
                                  DM_CODEC_OPUS,
                                  DM_CODEC_G722,
                                  DM_CODEC_OTHER,
                                  DM_CODEC_CN,
                                  DM_CODEC_GSM};

    for (unsigned i = 0; i < 4; i++) {
        codecs[i] = all[dm_random_range(random, 0, G_N_ELEMENTS(all) - 1)];
    }
    *policy = (DmSdpPolicy){
        .codecs = codecs,
        .n_codecs = (unsigned)dm_random_range(random, 1, 4),
        .transcode = dm_random_range(random, 0, 1) == 1,
        .ptime_ms = dm_random_range(random, 0, 1) == 1 ? 20 : 0,
        .dtmf_pt = (uint8_t)(dm_random_range(random, 0, 1) == 1 ? 101 : 96),
    };
    g_assert_true(dm_address_parse(&policy->local_rtp, "203.0.113.5", 30000));
}

static void
test_exchanges(void)
{
    const char *given = g_getenv("DM_SIM_SEED");
    uint64_t seed = given != NULL ? g_ascii_strtoull(given, NULL, 10) : g_random_int();
    g_autoptr(DmRandom) random = dm_random_new_seeded(seed);
    unsigned n_usable = 0;

    g_test_message("seed %" G_GUINT64_FORMAT, seed);
    for (unsigned i = 0; i < N_EXCHANGES; i++) {
        g_autoptr(DmSdp) offer = random_sdp(random);
        g_autoptr(DmSdp) answer = random_sdp(random);
        g_autoptr(DmSdp) across = NULL;
        DmCodec a_codecs[4];
        DmCodec b_codecs[4];
        DmSdpPolicy a;
        DmSdpPolicy b;

        random_policy(random, &a, a_codecs);
        random_policy(random, &b, b_codecs);
        g_assert_nonnull(offer);
        g_assert_nonnull(answer);
        check_exchange(offer, answer, &a, &b);
        check_exchange(offer, NULL, &a, &b);
        n_usable += dm_sdp_offer_across(offer, &b, NULL, &across) == DM_SDP_OK;
    }
    g_assert_cmpuint(n_usable, >, N_EXCHANGES / 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp/random/exchanges", test_exchanges);
    return g_test_run();
}
