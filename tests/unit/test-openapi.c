/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "admin/router.h"
#include "config/json-table.h"
#include "config/route.h"
#include "config/trunk.h"
#include "gateway/base/log.h"
#include "gateway/cdr/record.h"
#include "tests/lib/api-fixture.h"
#include "tests/lib/call-world.h"

/* docs/api/openapi.yaml, as the program serves it. */
static json_t *
load_document(void)
{
    DmApiFixture fixture;
    json_t *document;

    dm_api_fixture_init(&fixture);
    g_assert_cmpint(dm_api_ask(&fixture, DM_ROLE_READ, "GET", "/api/v1/openapi.json", NULL, NULL),
                    ==,
                    200);
    document = json_incref(fixture.json);
    dm_api_fixture_clear(&fixture);
    g_assert_nonnull(document);
    return document;
}

/* What "#/components/..." stands for, or @value itself. */
static const json_t *
resolve(const json_t *document, const json_t *value)
{
    const char *reference = json_string_value(json_object_get(value, "$ref"));
    g_auto(GStrv) names = NULL;

    if (reference == NULL) {
        return value;
    }
    g_assert_true(g_str_has_prefix(reference, "#/"));
    names = g_strsplit(reference + 2, "/", -1);
    value = document;
    for (size_t i = 0; names[i] != NULL; i++) {
        value = json_object_get(value, names[i]);
    }
    if (value == NULL) {
        g_error("%s: nothing there", reference);
    }
    return value;
}

static const json_t *
described(const json_t *document, const DmOperation *operation)
{
    g_autofree char *method = g_ascii_strdown(operation->method, -1);
    const json_t *path = json_object_get(json_object_get(document, "paths"), operation->path);

    return json_object_get(path, method);
}

/* --- Both directions --- */

static void
test_operations_described(void)
{
    json_t *document = load_document();

    g_test_summary("Every operation of the program is in the document");
    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        if (described(document, operation) == NULL) {
            g_test_message("%s %s is not described", operation->method, operation->path);
            g_test_fail();
        }
    }
    json_decref(document);
}

static bool
exists(const char *method, const char *path)
{
    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        if (g_ascii_strcasecmp(operation->method, method) == 0 &&
            strcmp(operation->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void
test_described_operations(void)
{
    json_t *document = load_document();
    const char *path;
    json_t *methods;

    g_test_summary("Every operation of the document is in the program");
    json_object_foreach(json_object_get(document, "paths"), path, methods)
    {
        const char *method;
        json_t *operation;

        json_object_foreach(methods, method, operation)
        {
            if (strcmp(method, "parameters") != 0 && !exists(method, path)) {
                g_test_message("%s %s does not exist", method, path);
                g_test_fail();
            }
        }
    }
    json_decref(document);
}

/* --- What is said of each --- */

static bool
names_parameter(const json_t *document, const json_t *described, const char *in, const char *name)
{
    const json_t *parameters = json_object_get(described, "parameters");
    const json_t *parameter;
    size_t i;

    json_array_foreach(parameters, i, parameter)
    {
        const json_t *resolved = resolve(document, parameter);

        if (strcmp(json_string_value(json_object_get(resolved, "in")), in) == 0 &&
            strcmp(json_string_value(json_object_get(resolved, "name")), name) == 0) {
            return true;
        }
    }
    return false;
}

static size_t
count_parameters(const json_t *document, const json_t *described, const char *in)
{
    const json_t *parameters = json_object_get(described, "parameters");
    const json_t *parameter;
    size_t n = 0;
    size_t i;

    json_array_foreach(parameters, i, parameter)
    {
        const json_t *where = json_object_get(resolve(document, parameter), "in");

        n += strcmp(json_string_value(where), in) == 0;
    }
    return n;
}

static void
test_query(void)
{
    json_t *document = load_document();

    g_test_summary("The query parameters described are those that are read, and no others");
    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        const json_t *about = described(document, operation);
        size_t n = 0;

        for (; operation->query[n] != NULL; n++) {
            if (!names_parameter(document, about, "query", operation->query[n])) {
                g_test_message("%s %s: ?%s",
                               operation->method,
                               operation->path,
                               operation->query[n]);
                g_test_fail();
            }
        }
        g_assert_cmpuint(count_parameters(document, about, "query"), ==, n);
    }
    json_decref(document);
}

static void
test_path_parameters(void)
{
    json_t *document = load_document();

    g_test_summary("Every {name} of a path is described");
    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        const json_t *path = json_object_get(json_object_get(document, "paths"), operation->path);
        g_auto(GStrv) parts = g_strsplit_set(operation->path, "{}", -1);

        for (size_t i = 1; i < g_strv_length(parts); i += 2) {
            g_assert_true(names_parameter(document, path, "path", parts[i]));
        }
    }
    json_decref(document);
}

static void
test_roles(void)
{
    json_t *document = load_document();

    g_test_summary("Who may is as described: the role, or anyone");
    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        const json_t *about = described(document, operation);
        const char *role = json_string_value(json_object_get(about, "x-role"));

        g_assert_cmpstr(role, ==, operation->is_public ? NULL : dm_role_name(operation->role));
        g_assert_true(json_is_array(json_object_get(about, "security")) == operation->is_public);
    }
    json_decref(document);
}

static void
test_bodies(void)
{
    json_t *document = load_document();

    g_test_summary("What takes a body says so, and whether it needs one");
    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        const json_t *body = json_object_get(described(document, operation), "requestBody");
        const json_t *content = json_object_get(body, "content");
        bool is_merge = json_object_get(content, "application/merge-patch+json") != NULL;

        g_assert_true((body != NULL) == (operation->body != DM_BODY_NONE));
        if (body != NULL) {
            g_assert_true(json_is_true(json_object_get(body, "required")) ==
                          (operation->body != DM_BODY_OPTIONAL));
            g_assert_true(is_merge == (operation->body == DM_BODY_MERGE));
        }
    }
    json_decref(document);
}

static void
test_media_types(void)
{
    json_t *document = load_document();

    g_test_summary("An answer comes in the media types described");
    for (const DmOperation *operation = dm_operations; operation->method != NULL; operation++) {
        const json_t *responses = json_object_get(described(document, operation), "responses");
        const json_t *content = json_object_get(json_object_get(responses, "200"), "content");
        size_t n = 0;

        if (content == NULL) {
            continue; /* created, asked for, deleted */
        }
        for (; operation->produces[n] != NULL; n++) {
            g_assert_nonnull(json_object_get(content, operation->produces[n]));
        }
        g_assert_cmpuint(json_object_size(content), ==, n);
    }
    json_decref(document);
}

/* --- Schemas --- */

static void
check_references(const json_t *document, const json_t *value)
{
    const char *name;
    json_t *inner;
    size_t i;

    resolve(document, value);
    json_object_foreach((json_t *)value, name, inner)
    {
        check_references(document, inner);
    }
    json_array_foreach(value, i, inner)
    {
        check_references(document, inner);
    }
}

static void
test_references(void)
{
    json_t *document = load_document();

    g_test_summary("Every $ref names something");
    check_references(document, document);
    json_decref(document);
}

static bool
holds_text(const json_t *array, const char *text)
{
    const json_t *element;
    size_t i;

    json_array_foreach(array, i, element)
    {
        if (strcmp(json_string_value(element), text) == 0) {
            return true;
        }
    }
    return false;
}

/* The members a schema describes, those of what it is made of included. */
static json_t *
described_members(const json_t *document, const json_t *schema)
{
    json_t *members = json_object();
    const json_t *part;
    size_t i;

    schema = resolve(document, schema);
    json_object_update(members, json_object_get(schema, "properties"));
    json_array_foreach(json_object_get(schema, "allOf"), i, part)
    {
        json_t *inner = described_members(document, part);

        json_object_update(members, inner);
        json_decref(inner);
    }
    return members;
}

static void check_members(const json_t *schema, const DmJsonMember *members, const char *where);

static void
check_choices(const json_t *schema, const DmJsonChoice *choices, const char *where)
{
    const json_t *values = json_object_get(schema, "enum");
    size_t n = 0;

    for (; choices[n].name != NULL; n++) {
        if (!holds_text(values, choices[n].name)) {
            g_test_message("%s: '%s' is not described", where, choices[n].name);
            g_test_fail();
        }
    }
    g_assert_cmpuint(json_array_size(values), ==, n);
}

static void
check_member(const json_t *schema, const DmJsonMember *member, const char *where)
{
    const json_t *inner = member->type == DM_JSON_ARRAY ? json_object_get(schema, "items") : schema;

    if (schema == NULL) {
        g_test_message("%s is not described", where);
        g_test_fail();
        return;
    }
    if (member->members != NULL) {
        check_members(inner, member->members, where);
    }
    if (member->choices != NULL) {
        check_choices(inner, member->choices, where);
    }
}

static void
check_members(const json_t *schema, const DmJsonMember *members, const char *where)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t n = 0;

    for (const DmJsonMember *member = members; member->name != NULL; member++) {
        g_autofree char *place = g_strdup_printf("%s/%s", where, member->name);

        if (member->hidden) {
            continue;
        }
        n++;
        check_member(json_object_get(properties, member->name), member, place);
        g_assert_true(holds_text(json_object_get(schema, "required"), member->name) ==
                      member->required);
    }
    /* "provisioned" is shown and not read */
    n += json_object_get(properties, "provisioned") != NULL;
    if (json_object_size(properties) != n) {
        g_test_message("%s: more is described than there is", where);
        g_test_fail();
    }
}

static void
test_schemas(void)
{
    json_t *document = load_document();
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");

    g_test_summary("Trunks and routes are described member by member, as their tables read them");
    check_members(json_object_get(schemas, "Trunk"), dm_trunk_members, "Trunk");
    check_members(json_object_get(schemas, "Route"), dm_route_members, "Route");
    json_decref(document);
}

/* A record as the program makes it against its schema: the same members, everywhere. */
static void
check_value(const json_t *document, const json_t *value, const json_t *schema, const char *where)
{
    json_t *properties;
    const char *name;
    json_t *inner;

    if (!json_is_object(value)) {
        return;
    }
    properties = described_members(document, schema);
    json_object_foreach((json_t *)value, name, inner)
    {
        g_autofree char *place = g_strdup_printf("%s/%s", where, name);
        const json_t *described_inner = json_object_get(properties, name);

        if (described_inner == NULL) {
            g_test_message("%s is not described", place);
            g_test_fail();
        }
        check_value(document, inner, described_inner, place);
    }
    if (json_object_size(properties) != json_object_size(value)) {
        g_test_message("%s: more is described than there is", where);
        g_test_fail();
    }
    json_decref(properties);
}

static void
test_record_schema(void)
{
    json_t *document = load_document();
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    g_autoptr(DmRecord) record = dm_record_new();
    json_t *json;

    g_test_summary("A record has the members described, and no others");
    record->has_media = true;
    record->end_wall_us = 1;
    dm_record_add_attempt(record);
    json = dm_record_to_json(record);
    check_value(document, json, json_object_get(schemas, "Cdr"), "Cdr");
    check_value(document,
                json_array_get(json_object_get(json, "attempts"), 0),
                json_object_get(schemas, "Attempt"),
                "Attempt");
    json_decref(json);
    json_decref(document);
}

/* Each state a call goes through is one that is described. */
static void
assert_state_described(const json_t *schema, DmCall *call)
{
    const json_t *own = json_array_get(json_object_get(schema, "allOf"), 1);
    const json_t *states =
        json_object_get(json_object_get(json_object_get(own, "properties"), "state"), "enum");

    if (!holds_text(states, dm_call_state_name(call))) {
        g_test_message("state '%s' is not described", dm_call_state_name(call));
        g_test_fail();
    }
}

static void
test_call_schema(void)
{
    json_t *document = load_document();
    const json_t *schema =
        json_object_get(json_object_get(json_object_get(document, "components"), "schemas"),
                        "Call");
    World *world = world_new(1, NULL);
    DmCall *call = world_call(world, "pbx", "+442079460000", "m=audio 4000 RTP/AVP 0 8");
    json_t *json;

    g_test_summary("A call in progress has the members described, and no others, in every state");
    assert_state_described(schema, call);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    assert_state_described(schema, call);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, "m=audio 4000 RTP/AVP 0");
    assert_state_described(schema, call);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    assert_state_described(schema, call);
    json = dm_call_to_json(call);
    check_value(document, json, schema, "Call");
    json_decref(json);
    dm_call_hang_up(call, &(DmRelease){.status = 503});
    assert_state_described(schema, call);
    world_finish(world, 60000);
    world_free(world);
    json_decref(document);
}

/* Answers of resources that need no preparation, against what is said of them. */
static void
test_answers(void)
{
    static const struct {
        const char *path, *schema;
    } answers[] = {
        {"/api/v1/system", "System"},
        {"/api/v1/tokens/admin", "Token"},
        {"/api/v1/trunks/carrier/status", "TrunkStatus"},
        {"/api/v1/config/diff?a=0&b=0", "Diff"},
        {"/readyz", "Readiness"},
        {"/healthz", "Health"},
    };
    json_t *document = load_document();
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    DmApiFixture fixture;

    g_test_summary("What the program answers has the members described, and no others");
    dm_api_fixture_init(&fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_assert_cmpint(dm_api_ask(&fixture, DM_ROLE_ADMIN, "GET", answers[i].path, NULL, NULL),
                        ==,
                        200);
        check_value(document,
                    fixture.json,
                    json_object_get(schemas, answers[i].schema),
                    answers[i].schema);
    }
    dm_api_fixture_clear(&fixture);
    json_decref(document);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dm_log_set_level(DM_LOG_ERROR);
    g_test_add_func("/openapi/operations-described", test_operations_described);
    g_test_add_func("/openapi/described-operations", test_described_operations);
    g_test_add_func("/openapi/query", test_query);
    g_test_add_func("/openapi/path-parameters", test_path_parameters);
    g_test_add_func("/openapi/roles", test_roles);
    g_test_add_func("/openapi/bodies", test_bodies);
    g_test_add_func("/openapi/media-types", test_media_types);
    g_test_add_func("/openapi/references", test_references);
    g_test_add_func("/openapi/schemas", test_schemas);
    g_test_add_func("/openapi/record", test_record_schema);
    g_test_add_func("/openapi/call", test_call_schema);
    g_test_add_func("/openapi/answers", test_answers);
    return g_test_run();
}
