/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/store/store.h"
#include "gateway/trunk/pool.h"

/* Keeps what PBXs have registered beyond the process: the last of each trunk is written by a thread
 * of its own, which may wait for the disk; many changes of one trunk become one write. */
typedef struct DmContacts DmContacts;

/* Fills @registry with what was kept of the trunks of @config, before anyone uses it. Both @store
 * and @registry are borrowed. */
DmContacts *dm_contacts_start(DmStore *store,
                              DmConfig *config,
                              DmTrunkRegistry *registry,
                              GError **error);
/* What is not written yet is; NULL: nothing. */
void dm_contacts_stop(DmContacts *contacts);
/* Any thread; never waits. @bindings: referenced; NULL: forget them. */
void dm_contacts_keep(DmContacts *contacts, const char *trunk_id, DmBindings *bindings);
