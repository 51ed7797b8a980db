/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transaction/request-text.h"

#include <string.h>

void
dm_request_text_add_via(GString *text, const char *via)
{
    const char *newline = memchr(text->str, '\n', text->len);
    gssize at = newline != NULL ? newline + 1 - text->str : (gssize)text->len;

    g_string_insert(text, at, "\r\n");
    g_string_insert(text, at, via);
}

static void
append_header(GString *out, const char *name, DmSpan value)
{
    size_t start;

    g_string_append_printf(out, "%s: ", name);
    start = out->len;
    g_string_append_len(out, value.p, (gssize)value.len);
    for (size_t i = start; i < out->len; i++) {
        if (out->str[i] == '\r' || out->str[i] == '\n') {
            out->str[i] = ' '; /* folded by a peer */
        }
    }
    g_string_append(out, "\r\n");
}

/* Behind the start line. */
static const char *
headers_of(const char *text, size_t len)
{
    const char *newline = memchr(text, '\n', len);

    return newline != NULL ? newline + 1 : text + len;
}

/* RFC 3261, 20; RFC 4028; RFC 3515; RFC 3892; RFC 6665. */
static const struct {
    const char *name;
    char compact;
} compact_forms[] = {
    {"Via", 'v'},
    {"From", 'f'},
    {"To", 't'},
    {"Call-ID", 'i'},
    {"Contact", 'm'},
    {"Content-Type", 'c'},
    {"Content-Length", 'l'},
    {"Content-Encoding", 'e'},
    {"Subject", 's'},
    {"Supported", 'k'},
    {"Session-Expires", 'x'},
    {"Refer-To", 'r'},
    {"Referred-By", 'b'},
    {"Event", 'o'},
    {"Allow-Events", 'u'},
};

/* 0: it has none. */
static char
compact_form(DmSpan name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(compact_forms); i++) {
        if (dm_span_equals(name, compact_forms[i].name)) {
            return compact_forms[i].compact;
        }
    }
    return '\0';
}

static bool
is_header(DmSpan name, const char *wanted)
{
    return dm_span_equals(name, wanted) ||
           (name.len == 1 &&
            g_ascii_tolower(*name.p) == compact_form((DmSpan){wanted, strlen(wanted)}));
}

static void
take_over(GString *text, GString *with)
{
    g_string_truncate(text, 0);
    g_string_append_len(text, with->str, (gssize)with->len);
    g_string_free(with, TRUE);
}

static bool
is_one_of(DmSpan name, const GPtrArray *names)
{
    for (guint i = 0; i < names->len; i++) {
        if (is_header(name, names->pdata[i])) {
            return true;
        }
    }
    return false;
}

void
dm_request_text_drop(GString *text, const GPtrArray *names)
{
    const char *end = text->str + text->len;
    const char *p = headers_of(text->str, text->len);
    const char *line = p;
    GString *out = g_string_sized_new(text->len);
    DmSpan name;
    DmSpan value;

    g_string_append_len(out, text->str, p - text->str);
    for (; dm_next_header(&p, end, &name, &value); line = p) {
        if (!is_one_of(name, names)) {
            g_string_append_len(out, line, p - line);
        }
    }
    g_string_append_len(out, line, end - line);
    take_over(text, out);
}

void
dm_request_text_replace_via(GString *text, const char *via)
{
    const char *first = headers_of(text->str, text->len);
    const char *next = first;
    gssize at = first - text->str;
    DmSpan name;
    DmSpan value;

    if (dm_next_header(&next, text->str + text->len, &name, &value)) {
        g_string_erase(text, at, next - first);
        dm_request_text_add_via(text, via);
    }
}

DmSpan
dm_request_text_body(const GString *text)
{
    const char *end = text->str + text->len;
    const char *empty = memmem(text->str, text->len, "\r\n\r\n", 4);

    return empty != NULL ? dm_span(empty + 4, end) : dm_span(end, end);
}

void
dm_request_text_set_body(GString *text, const char *body, size_t len)
{
    const char *end = text->str + text->len;
    const char *p = headers_of(text->str, text->len);
    const char *line = p;
    GString *out = g_string_sized_new(text->len);
    DmSpan name;
    DmSpan value;

    g_string_append_len(out, text->str, p - text->str);
    for (; dm_next_header(&p, end, &name, &value); line = p) {
        if (is_header(name, "Content-Length")) {
            g_string_append_len(out, name.p, (gssize)name.len);
            g_string_append_printf(out, ": %zu\r\n", len);
        } else {
            g_string_append_len(out, line, p - line);
        }
    }
    g_string_append(out, "\r\n");
    g_string_append_len(out, body, (gssize)len);
    take_over(text, out);
}

void
dm_request_text_compact(GString *text)
{
    const char *end = text->str + text->len;
    const char *p = headers_of(text->str, text->len);
    const char *line = p;
    GString *out = g_string_sized_new(text->len);
    DmSpan name;
    DmSpan value;

    g_string_append_len(out, text->str, p - text->str);
    for (; dm_next_header(&p, end, &name, &value); line = p) {
        char form = compact_form(name);

        if (form != '\0') {
            g_string_append_c(out, form);
            g_string_append_c(out, ':');
            g_string_append_len(out, value.p, (gssize)value.len);
            g_string_append(out, "\r\n");
        } else {
            g_string_append_len(out, line, p - line);
        }
    }
    g_string_append_len(out, line, end - line);
    take_over(text, out);
}

/* "INVITE sip:x SIP/2.0" with another method. */
static void
append_start_line(GString *out, const GString *text, const char *method)
{
    const char *uri = memchr(text->str, ' ', text->len);
    const char *end = headers_of(text->str, text->len);

    g_string_append(out, method);
    if (uri != NULL) {
        g_string_append_len(out, uri, end - uri);
    }
}

/* The number of a CSeq with another method. */
static void
append_cseq(GString *out, DmSpan value, const char *method)
{
    size_t digits = 0;

    while (digits < value.len && g_ascii_isdigit(value.p[digits])) {
        digits++;
    }
    g_string_append(out, "CSeq: ");
    g_string_append_len(out, value.p, (gssize)digits);
    g_string_append_printf(out, " %s\r\n", method);
}

void
dm_request_text_derive(const GString *text,
                       const char *method,
                       const DmSpan *to,
                       const char *reason,
                       GString *out)
{
    const char *end = text->str + text->len;
    const char *p = headers_of(text->str, text->len);
    bool has_via = false;
    DmSpan name;
    DmSpan value;

    append_start_line(out, text, method);
    while (dm_next_header(&p, end, &name, &value)) {
        if (is_header(name, "Via") && !has_via) {
            append_header(out, "Via", value);
            has_via = true;
        } else if (is_header(name, "Route")) {
            append_header(out, "Route", value);
        } else if (is_header(name, "From")) {
            append_header(out, "From", value);
        } else if (is_header(name, "To")) {
            append_header(out, "To", to != NULL ? *to : value);
        } else if (is_header(name, "Call-ID")) {
            append_header(out, "Call-ID", value);
        } else if (is_header(name, "CSeq")) {
            append_cseq(out, value, method);
        }
    }
    g_string_append(out, "Max-Forwards: 70\r\n");
    if (reason != NULL) {
        append_header(out, "Reason", (DmSpan){reason, strlen(reason)});
    }
    g_string_append(out, "Content-Length: 0\r\n\r\n");
}

char *
dm_request_text_header(const char *head, size_t len, const char *name)
{
    const char *end = head + len;
    const char *p = headers_of(head, len);
    DmSpan found;
    DmSpan value;

    while (dm_next_header(&p, end, &found, &value)) {
        if (is_header(found, name)) {
            char *text = g_strndup(value.p, value.len);

            g_strdelimit(text, "\r\n", ' ');
            return text;
        }
    }
    return NULL;
}
