/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route/policy.h"

#include <string.h>

#include "gateway/route/index.h"
#include "gateway/route/number.h"
#include "gateway/route/presentation.h"

/* Routes that were looked at and not taken are told up to here. */
#define MAX_TRACED 24

/* One decision on its way. */
typedef struct {
    DmRoutePlan *plan;
    const DmRouteRequest *request;
    const DmTrunkConfig *source; /* or NULL */
    char *called;                /* normalised */
    DmCaller caller;
} Planning;

static void note(Planning *planning, const char *step, const char *rule, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Adds to the trace. Text may come from the network: what is not UTF-8 is replaced. */
static void
note(Planning *planning, const char *step, const char *rule, const char *format, ...)
{
    va_list args;

    if (json_array_size(planning->plan->trace) >= MAX_TRACED * 4) {
        return;
    }
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *detail = g_utf8_validate(text, -1, NULL) ? NULL : g_utf8_make_valid(text, -1);
    json_t *entry = json_object();
    json_object_set_new(entry, "step", json_string(step));
    json_object_set_new(entry, "rule", rule != NULL ? json_string(rule) : json_null());
    json_object_set_new(entry, "detail", json_string(detail != NULL ? detail : text));
    json_array_append_new(planning->plan->trace, entry);
}

static void
reject(DmRoutePlan *plan, uint16_t code, const char *reason, unsigned q850)
{
    plan->reject_code = code;
    g_free(plan->reject_reason);
    plan->reject_reason = g_strdup(reason);
    plan->reject_q850 = q850;
}

static bool
contains(const GPtrArray *ids, const char *id)
{
    for (guint i = 0; i < ids->len; i++) {
        if (strcmp(ids->pdata[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* --- which route --- */

/* A call goes back where it came from only when the route says that this is whom it is for. */
static bool
may_go_back(const DmRoute *route, const char *source)
{
    return contains(route->match.source_trunks, source);
}

static bool
leads_only_back(const DmRoute *route, const char *source)
{
    if (route->action.trunks->len == 0 || may_go_back(route, source)) {
        return false;
    }
    for (guint i = 0; i < route->action.trunks->len; i++) {
        if (strcmp(route->action.trunks->pdata[i], source) != 0) {
            return false;
        }
    }
    return true;
}

/* Why a route whose called number fits is not for this call, or NULL when it is. */
static const char *
objection(const DmRoute *route, const Planning *planning)
{
    const char *source = planning->request->source_trunk;

    if (!route->enabled) {
        return "is disabled";
    }
    if (route->match.source_trunks->len > 0 && !contains(route->match.source_trunks, source)) {
        return "is not for calls from this trunk";
    }
    if (!dm_route_prefix_fits(route->match.caller_prefix, planning->caller.number)) {
        return "is not for this caller";
    }
    if (leads_only_back(route, source)) {
        return "leads only back to the trunk the call came from";
    }
    return NULL;
}

static bool
fits(const DmRoute *route, void *user_data)
{
    Planning *planning = user_data;
    const char *why_not = objection(route, planning);

    if (why_not != NULL && json_array_size(planning->plan->trace) < MAX_TRACED) {
        note(planning, "route_skipped", route->id, "%s", why_not);
    }
    return why_not == NULL;
}

/* --- where to --- */

static const char *
target_objection(const DmTrunkConfig *trunk, const DmRoute *route, const Planning *planning)
{
    if (trunk == NULL) {
        return "does not exist";
    }
    if (!trunk->enabled) {
        return "is disabled";
    }
    if (!trunk->allow_outbound) {
        return "takes no calls: its direction is inbound";
    }
    if (strcmp(trunk->id, planning->request->source_trunk) == 0 && !may_go_back(route, trunk->id)) {
        return "is where the call came from";
    }
    return NULL;
}

static void
free_target(gpointer data)
{
    DmRouteTarget *target = data;

    dm_identity_clear(&target->identity);
    g_free(target);
}

static void
set_called(Planning *planning, DmRouteTarget *target, const char *called)
{
    const char *rule;
    DmIdentity *identity = &target->identity;

    g_free(identity->ruri_user);
    identity->ruri_user = dm_number_for_trunk(target->trunk, called, true, &rule);
    g_free(identity->to_user);
    identity->to_user = g_strdup(identity->ruri_user);
    note(planning,
         "target",
         rule,
         "trunk '%s' is called with '%s' from '%s'%s",
         target->trunk->id,
         identity->ruri_user,
         identity->from_user,
         target->anonymous ? " (number withheld)" : "");
}

static DmGranted
granted(const Planning *planning, const DmTrunkConfig *trunk)
{
    const DmRouteRequest *request = planning->request;

    return request->granted != NULL
               ? request->granted(trunk, planning->caller.number, request->user_data)
               : DM_GRANTED_UNSAID;
}

/* Returns whether the trunk refused the caller. */
static bool
add_target(Planning *planning, const DmTrunkConfig *trunk, const char *called)
{
    DmRouteTarget *target = g_new0(DmRouteTarget, 1);

    target->trunk = trunk;
    dm_identity_init(&target->identity);
    DmCallerVerdict verdict =
        dm_caller_present(&planning->caller, granted(planning, trunk), target);
    if (verdict == DM_CALLER_REFUSED) {
        note(planning,
             "screening",
             trunk->id,
             "caller '%s' is not the trunk's to present",
             planning->caller.number);
        free_target(target);
        return true;
    }
    if (verdict == DM_CALLER_PILOT) {
        note(planning,
             "screening",
             trunk->id,
             "caller '%s' is replaced by the pilot number",
             planning->caller.number);
    }
    set_called(planning, target, called);
    g_ptr_array_add(planning->plan->targets, target);
    return false;
}

static void
take_trunks(Planning *planning, const DmRoute *route)
{
    const char *rule;
    bool refused = false;
    g_autofree char *called =
        dm_number_apply_rules(route->action.called_rules, planning->called, &rule);

    if (rule != NULL) {
        note(planning, "called_rules", rule, "'%s' became '%s'", planning->called, called);
    }
    for (guint i = 0; i < route->action.trunks->len; i++) {
        const char *id = route->action.trunks->pdata[i];
        const DmTrunkConfig *trunk = dm_config_trunk(planning->plan->config, id);
        const char *why_not = target_objection(trunk, route, planning);
        if (why_not != NULL) {
            note(planning, "trunk_skipped", id, "%s", why_not);
        } else {
            refused |= add_target(planning, trunk, called);
        }
    }
    if (planning->plan->targets->len == 0 && refused) {
        reject(planning->plan, 403, "Caller not allowed", 21);
    } else if (planning->plan->targets->len == 0) {
        reject(planning->plan, 503, "No trunk available", 41);
    }
}

static void
take_route(Planning *planning, const DmRoute *route)
{
    static const char *const kinds[] = {
        [DM_CALLED_ANY] = "any number",
        [DM_CALLED_PREFIX] = "prefix",
        [DM_CALLED_EXACT] = "whole number",
        [DM_CALLED_REGEX] = "expression",
    };

    planning->plan->route_id = g_strdup(route->id);
    planning->plan->record = route->action.record;
    planning->plan->announcements = route->action.announcements;
    note(planning,
         "route",
         route->id,
         "taken for '%s' by %s%s%s",
         planning->called,
         kinds[route->match.kind],
         *route->match.called != '\0' ? " " : "",
         route->match.called);
    if (route->action.reject_code != 0) {
        const char *reason =
            *route->action.reject_reason != '\0' ? route->action.reject_reason : "Rejected";
        reject(planning->plan, route->action.reject_code, reason, route->action.reject_q850);
        note(planning, "reject", route->id, "with %u %s", route->action.reject_code, reason);
        return;
    }
    take_trunks(planning, route);
}

/* --- the whole --- */

/* A carrier that answers a registration calls the Contact we gave it; the number is in To then. */
static const char *
dialled(const Planning *planning)
{
    const DmIdentity *identity = planning->request->identity;
    const DmTrunkConfig *source = planning->source;

    if (source != NULL && *source->registration.contact_user != '\0' &&
        strcmp(identity->ruri_user, source->registration.contact_user) == 0) {
        return identity->to_user;
    }
    return identity->ruri_user;
}

static void
read_request(Planning *planning)
{
    const char *text = dialled(planning);
    const char *rule = NULL;

    planning->called = planning->source != NULL ? dm_number_normalise(planning->source, text, &rule)
                                                : dm_number_clean(text);
    dm_caller_init(&planning->caller, planning->source, planning->request->identity);
    note(planning,
         "source",
         planning->request->source_trunk,
         "call from trunk '%s'",
         planning->request->source_trunk);
    note(planning, "called", rule, "'%s' is read as '%s'", text, planning->called);
    note(planning,
         "caller",
         planning->caller.rule,
         "'%s'%s",
         planning->caller.number,
         planning->caller.restricted ? ", number withheld" : "");
}

void
dm_route_prepare(DmConfig *config)
{
    if (dm_config_route_index(config) == NULL) {
        dm_config_set_route_index(config, dm_route_index_new(config), dm_route_index_free);
    }
}

DmRoutePlan *
dm_route_plan(DmConfig *config, const DmRouteRequest *request)
{
    DmRoutePlan *plan = g_new0(DmRoutePlan, 1);
    Planning planning = {
        .plan = plan,
        .request = request,
        .source = dm_config_trunk(config, request->source_trunk),
    };

    plan->config = dm_config_ref(config);
    plan->targets = g_ptr_array_new_with_free_func(free_target);
    plan->trace = json_array();
    read_request(&planning);
    dm_route_prepare(config);
    const DmRoute *route =
        dm_route_index_find(dm_config_route_index(config), planning.called, fits, &planning);
    if (route != NULL) {
        take_route(&planning, route);
    } else {
        reject(plan, 404, "No route", 1);
        note(&planning, "reject", NULL, "no route is for '%s'", planning.called);
    }
    dm_caller_clear(&planning.caller);
    g_free(planning.called);
    return plan;
}

void
dm_route_plan_free(DmRoutePlan *plan)
{
    if (plan == NULL) {
        return;
    }
    g_ptr_array_unref(plan->targets);
    g_free(plan->reject_reason);
    g_free(plan->route_id);
    json_decref(plan->trace);
    dm_config_unref(plan->config);
    g_free(plan);
}
