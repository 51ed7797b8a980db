/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* JSON written straight into text, for what is written once and read elsewhere. A tree of json_t
 * takes an allocation a value; a record has a hundred values. Commas are put where they belong.
 * @name is NULL inside an array. Compact, as json_dumps(JSON_COMPACT) writes it. */

/* @bracket: '{' or '['; closed by its counterpart. */
void dm_json_text_open(GString *out, const char *name, char bracket);
void dm_json_text_close(GString *out, char bracket);

/* NULL and "" are null. What is not UTF-8 in text from the network is replaced, as JSON must be. */
void dm_json_text_add_text(GString *out, const char *name, const char *text);
/* The same, but "" is "". Not NULL. */
void dm_json_text_add_string(GString *out, const char *name, const char *text);
void dm_json_text_add_integer(GString *out, const char *name, int64_t integer);
/* @thousandths: 12345 is written as 12.345 */
void dm_json_text_add_thousandths(GString *out, const char *name, uint32_t thousandths);
void dm_json_text_add_boolean(GString *out, const char *name, bool boolean);
void dm_json_text_add_null(GString *out, const char *name);
/* Whatever it is; names of members must need no escape, as ours do not. Nested as deep as @json is.
 */
void dm_json_text_add_json(GString *out, const char *name, const json_t *json);
