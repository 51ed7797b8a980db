/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <sofia-sip/sip_status.h>
#include <string.h>

#include "gateway/sip/message-priv.h"

#define SIP_PORT            5060
#define OVERLOAD_RETRY_TEXT "Retry-After: 5\r\n"

/* The part of a Via that says who sent it. */
typedef struct {
    DmSpan host;   /* IPv6 in brackets */
    uint16_t port; /* 0: none given */
} SentBy;

static bool
parse_host(DmSpan host, DmAddress *out)
{
    char text[DM_ADDRESS_TEXT_MAX];

    if (host.len == 0 || host.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    return dm_address_parse(out, text, 0);
}

bool
dm_sip_host_is(DmSpan host, const DmAddress *address)
{
    DmAddress parsed;

    return parse_host(host, &parsed) && dm_address_same_host(&parsed, address);
}

static SentBy
split_sent_by(DmSpan sent_by)
{
    const char *end = sent_by.len > 0 ? sent_by.p + sent_by.len : sent_by.p;
    const char *p = sent_by.p;
    const char *colon;
    unsigned port = 0;

    if (sent_by.len == 0) {
        return (SentBy){sent_by, 0};
    }
    if (*p == '[') {
        p = memchr(p, ']', sent_by.len);
        p = p != NULL ? p + 1 : end;
    }
    colon = memchr(p, ':', (size_t)(end - p));
    if (colon == NULL) {
        return (SentBy){dm_span_trimmed(sent_by.p, end), 0};
    }
    for (p = dm_skip_lws(colon + 1, end); p < end && *p >= '0' && *p <= '9' && port < 65536; p++) {
        port = port * 10 + (unsigned)(*p - '0');
    }
    return (SentBy){dm_span_trimmed(sent_by.p, colon), port < 65536 ? (uint16_t)port : 0};
}

static const char *
via_params(DmSpan via)
{
    return dm_find_outside_quotes(via.p, via.p + via.len, DM_STOP_SEMICOLON);
}

bool
dm_via_has_param(DmSpan via, const char *wanted)
{
    const char *end = via.p + via.len;
    const char *p = via_params(via);

    while (p != NULL && p < end) {
        DmSpan name;
        DmSpan value;

        p = dm_next_param(p, end, &name, &value);
        if (p != NULL && dm_span_equals(name, wanted)) {
            return true;
        }
    }
    return false;
}

static uint16_t
default_port(DmTransport transport)
{
    return transport == DM_TRANSPORT_TLS ? SIP_PORT + 1 : SIP_PORT;
}

void
dm_sip_response_flow(const DmScan *scan, const DmSipFlow *flow, DmSipFlow *out)
{
    SentBy sent_by;
    DmAddress named;

    *out = *flow;
    if (scan->sent_by.len == 0) {
        return;
    }
    sent_by = split_sent_by(scan->sent_by);
    if (flow->transport != DM_TRANSPORT_UDP) {
        out->fallback = flow->remote;
        dm_address_set_port(&out->fallback,
                            sent_by.port != 0 ? sent_by.port : default_port(flow->transport));
        return;
    }
    if (dm_via_has_param(scan->via, "rport")) {
        return;
    }
    if (parse_host(sent_by.host, &named) && !dm_address_same_host(&named, &flow->remote)) {
        return; /* a NAT lies between: the port of the Via is not reachable */
    }
    dm_address_set_port(&out->remote, sent_by.port != 0 ? sent_by.port : SIP_PORT);
}

/* @before, then @value on one line, whatever it was folded into: no line break of a stranger's is
 * repeated. */
static void
append_unfolded(GString *out, const char *before, DmSpan value)
{
    size_t start;

    g_string_append(out, before);
    start = out->len;
    g_string_append_len(out, value.p, (gssize)value.len);
    for (size_t i = start; i < out->len; i++) {
        if (out->str[i] == '\r' || out->str[i] == '\n') {
            out->str[i] = ' ';
        }
    }
}

/* RFC 3261, 18.2.1 and RFC 3581, 4: the topmost Via says where the request really came from. What
 * it said of that itself is replaced. */
static void
append_top_via(GString *out, DmSpan via, DmSpan sent_by, const DmSipFlow *flow)
{
    const char *end = via.p + via.len;
    const char *p = via_params(via);
    char host[DM_ADDRESS_TEXT_MAX];
    bool rport = false;

    if (p == NULL) {
        append_unfolded(out, "Via: ", via);
        return;
    }
    append_unfolded(out, "Via: ", dm_span_trimmed(via.p, p));
    while (p != NULL && p < end) {
        DmSpan name;
        DmSpan value;
        const char *next = dm_next_param(p, end, &name, &value);

        if (next != NULL && dm_span_equals(name, "rport")) {
            rport = true;
        } else if (next != NULL && !dm_span_equals(name, "received")) {
            append_unfolded(out, ";", dm_span_trimmed(p + 1, next));
        }
        p = next;
    }
    if (rport || !dm_sip_host_is(split_sent_by(sent_by).host, &flow->remote)) {
        g_string_append_printf(out, ";received=%s", dm_address_host(&flow->remote, host));
    }
    if (rport) {
        g_string_append_printf(out, ";rport=%u", dm_address_port(&flow->remote));
    }
}

static void
append_line(GString *out, const char *name_and_colon, DmSpan value)
{
    append_unfolded(out, name_and_colon, value);
    g_string_append(out, "\r\n");
}

/* The line that holds the topmost Via, and what follows it there. */
static void
append_first_vias(GString *out, DmSpan value, const DmScan *scan, const DmSipFlow *flow)
{
    const char *end = value.p + value.len;
    const char *rest = scan->via.p + scan->via.len;

    append_top_via(out, scan->via, scan->sent_by, flow);
    g_string_append(out, "\r\n");
    rest = memchr(rest, ',', (size_t)(end - rest));
    if (rest != NULL) {
        append_line(out, "Via: ", dm_span_trimmed(rest + 1, end));
    }
}

static bool
is_via(DmSpan name)
{
    return dm_span_equals(name, "via") || dm_span_equals(name, "v");
}

/* From the topmost Via on: lines before it are beyond understanding. */
static void
append_headers(GString *out,
               const char *data,
               const DmScan *scan,
               const DmSipFlow *flow,
               unsigned status)
{
    const char *end = data + scan->head_len;
    const char *p = memchr(scan->method_text.p, '\n', (size_t)(end - scan->method_text.p));
    bool seen_top = false;
    DmSpan name;
    DmSpan value;

    for (p = p != NULL ? p + 1 : end; dm_next_header(&p, end, &name, &value);) {
        if (is_via(name) && seen_top) {
            append_line(out, "Via: ", value);
        } else if (is_via(name) && scan->via.p >= value.p && scan->via.p < value.p + value.len) {
            append_first_vias(out, value, scan, flow);
            seen_top = true;
        } else if (status == 100 && dm_span_equals(name, "timestamp")) {
            append_line(out, "Timestamp: ", value);
        }
    }
}

/* FNV-1a: the same for every copy of a request, as RFC 3261, 8.2.7 wants. */
static uint64_t
hash_span(uint64_t hash, DmSpan s)
{
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t
request_hash(const DmScan *scan)
{
    uint64_t hash = hash_span(UINT64_C(0xcbf29ce484222325), scan->call_id);

    hash = hash_span(hash, scan->from_tag);
    return hash_span(hash, scan->branch) ^ scan->cseq;
}

static void
append_key(GString *out, const char *name_and_colon, DmSpan value)
{
    if (value.len > 0) {
        append_line(out, name_and_colon, value);
    }
}

/* Those that the request has: it may be refused for the lack of one. */
static void
append_keys(GString *out, const DmScan *scan, unsigned status)
{
    append_key(out, "From: ", scan->from);
    if (scan->to.len > 0) {
        append_unfolded(out, "To: ", scan->to);
        if (scan->to_tag.len == 0 && status > 100) {
            g_string_append_printf(out, ";tag=%016" PRIx64, request_hash(scan));
        }
        g_string_append(out, "\r\n");
    }
    append_key(out, "Call-ID: ", scan->call_id);
    append_key(out, "CSeq: ", scan->cseq_text);
}

bool
dm_sip_raw_response(const char *data,
                    const DmScan *scan,
                    const DmSipFlow *flow,
                    unsigned status,
                    const char *phrase,
                    GString *out)
{
    if (!scan->answerable) {
        return false;
    }
    if (phrase == NULL) {
        phrase = sip_status_phrase((int)status);
    }
    g_string_append_printf(out, "SIP/2.0 %u %s\r\n", status, phrase);
    append_headers(out, data, scan, flow, status);
    append_keys(out, scan, status);
    if (status == 503) {
        g_string_append(out, OVERLOAD_RETRY_TEXT);
    }
    g_string_append(out, "Content-Length: 0\r\n\r\n");
    return true;
}
