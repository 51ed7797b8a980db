/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/trunk/trunk-priv.h"

/* Whose requests come from where: the addresses of all trunks of a pool, arranged for looking up
 * (AUTH-3). Made anew when an address changes. One worker's. */
typedef struct DmSources DmSources;

/* Borrows @trunks (DmTrunk). */
DmSources *dm_sources_new(const GPtrArray *trunks);
void dm_sources_free(DmSources *sources);
/* See dm_pool_match(). */
DmTrunk *dm_sources_match(const DmSources *sources,
                          const DmAddress *source,
                          const char *ruri_user,
                          const char *ruri_host);
/* See dm_pool_identify(). */
DmTrunk *dm_sources_identify(const DmSources *sources,
                             const DmRequestSigns *signs,
                             DmKnownBy *out_by);
/* See dm_pool_knows(). */
bool dm_sources_knows(const DmSources *sources, const DmAddress *source);
