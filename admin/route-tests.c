/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/body.h"
#include "admin/resources.h"
#include "gateway/route/policy.h"

/* A call as it could come. */
typedef struct {
    char *trunk, *from, *to, *display, *pai, *privacy;
} CallBody;

static const DmJsonMember call_members[] = {
    {"trunk",
     DM_JSON_STRING,
     .required = true,
     .max = 64,
     DM_JSON_AT(CallBody, trunk),
     .doc = "Trunk the call comes from"},
    {"to",
     DM_JSON_STRING,
     .required = true,
     .max = 128,
     DM_JSON_AT(CallBody, to),
     .doc = "Called number, as the trunk would send it"},
    {"from",
     DM_JSON_STRING,
     .max = 128,
     DM_JSON_AT(CallBody, from),
     .doc = "Caller's number in From"},
    {"display",
     DM_JSON_STRING,
     .max = 128,
     DM_JSON_AT(CallBody, display),
     .doc = "Display name in From"},
    {"pai",
     DM_JSON_STRING,
     .max = 128,
     DM_JSON_AT(CallBody, pai),
     .doc = "Number in P-Asserted-Identity"},
    {"privacy",
     DM_JSON_STRING,
     .max = 64,
     DM_JSON_AT(CallBody, privacy),
     .doc = "Value of Privacy"},
    {NULL},
};

static void
clear_body(CallBody *body)
{
    g_free(body->trunk);
    g_free(body->from);
    g_free(body->to);
    g_free(body->display);
    g_free(body->pai);
    g_free(body->privacy);
}

static void
set_text(char **member, const char *text)
{
    if (text != NULL) {
        g_free(*member);
        *member = g_strdup(text);
    }
}

static void
fill_identity(DmIdentity *identity, const CallBody *body)
{
    set_text(&identity->from_user, body->from);
    set_text(&identity->from_display, body->display);
    set_text(&identity->to_user, body->to);
    set_text(&identity->ruri_user, body->to);
    set_text(&identity->pai_user, body->pai);
    set_text(&identity->privacy, body->privacy);
}

static json_t *
target_to_json(const DmRouteTarget *target)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}",
                     "trunk",
                     target->trunk->id,
                     "ruri",
                     target->identity.ruri_user,
                     "to",
                     target->identity.to_user,
                     "from",
                     target->identity.from_user,
                     "display",
                     target->identity.from_display,
                     "pai",
                     target->identity.pai_user,
                     "privacy",
                     target->identity.privacy,
                     "anonymous",
                     target->anonymous);
}

static json_t *
reject_to_json(const DmRoutePlan *plan)
{
    if (plan->targets->len > 0) {
        return json_null();
    }
    return json_pack("{s:i, s:s?, s:i}",
                     "code",
                     (int)plan->reject_code,
                     "reason",
                     plan->reject_reason,
                     "q850",
                     (int)plan->reject_q850);
}

static json_t *
plan_to_json(const DmRoutePlan *plan)
{
    json_t *targets = json_array();

    for (guint i = 0; i < plan->targets->len; i++) {
        json_array_append_new(targets, target_to_json(g_ptr_array_index(plan->targets, i)));
    }
    return json_pack("{s:s?, s:o, s:o, s:O}",
                     "route",
                     plan->route_id,
                     "targets",
                     targets,
                     "reject",
                     reject_to_json(plan),
                     "trace",
                     plan->trace);
}

static void
answer_plan(DmApi *api, const CallBody *body, DmResponse *response)
{
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);
    g_autoptr(DmRoutePlan) plan = NULL;
    DmIdentity identity;
    DmRouteRequest route = {
        .source_trunk = body->trunk,
        .identity = &identity,
        .wall_us = g_get_real_time(),
    };

    if (dm_config_trunk(config, body->trunk) == NULL) {
        DmProblems problems;

        dm_problems_init(&problems);
        dm_problems_add(&problems, "/trunk", "reference", "'%s' does not exist", body->trunk);
        dm_problem_list(response, 422, "invalid", "the body is not valid", &problems);
        dm_problems_clear(&problems);
        return;
    }
    dm_identity_init(&identity);
    fill_identity(&identity, body);
    plan = dm_route_plan(config, &route);
    dm_response_json(response, 200, plan_to_json(plan));
    dm_identity_clear(&identity);
}

/* What would become of a call, and why, without making one. */
void
dm_route_tests_run(DmApi *api, DmRequest *request, DmResponse *response)
{
    CallBody body = {0};

    if (dm_body_read(request, call_members, &body, response)) {
        answer_plan(api, &body, response);
    }
    clear_body(&body);
}
