/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "media/rtp/packet.h"

static const uint8_t plain[] = {
    0x80,
    0x88,
    0x12,
    0x34,
    0x00,
    0x00,
    0x00,
    0xa0,
    0xde,
    0xad,
    0xbe,
    0xef,
    1,
    2,
    3,
    4,
};

static void
test_header_is_read(void)
{
    DmRtpPacket packet;

    g_test_summary("RFC 3550, 5.1: marker, type, sequence, timestamp and SSRC of a plain packet");

    g_assert_cmpint(dm_rtp_parse(plain, sizeof plain, &packet), ==, DM_RTP_OK);
    g_assert_cmpint(packet.pt, ==, 8);
    g_assert_true(packet.marker);
    g_assert_cmphex(packet.sequence, ==, 0x1234);
    g_assert_cmpuint(packet.timestamp, ==, 160);
    g_assert_cmphex(packet.ssrc, ==, 0xdeadbeef);
    g_assert_cmpuint(packet.payload_offset, ==, 12);
    g_assert_cmpuint(packet.payload_len, ==, 4);
}

static void
test_csrc_extension_and_padding_are_not_payload(void)
{
    static const uint8_t bytes[] = {
        0xb2, 0x00, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, /* padding, extension, two CSRCs */
        0,    0,    0, 2, 0, 0, 0, 3,             /* CSRCs */
        0xbe, 0xde, 0, 1, 9, 9, 9, 9,             /* extension of one word */
        7,    7,    7,                            /* payload */
        0,    0,    3,                            /* padding */
    };
    DmRtpPacket packet;

    g_assert_cmpint(dm_rtp_parse(bytes, sizeof bytes, &packet), ==, DM_RTP_OK);
    g_assert_cmpuint(packet.payload_offset, ==, 28);
    g_assert_cmpuint(packet.payload_len, ==, 3);
}

static DmRtpVerdict
verdict(const char *hex_first, size_t len, uint8_t last)
{
    uint8_t bytes[32] = {0};
    DmRtpPacket packet;

    bytes[0] = (uint8_t)g_ascii_strtoull(hex_first, NULL, 16);
    bytes[len - 1] = last;
    return dm_rtp_parse(bytes, len, &packet);
}

static void
test_broken_packets_are_told_apart(void)
{
    g_assert_cmpint(verdict("80", 11, 0), ==, DM_RTP_TOO_SHORT);
    g_assert_cmpint(verdict("81", 15, 0), ==, DM_RTP_TOO_SHORT); /* half a CSRC */
    g_assert_cmpint(verdict("90", 14, 0), ==, DM_RTP_TOO_SHORT); /* half an extension header */
    g_assert_cmpint(verdict("90", 16, 9), ==, DM_RTP_TOO_SHORT); /* extension longer than all */
    g_assert_cmpint(verdict("40", 20, 0), ==, DM_RTP_BAD_VERSION);
    g_assert_cmpint(verdict("a0", 20, 0), ==, DM_RTP_BAD_PADDING);
    g_assert_cmpint(verdict("a0", 20, 9), ==, DM_RTP_BAD_PADDING);
    g_assert_cmpint(verdict("a0", 20, 8), ==, DM_RTP_OK);
    g_assert_cmpint(verdict("a0", 12, 1), ==, DM_RTP_BAD_PADDING); /* that is the SSRC */
    g_assert_cmpint(verdict("80", 12, 0), ==, DM_RTP_OK);
}

static void
test_rewriting_leaves_the_rest(void)
{
    uint8_t bytes[sizeof plain];
    DmRtpPacket packet;
    DmRtpPacket again;

    memcpy(bytes, plain, sizeof bytes);
    dm_rtp_parse(bytes, sizeof bytes, &packet);
    packet.pt = 101;
    packet.marker = false;
    packet.sequence = 0xffff;
    packet.timestamp = 0x80000001;
    packet.ssrc = 5;
    dm_rtp_rewrite(bytes, &packet);

    g_assert_cmpint(dm_rtp_parse(bytes, sizeof bytes, &again), ==, DM_RTP_OK);
    g_assert_cmpmem(&again, sizeof again, &packet, sizeof packet);
    g_assert_cmpmem(bytes + 12, 4, plain + 12, 4);

    memset(bytes, 0xff, sizeof bytes);
    dm_rtp_build(bytes, &packet);
    g_assert_cmphex(bytes[0], ==, 0x80);
    g_assert_cmphex(bytes[1], ==, 101);
}

static void
test_rtcp_is_told_from_rtp(void)
{
    g_test_summary(
        "RFC 5761, 4: with one port for both, types 192 to 223 of the second byte are RTCP");

    g_assert_true(dm_rtp_is_rtcp((const uint8_t[]){0x80, 200}, 2));
    g_assert_true(dm_rtp_is_rtcp((const uint8_t[]){0x81, 207}, 2));
    g_assert_false(dm_rtp_is_rtcp((const uint8_t[]){0x80, 0x80 | 8}, 2));
    g_assert_false(dm_rtp_is_rtcp((const uint8_t[]){0x80, 0x80 | 101}, 2));
    g_assert_false(dm_rtp_is_rtcp((const uint8_t[]){0x80}, 1));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtp/packet/header", test_header_is_read);
    g_test_add_func("/rtp/packet/beside-payload", test_csrc_extension_and_padding_are_not_payload);
    g_test_add_func("/rtp/packet/broken", test_broken_packets_are_told_apart);
    g_test_add_func("/rtp/packet/rewrite", test_rewriting_leaves_the_rest);
    g_test_add_func("/rtp/packet/rtcp-mux", test_rtcp_is_told_from_rtp);
    return g_test_run();
}
