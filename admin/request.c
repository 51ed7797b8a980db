/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/request.h"

#include <string.h>

#define MAX_QUERY_NAMES 64

/* --- Decoding --- */

/* -1: not two hexadecimal digits, or a control character. */
static int
decode_escape(const char *text, size_t len)
{
    int high;
    int low;

    if (len < 3) {
        return -1;
    }
    high = g_ascii_xdigit_value(text[1]);
    low = g_ascii_xdigit_value(text[2]);
    return high < 0 || low < 0 || high * 16 + low < 0x20 ? -1 : high * 16 + low;
}

char *
dm_percent_decode(const char *text, size_t len, bool plus_is_space)
{
    g_autoptr(GString) out = g_string_sized_new(len);

    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];

        if (byte == '%') {
            byte = decode_escape(text + i, len - i);
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        if (byte < 0x20) {
            return NULL;
        }
        g_string_append_c(out, (char)byte);
    }
    return g_utf8_validate(out->str, (gssize)out->len, NULL)
               ? g_string_free(g_steal_pointer(&out), FALSE)
               : NULL;
}

static bool
add_query(GHashTable *query, const char *pair, size_t len)
{
    const char *equals = memchr(pair, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - pair) : len;
    g_autofree char *name = dm_percent_decode(pair, name_len, true);
    g_autofree char *value =
        equals != NULL ? dm_percent_decode(equals + 1, len - name_len - 1, true) : g_strdup("");

    if (name == NULL || value == NULL || *name == '\0') {
        return false;
    }
    return g_hash_table_insert(query, g_steal_pointer(&name), g_steal_pointer(&value));
}

static bool
parse_query(GHashTable *query, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "&");

        if (len > 0 &&
            (g_hash_table_size(query) >= MAX_QUERY_NAMES || !add_query(query, text, len))) {
            return false;
        }
        text += len + (text[len] == '&');
    }
    return true;
}

DmRequest *
dm_request_new(const char *method, const char *target)
{
    g_autoptr(DmRequest) request = g_new0(DmRequest, 1);
    size_t path_len = strcspn(target, "?");

    request->method = g_strdup(method);
    request->path = g_strndup(target, path_len);
    request->query = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    request->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    request->body = g_string_new(NULL);
    if (target[path_len] == '?' && !parse_query(request->query, target + path_len + 1)) {
        return NULL;
    }
    return g_steal_pointer(&request);
}

void
dm_request_free(DmRequest *request)
{
    if (request == NULL) {
        return;
    }
    g_free(request->method);
    g_free(request->path);
    g_hash_table_unref(request->query);
    g_hash_table_unref(request->headers);
    g_string_free(request->body, TRUE);
    for (int i = 0; i < DM_REQUEST_MAX_PARAMS; i++) {
        g_free(request->params[i]);
    }
    dm_store_token_free(request->token);
    json_decref(request->json);
    g_free(request);
}

void
dm_request_set_header(DmRequest *request, const char *name, const char *value)
{
    g_hash_table_insert(request->headers, g_ascii_strdown(name, -1), g_strdup(value));
}

const char *
dm_request_header(const DmRequest *request, const char *name)
{
    return g_hash_table_lookup(request->headers, name);
}

const char *
dm_request_query(const DmRequest *request, const char *name)
{
    return g_hash_table_lookup(request->query, name);
}

/* (transfer full) */
static char *
bare_type(const char *text)
{
    g_autofree char *type = g_strndup(text, strcspn(text, ";"));

    return g_ascii_strdown(g_strstrip(type), -1);
}

char *
dm_request_media_type(const DmRequest *request)
{
    const char *header = dm_request_header(request, "content-type");

    return bare_type(header != NULL ? header : "");
}

/* --- Accept --- */

/* q of one element of Accept, in thousandths; malformed counts as 1. */
static int
quality_of(const char *element)
{
    g_auto(GStrv) parts = g_strsplit(element, ";", -1);

    for (size_t i = 1; parts[i] != NULL; i++) {
        const char *part = g_strstrip(parts[i]);

        if (g_ascii_strncasecmp(part, "q=", 2) == 0) {
            return (int)(CLAMP(g_ascii_strtod(part + 2, NULL), 0.0, 1.0) * 1000);
        }
    }
    return 1000;
}

/* How closely a range names a type: 3 wholly, 2 by its first half, 1 as anything, 0 not. */
static int
closeness(const char *range, const char *type)
{
    size_t half = strcspn(type, "/") + 1;

    if (strcmp(range, type) == 0) {
        return 3;
    }
    if (strncmp(range, type, half) == 0 && strcmp(range + half, "*") == 0) {
        return 2;
    }
    return strcmp(range, "*/*") == 0;
}

/* The q of the range that names @type most closely. */
static int
quality_for(char *const *ranges, const char *type)
{
    int best = 0;
    int quality = 0;

    for (size_t i = 0; ranges[i] != NULL; i++) {
        g_autofree char *range = bare_type(ranges[i]);
        int close = closeness(range, type);

        if (close > best) {
            best = close;
            quality = quality_of(ranges[i]);
        }
    }
    return quality;
}

int
dm_request_accepts(const DmRequest *request, const char *const *offers)
{
    const char *header = dm_request_header(request, "accept");
    g_auto(GStrv) ranges = NULL;
    int best = -1;
    int best_quality = 0;

    if (header == NULL) {
        return 0;
    }
    ranges = g_strsplit(header, ",", 64);
    for (int i = 0; offers[i] != NULL; i++) {
        int quality = quality_for(ranges, offers[i]);

        if (quality > best_quality) {
            best_quality = quality;
            best = i;
        }
    }
    return best;
}
