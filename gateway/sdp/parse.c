/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sdp.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/sdp/crypto.h"
#include "gateway/sdp/filter.h"
#include "gateway/sdp/format.h"
#include "gateway/sdp/session-priv.h"
#include "gateway/sdp/t38.h"
#include "gateway/sdp/transport.h"

/* Reading a description: the filter decides what Sofia's parser gets to see, this file takes the
 * values from what it made of that. */

#define MAX_TEXT_BYTES 65536
/* More than what the filter puts before the lines. */
#define HEAD_BYTES 64

static bool
set_error(GError **error, DmErrorCode code, const char *what)
{
    g_set_error_literal(error, DM_ERROR, code, what);
    return false;
}

static DmSdpProto
proto_of(const char *name)
{
    static const char *const names[] = {
        [DM_SDP_RTP_AVP] = "RTP/AVP",
        [DM_SDP_RTP_SAVP] = "RTP/SAVP",
        [DM_SDP_RTP_AVPF] = "RTP/AVPF",
        [DM_SDP_RTP_SAVPF] = "RTP/SAVPF",
        [DM_SDP_TLS_SAVP] = "UDP/TLS/RTP/SAVP",
        [DM_SDP_TLS_SAVPF] = "UDP/TLS/RTP/SAVPF",
        [DM_SDP_UDPTL] = "UDPTL",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_ascii_strcasecmp(name, names[i]) == 0) {
            return i;
        }
    }
    return DM_SDP_PROTO_OTHER;
}

static DmSdpMediaType
type_of(sdp_media_e type)
{
    switch (type) {
    case sdp_media_audio:
        return DM_SDP_AUDIO;
    case sdp_media_video:
        return DM_SDP_VIDEO;
    case sdp_media_image:
        return DM_SDP_IMAGE;
    default:
        return DM_SDP_OTHER;
    }
}

static bool
has_format(const DmSdpMedia *media, unsigned pt)
{
    for (unsigned i = 0; i < media->n_formats; i++) {
        if (media->formats[i].pt == pt) {
            return true;
        }
    }
    return false;
}

/* What a name may consist of; it is printed again toward the other side. */
static bool
is_encoding_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (!g_ascii_isalnum(*c) && strchr("-_.+", *c) == NULL) {
            return false;
        }
    }
    return *name != '\0' && strlen(name) < sizeof(((DmMediaFormat *)NULL)->name);
}

/* Formats without a name, or with more parameters than we can carry, are left out: a cut fmtp would
 * be a lie. */
static bool
is_usable_map(const sdp_rtpmap_t *map)
{
    return map->rm_encoding != NULL && is_encoding_name(map->rm_encoding) && map->rm_rate > 0 &&
           map->rm_rate <= 1000000 &&
           (map->rm_fmtp == NULL || strlen(map->rm_fmtp) <= DM_SDP_MAX_FMTP_LEN);
}

static void
add_format(DmSdpDraft *draft, DmSdpMedia *media, const sdp_rtpmap_t *map)
{
    DmMediaFormat format = {.fmtp = map->rm_fmtp};
    guint64 channels = map->rm_params != NULL ? g_ascii_strtoull(map->rm_params, NULL, 10) : 1;

    if (media->n_formats == DM_SDP_MAX_FORMATS || has_format(media, map->rm_pt) ||
        !is_usable_map(map)) {
        return;
    }
    format.pt = map->rm_pt;
    format.clock_hz = (uint32_t)map->rm_rate;
    format.channels = (uint8_t)CLAMP(channels, 1, 255);
    g_strlcpy(format.name, map->rm_encoding, sizeof(format.name));
    dm_format_identify(&format);
    dm_sdp_draft_add_format(draft, media, &format);
}

static bool
find_direction(const sdp_attribute_t *attributes, DmMediaDirection *out)
{
    static const char *const names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (sdp_attribute_find(attributes, names[i]) != NULL) {
            *out = i;
            return true;
        }
    }
    return false;
}

static uint16_t
milliseconds(const sdp_attribute_t *attributes, const char *name)
{
    const sdp_attribute_t *attribute = sdp_attribute_find(attributes, name);
    guint64 value = attribute != NULL && attribute->a_value != NULL
                        ? g_ascii_strtoull(attribute->a_value, NULL, 10)
                        : 0;

    return value <= 1000 ? (uint16_t)value : 0;
}

static void
set_connection(DmSdpMedia *media, const sdp_connection_t *connection)
{
    DmAddress address;

    if (connection == NULL || !dm_address_parse(&address, connection->c_address, media->port) ||
        dm_address_is_multicast(&address)) {
        return;
    }
    media->connection_any = dm_address_is_any(&address);
    if (!media->connection_any) {
        media->connection = address;
    }
}

/* "53020" or "53020 IN IP4 126.16.64.4" (RFC 3605, 2.1) */
static void
set_rtcp_xr(DmSdpMedia *media, const sdp_attribute_t *attribute)
{
    media->rtcp_xr = attribute != NULL && attribute->a_value != NULL &&
                     strstr(attribute->a_value, "voip-metrics") != NULL;
}

static void
set_rtcp(DmSdpMedia *media, const sdp_attribute_t *attribute)
{
    g_autofree char *value = NULL;
    char *words[5];
    guint64 port;
    unsigned n_words;

    if (attribute == NULL || attribute->a_value == NULL) {
        return;
    }
    value = g_strdup(attribute->a_value);
    n_words = dm_sdp_words(value, words, 4);
    port = n_words > 0 ? g_ascii_strtoull(words[0], NULL, 10) : 0;
    if (port == 0 || port > UINT16_MAX) {
        return;
    }
    if (n_words == 4) {
        if (!dm_address_parse(&media->rtcp, words[3], (uint16_t)port)) {
            media->rtcp = (DmAddress){0};
        }
    } else if (dm_address_is_set(&media->connection)) {
        media->rtcp = media->connection;
        dm_address_set_port(&media->rtcp, (uint16_t)port);
    }
}

static void
set_t38(DmSdpMedia *media, const sdp_attribute_t *attributes)
{
    if (media->proto != DM_SDP_UDPTL) {
        return;
    }
    media->t38 = dm_t38_default();
    for (; attributes != NULL; attributes = attributes->a_next) {
        dm_t38_read_attribute(&media->t38, attributes->a_name, attributes->a_value);
    }
}

static bool
fill_media(DmSdpMedia *media, const sdp_session_t *session, const sdp_media_t *from, GError **error)
{
    if (from->m_port > UINT16_MAX) {
        return set_error(error, DM_ERROR_PARSE, "m= line with an impossible port");
    }
    media->type = type_of(from->m_type);
    media->proto = proto_of(media->proto_name);
    media->port = (uint16_t)from->m_port;
    set_connection(media,
                   from->m_connections != NULL ? from->m_connections : session->sdp_connection);
    set_rtcp(media, sdp_attribute_find(from->m_attributes, "rtcp"));
    media->rtcp_mux = sdp_attribute_find(from->m_attributes, "rtcp-mux") != NULL;
    set_rtcp_xr(media, sdp_attribute_find(from->m_attributes, "rtcp-xr"));
    media->peer_direction = DM_MEDIA_BOTH;
    if (!find_direction(from->m_attributes, &media->peer_direction)) {
        find_direction(session->sdp_attributes, &media->peer_direction);
    }
    set_t38(media, from->m_attributes);
    media->ptime_ms = milliseconds(from->m_attributes, "ptime");
    media->maxptime_ms = milliseconds(from->m_attributes, "maxptime");
    return true;
}

static void
add_keys(DmSdpDraft *draft, const DmSdpFilter *filter)
{
    for (unsigned i = 0; i < filter->n_crypto; i++) {
        DmSdpMedia *media = &draft->media[filter->crypto[i].media];
        DmSdpCrypto crypto;

        if (media->n_crypto < DM_SDP_MAX_CRYPTO && dm_sdp_media_is_rtp(media) &&
            dm_crypto_parse(filter->crypto[i].value, &crypto)) {
            dm_sdp_draft_add_key(draft, media, &crypto);
        }
    }
}

/* What the session says holds for each line that says nothing itself: so its part is read first. */
static void
add_transport(DmSdpMedia *media, int number, const DmSdpFilter *filter)
{
    bool has_own = false;

    for (unsigned i = 0; i < filter->n_transport; i++) {
        bool is_fingerprint = g_str_has_prefix(filter->transport[i].attribute, "fingerprint:");

        if (filter->transport[i].media != number || !dm_sdp_media_is_rtp(media)) {
            continue;
        }
        if (is_fingerprint && number >= 0 && !has_own) {
            media->dtls.fingerprint = (DmFingerprint){0};
            has_own = true;
        }
        dm_transport_parse(media, filter->transport[i].attribute);
    }
}

static bool
add_media(DmSdpDraft *draft,
          const DmSdpMediaAsWritten *written,
          const sdp_session_t *session,
          const sdp_media_t *from,
          GError **error)
{
    DmSdpMedia *media = dm_sdp_draft_add_line(draft);

    media->type_name = written->type;
    media->proto_name = written->proto;
    media->format_text = written->formats;
    if (!fill_media(media, session, from, error)) {
        return false;
    }
    for (const sdp_rtpmap_t *map = from->m_rtpmaps; map != NULL; map = map->rm_next) {
        add_format(draft, media, map);
    }
    return true;
}

static DmSdp *
from_sofia(const DmSdpFilter *filter, const sdp_session_t *session, GError **error)
{
    g_auto(DmSdpDraft) draft;
    const sdp_media_t *media = session->sdp_media;
    DmSdp *sdp;

    dm_sdp_draft_init(&draft);
    for (unsigned i = 0; i < filter->n_media; i++, media = media->m_next) {
        if (media == NULL) {
            set_error(error, DM_ERROR_PARSE, "m= line not understood");
            return NULL;
        }
        if (!add_media(&draft, &filter->media[i], session, media, error)) {
            return NULL;
        }
    }
    for (unsigned i = 0; i < draft.n_media; i++) {
        add_transport(&draft.media[i], -1, filter);
        add_transport(&draft.media[i], (int)i, filter);
    }
    add_keys(&draft, filter);
    sdp = dm_sdp_draft_seal(&draft);
    sdp->version = filter->version;
    return sdp;
}

static DmSdp *
parse_filtered(const DmSdpFilter *filter, GError **error)
{
    const int flags = sdp_f_mode_manual | sdp_f_insane | sdp_f_c_missing;
    su_home_t home = SU_HOME_INIT(home);
    DmSdp *sdp = NULL;
    sdp_parser_t *parser;
    sdp_session_t *session;

    su_home_init(&home);
    parser = sdp_parse(&home, filter->text->str, (issize_t)filter->text->len, flags);
    session = sdp_session(parser);
    if (session != NULL) {
        sdp = from_sofia(filter, session, error);
    } else {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_PARSE,
                    "session description: %s",
                    sdp_parsing_error(parser));
    }
    sdp_parser_free(parser);
    su_home_deinit(&home);
    return sdp;
}

DmSdp *
dm_sdp_parse(const char *text, size_t len, GError **error)
{
    g_autofree char *copy = NULL;
    g_autoptr(GString) filtered = NULL;
    DmSdpFilter filter = {0};

    if (len > MAX_TEXT_BYTES) {
        set_error(error, DM_ERROR_LIMIT, "session description of more than 64 kB");
        return NULL;
    }
    copy = g_strndup(text, len);
    filtered = g_string_sized_new(len + HEAD_BYTES);
    filter.text = filtered;
    if (!dm_sdp_filter_text(&filter, g_strstrip(copy), error)) {
        return NULL;
    }
    return parse_filtered(&filter, error);
}
