/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/media.h"
#include "media/net/ports.h"
#include "media/net/worker.h"
#include "media/stats.h"

typedef struct {
    DmMediaPool spec;
    DmPorts *ports;
} DmMediaPoolState;

struct DmMedia {
    /* set when made */
    DmMediaPoolState *pools;
    unsigned n_pools;
    DmWorker **workers;
    unsigned n_workers;
    struct DmRecorder *recorder;
    struct DmDtlsKeeper *keeper;

    /* any thread */
    DmCounter stats[DM_MEDIA_N_STATS];
};

/* The worker with the fewest sessions, one more counted on it. */
DmWorker *dm_media_choose_worker(DmMedia *media);
