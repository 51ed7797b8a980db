/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/counters.h"

/* One number for each line of stats.def. */
typedef enum {
#define COUNTER(member, name, labels, help) DM_MEDIA_STAT_##member,
#define GAUGE(member, name, labels, help)   DM_MEDIA_STAT_##member,
#include "media/stats.def"
#undef COUNTER
#undef GAUGE
    DM_MEDIA_N_STATS
} DmMediaStat;

/* Name, labels and help of each, in that order. */
const DmCounterInfo *dm_media_stat_info(void);
