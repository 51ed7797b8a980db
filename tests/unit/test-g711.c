/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <spandsp.h>
#include <string.h>

#include "media/dsp/g711.h"

static void
test_values_and_tables_agree_with_spandsp(void)
{
    const DmG711Tables *tables = dm_g711_tables();

    g_test_summary("All 256 octets of both laws, and both conversion tables of G.711");

    for (unsigned i = 0; i < 256; i++) {
        uint8_t octet = (uint8_t)i;

        g_assert_cmpint(dm_g711_from_ulaw(octet), ==, ulaw_to_linear(octet));
        g_assert_cmpint(dm_g711_from_alaw(octet), ==, alaw_to_linear(octet));
        g_assert_cmphex(tables->ulaw_to_alaw[i], ==, ulaw_to_alaw(octet));
        g_assert_cmphex(tables->alaw_to_ulaw[i], ==, alaw_to_ulaw(octet));
    }
}

static void
test_samples_become_the_nearest_octet(void)
{
    const DmG711Tables *tables = dm_g711_tables();

    g_test_summary("All 65536 samples, as SpanDSP does; an octet comes back as itself");

    for (int i = INT16_MIN; i <= INT16_MAX; i++) {
        g_assert_cmphex(dm_g711_to_ulaw((int16_t)i), ==, linear_to_ulaw(i));
        g_assert_cmphex(dm_g711_to_alaw((int16_t)i), ==, linear_to_alaw(i));
    }
    for (unsigned i = 0; i < 256; i++) {
        /* Mu-law has two zeros, and a sample one. */
        uint8_t ulaw = i == 0x7f ? 0xff : (uint8_t)i;

        g_assert_cmphex(dm_g711_to_ulaw(tables->ulaw_to_linear[i]), ==, ulaw);
        g_assert_cmphex(dm_g711_to_alaw(tables->alaw_to_linear[i]), ==, i);
    }
}

static void
test_silence_stays_silence(void)
{
    uint8_t frame[160];

    memset(frame, 0xff, sizeof frame);
    dm_g711_convert(dm_g711_tables()->ulaw_to_alaw, frame, sizeof frame);
    for (size_t i = 0; i < sizeof frame; i++) {
        g_assert_cmphex(frame[i], ==, 0xd5);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/g711/spandsp", test_values_and_tables_agree_with_spandsp);
    g_test_add_func("/g711/samples", test_samples_become_the_nearest_octet);
    g_test_add_func("/g711/silence", test_silence_stays_silence);
    return g_test_run();
}
