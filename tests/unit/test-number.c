/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "gateway/route/number.h"

/* A trunk with these members besides the necessary ones. */
static DmTrunkConfig *
trunk_with(const char *members)
{
    g_autofree char *text =
        g_strdup_printf("{\"id\": \"t\", \"role\": \"pbx\", \"acl\": [\"10.0.0.1\"]%s%s}",
                        *members ? ", " : "",
                        members);
    json_t *json = json_loads(text, 0, NULL);
    DmProblems problems;

    g_assert_nonnull(json);
    dm_problems_init(&problems);
    DmTrunkConfig *trunk = dm_trunk_config_from_json(json, "", &problems);
    if (trunk == NULL) {
        g_error("%s", ((DmProblem *)problems.list->pdata[0])->detail);
    }
    dm_problems_clear(&problems);
    json_decref(json);
    return trunk;
}

static void
assert_normalised(const DmTrunkConfig *trunk, const char *text, const char *expected)
{
    g_autofree char *number = dm_number_normalise(trunk, text, NULL);
    g_assert_cmpstr(number, ==, expected);
}

static void
assert_formatted(const char *members, bool called, const char *number, const char *expected)
{
    DmTrunkConfig *trunk = trunk_with(members);
    g_autofree char *text = dm_number_for_trunk(trunk, number, called, NULL);

    g_assert_cmpstr(text, ==, expected);
    dm_trunk_config_free(trunk);
}

static void
separators_and_parameters_go(void)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {"+44 (20) 7946-0000", "+442079460000"},
        {"020.7946/0000", "02079460000"},
        {"+442079460000;npdi;rn=+441", "+442079460000"},
        {"alice", "alice"},
        {"first.last", "first.last"},
        {"", ""},
        {"+", "+"},
        {"*21*5#", "*21*5#"},
        {"+44+20", "+44+20"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *clean = dm_number_clean(cases[i].text);
        g_assert_cmpstr(clean, ==, cases[i].clean);
    }
}

static void
british_numbers_become_e164(void)
{
    DmTrunkConfig *trunk = trunk_with("\"numbering\": {\"country\": \"44\", \"area\": \"20\"}");

    g_test_summary(
        "RTE-4: 00-prefix, national and subscriber numbers in the context of country and area");
    assert_normalised(trunk, "+442079460000", "+442079460000");
    assert_normalised(trunk, "00442079460000", "+442079460000");
    assert_normalised(trunk, "0033123456789", "+33123456789");
    assert_normalised(trunk, "020 7946 0000", "+442079460000");
    assert_normalised(trunk, "442079460000", "+442079460000");
    assert_normalised(trunk, "79460000", "+442079460000");
    assert_normalised(trunk, "999", "999");
    assert_normalised(trunk, "112", "112");
    assert_normalised(trunk, "1001", "1001");
    assert_normalised(trunk, "alice", "alice");
    dm_trunk_config_free(trunk);
}

static void
american_numbers_become_e164(void)
{
    DmTrunkConfig *trunk = trunk_with("\"numbering\": {\"country\": \"1\"}");

    assert_normalised(trunk, "2125550100", "+12125550100");
    assert_normalised(trunk, "12125550100", "+12125550100");
    assert_normalised(trunk, "011442079460000", "+442079460000");
    assert_normalised(trunk, "911", "911");
    dm_trunk_config_free(trunk);
}

static void
countries_without_national_prefix(void)
{
    DmTrunkConfig *trunk =
        trunk_with("\"numbering\": {\"country\": \"34\", \"national_prefix\": \"\"}");

    assert_normalised(trunk, "912345678", "+34912345678");
    assert_normalised(trunk, "34912345678", "+34912345678");
    assert_normalised(trunk, "112", "112");
    dm_trunk_config_free(trunk);
}

static void
what_cannot_be_known_stays(void)
{
    DmTrunkConfig *plain = trunk_with("");
    DmTrunkConfig *e164 = trunk_with("\"identity\": {\"number_format\": \"e164\"}");

    assert_normalised(plain, "02079460000", "02079460000");
    assert_normalised(plain, "442079460000", "442079460000");
    assert_normalised(plain, "00442079460000", "+442079460000");
    assert_normalised(e164, "442079460000", "+442079460000");
    assert_normalised(e164, "1001", "1001");
    dm_trunk_config_free(plain);
    dm_trunk_config_free(e164);
}

static void
formats_are_what_the_trunk_asks_for(void)
{
    const char *number = "+442079460000";

    assert_formatted("\"identity\": {\"number_format\": \"as_is\"}", true, number, number);
    assert_formatted("\"identity\": {\"number_format\": \"e164_plus\"}", true, number, number);
    assert_formatted("\"identity\": {\"number_format\": \"e164\"}", true, number, "442079460000");
    assert_formatted("\"identity\": {\"number_format\": \"international\"}",
                     true,
                     number,
                     "00442079460000");
    assert_formatted(
        "\"identity\": {\"number_format\": \"national\"}, \"numbering\": {\"country\": \"44\"}",
        true,
        number,
        "02079460000");
    assert_formatted(
        "\"identity\": {\"number_format\": \"national\"}, \"numbering\": {\"country\": \"49\"}",
        true,
        number,
        "00442079460000");
    assert_formatted("\"identity\": {\"number_format\": \"e164\"}", true, "1001", "1001");
    assert_formatted("\"identity\": {\"number_format\": \"e164\"}", true, "alice", "alice");
}

static void
tech_prefix_is_for_called_numbers(void)
{
    const char *members = "\"numbering\": {\"tech_prefix\": \"99#\", \"out_rules\": [{\"prefix\": "
                          "\"+\", \"strip\": 1}]}";

    assert_formatted(members, true, "+442079460000", "99#442079460000");
    assert_formatted(members, false, "+442079460000", "442079460000");
}

static void
first_rule_that_fits_is_applied(void)
{
    DmTrunkConfig *trunk = trunk_with(
        "\"numbering\": {\"in_rules\": ["
        "{\"id\": \"outside-line\", \"prefix\": \"9\", \"strip\": 1, \"continue\": true},"
        "{\"match\": \"0([1-9]\\\\d+)\", \"replace\": \"+44\\\\1\"},"
        "{\"match\": \"1\\\\d{3}\", \"prepend\": \"+44207946\"},"
        "{\"prefix\": \"+\", \"prepend\": \"x\"}]}");
    const char *rule;
    g_autofree char *both = dm_number_normalise(trunk, "902079460000", &rule);

    g_assert_cmpstr(both, ==, "+442079460000");
    g_assert_cmpstr(rule, ==, "in_rules/1");
    g_autofree char *extension = dm_number_normalise(trunk, "1234", &rule);
    g_assert_cmpstr(extension, ==, "+442079461234");
    g_assert_cmpstr(rule, ==, "in_rules/2");
    g_autofree char *stripped = dm_number_normalise(trunk, "9", &rule);
    g_assert_cmpstr(stripped, ==, "");
    g_assert_cmpstr(rule, ==, "outside-line");
    g_autofree char *none = dm_number_normalise(trunk, "5", &rule);
    g_assert_cmpstr(none, ==, "5");
    g_assert_null(rule);
    dm_trunk_config_free(trunk);
}

static void
expressions_fit_whole_numbers_only(void)
{
    DmTrunkConfig *trunk =
        trunk_with("\"numbering\": {\"in_rules\": [{\"match\": \"1|2\", \"replace\": \"x\"}]}");

    assert_normalised(trunk, "1", "x");
    assert_normalised(trunk, "12", "12");
    assert_normalised(trunk, "2\n", "2\n");
    dm_trunk_config_free(trunk);
}

static void
expressions_that_run_away_do_not_fit(void)
{
    DmTrunkConfig *trunk =
        trunk_with("\"numbering\": {\"in_rules\": [{\"match\": \"(1+)+2\", \"replace\": \"x\"}]}");
    gint64 start = g_get_monotonic_time();

    assert_normalised(trunk,
                      "1111111111111111111111111111111111111111111111111111111111111113",
                      "1111111111111111111111111111111111111111111111111111111111111113");
    g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_USEC_PER_SEC);
    dm_trunk_config_free(trunk);
}

static void
numbers_do_not_grow_without_bound(void)
{
    DmTrunkConfig *trunk =
        trunk_with("\"numbering\": {\"in_rules\": [{\"match\": \"(.*)\", \"replace\": "
                   "\"\\\\1\\\\1\\\\1\\\\1\\\\1\\\\1\\\\1\\\\1\"}]}");

    assert_normalised(trunk,
                      "12345678",
                      "1234567812345678123456781234567812345678123456781234567812345678");
    assert_normalised(trunk, "123456789", "123456789");
    dm_trunk_config_free(trunk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/number/clean", separators_and_parameters_go);
    g_test_add_func("/number/british", british_numbers_become_e164);
    g_test_add_func("/number/american", american_numbers_become_e164);
    g_test_add_func("/number/no-national-prefix", countries_without_national_prefix);
    g_test_add_func("/number/unknown", what_cannot_be_known_stays);
    g_test_add_func("/number/formats", formats_are_what_the_trunk_asks_for);
    g_test_add_func("/number/tech-prefix", tech_prefix_is_for_called_numbers);
    g_test_add_func("/number/rules", first_rule_that_fits_is_applied);
    g_test_add_func("/number/whole", expressions_fit_whole_numbers_only);
    g_test_add_func("/number/runaway", expressions_that_run_away_do_not_fit);
    g_test_add_func("/number/growth", numbers_do_not_grow_without_bound);
    return g_test_run();
}
