/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/csv.h"

#include <stdlib.h>
#include <string.h>

/* An object's member where there are two names. */
static const struct {
    const char *object, *name;
} columns[] = {
    {NULL, "id"},
    {NULL, "direction"},
    {NULL, "start_at"},
    {NULL, "answer_at"},
    {NULL, "end_at"},
    {NULL, "pdd_ms"},
    {NULL, "ring_ms"},
    {NULL, "duration_ms"},
    {NULL, "billable_ms"},
    {NULL, "from_in"},
    {NULL, "ruri_in"},
    {NULL, "display_in"},
    {NULL, "from_out"},
    {NULL, "ruri_out"},
    {"a", "trunk"},
    {"b", "trunk"},
    {"b", "endpoint"},
    {"b", "remote_ip"},
    {"route", "id"},
    {"route", "attempts"},
    {"release", "side"},
    {"release", "code"},
    {"release", "reason"},
    {"release", "q850"},
    {"release", "diagnosis"},
    {"media", "audio"},
    {"media", "transcoded"},
    {NULL, "node"},
    {NULL, "revision"},
};

static bool
would_be_run(const char *text)
{
    bool is_signed = *text == '+' || *text == '-';

    return (*text != '\0' && strchr("=@\t\r", *text) != NULL) ||
           (is_signed && !g_ascii_isdigit(text[1]));
}

void
dm_csv_add_field(GString *lines, const char *text)
{
    bool is_quoted = strpbrk(text, ",\"\r\n") != NULL;

    if (is_quoted) {
        g_string_append_c(lines, '"');
    }
    if (would_be_run(text)) {
        g_string_append_c(lines, '\'');
    }
    for (; *text != '\0'; text++) {
        g_string_append_c(lines, *text);
        if (*text == '"') {
            g_string_append_c(lines, '"');
        }
    }
    if (is_quoted) {
        g_string_append_c(lines, '"');
    }
}

static void
add_value(GString *lines, const json_t *value)
{
    char *text;

    if (value == NULL || json_is_null(value)) {
        return;
    }
    if (json_is_string(value)) {
        dm_csv_add_field(lines, json_string_value(value));
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    dm_csv_add_field(lines, text != NULL ? text : "");
    free(text);
}

void
dm_csv_add_head(GString *lines)
{
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
        g_string_append_printf(lines,
                               "%s%s%s%s",
                               i > 0 ? "," : "",
                               columns[i].object != NULL ? columns[i].object : "",
                               columns[i].object != NULL ? "." : "",
                               columns[i].name);
    }
    g_string_append(lines, "\r\n");
}

void
dm_csv_add_record(GString *lines, const json_t *record)
{
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
        const json_t *from =
            columns[i].object != NULL ? json_object_get(record, columns[i].object) : record;

        if (i > 0) {
            g_string_append_c(lines, ',');
        }
        add_value(lines, json_object_get(from, columns[i].name));
    }
    g_string_append(lines, "\r\n");
}
