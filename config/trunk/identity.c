/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/trunk/members.h"

static const DmJsonChoice caller_sources[] = {
    {"from", DM_CALLER_FROM},
    {"pai", DM_CALLER_PAI},
    {"ppi", DM_CALLER_PPI},
    {"rpid", DM_CALLER_RPID},
    {NULL},
};

static const DmJsonChoice screenings[] = {
    {"pass", DM_SCREEN_PASS},
    {"pilot", DM_SCREEN_PILOT},
    {"reject", DM_SCREEN_REJECT},
    {NULL},
};

static const DmJsonChoice number_formats[] = {
    {"as_is", DM_NUMBER_AS_IS},
    {"e164_plus", DM_NUMBER_E164_PLUS},
    {"e164", DM_NUMBER_E164},
    {"international", DM_NUMBER_INTERNATIONAL},
    {"national", DM_NUMBER_NATIONAL},
    {NULL},
};

static const DmJsonChoice diversion_modes[] = {
    {"diversion", DM_DIVERSION_HEADER},
    {"history_info", DM_DIVERSION_HISTORY},
    {"both", DM_DIVERSION_BOTH},
    {"off", DM_DIVERSION_OFF},
    {NULL},
};

static void
convert_emit(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    DmTrunkConfig *trunk = object;
    size_t i;
    json_t *element;
    bool emit[4] = {false};

    json_array_foreach(value, i, element)
    {
        int header;
        if (dm_json_choice(caller_sources, json_string_value(element), &header)) {
            emit[header] = true;
        }
    }
    trunk->identity.emit_pai = emit[DM_CALLER_PAI];
    trunk->identity.emit_ppi = emit[DM_CALLER_PPI];
    trunk->identity.emit_rpid = emit[DM_CALLER_RPID];
}

static void
check_number(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    const char *text = json_string_value(value);
    g_autofree char *number = dm_number_config_text(text);

    if (*text != '\0' && (number == NULL || strcmp(number, text) != 0)) {
        dm_json_problem(reader,
                        "format",
                        "expected a number, digits with '+' in front where it is international");
    }
}

static void *
make_owned_number(const json_t *element, DmJsonReader *reader)
{
    g_autofree char *text = dm_json_make_string(element, reader);
    char *number = text != NULL ? dm_number_config_text(text) : NULL;

    if (text != NULL && (number == NULL || *number != '+')) {
        g_clear_pointer(&number, g_free);
        dm_json_problem(reader,
                        "format",
                        "expected a number or prefix in E.164 with '+', like \"+442079460\"");
    }
    return number;
}

const DmJsonMember dm_trunk_identity_members[] = {
    {"caller_source",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, identity.caller_source),
     .choices = caller_sources,
     .doc = "Header of this trunk's calls the caller's number is taken from; From where it is "
            "absent."},
    {"emit",
     DM_JSON_ARRAY,
     .converts = true,
     .choices = caller_sources,
     .text = "[\"from\", \"pai\"]",
     .convert = convert_emit,
     .doc = "Identity headers of calls to this trunk; From is always there."},
    {"number_format",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, identity.number_format),
     .choices = number_formats,
     .shown = "as_is; with `registration.mode: gin` e164_plus",
     .doc = "How the trunk writes numbers: `e164_plus` +44…, `e164` 44…, `international` 0044…, "
            "`national` 020…."},
    {"pilot_number",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, identity.pilot_number),
     .max = 32,
     .convert = check_number,
     .doc = "Main number, presented instead of a caller that may not be."},
    {"diversion_mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, identity.diversion_mode),
     .choices = diversion_modes,
     .doc = "How the trunk is told who sent a call on: `diversion` (RFC 5806), `history_info` (RFC "
            "7044), `both`, or `off`."},
    {"screening",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, identity.screening),
     .choices = screenings,
     .doc = "A caller outside `owned_numbers`: let it pass, replace it by `pilot_number`, or "
            "reject the call with 403."},
    {"owned_numbers",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, identity.owned_numbers),
     .max = 10000,
     .make = make_owned_number,
     .free = g_free,
     .doc = "Numbers or prefixes of the trunk, E.164 with +. Empty: any. Also tells trunks on one "
            "address apart."},
    {"display_name",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, identity.display_name),
     .value = true,
     .doc = "Whether display names are sent to the trunk."},
    {"trusted",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, identity.trusted),
     .doc = "Whether it may see the number of a caller who asked for privacy (RFC 3325)."},
    {NULL},
};

const DmJsonMember dm_trunk_numbering_members[] = {
    {"country",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, numbering.country),
     .max = 3,
     .convert = dm_json_check_digits,
     .doc = "Calling code of the trunk's country, without +. Empty: national numbers stay as they "
            "are."},
    {"area",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, numbering.area),
     .max = 6,
     .convert = dm_json_check_digits,
     .doc = "Area code, without national prefix: for numbers dialled without one."},
    {"international_prefix",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, numbering.international_prefix),
     .max = 6,
     .convert = dm_json_check_digits,
     .shown = "`00`; `011` in country 1, `810` in 7",
     .doc = "What international numbers start with."},
    {"national_prefix",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, numbering.national_prefix),
     .max = 4,
     .convert = dm_json_check_digits,
     .shown = "`0`; `1` in country 1, `8` in 7",
     .doc = "What national numbers start with; may be empty."},
    {"in_rules",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, numbering.in_rules),
     .members = dm_number_rule_members,
     .make = dm_number_rule_make,
     .free = dm_number_rule_free_func,
     .doc = "Rewriting of numbers that come from the trunk, before anything else."},
    {"out_rules",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, numbering.out_rules),
     .members = dm_number_rule_members,
     .make = dm_number_rule_make,
     .free = dm_number_rule_free_func,
     .doc = "Rewriting of numbers that go to the trunk, after `number_format`."},
    {"tech_prefix",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, numbering.tech_prefix),
     .max = 16,
     .convert = dm_json_check_user,
     .doc = "Put in front of the called number, last of all."},
    {NULL},
};

/* Prefixes of the country where they were not given (E.164 Supplement: 00 and 0 but for a few). */
void
dm_trunk_complete_numbering(DmTrunkConfig *trunk, const json_t *json)
{
    static const struct {
        const char *country, *international, *national;
    } plans[] = {{"1", "011", "1"}, {"7", "810", "8"}, {NULL, "00", "0"}};
    const json_t *given = json_object_get(json, "numbering");
    size_t i = 0;

    while (plans[i].country != NULL && strcmp(plans[i].country, trunk->numbering.country) != 0) {
        i++;
    }
    if (json_object_get(given, "international_prefix") == NULL) {
        dm_trunk_replace_text(&trunk->numbering.international_prefix, plans[i].international);
    }
    if (json_object_get(given, "national_prefix") == NULL) {
        dm_trunk_replace_text(&trunk->numbering.national_prefix, plans[i].national);
    }
}
