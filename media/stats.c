/* SPDX-License-Identifier: Apache-2.0 */
#include "media/stats.h"

static const DmCounterInfo stat_info[DM_MEDIA_N_STATS] = {
#define COUNTER(member, name, labels, help) {name, labels, help, DM_COUNTER_COUNTER},
#define GAUGE(member, name, labels, help)   {name, labels, help, DM_COUNTER_GAUGE},
#include "media/stats.def"
#undef COUNTER
#undef GAUGE
};

const DmCounterInfo *
dm_media_stat_info(void)
{
    return stat_info;
}
