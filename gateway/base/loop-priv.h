/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/loop.h"

/* Something that other threads fill and the loop empties once a turn; embedded in its owner. */
typedef struct DmLoopSource {
    struct DmLoopSource *prev, *next;
    bool (*is_ready)(struct DmLoopSource *source);
    void (*run)(struct DmLoopSource *source);
} DmLoopSource;

/* The loop's thread, or before it runs. A source may be removed inside any callback of the loop. */
void dm_loop_add_source(DmLoop *loop, DmLoopSource *source);
void dm_loop_remove_source(DmLoop *loop, DmLoopSource *source);

/* Any thread: ends the loop's sleep if it sleeps, or is about to. */
void dm_loop_wake(DmLoop *loop);
