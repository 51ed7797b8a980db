/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/core.h"

/* Keeps one trunk registered (REG-1, REG-2): REGISTER, credentials, refresh, back-off; tells the
 * trunk and the log. One signalling thread. */
typedef struct DmRegister DmRegister;

/* @config is referenced; @trunk is in it. Begins within a second. */
DmRegister *dm_register_new(DmSipCore *core, DmConfig *config, const DmTrunkConfig *trunk);
/* Without a word to the registrar. */
void dm_register_free(DmRegister *registration);

/* Whether @trunk, as configured now, would register just so. */
bool dm_register_is_for(const DmRegister *registration, const DmTrunkConfig *trunk);
/* The same trunk in a newer configuration. */
void dm_register_take_config(DmRegister *registration,
                             DmConfig *config,
                             const DmTrunkConfig *trunk);

/* Now, whatever it waits for. */
void dm_register_now(DmRegister *registration);
/* Expires: 0 when registered; nothing more until dm_register_now(). */
void dm_register_stop(DmRegister *registration);
/* A REGISTER is under way. */
bool dm_register_is_busy(const DmRegister *registration);
