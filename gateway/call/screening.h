/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/route/request.h"
#include "gateway/trunk/pool.h"

/* What the registrar of @trunk said of @number, an E.164 one or as the trunk writes it, when it
 * registered us: for DmRouteRequest. @pool: DmPool. */
DmGranted dm_call_granted(const DmTrunkConfig *trunk, const char *number, void *pool);
