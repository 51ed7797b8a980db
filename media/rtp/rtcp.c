/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtp/rtcp.h"

#include <glib.h>
#include <string.h>

#include "media/rtp/bytes.h"

#define VERSION     2
#define PADDING_BIT 0x20
#define COUNT_MASK  0x1f

#define PT_SR   200
#define PT_RR   201
#define PT_SDES 202
#define PT_BYE  203
#define PT_XR   207

#define XR_VOIP       7
#define XR_VOIP_WORDS 8 /* behind its first */
#define SDES_CNAME    1

#define HEADER_LEN      4
#define SENDER_INFO_LEN 20
#define BLOCK_LEN       24

/* Seconds from 1900 to 1970. */
#define NTP_EPOCH UINT64_C(2208988800)

/* A round trip beyond this is a peer that counts wrongly. */
#define MAX_ROUND_TRIP (30u << 16)

/* One packet of a compound. */
typedef struct {
    const uint8_t *bytes;
    size_t len; /* with header */
    uint8_t type;
    uint8_t count;
} Packet;

static DmRtcpVerdict
next_packet(const uint8_t *bytes, size_t left, Packet *out)
{
    size_t len;

    if (left < HEADER_LEN) {
        return DM_RTCP_TOO_SHORT;
    }
    if (bytes[0] >> 6 != VERSION) {
        return DM_RTCP_BAD_VERSION;
    }
    len = HEADER_LEN + 4u * dm_get_u16(bytes + 2);
    if (len > left) {
        return DM_RTCP_TOO_SHORT;
    }
    if (bytes[0] & PADDING_BIT) {
        size_t padding = bytes[len - 1];

        if (len != left || padding == 0 || padding % 4 != 0 || padding > len - HEADER_LEN) {
            return DM_RTCP_BAD_PADDING;
        }
    }
    *out = (Packet){bytes, len, bytes[1], bytes[0] & COUNT_MASK};
    return DM_RTCP_OK;
}

static DmRtcpBlock
read_block(const uint8_t *bytes)
{
    return (DmRtcpBlock){
        .ssrc = dm_get_u32(bytes),
        .fraction_lost = bytes[4],
        .lost = (int32_t)(dm_get_u24(bytes + 5) << 8) >> 8,
        .highest = dm_get_u32(bytes + 8),
        .jitter = dm_get_u32(bytes + 12),
        .last_sr = dm_get_u32(bytes + 16),
        .since_sr = dm_get_u32(bytes + 20),
    };
}

static DmRtcpVerdict
read_report(const Packet *packet, uint32_t our_ssrc, DmRtcpInfo *info)
{
    size_t at = HEADER_LEN + 4 + (packet->type == PT_SR ? SENDER_INFO_LEN : 0);

    if (at + (size_t)packet->count * BLOCK_LEN > packet->len) {
        return DM_RTCP_TOO_SHORT;
    }
    if (packet->type == PT_SR) {
        info->has_sr = true;
        info->sr_ntp_middle = dm_get_u32(packet->bytes + 10);
    }
    for (unsigned i = 0; i < packet->count; i++, at += BLOCK_LEN) {
        if (dm_get_u32(packet->bytes + at) == our_ssrc) {
            info->has_block = true;
            info->block = read_block(packet->bytes + at);
        }
    }
    return DM_RTCP_OK;
}

static DmVoipMetrics
read_voip(const uint8_t *bytes)
{
    return (DmVoipMetrics){
        .known = true,
        .ssrc = dm_get_u32(bytes + 4),
        .loss_rate = bytes[8],
        .discard_rate = bytes[9],
        .burst_density = bytes[10],
        .gap_density = bytes[11],
        .burst_ms = dm_get_u16(bytes + 12),
        .gap_ms = dm_get_u16(bytes + 14),
        .round_trip_ms = dm_get_u16(bytes + 16),
        .end_system_ms = dm_get_u16(bytes + 18),
        .signal_dbm = (int8_t)bytes[20],
        .noise_dbm = (int8_t)bytes[21],
        .echo_loss_db = bytes[22],
        .gmin = bytes[23],
        .r_factor = bytes[24],
        .other_r_factor = bytes[25],
        .mos_lq_x10 = bytes[26],
        .mos_cq_x10 = bytes[27],
        .config = bytes[28],
        .buffer_nominal_ms = dm_get_u16(bytes + 30),
        .buffer_max_ms = dm_get_u16(bytes + 32),
        .buffer_limit_ms = dm_get_u16(bytes + 34),
    };
}

/* Blocks of types and lengths we do not know are passed over (RFC 3611, 3). */
static DmRtcpVerdict
read_extended(const Packet *packet, uint32_t our_ssrc, DmRtcpInfo *info)
{
    size_t at = HEADER_LEN + 4;

    while (at + 4 <= packet->len) {
        const uint8_t *block = packet->bytes + at;
        size_t len = 4 + 4u * dm_get_u16(block + 2);

        if (at + len > packet->len) {
            return DM_RTCP_TOO_SHORT;
        }
        if (block[0] == XR_VOIP && len == 4 + 4 * XR_VOIP_WORDS &&
            dm_get_u32(block + 4) == our_ssrc) {
            info->has_voip = true;
            info->voip = read_voip(block);
        }
        at += len;
    }
    return DM_RTCP_OK;
}

static bool
is_report(const Packet *packet)
{
    return packet->type == PT_SR || packet->type == PT_RR;
}

DmRtcpVerdict
dm_rtcp_parse(const uint8_t *bytes, size_t len, uint32_t our_ssrc, DmRtcpInfo *out_info)
{
    DmRtcpInfo info = {0};
    size_t at = 0;

    do {
        Packet packet;
        DmRtcpVerdict verdict = next_packet(bytes + at, len - at, &packet);

        if (verdict == DM_RTCP_OK && at == 0 && !is_report(&packet)) {
            verdict = DM_RTCP_NOT_REPORT;
        }
        if (verdict == DM_RTCP_OK && is_report(&packet)) {
            verdict = read_report(&packet, our_ssrc, &info);
        } else if (verdict == DM_RTCP_OK && packet.type == PT_XR) {
            verdict = read_extended(&packet, our_ssrc, &info);
        }
        if (verdict != DM_RTCP_OK) {
            return verdict;
        }
        info.has_bye |= packet.type == PT_BYE;
        at += packet.len;
    } while (at < len);

    info.sender = dm_get_u32(bytes + HEADER_LEN);
    *out_info = info;
    return DM_RTCP_OK;
}

static void
put_header(uint8_t *bytes, unsigned count, uint8_t type, size_t len)
{
    bytes[0] = (uint8_t)(VERSION << 6 | count);
    bytes[1] = type;
    dm_put_u16(bytes + 2, (uint16_t)(len / 4 - 1));
}

static void
put_block(uint8_t *bytes, const DmRtcpBlock *block)
{
    dm_put_u32(bytes, block->ssrc);
    bytes[4] = block->fraction_lost;
    dm_put_u24(bytes + 5, (uint32_t)CLAMP(block->lost, -0x800000, 0x7fffff) & 0xffffff);
    dm_put_u32(bytes + 8, block->highest);
    dm_put_u32(bytes + 12, block->jitter);
    dm_put_u32(bytes + 16, block->last_sr);
    dm_put_u32(bytes + 20, block->since_sr);
}

static void
put_sender_info(uint8_t *bytes, const DmRtcpReport *report)
{
    dm_put_u32(bytes, (uint32_t)(report->ntp >> 32));
    dm_put_u32(bytes + 4, (uint32_t)report->ntp);
    dm_put_u32(bytes + 8, report->rtp_timestamp);
    dm_put_u32(bytes + 12, report->packets);
    dm_put_u32(bytes + 16, report->octets);
}

static size_t
put_report(uint8_t *bytes, const DmRtcpReport *report)
{
    size_t len = HEADER_LEN;

    dm_put_u32(bytes + len, report->ssrc);
    len += 4;
    if (report->is_sender) {
        put_sender_info(bytes + len, report);
        len += SENDER_INFO_LEN;
    }
    if (report->has_block) {
        put_block(bytes + len, &report->block);
        len += BLOCK_LEN;
    }
    put_header(bytes, report->has_block ? 1 : 0, report->is_sender ? PT_SR : PT_RR, len);
    return len;
}

/* One chunk: SSRC, CNAME, and at least one zero up to the next word (6.5). */
static size_t
put_sdes(uint8_t *bytes, const DmRtcpReport *report)
{
    size_t cname_len = strnlen(report->cname, DM_RTCP_CNAME_MAX - 1);
    size_t len = HEADER_LEN + 4 + 2 + cname_len;
    size_t padded = (len + 4) & ~(size_t)3;

    dm_put_u32(bytes + HEADER_LEN, report->ssrc);
    bytes[8] = SDES_CNAME;
    bytes[9] = (uint8_t)cname_len;
    memcpy(bytes + 10, report->cname, cname_len);
    memset(bytes + len, 0, padded - len);
    put_header(bytes, 1, PT_SDES, padded);
    return padded;
}

static size_t
put_extended(uint8_t *bytes, const DmRtcpReport *report)
{
    const DmVoipMetrics *voip = &report->voip;
    uint8_t *block = bytes + HEADER_LEN + 4;
    size_t len = HEADER_LEN + 4 + 4 + 4 * XR_VOIP_WORDS;

    memset(bytes, 0, len);
    put_header(bytes, 0, PT_XR, len);
    dm_put_u32(bytes + HEADER_LEN, report->ssrc);
    block[0] = XR_VOIP;
    dm_put_u16(block + 2, XR_VOIP_WORDS);
    dm_put_u32(block + 4, voip->ssrc);
    block[8] = voip->loss_rate;
    block[9] = voip->discard_rate;
    block[10] = voip->burst_density;
    block[11] = voip->gap_density;
    dm_put_u16(block + 12, voip->burst_ms);
    dm_put_u16(block + 14, voip->gap_ms);
    dm_put_u16(block + 16, voip->round_trip_ms);
    dm_put_u16(block + 18, voip->end_system_ms);
    block[20] = (uint8_t)voip->signal_dbm;
    block[21] = (uint8_t)voip->noise_dbm;
    block[22] = voip->echo_loss_db;
    block[23] = voip->gmin;
    block[24] = voip->r_factor;
    block[25] = voip->other_r_factor;
    block[26] = voip->mos_lq_x10;
    block[27] = voip->mos_cq_x10;
    block[28] = voip->config;
    dm_put_u16(block + 30, voip->buffer_nominal_ms);
    dm_put_u16(block + 32, voip->buffer_max_ms);
    dm_put_u16(block + 34, voip->buffer_limit_ms);
    return len;
}

size_t
dm_rtcp_build(uint8_t bytes[DM_RTCP_MAX], const DmRtcpReport *report)
{
    size_t len = put_report(bytes, report);

    len += put_sdes(bytes + len, report);
    if (report->has_voip) {
        len += put_extended(bytes + len, report);
    }
    if (report->is_bye) {
        dm_put_u32(bytes + len + HEADER_LEN, report->ssrc);
        put_header(bytes + len, 1, PT_BYE, HEADER_LEN + 4);
        len += HEADER_LEN + 4;
    }
    return len;
}

uint64_t
dm_ntp_from_wall_us(int64_t wall_us)
{
    uint64_t seconds = (uint64_t)(wall_us / G_USEC_PER_SEC) + NTP_EPOCH;
    uint64_t us = (uint64_t)(wall_us % G_USEC_PER_SEC);

    return seconds << 32 | (us << 32) / G_USEC_PER_SEC;
}

uint32_t
dm_rtcp_round_trip_us(const DmRtcpBlock *block, uint32_t now_middle)
{
    uint32_t trip = now_middle - block->last_sr - block->since_sr;

    if (block->last_sr == 0 || trip > MAX_ROUND_TRIP) {
        return 0;
    }
    return (uint32_t)((uint64_t)trip * G_USEC_PER_SEC >> 16);
}
