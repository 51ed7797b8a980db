/* SPDX-License-Identifier: Apache-2.0 */
#include "config/trunk.h"

#include <string.h>

#include "config/config.h"
#include "config/secret.h"

/* DmTrunkStatus shows as many. */
#define MAX_ENDPOINTS 16

static const DmJsonChoice transports[] = {
    {"udp", DM_TRANSPORT_UDP},
    {"tcp", DM_TRANSPORT_TCP},
    {"tls", DM_TRANSPORT_TLS},
    {NULL},
};

static const DmJsonChoice roles[] = {{"carrier", DM_TRUNK_CARRIER}, {"pbx", DM_TRUNK_PBX}, {NULL}};

enum { INBOUND = 1, OUTBOUND = 2 };
static const DmJsonChoice directions[] = {
    {"both", INBOUND | OUTBOUND},
    {"inbound", INBOUND},
    {"outbound", OUTBOUND},
    {NULL},
};

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

static const DmJsonChoice codecs[] = {
    {"PCMU", DM_CODEC_PCMU},
    {"PCMA", DM_CODEC_PCMA},
    {"G722", DM_CODEC_G722},
    {"G726-16", DM_CODEC_G726_16},
    {"G726-24", DM_CODEC_G726_24},
    {"G726-32", DM_CODEC_G726_32},
    {"G726-40", DM_CODEC_G726_40},
    {"GSM", DM_CODEC_GSM},
    {"G729", DM_CODEC_G729},
    {"opus", DM_CODEC_OPUS},
    {NULL},
};

static const DmJsonChoice srtp_policies[] = {
    {"off", DM_SRTP_OFF},
    {"offer", DM_SRTP_OFFER},
    {"require", DM_SRTP_REQUIRE},
    {"opportunistic", DM_SRTP_OPPORTUNISTIC},
    {NULL},
};

static const DmJsonChoice srtp_keyings[] = {
    {"sdes", DM_SRTP_BY_SDES},
    {"dtls", DM_SRTP_BY_DTLS},
    {NULL},
};

static const DmJsonChoice ice_modes[] = {
    {"off", DM_ICE_OFF},
    {"lite", DM_ICE_LITE},
    {NULL},
};

static const DmJsonChoice srtp_suites[] = {
    {"AES_CM_128_HMAC_SHA1_80", DM_SRTP_AES_CM_128_HMAC_SHA1_80},
    {"AES_CM_128_HMAC_SHA1_32", DM_SRTP_AES_CM_128_HMAC_SHA1_32},
    {"AES_256_CM_HMAC_SHA1_80", DM_SRTP_AES_256_CM_HMAC_SHA1_80},
    {"AES_256_CM_HMAC_SHA1_32", DM_SRTP_AES_256_CM_HMAC_SHA1_32},
    {"AEAD_AES_128_GCM", DM_SRTP_AEAD_AES_128_GCM},
    {"AEAD_AES_256_GCM", DM_SRTP_AEAD_AES_256_GCM},
    {NULL},
};

static const DmJsonChoice abilities[] = {
    {"supported", DM_ABILITY_SUPPORTED},
    {"off", DM_ABILITY_OFF},
    {"required", DM_ABILITY_REQUIRED},
    {NULL},
};

static const DmJsonChoice forkings[] = {
    {"first", DM_FORKING_FIRST},
    {"latest", DM_FORKING_LATEST},
    {"rtp_active", DM_FORKING_RTP_ACTIVE},
    {NULL},
};

static const DmJsonChoice delayed_offers[] = {
    {"early_offer", DM_DELAYED_EARLY_OFFER},
    {"transparent", DM_DELAYED_TRANSPARENT},
    {NULL},
};

static const DmJsonChoice early_medias[] = {
    {"local_ringback_if_no_rtp", DM_EARLY_MEDIA_RINGBACK},
    {"keep", DM_EARLY_MEDIA_KEEP},
    {"relay_180", DM_EARLY_MEDIA_RELAY},
    {NULL},
};

static const DmJsonChoice updates[] = {
    {"auto", DM_UPDATE_AUTO},
    {"prefer", DM_UPDATE_PREFER},
    {"off", DM_UPDATE_OFF},
    {NULL},
};

static const DmJsonChoice hold_modes[] = {
    {"relay", DM_HOLD_RELAY},
    {"local", DM_HOLD_LOCAL},
    {NULL},
};

static const DmJsonChoice hold_audios[] = {
    {"peer", DM_HOLD_AUDIO_PEER},
    {"silence", DM_HOLD_AUDIO_SILENCE},
    {"gateway", DM_HOLD_AUDIO_GATEWAY},
    {NULL},
};

static const DmJsonChoice diversion_modes[] = {
    {"diversion", DM_DIVERSION_HEADER},
    {"history_info", DM_DIVERSION_HISTORY},
    {"both", DM_DIVERSION_BOTH},
    {"off", DM_DIVERSION_OFF},
    {NULL},
};

static const DmJsonChoice redirect_modes[] = {
    {"follow", DM_REDIRECT_FOLLOW},
    {"relay", DM_REDIRECT_RELAY},
    {"reject", DM_REDIRECT_REJECT},
    {NULL},
};

static const DmJsonChoice refer_modes[] = {
    {"local", DM_REFER_LOCAL},
    {"relay", DM_REFER_RELAY},
    {"reject", DM_REFER_REJECT},
    {NULL},
};

static const DmJsonChoice oversize_steps[] = {
    {"compact", DM_OVERSIZE_COMPACT},
    {"attributes", DM_OVERSIZE_ATTRIBUTES},
    {"headers", DM_OVERSIZE_HEADERS},
    {"codecs", DM_OVERSIZE_CODECS},
    {"tcp", DM_OVERSIZE_TCP},
    {NULL},
};

static const DmJsonChoice refreshers[] = {
    {"auto", DM_REFRESHER_AUTO},
    {"gateway", DM_REFRESHER_GATEWAY},
    {"peer", DM_REFRESHER_PEER},
    {NULL},
};

static const DmJsonChoice refresh_methods[] = {
    {"auto", DM_REFRESH_AUTO},
    {"update", DM_REFRESH_UPDATE},
    {"invite", DM_REFRESH_INVITE},
    {NULL},
};

static const DmJsonChoice codec_preferences[] = {
    {"remote", DM_CODECS_REMOTE},
    {"local", DM_CODECS_LOCAL},
    {"avoid_transcoding", DM_CODECS_AVOID_TRANSCODING},
    {NULL},
};

static const DmJsonChoice fax_modes[] = {
    {"t38", DM_FAX_MODE_T38},
    {"gateway", DM_FAX_MODE_GATEWAY},
    {"passthrough", DM_FAX_MODE_PASSTHROUGH},
    {NULL},
};

static const DmJsonChoice fax_owners[] = {
    {"relay", DM_FAX_OWNER_RELAY},
    {"answerer", DM_FAX_OWNER_ANSWERER},
    {"gateway", DM_FAX_OWNER_GATEWAY},
    {"never", DM_FAX_OWNER_NEVER},
    {NULL},
};

static const DmJsonChoice fax_corrections[] = {
    {"fec", DM_T38_FEC},
    {"redundancy", DM_T38_REDUNDANCY},
    {"none", DM_T38_NO_CORRECTION},
    {NULL},
};

static const DmJsonChoice nat_policies[] = {
    {"never", DM_NAT_NEVER},
    {"prefix", DM_NAT_PREFIX},
    {"any", DM_NAT_ANY},
    {NULL},
};

static const DmJsonChoice key_methods[] = {
    {"auto", DM_KEYS_AUTO},
    {"rfc4733", DM_KEYS_EVENTS},
    {"inband", DM_KEYS_TONES},
    {"info", DM_KEYS_SIGNALLED},
    {NULL},
};

#define COUNTRY(code, ringing, busy, congestion) {#code, DM_COUNTRY_##code},
static const DmJsonChoice countries[] = {
#include "media/tones.def"
    {NULL},
};
#undef COUNTRY

const char *
dm_srtp_policy_name(DmSrtpPolicy policy)
{
    g_return_val_if_fail(policy < G_N_ELEMENTS(srtp_policies) - 1, "");
    return srtp_policies[policy].name;
}

const char *
dm_transport_name(DmTransport transport)
{
    g_return_val_if_fail(transport < DM_N_TRANSPORTS, "");
    return transports[transport].name;
}

/* --- endpoints --- */

static void
free_endpoint(gpointer data)
{
    DmEndpointConfig *endpoint = data;

    if (endpoint != NULL) {
        g_free(endpoint->host);
        g_free(endpoint);
    }
}

static bool
parse_port(const char *text, uint16_t *out_port)
{
    guint64 port;

    if (!g_ascii_string_to_unsigned(text, 10, 1, 65535, &port, NULL)) {
        return false;
    }
    *out_port = (uint16_t)port;
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port", "v6" */
static bool
parse_host_port(const char *text, DmEndpointConfig *endpoint)
{
    g_autofree char *host = NULL;
    const char *rest = "";
    DmAddress address;

    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL) {
            return false;
        }
        host = g_strndup(text + 1, end - text - 1);
        rest = end + 1;
        if (!dm_address_parse(&address, host, 0)) {
            return false;
        }
    } else {
        const char *colon = strchr(text, ':');
        bool has_port = colon != NULL && strchr(colon + 1, ':') == NULL;
        host = has_port ? g_strndup(text, colon - text) : g_strdup(text);
        rest = has_port ? colon : "";
    }
    if (!dm_host_is_valid(host) ||
        (*rest != '\0' && (*rest != ':' || !parse_port(rest + 1, &endpoint->port)))) {
        return false;
    }
    g_free(endpoint->host);
    endpoint->host = g_steal_pointer(&host);
    return true;
}

/* Of the parameters a URI may have, transport is the one that means something here. */
static bool
parse_parameters(char **parameters, DmEndpointConfig *endpoint, DmJsonReader *reader)
{
    for (; *parameters != NULL; parameters++) {
        int transport;
        if (!g_str_has_prefix(*parameters, "transport=")) {
            dm_json_problem(reader,
                            "format",
                            "only ';transport=udp', 'tcp' or 'tls' may follow the host");
            return false;
        }
        g_autofree char *name = g_ascii_strdown(*parameters + strlen("transport="), -1);
        if (!dm_json_choice(transports, name, &transport)) {
            dm_json_problem(reader, "enum", "transport is none of: udp, tcp, tls");
            return false;
        }
        endpoint->transport = transport;
        endpoint->transport_free = false;
    }
    return true;
}

/* "sip:host:port;transport=tcp", "sips:host" or "host:port". */
static void
parse_uri(const char *text, DmEndpointConfig *endpoint, DmJsonReader *reader)
{
    g_auto(GStrv) parts = NULL;
    const char *address = text;
    bool secure = g_ascii_strncasecmp(text, "sips:", 5) == 0;

    if (secure || g_ascii_strncasecmp(text, "sip:", 4) == 0) {
        address = strchr(text, ':') + 1;
    }
    endpoint->transport = secure ? DM_TRANSPORT_TLS : DM_TRANSPORT_UDP;
    endpoint->transport_free = !secure;
    parts = g_strsplit(address, ";", 8);
    if (parts[0] == NULL || strchr(parts[0], '@') != NULL || !parse_host_port(parts[0], endpoint)) {
        dm_json_problem(reader,
                        "format",
                        "expected 'host:port', 'sip:host:port;transport=tcp' or 'sips:host'");
        return;
    }
    if (parse_parameters(parts + 1, endpoint, reader) && secure &&
        endpoint->transport != DM_TRANSPORT_TLS) {
        dm_json_problem(reader,
                        "conflict",
                        "'sips:' is TLS, whatever the transport parameter says");
    }
}

static void
convert_uri(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    parse_uri(json_string_value(value), object, reader);
}

static const DmJsonMember endpoint_members[] = {
    {"uri",
     DM_JSON_STRING,
     .required = true,
     .min = 1,
     .max = 280,
     .converts = true,
     .convert = convert_uri,
     .doc = "`host:port`, `sip:host:port;transport=tcp` or `sips:host`. A name without a port is "
            "looked up as RFC 3263 says: NAPTR unless a transport is given, then SRV, else 5060, "
            "with TLS 5061."},
    {"transport",
     DM_JSON_ENUM,
     .converts = true,
     .choices = transports,
     .shown = "as in `uri`, else as NAPTR and SRV say, else udp",
     .doc = "May be given here instead of in the URI."},
    {"priority",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmEndpointConfig, priority),
     .max = 65535,
     .doc = "Lower is tried first."},
    {"weight",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmEndpointConfig, weight),
     .max = 65535,
     .value = 1,
     .doc = "Share of the calls among equal priorities."},
    {"enabled",
     DM_JSON_BOOL,
     DM_JSON_AT(DmEndpointConfig, enabled),
     .value = true,
     .doc = "Whether calls are sent there."},
    {NULL},
};

/* The member says the same as the URI, or what the URI leaves open. */
static void
take_transport_member(const json_t *element, DmEndpointConfig *endpoint, DmJsonReader *reader)
{
    const char *uri = json_string_value(json_object_get(element, "uri"));
    const char *name = json_string_value(json_object_get(element, "transport"));
    int transport;

    if (name == NULL || !dm_json_choice(transports, name, &transport)) {
        return;
    }
    bool said = strstr(uri, ";transport=") != NULL || g_ascii_strncasecmp(uri, "sips:", 5) == 0;
    if (said && endpoint->transport != (DmTransport)transport) {
        dm_json_problem_at(reader,
                           "transport",
                           "conflict",
                           "the URI says %s",
                           dm_transport_name(endpoint->transport));
    }
    endpoint->transport = transport;
    endpoint->transport_free = false;
}

static void *
make_endpoint(const json_t *element, DmJsonReader *reader)
{
    DmEndpointConfig *endpoint = g_new0(DmEndpointConfig, 1);
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, endpoint_members, endpoint)) {
        take_transport_member(element, endpoint, reader);
    }
    if (reader->problems->list->len > before) {
        g_clear_pointer(&endpoint, free_endpoint);
    }
    return endpoint;
}

/* --- members that are more than a value --- */

static void
convert_proxy(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    DmTrunkConfig *trunk = object;

    if (json_string_length(value) > 0) {
        trunk->outbound_proxy = g_new0(DmEndpointConfig, 1);
        trunk->outbound_proxy->enabled = true;
        parse_uri(json_string_value(value), trunk->outbound_proxy, reader);
    }
}

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

static void
check_dtmf_pt(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    json_int_t pt = json_integer_value(value);

    if (pt != 0 && pt < 96) {
        dm_json_problem(reader,
                        "range",
                        "expected a dynamic payload type, 96 to 127, or 0 for none");
    }
}

static void
check_jitter_max(const json_t *value,
                 const DmJsonMember *member,
                 void *object,
                 DmJsonReader *reader)
{
    const DmTrunkConfig *trunk = object;

    if (json_integer_value(value) < trunk->media.jitter.min_ms) {
        dm_json_problem(reader, "range", "expected no less than min_ms");
    }
}

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

/* Without these a request means something else, or nothing (RFC 3261, 8.1.1; privacy is what
 * RFC 3323 promises the caller). */
static bool
must_be_sent(const char *header)
{
    static const char *const needed[] = {
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "Contact",
        "Route",
        "Content-Type",
        "Content-Length",
        "Authorization",
        "Proxy-Authorization",
        "Require",
        "Proxy-Require",
        "Supported",
        "Session-Expires",
        "Min-SE",
        "Replaces",
        "Refer-To",
        "RAck",
        "Event",
        "Subscription-State",
        "Privacy",
        NULL,
    };

    for (unsigned i = 0; needed[i] != NULL; i++) {
        if (g_ascii_strcasecmp(header, needed[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void *
make_body_type(const json_t *element, DmJsonReader *reader)
{
    g_autofree char *type = dm_json_make_string(element, reader);

    if (type != NULL &&
        !g_regex_match_simple("^[a-z0-9.+-]{1,48}/[a-z0-9.+-]{1,48}$", type, 0, 0)) {
        dm_json_problem(reader, "format", "expected a content type like \"application/isup\"");
        return NULL;
    }
    if (g_strcmp0(type, "application/sdp") == 0) {
        dm_json_problem(reader, "conflict", "the session description never crosses");
        return NULL;
    }
    return g_steal_pointer(&type);
}

static void *
make_optional_header(const json_t *element, DmJsonReader *reader)
{
    char *name = dm_json_make_string(element, reader);

    if (name != NULL && must_be_sent(name)) {
        dm_json_problem(reader, "conflict", "'%s' cannot be left out", name);
        g_clear_pointer(&name, g_free);
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

/* --- the tables --- */

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

static const DmJsonMember auth_members[] = {
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

static const DmJsonMember registration_members[] = {
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

static const DmJsonMember identity_members[] = {
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

static const DmJsonMember numbering_members[] = {
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

static const DmJsonChoice fax_signs[] = {
    {"v21", DM_FAX_SIGN_V21},
    {"ced", DM_FAX_SIGN_CED},
    {"cng", DM_FAX_SIGN_CNG},
    {NULL},
};

static const DmJsonMember fax_members[] = {
    {"mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.fax.mode),
     .choices = fax_modes,
     .doc = "`t38`: T.38 is agreed on with it; where both sides have it, it is relayed. `gateway`: "
            "the trunk has fax in G.711 only; T.38 of the other side is translated to that. "
            "`passthrough`: fax stays G.711 on both sides."},
    {"owner",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.fax.owner),
     .choices = fax_owners,
     .doc = "Who changes a call to T.38. `relay`: either peer, and the other is asked in turn; "
            "`answerer`: the called peer only; `gateway`: we as well, when a fax machine is heard; "
            "`never`: nobody."},
    {"ec",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.fax.ec),
     .choices = fax_corrections,
     .doc = "Against lost packets of T.38, at most."},
    {"max_bit_rate",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.fax.max_bit_rate),
     .min = 2400,
     .max = 33600,
     .value = 14400,
     .doc = "Bits per second of T.38, at most."},
    {"signs",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.fax.signs),
     .max = 3,
     .choices = fax_signs,
     .text = "[\"v21\"]",
     .doc =
         "What `owner: gateway` takes for a fax machine: the preamble of V.21, which is certain; "
         "`ced`, the steady 2100 Hz of who answers; `cng`, the 1100 Hz of who calls."},
    {"forget_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.fax.forget_s),
     .max = 2592000,
     .value = 86400,
     .doc = "Seconds for which a refusal of T.38 (488, 415 or 606) is remembered: until then it is "
            "not asked again, and T.38 of the other side is translated; 0: not at all."},
    {NULL},
};

static const DmJsonMember jitter_members[] = {
    {"min_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.jitter.min_ms),
     .max = DM_JITTER_MAX_MS,
     .value = DM_JITTER_MIN_MS,
     .doc =
         "Milliseconds of delay at least, once packets come unevenly; a missing packet is waited "
         "for as long."},
    {"max_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.jitter.max_ms),
     .min = DM_JITTER_MIN_MS,
     .max = 400,
     .value = DM_JITTER_MAX_MS,
     .convert = check_jitter_max,
     .doc = "Milliseconds of delay at most; what comes later is played at once."},
    {NULL},
};

static const DmJsonMember media_members[] = {
    {"codecs",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.codecs),
     .min = 1,
     .max = 10,
     .choices = codecs,
     .text = "[\"PCMA\", \"PCMU\"]",
     .doc = "Codecs of the trunk, best first."},
    {"transcode",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.transcode),
     .value = true,
     .doc = "Whether to translate between codecs when the two sides have none in common."},
    {"codec_preference",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.preference),
     .choices = codec_preferences,
     .doc =
         "Order of the codecs we offer the trunk: `remote`: the other side's, then what it can be "
         "translated to; `local`: the trunk's; `avoid_transcoding`: the other side's, and others "
         "only when the trunk has none of those."},
    {"ptime_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.ptime_ms),
     .min = 10,
     .max = 60,
     .value = 20,
     .doc = "Milliseconds of audio in a packet, as we ask for it."},
    {"dtmf",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.keys),
     .choices = key_methods,
     .doc = "How keys reach it: `auto`: RFC 4733 events where agreed, else tones; `rfc4733`: "
            "events or "
            "not at all; `inband`: tones, events are not offered; `info`: SIP INFO. Its own keys "
            "are taken in any of these ways, but tones are not listened for with `rfc4733` and "
            "`info`."},
    {"dtmf_pt",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.dtmf_pt),
     .max = 127,
     .value = 101,
     .convert = check_dtmf_pt,
     .doc = "Payload type we offer for telephone-event (RFC 4733); 0: none is offered."},
    {"nat",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.nat),
     .choices = nat_policies,
     .doc = "Where its audio may really come from: `never` elsewhere than signalled, `prefix`: the "
            "same /24 or /64, `any`."},
    {"jitter_buffer",
     DM_JSON_OBJECT,
     .members = jitter_members,
     .doc = "How long its packets are held back where they are decoded, so that they leave as "
            "evenly as they were sent; nothing while they come with less than 10 ms of jitter."},
    {"srtp",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.srtp),
     .choices = srtp_policies,
     .doc = "Encrypted audio (SRTP). `offer`: asked for, and plain RTP where "
            "the trunk has none or refuses once. `require`: no call without. `opportunistic`: keys "
            "in an offer of plain RTP (RFC 8643), and once of SRTP where that is refused."},
    {"srtp_keying",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.srtp_keying),
     .choices = srtp_keyings,
     .doc = "Where the keys of SRTP come from. `sdes`: SDP (RFC 4568). `dtls`: a handshake beside "
            "the audio (DTLS-SRTP, RFC 5764), which the suites of AES-256 in counter mode are not "
            "made for."},
    {"ice",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.ice),
     .choices = ice_modes,
     .doc = "`lite`: the trunk may check by ICE how it can reach us, and its audio is then where "
            "its checks come from, whatever `nat` says (RFC 8445). For Microsoft Teams with media "
            "bypass and for WebRTC."},
    {"srtp_suites",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.srtp_suites),
     .min = 1,
     .max = 6,
     .choices = srtp_suites,
     .text = "[\"AES_CM_128_HMAC_SHA1_80\", \"AES_256_CM_HMAC_SHA1_80\", \"AEAD_AES_128_GCM\", "
             "\"AEAD_AES_256_GCM\", \"AES_CM_128_HMAC_SHA1_32\", \"AES_256_CM_HMAC_SHA1_32\"]",
     .doc = "Suites offered and accepted, best first."},
    {"rekey_resets_roc",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.rekey_resets_roc),
     .doc = "With a new key the trunk counts SRTP packets from the start, as Microsoft Teams does; "
            "others let the rollover counter go on (RFC 3711)."},
    {"rtcp_xr",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.rtcp_xr),
     .doc =
         "Whether VoIP metrics by RTCP-XR (RFC 3611) are offered to it, both ways: what it hears "
         "of us is then in records (`mos_peer`) and quality reports. A peer that asks gets them "
         "anyway."},
    {"timeout_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.timeout_ms),
     .max = 86400000,
     .value = 60000,
     .doc = "Milliseconds without RTP and RTCP from it after which the call ends; 0: never."},
    {"hold_timeout_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.hold_timeout_ms),
     .max = 86400000,
     .value = 1800000,
     .doc = "The same while the call is held."},
    {"record",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.record),
     .doc = "Whether its calls are recorded from the answer on; see `recording`."},
    {"hold_audio",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.hold_audio),
     .choices = hold_audios,
     .doc = "What it hears while the other side holds it: what that one sends (`peer`), `silence`, "
            "which keeps audio flowing to peers that end calls without it, or, `gateway`, "
            "`hold_sound`."},
    {"hold_sound",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, media.hold_sound),
     .max = 64,
     .reference = "sounds",
     .doc =
         "The recording for `hold_audio: gateway`, again and again; empty, or one that cannot be "
         "read: silence."},
    {"announcements",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.announcements),
     .max = 64,
     .members = dm_announcement_members,
     .make = dm_announcement_make,
     .free = dm_announcement_free,
     .doc =
         "What its callers hear before a call that nobody answered is refused; the first that is "
         "for the reason. Those of the route go before."},
    {"tones",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.country),
     .choices = countries,
     .text = "us",
     .doc = "Whose ringing, busy and congestion tones it hears when we make them: a country by its "
            "ISO 3166 code."},
    {"fax", DM_JSON_OBJECT, .members = fax_members, .doc = "Fax."},
    {NULL},
};

static const DmJsonMember timers_members[] = {
    {"setup_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.setup_ms),
     .min = 500,
     .max = 32000,
     .value = 4000,
     .doc = "Milliseconds without any answer after which the next target is tried."},
    {"ringing_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.ringing_ms),
     .min = 1000,
     .max = 600000,
     .value = 180000,
     .doc = "Milliseconds without a final answer after which the caller gets 408."},
    {"max_duration_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.max_duration_s),
     .max = 604800,
     .value = 14400,
     .doc = "Seconds after which a call is ended; 0: never."},
    {NULL},
};

static const DmJsonMember session_timer_members[] = {
    {"mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.mode),
     .choices = abilities,
     .doc = "`supported`: used with peers that know it, and others keep their calls. `required`: "
            "no call without it."},
    {"expires",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.expires_s),
     .min = 90,
     .max = 86400,
     .value = 1800,
     .doc = "Seconds after which a session that nobody refreshed is over."},
    {"min_se",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.min_se_s),
     .min = 90,
     .max = 86400,
     .value = 90,
     .doc = "Fewer seconds than that are refused with 422."},
    {"refresher",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.refresher),
     .choices = refreshers,
     .doc = "Who refreshes when the peer leaves it open; `auto`: the one who called."},
    {"method",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.method),
     .choices = refresh_methods,
     .doc = "What we refresh with; `auto`: UPDATE when the peer allows it, else re-INVITE."},
    {NULL},
};

static void
check_oversize(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    const DmTrunkConfig *trunk = object;
    const GArray *steps = trunk->sip.oversize;

    for (guint i = 0; i + 1 < steps->len; i++) {
        if (g_array_index(steps, int, i) == DM_OVERSIZE_TCP) {
            dm_json_problem(reader, "conflict", "'tcp' can only be the last");
        }
    }
}

static const DmJsonMember sip_members[] = {
    {"timers", DM_JSON_OBJECT, .members = timers_members, .doc = "How long we wait."},
    {"user_phone",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.user_phone),
     .doc = "Add `;user=phone` to addresses with a number."},
    {"rel100",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.rel100),
     .choices = abilities,
     .doc = "Acknowledged provisional answers (RFC 3262), on this side alone. `supported`: with "
            "peers that know them; ours then are those with a description, or all when the peer "
            "requires it. `required`: no call without them."},
    {"forking",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.forking),
     .choices = forkings,
     .doc =
         "Which of several ringing phones is heard before one answers: the `first` that sends a "
         "description, the `latest`, or, `rtp_active`, the first whose audio comes. Up to eight; "
         "once one has answered the others are not heard any more."},
    {"delayed_offer",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.delayed_offer),
     .choices = delayed_offers,
     .doc = "What an INVITE to this trunk carries when the caller's has no offer. `early_offer`: "
            "one from the trunk's codecs, which the caller is offered in turn. `transparent`: none "
            "either; the called peer offers."},
    {"update",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.update),
     .choices = updates,
     .doc =
         "What we change a session with, where the peer lists UPDATE (RFC 3311). `auto`: UPDATE "
         "before the answer, re-INVITE afterwards. `prefer`: UPDATE always. `off`: never, and it "
         "is not in our Allow; changes wait for the answer."},
    {"hold_mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.hold_mode),
     .choices = hold_modes,
     .doc = "When the other side holds or resumes the call. `relay`: this trunk is told. `local`: "
            "it is answered here, for peers that take a re-INVITE badly."},
    {"early_media",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.early_media),
     .choices = early_medias,
     .doc = "When this trunk is called, has described early media, and rings. `keep`: the caller "
            "goes on hearing them. `local_ringback_if_no_rtp`: the same, and our ringing "
            "(`media.tones`) when no audio comes for half a second. `relay_180`: the caller is "
            "told 180, and its phone decides."},
    {"p_early_media",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.p_early_media),
     .doc = "Whether P-Early-Media (RFC 5009) is sent to this trunk. What a called peer forbids "
            "in it is kept from the caller either way."},
    {"redirect_mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.redirect_mode),
     .choices = redirect_modes,
     .doc = "When the peer answers 300, 301 or 302. `follow`: its numbers are called instead, "
            "where routing lets this trunk call. `relay`: the caller is told the first of them. "
            "`reject`: the caller gets 480."},
    {"refer_mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.refer_mode),
     .choices = refer_modes,
     .doc = "When the peer asks for a transfer with REFER. `local`: the new call is made here, "
            "where routing lets this trunk call, and joined to the party that stays. `relay`: the "
            "other side is asked to make it, if it lists REFER in Allow and its own mode is not "
            "`reject`; else as `local`. `reject`: 603, and REFER is not in our Allow."},
    {"session_timer",
     DM_JSON_OBJECT,
     .members = session_timer_members,
     .doc = "Session timers (RFC 4028), on this side alone: the other side has its own."},
    {"absorb_refresh",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.absorb_refresh),
     .value = true,
     .doc = "Whether a re-INVITE or UPDATE that changes nothing is answered without the other side "
            "hearing of it."},
    {"oversize",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, sip.oversize),
     .max = 5,
     .choices = oversize_steps,
     .text = "[\"compact\", \"attributes\", \"headers\", \"codecs\"]",
     .convert = check_oversize,
     .doc = "What is done with a request beyond the UDP listener's `udp_mtu`, in this order and "
            "only until it fits. `compact`: compact header names. `attributes`: lines of the "
            "session description that say what holds without them. `headers`: those of "
            "`optional_headers` are left out. `codecs`: the first and G.711 are offered. `tcp`, "
            "last: by TCP, and by UDP when no connection can be made within 2 s; it needs a TCP "
            "listener. What does not fit after all this leaves in fragments. A 513 of the peer is "
            "answered once with all steps but `tcp`, and remembered for a day."},
    {"body_types",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, sip.body_types),
     .max = 8,
     .make = make_body_type,
     .free = g_free,
     .text = "[\"application/pidf+xml\"]",
     .doc = "Content types that may stand beside the session description in an INVITE, and cross "
            "where both trunks list them, as they are: by itself a location (RFC 6442). Others are "
            "left out. ISUP tells of the network it comes from; list it only between trunks that "
            "speak SIP-I."},
    {"strict_bodies",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.strict_bodies),
     .doc = "A part of a body that we do not know, and that does not say how it is to be handled, "
            "is refused with 415, as RFC 5621 has it, instead of being left out."},
    {"optional_headers",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, sip.optional_headers),
     .max = 16,
     .make = make_optional_header,
     .free = g_free,
     .text = "[\"User-Agent\", \"Referred-By\", \"P-Early-Media\"]",
     .doc = "Headers that may be left out (`oversize`)."},
    {NULL},
};

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
     .members = endpoint_members,
     .make = make_endpoint,
     .free = free_endpoint,
     .doc = "Where its requests go; requests from there are its own."},
    {"outbound_proxy",
     DM_JSON_STRING,
     .max = 280,
     .converts = true,
     .text = "",
     .convert = convert_proxy,
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
    {"auth", DM_JSON_OBJECT, .members = auth_members, .doc = "Who is who."},
    {"registration",
     DM_JSON_OBJECT,
     .members = registration_members,
     .doc = "For `auth.mode` `register` and `register_in`."},
    {"acl",
     DM_JSON_ARRAY,
     .max = 256,
     .converts = true,
     .convert = convert_acl,
     .doc = "Addresses and networks its requests may come from, besides the endpoints' own."},
    {"identity",
     DM_JSON_OBJECT,
     .members = identity_members,
     .doc = "Who calls, and how that is said."},
    {"numbering", DM_JSON_OBJECT, .members = numbering_members, .doc = "How it writes numbers."},
    {"media", DM_JSON_OBJECT, .members = media_members, .doc = "Audio."},
    {"sip", DM_JSON_OBJECT, .members = sip_members, .doc = "Signalling habits."},
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

/* --- the whole --- */

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

static void
check_auth(const DmTrunkConfig *trunk, DmJsonReader *reader)
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

static void
check_registration(const DmTrunkConfig *trunk, DmJsonReader *reader)
{
    size_t before = dm_json_enter(reader, "registration");

    if (trunk->registration.min_expires_s > trunk->registration.max_expires_s) {
        dm_json_problem_at(reader, "min_expires", "conflict", "is more than 'max_expires'");
    }
    dm_json_leave(reader, before);
}

/* Each member is fine; are they together? */
static void
check_trunk(const DmTrunkConfig *trunk, DmJsonReader *reader)
{
    bool registers_here = trunk->auth.mode == DM_AUTH_REGISTER_IN;

    check_auth(trunk, reader);
    check_registration(trunk, reader);
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
replace_text(char **text, const char *with)
{
    g_free(*text);
    *text = g_strdup(with);
}

/* Prefixes of the country where they were not given (E.164 Supplement: 00 and 0 but for a few). */
static void
complete_numbering(DmTrunkConfig *trunk, const json_t *json)
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
        replace_text(&trunk->numbering.international_prefix, plans[i].international);
    }
    if (json_object_get(given, "national_prefix") == NULL) {
        replace_text(&trunk->numbering.national_prefix, plans[i].national);
    }
}

static void
complete_registration(DmTrunkConfig *trunk)
{
    if (trunk->auth.mode != DM_AUTH_REGISTER || *trunk->registration.contact_user != '\0') {
        return;
    }
    const char *key = trunk->auth.password;
    g_autofree char *text = g_strdup_printf("demarc contact %s %s", trunk->id, trunk->auth.user);
    g_autofree char *hash =
        g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *)key, strlen(key), text, -1);

    hash[24] = '\0';
    replace_text(&trunk->registration.contact_user, hash);
    trunk->registration.contact_is_token = true;
}

static void
complete_algorithms(DmTrunkConfig *trunk)
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

static void
complete(DmTrunkConfig *trunk, const json_t *json)
{
    if (*trunk->name == '\0') {
        replace_text(&trunk->name, trunk->id);
    }
    if (*trunk->registration.aor_user == '\0') {
        replace_text(&trunk->registration.aor_user,
                     trunk->auth.mode == DM_AUTH_REGISTER_IN ? trunk->auth.inbound_user
                                                             : trunk->auth.user);
    }
    if (*trunk->auth.inbound_realm == '\0') {
        replace_text(&trunk->auth.inbound_realm, *trunk->domain != '\0' ? trunk->domain : "demarc");
    }
    complete_algorithms(trunk);
    if (trunk->registration.mode == DM_REGISTRATION_GIN &&
        json_object_get(json_object_get(json, "identity"), "number_format") == NULL) {
        trunk->identity.number_format = DM_NUMBER_E164_PLUS; /* RFC 6140, 7.1 */
    }
    complete_numbering(trunk, json);
    complete_registration(trunk);
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
    free_endpoint(trunk->outbound_proxy);
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
