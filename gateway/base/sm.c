/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/sm.h"

DM_LOG_TOPIC("sm");

bool
dm_sm_move(const DmSmState *table,
           const char *machine,
           unsigned *state,
           unsigned to,
           const DmLogContext *log)
{
    const char *from_name = table[*state].name;

    if ((table[*state].next & DM_SM_TO(to)) == 0) {
        dm_warning(log,
                   "%s: %s -> %s is not a legal move; staying in %s",
                   machine,
                   from_name,
                   table[to].name,
                   from_name);
        return false;
    }
    dm_debug(log, "%s: %s -> %s", machine, from_name, table[to].name);
    *state = to;
    return true;
}
