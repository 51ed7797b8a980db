/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "gateway/sip/scan.h"

/* What a client transaction does with the bytes of its request, so that it need not keep the parsed
 * message. The bytes are ours: printed by dm_sip_message_print(). */

/* Puts the Via line (without line end) behind the start line. */
void dm_request_text_add_via(GString *text, const char *via);

/* Puts another Via line in the place of the first one. */
void dm_request_text_replace_via(GString *text, const char *via);

/* Leaves out every header of these names (char *). */
void dm_request_text_drop(GString *text, const GPtrArray *names);

/* What stands behind the empty line. Borrowed. */
DmSpan dm_request_text_body(const GString *text);

/* Another body of the same type; Content-Length follows. */
void dm_request_text_set_body(GString *text, const char *body, size_t len);

/* Writes names of headers in their compact form (RFC 3261, 7.3.3), as far as they have one. */
void dm_request_text_compact(GString *text);

/* Appends to @out the request that belongs to the INVITE in @text: the same Request-URI, topmost
 * Via, Route, From, Call-ID and CSeq number (RFC 3261, 9.1 and 17.1.1.3). @method is "ACK" or
 * "CANCEL".
 * @to: that of the response for ACK; NULL: that of the request. @reason: (nullable) text of a
 * Reason header. */
void dm_request_text_derive(const GString *text,
                            const char *method,
                            const DmSpan *to,
                            const char *reason,
                            GString *out);

/* The value of header @name in the head of a message, in one line; NULL when it has none.
 * (transfer full) */
char *dm_request_text_header(const char *head, size_t len, const char *name);
