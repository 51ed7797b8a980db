/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/span.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* RFC 3261, 25.1: token */
bool
dm_is_token_char(unsigned char c)
{
    static const bool is_token[256] = {
        ['0' ... '9'] = true,
        ['A' ... 'Z'] = true,
        ['a' ... 'z'] = true,
        ['-'] = true,
        ['.'] = true,
        ['!'] = true,
        ['%'] = true,
        ['*'] = true,
        ['_'] = true,
        ['+'] = true,
        ['`'] = true,
        ['\''] = true,
        ['~'] = true,
    };

    return is_token[c];
}

DmSpan
dm_span_trimmed(const char *from, const char *to)
{
    while (from < to && dm_is_lws(*from)) {
        from++;
    }
    while (to > from && dm_is_lws(to[-1])) {
        to--;
    }
    return dm_span(from, to);
}

bool
dm_span_is_token(DmSpan s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!dm_is_token_char((unsigned char)s.p[i])) {
            return false;
        }
    }
    return s.len > 0;
}

bool
dm_span_equals(DmSpan s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.p, text, s.len) == 0;
}

const char *
dm_skip_lws(const char *p, const char *end)
{
    while (p < end && dm_is_lws(*p)) {
        p++;
    }
    return p;
}

/* The end of the quoted string that starts at @p, behind its closing quote; NULL when it has none.
 */
static const char *
skip_quoted(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '\\') {
            p++;
        } else if (*p == '"') {
            return p + 1;
        }
    }
    return NULL;
}

#define QUOTE (1 << 4) /* beside the DM_STOP_* */

const char *
dm_find_outside_quotes(const char *p, const char *end, unsigned stops)
{
    static const uint8_t kinds[256] = {
        [';'] = DM_STOP_SEMICOLON,
        [','] = DM_STOP_COMMA,
        ['<'] = DM_STOP_BRACKET,
        ['?'] = DM_STOP_QUESTION,
        ['"'] = QUOTE,
    };

    while (p < end) {
        unsigned kind = kinds[(unsigned char)*p] & (stops | QUOTE);

        if (kind == 0) {
            p++;
        } else if (kind == QUOTE) {
            p = skip_quoted(p, end);
            if (p == NULL) {
                return NULL;
            }
        } else {
            return p;
        }
    }
    return end;
}

const char *
dm_next_param(const char *p, const char *end, DmSpan *out_name, DmSpan *out_value)
{
    const char *stop = dm_find_outside_quotes(p + 1, end, DM_STOP_SEMICOLON);
    const char *equal;

    if (stop == NULL) {
        return NULL;
    }
    equal = memchr(p + 1, '=', (size_t)(stop - p - 1));
    *out_name = dm_span_trimmed(p + 1, equal != NULL ? equal : stop);
    *out_value = equal != NULL ? dm_span_trimmed(equal + 1, stop) : (DmSpan){stop, 0};
    return stop;
}

bool
dm_find_param(const char *p, const char *end, const char *name, DmSpan *out)
{
    bool found = false;

    while (p < end) {
        DmSpan param;
        DmSpan value;

        p = dm_next_param(p, end, &param, &value);
        if (p == NULL || param.len == 0) {
            return false;
        }
        if (dm_span_equals(param, name)) {
            if (found || !dm_span_is_token(value)) {
                return false;
            }
            *out = value;
            found = true;
        }
    }
    return true;
}

bool
dm_next_header(const char **p, const char *end, DmSpan *out_name, DmSpan *out_value)
{
    const char *line = *p;
    const char *stop = line;
    const char *colon;

    if (line == end || *line == '\r' || *line == '\n') {
        return false;
    }
    do {
        const char *newline = memchr(stop, '\n', (size_t)(end - stop));

        stop = newline != NULL ? newline + 1 : end;
    } while (stop < end && (*stop == ' ' || *stop == '\t'));
    *p = stop;
    colon = memchr(line, ':', (size_t)(stop - line));
    *out_name = dm_span_trimmed(line, colon != NULL ? colon : line);
    *out_value = dm_span_trimmed(colon != NULL ? colon + 1 : line, stop);
    return true;
}
