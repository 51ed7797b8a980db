/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "media/rtp/bytes.h"
#include "media/rtp/rtcp.h"

#define OURS 0x11223344u

/* A sender report on two streams, the second ours, with SDES and BYE. */
static const uint8_t compound[] = {
    0x82, 200, 0,    18,   0xaa, 0xaa, 0xaa, 0xaa, /* SR of 2 blocks */
    0xe0, 0,   0x12, 0x34, 0x56, 0x78, 0,    0,    0,  0, 0,    1,    0,    0,    0,  2,    0,
    0,    0,   3,    0,    0,    0,    9,    1,    0,  0, 1,    0,    0,    0,    1,  0,    0,
    0,    1,   0,    0,    0,    1,    0,    0,    0,  1, 0x11, 0x22, 0x33, 0x44, 64, 0xff, 0xff,
    0xfe, 0,   1,    0,    7,    0,    0,    0,    80, 0, 1,    0,    0,    0,    0,  0x80, 0,
    0x81, 202, 0,    2,    0xaa, 0xaa, 0xaa, 0xaa, 1,  1, 'x',  0, /* SDES */
    0x81, 203, 0,    1,    0xaa, 0xaa, 0xaa, 0xaa,                 /* BYE */
};

static void
test_block_about_us_is_found(void)
{
    DmRtcpInfo info;

    g_test_summary("RFC 3550, 6.4.1: sender report, the block of our SSRC, goodbye");

    g_assert_cmpint(dm_rtcp_parse(compound, sizeof compound, OURS, &info), ==, DM_RTCP_OK);
    g_assert_cmphex(info.sender, ==, 0xaaaaaaaa);
    g_assert_true(info.has_sr);
    g_assert_cmphex(info.sr_ntp_middle, ==, 0x12345678);
    g_assert_true(info.has_block);
    g_assert_cmpuint(info.block.fraction_lost, ==, 64);
    g_assert_cmpint(info.block.lost, ==, -2);
    g_assert_cmphex(info.block.highest, ==, 0x10007);
    g_assert_cmpuint(info.block.jitter, ==, 80);
    g_assert_cmphex(info.block.last_sr, ==, 0x10000);
    g_assert_cmphex(info.block.since_sr, ==, 0x8000);
    g_assert_true(info.has_bye);

    g_assert_cmpint(dm_rtcp_parse(compound, sizeof compound, 5, &info), ==, DM_RTCP_OK);
    g_assert_false(info.has_block);
}

static DmRtcpVerdict
verdict_with(size_t at, uint8_t value, size_t len)
{
    uint8_t bytes[sizeof compound];
    DmRtcpInfo info;

    memcpy(bytes, compound, sizeof bytes);
    bytes[at] = value;
    return dm_rtcp_parse(bytes, len, OURS, &info);
}

static void
test_broken_compounds_are_told_apart(void)
{
    size_t whole = sizeof compound;

    g_test_summary("RFC 3550, A.2");

    g_assert_cmpint(verdict_with(0, 0x42, whole), ==, DM_RTCP_BAD_VERSION);
    g_assert_cmpint(verdict_with(76, 0x41, whole), ==, DM_RTCP_BAD_VERSION);
    g_assert_cmpint(verdict_with(1, 202, whole), ==, DM_RTCP_NOT_REPORT);
    g_assert_cmpint(verdict_with(0, 0x83, whole), ==, DM_RTCP_TOO_SHORT); /* a third block */
    g_assert_cmpint(verdict_with(3, 0, whole), ==, DM_RTCP_TOO_SHORT);    /* no room for an SSRC */
    g_assert_cmpint(verdict_with(0, 0xa2, whole), ==, DM_RTCP_BAD_PADDING);
    g_assert_cmpint(verdict_with(0, 0x82, whole - 1), ==, DM_RTCP_TOO_SHORT);
    g_assert_cmpint(verdict_with(0, 0x82, 0), ==, DM_RTCP_TOO_SHORT);
    g_assert_cmpint(verdict_with(0, 0x82, 76), ==, DM_RTCP_OK);
}

static void
test_voip_metrics_cross(void)
{
    DmRtcpReport report = {.ssrc = 7, .has_block = true, .has_voip = true, .cname = "c"};
    uint8_t bytes[DM_RTCP_MAX];
    DmRtcpInfo info;
    size_t len;

    g_test_summary("RFC 3611, 4.7: after SR or RR and SDES; about our stream only; blocks of other "
                   "types are passed over, and one that is too long is refused");

    report.voip = (DmVoipMetrics){
        .ssrc = OURS,
        .loss_rate = 13,
        .burst_ms = 240,
        .round_trip_ms = 81,
        .r_factor = 78,
        .mos_cq_x10 = 39,
        .buffer_max_ms = 200,
        .signal_dbm = -19,
        .gmin = 16,
        .config = 0xb2,
        .buffer_limit_ms = 240,
    };
    len = dm_rtcp_build(bytes, &report);
    g_assert_cmpuint(len % 4, ==, 0);
    g_assert_cmpint(dm_rtcp_parse(bytes, len, OURS, &info), ==, DM_RTCP_OK);
    g_assert_true(info.has_voip);
    g_assert_cmpuint(info.voip.loss_rate, ==, 13);
    g_assert_cmpuint(info.voip.burst_ms, ==, 240);
    g_assert_cmpuint(info.voip.round_trip_ms, ==, 81);
    g_assert_cmpuint(info.voip.r_factor, ==, 78);
    g_assert_cmpuint(info.voip.mos_cq_x10, ==, 39);
    g_assert_cmpuint(info.voip.buffer_max_ms, ==, 200);
    g_assert_cmpint(info.voip.signal_dbm, ==, -19);
    g_assert_cmpuint(info.voip.gmin, ==, 16);
    g_assert_cmphex(info.voip.config, ==, 0xb2);
    g_assert_cmpuint(info.voip.buffer_limit_ms, ==, 240);
    g_assert_cmpint(dm_rtcp_parse(bytes, len, 5, &info), ==, DM_RTCP_OK);
    g_assert_false(info.has_voip);

    bytes[len - 36] = 4; /* another type of block */
    g_assert_cmpint(dm_rtcp_parse(bytes, len, OURS, &info), ==, DM_RTCP_OK);
    g_assert_false(info.has_voip);
    bytes[len - 33] = 9; /* words more than there are */
    g_assert_cmpint(dm_rtcp_parse(bytes, len, OURS, &info), ==, DM_RTCP_TOO_SHORT);
}

static void
test_what_we_build_we_understand(void)
{
    DmRtcpReport report = {
        .ssrc = 7,
        .is_sender = true,
        .ntp = UINT64_C(0xe0000012345678ff),
        .has_block = true,
        .block = {.ssrc = OURS, .lost = -5, .highest = 99, .jitter = 3, .fraction_lost = 1},
        .is_bye = true,
    };
    uint8_t bytes[DM_RTCP_MAX];
    DmRtcpInfo info;
    size_t len;

    /* Every length of the name, for its padding. */
    for (size_t n = 0; n < DM_RTCP_CNAME_MAX; n++) {
        memset(report.cname, 0, sizeof report.cname);
        memset(report.cname, 'n', n);
        len = dm_rtcp_build(bytes, &report);
        g_assert_cmpuint(len, <=, sizeof bytes);
        g_assert_cmpint(dm_rtcp_parse(bytes, len, OURS, &info), ==, DM_RTCP_OK);
        g_assert_cmphex(info.sr_ntp_middle, ==, 0x00123456);
        g_assert_cmpint(info.block.lost, ==, -5);
        g_assert_true(info.has_bye);
    }
    report.is_sender = report.has_block = report.is_bye = false;
    len = dm_rtcp_build(bytes, &report);
    g_assert_cmpint(dm_rtcp_parse(bytes, len, OURS, &info), ==, DM_RTCP_OK);
    g_assert_cmpuint(bytes[1], ==, 201);
    g_assert_false(info.has_sr || info.has_block || info.has_bye);
}

static void
test_round_trip(void)
{
    DmRtcpBlock block = {.last_sr = 0x10000, .since_sr = 0x8000};

    g_test_summary("RFC 3550, 6.4.1: arrival less last SR less delay since it");

    g_assert_cmpuint(dm_rtcp_round_trip_us(&block, 0x18000 + 65536 / 4), ==, 250000);
    g_assert_cmpuint(dm_rtcp_round_trip_us(&block, 0x17fff), ==, 0); /* before it was sent */
    block.last_sr = 0;
    g_assert_cmpuint(dm_rtcp_round_trip_us(&block, 0x18000), ==, 0);
}

static void
test_ntp_time(void)
{
    g_assert_cmphex(dm_ntp_from_wall_us(0), ==, UINT64_C(2208988800) << 32);
    g_assert_cmphex(dm_ntp_from_wall_us(500000) & 0xffffffff, ==, 0x80000000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtcp/parse", test_block_about_us_is_found);
    g_test_add_func("/rtcp/broken", test_broken_compounds_are_told_apart);
    g_test_add_func("/rtcp/build", test_what_we_build_we_understand);
    g_test_add_func("/rtp/rtcp/voip-metrics", test_voip_metrics_cross);
    g_test_add_func("/rtcp/round-trip", test_round_trip);
    g_test_add_func("/rtcp/ntp", test_ntp_time);
    return g_test_run();
}
