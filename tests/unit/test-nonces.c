/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/nonces.h"

typedef struct {
    DmRandom *random;
    DmNonces *nonces;
    DmAddress source;
    char nonce[DM_NONCE_MAX];
} Fixture;

static void
set_up(Fixture *f)
{
    f->random = dm_random_new_seeded(1);
    f->nonces = dm_nonces_new(f->random);
    dm_address_parse(&f->source, "192.0.2.1", 5060);
    dm_nonces_make(f->nonces, &f->source, "realm", 1000, f->nonce);
}

static void
tear_down(Fixture *f)
{
    dm_nonces_free(f->nonces);
    dm_random_free(f->random);
}

static bool
take(Fixture *f, uint32_t count)
{
    return dm_nonces_take(f->nonces, &f->source, "realm", f->nonce, count, 1000);
}

static void
test_bound(void)
{
    Fixture f;
    DmAddress other;
    DmNonces *another;

    g_test_summary("AUTH-2: good for one host, one realm, one worker of one run, and 120 s");
    set_up(&f);
    dm_address_parse(&other, "192.0.2.2", 5060);
    another = dm_nonces_new(f.random);
    g_assert_false(dm_nonces_take(f.nonces, &other, "realm", f.nonce, 1, 1000));
    g_assert_false(dm_nonces_take(f.nonces, &f.source, "other", f.nonce, 1, 1000));
    g_assert_false(dm_nonces_take(another, &f.source, "realm", f.nonce, 1, 1000));
    g_assert_false(dm_nonces_take(f.nonces, &f.source, "realm", f.nonce, 1, 1121));
    g_assert_false(dm_nonces_take(f.nonces, &f.source, "realm", f.nonce, 1, 999));
    g_assert_false(dm_nonces_take(f.nonces, &f.source, "realm", "", 1, 1000));
    f.nonce[40] ^= 1;
    g_assert_false(take(&f, 1));
    f.nonce[40] ^= 1;
    g_assert_cmpuint(dm_nonces_n_used(f.nonces), ==, 0);
    dm_address_set_port(&f.source, 40000); /* behind NAT the port may change */
    g_assert_true(dm_nonces_take(f.nonces, &f.source, "realm", f.nonce, 1, 1120));
    dm_nonces_free(another);
    tear_down(&f);
}

static void
test_no_two_alike(void)
{
    Fixture f;
    char second[DM_NONCE_MAX];

    g_test_summary("AUTH-2: two of the same second and source differ: neither spends the other");
    set_up(&f);
    dm_nonces_make(f.nonces, &f.source, "realm", 1000, second);
    g_assert_cmpstr(f.nonce, !=, second);
    g_assert_true(take(&f, 1));
    g_assert_true(dm_nonces_take(f.nonces, &f.source, "realm", second, 1, 1000));
    tear_down(&f);
}

static void
test_replay(void)
{
    static const struct {
        uint32_t count;
        bool good;
    } uses[] = {
        {1, true},
        {1, false},
        {3, true},
        {2, true}, /* overtaken on its way */
        {2, false},
        {3, false},
        {70, true},
        {6, false}, /* too far behind to know */
        {7, true},
        {7, false},
        {0, false},
        {UINT32_MAX - 1, true},
        {UINT32_MAX - 1, false},
        {69, false},
    };
    Fixture f;

    g_test_summary("AUTH-2: each count of a nonce is taken once, out of order by 63 at most");
    set_up(&f);
    for (unsigned i = 0; i < G_N_ELEMENTS(uses); i++) {
        g_test_message("nc %u", uses[i].count);
        g_assert_cmpint(take(&f, uses[i].count), ==, uses[i].good);
    }
    tear_down(&f);
}

static void
test_without_count(void)
{
    Fixture f;

    g_test_summary("AUTH-2: an answer without nc (RFC 2069) spends its nonce");
    set_up(&f);
    g_assert_true(take(&f, 0));
    g_assert_false(take(&f, 0));
    g_assert_false(take(&f, 1));
    tear_down(&f);
}

static void
test_bounded(void)
{
    Fixture f;
    char nonce[DM_NONCE_MAX];

    g_test_summary("AUTH-2: memory is bounded, and what is forgotten cannot be used again");
    set_up(&f);
    g_assert_true(take(&f, 1));
    for (unsigned i = 0; i < 20000; i++) {
        dm_nonces_make(f.nonces, &f.source, "realm", 1001, nonce);
        dm_nonces_take(f.nonces, &f.source, "realm", nonce, 1, 1001);
        g_assert_cmpuint(dm_nonces_n_used(f.nonces), <=, 8192);
        g_assert_false(take(&f, 1));
    }
    dm_nonces_make(f.nonces, &f.source, "realm", 1002, nonce);
    g_assert_true(dm_nonces_take(f.nonces, &f.source, "realm", nonce, 1, 1002));
    dm_nonces_make(f.nonces, &f.source, "realm", 2000, nonce);
    g_assert_true(dm_nonces_take(f.nonces, &f.source, "realm", nonce, 1, 2000));
    g_assert_cmpuint(dm_nonces_n_used(f.nonces), ==, 1);
    tear_down(&f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nonces/bound", test_bound);
    g_test_add_func("/nonces/no-two-alike", test_no_two_alike);
    g_test_add_func("/nonces/replay", test_replay);
    g_test_add_func("/nonces/without-count", test_without_count);
    g_test_add_func("/nonces/bounded", test_bounded);
    return g_test_run();
}
