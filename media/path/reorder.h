/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "media/rtp/packet.h"

/* Puts the packets of one stream in order before they are decoded (MED-7). What comes in order is
 * played at once: nothing here adds delay to a stream without holes. Behind a hole packets are held
 * for as long as the missing one may still come: from 20 ms, longer after one has come too late, up
 * to 200 ms; shorter again after quiet times. Driven by packets, without a clock of its own. */
typedef struct DmReorder DmReorder;

#define DM_REORDER_MIN_US INT64_C(20000)
#define DM_REORDER_MAX_US INT64_C(200000)

/* A packet whose turn it is. @n_lost: numbers missing right before it; they will not be played any
 * more. @is_new_source: its numbers and timestamps have nothing to do with those before. @rtp and
 * @payload live until it returns. */
typedef struct {
    DmRtpPacket rtp;
    const uint8_t *payload;
    unsigned n_lost;
    bool is_new_source;
} DmPlayed;
typedef void (*DmReorderFunc)(const DmPlayed *played, void *user_data);

DmReorder *dm_reorder_new(DmReorderFunc play, void *user_data);
void dm_reorder_free(DmReorder *reorder);

/* @payload: copied if it has to wait. Returns false for one that came twice, or after its turn. */
bool dm_reorder_input(DmReorder *reorder,
                      const DmRtpPacket *rtp,
                      const uint8_t *payload,
                      int64_t now_us);

/* How long a hole is left open at present. */
int64_t dm_reorder_window_us(const DmReorder *reorder);
