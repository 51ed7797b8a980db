/* SPDX-License-Identifier: Apache-2.0 */
#include "media/record/track.h"

#include "media/dsp/codec.h"
#include "media/path/reorder.h"

#define MAX_CONCEALED_MS 120
#define MAX_DRIFT_MS     300

/* What a payload type meant when it came last. */
typedef struct {
    uint8_t codec;
    uint32_t clock_hz;
} Format;

struct DmRecordTrack {
    unsigned rate_hz;
    int64_t begin_us;
    DmRecordTrackFunc place;
    void *user_data;
    DmReorder *reorder;
    int64_t now_us; /* of the packet that came last */
    Format formats[128];

    DmDecoder *decoder; /* for @codec; NULL: none */
    DmCodec codec;
    unsigned decoder_hz;

    bool has_time;
    uint32_t clock_hz;
    uint32_t timestamp_next; /* what follows the samples placed last */
    int64_t next;            /* and where */
};

static void
use_codec(DmRecordTrack *track, DmCodec codec)
{
    const DmCodecType *type = dm_codec_type(codec);

    if (track->codec == codec) {
        return;
    }
    g_clear_pointer(&track->decoder, dm_decoder_free);
    track->codec = codec;
    if (type != NULL) {
        track->decoder_hz = dm_codec_is_wide(type) ? track->rate_hz : DM_NARROW_HZ;
        track->decoder = dm_decoder_new(type, track->decoder_hz);
    }
}

/* Narrow band sound in a wide band file: in between, the mean of both neighbours. */
static void
place_samples(DmRecordTrack *track, int16_t *samples, size_t n)
{
    int16_t wide[2 * DM_CODEC_MAX_SAMPLES];

    if (track->decoder_hz == track->rate_hz) {
        track->place(track->next, samples, n, track->user_data);
        track->next += (int64_t)n;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        wide[2 * i] = samples[i];
        wide[2 * i + 1] = i + 1 < n ? (int16_t)((samples[i] + samples[i + 1]) / 2) : samples[i];
    }
    track->place(track->next, wide, 2 * n, track->user_data);
    track->next += (int64_t)(2 * n);
}

static int64_t
place_by_arrival(const DmRecordTrack *track)
{
    return (track->now_us - track->begin_us) * track->rate_hz / G_USEC_PER_SEC;
}

/* Samples between what was placed last and this packet, by its timestamp. */
static int64_t
gap_before(const DmRecordTrack *track, const DmPlayed *played)
{
    int32_t gap = (int32_t)(played->rtp.timestamp - track->timestamp_next);

    return MAX(gap, 0) * (int64_t)track->rate_hz / track->clock_hz;
}

static void
find_place(DmRecordTrack *track, const DmPlayed *played, uint32_t clock_hz)
{
    int64_t arrival = place_by_arrival(track);
    int64_t max_drift = MAX_DRIFT_MS * (int64_t)track->rate_hz / 1000;
    bool is_joined = track->has_time && !played->is_new_source && track->clock_hz == clock_hz;

    if (is_joined) {
        track->next += gap_before(track, played);
    }
    if (!is_joined || ABS(arrival - track->next) > max_drift) {
        track->next = arrival;
    }
    track->has_time = true;
    track->clock_hz = clock_hz;
}

static void
conceal(DmRecordTrack *track, const DmPlayed *played)
{
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    int64_t gap = track->has_time && !played->is_new_source ? gap_before(track, played) : 0;
    int64_t n = gap * track->decoder_hz / track->rate_hz;

    if (played->n_lost == 0 || n == 0 || n > MAX_CONCEALED_MS * (int64_t)track->decoder_hz / 1000) {
        return;
    }
    dm_decoder_conceal(track->decoder,
                       played->payload,
                       played->rtp.payload_len,
                       samples,
                       (size_t)n);
    place_samples(track, samples, (size_t)n);
    track->timestamp_next = played->rtp.timestamp;
}

static void
play(const DmPlayed *played, void *user_data)
{
    DmRecordTrack *track = user_data;
    const Format *format = &track->formats[played->rtp.pt & 0x7f];
    int16_t samples[DM_CODEC_MAX_SAMPLES];
    size_t n;

    if (dm_codec_type((DmCodec)format->codec) == NULL || format->clock_hz == 0) {
        return;
    }
    use_codec(track, (DmCodec)format->codec);
    if (track->decoder == NULL) {
        return;
    }
    if (track->clock_hz == format->clock_hz) {
        conceal(track, played);
    }
    find_place(track, played, format->clock_hz);
    n = dm_decoder_decode(track->decoder, played->payload, played->rtp.payload_len, samples);
    place_samples(track, samples, n);
    track->timestamp_next =
        played->rtp.timestamp + (uint32_t)((uint64_t)n * format->clock_hz / track->decoder_hz);
}

void
dm_record_track_input(DmRecordTrack *track, const DmTapeEntry *entry, const uint8_t *payload)
{
    track->now_us = entry->now_us;
    track->formats[entry->rtp.pt & 0x7f] = (Format){entry->codec, entry->clock_hz};
    dm_reorder_input(track->reorder, &entry->rtp, payload, entry->now_us);
}

DmRecordTrack *
dm_record_track_new(unsigned rate_hz, int64_t begin_us, DmRecordTrackFunc place, void *user_data)
{
    DmRecordTrack *track = g_new0(DmRecordTrack, 1);

    track->rate_hz = rate_hz;
    track->begin_us = begin_us;
    track->place = place;
    track->user_data = user_data;
    track->reorder = dm_reorder_new(play, track);
    return track;
}

void
dm_record_track_free(DmRecordTrack *track)
{
    if (track == NULL) {
        return;
    }
    dm_decoder_free(track->decoder);
    dm_reorder_free(track->reorder);
    g_free(track);
}
