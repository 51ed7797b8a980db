/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/multipart.h"

#include <string.h>

#define MAX_BOUNDARY 70 /* RFC 2046, 5.1.1 */

/* --- delimiters --- */

/* A line "--boundary", or "--boundary--", which is the last. */
typedef struct {
    const char *before, *after; /* where the content before it ends; where the next begins */
    bool is_last;
} Delimiter;

/* The line break before a delimiter belongs to it. */
static const char *
without_line_break(const char *start, const char *p)
{
    p -= p > start && p[-1] == '\n';
    p -= p > start && p[-1] == '\r';
    return p;
}

/* Whether @p, behind "--boundary", ends the line there. */
static bool
ends_line(const char *p, const char *end, Delimiter *out)
{
    const char *newline;

    out->is_last = end - p >= 2 && p[0] == '-' && p[1] == '-';
    p += out->is_last ? 2 : 0;
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }
    newline = p;
    out->after = newline < end ? newline + 1 : end;
    return newline == end || *newline == '\n';
}

static bool
find_delimiter(const char *start, const char *end, DmSpan boundary, Delimiter *out)
{
    char text[MAX_BOUNDARY + 2] = "--";
    size_t len = boundary.len + 2;

    if (boundary.len == 0 || boundary.len > MAX_BOUNDARY) {
        return false;
    }
    memcpy(text + 2, boundary.p, boundary.len);
    for (const char *p = start; (p = memmem(p, (size_t)(end - p), text, len)) != NULL; p++) {
        if ((p == start || p[-1] == '\n') && ends_line(p + len, end, out)) {
            out->before = without_line_break(start, p);
            return true;
        }
    }
    return false;
}

/* --- headers of a part --- */

DmSpan
dm_parts_parameter(DmSpan value, const char *name)
{
    const char *end = value.p + value.len;
    const char *p = memchr(value.p, ';', value.len);
    DmSpan found_name;
    DmSpan found;

    while (p != NULL && p < end) {
        p = dm_next_param(p, end, &found_name, &found);
        if (p != NULL && dm_span_equals(found_name, name)) {
            bool quoted = found.len >= 2 && found.p[0] == '"' && found.p[found.len - 1] == '"';

            return quoted ? (DmSpan){found.p + 1, found.len - 2} : found;
        }
    }
    return (DmSpan){value.p, 0};
}

static DmSpan
without_parameters(DmSpan value)
{
    const char *semicolon = memchr(value.p, ';', value.len);

    return dm_span_trimmed(value.p, semicolon != NULL ? semicolon : value.p + value.len);
}

static DmHandling
handling_of(DmSpan disposition)
{
    DmSpan said = dm_parts_parameter(disposition, "handling");

    if (dm_span_equals(said, "optional")) {
        return DM_HANDLING_OPTIONAL;
    }
    return dm_span_equals(said, "required") ? DM_HANDLING_REQUIRED : DM_HANDLING_NOT_SAID;
}

static void
take_header(DmPart *part, DmSpan name, DmSpan value)
{
    if (dm_span_equals(name, "Content-Type") || dm_span_equals(name, "c")) {
        part->type = without_parameters(value);
        part->parameters = dm_span(part->type.p + part->type.len, value.p + value.len);
        part->boundary = dm_parts_parameter(value, "boundary");
    } else if (dm_span_equals(name, "Content-Disposition")) {
        part->disposition = without_parameters(value);
        part->handling = handling_of(value);
    } else if (dm_span_equals(name, "Content-ID")) {
        part->id = value;
    } else if (dm_span_equals(name, "Content-Encoding") || dm_span_equals(name, "e")) {
        part->encoding = value;
    }
}

/* Headers, an empty line, and what is left. */
static void
read_part(const char *p, const char *end, DmPart *out)
{
    DmSpan name;
    DmSpan value;

    *out = (DmPart){
        .type = {p, 0},
        .parameters = {p, 0},
        .boundary = {p, 0},
        .disposition = {p, 0},
        .id = {p, 0},
        .encoding = {p, 0},
    };
    while (dm_next_header(&p, end, &name, &value)) {
        take_header(out, name, value);
    }
    p += p < end && *p == '\r';
    p += p < end && *p == '\n';
    out->content = dm_span(p, end);
}

/* --- walking --- */

static void
go_to(DmParts *parts, const Delimiter *delimiter)
{
    parts->p = delimiter->is_last ? NULL : delimiter->after;
}

bool
dm_parts_begin(DmParts *parts, DmSpan body, DmSpan boundary)
{
    Delimiter first;

    *parts = (DmParts){.end = body.p + body.len, .boundary = boundary};
    if (!find_delimiter(body.p, parts->end, boundary, &first)) {
        return false;
    }
    go_to(parts, &first);
    return true;
}

bool
dm_parts_next(DmParts *parts, DmPart *out)
{
    const char *start = parts->p;
    Delimiter next;

    if (start == NULL) {
        return false;
    }
    if (!find_delimiter(start, parts->end, parts->boundary, &next)) {
        next = (Delimiter){.before = parts->end, .is_last = true};
    }
    read_part(start, next.before, out);
    go_to(parts, &next);
    return true;
}
