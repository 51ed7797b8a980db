/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* A plain value that is mostly zeros, kept without them: words of eight bytes that are zero take a
 * bit. For what a call keeps as long as it stands and looks at now and then. Immutable, so that
 * whoever wants it takes a reference. */
typedef struct DmPacked DmPacked;

/* Bytes of a value. */
#define DM_PACKED_MAX UINT16_MAX

/* (transfer full) */
DmPacked *dm_packed_new(const void *value, size_t size);
/* These two: NULL is fine. What it was made from may have been keys: nothing is left behind in
 * freed memory. */
DmPacked *dm_packed_ref(DmPacked *packed);
void dm_packed_unref(DmPacked *packed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmPacked, dm_packed_unref)

/* The value again. @packed: (nullable): all zero. @size: as it was. */
void dm_packed_get(const DmPacked *packed, void *out, size_t size);
