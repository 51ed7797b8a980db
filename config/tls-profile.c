/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/members.h"

static const DmJsonChoice verify_choices[] = {
    {"none", DM_VERIFY_NONE},
    {"optional", DM_VERIFY_OPTIONAL},
    {"required", DM_VERIFY_REQUIRED},
    {NULL},
};

static const DmJsonChoice tls_versions[] = {{"1.2", false}, {"1.3", true}, {NULL}};

/* "AB:CD:..." or "abcd...", as openssl x509 -fingerprint -sha256 prints it; kept as 64 lower-case
 * digits. */
static void *
make_fingerprint(const json_t *element, DmJsonReader *reader)
{
    const char *text = json_is_string(element) ? json_string_value(element) : "";
    g_autoptr(GString) digits = g_string_new(NULL);

    for (const char *p = text; *p != '\0'; p++) {
        if (g_ascii_isxdigit(*p)) {
            g_string_append_c(digits, g_ascii_tolower(*p));
        } else if (*p != ':') {
            g_string_truncate(digits, 0);
            break;
        }
    }
    if (digits->len != 64) {
        dm_json_problem(reader, "format", "expected the 64 hexadecimal digits of a SHA-256");
        return NULL;
    }
    return g_string_free(g_steal_pointer(&digits), FALSE);
}

const DmJsonMember dm_tls_profile_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(DmTlsProfileConfig, id),
     .required = true,
     .min = 1,
     .max = 64,
     .convert = dm_json_check_id,
     .doc = "Its name."},
    {"cert",
     DM_JSON_STRING,
     DM_JSON_AT(DmTlsProfileConfig, cert),
     .doc = "File with our certificate and its chain (PEM), shown to clients, and to servers that "
            "ask."},
    {"key", DM_JSON_STRING, DM_JSON_AT(DmTlsProfileConfig, key), .doc = "File with its key (PEM)."},
    {"ca",
     DM_JSON_STRING,
     DM_JSON_AT(DmTlsProfileConfig, ca),
     .shown = "those of the system",
     .doc = "File with the authorities that are trusted (PEM)."},
    {"verify_client",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTlsProfileConfig, verify_client),
     .choices = verify_choices,
     .doc = "Whether clients must prove who they are: mutual TLS."},
    {"verify_server",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTlsProfileConfig, verify_server),
     .value = true,
     .doc = "Whether servers must prove the name that the trunk has for them (RFC 5922)."},
    {"min_version",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTlsProfileConfig, tls13_only),
     .choices = tls_versions,
     .doc = "The lowest version of TLS that is spoken."},
    {"client_names",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTlsProfileConfig, client_names),
     .max = 64,
     .make = dm_json_make_string,
     .free = g_free,
     .doc = "Names of which a client's certificate must have one; none: any will do."},
    {"server_names",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTlsProfileConfig, server_names),
     .max = 64,
     .make = dm_json_make_string,
     .free = g_free,
     .doc = "Names that are good for a server besides its host in the trunk's endpoint."},
    {"server_fingerprints",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTlsProfileConfig, server_fingerprints),
     .max = 64,
     .make = make_fingerprint,
     .free = g_free,
     .doc = "SHA-256 of certificates that are good for a server by themselves, self-signed ones "
            "too."},
    {"provisioned", DM_JSON_BOOL, DM_JSON_AT(DmTlsProfileConfig, provisioned), .hidden = true},
    {NULL},
};

void
dm_tls_profile_free(gpointer data)
{
    DmTlsProfileConfig *profile = data;

    json_decref(profile->source);
    g_free(profile->id);
    g_free(profile->cert);
    g_free(profile->key);
    g_free(profile->ca);
    g_clear_pointer(&profile->client_names, g_ptr_array_unref);
    g_clear_pointer(&profile->server_names, g_ptr_array_unref);
    g_clear_pointer(&profile->server_fingerprints, g_ptr_array_unref);
    g_free(profile);
}

void *
dm_tls_profile_make(const json_t *element, DmJsonReader *reader)
{
    DmTlsProfileConfig *profile = g_new0(DmTlsProfileConfig, 1);
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, dm_tls_profile_members, profile) &&
        (*profile->cert != '\0') != (*profile->key != '\0')) {
        dm_json_problem_at(reader,
                           *profile->cert != '\0' ? "key" : "cert",
                           "required",
                           "is missing: certificate and key belong together");
    }
    if (reader->problems->list->len > before) {
        g_clear_pointer(&profile, dm_tls_profile_free);
    } else {
        profile->source = json_deep_copy(element);
    }
    return profile;
}
