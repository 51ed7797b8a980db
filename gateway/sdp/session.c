/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/session.h"

#include <string.h>

#include "gateway/sdp/crypto.h"
#include "gateway/sdp/format.h"
#include "gateway/sdp/session-priv.h"
#include "gateway/sdp/t38.h"
#include "gateway/sdp/transport.h"

/* What lies behind the lines, in this order: each has its part of it. */
typedef struct {
    DmMediaFormat *formats;
    DmSdpCrypto *crypto;
    char *text;
} Room;

static size_t
text_size(const char *text)
{
    return text != NULL && *text != '\0' ? strlen(text) + 1 : 0;
}

static size_t
size_behind(const DmSdpMedia *line)
{
    size_t size = line->n_formats * sizeof(DmMediaFormat) + line->n_crypto * sizeof(DmSdpCrypto) +
                  text_size(line->type_name) + text_size(line->proto_name) +
                  text_size(line->format_text);

    for (unsigned i = 0; i < line->n_formats; i++) {
        size += text_size(line->formats[i].fmtp);
    }
    return size;
}

static const char *
keep_text(Room *room, const char *text)
{
    size_t size = text_size(text);
    const char *kept = room->text;

    if (size == 0) {
        return "";
    }
    memcpy(room->text, text, size);
    room->text += size;
    return kept;
}

/* Makes a line that was copied one that borrows nothing. */
static void
keep_line(Room *room, DmSdpMedia *line)
{
    DmMediaFormat *formats = room->formats;

    for (unsigned i = 0; i < line->n_formats; i++) {
        formats[i] = line->formats[i];
        formats[i].fmtp = keep_text(room, formats[i].fmtp);
    }
    room->formats += line->n_formats;
    line->formats = formats;
    for (unsigned i = 0; i < line->n_crypto; i++) {
        room->crypto[i] = line->crypto[i];
    }
    line->crypto = room->crypto;
    room->crypto += line->n_crypto;
    line->type_name = keep_text(room, line->type_name);
    line->proto_name = keep_text(room, line->proto_name);
    line->format_text = keep_text(room, line->format_text);
}

DmSdp *
dm_sdp_new(const DmSdpMedia *media, unsigned n)
{
    size_t size = sizeof(DmSdp) + n * sizeof(DmSdpMedia);
    unsigned n_formats = 0;
    unsigned n_crypto = 0;
    DmSdp *sdp;
    Room room;

    g_return_val_if_fail(n <= DM_SDP_MAX_MEDIA, NULL);
    for (unsigned i = 0; i < n; i++) {
        size += size_behind(&media[i]);
        n_formats += media[i].n_formats;
        n_crypto += media[i].n_crypto;
    }
    sdp = g_atomic_rc_box_alloc(size);
    sdp->version = 0;
    sdp->n_media = n;
    room.formats = (DmMediaFormat *)&sdp->media[n];
    room.crypto = (DmSdpCrypto *)(room.formats + n_formats);
    room.text = (char *)(room.crypto + n_crypto);
    for (unsigned i = 0; i < n; i++) {
        sdp->media[i] = media[i];
        keep_line(&room, &sdp->media[i]);
    }
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
        DmSdpMedia *line = &sdp->media[i];

        explicit_bzero(&line->ice.ours, sizeof line->ice.ours);
        explicit_bzero((DmSdpCrypto *)line->crypto, line->n_crypto * sizeof(DmSdpCrypto));
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
           a->rtcp_mux == b->rtcp_mux && a->rtcp_xr == b->rtcp_xr &&
           dm_t38_equal(&a->t38, &b->t38) && dm_transport_equal(a, b);
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
