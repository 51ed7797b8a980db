/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/message.h"

/* What is wrong with a request before anyone asks what it wants (RFC 3261, 8.2; SIG-3). Pure. */
typedef struct {
    uint16_t status;    /* 0: nothing */
    const char *header; /* to be put into the answer; NULL: none */
    char value[256];
} DmRequestFault;

/* Outside dialogs: method, scheme, Max-Forwards, Require, body, Accept. */
bool dm_request_check(const DmSipMessage *request, DmRequestFault *out_fault);
/* Inside one: Require and body. */
bool dm_request_check_in_dialog(const DmSipMessage *request, DmRequestFault *out_fault);
/* As received; 70 when absent (SIG-2). */
unsigned dm_request_max_forwards(const DmSipMessage *request);
