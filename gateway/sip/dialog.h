/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/id.h"
#include "gateway/sip/message.h"
#include "gateway/sip/transport/transport.h"

/* A dialog of RFC 3261, section 12: tags, Call-ID, CSeq both ways, route set and remote target. No
 * state machine and no wire of its own: it builds requests and judges them. One signalling thread.
 */
typedef struct DmDialog DmDialog;

/* From a 2xx (or 101 to 199 with a tag) to our INVITE. @response names everything: our tag, theirs,
 * the route back. */
DmDialog *dm_dialog_new_uac(const DmSipMessage *response);
/* From an INVITE that came, answered with @local_tag. */
DmDialog *dm_dialog_new_uas(const DmSipMessage *request, const char *local_tag);
void dm_dialog_free(DmDialog *dialog);

const char *dm_dialog_call_id(const DmDialog *dialog);
const char *dm_dialog_local_tag(const DmDialog *dialog);
const char *dm_dialog_remote_tag(const DmDialog *dialog); /* "" when the peer has none (RFC 2543) */
/* Whether a request or response within a dialog is of this one: Call-ID and both tags. */
bool dm_dialog_owns_request(const DmDialog *dialog, const DmSipMessage *request);

typedef enum {
    DM_CSEQ_OK,
    DM_CSEQ_OLD, /* lower than one seen, or the same again: 500 (RFC 3261, 12.2.2) */
} DmCseqVerdict;
/* Notes the CSeq of a request from the peer (not of ACK and CANCEL). */
DmCseqVerdict dm_dialog_take_cseq(DmDialog *dialog, const DmSipMessage *request);

/* Our last CSeq; the next request made here is one more. */
uint32_t dm_dialog_cseq(const DmDialog *dialog);
/* Where the peer wants to be reached: its last Contact, without headers. (transfer full) */
char *dm_dialog_target(const DmDialog *dialog);
/* A request was sent outside the dialog's knowledge (the first INVITE, a repetition with
 * credentials). */
void dm_dialog_set_cseq(DmDialog *dialog, uint32_t cseq);

/* The 2xx to the INVITE of an early dialog: its Contact and its Record-Route hold from now on
 * (RFC 3261, 13.2.2.4). */
void dm_dialog_confirm(DmDialog *dialog, const DmSipMessage *response);

/* INVITE, UPDATE and their 2xx bring a new remote target (RFC 3261, 12.2). Without a Contact it
 * stays. */
void dm_dialog_refresh_target(DmDialog *dialog, const DmSipMessage *message);

/* Request-URI, Route, From, To, Call-ID, CSeq, Max-Forwards. ACK carries @invite_cseq; others
 * ignore it and count up. */
DmSipMessage *dm_dialog_request(DmDialog *dialog, DmSipMethod method, uint32_t invite_cseq);

/* Where its requests go: the first route or the remote target when that is an address we may
 * believe, else where the peer's messages come from. A name is never looked up here; a private
 * address behind a public source is a NAT's inside. */
void dm_dialog_flow(const DmDialog *dialog, const DmSipWire *wire, DmSipFlow *out_flow);
