/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/run.h"

/* `demarc health`: asks the running gateway's /readyz, for container health checks. Prints its
 * answer. */
DmExit dm_health_ask(const DmConfig *config);
