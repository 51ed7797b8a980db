/* SPDX-License-Identifier: Apache-2.0 */
#include "config/number-rule.h"

#include <string.h>

#include "config/config.h"

const DmJsonMember dm_number_rule_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(DmNumberRule, id),
     .max = 64,
     .convert = dm_json_check_id,
     .shown = "its place",
     .doc = "Name of the rule in traces."},
    {"match",
     DM_JSON_STRING,
     .converts = true,
     .max = 200,
     .doc = "Regular expression (PCRE) for the whole number; not together with `prefix`."},
    {"replace",
     DM_JSON_STRING,
     DM_JSON_AT(DmNumberRule, replace),
     .max = 100,
     .doc = "What a number that fits `match` becomes; `\\1` to `\\9` are its groups."},
    {"prefix",
     DM_JSON_STRING,
     DM_JSON_AT(DmNumberRule, prefix),
     .max = 32,
     .doc = "What the number starts with; empty fits any number."},
    {"strip",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmNumberRule, strip),
     .max = 32,
     .doc = "Characters taken off the front."},
    {"prepend",
     DM_JSON_STRING,
     DM_JSON_AT(DmNumberRule, prepend),
     .max = 32,
     .convert = dm_json_check_user,
     .doc = "Put in front, after `strip`."},
    {"continue",
     DM_JSON_BOOL,
     DM_JSON_AT(DmNumberRule, go_on),
     .doc = "Whether the following rules see the result; otherwise the first rule that fits is the "
            "last."},
    {NULL},
};

void
dm_number_rule_free(DmNumberRule *rule)
{
    if (rule == NULL) {
        return;
    }
    g_free(rule->id);
    g_clear_pointer(&rule->match, g_regex_unref);
    g_free(rule->replace);
    g_free(rule->prefix);
    g_free(rule->prepend);
    g_free(rule);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmNumberRule, dm_number_rule_free)

void
dm_number_rule_free_func(gpointer rule)
{
    dm_number_rule_free(rule);
}

GRegex *
dm_number_regex_new(const char *expression, DmJsonReader *reader)
{
    g_autoptr(GError) error = NULL;
    /* By itself first: "a)|(b" would only be well formed inside our group. */
    g_autoptr(GRegex) alone = g_regex_new(expression, G_REGEX_RAW, 0, &error);
    /* PCRE gives up, and the number does not fit, before an expression that backtracks without end
     * is felt. */
    g_autofree char *whole = g_strdup_printf("(*LIMIT_MATCH=20000)\\A(?:%s)\\z", expression);
    GRegex *regex = alone != NULL ? g_regex_new(whole, G_REGEX_RAW, 0, &error) : NULL;

    if (regex == NULL) {
        dm_json_problem(reader, "format", "not a regular expression: %s", error->message);
    }
    return regex;
}

char *
dm_number_config_text(const char *text)
{
    g_autoptr(GString) number = g_string_new(NULL);

    for (const char *p = text; *p != '\0'; p++) {
        if (g_ascii_isdigit(*p) || *p == '*' || *p == '#' || (*p == '+' && number->len == 0)) {
            g_string_append_c(number, *p);
        } else if (strchr(" -.()/", *p) == NULL) {
            return NULL;
        }
    }
    return number->len > 0 ? g_strdup(number->str) : NULL;
}

/* "/trunks/0/numbering/in_rules/2" -> "in_rules/2" */
static char *
name_from_place(const char *pointer)
{
    const char *place = strrchr(pointer, '/');

    while (place != NULL && place > pointer && place[-1] != '/') {
        place--;
    }
    return g_strdup(place != NULL ? place : "rule");
}

static void
check_rule(DmNumberRule *rule, const json_t *json, DmJsonReader *reader)
{
    g_autoptr(GError) error = NULL;
    const char *match = json_string_value(json_object_get(json, "match"));

    if (match == NULL || *match == '\0') {
        if (*rule->replace != '\0') {
            dm_json_problem_at(reader,
                               "replace",
                               "conflict",
                               "needs 'match'; use 'strip' and 'prepend' with a prefix");
        }
        return;
    }
    size_t before = dm_json_enter(reader, "match");
    rule->match = dm_number_regex_new(match, reader);
    dm_json_leave(reader, before);
    if (*rule->prefix != '\0') {
        dm_json_problem_at(reader, "prefix", "conflict", "not together with 'match'");
    }
    if (*rule->replace != '\0' && (rule->strip > 0 || *rule->prepend != '\0')) {
        dm_json_problem_at(reader, "replace", "conflict", "not together with 'strip' or 'prepend'");
    }
    if (!g_regex_check_replacement(rule->replace, NULL, &error)) {
        dm_json_problem_at(reader, "replace", "format", "%s", error->message);
    }
}

void *
dm_number_rule_make(const json_t *element, DmJsonReader *reader)
{
    g_autoptr(DmNumberRule) rule = g_new0(DmNumberRule, 1);
    guint before = reader->problems->list->len;

    if (!dm_json_read(reader, element, dm_number_rule_members, rule)) {
        return NULL;
    }
    if (*rule->id == '\0') {
        g_free(rule->id);
        rule->id = name_from_place(reader->pointer->str);
    }
    check_rule(rule, element, reader);
    return reader->problems->list->len == before ? g_steal_pointer(&rule) : NULL;
}
