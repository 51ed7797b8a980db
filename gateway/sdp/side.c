/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/crypto.h"
#include "gateway/sdp/line.h"
#include "gateway/sdp/t38.h"
#include "gateway/sdp/transport.h"

/* The same format in the offer and in the answer of one leg. An answerer states its own parameters,
 * so those of a codec we do not know may differ when the payload type is the same. */
static bool
is_counterpart(const DmMediaFormat *a, const DmMediaFormat *b)
{
    return dm_format_relays(a, b) || (dm_format_same_encoding(a, b) && a->pt == b->pt);
}

static const DmMediaFormat *
find_counterpart(const DmSdpMedia *line, const DmMediaFormat *format)
{
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (is_counterpart(&line->formats[i], format)) {
            return &line->formats[i];
        }
    }
    return NULL;
}

/* Media know no text, and may outlive it: what it says they are told in values. */
static void
leave_text(DmMediaSideSpec *out)
{
    for (unsigned i = out->n_send; i-- > 0;) {
        if (out->send[i].codec == DM_CODEC_OPUS) {
            out->wishes = dm_format_opus_wishes(&out->send[i]);
        }
        out->recv[i].fmtp = out->send[i].fmtp = NULL;
    }
}

/* Media tell formats that we do not know apart by their names alone. */
static bool
is_variant(const DmMediaSideSpec *spec, unsigned n, const DmMediaFormat *format)
{
    for (unsigned i = 0; format->codec == DM_CODEC_OTHER && i < n; i++) {
        if (dm_format_same_encoding(&spec->recv[i], format)) {
            return true;
        }
    }
    return false;
}

/* What is common, in the order of the shorter list: that is the answer, whose order counts (RFC
 * 3264, 7). Payload types may differ: each side sends with those of the other's description. */
static void
pair_formats(const DmSdpMedia *ours, const DmSdpMedia *theirs, DmMediaSideSpec *out)
{
    const DmSdpMedia *answer = ours->n_formats <= theirs->n_formats ? ours : theirs;
    const DmSdpMedia *offer = answer == ours ? theirs : ours;
    unsigned n = 0;

    for (unsigned i = 0; i < answer->n_formats && n < DM_MEDIA_MAX_FORMATS; i++) {
        const DmMediaFormat *counterpart = find_counterpart(offer, &answer->formats[i]);

        if (counterpart != NULL && !is_variant(out, n, counterpart)) {
            out->recv[n] = answer == ours ? answer->formats[i] : *counterpart;
            out->send[n] = answer == ours ? *counterpart : answer->formats[i];
            n++;
        }
    }
    out->n_recv = out->n_send = (uint8_t)n;
    leave_text(out);
}

static bool
has_speech(const DmMediaSideSpec *spec)
{
    for (unsigned i = 0; i < spec->n_recv; i++) {
        if (dm_format_is_speech(&spec->recv[i])) {
            return true;
        }
    }
    return false;
}

DmSdpVerdict
dm_sdp_side_spec(const DmSdp *ours,
                 const DmSdp *theirs,
                 const DmSdpPolicy *policy,
                 DmMediaSideSpec *out)
{
    DmMediaSideSpec spec = {.nat = policy->nat, .jitter = policy->jitter, .keys = policy->keys};
    DmSdpVerdict why;
    unsigned index;
    const DmSdpMedia *our_line = dm_line_find_audio(ours, NULL, &index, &why);
    const DmSdpMedia *their_line;

    if (dm_t38_find(ours, NULL) != NULL) {
        return dm_t38_side_spec(ours, theirs, policy, out);
    }
    if (our_line == NULL) {
        return why;
    }
    if (theirs->n_media != ours->n_media || theirs->media[index].type != DM_SDP_AUDIO) {
        return DM_SDP_BAD_ANSWER;
    }
    their_line = &theirs->media[index];
    if (their_line->port == 0) {
        return DM_SDP_NO_AUDIO;
    }
    if (!dm_sdp_media_is_rtp(their_line)) {
        return DM_SDP_BAD_ANSWER;
    }
    why = dm_crypto_side(our_line, their_line, policy, &spec);
    if (why != DM_SDP_OK) {
        return why;
    }
    pair_formats(our_line, their_line, &spec);
    if (!has_speech(&spec)) {
        return DM_SDP_NO_COMMON_CODEC;
    }
    dm_ice_side(our_line, their_line, &spec);
    spec.remote_rtp = their_line->connection;
    spec.remote_rtcp = their_line->rtcp;
    spec.rtcp_xr = our_line->rtcp_xr && their_line->rtcp_xr;
    spec.rtcp_mux = our_line->rtcp_mux && their_line->rtcp_mux;
    spec.direction = our_line->peer_direction & dm_direction_reverse(dm_line_direction(their_line));
    spec.ptime_ms = their_line->ptime_ms;
    spec.maxptime_ms = their_line->maxptime_ms;
    *out = spec;
    return DM_SDP_OK;
}
