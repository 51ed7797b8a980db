/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/register-policy.h"

#define S INT64_C(1000000)

typedef struct {
    const char *what;
    DmRegisterHistory before;
    DmRegisterResult result;
    DmRegistrationState state;
    int64_t least_us, most_us;
    unsigned ask_s;
} Case;

static const Case cases[] = {
    {"a long registration is refreshed after nine tenths",
     {.asked_s = 3600},
     {.status = 200, .granted_s = 3600},
     DM_REG_REGISTERED,
     3240 * S,
     3240 * S,
     3600},
    {"a short one at least 32 s before its end",
     {.asked_s = 120},
     {.status = 200, .granted_s = 120},
     DM_REG_REGISTERED,
     88 * S,
     88 * S,
     120},
    {"and never before half of it",
     {.asked_s = 60},
     {.status = 200, .granted_s = 60},
     DM_REG_REGISTERED,
     30 * S,
     30 * S,
     60},
    {"a 200 that grants nothing is a failure",
     {.asked_s = 60},
     {.status = 200, .granted_s = 0},
     DM_REG_RETRYING,
     30 * S,
     60 * S,
     0},
    {"423 is obeyed at once",
     {.asked_s = 60},
     {.status = 423, .min_expires_s = 300},
     DM_REG_TRYING,
     0,
     0,
     300},
    {"423 that demands what we asked for is a failure, not a loop",
     {.asked_s = 300},
     {.status = 423, .min_expires_s = 300},
     DM_REG_RETRYING,
     30 * S,
     60 * S,
     0},
    {"no answer backs off", {.asked_s = 60}, {.status = 0}, DM_REG_RETRYING, 30 * S, 60 * S, 0},
    {"further each time",
     {.failures = 2, .asked_s = 60},
     {.status = 500},
     DM_REG_RETRYING,
     120 * S,
     240 * S,
     0},
    {"half an hour at most, however long it has lasted",
     {.failures = 100000, .asked_s = 60},
     {.status = 408},
     DM_REG_RETRYING,
     900 * S,
     1800 * S,
     0},
    {"Retry-After is obeyed",
     {.asked_s = 60},
     {.status = 503, .retry_after_s = 120},
     DM_REG_RETRYING,
     120 * S,
     132 * S,
     0},
    {"a day of Retry-After at most",
     {.asked_s = 60},
     {.status = 503, .retry_after_s = 4000000000},
     DM_REG_RETRYING,
     86400 * S,
     95040 * S,
     0},
    {"wrong credentials wait five minutes",
     {.asked_s = 60},
     {.status = 401, .refused = true},
     DM_REG_AUTH_FAILED,
     300 * S,
     330 * S,
     0},
    {"then fifteen",
     {.auth_failures = 1, .asked_s = 60},
     {.status = 403},
     DM_REG_AUTH_FAILED,
     900 * S,
     990 * S,
     0},
    {"then half an hour for good",
     {.auth_failures = 50, .asked_s = 60},
     {.status = 403},
     DM_REG_AUTH_FAILED,
     1800 * S,
     1980 * S,
     0},
    {"404 is a rejection",
     {.asked_s = 60},
     {.status = 404},
     DM_REG_REJECTED,
     1800 * S,
     1980 * S,
     0},
    {"and so is 410", {.asked_s = 60}, {.status = 410}, DM_REG_REJECTED, 1800 * S, 1980 * S, 0},
};

static void
test_classes(void)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);

    g_test_summary("REG-1, REG-2: each outcome of a REGISTER leads to its state and waiting time");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned round = 0; round < 50; round++) {
            DmRegisterHistory history = cases[i].before;
            DmRegisterNext next = dm_register_next(&history, &cases[i].result, random);

            g_test_message("%s", cases[i].what);
            g_assert_cmpuint(next.state, ==, cases[i].state);
            g_assert_cmpint(next.delay_us, >=, cases[i].least_us);
            g_assert_cmpint(next.delay_us, <=, cases[i].most_us);
            g_assert_cmpuint(next.ask_s, ==, cases[i].ask_s);
        }
    }
}

static void
test_success_forgets(void)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    DmRegisterHistory history = {.failures = 9, .auth_failures = 3, .asked_s = 60};

    g_test_summary("REG-2: a success forgets what went before");
    dm_register_next(&history, &(DmRegisterResult){.status = 200, .granted_s = 60}, random);
    g_assert_cmpuint(history.failures, ==, 0);
    g_assert_cmpuint(history.auth_failures, ==, 0);
}

static void
test_spread(void)
{
    g_autoptr(DmRandom) random = dm_random_new_seeded(7);
    int64_t first_us = INT64_MAX, last_us = 0;

    g_test_summary("REG-2: a hundred trunks that fail together come back over 30 s or more");
    for (unsigned i = 0; i < 100; i++) {
        DmRegisterHistory history = {.failures = 1, .asked_s = 60};
        DmRegisterNext next = dm_register_next(&history, &(DmRegisterResult){0}, random);

        first_us = MIN(first_us, next.delay_us);
        last_us = MAX(last_us, next.delay_us);
    }
    g_assert_cmpint(last_us - first_us, >=, 30 * S);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/register-policy/classes", test_classes);
    g_test_add_func("/register-policy/success-forgets", test_success_forgets);
    g_test_add_func("/register-policy/spread", test_spread);
    return g_test_run();
}
