/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Counters and gauges, each listed once in a .def file next to the module that counts, and from
 * there used by the API, the metrics page and the documentation alike:
 *
 *   COUNTER(udp_rx, "sip_datagrams_total", "direction=\"in\"", "SIP datagrams received")
 *   GAUGE(transactions, "sip_transactions_active", "", "SIP transactions held")
 *
 * A module makes an enum, an info table and an array of DmCounter from it. Counting is a relaxed
 * add: any thread. */
typedef _Atomic int64_t DmCounter;

typedef enum {
    DM_COUNTER_COUNTER,
    DM_COUNTER_GAUGE,
    DM_COUNTER_HISTOGRAM,
} DmCounterKind;

/* A histogram takes this many values in a row in a set: how many were at most each bound, not above
 * the one before; how many were above all; the sum. The names of those behind the first are NULL.
 */
#define DM_HISTOGRAM_BOUNDS 8
#define DM_HISTOGRAM_SLOTS  (DM_HISTOGRAM_BOUNDS + 2)

/* Values are whole numbers of @unit. */
typedef struct {
    double unit;
    int64_t bounds[DM_HISTOGRAM_BOUNDS]; /* ascending */
} DmHistogramShape;

typedef struct {
    const char *name;   /* without the demarc_ prefix */
    const char *labels; /* Prometheus label pairs without braces, or "" */
    const char *help;
    DmCounterKind kind;
    const DmHistogramShape *shape; /* of a histogram */
} DmCounterInfo;

/* A set that can be read: where metrics pages come from. */
typedef struct {
    const DmCounterInfo *info;
    const DmCounter *values;
    size_t n;
} DmCounterSet;

static inline void
dm_count(DmCounter *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline void
dm_count_add(DmCounter *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline int64_t
dm_counter_value(const DmCounter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Which slot @value belongs into. */
static inline unsigned
dm_histogram_slot(const DmHistogramShape *shape, int64_t value)
{
    unsigned slot = 0;

    while (slot < DM_HISTOGRAM_BOUNDS && value > shape->bounds[slot]) {
        slot++;
    }
    return slot;
}

/* Any thread. @slots: DM_HISTOGRAM_SLOTS of them. */
static inline void
dm_histogram_observe(DmCounter *slots, const DmHistogramShape *shape, int64_t value)
{
    dm_count(&slots[dm_histogram_slot(shape, value)]);
    dm_count_add(&slots[DM_HISTOGRAM_SLOTS - 1], value);
}
