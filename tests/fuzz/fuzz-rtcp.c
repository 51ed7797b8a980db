/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram as RTCP. What is understood is said again by us and means the same. */
#include <glib.h>

#include "media/rtp/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t ssrc = size >= 12 ? (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 |
                                     (uint32_t)data[10] << 8 | data[11]
                               : 0;
    DmRtcpInfo info;
    DmRtcpInfo again;
    DmRtcpReport report = {0};
    uint8_t bytes[DM_RTCP_MAX];
    size_t len;

    if (dm_rtcp_parse(data, size, ssrc, &info) != DM_RTCP_OK) {
        return 0;
    }
    dm_rtcp_round_trip_us(&info.block, info.sr_ntp_middle);
    report.ssrc = info.sender;
    report.is_sender = info.has_sr;
    report.ntp = (uint64_t)info.sr_ntp_middle << 16;
    report.has_block = info.has_block;
    report.block = info.block;
    report.is_bye = info.has_bye;
    report.has_voip = info.has_voip;
    report.voip = info.voip;
    len = dm_rtcp_build(bytes, &report);
    g_assert_cmpuint(len, <=, sizeof bytes);
    g_assert_cmpint(dm_rtcp_parse(bytes, len, ssrc, &again), ==, DM_RTCP_OK);
    g_assert_cmpuint(again.sender, ==, info.sender);
    g_assert_cmpint(again.has_sr, ==, info.has_sr);
    g_assert_cmpint(again.has_block, ==, info.has_block);
    g_assert_cmpint(again.has_bye, ==, info.has_bye);
    g_assert_cmpint(again.has_voip, ==, info.has_voip);
    g_assert_cmpuint(again.voip.gap_ms, ==, info.voip.gap_ms);
    g_assert_cmpuint(again.voip.mos_cq_x10, ==, info.voip.mos_cq_x10);
    g_assert_cmpint(again.block.lost, ==, info.block.lost);
    g_assert_cmpuint(again.block.since_sr, ==, info.block.since_sr);
    return 0;
}
