/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "media/path/reorder.h"
#include "media/spec.h"

/* The jitter buffer of a stream that is decoded (MED-7): packets are played in order, as far apart
 * as the peer sent them, with a delay that follows the network (arrival.h). No packet is dropped
 * because it is late: it is played at once, and what follows it keeps its distance. One that is
 * missing is waited for until the next is due, and no shorter than the smallest delay; one that
 * comes after that is dropped.
 *
 * On a network without jitter packets are played as they come, and nothing is delayed. It has no
 * clock: input and tick tell it the time, and it tells when it wants to be told. Made, it does not
 * allocate. */
typedef struct DmJitter DmJitter;

DmJitter *dm_jitter_new(const DmJitterBounds *bounds, DmReorderFunc play, void *user_data);
void dm_jitter_free(DmJitter *jitter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmJitter, dm_jitter_free)

/* @clock_hz: of its timestamp; 0: it tells nothing of when it was sent (the events of one key
 * press share theirs). @payload: copied if it has to wait. Returns false for one that came twice,
 * or after its turn. */
bool dm_jitter_input(DmJitter *jitter,
                     const DmRtpPacket *rtp,
                     const uint8_t *payload,
                     uint32_t clock_hz,
                     int64_t now_us);

/* Plays what is due. */
void dm_jitter_tick(DmJitter *jitter, int64_t now_us);
/* When that is; G_MAXINT64: nothing waits. */
int64_t dm_jitter_due_us(const DmJitter *jitter);

/* By how much packets that were not delayed on the way are held back now. */
int64_t dm_jitter_delay_us(const DmJitter *jitter);
