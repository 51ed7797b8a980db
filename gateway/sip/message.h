/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/sip.h>
#include <stdbool.h>

#include "gateway/sip/flow.h"
#include "gateway/sip/scan.h"

/* A SIP message on Sofia's parser: one arena a message, freed at once. Owned by one holder; never
 * shared between threads. */
typedef struct {
    msg_t *msg;
    sip_t *sip;
    su_home_t *home;    /* the arena: what is built for the message is allocated here */
    DmSipFlow flow;     /* of a received message */
    DmSipMethod method; /* of a request, or of a response's CSeq */
} DmSipMessage;

/* From bytes that dm_scan() found good (@scan is its result). NULL when Sofia cannot make sense of
 * them at all; a message with a faulty header that matters is returned with *@out_faulty set
 * (answer 400); a faulty Date or Accept is as if absent. @data is copied into the arena. */
DmSipMessage *dm_sip_message_parse(const char *data,
                                   size_t len,
                                   const DmScan *scan,
                                   const DmSipFlow *flow,
                                   bool *out_faulty);
/* Empty, to be filled. */
DmSipMessage *dm_sip_message_new(void);
void dm_sip_message_free(DmSipMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmSipMessage, dm_sip_message_free)

/* Status line, Via (with received and rport as RFC 3581 and 3261, 18.2.1 say), From, To (with
 * @to_tag when it has none and the status is not 100), Call-ID, CSeq, Record-Route of dialog-making
 * requests, Timestamp for 100. @phrase NULL: the standard one. (transfer full) */
DmSipMessage *dm_sip_response_new(const DmSipMessage *request,
                                  unsigned status,
                                  const char *phrase,
                                  const char *to_tag);
/* Where the answer to a request goes: RFC 3581, 4 and RFC 3261, 18.2.2. To the source, and to its
 * port when the request asks for that (rport) or has crossed a NAT; otherwise to the port of its
 * Via. Of a stream: on the same connection; when it is gone, on one to the port of the Via. */
void dm_sip_response_flow(const DmScan *scan, const DmSipFlow *flow, DmSipFlow *out);
/* Whether the topmost Via, as scanned, has the parameter: "rport", "alias" (RFC 5923). */
bool dm_via_has_param(DmSpan via, const char *wanted);
/* Straight from scanned bytes to response bytes, for what Sofia never saw: copies Via, From, To,
 * Call-ID, CSeq; Timestamp for 100; Retry-After for 503. The To tag is a hash of the request, so a
 * retransmission gets the same answer (RFC 3261, 8.2.7). @phrase NULL: the standard one. Appends to
 * @out; false when it cannot be answered (@scan's answerable). */
bool dm_sip_raw_response(const char *data,
                         const DmScan *scan,
                         const DmSipFlow *flow,
                         unsigned status,
                         const char *phrase,
                         GString *out);

/* Adds a header made from text, checked: "X-Thing", "value". CR, LF and NUL in @value make it fail
 * (SEC-5). */
bool dm_sip_message_add(DmSipMessage *message, const char *name, const char *value);
/* The value of the first header @name that Sofia has no field for, or NULL. */
const char *dm_sip_message_extension(const sip_t *sip, const char *name);
/* Replaces the body; @type NULL removes it. Sets Content-Type and Content-Length. */
void dm_sip_message_set_body(DmSipMessage *message, const char *type, const char *body, size_t len);
/* Prints; appends to @out. May be called again after changes. False: the message lacks something (a
 * bug). */
bool dm_sip_message_print(DmSipMessage *message, GString *out);
