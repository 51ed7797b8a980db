/* SPDX-License-Identifier: Apache-2.0 */
#include "media/quality.h"

#include <glib.h>
#include <math.h>

/* G.107 (06/2015), table 2: the values for which everything not measured here is taken. */
#define SLR    8.0   /* send loudness rating, dB */
#define RLR    2.0   /* receive loudness rating, dB */
#define STMR   15.0  /* sidetone masking rating, dB */
#define T_QDU  1.0   /* quantizing distortion units */
#define TELR   65.0  /* talker echo loudness rating, dB */
#define WEPL   110.0 /* weighted echo path loss, dB */
#define NC     -70.0 /* circuit noise, dBm0p */
#define NFOR   -64.0 /* noise floor, dBmp */
#define PS     35.0  /* room noise at the send side, dB(A) */
#define PR     35.0  /* room noise at the receive side, dB(A) */
#define DS     3.0   /* D-value of the telephone, send side */
#define LSTR   (STMR + DS)
#define MAX_IE 95.0

/* Q.1112's bounds of what a receiver waits for late packets: no less, and no more. */
#define MIN_BUFFER_MS 40.0
#define MAX_BUFFER_MS 200.0

/* G.113, Appendix I, tables I.1, I.3 and I.4: the impairment of the codec, and its robustness
 * against lost packets. Where the tables have no robustness, that of a relative: GSM's full rate
 * has that of its enhanced one; G.726 that of G.711 without concealment, which it has none of.
 * G.722 and Opus are rated on the wide band scale there, which is another one: on this one they are
 * G.711 with concealment. */
static const struct {
    double ie, bpl;
} codecs[] = {
    [DM_CODEC_OTHER] = {0, 25.1},
    [DM_CODEC_PCMU] = {0, 25.1},
    [DM_CODEC_PCMA] = {0, 25.1},
    [DM_CODEC_G722] = {0, 25.1},
    [DM_CODEC_G726_16] = {50, 4.3},
    [DM_CODEC_G726_24] = {25, 4.3},
    [DM_CODEC_G726_32] = {7, 4.3},
    [DM_CODEC_G726_40] = {2, 4.3},
    [DM_CODEC_GSM] = {20, 10.0},
    [DM_CODEC_G729] = {11, 19.0},
    [DM_CODEC_OPUS] = {0, 25.1},
};

static double
ie_of(DmCodec codec)
{
    return codec < G_N_ELEMENTS(codecs) ? codecs[codec].ie : 0;
}

static double
bpl_of(DmCodec codec)
{
    return codec < G_N_ELEMENTS(codecs) ? codecs[codec].bpl : codecs[DM_CODEC_OTHER].bpl;
}

double
dm_emodel_impairment(DmCodec codec)
{
    return ie_of(codec);
}

static double
power_sum(double a, double b)
{
    return pow(10, a / 10) + pow(10, b / 10);
}

/* 7.2: all noise, as if it came in at the 0 dBr point. */
static double
noise(void)
{
    double olr = SLR + RLR;
    double pre = PR + 10 * log10(1 + pow(10, (10 - LSTR) / 10));
    double nos = PS - SLR - DS - 100 + 0.004 * pow(PS - olr - DS - 14, 2);
    double nor = RLR - 121 + pre + 0.008 * pow(pre - 35, 2);
    double nfo = NFOR + RLR;

    return 10 * log10(power_sum(NC, nos) + power_sum(nor, nfo));
}

/* 7.3: what is too loud, the own voice, and quantizing. */
static double
simultaneous(double ro, double no)
{
    double xolr = SLR + RLR + 0.2 * (64 + no - RLR);
    double iolr = 20 * (pow(1 + pow(xolr / 8, 8), 1.0 / 8) - xolr / 8);
    double stmro = -10 * log10(pow(10, -STMR / 10) + pow(10, -TELR / 40));
    double ist = 12 * pow(1 + pow((stmro - 13) / 6, 8), 1.0 / 8) -
                 28 * pow(1 + pow((stmro + 1) / 19.4, 35), 1.0 / 35) -
                 13 * pow(1 + pow((stmro - 3) / 33, 13), 1.0 / 13) + 29;
    double q = 37 - 15 * log10(T_QDU);
    double g = 1.07 + 0.258 * q + 0.0602 * q * q;
    double z = 46.0 / 30 - g / 40;
    double y = (ro - 100) / 15 + 46 / 8.4 - g / 9;
    double iq = 15 * log10(1 + pow(10, y) + pow(10, z));

    return iolr + ist + iq;
}

/* 7.4: what one hears of oneself, late. */
static double
talker_echo(double no, double ms)
{
    double terv = TELR - 40 * log10((1 + ms / 10) / (1 + ms / 150)) + 6 * exp(-0.3 * ms * ms);
    double roe = -1.5 * (no - RLR);
    double half = (roe - (80 + 2.5 * (terv - 14))) / 2;

    return (half + sqrt(half * half + 100) - 1) * (1 - exp(-ms));
}

/* 7.4: what one hears of the other one, twice. */
static double
listener_echo(double ro, double round_trip_ms)
{
    double half = (ro - 10.5 * (WEPL + 7) * pow(round_trip_ms + 1, -0.25)) / 2;

    return half + sqrt(half * half + 169);
}

/* 7.4: that it takes long. */
static double
too_long(double ms)
{
    double x = log10(ms / 100) / log10(2);

    if (ms <= 100) {
        return 0;
    }
    return 25 * (pow(1 + pow(x, 6), 1.0 / 6) - 3 * pow(1 + pow(x / 3, 6), 1.0 / 6) + 2);
}

/* 7.5: the codec, and what loss does to it. */
static double
equipment(const DmEmodel *model)
{
    double ie = ie_of(model->codec);
    double ppl = CLAMP(model->loss_percent, 0, 100);
    double ratio = CLAMP(model->burst_ratio, 1, DM_BURST_RATIO_MAX);

    return ie + (MAX_IE - ie) * ppl / (ppl / ratio + bpl_of(model->codec));
}

double
dm_emodel_rating(const DmEmodel *model)
{
    double no = noise();
    double ro = 15 - 1.5 * (SLR + no);
    double ms = MAX(model->delay_ms, 0);
    double delay = talker_echo(no, ms) + listener_echo(ro, 2 * ms) + too_long(ms);

    return MAX(ro - simultaneous(ro, no) - delay - equipment(model), 0);
}

/* G.107, Annex B. The curve dips below 1 for the worst ratings, where there is nothing left to say.
 */
double
dm_emodel_mos(double rating)
{
    double r = CLAMP(rating, 0, 100);

    return MAX(1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, 1);
}

double
dm_burst_ratio(uint32_t n_lost, uint32_t n_runs, uint32_t n_expected)
{
    double loss = n_expected > 0 ? (double)n_lost / n_expected : 0;

    if (n_lost == 0 || n_runs == 0) {
        return 1;
    }
    /* By chance a run has 1 / (1 - p) packets on average. */
    return CLAMP((double)n_lost / n_runs * (1 - loss), 1, DM_BURST_RATIO_MAX);
}

double
dm_mouth_to_ear_ms(uint32_t rtt_us, uint32_t jitter_us, unsigned ptime_ms)
{
    double buffer_ms = CLAMP(2 * jitter_us / 1000.0, MIN_BUFFER_MS, MAX_BUFFER_MS);

    return rtt_us / 2000.0 + ptime_ms + buffer_ms;
}

double
dm_buffered_to_ear_ms(uint32_t rtt_us, unsigned buffer_ms, unsigned ptime_ms)
{
    return rtt_us / 2000.0 + ptime_ms + MIN_BUFFER_MS + buffer_ms;
}

static void
publish_max(_Atomic uint32_t *max, uint32_t value)
{
    dm_publish(*max, MAX(value, dm_published(*max)));
}

static uint32_t
judge(const DmQualitySample *sample, uint32_t n_lost, double ratio)
{
    unsigned ptime_ms = sample->ptime_ms != 0 ? sample->ptime_ms : 20;
    DmEmodel model = {
        .codec = sample->codec,
        .loss_percent = sample->n_expected > 0 ? 100.0 * n_lost / sample->n_expected : 0,
        .burst_ratio = ratio,
        .delay_ms = sample->buffer_ms != 0
                        ? dm_buffered_to_ear_ms(sample->rtt_us, sample->buffer_ms, ptime_ms)
                        : dm_mouth_to_ear_ms(sample->rtt_us, sample->jitter_us, ptime_ms),
    };

    return (uint32_t)lrint(100 * dm_emodel_mos(dm_emodel_rating(&model)));
}

uint32_t
dm_quality_judge(DmQualityTrack *track, const DmQualitySample *sample)
{
    uint32_t n_lost = MIN(sample->n_lost, sample->n_expected);
    uint32_t loss_x100 =
        sample->n_expected > 0 ? (uint32_t)(UINT64_C(10000) * n_lost / sample->n_expected) : 0;
    double ratio = dm_burst_ratio(n_lost, sample->n_runs, sample->n_expected);
    uint32_t mos_x100 = judge(sample, n_lost, ratio);
    uint32_t worst = dm_published(track->n) > 0 ? dm_published(track->mos_min_x100) : G_MAXUINT32;

    dm_publish(track->mos_x100, mos_x100);
    dm_publish(track->mos_min_x100, MIN(worst, mos_x100));
    dm_publish_add(track->mos_sum_x100, mos_x100);
    dm_publish(track->loss_x100, loss_x100);
    publish_max(&track->loss_max_x100, loss_x100);
    dm_publish_add(track->n_expected, sample->n_expected);
    dm_publish_add(track->n_lost, n_lost);
    dm_publish(track->burst_x100, (uint32_t)lrint(100 * ratio));
    publish_max(&track->burst_max_x100, (uint32_t)lrint(100 * ratio));
    dm_publish(track->jitter_us, sample->jitter_us);
    publish_max(&track->jitter_max_us, sample->jitter_us);
    dm_publish_add(track->jitter_sum_us, sample->jitter_us);
    dm_publish_add(track->n, 1);
    return mos_x100;
}

void
dm_quality_read(const DmQualityTrack *track, DmMediaQuality *out)
{
    uint32_t n = dm_published(track->n);
    uint32_t n_expected = dm_published(track->n_expected);

    *out = (DmMediaQuality){.n = n};
    if (n == 0) {
        return;
    }
    out->mos_x100 = (uint16_t)dm_published(track->mos_x100);
    out->mos_avg_x100 = (uint16_t)(dm_published(track->mos_sum_x100) / n);
    out->mos_min_x100 = (uint16_t)dm_published(track->mos_min_x100);
    out->loss_x100 = (uint16_t)dm_published(track->loss_x100);
    out->loss_avg_x100 =
        (uint16_t)(n_expected > 0 ? UINT64_C(10000) * dm_published(track->n_lost) / n_expected : 0);
    out->loss_max_x100 = (uint16_t)dm_published(track->loss_max_x100);
    out->burst_x100 = (uint16_t)dm_published(track->burst_x100);
    out->burst_max_x100 = (uint16_t)dm_published(track->burst_max_x100);
    out->jitter_us = dm_published(track->jitter_us);
    out->jitter_avg_us = (uint32_t)(dm_published(track->jitter_sum_us) / n);
    out->jitter_max_us = dm_published(track->jitter_max_us);
}
