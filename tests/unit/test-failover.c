/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/cause.h"
#include "gateway/call/failover.h"

static DmFailover
decide(DmReleaseCause cause, uint16_t status)
{
    static gpointer codes[] = {GUINT_TO_POINTER(408), GUINT_TO_POINTER(488), GUINT_TO_POINTER(503)};
    GPtrArray list = {.pdata = codes, .len = G_N_ELEMENTS(codes)};
    const DmTrunkConfig trunk = {.failover_codes = &list};
    const DmRelease release = {.cause = cause, .status = status};

    return dm_failover_decide(&release, &trunk);
}

static void
test_decisions(void)
{
    g_test_summary(
        "RTE-6: silence and transport errors hunt on, of final answers only those listed");
    g_assert_cmpint(decide(DM_RELEASE_TIMEOUT, 408), ==, DM_FAILOVER_NEXT_ADDRESS);
    g_assert_cmpint(decide(DM_RELEASE_TRANSPORT, 503), ==, DM_FAILOVER_NEXT_ADDRESS);
    g_assert_cmpint(decide(DM_RELEASE_REJECTED, 503), ==, DM_FAILOVER_NEXT_ADDRESS);
    g_assert_cmpint(decide(DM_RELEASE_REJECTED, 408), ==, DM_FAILOVER_NEXT_ADDRESS);
    g_assert_cmpint(decide(DM_RELEASE_REJECTED, 488), ==, DM_FAILOVER_NEXT_TRUNK);
    g_assert_cmpint(decide(DM_RELEASE_REJECTED, 486), ==, DM_FAILOVER_STOP);
    g_assert_cmpint(decide(DM_RELEASE_REJECTED, 500), ==, DM_FAILOVER_STOP);
    g_assert_cmpint(decide(DM_RELEASE_PROTOCOL, 503), ==, DM_FAILOVER_STOP);
}

static bool
is_better(uint16_t status, uint16_t than)
{
    const DmRelease failure = {.cause = DM_RELEASE_REJECTED, .status = status};
    const DmRelease best = {.cause = DM_RELEASE_REJECTED, .status = than};

    return dm_failover_is_better(&failure, &best);
}

static void
test_what_the_caller_is_told(void)
{
    const DmRelease silence = {.cause = DM_RELEASE_TIMEOUT, .status = 408};
    const DmRelease refusal = {.cause = DM_RELEASE_REJECTED, .status = 503};

    g_test_summary("RTE-7: a 6xx before a 4xx before a 5xx, and anything said before silence");
    g_assert_true(is_better(486, 503));
    g_assert_true(is_better(603, 486));
    g_assert_false(is_better(503, 404));
    g_assert_false(is_better(486, 480));
    g_assert_true(dm_failover_is_better(&refusal, &silence));
    g_assert_false(dm_failover_is_better(&silence, &refusal));
}

static void
test_failure_classes(void)
{
    static const struct {
        DmReleaseCause cause;
        uint16_t status;
        const char *want;
    } cases[] = {
        {DM_RELEASE_TRANSPORT, 503, "transport"},
        {DM_RELEASE_TIMEOUT, 408, "timeout"},
        {DM_RELEASE_REJECTED, 407, "auth"},
        {DM_RELEASE_REJECTED, 486, "busy"},
        {DM_RELEASE_REJECTED, 502, "server"},
        {DM_RELEASE_REJECTED, 404, "rejected"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const DmRelease release = {.cause = cases[i].cause, .status = cases[i].status};

        g_assert_cmpstr(dm_failover_class(&release), ==, cases[i].want);
    }
}

static void
test_causes(void)
{
    g_test_summary("RFC 3398, 8.2.6.1 and 7.2.4.1");
    g_assert_cmpuint(dm_q850_from_status(404), ==, 1);
    g_assert_cmpuint(dm_q850_from_status(486), ==, 17);
    g_assert_cmpuint(dm_q850_from_status(480), ==, 18);
    g_assert_cmpuint(dm_q850_from_status(408), ==, 102);
    g_assert_cmpuint(dm_q850_from_status(200), ==, 16);
    g_assert_cmpuint(dm_q850_from_status(499), ==, 127);
    g_assert_cmpuint(dm_status_from_q850(1), ==, 404);
    g_assert_cmpuint(dm_status_from_q850(17), ==, 486);
    g_assert_cmpuint(dm_status_from_q850(34), ==, 503);
    g_assert_cmpuint(dm_status_from_q850(16), ==, 480);
}

static void
test_statuses_toward_the_caller(void)
{
    g_test_summary("AUTH-4: a carrier's challenge is never passed on to the PBX");
    g_assert_cmpuint(dm_status_toward_caller(486), ==, 486);
    g_assert_cmpuint(dm_status_toward_caller(401), ==, 403);
    g_assert_cmpuint(dm_status_toward_caller(407), ==, 403);
    g_assert_cmpuint(dm_status_toward_caller(302), ==, 480);
    g_assert_cmpuint(dm_status_toward_caller(200), ==, 500);
    g_assert_cmpuint(dm_status_toward_caller(0), ==, 500);
    for (unsigned status = 0; status < 1000; status++) {
        g_assert_cmpuint(dm_status_toward_caller((uint16_t)status), >=, 400);
        g_assert_cmpuint(dm_status_toward_caller((uint16_t)status), <, 700);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/failover/decisions", test_decisions);
    g_test_add_func("/call/failover/what-the-caller-is-told", test_what_the_caller_is_told);
    g_test_add_func("/call/failover/classes", test_failure_classes);
    g_test_add_func("/call/cause/q850", test_causes);
    g_test_add_func("/call/cause/toward-the-caller", test_statuses_toward_the_caller);
    return g_test_run();
}
