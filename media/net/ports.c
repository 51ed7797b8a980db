/* SPDX-License-Identifier: Apache-2.0 */
#include "media/net/ports.h"

#include <stdatomic.h>

/* A pair is one number: from when on it may be taken. Taking is a compare and swap to TAKEN. */
#define TAKEN INT64_MAX
/* MED-10: what a pair rests at least, when no other has rested longer. */
#define SHORTEST_REST_US (5 * G_USEC_PER_SEC)

struct DmPorts {
    /* set when made */
    int64_t quarantine_us;
    uint16_t first; /* even */
    unsigned n_pairs;

    /* any thread */
    _Atomic int64_t free_from_us[];
};

DmPorts *
dm_ports_new(uint16_t port_min, uint16_t port_max, int64_t quarantine_us)
{
    unsigned first = (port_min + 1u) & ~1u;
    unsigned end = port_max + 1u; /* one past the last */
    unsigned n_pairs = end > first ? (end - first) / 2 : 0;
    DmPorts *ports;

    if (first == 0 || n_pairs == 0) {
        return NULL;
    }
    ports = g_malloc0(sizeof *ports + n_pairs * sizeof ports->free_from_us[0]);
    ports->quarantine_us = quarantine_us;
    ports->first = (uint16_t)first;
    ports->n_pairs = n_pairs;
    return ports;
}

void
dm_ports_free(DmPorts *ports)
{
    g_free(ports);
}

static bool
try_take(_Atomic int64_t *free_from_us, int64_t now_us)
{
    int64_t from_us = atomic_load_explicit(free_from_us, memory_order_relaxed);

    return from_us <= now_us && atomic_compare_exchange_strong(free_from_us, &from_us, TAKEN);
}

/* One that may be taken by @by_us. */
static bool
take_by(DmPorts *ports, uint32_t random, int64_t by_us, uint16_t *out_rtp_port)
{
    unsigned start = random % ports->n_pairs;

    for (unsigned i = 0; i < ports->n_pairs; i++) {
        unsigned pair = (start + i) % ports->n_pairs;

        if (try_take(&ports->free_from_us[pair], by_us)) {
            *out_rtp_port = (uint16_t)(ports->first + 2 * pair);
            return true;
        }
    }
    return false;
}

bool
dm_ports_take(DmPorts *ports, uint32_t random, int64_t now_us, uint16_t *out_rtp_port)
{
    int64_t early_us = MAX(0, ports->quarantine_us - SHORTEST_REST_US);

    return take_by(ports, random, now_us, out_rtp_port) ||
           take_by(ports, random, now_us + early_us, out_rtp_port);
}

void
dm_ports_give_back(DmPorts *ports, uint16_t rtp_port, int64_t now_us)
{
    unsigned pair = (rtp_port - ports->first) / 2u;

    g_return_if_fail(rtp_port >= ports->first && pair < ports->n_pairs);
    atomic_store(&ports->free_from_us[pair], now_us + ports->quarantine_us);
}

unsigned
dm_ports_limit(const DmPorts *ports)
{
    return 2 * ports->n_pairs;
}

unsigned
dm_ports_used(const DmPorts *ports, int64_t now_us)
{
    unsigned used = 0;

    for (unsigned i = 0; i < ports->n_pairs; i++) {
        used += atomic_load_explicit(&ports->free_from_us[i], memory_order_relaxed) > now_us;
    }
    return 2 * used;
}
