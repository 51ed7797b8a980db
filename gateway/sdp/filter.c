/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/filter.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/text.h"
#include "gateway/sdp/transport.h"

/* Type, port, protocol, and as many formats as anyone can mean. */
#define MAX_MEDIA_WORDS (3 + DM_SDP_MAX_FORMATS)

static bool
set_error(GError **error, DmErrorCode code, const char *what)
{
    g_set_error_literal(error, DM_ERROR, code, what);
    return false;
}

static bool
is_printable(const char *line)
{
    for (; *line != '\0'; line++) {
        if ((unsigned char)*line < ' ' || (unsigned char)*line > '~') {
            return false;
        }
    }
    return true;
}

/* As many whole words as fit. */
static void
copy_words(char *out, size_t size, char **words)
{
    size_t len = 0;

    out[0] = '\0';
    for (; *words != NULL && len + strlen(*words) + (len > 0) < size; words++) {
        if (len > 0) {
            g_strlcat(out, " ", size);
        }
        len = g_strlcat(out, *words, size);
    }
}

/* Sofia knows no feedback profiles (RFC 4585, RFC 5124) and no DTLS (RFC 5764), and would leave
 * their rtpmaps unread. Anything but RTP is refused anyway and looks like fax to it. */
static const char *
proto_for_sofia(const char *proto)
{
    if (g_ascii_strcasecmp(proto, "RTP/AVP") == 0 || g_ascii_strcasecmp(proto, "RTP/AVPF") == 0) {
        return "RTP/AVP";
    }
    if (g_ascii_strcasecmp(proto, "RTP/SAVP") == 0 || g_ascii_strcasecmp(proto, "RTP/SAVPF") == 0 ||
        g_ascii_strcasecmp(proto, "UDP/TLS/RTP/SAVP") == 0 ||
        g_ascii_strcasecmp(proto, "UDP/TLS/RTP/SAVPF") == 0) {
        return "RTP/SAVP";
    }
    return NULL;
}

unsigned
dm_sdp_words(char *text, char *words[], unsigned max)
{
    unsigned n = 0;

    for (;;) {
        while (*text == ' ') {
            *text++ = '\0';
        }
        if (*text == '\0' || n == max) {
            words[n] = NULL;
            return n;
        }
        words[n++] = text;
        while (*text != ' ' && *text != '\0') {
            text++;
        }
    }
}

static bool
is_number_char(char c)
{
    return g_ascii_isdigit(c);
}

static bool
is_port_char(char c)
{
    return g_ascii_isdigit(c) || c == '/';
}

static bool
is_token_char(char c)
{
    return g_ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '+' || c == '/' ||
           c == '*';
}

static bool
consists_of(const char *word, bool (*allows)(char c))
{
    if (*word == '\0') {
        return false;
    }
    for (; *word != '\0'; word++) {
        if (!allows(*word)) {
            return false;
        }
    }
    return true;
}

/* Sofia-SIP 1.12.11 loops for ever, taking all memory, over one character in an m= line that is not
 * of its tokens. */
static bool
check_media_words(char **words, unsigned n_words, GError **error)
{
    bool is_rtp;

    if (n_words < 4) {
        return set_error(error, DM_ERROR_PARSE, "m= line without type, port, protocol or format");
    }
    if (strlen(words[0]) >= DM_SDP_TYPE_MAX || strlen(words[2]) >= DM_SDP_PROTO_MAX ||
        strlen(words[3]) >= DM_SDP_FORMATS_MAX) {
        return set_error(error, DM_ERROR_LIMIT, "m= line with an overlong word");
    }
    if (!consists_of(words[0], is_token_char) || !consists_of(words[2], is_token_char) ||
        !consists_of(words[1], is_port_char)) {
        return set_error(error,
                         DM_ERROR_PARSE,
                         "m= line with an impossible type, port or protocol");
    }
    is_rtp = proto_for_sofia(words[2]) != NULL;
    for (unsigned i = 3; i < n_words; i++) {
        if (!consists_of(words[i], is_rtp ? is_number_char : is_token_char)) {
            return set_error(error, DM_ERROR_PARSE, "m= line with an impossible format");
        }
    }
    return true;
}

static void
put_media_line(DmSdpFilter *filter, char **words)
{
    const char *proto = proto_for_sofia(words[2]);

    dm_text_add_all(filter->text, "m=", words[0], " ", words[1], " ", NULL);
    if (proto == NULL) {
        dm_text_add(filter->text, "udptl t38\r\n");
        return;
    }
    dm_text_add(filter->text, proto);
    for (unsigned i = 3; words[i] != NULL; i++) {
        dm_text_add_all(filter->text, " ", words[i], NULL);
    }
    dm_text_add(filter->text, "\r\n");
}

static bool
take_media_line(DmSdpFilter *filter, char *value, GError **error)
{
    char *words[MAX_MEDIA_WORDS + 1];
    unsigned n_words = dm_sdp_words(value, words, MAX_MEDIA_WORDS);
    DmSdpMediaAsWritten *media = &filter->media[filter->n_media];

    if (filter->n_media == DM_SDP_MAX_MEDIA) {
        return set_error(error, DM_ERROR_LIMIT, "too many m= lines");
    }
    if (!check_media_words(words, n_words, error)) {
        return false;
    }
    g_strlcpy(media->type, words[0], sizeof(media->type));
    g_strlcpy(media->proto, words[2], sizeof(media->proto));
    copy_words(media->formats, sizeof(media->formats), words + 3);
    put_media_line(filter, words);
    filter->n_media++;
    return true;
}

/* Sofia refuses a description for one rtpmap without a clock; such a line names nothing we could
 * use. */
static bool
is_usable_rtpmap(const char *value)
{
    const char *slash = strchr(value, '/');

    return g_ascii_isdigit(value[0]) && strchr(value, ' ') != NULL && slash != NULL &&
           g_ascii_isdigit(slash[1]);
}

static void
put_line(DmSdpFilter *filter, const char *line)
{
    dm_text_add_all(filter->text, line, "\r\n", NULL);
}

static void
take_crypto(DmSdpFilter *filter, char *value)
{
    if (filter->n_media > 0 && filter->n_crypto < DM_SDP_MAX_CRYPTO_LINES) {
        filter->crypto[filter->n_crypto].media = filter->n_media - 1;
        filter->crypto[filter->n_crypto++].value = value;
    }
}

static void
take_transport(DmSdpFilter *filter, const char *attribute)
{
    if (filter->n_transport < DM_SDP_MAX_TRANSPORT_LINES) {
        filter->transport[filter->n_transport].media = (int)filter->n_media - 1;
        filter->transport[filter->n_transport++].attribute = attribute;
    }
}

static void
take_attribute(DmSdpFilter *filter, char *line)
{
    static const char *const wanted[] = {"fmtp:",
                                         "ptime:",
                                         "maxptime:",
                                         "rtcp:",
                                         "rtcp-mux",
                                         "rtcp-xr:",
                                         "sendrecv",
                                         "sendonly",
                                         "recvonly",
                                         "inactive"};
    char *attribute = line + 2;

    if (dm_transport_is_attribute(attribute)) {
        take_transport(filter, attribute);
        return;
    }
    if (g_str_has_prefix(attribute, "crypto:")) {
        take_crypto(filter, attribute + strlen("crypto:"));
        return;
    }
    if (g_str_has_prefix(attribute, "rtpmap:") && is_usable_rtpmap(attribute + strlen("rtpmap:"))) {
        put_line(filter, line);
        return;
    }
    if (g_ascii_strncasecmp(attribute, "T38", strlen("T38")) == 0) {
        put_line(filter, line);
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (g_str_has_prefix(attribute, wanted[i])) {
            put_line(filter, line);
            return;
        }
    }
}

/* The version in "o=USER ID VERSION IN IP4 HOST"; 0: there is none. */
static uint64_t
version_of(char *value)
{
    char *words[4];

    return dm_sdp_words(value, words, 3) == 3 ? g_ascii_strtoull(words[2], NULL, 10) : 0;
}

static bool
take_line(DmSdpFilter *filter, char *line, GError **error)
{
    if (line[0] == '\0' || line[1] != '=' || !is_printable(line)) {
        return true;
    }
    switch (line[0]) {
    case 'o':
        filter->version = version_of(line + 2);
        return true;
    case 'c':
        put_line(filter, line);
        return true;
    case 'm':
        return take_media_line(filter, line + 2, error);
    case 'a':
        take_attribute(filter, line);
        return true;
    default:
        return true;
    }
}

static void
put_head(DmSdpFilter *filter, bool *done)
{
    if (!*done) {
        dm_text_add(filter->text, "t=0 0\r\n");
    }
    *done = true;
}

/* Cuts the next line off; it ends with any of CR, LF, both, and blanks before them do not count. */
static char *
cut_line(char **text)
{
    char *line = *text;
    char *end = line;

    while (*end != '\0' && *end != '\r' && *end != '\n') {
        end++;
    }
    *text = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return g_strchomp(line);
}

bool
dm_sdp_filter_text(DmSdpFilter *filter, char *text, GError **error)
{
    bool head_done = false;

    if (!g_str_has_prefix(cut_line(&text), "v=0")) {
        return set_error(error, DM_ERROR_PARSE, "not a session description: no v=0");
    }
    dm_text_add(filter->text, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n");
    while (*text != '\0') {
        char *line = cut_line(&text);

        if (line[0] == 'm' || line[0] == 'a') {
            put_head(filter, &head_done);
        }
        if (!take_line(filter, line, error)) {
            return false;
        }
    }
    put_head(filter, &head_done);
    return true;
}
