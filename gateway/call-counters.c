/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call-counters.h"

#define COUNTER(id, name, labels, help) [CALL_##id] = {name, labels, help, DM_COUNTER_COUNTER},
#define GAUGE(id, name, labels, help)   [CALL_##id] = {name, labels, help, DM_COUNTER_GAUGE},
const DmCounterInfo dm_call_counter_info[DM_N_CALL_COUNTERS] = {
#include "gateway/call-counters.def"
};
#undef COUNTER
#undef GAUGE
