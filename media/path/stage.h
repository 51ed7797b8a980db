/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/path/plan.h"
#include "media/rtp/packet.h"

/* A packet on its way through the stages: the datagram as it came, which the stages change in
 * place, and what is known of it. It lives on the stack of the worker. A stage takes a packet,
 * changes it, and says whether it goes on. */
typedef struct {
    uint8_t *bytes;
    size_t len;
    DmRtpPacket rtp; /* host order; written back into @bytes by the last stage */
    DmPathRule rule;
    int64_t now_us;
} DmPacket;

static inline uint8_t *
dm_packet_payload(const DmPacket *packet)
{
    return packet->bytes + packet->rtp.payload_offset;
}
