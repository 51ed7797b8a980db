/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

/* Records as CSV (RFC 4180): the members people put in spreadsheets, under their JSON paths. */

void dm_csv_add_head(GString *lines);
/* NULL is an empty line of the right number of columns. */
void dm_csv_add_record(GString *lines, const json_t *record);
/* One field, quoted where needed. A caller's display name can be "=HYPERLINK(...)": what a
 * spreadsheet would run gets an apostrophe in front; +44... and -1 stay numbers. */
void dm_csv_add_field(GString *lines, const char *text);
