/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/log-line.h"

#include <string.h>

#define TAIL_MAX       8 /* closing quote, brace, newline */
#define ESCAPED_MAX    6 /* "\u00ff", the longest for one byte */
#define UTF8_MAX_BYTES 4

/* The length of a printable character at @text; 0 when it is not one. */
static size_t
printable_len(const char *text, size_t len)
{
    gunichar c;

    if ((unsigned char)*text < 0x80) {
        return g_ascii_isprint(*text) ? 1 : 0;
    }
    c = g_utf8_get_char_validated(text, (gssize)MIN(len, UTF8_MAX_BYTES));
    if (c == (gunichar)-1 || c == (gunichar)-2 || !g_unichar_isprint(c)) {
        return 0;
    }
    return (size_t)(g_utf8_next_char(text) - text);
}

/* The letter of a two-character escape, or NUL. */
static char
short_escape(char c)
{
    switch (c) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

/* How many bytes at @text need no second look: nearly always all of them. */
static size_t
plain_len(const char *text, size_t len, char quote)
{
    size_t n = 0;

    while (n < len && text[n] >= ' ' && text[n] < '\x7f' && text[n] != quote && text[n] != '\\') {
        n++;
    }
    return n;
}

/* Copies the plain characters at the front of @text, or else one character or the escape of one
 * byte. Returns how many bytes of @text it took. */
static size_t
escape_some(char **out, const char *text, size_t len, char quote, const char *hex_prefix)
{
    static const char hex[] = "0123456789abcdef";
    size_t as_is = plain_len(text, len, quote);
    unsigned char byte = (unsigned char)*text;
    char letter = *text == quote || *text == '\\' ? *text : short_escape(*text);

    if (as_is == 0 && letter == '\0') {
        as_is = printable_len(text, len);
    }
    if (as_is > 0) {
        memcpy(*out, text, as_is);
        *out += as_is;
        return as_is;
    }
    if (letter != '\0') {
        *(*out)++ = '\\';
        *(*out)++ = letter;
        return 1;
    }
    *out = g_stpcpy(*out, hex_prefix);
    *(*out)++ = hex[byte >> 4];
    *(*out)++ = hex[byte & 15];
    return 1;
}

char *
dm_log_escape(char *out, const char *text, size_t len, char quote)
{
    while (len > 0) {
        size_t taken = escape_some(&out, text, len, quote, "\\x");

        text += taken;
        len -= taken;
    }
    return out;
}

static bool
is_bare_char(char c)
{
    return g_ascii_isgraph(c) && c != '"' && c != '=' && c != '\\';
}

/* Whether logfmt may write it without quotes. */
static bool
is_bare_word(const char *value)
{
    const char *at = value;

    while (is_bare_char(*at)) {
        at++;
    }
    return at > value && *at == '\0';
}

static void
add_raw(DmLogLine *line, const char *text)
{
    size_t len = MIN(strlen(text), sizeof line->text - TAIL_MAX - line->len);

    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void
add_quoted(DmLogLine *line, const char *value)
{
    const char *hex_prefix = line->format == DM_LOG_JSON ? "\\u00" : "\\x";
    const char *end = value + strlen(value);
    char *out = line->text + line->len;
    char *limit = line->text + sizeof line->text - TAIL_MAX - ESCAPED_MAX;

    *out++ = '"';
    while (value < end && out < limit) {
        size_t room = (size_t)(limit - out);

        value += escape_some(&out, value, MIN((size_t)(end - value), room), '"', hex_prefix);
    }
    *out++ = '"';
    line->len = (size_t)(out - line->text);
}

void
dm_log_line_begin(DmLogLine *line, DmLogFormat format)
{
    line->format = format;
    line->len = 0;
    if (format == DM_LOG_JSON) {
        add_raw(line, "{");
    }
}

void
dm_log_line_add(DmLogLine *line, const char *name, const char *value)
{
    bool first = line->len <= 1;
    bool json = line->format == DM_LOG_JSON;
    size_t head_max = strlen(name) + strlen(",\"\":\"\"") + ESCAPED_MAX;

    if (value == NULL || line->len + head_max + TAIL_MAX >= sizeof line->text) {
        return;
    }
    if (!first) {
        add_raw(line, json ? "," : " ");
    }
    add_raw(line, json ? "\"" : "");
    add_raw(line, name);
    add_raw(line, json ? "\":" : "=");
    if (!json && is_bare_word(value)) {
        add_raw(line, value);
    } else {
        add_quoted(line, value);
    }
}

void
dm_log_line_end(DmLogLine *line)
{
    if (line->format == DM_LOG_JSON) {
        line->text[line->len++] = '}';
    }
    line->text[line->len++] = '\n';
}
