/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/log.h"

#define DM_LOG_LINE_MAX 4096

/* One line being composed: names and values, as logfmt or JSON. Lives on the stack. */
typedef struct {
    DmLogFormat format;
    size_t len;
    char text[DM_LOG_LINE_MAX];
} DmLogLine;

void dm_log_line_begin(DmLogLine *line, DmLogFormat format);
/* NULL values are left out. A value that does not fit is cut; the line stays well formed. */
void dm_log_line_add(DmLogLine *line, const char *name, const char *value);
/* Adds a newline, no NUL. */
void dm_log_line_end(DmLogLine *line);

/* Copies @text to @out with control characters, @quote, backslashes and what is not UTF-8 escaped:
 * at most 4 bytes a byte, no NUL. Returns the end of what it wrote. */
char *dm_log_escape(char *out, const char *text, size_t len, char quote);
