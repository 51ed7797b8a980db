/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "gateway/sdp/negotiate.h"

/* What must be true of every offer and answer we make, whatever a peer has said. */

static inline const DmMediaFormat *
check_find_pt(const DmSdpMedia *line, unsigned pt)
{
    for (unsigned i = 0; i < line->n_formats; i++) {
        if (line->formats[i].pt == pt) {
            return &line->formats[i];
        }
    }
    return NULL;
}

static inline bool
check_same_encoding(const DmMediaFormat *a, const DmMediaFormat *b)
{
    return g_ascii_strcasecmp(a->name, b->name) == 0 && a->clock_hz == b->clock_hz &&
           a->channels == b->channels;
}

static inline void
check_formats(const DmSdpMedia *line, const DmSdpPolicy *policy)
{
    g_assert_cmpuint(line->n_formats, >, 0);
    g_assert_cmpuint(line->n_formats, <=, DM_MEDIA_MAX_FORMATS);
    for (unsigned i = 0; i < line->n_formats; i++) {
        bool allowed = line->formats[i].codec == DM_CODEC_TELEPHONE_EVENT ||
                       line->formats[i].codec == DM_CODEC_CN;

        g_assert_cmpuint(line->formats[i].pt, <=, 127);
        g_assert_true(check_find_pt(line, line->formats[i].pt) == &line->formats[i]);
        for (unsigned c = 0; c < policy->n_codecs; c++) {
            allowed = allowed || policy->codecs[c] == line->formats[i].codec;
        }
        g_assert_true(allowed);
    }
}

static inline void
check_t38(const DmT38 *t38, const DmSdpPolicy *policy)
{
    g_assert_true(policy->has_t38);
    g_assert_cmpuint(t38->version, <=, 3);
    g_assert_cmpuint(t38->ec, <=, DM_T38_FEC);
}

/* The one live line; every description of ours has exactly one. */
static inline unsigned
check_live_line(const DmSdp *sdp, const DmSdpPolicy *policy)
{
    unsigned live = DM_SDP_MAX_MEDIA;

    for (unsigned i = 0; i < dm_sdp_n_media(sdp); i++) {
        if (dm_sdp_media(sdp, i)->port != 0) {
            g_assert_cmpuint(live, ==, DM_SDP_MAX_MEDIA);
            live = i;
        } else {
            g_assert_cmpuint(dm_sdp_media(sdp, i)->n_formats, ==, 0);
            g_assert_cmpstr(dm_sdp_media(sdp, i)->format_text, !=, "");
        }
    }
    g_assert_cmpuint(live, <, DM_SDP_MAX_MEDIA);
    g_assert_true(dm_address_equal(&dm_sdp_media(sdp, live)->connection, &policy->local_rtp));
    if (dm_sdp_media(sdp, live)->proto == DM_SDP_UDPTL) {
        check_t38(&dm_sdp_media(sdp, live)->t38, policy);
    } else {
        check_formats(dm_sdp_media(sdp, live), policy);
    }
    return live;
}

/* RFC 4568, 5.1.2: one of the keys that were offered, by its tag, and nothing where none was. */
static inline void
check_keys(const DmSdpMedia *ours, const DmSdpMedia *theirs)
{
    bool is_offered = ours->n_crypto == 0;

    g_assert_cmpuint(ours->n_crypto, <=, 1);
    for (unsigned i = 0; ours->n_crypto == 1 && i < theirs->n_crypto; i++) {
        is_offered = is_offered || (theirs->crypto[i].tag == ours->crypto[0].tag &&
                                    theirs->crypto[i].key.suite == ours->crypto[0].key.suite);
    }
    g_assert_true(is_offered);
}

/* RFC 3264, 6: as many lines, in their order; formats of the offer under the offer's payload types.
 */
static inline void
check_answer(const DmSdp *offer, const DmSdp *answer, const DmSdpPolicy *policy)
{
    unsigned live = check_live_line(answer, policy);
    const DmSdpMedia *ours = dm_sdp_media(answer, live);
    const DmSdpMedia *theirs = dm_sdp_media(offer, live);

    g_assert_cmpuint(dm_sdp_n_media(answer), ==, dm_sdp_n_media(offer));
    for (unsigned i = 0; i < dm_sdp_n_media(offer); i++) {
        g_assert_cmpstr(dm_sdp_media(answer, i)->type_name, ==, dm_sdp_media(offer, i)->type_name);
        g_assert_cmpstr(dm_sdp_media(answer, i)->proto_name,
                        ==,
                        dm_sdp_media(offer, i)->proto_name);
    }
    g_assert_cmpuint(theirs->port, !=, 0);
    check_keys(ours, theirs);
    for (unsigned i = 0; i < ours->n_formats; i++) {
        const DmMediaFormat *offered = check_find_pt(theirs, ours->formats[i].pt);

        g_assert_nonnull(offered);
        g_assert_true(check_same_encoding(offered, &ours->formats[i]));
    }
    /* Never send what the peer will not receive, never ask for what it will not send. */
    g_assert_false((ours->peer_direction & DM_MEDIA_SEND) &&
                   !(theirs->peer_direction & DM_MEDIA_RECV));
    g_assert_false((ours->peer_direction & DM_MEDIA_RECV) &&
                   !(theirs->peer_direction & DM_MEDIA_SEND));
    g_assert_false((ours->peer_direction & DM_MEDIA_SEND) && theirs->connection_any);
}

/* RFC 3264, 8: lines keep their places, payload types their meaning. */
static inline void
check_offer(const DmSdp *offer, const DmSdp *previous, const DmSdpPolicy *policy)
{
    unsigned live = check_live_line(offer, policy);

    for (unsigned i = 0; previous != NULL && i < dm_sdp_n_media(previous); i++) {
        g_assert_cmpstr(dm_sdp_media(offer, i)->type_name,
                        ==,
                        dm_sdp_media(previous, i)->type_name);
    }
    if (previous == NULL || live >= dm_sdp_n_media(previous)) {
        return;
    }
    for (unsigned i = 0; i < dm_sdp_media(offer, live)->n_formats; i++) {
        const DmMediaFormat *now = &dm_sdp_media(offer, live)->formats[i];
        const DmMediaFormat *before = check_find_pt(dm_sdp_media(previous, live), now->pt);

        /* Static types mean what RFC 3551 says, even where a peer has said otherwise. */
        g_assert_true(before == NULL || now->pt < 96 || check_same_encoding(before, now));
    }
}

/* What media gets was agreed: our payload types to receive, the peer's to send. */
static inline void
check_side(const DmSdp *ours, const DmSdp *theirs, const DmMediaSideSpec *spec)
{
    g_assert_true(spec->is_t38 == (spec->n_recv == 0));
    g_assert_cmpuint(spec->srtp_in.suite, ==, spec->srtp_out.suite);
    for (unsigned i = 0; i < spec->n_recv; i++) {
        bool listed = false;

        for (unsigned m = 0; m < dm_sdp_n_media(ours); m++) {
            const DmMediaFormat *format = check_find_pt(dm_sdp_media(ours, m), spec->recv[i].pt);

            listed = listed || (format != NULL && check_same_encoding(format, &spec->recv[i]));
        }
        g_assert_true(listed);
    }
    for (unsigned i = 0; i < spec->n_send; i++) {
        bool listed = false;

        for (unsigned m = 0; m < dm_sdp_n_media(theirs); m++) {
            const DmMediaFormat *format = check_find_pt(dm_sdp_media(theirs, m), spec->send[i].pt);

            listed = listed || (format != NULL && check_same_encoding(format, &spec->send[i]));
        }
        g_assert_true(listed);
    }
}

/* One offer from A across to B, any text for B's answer, back to A; then once more, the other way
 * round. */
static inline void
check_exchange(const DmSdp *a_offer,
               const DmSdp *b_answer,
               const DmSdpPolicy *a,
               const DmSdpPolicy *b)
{
    g_autoptr(DmSdp) to_b = NULL;
    g_autoptr(DmSdp) to_a = NULL;
    g_autoptr(DmSdp) again = NULL;
    DmMediaSideSpec side;

    if (dm_sdp_answer_across(a_offer, a, b_answer, &to_a) == DM_SDP_OK) {
        check_answer(a_offer, to_a, a);
        if (dm_sdp_side_spec(to_a, a_offer, a, &side) == DM_SDP_OK) {
            check_side(to_a, a_offer, &side);
        }
        if (b_answer != NULL && dm_sdp_offer_across(b_answer, a, to_a, &again) == DM_SDP_OK) {
            check_offer(again, to_a, a);
        }
    }
    if (dm_sdp_offer_across(a_offer, b, NULL, &to_b) == DM_SDP_OK) {
        check_offer(to_b, NULL, b);
        if (b_answer != NULL && dm_sdp_side_spec(to_b, b_answer, b, &side) == DM_SDP_OK) {
            check_side(to_b, b_answer, &side);
        }
    }
}
