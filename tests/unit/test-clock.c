/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "gateway/base/clock.h"

static void
test_fake_clock(void)
{
    DmFakeClock fake;
    char text[DM_TIME_TEXT_MAX];

    dm_fake_clock_init(&fake);
    g_assert_cmpint(dm_clock_mono_us(&fake.clock), ==, 1000000);
    g_assert_cmpstr(dm_wall_text(dm_clock_wall_us(&fake.clock), text),
                    ==,
                    "2026-01-01T00:00:00.000Z");
    dm_fake_clock_advance(&fake, 1500);
    dm_fake_clock_step_wall(&fake, -1000);
    g_assert_cmpint(dm_clock_mono_us(&fake.clock), ==, 1001500);
    g_assert_cmpstr(dm_wall_text(dm_clock_wall_us(&fake.clock), text),
                    ==,
                    "2026-01-01T00:00:00.000Z");
}

static void
test_wall_text(void)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {INT64_C(1709210096789999), "2024-02-29T12:34:56.789Z"},
        {INT64_C(951868799999999), "2000-02-29T23:59:59.999Z"},
        {INT64_C(951868800000000), "2000-03-01T00:00:00.000Z"},
        {INT64_C(4107542400000000), "2100-03-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {-INT64_C(86400) * 1000000, "1970-01-01T00:00:00.000Z"},
    };
    char text[DM_TIME_TEXT_MAX];

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpstr(dm_wall_text(cases[i].us, text), ==, cases[i].text);
    }
}

static void
test_system_clock_goes_forward(void)
{
    const DmClock *clock = dm_clock_system();
    int64_t before = dm_clock_mono_us(clock);

    g_assert_cmpint(dm_clock_mono_us(clock), >=, before);
    g_assert_cmpint(dm_clock_wall_us(clock), >, INT64_C(1700000000) * 1000000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock/fake", test_fake_clock);
    g_test_add_func("/clock/wall-text", test_wall_text);
    g_test_add_func("/clock/system-goes-forward", test_system_clock_goes_forward);
    return g_test_run();
}
