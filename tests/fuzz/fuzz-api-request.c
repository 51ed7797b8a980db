/* SPDX-License-Identifier: Apache-2.0 */
/* A request as anyone could send it, through the whole API but HTTP itself: first line "ROLE METHOD
 * target", then headers, an empty line, and the body. Whatever comes, there is one answer with a
 * sound status; problems and results are JSON; and what is in force stays valid, with the file's
 * own resources in it. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "admin/router.h"
#include "gateway/base/log.h"
#include "tests/lib/api-fixture.h"

#define MAX_REQUEST 8192
#define MAX_LINES   20
/* What requests leave behind must not grow without end. */
#define FRESH_EVERY 500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static DmApiFixture *
fixture_for_this_input(void)
{
    static DmApiFixture fixture;
    static unsigned n;

    if (n == 0) {
        dm_log_set_level(DM_LOG_ERROR);
    } else if (n % FRESH_EVERY == 0) {
        dm_api_fixture_clear(&fixture);
    }
    if (n++ % FRESH_EVERY == 0) {
        dm_api_fixture_init(&fixture);
    }
    return &fixture;
}

static DmRole
role_of(const char *word)
{
    DmRole role = DM_ROLE_ADMIN;

    dm_role_parse(word, &role);
    return role;
}

/* NULL: nothing that a server would take for a request. */
static DmRequest *
read_request(const DmApiFixture *fixture, const char *text)
{
    const char *body = strstr(text, "\n\n");
    g_autofree char *head = body != NULL ? g_strndup(text, (size_t)(body - text)) : g_strdup(text);
    g_auto(GStrv) lines = g_strsplit(head, "\n", MAX_LINES);
    g_auto(GStrv) words = g_strsplit(lines[0] != NULL ? lines[0] : "", " ", 3);
    DmRequest *request;

    if (g_strv_length(words) < 3 || (request = dm_request_new(words[1], words[2])) == NULL) {
        return NULL;
    }
    for (size_t i = 1; lines[i] != NULL; i++) {
        g_auto(GStrv) pair = g_strsplit(lines[i], ": ", 2);

        if (g_strv_length(pair) == 2) {
            dm_request_set_header(request, pair[0], pair[1]);
        }
    }
    if (strcmp(words[0], "-") != 0) {
        g_autofree char *token = g_strconcat("Bearer ", fixture->secrets[role_of(words[0])], NULL);

        dm_request_set_header(request, "Authorization", token);
    }
    g_string_assign(request->body, body != NULL ? body + 2 : "");
    return request;
}

static void
check_answer(const DmResponse *response)
{
    json_t *json;

    g_assert_cmpint(response->status, >=, 200);
    g_assert_cmpint(response->status, <, 600);
    g_assert_cmpint(response->status, !=, 500);
    g_assert_cmpint(response->status, !=, 501);
    if (strcmp(response->content_type, DM_TYPE_JSON) != 0 &&
        strcmp(response->content_type, DM_TYPE_PROBLEM) != 0) {
        return;
    }
    json = json_loads(response->body->str, JSON_DECODE_ANY, NULL);
    g_assert_nonnull(json);
    if (response->status >= 400 && response->status != 503) {
        g_assert_cmpint(json_integer_value(json_object_get(json, "status")), ==, response->status);
    }
    json_decref(json);
}

static void
check_what_is_in_force(DmApiFixture *fixture)
{
    g_autoptr(DmConfig) config = dm_settings_config(fixture->settings);

    g_assert_nonnull(dm_config_trunk(config, "pbx"));
    g_assert_nonnull(dm_config_trunk(config, "carrier"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DmApiFixture *fixture = fixture_for_this_input();
    g_autofree char *text = g_strndup((const char *)data, MIN(size, MAX_REQUEST));
    g_autoptr(DmRequest) request = read_request(fixture, text);
    g_auto(DmResponse) response;

    dm_response_init(&response);
    if (request != NULL) {
        dm_api_handle(fixture->api, request, &response);
        check_answer(&response);
        check_what_is_in_force(fixture);
    }
    return 0;
}
