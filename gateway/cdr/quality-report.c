/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/quality-report.h"

#include <string.h>

/* RFC 6035, 4.6.1: every line is a name, a colon and its values, in this order; 4.6: what is not
 * known is left out. Its examples (4.7) have some values elsewhere: the grammar is what counts. */
#define LINE_MAX_BYTES 512

/* What the grammar has digits for, or the text a meaning. */
#define MAX_LEVEL   99
#define MAX_RERL    126
#define MAX_RATING  120
#define MIN_MOS_X10 10
#define MAX_MOS_X10 50

static void
add_time(GString *out, const char *name, int64_t wall_us)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall_us / G_USEC_PER_SEC);
    g_autofree char *text = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");

    g_string_append_printf(out, "%s=%s", name, text);
}

/* --- who --- */

/* RFC 3261, 25.1: what a user part has unescaped. */
static void
add_user(GString *out, const char *user)
{
    for (; *user != '\0'; user++) {
        if (g_ascii_isalnum(*user) || strchr("-_.!~*'()&=+$,;?/", *user) != NULL) {
            g_string_append_c(out, *user);
        } else {
            g_string_append_printf(out, "%%%02X", (unsigned char)*user);
        }
    }
}

static void
add_party(GString *out, const char *name, const char *user, const DmAddress *address)
{
    char host[DM_ADDRESS_TEXT_MAX] = "invalid"; /* RFC 2606 */

    if (dm_address_is_set(address)) {
        dm_address_uri_host(address, host);
    }
    g_string_append_printf(out, "%s: <sip:", name);
    if (user != NULL && *user != '\0') {
        add_user(out, user);
        g_string_append_c(out, '@');
    }
    g_string_append_printf(out, "%s>\r\n", host);
}

/* As it is, but for what would end the line. */
static void
add_text(GString *out, const char *name, const char *text)
{
    g_string_append_printf(out, "%s: ", name);
    for (const char *p = text; *p != '\0' && p < text + LINE_MAX_BYTES; p++) {
        g_string_append_c(out, g_ascii_isgraph(*p) ? *p : '-');
    }
    g_string_append(out, "\r\n");
}

static const char *
or_dash(const char *text)
{
    return text != NULL && *text != '\0' ? text : "-";
}

/* On the caller's leg the peer is who calls; on the other one we are. */
static void
add_parties(GString *out, const DmRecord *record, DmSide side)
{
    const DmRecordLeg *leg = &record->leg[side];
    const DmRecordIdentity *who = side == DM_SIDE_A ? &record->in : &record->out;
    const char *near_user = side == DM_SIDE_A ? who->ruri : who->from;
    const char *far_user = side == DM_SIDE_A ? who->from : who->ruri;

    add_text(out, "CallID", or_dash(leg->call_id));
    add_party(out, "LocalID", near_user, &leg->local);
    add_party(out, "RemoteID", far_user, &leg->remote);
    if (side == DM_SIDE_A) {
        add_party(out, "OrigID", far_user, &leg->remote);
    } else {
        add_party(out, "OrigID", near_user, &leg->local);
    }
}

static void
add_address(GString *out, const char *name, const DmAddress *address, uint32_t ssrc)
{
    char host[DM_ADDRESS_TEXT_MAX] = "0.0.0.0";

    if (dm_address_is_set(address)) {
        dm_address_host(address, host);
    }
    g_string_append_printf(out,
                           "%s: IP=%s PORT=%u SSRC=0x%08x\r\n",
                           name,
                           host,
                           dm_address_port(address),
                           ssrc);
}

static void
add_session(GString *out, const DmRecord *record, DmSide side)
{
    const DmMediaSideReport report = dm_record_report(record).side[side];
    const DmAddress agreed = dm_record_spec(record, side).remote_rtp;
    const DmAddress *remote = dm_address_is_set(&report.latched) ? &report.latched : &agreed;

    add_parties(out, record, side);
    add_address(out, "LocalAddr", &report.local, report.ssrc_tx);
    add_address(out, "RemoteAddr", remote, report.ssrc_rx);
    add_text(out, "LocalGroup", or_dash(record->node));
    add_text(out, "RemoteGroup", or_dash(record->leg[side].trunk));
}

/* --- how it was --- */

static const DmMediaFormat *
find_format(const DmMediaFormat *formats, unsigned n, uint8_t pt, DmCodec codec)
{
    for (unsigned i = 0; i < n; i++) {
        if (formats[i].pt == pt && formats[i].codec == codec) {
            return &formats[i];
        }
    }
    return n > 0 ? &formats[0] : NULL;
}

/* G.722's clock is not its rate (RFC 3551, 4.5.2). */
static unsigned
sample_rate(const DmMediaFormat *format)
{
    return format->codec == DM_CODEC_G722 ? 16000 : format->clock_hz;
}

static bool
has_noise(const DmMediaSideSpec *spec)
{
    for (unsigned i = 0; i < spec->n_recv; i++) {
        if (spec->recv[i].codec == DM_CODEC_CN) {
            return true;
        }
    }
    return false;
}

/* @concealment: as in DmVoipMetrics.config; 0: not told. */
static void
add_description(GString *out,
                const DmMediaSideSpec *spec,
                const DmMediaFormat *format,
                unsigned concealment)
{
    unsigned ptime_ms = spec->ptime_ms != 0 ? spec->ptime_ms : 20;

    if (format == NULL) {
        return;
    }
    g_string_append_printf(out,
                           "SessionDesc: PT=%u PD=%s SR=%u PPS=%u FD=%u FPP=1 PLC=%u SSUP=%s\r\n",
                           format->pt,
                           format->name,
                           sample_rate(format),
                           1000 / ptime_ms,
                           ptime_ms,
                           concealment,
                           has_noise(spec) ? "on" : "off");
}

/* 256ths as percent, with one decimal. */
static void
add_percent(GString *out, const char *name, unsigned rate)
{
    unsigned tenths = (rate * 1000 + 128) / 256;

    g_string_append_printf(out, " %s=%u.%u", name, tenths / 10, tenths % 10);
}

/* RFC 3611, 4.7.6: 1 means nothing. */
static unsigned
kind_of_buffer(const DmVoipMetrics *metrics)
{
    unsigned kind = metrics->config >> 4 & 3;

    return kind == 1 ? 0 : kind;
}

static void
add_losses(GString *out, const DmVoipMetrics *metrics)
{
    g_string_append_printf(out,
                           "JitterBuffer: JBA=%u JBR=%u JBN=%u JBM=%u JBX=%u\r\nPacketLoss:",
                           kind_of_buffer(metrics),
                           metrics->config & 15,
                           metrics->buffer_nominal_ms,
                           metrics->buffer_max_ms,
                           metrics->buffer_limit_ms);
    add_percent(out, "NLR", metrics->loss_rate);
    add_percent(out, "JDR", metrics->discard_rate);
    g_string_append(out, "\r\nBurstGapLoss:");
    add_percent(out, "BLD", metrics->burst_density);
    g_string_append_printf(out, " BD=%u", metrics->burst_ms);
    add_percent(out, "GLD", metrics->gap_density);
    g_string_append_printf(out, " GD=%u GMIN=%u\r\n", metrics->gap_ms, MAX(metrics->gmin, 1));
}

/* RFC 3611, 4.7.3: a delay of 0 is one that is not known. */
static void
add_delays(GString *out, const DmVoipMetrics *metrics, uint32_t jitter_us)
{
    g_string_append(out, "Delay:");
    if (metrics->round_trip_ms != 0) {
        g_string_append_printf(out, " RTD=%u", metrics->round_trip_ms);
    }
    if (metrics->end_system_ms != 0) {
        g_string_append_printf(out, " ESD=%u", metrics->end_system_ms);
    }
    g_string_append_printf(out, " IAJ=%u\r\n", MIN((jitter_us + 500) / 1000, UINT16_MAX));
}

static void
add_between(GString *out, const char *name, int value, int min, int max)
{
    if (value >= min && value <= max) {
        g_string_append_printf(out, " %s=%d", name, value);
    }
}

/* A line whose values are all unknown is left out. */
static void
end_line(GString *out, gsize before, const char *name)
{
    if (out->len == before) {
        return;
    }
    g_string_insert(out, (gssize)before, name);
    g_string_append(out, "\r\n");
}

static void
add_levels(GString *out, const DmVoipMetrics *metrics)
{
    gsize before = out->len;

    add_between(out, "SL", metrics->signal_dbm, -MAX_LEVEL, MAX_LEVEL);
    add_between(out, "NL", metrics->noise_dbm, -MAX_LEVEL, MAX_LEVEL);
    add_between(out, "RERL", metrics->echo_loss_db, 0, MAX_RERL);
    end_line(out, before, "Signal:");
}

static void
add_opinion(GString *out, const char *name, uint8_t mos_x10)
{
    if (mos_x10 >= MIN_MOS_X10 && mos_x10 <= MAX_MOS_X10) {
        g_string_append_printf(out, " %s=%u.%u", name, mos_x10 / 10, mos_x10 % 10);
    }
}

/* @algorithm: (nullable): that the figures come from. */
static void
add_estimates(GString *out, const DmVoipMetrics *metrics, const char *algorithm)
{
    gsize before = out->len;

    add_between(out, "RCQ", metrics->r_factor, 0, MAX_RATING);
    add_between(out, "EXTRI", metrics->other_r_factor, 0, MAX_RATING);
    add_opinion(out, "MOSLQ", metrics->mos_lq_x10);
    add_opinion(out, "MOSCQ", metrics->mos_cq_x10);
    if (out->len > before && algorithm != NULL) {
        g_string_append_printf(out, " QoEEstAlg=%s", algorithm);
    }
    end_line(out, before, "QualityEst:");
}

static void
add_span(GString *out, const DmRecord *record, int64_t end_wall_us)
{
    g_string_append(out, "Timestamps: ");
    add_time(out, "START", record->answer_wall_us);
    g_string_append_c(out, ' ');
    add_time(out, "STOP", end_wall_us);
    g_string_append(out, "\r\n");
}

/* What the peer sends. */
static void
add_local(GString *out, const DmRecord *record, DmSide side, int64_t end_wall_us)
{
    const DmMediaSideSpec spec = dm_record_spec(record, side);
    const DmMediaSideReport report = dm_record_report(record).side[side];
    const DmVoipMetrics *heard = &report.heard;

    g_string_append(out, "LocalMetrics:\r\n");
    add_span(out, record, end_wall_us);
    add_description(out,
                    &spec,
                    find_format(spec.recv, spec.n_recv, report.pt, report.codec),
                    heard->config >> 6);
    if (heard->known) {
        add_losses(out, heard);
        add_delays(out, heard, report.jitter_us);
        add_levels(out, heard);
        add_estimates(out, heard, "G.107");
    }
}

/* What we send. */
static void
add_remote(GString *out, const DmRecord *record, DmSide side, int64_t end_wall_us)
{
    const DmMediaSideSpec spec = dm_record_spec(record, side);
    const DmMediaSideReport report = dm_record_report(record).side[side];
    const DmVoipMetrics *told = &report.told;

    if (!told->known) {
        return;
    }
    g_string_append(out, "RemoteMetrics:\r\n");
    add_span(out, record, end_wall_us);
    add_description(out, &spec, spec.n_send > 0 ? &spec.send[0] : NULL, told->config >> 6);
    add_losses(out, told);
    add_delays(out, told, report.tx_jitter_us);
    add_levels(out, told);
    add_estimates(out, told, NULL);
}

GString *
dm_quality_report_print(const DmRecord *record, DmSide side, int64_t end_wall_us)
{
    bool is_last = end_wall_us == 0;
    GString *out;

    if (record->answer_wall_us == 0 || !record->has_media || dm_record_spec(record, side).is_t38 ||
        record->leg[side].trunk == NULL) {
        return NULL;
    }
    if (is_last) {
        end_wall_us = MAX(record->end_wall_us, record->answer_wall_us);
    }
    out = g_string_sized_new(1500);
    g_string_append(out, is_last ? "VQSessionReport: CallTerm\r\n" : "VQIntervalReport\r\n");
    add_session(out, record, side);
    add_local(out, record, side, end_wall_us);
    add_remote(out, record, side, end_wall_us);
    return out;
}
