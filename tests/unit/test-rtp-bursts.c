/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "media/rtp/bursts.h"

static void
test_lone_losses_are_the_gaps(void)
{
    DmRtpBursts bursts = {0};
    DmBurstFigures figures;

    g_test_summary("RFC 3611, 4.7.2: with 16 or more between them, losses make no burst");

    for (uint32_t i = 1; i <= 10; i++) {
        dm_rtp_bursts_input(&bursts, 1000 + i * 100, 1);
    }
    figures = dm_rtp_bursts_figures(&bursts, 1024);
    g_assert_cmpuint(figures.burst_density, ==, 0);
    g_assert_cmpuint(figures.burst_packets, ==, 0);
    g_assert_cmpuint(figures.gap_density, ==, 2); /* 10 of 1024, in 256ths */
    g_assert_cmpuint(figures.gap_packets, ==, 1024);
}

static void
test_near_losses_are_a_burst(void)
{
    DmRtpBursts bursts = {0};
    DmBurstFigures figures;

    g_test_summary("Losses with fewer than 16 between them; the received ones among them count");

    dm_rtp_bursts_input(&bursts, 100, 1);
    dm_rtp_bursts_input(&bursts, 105, 2);
    dm_rtp_bursts_input(&bursts, 122, 1);  /* 15 after 106 */
    dm_rtp_bursts_input(&bursts, 139, 1);  /* 16 after 122 */
    dm_rtp_bursts_input(&bursts, 500, 10); /* a burst of nothing else */
    figures = dm_rtp_bursts_figures(&bursts, 1033);
    g_assert_cmpuint(figures.burst_packets, ==, (23 + 10) / 2);
    g_assert_cmpuint(figures.burst_density, ==, 14 * 256 / 33);
    g_assert_cmpuint(figures.gap_packets, ==, 1000 / 3);
    g_assert_cmpuint(figures.gap_density, ==, 0); /* 1 of 1000 */
}

static void
test_nothing_lost(void)
{
    DmRtpBursts bursts = {0};
    DmBurstFigures figures = dm_rtp_bursts_figures(&bursts, 0);

    g_assert_cmpuint(figures.gap_packets, ==, 0);
    g_assert_cmpuint(figures.gap_density, ==, 0);
    g_assert_cmpuint(figures.burst_density, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtp/bursts/gaps", test_lone_losses_are_the_gaps);
    g_test_add_func("/rtp/bursts/bursts", test_near_losses_are_a_burst);
    g_test_add_func("/rtp/bursts/nothing", test_nothing_lost);
    return g_test_run();
}
