/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/loop.h"
#include "gateway/call/media-ops.h"
#include "media/media.h"

/* Calls' media operations on the media engine. Events of media workers are brought to the
 * signalling thread that made the bridge, through a mailbox of its loop. */
typedef struct DmBridge DmBridge;

/* @loop and @media are borrowed. */
DmBridge *dm_bridge_new(DmLoop *loop, DmMedia *media);
/* After the media engine has stopped, so that no event can follow. Sessions that never reported are
 * freed. */
void dm_bridge_free(DmBridge *bridge);
/* @engine of these operations is the DmBridge. */
const DmMediaOps *dm_bridge_ops(void);
/* Sessions whose last event has not been delivered. */
size_t dm_bridge_n_open(const DmBridge *bridge);
