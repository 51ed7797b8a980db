/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/sip/span.h"

/* What a datagram is, before anyone parses it: one pass, no allocation, bounds on everything. What
 * passes is shaped like a SIP message and is safe to hand to the parser. The spans point into the
 * data scanned. */
typedef enum {
    DM_METHOD_INVITE,
    DM_METHOD_ACK,
    DM_METHOD_CANCEL,
    DM_METHOD_BYE,
    DM_METHOD_OPTIONS,
    DM_METHOD_REGISTER,
    DM_METHOD_UPDATE,
    DM_METHOD_PRACK,
    DM_METHOD_INFO,
    DM_METHOD_REFER,
    DM_METHOD_NOTIFY,
    DM_METHOD_SUBSCRIBE,
    DM_METHOD_MESSAGE,
    DM_METHOD_PUBLISH,
    DM_METHOD_OTHER,
} DmSipMethod;
#define DM_N_METHODS (DM_METHOD_OTHER + 1)
const char *dm_method_name(DmSipMethod method); /* "INVITE"; "other" */
DmSipMethod dm_method_parse(DmSpan name);

typedef enum {
    DM_SCAN_OK,
    DM_SCAN_KEEPALIVE,   /* CRLF, CRLFCRLF or nothing: RFC 5626, 3.5.1 */
    DM_SCAN_NOT_SIP,     /* start line is neither a request nor a response */
    DM_SCAN_INCOMPLETE,  /* stream: more bytes are needed; datagram: headers do not end */
    DM_SCAN_TOO_LONG,    /* message, start line or a header beyond its limit */
    DM_SCAN_TOO_MANY,    /* headers, Vias, Routes or Contacts beyond their number */
    DM_SCAN_BAD_LENGTH,  /* Content-Length: missing on a stream, negative, not a number, twice,
                            larger than the datagram */
    DM_SCAN_BAD_HEADER,  /* a line without a colon, NUL or control characters in a header */
    DM_SCAN_NO_KEY,      /* Call-ID, CSeq, From, To or Via missing, empty or twice */
    DM_SCAN_BAD_CSEQ,    /* not a number below 2^31, or its method is not the request's */
    DM_SCAN_BAD_VERSION, /* SIP/x with x other than 2.0: answer 505 */
    DM_SCAN_BAD_STATUS,  /* status code outside 100 to 699 */
    DM_SCAN_BAD_START,   /* a request line with stray spaces, or with characters that no URI has */
} DmScanVerdict;
#define DM_N_SCAN_VERDICTS (DM_SCAN_BAD_START + 1)
const char *dm_scan_verdict_name(DmScanVerdict verdict);

typedef struct {
    bool is_request;
    DmSipMethod method; /* of the request, or of a response's CSeq */
    unsigned status;    /* of a response */
    uint32_t cseq;
    DmSpan method_text, uri;
    DmSpan call_id, from, from_tag, to, to_tag;
    DmSpan cseq_text;            /* number and method */
    DmSpan via, sent_by, branch; /* of the topmost Via; branch empty when it has none */
    size_t head_len; /* up to and with the empty line; when bad, up to where the scan stopped */
    size_t body_len; /* by Content-Length, else the rest of the datagram */
    /* A request that can be answered with dm_sip_raw_response() although it is bad: Via, From, To,
     * Call-ID and CSeq can be copied, those at least that are there. Never an ACK. */
    bool answerable;
} DmScan;

/* Limits, all of them (SEC-5). */
#define DM_SIP_MAX_MESSAGE  65535
#define DM_SIP_MAX_LINE     8192
#define DM_SIP_MAX_HEADERS  256
#define DM_SIP_MAX_VIAS     64
#define DM_SIP_MAX_ROUTES   64
#define DM_SIP_MAX_CONTACTS 64

/* @stream: bytes of a stream, where more may follow and Content-Length is required. Control
 * characters pass only as a quoted pair (RFC 3261, 25.1; a NUL can be one). Spans of folded headers
 * hold the line breaks. */
DmScanVerdict dm_scan(const char *data, size_t len, bool stream, DmScan *out);
