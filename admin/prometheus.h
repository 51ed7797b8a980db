/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "gateway/base/counters.h"

/* A page in Prometheus' text format 0.0.4: samples of one name together, under one HELP and TYPE.
 */
typedef struct DmPrometheus DmPrometheus;

DmPrometheus *dm_prometheus_new(void);
void dm_prometheus_free(DmPrometheus *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmPrometheus, dm_prometheus_free)

/* @info is borrowed until printing. @labels: pairs without braces, or "". Values of the same name
 * and labels are added up: each worker has a set of counters of its own. */
void dm_prometheus_add(DmPrometheus *page,
                       const DmCounterInfo *info,
                       const char *labels,
                       double value);
/* @slots: DM_HISTOGRAM_SLOTS values, as they are counted. */
void dm_prometheus_add_histogram(DmPrometheus *page,
                                 const DmCounterInfo *info,
                                 const char *labels,
                                 const int64_t *slots);
/* (transfer full) */
char *dm_prometheus_print(const DmPrometheus *page);

/* name, value, ..., NULL as label pairs, values escaped. (transfer full) */
char *dm_prometheus_labels(const char *name, ...) G_GNUC_NULL_TERMINATED;
