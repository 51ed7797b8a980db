/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/recording.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/thread.h"

DM_LOG_TOPIC("recording");

/* Of one value that is filled in: numbers are not longer, names need not be. */
#define MAX_VALUE 64

static void
append_safe(GString *out, const char *value)
{
    size_t n = 0;

    for (const char *at = value != NULL ? value : ""; *at != '\0' && n < MAX_VALUE; at++, n++) {
        bool is_safe = g_ascii_isalnum(*at) || strchr("+-_", *at) != NULL || (*at == '.' && n > 0);

        g_string_append_c(out, is_safe ? *at : '_');
    }
    if (n == 0) {
        g_string_append(out, "unknown");
    }
}

/* @format: GDateTime's. */
static void
append_time(GString *out, const char *format, int64_t wall_us)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall_us / G_USEC_PER_SEC);
    g_autofree char *text = g_date_time_format(time, format);

    g_string_append(out, text);
}

/* Returns false when there is no value of that name. */
static bool
append_value(GString *out, const char *name, size_t len, const DmRecord *record)
{
    const struct {
        const char *name, *value;
    } values[] = {
        {"id", record->id},
        {"from", record->in.from},
        {"to", record->in.ruri != NULL ? record->in.ruri : record->in.to},
        {"trunk_a", record->leg[DM_SIDE_A].trunk},
        {"trunk_b", record->leg[DM_SIDE_B].trunk},
    };

    if (len == 4 && strncmp(name, "date", len) == 0) {
        append_time(out, "%Y-%m-%d", record->start_wall_us);
        return true;
    }
    if (len == 4 && strncmp(name, "time", len) == 0) {
        append_time(out, "%H%M%S", record->start_wall_us);
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        if (strlen(values[i].name) == len && strncmp(name, values[i].name, len) == 0) {
            append_safe(out, values[i].value);
            return true;
        }
    }
    return false;
}

char *
dm_recording_name(const char *pattern, const DmRecord *record, unsigned number)
{
    GString *out = g_string_new(NULL);

    while (*pattern != '\0') {
        const char *end = *pattern == '{' ? strchr(pattern, '}') : NULL;

        if (end != NULL && append_value(out, pattern + 1, (size_t)(end - pattern - 1), record)) {
            pattern = end + 1;
        } else {
            g_string_append_c(out, *pattern++);
        }
    }
    if (number > 1) {
        g_string_append_printf(out, "-%u", number);
    }
    g_string_append(out, ".wav");
    return g_string_free(out, FALSE);
}

static bool
begin(DmCall *call, GError **error)
{
    GPtrArray *names = call->record->recordings;
    g_autofree char *name =
        dm_recording_name(call->config->recording.name, call->record, names->len + 1);
    DmRecordSpec spec = {
        .rate_hz = call->config->recording.rate_hz,
        .min_free_mb = call->config->recording.min_free_mb,
    };

    if (g_strlcpy(spec.path, name, sizeof spec.path) >= sizeof spec.path) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFLICT,
                    "the name of its file is too long: %s",
                    name);
        return false;
    }
    if (!call->deps->media->record(call->session->media, &spec, error)) {
        return false;
    }
    dm_info(&call->log, "recorded to %s", name);
    g_ptr_array_add(names, g_steal_pointer(&name));
    return true;
}

void
dm_call_recording_by_policy(DmCall *call)
{
    g_autoptr(GError) error = NULL;

    if (!call->route_records && !call->a->config->media.record && !call->b->config->media.record) {
        return;
    }
    if (call->session != NULL && call->session->media != NULL && !begin(call, &error)) {
        dm_record_add_evidence(call->record, "Not recorded: %s", error->message);
        dm_warning(&call->log, "not recorded: %s; the call goes on", error->message);
    }
}

void
dm_call_recording_goes_on(DmCall *call, const DmCall *joined)
{
    g_autoptr(GError) error = NULL;
    bool wanted = call->route_records || joined->route_records || call->a->config->media.record ||
                  call->b->config->media.record;

    if (wanted && call->session != NULL && call->session->media != NULL && !begin(call, &error)) {
        dm_debug(&call->log, "no new recording: %s", error->message); /* it goes on already */
    }
}

static bool
change(DmCall *call, DmRecordingAction action)
{
    const DmMediaOps *ops = call->deps->media;
    DmCallMedia *media = call->session->media;

    if (action == DM_RECORDING_STOP) {
        return ops->end_recording(media);
    }
    return ops->pause_recording(media, action == DM_RECORDING_PAUSE);
}

bool
dm_call_recording(DmCall *call, DmRecordingAction action, GError **error)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (call->record->answer_mono_us == 0 || dm_call_is_ending(call) || call->session == NULL ||
        call->session->media == NULL) {
        g_set_error_literal(error,
                            DM_ERROR,
                            DM_ERROR_CONFLICT,
                            "only an answered call can be recorded");
        return false;
    }
    if (action == DM_RECORDING_START) {
        return begin(call, error);
    }
    if (!change(call, action)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFLICT, "the call is not being recorded");
        return false;
    }
    return true;
}
