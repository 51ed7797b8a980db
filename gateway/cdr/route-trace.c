/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/route-trace.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "gateway/cdr/json-text.h"

/* The members of a step, each with its NUL; "" is one that is not told, such as no rule. */
enum { STEP, RULE, DETAIL, N_TEXTS };
static const char *const names[N_TEXTS] = {"step", "rule", "detail"};

struct DmRouteTrace {
    size_t len;
    char texts[];
};

typedef struct {
    const char *text[N_TEXTS];
} Step;

DmRouteTrace *
dm_route_trace_add(DmRouteTrace *trace, const json_t *steps)
{
    size_t len = trace != NULL ? trace->len : 0;
    g_autoptr(GString) added = g_string_new(NULL);
    const json_t *step;
    size_t i;

    json_array_foreach(steps, i, step)
    {
        for (unsigned k = 0; k < N_TEXTS; k++) {
            const char *text = json_string_value(json_object_get(step, names[k]));

            g_string_append(added, text != NULL ? text : "");
            g_string_append_c(added, '\0');
        }
    }
    trace = g_realloc(trace, sizeof *trace + len + added->len);
    memcpy(trace->texts + len, added->str, added->len);
    trace->len = len + added->len;
    return trace;
}

void
dm_route_trace_free(DmRouteTrace *trace)
{
    g_free(trace);
}

/* @at: where it is; moved behind it. False: there is none. */
static bool
next_step(const DmRouteTrace *trace, size_t *at, Step *out_step)
{
    if (trace == NULL || *at >= trace->len) {
        return false;
    }
    for (unsigned i = 0; i < N_TEXTS; i++) {
        out_step->text[i] = trace->texts + *at;
        *at += strlen(out_step->text[i]) + 1;
    }
    return true;
}

/* Whether it changed the call: those that only say what was looked at, or was not taken, do not. */
static bool
is_transformation(const Step *step)
{
    static const char *const steps[] =
        {"called", "caller", "called_rules", "screening", "target", NULL};

    return g_strv_contains(steps, step->text[STEP]);
}

/* Every rule that was applied, once, the route first. */
static void
add_rule_ids(const DmRouteTrace *trace, const char *route_id, GString *out)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    size_t at = 0;
    Step step;

    dm_json_text_open(out, "rule_ids", '[');
    if (route_id != NULL && *route_id != '\0') {
        dm_json_text_add_text(out, NULL, route_id);
        g_hash_table_add(seen, (gpointer)route_id);
    }
    while (next_step(trace, &at, &step)) {
        const char *rule = step.text[RULE];

        if (*rule != '\0' && is_transformation(&step) && g_hash_table_add(seen, (gpointer)rule)) {
            dm_json_text_add_text(out, NULL, rule);
        }
    }
    dm_json_text_close(out, ']');
}

/* What was rewritten, as sentences. */
static void
add_transformations(const DmRouteTrace *trace, GString *out)
{
    size_t at = 0;
    Step step;

    dm_json_text_open(out, "transformations", '[');
    while (next_step(trace, &at, &step)) {
        if (is_transformation(&step) && *step.text[DETAIL] != '\0') {
            dm_json_text_add_text(out, NULL, step.text[DETAIL]);
        }
    }
    dm_json_text_close(out, ']');
}

static void
add_trace(const DmRouteTrace *trace, GString *out)
{
    size_t at = 0;
    Step step;

    dm_json_text_open(out, "trace", '[');
    while (next_step(trace, &at, &step)) {
        dm_json_text_open(out, NULL, '{');
        dm_json_text_add_string(out, names[STEP], step.text[STEP]);
        dm_json_text_add_text(out, names[RULE], step.text[RULE]);
        dm_json_text_add_string(out, names[DETAIL], step.text[DETAIL]);
        dm_json_text_close(out, '}');
    }
    dm_json_text_close(out, ']');
}

void
dm_route_trace_print(const DmRouteTrace *trace, const char *route_id, GString *out)
{
    add_rule_ids(trace, route_id, out);
    add_transformations(trace, out);
    add_trace(trace, out);
}
