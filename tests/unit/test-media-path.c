/* SPDX-License-Identifier: Apache-2.0 */
/* The stages and decisions of the media path, each on its own: bytes and values in, bytes and
 * values out. */
#include <glib.h>
#include <string.h>

#include "media/path/activity.h"
#include "media/path/dtmf.h"
#include "media/path/key-once.h"
#include "media/path/latch.h"
#include "media/path/plan.h"
#include "media/path/relay.h"
#include "media/path/transcode.h"
#include "media/session.h"

#define SEC INT64_C(1000000)

static DmMediaFormat
format(DmCodec codec, uint8_t pt, uint32_t clock_hz)
{
    return (DmMediaFormat){.codec = codec, .pt = pt, .channels = 1, .clock_hz = clock_hz};
}

/*
 * Plan
 */

static void
test_plan_finds_the_others_number(void)
{
    DmMediaSideSpec from = {.n_recv = 3,
                            .recv = {format(DM_CODEC_PCMU, 0, 8000),
                                     format(DM_CODEC_OPUS, 111, 48000),
                                     format(DM_CODEC_TELEPHONE_EVENT, 101, 8000)}};
    DmMediaSideSpec to = {.n_send = 4,
                          .send = {format(DM_CODEC_PCMA, 8, 8000),
                                   format(DM_CODEC_TELEPHONE_EVENT, 97, 48000),
                                   format(DM_CODEC_TELEPHONE_EVENT, 96, 8000),
                                   format(DM_CODEC_OPUS, 120, 48000)}};
    DmPathPlan plan;

    g_test_summary(
        "MED-1: each side has its own numbers; events go by clock, G.711 to the other law");

    dm_path_plan(&plan, &from, &to);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 0)->pt_out, ==, 8);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 0)->ops, ==, DM_PATH_FORWARD | DM_PATH_TO_ALAW);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 111)->pt_out, ==, 120);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 111)->ops, ==, DM_PATH_FORWARD);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 101)->pt_out, ==, 96);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 101)->ops, ==, DM_PATH_FORWARD | DM_PATH_EVENT);
    g_assert_null(dm_path_plan_rule(&plan, 8));
    g_assert_cmpuint(dm_path_plan_clock_out(&plan), ==, 8000);
}

static void
test_plan_relays_what_both_have_before_it_transcodes(void)
{
    DmMediaSideSpec from = {.n_recv = 1, .recv = {format(DM_CODEC_PCMA, 8, 8000)}};
    DmMediaSideSpec to = {
        .n_send = 2,
        .send = {format(DM_CODEC_PCMU, 0, 8000), format(DM_CODEC_PCMA, 108, 8000)}};
    DmPathPlan plan;

    dm_path_plan(&plan, &from, &to);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 8)->pt_out, ==, 108);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 8)->ops, ==, DM_PATH_FORWARD);
}

static void
test_plan_knows_lengths(void)
{
    static const struct {
        unsigned ptime_ms, maxptime_ms, len;
        bool keeps;
    } cases[] = {
        {0, 0, 160, true},
        {0, 0, 960, true},
        {20, 0, 160, true},
        {20, 0, 240, false},
        {20, 0, 80, false},
        {0, 10, 160, false},
        {0, 10, 80, true},
        {0, 150, 240, true},
        {20, 10, 80, true}, /* it contradicts itself: the bound counts */
        {20, 10, 160, false},
    };
    DmMediaSideSpec from = {
        .n_recv = 2,
        .recv = {format(DM_CODEC_PCMU, 0, 8000), format(DM_CODEC_GSM, 3, 8000)}};
    DmMediaSideSpec to = {.n_send = 2,
                          .send = {format(DM_CODEC_PCMU, 0, 8000), format(DM_CODEC_GSM, 3, 8000)}};
    DmPathPlan plan;

    g_test_summary("MED-1, RFC 8866, 6.1 and 6.2: G.711 as long as the peer wants it, whether the "
                   "other law or the same; other codecs are not decoded for that");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        to.ptime_ms = (uint16_t)cases[i].ptime_ms;
        to.maxptime_ms = (uint16_t)cases[i].maxptime_ms;
        dm_path_plan(&plan, &from, &to);
        g_assert_true(dm_path_plan_keeps_length(&plan, cases[i].len) == cases[i].keeps);
        g_assert_true((dm_path_plan_rule(&plan, 0)->ops == DM_PATH_FORWARD) ==
                      (to.ptime_ms == 0 && to.maxptime_ms == 0));
        g_assert_cmpuint(dm_path_plan_rule(&plan, 3)->ops, ==, DM_PATH_FORWARD);
    }
    from.recv[0] =
        format(DM_CODEC_GSM, 3, 8000); /* the best they have: not given up for a length */
    from.recv[1] = format(DM_CODEC_PCMU, 0, 8000);
    dm_path_plan(&plan, &from, &to);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 0)->ops, ==, DM_PATH_FORWARD);
}

static void
test_plan_knows_unnamed_codecs_by_name(void)
{
    DmMediaSideSpec from = {
        .n_recv = 2,
        .recv = {format(DM_CODEC_OTHER, 98, 16000), format(DM_CODEC_CN, 13, 8000)}};
    DmMediaSideSpec to = {.n_send = 1, .send = {format(DM_CODEC_OTHER, 99, 16000)}};
    DmPathPlan plan;

    g_strlcpy(from.recv[0].name, "SILK", sizeof from.recv[0].name);
    g_strlcpy(to.send[0].name, "silk", sizeof to.send[0].name);
    dm_path_plan(&plan, &from, &to);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 98)->pt_out, ==, 99);
    /* MED-9: passed on only if both have it; else there is noise */
    g_assert_cmphex(dm_path_plan_rule(&plan, 13)->ops, ==, DM_PATH_NOISE);

    g_strlcpy(to.send[0].name, "iLBC", sizeof to.send[0].name);
    dm_path_plan(&plan, &from, &to);
    g_assert_cmpuint(dm_path_plan_rule(&plan, 98)->ops, ==, 0);
}

/*
 * Events
 */

static char
hear(DmDtmfReceiver *receiver, uint32_t timestamp, uint8_t event, bool is_end, uint16_t duration)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + 4] = {0};
    DmPacket packet = {
        .bytes = bytes,
        .len = sizeof bytes,
        .rtp = {.timestamp = timestamp, .payload_offset = DM_RTP_HEADER_LEN, .payload_len = 4},
    };

    bytes[12] = event;
    bytes[13] = is_end ? 0x80 : 0;
    bytes[14] = (uint8_t)(duration >> 8);
    bytes[15] = (uint8_t)duration;
    return dm_dtmf_receive(receiver, &packet);
}

static void
test_a_press_is_one_digit_however_it_arrives(void)
{
    DmDtmfReceiver receiver = {0};

    g_test_summary(
        "DTMF-4: presses are told apart by timestamp, whatever is lost, doubled or late");

    g_assert_cmpint(hear(&receiver, 1000, 5, false, 160), ==, '5');
    g_assert_cmpint(hear(&receiver, 1000, 5, false, 320), ==, 0);
    g_assert_cmpint(hear(&receiver, 1000, 5, true, 800), ==, 0);
    g_assert_cmpint(hear(&receiver, 1000, 5, true, 800), ==, 0);
    g_assert_cmpint(hear(&receiver, 2600, 5, true, 800), ==, '5'); /* only an end came */
    g_assert_cmpint(hear(&receiver, 1000, 5, true, 800), ==, 0);   /* late */
    g_assert_cmpint(hear(&receiver, 4200, 11, false, 160), ==, '#');
    g_assert_cmpint(hear(&receiver, 5000, 16, false, 160), ==, DM_KEY_FLASH);
    g_assert_cmpint(hear(&receiver, 6000, 32, false, 160), ==, 0); /* answer tone */
    g_assert_cmpint(hear(&receiver, 6000, 15, false, 160), ==, 'D');
}

static void
test_a_long_press_is_one_digit(void)
{
    DmDtmfReceiver receiver = {0};

    g_test_summary(
        "RFC 4733, 2.5.1.3: beyond 8 s a press goes on in a segment with a new timestamp");

    g_assert_cmpint(hear(&receiver, 1000, 1, false, 160), ==, '1');
    g_assert_cmpint(hear(&receiver, 1000, 1, false, 0xffff), ==, 0);
    g_assert_cmpint(hear(&receiver, 1000 + 0xffff, 1, false, 160), ==, 0);
    g_assert_cmpint(hear(&receiver, 1000 + 0xffff, 1, true, 800), ==, 0);
    g_assert_cmpint(hear(&receiver, 1000 + 2 * 0xffff, 1, false, 160), ==, '1');
}

static void
test_durations_are_in_the_others_clock(void)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + 8] = {0x80, 0, 0, 0, 0, 0,  0, 0, 0,    0,
                                            0,    0, 1, 0, 3, 32, 2, 0, 0xff, 0xff};
    DmPacket packet = {
        .bytes = bytes,
        .len = sizeof bytes,
        .rtp = {.payload_offset = DM_RTP_HEADER_LEN, .payload_len = 8},
        .rule = {.clock_in_hz = 8000, .clock_out_hz = 48000},
    };

    g_test_summary(
        "DTMF-1: 100 ms are 800 at 8 kHz and 4800 at 48 kHz; what does not fit stays at the most");

    dm_stage_dtmf(&packet);
    g_assert_cmpuint(bytes[14] << 8 | bytes[15], ==, 4800);
    g_assert_cmpuint(bytes[18] << 8 | bytes[19], ==, 0xffff);
}

/*
 * Latch
 */

typedef struct {
    DmLatch latch;
    DmRtpPacket packet;
} Learner;

static DmAddress
address(const char *text)
{
    DmAddress a;

    g_assert_true(dm_address_parse_with_port(&a, text, 0));
    return a;
}

static void
learn_from(Learner *learner, const char *signalled, DmNatPolicy nat)
{
    DmAddress a = address(signalled);

    memset(learner, 0, sizeof *learner);
    g_assert_true(dm_latch_update(&learner->latch, &a, nat, SEC));
}

static DmLatchOutcome
packet_from(Learner *learner, const char *from, int64_t at_us)
{
    DmAddress a = address(from);

    learner->packet.sequence++;
    return dm_latch_input(&learner->latch, &a, &learner->packet, at_us);
}

static void
test_signalled_address_is_pinned_at_once(void)
{
    Learner learner;

    learn_from(&learner, "192.0.2.1:4000", DM_NAT_ANY);
    g_assert_cmpint(packet_from(&learner, "192.0.2.1:4000", SEC), ==, DM_LATCH_ACCEPT);
    for (unsigned i = 0; i < 10; i++) {
        g_assert_cmpint(packet_from(&learner, "192.0.2.9:9", SEC), ==, DM_LATCH_FOREIGN);
    }
}

static void
test_policy_says_who_may_be_learned(void)
{
    static const struct {
        DmNatPolicy nat;
        const char *from;
        DmLatchOutcome third;
    } cases[] = {
        {DM_NAT_NEVER, "192.0.2.1:4002", DM_LATCH_FOREIGN},
        {DM_NAT_PREFIX, "192.0.2.1:4002", DM_LATCH_MOVED},
        {DM_NAT_PREFIX, "192.0.2.200:9", DM_LATCH_MOVED},
        {DM_NAT_PREFIX, "192.0.3.1:4000", DM_LATCH_FOREIGN},
        {DM_NAT_PREFIX, "[2001:db8::1]:4000", DM_LATCH_FOREIGN},
        {DM_NAT_ANY, "198.51.100.1:4000", DM_LATCH_MOVED},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Learner learner;

        learn_from(&learner, "192.0.2.1:4000", cases[i].nat);
        packet_from(&learner, cases[i].from, SEC);
        packet_from(&learner, cases[i].from, SEC);
        g_assert_cmpint(packet_from(&learner, cases[i].from, SEC), ==, cases[i].third);
        g_assert_cmpint(learner.latch.pinned, ==, cases[i].third == DM_LATCH_MOVED);
    }
}

static void
test_ipv6_prefix_is_64(void)
{
    Learner learner;

    learn_from(&learner, "[2001:db8::1]:4000", DM_NAT_PREFIX);
    g_assert_cmpint(packet_from(&learner, "[2001:db8:0:1::1]:4000", SEC), ==, DM_LATCH_FOREIGN);
    g_assert_cmpint(packet_from(&learner, "[2001:db8::2]:4000", SEC), ==, DM_LATCH_LEARNING);
}

static void
test_proof_is_in_a_row(void)
{
    Learner learner;

    g_test_summary(
        "Three in a row of one source, one SSRC and consecutive numbers; the signalled one wins");

    learn_from(&learner, "192.0.2.1:4000", DM_NAT_ANY);
    packet_from(&learner, "192.0.2.8:1", SEC);
    packet_from(&learner, "192.0.2.8:1", SEC);
    g_assert_cmpint(packet_from(&learner, "192.0.2.9:1", SEC), ==, DM_LATCH_LEARNING);
    packet_from(&learner, "192.0.2.8:1", SEC);
    learner.packet.sequence += 7;
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", SEC), ==, DM_LATCH_LEARNING);
    learner.packet.ssrc++;
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", SEC), ==, DM_LATCH_LEARNING);
    g_assert_cmpint(packet_from(&learner, "192.0.2.1:4000", SEC), ==, DM_LATCH_ACCEPT);
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", SEC), ==, DM_LATCH_FOREIGN);
}

static void
test_window_closes_and_opens_with_offer_and_answer(void)
{
    Learner learner;
    DmAddress same = address("192.0.2.1:4000");
    DmAddress other = address("192.0.2.1:5000");

    learn_from(&learner, "192.0.2.1:4000", DM_NAT_ANY);
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", 5 * SEC), ==, DM_LATCH_FOREIGN);

    g_assert_false(dm_latch_update(&learner.latch, &same, DM_NAT_ANY, 10 * SEC));
    packet_from(&learner, "192.0.2.8:1", 11 * SEC);
    packet_from(&learner, "192.0.2.8:1", 11 * SEC);
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", 11 * SEC), ==, DM_LATCH_MOVED);

    /* A refresh moves nobody; another address does. */
    g_assert_false(dm_latch_update(&learner.latch, &same, DM_NAT_ANY, 20 * SEC));
    g_assert_cmpint(packet_from(&learner, "192.0.2.9:1", 20 * SEC), ==, DM_LATCH_FOREIGN);
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", 20 * SEC), ==, DM_LATCH_ACCEPT);
    g_assert_true(dm_latch_update(&learner.latch, &other, DM_NAT_ANY, 30 * SEC));
    g_assert_cmpint(packet_from(&learner, "192.0.2.9:1", 30 * SEC), ==, DM_LATCH_LEARNING);
}

static void
test_peer_without_an_address_is_learned_only_with_policy_any(void)
{
    DmAddress none = {0};
    Learner learner = {0};

    dm_latch_update(&learner.latch, &none, DM_NAT_PREFIX, SEC);
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", SEC), ==, DM_LATCH_FOREIGN);
    dm_latch_update(&learner.latch, &none, DM_NAT_ANY, SEC);
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:1", SEC), ==, DM_LATCH_LEARNING);
}

static void
test_other_phones_of_the_same_call(void)
{
    DmMediaSideSpec spec = {.n_rivals = 1, .rivals = {address("192.0.2.8:4000")}};
    Learner learner;

    g_test_summary("SIG-9 MED-4: another phone is never learned as the peer, whatever the policy; "
                   "where the first to be heard counts, it may be, however late");
    learn_from(&learner, "192.0.2.1:4000", DM_NAT_ANY);
    dm_latch_set_rivals(&learner.latch, &spec);
    for (unsigned i = 0; i < 5; i++) {
        g_assert_cmpint(packet_from(&learner, "192.0.2.8:4000", SEC), ==, DM_LATCH_FOREIGN);
    }
    spec.hear_rivals = true;
    dm_latch_set_rivals(&learner.latch, &spec);
    packet_from(&learner, "192.0.2.8:4000", 30 * SEC);
    packet_from(&learner, "192.0.2.8:4000", 30 * SEC);
    g_assert_cmpint(packet_from(&learner, "192.0.2.8:4000", 30 * SEC), ==, DM_LATCH_MOVED);
    dm_latch_clear(&learner.latch);
}

/*
 * Activity and verdict
 */

static void
test_who_must_speak(void)
{
    g_test_summary("MED-6: talking, on hold, and who is exempt");

    g_assert_cmpuint(dm_activity_limit_ms(DM_MEDIA_BOTH, DM_MEDIA_BOTH, 60, 1800), ==, 60);
    g_assert_cmpuint(dm_activity_limit_ms(DM_MEDIA_RECV, DM_MEDIA_SEND, 60, 1800), ==, 1800);
    g_assert_cmpuint(dm_activity_limit_ms(DM_MEDIA_SEND, DM_MEDIA_RECV, 60, 1800), ==, 0);
    g_assert_cmpuint(dm_activity_limit_ms(DM_MEDIA_INACTIVE, DM_MEDIA_INACTIVE, 60, 1800),
                     ==,
                     1800);
    g_assert_cmpuint(dm_activity_limit_ms(DM_MEDIA_INACTIVE, DM_MEDIA_BOTH, 60, 1800), ==, 0);
}

static void
test_verdict_is_of_the_first_seconds(void)
{
    DmMediaSpec spec = {0};
    DmMediaReport report = {.answered_mono_us = 100 * SEC};
    DmMediaSideReport *a = &report.side[DM_SIDE_A];
    DmMediaSideReport *b = &report.side[DM_SIDE_B];

    g_test_summary(
        "MED-5: packets after the answer, at most 5 s after it; early media alone is not enough");

    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_UNKNOWN);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        spec.side[side].direction = DM_MEDIA_BOTH;
        spec.side[side].n_recv = 1;
    }
    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_NONE);

    *a = (DmMediaSideReport){.rx_packets = 9,
                             .first_rx_mono_us = 101 * SEC,
                             .last_rx_mono_us = 110 * SEC};
    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_A_ONLY);
    *b = (DmMediaSideReport){.rx_packets = 9,
                             .first_rx_mono_us = 90 * SEC,
                             .last_rx_mono_us = 99 * SEC};
    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_A_ONLY);
    b->last_rx_mono_us = 101 * SEC;
    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_BOTH);
    a->first_rx_mono_us = 106 * SEC;
    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_B_ONLY);
    spec.side[DM_SIDE_A].direction = DM_MEDIA_SEND; /* was not to send */
    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_BOTH);
    report.answered_mono_us = 0;
    g_assert_cmpint(dm_media_verdict(&report, &spec, 110 * SEC), ==, DM_AUDIO_UNKNOWN);
    g_assert_cmpstr(dm_media_verdict_name(DM_AUDIO_B_ONLY), ==, "b_only");
    g_assert_cmpstr(dm_codec_name(DM_CODEC_PCMA), ==, "PCMA");
}

/*
 * Keys told in several ways
 */

#define MS INT64_C(1000)

static void
test_a_press_told_twice_is_one(void)
{
    DmKeyOnce once = {0};

    g_test_summary("Interop 3: the same key in another way within 200 ms is the same press, once");

    g_assert_true(dm_key_once_press(&once, '5', DM_KEYS_EVENTS, 1000 * MS));
    g_assert_false(dm_key_once_press(&once, '5', DM_KEYS_SIGNALLED, 1100 * MS));
    g_assert_true(dm_key_once_press(&once, '5', DM_KEYS_SIGNALLED, 1150 * MS));
    g_assert_false(dm_key_once_press(&once, '5', DM_KEYS_EVENTS, 1160 * MS));

    g_assert_true(dm_key_once_press(&once, '5', DM_KEYS_EVENTS, 2000 * MS));
    g_assert_true(dm_key_once_press(&once, '5', DM_KEYS_EVENTS, 2100 * MS)); /* pressed again */
    g_assert_true(dm_key_once_press(&once, '6', DM_KEYS_SIGNALLED, 2110 * MS));
    g_assert_true(dm_key_once_press(&once, '6', DM_KEYS_TONES, 2311 * MS)); /* too late for one */
}

static void
test_the_window_begins_when_the_key_is_up(void)
{
    DmKeyOnce once = {0};

    g_test_summary("INFO at the end of a press of a second tells of that press");

    g_assert_true(dm_key_once_press(&once, '5', DM_KEYS_EVENTS, 1000 * MS));
    for (int64_t at_us = 1000 * MS; at_us <= 2000 * MS; at_us += 20 * MS) {
        dm_key_once_lasts(&once, DM_KEYS_EVENTS, at_us);
    }
    g_assert_false(dm_key_once_press(&once, '5', DM_KEYS_SIGNALLED, 2190 * MS));
}

static void
test_plan_follows_the_way_of_keys(void)
{
    DmMediaFormat voice = format(DM_CODEC_PCMU, 0, 8000);
    DmMediaFormat event = format(DM_CODEC_TELEPHONE_EVENT, 101, 8000);
    DmMediaSideSpec with = {.n_recv = 2,
                            .n_send = 2,
                            .recv = {voice, event},
                            .send = {voice, event}};
    DmMediaSideSpec without = {.n_recv = 1, .n_send = 1, .recv = {voice}, .send = {voice}};
    DmPathPlan plan;

    g_test_summary(
        "DTMF-2, DTMF-3: events to events, to tones, to signalling, or nowhere; and back");

    dm_path_plan(&plan, &without, &with);
    g_assert_true(plan.hears_keys);
    g_assert_cmpuint(plan.event_pt, ==, 101);
    without.keys = DM_KEYS_SIGNALLED; /* its keys come by INFO */
    dm_path_plan(&plan, &without, &with);
    g_assert_false(plan.hears_keys);
    g_assert_cmpuint(plan.event_pt, ==, 101);

    dm_path_plan(&plan, &with, &without);
    g_assert_cmphex(dm_path_plan_rule(&plan, 101)->ops, ==, DM_PATH_EVENT); /* told, not passed */
    g_assert_cmphex(dm_path_plan_rule(&plan, 0)->ops, ==, DM_PATH_FORWARD);
    g_assert_false(plan.makes_tones);
    without.keys = DM_KEYS_EVENTS;
    dm_path_plan(&plan, &with, &without);
    g_assert_cmphex(dm_path_plan_rule(&plan, 101)->ops, ==, DM_PATH_EVENT);
    without.keys = DM_KEYS_TONES;
    dm_path_plan(&plan, &with, &without);
    g_assert_true(dm_path_plan_rule(&plan, 101)->ops & DM_PATH_TONES);
    g_assert_true(plan.makes_tones);

    with = without;
    with.keys = DM_KEYS_SIGNALLED;
    dm_path_plan(&plan, &without, &with);
    g_assert_true(plan.hears_keys);
    g_assert_cmpuint(plan.event_pt, ==, 0);
}

/*
 * Relay
 */

static bool
is_marked(DmRtpContinuity *out, DmCodec codec, uint16_t sequence, uint32_t timestamp)
{
    uint8_t bytes[DM_RTP_HEADER_LEN] = {0};
    DmPacket packet = {
        .bytes = bytes,
        .len = sizeof bytes,
        .rtp = {.sequence = sequence, .timestamp = timestamp, .ssrc = 7},
        .rule = {.ops = DM_PATH_FORWARD,
                 .codec = (uint8_t)codec,
                 .clock_in_hz = 8000,
                 .clock_out_hz = 8000},
        .now_us = timestamp * SEC / 8000,
    };

    dm_stage_relay(&packet, out);
    return packet.rtp.marker;
}

static void
test_speech_that_begins_is_marked(void)
{
    DmRtpContinuity out;

    g_test_summary("MED-3 MED-9, RFC 3551, 4.1: speech after a pause has a marker, comfort noise "
                   "has none, wherever it comes");

    dm_rtp_continuity_init(&out, 99, 1, 2);
    g_assert_false(is_marked(&out, DM_CODEC_CN, 1, 0));
    g_assert_false(is_marked(&out, DM_CODEC_PCMU, 2, 160));
    g_assert_false(is_marked(&out, DM_CODEC_CN, 3, 320));
    g_assert_false(is_marked(&out, DM_CODEC_CN, 4, 8320));
    g_assert_true(is_marked(&out, DM_CODEC_PCMU, 5, 16320));
    g_assert_false(is_marked(&out, DM_CODEC_PCMU, 6, 16480));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/media/plan/numbers", test_plan_finds_the_others_number);
    g_test_add_func("/media/plan/relay-first",
                    test_plan_relays_what_both_have_before_it_transcodes);
    g_test_add_func("/media/path/plan/lengths", test_plan_knows_lengths);
    g_test_add_func("/media/plan/by-name", test_plan_knows_unnamed_codecs_by_name);
    g_test_add_func("/media/relay/marker", test_speech_that_begins_is_marked);
    g_test_add_func("/media/dtmf/press", test_a_press_is_one_digit_however_it_arrives);
    g_test_add_func("/media/dtmf/long", test_a_long_press_is_one_digit);
    g_test_add_func("/media/dtmf/clock", test_durations_are_in_the_others_clock);
    g_test_add_func("/media/keys/once", test_a_press_told_twice_is_one);
    g_test_add_func("/media/keys/window", test_the_window_begins_when_the_key_is_up);
    g_test_add_func("/media/keys/ways", test_plan_follows_the_way_of_keys);
    g_test_add_func("/media/latch/signalled", test_signalled_address_is_pinned_at_once);
    g_test_add_func("/media/latch/policy", test_policy_says_who_may_be_learned);
    g_test_add_func("/media/latch/ipv6", test_ipv6_prefix_is_64);
    g_test_add_func("/media/latch/proof", test_proof_is_in_a_row);
    g_test_add_func("/media/latch/window", test_window_closes_and_opens_with_offer_and_answer);
    g_test_add_func("/media/latch/no-address",
                    test_peer_without_an_address_is_learned_only_with_policy_any);
    g_test_add_func("/media/latch/other-phones", test_other_phones_of_the_same_call);
    g_test_add_func("/media/activity", test_who_must_speak);
    g_test_add_func("/media/verdict", test_verdict_is_of_the_first_seconds);
    return g_test_run();
}
