/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/slim.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PT 127

/* What the lines of one media description have told. */
typedef struct {
    unsigned what;
    bool is_audio;    /* of RTP: its formats are payload types */
    uint64_t kept[2]; /* payload types that stay, as bits */
    unsigned port;    /* of the m= line */
    char host[64];    /* "IP4 192.0.2.1": of the session's c= line */
} Media;

/* RFC 3551, 6, as we write them. */
static const char *const static_types[] = {
    "0 PCMU/8000",
    "3 GSM/8000",
    "8 PCMA/8000",
    "9 G722/8000",
    "13 CN/8000",
    "18 G729/8000",
};

static void
keep(Media *media, unsigned long pt)
{
    if (pt <= MAX_PT) {
        media->kept[pt / 64] |= UINT64_C(1) << (pt % 64);
    }
}

static bool
is_kept(const Media *media, unsigned long pt)
{
    return pt <= MAX_PT && (media->kept[pt / 64] & UINT64_C(1) << (pt % 64)) != 0;
}

static const char *
after(const char *line, const char *start)
{
    return g_str_has_prefix(line, start) ? line + strlen(start) : NULL;
}

/* "PCMA/8000" of payload type @pt, among the lines up to the next m=; "": not said. */
static const char *
name_of(char *const *lines, const char *pt)
{
    g_autofree char *start = g_strdup_printf("a=rtpmap:%s ", pt);

    for (; *lines != NULL && !g_str_has_prefix(*lines, "m="); lines++) {
        const char *name = after(*lines, start);

        if (name != NULL) {
            return name;
        }
    }
    return "";
}

static bool
is_events(const char *name)
{
    return g_ascii_strncasecmp(name, "telephone-event/", 16) == 0;
}

static bool
is_noise(const char *name, const char *pt)
{
    return g_ascii_strncasecmp(name, "CN/", 3) == 0 || strcmp(pt, "13") == 0;
}

/* Nobody presses keys at a clock that no codec has (RFC 4733, 2.1). */
static bool
is_at_clock(const char *name, const char *codec)
{
    bool is_wide = g_str_has_suffix(name, "/48000");

    return !is_wide || strstr(codec, "/48000") != NULL;
}

/* @words: of the m= line, its formats from the fourth on; @attributes: the lines behind it. */
static void
choose_formats(Media *media, char *const *words, char *const *attributes)
{
    const char *codec = NULL; /* the preferred one */

    for (words += 3; *words != NULL; words++) {
        const char *name = name_of(attributes, *words);
        bool is_g711 = strcmp(*words, "0") == 0 || strcmp(*words, "8") == 0;
        bool is_other = is_events(name) || is_noise(name, *words);

        if (is_other ? is_at_clock(name, codec != NULL ? codec : "") : is_g711 || codec == NULL) {
            keep(media, strtoul(*words, NULL, 10));
        }
        codec = codec != NULL || is_other ? codec : name;
    }
}

/* Lines that were refused are repeated as the peer wrote them, whatever that was. */
static bool
has_payload_types(char *const *formats)
{
    for (; *formats != NULL; formats++) {
        guint64 pt;

        if (!g_ascii_string_to_unsigned(*formats, 10, 0, MAX_PT, &pt, NULL)) {
            return false;
        }
    }
    return true;
}

static void
write_media_line(GString *out, Media *media, const char *line, char *const *attributes)
{
    g_auto(GStrv) words = g_strsplit(line + 2, " ", 0);
    bool is_audio = g_strv_length(words) > 3 && strcmp(words[0], "audio") == 0 &&
                    strstr(words[2], "RTP/") != NULL && has_payload_types(words + 3);

    media->is_audio = is_audio;
    media->port = g_strv_length(words) > 1 ? (unsigned)strtoul(words[1], NULL, 10) : 0;
    media->kept[0] = media->kept[1] = 0;
    if (is_audio && (media->what & DM_SDP_SLIM_CODECS) != 0) {
        choose_formats(media, words, attributes);
    }
    /* Nothing to choose from, or nothing chosen: a line needs a format all the same. */
    if (media->kept[0] == 0 && media->kept[1] == 0) {
        media->kept[0] = media->kept[1] = UINT64_MAX;
        g_string_append_printf(out, "%s\r\n", line);
        return;
    }
    g_string_append_printf(out, "m=%s %s %s", words[0], words[1], words[2]);
    for (unsigned i = 3; words[i] != NULL; i++) {
        if (is_kept(media, strtoul(words[i], NULL, 10))) {
            g_string_append_printf(out, " %s", words[i]);
        }
    }
    g_string_append(out, "\r\n");
}

/* Of a payload type that is offered no more. */
static bool
is_of_none_kept(const Media *media, const char *line)
{
    const char *pt = after(line, "a=rtpmap:");

    pt = pt != NULL ? pt : after(line, "a=fmtp:");
    return pt != NULL && media->is_audio && !is_kept(media, strtoul(pt, NULL, 10));
}

static bool
is_static_type(const char *rtpmap)
{
    for (unsigned i = 0; rtpmap != NULL && i < G_N_ELEMENTS(static_types); i++) {
        if (strcmp(rtpmap, static_types[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "a=rtcp:4001 IN IP4 192.0.2.1", where m= has 4000 and c= the same address. */
static bool
is_next_port(const Media *media, const char *rtcp)
{
    g_autofree char *usual = g_strdup_printf("%u IN %s", media->port + 1, media->host);

    return rtcp != NULL && strcmp(rtcp, usual) == 0;
}

static bool
says_nothing(const Media *media, const char *line)
{
    return strcmp(line, "a=sendrecv") == 0 || strcmp(line, "a=ptime:20") == 0 ||
           g_str_has_prefix(line, "a=rtcp-xr:") || is_static_type(after(line, "a=rtpmap:")) ||
           is_next_port(media, after(line, "a=rtcp:"));
}

static bool
is_needed(const Media *media, const char *line)
{
    return !is_of_none_kept(media, line) &&
           ((media->what & DM_SDP_SLIM_ATTRIBUTES) == 0 || !says_nothing(media, line));
}

void
dm_sdp_slim(GString *text, unsigned what)
{
    g_auto(GStrv) lines = g_strsplit(text->str, "\r\n", 0);
    g_autoptr(GString) out = g_string_sized_new(text->len);
    Media media = {.what = what, .kept = {UINT64_MAX, UINT64_MAX}};

    for (unsigned i = 0; lines[i] != NULL; i++) {
        if (*media.host == '\0' && g_str_has_prefix(lines[i], "c=IN ")) {
            g_strlcpy(media.host, lines[i] + strlen("c=IN "), sizeof media.host);
        }
        if (g_str_has_prefix(lines[i], "m=")) {
            write_media_line(out, &media, lines[i], &lines[i + 1]);
        } else if (*lines[i] != '\0' && is_needed(&media, lines[i])) {
            g_string_append_printf(out, "%s\r\n", lines[i]);
        }
    }
    g_string_assign(text, out->str);
}
