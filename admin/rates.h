/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/address.h"

/* How many requests each source may still make: a token bucket each, in a table of fixed size. Two
 * sources that fall into the same place share a bucket until one of them has been quiet for a
 * while. One thread. */
typedef struct DmRates DmRates;

/* @per_second: requests a second; twice as many at once after a pause. */
DmRates *dm_rates_new(unsigned per_second);
void dm_rates_free(DmRates *rates);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmRates, dm_rates_free)

/* Takes one request of the source, false when it has none left. */
bool dm_rates_take(DmRates *rates, const DmAddress *source, int64_t now_mono_us);
