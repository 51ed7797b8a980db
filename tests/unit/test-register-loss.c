/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-gateway.h"

/* A whole gateway that registers with another, over networks of every quality, from a seed. */

#define S       (1000LL * 1000)
#define N_SEEDS 150

typedef struct {
    DmSimNetwork *network;
    DmSimGateway *registrar, *pbx;
} Pair;

static const char registrar_yaml[] =
    "trunks:\n"
    "  - {id: office, role: pbx, domain: gw.example, auth: {mode: register_in, inbound_user: u, "
    "inbound_password: p, inbound_algorithms: [SHA-256, MD5]}, registration: {max_contacts: 3}}\n";

static const char pbx_yaml[] =
    "trunks:\n"
    "  - {id: up, role: carrier, endpoints: [{uri: 192.0.2.1}], domain: gw.example, auth: {mode: "
    "register, user: u, password: p}, registration: {expires: 120}}\n";

static void
set_up(Pair *pair, uint64_t seed)
{
    pair->network = dm_sim_network_new(seed);
    pair->registrar = dm_sim_gateway_new(pair->network, "192.0.2.1:5060", registrar_yaml);
    pair->pbx = dm_sim_gateway_new(pair->network, "198.51.100.7:5060", pbx_yaml);
}

static void
tear_down(Pair *pair)
{
    dm_sim_gateway_free(pair->pbx);
    dm_sim_gateway_free(pair->registrar);
    dm_sim_network_free(pair->network);
}

static DmRegistrationState
state(const Pair *pair)
{
    g_auto(DmTrunkStatus) status = {0};

    g_assert_true(dm_trunk_registry_status(pair->pbx->registry, "up", &status));
    return status.registration;
}

static unsigned
n_contacts(const Pair *pair)
{
    DmBindings *bindings = dm_trunk_bindings(dm_pool_find(pair->registrar->pool, "office"));

    return bindings != NULL ? bindings->list->len : 0;
}

static bool
agree(void *user_data)
{
    const Pair *pair = user_data;

    return state(pair) == DM_REG_REGISTERED && n_contacts(pair) > 0;
}

static void
make_bad(Pair *pair, DmRandom *random)
{
    const DmSimLink link = {
        .loss_percent = (unsigned)dm_random_range(random, 0, 60),
        .duplicate_percent = (unsigned)dm_random_range(random, 0, 40),
        .late_percent = (unsigned)dm_random_range(random, 0, 40),
        .delay_us = dm_random_range(random, 1000, 300000),
        .jitter_us = dm_random_range(random, 0, 300000),
        .late_max_us = dm_random_range(random, 0, 3 * S),
    };

    dm_sim_network_set_link(pair->network, NULL, NULL, &link);
}

static void
make_good(Pair *pair)
{
    dm_sim_network_set_link(pair->network, NULL, NULL, &(DmSimLink){.delay_us = 20000});
}

static void
one_life(uint64_t seed)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(seed);
    Pair pair;

    set_up(&pair, seed);
    make_bad(&pair, random);
    for (unsigned i = 0; i < 60; i++) {
        dm_sim_network_run(pair.network, 10 * S);
        g_assert_cmpint(state(&pair), !=, DM_REG_AUTH_FAILED);
        g_assert_cmpint(state(&pair), !=, DM_REG_REJECTED);
        g_assert_cmpuint(n_contacts(&pair), <=, 1);
    }
    make_good(&pair);
    g_assert_true(dm_sim_network_run_until(pair.network, agree, &pair, 1900LL * S));
    /* it stays so, refresh by refresh */
    for (unsigned i = 0; i < 60; i++) {
        dm_sim_network_run(pair.network, 10 * S);
        g_assert_true(agree(&pair));
    }
    dm_sip_stack_shutdown(pair.pbx->stack);
    dm_sim_network_run(pair.network, 5 * S);
    g_assert_cmpuint(n_contacts(&pair), ==, 0);
    g_assert_cmpint(state(&pair), ==, DM_REG_UNREGISTERED);
    tear_down(&pair);
}

static void
test_lives(void)
{
    g_test_summary(
        "REG-1 REG-2 REG-5 AUTH-2: through loss, repetition and disorder a registration is "
        "never taken for refused, has one contact, is there once the network is, stays, "
        "and ends when it is taken back");
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        g_test_message("seed %u", (unsigned)seed);
        one_life(seed);
    }
}

static void
test_vanished(void)
{
    Pair pair;

    g_test_summary("REG-5: a PBX that vanishes is forgotten when its time is over, and no sooner");
    set_up(&pair, 7);
    g_assert_true(dm_sim_network_run_until(pair.network, agree, &pair, 60 * S));
    dm_sim_host_set_state(pair.pbx->host, DM_SIM_SILENT);
    dm_sim_network_run(pair.network, 60 * S);
    g_assert_cmpuint(n_contacts(&pair), ==, 1);
    dm_sim_network_run(pair.network, 61 * S);
    g_assert_cmpuint(n_contacts(&pair), ==, 0);
    dm_sim_host_set_state(pair.pbx->host, DM_SIM_UP);
    g_assert_true(dm_sim_network_run_until(pair.network, agree, &pair, 1900LL * S));
    tear_down(&pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/register-loss/lives", test_lives);
    g_test_add_func("/register-loss/vanished", test_vanished);
    return g_test_run();
}
