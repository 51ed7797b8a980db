/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/core.h"

/* Keeps one trunk registered (REG-1, REG-2): REGISTER, credentials, refresh, back-off; tells the
 * trunk and the log. One signalling thread. */
typedef struct DmRegister DmRegister;

/* What the registrar said has changed; NULL: we are not registered any more. */
typedef void (*DmRegisterFunc)(const char *trunk_id, DmGrant *grant, void *user_data);

typedef struct {
    DmRegisterFunc on_grant; /* (nullable) */
    void *user_data;
    int64_t first_within_us; /* begins at random within this time: many do not begin at once */
} DmRegisterOptions;

/* @config is referenced; @trunk is in it. */
DmRegister *dm_register_new(DmSipCore *core,
                            DmConfig *config,
                            const DmTrunkConfig *trunk,
                            const DmRegisterOptions *options);
/* Without a word to the registrar. */
void dm_register_free(DmRegister *registration);

/* Whether @trunk, as configured now, would register just so. */
bool dm_register_is_for(const DmRegister *registration, const DmTrunkConfig *trunk);
/* Whether the registration of @trunk, as configured now, takes the place of this one at the
 * registrar; otherwise this one has to be taken back. */
bool dm_register_is_replaced_by(const DmRegister *registration, const DmTrunkConfig *trunk);
/* The same trunk in a newer configuration. */
void dm_register_take_config(DmRegister *registration,
                             DmConfig *config,
                             const DmTrunkConfig *trunk);

/* Now, whatever it waits for. */
void dm_register_now(DmRegister *registration);
/* Expires: 0 when registered; nothing more until dm_register_now(). */
void dm_register_stop(DmRegister *registration);
/* The same, unless it is to be left to who comes after us (hand_over). */
void dm_register_shut_down(DmRegister *registration);
/* The way it registered by may be gone (REG-3): registers again at once when it is. @connection: of
 * a stream that ended; 0: an address has changed. */
void dm_register_check_way(DmRegister *registration, uint64_t connection);
/* A REGISTER is under way. */
bool dm_register_is_busy(const DmRegister *registration);
