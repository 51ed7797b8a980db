/* SPDX-License-Identifier: Apache-2.0 */
#include "config/route.h"

#include <string.h>

#include "config/config.h"

/* What is read of a route before it is known which kind it is. */
typedef struct {
    char *id, *name;
    bool enabled, provisioned;
    unsigned order;
    GPtrArray *source_trunks;
    char *called, *did, *called_regex, *caller;
    GPtrArray *trunks, *called_rules, *announcements;
    uint16_t reject_code;
    unsigned reject_q850;
    bool record;
    char *reject_reason;
} Draft;

static void
check_number(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    const char *text = json_string_value(value);
    g_autofree char *number = dm_number_config_text(text);

    if (*text != '\0' && number == NULL) {
        dm_json_problem(reader,
                        "format",
                        "expected digits, '*' or '#', with or without '+' in front");
    }
}

static const DmJsonMember match_members[] = {
    {"source_trunks",
     DM_JSON_ARRAY,
     DM_JSON_AT(Draft, source_trunks),
     .max = 256,
     .make = dm_json_make_string,
     .free = g_free,
     .reference = "trunks",
     .doc = "Trunks the call may come from; empty: any."},
    {"called",
     DM_JSON_STRING,
     DM_JSON_AT(Draft, called),
     .max = 40,
     .convert = check_number,
     .doc = "What the called number starts with. With + it fits international numbers only; + "
            "alone, all of them."},
    {"did",
     DM_JSON_STRING,
     DM_JSON_AT(Draft, did),
     .max = 40,
     .convert = check_number,
     .doc = "The whole called number."},
    {"called_regex",
     DM_JSON_STRING,
     DM_JSON_AT(Draft, called_regex),
     .max = 200,
     .doc = "Regular expression (PCRE) for the whole called number or name."},
    {"caller",
     DM_JSON_STRING,
     DM_JSON_AT(Draft, caller),
     .max = 40,
     .convert = check_number,
     .doc = "What the caller's number starts with; empty: any caller."},
    {NULL},
};

static void
check_code(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    json_int_t code = json_integer_value(value);

    if (code != 0 && code < 400) {
        dm_json_problem(reader, "range", "expected a final SIP status, 400 to 699");
    }
}

static const DmJsonMember reject_members[] = {
    {"code",
     DM_JSON_INTEGER,
     DM_JSON_AT(Draft, reject_code),
     .max = 699,
     .convert = check_code,
     .doc = "SIP status the caller gets, 400 to 699; 0: the call is not refused."},
    {"reason", DM_JSON_STRING, DM_JSON_AT(Draft, reject_reason), .max = 63, .doc = "Its text."},
    {"q850",
     DM_JSON_INTEGER,
     DM_JSON_AT(Draft, reject_q850),
     .max = 127,
     .doc = "Q.850 cause beside it; 0: none."},
    {NULL},
};

static const DmJsonMember action_members[] = {
    {"trunks",
     DM_JSON_ARRAY,
     DM_JSON_AT(Draft, trunks),
     .max = 32,
     .make = dm_json_make_string,
     .free = g_free,
     .reference = "trunks",
     .doc = "Trunks to try, in order."},
    {"called_rules",
     DM_JSON_ARRAY,
     DM_JSON_AT(Draft, called_rules),
     .members = dm_number_rule_members,
     .make = dm_number_rule_make,
     .free = dm_number_rule_free_func,
     .doc = "Rewriting of the called number, before the trunk's own."},
    {"record",
     DM_JSON_BOOL,
     DM_JSON_AT(Draft, record),
     .doc = "Whether its calls are recorded from the answer on; see `recording`."},
    {"announcements",
     DM_JSON_ARRAY,
     DM_JSON_AT(Draft, announcements),
     .max = 64,
     .members = dm_announcement_members,
     .make = dm_announcement_make,
     .free = dm_announcement_free,
     .doc = "What callers hear before a call that nobody answered is refused; before those of "
            "their trunk."},
    {"reject",
     DM_JSON_OBJECT,
     .members = reject_members,
     .doc = "Instead of `trunks`: the call is refused."},
    {NULL},
};

const DmJsonMember dm_route_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(Draft, id),
     .required = true,
     .min = 1,
     .max = 64,
     .convert = dm_json_check_id,
     .doc = "Its name in records and traces; never changes."},
    {"name",
     DM_JSON_STRING,
     DM_JSON_AT(Draft, name),
     .max = 64,
     .shown = "`id`",
     .doc = "Its name for people."},
    {"enabled",
     DM_JSON_BOOL,
     DM_JSON_AT(Draft, enabled),
     .value = true,
     .doc = "Whether it is looked at."},
    {"order",
     DM_JSON_INTEGER,
     DM_JSON_AT(Draft, order),
     .max = 1000000,
     .value = 100,
     .doc = "Lower is looked at first, among routes that are equally specific."},
    {"match",
     DM_JSON_OBJECT,
     .members = match_members,
     .doc = "Which calls it is for; empty: all."},
    {"action",
     DM_JSON_OBJECT,
     .required = true,
     .members = action_members,
     .doc = "What becomes of them."},
    {"provisioned", DM_JSON_BOOL, DM_JSON_AT(Draft, provisioned), .hidden = true},
    {NULL},
};

static void
clear_draft(Draft *draft)
{
    g_free(draft->id);
    g_free(draft->name);
    g_free(draft->called);
    g_free(draft->did);
    g_free(draft->called_regex);
    g_free(draft->caller);
    g_free(draft->reject_reason);
    g_clear_pointer(&draft->source_trunks, g_ptr_array_unref);
    g_clear_pointer(&draft->trunks, g_ptr_array_unref);
    g_clear_pointer(&draft->called_rules, g_ptr_array_unref);
    g_clear_pointer(&draft->announcements, g_ptr_array_unref);
}

static void
check_action(const Draft *draft, DmJsonReader *reader)
{
    if (draft->trunks->len == 0 && draft->reject_code == 0) {
        dm_json_problem_at(reader,
                           "action",
                           "required",
                           "either 'trunks' or 'reject' with a 'code' must be given");
    } else if (draft->trunks->len > 0 && draft->reject_code != 0) {
        dm_json_problem_at(reader,
                           "action",
                           "conflict",
                           "'trunks' and 'reject' exclude each other");
    }
}

static void
check_match(const Draft *draft, DmJsonReader *reader)
{
    unsigned kinds =
        (*draft->called != '\0') + (*draft->did != '\0') + (*draft->called_regex != '\0');

    if (kinds > 1) {
        dm_json_problem_at(reader,
                           "match",
                           "conflict",
                           "'called', 'did' and 'called_regex' exclude each other");
    }
}

/* @text: "" or a number that has been checked. (transfer full) */
static char *
number_or_empty(const char *text)
{
    char *number = dm_number_config_text(text);
    return number != NULL ? number : g_strdup("");
}

static void
take_match(DmRoute *route, Draft *draft, DmJsonReader *reader)
{
    if (*draft->did != '\0') {
        route->match.kind = DM_CALLED_EXACT;
        route->match.called = number_or_empty(draft->did);
    } else if (*draft->called_regex != '\0') {
        size_t match = dm_json_enter(reader, "match");
        dm_json_enter(reader, "called_regex");
        route->match.kind = DM_CALLED_REGEX;
        route->match.called = g_strdup(draft->called_regex);
        route->match.called_regex = dm_number_regex_new(draft->called_regex, reader);
        dm_json_leave(reader, match);
    } else {
        route->match.kind = *draft->called != '\0' ? DM_CALLED_PREFIX : DM_CALLED_ANY;
        route->match.called = number_or_empty(draft->called);
    }
    route->match.caller_prefix = number_or_empty(draft->caller);
    route->match.source_trunks = g_steal_pointer(&draft->source_trunks);
}

static DmRoute *
route_from_draft(Draft *draft, const json_t *json, DmJsonReader *reader)
{
    DmRoute *route = g_new0(DmRoute, 1);

    route->enabled = draft->enabled;
    route->provisioned = draft->provisioned;
    route->order = draft->order;
    route->name = g_strdup(*draft->name != '\0' ? draft->name : draft->id);
    route->id = g_steal_pointer(&draft->id);
    take_match(route, draft, reader);
    route->action.trunks = g_steal_pointer(&draft->trunks);
    route->action.called_rules = g_steal_pointer(&draft->called_rules);
    route->action.announcements = g_steal_pointer(&draft->announcements);
    route->action.reject_code = draft->reject_code;
    route->action.reject_q850 = draft->reject_q850;
    route->action.record = draft->record;
    route->action.reject_reason = g_steal_pointer(&draft->reject_reason);
    route->source = json_deep_copy(json);
    return route;
}

void *
dm_route_make(const json_t *element, DmJsonReader *reader)
{
    Draft draft = {0};
    DmRoute *route = NULL;
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, dm_route_members, &draft)) {
        check_match(&draft, reader);
        check_action(&draft, reader);
        route = route_from_draft(&draft, element, reader);
    }
    clear_draft(&draft);
    if (reader->problems->list->len > before) {
        g_clear_pointer(&route, dm_route_free);
    }
    return route;
}

DmRoute *
dm_route_from_json(const json_t *json, const char *pointer, DmProblems *problems)
{
    DmJsonReader reader;

    dm_json_reader_init(&reader, pointer, NULL, problems);
    DmRoute *route = dm_route_make(json, &reader);
    dm_json_reader_clear(&reader);
    return route;
}

void
dm_route_free(DmRoute *route)
{
    if (route == NULL) {
        return;
    }
    g_free(route->id);
    g_free(route->name);
    g_free(route->match.called);
    g_free(route->match.caller_prefix);
    g_free(route->action.reject_reason);
    g_clear_pointer(&route->match.called_regex, g_regex_unref);
    g_clear_pointer(&route->match.source_trunks, g_ptr_array_unref);
    g_clear_pointer(&route->action.trunks, g_ptr_array_unref);
    g_clear_pointer(&route->action.called_rules, g_ptr_array_unref);
    g_clear_pointer(&route->action.announcements, g_ptr_array_unref);
    json_decref(route->source);
    g_free(route);
}
