/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/counters.h"

/* What is counted of calls, from gateway/call-counters.def: CALL_<id> indexes the array. */
typedef enum {
#define COUNTER(id, name, labels, help) CALL_##id,
#define GAUGE(id, name, labels, help)   CALL_##id,
#include "gateway/call-counters.def"
#undef COUNTER
#undef GAUGE
    DM_N_CALL_COUNTERS,
} DmCallCounterId;

extern const DmCounterInfo dm_call_counter_info[DM_N_CALL_COUNTERS];
