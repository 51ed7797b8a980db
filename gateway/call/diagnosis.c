/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/diagnosis.h"

#include "gateway/call/cause.h"
#include "gateway/call/party.h"
#include "gateway/sdp/format.h"

void
dm_diagnose(DmCall *call, const char *code)
{
    DmRecord *record = call->record;

    if (code[0] != '\0' &&
        (record->release.diagnosis == NULL || record->release.diagnosis[0] == '\0')) {
        g_free(record->release.diagnosis);
        record->release.diagnosis = g_strdup(code);
    }
}

static const char *
side_name(DmSide side)
{
    return side == DM_SIDE_A ? "A" : "B";
}

/* A peer's description names an address its signalling does not come from and that is not routed on
 * the Internet. */
static bool
is_out_of_reach(const DmAddress *said, const DmAddress *from)
{
    return dm_address_is_set(said) && dm_address_is_set(from) && dm_address_is_private(said) &&
           !dm_address_is_private(from);
}

static void
explain_silent_side(DmCall *call, DmSide side)
{
    DmRecord *record = call->record;
    const DmMediaReport all = dm_record_report(record);
    const DmMediaSideReport *report = &all.side[side];
    const DmMediaSideSpec said = dm_record_spec(record, side);
    bool has_ice = said.ice.ufrag[0] != '\0'; /* then its checks say where it is */
    char text[DM_ADDRESS_TEXT_MAX];

    dm_record_add_evidence(record,
                           "No audio from side %s: %" G_GUINT64_FORMAT
                           " packets accepted, %" G_GUINT64_FORMAT
                           " from other sources dropped; it said it would send from %s",
                           side_name(side),
                           report->rx_packets,
                           report->rx_foreign_source,
                           dm_address_text(&said.remote_rtp, text));
    if (report->rx_srtp_auth > report->rx_packets) {
        dm_record_add_evidence(record,
                               "%" G_GUINT64_FORMAT " SRTP packets from side %s were not made with "
                               "the key it gave, or count otherwise (see rekey_resets_roc)",
                               report->rx_srtp_auth,
                               side_name(side));
        dm_diagnose(call, "srtp_mismatch");
    }
    if (!has_ice && is_out_of_reach(&said.remote_rtp, &record->leg[side].remote)) {
        dm_diagnose(call, "sdp_private_addr");
    }
}

void
dm_diagnose_audio(DmCall *call)
{
    static const char *const codes[] = {
        [DM_AUDIO_NONE] = "no_audio",
        [DM_AUDIO_A_ONLY] = "one_way_a",
        [DM_AUDIO_B_ONLY] = "one_way_b",
        [DM_AUDIO_BOTH] = "",
        [DM_AUDIO_UNKNOWN] = "",
    };
    DmAudioVerdict audio = call->record->audio;

    if (call->record->answer_mono_us == 0 || codes[audio][0] == '\0') {
        return;
    }
    if (audio == DM_AUDIO_NONE || audio == DM_AUDIO_B_ONLY) {
        explain_silent_side(call, DM_SIDE_A);
    }
    if (audio == DM_AUDIO_NONE || audio == DM_AUDIO_A_ONLY) {
        explain_silent_side(call, DM_SIDE_B);
    }
    dm_diagnose(call, codes[audio]);
}

/* What was bad of one direction; "": nothing. */
static const char *
quality_fault(const DmConfig *config, const DmMediaQuality *quality)
{
    if (quality->n == 0) {
        return "";
    }
    if (config->quality.loss_percent != 0 &&
        quality->loss_avg_x100 >= 100 * config->quality.loss_percent) {
        return "quality_loss";
    }
    if (config->quality.jitter_ms != 0 &&
        quality->jitter_avg_us >= 1000 * config->quality.jitter_ms) {
        return "quality_jitter";
    }
    return "";
}

static void
explain_quality(DmCall *call, const char *what, DmSide side, const DmMediaQuality *quality)
{
    const char *fault = quality_fault(call->config, quality);

    if (fault[0] == '\0') {
        return;
    }
    dm_record_add_evidence(call->record,
                           "What %s side %s: %u.%02u %% of packets lost, %u.%02u %% in the worst "
                           "5 s; jitter %u ms on average; MOS %u.%02u, %u.%02u at worst",
                           what,
                           side_name(side),
                           quality->loss_avg_x100 / 100,
                           quality->loss_avg_x100 % 100,
                           quality->loss_max_x100 / 100,
                           quality->loss_max_x100 % 100,
                           quality->jitter_avg_us / 1000,
                           quality->mos_avg_x100 / 100,
                           quality->mos_avg_x100 % 100,
                           quality->mos_min_x100 / 100,
                           quality->mos_min_x100 % 100);
    dm_diagnose(call, fault);
}

static void
explain_delay(DmCall *call, DmSide side)
{
    uint32_t rtt_us = dm_record_report(call->record).side[side].rtt_us;
    unsigned limit_ms = call->config->quality.rtt_ms;

    if (limit_ms == 0 || rtt_us < 1000 * limit_ms) {
        return;
    }
    dm_record_add_evidence(call->record,
                           "The way to side %s and back takes %u ms",
                           side_name(side),
                           rtt_us / 1000);
    dm_diagnose(call, "quality_delay");
}

void
dm_diagnose_quality(DmCall *call)
{
    const DmMediaReport report = dm_record_report(call->record);

    if (call->record->answer_mono_us == 0) {
        return;
    }
    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        explain_quality(call, "came from", side, &report.side[side].in);
        explain_quality(call, "went to", side, &report.side[side].out);
        explain_delay(call, side);
    }
}

static bool
has_events(const DmMediaSideSpec *spec)
{
    for (unsigned i = 0; i < spec->n_send; i++) {
        if (spec->send[i].codec == DM_CODEC_TELEPHONE_EVENT) {
            return true;
        }
    }
    return false;
}

/* @side was to get the other side's keys as events, and has not agreed to any. */
static void
explain_missing_events(DmCall *call, DmSide side)
{
    const DmMediaSideSpec spec = dm_record_spec(call->record, side);
    uint64_t n_pressed = dm_record_report(call->record).side[dm_side_other(side)].dtmf_events;

    if (n_pressed == 0 || has_events(&spec) ||
        (spec.keys != DM_KEYS_AUTO && spec.keys != DM_KEYS_EVENTS)) {
        return;
    }
    dm_record_add_evidence(call->record,
                           "Side %s has not agreed to telephone-event; %" G_GUINT64_FORMAT
                           " keys of the other side %s",
                           side_name(side),
                           n_pressed,
                           spec.keys == DM_KEYS_AUTO ? "went to it as tones, if its codec allows"
                                                     : "did not reach it");
    dm_diagnose(call, "dtmf_not_negotiated");
}

static void
explain_duplicates(DmCall *call, DmSide side)
{
    uint64_t n = dm_record_report(call->record).side[side].dtmf_duplicates;

    if (n > 0) {
        dm_record_add_evidence(call->record,
                               "Side %s told of %" G_GUINT64_FORMAT
                               " keys in two ways at once; each was passed on once",
                               side_name(side),
                               n);
        dm_diagnose(call, "dtmf_dup_suppressed");
    }
}

void
dm_diagnose_keys(DmCall *call)
{
    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        explain_missing_events(call, side);
        explain_duplicates(call, side);
    }
}

void
dm_diagnose_address(DmParty *party)
{
    DmRecord *record = party->call->record;
    const DmAddress *from = &record->leg[party->side].remote;
    const DmMediaSideSpec said = dm_party_spec(party);
    char said_text[DM_ADDRESS_TEXT_MAX];
    char from_text[DM_ADDRESS_TEXT_MAX];

    if (said.ice.ufrag[0] == '\0' && is_out_of_reach(&said.remote_rtp, from)) {
        dm_record_add_evidence(
            record,
            "Side %s asks for audio at the private address %s although it is at %s",
            side_name(party->side),
            dm_address_text(&said.remote_rtp, said_text),
            dm_address_text(from, from_text));
    }
}

static void
append_name(GString *text, const char *name)
{
    g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", name);
}

static char *
formats_of(const DmSdp *sdp)
{
    GString *text = g_string_new(NULL);

    for (unsigned m = 0; sdp != NULL && m < dm_sdp_n_media(sdp); m++) {
        const DmSdpMedia *media = dm_sdp_media(sdp, m);

        for (unsigned i = 0; media->type == DM_SDP_AUDIO && i < media->n_formats; i++) {
            if (dm_format_is_speech(&media->formats[i])) {
                append_name(text, media->formats[i].name);
            }
        }
    }
    return g_string_free(text, FALSE);
}

static char *
codecs_of(const DmTrunkConfig *trunk)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < trunk->media.codecs->len; i++) {
        DmMediaFormat format;
        bool is_known = dm_format_of_codec(g_array_index(trunk->media.codecs, DmCodec, i), &format);

        append_name(text, is_known ? format.name : "other");
    }
    return g_string_free(text, FALSE);
}

void
dm_diagnose_codecs(DmCall *call, const char *who, const DmSdp *offer, const DmTrunkConfig *trunk)
{
    g_autofree char *listed = formats_of(offer);
    g_autofree char *allowed = codecs_of(trunk);

    dm_record_add_evidence(call->record,
                           "%s listed %s; trunk '%s' allows %s",
                           who,
                           listed[0] != '\0' ? listed : "no usable audio",
                           trunk->id,
                           allowed);
}

static bool
is_about_srtp(DmSdpVerdict verdict)
{
    return verdict == DM_SDP_SRTP_UNSUPPORTED || verdict == DM_SDP_SRTP_REQUIRED;
}

static const char *
warning_of(DmSdpVerdict verdict)
{
    switch (verdict) {
    case DM_SDP_SRTP_REQUIRED:
        return "SRTP is required";
    case DM_SDP_SRTP_UNSUPPORTED:
        return "SRTP is not available";
    case DM_SDP_NO_AUDIO:
        return "media type not available";
    default:
        return "incompatible media format";
    }
}

DmRelease
dm_diagnose_refusal(DmSdpVerdict verdict)
{
    DmRelease why = {
        .cause = DM_RELEASE_LOCAL,
        .status = 488,
        .q850 = DM_Q850_INCOMPATIBLE,
        .warning_code = verdict == DM_SDP_NO_AUDIO ? 304 : 305,
    };

    g_strlcpy(why.reason, dm_status_phrase(488), sizeof why.reason);
    g_strlcpy(why.warning, warning_of(verdict), sizeof why.warning);
    g_strlcpy(why.diagnosis,
              is_about_srtp(verdict) ? "srtp_mismatch" : "codec_mismatch",
              sizeof why.diagnosis);
    return why;
}

/* "audio with port 0, video" */
static char *
lines_of(const DmSdp *sdp)
{
    GString *text = g_string_new(NULL);

    for (unsigned m = 0; sdp != NULL && m < dm_sdp_n_media(sdp); m++) {
        const DmSdpMedia *media = dm_sdp_media(sdp, m);

        append_name(text, media->type_name);
        g_string_append(text, media->port == 0 ? " with port 0" : "");
    }
    return g_string_free(text, FALSE);
}

static void
diagnose_lines(DmCall *call, const char *who, const DmSdp *sdp)
{
    g_autofree char *lines = lines_of(sdp);

    dm_record_add_evidence(call->record,
                           "%s described %s",
                           who,
                           lines[0] != '\0' ? lines : "no media at all");
}

static char *
suites_of(const DmSdp *sdp)
{
    GString *text = g_string_new(NULL);

    for (unsigned m = 0; sdp != NULL && m < dm_sdp_n_media(sdp); m++) {
        const DmSdpMedia *media = dm_sdp_media(sdp, m);

        for (unsigned i = 0; i < media->n_crypto; i++) {
            append_name(text, dm_srtp_suite_name((DmSrtpSuite)media->crypto[i].key.suite));
        }
    }
    return g_string_free(text, FALSE);
}

void
dm_diagnose_sdp(DmCall *call,
                DmSdpVerdict verdict,
                const char *who,
                const DmSdp *sdp,
                const DmTrunkConfig *trunk)
{
    g_autofree char *suites = NULL;

    if (verdict == DM_SDP_NO_AUDIO || verdict == DM_SDP_BAD_ANSWER) {
        diagnose_lines(call, who, sdp);
        return;
    }
    if (!is_about_srtp(verdict)) {
        dm_diagnose_codecs(call, who, sdp, trunk);
        return;
    }
    suites = suites_of(sdp);
    dm_record_add_evidence(call->record,
                           "%s described %s%s; trunk '%s' has SRTP %s",
                           who,
                           suites[0] != '\0' ? "SRTP with " : "no SRTP suite that we know",
                           suites,
                           trunk->id,
                           dm_srtp_policy_name(trunk->media.srtp));
}

void
dm_diagnose_ack(DmCall *call)
{
    const DmRecordLeg *leg = &call->record->leg[DM_SIDE_A];
    char from[DM_ADDRESS_TEXT_MAX];
    char at[DM_ADDRESS_TEXT_MAX];

    dm_record_add_evidence(
        call->record,
        "No ACK to our 200: the caller is at %s, our Contact was %s; its ACK does not reach that",
        dm_address_text(&leg->remote, from),
        dm_address_text(&leg->local, at));
}
