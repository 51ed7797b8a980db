/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/json-text.h"

#include <string.h>

#include "gateway/base/text.h"

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
        dm_text_add_char(out, '\\');
        dm_text_add_char(out, escape);
    } else {
        g_string_append_printf(out, "\\u%04X", c);
    }
}

static void
append_quoted(GString *out, const char *text)
{
    const char *plain = text;

    dm_text_add_char(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        dm_text_add_len(out, plain, (size_t)(text - plain));
        append_escaped(out, c);
        plain = text + 1;
    }
    dm_text_add_len(out, plain, (size_t)(text - plain));
    dm_text_add_char(out, '"');
}

/* What stands before every value. Names are ours, and need no escape. */
static void
begin(GString *out, const char *name)
{
    if (needs_comma(out)) {
        dm_text_add_char(out, ',');
    }
    if (name != NULL) {
        dm_text_add_char(out, '"');
        dm_text_add(out, name);
        dm_text_add_len(out, "\":", 2);
    }
}

void
dm_json_text_open(GString *out, const char *name, char bracket)
{
    begin(out, name);
    dm_text_add_char(out, bracket);
}

void
dm_json_text_close(GString *out, char bracket)
{
    dm_text_add_char(out, bracket);
}

void
dm_json_text_add_text(GString *out, const char *name, const char *text)
{
    if (text == NULL || *text == '\0') {
        dm_json_text_add_null(out, name);
    } else {
        dm_json_text_add_string(out, name, text);
    }
}

void
dm_json_text_add_string(GString *out, const char *name, const char *text)
{
    begin(out, name);
    if (g_utf8_validate(text, -1, NULL)) {
        append_quoted(out, text);
    } else {
        g_autofree char *valid = g_utf8_make_valid(text, -1);

        append_quoted(out, valid);
    }
}

void
dm_json_text_add_integer(GString *out, const char *name, int64_t integer)
{
    begin(out, name);
    if (integer < 0) {
        dm_text_add_char(out, '-');
    }
    dm_text_add_unsigned(out, integer < 0 ? -(uint64_t)integer : (uint64_t)integer);
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
    dm_text_add_unsigned(out, thousandths / 1000);
    dm_text_add_len(out, fraction, sizeof fraction);
}

void
dm_json_text_add_boolean(GString *out, const char *name, bool boolean)
{
    begin(out, name);
    dm_text_add(out, boolean ? "true" : "false");
}

void
dm_json_text_add_null(GString *out, const char *name)
{
    begin(out, name);
    dm_text_add_len(out, "null", 4);
}

static int
append_chunk(const char *chunk, size_t len, void *user_data)
{
    dm_text_add_len(user_data, chunk, len);
    return 0;
}

static void
add_array(GString *out, const char *name, const json_t *array)
{
    const json_t *value;
    size_t i;

    dm_json_text_open(out, name, '[');
    json_array_foreach(array, i, value)
    {
        dm_json_text_add_json(out, NULL, value);
    }
    dm_json_text_close(out, ']');
}

static void
add_object(GString *out, const char *name, const json_t *object)
{
    const char *member;
    json_t *value;

    dm_json_text_open(out, name, '{');
    json_object_foreach((json_t *)object, member, value)
    {
        dm_json_text_add_json(out, member, value);
    }
    dm_json_text_close(out, '}');
}

/* Most of it is strings, and Jansson's own are UTF-8 already: json_dump_callback() checks every
 * character of them again. */
void
dm_json_text_add_json(GString *out, const char *name, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        add_object(out, name, json);
        break;
    case JSON_ARRAY:
        add_array(out, name, json);
        break;
    case JSON_STRING:
        begin(out, name);
        append_quoted(out, json_string_value(json));
        break;
    default:
        begin(out, name);
        json_dump_callback(json, append_chunk, out, JSON_COMPACT | JSON_ENCODE_ANY);
    }
}
