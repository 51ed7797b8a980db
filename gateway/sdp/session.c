/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/session.h"

#include <string.h>

#include "gateway/sdp/crypto.h"
#include "gateway/sdp/format.h"
#include "gateway/sdp/session-priv.h"
#include "gateway/sdp/t38.h"

DmSdp *
dm_sdp_alloc(unsigned n_media)
{
    DmSdp *sdp = g_atomic_rc_box_alloc0(sizeof(DmSdp) + n_media * sizeof(DmSdpMedia));

    sdp->n_media = n_media;
    return sdp;
}

DmSdp *
dm_sdp_new(const DmSdpMedia *media, unsigned n)
{
    DmSdp *sdp;

    g_return_val_if_fail(n <= DM_SDP_MAX_MEDIA, NULL);
    sdp = dm_sdp_alloc(n);
    memcpy(sdp->media, media, n * sizeof(DmSdpMedia));
    return sdp;
}

DmSdp *
dm_sdp_ref(const DmSdp *sdp)
{
    return g_atomic_rc_box_acquire((DmSdp *)sdp);
}

/* Keys are not left behind in freed memory. */
static void
forget_keys(gpointer data)
{
    DmSdp *sdp = data;

    for (unsigned i = 0; i < sdp->n_media; i++) {
        if (sdp->media[i].n_crypto > 0) {
            explicit_bzero(sdp->media[i].crypto, sizeof sdp->media[i].crypto);
        }
    }
}

void
dm_sdp_unref(DmSdp *sdp)
{
    if (sdp != NULL) {
        g_atomic_rc_box_release_full(sdp, forget_keys);
    }
}

unsigned
dm_sdp_n_media(const DmSdp *sdp)
{
    return sdp->n_media;
}

const DmSdpMedia *
dm_sdp_media(const DmSdp *sdp, unsigned index)
{
    g_return_val_if_fail(index < sdp->n_media, NULL);
    return &sdp->media[index];
}

uint64_t
dm_sdp_version(const DmSdp *sdp)
{
    return sdp->version;
}

static bool
same_formats(const DmSdpMedia *a, const DmSdpMedia *b)
{
    if (a->n_formats != b->n_formats || strcmp(a->format_text, b->format_text) != 0) {
        return false;
    }
    for (unsigned i = 0; i < a->n_formats; i++) {
        if (!dm_format_equal(&a->formats[i], &b->formats[i])) {
            return false;
        }
    }
    return true;
}

static bool
same_transport(const DmSdpMedia *a, const DmSdpMedia *b)
{
    return a->type == b->type && a->proto == b->proto && strcmp(a->type_name, b->type_name) == 0 &&
           strcmp(a->proto_name, b->proto_name) == 0 && a->port == b->port &&
           dm_address_equal(&a->connection, &b->connection) &&
           a->connection_any == b->connection_any && dm_address_equal(&a->rtcp, &b->rtcp) &&
           a->rtcp_mux == b->rtcp_mux && a->rtcp_xr == b->rtcp_xr && dm_t38_equal(&a->t38, &b->t38);
}

static bool
same_line(const DmSdpMedia *a, const DmSdpMedia *b)
{
    return same_transport(a, b) && dm_crypto_equal(a, b) &&
           a->peer_direction == b->peer_direction && a->ptime_ms == b->ptime_ms &&
           a->maxptime_ms == b->maxptime_ms && same_formats(a, b);
}

bool
dm_sdp_same_media(const DmSdp *a, const DmSdp *b)
{
    if (a->n_media != b->n_media) {
        return false;
    }
    for (unsigned i = 0; i < a->n_media; i++) {
        if (!same_line(&a->media[i], &b->media[i])) {
            return false;
        }
    }
    return true;
}
