/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/session.h"

/* Of all media lines together. */
#define DM_SDP_MAX_CRYPTO_LINES 24

/* A description in the making. It lives on the stack and is never copied; text is borrowed until
 * dm_sdp_draft_seal() copies what is kept. Formats and keys of one line come one after the other:
 * a line gets no more of them once another has got one. */
typedef struct {
    unsigned n_media, n_formats, n_crypto;
    DmSdpMedia media[DM_SDP_MAX_MEDIA];
    char pt_text[DM_SDP_MAX_MEDIA][4]; /* of a refused line (line.c) */
    DmMediaFormat formats[DM_SDP_MAX_MEDIA * DM_SDP_MAX_FORMATS];
    DmSdpCrypto crypto[DM_SDP_MAX_CRYPTO_LINES];
} DmSdpDraft;

void dm_sdp_draft_init(DmSdpDraft *draft);
/* Forgets its keys. */
void dm_sdp_draft_clear(DmSdpDraft *draft);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DmSdpDraft, dm_sdp_draft_clear)

/* The next line, all zero; at most DM_SDP_MAX_MEDIA. */
DmSdpMedia *dm_sdp_draft_add_line(DmSdpDraft *draft);
/* At most DM_SDP_MAX_FORMATS a line. */
void dm_sdp_draft_add_format(DmSdpDraft *draft, DmSdpMedia *line, const DmMediaFormat *format);
/* At most DM_SDP_MAX_CRYPTO a line, and DM_SDP_MAX_CRYPTO_LINES in all. */
void dm_sdp_draft_add_key(DmSdpDraft *draft, DmSdpMedia *line, const DmSdpCrypto *crypto);

/* (transfer full) */
DmSdp *dm_sdp_draft_seal(const DmSdpDraft *draft);
