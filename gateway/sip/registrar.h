/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/core.h"

/* The registrar for PBXs (REG-5, AUTH-2): takes their REGISTERs, keeps their contacts in the pool's
 * trunks and tells when they change. All of one trunk is done by one worker (its own). One
 * signalling thread. */
typedef struct DmRegistrar DmRegistrar;

/* Contacts of a trunk of this worker's have changed; NULL: there are none any more. The pool of
 * this worker knows already. */
typedef void (*DmRegistrarFunc)(const char *trunk_id, DmBindings *bindings, void *user_data);

/* @on_bindings may be NULL. */
DmRegistrar *dm_registrar_new(DmSipCore *core, DmRegistrarFunc on_bindings, void *user_data);
void dm_registrar_free(DmRegistrar *registrar);
/* The pool has taken @config. What no longer may be registered is forgotten. */
void dm_registrar_take_config(DmRegistrar *registrar, DmConfig *config);
/* The trunk a REGISTER for @to (the value of a To header) is about, whichever worker's it is; NULL:
 * none. */
const char *dm_registrar_trunk_of(const DmRegistrar *registrar, DmSpan to);
/* Whether a REGISTER of a stranger is to be looked at: it is about a trunk that may be there. */
bool dm_registrar_may_come(const DmRegistrar *registrar, DmSpan to, const DmAddress *source);
/* Takes @request over. */
void dm_registrar_request(DmRegistrar *registrar, DmServerTx *tx, DmSipMessage *request);
void dm_registrar_stream_ended(DmRegistrar *registrar, uint64_t connection);
/* Forgets what trunk @trunk_id has registered. False: it is not this worker's. */
bool dm_registrar_drop(DmRegistrar *registrar, const char *trunk_id);

/* The way to a contact. False: there is none. */
bool dm_sip_binding_flow(const DmSipCore *core, const DmBinding *binding, DmSipFlow *out_flow);
/* What a request to it asks for: the contact, or @number there. (transfer full) */
char *dm_sip_binding_uri(const DmBinding *binding, const DmTrunkConfig *trunk, const char *number);
