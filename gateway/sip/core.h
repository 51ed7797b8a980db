/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/base/id.h"
#include "gateway/base/loop.h"
#include "gateway/base/random.h"
#include "gateway/sip/counters.h"
#include "gateway/sip/nonces.h"
#include "gateway/sip/replaces.h"
#include "gateway/sip/transaction/transaction.h"
#include "gateway/trunk/pool.h"

/* What everything above the transactions of one worker shares. Owned by the stack; borrowed by its
 * legs, registrations and pings, which die before it. One signalling thread. */
typedef struct DmSipCore {
    DmLoop *loop;
    DmRandom *random;
    DmTxLayer *tx;
    DmSipWire wire;
    DmPool *pool;
    DmCounter *counters;
    unsigned worker, n_workers;
    char *secret;
    DmConfig *config;     /* one reference: for what is new */
    GHashTable *legs;     /* local tag -> DmSipLeg: whom requests inside dialogs are for */
    GHashTable *requests; /* "call-id from-tag cseq" of first INVITEs -> DmSipLeg: merged ones are
                             told by it */
    GHashTable *contact_users; /* trunk id -> token: made once, a MAC costs more than a message */
    GHashTable *invites;       /* set of DmInviteOut: those that outlive their legs */
    DmNonces *nonces;          /* of our challenges */
    DmReplacesMemory ended;    /* dialogs that were ours */
    size_t n_legs;
} DmSipCore;

/* What this gateway understands, as header values. */
#define DM_SIP_ALLOW      "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO"
#define DM_SIP_NO_UPDATE  "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, INFO"
#define DM_SIP_TRANSFERS  ", REFER, NOTIFY"
#define DM_SIP_ACCEPT     "application/sdp"
#define DM_SIP_USER_AGENT "Demarc"

/* The user part of our Contact toward a trunk: configured, or a token that is the same after every
 * restart and tells nothing (REG-1). (transfer full) */
char *dm_sip_contact_user(const DmSipCore *core, const DmTrunkConfig *trunk);
/* "sip:user@host:port" as peers of @flow's listener reach us. @trunk NULL: no user. (transfer full)
 */
char *dm_sip_contact_uri(const DmSipCore *core, const DmTrunkConfig *trunk, const DmSipFlow *flow);
void dm_sip_add_contact(const DmSipCore *core,
                        DmSipMessage *message,
                        const DmTrunkConfig *trunk,
                        const DmSipFlow *flow);
/* The methods a trunk may use, as its configuration has them. @trunk NULL: not known. */
const char *dm_sip_allow(const DmTrunkConfig *trunk);
/* Allow, and who we are. */
void dm_sip_add_abilities(DmSipMessage *message, const DmTrunkConfig *trunk);
/* Supported and, in a request, Require: the extensions used with a trunk. */
void dm_sip_add_extensions(DmSipMessage *message, const DmTrunkConfig *trunk);

/* What an answer to OPTIONS tells of us besides methods: Accept, Accept-Encoding, Accept-Language,
 * Supported (RFC 3261, 11.2). @trunk NULL: not known. */
void dm_sip_add_capabilities(DmSipMessage *response, const DmTrunkConfig *trunk);

/* The worker that registers, watches and serves a trunk. */
unsigned dm_sip_owner_of_trunk(const DmSipCore *core, const char *trunk_id);
/* The name of this gateway as a device of @trunk's (RFC 5626, 4.1): a URN, the same after every
 * restart. (transfer full) */
char *dm_sip_instance(const DmSipCore *core, const DmTrunkConfig *trunk);
/* Index of the listener a trunk is bound to; -1: any. */
int dm_sip_listener_of(const DmSipCore *core, const DmTrunkConfig *trunk);
/* A tag, Call-ID or the like of ours. */
void dm_sip_token(const DmSipCore *core, char out[DM_TOKEN_MAX]);
