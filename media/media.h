/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "gateway/base/address.h"
#include "gateway/base/counters.h"

/* The media engine: worker threads, port pools, counters. */
typedef struct DmMedia DmMedia;

/* A range of UDP ports on one local address. RTP takes even ports, RTCP the odd one above. */
typedef struct {
    DmAddress address;    /* bound; port ignored */
    DmAddress advertised; /* written into SDP; not set: @address */
    uint16_t port_min, port_max;
    uint8_t dscp; /* 46 is EF */
} DmMediaPool;

typedef struct {
    unsigned n_workers; /* 0: one a core less one, at least one */
    const DmMediaPool *pools;
    unsigned n_pools;
    unsigned quarantine_ms; /* a released port rests this long; 0: 30 000 */
} DmMediaOptions;

/* Starts the workers. Errors: DM_ERROR_CONFIG (empty or overlapping pools), DM_ERROR_IO. */
DmMedia *dm_media_new(const DmMediaOptions *options, GError **error);
/* Sessions still open are closed and report. */
void dm_media_free(DmMedia *media);

/* Where recordings with a relative path are made, and after how many days they are removed; 0:
 * never. Any thread. */
void dm_media_keep_recordings(DmMedia *media, const char *directory, unsigned days);

typedef struct {
    unsigned sessions;
    unsigned ports_used, ports_limit; /* pairs count as two; quarantined ports count as used */
    unsigned n_workers;
    /* as dm_codec_g729_state() has them; NULL: empty */
    const char *g729_file, *g729_fault;
} DmMediaUsage;
/* Any thread. */
void dm_media_usage(DmMedia *media, DmMediaUsage *out_usage);
/* Any thread; the set lives as long as @media. From media/stats.def. */
DmCounterSet dm_media_counters(DmMedia *media);
