/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtp/packet.h"

#include "media/rtp/bytes.h"

#define VERSION       2
#define PADDING_BIT   0x20
#define EXTENSION_BIT 0x10
#define CSRC_MASK     0x0f
#define MARKER_BIT    0x80
#define MAX_DATAGRAM  UINT16_MAX

/* Where the payload begins: behind the CSRC list and the extension. 0: the datagram ends before
 * that. */
static size_t
payload_start(const uint8_t *bytes, size_t len)
{
    size_t start = DM_RTP_HEADER_LEN + 4u * (bytes[0] & CSRC_MASK);

    if (bytes[0] & EXTENSION_BIT) {
        if (start + 4 > len) {
            return 0;
        }
        start += 4 + 4u * dm_get_u16(bytes + start + 2);
    }
    return start <= len ? start : 0;
}

DmRtpVerdict
dm_rtp_parse(const uint8_t *bytes, size_t len, DmRtpPacket *out_packet)
{
    size_t start;
    size_t padding = 0;

    if (len < DM_RTP_HEADER_LEN || len > MAX_DATAGRAM) {
        return DM_RTP_TOO_SHORT;
    }
    if (bytes[0] >> 6 != VERSION) {
        return DM_RTP_BAD_VERSION;
    }
    start = payload_start(bytes, len);
    if (start == 0) {
        return DM_RTP_TOO_SHORT;
    }
    if (bytes[0] & PADDING_BIT) {
        padding = start < len ? bytes[len - 1] : 0;
        if (padding == 0 || padding > len - start) {
            return DM_RTP_BAD_PADDING;
        }
    }
    *out_packet = (DmRtpPacket){
        .timestamp = dm_get_u32(bytes + 4),
        .ssrc = dm_get_u32(bytes + 8),
        .sequence = dm_get_u16(bytes + 2),
        .payload_offset = (uint16_t)start,
        .payload_len = (uint16_t)(len - start - padding),
        .pt = bytes[1] & ~MARKER_BIT,
        .marker = (bytes[1] & MARKER_BIT) != 0,
    };
    return DM_RTP_OK;
}

void
dm_rtp_rewrite(uint8_t *bytes, const DmRtpPacket *packet)
{
    bytes[1] = (uint8_t)(packet->pt | (packet->marker ? MARKER_BIT : 0));
    dm_put_u16(bytes + 2, packet->sequence);
    dm_put_u32(bytes + 4, packet->timestamp);
    dm_put_u32(bytes + 8, packet->ssrc);
}

void
dm_rtp_build(uint8_t bytes[DM_RTP_HEADER_LEN], const DmRtpPacket *packet)
{
    bytes[0] = VERSION << 6;
    dm_rtp_rewrite(bytes, packet);
}

bool
dm_rtp_is_rtcp(const uint8_t *bytes, size_t len)
{
    return len >= 2 && bytes[1] >= 192 && bytes[1] <= 223;
}
