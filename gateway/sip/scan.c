/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/scan.h"

#include <string.h>
#include <strings.h>

#include "gateway/sip/span.h"

/* What the scanner knows while it walks the lines of one message. */
typedef struct {
    const char *end; /* of the data */
    const char *p;   /* start of the line that comes next */
    DmScan *out;
    DmScanVerdict verdict; /* the first thing that was wrong */
    DmSpan cseq_method;
    unsigned n_headers, n_vias, n_routes, n_contacts;
    bool has_from, has_to, has_call_id, has_cseq, has_length;
    uint64_t content_length;
} Scanner;

#define MAX_CONTENT_LENGTH 999999999

static const char *const method_names[DM_N_METHODS] = {
    [DM_METHOD_INVITE] = "INVITE",
    [DM_METHOD_ACK] = "ACK",
    [DM_METHOD_CANCEL] = "CANCEL",
    [DM_METHOD_BYE] = "BYE",
    [DM_METHOD_OPTIONS] = "OPTIONS",
    [DM_METHOD_REGISTER] = "REGISTER",
    [DM_METHOD_UPDATE] = "UPDATE",
    [DM_METHOD_PRACK] = "PRACK",
    [DM_METHOD_INFO] = "INFO",
    [DM_METHOD_REFER] = "REFER",
    [DM_METHOD_NOTIFY] = "NOTIFY",
    [DM_METHOD_SUBSCRIBE] = "SUBSCRIBE",
    [DM_METHOD_MESSAGE] = "MESSAGE",
    [DM_METHOD_PUBLISH] = "PUBLISH",
    [DM_METHOD_OTHER] = "other",
};

static const char *const verdict_names[DM_N_SCAN_VERDICTS] = {
    [DM_SCAN_OK] = "ok",
    [DM_SCAN_KEEPALIVE] = "keepalive",
    [DM_SCAN_NOT_SIP] = "not_sip",
    [DM_SCAN_INCOMPLETE] = "incomplete",
    [DM_SCAN_TOO_LONG] = "too_long",
    [DM_SCAN_TOO_MANY] = "too_many",
    [DM_SCAN_BAD_LENGTH] = "bad_length",
    [DM_SCAN_BAD_HEADER] = "bad_header",
    [DM_SCAN_NO_KEY] = "no_key",
    [DM_SCAN_BAD_CSEQ] = "bad_cseq",
    [DM_SCAN_BAD_VERSION] = "bad_version",
    [DM_SCAN_BAD_STATUS] = "bad_status",
    [DM_SCAN_BAD_START] = "bad_start",
};

const char *
dm_method_name(DmSipMethod method)
{
    return (unsigned)method < DM_N_METHODS ? method_names[method] : "other";
}

DmSipMethod
dm_method_parse(DmSpan name)
{
    for (unsigned i = 0; i < DM_METHOD_OTHER; i++) {
        if (name.len == strlen(method_names[i]) && memcmp(name.p, method_names[i], name.len) == 0) {
            return (DmSipMethod)i;
        }
    }
    return DM_METHOD_OTHER;
}

const char *
dm_scan_verdict_name(DmScanVerdict verdict)
{
    return (unsigned)verdict < DM_N_SCAN_VERDICTS ? verdict_names[verdict] : "?";
}

/* --- control characters --- */

/* Control characters other than tab and line ends. Eight bytes at a time: most lines have none. */
static bool
may_have_controls(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    uint64_t found = 0;

    for (; end - p >= 8; p += 8) {
        uint64_t x;
        uint64_t del;

        memcpy(&x, p, 8);
        del = x ^ (ones * 0x7f);
        found |= ((x - ones * 0x20) & ~x) | ((del - ones) & ~del);
    }
    for (; p < end; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            found |= tops;
        }
    }
    return (found & tops) != 0;
}

/* Line ends may stand only where a folded line goes on (a lone CR would be a line end to some
 * parsers); anything else only behind the backslash of a quoted pair. */
static bool
has_bad_controls(const char *p, const char *end)
{
    bool quoted = false;

    if (!may_have_controls(p, end)) {
        return false;
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '\\') {
            quoted = !quoted;
            continue;
        }
        if (c == '\r' ? (p + 1 == end || p[1] != '\n') : c == '\n' && quoted) {
            return true;
        }
        if ((c < 0x20 || c == 0x7f) && c != '\t' && c != '\r' && c != '\n' && !quoted) {
            return true;
        }
        quoted = false;
    }
    return false;
}

/* No white space, no quotes, no brackets: nothing that ends a URI for one parser and not for
 * another. */
static bool
is_plain_uri(DmSpan uri)
{
    for (size_t i = 0; i < uri.len; i++) {
        unsigned char c = (unsigned char)uri.p[i];

        if (c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"') {
            return false;
        }
    }
    return uri.len > 0;
}

static void
note(Scanner *s, DmScanVerdict verdict)
{
    if (s->verdict == DM_SCAN_OK) {
        s->verdict = verdict;
    }
}

/* --- the start line --- */

static bool
has_version_prefix(DmSpan s)
{
    return s.len > 4 && strncasecmp(s.p, "SIP/", 4) == 0;
}

static void
scan_status_line(Scanner *s, DmSpan line)
{
    const char *end = line.p + line.len;
    const char *p = memchr(line.p, ' ', line.len);
    unsigned status = 0;
    unsigned n = 0;

    if (p == NULL || !dm_span_equals(dm_span(line.p, p), "SIP/2.0")) {
        note(s, DM_SCAN_BAD_VERSION);
        return;
    }
    for (p++; p < end && n < 4 && *p >= '0' && *p <= '9'; p++, n++) {
        status = status * 10 + (unsigned)(*p - '0');
    }
    if (n != 3 || (p < end && *p != ' ') || status < 100 || status > 699) {
        note(s, DM_SCAN_BAD_STATUS);
        return;
    }
    s->out->status = status;
}

/* RFC 3261, 7.1: Method SP Request-URI SP SIP-Version. Returns whether it is worth reading on for
 * an answer. */
static bool
scan_request_line(Scanner *s, DmSpan line)
{
    const char *end = line.p + line.len;
    const char *space = memchr(line.p, ' ', line.len);
    const char *version;
    DmSpan uri;

    if (space == NULL || !dm_span_is_token(dm_span(line.p, space))) {
        note(s, DM_SCAN_NOT_SIP);
        return false;
    }
    s->out->is_request = true;
    s->out->method_text = dm_span(line.p, space);
    s->out->method = dm_method_parse(s->out->method_text);
    while (end > space + 1 && dm_is_lws(end[-1])) {
        end--;
    }
    version = end;
    while (version > space + 1 && version[-1] != ' ') {
        version--;
    }
    uri = dm_span(space + 1, version > space + 1 ? version - 1 : version);
    if (!has_version_prefix(dm_span(version, end))) {
        note(s, DM_SCAN_NOT_SIP);
    } else if (!dm_span_equals(dm_span(version, end), "SIP/2.0")) {
        note(s, DM_SCAN_BAD_VERSION);
    } else if (end != line.p + line.len || !is_plain_uri(uri)) {
        note(s, DM_SCAN_BAD_START);
    }
    s->out->uri = uri;
    return true;
}

/* --- headers --- */

/* Goes behind one address (RFC 3261, 20.10): display name and URI in brackets, or a URI alone,
 * whose commas, question marks and semicolons are not its own. NULL: malformed. */
static const char *
skip_address(const char *p, const char *end)
{
    const char *stop = dm_find_outside_quotes(p,
                                              end,
                                              DM_STOP_BRACKET | DM_STOP_SEMICOLON | DM_STOP_COMMA |
                                                  DM_STOP_QUESTION);
    const char *close;

    if (stop == NULL) {
        return NULL;
    }
    if (stop == end || *stop != '<') {
        bool good = is_plain_uri(dm_span_trimmed(p, stop)) && (stop == end || *stop != '?');

        return good ? stop : NULL;
    }
    close = memchr(stop, '>', (size_t)(end - stop));
    return close != NULL && is_plain_uri(dm_span(stop + 1, close)) ? close + 1 : NULL;
}

/* From or To: the whole value, and its tag. */
static void
take_address(Scanner *s, DmSpan value, bool *seen, DmSpan *out_value, DmSpan *out_tag)
{
    const char *end = value.p + value.len;
    const char *p = value.p;

    if (*seen || value.len == 0) {
        note(s, DM_SCAN_NO_KEY);
        return;
    }
    *seen = true;
    *out_value = value;
    p = skip_address(p, end);
    p = p != NULL ? dm_skip_lws(p, end) : NULL;
    if (p == NULL || (p < end && *p != ';') ||
        dm_find_outside_quotes(p, end, DM_STOP_COMMA) != end ||
        !dm_find_param(p, end, "tag", out_tag)) {
        note(s, DM_SCAN_BAD_HEADER);
    }
}

static void
take_call_id(Scanner *s, DmSpan value)
{
    if (s->has_call_id || value.len == 0) {
        note(s, DM_SCAN_NO_KEY);
        return;
    }
    s->has_call_id = true;
    s->out->call_id = value;
    for (size_t i = 0; i < value.len; i++) {
        if (dm_is_lws(value.p[i])) {
            note(s, DM_SCAN_BAD_HEADER);
            return;
        }
    }
}

/* Digits only, at most @max; false otherwise. Moves *@p behind them. */
static bool
take_number(const char **p, const char *end, uint64_t max, uint64_t *out)
{
    const char *start = *p;
    uint64_t value = 0;

    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
        value = value * 10 + (uint64_t)(**p - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return *p > start;
}

static void
take_cseq(Scanner *s, DmSpan value)
{
    const char *end = value.p + value.len;
    const char *p = value.p;
    uint64_t number;

    if (s->has_cseq || value.len == 0) {
        note(s, DM_SCAN_NO_KEY);
        return;
    }
    s->has_cseq = true;
    s->out->cseq_text = value;
    s->cseq_method = value;
    if (!take_number(&p, end, INT32_MAX, &number) || p == end || !dm_is_lws(*p)) {
        note(s, DM_SCAN_BAD_CSEQ);
        return;
    }
    s->out->cseq = (uint32_t)number;
    s->cseq_method = dm_span(dm_skip_lws(p, end), end);
}

static void
take_length(Scanner *s, DmSpan value)
{
    const char *end = value.p + value.len;
    const char *p = value.p;

    if (s->has_length || !take_number(&p, end, MAX_CONTENT_LENGTH, &s->content_length) ||
        p != end) {
        note(s, DM_SCAN_BAD_LENGTH);
    }
    s->has_length = true;
}

/* RFC 3261, 20.42: sent-protocol LWS sent-by *( ";" params ), of the topmost one. */
static void
take_top_via(Scanner *s, DmSpan via)
{
    const char *end = via.p + via.len;
    const char *params = dm_find_outside_quotes(via.p, end, DM_STOP_SEMICOLON);
    const char *p = via.p;

    s->out->via = via;
    if (params == NULL || !dm_find_param(params, end, "branch", &s->out->branch)) {
        note(s, DM_SCAN_BAD_HEADER);
        return;
    }
    for (unsigned slashes = 0; slashes < 2; slashes++) {
        p = memchr(p, '/', (size_t)(params - p));
        if (p == NULL) {
            note(s, DM_SCAN_BAD_HEADER);
            return;
        }
        p++;
    }
    p = dm_skip_lws(p, params);
    while (p < params && dm_is_token_char((unsigned char)*p)) {
        p++;
    }
    s->out->sent_by = dm_span_trimmed(p, params);
    if (s->out->sent_by.len == 0 || p == s->out->sent_by.p) {
        note(s, DM_SCAN_BAD_HEADER);
    }
}

/* Counts what a list holds; an unbalanced quote is bad. */
static void
count_values(Scanner *s, DmSpan value, unsigned *n, unsigned max)
{
    const char *end = value.p + value.len;
    const char *p = value.p;

    while (p < end) {
        p = dm_find_outside_quotes(p, end, DM_STOP_BRACKET | DM_STOP_COMMA);
        if (p != NULL && p < end && *p == '<') {
            p = memchr(p, '>', (size_t)(end - p));
            p = p != NULL ? dm_find_outside_quotes(p, end, DM_STOP_COMMA) : NULL;
        }
        if (p == NULL) {
            note(s, DM_SCAN_BAD_HEADER);
            return;
        }
        if (++*n > max) {
            note(s, DM_SCAN_TOO_MANY);
            return;
        }
        p++;
    }
}

static void
take_via(Scanner *s, DmSpan value)
{
    if (s->n_vias == 0) {
        const char *end = dm_find_outside_quotes(value.p, value.p + value.len, DM_STOP_COMMA);

        if (end == NULL) {
            note(s, DM_SCAN_BAD_HEADER);
            end = value.p + value.len;
        }
        take_top_via(s, dm_span_trimmed(value.p, end));
        if (s->out->via.len == 0) {
            note(s, DM_SCAN_NO_KEY);
            return;
        }
    }
    count_values(s, value, &s->n_vias, DM_SIP_MAX_VIAS);
}

/* Every address of the list on its own, so that headers of a URI without brackets are seen. */
static void
take_contact(Scanner *s, DmSpan value)
{
    const char *end = value.p + value.len;
    const char *p = value.p;

    while (p < end) {
        p = skip_address(p, end);
        p = p != NULL ? dm_find_outside_quotes(p, end, DM_STOP_COMMA) : NULL;
        if (p == NULL) {
            note(s, DM_SCAN_BAD_HEADER);
            return;
        }
        if (++s->n_contacts > DM_SIP_MAX_CONTACTS) {
            note(s, DM_SCAN_TOO_MANY);
            return;
        }
        p++;
    }
}

static void
take_route(Scanner *s, DmSpan value)
{
    count_values(s, value, &s->n_routes, DM_SIP_MAX_ROUTES);
}

static void
take_from(Scanner *s, DmSpan value)
{
    take_address(s, value, &s->has_from, &s->out->from, &s->out->from_tag);
}

static void
take_to(Scanner *s, DmSpan value)
{
    take_address(s, value, &s->has_to, &s->out->to, &s->out->to_tag);
}

/* What the scanner looks into: name, compact form, what to do. */
static const struct {
    const char *name;
    size_t len;
    char compact;
    void (*take)(Scanner *s, DmSpan value);
} known_headers[] = {
    {"via", 3, 'v', take_via},
    {"from", 4, 'f', take_from},
    {"to", 2, 't', take_to},
    {"call-id", 7, 'i', take_call_id},
    {"cseq", 4, '\0', take_cseq},
    {"contact", 7, 'm', take_contact},
    {"content-length", 14, 'l', take_length},
    {"route", 5, '\0', take_route},
    {"record-route", 12, '\0', take_route},
};

static void
scan_header(Scanner *s, const char *line, const char *end)
{
    const char *colon = line;
    DmSpan name;
    char first;

    while (colon < end && dm_is_token_char((unsigned char)*colon)) {
        colon++;
    }
    name = dm_span(line, colon);
    colon = dm_skip_lws(colon, end);
    if (name.len == 0 || colon == end || *colon != ':' || has_bad_controls(name.p, end)) {
        note(s, DM_SCAN_BAD_HEADER);
        return;
    }
    if ((size_t)(end - line) > DM_SIP_MAX_LINE) {
        note(s, DM_SCAN_TOO_LONG);
        return;
    }
    first = (char)(name.p[0] | 0x20);
    for (size_t i = 0; i < sizeof(known_headers) / sizeof(known_headers[0]); i++) {
        bool same = name.len == 1
                        ? first == known_headers[i].compact
                        : name.len == known_headers[i].len && first == known_headers[i].name[0] &&
                              strncasecmp(name.p, known_headers[i].name, name.len) == 0;

        if (same) {
            known_headers[i].take(s, dm_span_trimmed(colon + 1, end));
            return;
        }
    }
}

/* --- the message --- */

/* The line that starts at s->p, without its end; false when it does not end. */
static bool
next_line(Scanner *s, const char **out_end)
{
    const char *newline = memchr(s->p, '\n', (size_t)(s->end - s->p));

    if (newline == NULL) {
        return false;
    }
    *out_end = newline > s->p && newline[-1] == '\r' ? newline - 1 : newline;
    s->p = newline + 1;
    return true;
}

/* RFC 3261, 7.3.1: a header goes on in every line that starts with a space or a tab. The empty line
 * does not: what follows it is the body, whatever that begins with. */
static bool
next_header(Scanner *s, const char **out_end)
{
    const char *start = s->p;

    if (!next_line(s, out_end)) {
        return false;
    }
    while (*out_end > start && s->p < s->end && (*s->p == ' ' || *s->p == '\t')) {
        if (!next_line(s, out_end)) {
            return false;
        }
    }
    return true;
}

/* True when the empty line was reached. */
static bool
scan_headers(Scanner *s)
{
    for (;;) {
        const char *line = s->p;
        const char *end;

        if (!next_header(s, &end)) {
            s->verdict = DM_SCAN_INCOMPLETE;
            return false;
        }
        if (end == line) {
            return true;
        }
        if (++s->n_headers > DM_SIP_MAX_HEADERS) {
            note(s, DM_SCAN_TOO_MANY);
        } else {
            scan_header(s, line, end);
        }
        if (s->verdict == DM_SCAN_TOO_MANY) {
            return false;
        }
    }
}

static void
check_keys(Scanner *s)
{
    DmSipMethod in_cseq;

    if (!s->has_from || !s->has_to || !s->has_call_id || !s->has_cseq || s->n_vias == 0) {
        note(s, DM_SCAN_NO_KEY);
        return;
    }
    if (s->verdict != DM_SCAN_OK) {
        return;
    }
    if (!dm_span_is_token(s->cseq_method)) {
        note(s, DM_SCAN_BAD_CSEQ);
        return;
    }
    in_cseq = dm_method_parse(s->cseq_method);
    if (!s->out->is_request) {
        s->out->method = in_cseq;
        s->out->method_text = s->cseq_method;
    } else if (s->cseq_method.len != s->out->method_text.len ||
               memcmp(s->cseq_method.p, s->out->method_text.p, s->cseq_method.len) != 0) {
        note(s, DM_SCAN_BAD_CSEQ);
    }
}

static void
check_length(Scanner *s, bool stream)
{
    size_t rest = (size_t)(s->end - s->p);

    if (!s->has_length) {
        s->out->body_len = stream ? 0 : rest;
        if (stream) {
            note(s, DM_SCAN_BAD_LENGTH);
        }
        return;
    }
    s->out->body_len = (size_t)s->content_length;
    if (s->out->head_len + s->content_length > DM_SIP_MAX_MESSAGE) {
        note(s, stream ? DM_SCAN_TOO_LONG : DM_SCAN_BAD_LENGTH);
    } else if (s->content_length > rest && stream && s->verdict == DM_SCAN_OK) {
        note(s, DM_SCAN_INCOMPLETE);
    } else if (s->content_length > rest) {
        note(s, DM_SCAN_BAD_LENGTH);
        s->out->body_len = rest;
    }
}

/* Line ends before a message are keep-alives (RFC 5626, 3.5.1; RFC 3261, 7.5). */
static const char *
skip_line_ends(const char *p, const char *end)
{
    while (p < end && (*p == '\r' || *p == '\n')) {
        p++;
    }
    return p;
}

/* The start line; false when nothing more is to be read. */
static bool
scan_start(Scanner *s, bool stream)
{
    const char *line = s->p;
    const char *end;
    DmSpan text;

    if (!next_line(s, &end)) {
        bool too_long = (size_t)(s->end - line) > DM_SIP_MAX_LINE;

        s->verdict = too_long ? DM_SCAN_TOO_LONG : stream ? DM_SCAN_INCOMPLETE : DM_SCAN_NOT_SIP;
        return false;
    }
    text = dm_span(line, end);
    if (text.len > DM_SIP_MAX_LINE) {
        s->verdict = DM_SCAN_TOO_LONG;
        return false;
    }
    if (may_have_controls(text.p, end)) {
        s->verdict = DM_SCAN_NOT_SIP;
        return false;
    }
    if (has_version_prefix(text)) {
        scan_status_line(s, text);
        return s->verdict == DM_SCAN_OK;
    }
    return scan_request_line(s, text);
}

/* What an answer copies is there, or it is just this that is told. Too many Vias cannot be copied
 * whole, and without one there is nobody to tell. */
static bool
is_answerable(const Scanner *s)
{
    bool has_keys = s->has_from && s->has_to && s->has_call_id && s->has_cseq;

    return s->out->is_request && s->out->method != DM_METHOD_ACK &&
           s->verdict != DM_SCAN_INCOMPLETE && (has_keys || s->verdict == DM_SCAN_NO_KEY) &&
           s->n_vias > 0 && s->n_vias <= DM_SIP_MAX_VIAS;
}

DmScanVerdict
dm_scan(const char *data, size_t len, bool stream, DmScan *out)
{
    Scanner s = {.end = len > 0 ? data + len : data, .out = out, .verdict = DM_SCAN_OK};
    bool full = false;

    *out = (DmScan){0};
    if (len > DM_SIP_MAX_MESSAGE && !stream) {
        return DM_SCAN_TOO_LONG;
    }
    s.p = skip_line_ends(data, s.end);
    out->head_len = (size_t)(s.p - data);
    if (s.p == s.end) {
        return stream && len > 0 && data[len - 1] == '\r' ? DM_SCAN_INCOMPLETE : DM_SCAN_KEEPALIVE;
    }
    if (stream && s.end - s.p >= DM_SIP_MAX_MESSAGE) {
        s.end = s.p + DM_SIP_MAX_MESSAGE; /* the rest belongs to later messages */
        full = true;
    }
    if (!scan_start(&s, stream)) {
        return s.verdict;
    }
    if (scan_headers(&s)) {
        out->head_len = (size_t)(s.p - data);
        check_keys(&s);
        check_length(&s, stream);
    }
    out->head_len = (size_t)(s.p - data);
    if (s.verdict == DM_SCAN_INCOMPLETE && full) {
        s.verdict = DM_SCAN_TOO_LONG; /* more will not help */
    }
    out->answerable = is_answerable(&s);
    return s.verdict;
}
