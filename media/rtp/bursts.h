/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* How lost packets lie together (RFC 3611, 4.7.2): a burst begins and ends with a lost packet and
 * has fewer than DM_BURST_GMIN received ones in a row in it; a single lost packet far from all
 * others belongs to the gap around it. Fed with holes as they are noticed, so a packet that comes
 * after its turn counts as one that a receiver discards. All zero: nothing yet. One thread writes,
 * any may ask for figures. */
typedef struct {
    uint32_t last_lost; /* extended sequence number */
    _Atomic uint32_t cluster_lost, cluster_packets;
    _Atomic uint32_t n_bursts, burst_lost, burst_packets;
    _Atomic uint32_t gap_lost;
} DmRtpBursts;

#define DM_BURST_GMIN 16

/* The packets from @first to @first + @n - 1 are missing. */
void dm_rtp_bursts_input(DmRtpBursts *bursts, uint32_t first, uint32_t n);

/* Densities are shares of packets in 256ths; durations in packets. */
typedef struct {
    uint8_t burst_density, gap_density;
    uint32_t burst_packets, gap_packets; /* of one, on average; no burst: 0 */
} DmBurstFigures;

/* @n_expected: packets so far. */
DmBurstFigures dm_rtp_bursts_figures(const DmRtpBursts *bursts, uint32_t n_expected);
