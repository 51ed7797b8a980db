/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <string.h>

#include "config/load.h"
#include "gateway/trunk/pool.h"

/* One worker's pool, with a clock that is turned by hand. */
typedef struct {
    DmTrunkRegistry *registry;
    DmFakeClock clock;
    DmRandom *random;
    DmPool *pool;
} Desk;

static DmConfig *
make_config(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmDocument) document = dm_document_parse(text, strlen(text), "t.yaml", &error);
    DmProblems problems;

    g_assert_no_error(error);
    dm_problems_init(&problems);
    DmConfig *config = dm_config_new_from_json(dm_document_json(document), &problems);
    g_autofree char *explained = dm_document_explain(document, &problems);
    g_assert_cmpstr(explained, ==, "");
    dm_problems_clear(&problems);
    return config;
}

static void
take(Desk *desk, const char *trunks)
{
    g_autofree char *text = g_strconcat("trunks:\n", trunks, NULL);
    g_autoptr(DmConfig) config = make_config(text);

    dm_pool_take_config(desk->pool, config);
}

static void
set_up(Desk *desk, const char *trunks)
{
    desk->registry = dm_trunk_registry_new();
    dm_fake_clock_init(&desk->clock);
    desk->random = dm_random_new_seeded(7);
    desk->pool = dm_pool_new(desk->registry, &desk->clock.clock, desk->random);
    take(desk, trunks);
}

static void
tear_down(Desk *desk)
{
    dm_pool_free(desk->pool);
    dm_trunk_registry_unref(desk->registry);
    dm_random_free(desk->random);
}

static DmTrunk *
trunk(Desk *desk, const char *id)
{
    DmTrunk *found = dm_pool_find(desk->pool, id);

    g_assert_nonnull(found);
    return found;
}

static DmTrunkStatus
status(Desk *desk, const char *id)
{
    DmTrunkStatus status;

    g_assert_true(dm_trunk_registry_status(desk->registry, id, &status));
    return status;
}

/* The targets as "address address". */
static char *
targets(DmTrunk *of)
{
    DmTarget list[16];
    GString *text = g_string_new(NULL);
    size_t n = dm_trunk_targets(of, list, G_N_ELEMENTS(list));

    for (size_t i = 0; i < n; i++) {
        char address[DM_ADDRESS_TEXT_MAX];
        g_string_append_printf(text,
                               "%s%s",
                               i > 0 ? " " : "",
                               dm_address_text(&list[i].address, address));
    }
    return g_string_free(text, FALSE);
}

static void
assert_targets(DmTrunk *of, const char *expected)
{
    g_autofree char *text = targets(of);
    g_assert_cmpstr(text, ==, expected);
}

static void
assert_source(Desk *desk,
              const char *source,
              const char *user,
              const char *host,
              const char *expected)
{
    DmAddress address;

    g_assert_true(dm_address_parse_with_port(&address, source, 0));
    DmTrunk *found = dm_pool_match(desk->pool, &address, DM_TRANSPORT_UDP, user, host);
    g_assert_cmpstr(found != NULL ? dm_trunk_id(found) : "stranger", ==, expected);
}

/* --- limits --- */

static void
limits_hold_and_places_come_back(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: a, role: pbx, endpoints: [{uri: 10.0.0.1}], limits: {concurrent_in: 1, "
           "concurrent_out: 2, "
           "concurrent_total: 2}}\n");
    DmTrunk *a = trunk(&desk, "a");
    g_assert_cmpint(dm_trunk_reserve(a, true), ==, DM_RESERVE_OK);
    g_assert_cmpint(dm_trunk_reserve(a, true), ==, DM_RESERVE_CONCURRENT);
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_OK);
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_CONCURRENT);
    g_assert_cmpint(status(&desk, "a").calls_in, ==, 1);
    g_assert_cmpint(status(&desk, "a").calls_out, ==, 1);
    dm_trunk_release(a, true);
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_OK);
    dm_trunk_release(a, false);
    dm_trunk_release(a, false);
    g_assert_cmpint(status(&desk, "a").calls_in + status(&desk, "a").calls_out, ==, 0);
    g_assert_cmpuint(status(&desk, "a").attempts, ==, 3);
    g_assert_cmpuint(status(&desk, "a").rejected_limit, ==, 2);
    tear_down(&desk);
}

static void
rate_is_a_bucket_that_fills_evenly(void)
{
    Desk desk;

    set_up(&desk, "  - {id: a, role: pbx, endpoints: [{uri: 10.0.0.1}], limits: {cps_out: 4}}\n");
    DmTrunk *a = trunk(&desk, "a");
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_OK);
    }
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_RATE);
    g_assert_cmpint(dm_trunk_reserve(a, true), ==, DM_RESERVE_OK);
    dm_fake_clock_advance(&desk.clock, 249000);
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_RATE);
    dm_fake_clock_advance(&desk.clock, 1000);
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_OK);
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_RATE);
    g_assert_cmpint(status(&desk, "a").calls_out, ==, 5);
    dm_fake_clock_step_wall(&desk.clock, -INT64_C(3600) * G_USEC_PER_SEC);
    dm_fake_clock_advance(&desk.clock, 10 * G_USEC_PER_SEC);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_OK);
    }
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_RATE);
    tear_down(&desk);
}

static void
directions_and_disabled_trunks_are_respected(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: in, role: carrier, endpoints: [{uri: 10.0.0.1}], direction: inbound}\n"
           "  - {id: out, role: carrier, endpoints: [{uri: 10.0.0.2}], direction: outbound}\n"
           "  - {id: off, role: carrier, endpoints: [{uri: 10.0.0.3}], enabled: false}\n"
           "  - {id: acl, role: carrier, acl: [10.0.0.4]}\n");
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "in"), false), ==, DM_RESERVE_DISABLED);
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "in"), true), ==, DM_RESERVE_OK);
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "out"), true), ==, DM_RESERVE_DISABLED);
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "out"), false), ==, DM_RESERVE_OK);
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "off"), true), ==, DM_RESERVE_DISABLED);
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "acl"), true), ==, DM_RESERVE_OK);
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "acl"), false), ==, DM_RESERVE_DOWN);
    g_assert_true(status(&desk, "acl").up);
    tear_down(&desk);
}

/* --- threads --- */

#define N_THREADS 4
#define N_ROUNDS  4000
#define N_PLACES  2

/* What the workers of the next test share besides the registry. */
typedef struct {
    DmTrunkRegistry *registry;
    DmConfig *config;
    _Atomic int held, most, granted;
} Contest;

static gpointer
reserve_and_release(gpointer data)
{
    Contest *contest = data;
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    DmPool *pool = dm_pool_new(contest->registry, dm_clock_system(), random);

    dm_pool_take_config(pool, contest->config);
    DmTrunk *a = dm_pool_find(pool, "a");
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        bool inbound = i % 2 == 0;
        if (dm_trunk_reserve(a, inbound) == DM_RESERVE_OK) {
            int held = atomic_fetch_add(&contest->held, 1) + 1;
            int most = atomic_load(&contest->most);
            while (held > most && !atomic_compare_exchange_weak(&contest->most, &most, held)) {
            }
            atomic_fetch_add(&contest->granted, 1);
            dm_trunk_report_endpoint(a, 0, i % 3 != 0, i);
            g_thread_yield();
            atomic_fetch_sub(&contest->held, 1);
            dm_trunk_release(a, inbound);
        }
        if (i % 500 == 0) {
            DmTrunkStatus copy;
            g_assert_true(dm_trunk_registry_status(contest->registry, "a", &copy));
            g_assert_cmpint(copy.calls_in + copy.calls_out, <=, N_PLACES);
            dm_pool_take_config(pool, contest->config);
        }
    }
    dm_pool_free(pool);
    return NULL;
}

static void
workers_never_exceed_a_limit_together(void)
{
    GThread *threads[N_THREADS];
    DmTrunkStatus copy;
    Contest contest = {
        .registry = dm_trunk_registry_new(),
        .config = make_config("trunks: [{id: a, role: pbx, endpoints: [{uri: 10.0.0.1}], limits: "
                              "{concurrent_total: 2}, "
                              "health: {options: {down_after: 100}}}]"),
    };
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    DmPool *pool = dm_pool_new(contest.registry, dm_clock_system(), random);

    dm_pool_take_config(pool, contest.config);
    for (unsigned i = 0; i < N_THREADS; i++) {
        threads[i] = g_thread_new("worker", reserve_and_release, &contest);
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpint(atomic_load(&contest.most), <=, N_PLACES);
    g_assert_cmpint(atomic_load(&contest.granted), >, 0);
    g_assert_true(dm_trunk_registry_status(contest.registry, "a", &copy));
    g_assert_cmpint(copy.calls_in, ==, 0);
    g_assert_cmpint(copy.calls_out, ==, 0);
    g_assert_cmpuint(copy.attempts, ==, (uint64_t)atomic_load(&contest.granted));
    g_assert_cmpuint(copy.attempts + copy.rejected_limit, <=, N_THREADS * N_ROUNDS);
    dm_pool_free(pool);
    dm_config_unref(contest.config);
    dm_trunk_registry_unref(contest.registry);
}

/* Takes every place there is and keeps it. */
static gpointer
reserve_all(gpointer data)
{
    Contest *contest = data;
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    DmPool *pool = dm_pool_new(contest->registry, dm_clock_system(), random);

    dm_pool_take_config(pool, contest->config);
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        if (dm_trunk_reserve(dm_pool_find(pool, "a"), i % 2 == 0) == DM_RESERVE_OK) {
            atomic_fetch_add(&contest->granted, 1);
        }
    }
    dm_pool_free(pool);
    return NULL;
}

static void
last_place_is_given_once(void)
{
    GThread *threads[N_THREADS];
    Contest contest = {
        .registry = dm_trunk_registry_new(),
        .config = make_config(
            "trunks: [{id: a, role: pbx, endpoints: [{uri: 10.0.0.1}], limits: {concurrent_total: "
            "1001}}]"),
    };

    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    DmPool *pool = dm_pool_new(contest.registry, dm_clock_system(), random);
    dm_pool_take_config(pool, contest.config); /* so that the places outlive the workers' pools */
    for (unsigned i = 0; i < N_THREADS; i++) {
        threads[i] = g_thread_new("worker", reserve_all, &contest);
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpint(atomic_load(&contest.granted), ==, 1001);
    dm_pool_free(pool);
    dm_config_unref(contest.config);
    dm_trunk_registry_unref(contest.registry);
}

/* --- targets and health --- */

static void
targets_go_by_priority_and_weight(void)
{
    Desk desk;
    unsigned heavy_first = 0;

    set_up(&desk,
           "  - id: a\n"
           "    role: carrier\n"
           "    endpoints:\n"
           "      - {uri: 10.0.0.9, priority: 2}\n"
           "      - {uri: 10.0.0.1, priority: 1, weight: 3}\n"
           "      - {uri: '10.0.0.2:5070', priority: 1, weight: 1}\n"
           "      - {uri: 10.0.0.3, priority: 0, enabled: false}\n");
    for (unsigned i = 0; i < 1000; i++) {
        g_autofree char *text = targets(trunk(&desk, "a"));
        bool heavy = strcmp(text, "10.0.0.1:5060 10.0.0.2:5070 10.0.0.9:5060") == 0;
        g_assert_true(heavy || strcmp(text, "10.0.0.2:5070 10.0.0.1:5060 10.0.0.9:5060") == 0);
        heavy_first += heavy;
    }
    g_assert_cmpuint(heavy_first, >, 690);
    g_assert_cmpuint(heavy_first, <, 810);
    tear_down(&desk);
}

static void
down_endpoints_are_the_last_resort(void)
{
    Desk desk;

    g_test_summary(
        "HLT-1: up and down with hysteresis; down endpoints are used only when none is up");
    set_up(&desk,
           "  - {id: a, role: carrier, endpoints: [{uri: 10.0.0.1, priority: 1}, {uri: 10.0.0.2, "
           "priority: 2}], "
           "health: {options: {up_after: 2, down_after: 3}}}\n");
    DmTrunk *a = trunk(&desk, "a");
    dm_trunk_report_endpoint(a, 0, false, 0);
    dm_trunk_report_endpoint(a, 0, false, 0);
    dm_trunk_report_endpoint(a, 0, true, 1500);
    dm_trunk_report_endpoint(a, 0, false, 0);
    dm_trunk_report_endpoint(a, 0, false, 0);
    assert_targets(a, "10.0.0.1:5060 10.0.0.2:5060");
    dm_trunk_report_endpoint(a, 0, false, 0);
    assert_targets(a, "10.0.0.2:5060");
    g_assert_true(dm_trunk_is_up(a));
    g_assert_false(status(&desk, "a").endpoints[0].up);
    g_assert_cmpuint(status(&desk, "a").endpoints[0].rtt_us, ==, 1500);
    for (unsigned i = 0; i < 3; i++) {
        dm_trunk_report_endpoint(a, 1, false, 0);
    }
    g_assert_false(dm_trunk_is_up(a));
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_DOWN);
    g_assert_cmpint(dm_trunk_reserve(a, true), ==, DM_RESERVE_OK);
    assert_targets(a, "10.0.0.1:5060 10.0.0.2:5060");
    dm_trunk_report_endpoint(a, 1, true, 0);
    g_assert_false(dm_trunk_is_up(a));
    dm_trunk_report_endpoint(a, 1, true, 0);
    g_assert_true(dm_trunk_is_up(a));
    dm_trunk_report_endpoint(a, 9, true, 0);
    tear_down(&desk);
}

static void
any_endpoint_can_be_pinged(void)
{
    Desk desk;
    DmTarget target;
    char text[DM_ADDRESS_TEXT_MAX];

    g_test_summary("HLT-1: a ping finds an endpoint that is down, and none that is not there");
    set_up(&desk,
           "  - {id: a, role: carrier, endpoints: [{uri: 10.0.0.1}, {uri: 10.0.0.2}, "
           "{uri: name.example}, {uri: 10.0.0.4, enabled: false}]}\n");
    DmTrunk *a = trunk(&desk, "a");
    for (unsigned i = 0; i < 10; i++) {
        dm_trunk_report_endpoint(a, 1, false, 0);
    }
    g_assert_true(dm_trunk_endpoint_target(a, 1, &target));
    g_assert_cmpstr(dm_address_text(&target.address, text), ==, "10.0.0.2:5060");
    g_assert_cmpuint(target.endpoint, ==, 1);
    g_assert_false(dm_trunk_endpoint_target(a, 2, &target));
    g_assert_false(dm_trunk_endpoint_target(a, 3, &target));
    g_assert_false(dm_trunk_endpoint_target(a, 4, &target));
    tear_down(&desk);
}

static void
names_have_targets_once_resolved(void)
{
    Desk desk;
    DmResolved addresses[2] = {{.transport = DM_TRANSPORT_TLS}, {.transport = DM_TRANSPORT_TCP}};
    DmTarget list[2];

    set_up(&desk, "  - {id: a, role: carrier, endpoints: [{uri: 'sips:sip.example.com'}]}\n");
    DmTrunk *a = trunk(&desk, "a");
    assert_targets(a, "");
    g_assert_cmpstr(status(&desk, "a").endpoints[0].address, ==, "unresolved");
    dm_address_parse(&addresses[0].address, "192.0.2.1", 0);
    dm_address_parse(&addresses[1].address, "2001:db8::1", 5091);
    dm_trunk_set_addresses(a, 0, addresses, 2);
    assert_targets(a, "192.0.2.1:5061 [2001:db8::1]:5091");
    g_assert_cmpstr(status(&desk, "a").endpoints[0].address, ==, "192.0.2.1:5061");
    g_assert_cmpuint(dm_trunk_targets(a, list, 1), ==, 1);
    g_assert_cmpstr(list[0].host, ==, "sip.example.com");
    g_assert_cmpint(list[0].transport, ==, DM_TRANSPORT_TLS);
    g_assert_cmpuint(dm_trunk_targets(a, list, 2), ==, 2);
    g_assert_cmpint(list[1].transport, ==, DM_TRANSPORT_TCP);
    tear_down(&desk);
}

static void
outbound_proxy_is_where_requests_go(void)
{
    Desk desk;
    DmTarget target;

    set_up(&desk,
           "  - {id: a, role: carrier, endpoints: [{uri: sip.example.com}, {uri: 10.0.0.2}], "
           "outbound_proxy: "
           "'10.0.0.9:5080;transport=tcp'}\n");
    DmTrunk *a = trunk(&desk, "a");
    g_assert_cmpuint(dm_trunk_n_endpoints(a), ==, 1);
    g_assert_cmpstr(dm_trunk_endpoint(a, 0)->host, ==, "10.0.0.9");
    assert_targets(a, "10.0.0.9:5080");
    g_assert_cmpuint(dm_trunk_targets(a, &target, 1), ==, 1);
    g_assert_cmpstr(target.host, ==, "sip.example.com");
    g_assert_cmpint(target.transport, ==, DM_TRANSPORT_TCP);
    assert_source(&desk, "10.0.0.9:5080", "1", "x", "a");
    assert_source(&desk, "10.0.0.2:5060", "1", "x", "a");
    tear_down(&desk);
}

static void
registration_is_told(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: a, role: carrier, endpoints: [{uri: sip.example.com}], auth: {mode: register, "
           "user: u, password: "
           "p}}\n");
    DmTrunk *a = trunk(&desk, "a");
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_DOWN);
    dm_trunk_report_registration(a, DM_REG_RETRYING, 503, 0, 99);
    dm_trunk_report_registration(a, DM_REG_AUTH_FAILED, 403, 0, 100);
    g_assert_cmpuint(status(&desk, "a").registration_failures, ==, 2);
    g_assert_cmpuint(status(&desk, "a").registration_code, ==, 403);
    g_assert_cmpint(status(&desk, "a").registration_next_wall_us, ==, 100);
    dm_trunk_report_registration(a, DM_REG_REGISTERED, 200, 1234, 1200);
    g_assert_cmpuint(status(&desk, "a").registration_failures, ==, 0);
    g_assert_cmpint(status(&desk, "a").registration, ==, DM_REG_REGISTERED);
    g_assert_cmpint(status(&desk, "a").registration_expires_wall_us, ==, 1234);
    g_assert_cmpint(dm_trunk_reserve(a, false), ==, DM_RESERVE_OK);
    g_assert_cmpstr(dm_registration_state_name(DM_REG_AUTH_FAILED), ==, "auth_failed");
    tear_down(&desk);
}

/* --- configurations --- */

static void
state_outlives_a_configuration(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: a, role: pbx, endpoints: [{uri: one.example.com}, {uri: two.example.com}], "
           "limits: "
           "{concurrent_total: 2}, health: {options: {down_after: 1}}}\n");
    DmTrunk *a = trunk(&desk, "a");
    DmResolved resolved = {0};
    dm_address_parse(&resolved.address, "192.0.2.2", 0);
    dm_trunk_set_addresses(a, 1, &resolved, 1);
    dm_trunk_report_endpoint(a, 1, false, 0);
    g_assert_cmpint(dm_trunk_reserve(a, true), ==, DM_RESERVE_OK);

    take(&desk,
         "  - {id: new, role: pbx, endpoints: [{uri: 10.0.0.1}]}\n"
         "  - {id: a, role: pbx, endpoints: [{uri: two.example.com}, {uri: three.example.com}], "
         "limits: "
         "{concurrent_total: 1}}\n");
    g_assert_true(trunk(&desk, "a") == a);
    g_assert_cmpuint(dm_trunk_config(a)->limits.concurrent_total, ==, 1);
    g_assert_cmpint(dm_trunk_reserve(a, true), ==, DM_RESERVE_CONCURRENT);
    g_assert_false(status(&desk, "a").endpoints[0].up);
    g_assert_true(status(&desk, "a").endpoints[1].up);
    g_assert_cmpstr(status(&desk, "a").endpoints[0].address, ==, "192.0.2.2:5060");
    g_assert_cmpstr(status(&desk, "a").endpoints[1].address, ==, "unresolved");
    dm_trunk_release(a, true);
    tear_down(&desk);
}

static void
removed_trunks_live_until_their_last_call(void)
{
    Desk desk;
    DmTrunkStatus copy;

    set_up(&desk, "  - {id: a, role: pbx, endpoints: [{uri: 10.0.0.1}]}\n");
    DmTrunk *a = dm_trunk_ref(trunk(&desk, "a"));
    g_assert_cmpint(dm_trunk_reserve(a, true), ==, DM_RESERVE_OK);
    take(&desk, "  - {id: b, role: pbx, endpoints: [{uri: 10.0.0.2}]}\n");
    g_assert_null(dm_pool_find(desk.pool, "a"));
    assert_source(&desk, "10.0.0.1:5060", "1", "x", "stranger");
    g_assert_cmpint(status(&desk, "a").calls_in, ==, 1);
    g_assert_cmpstr(dm_trunk_config(a)->id, ==, "a");

    take(&desk, "  - {id: a, role: pbx, endpoints: [{uri: 10.0.0.1}]}\n");
    g_assert_cmpint(status(&desk, "a").calls_in, ==, 1);
    dm_trunk_release(a, true);
    dm_trunk_unref(a);
    g_assert_cmpint(status(&desk, "a").calls_in, ==, 0);
    take(&desk, "  - {id: b, role: pbx, endpoints: [{uri: 10.0.0.2}]}\n");
    g_assert_false(dm_trunk_registry_status(desk.registry, "a", &copy));
    tear_down(&desk);
}

/* --- sources --- */

static void
requests_are_known_by_address(void)
{
    Desk desk;

    g_test_summary("AUTH-3: endpoints and networks of the acl; everyone else is a stranger");
    set_up(&desk,
           "  - {id: pbx, role: pbx, endpoints: [{uri: '127.0.0.1:5070'}]}\n"
           "  - {id: carrier, role: carrier, endpoints: [{uri: '127.0.0.1:5080'}]}\n"
           "  - {id: other, role: carrier, endpoints: [{uri: '192.0.2.1'}], acl: [198.51.100.0/24, "
           "'2001:db8::/32']}\n");
    assert_source(&desk, "127.0.0.1:5070", "1", "x", "pbx");
    assert_source(&desk, "127.0.0.1:5080", "1", "x", "carrier");
    assert_source(&desk, "127.0.0.1:5090", "1", "x", "stranger");
    assert_source(&desk, "192.0.2.1:5060", "1", "x", "other");
    assert_source(&desk, "192.0.2.1:40000", "1", "x", "other");
    assert_source(&desk, "198.51.100.77:5060", "1", "x", "other");
    assert_source(&desk, "[2001:db8::5]:5060", "1", "x", "other");
    assert_source(&desk, "203.0.113.1:5060", "1", "x", "stranger");
    tear_down(&desk);
}

static void
trunks_on_one_address_are_told_apart(void)
{
    Desk desk;

    g_test_summary("AUTH-3: two trunks on one carrier address, by contact, number and domain");
    set_up(
        &desk,
        "  - {id: london, role: carrier, endpoints: [{uri: 192.0.2.1}], identity: {owned_numbers: "
        "['+4420']}, "
        "domain: london.example.com}\n"
        "  - {id: soho, role: carrier, endpoints: [{uri: 192.0.2.1}], identity: {owned_numbers: "
        "['+442079']}}\n"
        "  - {id: rest, role: carrier, acl: [192.0.2.0/24], registration: {contact_user: main}}\n"
        "  - {id: off, role: carrier, acl: [192.0.2.0/24], enabled: false}\n");
    assert_source(&desk, "192.0.2.1:5060", "+442081", "x", "london");
    assert_source(&desk, "192.0.2.1:5060", "00442079460000", "x", "soho");
    assert_source(&desk, "192.0.2.1:5060", "442079460000", "x", "soho");
    assert_source(&desk, "192.0.2.1:5060", "main", "x", "rest");
    assert_source(&desk, "192.0.2.1:5060", "+33", "LONDON.example.com", "london");
    assert_source(&desk, "192.0.2.1:5060", "+33", "x", "stranger");
    assert_source(&desk, "192.0.2.1:6000", "+33", "x", "rest");
    assert_source(&desk, "192.0.2.9:5060", "+33", "x", "rest");
    tear_down(&desk);
}

static void
an_address_is_known_before_its_trunk_is(void)
{
    Desk desk;
    DmAddress known, stranger;

    g_test_summary(
        "SEC-3: an address that two trunks share is no stranger, whatever is asked of it");
    set_up(&desk,
           "  - {id: a, role: carrier, endpoints: [{uri: 10.0.0.1}]}\n"
           "  - {id: b, role: carrier, endpoints: [{uri: 10.0.0.1}]}\n");
    dm_address_parse(&known, "10.0.0.1", 40000);
    dm_address_parse(&stranger, "10.0.0.2", 5060);
    assert_source(&desk, "10.0.0.1:5060", "1", "x", "stranger");
    g_assert_true(dm_pool_knows(desk.pool, &known));
    g_assert_false(dm_pool_knows(desk.pool, &stranger));
    tear_down(&desk);
}

static void
token_of_ours_is_enough(void)
{
    Desk desk;

    g_test_summary(
        "REG-1: an INVITE to our Contact belongs to the trunk, whatever address it comes from");
    set_up(&desk,
           "  - {id: a, role: carrier, endpoints: [{uri: sip.example.com}], auth: {mode: register, "
           "user: u, password: "
           "p}}\n"
           "  - {id: b, role: carrier, endpoints: [{uri: sip.example.com}], auth: {mode: register, "
           "user: v, password: "
           "p}, registration: {contact_user: plain}}\n");
    const char *token = dm_trunk_config(trunk(&desk, "a"))->registration.contact_user;
    assert_source(&desk, "203.0.113.1:5060", token, "x", "a");
    assert_source(&desk, "203.0.113.1:5060", "plain", "x", "stranger");
    assert_source(&desk, "203.0.113.1:5060", "", "", "stranger");
    tear_down(&desk);
}

static void
resolved_addresses_become_sources(void)
{
    Desk desk;
    DmResolved resolved = {0};

    set_up(&desk, "  - {id: a, role: carrier, endpoints: [{uri: sip.example.com}]}\n");
    assert_source(&desk, "192.0.2.1:5060", "1", "x", "stranger");
    dm_address_parse(&resolved.address, "192.0.2.1", 0);
    dm_trunk_set_addresses(trunk(&desk, "a"), 0, &resolved, 1);
    assert_source(&desk, "192.0.2.1:5060", "1", "x", "a");
    dm_trunk_set_addresses(trunk(&desk, "a"), 0, NULL, 0);
    assert_source(&desk, "192.0.2.1:5060", "1", "x", "stranger");
    tear_down(&desk);
}

/* --- how a trunk is told (AUTH-3) --- */

/* A request that shows nothing but its source. */
static DmRequestSigns
signs_from(const DmAddress *source)
{
    return (DmRequestSigns){.source = source,
                            .certified = "",
                            .ruri_user = "",
                            .ruri_host = "",
                            .to_user = "",
                            .to_host = "",
                            .digest_user = "",
                            .digest_realm = ""};
}

static void
assert_identified(Desk *desk, const DmRequestSigns *signs, const char *id, DmKnownBy by)
{
    DmKnownBy told;
    const DmTrunk *found = dm_pool_identify(desk->pool, signs, &told);

    g_assert_cmpstr(found != NULL ? dm_trunk_id(found) : "nobody", ==, id);
    g_assert_cmpint(told, ==, by);
}

static DmBinding *
contact_at(DmTransport transport, uint64_t connection, const char *host, uint16_t port)
{
    DmBinding *binding = g_new0(DmBinding, 1);

    *binding = (DmBinding){
        .id = 1,
        .uri = g_strdup("sip:x@h"),
        .path = g_strdup(""),
        .instance = g_strdup(""),
        .call_id = g_strdup("c"),
        .user_agent = g_strdup(""),
        .listener = g_strdup("main"),
        .transport = transport,
        .connection = connection,
        .expires_us = G_MAXINT64,
    };
    dm_address_parse(&binding->source, host, port);
    return binding;
}

/* (transfer full: @binding) */
static void
set_contact(Desk *desk, const char *id, DmBinding *binding)
{
    GPtrArray *list = g_ptr_array_new();
    g_autoptr(DmBindings) bindings = NULL;

    g_ptr_array_add(list, binding);
    bindings = dm_bindings_new(list);
    dm_trunk_share_bindings(trunk(desk, id), bindings);
}

#define IN(user) "auth: {mode: register_in, inbound_user: " user ", inbound_password: p}"

static void
order_of_signs(void)
{
    Desk desk;
    DmAddress at_office, elsewhere;
    DmRequestSigns signs;

    g_test_summary("AUTH-3: certificate before flow before digest user before address");
    set_up(&desk,
           "  - {id: fixed, role: pbx, acl: [192.0.2.0/24]}\n"
           "  - {id: user, role: pbx, " IN(
               "anna") "}\n"
                       "  - {id: flow, role: pbx, " IN(
                           "bert") "}\n"
                                   "  - {id: shown, role: pbx, auth: {certificate_names: "
                                   "[pbx.example]}}\n");
    set_contact(&desk, "flow", contact_at(DM_TRANSPORT_TLS, 77, "192.0.2.5", 40000));
    dm_address_parse(&at_office, "192.0.2.5", 40000);
    dm_address_parse(&elsewhere, "198.51.100.1", 5060);
    signs = signs_from(&at_office);
    signs.transport = DM_TRANSPORT_TLS;
    signs.connection = 77;
    signs.digest_user = "anna";
    signs.digest_realm = "demarc";
    signs.certified = "shown";
    assert_identified(&desk, &signs, "shown", DM_KNOWN_BY_CERTIFICATE);
    signs.certified = "";
    assert_identified(&desk, &signs, "flow", DM_KNOWN_BY_FLOW);
    signs.connection = 78;
    assert_identified(&desk, &signs, "user", DM_KNOWN_BY_USER);
    signs.digest_realm = "elsewhere";
    signs.source = &at_office;
    signs.transport = DM_TRANSPORT_UDP;
    set_contact(&desk, "flow", contact_at(DM_TRANSPORT_UDP, 0, "203.0.113.9", 5060));
    assert_identified(&desk, &signs, "fixed", DM_KNOWN_BY_ADDRESS);
    signs.source = &elsewhere;
    assert_identified(&desk, &signs, "nobody", DM_KNOWN_NOT);
    tear_down(&desk);
}

static void
users_stay_where_they_may_be(void)
{
    Desk desk;
    DmAddress inside, outside;
    DmRequestSigns signs;

    g_test_summary(
        "AUTH-3: a user name counts from its trunk's addresses; of a trunk that registers "
        "from anywhere, unless its acl says where");
    set_up(&desk,
           "  - {id: acl, role: pbx, acl: [192.0.2.0/24], " IN(
               "anna") "}\n"
                       "  - {id: free, role: pbx, " IN(
                           "bert") "}\n"
                                   "  - {id: fixed, role: pbx, acl: [192.0.2.9], auth: "
                                   "{inbound_user: cora, "
                                   "inbound_password: p}}\n");
    dm_address_parse(&inside, "192.0.2.1", 5060);
    dm_address_parse(&outside, "198.51.100.1", 5060);
    signs = signs_from(&outside);
    signs.digest_realm = "demarc";
    signs.digest_user = "anna";
    assert_identified(&desk, &signs, "nobody", DM_KNOWN_NOT);
    signs.digest_user = "cora";
    assert_identified(&desk, &signs, "nobody", DM_KNOWN_NOT);
    signs.digest_user = "bert";
    assert_identified(&desk, &signs, "free", DM_KNOWN_BY_USER);
    signs.source = &inside;
    signs.digest_user = "anna";
    assert_identified(&desk, &signs, "acl", DM_KNOWN_BY_USER);
    tear_down(&desk);
}

static const char *
header_of_second(const char *name, void *user_data)
{
    return g_ascii_strcasecmp(name, "X-Account") == 0 ? user_data : NULL;
}

static void
trunks_on_one_address(void)
{
    static char second[] = "acc-2", third[] = "acc-3";
    Desk desk;
    DmAddress source;
    DmRequestSigns signs;

    g_test_summary("AUTH-3: trunks of one carrier on one address are told apart by DID, R-URI "
                   "domain, To, and a header");
    set_up(&desk,
           "  - {id: did, role: carrier, acl: [192.0.2.1], identity: {owned_numbers: "
           "['+4420794']}}\n"
           "  - {id: domain, role: carrier, acl: [192.0.2.1], domain: two.example, identity: "
           "{owned_numbers: ['+33']}}\n"
           "  - {id: header, role: carrier, acl: [192.0.2.1], auth: {selector: {header: x-account, "
           "value: acc-2}}, identity: {owned_numbers: ['+49']}}\n");
    dm_address_parse(&source, "192.0.2.1", 5060);
    signs = signs_from(&source);
    signs.ruri_user = "+442079460000";
    assert_identified(&desk, &signs, "did", DM_KNOWN_BY_ADDRESS);
    signs.ruri_user = "trunk";
    signs.ruri_host = "TWO.example";
    assert_identified(&desk, &signs, "domain", DM_KNOWN_BY_ADDRESS);
    signs.ruri_host = "gw.example";
    signs.to_user = "00442079460000";
    assert_identified(&desk, &signs, "did", DM_KNOWN_BY_ADDRESS);
    signs.to_user = "";
    signs.to_host = "two.example";
    assert_identified(&desk, &signs, "domain", DM_KNOWN_BY_ADDRESS);
    signs.header = header_of_second;
    signs.user_data = second;
    assert_identified(&desk, &signs, "header", DM_KNOWN_BY_ADDRESS);
    signs.user_data = third;
    assert_identified(&desk, &signs, "domain", DM_KNOWN_BY_ADDRESS);
    signs.to_host = "";
    signs.ruri_user = "+4930";
    assert_identified(&desk, &signs, "nobody", DM_KNOWN_NOT);
    tear_down(&desk);
}

static void
contacts_become_targets(void)
{
    Desk desk;
    DmTarget target;
    DmTrunkStatus status;
    DmAddress behind_the_same_nat;

    g_test_summary("REG-5: without a contact a trunk that registers is down; with one it is called "
                   "there, and its host is no stranger's");
    set_up(&desk, "  - {id: pbx, role: pbx, " IN("anna") "}\n");
    dm_address_parse(&behind_the_same_nat, "203.0.113.9", 1111);
    g_assert_false(dm_trunk_is_up(trunk(&desk, "pbx")));
    g_assert_cmpint(dm_trunk_reserve(trunk(&desk, "pbx"), false), ==, DM_RESERVE_DOWN);
    g_assert_cmpuint(dm_trunk_targets(trunk(&desk, "pbx"), &target, 1), ==, 0);
    g_assert_false(dm_pool_knows(desk.pool, &behind_the_same_nat));
    set_contact(&desk, "pbx", contact_at(DM_TRANSPORT_UDP, 0, "203.0.113.9", 5060));
    g_assert_true(dm_trunk_is_up(trunk(&desk, "pbx")));
    g_assert_cmpuint(dm_trunk_targets(trunk(&desk, "pbx"), &target, 1), ==, 1);
    g_assert_cmpuint(target.binding, ==, 1);
    g_assert_nonnull(dm_trunk_binding(trunk(&desk, "pbx"), target.binding));
    g_assert_true(dm_pool_knows(desk.pool, &behind_the_same_nat));
    g_assert_true(dm_trunk_registry_status(desk.registry, "pbx", &status));
    g_assert_true(status.up);
    g_assert_cmpuint(status.contacts->list->len, ==, 1);
    dm_trunk_status_clear(&status);
    dm_trunk_share_bindings(trunk(&desk, "pbx"), NULL);
    g_assert_true(dm_trunk_registry_status(desk.registry, "pbx", &status));
    g_assert_false(status.up);
    tear_down(&desk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/limits", limits_hold_and_places_come_back);
    g_test_add_func("/pool/rate", rate_is_a_bucket_that_fills_evenly);
    g_test_add_func("/pool/directions", directions_and_disabled_trunks_are_respected);
    g_test_add_func("/pool/threads/limit", workers_never_exceed_a_limit_together);
    g_test_add_func("/pool/threads/last", last_place_is_given_once);
    g_test_add_func("/pool/targets/order", targets_go_by_priority_and_weight);
    g_test_add_func("/pool/targets/down", down_endpoints_are_the_last_resort);
    g_test_add_func("/pool/targets/ping", any_endpoint_can_be_pinged);
    g_test_add_func("/pool/targets/resolved", names_have_targets_once_resolved);
    g_test_add_func("/pool/targets/proxy", outbound_proxy_is_where_requests_go);
    g_test_add_func("/pool/registration", registration_is_told);
    g_test_add_func("/pool/config/stays", state_outlives_a_configuration);
    g_test_add_func("/pool/config/removed", removed_trunks_live_until_their_last_call);
    g_test_add_func("/pool/source/address", requests_are_known_by_address);
    g_test_add_func("/pool/source/apart", trunks_on_one_address_are_told_apart);
    g_test_add_func("/pool/source/known", an_address_is_known_before_its_trunk_is);
    g_test_add_func("/pool/source/token", token_of_ours_is_enough);
    g_test_add_func("/pool/source/resolved", resolved_addresses_become_sources);
    g_test_add_func("/pool/identify/order", order_of_signs);
    g_test_add_func("/pool/identify/users", users_stay_where_they_may_be);
    g_test_add_func("/pool/identify/one-address", trunks_on_one_address);
    g_test_add_func("/pool/contacts", contacts_become_targets);
    return g_test_run();
}
