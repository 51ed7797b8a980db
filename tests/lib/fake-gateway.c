/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake-gateway.h"

#include <string.h>

#include "gateway/base/error.h"

static void note(DmGateway *gateway, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
note(DmGateway *gateway, const char *format, ...)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&gateway->lock);
    va_list arguments;

    va_start(arguments, format);
    g_string_append_vprintf(gateway->script, format, arguments);
    va_end(arguments);
    g_string_append_c(gateway->script, ' ');
}

static bool
answers(DmGateway *gateway, GError **error)
{
    if (gateway->is_busy) {
        g_set_error(error, DM_ERROR, DM_ERROR_LIMIT, "no worker answered in time");
    }
    return !gateway->is_busy;
}

DmGateway *
dm_fake_gateway_new(DmStore *store, DmConfig *config)
{
    DmGateway *gateway = g_new0(DmGateway, 1);

    g_mutex_init(&gateway->lock);
    gateway->script = g_string_new("");
    gateway->store = store;
    gateway->calls = json_array();
    gateway->listeners_bound = true;
    gateway->config = dm_config_ref(config);
    return gateway;
}

void
dm_fake_gateway_free(DmGateway *gateway)
{
    if (gateway == NULL) {
        return;
    }
    dm_config_unref(gateway->config);
    g_string_free(gateway->script, TRUE);
    json_decref(gateway->calls);
    g_mutex_clear(&gateway->lock);
    g_free(gateway);
}

char *
dm_fake_gateway_take_script(DmGateway *gateway)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&gateway->lock);
    char *script = g_strdup(g_strchomp(gateway->script->str));

    g_string_truncate(gateway->script, 0);
    return script;
}

/* --- gateway.h --- */

void
dm_gateway_drain(DmGateway *gateway, bool draining)
{
    gateway->draining = draining;
}

bool
dm_gateway_is_draining(const DmGateway *gateway)
{
    return gateway->draining;
}

DmConfig *
dm_gateway_config(DmGateway *gateway)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&gateway->lock);

    return dm_config_ref(gateway->config);
}

void
dm_gateway_apply(DmGateway *gateway, DmConfig *config, json_t **out_needs_restart)
{
    note(gateway, "apply(%" G_GUINT64_FORMAT ")", config->revision);
    g_mutex_lock(&gateway->lock);
    dm_config_unref(gateway->config);
    gateway->config = dm_config_ref(config);
    g_mutex_unlock(&gateway->lock);
    if (out_needs_restart != NULL) {
        *out_needs_restart = json_array();
    }
}

size_t
dm_gateway_n_calls(const DmGateway *gateway)
{
    return json_array_size(gateway->calls);
}

json_t *
dm_gateway_calls(DmGateway *gateway, unsigned deadline_ms, GError **error)
{
    return answers(gateway, error) ? json_deep_copy(gateway->calls) : NULL;
}

json_t *
dm_gateway_call(DmGateway *gateway, const char *call_id, unsigned deadline_ms, GError **error)
{
    size_t i;
    json_t *call;

    if (!answers(gateway, error)) {
        return NULL;
    }
    json_array_foreach(gateway->calls, i, call)
    {
        if (g_strcmp0(json_string_value(json_object_get(call, "id")), call_id) == 0) {
            return json_deep_copy(call);
        }
    }
    g_set_error(error, DM_ERROR, DM_ERROR_NOT_FOUND, "call '%s' does not exist", call_id);
    return NULL;
}

bool
dm_gateway_hang_up(DmGateway *gateway,
                   const char *call_id,
                   const char *reason,
                   unsigned deadline_ms,
                   GError **error)
{
    json_t *call = dm_gateway_call(gateway, call_id, deadline_ms, error);

    if (call == NULL) {
        return false;
    }
    json_decref(call);
    note(gateway, "hang-up(%s)", call_id);
    return true;
}

bool
dm_gateway_recording(DmGateway *gateway,
                     const char *call_id,
                     const char *action,
                     unsigned deadline_ms,
                     GError **error)
{
    json_t *call = dm_gateway_call(gateway, call_id, deadline_ms, error);

    if (call == NULL) {
        return false;
    }
    json_decref(call);
    if (strcmp(action, "resume") == 0) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFLICT, "the call is not being recorded");
        return false;
    }
    note(gateway, "recording(%s,%s)", call_id, action);
    return true;
}

bool
dm_gateway_trunk_action(DmGateway *gateway,
                        const char *trunk_id,
                        const char *action,
                        unsigned deadline_ms,
                        GError **error)
{
    g_autoptr(DmConfig) config = dm_gateway_config(gateway);

    if (!answers(gateway, error)) {
        return false;
    }
    if (dm_config_trunk(config, trunk_id) == NULL) {
        g_set_error(error, DM_ERROR, DM_ERROR_NOT_FOUND, "trunk '%s' does not exist", trunk_id);
        return false;
    }
    note(gateway, "%s(%s)", action, trunk_id);
    return true;
}

bool
dm_gateway_trunk_status(DmGateway *gateway, const char *trunk_id, DmTrunkStatus *out)
{
    *out = gateway->trunk_status;
    g_strlcpy(out->id, trunk_id, sizeof(out->id));
    return true;
}

void
dm_gateway_status(DmGateway *gateway, DmGatewayStatus *out)
{
    *out = (DmGatewayStatus){
        .started_wall_us = INT64_C(1767225600000000),
        .uptime_us = 5 * G_USEC_PER_SEC,
        .workers = 1,
        .draining = gateway->draining,
        .listeners_bound = gateway->listeners_bound,
        .calls = json_array_size(gateway->calls),
    };
}

size_t
dm_gateway_counters(DmGateway *gateway, DmCounterSet *out, size_t max)
{
    size_t n = MIN(gateway->n_sets, max);

    memcpy(out, gateway->sets, n * sizeof(*out));
    return n;
}

void
dm_gateway_certificates(DmGateway *gateway, DmGatewayCertificateFunc func, void *user_data)
{
    static const char *const names[] = {"sbc.example.com", NULL};

    func(&(DmCertificateFacts){.profile = "main",
                               .expires_s = 1893456000,
                               .subject = "CN=sbc.example.com",
                               .issuer = "CN=Example CA",
                               .fingerprint = "ab",
                               .names = names},
         user_data);
}

DmStore *
dm_gateway_store(DmGateway *gateway)
{
    return gateway->store;
}
