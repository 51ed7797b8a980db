/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/packed.h"

/* Every length has a last word of its own, and its own number of words with bits. */
static void
test_value_comes_back(void)
{
    uint8_t value[700], back[700];

    for (size_t size = 0; size <= sizeof value; size++) {
        for (unsigned every = 1; every < 40; every += 13) {
            DmPacked *packed;

            memset(value, 0, sizeof value);
            for (size_t i = every - 1; i < size; i += every) {
                value[i] = (uint8_t)(i * 7 + 1);
            }
            packed = dm_packed_new(value, size);
            memset(back, 0xa5, sizeof back);
            dm_packed_get(packed, back, size);
            g_assert_cmpmem(back, size, value, size);
            g_assert_true(size == sizeof back || back[size] == 0xa5);
            dm_packed_unref(packed);
        }
    }
}

static void
test_nothing_is_all_zero(void)
{
    uint8_t back[20] = {1, 2, 3};
    const uint8_t zeros[20] = {0};

    dm_packed_get(NULL, back, sizeof back);
    g_assert_cmpmem(back, sizeof back, zeros, sizeof zeros);
    dm_packed_unref(NULL);
}

static void
test_zeros_take_no_room(void)
{
    uint8_t value[1600] = {[40] = 1, [1599] = 1};
    DmPacked *packed = dm_packed_new(value, sizeof value);

    g_test_summary("a value of 1600 bytes with two that are not zero takes less than 100");
    g_assert_cmpuint(malloc_usable_size(packed), <, 100);
    dm_packed_unref(packed);
}

int
main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/packed/value-comes-back", test_value_comes_back);
    g_test_add_func("/packed/nothing-is-all-zero", test_nothing_is_all_zero);
    g_test_add_func("/packed/zeros-take-no-room", test_zeros_take_no_room);
    return g_test_run();
}
