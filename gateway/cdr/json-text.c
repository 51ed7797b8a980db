/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/json-text.h"

#include <string.h>

static bool
needs_comma(const GString *out)
{
    char last = out->len > 0 ? out->str[out->len - 1] : '[';

    return last != '{' && last != '[';
}

/* How a character is written in a string; 0: as it is. */
static char
short_escape(unsigned char c)
{
    static const char escapes[] = {
        ['\b'] = 'b',
        ['\f'] = 'f',
        ['\n'] = 'n',
        ['\r'] = 'r',
        ['\t'] = 't',
        ['"'] = '"',
        ['\\'] = '\\',
    };

    return c < sizeof escapes ? escapes[c] : 0;
}

static void
append_escaped(GString *out, unsigned char c)
{
    char escape = short_escape(c);

    if (escape != 0) {
        g_string_append_c(out, '\\');
        g_string_append_c(out, escape);
    } else {
        g_string_append_printf(out, "\\u%04X", c);
    }
}

static void
append_quoted(GString *out, const char *text)
{
    const char *plain = text;

    g_string_append_c(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        g_string_append_len(out, plain, text - plain);
        append_escaped(out, c);
        plain = text + 1;
    }
    g_string_append_len(out, plain, text - plain);
    g_string_append_c(out, '"');
}

/* What stands before every value. Names are ours, and need no escape. */
static void
begin(GString *out, const char *name)
{
    if (needs_comma(out)) {
        g_string_append_c(out, ',');
    }
    if (name != NULL) {
        g_string_append_c(out, '"');
        g_string_append(out, name);
        g_string_append_len(out, "\":", 2);
    }
}

void
dm_json_text_open(GString *out, const char *name, char bracket)
{
    begin(out, name);
    g_string_append_c(out, bracket);
}

void
dm_json_text_close(GString *out, char bracket)
{
    g_string_append_c(out, bracket);
}

void
dm_json_text_add_text(GString *out, const char *name, const char *text)
{
    if (text == NULL || *text == '\0') {
        dm_json_text_add_null(out, name);
        return;
    }
    begin(out, name);
    if (g_utf8_validate(text, -1, NULL)) {
        append_quoted(out, text);
    } else {
        g_autofree char *valid = g_utf8_make_valid(text, -1);

        append_quoted(out, valid);
    }
}

static void
append_unsigned(GString *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    g_string_append_len(out, digits + at, (gssize)(sizeof digits - at));
}

void
dm_json_text_add_integer(GString *out, const char *name, int64_t integer)
{
    begin(out, name);
    if (integer < 0) {
        g_string_append_c(out, '-');
    }
    append_unsigned(out, integer < 0 ? -(uint64_t)integer : (uint64_t)integer);
}

void
dm_json_text_add_thousandths(GString *out, const char *name, uint32_t thousandths)
{
    char fraction[4] = {
        '.',
        (char)('0' + thousandths / 100 % 10),
        (char)('0' + thousandths / 10 % 10),
        (char)('0' + thousandths % 10),
    };

    begin(out, name);
    append_unsigned(out, thousandths / 1000);
    g_string_append_len(out, fraction, sizeof fraction);
}

void
dm_json_text_add_boolean(GString *out, const char *name, bool boolean)
{
    begin(out, name);
    g_string_append(out, boolean ? "true" : "false");
}

void
dm_json_text_add_null(GString *out, const char *name)
{
    begin(out, name);
    g_string_append_len(out, "null", 4);
}

static int
append_chunk(const char *chunk, size_t len, void *user_data)
{
    g_string_append_len(user_data, chunk, (gssize)len);
    return 0;
}

void
dm_json_text_add_json(GString *out, const char *name, const json_t *json)
{
    begin(out, name);
    json_dump_callback(json, append_chunk, out, JSON_COMPACT | JSON_ENCODE_ANY);
}
