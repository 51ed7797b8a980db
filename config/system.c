/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/config.h"
#include "config/members.h"

const DmJsonMember dm_system_members[] = {
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

const DmJsonMember dm_log_members[] = {
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

const DmJsonMember dm_admin_members[] = {
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

const DmJsonMember dm_security_members[] = {
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

const DmJsonMember dm_quality_members[] = {
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

const DmJsonMember dm_recording_members[] = {
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

const DmJsonMember dm_cdr_members[] = {
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
