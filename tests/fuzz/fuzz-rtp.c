/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram as RTP: what parses lies inside the datagram, survives being rewritten, and goes
 * through every stage without leaving it. */
#include <glib.h>
#include <string.h>

#include "media/path/dtmf.h"
#include "media/path/relay.h"
#include "media/path/transcode.h"
#include "media/rtp/packet.h"
#include "media/rtp/sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_stages(const uint8_t *data, size_t size, const DmRtpPacket *rtp, uint8_t ops)
{
    g_autofree uint8_t *bytes = g_memdup2(data, size);
    DmPacket packet = {
        .bytes = bytes,
        .len = size,
        .rtp = *rtp,
        .rule = {.pt_out = 96, .ops = ops, .clock_in_hz = 8000, .clock_out_hz = 48000},
        .now_us = 1000000,
    };
    DmDtmfReceiver receiver = {0};
    DmRtpContinuity out;
    DmRtpPacket after;
    char digit = dm_dtmf_receive(&receiver, &packet);

    g_assert_true(digit == 0 || strchr("0123456789*#ABCD!", digit) != NULL);
    g_assert_cmpint(dm_dtmf_receive(&receiver, &packet), ==, 0);
    dm_rtp_continuity_init(&out, 77, 1000, 2000);
    dm_stage_dtmf(&packet);
    dm_stage_transcode(&packet);
    dm_stage_relay(&packet, &out);
    g_assert_cmpint(dm_rtp_parse(bytes, size, &after), ==, DM_RTP_OK);
    g_assert_cmpuint(after.ssrc, ==, 77);
    g_assert_cmpuint(after.pt, ==, 96);
    g_assert_cmpuint(after.sequence, ==, 1001);
    g_assert_cmpuint(after.payload_offset, ==, rtp->payload_offset);
    g_assert_cmpuint(after.payload_len, ==, rtp->payload_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DmRtpPacket packet;
    DmRtpSequence sequence = {0};

    dm_rtp_is_rtcp(data, size);
    if (dm_rtp_parse(data, size, &packet) != DM_RTP_OK) {
        return 0;
    }
    g_assert_cmpuint(packet.pt, <, 128);
    g_assert_cmpuint(packet.payload_offset, >=, DM_RTP_HEADER_LEN);
    g_assert_cmpuint((size_t)packet.payload_offset + packet.payload_len, <=, size);
    check_stages(data, size, &packet, DM_PATH_FORWARD | DM_PATH_EVENT);
    check_stages(data, size, &packet, DM_PATH_FORWARD | DM_PATH_TO_ALAW);

    /* Any run of numbers: never more received than expected, so never negative loss. */
    for (size_t i = 0; i + 1 < size; i += 2) {
        dm_rtp_sequence_input(&sequence, packet.ssrc, (uint16_t)(data[i] << 8 | data[i + 1]));
        g_assert_cmpuint(sequence.received, <=, dm_rtp_sequence_expected(&sequence));
    }
    return 0;
}
