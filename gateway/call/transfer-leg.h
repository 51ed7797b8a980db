/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* The caller of a call that a transfer makes, played by ourselves: to its call it is a leg like any
 * other, so routing, limits, failover and the record work as for a call that arrives. What it is
 * told goes to the transfer (transfer.c). */

/* @facts: of the one who asked for the transfer; copied. (transfer full) */
DmLeg *dm_stand_in_new(DmLoop *loop, const DmLegFacts *facts);
void dm_stand_in_free(DmLeg *leg);
