/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Trying the plan's targets, one after another, until one of them takes the call. */

/* Begins: @request says what is planned. */
void dm_dial_plan(DmCall *call, const DmRouteRequest *request);
/* Calls the next address worth trying; ends the call when there is none. */
void dm_dial_next(DmCall *call);
/* Somebody has answered, or nobody shall any more: what was planned is forgotten. */
void dm_dial_end(DmCall *call);

/* The called leg answered at all: from now on the wait is for its final answer. */
void dm_dial_heard(DmParty *party);
/* The called leg ended before it was answered. */
void dm_dial_failed(DmParty *party, const DmRelease *release, const GPtrArray *contacts);
