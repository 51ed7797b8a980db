/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* One producer, one consumer, no lock: a bounded queue of pointers. Lives anywhere: the two ends
 * are kept on cache lines of their own by padding, because alignment is more than malloc()
 * promises. */
typedef struct {
    size_t mask;
    void **slots;
    char padding_before[64];
    _Atomic size_t head; /* next to write; the producer's */
    char padding_between[64];
    _Atomic size_t tail; /* next to read; the consumer's */
    char padding_after[64];
} DmRing;

/* @capacity: a power of two. */
static inline void
dm_ring_init(DmRing *ring, size_t capacity)
{
    ring->mask = capacity - 1;
    ring->slots = g_new0(void *, capacity);
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
}

static inline void
dm_ring_clear(DmRing *ring)
{
    g_clear_pointer(&ring->slots, g_free);
}

/* Producer. False when full: an outcome, for the caller to count. */
static inline bool
dm_ring_push(DmRing *ring, void *item)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

    if (head - tail > ring->mask) {
        return false;
    }
    ring->slots[head & ring->mask] = item;
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

/* Consumer. NULL when empty. */
static inline void *
dm_ring_pop(DmRing *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    void *item;

    if (tail == head) {
        return NULL;
    }
    item = ring->slots[tail & ring->mask];
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return item;
}
