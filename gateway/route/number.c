/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route/number.h"

#include <string.h>

/* Longest number that is looked at; longer text is no number. */
#define MAX_NUMBER 64

/* Shortest numbers that can be national, international or, behind an area code, of a subscriber;
 * what is shorter is an extension or a service and stays as it is. */
#define MIN_NATIONAL      6
#define MIN_INTERNATIONAL 8
#define MIN_SUBSCRIBER    5

static bool
is_number(const char *text)
{
    const char *digits = *text == '+' ? text + 1 : text;
    size_t len = strlen(digits);

    return len > 0 && len <= MAX_NUMBER && strspn(digits, "0123456789") == len;
}

char *
dm_number_clean(const char *text)
{
    g_autoptr(GString) number = g_string_new(NULL);
    size_t len = strcspn(text, ";"); /* parameters in the user part: ";ext=", ";phone-context=" */

    for (size_t i = 0; i < len; i++) {
        if (strchr(" -.()/", text[i]) == NULL) {
            g_string_append_c(number, text[i]);
        }
    }
    return is_number(number->str) ? g_strdup(number->str) : g_strdup(text);
}

/* --- rules --- */

/* What @rule makes of @number, or NULL when it does not fit or would grow it beyond reason.
 * (transfer full) */
static char *
rewrite(const DmNumberRule *rule, const char *number)
{
    g_autoptr(GMatchInfo) match = NULL;
    char *result = NULL;

    if (rule->match != NULL && !g_regex_match(rule->match, number, 0, &match)) {
        return NULL;
    }
    if (rule->match == NULL && !g_str_has_prefix(number, rule->prefix)) {
        return NULL;
    }
    if (rule->match != NULL && *rule->replace != '\0') {
        result = g_match_info_expand_references(match, rule->replace, NULL);
    } else {
        result = g_strconcat(rule->prepend, number + MIN(rule->strip, strlen(number)), NULL);
    }
    if (result != NULL && strlen(result) > MAX_NUMBER) {
        g_clear_pointer(&result, g_free);
    }
    return result;
}

char *
dm_number_apply_rules(const GPtrArray *rules, const char *number, const char **out_rule)
{
    char *current = g_strdup(number);

    *out_rule = NULL;
    if (strlen(number) > MAX_NUMBER) {
        return current;
    }
    for (guint i = 0; i < rules->len; i++) {
        const DmNumberRule *rule = rules->pdata[i];
        char *next = rewrite(rule, current);
        if (next == NULL) {
            continue;
        }
        g_free(current);
        current = next;
        *out_rule = rule->id;
        if (!rule->go_on) {
            break;
        }
    }
    return current;
}

/* --- to E.164 --- */

static bool
starts(const char *number, const char *prefix)
{
    return *prefix != '\0' && g_str_has_prefix(number, prefix);
}

/* A number without any prefix: with the country, as North Americans dial, without a country, or of
 * a neighbour. */
static char *
from_bare(const DmTrunkConfig *trunk, const char *number)
{
    const char *country = trunk->numbering.country;
    size_t len = strlen(number);

    if (trunk->identity.number_format == DM_NUMBER_E164 && len >= MIN_INTERNATIONAL &&
        *number != '0') {
        return g_strconcat("+", number, NULL);
    }
    if (*country == '\0') {
        return g_strdup(number);
    }
    if (strcmp(country, "1") == 0 && len == 10 && *number >= '2') {
        return g_strconcat("+1", number, NULL);
    }
    if (starts(number, country) && len >= strlen(country) + MIN_INTERNATIONAL) {
        return g_strconcat("+", number, NULL);
    }
    if (*trunk->numbering.national_prefix == '\0' && len >= MIN_NATIONAL) {
        return g_strconcat("+", country, number, NULL);
    }
    if (*trunk->numbering.area != '\0' && len >= MIN_SUBSCRIBER && *number != '0') {
        return g_strconcat("+", country, trunk->numbering.area, number, NULL);
    }
    return g_strdup(number);
}

static char *
to_e164(const DmTrunkConfig *trunk, const char *number)
{
    const char *international = trunk->numbering.international_prefix;
    const char *national = trunk->numbering.national_prefix;
    size_t len = strlen(number);

    if (*number == '+') {
        return g_strdup(number);
    }
    if (starts(number, international) && len >= strlen(international) + MIN_INTERNATIONAL - 1) {
        return g_strconcat("+", number + strlen(international), NULL);
    }
    if (*trunk->numbering.country != '\0' && starts(number, national) &&
        len >= strlen(national) + MIN_NATIONAL) {
        return g_strconcat("+", trunk->numbering.country, number + strlen(national), NULL);
    }
    return from_bare(trunk, number);
}

char *
dm_number_normalise(const DmTrunkConfig *trunk, const char *text, const char **out_rule)
{
    const char *ignored;
    const char **rule = out_rule != NULL ? out_rule : &ignored;
    g_autofree char *clean = dm_number_clean(text);
    g_autofree char *number = dm_number_apply_rules(trunk->numbering.in_rules, clean, rule);

    return is_number(number) ? to_e164(trunk, number) : g_steal_pointer(&number);
}

/* --- from E.164 --- */

static char *
national_form(const DmTrunkConfig *trunk, const char *number)
{
    const char *digits = number + 1;
    const char *country = trunk->numbering.country;

    if (starts(digits, country)) {
        return g_strconcat(trunk->numbering.national_prefix, digits + strlen(country), NULL);
    }
    return g_strconcat(trunk->numbering.international_prefix, digits, NULL);
}

static char *
in_format_of(const DmTrunkConfig *trunk, const char *number)
{
    if (*number != '+') {
        return g_strdup(number);
    }
    switch (trunk->identity.number_format) {
    case DM_NUMBER_E164:
        return g_strdup(number + 1);
    case DM_NUMBER_INTERNATIONAL:
        return g_strconcat(trunk->numbering.international_prefix, number + 1, NULL);
    case DM_NUMBER_NATIONAL:
        return national_form(trunk, number);
    default:
        return g_strdup(number);
    }
}

char *
dm_number_for_trunk(const DmTrunkConfig *trunk,
                    const char *number,
                    bool called,
                    const char **out_rule)
{
    const char *ignored;
    const char **rule = out_rule != NULL ? out_rule : &ignored;
    g_autofree char *formatted = is_number(number) ? in_format_of(trunk, number) : g_strdup(number);
    g_autofree char *result = dm_number_apply_rules(trunk->numbering.out_rules, formatted, rule);

    if (called && *trunk->numbering.tech_prefix != '\0') {
        return g_strconcat(trunk->numbering.tech_prefix, result, NULL);
    }
    return g_steal_pointer(&result);
}
