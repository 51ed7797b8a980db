/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/session.h"
#include "media/spec.h"

/* Offer and answer (RFC 3264) across the two legs of a call. Pure: values in, values out. The
 * gateway anchors one stream: the first usable audio line, or fax by T.38 (t38.h) where that is
 * wanted; every other line of an offer is refused in its place (MED-11). */

/* What one leg's own keys follow from, and what they follow. */
typedef struct {
    uint8_t secret[32]; /* random, the leg's alone */
    uint32_t leg;       /* random too, and no secret: tells it from others */
    uint32_t generation;
    DmSrtpKey theirs; /* agreed last */
    /* The same for DTLS and ICE (transport.h). */
    uint32_t dtls_generation, ice_generation;
    uint32_t tls_id_mark, ice_ufrag_mark, ice_pwd_mark; /* theirs; 0: none */
    uint8_t dtls_role;                                  /* DmDtlsRole, ours */
    DmFingerprint fingerprint;                          /* theirs */
} DmSdpKeying;
/* The leg has agreed; on a description of ours that answered @theirs, or offered. */
void dm_sdp_keying_agreed(DmSdpKeying *keying,
                          const DmSdp *theirs,
                          const DmMediaSideSpec *agreed,
                          bool we_answered);

/* How one leg's side of the media is to look: from its trunk's configuration and the media session.
 */
typedef struct {
    DmAddress local_rtp;   /* ours toward this peer, advertised */
    const DmCodec *codecs; /* what may be offered and accepted, best first */
    unsigned n_codecs;
    bool transcode;
    DmCodecPreference preference;
    uint16_t ptime_ms; /* offered; 0: as the other side's */
    uint8_t dtmf_pt;   /* offered for telephone-event; the other side's number is not copied */
    DmNatPolicy nat;
    DmJitterBounds jitter;
    DmKeyMethod keys; /* telephone-event is neither offered nor answered where keys go otherwise */
    DmSrtpPolicy srtp;
    DmSrtpKeying keys_by;
    DmFingerprint fingerprint; /* ours, for DTLS; none while there is no media session */
    bool has_ice;              /* lite, offered and answered */
    bool rekey_resets_roc;
    const DmSrtpSuite *suites; /* best first */
    unsigned n_suites;
    const DmSdpKeying *keying; /* NULL only with DM_SRTP_OFF and without ICE */
    bool rtcp_xr; /* VoIP metrics are offered (RFC 3611, 5); answered they always are */
    bool has_t38; /* fax by T.38 may be agreed on, up to @t38 */
    DmT38 t38;
} DmSdpPolicy;

/* Why an offer or answer cannot be used; an outcome: 488 with Warning 305 for the first (MED-2). */
typedef enum {
    DM_SDP_OK,
    DM_SDP_NO_COMMON_CODEC,
    DM_SDP_NO_AUDIO,
    DM_SDP_BAD_ANSWER,       /* lines do not match the offer's */
    DM_SDP_SRTP_UNSUPPORTED, /* no suite in common, or the policy has none */
    DM_SDP_SRTP_REQUIRED,    /* by the policy, and the peer has none */
    DM_SDP_NO_T38,           /* fax by T.38 is asked for, and not to be had */
} DmSdpVerdict;
const char *dm_sdp_verdict_name(DmSdpVerdict verdict);

/* Whether @offer can be taken up as far as keys go; before the other side is asked. */
DmSdpVerdict dm_sdp_judge_keys(const DmSdp *offer, const DmSdpPolicy *from);

/* What we offer @to when @from_offer came from the other side: its codecs that @to allows, and
 * (with transcode) @to's other ones that we can transcode, in the order that @to's preference says;
 * comfort noise when the other side has it; telephone-event always; direction carried across.
 * @previous: (nullable): our last description toward @to: payload types already given keep their
 * meaning and lines keep their place. (transfer full) */
DmSdpVerdict dm_sdp_offer_across(const DmSdp *from_offer,
                                 const DmSdpPolicy *to,
                                 const DmSdp *previous,
                                 DmSdp **out_offer);

/* What we answer @from, who sent @offer, now that the other side has answered @other_answer to
 * @other_offer (both NULL when we answer from policy alone). (transfer full) */
DmSdpVerdict dm_sdp_answer_across(const DmSdp *offer,
                                  const DmSdpPolicy *from,
                                  const DmSdp *other_answer,
                                  DmSdp **out_answer);

/* An offer from policy alone: a delayed offer, or the first toward a side that has said nothing.
 * (transfer full) */
DmSdp *dm_sdp_offer_from_policy(const DmSdpPolicy *policy,
                                DmMediaDirection direction,
                                const DmSdp *previous);

/* One side's half of the agreement, for media: @ours and @theirs are the last offer and answer of
 * that leg, in either role. */
DmSdpVerdict dm_sdp_side_spec(const DmSdp *ours,
                              const DmSdp *theirs,
                              const DmSdpPolicy *policy,
                              DmMediaSideSpec *out);
