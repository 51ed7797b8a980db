/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/stage.h"

/* Packet by packet and in place: each packet has as many samples as it came with. Returns whether
 * anything changed. */
bool dm_stage_transcode(DmPacket *packet);
