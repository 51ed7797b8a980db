/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/core.h"

/* Sends reports on calls to the collector of the configuration's quality.reports (RFC 6035), each
 * as a PUBLISH of its own (RFC 3903). Calls hand a report in and forget it: a few are under way at
 * once, the rest waits in a queue with an end, and one that cannot be delivered is counted and
 * given up. One signalling thread. */
typedef struct DmPublisher DmPublisher;

/* What may wait; one more is dropped. */
#define DM_PUBLISH_MAX_WAITING 1000

DmPublisher *dm_publisher_new(DmSipCore *core);
/* What has not been delivered is lost. NULL is ignored. */
void dm_publisher_free(DmPublisher *publisher);
/* @body: (transfer full): of type application/vq-rtcpxr. */
void dm_publisher_send(DmPublisher *publisher, GString *body);
/* Something is under way or waits. */
bool dm_publisher_is_busy(const DmPublisher *publisher);
