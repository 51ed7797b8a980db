/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stddef.h>

#include "gateway/base/address.h"
#include "media/spec.h"

/* A session description (RFC 8866), parsed into plain values and immutable once made; one reference
 * may be shared by threads. One allocation, as large as what is in it. Bounded: 16 media lines, 32
 * formats a line (further ones are left out), 64 kB of text. Unknown lines are dropped, never
 * relayed: everything we print is ours (SIG-1). */
typedef struct DmSdp DmSdp;

#define DM_SDP_MAX_MEDIA    16
#define DM_SDP_MAX_FORMATS  32
#define DM_SDP_MAX_FMTP_LEN 511

typedef enum {
    DM_SDP_AUDIO,
    DM_SDP_VIDEO,
    DM_SDP_IMAGE,
    DM_SDP_OTHER,
} DmSdpMediaType;

typedef enum {
    DM_SDP_RTP_AVP,
    DM_SDP_RTP_SAVP,
    DM_SDP_RTP_AVPF,
    DM_SDP_RTP_SAVPF,
    DM_SDP_TLS_SAVP, /* UDP/TLS/RTP/SAVP (RFC 5764, 8) */
    DM_SDP_TLS_SAVPF,
    DM_SDP_UDPTL,
    DM_SDP_PROTO_OTHER,
} DmSdpProto;

/* One a=crypto (RFC 4568). */
typedef struct {
    uint32_t tag;
    DmSrtpKey key;
} DmSdpCrypto;
#define DM_SDP_MAX_CRYPTO 8

/* ICE (RFC 8839, 5). Of a peer's only what tells a restart. */
typedef struct {
    DmIceCredentials ours;         /* in a line of ours */
    uint32_t ufrag_mark, pwd_mark; /* what tells them from others; both 0: no ICE */
    bool is_lite;
    bool has_rtcp; /* a line of ours: RTCP on its own port can be reached too */
} DmSdpIce;

/* a=setup (RFC 4145, 4) */
typedef enum {
    DM_SETUP_NONE,
    DM_SETUP_ACTPASS,
    DM_SETUP_ACTIVE,
    DM_SETUP_PASSIVE,
    DM_SETUP_HOLDCONN,
} DmSdpSetup;

/* DTLS-SRTP (RFC 8842, 5). */
typedef struct {
    DmFingerprint fingerprint; /* none: no DTLS */
    uint8_t setup;             /* DmSdpSetup */
    char id[25];               /* a=tls-id, in a line of ours */
    uint32_t id_mark;          /* tells it from others; 0: none */
} DmSdpDtls;

/* Text and lists are the description's; "" is none. */
typedef struct {
    DmSdpMediaType type;
    DmSdpProto proto;
    const char *type_name, *proto_name; /* as written, for refusing a line in kind */
    const char *format_text; /* formats as written, for refusing a line that is not RTP */
    uint16_t port;           /* 0: refused or disabled */
    DmAddress
        connection; /* media-level c=, else the session's; a name in c= is not resolved: not set */
    bool connection_any; /* c=0.0.0.0: hold as RFC 2543 did (SIG-16) */
    DmAddress rtcp; /* a=rtcp, with the connection's host when it names only a port; else not set */
    bool rtcp_mux;
    bool rtcp_xr; /* a=rtcp-xr with voip-metrics (RFC 3611, 5.1) */
    DmMediaDirection
        peer_direction; /* the writer's own: DM_MEDIA_SEND is a=sendonly; default DM_MEDIA_BOTH */
    uint16_t ptime_ms, maxptime_ms; /* 0: not given */
    unsigned n_formats, n_crypto;
    const DmMediaFormat *formats; /* RTP only, in order of preference; static types filled in */
    const DmSdpCrypto *crypto;    /* RTP only, in order of preference; suites we know */
    DmSdpDtls dtls;
    DmSdpIce ice;
    DmT38 t38; /* DM_SDP_UDPTL only */
} DmSdpMedia;

/* Text from a peer. Error: DM_ERROR_PARSE, DM_ERROR_LIMIT. (transfer full) */
DmSdp *dm_sdp_parse(const char *text, size_t len, GError **error);
/* From values, copied with all they point to; @n at most DM_SDP_MAX_MEDIA. (transfer full) */
DmSdp *dm_sdp_new(const DmSdpMedia *media, unsigned n);
DmSdp *dm_sdp_ref(const DmSdp *sdp);
void dm_sdp_unref(DmSdp *sdp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmSdp, dm_sdp_unref)

unsigned dm_sdp_n_media(const DmSdp *sdp);
const DmSdpMedia *dm_sdp_media(const DmSdp *sdp, unsigned index);
/* Of the peer's o= line, for telling a refresh (SIG-14); 0 for our own. */
uint64_t dm_sdp_version(const DmSdp *sdp);
/* Same media, whatever the o= lines say. */
bool dm_sdp_same_media(const DmSdp *a, const DmSdp *b);

/* What one leg has said of itself so far: its o= line (SIG-17). All zero is a fresh one. */
typedef struct {
    uint64_t session_id; /* set at first print */
    uint64_t version;
    DmSdp *last; /* what was printed last */
} DmSdpOrigin;
void dm_sdp_origin_clear(DmSdpOrigin *origin);
/* Our text: o= with @address, the origin's id, and a version that is one up exactly when the media
 * differ from what was printed last (RFC 3264, 8). @random_id: used when the origin has no id yet.
 * Appends to @out. */
void dm_sdp_print(const DmSdp *sdp,
                  DmSdpOrigin *origin,
                  const DmAddress *address,
                  uint64_t random_id,
                  GString *out);
