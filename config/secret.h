/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Secrets that a configuration names instead of holding: "${file:/run/secrets/x}", "${env:NAME}".
 */

/* Largest secret, in bytes. */
#define DM_SECRET_MAX 1024

/* The text a value stands for: of the file (its last line end taken off) or the environment when it
 * is a reference, itself otherwise. Reads a file: not for signalling or media threads. Errors:
 * DM_ERROR_CONFIG with a reason that holds no secret. (transfer full) */
char *dm_secret_resolve(const char *value, GError **error);
/* Whether it names its secret instead of being it. */
bool dm_secret_is_reference(const char *value);
