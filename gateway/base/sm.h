/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/log.h"

/* A state machine is a table of at most 32 states: a name and the set of states it may move to. */
typedef struct {
    const char *name;
    uint32_t next; /* DM_SM_TO(X) | DM_SM_TO(Y) */
} DmSmState;

#define DM_SM_TO(state) (UINT32_C(1) << (state))

/* Moves *@state to @to when the table allows it and logs the move at debug ("invite-server: calling
 * -> proceeding"). A move that is not in the table is refused, logged as a warning with both names,
 * and returns false.
 * @machine: a name for the log. @log may be NULL. */
bool dm_sm_move(const DmSmState *table,
                const char *machine,
                unsigned *state,
                unsigned to,
                const DmLogContext *log);
