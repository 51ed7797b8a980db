/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/api-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "admin/auth.h"

static const char file_text[] =
    "{'tls_profiles': [{'id': 'main', 'verify_client': 'optional'}],"
    " 'listeners': [{'id': 'main', 'address': '127.0.0.1', 'port': 5060}],"
    " 'media_pools': [{'id': 'pool', 'address': '127.0.0.1', 'port_min': 20000,"
    "   'port_max': 20100}],"
    " 'trunks': ["
    "   {'id': 'pbx', 'name': 'Office PBX', 'role': 'pbx',"
    "    'endpoints': [{'uri': 'sip:192.0.2.1:5060'}]},"
    "   {'id': 'carrier', 'name': 'Carrier', 'role': 'carrier',"
    "    'endpoints': [{'uri': 'sip:192.0.2.2:5060'}],"
    "    'auth': {'mode': 'digest', 'user': 'u', 'password': 's3cret'}}],"
    " 'routes': [{'id': 'out', 'name': 'Out', 'match': {'source_trunks': ['pbx']},"
    "   'action': {'trunks': ['carrier']}}]}";

/* The file, with the double quotes that C would have to escape. (transfer full): its path */
static char *
write_file(DmApiFixture *fixture)
{
    g_autofree char *quoted = g_strdelimit(g_strdup(file_text), "'", '"');
    char *path = dm_temp_dir_file(&fixture->dir, "demarc.yaml");

    g_assert_true(g_file_set_contents(path, quoted, -1, NULL));
    return path;
}

static void
apply(DmConfig *config, json_t **out_needs_restart, void *user_data)
{
    dm_gateway_apply(user_data, config, out_needs_restart);
}

static void
add_token(DmApiFixture *fixture, DmRole role)
{
    g_autofree char *hash = NULL;
    DmStoreToken token = {(char *)dm_role_name(role), (char *)dm_role_name(role), role, 1, 0, 0};

    fixture->secrets[role] = dm_auth_make_secret();
    hash = dm_store_hash_secret(fixture->secrets[role]);
    g_assert_true(dm_store_token_add(fixture->store, &token, hash, NULL));
}

DmSettings *
dm_api_fixture_open_settings(DmApiFixture *fixture)
{
    g_autofree char *path = dm_temp_dir_file(&fixture->dir, "demarc.yaml");
    g_autoptr(GError) error = NULL;
    DmSettings *settings = dm_settings_open(path, fixture->store, &error);

    g_assert_no_error(error);
    return settings;
}

void
dm_api_fixture_init(DmApiFixture *fixture)
{
    g_autofree char *path = NULL;
    g_autoptr(DmConfig) config = NULL;

    memset(fixture, 0, sizeof(*fixture));
    dm_temp_dir_init(&fixture->dir);
    path = write_file(fixture);
    fixture->store = dm_store_open(":memory:", NULL);
    fixture->settings = dm_api_fixture_open_settings(fixture);
    config = dm_settings_config(fixture->settings);
    fixture->gateway = dm_fake_gateway_new(fixture->store, config);
    dm_settings_set_apply(fixture->settings, apply, fixture->gateway);
    fixture->api = dm_api_new(fixture->gateway, fixture->store, fixture->settings);
    dm_response_init(&fixture->response);
    for (int role = 0; role < DM_N_ROLES; role++) {
        add_token(fixture, (DmRole)role);
    }
}

void
dm_api_fixture_clear(DmApiFixture *fixture)
{
    dm_response_clear(&fixture->response);
    json_decref(fixture->json);
    dm_api_free(fixture->api);
    dm_settings_free(fixture->settings);
    dm_fake_gateway_free(fixture->gateway);
    dm_store_close(fixture->store);
    dm_temp_dir_clear(&fixture->dir);
    for (int role = 0; role < DM_N_ROLES; role++) {
        g_free(fixture->secrets[role]);
    }
}

int
dm_api_ask(DmApiFixture *fixture,
           DmRole role,
           const char *method,
           const char *target,
           const char *body,
           ...)
{
    g_autoptr(DmRequest) request = dm_request_new(method, target);
    g_autofree char *authorization = g_strconcat("Bearer ", fixture->secrets[role], NULL);
    va_list headers;
    const char *name;

    g_assert_nonnull(request);
    dm_request_set_header(request, "Authorization", authorization);
    if (body != NULL) {
        g_autofree char *quoted = g_strdelimit(g_strdup(body), "'", '"');

        dm_request_set_header(request, "Content-Type", "application/json");
        g_string_assign(request->body, quoted);
    }
    va_start(headers, body);
    while ((name = va_arg(headers, const char *)) != NULL) {
        dm_request_set_header(request, name, va_arg(headers, const char *));
    }
    va_end(headers);

    dm_response_clear(&fixture->response);
    dm_response_init(&fixture->response);
    dm_api_handle(fixture->api, request, &fixture->response);
    json_decref(fixture->json);
    fixture->json = json_loads(fixture->response.body->str, JSON_DECODE_ANY, NULL);
    return fixture->response.status;
}

const char *
dm_api_answer(DmApiFixture *fixture, const char *path)
{
    static _Thread_local char text[1024];
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    const json_t *value = fixture->json;
    char *dumped;

    for (size_t i = 0; names[i] != NULL && value != NULL; i++) {
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(names[i]))
                                     : json_object_get(value, names[i]);
    }
    if (value == NULL || json_is_string(value)) {
        return json_string_value(value);
    }
    dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    g_strlcpy(text, dumped, sizeof(text));
    free(dumped);
    return text;
}
