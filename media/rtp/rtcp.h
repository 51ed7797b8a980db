/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/spec.h"

/* RTCP as far as a gateway that ends it on both sides needs it (RFC 3550, 6): what a peer reports
 * of itself and of us, and our own compound packets. */

/* Why a datagram was not RTCP we can use. */
typedef enum {
    DM_RTCP_OK,
    DM_RTCP_TOO_SHORT,   /* for what its headers say */
    DM_RTCP_BAD_VERSION, /* not 2, in any packet of the compound */
    DM_RTCP_BAD_PADDING, /* anywhere but in the last packet, or more than there is */
    DM_RTCP_NOT_REPORT,  /* does not begin with a sender or receiver report (A.2) */
} DmRtcpVerdict;

/* One report block (6.4.1). */
typedef struct {
    uint32_t ssrc;     /* of the stream reported on */
    int32_t lost;      /* in all; negative with duplicates; 24 bits */
    uint32_t highest;  /* extended sequence number */
    uint32_t jitter;   /* in timestamp units */
    uint32_t last_sr;  /* middle 32 bits of the NTP time of the last sender report seen; 0: none */
    uint32_t since_sr; /* since then, in 1/65536 s */
    uint8_t fraction_lost; /* of 256, since the last report */
} DmRtcpBlock;

/* What a compound packet says. */
typedef struct {
    uint32_t sender; /* SSRC of whoever sent the first report */
    bool has_sr;
    uint32_t sr_ntp_middle; /* for the block we send back */
    bool has_block;         /* there is one about our stream */
    DmRtcpBlock block;
    bool has_bye;
    bool has_voip; /* about our stream */
    DmVoipMetrics voip;
} DmRtcpInfo;

/* @our_ssrc: of the stream whose report block is wanted. @out_info is written on DM_RTCP_OK only.
 */
DmRtcpVerdict dm_rtcp_parse(const uint8_t *bytes,
                            size_t len,
                            uint32_t our_ssrc,
                            DmRtcpInfo *out_info);

#define DM_RTCP_CNAME_MAX 32
#define DM_RTCP_MAX       (28 + 24 + 12 + DM_RTCP_CNAME_MAX + 4 + 44 + 8)

/* What we say: SR or RR, SDES with nothing but CNAME, XR where it was agreed, and BYE at the end.
 */
typedef struct {
    uint32_t ssrc;
    bool is_sender; /* sent since the last report: SR */
    uint64_t ntp;
    uint32_t rtp_timestamp;
    uint32_t packets;
    uint32_t octets;
    bool has_block;
    DmRtcpBlock block;
    bool has_voip;
    DmVoipMetrics voip;
    bool is_bye;
    char cname[DM_RTCP_CNAME_MAX]; /* with NUL */
} DmRtcpReport;

/* Returns the length written. */
size_t dm_rtcp_build(uint8_t bytes[DM_RTCP_MAX], const DmRtcpReport *report);

/* NTP's 32.32 fixed point seconds since 1900 of a wall time. */
uint64_t dm_ntp_from_wall_us(int64_t wall_us);
static inline uint32_t
dm_ntp_middle(uint64_t ntp)
{
    return (uint32_t)(ntp >> 16);
}

/* Round trip (6.4.1) in microseconds from a block that came at @now_middle; 0 when it cannot be
 * told: the peer has seen no report of ours yet, or the numbers make no sense. */
uint32_t dm_rtcp_round_trip_us(const DmRtcpBlock *block, uint32_t now_middle);
