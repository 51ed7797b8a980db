/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "media/rtp/sequence.h"

static void
feed(DmRtpSequence *sequence, uint16_t from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        dm_rtp_sequence_input(sequence, 1, (uint16_t)(from + i));
    }
}

static void
test_loss_is_counted_across_the_wrap(void)
{
    DmRtpSequence sequence = {0};

    g_test_summary("RFC 3550, A.3: expected less received, also when the number wraps");

    feed(&sequence, 65500, 100);
    g_assert_cmpuint(dm_rtp_sequence_expected(&sequence), ==, 100);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 0);

    feed(&sequence, (uint16_t)(65500 + 107), 10);
    g_assert_cmpuint(dm_rtp_sequence_expected(&sequence), ==, 117);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 7);
}

static void
test_late_packet_is_not_lost_and_not_a_duplicate(void)
{
    DmRtpSequence sequence = {0};

    feed(&sequence, 10, 3);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 14), ==, DM_SEQUENCE_GAP);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 1);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 13), ==, DM_SEQUENCE_LATE);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 0);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 13), ==, DM_SEQUENCE_DUPLICATE);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 14), ==, DM_SEQUENCE_DUPLICATE);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 9),
                    ==,
                    DM_SEQUENCE_LATE); /* before the first */
    g_assert_cmpuint(dm_rtp_sequence_expected(&sequence), ==, 6);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 0);
}

/* Feeds @number and keeps count of the runs of missing packets as a stream does. */
static int
runs_after(DmRtpSequence *sequence, int runs, uint16_t number)
{
    switch (dm_rtp_sequence_input(sequence, 1, number)) {
    case DM_SEQUENCE_GAP:
        return runs + 1;
    case DM_SEQUENCE_LATE:
        return runs + sequence->run_change;
    default:
        return runs;
    }
}

static void
test_runs_of_losses_are_counted(void)
{
    DmRtpSequence sequence = {0};
    int runs = 0;

    g_test_summary("A hole is one run, however long; late packets shorten, split and close runs");

    feed(&sequence, 0, 10);
    runs = runs_after(&sequence, runs, 16); /* 10 to 15 are missing */
    g_assert_cmpint(runs, ==, 1);
    g_assert_cmpuint(sequence.n_missing, ==, 6);
    runs = runs_after(&sequence, runs, 10);
    g_assert_cmpint(runs, ==, 1);
    runs = runs_after(&sequence, runs, 13); /* 11 and 12, 14 and 15 */
    g_assert_cmpint(runs, ==, 2);
    runs = runs_after(&sequence, runs, 15);
    runs = runs_after(&sequence, runs, 14);
    g_assert_cmpint(runs, ==, 1);
    runs = runs_after(&sequence, runs, 12);
    runs = runs_after(&sequence, runs, 11);
    g_assert_cmpint(runs, ==, 0);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 0);
}

static void
test_packet_too_late_to_remember_is_lost(void)
{
    DmRtpSequence sequence = {0};

    g_test_summary("Beyond 64 packets nobody knows whether it has come: counted late, once or "
                   "often, and lost");

    feed(&sequence, 0, 10);
    feed(&sequence, 11, 90);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 10), ==, DM_SEQUENCE_LATE);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 10), ==, DM_SEQUENCE_LATE);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 1);
}

static void
test_jump_is_believed_when_the_next_follows(void)
{
    DmRtpSequence sequence = {0};

    g_test_summary("RFC 3550, A.1: one stray number changes nothing, two in a row are a restart");

    feed(&sequence, 100, 10);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 30000), ==, DM_SEQUENCE_JUMP);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 110), ==, DM_SEQUENCE_NEXT);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 0);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 40000), ==, DM_SEQUENCE_JUMP);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 1, 40001), ==, DM_SEQUENCE_RESTART);
    g_assert_cmpuint(dm_rtp_sequence_expected(&sequence), ==, 1);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 0);
}

static void
test_other_source_begins_anew_and_keeps_what_was_lost(void)
{
    DmRtpSequence sequence = {0};

    feed(&sequence, 0, 5);
    feed(&sequence, 8, 2);
    g_assert_cmpint(dm_rtp_sequence_input(&sequence, 2, 50000), ==, DM_SEQUENCE_RESTART);
    g_assert_cmpuint(dm_rtp_sequence_expected(&sequence), ==, 1);
    g_assert_cmpuint(dm_rtp_sequence_lost(&sequence), ==, 3);
}

static void
test_jitter_of_a_steady_stream_is_none(void)
{
    DmRtpSequence sequence = {0};

    for (unsigned i = 0; i < 200; i++) {
        dm_rtp_sequence_input(&sequence, 1, (uint16_t)i);
        dm_rtp_sequence_arrival(&sequence, i * 160, 8000, 1000000 + i * 20000);
    }
    g_assert_cmpuint(dm_rtp_sequence_jitter_us(&sequence, 8000), ==, 0);
}

static void
test_jitter_settles_at_the_mean_change_of_transit(void)
{
    DmRtpSequence sequence = {0};

    g_test_summary("RFC 3550, A.8: every second packet 5 ms late is a jitter of 5 ms");

    for (unsigned i = 0; i < 400; i++) {
        dm_rtp_sequence_input(&sequence, 1, (uint16_t)i);
        dm_rtp_sequence_arrival(&sequence, i * 160, 8000, 1000000 + i * 20000 + (i % 2) * 5000);
    }
    g_assert_cmpuint(dm_rtp_sequence_jitter_us(&sequence, 8000), >, 4800);
    g_assert_cmpuint(dm_rtp_sequence_jitter_us(&sequence, 8000), <, 5200);
    g_assert_cmpuint(dm_rtp_sequence_jitter_max_us(&sequence, 8000), >=, 4800);
}

static void
test_leap_of_the_timestamp_is_not_jitter(void)
{
    DmRtpSequence sequence = {0};

    for (unsigned i = 0; i < 10; i++) {
        dm_rtp_sequence_arrival(&sequence, i * 160, 8000, 1000000 + i * 20000);
    }
    dm_rtp_sequence_arrival(&sequence, 0x90000000, 8000, 1200000);
    g_assert_cmpuint(dm_rtp_sequence_jitter_us(&sequence, 8000), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtp/sequence/loss", test_loss_is_counted_across_the_wrap);
    g_test_add_func("/rtp/sequence/late", test_late_packet_is_not_lost_and_not_a_duplicate);
    g_test_add_func("/rtp/sequence/runs", test_runs_of_losses_are_counted);
    g_test_add_func("/rtp/sequence/too-late", test_packet_too_late_to_remember_is_lost);
    g_test_add_func("/rtp/sequence/jump", test_jump_is_believed_when_the_next_follows);
    g_test_add_func("/rtp/sequence/other-source",
                    test_other_source_begins_anew_and_keeps_what_was_lost);
    g_test_add_func("/rtp/sequence/jitter-none", test_jitter_of_a_steady_stream_is_none);
    g_test_add_func("/rtp/sequence/jitter", test_jitter_settles_at_the_mean_change_of_transit);
    g_test_add_func("/rtp/sequence/jitter-leap", test_leap_of_the_timestamp_is_not_jitter);
    return g_test_run();
}
