/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/record.h"

#include <string.h>

#include "gateway/base/clock.h"

/* Sentences for the operator in one record; more than that is noise. */
#define MAX_EVIDENCE 16
/* Attempts and limits in one record: routing never makes as many. */
#define MAX_ATTEMPTS 64
#define MAX_LIMITS   16

static void
free_attempt(gpointer data)
{
    DmRecordAttempt *attempt = data;

    g_free(attempt->trunk);
    g_free(attempt->endpoint);
    g_free(attempt->reason);
    g_free(attempt->failure_class);
    g_free(attempt);
}

DmRecord *
dm_record_new(void)
{
    DmRecord *record = g_new0(DmRecord, 1);

    record->attempts = g_ptr_array_new_with_free_func(free_attempt);
    record->release.evidence = g_ptr_array_new_with_free_func(g_free);
    record->limits_hit = g_ptr_array_new_with_free_func(g_free);
    record->audio = DM_AUDIO_UNKNOWN;
    return record;
}

static void
clear_leg(DmRecordLeg *leg)
{
    g_free(leg->trunk);
    g_free(leg->endpoint);
    g_free(leg->transport);
    g_free(leg->call_id);
    g_free(leg->user_agent);
    g_free(leg->auth);
}

static void
clear_identity(DmRecordIdentity *identity)
{
    g_free(identity->from);
    g_free(identity->to);
    g_free(identity->ruri);
    g_free(identity->pai);
    g_free(identity->privacy);
    g_free(identity->diversion);
    g_free(identity->display);
}

void
dm_record_free(DmRecord *record)
{
    if (record == NULL) {
        return;
    }
    g_free(record->node);
    g_free(record->direction);
    clear_identity(&record->in);
    clear_identity(&record->out);
    clear_leg(&record->leg[DM_SIDE_A]);
    clear_leg(&record->leg[DM_SIDE_B]);
    g_ptr_array_unref(record->attempts);
    g_free(record->route_id);
    json_decref(record->trace);
    g_free(record->release.reason);
    g_free(record->release.diagnosis);
    g_ptr_array_unref(record->release.evidence);
    g_ptr_array_unref(record->limits_hit);
    g_free(record);
}

DmRecordAttempt *
dm_record_add_attempt(DmRecord *record)
{
    DmRecordAttempt *attempt = g_new0(DmRecordAttempt, 1);

    if (record->attempts->len >= MAX_ATTEMPTS) {
        g_ptr_array_remove_index(record->attempts, 0);
    }
    g_ptr_array_add(record->attempts, attempt);
    return attempt;
}

void
dm_record_add_evidence(DmRecord *record, const char *format, ...)
{
    va_list arguments;

    if (record->release.evidence->len >= MAX_EVIDENCE) {
        return;
    }
    va_start(arguments, format);
    g_ptr_array_add(record->release.evidence, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
dm_record_add_limit(DmRecord *record, const char *limit)
{
    if (record->limits_hit->len < MAX_LIMITS) {
        g_ptr_array_add(record->limits_hit, g_strdup(limit));
    }
}

const char *
dm_released_by_name(DmReleasedBy by)
{
    static const char *const names[] = {"a", "b", "gateway"};

    return by < G_N_ELEMENTS(names) ? names[by] : "gateway";
}

static const char *
audio_name(DmAudioVerdict audio)
{
    static const char *const names[] = {
        [DM_AUDIO_NONE] = "none",
        [DM_AUDIO_A_ONLY] = "a_only",
        [DM_AUDIO_B_ONLY] = "b_only",
        [DM_AUDIO_BOTH] = "both",
        [DM_AUDIO_UNKNOWN] = "unknown",
    };

    return audio < G_N_ELEMENTS(names) ? names[audio] : "unknown";
}

/* --- Values of JSON: null where something is not known --- */

/* Text from the network need not be UTF-8, and JSON must be. */
static json_t *
text_or_null(const char *text)
{
    g_autofree char *valid = NULL;

    if (text == NULL || *text == '\0') {
        return json_null();
    }
    valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

static json_t *
time_or_null(int64_t wall_us)
{
    char text[DM_TIME_TEXT_MAX];

    return wall_us == 0 ? json_null() : json_string(dm_wall_text(wall_us, text));
}

/* Milliseconds between two monotonic times, null unless both are known. */
static json_t *
span_or_null(int64_t from_mono_us, int64_t to_mono_us)
{
    if (from_mono_us == 0 || to_mono_us == 0) {
        return json_null();
    }
    return json_integer(MAX(to_mono_us - from_mono_us, 0) / 1000);
}

static json_t *
code_or_null(unsigned code)
{
    return code == 0 ? json_null() : json_integer(code);
}

static json_t *
host_or_null(const DmAddress *address)
{
    char text[DM_ADDRESS_TEXT_MAX];

    return dm_address_is_set(address) ? json_string(dm_address_host(address, text)) : json_null();
}

static json_t *
port_or_null(const DmAddress *address)
{
    return dm_address_is_set(address) ? json_integer(dm_address_port(address)) : json_null();
}

static json_t *
texts_to_json(const GPtrArray *texts)
{
    json_t *array = json_array();

    for (guint i = 0; i < texts->len; i++) {
        json_array_append_new(array, text_or_null(g_ptr_array_index(texts, i)));
    }
    return array;
}

/* --- Parts of a record --- */

static void
add_times(json_t *json, const DmRecord *record)
{
    /* Until somebody rang, the caller waited: an answer without ringing ends that wait as well. */
    int64_t heard =
        record->first_18x_mono_us != 0 ? record->first_18x_mono_us : record->answer_mono_us;
    int64_t rang_until = record->answer_mono_us != 0 ? record->answer_mono_us : record->end_mono_us;

    json_object_set_new(json, "start_at", time_or_null(record->start_wall_us));
    json_object_set_new(json, "first_18x_at", time_or_null(record->first_18x_wall_us));
    json_object_set_new(json, "early_media_at", time_or_null(record->early_media_wall_us));
    json_object_set_new(json, "answer_at", time_or_null(record->answer_wall_us));
    json_object_set_new(json, "end_at", time_or_null(record->end_wall_us));
    json_object_set_new(json, "pdd_ms", span_or_null(record->start_mono_us, heard));
    json_object_set_new(json, "ring_ms", span_or_null(record->first_18x_mono_us, rang_until));
    json_object_set_new(json,
                        "duration_ms",
                        span_or_null(record->start_mono_us, record->end_mono_us));
    json_object_set_new(json,
                        "billable_ms",
                        span_or_null(record->answer_mono_us, record->end_mono_us));
}

static void
add_identity(json_t *json, const DmRecordIdentity *identity, const char *suffix)
{
    const struct {
        const char *name, *value;
    } members[] = {
        {"from", identity->from},
        {"to", identity->to},
        {"ruri", identity->ruri},
        {"pai", identity->pai},
        {"privacy", identity->privacy},
        {"diversion", identity->diversion},
        {"display", identity->display},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *name = g_strconcat(members[i].name, suffix, NULL);

        json_object_set_new(json, name, text_or_null(members[i].value));
    }
}

static json_t *
leg_to_json(const DmRecordLeg *leg)
{
    json_t *json = json_object();

    json_object_set_new(json, "trunk", text_or_null(leg->trunk));
    json_object_set_new(json, "endpoint", text_or_null(leg->endpoint));
    json_object_set_new(json, "transport", text_or_null(leg->transport));
    json_object_set_new(json, "remote_ip", host_or_null(&leg->remote));
    json_object_set_new(json, "remote_port", port_or_null(&leg->remote));
    json_object_set_new(json, "local_ip", host_or_null(&leg->local));
    json_object_set_new(json, "call_id", text_or_null(leg->call_id));
    json_object_set_new(json, "user_agent", text_or_null(leg->user_agent));
    json_object_set_new(json, "final_code", code_or_null(leg->final_code));
    json_object_set_new(json, "q850", code_or_null(leg->q850));
    json_object_set_new(json, "auth", text_or_null(leg->auth));
    return json;
}

static json_t *
attempt_to_json(const DmRecordAttempt *attempt, size_t number)
{
    json_t *json = json_object();

    json_object_set_new(json, "seq", json_integer((json_int_t)number));
    json_object_set_new(json, "trunk", text_or_null(attempt->trunk));
    json_object_set_new(json, "endpoint", text_or_null(attempt->endpoint));
    json_object_set_new(json, "ip", host_or_null(&attempt->address));
    json_object_set_new(json, "port", port_or_null(&attempt->address));
    json_object_set_new(json, "started_at", time_or_null(attempt->started_wall_us));
    json_object_set_new(json, "provisional", code_or_null(attempt->provisional));
    json_object_set_new(json, "code", code_or_null(attempt->code));
    json_object_set_new(json, "reason", text_or_null(attempt->reason));
    json_object_set_new(json, "elapsed_ms", json_integer(attempt->elapsed_ms));
    json_object_set_new(json, "failure_class", text_or_null(attempt->failure_class));
    return json;
}

static json_t *
attempts_to_json(const GPtrArray *attempts)
{
    json_t *array = json_array();

    for (guint i = 0; i < attempts->len; i++) {
        json_array_append_new(array, attempt_to_json(g_ptr_array_index(attempts, i), i + 1));
    }
    return array;
}

/* Whether a step of the trace changed the call: those that only say what was looked at, or was not
 * taken, do not. */
static bool
is_transformation(const json_t *entry)
{
    static const char *const steps[] =
        {"called", "caller", "called_rules", "screening", "target", NULL};
    const char *step = json_string_value(json_object_get(entry, "step"));

    return step != NULL && g_strv_contains(steps, step);
}

/* Every rule that was applied, once, the route first. */
static json_t *
rule_ids(const DmRecord *record)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    json_t *array = json_array();
    const json_t *entry;
    size_t i;

    if (record->route_id != NULL && *record->route_id != '\0') {
        json_array_append_new(array, json_string(record->route_id));
        g_hash_table_add(seen, record->route_id);
    }
    json_array_foreach(record->trace, i, entry)
    {
        const char *rule = json_string_value(json_object_get(entry, "rule"));

        if (rule != NULL && is_transformation(entry) && g_hash_table_add(seen, (gpointer)rule)) {
            json_array_append_new(array, json_string(rule));
        }
    }
    return array;
}

/* What was rewritten, as sentences. */
static json_t *
transformations(const DmRecord *record)
{
    json_t *array = json_array();
    const json_t *entry;
    size_t i;

    json_array_foreach(record->trace, i, entry)
    {
        if (is_transformation(entry)) {
            json_array_append(array, json_object_get(entry, "detail"));
        }
    }
    return array;
}

static json_t *
route_to_json(const DmRecord *record)
{
    json_t *json = json_object();

    json_object_set_new(json, "id", text_or_null(record->route_id));
    json_object_set_new(json, "rule_ids", rule_ids(record));
    json_object_set_new(json, "transformations", transformations(record));
    json_object_set_new(json,
                        "trace",
                        record->trace != NULL ? json_deep_copy(record->trace) : json_array());
    json_object_set_new(json, "attempts", json_integer(record->attempts->len));
    return json;
}

/* What was agreed under a payload type: its name as SDP has it. */
static const DmMediaFormat *
find_format(const DmMediaSideSpec *spec, uint8_t pt)
{
    for (size_t i = 0; i < MIN(spec->n_recv, DM_MEDIA_MAX_FORMATS); i++) {
        if (spec->recv[i].pt == pt) {
            return &spec->recv[i];
        }
    }
    return NULL;
}

/* The format last heard; before anything was heard, the one agreed first. */
static const DmMediaFormat *
format_in_use(const DmMediaSideSpec *spec, const DmMediaSideReport *report)
{
    const DmMediaFormat *heard = report->rx_packets > 0 ? find_format(spec, report->pt) : NULL;

    return heard != NULL || spec->n_recv == 0 ? heard : &spec->recv[0];
}

static const char *
dtmf_mode(const DmMediaSideSpec *spec)
{
    for (size_t i = 0; i < MIN(spec->n_send, DM_MEDIA_MAX_FORMATS); i++) {
        if (spec->send[i].codec == DM_CODEC_TELEPHONE_EVENT) {
            return "rfc4733";
        }
    }
    return "inband";
}

static void
add_media_format(json_t *json, const DmMediaSideSpec *spec, const DmMediaSideReport *report)
{
    const DmMediaFormat *format = format_in_use(spec, report);

    json_object_set_new(json, "codec", format != NULL ? text_or_null(format->name) : json_null());
    json_object_set_new(json, "pt", format != NULL ? json_integer(format->pt) : json_null());
    json_object_set_new(json, "ptime", json_integer(spec->ptime_ms != 0 ? spec->ptime_ms : 20));
    json_object_set_new(json, "dtmf_mode", json_string(dtmf_mode(spec)));
}

static void
add_media_addresses(json_t *json, const DmMediaSideSpec *spec, const DmMediaSideReport *report)
{
    bool latched = dm_address_is_set(&report->latched);
    const DmAddress *remote = latched ? &report->latched : &spec->remote_rtp;

    json_object_set_new(json, "sdp_ip", host_or_null(&spec->remote_rtp));
    json_object_set_new(json, "remote_ip", host_or_null(remote));
    json_object_set_new(json, "remote_port", port_or_null(remote));
    json_object_set_new(json, "latched", json_boolean(latched));
}

static json_t *
jitter_to_json(uint32_t jitter_us)
{
    return json_real((double)jitter_us / 1000.0);
}

static void
add_media_counts(json_t *json, const DmMediaSideReport *report)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {
        {"pkts_in", report->rx_packets},
        {"pkts_out", report->tx_packets},
        {"bytes_in", report->rx_bytes},
        {"bytes_out", report->tx_bytes},
        {"lost", report->rx_lost},
        {"out_of_order", report->rx_out_of_order},
        {"duplicates", report->rx_duplicates},
        {"discarded", report->rx_foreign_source + report->rx_unknown_pt + report->rx_invalid},
        {"foreign_source", report->rx_foreign_source},
        {"rtcp_in", report->rtcp_rx},
        {"rtcp_out", report->rtcp_tx},
        {"dtmf_events", report->dtmf_events},
        {"ssrc", report->ssrc_rx},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        json_object_set_new(json, members[i].name, json_integer((json_int_t)members[i].value));
    }
    json_object_set_new(json, "jitter_ms", jitter_to_json(report->jitter_us));
    json_object_set_new(json, "jitter_max_ms", jitter_to_json(report->jitter_max_us));
    json_object_set_new(json,
                        "rtt_ms",
                        report->rtt_us != 0 ? jitter_to_json(report->rtt_us) : json_null());
}

static json_t *
media_side_to_json(const DmMediaSideSpec *spec, const DmMediaSideReport *report)
{
    json_t *json = json_object();

    add_media_format(json, spec, report);
    add_media_addresses(json, spec, report);
    add_media_counts(json, report);
    return json;
}

static json_t *
media_to_json(const DmRecord *record)
{
    json_t *json;

    if (!record->has_media) {
        return json_null();
    }
    json = json_object();
    for (int side = 0; side < DM_N_SIDES; side++) {
        json_object_set_new(
            json,
            side == DM_SIDE_A ? "a" : "b",
            media_side_to_json(&record->spec.side[side], &record->report.side[side]));
    }
    json_object_set_new(json, "transcoded", json_boolean(record->report.transcoded));
    json_object_set_new(json, "audio", json_string(audio_name(record->audio)));
    json_object_set_new(
        json,
        "one_way",
        json_boolean(record->audio == DM_AUDIO_A_ONLY || record->audio == DM_AUDIO_B_ONLY));
    json_object_set_new(json, "final", json_boolean(!record->fast_close));
    json_object_set_new(json, "digits", json_integer((json_int_t)record->digits));
    return json;
}

/* Null while the call is up: nobody has released it. */
static json_t *
release_to_json(const DmRecord *record)
{
    json_t *json;

    if (record->end_wall_us == 0) {
        return json_null();
    }
    json = json_object();
    json_object_set_new(json, "side", json_string(dm_released_by_name(record->release.by)));
    json_object_set_new(json, "code", code_or_null(record->release.code));
    json_object_set_new(json, "reason", text_or_null(record->release.reason));
    json_object_set_new(json, "q850", code_or_null(record->release.q850));
    json_object_set_new(json, "text", json_null());
    json_object_set_new(json, "diagnosis", text_or_null(record->release.diagnosis));
    json_object_set_new(json, "evidence", texts_to_json(record->release.evidence));
    return json;
}

json_t *
dm_record_to_json(const DmRecord *record)
{
    json_t *json = json_object();

    json_object_set_new(json, "id", json_string(record->id));
    json_object_set_new(json, "node", text_or_null(record->node));
    json_object_set_new(json, "revision", json_integer((json_int_t)record->revision));
    json_object_set_new(json, "direction", text_or_null(record->direction));
    add_times(json, record);
    add_identity(json, &record->in, "_in");
    add_identity(json, &record->out, "_out");
    json_object_set_new(json, "route", route_to_json(record));
    json_object_set_new(json, "a", leg_to_json(&record->leg[DM_SIDE_A]));
    json_object_set_new(json, "b", leg_to_json(&record->leg[DM_SIDE_B]));
    json_object_set_new(json, "media", media_to_json(record));
    json_object_set_new(json, "release", release_to_json(record));
    json_object_set_new(json, "limits_hit", texts_to_json(record->limits_hit));
    json_object_set_new(json, "attempts", attempts_to_json(record->attempts));
    return json;
}
