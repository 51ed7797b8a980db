/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/text.h"
#include "gateway/sdp/crypto.h"
#include "gateway/sdp/session-priv.h"
#include "gateway/sdp/session.h"
#include "gateway/sdp/t38.h"
#include "gateway/sdp/transport.h"

/* Indexed by DmMediaDirection, as seen by the writer. */
static const char *const direction_names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};

static void
print_connection(GString *out, const char *what, const DmAddress *address)
{
    char host[DM_ADDRESS_TEXT_MAX];

    dm_text_add_all(out,
                    what,
                    dm_address_family(address) == AF_INET6 ? " IP6 " : " IP4 ",
                    dm_address_host(address, host),
                    "\r\n",
                    NULL);
}

static void
print_number(GString *out, const char *before, uint64_t number, const char *after)
{
    dm_text_add(out, before);
    dm_text_add_unsigned(out, number);
    dm_text_add(out, after);
}

static void
print_formats(GString *out, const DmSdpMedia *media)
{
    for (unsigned i = 0; i < media->n_formats; i++) {
        const DmMediaFormat *format = &media->formats[i];

        print_number(out, "a=rtpmap:", format->pt, " ");
        dm_text_add(out, format->name);
        print_number(out, "/", format->clock_hz, "");
        if (format->channels > 1) {
            print_number(out, "/", format->channels, "");
        }
        dm_text_add(out, "\r\n");
        if (format->fmtp[0] != '\0') {
            print_number(out, "a=fmtp:", format->pt, " ");
            dm_text_add_all(out, format->fmtp, "\r\n", NULL);
        }
    }
}

static void
print_rtcp(GString *out, const DmSdpMedia *media)
{
    if (dm_address_is_set(&media->rtcp)) {
        print_number(out, "a=rtcp:", dm_address_port(&media->rtcp), "");
        print_connection(out, " IN", &media->rtcp);
    }
    if (media->rtcp_mux) {
        dm_text_add(out, "a=rtcp-mux\r\n");
    }
    if (media->rtcp_xr) {
        dm_text_add(out, "a=rtcp-xr:voip-metrics\r\n");
    }
}

static void
print_attributes(GString *out, const DmSdpMedia *media)
{
    dm_crypto_print(out, media);
    dm_transport_print(out, media);
    print_formats(out, media);
    if (media->ptime_ms != 0) {
        print_number(out, "a=ptime:", media->ptime_ms, "\r\n");
    }
    if (media->maxptime_ms != 0) {
        print_number(out, "a=maxptime:", media->maxptime_ms, "\r\n");
    }
    dm_text_add_all(out,
                    "a=",
                    direction_names[media->peer_direction & DM_MEDIA_BOTH],
                    "\r\n",
                    NULL);
    print_rtcp(out, media);
}

static void
print_media(GString *out, const DmSdpMedia *media, const DmAddress *session_host)
{
    dm_text_add_all(out, "m=", media->type_name, NULL);
    print_number(out, " ", media->port, " ");
    dm_text_add(out, media->proto_name);
    if (media->n_formats == 0) {
        dm_text_add_all(out, " ", media->format_text, NULL);
    }
    for (unsigned i = 0; i < media->n_formats; i++) {
        print_number(out, " ", media->formats[i].pt, "");
    }
    dm_text_add(out, "\r\n");
    if (media->port == 0) {
        return; /* refused: attributes mean nothing */
    }
    if (dm_address_is_set(&media->connection) &&
        !dm_address_same_host(&media->connection, session_host)) {
        print_connection(out, "c=IN", &media->connection);
    }
    if (media->proto == DM_SDP_UDPTL) {
        dm_t38_print(out, &media->t38);
    } else {
        print_attributes(out, media);
    }
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

    advance(origin, sdp, random_id);
    dm_text_add(out, "v=0\r\n");
    print_number(out, "o=- ", origin->session_id, " ");
    dm_text_add_unsigned(out, origin->version);
    print_connection(out, " IN", address);
    dm_text_add(out, "s=-\r\n");
    print_connection(out, "c=IN", host);
    dm_text_add(out, "t=0 0\r\n");
    dm_transport_print_session(out, sdp);
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
