/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/session-priv.h"
#include "gateway/sdp/session.h"

/* Indexed by DmMediaDirection, as seen by the writer. */
static const char *const direction_names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};

static void
print_connection(GString *out, const char *what, const DmAddress *address)
{
    char host[DM_ADDRESS_TEXT_MAX];

    g_string_append_printf(out,
                           "%s %s %s\r\n",
                           what,
                           dm_address_family(address) == AF_INET6 ? "IP6" : "IP4",
                           dm_address_host(address, host));
}

static void
print_formats(GString *out, const DmSdpMedia *media)
{
    for (unsigned i = 0; i < media->n_formats; i++) {
        const DmMediaFormat *format = &media->formats[i];

        g_string_append_printf(out,
                               "a=rtpmap:%u %s/%u",
                               format->pt,
                               format->name,
                               format->clock_hz);
        if (format->channels > 1) {
            g_string_append_printf(out, "/%u", format->channels);
        }
        g_string_append(out, "\r\n");
        if (format->fmtp[0] != '\0') {
            g_string_append_printf(out, "a=fmtp:%u %s\r\n", format->pt, format->fmtp);
        }
    }
}

static void
print_rtcp(GString *out, const DmSdpMedia *media)
{
    if (dm_address_is_set(&media->rtcp)) {
        g_autofree char *what = g_strdup_printf("a=rtcp:%u IN", dm_address_port(&media->rtcp));

        print_connection(out, what, &media->rtcp);
    }
    if (media->rtcp_mux) {
        g_string_append(out, "a=rtcp-mux\r\n");
    }
}

static void
print_attributes(GString *out, const DmSdpMedia *media)
{
    print_formats(out, media);
    if (media->ptime_ms != 0) {
        g_string_append_printf(out, "a=ptime:%u\r\n", media->ptime_ms);
    }
    if (media->maxptime_ms != 0) {
        g_string_append_printf(out, "a=maxptime:%u\r\n", media->maxptime_ms);
    }
    g_string_append_printf(out, "a=%s\r\n", direction_names[media->peer_direction & DM_MEDIA_BOTH]);
    print_rtcp(out, media);
}

static void
print_media(GString *out, const DmSdpMedia *media, const DmAddress *session_host)
{
    g_string_append_printf(out, "m=%s %u %s", media->type_name, media->port, media->proto_name);
    if (media->n_formats == 0) {
        g_string_append_printf(out, " %s", media->format_text);
    }
    for (unsigned i = 0; i < media->n_formats; i++) {
        g_string_append_printf(out, " %u", media->formats[i].pt);
    }
    g_string_append(out, "\r\n");
    if (media->port == 0) {
        return; /* refused: attributes mean nothing */
    }
    if (dm_address_is_set(&media->connection) &&
        !dm_address_same_host(&media->connection, session_host)) {
        print_connection(out, "c=IN", &media->connection);
    }
    print_attributes(out, media);
}

/* Simple peers read only the session's c= line, so the first stream's address goes there. */
static const DmAddress *
session_host(const DmSdp *sdp, const DmAddress *fallback)
{
    for (unsigned i = 0; i < sdp->n_media; i++) {
        if (sdp->media[i].port != 0 && dm_address_is_set(&sdp->media[i].connection)) {
            return &sdp->media[i].connection;
        }
    }
    return fallback;
}

static void
advance(DmSdpOrigin *origin, const DmSdp *sdp, uint64_t random_id)
{
    if (origin->session_id == 0) {
        /* 48 bits: unlike the other leg's, and short enough for peers that read it into a double.
         */
        origin->session_id = (random_id >> 16) | 1;
        origin->version = 1;
    } else if (!dm_sdp_same_media(origin->last, sdp)) {
        origin->version++;
    }
    if (origin->last != sdp) {
        dm_sdp_unref(origin->last);
        origin->last = dm_sdp_ref(sdp);
    }
}

void
dm_sdp_print(const DmSdp *sdp,
             DmSdpOrigin *origin,
             const DmAddress *address,
             uint64_t random_id,
             GString *out)
{
    const DmAddress *host = session_host(sdp, address);
    g_autofree char *what = NULL;

    advance(origin, sdp, random_id);
    what = g_strdup_printf("o=- %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " IN",
                           origin->session_id,
                           origin->version);
    g_string_append(out, "v=0\r\n");
    print_connection(out, what, address);
    g_string_append(out, "s=-\r\n");
    print_connection(out, "c=IN", host);
    g_string_append(out, "t=0 0\r\n");
    for (unsigned i = 0; i < sdp->n_media; i++) {
        print_media(out, &sdp->media[i], host);
    }
}

void
dm_sdp_origin_clear(DmSdpOrigin *origin)
{
    dm_sdp_unref(origin->last);
    *origin = (DmSdpOrigin){0};
}
