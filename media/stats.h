/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/counters.h"

/* One number for each line of stats.def. */
typedef enum {
#define COUNTER(member, name, labels, help) DM_MEDIA_STAT_##member,
#define GAUGE(member, name, labels, help)   DM_MEDIA_STAT_##member,
#define HISTOGRAM(member, name, labels, help)                                                      \
    DM_MEDIA_STAT_##member,                                                                        \
        DM_MEDIA_STAT_##member##_end = DM_MEDIA_STAT_##member + DM_HISTOGRAM_SLOTS - 1,
#include "media/stats.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    DM_MEDIA_N_STATS
} DmMediaStat;

/* Bounds of the histogram @member of stats.def. */
#define DM_MEDIA_SHAPE(member) (&dm_media_shape_##member)
#define COUNTER(member, name, labels, help)
#define GAUGE(member, name, labels, help)
#define HISTOGRAM(member, name, labels, help) extern const DmHistogramShape dm_media_shape_##member;
#include "media/stats.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

/* Name, labels and help of each, in that order. */
const DmCounterInfo *dm_media_stat_info(void);
