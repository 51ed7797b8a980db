/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/t38.h"

#include <string.h>

#include "gateway/sdp/line.h"

#define MAX_VERSION      3
#define DEFAULT_BIT_RATE 14400

/*
 * Attributes
 */

static uint32_t
number(const char *value, uint32_t max)
{
    guint64 n = value != NULL ? g_ascii_strtoull(value, NULL, 10) : 0;

    return (uint32_t)MIN(n, max);
}

/* T.38, D.2.3: there or not; many write ":0" and ":1" all the same. */
static bool
truth(const char *value)
{
    return value == NULL || *value == '\0' || number(value, 1) == 1 ||
           g_ascii_strcasecmp(value, "true") == 0;
}

static void
set_version(DmT38 *t38, const char *value)
{
    t38->version = (uint8_t)number(value, MAX_VERSION);
}

static void
set_bit_rate(DmT38 *t38, const char *value)
{
    uint32_t bps = number(value, UINT32_MAX);

    t38->max_bit_rate = bps != 0 ? bps : DEFAULT_BIT_RATE;
}

static void
set_fill_bit_removal(DmT38 *t38, const char *value)
{
    t38->fill_bit_removal = truth(value);
}

static void
set_transcoding_mmr(DmT38 *t38, const char *value)
{
    t38->transcoding_mmr = truth(value);
}

static void
set_transcoding_jbig(DmT38 *t38, const char *value)
{
    t38->transcoding_jbig = truth(value);
}

static void
set_rate_management(DmT38 *t38, const char *value)
{
    t38->local_tcf = value != NULL && g_ascii_strcasecmp(value, "localTCF") == 0;
}

static void
set_max_buffer(DmT38 *t38, const char *value)
{
    t38->max_buffer = (uint16_t)number(value, UINT16_MAX);
}

static void
set_max_datagram(DmT38 *t38, const char *value)
{
    t38->max_datagram = (uint16_t)number(value, UINT16_MAX);
}

static void
set_error_correction(DmT38 *t38, const char *value)
{
    if (value == NULL) {
        return;
    }
    t38->ec = g_ascii_strcasecmp(value, "t38UDPRedundancy") == 0 ? DM_T38_REDUNDANCY
              : g_ascii_strcasecmp(value, "t38UDPFEC") == 0      ? DM_T38_FEC
                                                                 : DM_T38_NO_CORRECTION;
}

/* Without "T38" and "Fax". */
static const struct {
    const char *name;
    void (*set)(DmT38 *t38, const char *value);
} attributes[] = {
    {"Version", set_version},
    {"MaxBitRate", set_bit_rate},
    {"FillBitRemoval", set_fill_bit_removal},
    {"TranscodingMMR", set_transcoding_mmr},
    {"TranscodingJBIG", set_transcoding_jbig},
    {"RateManagement", set_rate_management},
    {"MaxBuffer", set_max_buffer},
    {"MaxDatagram", set_max_datagram},
    {"UdpEC", set_error_correction},
};

bool
dm_t38_read_attribute(DmT38 *t38, const char *name, const char *value)
{
    if (g_ascii_strncasecmp(name, "T38", 3) != 0) {
        return false;
    }
    name += 3;
    if (g_ascii_strncasecmp(name, "Fax", 3) == 0) {
        name += 3;
    }
    while (value != NULL && *value == ' ') {
        value++;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        if (g_ascii_strcasecmp(name, attributes[i].name) == 0) {
            attributes[i].set(t38, value);
            return true;
        }
    }
    return false;
}

DmT38
dm_t38_default(void)
{
    return (DmT38){.max_bit_rate = DEFAULT_BIT_RATE, .ec = DM_T38_NO_CORRECTION};
}

void
dm_t38_print(GString *out, const DmT38 *t38)
{
    static const char *const corrections[] = {
        [DM_T38_NO_CORRECTION] = "t38UDPNoEC",
        [DM_T38_REDUNDANCY] = "t38UDPRedundancy",
        [DM_T38_FEC] = "t38UDPFEC",
    };

    g_string_append_printf(out, "a=T38FaxVersion:%u\r\n", t38->version);
    g_string_append_printf(out, "a=T38MaxBitRate:%u\r\n", t38->max_bit_rate);
    if (t38->fill_bit_removal) {
        g_string_append(out, "a=T38FaxFillBitRemoval\r\n");
    }
    if (t38->transcoding_mmr) {
        g_string_append(out, "a=T38FaxTranscodingMMR\r\n");
    }
    if (t38->transcoding_jbig) {
        g_string_append(out, "a=T38FaxTranscodingJBIG\r\n");
    }
    g_string_append_printf(out,
                           "a=T38FaxRateManagement:%s\r\n",
                           t38->local_tcf ? "localTCF" : "transferredTCF");
    if (t38->max_buffer != 0) {
        g_string_append_printf(out, "a=T38FaxMaxBuffer:%u\r\n", t38->max_buffer);
    }
    if (t38->max_datagram != 0) {
        g_string_append_printf(out, "a=T38FaxMaxDatagram:%u\r\n", t38->max_datagram);
    }
    g_string_append_printf(out, "a=T38FaxUdpEC:%s\r\n", corrections[t38->ec]);
}

/* 0: not said. */
static uint16_t
smaller(uint16_t a, uint16_t b)
{
    return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

DmT38
dm_t38_common(const DmT38 *a, const DmT38 *b)
{
    return (DmT38){
        .version = MIN(a->version, b->version),
        .ec = MIN(a->ec, b->ec),
        .max_bit_rate = MIN(a->max_bit_rate, b->max_bit_rate),
        .fill_bit_removal = a->fill_bit_removal && b->fill_bit_removal,
        .transcoding_mmr = a->transcoding_mmr && b->transcoding_mmr,
        .transcoding_jbig = a->transcoding_jbig && b->transcoding_jbig,
        .local_tcf = a->local_tcf && b->local_tcf,
        .max_buffer = smaller(a->max_buffer, b->max_buffer),
        .max_datagram = smaller(a->max_datagram, b->max_datagram),
    };
}

/*
 * Lines
 */

static bool
is_t38_line(const DmSdpMedia *line)
{
    return line->type == DM_SDP_IMAGE && line->proto == DM_SDP_UDPTL &&
           g_ascii_strncasecmp(line->format_text, "t38", 3) == 0;
}

const DmSdpMedia *
dm_t38_find(const DmSdp *sdp, unsigned *out_index)
{
    for (unsigned i = 0; i < sdp->n_media; i++) {
        if (sdp->media[i].port != 0 && is_t38_line(&sdp->media[i])) {
            if (out_index != NULL) {
                *out_index = i;
            }
            return &sdp->media[i];
        }
    }
    return NULL;
}

bool
dm_t38_is_wanted(const DmSdp *offer, bool is_change)
{
    DmSdpVerdict why;

    return dm_t38_find(offer, NULL) != NULL &&
           (is_change || dm_line_find_audio(offer, NULL, NULL, &why) == NULL);
}

static int
place_of(const DmSdp *sdp)
{
    for (unsigned i = 0; sdp != NULL && i < sdp->n_media; i++) {
        if (is_t38_line(&sdp->media[i])) {
            return (int)i;
        }
    }
    return -1;
}

/* Makes a refused line ours, and live. */
static void
open_line(DmSdpMedia *line, const DmSdpPolicy *policy, const DmT38 *t38, DmMediaDirection direction)
{
    line->type = DM_SDP_IMAGE;
    line->proto = DM_SDP_UDPTL;
    if (line->type_name[0] == '\0') {
        line->type_name = "image";
    }
    if (line->proto_name[0] == '\0') {
        line->proto_name = "udptl";
    }
    line->format_text = "t38";
    line->connection = policy->local_rtp;
    line->port = dm_address_port(&policy->local_rtp);
    line->peer_direction = direction;
    line->t38 = *t38;
}

static DmSdp *
make_offer(const DmSdpPolicy *policy, const DmSdp *previous, const DmT38 *t38)
{
    int place = place_of(previous);
    unsigned n_before = previous != NULL ? previous->n_media : 0;
    DmSdpDraft draft;

    if (place < 0 && n_before == DM_SDP_MAX_MEDIA) {
        return NULL;
    }
    dm_sdp_draft_init(&draft);
    dm_line_refuse_all(&draft, previous);
    open_line(dm_line_at(&draft, place), policy, t38, DM_MEDIA_BOTH);
    return dm_sdp_draft_seal(&draft);
}

DmSdpVerdict
dm_t38_offer_across(const DmSdp *from_offer,
                    const DmSdpPolicy *to,
                    const DmSdp *previous,
                    DmSdp **out_offer)
{
    const DmSdpMedia *from = dm_t38_find(from_offer, NULL);
    DmT38 t38;
    DmSdp *offer;

    if (from == NULL || !to->has_t38) {
        return DM_SDP_NO_T38;
    }
    t38 = dm_t38_common(&from->t38, &to->t38);
    offer = make_offer(to, previous, &t38);
    if (offer == NULL) {
        return DM_SDP_NO_T38;
    }
    *out_offer = offer;
    return DM_SDP_OK;
}

DmSdp *
dm_t38_offer_from_policy(const DmSdpPolicy *policy, const DmSdp *previous)
{
    DmT38 t38 = policy->t38;

    t38.ec = MIN(t38.ec, DM_T38_REDUNDANCY);
    return policy->has_t38 ? make_offer(policy, previous, &t38) : NULL;
}

/* Toward a fax of its own the gateway sends copies, and takes either. */
static DmT38
answer_alone(const DmT38 *offered, const DmSdpPolicy *from)
{
    DmT38 t38 = dm_t38_common(offered, &from->t38);

    t38.ec = MIN(t38.ec, DM_T38_REDUNDANCY);
    t38.transcoding_mmr = false;
    t38.transcoding_jbig = false;
    t38.local_tcf = false;
    return t38;
}

DmSdpVerdict
dm_t38_answer_across(const DmSdp *offer,
                     const DmSdpPolicy *from,
                     const DmSdp *other_answer,
                     DmSdp **out_answer)
{
    unsigned index;
    const DmSdpMedia *offered = dm_t38_find(offer, &index);
    const DmSdpMedia *other = other_answer != NULL ? dm_t38_find(other_answer, NULL) : NULL;
    DmSdpDraft draft;
    DmT38 t38;

    if (offered == NULL || !from->has_t38 || (other_answer != NULL && other == NULL)) {
        return DM_SDP_NO_T38;
    }
    t38 = other != NULL ? dm_t38_common(&offered->t38, &other->t38)
                        : answer_alone(&offered->t38, from);
    dm_sdp_draft_init(&draft);
    dm_line_refuse_all(&draft, offer);
    open_line(&draft.media[index], from, &t38, dm_direction_reverse(dm_line_direction(offered)));
    *out_answer = dm_sdp_draft_seal(&draft);
    return DM_SDP_OK;
}

DmSdpVerdict
dm_t38_side_spec(const DmSdp *ours,
                 const DmSdp *theirs,
                 const DmSdpPolicy *policy,
                 DmMediaSideSpec *out)
{
    unsigned index;
    const DmSdpMedia *our_line = dm_t38_find(ours, &index);
    const DmSdpMedia *their_line;

    if (our_line == NULL || theirs->n_media != ours->n_media ||
        !is_t38_line(&theirs->media[index])) {
        return DM_SDP_BAD_ANSWER;
    }
    their_line = &theirs->media[index];
    if (their_line->port == 0) {
        return DM_SDP_NO_T38;
    }
    *out = (DmMediaSideSpec){
        .nat = policy->nat,
        .is_t38 = true,
        .t38 = dm_t38_common(&our_line->t38, &their_line->t38),
        .remote_rtp = their_line->connection,
        .direction = DM_MEDIA_BOTH,
    };
    return DM_SDP_OK;
}
