/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/leg-ops.h"
#include "gateway/sip/core.h"
#include "gateway/sip/request-check.h"

/* Bodies of several parts (RFC 5621; SIG-26): the session description among them, and what else may
 * cross to the other side. */

/* The session description of a body, alone or one of several parts: "session" is what it is for,
 * and nothing encodes it. NULL with true: there is none. False: it cannot be read. (transfer full)
 */
bool dm_sip_bodies_read_sdp(const sip_t *sip, DmSdp **out_sdp);

/* Whether nothing in an INVITE or UPDATE of @trunk has to be understood and is not. False: 415, or
 * 400 for parts that cannot be told apart. */
bool dm_sip_bodies_check(const DmSipMessage *request,
                         const DmTrunkConfig *trunk,
                         DmRequestFault *out_fault);

/* What comes with the description from @trunk and may leave it: DmBodyPart, a few at most. NULL:
 * nothing. (transfer full) */
GPtrArray *dm_sip_bodies_take(const DmSipMessage *request, const DmTrunkConfig *trunk);
/* Puts those of @parts that @trunk takes behind the description in @request, in a multipart of our
 * own. @host: in the names of parts. */
void dm_sip_bodies_add(const DmSipCore *core,
                       DmSipMessage *request,
                       const GPtrArray *parts,
                       const DmTrunkConfig *trunk,
                       const char *host);
/* Value of Accept toward @trunk; NULL: not known. (transfer full) */
char *dm_sip_bodies_accept(const DmTrunkConfig *trunk);
