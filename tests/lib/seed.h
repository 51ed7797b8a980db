/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

/* For tests that throw dice: the same each time, so that none fails by bad luck; another with
 * DM_TEST_SEED, as ./dev soak sets it. */
static inline guint32
dm_test_seed(void)
{
    const char *wanted = g_getenv("DM_TEST_SEED");
    guint32 seed = wanted != NULL ? (guint32)g_ascii_strtoull(wanted, NULL, 10) : 1;

    g_test_message("DM_TEST_SEED=%u", seed);
    return seed;
}
