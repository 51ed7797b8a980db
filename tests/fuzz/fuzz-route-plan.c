/* SPDX-License-Identifier: Apache-2.0 */
/* A caller's headers, a line each, into routes and number rules; and an expression and a
 * replacement of the operator's. */
#include <string.h>

#include "gateway/route/number.h"
#include "gateway/route/policy.h"

#define N_LINES 10

static const char config_text[] =
    "{\"trunks\": ["
    "{\"id\": \"pbx\", \"role\": \"pbx\", \"acl\": [\"10.0.0.1\"], \"numbering\": {\"country\": "
    "\"44\", \"area\": \"20\"}},"
    "{\"id\": \"shy\", \"role\": \"carrier\", \"acl\": [\"10.0.0.2\"], \"identity\": "
    "{\"number_format\": \"national\", "
    "\"caller_source\": \"pai\", \"emit\": [\"pai\", \"ppi\", \"rpid\"]}, \"numbering\": "
    "{\"country\": \"1\"}},"
    "{\"id\": \"sure\", \"role\": \"carrier\", \"acl\": [\"10.0.0.3\"], \"identity\": "
    "{\"trusted\": true, \"screening\": "
    "\"pilot\", \"pilot_number\": \"+4420\", \"owned_numbers\": [\"+4420\"]}}],"
    "\"routes\": [{\"id\": \"any\", \"action\": {\"trunks\": [\"shy\", \"sure\"]}},"
    "{\"id\": \"did\", \"match\": {\"did\": \"+442079460000\"}, \"action\": {\"trunks\": "
    "[\"pbx\"]}},"
    "{\"id\": \"us\", \"match\": {\"called\": \"+1\", \"caller\": \"44\"}, \"action\": "
    "{\"trunks\": [\"sure\"]}},"
    "{\"id\": \"no\", \"match\": {\"called_regex\": \"([0-9]+)+9\"}, \"action\": {\"reject\": "
    "{\"code\": 403}}}]}";

static DmConfig *
make_config(void)
{
    json_t *document = json_loads(config_text, 0, NULL);
    DmProblems problems;

    dm_problems_init(&problems);
    DmConfig *config = dm_config_new_from_json(document, &problems);
    g_assert_nonnull(config);
    dm_problems_clear(&problems);
    json_decref(document);
    return config;
}

/* The trunk with one rule as the operator wrote it, or NULL when it is refused. */
static DmTrunkConfig *
make_trunk(const char *match, const char *replace)
{
    json_t *json = json_pack("{s:s, s:s, s:[s], s:{s:[{s:s, s:s}]}}",
                             "id",
                             "t",
                             "role",
                             "pbx",
                             "acl",
                             "10.0.0.1",
                             "numbering",
                             "in_rules",
                             "match",
                             match,
                             "replace",
                             replace);
    DmProblems problems;

    if (json == NULL) {
        return NULL; /* not UTF-8 */
    }
    dm_problems_init(&problems);
    DmTrunkConfig *trunk = dm_trunk_config_from_json(json, "", &problems);
    g_assert_cmpint(trunk == NULL, ==, dm_problems_any(&problems));
    dm_problems_clear(&problems);
    json_decref(json);
    return trunk;
}

static void
check_rule(char **lines)
{
    DmTrunkConfig *trunk = make_trunk(lines[0], lines[1]);

    if (trunk != NULL) {
        g_autofree char *number = dm_number_normalise(trunk, lines[2], NULL);
        g_assert_cmpuint(strlen(number), <=, MAX(strlen(lines[2]), 64) + 16);
    }
    dm_trunk_config_free(trunk);
}

static void
check_numbers(const DmConfig *config, const char *text)
{
    const DmTrunkConfig *pbx = dm_config_trunk(config, "pbx");
    g_autofree char *number = dm_number_normalise(pbx, text, NULL);
    g_autofree char *again = dm_number_normalise(pbx, number, NULL);

    if (*number == '+') {
        g_assert_cmpstr(number, ==, again);
    }
}

static void
check_target(const DmRouteTarget *target, const char *source)
{
    const DmIdentity *identity = &target->identity;

    g_assert_cmpstr(target->trunk->id, !=, source);
    g_assert_cmpstr(identity->ruri_user, ==, identity->to_user);
    if (target->anonymous) {
        g_assert_cmpstr(identity->from_user, ==, "anonymous");
    }
    if (target->anonymous && !target->trunk->identity.trusted) {
        g_assert_cmpstr(identity->pai_user, ==, "");
        g_assert_cmpstr(identity->ppi_user, ==, "");
        g_assert_cmpstr(identity->rpid_user, ==, "");
    }
}

static void
check_plan(DmConfig *config, const DmIdentity *identity, const char *source)
{
    DmRouteRequest request = {.source_trunk = source, .identity = identity};
    g_autoptr(DmRoutePlan) plan = dm_route_plan(config, &request);
    char *trace = json_dumps(plan->trace, 0);

    g_assert_nonnull(trace);
    g_assert_cmpuint(json_array_size(plan->trace), >=, 4);
    g_assert_cmpint(plan->targets->len == 0, ==, plan->reject_code >= 400);
    for (guint i = 0; i < plan->targets->len; i++) {
        check_target(plan->targets->pdata[i], source);
    }
    free(trace);
}

static void
plan_from(DmConfig *config, char **lines)
{
    DmIdentity identity;
    char **members[] = {
        &identity.ruri_user,
        &identity.to_user,
        &identity.from_user,
        &identity.from_display,
        &identity.pai_user,
        &identity.rpid_privacy,
        &identity.privacy,
        &identity.diversion_user,
        &identity.ppi_user,
        &identity.from_host,
    };

    dm_identity_init(&identity);
    for (size_t i = 0; i < N_LINES; i++) {
        g_free(*members[i]);
        *members[i] = g_strdup(lines[i]);
    }
    check_plan(config, &identity, "pbx");
    check_plan(config, &identity, "shy");
    check_plan(config, &identity, "elsewhere");
    dm_identity_clear(&identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(DmConfig) config = make_config();
    g_autofree char *text = g_strndup((const char *)data, MIN(size, 4096));
    g_auto(GStrv) given = g_strsplit(text, "\n", N_LINES);
    char *lines[N_LINES];
    guint n = g_strv_length(given);

    for (guint i = 0; i < N_LINES; i++) {
        lines[i] = i < n ? given[i] : (char *)"";
    }
    check_rule(lines);
    check_numbers(config, lines[0]);
    plan_from(config, lines);
    return 0;
}
