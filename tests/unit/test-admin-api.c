/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "admin/admin.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "tests/lib/api-fixture.h"

#define NEW_TRUNK                                                                                  \
    "{'id': 'backup', 'name': 'Backup', 'role': 'carrier',"                                        \
    " 'endpoints': [{'uri': 'sip:192.0.2.9:5060'}]}"

static void
set_up(DmApiFixture *f, gconstpointer data)
{
    dm_api_fixture_init(f);
}

static void
tear_down(DmApiFixture *f, gconstpointer data)
{
    dm_api_fixture_clear(f);
}

#define ASK(f, role, method, target, body) dm_api_ask(f, DM_ROLE_##role, method, target, body, NULL)
#define ASSERT_ANSWER(f, path, expected)   g_assert_cmpstr(dm_api_answer(f, path), ==, expected)

/* What the gateway was asked. */
#define ASSERT_SCRIPT(f, expected)                                                                 \
    do {                                                                                           \
        g_autofree char *script_ = dm_fake_gateway_take_script((f)->gateway);                      \
        g_assert_cmpstr(script_, ==, expected);                                                    \
    } while (0)

/* --- Who may what --- */

static void
test_no_token(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Without a token, with a wrong one or with a dead one: 401 and how to do better "
                   "(SEC-6)");
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_READ,
                               "GET",
                               "/api/v1/trunks",
                               NULL,
                               "Authorization",
                               "Basic x",
                               NULL),
                    ==,
                    401);
    ASSERT_ANSWER(f, "code", "token_missing");
    g_assert_nonnull(dm_response_get_header(&f->response, "WWW-Authenticate"));
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_READ,
                               "GET",
                               "/api/v1/trunks",
                               NULL,
                               "Authorization",
                               "Bearer dmt_wrong",
                               NULL),
                    ==,
                    401);
    ASSERT_ANSWER(f, "code", "token_unknown");
}

static void
test_expired(DmApiFixture *f, gconstpointer data)
{
    g_autofree char *hash = dm_store_hash_secret("dead");
    DmStoreToken token = {(char *)"dead", (char *)"dead", DM_ROLE_ADMIN, 1, 0, 2};

    g_test_summary("A token that has expired is refused, and told so");
    g_assert_true(dm_store_token_add(f->store, &token, hash, NULL));
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_READ,
                               "GET",
                               "/api/v1/trunks",
                               NULL,
                               "Authorization",
                               "Bearer dead",
                               NULL),
                    ==,
                    401);
    ASSERT_ANSWER(f, "code", "token_expired");
}

static void
test_roles(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Readers look, operators act, admins change: all else is 403 (SEC-6)");
    json_array_append_new(f->gateway->calls, json_pack("{s:s}", "id", "C1"));
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/calls/C1", NULL), ==, 200);
    g_assert_cmpint(ASK(f, READ, "DELETE", "/api/v1/calls/C1", NULL), ==, 403);
    g_assert_cmpint(ASK(f, OPERATOR, "DELETE", "/api/v1/calls/C1", NULL), ==, 202);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/trunks", NEW_TRUNK), ==, 403);
    g_assert_cmpint(ASK(f, OPERATOR, "GET", "/api/v1/tokens", NULL), ==, 403);
    g_assert_cmpint(ASK(f, ADMIN, "GET", "/api/v1/tokens", NULL), ==, 200);
    ASSERT_SCRIPT(f, "hang-up(C1)");
}

#define ACTIONS "/api/v1/calls/C1/actions/"

static void
test_recording(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Operators record: started without a body, stopped, paused and resumed with "
                   "one; other words are refused");
    json_array_append_new(f->gateway->calls, json_pack("{s:s}", "id", "C1"));
    g_assert_cmpint(ASK(f, READ, "POST", ACTIONS "record", NULL), ==, 403);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", ACTIONS "record", NULL), ==, 202);
    ASSERT_SCRIPT(f, "recording(C1,start)");
    g_assert_cmpint(ASK(f, OPERATOR, "POST", ACTIONS "pause", NULL), ==, 202);
    ASSERT_SCRIPT(f, "recording(C1,pause)");
    g_assert_cmpint(ASK(f, OPERATOR, "POST", ACTIONS "record", "{\"recording\":\"stop\"}"),
                    ==,
                    202);
    ASSERT_SCRIPT(f, "recording(C1,stop)");
    g_assert_cmpint(ASK(f, OPERATOR, "POST", ACTIONS "record", "{\"recording\":\"resume\"}"),
                    ==,
                    409);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", ACTIONS "record", "{\"recording\":\"erase\"}"),
                    ==,
                    422);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", ACTIONS "pause", "{}"), ==, 400);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", ACTIONS "erase", NULL), ==, 404);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/calls/C2/actions/record", NULL), ==, 404);
    ASSERT_SCRIPT(f, "");
}

static void
test_public(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Health is for anyone; metrics are not");
    g_assert_cmpint(dm_api_ask(f, DM_ROLE_READ, "GET", "/healthz", NULL, "Authorization", "", NULL),
                    ==,
                    200);
    g_assert_cmpint(dm_api_ask(f, DM_ROLE_READ, "GET", "/metrics", NULL, "Authorization", "", NULL),
                    ==,
                    401);
}

/* --- Requests that are not as they should be --- */

static void
test_precise_codes(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("404 for a path, 405 with Allow for a method, 406, 415, 400 for what cannot be "
                   "read, 422 for what can");
    g_assert_cmpint(ASK(f, ADMIN, "GET", "/api/v1/nothing", NULL), ==, 404);
    g_assert_cmpint(ASK(f, ADMIN, "GET", "/api/v1/trunks/", NULL), ==, 404);
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", "/api/v1/trunks", NULL), ==, 405);
    g_assert_cmpstr(dm_response_get_header(&f->response, "Allow"), ==, "GET, HEAD, POST");
    g_assert_cmpint(
        dm_api_ask(f, DM_ROLE_READ, "GET", "/api/v1/trunks", NULL, "Accept", "text/html", NULL),
        ==,
        406);
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_ADMIN,
                               "POST",
                               "/api/v1/trunks",
                               NEW_TRUNK,
                               "Content-Type",
                               "text/plain",
                               NULL),
                    ==,
                    415);
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks", "{'id': "), ==, 400);
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks", NULL), ==, 400);
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", "/api/v1/trunks/x", "{}"), ==, 400);
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks?dryrun=true", NEW_TRUNK), ==, 400);
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks", "[]"), ==, 422);
    ASSERT_SCRIPT(f, "");
}

static void
test_deep_body(DmApiFixture *f, gconstpointer data)
{
    g_autofree char *deep = g_strnfill(100000, '[');

    g_test_summary("A body nested a hundred thousand deep is refused before it is parsed");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks", deep), ==, 400);
    ASSERT_ANSWER(f, "code", "json");
}

/* --- Trunks and routes --- */

static void
test_create(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A new trunk is there, in force, and a revision");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK), ==, 201);
    g_assert_cmpstr(dm_response_get_header(&f->response, "Location"), ==, "/api/v1/trunks/backup");
    g_assert_cmpstr(dm_response_get_header(&f->response, "Demarc-Revision"), ==, "1");
    ASSERT_ANSWER(f, "provisioned", "false");
    ASSERT_SCRIPT(f, "apply(1)");

    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks/backup", NULL), ==, 200);
    ASSERT_ANSWER(f, "name", "Backup");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK), ==, 409);
    ASSERT_ANSWER(f, "code", "exists");
}

static void
test_invalid(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A bad body gets 422 with a pointer for every mistake, and changes nothing");
    g_assert_cmpint(ASK(f,
                        ADMIN,
                        "POST",
                        "/api/v1/trunks",
                        "{'id': 'x', 'name': 'X', 'role': 'carier', 'endpoints': ["
                        "{'uri': 'sip:192.0.2.9:99999'}], 'colour': 'red'}"),
                    ==,
                    422);
    g_assert_cmpuint(json_array_size(json_object_get(f->json, "errors")), ==, 3);
    ASSERT_ANSWER(f, "errors.0.pointer", "/role");
    ASSERT_ANSWER(f, "errors.1.pointer", "/endpoints/0/uri");
    ASSERT_ANSWER(f, "errors.2.pointer", "/colour");
    g_assert_cmpstr(f->response.content_type, ==, DM_TYPE_PROBLEM);
    ASSERT_SCRIPT(f, "");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks/x", NULL), ==, 404);
}

static void
test_dry_run(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A dry run answers as the write would, and writes nothing");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks?dry_run=true", NEW_TRUNK), ==, 200);
    ASSERT_ANSWER(f, "id", "backup");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/trunks?dry_run=true", "{}"), ==, 422);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks/backup", NULL), ==, 404);
    ASSERT_SCRIPT(f, "");
}

static void
test_etag(DmApiFixture *f, gconstpointer data)
{
    g_autofree char *etag = NULL;

    g_test_summary("Of two who read the same trunk, the second to write with If-Match gets 412");
    ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK);
    etag = g_strdup(dm_response_get_header(&f->response, "ETag"));
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_ADMIN,
                               "PATCH",
                               "/api/v1/trunks/backup",
                               "{'name': 'One'}",
                               "If-Match",
                               etag,
                               NULL),
                    ==,
                    200);
    ASSERT_ANSWER(f, "name", "One");
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_ADMIN,
                               "PATCH",
                               "/api/v1/trunks/backup",
                               "{'name': 'Two'}",
                               "If-Match",
                               etag,
                               NULL),
                    ==,
                    412);
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_READ,
                               "GET",
                               "/api/v1/trunks/backup",
                               NULL,
                               "If-None-Match",
                               (ASK(f, READ, "GET", "/api/v1/trunks/backup", NULL),
                                g_intern_string(dm_response_get_header(&f->response, "ETag"))),
                               NULL),
                    ==,
                    304);
}

static void
test_provisioned(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("What belongs to the file cannot be changed here");
    g_assert_cmpint(ASK(f, ADMIN, "PATCH", "/api/v1/trunks/pbx", "{'name': 'x'}"), ==, 409);
    ASSERT_ANSWER(f, "code", "provisioned");
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", "/api/v1/trunks/pbx", NULL), ==, 409);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/trunks/pbx/actions/disable", NULL), ==, 409);
}

static void
test_referenced(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A trunk that a route names stays until the route is gone");
    ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK);
    g_assert_cmpint(ASK(f,
                        ADMIN,
                        "POST",
                        "/api/v1/routes",
                        "{'id': 'r', 'name': 'R', 'match': {'called': '0044'},"
                        " 'action': {'trunks': ['backup']}}"),
                    ==,
                    201);
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", "/api/v1/trunks/backup", NULL), ==, 409);
    ASSERT_ANSWER(f, "code", "referenced");
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", "/api/v1/routes/r", NULL), ==, 204);
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", "/api/v1/trunks/backup", NULL), ==, 204);
    ASSERT_SCRIPT(f, "apply(1) apply(2) apply(3) apply(4)");
}

static void
test_tls_profiles(DmApiFixture *f, gconstpointer data)
{
    g_test_summary(
        "TLS profiles can be looked at; the certificate in use tells whom it is for, and "
        "until when it is good");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/tls-profiles", NULL), ==, 200);
    ASSERT_ANSWER(f, "items.0.id", "main");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/tls-profiles/main", NULL), ==, 200);
    ASSERT_ANSWER(f, "verify_client", "optional");
    ASSERT_ANSWER(f, "provisioned", "true");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/tls-profiles/other", NULL), ==, 404);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/tls-profiles/main/certificate", NULL), ==, 200);
    ASSERT_ANSWER(f, "not_after", "2030-01-01T00:00:00.000Z");
    ASSERT_ANSWER(f, "names.0", "sbc.example.com");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/tls-profiles/x/certificate", NULL), ==, 404);
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/tls-profiles", "{'id': 'x'}"), ==, 405);
}

static void
test_secrets(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A password goes in and never comes out (SEC-6)");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks/carrier", NULL), ==, 200);
    ASSERT_ANSWER(f, "auth.password.set", "true");
    g_assert_null(strstr(f->response.body->str, "s3cret"));
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/config", NULL), ==, 200);
    g_assert_null(strstr(f->response.body->str, "s3cret"));
    ASSERT_ANSWER(f, "trunks.1.id", "carrier");
}

static void
test_list(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Lists are filtered, sorted, cut to fields and read page by page");
    ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks?sort=-name&fields=id&limit=2", NULL),
                    ==,
                    200);
    ASSERT_ANSWER(f, "items.0", "{\"id\":\"pbx\"}");
    ASSERT_ANSWER(f, "items.1", "{\"id\":\"carrier\"}");
    ASSERT_ANSWER(f, "next", "carrier");
    ASK(f, READ, "GET", "/api/v1/trunks?sort=-name&fields=id&limit=2&cursor=carrier", NULL);
    ASSERT_ANSWER(f, "items", "[{\"id\":\"backup\"}]");
    ASSERT_ANSWER(f, "next", "null");
    ASK(f, READ, "GET", "/api/v1/trunks?filter%5Brole%5D=carrier&filter[auth.mode]=digest", NULL);
    g_assert_cmpuint(json_array_size(json_object_get(f->json, "items")), ==, 1);
    ASSERT_ANSWER(f, "items.0.id", "carrier");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks?limit=0", NULL), ==, 400);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks?cursor=gone", NULL), ==, 400);
}

static void
test_actions(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Actions reach the gateway; enabling and disabling is a revision");
    ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/trunks/backup/actions/disable", NULL),
                    ==,
                    200);
    ASSERT_ANSWER(f, "enabled", "false");
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/trunks/carrier/actions/probe", NULL),
                    ==,
                    202);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/trunks/no/actions/probe", NULL), ==, 404);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/trunks/pbx/actions/dance", NULL), ==, 404);
    ASSERT_SCRIPT(f, "apply(1) apply(2) probe(carrier)");
}

static void
test_status(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A trunk's status says whether it is up, how busy, and how well it does");
    f->gateway->trunk_status = (DmTrunkStatus){
        .up = true,
        .calls_out = 3,
        .registration = DM_REG_NONE,
        .n_endpoints = 1,
        .endpoints = {{.up = true, .rtt_us = 12500, .address = "192.0.2.2:5060"}},
        .attempts = 10,
        .answered = 4,
    };
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks/carrier/status", NULL), ==, 200);
    ASSERT_ANSWER(f, "state", "up");
    ASSERT_ANSWER(f, "calls.out", "3");
    ASSERT_ANSWER(f, "asr", "0.40000000000000002");
    ASSERT_ANSWER(f, "endpoints.0.rtt_ms", "12.5");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/trunks/no/status", NULL), ==, 404);
}

static void
test_idempotency(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("The same Idempotency-Key creates once and answers twice; for another body it "
                   "is refused");
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(dm_api_ask(f,
                                   DM_ROLE_ADMIN,
                                   "POST",
                                   "/api/v1/trunks",
                                   NEW_TRUNK,
                                   "Idempotency-Key",
                                   "k1",
                                   NULL),
                        ==,
                        201);
        ASSERT_ANSWER(f, "id", "backup");
    }
    g_assert_cmpstr(dm_response_get_header(&f->response, "Idempotency-Replayed"), ==, "true");
    ASSERT_SCRIPT(f, "apply(1)");
    g_assert_cmpint(
        dm_api_ask(f, DM_ROLE_ADMIN, "POST", "/api/v1/trunks", "{}", "Idempotency-Key", "k1", NULL),
        ==,
        422);
}

static void
test_route_test(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A route test tells where a call would go and why, and calls nobody (RTE-1)");
    g_assert_cmpint(ASK(f,
                        READ,
                        "POST",
                        "/api/v1/route-tests",
                        "{'trunk': 'pbx', 'to': '+442079460000', 'from': '200'}"),
                    ==,
                    200);
    ASSERT_ANSWER(f, "route", "out");
    ASSERT_ANSWER(f, "targets.0.trunk", "carrier");
    ASSERT_ANSWER(f, "reject", "null");
    g_assert_cmpint(ASK(f, READ, "POST", "/api/v1/route-tests", "{'trunk': 'no', 'to': '1'}"),
                    ==,
                    422);
    ASSERT_ANSWER(f, "errors.0.pointer", "/trunk");
    ASSERT_SCRIPT(f, "");
}

/* --- Calls and records --- */

static void
test_busy(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("When no worker answers in time: 503, and when to try again");
    f->gateway->is_busy = true;
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/calls", NULL), ==, 503);
    g_assert_cmpstr(dm_response_get_header(&f->response, "Retry-After"), ==, "1");
    g_assert_cmpint(ASK(f, OPERATOR, "DELETE", "/api/v1/calls/C1", NULL), ==, 503);
}

static void
add_record(DmApiFixture *f, const char *id, int64_t start_wall_us, unsigned code)
{
    g_autofree char *json = g_strdup_printf("{\"id\":\"%s\",\"end_at\":\"x\",\"display_in\":"
                                            "\"=1+1, \\\"x\\\"\",\"from_in\":\"+4420\",\"release\":"
                                            "{\"code\":%u},\"attempts\":[{\"seq\":1}]}",
                                            id,
                                            code);
    DmStoreRecord row = {
        .id = id,
        .ended = true,
        .start_wall_us = start_wall_us,
        .trunk_a = "pbx",
        .numbers = "+4420 200",
        .code = code,
        .json = json,
    };

    g_assert_true(dm_store_records_write(f->store, &row, 1, NULL));
}

static void
test_cdrs(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Records are filtered and read page by page, newest first");
    add_record(f, "R1", INT64_C(1767225600000000), 200);
    add_record(f, "R2", INT64_C(1767225601000000), 503);
    add_record(f, "R3", INT64_C(1767225602000000), 200);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/cdrs?limit=2&fields=id", NULL), ==, 200);
    ASSERT_ANSWER(f, "items", "[{\"id\":\"R3\"},{\"id\":\"R2\"}]");
    ASSERT_ANSWER(f, "next", "1767225601000000.R2");
    ASK(f, READ, "GET", "/api/v1/cdrs?limit=2&cursor=1767225601000000.R2", NULL);
    ASSERT_ANSWER(f, "items.0.id", "R1");
    ASK(f, READ, "GET", "/api/v1/cdrs?filter[code]=503&filter[number]=+44%2020", NULL);
    ASSERT_ANSWER(f, "items.0.id", "R2");
    ASK(f,
        READ,
        "GET",
        "/api/v1/cdrs?fields=id&filter[from]=2026-01-01T00:00:01Z&sort=start_at",
        NULL);
    ASSERT_ANSWER(f, "items", "[{\"id\":\"R2\"},{\"id\":\"R3\"}]");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/cdrs?filter[colour]=red", NULL), ==, 400);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/cdrs?filter[code]=abc", NULL), ==, 400);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/cdrs/R2", NULL), ==, 200);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/cdrs/R9", NULL), ==, 404);
    ASK(f, READ, "GET", "/api/v1/cdrs/R1/attempts", NULL);
    ASSERT_ANSWER(f, "items.0.seq", "1");
}

static void
test_cdr_export(DmApiFixture *f, gconstpointer data)
{
    g_auto(GStrv) lines = NULL;

    g_test_summary("Accept chooses CSV or NDJSON; what a spreadsheet would run is disarmed, and "
                   "Link names the next page");
    add_record(f, "R1", INT64_C(1767225600000000), 200);
    add_record(f, "R2", INT64_C(1767225601000000), 200);
    dm_api_ask(f, DM_ROLE_READ, "GET", "/api/v1/cdrs?limit=1", NULL, "Accept", "text/csv", NULL);
    lines = g_strsplit(f->response.body->str, "\r\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 3);
    g_assert_true(g_str_has_prefix(lines[0], "id,direction,start_at"));
    g_assert_nonnull(strstr(lines[1], ",+4420,,\"'=1+1, \"\"x\"\"\","));
    g_assert_cmpstr(dm_response_get_header(&f->response, "Link"),
                    ==,
                    "</api/v1/cdrs?cursor=1767225601000000.R2&limit=1>; rel=\"next\"");
    dm_api_ask(f,
               DM_ROLE_READ,
               "GET",
               "/api/v1/cdrs",
               NULL,
               "Accept",
               "application/x-ndjson, text/csv;q=0.5",
               NULL);
    g_assert_cmpstr(f->response.content_type, ==, DM_TYPE_NDJSON);
    g_assert_true(g_str_has_prefix(f->response.body->str, "{\"id\":\"R2\""));
}

/* --- Configuration --- */

static void
test_revisions(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Revisions are listed with who made them, compared, and rolled back to");
    ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK);
    ASK(f, ADMIN, "PATCH", "/api/v1/trunks/backup", "{'name': 'Other'}");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/config/revisions", NULL), ==, 200);
    ASSERT_ANSWER(f, "items.0.number", "2");
    ASSERT_ANSWER(f, "items.0.actor", "admin");
    ASSERT_ANSWER(f, "items.0.summary", "change trunks/backup");
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/config/diff?a=1&b=2", NULL), ==, 200);
    ASSERT_ANSWER(f, "changes.0.new", "Other");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/config/revisions/1/rollback", NULL), ==, 200);
    ASSERT_ANSWER(f, "revision", "3");
    ASK(f, READ, "GET", "/api/v1/trunks/backup", NULL);
    ASSERT_ANSWER(f, "name", "Backup");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/config/revisions/9/rollback", NULL), ==, 404);
    g_assert_cmpint(ASK(f, READ, "GET", "/api/v1/config/revisions/2", NULL), ==, 200);
    ASSERT_ANSWER(f, "document.trunks.0.name", "Other");
}

static void
test_reload(DmApiFixture *f, gconstpointer data)
{
    g_autoptr(DmSettings) next = NULL;
    g_autoptr(DmConfig) config = NULL;

    g_test_summary("The next start finds what the API had configured");
    ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK);
    next = dm_api_fixture_open_settings(f);
    config = dm_settings_config(next);
    g_assert_cmpuint(config->revision, ==, 1);
    g_assert_nonnull(dm_config_trunk(config, "backup"));
}

static void
test_validate(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("A whole document is checked and not kept");
    g_assert_cmpint(ASK(f,
                        ADMIN,
                        "POST",
                        "/api/v1/config/validate",
                        "{'routes': [{'id': 'r', 'action': {'trunks': ['no']}}]}"),
                    ==,
                    422);
    ASSERT_ANSWER(f, "code", "invalid");
    ASSERT_SCRIPT(f, "");
}

/* --- Tokens, audit --- */

static void
test_tokens(DmApiFixture *f, gconstpointer data)
{
    g_autofree char *secret = NULL;
    g_autofree char *authorization = NULL;
    g_autofree char *path = NULL;

    g_test_summary("A token is made, shown once, works, and is gone when it is deleted");
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/tokens", "{'name': 'ann', 'role': 'read'}"),
                    ==,
                    201);
    secret = g_strdup(dm_api_answer(f, "token"));
    path = g_strdup(dm_response_get_header(&f->response, "Location"));
    authorization = g_strconcat("Bearer ", secret, NULL);
    g_assert_cmpint(ASK(f, ADMIN, "GET", path, NULL), ==, 200);
    g_assert_null(strstr(f->response.body->str, secret));
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_READ,
                               "GET",
                               "/api/v1/system",
                               NULL,
                               "Authorization",
                               authorization,
                               NULL),
                    ==,
                    200);
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/tokens", "{'name': 'ann', 'role': 'read'}"),
                    ==,
                    409);
    g_assert_cmpint(ASK(f, ADMIN, "POST", "/api/v1/tokens", "{'name': 'x', 'role': 'root'}"),
                    ==,
                    422);
    ASSERT_ANSWER(f, "errors.0.pointer", "/role");
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", path, NULL), ==, 204);
    g_assert_cmpint(dm_api_ask(f,
                               DM_ROLE_READ,
                               "GET",
                               "/api/v1/system",
                               NULL,
                               "Authorization",
                               authorization,
                               NULL),
                    ==,
                    401);
    g_assert_cmpint(ASK(f, ADMIN, "DELETE", "/api/v1/tokens/admin", NULL), ==, 409);
}

static void
test_first_token(DmApiFixture *f, gconstpointer data)
{
    g_autoptr(DmStore) store = dm_store_open(":memory:", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *secret = dm_admin_first_token(store, &error);
    g_autofree char *hash = dm_store_hash_secret(secret);
    g_autoptr(DmStoreToken) token = dm_store_token_by_hash(store, hash, NULL);

    g_test_summary("The first start makes one admin token; the second makes none");
    g_assert_no_error(error);
    g_assert_cmpint(token->role, ==, DM_ROLE_ADMIN);
    g_assert_null(dm_admin_first_token(store, &error));
    g_assert_no_error(error);
}

static void
test_given_token(DmApiFixture *f, gconstpointer data)
{
    static const char secret[] = "given-0123456789abcdef0123456789";
    g_autoptr(DmStore) store = dm_store_open(":memory:", NULL);
    g_autofree char *hash = dm_store_hash_secret(secret);
    g_autoptr(DmStoreToken) token = NULL;
    g_autoptr(GError) error = NULL;

    g_test_summary("The first token may be given in the environment; one too short or that no "
                   "header can carry stops the start (SEC-6)");
    g_setenv(DM_ADMIN_TOKEN_ENV, "short", TRUE);
    g_assert_null(dm_admin_first_token(store, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFIG);
    g_assert_nonnull(strstr(error->message, "at least 32"));
    g_clear_error(&error);
    g_setenv(DM_ADMIN_TOKEN_ENV, "given 0123456789abcdef 0123456789", TRUE);
    g_assert_null(dm_admin_first_token(store, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFIG);
    g_clear_error(&error);
    g_setenv(DM_ADMIN_TOKEN_ENV, secret, TRUE);
    g_assert_null(dm_admin_first_token(store, &error));
    g_assert_no_error(error);
    token = dm_store_token_by_hash(store, hash, NULL);
    g_assert_cmpint(token->role, ==, DM_ROLE_ADMIN);
    g_setenv(DM_ADMIN_TOKEN_ENV, "short", TRUE);
    g_assert_null(dm_admin_first_token(store, &error));
    g_assert_no_error(error); /* there is one: the environment has no say any more */
    g_unsetenv(DM_ADMIN_TOKEN_ENV);
}

static void
test_audit(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("Whoever changes something, or tries to, is in the audit log; who looks is not "
                   "(SEC-6)");
    ASK(f, ADMIN, "POST", "/api/v1/trunks", NEW_TRUNK);
    ASK(f, ADMIN, "POST", "/api/v1/trunks", "{}");
    ASK(f, READ, "GET", "/api/v1/trunks", NULL);
    g_assert_cmpint(ASK(f, ADMIN, "GET", "/api/v1/audit", NULL), ==, 200);
    g_assert_cmpuint(json_array_size(json_object_get(f->json, "items")), ==, 2);
    ASSERT_ANSWER(f, "items.0.status", "422");
    ASSERT_ANSWER(f, "items.1.status", "201");
    ASSERT_ANSWER(f, "items.1.revision", "1");
    ASSERT_ANSWER(f, "items.1.actor", "admin");
}

/* --- The system --- */

static void
test_system(DmApiFixture *f, gconstpointer data)
{
    g_test_summary("The log level and draining are set by operators and seen by readers");
    g_assert_cmpint(ASK(f, OPERATOR, "PUT", "/api/v1/system/loglevel", "{'level': 'error'}"),
                    ==,
                    200);
    g_assert_cmpint(dm_log_level(), ==, DM_LOG_ERROR);
    g_assert_cmpint(ASK(f, OPERATOR, "PUT", "/api/v1/system/loglevel", "{'level': 'loud'}"),
                    ==,
                    422);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/system/drain", NULL), ==, 200);
    ASSERT_ANSWER(f, "draining", "true");
    ASK(f, READ, "GET", "/api/v1/system", NULL);
    ASSERT_ANSWER(f, "draining", "true");
    ASSERT_ANSWER(f, "loglevel", "error");
    g_assert_cmpint(ASK(f, READ, "GET", "/readyz", NULL), ==, 503);
    g_assert_cmpint(ASK(f, OPERATOR, "POST", "/api/v1/system/drain", "{'draining': false}"),
                    ==,
                    200);
    g_assert_cmpint(ASK(f, READ, "GET", "/readyz", NULL), ==, 200);
    f->gateway->listeners_bound = false;
    g_assert_cmpint(ASK(f, READ, "GET", "/readyz", NULL), ==, 503);
}

static void
test_metrics(DmApiFixture *f, gconstpointer data)
{
    static const DmCounterInfo info[] = {
        {"sip_datagrams_total", "direction=\"in\"", "SIP datagrams", DM_COUNTER_COUNTER},
        {"sip_other", "", "Other", DM_COUNTER_GAUGE},
        {"sip_datagrams_total", "direction=\"out\"", "SIP datagrams", DM_COUNTER_COUNTER},
    };
    DmCounter one[] = {3, 1, 7};
    DmCounter two[] = {4, 1, 0};
    static const DmHistogramShape shape = {1e-3, {5, 10, 20, 50, 100, 200, 500, 1000}};
    static const DmCounterInfo times[DM_HISTOGRAM_SLOTS] = {
        {"times_seconds", "side=\"a\"", "Times", DM_COUNTER_HISTOGRAM, &shape},
    };
    static const char sum[] = "demarc_times_seconds_sum{side=\"a\"} ";
    DmCounter slots[DM_HISTOGRAM_SLOTS] = {0};
    const char *text;

    g_test_summary("Counters of all workers are added up, samples of a name stand together under "
                   "one HELP, and trunks have their gauges");
    f->gateway->sets[0] = (DmCounterSet){info, one, 3};
    f->gateway->sets[1] = (DmCounterSet){info, two, 3};
    dm_histogram_observe(slots, &shape, 10);
    dm_histogram_observe(slots, &shape, 11);
    dm_histogram_observe(slots, &shape, 5000);
    f->gateway->sets[2] = (DmCounterSet){times, slots, DM_HISTOGRAM_SLOTS};
    f->gateway->n_sets = 3;
    g_assert_cmpint(ASK(f, READ, "GET", "/metrics", NULL), ==, 200);
    text = f->response.body->str;
    g_assert_nonnull(strstr(text,
                            "# HELP demarc_sip_datagrams_total SIP datagrams\n"
                            "# TYPE demarc_sip_datagrams_total counter\n"
                            "demarc_sip_datagrams_total{direction=\"in\"} 7\n"
                            "demarc_sip_datagrams_total{direction=\"out\"} 7\n"));
    g_assert_nonnull(strstr(text, "\ndemarc_sip_other 2\n"));
    g_assert_nonnull(strstr(text, "\ndemarc_trunk_up{trunk=\"carrier\"} 0\n"));
    g_assert_nonnull(
        strstr(text,
               "\ndemarc_certificate_expiry_timestamp_seconds{profile=\"main\"} 1893456000\n"));
    g_assert_nonnull(strstr(text, "\nprocess_open_fds "));
    g_assert_nonnull(strstr(text, "# TYPE demarc_times_seconds histogram\n"));
    g_assert_nonnull(strstr(text,
                            "demarc_times_seconds_bucket{side=\"a\",le=\"0.005\"} 0\n"
                            "demarc_times_seconds_bucket{side=\"a\",le=\"0.01\"} 1\n"
                            "demarc_times_seconds_bucket{side=\"a\",le=\"0.02\"} 2\n"));
    g_assert_nonnull(strstr(text, "demarc_times_seconds_bucket{side=\"a\",le=\"+Inf\"} 3\n"));
    g_assert_nonnull(strstr(text, "demarc_times_seconds_count{side=\"a\"} 3\n"));
    text = strstr(text, sum);
    g_assert_nonnull(text);
    g_assert_cmpfloat_with_epsilon(g_ascii_strtod(text + strlen(sum), NULL), 5.021, 1e-9);
}

#define ADD(name, func) g_test_add("/admin-api/" name, DmApiFixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dm_log_set_level(DM_LOG_ERROR);
    ADD("auth/no-token", test_no_token);
    ADD("auth/expired", test_expired);
    ADD("auth/roles", test_roles);
    ADD("calls/recording", test_recording);
    ADD("auth/public", test_public);
    ADD("requests/precise-codes", test_precise_codes);
    ADD("requests/deep-body", test_deep_body);
    ADD("resources/create", test_create);
    ADD("resources/invalid", test_invalid);
    ADD("resources/dry-run", test_dry_run);
    ADD("resources/etag", test_etag);
    ADD("resources/provisioned", test_provisioned);
    ADD("resources/referenced", test_referenced);
    ADD("resources/tls-profiles", test_tls_profiles);
    ADD("resources/secrets", test_secrets);
    ADD("resources/list", test_list);
    ADD("resources/idempotency", test_idempotency);
    ADD("trunks/actions", test_actions);
    ADD("trunks/status", test_status);
    ADD("routes/test", test_route_test);
    ADD("calls/busy", test_busy);
    ADD("cdrs/list", test_cdrs);
    ADD("cdrs/export", test_cdr_export);
    ADD("config/revisions", test_revisions);
    ADD("config/reload", test_reload);
    ADD("config/validate", test_validate);
    ADD("tokens/life", test_tokens);
    ADD("tokens/first", test_first_token);
    ADD("tokens/given", test_given_token);
    ADD("audit", test_audit);
    ADD("system", test_system);
    ADD("metrics", test_metrics);
    return g_test_run();
}
