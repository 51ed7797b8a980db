/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/stage.h"
#include "media/rtp/continuity.h"

/* The last stage: the packet becomes one of the stream @out, under the payload type the peer wants.
 * Its header is written back, and the datagram may be sent. */
void dm_stage_relay(DmPacket *packet, DmRtpContinuity *out);
