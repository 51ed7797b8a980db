/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/negotiate.h"

#include "gateway/sdp/crypto.h"
#include "gateway/sdp/line.h"
#include "gateway/sdp/t38.h"
#include "gateway/sdp/transport.h"

#define DEFAULT_DTMF_PT 101
/* Room for one event format of each clock a codec of ours has. */
#define MAX_SPEECH_FORMATS (DM_MEDIA_MAX_FORMATS - 3)

const char *
dm_sdp_verdict_name(DmSdpVerdict verdict)
{
    static const char *const names[] = {
        [DM_SDP_OK] = "ok",
        [DM_SDP_NO_COMMON_CODEC] = "no common codec",
        [DM_SDP_NO_AUDIO] = "no audio",
        [DM_SDP_BAD_ANSWER] = "answer does not fit the offer",
        [DM_SDP_SRTP_UNSUPPORTED] = "no SRTP suite in common",
        [DM_SDP_SRTP_REQUIRED] = "SRTP is required",
        [DM_SDP_NO_T38] = "no T.38",
    };

    return names[verdict];
}

/* An offer in the making: its one live line, and how that line looked when last sent. */
typedef struct {
    DmSdpDraft draft;
    DmSdpMedia *line;
    const DmSdpMedia *previous; /* or NULL */
    const DmSdpPolicy *policy;
    uint8_t dtmf_pt;
} Offer;

static void
offer_clear(Offer *offer)
{
    dm_sdp_draft_clear(&offer->draft);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Offer, offer_clear)

static int
audio_place(const DmSdp *sdp)
{
    unsigned index;
    DmSdpVerdict why;

    if (dm_line_find_audio(sdp, NULL, &index, &why) != NULL) {
        return (int)index;
    }
    for (unsigned i = 0; i < sdp->n_media; i++) {
        if (sdp->media[i].type == DM_SDP_AUDIO && dm_sdp_media_is_rtp(&sdp->media[i])) {
            return (int)i; /* refused before, may live again (RFC 3264, 8.1) */
        }
    }
    return -1;
}

/* A description only ever grows, and its lines keep their places (RFC 3264, 8). */
static bool
begin_offer(Offer *offer,
            const DmSdpPolicy *policy,
            DmMediaDirection direction,
            const DmSdp *previous)
{
    int place = previous != NULL ? audio_place(previous) : -1;

    dm_sdp_draft_init(&offer->draft);
    if (place < 0 && previous != NULL && previous->n_media == DM_SDP_MAX_MEDIA) {
        return false;
    }
    offer->policy = policy;
    offer->dtmf_pt = policy->dtmf_pt != 0 ? policy->dtmf_pt : DEFAULT_DTMF_PT;
    offer->previous = place >= 0 ? &previous->media[place] : NULL;
    dm_line_refuse_all(&offer->draft, previous);
    offer->line = dm_line_at(&offer->draft, place);
    dm_line_open(offer->line, policy, direction);
    dm_crypto_offer(&offer->draft, offer->line, policy, offer->previous);
    dm_ice_offer(offer->line, policy, offer->previous);
    offer->line->ptime_ms = policy->ptime_ms;
    offer->line->rtcp_xr = policy->rtcp_xr || (offer->previous != NULL && offer->previous->rtcp_xr);
    return true;
}

static void
add_numbered(Offer *offer, const DmMediaFormat *format)
{
    dm_line_add_numbered(&offer->draft, offer->line, format, offer->previous, offer->dtmf_pt);
}

static void
offer_format(Offer *offer, const DmMediaFormat *format)
{
    if (offer->line->n_formats < MAX_SPEECH_FORMATS) {
        add_numbered(offer, format);
    }
}

static void
offer_formats_of(Offer *offer, const DmSdpMedia *from)
{
    for (unsigned i = 0; i < from->n_formats; i++) {
        const DmMediaFormat *format = &from->formats[i];

        if (dm_format_is_speech(format) && dm_policy_allows(offer->policy, format->codec) &&
            dm_line_find_relay(offer->line, format) == NULL) {
            offer_format(offer, format);
        }
    }
}

static void
offer_codec(Offer *offer, DmCodec codec)
{
    DmMediaFormat format;

    if (dm_format_of_codec(codec, &format) && dm_format_is_speech(&format) &&
        dm_line_find_relay(offer->line, &format) == NULL) {
        format.fmtp = dm_format_own_fmtp(codec);
        offer_format(offer, &format);
    }
}

static void
offer_transcoded(Offer *offer, const DmSdpMedia *from)
{
    DmMediaFormat format;

    if (!offer->policy->transcode || !dm_line_transcodes(from)) {
        return;
    }
    for (unsigned i = 0; i < offer->policy->n_codecs; i++) {
        if (dm_format_of_codec(offer->policy->codecs[i], &format) &&
            dm_format_transcodes(&format)) {
            offer_codec(offer, format.codec);
        }
    }
}

/* All of them: they are told apart by name and parameters only. */
static void
offer_unknown(Offer *offer, const DmSdpMedia *from)
{
    for (unsigned i = 0; i < from->n_formats; i++) {
        if (from->formats[i].codec == DM_CODEC_OTHER) {
            offer_format(offer, &from->formats[i]);
        }
    }
}

/* The trunk's order: each of its codecs, as the other side has it or as we can make it. */
static void
offer_in_own_order(Offer *offer, const DmSdpMedia *from)
{
    bool transcode = offer->policy->transcode && dm_line_transcodes(from);

    for (unsigned i = 0; i < offer->policy->n_codecs; i++) {
        DmCodec codec = offer->policy->codecs[i];
        const DmMediaFormat *theirs = dm_line_find_codec(from, codec);
        DmMediaFormat format;

        if (codec == DM_CODEC_OTHER) {
            offer_unknown(offer, from);
        } else if (theirs != NULL && dm_format_is_speech(theirs)) {
            offer_format(offer, theirs);
        } else if (transcode && dm_format_of_codec(codec, &format) &&
                   dm_format_transcodes(&format)) {
            offer_codec(offer, codec);
        }
    }
}

static void
offer_speech(Offer *offer, const DmSdpMedia *from)
{
    switch (offer->policy->preference) {
    case DM_CODECS_LOCAL:
        offer_in_own_order(offer, from);
        break;
    case DM_CODECS_REMOTE:
        offer_formats_of(offer, from);
        offer_transcoded(offer, from);
        break;
    case DM_CODECS_AVOID_TRANSCODING:
        offer_formats_of(offer, from);
        if (!dm_line_has_speech(offer->line)) {
            offer_transcoded(offer, from);
        }
        break;
    }
}

/* RFC 3389, 4: crosses when both sides have it (MED-9), whatever the speech is in. */
static void
offer_comfort_noise(Offer *offer, const DmSdpMedia *from)
{
    const DmMediaFormat *noise = dm_line_find_codec(from, DM_CODEC_CN);

    if (noise != NULL) {
        offer_format(offer, noise);
    }
}

static bool
has_events(const DmSdpPolicy *policy)
{
    return policy->keys == DM_KEYS_AUTO || policy->keys == DM_KEYS_EVENTS;
}

/* Events run on the clock of the speech they interrupt (RFC 4733, 2.1). */
static void
offer_events(Offer *offer)
{
    DmMediaFormat event;
    unsigned n_other = has_events(offer->policy) ? offer->line->n_formats : 0;

    dm_format_of_codec(DM_CODEC_TELEPHONE_EVENT, &event);
    event.fmtp = "0-16";
    for (unsigned i = 0; i < n_other; i++) {
        uint32_t clock_hz = offer->line->formats[i].clock_hz;

        if (dm_line_find_event(offer->line, clock_hz) == NULL) {
            event.clock_hz = clock_hz;
            event.pt = clock_hz == 8000 ? offer->dtmf_pt : 0;
            add_numbered(offer, &event);
        }
    }
}

DmSdpVerdict
dm_sdp_judge_keys(const DmSdp *offer, const DmSdpPolicy *from)
{
    DmSdpVerdict why;

    dm_line_find_audio(offer, from, NULL, &why);
    return why == DM_SDP_NO_AUDIO ? DM_SDP_OK : why;
}

/* Our length of packets is for what we know the frames of, and no longer than the other side bears.
 */
static void
fit_length(DmSdpMedia *line, uint16_t theirs_ms)
{
    if (line->formats[0].codec == DM_CODEC_OTHER) {
        line->ptime_ms = theirs_ms;
    }
    if (line->maxptime_ms != 0) {
        line->ptime_ms = MIN(line->ptime_ms, line->maxptime_ms);
    }
}

static DmSdpVerdict
offer_audio_across(const DmSdpMedia *from,
                   const DmSdpPolicy *to,
                   const DmSdp *previous,
                   DmSdp **out_offer)
{
    g_auto(Offer) offer;

    if (!begin_offer(&offer, to, dm_line_direction(from), previous)) {
        return DM_SDP_NO_AUDIO;
    }
    offer.line->maxptime_ms = from->maxptime_ms;
    if (offer.line->ptime_ms == 0) {
        offer.line->ptime_ms = from->ptime_ms;
    }
    offer_speech(&offer, from);
    if (!dm_line_has_speech(offer.line)) {
        return DM_SDP_NO_COMMON_CODEC;
    }
    fit_length(offer.line, from->ptime_ms);
    offer_comfort_noise(&offer, from);
    offer_events(&offer);
    *out_offer = dm_sdp_draft_seal(&offer.draft);
    return DM_SDP_OK;
}

DmSdpVerdict
dm_sdp_offer_across(const DmSdp *from_offer,
                    const DmSdpPolicy *to,
                    const DmSdp *previous,
                    DmSdp **out_offer)
{
    DmSdpVerdict why;
    const DmSdpMedia *from = dm_line_find_audio(from_offer, NULL, NULL, &why);

    if (dm_t38_is_wanted(from_offer, previous != NULL) && (to->has_t38 || from == NULL)) {
        return dm_t38_offer_across(from_offer, to, previous, out_offer);
    }
    if (from == NULL) {
        return why;
    }
    return offer_audio_across(from, to, previous, out_offer);
}

DmSdp *
dm_sdp_offer_from_policy(const DmSdpPolicy *policy,
                         DmMediaDirection direction,
                         const DmSdp *previous)
{
    g_auto(Offer) offer;

    g_return_val_if_fail(begin_offer(&offer, policy, direction, previous), NULL);
    for (unsigned i = 0; i < policy->n_codecs; i++) {
        offer_codec(&offer, policy->codecs[i]);
    }
    offer_events(&offer);
    return dm_sdp_draft_seal(&offer.draft);
}

/* An answer's live line. */
typedef struct {
    DmSdpDraft *draft;
    DmSdpMedia *line;
    const DmSdpMedia *offered;
    const DmSdpMedia *other; /* what the other side answered, or NULL */
    const DmSdpPolicy *policy;
} Answer;

static void
answer_format(Answer *answer, const DmMediaFormat *offered, const char *fmtp)
{
    DmMediaFormat format = *offered;

    dm_format_answer_fmtp(&format, offered, fmtp);
    dm_line_add(answer->draft, answer->line, &format);
}

/* What both sides speak, in the answerer's order and with its parameters: media goes through
 * untouched. */
static void
answer_relayed(Answer *answer)
{
    for (unsigned i = 0; i < answer->other->n_formats; i++) {
        const DmMediaFormat *theirs = &answer->other->formats[i];
        const DmMediaFormat *offered = dm_line_find_answered(answer->offered, theirs);

        if (offered != NULL && dm_format_is_speech(offered) &&
            !dm_line_has_variant(answer->line, offered) &&
            dm_policy_allows(answer->policy, offered->codec)) {
            answer_format(answer, offered, theirs->fmtp);
        }
    }
}

static void
answer_all_speech(Answer *answer)
{
    for (unsigned i = 0; i < answer->offered->n_formats; i++) {
        const DmMediaFormat *offered = &answer->offered->formats[i];

        if (dm_format_is_speech(offered) && dm_policy_allows(answer->policy, offered->codec)) {
            answer_format(answer, offered, offered->fmtp);
        }
    }
}

/* What we make of the other side's speech, and it of ours. */
static void
answer_transcoded(Answer *answer)
{
    for (unsigned i = 0; i < answer->offered->n_formats; i++) {
        const DmMediaFormat *offered = &answer->offered->formats[i];

        if (dm_format_transcodes(offered) && dm_policy_allows(answer->policy, offered->codec)) {
            answer_format(answer, offered, dm_format_own_fmtp(offered->codec));
        }
    }
}

static void
answer_speech(Answer *answer)
{
    if (answer->other == NULL) {
        answer_all_speech(answer);
        return;
    }
    answer_relayed(answer);
    if (!dm_line_has_speech(answer->line) && answer->policy->transcode &&
        dm_line_transcodes(answer->other)) {
        answer_transcoded(answer);
    }
}

static void
answer_comfort_noise(Answer *answer)
{
    const DmMediaFormat *offered = dm_line_find_codec(answer->offered, DM_CODEC_CN);

    if (offered != NULL && answer->other != NULL &&
        dm_line_find_codec(answer->other, DM_CODEC_CN) != NULL) {
        answer_format(answer, offered, "");
    }
}

/* What the other side takes of events. Their clock is that of the speech they interrupt, and so may
 * be another one when that is transcoded. A side without events hears tones instead, which takes
 * speech on both sides that we can put them into and find them in (DTMF-2). */
static const DmMediaFormat *
find_their_events(const Answer *answer, const DmMediaFormat *offered)
{
    bool decodes = answer->policy->transcode && dm_format_transcodes(&answer->line->formats[0]);
    const DmMediaFormat *theirs;

    if (answer->other == NULL) {
        return offered;
    }
    theirs = dm_line_find_event(answer->other, offered->clock_hz);
    if (theirs == NULL && decodes) {
        theirs = dm_line_find_codec(answer->other, DM_CODEC_TELEPHONE_EVENT);
    }
    if (theirs == NULL && decodes && dm_line_transcodes(answer->other)) {
        return offered;
    }
    return theirs;
}

/* Not when the peer would press keys into a void, where tones in its speech would get through. */
static bool
answer_event(Answer *answer, const DmMediaFormat *offered)
{
    const DmMediaFormat *theirs = find_their_events(answer, offered);

    if (theirs != NULL) {
        answer_format(answer, offered, theirs->fmtp);
    }
    return theirs != NULL;
}

/* Peers who offer events on another clock than their speech's (8 kHz beside Opus is widespread)
 * mean those. */
static void
answer_any_event(Answer *answer)
{
    for (unsigned i = 0; i < answer->offered->n_formats; i++) {
        const DmMediaFormat *offered = &answer->offered->formats[i];

        if (offered->codec == DM_CODEC_TELEPHONE_EVENT && answer_event(answer, offered)) {
            return;
        }
    }
}

/* One of each clock that the speech has. */
static void
answer_events(Answer *answer)
{
    unsigned n_speech = has_events(answer->policy) ? answer->line->n_formats : 0;

    for (unsigned i = 0; i < n_speech; i++) {
        uint32_t clock_hz = answer->line->formats[i].clock_hz;
        const DmMediaFormat *offered = dm_line_find_event(answer->offered, clock_hz);

        if (offered != NULL && dm_line_find_event(answer->line, clock_hz) == NULL) {
            answer_event(answer, offered);
        }
    }
    if (n_speech > 0 && dm_line_find_codec(answer->line, DM_CODEC_TELEPHONE_EVENT) == NULL) {
        answer_any_event(answer);
    }
}

static uint16_t
first_set(uint16_t a, uint16_t b, uint16_t c)
{
    return a != 0 ? a : b != 0 ? b : c;
}

static DmSdpVerdict
fill_answer(Answer *answer)
{
    DmSdpVerdict verdict;
    DmMediaDirection allowed = dm_direction_reverse(dm_line_direction(answer->offered));
    DmMediaDirection wanted =
        answer->other != NULL ? dm_line_direction(answer->other) : DM_MEDIA_BOTH;
    uint16_t other_ptime_ms = answer->other != NULL ? answer->other->ptime_ms : 0;

    dm_line_open(answer->line, answer->policy, allowed & wanted);
    answer->line->rtcp_mux = answer->offered->rtcp_mux;
    answer->line->rtcp_xr = answer->offered->rtcp_xr;
    answer->line->ptime_ms =
        first_set(answer->policy->ptime_ms, other_ptime_ms, answer->offered->ptime_ms);
    answer->line->maxptime_ms = answer->other != NULL ? answer->other->maxptime_ms : 0;
    answer_speech(answer);
    if (!dm_line_has_speech(answer->line)) {
        return DM_SDP_NO_COMMON_CODEC;
    }
    fit_length(answer->line, first_set(other_ptime_ms, answer->offered->ptime_ms, 0));
    answer_comfort_noise(answer);
    answer_events(answer);
    verdict = dm_crypto_answer(answer->draft, answer->line, answer->offered, answer->policy);
    dm_ice_answer(answer->line, answer->offered, answer->policy);
    return verdict;
}

DmSdpVerdict
dm_sdp_answer_across(const DmSdp *offer,
                     const DmSdpPolicy *from,
                     const DmSdp *other_answer,
                     DmSdp **out_answer)
{
    g_auto(DmSdpDraft) draft;
    Answer answer = {.draft = &draft, .policy = from};
    unsigned index;
    DmSdpVerdict verdict;

    dm_sdp_draft_init(&draft);
    if (other_answer != NULL ? dm_t38_find(other_answer, NULL) != NULL
                             : dm_t38_is_wanted(offer, false)) {
        return dm_t38_answer_across(offer, from, other_answer, out_answer);
    }
    answer.offered = dm_line_find_audio(offer, from, &index, &verdict);
    if (verdict == DM_SDP_OK && other_answer != NULL) {
        answer.other = dm_line_find_audio(other_answer, NULL, NULL, &verdict);
    }
    if (verdict != DM_SDP_OK) {
        return verdict;
    }
    dm_line_refuse_all(&draft, offer);
    answer.line = &draft.media[index];
    verdict = fill_answer(&answer);
    if (verdict == DM_SDP_OK) {
        *out_answer = dm_sdp_draft_seal(&draft);
    }
    return verdict;
}
