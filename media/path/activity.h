/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "media/spec.h"

/* How long @side may be silent (MED-6), in milliseconds; 0: for ever. A side that we do not receive
 * from is exempt while the other should send. @timeout_ms is for a call where both talk,
 * @hold_timeout_ms for one where any direction is off. */
uint32_t dm_activity_limit_ms(DmMediaDirection side,
                              DmMediaDirection other,
                              uint32_t timeout_ms,
                              uint32_t hold_timeout_ms);
