/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "media/path/reorder.h"
#include "tests/lib/seed.h"

#define MS INT64_C(1000)

typedef struct {
    DmReorder *reorder;
    GString *played; /* "1 2 -1 4": a minus for each one given up */
} Fixture;

static void
note(const DmPlayed *played, void *user_data)
{
    GString *text = user_data;

    if (played->is_new_source) {
        g_string_append(text, "new ");
    }
    if (played->n_lost > 0) {
        g_string_append_printf(text, "-%u ", played->n_lost);
    }
    g_string_append_printf(text, "%u ", played->payload[0]);
}

static void
open_fixture(Fixture *fixture)
{
    fixture->played = g_string_new(NULL);
    fixture->reorder = dm_reorder_new(note, fixture->played);
}

static void
close_fixture(Fixture *fixture)
{
    dm_reorder_free(fixture->reorder);
    g_string_free(fixture->played, TRUE);
}

static bool
put(Fixture *fixture, uint16_t sequence, int64_t now_us)
{
    uint8_t payload[2000] = {(uint8_t)sequence};
    DmRtpPacket rtp = {.ssrc = 1, .sequence = sequence, .payload_len = 160};

    return dm_reorder_input(fixture->reorder, &rtp, payload, now_us);
}

static void
assert_played(Fixture *fixture, const char *want)
{
    g_assert_cmpstr(fixture->played->str, ==, want);
    g_string_truncate(fixture->played, 0);
}

static void
test_order_is_played_at_once(void)
{
    Fixture fixture;

    open_fixture(&fixture);
    g_assert_true(put(&fixture, 65535, 0));
    assert_played(&fixture, "new 255 ");
    g_assert_true(put(&fixture, 0, 20 * MS));
    assert_played(&fixture, "0 ");
    g_assert_false(put(&fixture, 0, 20 * MS));
    assert_played(&fixture, "");
    close_fixture(&fixture);
}

static void
test_a_hole_is_waited_for_and_given_up(void)
{
    Fixture fixture;

    g_test_summary("MED-7: 20 ms at first, by arrival and not by number");

    open_fixture(&fixture);
    put(&fixture, 1, 0);
    put(&fixture, 3, 40 * MS);
    assert_played(&fixture, "new 1 ");
    put(&fixture, 4, 41 * MS);
    assert_played(&fixture, "");
    put(&fixture, 2, 42 * MS);
    assert_played(&fixture, "2 3 4 ");
    put(&fixture, 6, 60 * MS);
    put(&fixture, 7, 80 * MS);
    assert_played(&fixture, "-1 6 7 ");
    close_fixture(&fixture);
}

static void
test_the_window_follows_the_network(void)
{
    Fixture fixture;
    int64_t widened_us;

    g_test_summary("MED-7: one that came too late widens it, to 200 ms at most; quiet narrows it");

    open_fixture(&fixture);
    put(&fixture, 1, 0);
    put(&fixture, 3, 40 * MS);
    put(&fixture, 4, 60 * MS);
    g_assert_cmpint(dm_reorder_window_us(fixture.reorder), ==, DM_REORDER_MIN_US);
    g_assert_false(put(&fixture, 2, 90 * MS));
    widened_us = dm_reorder_window_us(fixture.reorder);
    g_assert_cmpint(widened_us, >=, 50 * MS);
    put(&fixture, 6, 100 * MS);
    put(&fixture, 7, 120 * MS);
    put(&fixture, 5, 130 * MS);
    assert_played(&fixture, "new 1 -1 3 4 5 6 7 ");

    for (uint16_t n = 8; n < 8 + 60; n += 3) {
        put(&fixture, n + 1, 1000 * MS * n);
        put(&fixture, n + 2, 1000 * MS * n + 300 * MS);
        put(&fixture, n, 1000 * MS * n + 450 * MS);
    }
    g_assert_cmpint(dm_reorder_window_us(fixture.reorder), <=, DM_REORDER_MAX_US);
    g_assert_cmpint(dm_reorder_window_us(fixture.reorder), >=, DM_REORDER_MIN_US);
    for (uint16_t n = 0; n < 20; n++) {
        put(&fixture, (uint16_t)(100 + n), 1000000 * MS + 6000 * MS * n);
    }
    g_assert_cmpint(dm_reorder_window_us(fixture.reorder), ==, DM_REORDER_MIN_US);
    close_fixture(&fixture);
}

static void
test_no_number_makes_it_hold_without_bound(void)
{
    Fixture fixture;

    g_test_summary("Far ahead: what is held is played; a jump beyond reason is another source");

    open_fixture(&fixture);
    put(&fixture, 1, 0);
    put(&fixture, 3, 1);
    put(&fixture, 40, 2);
    assert_played(&fixture, "new 1 -1 3 -36 40 ");
    put(&fixture, 5000, 3);
    assert_played(&fixture, "new 136 ");
    put(&fixture, 4800, 4);
    assert_played(&fixture, "new 192 ");
    close_fixture(&fixture);
}

static void
test_any_order_is_played_in_order(void)
{
    Fixture fixture;
    g_autoptr(GRand) random = g_rand_new_with_seed(dm_test_seed());
    g_autoptr(GString) want = g_string_new("new ");
    uint16_t numbers[200];

    g_test_summary("Shuffled by up to five places within 15 ms: nothing is lost");

    open_fixture(&fixture);
    for (uint16_t i = 0; i < 200; i++) {
        numbers[i] = i;
        g_string_append_printf(want, "%u ", i);
    }
    for (uint16_t i = 1; i + 5 < 200; i += 5) {
        uint16_t j = (uint16_t)(i + g_rand_int_range(random, 0, 5));
        uint16_t swapped = numbers[i];

        numbers[i] = numbers[j];
        numbers[j] = swapped;
    }
    for (uint16_t i = 0; i < 200; i++) {
        put(&fixture, numbers[i], (int64_t)i * 3 * MS);
    }
    assert_played(&fixture, want->str);
    close_fixture(&fixture);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reorder/order", test_order_is_played_at_once);
    g_test_add_func("/reorder/hole", test_a_hole_is_waited_for_and_given_up);
    g_test_add_func("/reorder/window", test_the_window_follows_the_network);
    g_test_add_func("/reorder/bounds", test_no_number_makes_it_hold_without_bound);
    g_test_add_func("/reorder/random", test_any_order_is_played_in_order);
    return g_test_run();
}
