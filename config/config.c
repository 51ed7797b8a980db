/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <string.h>

/* --- TLS profiles --- */

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

static void
free_tls_profile(gpointer data)
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

static void *
make_tls_profile(const json_t *element, DmJsonReader *reader)
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
        g_clear_pointer(&profile, free_tls_profile);
    } else {
        profile->source = json_deep_copy(element);
    }
    return profile;
}

/* --- sounds --- */

static const DmJsonMember sound_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(DmSoundConfig, id),
     .required = true,
     .min = 1,
     .max = 64,
     .doc = "Unique name."},
    {"file",
     DM_JSON_STRING,
     DM_JSON_AT(DmSoundConfig, file),
     .required = true,
     .min = 1,
     .max = 4096,
     .doc =
         "Path of a WAV file of 5 minutes at most: one channel, 16 bit linear at 8000 or 16000 Hz, "
         "or G.711. Read again on reload."},
    {NULL},
};

static void
free_sound(gpointer data)
{
    DmSoundConfig *sound = data;

    if (sound != NULL) {
        if (sound->sound != NULL) {
            sound->free_sound(sound->sound);
        }
        g_free(sound->id);
        g_free(sound->file);
        g_free(sound);
    }
}

static void *
make_sound(const json_t *element, DmJsonReader *reader)
{
    DmSoundConfig *sound = g_new0(DmSoundConfig, 1);

    if (!dm_json_read(reader, element, sound_members, sound)) {
        g_clear_pointer(&sound, free_sound);
    }
    return sound;
}

/* --- listeners --- */

static const DmJsonChoice transports[] = {
    {"udp", DM_TRANSPORT_UDP},
    {"tcp", DM_TRANSPORT_TCP},
    {"tls", DM_TRANSPORT_TLS},
    {NULL},
};

/* Ports stand beside their addresses in JSON, and inside them in the struct. */
typedef struct {
    DmListenerConfig listener;
    uint16_t port, advertised_port;
} ListenerDraft;

static const DmJsonMember listener_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.id),
     .required = true,
     .min = 1,
     .max = 64,
     .convert = dm_json_check_id,
     .doc = "Its name."},
    {"address",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.address),
     .required = true,
     .min = 1,
     .converts = true,
     .convert = dm_json_convert_address,
     .doc = "Address to listen on."},
    {"port",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, port),
     .max = 65535,
     .value = 5060,
     .shown = "5060, with TLS 5061",
     .doc = "Port to listen on; 0: any that is free."},
    {"transport",
     DM_JSON_ENUM,
     DM_JSON_AT(ListenerDraft, listener.transport),
     .choices = transports,
     .doc = "Transport."},
    {"advertised_address",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.advertised),
     .converts = true,
     .convert = dm_json_convert_address,
     .shown = "`address`",
     .doc = "What Via and Contact say, where `address` cannot be reached from outside."},
    {"advertised_port",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, advertised_port),
     .min = 1,
     .max = 65535,
     .shown = "`port`",
     .doc = "The same for the port."},
    {"fqdn_contact",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.fqdn_contact),
     .convert = dm_json_check_host,
     .doc = "Host name in Contact instead of the address."},
    {"tls_profile",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.tls_profile),
     .reference = "tls_profiles",
     .doc = "Certificate and trust, for clients and for the servers of its trunks; needed with "
            "TLS."},
    {"media_pool",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.media_pool),
     .reference = "media_pools",
     .shown = "the first",
     .doc = "Where audio of its calls is received."},
    {"dscp_sip",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, listener.dscp),
     .max = 63,
     .value = 24,
     .doc = "DSCP of what is sent (24 is CS3)."},
    {"udp_mtu",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, listener.udp_mtu),
     .min = 576,
     .max = 65535,
     .value = 1500,
     .doc = "Bytes a datagram may have on its way, IP header included."},
    {"max_message",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, listener.max_message_bytes),
     .min = 2048,
     .max = 65535,
     .value = 65535,
     .doc = "Largest message accepted, in bytes."},
    {NULL},
};

static void
free_listener(gpointer data)
{
    DmListenerConfig *listener = data;

    g_free(listener->id);
    g_free(listener->fqdn_contact);
    g_free(listener->tls_profile);
    g_free(listener->media_pool);
    g_free(listener);
}

static void
set_advertised(DmAddress *advertised, const DmAddress *address, uint16_t port)
{
    if (!dm_address_is_set(advertised) && port != 0) {
        *advertised = *address;
    }
    if (dm_address_is_set(advertised)) {
        dm_address_set_port(advertised, port != 0 ? port : dm_address_port(address));
    }
}

/* Nobody can answer to 0.0.0.0. */
static void
check_reachable(const DmAddress *address, const DmAddress *advertised, DmJsonReader *reader)
{
    if (!dm_address_is_set(advertised) && dm_address_is_any(address)) {
        dm_json_problem_at(reader,
                           "advertised_address",
                           "required",
                           "is missing: peers cannot be told to answer to every address at once");
    } else if (dm_address_is_set(advertised) && dm_address_is_any(advertised)) {
        dm_json_problem_at(reader,
                           "advertised_address",
                           "format",
                           "expected an address peers can answer to");
    }
}

static void *
make_listener(const json_t *element, DmJsonReader *reader)
{
    ListenerDraft draft = {0};
    DmListenerConfig *listener = &draft.listener;
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, listener_members, &draft)) {
        check_reachable(&listener->address, &listener->advertised, reader);
        if (listener->transport == DM_TRANSPORT_TLS && *listener->tls_profile == '\0') {
            dm_json_problem_at(reader,
                               "tls_profile",
                               "required",
                               "is missing: a TLS listener needs a certificate");
        }
        if (listener->transport == DM_TRANSPORT_TLS && json_object_get(element, "port") == NULL) {
            draft.port = 5061;
        }
        dm_address_set_port(&listener->address, draft.port);
        set_advertised(&listener->advertised, &listener->address, draft.advertised_port);
    }
    listener = g_memdup2(listener, sizeof(*listener));
    if (reader->problems->list->len > before) {
        g_clear_pointer(&listener, free_listener);
    }
    return listener;
}

/* --- media pools --- */

static const DmJsonMember pool_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(DmMediaPoolConfig, id),
     .required = true,
     .min = 1,
     .max = 64,
     .convert = dm_json_check_id,
     .doc = "Its name."},
    {"address",
     DM_JSON_STRING,
     DM_JSON_AT(DmMediaPoolConfig, address),
     .required = true,
     .min = 1,
     .converts = true,
     .convert = dm_json_convert_address,
     .doc = "Address audio is received on."},
    {"advertised_address",
     DM_JSON_STRING,
     DM_JSON_AT(DmMediaPoolConfig, advertised),
     .converts = true,
     .convert = dm_json_convert_address,
     .shown = "`address`",
     .doc = "What SDP says, where `address` cannot be reached from outside."},
    {"port_min",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmMediaPoolConfig, port_min),
     .min = 1024,
     .max = 65534,
     .value = 20000,
     .doc = "First port."},
    {"port_max",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmMediaPoolConfig, port_max),
     .min = 1025,
     .max = 65535,
     .value = 29999,
     .doc = "Last port. A call needs four: two for each side."},
    {"dscp_rtp",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmMediaPoolConfig, dscp),
     .max = 63,
     .value = 46,
     .doc = "DSCP of what is sent (46 is EF)."},
    {NULL},
};

static void
free_pool(gpointer data)
{
    DmMediaPoolConfig *pool = data;

    g_free(pool->id);
    g_free(pool);
}

static void *
make_pool(const json_t *element, DmJsonReader *reader)
{
    DmMediaPoolConfig *pool = g_new0(DmMediaPoolConfig, 1);
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, pool_members, pool)) {
        check_reachable(&pool->address, &pool->advertised, reader);
        if (pool->port_max < pool->port_min + 3) {
            dm_json_problem_at(reader,
                               "port_max",
                               "range",
                               "expected room for a call: four ports from 'port_min' on");
        }
    }
    if (reader->problems->list->len > before) {
        g_clear_pointer(&pool, free_pool);
    }
    return pool;
}

/* --- the other sections --- */

static const DmJsonMember system_members[] = {
    {"workers",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, system.workers),
     .min = 1,
     .max = 64,
     .value = 1,
     .doc = "Signalling threads."},
    {"media_workers",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, system.media_workers),
     .max = 64,
     .doc = "Media threads; 0: by the number of cores."},
    {"data_dir",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, system.data_dir),
     .min = 1,
     .text = "/var/lib/demarc",
     .doc = "Folder of the database."},
    {"key_file",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, system.key_file),
     .shown = "`secret.key` in `data_dir`",
     .doc = "File with the key that passwords in the database are sealed with; made when missing. "
            "Elsewhere than the database, a copy of that tells no password."},
    {"node",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, system.node),
     .max = 64,
     .shown = "the host name",
     .doc = "Name of this gateway in records."},
    {"g729_library",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, system.g729_library),
     .max = 255,
     .doc = "The bcg729 library, for transcoding G.729: `libbcg729.so.0` with Debian's package "
            "libbcg729-0. Loaded at the start; where it is missing, and when this is empty, G.729 "
            "is relayed only."},
    {"drain_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, system.drain_s),
     .max = 86400,
     .value = 30,
     .doc = "Seconds calls have to end by themselves when the gateway is stopped."},
    {"watchdog_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, system.watchdog_ms),
     .max = 600000,
     .value = 10000,
     .doc = "Milliseconds a thread may stall before the process gives up; 0: it never does."},
    {NULL},
};

static const DmJsonChoice log_formats[] = {{"logfmt", DM_LOG_LOGFMT},
                                           {"json", DM_LOG_JSON},
                                           {NULL}};

static const DmJsonChoice log_levels[] = {
    {"error", DM_LOG_ERROR},
    {"warning", DM_LOG_WARNING},
    {"notice", DM_LOG_NOTICE},
    {"info", DM_LOG_INFO},
    {"debug", DM_LOG_DEBUG},
    {NULL},
};

static const DmJsonChoice digit_policies[] = {{"masked", DM_DIGITS_MASKED},
                                              {"shown", DM_DIGITS_SHOWN},
                                              {NULL}};

static const DmJsonMember log_members[] = {
    {"format",
     DM_JSON_ENUM,
     DM_JSON_AT(DmConfig, log.format),
     .choices = log_formats,
     .doc = "How lines are written."},
    {"level",
     DM_JSON_ENUM,
     DM_JSON_AT(DmConfig, log.level),
     .choices = log_levels,
     .text = "info",
     .doc = "The least important lines that are written."},
    {"digits",
     DM_JSON_ENUM,
     DM_JSON_AT(DmConfig, log.digits),
     .choices = digit_policies,
     .doc = "Whether digits pressed in a call may stand in the log."},
    {NULL},
};

static void
convert_admin_address(const json_t *value,
                      const DmJsonMember *member,
                      void *object,
                      DmJsonReader *reader)
{
    DmConfig *config = object;

    if (!dm_address_parse_with_port(&config->admin.address, json_string_value(value), 8080)) {
        dm_json_problem(reader,
                        "format",
                        "expected a numeric address with port, like \"127.0.0.1:8080\"");
    }
}

static const DmJsonMember admin_members[] = {
    {"enabled",
     DM_JSON_BOOL,
     DM_JSON_AT(DmConfig, admin.enabled),
     .value = true,
     .doc = "Whether there is an HTTP API at all."},
    {"address",
     DM_JSON_STRING,
     .converts = true,
     .text = "127.0.0.1:8080",
     .convert = convert_admin_address,
     .doc = "Address and port it listens on."},
    {"tls_cert",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, admin.tls_cert),
     .doc = "File with its certificate chain (PEM); empty: plain HTTP."},
    {"tls_key",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, admin.tls_key),
     .doc = "File with its key (PEM)."},
    {"max_connections",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, admin.max_connections),
     .min = 1,
     .max = 10000,
     .value = 64,
     .doc = "Connections at once."},
    {"threads",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, admin.threads),
     .min = 1,
     .max = 64,
     .value = 2,
     .doc = "Threads that serve them."},
    {"requests_per_second",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, admin.requests_per_second),
     .min = 1,
     .max = 100000,
     .value = 50,
     .doc = "Requests a second from one address."},
    {NULL},
};

static const DmJsonMember security_members[] = {
    {"unknown_silent",
     DM_JSON_BOOL,
     DM_JSON_AT(DmConfig, security.unknown_silent),
     .value = true,
     .doc = "Whether strangers get no answer at all; otherwise 403."},
    {"source_rate",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, security.source_rate),
     .min = 1,
     .max = 100000,
     .value = 20,
     .doc = "Requests a second looked at from one stranger."},
    {"max_transactions",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, security.max_transactions),
     .min = 100,
     .max = 10000000,
     .value = 200000,
     .doc = "SIP transactions held at once."},
    {"max_calls",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, security.max_calls),
     .min = 1,
     .max = 1000000,
     .value = 10000,
     .doc = "Calls at once."},
    {"max_connections",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, security.max_connections),
     .min = 4,
     .max = 1000000,
     .value = 4096,
     .doc = "TCP and TLS connections at once. Strangers get three quarters of them at most."},
    {"max_connections_per_source",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, security.max_connections_per_source),
     .min = 1,
     .max = 1000000,
     .value = 32,
     .doc = "Connections at once from one stranger's address, for each signalling worker."},
    {"first_message_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, security.first_message_s),
     .min = 1,
     .max = 600,
     .value = 10,
     .doc = "Seconds a connection has for TLS and its first message, and every message from its "
            "first byte to its last."},
    {"connection_idle_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, security.connection_idle_s),
     .min = 10,
     .max = 86400,
     .value = 900,
     .doc = "Seconds a connection may be idle. Those to endpoints of trunks are kept."},
    {"scanner_block",
     DM_JSON_BOOL,
     DM_JSON_AT(DmConfig, security.scanner_block),
     .value = true,
     .doc = "Whether known scanners are ignored by their name."},
    {NULL},
};

static const DmJsonMember report_members[] = {
    {"collector",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, quality.reports.collector),
     .reference = "trunks",
     .doc = "Trunk that leads to the collector: its endpoints, transport, TLS and credentials are "
            "used. None: no reports are made."},
    {"user",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, quality.reports.user),
     .max = 64,
     .text = "collector",
     .convert = dm_json_check_user,
     .doc = "User part of the collector's URI."},
    {"interval_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, quality.reports.interval_s),
     .max = 3600,
     .doc = "Seconds between reports in the middle of calls, each of the call so far; 0: only at "
            "the end."},
    {"trunks",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, quality.reports.trunks),
     .max = 1000,
     .reference = "trunks",
     .make = dm_json_make_string,
     .free = g_free,
     .doc = "Trunks whose legs are reported; none: all."},
    {NULL},
};

static const DmJsonMember quality_members[] = {
    {"loss_percent",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, quality.loss_percent),
     .max = 100,
     .value = 3,
     .doc = "Percent of a direction's packets lost from which a record says `quality_loss`; "
            "0: never."},
    {"jitter_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, quality.jitter_ms),
     .max = 10000,
     .value = 60,
     .doc = "Milliseconds of average jitter from which it says `quality_jitter`; 0: never."},
    {"rtt_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, quality.rtt_ms),
     .max = 30000,
     .value = 600,
     .doc = "Milliseconds of round trip to one side from which it says `quality_delay`; "
            "0: never."},
    {"reports",
     DM_JSON_OBJECT,
     .members = report_members,
     .doc = "Reports on answered calls for a collector (RFC 6035), one for each leg."},
    {NULL},
};

static void
check_recording_name(const json_t *value,
                     const DmJsonMember *member,
                     void *object,
                     DmJsonReader *reader)
{
    const char *name = json_string_value(value);

    if (strstr(name, "{id}") == NULL) {
        dm_json_problem(reader, "format", "expected {id} in it: two calls must not share a file");
    } else if (*name == '/' || strstr(name, "..") != NULL) {
        dm_json_problem(reader, "format", "expected a name below 'directory'");
    }
}

static const DmJsonChoice recording_rates[] = {
    {"8000", 8000},
    {"16000", 16000},
    {NULL},
};

static const DmJsonMember recording_members[] = {
    {"directory",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, recording.directory),
     .min = 1,
     .text = "recordings",
     .doc = "Folder of recordings; relative to the data directory."},
    {"name",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, recording.name),
     .min = 1,
     .max = 200,
     .text = "{date}/{time}-{from}-{to}-{id}",
     .convert = check_recording_name,
     .doc = "Name of a file below it, without `.wav`. Filled in: `{id}` of the call (required), "
            "`{date}` and `{time}` of its beginning (UTC), `{from}`, `{to}`, `{trunk_a}`, "
            "`{trunk_b}`."},
    {"sample_rate",
     DM_JSON_ENUM,
     DM_JSON_AT(DmConfig, recording.rate_hz),
     .choices = recording_rates,
     .text = "8000",
     .doc = "Samples a second; `16000` for G.722 and Opus, at twice the size."},
    {"retention_days",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, recording.retention_days),
     .max = 36500,
     .doc = "Days a file is kept; 0: for ever."},
    {"min_free_mb",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, recording.min_free_mb),
     .max = 1000000000,
     .value = 500,
     .doc = "Megabytes that stay free on its disk: recordings end before."},
    {NULL},
};

static const DmJsonMember cdr_members[] = {
    {"file",
     DM_JSON_BOOL,
     DM_JSON_AT(DmConfig, cdr.file_sink),
     .doc = "Whether records are also written to a file."},
    {"file_path",
     DM_JSON_STRING,
     DM_JSON_AT(DmConfig, cdr.file_path),
     .min = 1,
     .text = "cdr.ndjson",
     .doc = "That file, one JSON object a line; relative to `system.data_dir`."},
    {"retention_days",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmConfig, cdr.retention_days),
     .max = 36500,
     .doc = "Days records are kept in the database; 0: for ever."},
    {NULL},
};

/* --- the document --- */

static void
free_trunk(gpointer trunk)
{
    dm_trunk_config_free(trunk);
}

static void
free_route(gpointer route)
{
    dm_route_free(route);
}

const DmJsonMember dm_config_members[] = {
    {"tls_profiles",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, tls_profiles),
     .max = 64,
     .members = dm_tls_profile_members,
     .make = make_tls_profile,
     .free = free_tls_profile,
     .doc = "Certificates and whom to trust."},
    {"listeners",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, listeners),
     .max = 64,
     .members = listener_members,
     .make = make_listener,
     .free = free_listener,
     .doc = "Where SIP is received."},
    {"media_pools",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, media_pools),
     .max = 64,
     .members = pool_members,
     .make = make_pool,
     .free = free_pool,
     .shown = "one, `default`, on the address of the first listener",
     .doc = "Where audio is received."},
    {"sounds",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, sounds),
     .max = 32,
     .members = sound_members,
     .make = make_sound,
     .free = free_sound,
     .doc = "Music and announcements."},
    {"trunks",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, trunks),
     .max = 10000,
     .members = dm_trunk_members,
     .make = dm_trunk_config_make,
     .free = free_trunk,
     .doc = "PBXs and carriers."},
    {"routes",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, routes),
     .max = 200000,
     .members = dm_route_members,
     .make = dm_route_make,
     .free = free_route,
     .doc = "Where calls go."},
    {"system", DM_JSON_OBJECT, .members = system_members, .doc = "The process."},
    {"log", DM_JSON_OBJECT, .members = log_members, .doc = "Log lines, on standard error."},
    {"admin", DM_JSON_OBJECT, .members = admin_members, .doc = "The HTTP API."},
    {"security", DM_JSON_OBJECT, .members = security_members, .doc = "What strangers may do."},
    {"quality",
     DM_JSON_OBJECT,
     .members = quality_members,
     .doc = "From when on a call's sound is bad enough to say so in its record."},
    {"recording",
     DM_JSON_OBJECT,
     .members = recording_members,
     .doc = "Calls written to WAV files, caller left, called right: those of trunks with "
            "`media.record` and routes with `action.record`, and any by the API."},
    {"cdr", DM_JSON_OBJECT, .members = cdr_members, .doc = "Call records."},
    {NULL},
};

/* --- between resources --- */

/* The resource at @i has the same @text in @member as one before it; false when it is the first. */
static bool
is_taken(GHashTable *seen,
         const char *text,
         const char *collection,
         size_t i,
         const char *member,
         DmJsonReader *reader)
{
    if (g_hash_table_add(seen, (gpointer)text)) {
        return false;
    }
    size_t before = dm_json_enter(reader, collection);
    dm_json_enter_index(reader, i);
    dm_json_problem_at(reader,
                       member,
                       "duplicate",
                       "another of the %s has the same %s",
                       collection,
                       member);
    dm_json_leave(reader, before);
    return true;
}

/* Ids are unique in a collection, and so are names, which are ids by default. */
static void
check_unique(const json_t *document, const char *collection, DmJsonReader *reader)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *element;

    json_array_foreach(json_object_get(document, collection), i, element)
    {
        const char *id = json_string_value(json_object_get(element, "id"));
        const char *name = json_string_value(json_object_get(element, "name"));
        if (id == NULL || *id == '\0' || is_taken(ids, id, collection, i, "id", reader)) {
            continue;
        }
        is_taken(names, name != NULL && *name != '\0' ? name : id, collection, i, "name", reader);
    }
}

/* Two sockets on one address cannot be. */
static void
check_listeners(const DmConfig *config, DmJsonReader *reader)
{
    for (guint i = 0; i < config->listeners->len; i++) {
        for (guint k = 0; k < i; k++) {
            const DmListenerConfig *a = config->listeners->pdata[k];
            const DmListenerConfig *b = config->listeners->pdata[i];
            bool datagrams = a->transport == DM_TRANSPORT_UDP;
            if (datagrams != (b->transport == DM_TRANSPORT_UDP) ||
                dm_address_port(&a->address) == 0 || !dm_address_equal(&a->address, &b->address)) {
                continue;
            }
            size_t before = dm_json_enter(reader, "listeners");
            dm_json_enter_index(reader, i);
            dm_json_problem_at(reader,
                               "port",
                               "conflict",
                               "listener '%s' has the same address and port",
                               a->id);
            dm_json_leave(reader, before);
        }
    }
}

static void
check_pools(const DmConfig *config, DmJsonReader *reader)
{
    for (guint i = 0; i < config->media_pools->len; i++) {
        for (guint k = 0; k < i; k++) {
            const DmMediaPoolConfig *a = config->media_pools->pdata[k];
            const DmMediaPoolConfig *b = config->media_pools->pdata[i];
            if (!dm_address_same_host(&a->address, &b->address) || a->port_max < b->port_min ||
                b->port_max < a->port_min) {
                continue;
            }
            size_t before = dm_json_enter(reader, "media_pools");
            dm_json_enter_index(reader, i);
            dm_json_problem_at(reader,
                               "port_min",
                               "conflict",
                               "ports overlap with those of pool '%s'",
                               a->id);
            dm_json_leave(reader, before);
        }
    }
}

static void
check_admin(const DmConfig *config, DmJsonReader *reader)
{
    if ((*config->admin.tls_cert != '\0') != (*config->admin.tls_key != '\0')) {
        size_t before = dm_json_enter(reader, "admin");
        dm_json_problem_at(reader,
                           *config->admin.tls_cert != '\0' ? "tls_key" : "tls_cert",
                           "required",
                           "is missing: certificate and key belong together");
        dm_json_leave(reader, before);
    }
}

/* A profile without a certificate can only call others. */
static void
check_certificates(const DmConfig *config, DmJsonReader *reader)
{
    for (guint i = 0; i < config->listeners->len; i++) {
        const DmListenerConfig *listener = config->listeners->pdata[i];
        const DmTlsProfileConfig *profile = dm_config_tls_profile(config, listener->tls_profile);

        if (listener->transport != DM_TRANSPORT_TLS || profile == NULL || *profile->cert != '\0') {
            continue;
        }
        size_t before = dm_json_enter(reader, "listeners");
        dm_json_enter_index(reader, i);
        dm_json_problem_at(reader,
                           "tls_profile",
                           "conflict",
                           "profile '%s' has no certificate to show",
                           profile->id);
        dm_json_leave(reader, before);
    }
}

/* What the pieces cannot see by themselves. @sound: every piece was read well. */
static void
check_whole(const DmConfig *config, const json_t *document, bool sound, DmJsonReader *reader)
{
    static const char *const collections[] = {
        "tls_profiles",
        "listeners",
        "media_pools",
        "sounds",
        "trunks",
        "routes",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(collections); i++) {
        check_unique(document, collections[i], reader);
    }
    if (sound) {
        check_listeners(config, reader);
        check_certificates(config, reader);
        check_pools(config, reader);
        check_admin(config, reader);
    }
}

/* --- the snapshot --- */

/* A gateway with a listener and nothing else can carry calls: audio is received on the same
 * address. */
static void
add_default_pool(DmConfig *config)
{
    const DmListenerConfig *listener = dm_config_listener(config, NULL);

    if (config->media_pools->len > 0 || listener == NULL) {
        return;
    }
    DmMediaPoolConfig *pool = g_new0(DmMediaPoolConfig, 1);
    pool->id = g_strdup("default");
    pool->address = listener->address;
    pool->advertised = listener->advertised;
    dm_address_set_port(&pool->address, 0);
    if (dm_address_is_set(&pool->advertised)) {
        dm_address_set_port(&pool->advertised, 0);
    }
    pool->port_min = 20000;
    pool->port_max = 29999;
    pool->dscp = 46;
    g_ptr_array_add(config->media_pools, pool);
}

static gint
compare_routes(gconstpointer a, gconstpointer b)
{
    const DmRoute *route_a = *(const DmRoute *const *)a;
    const DmRoute *route_b = *(const DmRoute *const *)b;

    if (route_a->order != route_b->order) {
        return route_a->order < route_b->order ? -1 : 1;
    }
    return strcmp(route_a->id, route_b->id);
}

static void
complete(DmConfig *config)
{
    for (guint i = 0; i < config->trunks->len; i++) {
        DmTrunkConfig *trunk = config->trunks->pdata[i];
        g_hash_table_insert(config->trunks_by_id, trunk->id, trunk);
    }
    g_ptr_array_sort(config->routes, compare_routes);
    add_default_pool(config);
}

static void
clear_config(DmConfig *config)
{
    if (config->route_index != NULL) {
        ((GDestroyNotify)config->route_index_free)(config->route_index);
    }
    g_clear_pointer(&config->trunks_by_id, g_hash_table_unref);
    g_clear_pointer(&config->tls_profiles, g_ptr_array_unref);
    g_clear_pointer(&config->sounds, g_ptr_array_unref);
    g_clear_pointer(&config->listeners, g_ptr_array_unref);
    g_clear_pointer(&config->media_pools, g_ptr_array_unref);
    g_clear_pointer(&config->routes, g_ptr_array_unref);
    g_clear_pointer(&config->trunks, g_ptr_array_unref);
    g_free(config->system.data_dir);
    g_free(config->system.key_file);
    g_free(config->system.g729_library);
    g_free(config->system.node);
    g_free(config->admin.tls_cert);
    g_free(config->admin.tls_key);
    g_free(config->quality.reports.collector);
    g_free(config->quality.reports.user);
    g_clear_pointer(&config->quality.reports.trunks, g_ptr_array_unref);
    g_free(config->recording.directory);
    g_free(config->recording.name);
    g_free(config->cdr.file_path);
}

DmConfig *
dm_config_ref(DmConfig *config)
{
    return g_atomic_rc_box_acquire(config);
}

void
dm_config_unref(DmConfig *config)
{
    if (config != NULL) {
        g_atomic_rc_box_release_full(config, (GDestroyNotify)clear_config);
    }
}

DmConfig *
dm_config_new_from_json(const json_t *document, DmProblems *problems)
{
    g_autoptr(DmConfig) config = g_atomic_rc_box_new0(DmConfig);
    guint before = problems->list->len;
    DmJsonReader reader;

    if (!dm_json_depth_is_fine(document)) {
        dm_problems_add(problems, "", "depth", "nested deeper than %d levels", DM_JSON_MAX_DEPTH);
        return NULL;
    }
    config->trunks_by_id = g_hash_table_new(g_str_hash, g_str_equal);
    dm_json_reader_init(&reader, "", document, problems);
    bool sound = dm_json_read(&reader, document, dm_config_members, config);
    check_whole(config, document, sound, &reader);
    dm_json_reader_clear(&reader);
    if (problems->list->len > before) {
        return NULL;
    }
    complete(config);
    return g_steal_pointer(&config);
}

gpointer
dm_config_set_route_index(DmConfig *config, gpointer index, GDestroyNotify free_index)
{
    /* Everyone sets the same function, and it is read only after the last reference has gone. */
    g_atomic_pointer_set(&config->route_index_free, free_index);
    if (g_atomic_pointer_compare_and_exchange(&config->route_index, NULL, index)) {
        return index;
    }
    free_index(index);
    return g_atomic_pointer_get(&config->route_index);
}

gpointer
dm_config_route_index(const DmConfig *config)
{
    return g_atomic_pointer_get(&((DmConfig *)config)->route_index);
}

const DmTrunkConfig *
dm_config_trunk(const DmConfig *config, const char *id)
{
    return id != NULL ? g_hash_table_lookup(config->trunks_by_id, id) : NULL;
}

bool
dm_config_is_reported(const DmConfig *config, const char *id)
{
    const GPtrArray *trunks = config->quality.reports.trunks;

    if (*config->quality.reports.collector == '\0' || id == NULL) {
        return false;
    }
    for (guint i = 0; i < trunks->len; i++) {
        if (strcmp(g_ptr_array_index(trunks, i), id) == 0) {
            return true;
        }
    }
    return trunks->len == 0;
}

const DmListenerConfig *
dm_config_listener(const DmConfig *config, const char *id)
{
    for (guint i = 0; i < config->listeners->len; i++) {
        const DmListenerConfig *listener = config->listeners->pdata[i];
        if (id == NULL || *id == '\0' || strcmp(listener->id, id) == 0) {
            return listener;
        }
    }
    return NULL;
}

void
dm_config_set_sound(DmConfig *config, unsigned index, DmSound *sound, GDestroyNotify free_it)
{
    DmSoundConfig *place;

    g_return_if_fail(index < config->sounds->len);
    place = config->sounds->pdata[index];
    g_return_if_fail(place->sound == NULL);
    place->sound = sound;
    place->free_sound = free_it;
}

DmSound *
dm_config_sound(const DmConfig *config, const char *id)
{
    for (guint i = 0; id != NULL && i < config->sounds->len; i++) {
        const DmSoundConfig *sound = config->sounds->pdata[i];

        if (strcmp(sound->id, id) == 0) {
            return sound->sound;
        }
    }
    return NULL;
}

const DmTlsProfileConfig *
dm_config_tls_profile(const DmConfig *config, const char *id)
{
    for (guint i = 0; id != NULL && i < config->tls_profiles->len; i++) {
        const DmTlsProfileConfig *profile = config->tls_profiles->pdata[i];
        if (strcmp(profile->id, id) == 0) {
            return profile;
        }
    }
    return NULL;
}

unsigned
dm_config_media_pool_index(const DmConfig *config, const char *id)
{
    for (guint i = 0; id != NULL && *id != '\0' && i < config->media_pools->len; i++) {
        const DmMediaPoolConfig *pool = config->media_pools->pdata[i];
        if (strcmp(pool->id, id) == 0) {
            return i;
        }
    }
    return 0;
}

const DmMediaPoolConfig *
dm_config_media_pool(const DmConfig *config, const char *id)
{
    unsigned i = dm_config_media_pool_index(config, id);
    return i < config->media_pools->len ? config->media_pools->pdata[i] : NULL;
}
