/* SPDX-License-Identifier: Apache-2.0 */
#include "media/verdict.h"

#include <glib.h>

#include "media/session.h"

#define CHECK_US (5 * G_USEC_PER_SEC)

bool
dm_audio_is_expected(const DmMediaSideSpec *side)
{
    return (side->direction & DM_MEDIA_RECV) != 0 && side->n_recv > 0;
}

/* Early media alone does not count: the last packet must have come after the answer. */
static bool
was_heard(const DmMediaSideReport *side, int64_t answered_us, int64_t until_us)
{
    return side->rx_packets > 0 && side->first_rx_mono_us <= until_us &&
           side->last_rx_mono_us >= answered_us;
}

DmAudioVerdict
dm_audio_verdict(const DmMediaReport *report, const bool expected[DM_N_SIDES], int64_t end_mono_us)
{
    static const DmAudioVerdict by_side[2][2] = {
        {DM_AUDIO_NONE, DM_AUDIO_B_ONLY},
        {DM_AUDIO_A_ONLY, DM_AUDIO_BOTH},
    };
    int64_t answered_us = report->answered_mono_us;
    int64_t until_us = MIN(end_mono_us, answered_us + CHECK_US);
    bool fine[DM_N_SIDES];

    if (answered_us == 0 || (!expected[DM_SIDE_A] && !expected[DM_SIDE_B])) {
        return DM_AUDIO_UNKNOWN;
    }
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        fine[side] = !expected[side] || was_heard(&report->side[side], answered_us, until_us);
    }
    return by_side[fine[DM_SIDE_A]][fine[DM_SIDE_B]];
}

DmAudioVerdict
dm_media_verdict(const DmMediaReport *report, const DmMediaSpec *spec, int64_t end_mono_us)
{
    bool expected[DM_N_SIDES];

    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        expected[side] = dm_audio_is_expected(&spec->side[side]);
    }
    return dm_audio_verdict(report, expected, end_mono_us);
}

const char *
dm_media_verdict_name(DmAudioVerdict verdict)
{
    static const char *const names[] = {
        [DM_AUDIO_NONE] = "none",
        [DM_AUDIO_A_ONLY] = "a_only",
        [DM_AUDIO_B_ONLY] = "b_only",
        [DM_AUDIO_BOTH] = "both",
        [DM_AUDIO_UNKNOWN] = "unknown",
    };

    return verdict < G_N_ELEMENTS(names) ? names[verdict] : "unknown";
}

const char *
dm_codec_name(DmCodec codec)
{
    static const char *const names[] = {
        [DM_CODEC_OTHER] = "other",
        [DM_CODEC_PCMU] = "PCMU",
        [DM_CODEC_PCMA] = "PCMA",
        [DM_CODEC_G722] = "G722",
        [DM_CODEC_G726_16] = "G726-16",
        [DM_CODEC_G726_24] = "G726-24",
        [DM_CODEC_G726_32] = "G726-32",
        [DM_CODEC_G726_40] = "G726-40",
        [DM_CODEC_GSM] = "GSM",
        [DM_CODEC_G729] = "G729",
        [DM_CODEC_OPUS] = "opus",
        [DM_CODEC_CN] = "CN",
        [DM_CODEC_TELEPHONE_EVENT] = "telephone-event",
    };

    return codec < G_N_ELEMENTS(names) ? names[codec] : "other";
}
