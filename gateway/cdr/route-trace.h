/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>

/* What routing did with a call, as its record keeps it: the texts of each step, one behind the
 * other, which is less than half of what they are as JSON. */
typedef struct DmRouteTrace DmRouteTrace;

/* Adds the steps of a plan's trace. @trace: (transfer full) (nullable). Returns: (transfer full) */
DmRouteTrace *dm_route_trace_add(DmRouteTrace *trace, const json_t *steps);
void dm_route_trace_free(DmRouteTrace *trace);

/* As members of "route": rule_ids, transformations and trace. @trace: (nullable): nothing was done.
 */
void dm_route_trace_print(const DmRouteTrace *trace, const char *route_id, GString *out);
