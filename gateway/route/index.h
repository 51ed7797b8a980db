/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

/* The routes of one configuration, arranged for looking up: whole numbers first, then prefixes, the
 * longest first, then expressions, then routes for any number; within each by order, then by how
 * much of the caller they ask for, then by id. Immutable once made; any thread. */
typedef struct DmRouteIndex DmRouteIndex;

/* Borrows the routes of @config. */
DmRouteIndex *dm_route_index_new(const DmConfig *config);
void dm_route_index_free(gpointer data); /* GDestroyNotify */

/* Whether @number starts with @prefix ("" always does): a prefix with + is for international
 * numbers only, one without fits numbers with and without. */
bool dm_route_prefix_fits(const char *prefix, const char *number);

/* Whether a route whose called number fits is for the call in every other respect. */
typedef bool (*DmRouteFits)(const DmRoute *route, void *user_data);
/* The first route, in the order above, that @called and @fits agree on; NULL: none. At most a
 * look-up for each length of prefix there is (RTE-2). */
const DmRoute *dm_route_index_find(const DmRouteIndex *index,
                                   const char *called,
                                   DmRouteFits fits,
                                   void *user_data);
