/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/line.h"

#include "gateway/sdp/crypto.h"

DmMediaDirection
dm_line_direction(const DmSdpMedia *media)
{
    return media->connection_any ? media->peer_direction & DM_MEDIA_SEND : media->peer_direction;
}

static bool
is_live_audio(const DmSdpMedia *media)
{
    return media->type == DM_SDP_AUDIO && media->port != 0 && dm_sdp_media_is_rtp(media);
}

static int
find_protected(const DmSdp *sdp, const DmSdpPolicy *policy)
{
    for (unsigned i = 0; policy != NULL && i < sdp->n_media; i++) {
        if (is_live_audio(&sdp->media[i]) && dm_crypto_protects(&sdp->media[i], policy)) {
            return (int)i;
        }
    }
    return -1;
}

static int
find_allowed(const DmSdp *sdp, const DmSdpPolicy *policy, DmSdpVerdict *out_why)
{
    for (unsigned i = 0; i < sdp->n_media; i++) {
        if (is_live_audio(&sdp->media[i])) {
            *out_why = policy != NULL ? dm_crypto_judge(&sdp->media[i], policy) : DM_SDP_OK;
            if (*out_why == DM_SDP_OK) {
                return (int)i;
            }
        }
    }
    return -1;
}

const DmSdpMedia *
dm_line_find_audio(const DmSdp *sdp,
                   const DmSdpPolicy *policy,
                   unsigned *out_index,
                   DmSdpVerdict *out_why)
{
    int index = find_protected(sdp, policy);

    *out_why = index >= 0 ? DM_SDP_OK : DM_SDP_NO_AUDIO;
    if (index < 0) {
        index = find_allowed(sdp, policy, out_why);
    }
    if (index < 0) {
        return NULL;
    }
    if (out_index != NULL) {
        *out_index = (unsigned)index;
    }
    return &sdp->media[index];
}

/* The grammar wants one format, whatever the line is for. */
static const char *
any_format(const DmSdpMedia *like, char pt_text[4])
{
    if (like->format_text[0] != '\0') {
        return like->format_text;
    }
    if (like->n_formats > 0) {
        g_snprintf(pt_text, 4, "%u", like->formats[0].pt);
        return pt_text;
    }
    return dm_sdp_media_is_rtp(like) ? "0" : "*";
}

static void
refuse(DmSdpDraft *draft, const DmSdpMedia *like)
{
    char *pt_text = draft->pt_text[draft->n_media];
    DmSdpMedia *line = dm_sdp_draft_add_line(draft);

    line->type = like->type;
    line->proto = like->proto;
    line->type_name = like->type_name;
    line->proto_name = like->proto_name;
    line->format_text = any_format(like, pt_text);
}

void
dm_line_refuse_all(DmSdpDraft *draft, const DmSdp *like)
{
    for (unsigned i = 0; like != NULL && i < like->n_media; i++) {
        refuse(draft, &like->media[i]);
    }
}

DmSdpMedia *
dm_line_at(DmSdpDraft *draft, int place)
{
    return place < 0 ? dm_sdp_draft_add_line(draft) : &draft->media[place];
}

void
dm_line_open(DmSdpMedia *line, const DmSdpPolicy *policy, DmMediaDirection direction)
{
    line->type = DM_SDP_AUDIO;
    if (line->type_name[0] == '\0') {
        line->type_name = "audio";
        line->proto_name = "RTP/AVP";
        line->proto = DM_SDP_RTP_AVP;
    }
    line->format_text = "";
    line->connection = policy->local_rtp;
    line->port = dm_address_port(&policy->local_rtp);
    line->peer_direction = direction;
}

bool
dm_policy_allows(const DmSdpPolicy *policy, DmCodec codec)
{
    for (unsigned i = 0; i < policy->n_codecs; i++) {
        if (policy->codecs[i] == codec) {
            return true;
        }
    }
    return false;
}

bool
dm_line_has_speech(const DmSdpMedia *line)
{
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (dm_format_is_speech(&line->formats[i])) {
            return true;
        }
    }
    return false;
}

bool
dm_line_transcodes(const DmSdpMedia *line)
{
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (dm_format_transcodes(&line->formats[i])) {
            return true;
        }
    }
    return false;
}

const DmMediaFormat *
dm_line_find_relay(const DmSdpMedia *line, const DmMediaFormat *format)
{
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (dm_format_relays(&line->formats[i], format)) {
            return &line->formats[i];
        }
    }
    return NULL;
}

const DmMediaFormat *
dm_line_find_answered(const DmSdpMedia *line, const DmMediaFormat *format)
{
    const DmMediaFormat *found = dm_line_find_relay(line, format);
    unsigned n = 0;

    if (found != NULL) {
        return found;
    }
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (!dm_format_same_encoding(&line->formats[i], format)) {
            continue;
        }
        if (line->formats[i].pt == format->pt) {
            return &line->formats[i];
        }
        found = &line->formats[i];
        n++;
    }
    return n == 1 ? found : NULL;
}

bool
dm_line_has_variant(const DmSdpMedia *line, const DmMediaFormat *format)
{
    for (unsigned i = 0; format->codec == DM_CODEC_OTHER && i < line->n_formats; i++) {
        if (dm_format_same_encoding(&line->formats[i], format)) {
            return true;
        }
    }
    return false;
}

const DmMediaFormat *
dm_line_find_codec(const DmSdpMedia *line, DmCodec codec)
{
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (line->formats[i].codec == codec) {
            return &line->formats[i];
        }
    }
    return NULL;
}

const DmMediaFormat *
dm_line_find_event(const DmSdpMedia *line, uint32_t clock_hz)
{
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (line->formats[i].codec == DM_CODEC_TELEPHONE_EVENT &&
            line->formats[i].clock_hz == clock_hz) {
            return &line->formats[i];
        }
    }
    return NULL;
}

static const DmMediaFormat *
find_pt(const DmSdpMedia *line, unsigned pt)
{
    for (unsigned i = 0; line != NULL && i < line->n_formats; i++) {
        if (line->formats[i].pt == pt) {
            return &line->formats[i];
        }
    }
    return NULL;
}

void
dm_line_add(DmSdpDraft *draft, DmSdpMedia *line, const DmMediaFormat *format)
{
    if (line->n_formats < DM_MEDIA_MAX_FORMATS && find_pt(line, format->pt) == NULL) {
        dm_sdp_draft_add_format(draft, line, format);
    }
}

typedef struct {
    const DmSdpMedia *line, *previous;
    const DmMediaFormat *format;
    uint8_t reserved_pt;
} Numbering;

static bool
is_free(const Numbering *numbering, unsigned pt)
{
    const DmMediaFormat *before = find_pt(numbering->previous, pt);

    bool is_event = numbering->format->codec == DM_CODEC_TELEPHONE_EVENT;

    if (pt == numbering->reserved_pt && !(is_event && numbering->format->clock_hz == 8000)) {
        return false;
    }
    return find_pt(numbering->line, pt) == NULL &&
           (before == NULL || dm_format_relays(before, numbering->format));
}

static unsigned
choose_pt(const Numbering *numbering)
{
    const DmMediaFormat *format = numbering->format;
    const DmMediaFormat *before = NULL;
    DmMediaFormat known;

    if (dm_format_of_codec(format->codec, &known) && known.pt < DM_PT_DYNAMIC) {
        return known.pt;
    }
    if (numbering->previous != NULL) {
        before = dm_line_find_relay(numbering->previous, format);
    }
    if (before != NULL && find_pt(numbering->line, before->pt) == NULL) {
        return before->pt;
    }
    if (!dm_format_owns_pt(format->pt) && format->codec == DM_CODEC_OTHER &&
        is_free(numbering, format->pt)) {
        return format->pt; /* static numbers of RFC 3551 among them */
    }
    if (format->pt >= DM_PT_DYNAMIC && is_free(numbering, format->pt)) {
        return format->pt;
    }
    for (unsigned pt = DM_PT_DYNAMIC; pt <= DM_PT_MAX; pt++) {
        if (is_free(numbering, pt)) {
            return pt;
        }
    }
    return DM_PT_MAX + 1;
}

void
dm_line_add_numbered(DmSdpDraft *draft,
                     DmSdpMedia *line,
                     const DmMediaFormat *format,
                     const DmSdpMedia *previous,
                     uint8_t reserved_pt)
{
    unsigned pt = choose_pt(&(Numbering){line, previous, format, reserved_pt});
    DmMediaFormat numbered = *format;

    if (pt <= DM_PT_MAX) {
        numbered.pt = (uint8_t)pt;
        dm_line_add(draft, line, &numbered);
    }
}
