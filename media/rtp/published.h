/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>

/* A number that one thread writes and any thread may read. Both compile to a plain move: with one
 * writer there is nothing to lock. A reader may see two such numbers a packet apart. */
#define dm_published(field)      atomic_load_explicit(&(field), memory_order_relaxed)
#define dm_publish(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define dm_publish_add(field, n) dm_publish(field, dm_published(field) + (n))
