/* SPDX-License-Identifier: Apache-2.0 */
#include "media/stats.h"

const DmHistogramShape dm_media_shape_rtp_jitter = {
    1e-6,
    {1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000},
};
const DmHistogramShape dm_media_shape_rtcp_rtt = {
    1e-6,
    {5000, 10000, 25000, 50000, 100000, 200000, 400000, 800000},
};
const DmHistogramShape dm_media_shape_rtp_loss = {
    1e-4,
    {0, 10, 50, 100, 200, 500, 1000, 2000},
};

static const DmCounterInfo stat_info[DM_MEDIA_N_STATS] = {
#define COUNTER(member, name, labels, help)                                                        \
    [DM_MEDIA_STAT_##member] = {name, labels, help, DM_COUNTER_COUNTER, NULL},
#define GAUGE(member, name, labels, help)                                                          \
    [DM_MEDIA_STAT_##member] = {name, labels, help, DM_COUNTER_GAUGE, NULL},
#define HISTOGRAM(member, name, labels, help)                                                      \
    [DM_MEDIA_STAT_##member] = {name, labels, help, DM_COUNTER_HISTOGRAM, &dm_media_shape_##member},
#include "media/stats.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

const DmCounterInfo *
dm_media_stat_info(void)
{
    return stat_info;
}
