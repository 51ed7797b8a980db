/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "admin/changes.h"
#include "admin/collection.h"
#include "admin/json.h"
#include "admin/resources.h"
#include "gateway/base/clock.h"

void
dm_trunks_list(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_list(api, request, "trunks", response);
}

void
dm_trunks_create(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_create(api, request, "trunks", response);
}

void
dm_trunks_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_show(api, request, "trunks", response);
}

void
dm_trunks_replace(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_replace(api, request, "trunks", response);
}

void
dm_trunks_merge(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_merge(api, request, "trunks", response);
}

void
dm_trunks_delete(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_delete(api, request, "trunks", response);
}

/* --- Status --- */

static json_t *
registration_to_json(const DmTrunkStatus *status)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:i}",
                     "state",
                     dm_registration_state_name(status->registration),
                     "last_code",
                     status->registration_code != 0 ? json_integer(status->registration_code)
                                                    : json_null(),
                     "expires_at",
                     dm_json_time(status->registration_expires_wall_us),
                     "next_attempt_at",
                     dm_json_time(status->registration_next_wall_us),
                     "failures",
                     (int)status->registration_failures);
}

/* What the endpoint has shown it cannot take, and for how many seconds more that is believed. */
static json_t *
lessons_to_json(const int64_t *until_us)
{
    static const char *const names[DM_N_LESSONS] = {
        [DM_LESSON_SMALL] = "message_too_large",
        [DM_LESSON_NO_TCP] = "no_tcp",
    };
    int64_t now_us = dm_clock_mono_us(dm_clock_system());
    json_t *learned = json_array();

    for (unsigned i = 0; i < DM_N_LESSONS; i++) {
        if (until_us[i] > now_us) {
            json_array_append_new(learned,
                                  json_pack("{s:s, s:I}",
                                            "what",
                                            names[i],
                                            "expires_s",
                                            (json_int_t)((until_us[i] - now_us) / G_USEC_PER_SEC)));
        }
    }
    return learned;
}

static json_t *
endpoints_to_json(const DmTrunkStatus *status, const DmTrunkConfig *config)
{
    json_t *endpoints = json_array();

    for (unsigned i = 0; i < MIN(status->n_endpoints, G_N_ELEMENTS(status->endpoints)); i++) {
        const DmEndpointConfig *endpoint =
            i < config->endpoints->len ? g_ptr_array_index(config->endpoints, i) : NULL;

        json_array_append_new(
            endpoints,
            json_pack("{s:s?, s:s, s:s?, s:s, s:o, s:o, s:o, s:o}",
                      "host",
                      endpoint != NULL ? endpoint->host : NULL,
                      "address",
                      status->endpoints[i].address,
                      "transport",
                      endpoint != NULL ? dm_transport_name(endpoint->transport) : NULL,
                      "state",
                      status->endpoints[i].up ? "up" : "down",
                      "rtt_ms",
                      dm_json_ms(status->endpoints[i].rtt_us),
                      "last_ok",
                      dm_json_time(status->endpoints[i].last_ok_wall_us),
                      "last_fail",
                      dm_json_time(status->endpoints[i].last_fail_wall_us),
                      "learned",
                      lessons_to_json(status->endpoints[i].learned_until_us)));
    }
    return endpoints;
}

static json_t *
seconds_left(const DmBinding *contact)
{
    int64_t left_us = contact->expires_us - dm_clock_mono_us(dm_clock_system());

    return json_integer(MAX(0, left_us / G_USEC_PER_SEC));
}

static json_t *
contact_to_json(const DmBinding *contact)
{
    char text[DM_ADDRESS_TEXT_MAX];

    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:f, s:o, s:s}",
                     "uri",
                     contact->uri,
                     "source",
                     dm_address_text(&contact->source, text),
                     "transport",
                     dm_transport_name(contact->transport),
                     "nat",
                     contact->behind_nat,
                     "path",
                     contact->path,
                     "q",
                     contact->q / 1000.0,
                     "expires_in_s",
                     seconds_left(contact),
                     "user_agent",
                     contact->user_agent);
}

/* Where a PBX has registered with us, best first. */
static json_t *
contacts_to_json(const DmTrunkStatus *status)
{
    json_t *contacts = json_array();

    for (guint i = 0; status->contacts != NULL && i < status->contacts->list->len; i++) {
        json_array_append_new(contacts, contact_to_json(status->contacts->list->pdata[i]));
    }
    return contacts;
}

/* It has refused T.38 and is not asked before that time; null: it may be. */
static json_t *
t38_until_to_json(const DmTrunkStatus *status)
{
    int64_t now_us = dm_clock_wall_us(dm_clock_system());

    return dm_json_time(status->t38_until_wall_us > now_us ? status->t38_until_wall_us : 0);
}

/* Answered calls among those that were tried. */
static json_t *
asr_to_json(const DmTrunkStatus *status)
{
    return status->attempts == 0 ? json_null()
                                 : json_real((double)status->answered / (double)status->attempts);
}

static const char *
state_name(const DmTrunkConfig *config, const DmTrunkStatus *status)
{
    if (!config->enabled) {
        return "disabled";
    }
    return status->up ? "up" : "down";
}

static json_t *
status_to_json(const DmTrunkConfig *config, const DmTrunkStatus *status)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:{s:o}, s:{s:i, s:i}, s:I, s:I, s:I, s:I, s:o}",
                     "id",
                     config->id,
                     "state",
                     state_name(config, status),
                     "registration",
                     registration_to_json(status),
                     "endpoints",
                     endpoints_to_json(status, config),
                     "contacts",
                     contacts_to_json(status),
                     "learned",
                     "t38_refused_until",
                     t38_until_to_json(status),
                     "calls",
                     "in",
                     status->calls_in,
                     "out",
                     status->calls_out,
                     "attempts",
                     (json_int_t)status->attempts,
                     "answered",
                     (json_int_t)status->answered,
                     "failed",
                     (json_int_t)status->failed,
                     "rejected_limit",
                     (json_int_t)status->rejected_limit,
                     "asr",
                     asr_to_json(status));
}

void
dm_trunks_status(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);
    const DmTrunkConfig *trunk = dm_config_trunk(config, request->params[0]);
    g_auto(DmTrunkStatus) status = {0};

    if (trunk == NULL) {
        dm_problem(response, 404, "not_found", "'%s' does not exist", request->params[0]);
        return;
    }
    dm_gateway_trunk_status(api->gateway, trunk->id, &status);
    dm_response_json(response, 200, status_to_json(trunk, &status));
}

/* --- Actions --- */

static void
set_enabled(DmApi *api, DmRequest *request, bool enabled, DmResponse *response)
{
    json_t *patch = json_pack("{s:b}", "enabled", enabled);
    DmChange change = {
        .kind = DM_CHANGE_MERGE,
        .collection = "trunks",
        .id = request->params[0],
        .body = patch,
    };

    dm_changes_run(api, request, &change, response);
    json_decref(patch);
}

static void
ask_gateway(DmApi *api, const DmRequest *request, const char *action, DmResponse *response)
{
    g_autoptr(GError) error = NULL;

    if (!dm_gateway_trunk_action(api->gateway,
                                 request->params[0],
                                 action,
                                 DM_API_DEADLINE_MS,
                                 &error)) {
        dm_problem_from_error(response, error);
        return;
    }
    dm_response_json(response,
                     202,
                     json_pack("{s:s, s:s}", "trunk", request->params[0], "action", action));
}

void
dm_trunks_action(DmApi *api, DmRequest *request, DmResponse *response)
{
    static const char *const asked[] = {"register", "unregister", "probe", "forget", NULL};
    const char *action = request->params[1];

    if (strcmp(action, "enable") == 0 || strcmp(action, "disable") == 0) {
        set_enabled(api, request, strcmp(action, "enable") == 0, response);
    } else if (g_strv_contains(asked, action)) {
        ask_gateway(api, request, action, response);
    } else {
        dm_problem(response,
                   404,
                   "action",
                   "there is no action '%s': enable, disable, register, unregister, probe, "
                   "forget",
                   action);
    }
}
