/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/sip/span.h"

/* Messages out of a stream of bytes, however it was cut (RFC 3261, 18.3): by Content-Length, with
 * the keep-alives of RFC 5626, 3.5.1 between them. Pure; every byte is looked at once until its
 * message is whole. Embedded in a connection. Members belong to framing.c. */
typedef struct {
    GByteArray *bytes;
    size_t start;    /* of the message that is being read */
    size_t searched; /* from @start: where the search for the end of the head goes on */
    size_t need;     /* bytes of the message; 0: its head is not whole yet */
    size_t max_message_bytes;
    unsigned line_ends; /* bytes of CRLF CRLF seen in a row between messages */
    bool is_broken;
} DmFraming;

typedef enum {
    DM_FRAME_MORE,    /* nothing whole is left */
    DM_FRAME_MESSAGE, /* one message */
    DM_FRAME_PING,    /* CRLF CRLF: answer with CRLF */
    DM_FRAME_BROKEN,  /* nobody can tell where the next message starts: close the connection */
} DmFrameVerdict;

void dm_framing_init(DmFraming *framing, size_t max_message_bytes);
void dm_framing_clear(DmFraming *framing);
/* @data is copied. */
void dm_framing_add(DmFraming *framing, const void *data, size_t len);
/* Call until it says MORE or BROKEN. @out_message is valid until the next call of any function
 * here. With BROKEN it is the head without a usable Content-Length, so that it can be refused, or
 * empty. */
DmFrameVerdict dm_framing_next(DmFraming *framing, DmSpan *out_message);
/* Whether a part of a message waits for the rest. */
bool dm_framing_is_midway(const DmFraming *framing);
