/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/format.h"

#include <glib.h>
#include <string.h>

typedef struct {
    DmCodec codec;
    const char *name;
    uint32_t clock_hz;
    uint8_t channels;
    uint8_t pt;      /* RFC 3551, table 4 */
    bool transcodes; /* media/dsp has a decoder and an encoder */
} KnownFormat;

#ifdef DM_HAVE_OPUS
#define OPUS_TRANSCODES true
#else
#define OPUS_TRANSCODES false
#endif

static const KnownFormat known_formats[] = {
    {DM_CODEC_PCMU, "PCMU", 8000, 1, 0, true},
    {DM_CODEC_PCMA, "PCMA", 8000, 1, 8, true},
    {DM_CODEC_G722, "G722", 8000, 1, 9, true},
    {DM_CODEC_G726_16, "G726-16", 8000, 1, DM_PT_DYNAMIC, true},
    {DM_CODEC_G726_24, "G726-24", 8000, 1, DM_PT_DYNAMIC, true},
    {DM_CODEC_G726_32, "G726-32", 8000, 1, DM_PT_DYNAMIC, true},
    {DM_CODEC_G726_40, "G726-40", 8000, 1, DM_PT_DYNAMIC, true},
    {DM_CODEC_GSM, "GSM", 8000, 1, 3, true},
    {DM_CODEC_G729, "G729", 8000, 1, 18, false},
    {DM_CODEC_OPUS, "opus", 48000, 2, DM_PT_DYNAMIC, OPUS_TRANSCODES},
    {DM_CODEC_CN, "CN", 8000, 1, 13, false},
    {DM_CODEC_TELEPHONE_EVENT, "telephone-event", 8000, 1, DM_PT_DYNAMIC, false},
};

bool
dm_format_of_codec(DmCodec codec, DmMediaFormat *out)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_formats); i++) {
        const KnownFormat *known = &known_formats[i];

        if (known->codec == codec) {
            *out = (DmMediaFormat){
                .codec = codec,
                .pt = known->pt,
                .channels = known->channels,
                .clock_hz = known->clock_hz,
                .fmtp = "",
            };
            g_strlcpy(out->name, known->name, sizeof(out->name));
            return true;
        }
    }
    return false;
}

static bool
is_known(const KnownFormat *known, const DmMediaFormat *format)
{
    /* Events exist for every clock (RFC 4733, 2.1); anything else with another clock is not the
     * codec we know. */
    return g_ascii_strcasecmp(known->name, format->name) == 0 &&
           known->channels == format->channels &&
           (known->clock_hz == format->clock_hz || known->codec == DM_CODEC_TELEPHONE_EVENT);
}

void
dm_format_identify(DmMediaFormat *format)
{
    format->codec = DM_CODEC_OTHER;
    for (size_t i = 0; i < G_N_ELEMENTS(known_formats); i++) {
        if (is_known(&known_formats[i], format)) {
            format->codec = known_formats[i].codec;
        }
    }
}

bool
dm_format_same_encoding(const DmMediaFormat *a, const DmMediaFormat *b)
{
    return a->codec == b->codec && a->clock_hz == b->clock_hz && a->channels == b->channels &&
           g_ascii_strcasecmp(a->name, b->name) == 0;
}

bool
dm_format_relays(const DmMediaFormat *a, const DmMediaFormat *b)
{
    /* AMR with octet-align=1 is not AMR without: of a codec we do not know, every parameter counts.
     */
    return dm_format_same_encoding(a, b) &&
           (a->codec != DM_CODEC_OTHER || strcmp(a->fmtp, b->fmtp) == 0);
}

bool
dm_format_equal(const DmMediaFormat *a, const DmMediaFormat *b)
{
    return dm_format_same_encoding(a, b) && a->pt == b->pt && strcmp(a->fmtp, b->fmtp) == 0;
}

/* RFC 2198, RFC 4588, RFC 5109, RFC 8627: they speak of other payload types by number, and ours are
 * not the peer's. */
static bool
is_about_others(const DmMediaFormat *format)
{
    static const char *const names[] = {"red", "rtx", "parityfec", "ulpfec", "flexfec"};

    for (size_t i = 0; format->codec == DM_CODEC_OTHER && i < G_N_ELEMENTS(names); i++) {
        if (g_ascii_strcasecmp(format->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool
dm_format_is_speech(const DmMediaFormat *format)
{
    return format->codec != DM_CODEC_TELEPHONE_EVENT && format->codec != DM_CODEC_CN &&
           !is_about_others(format);
}

bool
dm_format_owns_pt(uint8_t pt)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_formats); i++) {
        if (known_formats[i].pt == pt && pt < DM_PT_DYNAMIC) {
            return true;
        }
    }
    return false;
}

/* What this process can do; written once, before there are calls. */
static _Atomic bool g729_transcodes;

void
dm_format_set_g729_transcodes(bool transcodes)
{
    g729_transcodes = transcodes;
}

bool
dm_format_transcodes(const DmMediaFormat *format)
{
    if (format->codec == DM_CODEC_G729) {
        return g729_transcodes;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(known_formats); i++) {
        if (known_formats[i].codec == format->codec) {
            return known_formats[i].transcodes;
        }
    }
    return false;
}

const char *
dm_format_own_fmtp(DmCodec codec)
{
    /* RFC 7587, 6.1: copies of lost frames in later ones are of use to our decoder. */
    return codec == DM_CODEC_OPUS ? "useinbandfec=1" : "";
}

/* RFC 4856, 2.1.9: silence frames unless someone says no. */
static bool
refuses_annex_b(const DmMediaFormat *format)
{
    return g_strrstr(format->fmtp, "annexb=no") != NULL;
}

void
dm_format_answer_fmtp(DmMediaFormat *answer, const DmMediaFormat *offered, const char *other)
{
    answer->fmtp = other;
    if (offered->codec == DM_CODEC_G729 && (refuses_annex_b(offered) || refuses_annex_b(answer))) {
        answer->fmtp = "annexb=no";
    }
}

/* The number that parameter @name has in "a=1;b=2", @otherwise without one. */
static uint64_t
parameter(const DmMediaFormat *format, const char *name, uint64_t otherwise)
{
    size_t len = strlen(name);

    for (const char *p = format->fmtp; p != NULL && *p != '\0'; p = strchr(p, ';')) {
        p += strspn(p, "; ");
        if (g_ascii_strncasecmp(p, name, len) == 0 && p[len] == '=') {
            return g_ascii_strtoull(p + len + 1, NULL, 10);
        }
    }
    return otherwise;
}

DmEncoderWishes
dm_format_opus_wishes(const DmMediaFormat *format)
{
    uint64_t bitrate_bps = parameter(format, "maxaveragebitrate", 0);

    return (DmEncoderWishes){
        .fec = parameter(format, "useinbandfec", 0) == 1,
        .cbr = parameter(format, "cbr", 0) == 1,
        .max_playback_hz = (uint16_t)MIN(parameter(format, "maxplaybackrate", 0), 48000),
        .bitrate_bps = bitrate_bps != 0 ? (uint32_t)CLAMP(bitrate_bps, 6000, 64000) : 0,
    };
}

bool
dm_format_bridges(const DmMediaFormat *from, const DmMediaFormat *to, bool transcode)
{
    if (!dm_format_is_speech(from) || !dm_format_is_speech(to)) {
        return false;
    }
    return dm_format_same_encoding(from, to) ||
           (transcode && dm_format_transcodes(from) && dm_format_transcodes(to));
}
