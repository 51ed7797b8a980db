/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/trunk/pool.h"

/* Keeps the addresses of every trunk's endpoints (and outbound proxies) fresh, on a thread of its
 * own: nothing resolves on the path of a call. NAPTR where the URI names neither transport nor
 * port, SRV where it names no port (RFC 3263, 4), then A and AAAA; asked again when the shortest
 * TTL has passed (5 s to 1 h); what was known last is kept when an answer fails. */
typedef struct DmResolver DmResolver;

/* New addresses of one endpoint (index into the trunk's endpoints), best first. On the resolver's
 * thread. */
typedef void (*DmResolverFunc)(const char *trunk_id,
                               unsigned endpoint,
                               const DmResolved *addresses,
                               size_t n,
                               void *user_data);

/* Error: DM_ERROR_IO. */
DmResolver *dm_resolver_start(DmResolverFunc func, void *user_data, GError **error);
/* After it no call of the function follows. NULL is ignored. */
void dm_resolver_stop(DmResolver *resolver);
/* Any thread. Endpoints with numeric hosts need no resolving and are skipped. */
void dm_resolver_take_config(DmResolver *resolver, DmConfig *config);
