/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtp/bursts.h"

#include <glib.h>
#include <stdbool.h>

#include "media/rtp/published.h"

/* What came together is a burst, or one lost packet on its own. */
static void
close_cluster(DmRtpBursts *bursts)
{
    uint32_t n_lost = dm_published(bursts->cluster_lost);

    if (n_lost > 1) {
        dm_publish_add(bursts->n_bursts, 1);
        dm_publish_add(bursts->burst_lost, n_lost);
        dm_publish_add(bursts->burst_packets, dm_published(bursts->cluster_packets));
    } else {
        dm_publish_add(bursts->gap_lost, n_lost);
    }
    dm_publish(bursts->cluster_lost, 0);
    dm_publish(bursts->cluster_packets, 0);
}

void
dm_rtp_bursts_input(DmRtpBursts *bursts, uint32_t first, uint32_t n)
{
    uint32_t received = first - bursts->last_lost - 1;

    if (dm_published(bursts->cluster_lost) > 0 && received < DM_BURST_GMIN) {
        dm_publish_add(bursts->cluster_packets, received);
    } else {
        close_cluster(bursts);
    }
    dm_publish_add(bursts->cluster_lost, n);
    dm_publish_add(bursts->cluster_packets, n);
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
    uint32_t n_open = dm_published(bursts->cluster_lost); /* a burst, if it ended here */
    bool is_burst = n_open > 1;
    uint32_t n_bursts = dm_published(bursts->n_bursts) + is_burst;
    uint32_t burst_lost = dm_published(bursts->burst_lost) + (is_burst ? n_open : 0);
    uint32_t burst_packets = dm_published(bursts->burst_packets) +
                             (is_burst ? dm_published(bursts->cluster_packets) : 0);
    uint32_t gap_lost = dm_published(bursts->gap_lost) + (is_burst ? 0 : n_open);
    uint32_t n_gap = n_expected > burst_packets ? n_expected - burst_packets : 0;

    return (DmBurstFigures){
        .burst_density = share(burst_lost, burst_packets),
        .gap_density = share(gap_lost, n_gap),
        .burst_packets = n_bursts > 0 ? burst_packets / n_bursts : 0,
        .gap_packets = n_gap / (n_bursts + 1),
    };
}
