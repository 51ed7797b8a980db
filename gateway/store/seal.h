/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Text that only who has the key can read or change: AES-256-GCM, from a key in a file of its own,
 * so that a copy of the database tells no password. Immutable; any thread. */
typedef struct DmSeal DmSeal;

/* The key in @path: 32 bytes as 64 hexadecimal digits. @make: write a new one, readable by its
 * owner alone, when there is none. Errors: DM_ERROR_IO; DM_ERROR_CONFIG when it is no key. */
DmSeal *dm_seal_new(const char *path, bool make, GError **error);
void dm_seal_free(DmSeal *seal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmSeal, dm_seal_free)

bool dm_seal_is_sealed(const char *text);
/* @purpose is bound into it: one that was sealed as something else does not open. (transfer full)
 */
char *dm_seal_close(const DmSeal *seal, const char *purpose, const char *text);
/* (transfer full); DM_ERROR_CONFIG: another key's, or changed. */
char *dm_seal_open(const DmSeal *seal, const char *purpose, const char *sealed, GError **error);
