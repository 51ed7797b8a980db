/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/span.h"

/* Bodies of several parts (RFC 2046, 5.1; RFC 5621) as spans of what was received. Not Sofia's
 * msg_multipart_parse(): that writes into the body and reads beyond its end. Pure. */
typedef enum {
    DM_HANDLING_NOT_SAID,
    DM_HANDLING_OPTIONAL,
    DM_HANDLING_REQUIRED,
} DmHandling;

typedef struct {
    DmSpan type;        /* "application/sdp", without parameters; empty: not said */
    DmSpan parameters;  /* of the type, with the semicolon before them; or empty */
    DmSpan boundary;    /* of a multipart type; else empty */
    DmSpan disposition; /* "session"; empty: not said */
    DmHandling handling;
    DmSpan id;       /* "<x@y>"; empty: none */
    DmSpan encoding; /* "gzip"; empty: none */
    DmSpan content;
} DmPart;

/* Where the next part is looked for. */
typedef struct {
    const char *p, *end; /* @p: behind the delimiter of the next part; NULL: there is none */
    DmSpan boundary;
} DmParts;

/* False: the delimiter is nowhere in @body. */
bool dm_parts_begin(DmParts *parts, DmSpan body, DmSpan boundary);
/* The last one may lack its end. False: there are no more. */
bool dm_parts_next(DmParts *parts, DmPart *out);
/* The parameter of a header's value, without quotes around it; empty: not there. */
DmSpan dm_parts_parameter(DmSpan value, const char *name);
