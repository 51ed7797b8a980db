/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/load.h"
#include "gateway/route/policy.h"

#define TRUNKS                                                                                     \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, acl: [10.0.0.1], numbering: {country: '44'}}\n"                      \
    "  - {id: carrier, role: carrier, acl: [10.0.0.2], identity: {number_format: e164}}\n"         \
    "  - {id: second, role: carrier, acl: [10.0.0.3], identity: {trusted: true}}\n"                \
    "  - {id: off, role: carrier, acl: [10.0.0.4], enabled: false}\n"                              \
    "  - {id: in-only, role: carrier, acl: [10.0.0.5], direction: inbound}\n"                      \
    "  - {id: pilot, role: carrier, acl: [10.0.0.6], identity: {screening: pilot, pilot_number: "  \
    "'+442079460000', owned_numbers: ['+44207946'], emit: [from, ppi, rpid]}}\n"                   \
    "  - {id: strict, role: carrier, acl: [10.0.0.7], identity: {screening: reject, "              \
    "owned_numbers: ['+44207946']}}\n"

/* A configuration, and the one call it is asked about. */
typedef struct {
    DmConfig *config;
    DmIdentity identity;
    DmRoutePlan *plan;
} Desk;

static void
set_up(Desk *desk, const char *routes)
{
    g_autofree char *text = g_strconcat(TRUNKS "routes:\n", routes, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(DmDocument) document = dm_document_parse(text, strlen(text), "t.yaml", &error);
    DmProblems problems;

    g_assert_no_error(error);
    dm_problems_init(&problems);
    desk->config = dm_config_new_from_json(dm_document_json(document), &problems);
    g_autofree char *explained = dm_document_explain(document, &problems);
    g_assert_cmpstr(explained, ==, "");
    dm_problems_clear(&problems);
    dm_identity_init(&desk->identity);
    desk->plan = NULL;
}

static void
tear_down(Desk *desk)
{
    dm_route_plan_free(desk->plan);
    dm_identity_clear(&desk->identity);
    dm_config_unref(desk->config);
}

static void
set(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

/* Plans the call and says it as "route: trunk=number trunk=number" or "route: code". */
static char *
plan(Desk *desk, const char *source, const char *called)
{
    GString *text = g_string_new(NULL);

    set(&desk->identity.ruri_user, called);
    dm_route_plan_free(desk->plan);
    desk->plan =
        dm_route_plan(desk->config,
                      &(DmRouteRequest){.source_trunk = source, .identity = &desk->identity});
    g_string_append_printf(text, "%s:", desk->plan->route_id != NULL ? desk->plan->route_id : "-");
    for (guint i = 0; i < desk->plan->targets->len; i++) {
        const DmRouteTarget *target = desk->plan->targets->pdata[i];
        g_string_append_printf(text, " %s=%s", target->trunk->id, target->identity.ruri_user);
    }
    if (desk->plan->targets->len == 0) {
        g_string_append_printf(text, " %u/%u", desk->plan->reject_code, desk->plan->reject_q850);
    }
    return g_string_free(text, FALSE);
}

static void
assert_plan(Desk *desk, const char *source, const char *called, const char *expected)
{
    g_autofree char *text = plan(desk, source, called);
    g_assert_cmpstr(text, ==, expected);
}

static const DmRouteTarget *
target(const Desk *desk, guint i)
{
    g_assert_cmpuint(i, <, desk->plan->targets->len);
    return desk->plan->targets->pdata[i];
}

/* Whether the trace has an entry with this step and rule. */
static bool
traced(const Desk *desk, const char *step, const char *rule)
{
    size_t i;
    json_t *entry;

    json_array_foreach(desk->plan->trace, i, entry)
    {
        const char *entry_rule = json_string_value(json_object_get(entry, "rule"));
        if (strcmp(json_string_value(json_object_get(entry, "step")), step) == 0 &&
            g_strcmp0(entry_rule, rule) == 0) {
            return true;
        }
    }
    return false;
}

static void
calls_cross_both_ways(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [carrier, second]}}\n"
           "  - {id: in, match: {called: '+44207946'}, action: {trunks: [pbx]}}\n");
    assert_plan(&desk, "pbx", "00442079461234", "out: carrier=442079461234 second=+442079461234");
    assert_plan(&desk, "carrier", "442079461234", "in: pbx=+442079461234");
    assert_plan(&desk, "carrier", "4915112345678", "-: 404/1");
    g_assert_true(traced(&desk, "reject", NULL));
    tear_down(&desk);
}

static void
more_specific_wins(void)
{
    Desk desk;

    g_test_summary("RTE-1: whole number, longest prefix, expression, any");
    set_up(
        &desk,
        "  - {id: any, order: 0, action: {reject: {code: 400}}}\n"
        "  - {id: regex, order: 0, match: {called_regex: '.*7$|ops'}, action: {reject: {code: "
        "401}}}\n"
        "  - {id: short, order: 0, match: {called: '44'}, action: {reject: {code: 402}}}\n"
        "  - {id: long, order: 9, match: {called: '4420'}, action: {reject: {code: 403}}}\n"
        "  - {id: did, order: 99, match: {did: '+44207946000'}, action: {reject: {code: 404}}}\n");
    assert_plan(&desk, "second", "+44207946000", "did: 404/0");
    assert_plan(&desk, "second", "+442079460001", "long: 403/0");
    assert_plan(&desk, "second", "4420", "long: 403/0");
    assert_plan(&desk, "second", "+447", "short: 402/0");
    assert_plan(&desk, "second", "+337", "regex: 401/0");
    assert_plan(&desk, "second", "ops", "regex: 401/0");
    assert_plan(&desk, "second", "+338", "any: 400/0");
    assert_plan(&desk, "second", "", "any: 400/0");
    tear_down(&desk);
}

static void
plus_asks_for_an_international_number(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: e164, match: {called: '+9'}, action: {reject: {code: 401}}}\n"
           "  - {id: world, match: {called: '+'}, action: {reject: {code: 403}}}\n"
           "  - {id: nine, match: {called: '9'}, order: 200, action: {reject: {code: 402}}}\n");
    assert_plan(&desk, "second", "+33212", "world: 403/0");
    assert_plan(&desk, "second", "33212", "-: 404/1");
    assert_plan(&desk, "second", "+90212", "e164: 401/0");
    assert_plan(&desk, "second", "90212", "nine: 402/0");
    tear_down(&desk);
}

static void
order_and_conditions_decide_among_equals(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: c-late, order: 5, match: {called: '1'}, action: {reject: {code: 401}}}\n"
           "  - {id: b-caller, order: 5, match: {called: '1', caller: '+4420'}, action: {reject: "
           "{code: 402}}}\n"
           "  - {id: a-source, order: 5, match: {called: '1', source_trunks: [pbx]}, action: "
           "{reject: {code: 403}}}\n"
           "  - {id: z-first, order: 1, match: {called: '1', source_trunks: [carrier]}, action: "
           "{reject: {code: 404}}}\n"
           "  - {id: off, order: 0, enabled: false, match: {called: '1'}, action: {reject: {code: "
           "405}}}\n");
    set(&desk.identity.from_user, "+442079460000");
    assert_plan(&desk, "carrier", "123", "z-first: 404/0");
    assert_plan(&desk, "pbx", "123", "b-caller: 402/0");
    g_assert_true(traced(&desk, "route_skipped", "off"));
    g_assert_true(traced(&desk, "route_skipped", "z-first"));
    set(&desk.identity.from_user, "+33123456789");
    assert_plan(&desk, "pbx", "123", "a-source: 403/0");
    assert_plan(&desk, "second", "123", "c-late: 401/0");
    tear_down(&desk);
}

static void
conditions_fall_back_to_shorter_prefixes(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: long, match: {called: '442', source_trunks: [second]}, action: {trunks: "
           "[carrier]}}\n"
           "  - {id: short, match: {called: '44'}, action: {trunks: [carrier]}}\n");
    assert_plan(&desk, "second", "+442079460000", "long: carrier=442079460000");
    assert_plan(&desk, "pbx", "+442079460000", "short: carrier=442079460000");
    tear_down(&desk);
}

static void
calls_do_not_go_back_by_accident(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: any, action: {trunks: [carrier, second]}}\n"
           "  - {id: only-carrier, match: {called: '33'}, action: {trunks: [carrier]}}\n"
           "  - {id: hairpin, match: {called: '49', source_trunks: [carrier]}, action: {trunks: "
           "[carrier]}}\n");
    assert_plan(&desk, "carrier", "+1555", "any: second=+1555");
    g_assert_true(traced(&desk, "trunk_skipped", "carrier"));
    assert_plan(&desk, "carrier", "+33155", "any: second=+33155");
    g_assert_true(traced(&desk, "route_skipped", "only-carrier"));
    assert_plan(&desk, "carrier", "+49155", "hairpin: carrier=49155");
    tear_down(&desk);
}

static void
trunks_out_of_service_are_skipped(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: some, match: {called: '1'}, action: {trunks: [off, in-only, carrier]}}\n"
           "  - {id: none, match: {called: '2'}, action: {trunks: [off, in-only]}}\n");
    assert_plan(&desk, "pbx", "+1555", "some: carrier=1555");
    g_assert_true(traced(&desk, "trunk_skipped", "off"));
    g_assert_true(traced(&desk, "trunk_skipped", "in-only"));
    assert_plan(&desk, "pbx", "+2555", "none: 503/41");
    g_assert_cmpstr(desk.plan->reject_reason, ==, "No trunk available");
    tear_down(&desk);
}

static void
route_rewrites_before_the_trunk(void)
{
    Desk desk;

    set_up(&desk,
           "  - {id: r, action: {trunks: [carrier], called_rules: [{id: emergency, match: "
           "'9?(112|999)', replace: "
           "'+44999\\1'}]}}\n");
    assert_plan(&desk, "pbx", "9112", "r: carrier=44999112");
    g_assert_true(traced(&desk, "called_rules", "emergency"));
    assert_plan(&desk, "pbx", "02079460000", "r: carrier=442079460000");
    tear_down(&desk);
}

static void
registration_contact_means_the_number_in_to(void)
{
    Desk desk;

    set_up(&desk, "  - {id: r, match: {did: '+442079460000'}, action: {trunks: [pbx]}}\n");
    DmTrunkConfig *second = (DmTrunkConfig *)dm_config_trunk(desk.config, "second");
    set(&second->registration.contact_user, "token");
    set(&desk.identity.to_user, "+442079460000");
    assert_plan(&desk, "second", "token", "r: pbx=+442079460000");
    assert_plan(&desk, "carrier", "token", "-: 404/1");
    tear_down(&desk);
}

/* --- identity --- */

#define ALL_TRUNKS                                                                                 \
    "  - {id: r, action: {trunks: [carrier, second, pilot]}}\n"                                    \
    "  - {id: s, match: {called: '5'}, action: {trunks: [strict]}}\n"

static void
number_is_shown_as_each_trunk_wants(void)
{
    Desk desk;

    g_test_summary("ID-1: the caller's number in each trunk's format and headers");
    set_up(&desk, ALL_TRUNKS);
    set(&desk.identity.from_user, "02079461111");
    set(&desk.identity.from_display, "Ann");
    g_autofree char *text = plan(&desk, "pbx", "+1555");
    g_assert_cmpstr(target(&desk, 0)->identity.from_user, ==, "442079461111");
    g_assert_cmpstr(target(&desk, 0)->identity.from_display, ==, "Ann");
    g_assert_cmpstr(target(&desk, 0)->identity.pai_user, ==, "442079461111");
    g_assert_cmpstr(target(&desk, 0)->identity.ppi_user, ==, "");
    g_assert_cmpstr(target(&desk, 0)->identity.privacy, ==, "");
    g_assert_cmpstr(target(&desk, 0)->identity.to_user, ==, "1555");
    g_assert_cmpstr(target(&desk, 1)->identity.from_user, ==, "+442079461111");
    g_assert_cmpstr(target(&desk, 2)->identity.pai_user, ==, "");
    g_assert_cmpstr(target(&desk, 2)->identity.ppi_user, ==, "+442079461111");
    g_assert_cmpstr(target(&desk, 2)->identity.rpid_user, ==, "+442079461111");
    g_assert_cmpstr(target(&desk, 2)->identity.rpid_privacy, ==, "off");
    g_assert_false(target(&desk, 0)->anonymous);
    tear_down(&desk);
}

static void
assert_withheld(const Desk *desk)
{
    g_assert_true(target(desk, 0)->anonymous);
    g_assert_cmpstr(target(desk, 0)->identity.from_user, ==, "anonymous");
    g_assert_cmpstr(target(desk, 0)->identity.from_display, ==, "Anonymous");
    g_assert_cmpstr(target(desk, 0)->identity.pai_user, ==, "");
    g_assert_cmpstr(target(desk, 0)->identity.pai_display, ==, "");
    g_assert_cmpstr(target(desk, 1)->identity.from_user, ==, "anonymous");
    g_assert_cmpstr(target(desk, 1)->identity.pai_user, ==, "+442079461111");
    g_assert_cmpstr(target(desk, 1)->identity.privacy, ==, "id");
    g_assert_cmpstr(target(desk, 2)->identity.ppi_user, ==, "");
    g_assert_cmpstr(target(desk, 2)->identity.rpid_user, ==, "");
}

static void
privacy_hides_the_number_from_the_untrusted(void)
{
    Desk desk;

    g_test_summary(
        "ID-2: Privacy: id, RPID privacy=full and an anonymous From all hide the number");
    set_up(&desk, ALL_TRUNKS);
    set(&desk.identity.from_user, "+442079461111");
    set(&desk.identity.from_display, "Ann");
    set(&desk.identity.privacy, "header;id");
    g_autofree char *first = plan(&desk, "pbx", "+1555");
    g_assert_cmpstr(target(&desk, 1)->identity.privacy, ==, "header;id");
    set(&desk.identity.privacy, "id");
    g_autofree char *second = plan(&desk, "pbx", "+1555");
    assert_withheld(&desk);

    set(&desk.identity.privacy, "");
    set(&desk.identity.rpid_privacy, "full");
    g_autofree char *third = plan(&desk, "pbx", "+1555");
    assert_withheld(&desk);

    ((DmTrunkConfig *)dm_config_trunk(desk.config, "pbx"))->identity.caller_source = DM_CALLER_PAI;
    set(&desk.identity.rpid_privacy, "");
    set(&desk.identity.from_user, "anonymous");
    set(&desk.identity.from_host, "anonymous.invalid");
    set(&desk.identity.pai_user, "+442079461111");
    g_autofree char *fourth = plan(&desk, "pbx", "+1555");
    assert_withheld(&desk);
    tear_down(&desk);
}

static void
privacy_none_shows_the_number(void)
{
    Desk desk;

    set_up(&desk, ALL_TRUNKS);
    set(&desk.identity.from_user, "+442079461111");
    set(&desk.identity.privacy, "none");
    g_autofree char *text = plan(&desk, "pbx", "+1555");
    g_assert_false(target(&desk, 0)->anonymous);
    g_assert_cmpstr(target(&desk, 0)->identity.from_user, ==, "442079461111");
    g_assert_cmpstr(target(&desk, 0)->identity.privacy, ==, "none");
    tear_down(&desk);
}

static void
callers_without_number_are_anonymous_and_not_vouched_for(void)
{
    Desk desk;

    set_up(&desk, ALL_TRUNKS);
    g_autofree char *none = plan(&desk, "pbx", "+1555");
    g_assert_true(target(&desk, 0)->anonymous);
    g_assert_cmpstr(target(&desk, 1)->identity.pai_user, ==, "");
    g_assert_cmpstr(target(&desk, 2)->identity.from_user, ==, "+442079460000");
    set(&desk.identity.from_user, "reception");
    g_autofree char *name = plan(&desk, "pbx", "+1555");
    g_assert_cmpstr(target(&desk, 1)->identity.from_user, ==, "reception");
    g_assert_cmpstr(target(&desk, 1)->identity.pai_user, ==, "");
    tear_down(&desk);
}

/* A registrar that lets every trunk present one number. */
static DmGranted
grant_one(const DmTrunkConfig *trunk, const char *number, void *user_data)
{
    return strcmp(number, user_data) == 0 ? DM_GRANTED_YES : DM_GRANTED_NO;
}

static void
registrars_may_allow_more(void)
{
    static char allowed[] = "+33123456789";
    Desk desk;
    DmRouteRequest request = {.source_trunk = "pbx",
                              .identity = &desk.identity,
                              .granted = grant_one,
                              .user_data = allowed};
    DmRoutePlan *allows, *forbids;

    g_test_summary("ID-3 REG-1: what the registrar allows may be presented, besides owned_numbers");
    set_up(&desk, ALL_TRUNKS);
    set(&desk.identity.ruri_user, "555");
    set(&desk.identity.from_user, "+33123456789");
    allows = dm_route_plan(desk.config, &request);
    g_assert_cmpuint(allows->targets->len, ==, 1);
    set(&desk.identity.from_user, "+33123456780");
    forbids = dm_route_plan(desk.config, &request);
    g_assert_cmpuint(forbids->reject_code, ==, 403);
    dm_route_plan_free(allows);
    dm_route_plan_free(forbids);
    tear_down(&desk);
}

static void
callers_of_others_are_screened(void)
{
    Desk desk;

    g_test_summary("ID-3: pilot number or 403 for a caller outside the trunk's ranges");
    set_up(&desk, ALL_TRUNKS);
    set(&desk.identity.from_user, "+33123456789");
    g_autofree char *text = plan(&desk, "pbx", "+1555");
    g_assert_cmpstr(target(&desk, 2)->identity.from_user, ==, "+442079460000");
    g_assert_cmpstr(target(&desk, 2)->identity.ppi_user, ==, "+442079460000");
    g_assert_true(traced(&desk, "screening", "pilot"));
    assert_plan(&desk, "pbx", "555", "s: 403/21");
    set(&desk.identity.from_user, "02079461111");
    assert_plan(&desk, "pbx", "555", "s: strict=555");
    tear_down(&desk);
}

static void
caller_is_taken_from_where_the_trunk_says(void)
{
    Desk desk;

    set_up(&desk, ALL_TRUNKS);
    DmTrunkConfig *pbx = (DmTrunkConfig *)dm_config_trunk(desk.config, "pbx");
    set(&desk.identity.from_user, "+441");
    set(&desk.identity.from_display, "From");
    set(&desk.identity.pai_user, "+442");
    set(&desk.identity.pai_display, "Pai");
    set(&desk.identity.ppi_user, "+443");
    static const struct {
        DmCallerHeader header;
        const char *number, *display;
    } cases[] = {
        {DM_CALLER_FROM, "+441", "From"},
        {DM_CALLER_PAI, "+442", "Pai"},
        {DM_CALLER_PPI, "+443", "From"},
        {DM_CALLER_RPID, "+441", "From"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        pbx->identity.caller_source = cases[i].header;
        g_autofree char *text = plan(&desk, "pbx", "+1555");
        g_assert_cmpstr(target(&desk, 1)->identity.from_user, ==, cases[i].number);
        g_assert_cmpstr(target(&desk, 1)->identity.from_display, ==, cases[i].display);
    }
    tear_down(&desk);
}

static void
forwarding_number_crosses_in_the_trunks_format(void)
{
    Desk desk;

    set_up(&desk, ALL_TRUNKS);
    set(&desk.identity.diversion_user, "02079462222");
    set(&desk.identity.diversion_reason, "no-answer");
    g_autofree char *text = plan(&desk, "pbx", "+1555");
    g_assert_cmpstr(target(&desk, 0)->identity.diversion_user, ==, "442079462222");
    g_assert_cmpstr(target(&desk, 0)->identity.diversion_reason, ==, "no-answer");
    tear_down(&desk);
}

static void
strangers_to_the_snapshot_are_still_routed(void)
{
    Desk desk;

    g_test_summary("a trunk that a newer configuration no longer has: its running call is planned "
                   "all the same");
    set_up(&desk, ALL_TRUNKS);
    set(&desk.identity.from_user, "\xff\xfe");
    assert_plan(&desk, "gone", "+1555", "r: carrier=1555 second=+1555 pilot=+1555");
    tear_down(&desk);
}

/* --- threads --- */

static gpointer
plan_in_thread(gpointer config)
{
    DmIdentity identity;

    dm_identity_init(&identity);
    set(&identity.ruri_user, "+442079461234");
    for (unsigned i = 0; i < 50; i++) {
        g_autoptr(DmRoutePlan) plan =
            dm_route_plan(config,
                          &(DmRouteRequest){.source_trunk = "carrier", .identity = &identity});
        g_assert_cmpstr(plan->route_id, ==, "in");
    }
    dm_identity_clear(&identity);
    return NULL;
}

static void
workers_share_one_index(void)
{
    GThread *threads[4];
    Desk desk;

    g_test_summary("the first plans of several workers at once: one index, none lost");
    set_up(&desk, "  - {id: in, match: {called: '+44207946'}, action: {trunks: [pbx]}}\n");
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("worker", plan_in_thread, desk.config);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    g_assert_nonnull(dm_config_route_index(desk.config));
    tear_down(&desk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/route/both-ways", calls_cross_both_ways);
    g_test_add_func("/route/specific", more_specific_wins);
    g_test_add_func("/route/plus", plus_asks_for_an_international_number);
    g_test_add_func("/route/order", order_and_conditions_decide_among_equals);
    g_test_add_func("/route/fallback", conditions_fall_back_to_shorter_prefixes);
    g_test_add_func("/route/hairpin", calls_do_not_go_back_by_accident);
    g_test_add_func("/route/out-of-service", trunks_out_of_service_are_skipped);
    g_test_add_func("/route/rewrite", route_rewrites_before_the_trunk);
    g_test_add_func("/route/contact", registration_contact_means_the_number_in_to);
    g_test_add_func("/route/identity/shown", number_is_shown_as_each_trunk_wants);
    g_test_add_func("/route/identity/withheld", privacy_hides_the_number_from_the_untrusted);
    g_test_add_func("/route/identity/none", privacy_none_shows_the_number);
    g_test_add_func("/route/identity/no-number",
                    callers_without_number_are_anonymous_and_not_vouched_for);
    g_test_add_func("/route/identity/screened", callers_of_others_are_screened);
    g_test_add_func("/route/identity/granted", registrars_may_allow_more);
    g_test_add_func("/route/identity/source", caller_is_taken_from_where_the_trunk_says);
    g_test_add_func("/route/identity/diversion", forwarding_number_crosses_in_the_trunks_format);
    g_test_add_func("/route/unknown-source", strangers_to_the_snapshot_are_still_routed);
    g_test_add_func("/route/threads", workers_share_one_index);
    return g_test_run();
}
