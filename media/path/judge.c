/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/judge.h"

#include "media/rtp/published.h"

/* Fewer packets in 5 s are comfort noise, or the first words. */
#define MIN_PACKETS 10
/* Peers with short intervals (RFC 4585) tell little that is new each time. */
#define MIN_OUT_INTERVAL_US (DM_JUDGE_INTERVAL_US / 2)

static int64_t *
stats_of(DmStream *stream)
{
    return dm_worker_stats(dm_stream_session(stream)->worker);
}

void
dm_judge_note_told(DmStream *stream, const DmVoipMetrics *metrics)
{
    DmVoipPublished *published = dm_published(stream->judge.told);
    unsigned slot;

    if (published == NULL) {
        published = g_new0(DmVoipPublished, 1);
    }
    slot = 1 - dm_published(published->slot);
    published->metrics[slot] = *metrics;
    atomic_store_explicit(&published->slot, slot, memory_order_release);
    atomic_store_explicit(&stream->judge.told, published, memory_order_release);
}

DmVoipMetrics
dm_judge_told(const DmStream *stream)
{
    const DmVoipPublished *published =
        atomic_load_explicit(&stream->judge.told, memory_order_acquire);

    return published != NULL
               ? published->metrics[atomic_load_explicit(&published->slot, memory_order_acquire)]
               : (DmVoipMetrics){0};
}

void
dm_judge_in(DmStream *stream)
{
    DmStreamJudge *judge = &stream->judge;
    uint32_t n_received = dm_published(stream->rx_packets);
    uint32_t n_lost = dm_rtp_sequence_lost(&stream->rx);
    /* A late one may make up for a loss of the time before. */
    uint32_t lost = n_lost > judge->n_lost ? n_lost - judge->n_lost : 0;
    uint32_t n_runs = dm_published(judge->n_runs);
    uint32_t runs = n_runs > judge->n_runs_before ? n_runs - judge->n_runs_before : 0;
    DmQualitySample sample = {
        .codec = (DmCodec)(dm_published(stream->format) >> 8),
        .n_expected = n_received - judge->n_received + lost,
        .n_lost = lost,
        .n_runs = runs,
        .jitter_us = dm_rtp_sequence_jitter_us(&stream->rx, dm_published(stream->clock_hz)),
        .rtt_us = dm_published(stream->rtt_us),
        .buffer_ms = (uint16_t)dm_published(stream->buffer_ms),
    };

    if (sample.n_expected < MIN_PACKETS) {
        return;
    }
    judge->n_received = n_received;
    judge->n_lost = n_lost;
    judge->n_runs_before = n_runs;
    dm_quality_judge(&judge->in, &sample);
    dm_worker_observe(stats_of(stream), rtp_jitter, sample.jitter_us);
    dm_worker_observe(stats_of(stream), rtp_loss, INT64_C(10000) * lost / sample.n_expected);
}

/* Codec of what goes to the peer: made here, or the other peer's own. */
static DmCodec
codec_sent(DmStream *stream)
{
    const DmStream *from = dm_stream_other(stream);

    return from->samples != NULL ? from->plan->made.codec
                                 : (DmCodec)(dm_published(from->format) >> 8);
}

/* The peer counts from the packet it heard first; its first report is about all we sent. */
static void
fill_counts(const DmStream *stream, const DmRtcpBlock *block, DmQualitySample *sample)
{
    const DmStreamJudge *judge = &stream->judge;
    int32_t lost = block->lost - judge->out_lost;

    sample->n_expected = judge->out_judged_us != 0 ? block->highest - judge->out_highest
                                                   : dm_published(stream->tx_packets);
    sample->n_lost = (uint32_t)MAX(lost, 0);
}

void
dm_judge_out(DmStream *stream, const DmRtcpBlock *block, int64_t now_us)
{
    DmStreamJudge *judge = &stream->judge;
    DmQualitySample sample = {
        .codec = codec_sent(stream),
        .jitter_us = dm_published(stream->tx_jitter_us),
        .rtt_us = dm_published(stream->rtt_us),
    };

    if (judge->out_judged_us != 0 && now_us - judge->out_judged_us < MIN_OUT_INTERVAL_US) {
        return;
    }
    fill_counts(stream, block, &sample);
    if (sample.n_expected < MIN_PACKETS) {
        return;
    }
    judge->out_judged_us = now_us;
    judge->out_highest = block->highest;
    judge->out_lost = block->lost;
    /* More than we ever sent: a peer that counts wrongly, or starts anew. */
    if (sample.n_expected <= dm_published(stream->tx_packets)) {
        dm_quality_judge(&judge->out, &sample);
    }
}

static uint16_t
ms_of(uint64_t ms)
{
    return (uint16_t)MIN(ms, UINT16_MAX);
}

/* A packet, as they come: by what the peer's payload types and lengths say it is 20 ms. */
#define PACKET_MS 20
/* Enhanced concealment, adaptive jitter buffer: what the quality is judged by. */
#define VOIP_CONFIG (2 << 6 | 3 << 4)

void
dm_judge_voip(const DmStream *stream, DmVoipMetrics *out)
{
    uint32_t n_lost = dm_rtp_sequence_lost(&stream->rx);
    uint32_t n_expected = dm_published(stream->rx_packets) + n_lost;
    uint32_t n_late = dm_published(stream->rx_out_of_order);
    uint32_t jitter_us = dm_rtp_sequence_jitter_us(&stream->rx, dm_published(stream->clock_hz));
    uint32_t rtt_us = dm_published(stream->rtt_us);
    unsigned buffer_ms = dm_published(stream->buffer_ms);
    DmBurstFigures figures = dm_rtp_bursts_figures(&stream->judge.bursts, n_expected);
    DmEmodel model = {
        .codec = (DmCodec)(dm_published(stream->format) >> 8),
        .loss_percent = n_expected > 0 ? 100.0 * n_lost / n_expected : 0,
        .burst_ratio = dm_burst_ratio(n_lost, dm_published(stream->judge.n_runs), n_expected),
    };
    double listening = dm_emodel_rating(&model);
    double conversing;

    model.delay_ms = buffer_ms != 0 ? dm_buffered_to_ear_ms(rtt_us, buffer_ms, PACKET_MS)
                                    : dm_mouth_to_ear_ms(rtt_us, jitter_us, PACKET_MS);
    conversing = dm_emodel_rating(&model);
    *out = (DmVoipMetrics){
        .known = true,
        .ssrc = dm_published(stream->ssrc_rx),
        .loss_rate = (uint8_t)MIN(UINT64_C(256) * n_lost / MAX(n_expected, 1), 255),
        .discard_rate = (uint8_t)MIN(UINT64_C(256) * n_late / MAX(n_expected, 1), 255),
        .burst_density = figures.burst_density,
        .gap_density = figures.gap_density,
        .burst_ms = ms_of(UINT64_C(1) * PACKET_MS * figures.burst_packets),
        .gap_ms = ms_of(UINT64_C(1) * PACKET_MS * figures.gap_packets),
        .round_trip_ms = ms_of(rtt_us / 1000),
        .signal_dbm = DM_VOIP_UNKNOWN,
        .noise_dbm = DM_VOIP_UNKNOWN,
        .echo_loss_db = DM_VOIP_UNKNOWN,
        .gmin = DM_BURST_GMIN,
        .r_factor = (uint8_t)conversing,
        .other_r_factor = DM_VOIP_UNKNOWN,
        .mos_lq_x10 = (uint8_t)(10 * dm_emodel_mos(listening)),
        .mos_cq_x10 = (uint8_t)(10 * dm_emodel_mos(conversing)),
        .buffer_nominal_ms = ms_of(buffer_ms != 0 ? buffer_ms : 2 * jitter_us / 1000),
        .config = VOIP_CONFIG,
        .buffer_max_ms = ms_of(dm_published(stream->buffer_limit_ms)),
        .buffer_limit_ms = ms_of(dm_published(stream->buffer_limit_ms)),
    };
}
