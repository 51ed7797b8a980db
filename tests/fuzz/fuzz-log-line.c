/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/log-line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_one_line(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_assert_false(g_ascii_iscntrl(text[i]));
    }
    g_assert_true(g_utf8_validate(text, (gssize)len, NULL));
}

/* Whatever is logged, a JSON line is JSON, and says what was logged unless it was cut. */
static void
check_json(const char *message)
{
    DmLogLine line;
    json_t *json;
    json_error_t error;

    dm_log_line_begin(&line, DM_LOG_JSON);
    dm_log_line_add(&line, "call", message);
    dm_log_line_add(&line, "msg", message);
    dm_log_line_end(&line);
    check_one_line(line.text, line.len - 1);
    json = json_loadb(line.text, line.len, 0, &error);
    g_assert_nonnull(json);
    if (strlen(message) < DM_LOG_LINE_MAX / 20 && g_utf8_validate(message, -1, NULL) &&
        g_str_is_ascii(message)) {
        g_assert_cmpstr(json_string_value(json_object_get(json, "msg")), ==, message);
    }
    json_decref(json);
}

static void
check_logfmt(const char *message)
{
    DmLogLine line;

    dm_log_line_begin(&line, DM_LOG_LOGFMT);
    dm_log_line_add(&line, "peer", message);
    dm_log_line_add(&line, "msg", message);
    dm_log_line_end(&line);
    check_one_line(line.text, line.len - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *message = g_strndup((const char *)data, size);
    const char *quoted = dm_log_quote((const char *)data, size);

    check_one_line(quoted, strlen(quoted));
    check_json(message);
    check_logfmt(message);
    return 0;
}
