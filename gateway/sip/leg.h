/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/leg-ops.h"
#include "gateway/sip/core.h"

/* One side of a call as SIP: the operations of call/leg-ops.h on a dialog and its transactions.
 * Belongs to itself: it frees itself after DM_LEG_CLOSED. One signalling thread. */
typedef struct DmSipLeg DmSipLeg;

/* Calls @dial->address. As DmLegFactory says. */
DmLeg *dm_sip_leg_dial(DmSipCore *core,
                       const DmDial *dial,
                       DmLegEventFunc on_event,
                       void *user_data);

/* A welcome first INVITE (transfer full: @request). 100 is sent. @out_offer: its description,
 * borrowed from the leg, or NULL; @out_unreadable: it has one that cannot be read. NULL: it has
 * been refused. */
DmLeg *dm_sip_leg_accept(DmSipCore *core,
                         DmTrunk *trunk,
                         DmServerTx *tx,
                         DmSipMessage *request,
                         const DmSdp **out_offer,
                         bool *out_unreadable);

/* Whether a provisional answer on @leg may carry an offer of ours (RFC 3262, 5). */
bool dm_sip_leg_takes_early_offer(DmLeg *leg);

/* A request with a To tag of @leg's (transfer full: @request); ACK: @tx is NULL. */
void dm_sip_leg_request(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);

/* What two copies of one first INVITE have in common (RFC 3261, 8.2.2.2). (transfer full) */
char *dm_sip_request_key(const DmSipMessage *request);

/* Frees what is left of INVITEs whose transactions were ended without a word. */
void dm_sip_invites_drop(DmSipCore *core);
/* Ends every leg without a word: the process stops, or a test does. */
void dm_sip_legs_drop(DmSipCore *core);
