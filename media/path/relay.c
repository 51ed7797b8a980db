/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/relay.h"

static uint32_t
rescale(uint32_t timestamp, uint32_t from_hz, uint32_t to_hz)
{
    return from_hz == to_hz ? timestamp : (uint32_t)((uint64_t)timestamp * to_hz / from_hz);
}

void
dm_stage_relay(DmPacket *packet, DmRtpContinuity *out)
{
    const DmPathRule *rule = &packet->rule;
    bool was_marked = packet->rtp.marker;

    packet->rtp.pt = rule->pt_out;
    packet->rtp.timestamp = rescale(packet->rtp.timestamp, rule->clock_in_hz, rule->clock_out_hz);
    dm_rtp_continuity_next(out,
                           &packet->rtp,
                           rule->clock_out_hz,
                           (rule->ops & DM_PATH_EVENT) != 0,
                           packet->now_us);
    /* RFC 3551, 4.1: a marker is for speech that begins. */
    packet->rtp.marker = rule->codec == DM_CODEC_CN ? was_marked : packet->rtp.marker;
    dm_rtp_rewrite(packet->bytes, &packet->rtp);
}
