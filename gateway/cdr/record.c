/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/record.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "gateway/cdr/json-text.h"

/* Sentences for the operator in one record; more than that is noise. */
#define MAX_EVIDENCE 16
/* Attempts and limits in one record: routing never makes as many. */
#define MAX_ATTEMPTS 64
#define MAX_LIMITS   16
/* The text of an ordinary record fits. */
#define PRINTED_BYTES 4096

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
    record->recordings = g_ptr_array_new_with_free_func(g_free);
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
    dm_route_trace_free(record->trace);
    g_free(record->release.reason);
    g_free(record->release.diagnosis);
    g_ptr_array_unref(record->release.evidence);
    g_ptr_array_unref(record->limits_hit);
    dm_packed_unref(record->agreed[DM_SIDE_A]);
    dm_packed_unref(record->agreed[DM_SIDE_B]);
    dm_packed_unref(record->reported);
    g_ptr_array_unref(record->recordings);
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

DmMediaSideSpec
dm_record_spec(const DmRecord *record, DmSide side)
{
    DmMediaSideSpec spec;

    dm_packed_get(record->agreed[side], &spec, sizeof spec);
    return spec;
}

void
dm_record_set_agreed(DmRecord *record, DmSide side, DmPacked *agreed)
{
    DmPacked *before = record->agreed[side];

    record->agreed[side] = dm_packed_ref(agreed);
    dm_packed_unref(before);
}

DmMediaReport
dm_record_report(const DmRecord *record)
{
    DmMediaReport report;

    dm_packed_get(record->reported, &report, sizeof report);
    return report;
}

void
dm_record_set_report(DmRecord *record, const DmMediaReport *report)
{
    dm_packed_unref(record->reported);
    record->reported = dm_packed_new(report, sizeof *report);
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

/* --- Values: null where something is not known --- */

static void
add_time(GString *out, const char *name, int64_t wall_us)
{
    char text[DM_TIME_TEXT_MAX];

    dm_json_text_add_text(out, name, wall_us != 0 ? dm_wall_text(wall_us, text) : NULL);
}

/* Milliseconds between two monotonic times, null unless both are known. */
static void
add_span(GString *out, const char *name, int64_t from_mono_us, int64_t to_mono_us)
{
    if (from_mono_us == 0 || to_mono_us == 0) {
        dm_json_text_add_null(out, name);
    } else {
        dm_json_text_add_integer(out, name, MAX(to_mono_us - from_mono_us, 0) / 1000);
    }
}

static void
add_code(GString *out, const char *name, unsigned code)
{
    if (code == 0) {
        dm_json_text_add_null(out, name);
    } else {
        dm_json_text_add_integer(out, name, code);
    }
}

static void
add_host(GString *out, const char *name, const DmAddress *address)
{
    char text[DM_ADDRESS_TEXT_MAX];

    dm_json_text_add_text(out,
                          name,
                          dm_address_is_set(address) ? dm_address_host(address, text) : NULL);
}

static void
add_port(GString *out, const char *name, const DmAddress *address)
{
    if (dm_address_is_set(address)) {
        dm_json_text_add_integer(out, name, dm_address_port(address));
    } else {
        dm_json_text_add_null(out, name);
    }
}

static void
add_texts(GString *out, const char *name, const GPtrArray *texts)
{
    dm_json_text_open(out, name, '[');
    for (guint i = 0; i < texts->len; i++) {
        dm_json_text_add_text(out, NULL, g_ptr_array_index(texts, i));
    }
    dm_json_text_close(out, ']');
}

/* --- Parts of a record --- */

static void
add_times(GString *out, const DmRecord *record)
{
    /* Until somebody rang, the caller waited: an answer without ringing ends that wait as well. */
    int64_t heard =
        record->first_18x_mono_us != 0 ? record->first_18x_mono_us : record->answer_mono_us;
    int64_t rang_until = record->answer_mono_us != 0 ? record->answer_mono_us : record->end_mono_us;

    add_time(out, "start_at", record->start_wall_us);
    add_time(out, "first_18x_at", record->first_18x_wall_us);
    add_time(out, "early_media_at", record->early_media_wall_us);
    add_time(out, "answer_at", record->answer_wall_us);
    add_time(out, "end_at", record->end_wall_us);
    add_span(out, "pdd_ms", record->start_mono_us, heard);
    add_span(out, "ring_ms", record->first_18x_mono_us, rang_until);
    add_span(out, "duration_ms", record->start_mono_us, record->end_mono_us);
    add_span(out, "billable_ms", record->answer_mono_us, record->end_mono_us);
}

static void
add_identity(GString *out, const DmRecordIdentity *identity, bool is_out)
{
    const struct {
        const char *name[2];
        const char *value;
    } members[] = {
        {{"from_in", "from_out"}, identity->from},
        {{"to_in", "to_out"}, identity->to},
        {{"ruri_in", "ruri_out"}, identity->ruri},
        {{"pai_in", "pai_out"}, identity->pai},
        {{"privacy_in", "privacy_out"}, identity->privacy},
        {{"diversion_in", "diversion_out"}, identity->diversion},
        {{"display_in", "display_out"}, identity->display},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        dm_json_text_add_text(out, members[i].name[is_out], members[i].value);
    }
}

static void
add_leg(GString *out, const char *name, const DmRecordLeg *leg)
{
    dm_json_text_open(out, name, '{');
    dm_json_text_add_text(out, "trunk", leg->trunk);
    dm_json_text_add_text(out, "endpoint", leg->endpoint);
    dm_json_text_add_text(out, "transport", leg->transport);
    add_host(out, "remote_ip", &leg->remote);
    add_port(out, "remote_port", &leg->remote);
    add_host(out, "local_ip", &leg->local);
    dm_json_text_add_text(out, "call_id", leg->call_id);
    dm_json_text_add_text(out, "user_agent", leg->user_agent);
    add_code(out, "final_code", leg->final_code);
    add_code(out, "q850", leg->q850);
    dm_json_text_add_text(out, "auth", leg->auth);
    dm_json_text_close(out, '}');
}

static void
add_attempt(GString *out, const DmRecordAttempt *attempt, size_t number)
{
    dm_json_text_open(out, NULL, '{');
    dm_json_text_add_integer(out, "seq", (int64_t)number);
    dm_json_text_add_text(out, "trunk", attempt->trunk);
    dm_json_text_add_text(out, "endpoint", attempt->endpoint);
    add_host(out, "ip", &attempt->address);
    add_port(out, "port", &attempt->address);
    add_time(out, "started_at", attempt->started_wall_us);
    add_code(out, "provisional", attempt->provisional);
    add_code(out, "code", attempt->code);
    dm_json_text_add_text(out, "reason", attempt->reason);
    dm_json_text_add_integer(out, "elapsed_ms", attempt->elapsed_ms);
    dm_json_text_add_text(out, "failure_class", attempt->failure_class);
    dm_json_text_close(out, '}');
}

static void
add_attempts(GString *out, const GPtrArray *attempts)
{
    dm_json_text_open(out, "attempts", '[');
    for (guint i = 0; i < attempts->len; i++) {
        add_attempt(out, g_ptr_array_index(attempts, i), i + 1);
    }
    dm_json_text_close(out, ']');
}

void
dm_record_set_route(DmRecord *record, const char *route_id, json_t *trace)
{
    g_free(record->route_id);
    record->route_id = g_strdup(route_id);
    g_clear_pointer(&record->trace, dm_route_trace_free);
    dm_record_extend_trace(record, trace);
}

void
dm_record_extend_trace(DmRecord *record, json_t *trace)
{
    if (trace != NULL) {
        record->trace = dm_route_trace_add(record->trace, trace);
    }
}

static void
add_route(GString *out, const DmRecord *record)
{
    dm_json_text_open(out, "route", '{');
    dm_json_text_add_text(out, "id", record->route_id);
    dm_route_trace_print(record->trace, record->route_id, out);
    dm_json_text_add_integer(out, "attempts", record->attempts->len);
    dm_json_text_close(out, '}');
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
    return spec->keys == DM_KEYS_SIGNALLED ? "info" : "inband";
}

static void
add_media_format(GString *out, const DmMediaSideSpec *spec, const DmMediaSideReport *report)
{
    const DmMediaFormat *format = format_in_use(spec, report);

    if (format != NULL) {
        dm_json_text_add_text(out, "codec", format->name);
        dm_json_text_add_integer(out, "pt", format->pt);
    } else {
        dm_json_text_add_null(out, "codec");
        dm_json_text_add_null(out, "pt");
    }
    dm_json_text_add_integer(out, "ptime", spec->ptime_ms != 0 ? spec->ptime_ms : 20);
    dm_json_text_add_text(out, "dtmf_mode", dtmf_mode(spec));
}

static const char *
ice_state(const DmMediaSideSpec *spec, const DmMediaSideReport *report)
{
    if (spec->ice.ufrag[0] == '\0') {
        return NULL;
    }
    return report->is_checked ? "selected" : "waiting";
}

static void
add_text_or_null(GString *out, const char *name, const char *text)
{
    if (text == NULL || *text == '\0') {
        dm_json_text_add_null(out, name);
    } else {
        dm_json_text_add_text(out, name, text);
    }
}

/* With keys in SDP, whoever reads the signalling hears the call. */
static void
add_media_srtp(GString *out,
               const DmMediaSideSpec *spec,
               const DmMediaSideReport *report,
               const char *transport)
{
    bool is_dtls = spec->dtls.role != DM_DTLS_OFF;
    bool is_sdes = !is_dtls && spec->srtp_in.suite != DM_SRTP_NONE;
    DmSrtpSuite suite = (DmSrtpSuite)(is_dtls ? report->srtp_suite : spec->srtp_in.suite);
    bool is_tls = g_strcmp0(transport, "tls") == 0;

    add_text_or_null(out, "srtp_suite", dm_srtp_suite_name(suite));
    add_text_or_null(out, "srtp_keying", is_dtls ? "dtls" : is_sdes ? "sdes" : NULL);
    add_text_or_null(out, "ice", ice_state(spec, report));
    dm_json_text_add_boolean(out, "srtp_key_exposed", is_sdes && !is_tls);
    dm_json_text_add_integer(out, "srtp_auth_failures", (int64_t)report->rx_srtp_auth);
    dm_json_text_add_integer(out, "srtp_replayed", (int64_t)report->rx_srtp_replayed);
}

static void
add_media_addresses(GString *out, const DmMediaSideSpec *spec, const DmMediaSideReport *report)
{
    bool latched = dm_address_is_set(&report->latched);
    const DmAddress *remote = latched ? &report->latched : &spec->remote_rtp;

    add_host(out, "sdp_ip", &spec->remote_rtp);
    add_host(out, "remote_ip", remote);
    add_port(out, "remote_port", remote);
    dm_json_text_add_boolean(out, "latched", latched);
}

static void
add_media_counts(GString *out, const DmMediaSideReport *report)
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
        {"dtmf_duplicates", report->dtmf_duplicates},
        {"ssrc", report->ssrc_rx},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        dm_json_text_add_integer(out, members[i].name, (int64_t)members[i].value);
    }
    dm_json_text_add_thousandths(out, "jitter_ms", report->jitter_us);
    dm_json_text_add_thousandths(out, "jitter_max_ms", report->jitter_max_us);
    dm_json_text_add_integer(out, "jitter_buffer_ms", report->buffer_ms);
    dm_json_text_add_integer(out, "jitter_buffer_max_ms", report->buffer_max_ms);
    if (report->rtt_us != 0) {
        dm_json_text_add_thousandths(out, "rtt_ms", report->rtt_us);
    } else {
        dm_json_text_add_null(out, "rtt_ms");
    }
}

static void
add_hundredths(GString *out, const char *name, uint32_t hundredths)
{
    dm_json_text_add_thousandths(out, name, 10 * hundredths);
}

/* Null where nothing could be judged: silence, or no RTCP from the peer. */
static void
add_quality(GString *out, const char *name, const DmMediaQuality *quality)
{
    if (quality->n == 0) {
        dm_json_text_add_null(out, name);
        return;
    }
    dm_json_text_open(out, name, '{');
    add_hundredths(out, "mos", quality->mos_x100);
    add_hundredths(out, "mos_avg", quality->mos_avg_x100);
    add_hundredths(out, "mos_min", quality->mos_min_x100);
    add_hundredths(out, "loss_percent", quality->loss_avg_x100);
    add_hundredths(out, "loss_max_percent", quality->loss_max_x100);
    add_hundredths(out, "burst_ratio_max", quality->burst_max_x100);
    dm_json_text_add_thousandths(out, "jitter_avg_ms", quality->jitter_avg_us);
    dm_json_text_add_thousandths(out, "jitter_max_ms", quality->jitter_max_us);
    dm_json_text_close(out, '}');
}

static void
add_media_quality(GString *out, const DmMediaSideReport *report)
{
    if (report->rtt_max_us != 0) {
        dm_json_text_add_thousandths(out, "rtt_max_ms", report->rtt_max_us);
    } else {
        dm_json_text_add_null(out, "rtt_max_ms");
    }
    if (report->peer_mos_x100 != 0) {
        add_hundredths(out, "mos_peer", report->peer_mos_x100);
    } else {
        dm_json_text_add_null(out, "mos_peer");
    }
    add_quality(out, "quality_in", &report->in);
    add_quality(out, "quality_out", &report->out);
}

static void
add_media_side(GString *out,
               const char *name,
               const DmMediaSideSpec *spec,
               const DmMediaSideReport *report,
               const char *transport)
{
    dm_json_text_open(out, name, '{');
    add_media_format(out, spec, report);
    add_media_srtp(out, spec, report, transport);
    add_media_addresses(out, spec, report);
    add_media_counts(out, report);
    add_media_quality(out, report);
    dm_json_text_close(out, '}');
}

static void
add_recordings(GString *out, const DmRecord *record, const DmMediaReport *report)
{
    static const char *const states[] = {
        [DM_RECORDING_ACTIVE] = "recording",
        [DM_RECORDING_PAUSED] = "paused",
        [DM_RECORDING_DONE] = "done",
        [DM_RECORDING_FAILED] = "failed",
    };
    guint n = MIN(record->recordings->len, DM_MEDIA_MAX_RECORDINGS);

    dm_json_text_open(out, "recordings", '[');
    for (guint i = 0; i < n; i++) {
        const DmMediaRecording *recording = &report->recordings[i];

        dm_json_text_open(out, NULL, '{');
        dm_json_text_add_text(out, "file", g_ptr_array_index(record->recordings, i));
        dm_json_text_add_text(out, "state", states[recording->state]);
        dm_json_text_add_integer(out, "duration_ms", recording->duration_ms);
        dm_json_text_add_integer(out, "dropped_packets", recording->n_dropped);
        dm_json_text_close(out, '}');
    }
    dm_json_text_close(out, ']');
}

static void
add_t38(GString *out, const DmFaxReport *fax)
{
    static const char *const modes[] = {[DM_FAX_RELAY] = "relay", [DM_FAX_GATEWAY] = "gateway"};
    static const char *const results[] = {
        [DM_FAX_UNKNOWN] = "unknown",
        [DM_FAX_COMPLETE] = "complete",
        [DM_FAX_PARTIAL] = "partial",
        [DM_FAX_FAILED] = "failed",
    };

    if (fax->mode != DM_FAX_RELAY && fax->mode != DM_FAX_GATEWAY) {
        dm_json_text_add_null(out, "t38");
        return;
    }
    dm_json_text_open(out, "t38", '{');
    dm_json_text_add_text(out, "mode", modes[fax->mode]);
    dm_json_text_add_text(out, "result", results[fax->result]);
    dm_json_text_add_integer(out, "pages", fax->pages);
    dm_json_text_add_boolean(out, "ecm", fax->ecm);
    dm_json_text_add_integer(out, "bit_rate", fax->bit_rate);
    dm_json_text_add_integer(out, "recovered", fax->recovered);
    dm_json_text_add_integer(out, "missed", fax->missed);
    dm_json_text_close(out, '}');
}

static void
add_media(GString *out, const DmRecord *record)
{
    bool one_way = record->audio == DM_AUDIO_A_ONLY || record->audio == DM_AUDIO_B_ONLY;
    DmMediaReport report = dm_record_report(record);

    if (!record->has_media) {
        dm_json_text_add_null(out, "media");
        return;
    }
    dm_json_text_open(out, "media", '{');
    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        const DmMediaSideSpec spec = dm_record_spec(record, side);

        add_media_side(out,
                       side == DM_SIDE_A ? "a" : "b",
                       &spec,
                       &report.side[side],
                       record->leg[side].transport);
    }
    dm_json_text_add_boolean(out, "transcoded", report.transcoded);
    dm_json_text_add_boolean(out, "fax", record->has_fax || report.fax.mode != DM_FAX_NONE);
    add_t38(out, &report.fax);
    dm_json_text_add_text(out, "audio", audio_name(record->audio));
    dm_json_text_add_boolean(out, "one_way", one_way);
    dm_json_text_add_boolean(out, "final", !record->fast_close);
    dm_json_text_add_integer(out, "digits", (int64_t)record->digits);
    add_recordings(out, record, &report);
    dm_json_text_close(out, '}');
}

/* Null while the call is up: nobody has released it. */
static void
add_release(GString *out, const DmRecord *record)
{
    if (record->end_wall_us == 0) {
        dm_json_text_add_null(out, "release");
        return;
    }
    dm_json_text_open(out, "release", '{');
    dm_json_text_add_text(out, "side", dm_released_by_name(record->release.by));
    add_code(out, "code", record->release.code);
    dm_json_text_add_text(out, "reason", record->release.reason);
    add_code(out, "q850", record->release.q850);
    dm_json_text_add_null(out, "text");
    dm_json_text_add_text(out, "diagnosis", record->release.diagnosis);
    add_texts(out, "evidence", record->release.evidence);
    dm_json_text_close(out, '}');
}

GString *
dm_record_print(const DmRecord *record, const char *node)
{
    bool has_node = record->node != NULL && *record->node != '\0';
    GString *out = g_string_sized_new(PRINTED_BYTES);

    dm_json_text_open(out, NULL, '{');
    dm_json_text_add_text(out, "id", record->id);
    dm_json_text_add_text(out, "node", has_node ? record->node : node);
    dm_json_text_add_integer(out, "revision", (int64_t)record->revision);
    dm_json_text_add_text(out, "direction", record->direction);
    add_times(out, record);
    add_identity(out, &record->in, false);
    add_identity(out, &record->out, true);
    add_route(out, record);
    add_leg(out, "a", &record->leg[DM_SIDE_A]);
    add_leg(out, "b", &record->leg[DM_SIDE_B]);
    add_media(out, record);
    add_release(out, record);
    add_texts(out, "limits_hit", record->limits_hit);
    add_attempts(out, record->attempts);
    dm_json_text_close(out, '}');
    return out;
}

json_t *
dm_record_to_json(const DmRecord *record)
{
    g_autoptr(GString) text = dm_record_print(record, NULL);
    json_t *json = json_loadb(text->str, text->len, 0, NULL);

    g_return_val_if_fail(json != NULL, json_object());
    return json;
}
