/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "admin/process.h"
#include "admin/prometheus.h"
#include "admin/resources.h"

#define MAX_SETS 64

/* Gauges of our own, listed once: here, on the page and in docs/metrics.md. */
enum {
#define GAUGE(id, name, labels, help)     METRIC_##id,
#define HISTOGRAM(id, name, labels, help) METRIC_##id,
#define COUNTER(id, name, labels, help)   METRIC_##id,
#include "admin/metrics.def"
#undef GAUGE
#undef COUNTER
#undef HISTOGRAM
    N_METRICS,
};

static const DmCounterInfo infos[N_METRICS] = {
#define GAUGE(id, name, labels, help)   {name, labels, help, DM_COUNTER_GAUGE},
#define COUNTER(id, name, labels, help) {name, labels, help, DM_COUNTER_COUNTER},
/* The only one there is. */
#define HISTOGRAM(id, name, labels, help)                                                          \
    {name, labels, help, DM_COUNTER_HISTOGRAM, &dm_trunk_mos_shape},
#include "admin/metrics.def"
#undef HISTOGRAM
#undef GAUGE
#undef COUNTER
};

static void
add(DmPrometheus *page, int metric, const char *labels, double value)
{
    dm_prometheus_add(page, &infos[metric], labels, value);
}

static void
add_counter(DmPrometheus *page, const DmCounterInfo *info, const DmCounter *values)
{
    int64_t slots[DM_HISTOGRAM_SLOTS];

    if (info->name == NULL) {
        return; /* the rest of a histogram */
    }
    if (info->kind != DM_COUNTER_HISTOGRAM) {
        dm_prometheus_add(page, info, info->labels, (double)dm_counter_value(values));
        return;
    }
    for (unsigned i = 0; i < DM_HISTOGRAM_SLOTS; i++) {
        slots[i] = dm_counter_value(&values[i]);
    }
    dm_prometheus_add_histogram(page, info, info->labels, slots);
}

static void
add_counters(DmPrometheus *page, DmGateway *gateway)
{
    DmCounterSet sets[MAX_SETS];
    size_t n = dm_gateway_counters(gateway, sets, MAX_SETS);

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < sets[i].n; j++) {
            add_counter(page, &sets[i].info[j], &sets[i].values[j]);
        }
    }
}

static void
add_endpoints(DmPrometheus *page, const DmTrunkConfig *trunk, const DmTrunkStatus *status)
{
    unsigned n = MIN(status->n_endpoints, G_N_ELEMENTS(status->endpoints));

    for (unsigned i = 0; i < MIN(n, trunk->endpoints->len); i++) {
        const DmEndpointConfig *endpoint = g_ptr_array_index(trunk->endpoints, i);
        g_autofree char *name = g_strdup_printf("%s:%u", endpoint->host, endpoint->port);
        g_autofree char *labels = dm_prometheus_labels("trunk", trunk->id, "endpoint", name, NULL);

        add(page, METRIC_endpoint_up, labels, status->endpoints[i].up);
        if (status->endpoints[i].rtt_us > 0) {
            add(page, METRIC_endpoint_rtt, labels, status->endpoints[i].rtt_us / 1e6);
        }
    }
}

static void
add_limits(DmPrometheus *page, const DmTrunkConfig *trunk)
{
    g_autofree char *in = dm_prometheus_labels("trunk", trunk->id, "type", "in", NULL);
    g_autofree char *out = dm_prometheus_labels("trunk", trunk->id, "type", "out", NULL);
    g_autofree char *total = dm_prometheus_labels("trunk", trunk->id, "type", "total", NULL);

    add(page, METRIC_calls_limit, in, trunk->limits.concurrent_in);
    add(page, METRIC_calls_limit, out, trunk->limits.concurrent_out);
    add(page, METRIC_calls_limit, total, trunk->limits.concurrent_total);
}

static void
add_mos(DmPrometheus *page, const DmTrunkConfig *trunk, const DmTrunkStatus *status)
{
    g_autofree char *in = dm_prometheus_labels("trunk", trunk->id, "direction", "in", NULL);
    g_autofree char *out = dm_prometheus_labels("trunk", trunk->id, "direction", "out", NULL);

    dm_prometheus_add_histogram(page, &infos[METRIC_trunk_mos], in, status->mos[0]);
    dm_prometheus_add_histogram(page, &infos[METRIC_trunk_mos], out, status->mos[1]);
}

static void
add_unheard(DmPrometheus *page, const DmTrunkConfig *trunk, const DmTrunkStatus *status)
{
    g_autofree char *a = dm_prometheus_labels("trunk", trunk->id, "side", "a", NULL);
    g_autofree char *b = dm_prometheus_labels("trunk", trunk->id, "side", "b", NULL);

    add(page, METRIC_trunk_unheard, a, (double)status->unheard[0]);
    add(page, METRIC_trunk_unheard, b, (double)status->unheard[1]);
}

static void
add_registration(DmPrometheus *page, const char *labels, const DmTrunkStatus *status)
{
    if (status->registration == DM_REG_NONE) {
        return;
    }
    add(page, METRIC_registered, labels, status->registration == DM_REG_REGISTERED);
    add(page, METRIC_registration_failures, labels, status->registration_failures);
    add(page,
        METRIC_registration_expiry,
        labels,
        (double)(status->registration_expires_wall_us / G_USEC_PER_SEC));
}

static void
add_contacts(DmPrometheus *page,
             const char *labels,
             const DmTrunkConfig *trunk,
             const DmTrunkStatus *status)
{
    if (trunk->auth.mode == DM_AUTH_REGISTER_IN) {
        add(page,
            METRIC_registered_contacts,
            labels,
            status->contacts != NULL ? status->contacts->list->len : 0);
    }
}

static void
add_trunk(DmPrometheus *page, const DmTrunkConfig *trunk, const DmTrunkStatus *status)
{
    g_autofree char *labels = dm_prometheus_labels("trunk", trunk->id, NULL);
    g_autofree char *in = dm_prometheus_labels("trunk", trunk->id, "direction", "inbound", NULL);
    g_autofree char *out = dm_prometheus_labels("trunk", trunk->id, "direction", "outbound", NULL);

    add(page, METRIC_trunk_up, labels, trunk->enabled && status->up);
    add(page,
        METRIC_trunk_t38_refused,
        labels,
        status->t38_until_wall_us > dm_clock_wall_us(dm_clock_system()));
    add(page, METRIC_trunk_calls, in, status->calls_in);
    add(page, METRIC_trunk_calls, out, status->calls_out);
    add(page, METRIC_trunk_attempts, labels, (double)status->attempts);
    add(page, METRIC_trunk_answered, labels, (double)status->answered);
    add(page, METRIC_trunk_failed, labels, (double)status->failed);
    add(page, METRIC_trunk_rejected, labels, (double)status->rejected_limit);
    add(page, METRIC_auth_failures, labels, (double)status->auth_failures);
    if (status->attempts > 0) {
        add(page, METRIC_asr, labels, (double)status->answered / (double)status->attempts);
    }
    add_mos(page, trunk, status);
    add_unheard(page, trunk, status);
    add_limits(page, trunk);
    add_registration(page, labels, status);
    add_contacts(page, labels, trunk, status);
    add_endpoints(page, trunk, status);
}

static void
add_trunks(DmPrometheus *page, DmGateway *gateway)
{
    g_autoptr(DmConfig) config = dm_gateway_config(gateway);

    for (guint i = 0; i < config->trunks->len; i++) {
        const DmTrunkConfig *trunk = g_ptr_array_index(config->trunks, i);
        g_auto(DmTrunkStatus) status = {0};

        if (dm_gateway_trunk_status(gateway, trunk->id, &status)) {
            add_trunk(page, trunk, &status);
        }
    }
}

static void
add_gateway(DmPrometheus *page, DmApi *api)
{
    DmGatewayStatus status = {0};
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);
    g_autofree char *version = dm_prometheus_labels("version", DM_VERSION, NULL);

    dm_gateway_status(api->gateway, &status);
    add(page, METRIC_build_info, version, 1);
    add(page, METRIC_uptime, "", (double)status.uptime_us / 1e6);
    add(page, METRIC_revision, "", (double)config->revision);
    add(page, METRIC_draining, "", status.draining);
    add(page, METRIC_calls, "", (double)status.calls);
    add(page, METRIC_loop_lag, "", (double)status.loop_lag_us / 1e6);
    add(page, METRIC_cdr_queue, "", (double)status.cdr_queued);
    add(page, METRIC_cdr_written, "", (double)status.cdr_written);
    add(page, METRIC_cdr_failures, "", (double)status.cdr_failed);
}

static void
add_process(DmPrometheus *page)
{
    DmProcess process;

    dm_process_read(&process);
    add(page, METRIC_process_cpu, "", process.cpu_s);
    add(page, METRIC_process_resident, "", (double)process.resident_bytes);
    add(page, METRIC_process_virtual, "", (double)process.virtual_bytes);
    add(page, METRIC_process_open_fds, "", process.open_fds);
    add(page, METRIC_process_max_fds, "", (double)process.max_fds);
    add(page, METRIC_process_start, "", process.start_wall_s);
    add(page, METRIC_process_threads, "", process.threads);
}

static void
add_certificate(const DmCertificateFacts *facts, void *user_data)
{
    g_autofree char *labels = dm_prometheus_labels("profile", facts->profile, NULL);

    add(user_data, METRIC_certificate_expiry, labels, (double)facts->expires_s);
}

void
dm_metrics_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(DmPrometheus) page = dm_prometheus_new();
    g_autofree char *text = NULL;

    add_gateway(page, api);
    add_trunks(page, api->gateway);
    dm_gateway_certificates(api->gateway, add_certificate, page);
    add_counters(page, api->gateway);
    add_process(page);
    text = dm_prometheus_print(page);
    dm_response_text(response, 200, DM_TYPE_METRICS, text);
}
