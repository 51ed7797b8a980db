/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/trunk/members.h"

static const DmJsonChoice auth_modes[] = {
    {"ip", DM_AUTH_IP},
    {"digest", DM_AUTH_DIGEST},
    {"register", DM_AUTH_REGISTER},
    {"register_in", DM_AUTH_REGISTER_IN},
    {NULL},
};

static const DmJsonChoice registration_modes[] = {
    {"single", DM_REGISTRATION_SINGLE},
    {"gin", DM_REGISTRATION_GIN},
    {NULL},
};

static const DmJsonChoice request_uris[] = {
    {"contact", DM_REQUEST_URI_CONTACT},
    {"number", DM_REQUEST_URI_NUMBER},
    {NULL},
};

static const DmJsonChoice digest_hashes[] = {
    {"SHA-512-256", DM_DIGEST_HASH_SHA512_256},
    {"SHA-256", DM_DIGEST_HASH_SHA256},
    {"MD5", DM_DIGEST_HASH_MD5},
    {NULL},
};

/* Between quotes, and without them. */
static void
check_realm(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    for (const char *p = json_string_value(value); *p != '\0'; p++) {
        if (*p < ' ' || *p >= 0x7f || *p == '"' || *p == '\\') {
            dm_json_problem(reader, "format", "expected ASCII without quotes and backslashes");
            return;
        }
    }
}

/* "SHA-256:0123...": into its place. False: it is not so. */
static bool
take_ha1(DmTrunkConfig *trunk, const char *word)
{
    static const size_t digits[] = {
        [DM_DIGEST_HASH_MD5] = 32,
        [DM_DIGEST_HASH_SHA256] = 64,
        [DM_DIGEST_HASH_SHA512_256] = 64,
    };
    g_auto(GStrv) parts = g_strsplit(word, ":", 2);
    int hash;

    if (g_strv_length(parts) != 2 || !dm_json_choice(digest_hashes, parts[0], &hash) ||
        trunk->auth.inbound_ha1[hash] != NULL || strlen(parts[1]) != digits[hash] ||
        strspn(parts[1], "0123456789abcdefABCDEF") != digits[hash]) {
        return false;
    }
    trunk->auth.inbound_ha1[hash] = g_ascii_strdown(parts[1], -1);
    return true;
}

static void
check_ha1s(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    DmTrunkConfig *trunk = object;
    g_auto(GStrv) words = g_strsplit(trunk->auth.inbound_ha1_text, " ", 8);

    for (char **word = words; *word != NULL; word++) {
        if (**word != '\0' && !take_ha1(trunk, *word)) {
            dm_json_problem(reader,
                            "format",
                            "expected \"SHA-256:\" with 64 hexadecimal digits, \"SHA-512-256:\" "
                            "with 64 or \"MD5:\" with 32, each once");
            return;
        }
    }
}

static void *
make_certificate_name(const json_t *element, DmJsonReader *reader)
{
    char *name = dm_json_make_string(element, reader);

    if (name != NULL && !dm_host_is_valid(name)) {
        g_clear_pointer(&name, g_free);
        dm_json_problem(reader, "format", "expected a host name, as in a certificate");
    }
    return name;
}

/* A header's name, or text that stands alone in one. */
static void
check_printable(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    for (const char *p = json_string_value(value); *p != '\0'; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == ':') {
            dm_json_problem(reader, "format", "expected printable ASCII without spaces and colons");
            return;
        }
    }
}

static const DmJsonMember selector_members[] = {
    {"header",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, auth.selector_header),
     .max = 64,
     .convert = check_printable,
     .doc = "Its name; only requests that have it with `value` are the trunk's."},
    {"value",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, auth.selector_value),
     .max = 128,
     .convert = check_printable,
     .doc = "Its whole value."},
    {NULL},
};

const DmJsonMember dm_trunk_auth_members[] = {
    {"mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, auth.mode),
     .choices = auth_modes,
     .doc = "`ip`: known by address. `digest`: challenges of the peer are answered. `register`: "
            "and we keep registered. `register_in`: it registers with us, as `inbound_user`, and "
            "calls go to where it last said it is."},
    {"user",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, auth.user),
     .max = 128,
     .doc = "Who we are when challenged."},
    {"password",
     DM_JSON_SECRET,
     DM_JSON_AT(DmTrunkConfig, auth.password),
     .doc = "Password for `user`."},
    {"realm",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, auth.realm),
     .max = 128,
     .doc = "Answer challenges of this realm only; empty: of any."},
    {"inbound_user",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, auth.inbound_user),
     .max = 128,
     .doc = "When set, we challenge requests from the trunk."},
    {"inbound_password",
     DM_JSON_SECRET,
     DM_JSON_AT(DmTrunkConfig, auth.inbound_password),
     .doc = "Password for `inbound_user`."},
    {"inbound_ha1",
     DM_JSON_SECRET,
     DM_JSON_AT(DmTrunkConfig, auth.inbound_ha1_text),
     .convert = check_ha1s,
     .doc = "Instead of `inbound_password`, so that nobody can read it: the hash of "
            "`user:realm:password`, as `SHA-256:` and 64 hexadecimal digits; for more than one "
            "algorithm several of them, with a space between."},
    {"inbound_realm",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, auth.inbound_realm),
     .max = 128,
     .convert = check_realm,
     .shown = "`domain`, else `demarc`",
     .doc = "Realm of our challenges."},
    {"inbound_algorithms",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, auth.inbound_algorithms),
     .max = 3,
     .choices = digest_hashes,
     .shown = "`MD5`; with `inbound_ha1` what that has",
     .doc = "What our challenges offer, best first; answers with others are not accepted. Some "
            "PBXs fail on an algorithm they do not know instead of passing it over."},
    {"inbound_integrity",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, auth.inbound_integrity),
     .doc =
         "Our challenges offer `auth-int` beside `auth`: the body is part of the answer. Not for "
         "peers behind devices that rewrite session descriptions."},
    {"certificate_names",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, auth.certificate_names),
     .max = 16,
     .make = make_certificate_name,
     .free = g_free,
     .doc = "Host names: who connects by TLS with a certificate for one of them is this trunk, "
            "wherever it is, and is not challenged. The listener's TLS profile must ask for "
            "certificates (`verify_client`)."},
    {"selector",
     DM_JSON_OBJECT,
     .members = selector_members,
     .doc = "A header that tells this trunk from others at the same address."},
    {NULL},
};

const DmJsonMember dm_trunk_registration_members[] = {
    {"registrar",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, registration.registrar),
     .convert = dm_json_check_host,
     .shown = "`domain`, else the first endpoint's host",
     .doc = "Host in the Request-URI of REGISTER."},
    {"aor",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, registration.aor_user),
     .max = 128,
     .convert = dm_json_check_user,
     .shown = "`auth.user`; of a trunk that registers with us `auth.inbound_user`",
     .doc = "User part of the address that is registered."},
    {"contact_user",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, registration.contact_user),
     .max = 64,
     .convert = dm_json_check_user,
     .shown = "a token nobody can guess, the same after a restart",
     .doc = "User part of our Contact: calls to it are this trunk's. The token counts wherever a "
            "call comes from, a name of your own only from the trunk's addresses."},
    {"expires",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, registration.expires_s),
     .min = 30,
     .max = 86400,
     .value = 3600,
     .doc = "Seconds asked for; the registrar's answer counts."},
    {"mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, registration.mode),
     .choices = registration_modes,
     .doc = "`gin`: all numbers of the trunk at once (RFC 6140): asked of the carrier, which calls "
            "us by number then, or allowed to the PBX, which is called so. A carrier that does "
            "not know it is registered with without, and that is logged. `single`: one address."},
    {"outbound",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, registration.outbound),
     .doc = "Whether we ask the registrar to keep our flow (RFC 5626). One whose first hop cannot "
            "(439) is registered with without it."},
    {"hand_over",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, registration.hand_over),
     .doc = "Whether the registration is left standing when the gateway stops, for the one that "
            "takes its place."},
    {"max_contacts",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, registration.max_contacts),
     .min = 1,
     .max = 32,
     .value = 10,
     .doc = "For `register_in`: contacts it may have; one more takes the place of the one heard "
            "of longest ago."},
    {"min_expires",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, registration.min_expires_s),
     .min = 10,
     .max = 3600,
     .value = 60,
     .doc = "For `register_in`: fewer seconds than that are refused with 423."},
    {"max_expires",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, registration.max_expires_s),
     .min = 60,
     .max = 86400,
     .value = 3600,
     .doc = "For `register_in`: more seconds than that are not granted."},
    {"keepalive",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, registration.keepalive_s),
     .max = 600,
     .value = 20,
     .doc = "For `register_in`: seconds between two empty datagrams that keep the way through a "
            "NAT open, to contacts that are behind one; 0: none."},
    {"request_uri",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, registration.request_uri),
     .choices = request_uris,
     .doc = "For `register_in`: what calls to it ask for: the `contact` as it was registered, the "
            "number in To; or the `number` at the contact's host. With GIN always the number."},
    {NULL},
};

static bool
has_ha1(const DmTrunkConfig *trunk)
{
    for (unsigned i = 0; i < DM_N_DIGEST_HASHES; i++) {
        if (trunk->auth.inbound_ha1[i] != NULL) {
            return true;
        }
    }
    return false;
}

/* Something to check answers with, of what we offer. */
static void
check_ha1(const DmTrunkConfig *trunk, DmJsonReader *reader)
{
    const GArray *offered = trunk->auth.inbound_algorithms;
    bool usable = *trunk->auth.inbound_password != '\0' || !has_ha1(trunk) || offered->len == 0;

    if (*trunk->auth.inbound_password != '\0' && has_ha1(trunk)) {
        dm_json_problem_at(reader,
                           "inbound_ha1",
                           "conflict",
                           "'inbound_password' is there too: give one of them");
    }
    for (guint i = 0; i < offered->len; i++) {
        usable |= trunk->auth.inbound_ha1[g_array_index(offered, int, i)] != NULL;
    }
    if (!usable) {
        dm_json_problem_at(reader,
                           "inbound_ha1",
                           "conflict",
                           "it has no hash of 'inbound_algorithms'");
    }
}

void
dm_trunk_check_auth(const DmTrunkConfig *trunk, DmJsonReader *reader)
{
    size_t before = dm_json_enter(reader, "auth");

    bool answers = trunk->auth.mode == DM_AUTH_DIGEST || trunk->auth.mode == DM_AUTH_REGISTER;

    if (answers && *trunk->auth.user == '\0') {
        dm_json_problem_at(reader, "user", "required", "is missing: 'mode' needs it");
    }
    if (answers && *trunk->auth.password == '\0') {
        dm_json_problem_at(reader, "password", "required", "is missing: 'mode' needs it");
    }
    if (*trunk->auth.inbound_user != '\0' && *trunk->auth.inbound_password == '\0' &&
        !has_ha1(trunk)) {
        dm_json_problem_at(reader,
                           "inbound_password",
                           "required",
                           "is missing: 'inbound_user' needs it");
    }
    if (trunk->auth.mode == DM_AUTH_REGISTER_IN && *trunk->auth.inbound_user == '\0') {
        dm_json_problem_at(reader, "inbound_user", "required", "is missing: 'mode' needs it");
    }
    check_ha1(trunk, reader);
    dm_json_leave(reader, before);
}

void
dm_trunk_check_registration(const DmTrunkConfig *trunk, DmJsonReader *reader)
{
    size_t before = dm_json_enter(reader, "registration");

    if (trunk->registration.min_expires_s > trunk->registration.max_expires_s) {
        dm_json_problem_at(reader, "min_expires", "conflict", "is more than 'max_expires'");
    }
    dm_json_leave(reader, before);
}

void
dm_trunk_complete_registration(DmTrunkConfig *trunk)
{
    if (trunk->auth.mode != DM_AUTH_REGISTER || *trunk->registration.contact_user != '\0') {
        return;
    }
    const char *key = trunk->auth.password;
    g_autofree char *text = g_strdup_printf("demarc contact %s %s", trunk->id, trunk->auth.user);
    g_autofree char *hash =
        g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *)key, strlen(key), text, -1);

    hash[24] = '\0';
    dm_trunk_replace_text(&trunk->registration.contact_user, hash);
    trunk->registration.contact_is_token = true;
}

void
dm_trunk_complete_algorithms(DmTrunkConfig *trunk)
{
    static const int by_worth[] = {
        DM_DIGEST_HASH_SHA512_256,
        DM_DIGEST_HASH_SHA256,
        DM_DIGEST_HASH_MD5,
    };
    const int md5 = DM_DIGEST_HASH_MD5;
    GArray *offered = trunk->auth.inbound_algorithms;
    bool was_given = offered->len > 0;

    for (unsigned i = 0; !was_given && i < G_N_ELEMENTS(by_worth); i++) {
        if (trunk->auth.inbound_ha1[by_worth[i]] != NULL) {
            g_array_append_val(offered, by_worth[i]);
        }
    }
    if (offered->len == 0) {
        g_array_append_val(offered, md5);
    }
}
