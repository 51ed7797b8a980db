/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/trunk.h"
#include "gateway/sip/core.h"
#include "gateway/sip/digest.h"
#include "gateway/sip/message.h"

/* Digest on SIP messages: the headers of requests and responses, to and from digest.h. */

/* What a 401 or 407 asks, of both kinds (AUTH-1). */
DmDigestVerdict dm_auth_take(DmDigestClient *client, const DmSipMessage *response);
/* Whether it has nothing against an answer of ours but its nonce (RFC 7616, 3.3). */
bool dm_auth_is_stale(const DmSipMessage *response);
/* Credentials for every realm known, instead of those there; nothing when none is known. */
void dm_auth_apply(DmDigestClient *client, DmRandom *random, DmSipMessage *request);
/* RFC 3261, 22.1: an ACK has the credentials of its INVITE. */
void dm_auth_copy(DmSipMessage *to, const DmSipMessage *from);

/* Whether a request from @trunk has the credentials that its configuration demands; then they are
 * spent. @now_s: monotonic. */
DmDigestCheck dm_sip_auth_check(DmNonces *nonces,
                                const DmTrunkConfig *trunk,
                                const DmSipMessage *request,
                                int64_t now_s);
/* WWW-Authenticate for each algorithm of the trunk's, in its order (RFC 8760, 2.3: the best first).
 */
void dm_auth_challenge(DmNonces *nonces,
                       const DmTrunkConfig *trunk,
                       DmSipMessage *response,
                       int64_t now_s,
                       bool stale);
/* True: the trunk asks for no password, or it is in @request. Otherwise it has been answered. */
bool dm_sip_auth_demand(DmSipCore *core,
                        DmServerTx *tx,
                        const DmSipMessage *request,
                        const DmTrunkConfig *trunk);
/* Who @request says it is to one of our realms, with an arena's text; "" and "" when it says
 * nothing. */
void dm_sip_auth_claim(const DmSipMessage *request, const char **out_user, const char **out_realm);
