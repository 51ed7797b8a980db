/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "gateway/store/store.h"

/* Records read back with filters given as text, as they stand in a URL. */
typedef struct DmCdrQuery DmCdrQuery;

DmCdrQuery *dm_cdr_query_new(void);
void dm_cdr_query_free(DmCdrQuery *query);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmCdrQuery, dm_cdr_query_free)

/**
 * dm_cdr_query_set:
 * @name: "from" and "to" (RFC 3339; start of the call, from <= start < to), "trunk" (either side),
 *   "number" (part of any number of the call), "code", "diagnosis", "direction",
 *   "min_duration_ms", "state" ("running" or "ended"), "sort" ("start_at" or "-start_at"),
 *   "cursor" (as given by dm_cdr_query_run())
 *
 * Error: DM_ERROR_PARSE with a sentence; DM_ERROR_NOT_FOUND for a name that is none of these.
 */
bool dm_cdr_query_set(DmCdrQuery *query, const char *name, const char *value, GError **error);
void dm_cdr_query_set_limit(DmCdrQuery *query, unsigned limit); /* 1 to 1000, 100 when not set */

/**
 * dm_cdr_query_run:
 * @out_next: (transfer full) (nullable): the cursor of the next page; NULL when this was the last
 *
 * Returns: (transfer full): JSON texts of the records (char *), newest first unless sorted
 *   otherwise; NULL with the store's @error
 */
GPtrArray *dm_cdr_query_run(DmStore *store,
                            const DmCdrQuery *query,
                            char **out_next,
                            GError **error);
