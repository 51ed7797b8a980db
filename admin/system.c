/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/body.h"
#include "admin/json.h"
#include "admin/resources.h"
#include "gateway/base/log.h"

DM_LOG_TOPIC("admin-system");

static json_t *
media_to_json(const DmMediaUsage *media)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:{s:b, s:s?, s:s?}}",
                     "workers",
                     (int)media->n_workers,
                     "sessions",
                     (int)media->sessions,
                     "ports_used",
                     (int)media->ports_used,
                     "ports_limit",
                     (int)media->ports_limit,
                     "g729",
                     "transcodes",
                     media->g729_file != NULL,
                     "library",
                     media->g729_file,
                     "fault",
                     media->g729_fault);
}

static json_t *
cdr_to_json(const DmGatewayStatus *status)
{
    return json_pack("{s:I, s:I, s:I}",
                     "queued",
                     (json_int_t)status->cdr_queued,
                     "written",
                     (json_int_t)status->cdr_written,
                     "failed",
                     (json_int_t)status->cdr_failed);
}

void
dm_system_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    DmGatewayStatus status = {0};
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);

    dm_gateway_status(api->gateway, &status);
    dm_response_json(response,
                     200,
                     json_pack("{s:s, s:o, s:I, s:I, s:i, s:I, s:b, s:s, s:o, s:o, s:o}",
                               "version",
                               DM_VERSION,
                               "started_at",
                               dm_json_time(status.started_wall_us),
                               "uptime_s",
                               (json_int_t)(status.uptime_us / G_USEC_PER_SEC),
                               "revision",
                               (json_int_t)config->revision,
                               "workers",
                               (int)status.workers,
                               "calls",
                               (json_int_t)status.calls,
                               "draining",
                               status.draining,
                               "loglevel",
                               dm_log_level_name(dm_log_level()),
                               "loop_lag_ms",
                               json_real((double)status.loop_lag_us / 1000.0),
                               "media",
                               media_to_json(&status.media),
                               "cdr",
                               cdr_to_json(&status)));
}

/* --- Log level --- */

typedef struct {
    int level;
} LogLevelBody;

static const DmJsonChoice level_choices[] = {
    {"error", DM_LOG_ERROR},
    {"warning", DM_LOG_WARNING},
    {"notice", DM_LOG_NOTICE},
    {"info", DM_LOG_INFO},
    {"debug", DM_LOG_DEBUG},
    {NULL},
};

static const DmJsonMember log_level_members[] = {
    {"level",
     DM_JSON_ENUM,
     .required = true,
     .choices = level_choices,
     DM_JSON_AT(LogLevelBody, level),
     .doc = "The least urgent lines that are written, until the next start"},
    {NULL},
};

void
dm_system_set_log_level(DmApi *api, DmRequest *request, DmResponse *response)
{
    LogLevelBody body = {0};

    if (!dm_body_read(request, log_level_members, &body, response)) {
        return;
    }
    dm_log_set_level((DmLogLevel)body.level);
    dm_notice(NULL, "log level %s", dm_log_level_name((DmLogLevel)body.level));
    dm_response_json(response,
                     200,
                     json_pack("{s:s}", "level", dm_log_level_name((DmLogLevel)body.level)));
}

/* --- Drain --- */

typedef struct {
    bool draining;
} DrainBody;

static const DmJsonMember drain_members[] = {
    {"draining",
     DM_JSON_BOOL,
     .value = true,
     DM_JSON_AT(DrainBody, draining),
     .doc = "false: take calls again"},
    {NULL},
};

void
dm_system_drain(DmApi *api, DmRequest *request, DmResponse *response)
{
    DrainBody body = {.draining = true};

    if (request->json != NULL && !dm_body_read(request, drain_members, &body, response)) {
        return;
    }
    dm_gateway_drain(api->gateway, body.draining);
    dm_response_json(response,
                     200,
                     json_pack("{s:b, s:I}",
                               "draining",
                               dm_gateway_is_draining(api->gateway),
                               "calls",
                               (json_int_t)dm_gateway_n_calls(api->gateway)));
}
