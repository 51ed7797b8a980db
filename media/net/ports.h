/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The pairs of ports of one pool: an even one for RTP and the odd one above it for RTCP. A pair
 * given back rests before it is taken again, so that a late packet of the last call cannot fall
 * into the next one. Any thread, without a lock. */
typedef struct DmPorts DmPorts;

/* Pairs that lie wholly within @port_min to @port_max; NULL when there is none. */
DmPorts *dm_ports_new(uint16_t port_min, uint16_t port_max, int64_t quarantine_us);
void dm_ports_free(DmPorts *ports);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmPorts, dm_ports_free)

/* Takes a free pair, looking from a place that @random chooses, so that the next port cannot be
 * guessed from the last. When all that are free still rest, one that has rested 5 s is taken all
 * the same: better than to refuse a call (MED-10). False: none. */
bool dm_ports_take(DmPorts *ports, uint32_t random, int64_t now_us, uint16_t *out_rtp_port);
void dm_ports_give_back(DmPorts *ports, uint16_t rtp_port, int64_t now_us);

/* Ports, two a pair. Resting ones are used. */
unsigned dm_ports_limit(const DmPorts *ports);
unsigned dm_ports_used(const DmPorts *ports, int64_t now_us);
