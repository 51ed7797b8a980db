/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/filter.h"

#include <string.h>

#include "gateway/base/error.h"

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

/* Sofia knows no feedback profiles (RFC 4585, RFC 5124), and would leave their rtpmaps unread.
 * Anything but RTP is refused anyway and looks like fax to it. */
static const char *
proto_for_sofia(const char *proto)
{
    if (g_ascii_strcasecmp(proto, "RTP/AVP") == 0 || g_ascii_strcasecmp(proto, "RTP/AVPF") == 0) {
        return "RTP/AVP";
    }
    if (g_ascii_strcasecmp(proto, "RTP/SAVP") == 0 || g_ascii_strcasecmp(proto, "RTP/SAVPF") == 0) {
        return "RTP/SAVP";
    }
    return NULL;
}

GStrv
dm_sdp_split_words(const char *text)
{
    GPtrArray *words = g_ptr_array_new();

    while (*text != '\0') {
        size_t len = strcspn(text, " ");

        if (len > 0) {
            g_ptr_array_add(words, g_strndup(text, len));
        }
        text += len;
        text += strspn(text, " ");
    }
    g_ptr_array_add(words, NULL);
    return (GStrv)g_ptr_array_free(words, FALSE);
}

static bool
consists_of(const char *word, const char *allowed)
{
    return *word != '\0' && word[strspn(word, allowed)] == '\0';
}

/* Sofia-SIP 1.12.11 loops for ever, taking all memory, over one character in an m= line that is not
 * of its tokens. */
static bool
check_media_words(char **words, unsigned n_words, GError **error)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/*";

    if (n_words < 4) {
        return set_error(error, DM_ERROR_PARSE, "m= line without type, port, protocol or format");
    }
    if (strlen(words[0]) >= DM_SDP_TYPE_MAX || strlen(words[2]) >= DM_SDP_PROTO_MAX ||
        strlen(words[3]) >= DM_SDP_FORMATS_MAX) {
        return set_error(error, DM_ERROR_LIMIT, "m= line with an overlong word");
    }
    if (!consists_of(words[0], letters) || !consists_of(words[2], letters) ||
        !consists_of(words[1], "0123456789/")) {
        return set_error(error,
                         DM_ERROR_PARSE,
                         "m= line with an impossible type, port or protocol");
    }
    for (unsigned i = 3; i < n_words; i++) {
        if (!consists_of(words[i], proto_for_sofia(words[2]) != NULL ? "0123456789" : letters)) {
            return set_error(error, DM_ERROR_PARSE, "m= line with an impossible format");
        }
    }
    return true;
}

static void
put_media_line(DmSdpFilter *filter, char **words)
{
    const char *proto = proto_for_sofia(words[2]);

    if (proto == NULL) {
        g_string_append_printf(filter->text, "m=%s %s udptl t38\r\n", words[0], words[1]);
        return;
    }
    g_string_append_printf(filter->text, "m=%s %s %s", words[0], words[1], proto);
    for (unsigned i = 3; words[i] != NULL && i < 3 + DM_SDP_MAX_FORMATS; i++) {
        g_string_append_c(filter->text, ' ');
        g_string_append(filter->text, words[i]);
    }
    g_string_append(filter->text, "\r\n");
}

static bool
take_media_line(DmSdpFilter *filter, const char *value, GError **error)
{
    g_auto(GStrv) words = dm_sdp_split_words(value);
    DmSdpMediaAsWritten *media = &filter->media[filter->n_media];

    if (filter->n_media == DM_SDP_MAX_MEDIA) {
        return set_error(error, DM_ERROR_LIMIT, "too many m= lines");
    }
    if (!check_media_words(words, g_strv_length(words), error)) {
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
    g_string_append(filter->text, line);
    g_string_append_len(filter->text, "\r\n", 2);
}

static void
take_attribute(DmSdpFilter *filter, const char *line)
{
    static const char *const wanted[] = {"fmtp:",
                                         "ptime:",
                                         "maxptime:",
                                         "rtcp:",
                                         "rtcp-mux",
                                         "sendrecv",
                                         "sendonly",
                                         "recvonly",
                                         "inactive"};
    const char *attribute = line + 2;

    if (g_str_has_prefix(attribute, "rtpmap:") && is_usable_rtpmap(attribute + strlen("rtpmap:"))) {
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

static bool
take_line(DmSdpFilter *filter, const char *line, GError **error)
{
    if (line[0] == '\0' || line[1] != '=' || !is_printable(line)) {
        return true;
    }
    switch (line[0]) {
    case 'o': {
        g_auto(GStrv) words = dm_sdp_split_words(line + 2);

        filter->version = g_strv_length(words) > 2 ? g_ascii_strtoull(words[2], NULL, 10) : 0;
        return true;
    }
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
        g_string_append(filter->text, "t=0 0\r\n");
    }
    *done = true;
}

bool
dm_sdp_filter_lines(DmSdpFilter *filter, char **lines, GError **error)
{
    bool head_done = false;

    if (lines[0] == NULL || !g_str_has_prefix(lines[0], "v=0")) {
        return set_error(error, DM_ERROR_PARSE, "not a session description: no v=0");
    }
    g_string_append(filter->text, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n");
    for (char **line = lines + 1; *line != NULL; line++) {
        g_strchomp(*line);
        if ((*line)[0] == 'm' || (*line)[0] == 'a') {
            put_head(filter, &head_done);
        }
        if (!take_line(filter, *line, error)) {
            return false;
        }
    }
    put_head(filter, &head_done);
    return true;
}
