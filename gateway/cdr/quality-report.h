/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/cdr/record.h"

/* How one leg of a call sounded, as a collector of quality reports reads it: the body of type
 * application/vq-rtcpxr (RFC 6035, 4.6). Pure. */

#define DM_QUALITY_REPORT_TYPE "application/vq-rtcpxr"

/**
 * dm_quality_report_print:
 * @side: the leg; its peer is "remote", we are "local"
 * @end_wall_us: until when; 0: the call has ended, and this is its last report
 *
 * LocalMetrics are of what the peer sends as it comes here, from the answer on; RemoteMetrics of
 * what we send, where the peer told of it (RFC 3611). Returns: (transfer full): NULL when there is
 * nothing to tell: never answered, no media, or fax
 */
GString *dm_quality_report_print(const DmRecord *record, DmSide side, int64_t end_wall_us);
