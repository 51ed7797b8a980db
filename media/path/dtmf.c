/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/dtmf.h"

#include <glib.h>

#include "media/rtp/bytes.h"

/* RFC 4733, 2.3: event, end bit and volume, duration. */
#define BLOCK_LEN    4
#define END_BIT      0x80
#define MAX_DURATION UINT16_MAX

static const char digits[] = "0123456789*#ABCD!"; /* by event; flash is 16 */

void
dm_dtmf_receiver_reset(DmDtmfReceiver *receiver)
{
    *receiver = (DmDtmfReceiver){0};
}

/* RFC 4733, 2.5.1.3: a press too long for 16 bits goes on in a segment that begins where the last
 * one was full. */
static bool
is_next_segment(const DmDtmfReceiver *receiver, uint8_t event, uint32_t timestamp)
{
    return receiver->started && !receiver->ended && event == receiver->event &&
           receiver->duration == MAX_DURATION && timestamp - receiver->timestamp == MAX_DURATION;
}

static bool
is_new_press(const DmDtmfReceiver *receiver, uint8_t event, uint32_t timestamp)
{
    int32_t later = (int32_t)(timestamp - receiver->timestamp);

    if (!receiver->started) {
        return true;
    }
    /* Two keys under one timestamp break the RFC, and are two keys all the same. */
    return later > 0 || (later == 0 && event != receiver->event);
}

char
dm_dtmf_receive(DmDtmfReceiver *receiver, const DmPacket *packet)
{
    const uint8_t *block = dm_packet_payload(packet);
    uint32_t timestamp = packet->rtp.timestamp;
    bool is_end;
    bool is_segment;
    uint16_t duration;

    if (packet->rtp.payload_len < BLOCK_LEN) {
        return 0;
    }
    is_end = (block[1] & END_BIT) != 0;
    duration = dm_get_u16(block + 2);
    is_segment = is_next_segment(receiver, block[0], timestamp);
    if (!is_segment && !is_new_press(receiver, block[0], timestamp)) {
        if (timestamp == receiver->timestamp) {
            receiver->duration = MAX(receiver->duration, duration);
            receiver->ended = receiver->ended || is_end;
        }
        return 0;
    }
    *receiver = (DmDtmfReceiver){timestamp, duration, block[0], true, is_end};
    return !is_segment && block[0] < sizeof digits - 1 ? digits[block[0]] : 0;
}

void
dm_stage_dtmf(DmPacket *packet)
{
    const DmPathRule *rule = &packet->rule;
    uint8_t *payload = dm_packet_payload(packet);

    if (rule->clock_in_hz == rule->clock_out_hz) {
        return;
    }
    for (size_t at = 0; at + BLOCK_LEN <= packet->rtp.payload_len; at += BLOCK_LEN) {
        uint64_t duration = dm_get_u16(payload + at + 2);

        duration = duration * rule->clock_out_hz / rule->clock_in_hz;
        dm_put_u16(payload + at + 2, (uint16_t)MIN(duration, MAX_DURATION));
    }
}
