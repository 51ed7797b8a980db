/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "media/rtp/continuity.h"

#define MS 1000

static DmRtpPacket
next(DmRtpContinuity *out, uint32_t ssrc, uint16_t number, uint32_t timestamp, int64_t at_ms)
{
    DmRtpPacket packet = {.ssrc = ssrc, .sequence = number, .timestamp = timestamp};

    dm_rtp_continuity_next(out, &packet, 8000, false, at_ms * MS);
    return packet;
}

static DmRtpPacket
next_event(DmRtpContinuity *out, uint16_t number, uint32_t timestamp, int64_t at_ms)
{
    DmRtpPacket packet = {.ssrc = 7, .sequence = number, .timestamp = timestamp};

    dm_rtp_continuity_next(out, &packet, 8000, true, at_ms * MS);
    return packet;
}

#define assert_packet(packet, number, time)                                                        \
    G_STMT_START                                                                                   \
    {                                                                                              \
        DmRtpPacket p_ = (packet);                                                                 \
        g_assert_cmpuint(p_.ssrc, ==, 99);                                                         \
        g_assert_cmpuint(p_.sequence, ==, (number));                                               \
        g_assert_cmpuint(p_.timestamp, ==, (time));                                                \
    }                                                                                              \
    G_STMT_END

static void
test_one_source_keeps_its_steps(void)
{
    DmRtpContinuity out;

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    assert_packet(next(&out, 7, 65535, 160, 0), 1001, 5000);
    assert_packet(next(&out, 7, 0, 320, 20), 1002, 5160);
    assert_packet(next(&out, 7, 3, 800, 80), 1005, 5640); /* a hole stays a hole */
    assert_packet(next(&out, 7, 2, 640, 81), 1004, 5480); /* a swap stays a swap */
    assert_packet(next(&out, 7, 4, 960, 100), 1006, 5800);
}

static void
test_new_source_goes_on_where_the_old_one_stopped(void)
{
    DmRtpContinuity out;
    DmRtpPacket joined;

    g_test_summary("MED-3: another SSRC behind us, the same stream to the peer, marked");

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    next(&out, 7, 50, 160, 0);
    joined = next(&out, 8, 9, 4000000000u, 500);
    g_assert_true(joined.marker);
    assert_packet(joined, 1002, 5000 + 500 * 8);
    assert_packet(next(&out, 8, 10, 4000000160u, 520), 1003, 9160);
}

static void
test_a_pause_is_marked(void)
{
    DmRtpContinuity out;

    g_test_summary("MED-3, RFC 3551, 4.1: the first packet after a pause has a marker, though its "
                   "source forgot; what the network lost is no pause, and a key is none");

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    next(&out, 7, 50, 0, 0);
    g_assert_false(next(&out, 7, 51, 160, 20).marker);
    g_assert_true(next(&out, 7, 52, 160 + 1000 * 8, 1020).marker);
    g_assert_false(next(&out, 7, 53, 320 + 1000 * 8, 1040).marker);
    g_assert_false(next(&out, 7, 63, 320 + 1400 * 8, 1440).marker); /* nine are missing */
    g_assert_false(next_event(&out, 64, 320 + 2400 * 8, 2440).marker);
    g_assert_false(next(&out, 7, 65, 320 + 2420 * 8, 2460).marker);
}

static void
test_source_that_starts_over_is_joined(void)
{
    DmRtpContinuity out;

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    next(&out, 7, 50, 160, 0);
    assert_packet(next(&out, 7, 40000, 80, 20), 1002, 5160);
    assert_packet(next(&out, 7, 40001, 240, 40), 1003, 5320);
    assert_packet(next(&out, 7, 100, 9, 41),
                  1004,
                  5320 + 160); /* at once: at least one packet on */
}

static void
test_timestamp_never_goes_back(void)
{
    DmRtpContinuity out;

    g_test_summary(
        "MED-3: sequence goes on and timestamp falls back: only the timestamp is joined");

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    next(&out, 7, 50, 100000, 0);
    assert_packet(next(&out, 7, 51, 20, 20), 1002, 5160);
    assert_packet(next(&out, 7, 52, 180, 40), 1003, 5320);
}

static void
test_pause_takes_its_time(void)
{
    DmRtpContinuity out;

    g_test_summary(
        "After hold, numbers follow without a hole and the timestamp shows the time gone");

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    next(&out, 7, 50, 160, 0);
    dm_rtp_continuity_splice(&out);
    assert_packet(next(&out, 7, 1550, 240160, 30000), 1002, 5000 + 240000);
}

static void
test_event_keeps_its_timestamp(void)
{
    DmRtpContinuity out;

    g_test_summary(
        "DTMF-1: the timestamp of an event stands at its start, also between voice packets");

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    next(&out, 7, 1, 1600, 0);
    assert_packet(next_event(&out, 2, 1760, 20), 1002, 5160);
    assert_packet(next(&out, 7, 3, 1920, 40), 1003, 5320);
    assert_packet(next_event(&out, 4, 1760, 41), 1004, 5160);
    assert_packet(next(&out, 7, 5, 2080, 60), 1005, 5480);
}

static void
test_sender_report_time_runs_with_the_clock(void)
{
    DmRtpContinuity out;

    dm_rtp_continuity_init(&out, 99, 1000, 5000);
    next(&out, 7, 1, 1600, 1000);
    g_assert_cmpuint(dm_rtp_continuity_timestamp_at(&out, 8000, 1010 * MS), ==, 5080);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtp/continuity/steps", test_one_source_keeps_its_steps);
    g_test_add_func("/rtp/continuity/new-source",
                    test_new_source_goes_on_where_the_old_one_stopped);
    g_test_add_func("/rtp/continuity/starts-over", test_source_that_starts_over_is_joined);
    g_test_add_func("/rtp/continuity/timestamp", test_timestamp_never_goes_back);
    g_test_add_func("/rtp/continuity/pause", test_pause_takes_its_time);
    g_test_add_func("/rtp/continuity/marker", test_a_pause_is_marked);
    g_test_add_func("/rtp/continuity/event", test_event_keeps_its_timestamp);
    g_test_add_func("/rtp/continuity/sender-report", test_sender_report_time_runs_with_the_clock);
    return g_test_run();
}
