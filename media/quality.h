/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "media/rtp/published.h"
#include "media/spec.h"

/* How speech sounds after a network, from what the network did to its packets: the E-model (ITU-T
 * G.107) with the impairments of codecs of G.113, Appendix I. Everything is judged on the narrow
 * band scale, on which an undisturbed call over G.711 has 93.2 and 4.41, so that calls of all
 * codecs compare. Arithmetic only. */

typedef struct {
    DmCodec codec;
    double loss_percent; /* of packets */
    double burst_ratio;  /* length of runs of lost packets over that of runs by chance; 1: chance */
    double delay_ms;     /* from mouth to ear, one way */
} DmEmodel;

/* The transmission rating R, 0 to 93.2; 0 and more. */
double dm_emodel_rating(const DmEmodel *model);
/* What people would say on average of a conversation of that rating, 1 to 4.5. */
double dm_emodel_mos(double rating);
/* What is lost of R without packet loss: Ie. For reports that want to know. */
double dm_emodel_impairment(DmCodec codec);

/* Runs of lost packets this much longer than by chance are the most the model was made for. */
#define DM_BURST_RATIO_MAX 8.0

/* Of @n_lost of @n_expected packets in @n_runs of losses; 1 to DM_BURST_RATIO_MAX. */
double dm_burst_ratio(uint32_t n_lost, uint32_t n_runs, uint32_t n_expected);

/* Mouth to ear, for someone who stands at this end of the leg: half the round trip, a packet, and
 * a jitter buffer that fits what was measured. */
double dm_mouth_to_ear_ms(uint32_t rtt_us, uint32_t jitter_us, unsigned ptime_ms);
/* The same where ours has taken the jitter out, and holds packets back for @buffer_ms: what is left
 * for whoever plays them is the least of a buffer. */
double dm_buffered_to_ear_ms(uint32_t rtt_us, unsigned buffer_ms, unsigned ptime_ms);

/* What was measured of one direction of one leg in a few seconds. */
typedef struct {
    DmCodec codec;
    uint16_t ptime_ms; /* 0: 20 */
    uint32_t n_expected, n_lost, n_runs;
    uint32_t jitter_us;
    uint32_t rtt_us;    /* 0: unknown */
    uint16_t buffer_ms; /* of our own jitter buffer; 0: none, or it holds nothing back */
} DmQualitySample;

/* All judgements of one direction so far. One thread judges, any may read. */
typedef struct {
    _Atomic uint32_t n;
    _Atomic uint32_t mos_x100, mos_min_x100, mos_sum_x100;
    _Atomic uint32_t loss_x100, loss_max_x100;
    _Atomic uint32_t n_expected, n_lost;
    _Atomic uint32_t burst_x100, burst_max_x100;
    _Atomic uint32_t jitter_us, jitter_max_us;
    _Atomic uint64_t jitter_sum_us;
} DmQualityTrack;

/* Returns the judgement: MOS times 100. */
uint32_t dm_quality_judge(DmQualityTrack *track, const DmQualitySample *sample);
/* Any thread. */
void dm_quality_read(const DmQualityTrack *track, DmMediaQuality *out);
