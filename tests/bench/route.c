/* SPDX-License-Identifier: Apache-2.0 */
/* RTE-2: the longest of 100 000 prefixes, and a whole plan with its trace. */
#include <stdio.h>

#include "gateway/base/random.h"
#include "gateway/route/index.h"
#include "gateway/route/policy.h"

#define N_PREFIXES 100000
#define N_LOOKUPS  1000000
#define N_PLANS    100000
#define N_NUMBERS  4096

static DmConfig *
make_config(DmRandom *random)
{
    json_t *routes = json_array();
    DmProblems problems;

    for (unsigned i = 0; i < N_PREFIXES; i++) {
        int64_t prefix =
            dm_random_range(random, 1, 9) * 1000000 + dm_random_range(random, 0, 999999);
        unsigned drop = (unsigned)dm_random_range(random, 0, 3);
        while (drop-- > 0) {
            prefix /= 10;
        }
        json_array_append_new(routes,
                              json_pack("{s:o, s:{s:o}, s:{s:[s]}}",
                                        "id",
                                        json_sprintf("r%u", i),
                                        "match",
                                        "called",
                                        json_sprintf("%" G_GINT64_FORMAT, prefix),
                                        "action",
                                        "trunks",
                                        "t"));
    }
    json_t *document = json_pack("{s:[{s:s, s:s, s:[s]}], s:o}",
                                 "trunks",
                                 "id",
                                 "t",
                                 "role",
                                 "carrier",
                                 "acl",
                                 "10.0.0.1",
                                 "routes",
                                 routes);
    dm_problems_init(&problems);
    DmConfig *config = dm_config_new_from_json(document, &problems);
    g_assert_nonnull(config);
    dm_problems_clear(&problems);
    json_decref(document);
    return config;
}

static bool
fits_all(const DmRoute *route, void *user_data)
{
    return true;
}

static void
print(const char *name, int64_t start_us, unsigned n)
{
    printf("%s %.3f us\n", name, (double)(g_get_monotonic_time() - start_us) / n);
}

int
main(void)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    g_autoptr(DmConfig) config = make_config(random);
    char(*numbers)[16] = g_malloc_n(N_NUMBERS, 16);
    unsigned found = 0;

    for (unsigned i = 0; i < N_NUMBERS; i++) {
        g_snprintf(numbers[i],
                   16,
                   "+%" G_GINT64_FORMAT,
                   dm_random_range(random, 100000000000, 999999999999));
    }
    int64_t start_us = g_get_monotonic_time();
    dm_route_prepare(config);
    print("route_index_100000_prefixes", start_us, 1);

    start_us = g_get_monotonic_time();
    for (unsigned i = 0; i < N_LOOKUPS; i++) {
        found += dm_route_index_find(dm_config_route_index(config),
                                     numbers[i % N_NUMBERS],
                                     fits_all,
                                     NULL) != NULL;
    }
    print("route_lookup_100000_prefixes", start_us, N_LOOKUPS);
    g_assert_cmpuint(found, >, 0);

    DmIdentity identity;
    dm_identity_init(&identity);
    start_us = g_get_monotonic_time();
    for (unsigned i = 0; i < N_PLANS; i++) {
        g_free(identity.ruri_user);
        identity.ruri_user = g_strdup(numbers[i % N_NUMBERS]);
        dm_route_plan_free(
            dm_route_plan(config, &(DmRouteRequest){.source_trunk = "x", .identity = &identity}));
    }
    print("route_plan_100000_prefixes", start_us, N_PLANS);
    dm_identity_clear(&identity);
    g_free(numbers);
    return 0;
}
