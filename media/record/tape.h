/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/rtp/packet.h"
#include "media/spec.h"

/* Copies of packets on their way from a media worker to the recorder: one producer, one consumer,
 * no lock, bounded. A packet that does not fit is dropped, and the worker never waits. */
typedef struct {
    uint8_t *bytes;
    char padding_before[64];
    _Atomic size_t head; /* written so far; the producer's */
    char padding_between[64];
    _Atomic size_t tail; /* read so far; the consumer's */
    char padding_after[64];
} DmTape;

/* What 2000 ms of two streams of G.711 take, and much more of other codecs. */
#define DM_TAPE_BYTES (64 * 1024)

/* A packet as it was accepted from a peer, its payload right behind. */
typedef struct {
    int64_t now_us;
    DmRtpPacket rtp;
    uint32_t clock_hz;
    uint16_t size; /* of the entry, with payload */
    uint8_t side;  /* DmSide; DM_TAPE_WRAP: no packet, the next entry is at the start */
    uint8_t codec; /* DmCodec */
} DmTapeEntry;

#define DM_TAPE_WRAP 0xff

void dm_tape_init(DmTape *tape);
void dm_tape_clear(DmTape *tape);

/* Producer. @entry's size is filled in here. False: no room. */
bool dm_tape_push(DmTape *tape, const DmTapeEntry *entry, const uint8_t *payload);

/* Consumer. The oldest entry, which stays until dm_tape_next(); NULL: none. */
const DmTapeEntry *dm_tape_peek(DmTape *tape);
void dm_tape_next(DmTape *tape);
