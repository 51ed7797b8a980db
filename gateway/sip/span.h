/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A piece of the data scanned. It owns nothing and is not terminated. */
typedef struct {
    const char *p;
    size_t len;
} DmSpan;

static inline DmSpan
dm_span(const char *from, const char *to)
{
    return (DmSpan){from, (size_t)(to - from)};
}

/* Linear white space of RFC 3261, 25.1, the line breaks of folded headers with it. */
static inline bool
dm_is_lws(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool dm_is_token_char(unsigned char c);
/* Not empty, and all of it token characters. */
bool dm_span_is_token(DmSpan s);
/* Without white space at both ends. */
DmSpan dm_span_trimmed(const char *from, const char *to);
/* Whether it says @text, whatever the case. */
bool dm_span_equals(DmSpan s, const char *text);
const char *dm_skip_lws(const char *p, const char *end);

/* Characters that end a piece of a header, as a set. */
enum {
    DM_STOP_SEMICOLON = 1 << 0,
    DM_STOP_COMMA = 1 << 1,
    DM_STOP_BRACKET = 1 << 2,
    DM_STOP_QUESTION = 1 << 3,
};

/* The first of @stops (DM_STOP_*) outside quotes, @end when there is none; NULL when a quote does
 * not end. */
const char *dm_find_outside_quotes(const char *p, const char *end, unsigned stops);

/* Takes the parameter that starts at @p (a semicolon) apart; returns where the next starts, @end,
 * or NULL when it is malformed. @out_value is empty for a parameter without one. */
const char *dm_next_param(const char *p, const char *end, DmSpan *out_name, DmSpan *out_value);
/* Finds the token value of parameter @name in "*(;param)" and writes it to @out, when it is there.
 * False when there are two of it, its value is no token, or the parameters are malformed. */
bool dm_find_param(const char *p, const char *end, const char *name, DmSpan *out);

/* Takes the header line at *@p, which may be folded, apart and moves *@p behind it. False at the
 * empty line or where the data ends. Lines without a colon have an empty name. */
bool dm_next_header(const char **p, const char *end, DmSpan *out_name, DmSpan *out_value);
