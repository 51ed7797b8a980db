/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DM_RTP_HEADER_LEN 12

/* Why a datagram was not RTP we can use. Each is counted; none is logged. */
typedef enum {
    DM_RTP_OK,
    DM_RTP_TOO_SHORT,   /* for its own header, CSRC list or extension */
    DM_RTP_BAD_VERSION, /* not 2 */
    DM_RTP_BAD_PADDING, /* a padding count of 0, or more than there is */
} DmRtpVerdict;

/* An RTP packet as found in a datagram (RFC 3550, 5.1): a value, in host byte order. */
typedef struct {
    uint32_t timestamp;
    uint32_t ssrc;
    uint16_t sequence;
    uint16_t payload_offset; /* from the start of the datagram, behind CSRC list and extension */
    uint16_t payload_len;    /* without padding */
    uint8_t pt;
    bool marker;
} DmRtpPacket;

/* @out_packet is written on DM_RTP_OK only. */
DmRtpVerdict dm_rtp_parse(const uint8_t *bytes, size_t len, DmRtpPacket *out_packet);

/* Writes payload type, marker, sequence, timestamp and SSRC of @packet into the header at @bytes
 * and leaves everything else of it: a datagram that was parsed stays valid. */
void dm_rtp_rewrite(uint8_t *bytes, const DmRtpPacket *packet);

/* Writes a plain 12 byte header: no CSRC, no extension, no padding. */
void dm_rtp_build(uint8_t bytes[DM_RTP_HEADER_LEN], const DmRtpPacket *packet);

/* RTP or RTCP on one port (RFC 5761, 4): is this RTCP by its second byte? */
bool dm_rtp_is_rtcp(const uint8_t *bytes, size_t len);
