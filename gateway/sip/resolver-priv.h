/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/resolver.h"

/* For tests: asks these name servers ("127.0.0.1:5353,...") instead of the system's. NULL: the
 * system's. */
DmResolver *dm_resolver_start_with_servers(DmResolverFunc func,
                                           void *user_data,
                                           const char *servers,
                                           GError **error);

/* When to ask again: after the TTL, 5 s to 1 h; without an answer after 5 s, doubling to 5 min. */
int64_t dm_resolver_wait_us(bool answered, int ttl_s, unsigned failures);
