/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/trunk.h"
#include "gateway/base/counters.h"
#include "gateway/sip/scan.h"

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

_Static_assert(SIP_req_in_tls_other - SIP_req_in_udp_INVITE == DM_N_TRANSPORTS * DM_N_METHODS - 1,
               "in the order of DmTransport and DmSipMethod");
_Static_assert(SIP_req_out_tls_other - SIP_req_out_udp_INVITE == DM_N_TRANSPORTS * DM_N_METHODS - 1,
               "in the order of DmTransport and DmSipMethod");
_Static_assert(SIP_parse_bad_start - SIP_parse_not_sip == DM_SCAN_BAD_START - DM_SCAN_NOT_SIP,
               "in the order of DmScanVerdict");

/* A request that came (@inbound) or went by @transport. */
static inline DmSipCounterId
dm_sip_request_counter(bool inbound, DmTransport transport, DmSipMethod method)
{
    return (DmSipCounterId)((inbound ? SIP_req_in_udp_INVITE : SIP_req_out_udp_INVITE) +
                            transport * DM_N_METHODS + method);
}

/* Counts a verdict that is neither good nor a keep-alive as a parse error. */
void dm_sip_count_verdict(DmCounter *counters, DmScanVerdict verdict);
