/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/counters.h"

/* What the SIP side counts, from gateway/sip/sip.def: SIP_<id> indexes the array. */
typedef enum {
#define COUNTER(id, name, labels, help) SIP_##id,
#define GAUGE(id, name, labels, help)   SIP_##id,
#include "gateway/sip/sip.def"
#undef COUNTER
#undef GAUGE
    DM_N_SIP_COUNTERS,
} DmSipCounterId;

extern const DmCounterInfo dm_sip_counter_info[DM_N_SIP_COUNTERS];
