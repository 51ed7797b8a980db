/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "gateway/cdr/record.h"

static json_int_t
integer_at(const json_t *json, const char *name)
{
    g_assert_true(json_is_integer(json_object_get(json, name)));
    return json_integer_value(json_object_get(json, name));
}

static const char *
text_at(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

/* A call that rang after 1.5 s, was answered 4 s later and lasted a minute. */
static DmRecord *
answered_call(void)
{
    DmRecord *record = dm_record_new();

    g_strlcpy(record->id, "01JD3W00000000000000000001", sizeof(record->id));
    record->direction = g_strdup("outbound");
    record->start_wall_us = INT64_C(1767225600000000); /* 2026-01-01T00:00:00Z */
    record->start_mono_us = 1000000;
    record->first_18x_mono_us = 2500000;
    record->first_18x_wall_us = record->start_wall_us + 1500000;
    record->answer_mono_us = 6500000;
    record->answer_wall_us = record->start_wall_us + 5500000;
    record->in.from = g_strdup("+442079460000");
    return record;
}

static void
end_call(DmRecord *record)
{
    record->end_mono_us = 66500000;
    record->end_wall_us = record->start_wall_us + 65500000;
    record->release.by = DM_RELEASED_BY_B;
    record->release.code = 200;
    record->release.q850 = 16;
}

static void
test_durations(void)
{
    g_autoptr(DmRecord) record = answered_call();
    json_t *json;

    g_test_summary("Durations come from the monotonic clock, so a step of the wall clock in the "
                   "middle of a call does not change what is billed (CDR-1)");
    end_call(record);
    record->end_wall_us -= INT64_C(3600) * G_USEC_PER_SEC;

    json = dm_record_to_json(record);
    g_assert_cmpint(integer_at(json, "pdd_ms"), ==, 1500);
    g_assert_cmpint(integer_at(json, "ring_ms"), ==, 4000);
    g_assert_cmpint(integer_at(json, "duration_ms"), ==, 65500);
    g_assert_cmpint(integer_at(json, "billable_ms"), ==, 60000);
    g_assert_cmpstr(text_at(json, "start_at"), ==, "2026-01-01T00:00:00.000Z");
    json_decref(json);
}

static void
test_same_members(void)
{
    g_autoptr(DmRecord) record = answered_call();
    json_t *up = dm_record_to_json(record);
    json_t *over;
    const char *name;
    json_t *value;

    g_test_summary("A record has the same members whether or not the call has ended; what is not "
                   "known yet is null");
    end_call(record);
    over = dm_record_to_json(record);

    g_assert_true(json_is_null(json_object_get(up, "end_at")));
    g_assert_true(json_is_null(json_object_get(up, "billable_ms")));
    g_assert_true(json_is_null(json_object_get(up, "release")));
    g_assert_cmpuint(json_object_size(up), ==, json_object_size(over));
    json_object_foreach(over, name, value)
    {
        g_assert_nonnull(json_object_get(up, name));
    }
    json_decref(up);
    json_decref(over);
}

static void
test_release(void)
{
    g_autoptr(DmRecord) record = answered_call();
    json_t *json;
    const json_t *release;

    g_test_summary("The release says who ended the call, how, and what to do about it");
    end_call(record);
    record->release.by = DM_RELEASED_BY_GATEWAY;
    record->release.diagnosis = g_strdup("ack_timeout");
    dm_record_add_evidence(record, "no ACK from %s", "192.0.2.1:5060");

    json = dm_record_to_json(record);
    release = json_object_get(json, "release");
    g_assert_cmpstr(text_at(release, "side"), ==, "gateway");
    g_assert_cmpint(integer_at(release, "code"), ==, 200);
    g_assert_cmpint(integer_at(release, "q850"), ==, 16);
    g_assert_cmpstr(text_at(release, "diagnosis"), ==, "ack_timeout");
    g_assert_cmpstr(json_string_value(json_array_get(json_object_get(release, "evidence"), 0)),
                    ==,
                    "no ACK from 192.0.2.1:5060");
    json_decref(json);
}

static void
test_attempts(void)
{
    g_autoptr(DmRecord) record = answered_call();
    DmRecordAttempt *first = dm_record_add_attempt(record);
    DmRecordAttempt *second = dm_record_add_attempt(record);
    json_t *json;
    const json_t *attempts;

    g_test_summary("Every INVITE sent is listed in order, with where it went and what came back");
    first->trunk = g_strdup("carrier-a");
    first->code = 503;
    first->failure_class = g_strdup("server");
    g_assert_true(dm_address_parse(&first->address, "192.0.2.7", 5060));
    second->trunk = g_strdup("carrier-b");
    second->code = 200;

    json = dm_record_to_json(record);
    attempts = json_object_get(json, "attempts");
    g_assert_cmpuint(json_array_size(attempts), ==, 2);
    g_assert_cmpint(integer_at(json_array_get(attempts, 0), "seq"), ==, 1);
    g_assert_cmpstr(text_at(json_array_get(attempts, 0), "ip"), ==, "192.0.2.7");
    g_assert_cmpstr(text_at(json_array_get(attempts, 0), "failure_class"), ==, "server");
    g_assert_cmpint(integer_at(json_array_get(attempts, 1), "code"), ==, 200);
    json_decref(json);
}

static void
test_rules_once(void)
{
    g_autoptr(DmRecord) record = answered_call();
    json_t *trace;
    json_t *json;
    const json_t *rules;
    const json_t *told;

    g_test_summary("Rules that were applied are named once each, the route first, and what was "
                   "rewritten is told (RTE-1)");
    trace = json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s}]",
                      "step",
                      "route_skipped",
                      "rule",
                      "emergency",
                      "detail",
                      "another number",
                      "step",
                      "route",
                      "rule",
                      "to-carrier",
                      "detail",
                      "taken",
                      "step",
                      "called_rules",
                      "rule",
                      "strip-9",
                      "detail",
                      "'9123' became '123'");
    dm_record_set_route(record, "to-carrier", trace);
    json_decref(trace);

    json = dm_record_to_json(record);
    rules = json_object_get(json_object_get(json, "route"), "rule_ids");
    g_assert_cmpuint(json_array_size(rules), ==, 2);
    g_assert_cmpstr(json_string_value(json_array_get(rules, 0)), ==, "to-carrier");
    g_assert_cmpstr(json_string_value(json_array_get(rules, 1)), ==, "strip-9");
    told = json_object_get(json_object_get(json, "route"), "transformations");
    g_assert_cmpuint(json_array_size(told), ==, 1);
    g_assert_cmpstr(json_string_value(json_array_get(told, 0)), ==, "'9123' became '123'");
    json_decref(json);
}

static void
test_redirected(void)
{
    g_autoptr(DmRecord) record = answered_call();
    json_t *first = json_pack("[{s:s,s:n,s:s}]",
                              "step",
                              "route",
                              "rule",
                              "detail",
                              "taken for any \"\n number");
    json_t *second = json_pack("[{s:s,s:s}]", "step", "redirect", "rule", "again");
    json_t *json;

    g_test_summary("What is planned after a redirection is told behind what was planned first");
    dm_record_set_route(record, "out", first);
    dm_record_extend_trace(record, second);
    json_decref(first);
    json_decref(second);

    json = dm_record_to_json(record);
    first = json_object_get(json_object_get(json, "route"), "trace");
    g_assert_cmpuint(json_array_size(first), ==, 2);
    g_assert_true(json_is_null(json_object_get(json_array_get(first, 0), "rule")));
    g_assert_cmpstr(text_at(json_array_get(first, 0), "detail"), ==, "taken for any \"\n number");
    g_assert_cmpstr(text_at(json_array_get(first, 1), "rule"), ==, "again");
    json_decref(json);
}

static void
test_media(void)
{
    g_autoptr(DmRecord) record = answered_call();
    DmMediaSideSpec spec = {0};
    g_autoptr(DmPacked) agreed = NULL;
    DmMediaReport reported = {0};
    DmMediaSideReport *report = &reported.side[DM_SIDE_B];
    json_t *json;
    const json_t *media;
    const json_t *side;

    g_test_summary("Media of each side: the codec heard, where it came from, what was lost");
    json = dm_record_to_json(record);
    g_assert_true(json_is_null(json_object_get(json, "media")));
    json_decref(json);

    record->has_media = true;
    record->audio = DM_AUDIO_A_ONLY;
    spec.n_recv = 2;
    spec.recv[0] = (DmMediaFormat){.codec = DM_CODEC_PCMU, .pt = 0, .name = "PCMU"};
    spec.recv[1] = (DmMediaFormat){.codec = DM_CODEC_PCMA, .pt = 8, .name = "PCMA"};
    g_assert_true(dm_address_parse(&spec.remote_rtp, "10.0.0.5", 4000));
    agreed = dm_packed_new(&spec, sizeof spec);
    dm_record_set_agreed(record, DM_SIDE_B, agreed);
    g_assert_true(dm_address_parse(&report->latched, "192.0.2.9", 4002));
    report->rx_packets = 1500;
    report->rx_lost = 3;
    report->pt = 8;
    report->jitter_us = 1250;
    dm_record_set_report(record, &reported);

    json = dm_record_to_json(record);
    media = json_object_get(json, "media");
    side = json_object_get(media, "b");
    g_assert_cmpstr(text_at(side, "codec"), ==, "PCMA");
    g_assert_cmpstr(text_at(side, "sdp_ip"), ==, "10.0.0.5");
    g_assert_cmpstr(text_at(side, "remote_ip"), ==, "192.0.2.9");
    g_assert_true(json_is_true(json_object_get(side, "latched")));
    g_assert_cmpint(integer_at(side, "pkts_in"), ==, 1500);
    g_assert_cmpint(integer_at(side, "lost"), ==, 3);
    g_assert_cmpfloat(json_real_value(json_object_get(side, "jitter_ms")), ==, 1.25);
    g_assert_cmpstr(text_at(media, "audio"), ==, "a_only");
    g_assert_true(json_is_true(json_object_get(media, "one_way")));
    json_decref(json);
}

static void
test_bad_utf8(void)
{
    g_autoptr(DmRecord) record = answered_call();
    json_t *json;
    char *text;

    g_test_summary("A display name that is not UTF-8 still makes a record that is JSON");
    record->in.display = g_strdup("M\xfcller");

    json = dm_record_to_json(record);
    text = json_dumps(json, JSON_COMPACT);
    g_assert_nonnull(text);
    g_assert_nonnull(text_at(json, "display_in"));
    free(text);
    json_decref(json);
}

static void
test_bounded(void)
{
    g_autoptr(DmRecord) record = dm_record_new();

    g_test_summary("Evidence, limits and attempts are bounded however long a call misbehaves");
    for (int i = 0; i < 1000; i++) {
        dm_record_add_evidence(record, "number %d", i);
        dm_record_add_limit(record, "cps");
        dm_record_add_attempt(record);
    }
    g_assert_cmpuint(record->release.evidence->len, <=, 16);
    g_assert_cmpuint(record->limits_hit->len, <=, 16);
    g_assert_cmpuint(record->attempts->len, <=, 64);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cdr-record/durations", test_durations);
    g_test_add_func("/cdr-record/same-members", test_same_members);
    g_test_add_func("/cdr-record/release", test_release);
    g_test_add_func("/cdr-record/attempts", test_attempts);
    g_test_add_func("/cdr-record/rules-once", test_rules_once);
    g_test_add_func("/cdr-record/redirected", test_redirected);
    g_test_add_func("/cdr-record/media", test_media);
    g_test_add_func("/cdr-record/bad-utf8", test_bad_utf8);
    g_test_add_func("/cdr-record/bounded", test_bounded);
    return g_test_run();
}
