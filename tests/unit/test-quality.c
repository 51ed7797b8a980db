/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <math.h>

#include "media/quality.h"

static double
rating(DmCodec codec, double loss_percent, double burst_ratio, double delay_ms)
{
    DmEmodel model = {codec, loss_percent, burst_ratio, delay_ms};

    return dm_emodel_rating(&model);
}

#define g_assert_near(value, expected, tolerance)                                                  \
    g_assert_cmpfloat_with_epsilon((value), (expected), (tolerance))

static void
test_defaults_give_the_published_rating(void)
{
    g_test_summary("G.107, 7.7: with all parameters at their defaults R is 93.2 and MOS 4.41");

    g_assert_near(rating(DM_CODEC_PCMU, 0, 1, 0), 93.2, 0.05);
    g_assert_near(dm_emodel_mos(rating(DM_CODEC_PCMA, 0, 1, 0)), 4.41, 0.005);
}

static void
test_mos_follows_the_published_table(void)
{
    static const struct {
        double r, mos;
    } rows[] = {{90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}};

    g_test_summary("G.107, table B.1: lower limits of R for degrees of satisfaction");

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_near(dm_emodel_mos(rows[i].r), rows[i].mos, 0.01);
    }
    g_assert_near(dm_emodel_mos(0), 1, 0.001);
    g_assert_near(dm_emodel_mos(-20), 1, 0.001);
    g_assert_near(dm_emodel_mos(120), 4.5, 0.001);
}

static void
test_delay_costs_what_was_published(void)
{
    static const double delays_ms[] = {25, 50, 100, 150, 200, 250, 300, 400};

    g_test_summary("Cole and Rosenbluth's fit of the delay term (2001): 0.024 d, and 0.11 more for "
                   "each ms beyond 177.3");

    for (size_t i = 0; i < G_N_ELEMENTS(delays_ms); i++) {
        double d = delays_ms[i];
        double fit = 0.024 * d + 0.11 * MAX(d - 177.3, 0);

        g_assert_near(93.2 - rating(DM_CODEC_PCMU, 0, 1, d), fit, 3.5);
    }
}

static void
test_codecs_and_loss_cost_what_the_tables_say(void)
{
    static const struct {
        DmCodec codec;
        double loss_percent, burst_ratio, ie_eff;
    } rows[] = {
        {DM_CODEC_PCMU, 0, 1, 0},
        {DM_CODEC_PCMU, 1, 1, 3.64},  /* 95 / 26.1 */
        {DM_CODEC_PCMA, 5, 1, 15.78}, /* 475 / 30.1 */
        {DM_CODEC_G729, 0, 1, 11},
        {DM_CODEC_G729, 2, 1, 19},   /* 11 + 168 / 21 */
        {DM_CODEC_G729, 2, 2, 19.4}, /* 11 + 168 / 20 */
        {DM_CODEC_GSM, 0, 1, 20},
        {DM_CODEC_G726_32, 0, 1, 7},
        {DM_CODEC_G726_32, 2, 1, 34.94}, /* 7 + 176 / 6.3 */
    };

    g_test_summary("G.107, 7.5 with G.113, Appendix I");

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        double r = rating(rows[i].codec, rows[i].loss_percent, rows[i].burst_ratio, 0);

        g_assert_near(93.2 - r, rows[i].ie_eff, 0.06);
    }
}

static void
test_nothing_makes_it_better(void)
{
    g_test_summary(
        "More loss, longer bursts and more delay never raise the rating, and it is never "
        "below 0");

    for (DmCodec codec = DM_CODEC_OTHER; codec <= DM_CODEC_TELEPHONE_EVENT; codec++) {
        for (double x = 0; x < 100; x += 5) {
            double r = rating(codec, x, 1, 10 * x);

            g_assert_cmpfloat(rating(codec, x + 5, 1, 10 * x), <=, r + 1e-9);
            g_assert_cmpfloat(rating(codec, x, 3, 10 * x), <=, r + 1e-9);
            g_assert_cmpfloat(rating(codec, x, 1, 10 * x + 50), <=, r + 1e-9);
            g_assert_cmpfloat(r, >=, 0);
        }
    }
}

static void
test_bursts_are_told_from_chance(void)
{
    g_test_summary("BurstR: mean length of runs over that of chance, at least 1, bounded");

    g_assert_near(dm_burst_ratio(0, 0, 250), 1, 0.001);
    g_assert_near(dm_burst_ratio(5, 5, 250), 1, 0.001);
    g_assert_near(dm_burst_ratio(10, 2, 250), 4.8, 0.001); /* runs of 5; 1 / (1 - 0.04) by chance */
    g_assert_near(dm_burst_ratio(200, 1, 250), DM_BURST_RATIO_MAX, 0.001);
}

static void
test_judgements_add_up(void)
{
    DmQualityTrack track = {0};
    DmQualitySample good = {.codec = DM_CODEC_PCMU, .n_expected = 250, .jitter_us = 1000};
    DmQualitySample bad = {
        .codec = DM_CODEC_PCMU,
        .n_expected = 250,
        .n_lost = 25,
        .n_runs = 5,
        .jitter_us = 31000,
        .rtt_us = 300000,
    };
    DmMediaQuality quality;

    g_test_summary("Last, average, worst (MED-8)");

    dm_quality_read(&track, &quality);
    g_assert_cmpuint(quality.n, ==, 0);

    dm_quality_judge(&track, &good);
    dm_quality_judge(&track, &bad);
    dm_quality_judge(&track, &good);
    dm_quality_read(&track, &quality);
    g_assert_cmpuint(quality.n, ==, 3);
    g_assert_cmpuint(quality.mos_x100, >, 430);
    g_assert_cmpuint(quality.mos_min_x100, <, 320);
    g_assert_cmpuint(quality.mos_avg_x100, <, quality.mos_x100);
    g_assert_cmpuint(quality.mos_avg_x100, >, quality.mos_min_x100);
    g_assert_cmpuint(quality.loss_x100, ==, 0);
    g_assert_cmpuint(quality.loss_avg_x100, ==, 333);
    g_assert_cmpuint(quality.loss_max_x100, ==, 1000);
    g_assert_cmpuint(quality.burst_x100, ==, 100);
    g_assert_cmpuint(quality.burst_max_x100, ==, 450);
    g_assert_cmpuint(quality.jitter_avg_us, ==, 11000);
    g_assert_cmpuint(quality.jitter_max_us, ==, 31000);
}

static void
test_more_lost_than_expected_is_all(void)
{
    DmQualityTrack track = {0};
    DmQualitySample sample = {.n_expected = 10, .n_lost = 4000000000u, .n_runs = 1};
    DmMediaQuality quality;

    dm_quality_judge(&track, &sample);
    dm_quality_read(&track, &quality);
    g_assert_cmpuint(quality.loss_x100, ==, 10000);
    g_assert_cmpuint(quality.mos_x100, <, 120);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/quality/defaults-give-the-published-rating",
                    test_defaults_give_the_published_rating);
    g_test_add_func("/quality/mos-follows-the-published-table",
                    test_mos_follows_the_published_table);
    g_test_add_func("/quality/delay-costs-what-was-published", test_delay_costs_what_was_published);
    g_test_add_func("/quality/codecs-and-loss-cost-what-the-tables-say",
                    test_codecs_and_loss_cost_what_the_tables_say);
    g_test_add_func("/quality/nothing-makes-it-better", test_nothing_makes_it_better);
    g_test_add_func("/quality/bursts-are-told-from-chance", test_bursts_are_told_from_chance);
    g_test_add_func("/quality/judgements-add-up", test_judgements_add_up);
    g_test_add_func("/quality/more-lost-than-expected-is-all", test_more_lost_than_expected_is_all);
    return g_test_run();
}
