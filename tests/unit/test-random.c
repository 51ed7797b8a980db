/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/base/id.h"
#include "gateway/base/random.h"

static void
test_seeded_repeats(void)
{
    g_autoptr(DmRandom) a = dm_random_new_seeded(7);
    g_autoptr(DmRandom) b = dm_random_new_seeded(7);
    g_autoptr(DmRandom) c = dm_random_new_seeded(8);
    uint64_t first = dm_random_u64(a);

    g_assert_cmpuint(first, ==, dm_random_u64(b));
    g_assert_cmpuint(first, !=, dm_random_u64(c));
}

static void
test_range_is_inclusive_and_uniform(void)
{
    enum { N = 60000 };
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    int counts[6] = {0};

    for (int i = 0; i < N; i++) {
        int64_t value = dm_random_range(random, -2, 3);

        g_assert_cmpint(value, >=, -2);
        g_assert_cmpint(value, <=, 3);
        counts[value + 2]++;
    }
    for (int i = 0; i < 6; i++) {
        g_assert_cmpint(ABS(counts[i] - N / 6), <, N / 60);
    }
    g_assert_cmpint(dm_random_range(random, 5, 5), ==, 5);
    dm_random_range(random, INT64_MIN, INT64_MAX);
}

static void
test_kernel_bytes_differ(void)
{
    g_autoptr(DmRandom) random = dm_random_new();
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    g_test_summary("No token comes twice, across many refills of the buffer");

    for (int i = 0; i < 5000; i++) {
        char *token = g_malloc(17);

        dm_random_token(random, token, 16);
        g_assert_cmpuint(strlen(token), ==, 16);
        g_assert_cmpuint(strspn(token, "abcdefghijklmnopqrstuvwxyz234567"), ==, 16);
        g_assert_true(g_hash_table_add(seen, token));
    }
}

static void
test_any_length(void)
{
    static const size_t lens[] = {0, 1, 7, 1023, 1024, 1025, 5000};
    g_autoptr(DmRandom) kernel = dm_random_new();
    g_autoptr(DmRandom) seeded = dm_random_new_seeded(3);

    for (size_t i = 0; i < G_N_ELEMENTS(lens); i++) {
        /* Exactly as long as asked for, so that the sanitizer sees a byte too many. */
        g_autofree uint8_t *bytes = g_malloc0(MAX(lens[i], 1));

        dm_random_bytes(kernel, bytes, lens[i]);
        dm_random_bytes(seeded, bytes, lens[i]);
        if (lens[i] > 1000) {
            g_assert_true(memchr(bytes, 0, lens[i]) == NULL ||
                          memcmp(bytes, bytes + lens[i] / 2, lens[i] / 2) != 0);
        }
    }
}

static void
test_call_ids_sort_by_time(void)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    char earlier[DM_CALL_ID_MAX];
    char later[DM_CALL_ID_MAX];
    char same[DM_CALL_ID_MAX];

    dm_call_id_make(earlier, INT64_C(1767225600000000), random);
    dm_call_id_make(same, INT64_C(1767225600000000), random);
    dm_call_id_make(later, INT64_C(1767225600001000), random);
    g_assert_cmpuint(strlen(earlier), ==, 26);
    g_assert_cmpuint(strspn(earlier, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), ==, 26);
    g_assert_cmpstr(earlier, <, later);
    g_assert_cmpstr(earlier, !=, same);
    /* 1767225600000 ms in Crockford's base 32. */
    g_assert_cmpint(strncmp(earlier, "01KDVDNA00", 10), ==, 0);
}

static void
test_tokens_name_their_worker(void)
{
    g_autoptr(DmRandom) random = dm_random_new();

    for (unsigned worker = 0; worker < DM_ID_MAX_WORKERS; worker++) {
        char token[DM_TOKEN_MAX];

        dm_token_make(token, worker, random);
        g_assert_cmpuint(strlen(token), ==, DM_TOKEN_MAX - 1);
        g_assert_cmpint(dm_token_worker(token, strlen(token)), ==, (int)worker);
    }
}

static void
test_foreign_tokens_have_no_worker(void)
{
    static const char *const foreign[] = {
        "",
        "f",
        "faaaaaaaaaaaaaaa",
        "faaaaaaaaaaaaaaaaa",
        "faaaaaaaaaaaaaaa1",
        "fAaaaaaaaaaaaaaaa",
        ".aaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(foreign); i++) {
        g_assert_cmpint(dm_token_worker(foreign[i], strlen(foreign[i])), ==, -1);
    }
    g_assert_cmpint(dm_token_worker("faaaaaaa\0aaaaaaaa", 17), ==, -1);
    g_assert_cmpint(dm_token_worker("\0aaaaaaaaaaaaaaaa", 17), ==, -1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/random/seeded-repeats", test_seeded_repeats);
    g_test_add_func("/random/range-is-inclusive-and-uniform", test_range_is_inclusive_and_uniform);
    g_test_add_func("/random/kernel-bytes-differ", test_kernel_bytes_differ);
    g_test_add_func("/random/any-length", test_any_length);
    g_test_add_func("/id/call-ids-sort-by-time", test_call_ids_sort_by_time);
    g_test_add_func("/id/tokens-name-their-worker", test_tokens_name_their_worker);
    g_test_add_func("/id/foreign-tokens-have-no-worker", test_foreign_tokens_have_no_worker);
    return g_test_run();
}
