/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "config/json-table.h"

/* How a peer wants its numbers (RTE-4). */
typedef enum {
    DM_NUMBER_AS_IS,
    DM_NUMBER_E164_PLUS,     /* +442079460000 */
    DM_NUMBER_E164,          /* 442079460000 */
    DM_NUMBER_INTERNATIONAL, /* 00442079460000, with the trunk's international prefix */
    DM_NUMBER_NATIONAL,      /* 02079460000 for the trunk's own country, else international */
} DmNumberFormat;

/* One rewriting: when @match (whole number, PCRE) fits, or the number starts with @prefix, strip,
 * then replace or prepend. Rules are tried in order and the first that fits is applied, unless
 * `continue`. Immutable. */
typedef struct {
    char *id;       /* for the trace; made from its place when not given */
    GRegex *match;  /* or NULL */
    char *replace;  /* with \1 to \9; only with match */
    char *prefix;   /* "": any number; only without match */
    unsigned strip; /* characters taken off the front */
    char *prepend;
    bool go_on; /* "continue" */
} DmNumberRule;

void dm_number_rule_free(DmNumberRule *rule);

/* For tables: an array of rules is {.members = dm_number_rule_members, .make = dm_number_rule_make,
 * .free = dm_number_rule_free_func}. */
extern const DmJsonMember dm_number_rule_members[];
void *dm_number_rule_make(const json_t *element, DmJsonReader *reader);
void dm_number_rule_free_func(gpointer rule);

/* An operator's expression for a whole number: anchored at both ends, with a bound on backtracking.
 * NULL with a problem added when it does not compile. */
GRegex *dm_number_regex_new(const char *expression, DmJsonReader *reader);
/* Visual separators taken out; NULL unless digits, '*' and '#' remain, with '+' at most in front.
 * (transfer full) */
char *dm_number_config_text(const char *text);
