/* SPDX-License-Identifier: Apache-2.0 */
#include "config/trunk.h"

#include <string.h>

#include "config/config.h"
#include "config/trunk/members.h"

/* DmTrunkStatus shows as many. */
#define MAX_ENDPOINTS 16

static const DmJsonChoice roles[] = {{"carrier", DM_TRUNK_CARRIER}, {"pbx", DM_TRUNK_PBX}, {NULL}};

enum { INBOUND = 1, OUTBOUND = 2 };
static const DmJsonChoice directions[] = {
    {"both", INBOUND | OUTBOUND},
    {"inbound", INBOUND},
    {"outbound", OUTBOUND},
    {NULL},
};

static void
convert_direction(const json_t *value,
                  const DmJsonMember *member,
                  void *object,
                  DmJsonReader *reader)
{
    DmTrunkConfig *trunk = object;
    int direction = 0;

    dm_json_choice(directions, json_string_value(value), &direction);
    trunk->allow_inbound = direction & INBOUND;
    trunk->allow_outbound = direction & OUTBOUND;
}

static void
convert_acl(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    DmTrunkConfig *trunk = object;
    size_t i;
    json_t *element;

    trunk->acl = g_array_new(FALSE, FALSE, sizeof(DmCidr));
    json_array_foreach(value, i, element)
    {
        DmCidr cidr;
        if (json_is_string(element) && dm_cidr_parse(&cidr, json_string_value(element))) {
            g_array_append_val(trunk->acl, cidr);
            continue;
        }
        size_t before = dm_json_enter_index(reader, i);
        dm_json_problem(reader, "format", "expected an address or a network like \"192.0.2.0/24\"");
        dm_json_leave(reader, before);
    }
}

static const DmJsonMember options_members[] = {
    {"enabled",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, health.options),
     .doc = "Whether we ping with OPTIONS."},
    {"interval_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, health.interval_s),
     .min = 1,
     .max = 3600,
     .value = 30,
     .doc = "Seconds between two pings."},
    {"up_after",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, health.up_after),
     .min = 1,
     .max = 100,
     .value = 2,
     .doc = "Successes in a row that make an endpoint up again."},
    {"down_after",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, health.down_after),
     .min = 1,
     .max = 100,
     .value = 3,
     .doc = "Failures in a row that make it down."},
    {NULL},
};

static const DmJsonMember health_members[] = {
    {"options", DM_JSON_OBJECT, .members = options_members, .doc = "Pings."},
    {NULL},
};

#define LIMIT(name, field, text)                                                                   \
    {                                                                                              \
        name, DM_JSON_INTEGER, DM_JSON_AT(DmTrunkConfig, limits.field), .max = 100000, .doc = text \
    }

static const DmJsonMember limits_members[] = {
    LIMIT("concurrent_in", concurrent_in, "Calls from the trunk at once; 0: no limit."),
    LIMIT("concurrent_out", concurrent_out, "Calls to the trunk at once; 0: no limit."),
    LIMIT("concurrent_total", concurrent_total, "Calls both ways at once; 0: no limit."),
    LIMIT("cps_in", cps_in, "New calls a second from the trunk; 0: no limit."),
    LIMIT("cps_out", cps_out, "New calls a second to the trunk; 0: no limit."),
    {NULL},
};

const DmJsonMember dm_trunk_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, id),
     .required = true,
     .min = 1,
     .max = 64,
     .convert = dm_json_check_id,
     .doc = "Its name in routes, records and metrics; never changes."},
    {"name",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, name),
     .max = 64,
     .shown = "`id`",
     .doc = "Its name for people."},
    {"role",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, role),
     .required = true,
     .choices = roles,
     .doc = "Which side of the company it is on."},
    {"enabled",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, enabled),
     .value = true,
     .doc = "Whether it carries new calls."},
    {"direction",
     DM_JSON_ENUM,
     .converts = true,
     .choices = directions,
     .text = "both",
     .convert = convert_direction,
     .doc = "Calls it may carry: `inbound` from the trunk, `outbound` to it."},
    {"endpoints",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, endpoints),
     .max = MAX_ENDPOINTS,
     .members = dm_endpoint_members,
     .make = dm_endpoint_make,
     .free = dm_endpoint_free,
     .doc = "Where its requests go; requests from there are its own."},
    {"outbound_proxy",
     DM_JSON_STRING,
     .max = 280,
     .converts = true,
     .text = "",
     .convert = dm_endpoint_convert_proxy,
     .doc = "Written as an endpoint's `uri`: all requests are sent there instead."},
    {"domain",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, domain),
     .convert = dm_json_check_host,
     .shown = "the endpoint's host",
     .doc = "Host in From, To and the Request-URI toward the trunk."},
    {"listener",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, listener),
     .reference = "listeners",
     .shown = "the first that fits",
     .doc = "Listener its requests leave from."},
    {"media_pool",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, media_pool),
     .reference = "media_pools",
     .shown = "the listener's",
     .doc = "Where its audio is received."},
    {"auth", DM_JSON_OBJECT, .members = dm_trunk_auth_members, .doc = "Who is who."},
    {"registration",
     DM_JSON_OBJECT,
     .members = dm_trunk_registration_members,
     .doc = "For `auth.mode` `register` and `register_in`."},
    {"acl",
     DM_JSON_ARRAY,
     .max = 256,
     .converts = true,
     .convert = convert_acl,
     .doc = "Addresses and networks its requests may come from, besides the endpoints' own."},
    {"identity",
     DM_JSON_OBJECT,
     .members = dm_trunk_identity_members,
     .doc = "Who calls, and how that is said."},
    {"numbering",
     DM_JSON_OBJECT,
     .members = dm_trunk_numbering_members,
     .doc = "How it writes numbers."},
    {"media", DM_JSON_OBJECT, .members = dm_trunk_media_members, .doc = "Audio."},
    {"sip", DM_JSON_OBJECT, .members = dm_trunk_sip_members, .doc = "Signalling habits."},
    {"health", DM_JSON_OBJECT, .members = health_members, .doc = "Whether it is there."},
    {"limits", DM_JSON_OBJECT, .members = limits_members, .doc = "How much it carries."},
    {"failover_codes",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, failover_codes),
     .max = 64,
     .text = "[408, 500, 502, 503, 504]",
     .make = dm_status_code_make,
     .doc = "Final answers before ringing that are worth another target."},
    {"provisioned", DM_JSON_BOOL, DM_JSON_AT(DmTrunkConfig, provisioned), .hidden = true},
    {NULL},
};

/* Each member is fine; are they together? */
static void
check_trunk(const DmTrunkConfig *trunk, DmJsonReader *reader)
{
    bool registers_here = trunk->auth.mode == DM_AUTH_REGISTER_IN;

    dm_trunk_check_auth(trunk, reader);
    dm_trunk_check_registration(trunk, reader);
    if (!registers_here && trunk->auth.certificate_names->len == 0 && trunk->endpoints->len == 0 &&
        trunk->outbound_proxy == NULL && trunk->acl->len == 0) {
        dm_json_problem_at(reader,
                           "endpoints",
                           "required",
                           "is missing: nothing says where the trunk is");
    }
    if (trunk->auth.mode == DM_AUTH_REGISTER && trunk->endpoints->len == 0 &&
        *trunk->registration.registrar == '\0' && *trunk->domain == '\0') {
        dm_json_problem_at(reader,
                           "registration",
                           "required",
                           "'registrar', 'domain' or an endpoint must be given");
    }
    if (trunk->identity.screening == DM_SCREEN_PILOT && *trunk->identity.pilot_number == '\0') {
        size_t before = dm_json_enter(reader, "identity");
        dm_json_problem_at(reader, "pilot_number", "required", "is missing: 'screening' needs it");
        dm_json_leave(reader, before);
    }
}

static void
complete(DmTrunkConfig *trunk, const json_t *json)
{
    if (*trunk->name == '\0') {
        dm_trunk_replace_text(&trunk->name, trunk->id);
    }
    if (*trunk->registration.aor_user == '\0') {
        dm_trunk_replace_text(&trunk->registration.aor_user,
                              trunk->auth.mode == DM_AUTH_REGISTER_IN ? trunk->auth.inbound_user
                                                                      : trunk->auth.user);
    }
    if (*trunk->auth.inbound_realm == '\0') {
        dm_trunk_replace_text(&trunk->auth.inbound_realm,
                              *trunk->domain != '\0' ? trunk->domain : "demarc");
    }
    dm_trunk_complete_algorithms(trunk);
    if (trunk->registration.mode == DM_REGISTRATION_GIN &&
        json_object_get(json_object_get(json, "identity"), "number_format") == NULL) {
        trunk->identity.number_format = DM_NUMBER_E164_PLUS; /* RFC 6140, 7.1 */
    }
    dm_trunk_complete_numbering(trunk, json);
    dm_trunk_complete_registration(trunk);
    trunk->source = json_deep_copy(json);
}

void *
dm_trunk_config_make(const json_t *element, DmJsonReader *reader)
{
    DmTrunkConfig *trunk = g_new0(DmTrunkConfig, 1);
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, dm_trunk_members, trunk)) {
        check_trunk(trunk, reader);
    }
    if (reader->problems->list->len > before) {
        g_clear_pointer(&trunk, dm_trunk_config_free);
    } else {
        complete(trunk, element);
    }
    return trunk;
}

DmTrunkConfig *
dm_trunk_config_from_json(const json_t *json, const char *pointer, DmProblems *problems)
{
    DmJsonReader reader;

    dm_json_reader_init(&reader, pointer, NULL, problems);
    DmTrunkConfig *trunk = dm_trunk_config_make(json, &reader);
    dm_json_reader_clear(&reader);
    return trunk;
}

/* Not left behind in freed memory. */
static void
free_secret(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        g_free(secret);
    }
}

void
dm_trunk_config_free(DmTrunkConfig *trunk)
{
    if (trunk == NULL) {
        return;
    }
    char *texts[] = {
        trunk->id,
        trunk->name,
        trunk->domain,
        trunk->listener,
        trunk->media_pool,
        trunk->auth.user,
        trunk->auth.realm,
        trunk->auth.inbound_user,
        trunk->auth.inbound_realm,
        trunk->auth.selector_header,
        trunk->auth.selector_value,
        trunk->registration.registrar,
        trunk->registration.aor_user,
        trunk->registration.contact_user,
        trunk->identity.pilot_number,
        trunk->numbering.country,
        trunk->numbering.area,
        trunk->numbering.international_prefix,
        trunk->numbering.national_prefix,
        trunk->numbering.tech_prefix,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_free(texts[i]);
    }
    free_secret(trunk->auth.password);
    free_secret(trunk->auth.inbound_password);
    free_secret(trunk->auth.inbound_ha1_text);
    for (unsigned i = 0; i < DM_N_DIGEST_HASHES; i++) {
        free_secret(trunk->auth.inbound_ha1[i]);
    }
    g_clear_pointer(&trunk->auth.inbound_algorithms, g_array_unref);
    g_clear_pointer(&trunk->auth.certificate_names, g_ptr_array_unref);
    dm_endpoint_free(trunk->outbound_proxy);
    g_clear_pointer(&trunk->endpoints, g_ptr_array_unref);
    g_clear_pointer(&trunk->acl, g_array_unref);
    g_clear_pointer(&trunk->identity.owned_numbers, g_ptr_array_unref);
    g_clear_pointer(&trunk->numbering.in_rules, g_ptr_array_unref);
    g_clear_pointer(&trunk->numbering.out_rules, g_ptr_array_unref);
    g_clear_pointer(&trunk->media.codecs, g_array_unref);
    g_clear_pointer(&trunk->media.srtp_suites, g_array_unref);
    g_clear_pointer(&trunk->media.fax.signs, g_array_unref);
    g_clear_pointer(&trunk->media.announcements, g_ptr_array_unref);
    g_free(trunk->media.hold_sound);
    g_clear_pointer(&trunk->failover_codes, g_ptr_array_unref);
    g_clear_pointer(&trunk->sip.oversize, g_array_unref);
    g_clear_pointer(&trunk->sip.optional_headers, g_ptr_array_unref);
    g_clear_pointer(&trunk->sip.body_types, g_ptr_array_unref);
    json_decref(trunk->source);
    g_free(trunk);
}
