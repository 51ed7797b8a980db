/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/draft.h"

#include <string.h>

/* What has not been added yet is not touched either: most descriptions are one line of three
 * formats. */
void
dm_sdp_draft_init(DmSdpDraft *draft)
{
    draft->n_media = draft->n_formats = draft->n_crypto = 0;
}

void
dm_sdp_draft_clear(DmSdpDraft *draft)
{
    explicit_bzero(draft->crypto, draft->n_crypto * sizeof draft->crypto[0]);
}

DmSdpMedia *
dm_sdp_draft_add_line(DmSdpDraft *draft)
{
    DmSdpMedia *line;

    g_return_val_if_fail(draft->n_media < DM_SDP_MAX_MEDIA, NULL);
    line = &draft->media[draft->n_media++];
    *line = (DmSdpMedia){.type_name = "", .proto_name = "", .format_text = ""};
    return line;
}

void
dm_sdp_draft_add_format(DmSdpDraft *draft, DmSdpMedia *line, const DmMediaFormat *format)
{
    DmMediaFormat *next = &draft->formats[draft->n_formats];

    if (line->n_formats == 0) {
        line->formats = next;
    }
    g_return_if_fail(line->n_formats < DM_SDP_MAX_FORMATS &&
                     line->formats + line->n_formats == next);
    *next = *format;
    line->n_formats++;
    draft->n_formats++;
}

void
dm_sdp_draft_add_key(DmSdpDraft *draft, DmSdpMedia *line, const DmSdpCrypto *crypto)
{
    DmSdpCrypto *next = &draft->crypto[draft->n_crypto];

    if (line->n_crypto == 0) {
        line->crypto = next;
    }
    g_return_if_fail(draft->n_crypto < DM_SDP_MAX_CRYPTO_LINES &&
                     line->n_crypto < DM_SDP_MAX_CRYPTO && line->crypto + line->n_crypto == next);
    *next = *crypto;
    line->n_crypto++;
    draft->n_crypto++;
}

DmSdp *
dm_sdp_draft_seal(const DmSdpDraft *draft)
{
    return dm_sdp_new(draft->media, draft->n_media);
}
