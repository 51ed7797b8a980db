/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/api.h"

/* The handlers, one file for each resource; see DmHandler. */

void dm_trunks_list(DmApi *api, DmRequest *request, DmResponse *response);
void dm_trunks_create(DmApi *api, DmRequest *request, DmResponse *response);
void dm_trunks_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_trunks_replace(DmApi *api, DmRequest *request, DmResponse *response);
void dm_trunks_merge(DmApi *api, DmRequest *request, DmResponse *response);
void dm_trunks_delete(DmApi *api, DmRequest *request, DmResponse *response);
void dm_trunks_status(DmApi *api, DmRequest *request, DmResponse *response);
void dm_trunks_action(DmApi *api, DmRequest *request, DmResponse *response);

void dm_tls_profiles_list(DmApi *api, DmRequest *request, DmResponse *response);
void dm_tls_profiles_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_tls_profiles_certificate(DmApi *api, DmRequest *request, DmResponse *response);

void dm_routes_list(DmApi *api, DmRequest *request, DmResponse *response);
void dm_routes_create(DmApi *api, DmRequest *request, DmResponse *response);
void dm_routes_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_routes_replace(DmApi *api, DmRequest *request, DmResponse *response);
void dm_routes_merge(DmApi *api, DmRequest *request, DmResponse *response);
void dm_routes_delete(DmApi *api, DmRequest *request, DmResponse *response);

void dm_route_tests_run(DmApi *api, DmRequest *request, DmResponse *response);

void dm_calls_list(DmApi *api, DmRequest *request, DmResponse *response);
void dm_calls_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_calls_hang_up(DmApi *api, DmRequest *request, DmResponse *response);
void dm_calls_action(DmApi *api, DmRequest *request, DmResponse *response);

void dm_cdrs_list(DmApi *api, DmRequest *request, DmResponse *response);
void dm_cdrs_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_cdrs_attempts(DmApi *api, DmRequest *request, DmResponse *response);

void dm_configuration_export(DmApi *api, DmRequest *request, DmResponse *response);
void dm_configuration_validate(DmApi *api, DmRequest *request, DmResponse *response);
void dm_configuration_revisions(DmApi *api, DmRequest *request, DmResponse *response);
void dm_configuration_revision(DmApi *api, DmRequest *request, DmResponse *response);
void dm_configuration_rollback(DmApi *api, DmRequest *request, DmResponse *response);
void dm_configuration_diff(DmApi *api, DmRequest *request, DmResponse *response);

void dm_tokens_list(DmApi *api, DmRequest *request, DmResponse *response);
void dm_tokens_create(DmApi *api, DmRequest *request, DmResponse *response);
void dm_tokens_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_tokens_delete(DmApi *api, DmRequest *request, DmResponse *response);
void dm_audit_list(DmApi *api, DmRequest *request, DmResponse *response);

void dm_system_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_system_set_log_level(DmApi *api, DmRequest *request, DmResponse *response);
void dm_system_drain(DmApi *api, DmRequest *request, DmResponse *response);

void dm_openapi_show(DmApi *api, DmRequest *request, DmResponse *response);
void dm_health_live(DmApi *api, DmRequest *request, DmResponse *response);
void dm_health_ready(DmApi *api, DmRequest *request, DmResponse *response);
void dm_metrics_show(DmApi *api, DmRequest *request, DmResponse *response);
