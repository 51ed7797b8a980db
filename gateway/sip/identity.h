/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/leg-ops.h"
#include "gateway/sip/message.h"

/* Who calls whom, between SIP headers and a DmIdentity (ID-1, ID-2): what peers wrote becomes
 * plain, bounded, printable text, and only such text is written again, escaped for its place
 * (SEC-5). */

/* Longest user part or display name taken over; longer ones are cut. */
#define DM_IDENTITY_MAX 128

/* @out is initialised and filled: users without escapes, numbers without parameters
 * (";phone-context=..."). */
void dm_identity_read(const DmSipMessage *request, DmIdentity *out);

/* --- writing --- */
/* "sip:user@host:port;user=phone"; no user when it is "". @port 0: none. */
void dm_identity_append_uri(GString *out,
                            const char *user,
                            const char *host,
                            uint16_t port,
                            bool user_phone);
/* "\"display\" <uri>" or "<uri>". */
void dm_identity_append_address(GString *out, const char *display, const char *uri);

/* The From value without a tag: anonymous (RFC 3323, 4.1.1.3) or the caller at @host. */
void dm_identity_append_from(GString *out, const DmRouteTarget *target, const char *host);
/* P-Asserted-Identity, P-Preferred-Identity, Remote-Party-ID, Privacy and Diversion, as the
 * target's trunk wants them. A caller who asked for privacy is named only to a trusted trunk (RFC
 * 3325, 7). */
void dm_identity_write(DmSipMessage *request, const DmRouteTarget *target, const char *host);
