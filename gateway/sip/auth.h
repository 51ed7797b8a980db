/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/trunk.h"
#include "gateway/sip/digest.h"
#include "gateway/sip/message.h"

/* Digest on SIP messages: the headers of requests and responses, to and from digest.h. */

/* What a 401 or 407 asks, of both kinds (AUTH-1). */
DmDigestVerdict dm_auth_take(DmDigestClient *client, const DmSipMessage *response);
/* Credentials for every realm known, instead of those there; nothing when none is known. */
void dm_auth_apply(DmDigestClient *client, DmRandom *random, DmSipMessage *request);
/* RFC 3261, 22.1: an ACK has the credentials of its INVITE. */
void dm_auth_copy(DmSipMessage *to, const DmSipMessage *from);

/* Whether a request from @trunk has the credentials that its configuration demands. */
DmDigestCheck dm_sip_auth_check(const char *key,
                                const DmTrunkConfig *trunk,
                                const DmSipMessage *request,
                                int64_t now_s);
/* WWW-Authenticate with SHA-256 and with MD5 (RFC 8760, 2.3: the better first). */
void dm_auth_challenge(const char *key,
                       const DmTrunkConfig *trunk,
                       DmSipMessage *response,
                       int64_t now_s,
                       bool stale);
