/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/cdr/quality-report.h"

/* RFC 6035, 4.6.1, by line. Values are separated by one space (WSP), in the grammar's order, as
 * many digits as it has for them:
 *
 *   SessionDescription: PayloadType PayloadDesc SampleRate PacketsPerSecond FrameDuration
 *     FrameOctets FramesPerPacket FmtpOptions PacketLossConcealment SilenceSuppressionState
 *   PT 1*3DIGIT, SR 1*6DIGIT, PPS 1*5DIGIT, FD 1*4DIGIT, FPP 1*2DIGIT; NLR, JDR, BLD, GLD 1*3DIGIT
 *   ["." 1*2DIGIT]; BD, GD 1*7DIGIT; delays 1*5DIGIT; SL, NL ["-"] 1*2DIGIT; MOS DIGIT ["."
 *   1*3DIGIT]; Ssrc = "SSRC" EQUAL (%x30.78 1*8HEXDIG); Start and Stop date-time in UTC, "Z"
 */
#define PARTY   "(?:\"[^\"]*\" )?<sip:[^<> ]+>"
#define ADDRESS "IP=[0-9a-fA-F.:]+ PORT=\\d{1,5} SSRC=0x[0-9a-fA-F]{1,8}"
#define TIME    "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ"
#define PERCENT "\\d{1,3}(?:\\.\\d{1,2})?"

static const struct {
    const char *name;
    const char *pattern;
} grammar[] = {
    {"VQSessionReport", "^: CallTerm$"},
    {"VQIntervalReport", "^$"},
    {"CallID", "^: [!-~]+$"},
    {"LocalID", "^: " PARTY "$"},
    {"RemoteID", "^: " PARTY "$"},
    {"OrigID", "^: " PARTY "$"},
    {"LocalAddr", "^: " ADDRESS "$"},
    {"RemoteAddr", "^: " ADDRESS "$"},
    {"LocalGroup", "^: [!-~]+$"},
    {"RemoteGroup", "^: [!-~]+$"},
    {"LocalMetrics", "^:$"},
    {"RemoteMetrics", "^:$"},
    {"Timestamps", "^: START=" TIME " STOP=" TIME "$"},
    {"SessionDesc",
     "^: PT=\\d{1,3} PD=[A-Za-z0-9.-]+ SR=\\d{1,6} PPS=\\d{1,5} FD=\\d{1,4} FPP=\\d{1,2} PLC=[0-3] "
     "SSUP=(?:on|off)$"},
    {"JitterBuffer", "^: JBA=[023] JBR=\\d{1,2} JBN=\\d{1,5} JBM=\\d{1,5} JBX=\\d{1,5}$"},
    {"PacketLoss", "^: NLR=" PERCENT " JDR=" PERCENT "$"},
    {"BurstGapLoss", "^: BLD=" PERCENT " BD=\\d{1,7} GLD=" PERCENT " GD=\\d{1,7} GMIN=\\d{1,3}$"},
    {"Delay", "^:(?: RTD=\\d{1,5})?(?: ESD=\\d{1,5})? IAJ=\\d{1,5}$"},
    {"Signal", "^:(?: SL=-?\\d{1,2})?(?: NL=-?\\d{1,2})?(?: RERL=\\d{1,3})?$"},
    {"QualityEst",
     "^:(?: RCQ=\\d{1,3})?(?: EXTRI=\\d{1,3})?(?: MOSLQ=\\d\\.\\d)?(?: MOSCQ=\\d\\.\\d)?"
     "(?: QoEEstAlg=[A-Za-z0-9.]+)?$"},
};

static void
assert_line(const char *line)
{
    size_t len = strcspn(line, ":");

    for (gsize i = 0; i < G_N_ELEMENTS(grammar); i++) {
        if (strlen(grammar[i].name) == len && strncmp(line, grammar[i].name, len) == 0) {
            if (!g_regex_match_simple(grammar[i].pattern, line + len, 0, 0)) {
                g_error("not as the grammar says: %s", line);
            }
            return;
        }
    }
    g_error("no line of the grammar: %s", line);
}

static void
assert_grammar(const char *body)
{
    g_auto(GStrv) lines = g_strsplit(body, "\r\n", -1);
    guint n = g_strv_length(lines);

    g_assert_cmpstr(lines[n - 1], ==, "");
    for (guint i = 0; i + 1 < n; i++) {
        assert_line(lines[i]);
    }
}

static DmMediaFormat
format(DmCodec codec, uint8_t pt, const char *name)
{
    DmMediaFormat made = {.codec = codec, .pt = pt, .clock_hz = 8000, .channels = 1};

    g_strlcpy(made.name, name, sizeof made.name);
    return made;
}

static const DmVoipMetrics heard = {
    .known = true,
    .ssrc = 0xcafe0001,
    .loss_rate = 13, /* 5.1 % */
    .discard_rate = 2,
    .burst_density = 64,
    .gap_density = 1,
    .gmin = 16,
    .burst_ms = 240,
    .gap_ms = 12000,
    .round_trip_ms = 81,
    .signal_dbm = DM_VOIP_UNKNOWN,
    .noise_dbm = DM_VOIP_UNKNOWN,
    .echo_loss_db = DM_VOIP_UNKNOWN,
    .r_factor = 78,
    .other_r_factor = DM_VOIP_UNKNOWN,
    .mos_lq_x10 = 40,
    .mos_cq_x10 = 39,
    .config = 0xb0,
    .buffer_nominal_ms = 40,
    .buffer_max_ms = 200,
    .buffer_limit_ms = 200,
};

/* A minute between a PBX and a carrier. */
static void
agree(DmRecord *record, DmSide side, const DmMediaSideSpec *spec)
{
    g_autoptr(DmPacked) agreed = dm_packed_new(spec, sizeof *spec);

    dm_record_set_agreed(record, side, agreed);
}

static DmRecord *
call(void)
{
    DmRecord *record = dm_record_new();
    DmMediaSpec agreed = {0};
    DmMediaReport reported = {0};

    record->node = g_strdup("gw-1");
    record->has_media = true;
    record->answer_wall_us = INT64_C(1767225605500000);
    record->end_wall_us = record->answer_wall_us + 60 * G_USEC_PER_SEC;
    record->in.from = g_strdup("100");
    record->in.ruri = g_strdup("0207946#");
    record->out.from = g_strdup("+442079460000");
    record->out.ruri = g_strdup("+442079460018");
    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        DmMediaSideSpec *spec = &agreed.side[side];
        DmMediaSideReport *report = &reported.side[side];

        record->leg[side].trunk = g_strdup(side == DM_SIDE_A ? "pbx" : "carrier");
        record->leg[side].call_id = g_strdup(side == DM_SIDE_A ? "a@pbx" : "b7f");
        g_assert_true(dm_address_parse(&record->leg[side].local, "192.0.2.1", 5060));
        g_assert_true(dm_address_parse(&record->leg[side].remote, "2001:db8::7", 5060));
        g_assert_true(dm_address_parse(&report->local, "192.0.2.1", 30000));
        g_assert_true(dm_address_parse(&spec->remote_rtp, "192.0.2.9", 4000));
        spec->recv[0] = spec->send[0] = format(DM_CODEC_PCMA, 8, "PCMA");
        spec->n_recv = spec->n_send = 1;
        report->pt = 8;
        report->codec = DM_CODEC_PCMA;
        report->ssrc_rx = heard.ssrc;
        report->ssrc_tx = 0x1234;
        report->jitter_us = 3600;
        report->heard = heard;
    }
    agree(record, DM_SIDE_A, &agreed.side[DM_SIDE_A]);
    agree(record, DM_SIDE_B, &agreed.side[DM_SIDE_B]);
    dm_record_set_report(record, &reported);
    return record;
}

static void
assert_has(const char *body, const char *line)
{
    g_autofree char *whole = g_strconcat("\r\n", line, "\r\n", NULL);

    if (strstr(body, whole) == NULL) {
        g_error("no line '%s' in:\n%s", line, body);
    }
}

static void
test_final(void)
{
    g_autoptr(DmRecord) record = call();
    GString *body;

    g_test_summary("MED-8, RFC 6035: the last report of the caller's leg, every line as the "
                   "grammar says; what is unknown is not there");
    body = dm_quality_report_print(record, DM_SIDE_A, 0);
    assert_grammar(body->str);
    g_assert_true(g_str_has_prefix(body->str, "VQSessionReport: CallTerm\r\nCallID: a@pbx\r\n"));
    assert_has(body->str, "LocalID: <sip:0207946%23@192.0.2.1>");
    assert_has(body->str, "RemoteID: <sip:100@[2001:db8::7]>");
    assert_has(body->str, "OrigID: <sip:100@[2001:db8::7]>");
    assert_has(body->str, "LocalAddr: IP=192.0.2.1 PORT=30000 SSRC=0x00001234");
    assert_has(body->str, "RemoteAddr: IP=192.0.2.9 PORT=4000 SSRC=0xcafe0001");
    assert_has(body->str, "LocalGroup: gw-1");
    assert_has(body->str, "RemoteGroup: pbx");
    assert_has(body->str, "Timestamps: START=2026-01-01T00:00:05Z STOP=2026-01-01T00:01:05Z");
    assert_has(body->str, "SessionDesc: PT=8 PD=PCMA SR=8000 PPS=50 FD=20 FPP=1 PLC=2 SSUP=off");
    assert_has(body->str, "JitterBuffer: JBA=3 JBR=0 JBN=40 JBM=200 JBX=200");
    assert_has(body->str, "PacketLoss: NLR=5.1 JDR=0.8");
    assert_has(body->str, "BurstGapLoss: BLD=25.0 BD=240 GLD=0.4 GD=12000 GMIN=16");
    assert_has(body->str, "Delay: RTD=81 IAJ=4");
    assert_has(body->str, "QualityEst: RCQ=78 MOSLQ=4.0 MOSCQ=3.9 QoEEstAlg=G.107");
    g_assert_null(strstr(body->str, "Signal"));
    g_assert_null(strstr(body->str, "RemoteMetrics"));
    g_string_free(body, TRUE);
}

static void
test_remote(void)
{
    g_autoptr(DmRecord) record = call();
    DmMediaReport report = dm_record_report(record);
    DmVoipMetrics *told = &report.side[DM_SIDE_B].told;
    const char *remote;
    GString *body;

    g_test_summary("What the peer told by RTCP-XR is in RemoteMetrics; on the called leg the call "
                   "comes from us");
    *told = heard;
    told->loss_rate = 26;
    told->signal_dbm = -18;
    told->echo_loss_db = 14;
    told->config = 0;
    told->r_factor = told->mos_lq_x10 = told->mos_cq_x10 = DM_VOIP_UNKNOWN;
    dm_record_set_report(record, &report);
    body = dm_quality_report_print(record, DM_SIDE_B, 0);
    assert_grammar(body->str);
    assert_has(body->str, "OrigID: <sip:+442079460000@192.0.2.1>");
    remote = strstr(body->str, "RemoteMetrics:\r\n");
    g_assert_nonnull(remote);
    assert_has(remote, "PacketLoss: NLR=10.2 JDR=0.8");
    assert_has(remote, "Signal: SL=-18 RERL=14");
    g_assert_null(strstr(remote, "QualityEst"));
    g_string_free(body, TRUE);
}

static const char *
print_told(DmRecord *record, const DmVoipMetrics *told, GString **out_body)
{
    DmMediaReport report = dm_record_report(record);

    report.side[DM_SIDE_A].told = *told;
    report.side[DM_SIDE_A].tx_jitter_us = 2000;
    dm_record_set_report(record, &report);
    *out_body = dm_quality_report_print(record, DM_SIDE_A, 0);
    assert_grammar((*out_body)->str);
    return strstr((*out_body)->str, "RemoteMetrics:\r\n");
}

static void
test_example(void)
{
    g_autoptr(DmRecord) record = call();
    DmVoipMetrics told = heard;
    const char *remote;
    GString *body;

    g_test_summary("RFC 6035, 4.7.3: the figures of its example, told by the peer, read as there");
    told.loss_rate = 13;
    told.discard_rate = 5;
    told.burst_density = told.burst_ms = 0;
    told.gap_density = 5;
    told.gap_ms = 500;
    told.round_trip_ms = 200;
    told.end_system_ms = 140;
    told.signal_dbm = -21;
    told.noise_dbm = -50;
    told.echo_loss_db = 55;
    told.r_factor = 85;
    told.other_r_factor = 90;
    told.mos_lq_x10 = 42;
    told.mos_cq_x10 = 43;
    told.config = 0xf2; /* PLC 3, JBA 3, JBR 2 */
    told.buffer_max_ms = 80;
    told.buffer_limit_ms = 120;
    remote = print_told(record, &told, &body);
    assert_has(remote, "JitterBuffer: JBA=3 JBR=2 JBN=40 JBM=80 JBX=120");
    assert_has(remote, "PacketLoss: NLR=5.1 JDR=2.0"); /* 5 % is not a number of 256ths */
    assert_has(remote, "BurstGapLoss: BLD=0.0 BD=0 GLD=2.0 GD=500 GMIN=16");
    assert_has(remote, "Delay: RTD=200 ESD=140 IAJ=2");
    assert_has(remote, "Signal: SL=-21 NL=-50 RERL=55");
    assert_has(remote, "QualityEst: RCQ=85 EXTRI=90 MOSLQ=4.2 MOSCQ=4.3");
    g_assert_nonnull(strstr(remote, " PLC=3 "));
    g_string_free(body, TRUE);
}

static void
test_peer_out_of_range(void)
{
    g_autoptr(DmRecord) record = call();
    DmVoipMetrics told = heard;
    const char *remote;
    GString *body;

    g_test_summary("RFC 3611, 4.7, RFC 6035, 4.6: what the peer told that has no meaning, and what "
                   "it said it does not know, is left out");
    told.signal_dbm = -128;
    told.noise_dbm = -100;
    told.echo_loss_db = 200;
    told.r_factor = 121;
    told.mos_lq_x10 = 9;
    told.mos_cq_x10 = 51;
    told.gmin = 0;
    told.round_trip_ms = told.end_system_ms = 0;
    told.config = 0x10;
    remote = print_told(record, &told, &body);
    g_assert_null(strstr(remote, "Signal"));
    g_assert_null(strstr(remote, "QualityEst"));
    assert_has(remote, "Delay: IAJ=2");
    g_assert_nonnull(strstr(remote, " GMIN=1\r\n"));
    g_assert_nonnull(strstr(remote, "JitterBuffer: JBA=0 "));
    g_string_free(body, TRUE);
}

static void
test_order(void)
{
    static const char *const order[] = {
        "CallID",
        "LocalID",
        "RemoteID",
        "OrigID",
        "LocalAddr",
        "RemoteAddr",
        "LocalGroup",
        "RemoteGroup",
        "LocalMetrics",
        "Timestamps",
        "SessionDesc",
        "JitterBuffer",
        "PacketLoss",
        "BurstGapLoss",
        "Delay",
        "QualityEst",
    };
    g_autoptr(DmRecord) record = call();
    GString *body = dm_quality_report_print(record, DM_SIDE_A, 0);
    const char *at = body->str;

    g_test_summary("RFC 6035, 4.6.1: SessionInfo and Metrics have their lines in this order");
    for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
        g_autofree char *line = g_strdup_printf("\r\n%s:", order[i]);

        at = strstr(at, line);
        g_assert_nonnull(at);
        g_assert_true(strstr(at + 2, line) == NULL);
    }
    g_string_free(body, TRUE);
}

static void
test_interval(void)
{
    g_autoptr(DmRecord) record = call();
    GString *body;

    g_test_summary("In the middle of a call: an interval report, of the call so far");
    body = dm_quality_report_print(record, DM_SIDE_A, record->answer_wall_us + 10 * G_USEC_PER_SEC);
    assert_grammar(body->str);
    g_assert_true(g_str_has_prefix(body->str, "VQIntervalReport\r\n"));
    assert_has(body->str, "Timestamps: START=2026-01-01T00:00:05Z STOP=2026-01-01T00:00:15Z");
    g_string_free(body, TRUE);
}

static void
test_nothing_heard(void)
{
    g_autoptr(DmRecord) record = call();
    DmMediaReport report = dm_record_report(record);
    GString *body;

    g_test_summary("Nothing came from the peer: there are no figures, and none are made up");
    report.side[DM_SIDE_A].heard = (DmVoipMetrics){0};
    dm_record_set_report(record, &report);
    body = dm_quality_report_print(record, DM_SIDE_A, 0);
    assert_grammar(body->str);
    g_assert_null(strstr(body->str, "NLR"));
    g_assert_null(strstr(body->str, "MOS"));
    g_string_free(body, TRUE);
}

static void
test_nothing_to_tell(void)
{
    g_autoptr(DmRecord) record = call();

    g_test_summary("Fax by T.38, calls without media and calls never answered are not reported");
    agree(record, DM_SIDE_A, &(DmMediaSideSpec){.is_t38 = true});
    g_assert_null(dm_quality_report_print(record, DM_SIDE_A, 0));
    record->has_media = false;
    g_assert_null(dm_quality_report_print(record, DM_SIDE_B, 0));
    record->has_media = true;
    record->answer_wall_us = 0;
    g_assert_null(dm_quality_report_print(record, DM_SIDE_B, 0));
}

static void
test_hostile_text(void)
{
    g_autoptr(DmRecord) record = call();
    GString *body;

    g_test_summary("SEC-5: what peers wrote does not begin a line of its own");
    g_free(record->in.from);
    record->in.from = g_strdup("1\r\nNLR: 0>");
    g_free(record->leg[DM_SIDE_A].call_id);
    record->leg[DM_SIDE_A].call_id = g_strdup("x\r\nOrigID: y");
    body = dm_quality_report_print(record, DM_SIDE_A, 0);
    assert_grammar(body->str);
    assert_has(body->str, "RemoteID: <sip:1%0D%0ANLR%3A%200%3E@[2001:db8::7]>");
    assert_has(body->str, "CallID: x--OrigID:-y");
    g_string_free(body, TRUE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cdr/quality-report/final", test_final);
    g_test_add_func("/cdr/quality-report/remote", test_remote);
    g_test_add_func("/cdr/quality-report/example", test_example);
    g_test_add_func("/cdr/quality-report/out-of-range", test_peer_out_of_range);
    g_test_add_func("/cdr/quality-report/order", test_order);
    g_test_add_func("/cdr/quality-report/interval", test_interval);
    g_test_add_func("/cdr/quality-report/nothing-heard", test_nothing_heard);
    g_test_add_func("/cdr/quality-report/nothing-to-tell", test_nothing_to_tell);
    g_test_add_func("/cdr/quality-report/hostile", test_hostile_text);
    return g_test_run();
}
