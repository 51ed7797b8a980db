/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/loop.h"
#include "gateway/base/random.h"
#include "gateway/call/media-ops.h"

/* Media without packets, for simulations: ports are numbers, and events come when a virtual clock
 * says so. It holds calls to the contract: an update or report after close fails the test. */
typedef struct SimMedia SimMedia;

SimMedia *sim_media_new(DmLoop *loop, DmRandom *random);
void sim_media_free(SimMedia *media);
/* From now on there is always a port, and nobody falls silent. */
void sim_media_set_perfect(SimMedia *media);
const DmMediaOps *sim_media_ops(void);
/* Opened and not yet told to be closed, or closed and the last event still to come. */
size_t sim_media_n_open(const SimMedia *media);
