/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtp/bursts.h"

#include <glib.h>

/* What came together is a burst, or one lost packet on its own. */
static void
close_cluster(DmRtpBursts *bursts)
{
    if (bursts->cluster_lost > 1) {
        bursts->n_bursts++;
        bursts->burst_lost += bursts->cluster_lost;
        bursts->burst_packets += bursts->cluster_packets;
    } else {
        bursts->gap_lost += bursts->cluster_lost;
    }
    bursts->cluster_lost = 0;
    bursts->cluster_packets = 0;
}

void
dm_rtp_bursts_input(DmRtpBursts *bursts, uint32_t first, uint32_t n)
{
    uint32_t received = first - bursts->last_lost - 1;

    if (bursts->cluster_lost > 0 && received < DM_BURST_GMIN) {
        bursts->cluster_packets += received;
    } else {
        close_cluster(bursts);
    }
    bursts->cluster_lost += n;
    bursts->cluster_packets += n;
    bursts->last_lost = first + n - 1;
}

static uint8_t
share(uint32_t part, uint32_t whole)
{
    return whole == 0 ? 0 : (uint8_t)MIN((uint64_t)part * 256 / whole, 255);
}

DmBurstFigures
dm_rtp_bursts_figures(const DmRtpBursts *bursts, uint32_t n_expected)
{
    DmRtpBursts all = *bursts;
    uint32_t n_gap;

    close_cluster(&all);
    n_gap = n_expected > all.burst_packets ? n_expected - all.burst_packets : 0;
    return (DmBurstFigures){
        .burst_density = share(all.burst_lost, all.burst_packets),
        .gap_density = share(all.gap_lost, n_gap),
        .burst_packets = all.n_bursts > 0 ? all.burst_packets / all.n_bursts : 0,
        .gap_packets = n_gap / (all.n_bursts + 1),
    };
}
