/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/stage.h"

/* Digits out of RFC 4733 events: a key press is one event, however many packets tell of it
 * (repeats, three end packets, segments of a press too long for one), and its timestamp is what
 * tells presses apart, with or without a marker (DTMF-4). All zero: nothing heard yet. */
typedef struct {
    uint32_t timestamp; /* of the press or segment heard last */
    uint16_t duration;  /* longest heard of it */
    uint8_t event;
    bool started;
    bool ended;
} DmDtmfReceiver;

/* Another stream begins: its timestamps are not to be compared with those before. */
void dm_dtmf_receiver_reset(DmDtmfReceiver *receiver);

/* Returns the key of a press not heard of before (see DmKeyMethod), or 0. Events beyond (tones) are
 * relayed and not reported. */
char dm_dtmf_receive(DmDtmfReceiver *receiver, const DmPacket *packet);

/* Durations are in timestamp units: those of the other side's clock (DTMF-1). */
void dm_stage_dtmf(DmPacket *packet);
