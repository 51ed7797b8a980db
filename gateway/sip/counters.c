/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/counters.h"

const DmCounterInfo dm_sip_counter_info[DM_N_SIP_COUNTERS] = {
#define COUNTER(id, name, labels, help) [SIP_##id] = {name, labels, help, DM_COUNTER_COUNTER},
#define GAUGE(id, name, labels, help)   [SIP_##id] = {name, labels, help, DM_COUNTER_GAUGE},
#include "gateway/sip/sip.def"
#undef COUNTER
#undef GAUGE
};

void
dm_sip_count_verdict(DmCounter *counters, DmScanVerdict verdict)
{
    if (verdict > DM_SCAN_KEEPALIVE && (unsigned)verdict < DM_N_SCAN_VERDICTS) {
        dm_count(&counters[SIP_parse_not_sip + verdict - DM_SCAN_NOT_SIP]);
    }
}
