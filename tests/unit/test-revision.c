/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/revision.h"

static json_t *
json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

    if (value == NULL) {
        g_error("%s: %s", error.text, text);
    }
    return value;
}

/* A file with one trunk, and the API's document, changed step by step. */
typedef struct {
    json_t *file, *api;
    DmProblems problems;
    char *id; /* of the last change */
    DmConfig *config;
} Desk;

static void
set_up(Desk *desk, gconstpointer unused)
{
    desk->file = json("{\"trunks\": [{\"id\": \"pbx\", \"role\": \"pbx\", \"endpoints\": "
                      "[{\"uri\": \"10.0.0.1\"}]}]}");
    desk->api = json_object();
    dm_problems_init(&desk->problems);
}

static void
tear_down(Desk *desk, gconstpointer unused)
{
    json_decref(desk->file);
    json_decref(desk->api);
    dm_problems_clear(&desk->problems);
    g_free(desk->id);
    dm_config_unref(desk->config);
}

static DmChangeVerdict
apply(Desk *desk, DmChangeKind kind, const char *collection, const char *id, const char *body)
{
    json_t *json_body = body != NULL ? json(body) : NULL;
    DmChange change = {.kind = kind, .collection = collection, .id = id, .body = json_body};
    json_t *api = NULL;
    DmConfig *config = NULL;
    char *new_id = NULL;

    dm_problems_clear(&desk->problems);
    dm_problems_init(&desk->problems);
    DmChangeVerdict verdict =
        dm_change_apply(desk->file, desk->api, &change, &api, &config, &new_id, &desk->problems);
    json_decref(json_body);
    if (verdict == DM_CHANGE_OK) {
        g_assert_false(dm_problems_any(&desk->problems));
        json_decref(desk->api);
        desk->api = api;
        dm_config_unref(desk->config);
        desk->config = config;
        g_free(desk->id);
        desk->id = new_id;
    } else {
        g_assert_null(api);
        g_assert_null(config);
    }
    return verdict;
}

static const char *
pointer(const Desk *desk, guint i)
{
    g_assert_cmpuint(i, <, desk->problems.list->len);
    return ((const DmProblem *)desk->problems.list->pdata[i])->pointer;
}

#define CARRIER                                                                                    \
    "{\"name\": \"My Carrier, Ltd.\", \"role\": \"carrier\", \"endpoints\": [{\"uri\": "           \
    "\"192.0.2.1\"}]}"

static void
created_resources_get_an_id_from_their_name(Desk *desk, gconstpointer unused)
{
    g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "trunks", NULL, CARRIER), ==, DM_CHANGE_OK);
    g_assert_cmpstr(desk->id, ==, "my-carrier-ltd");
    g_assert_false(dm_config_trunk(desk->config, "my-carrier-ltd")->provisioned);
    g_assert_true(dm_config_trunk(desk->config, "pbx")->provisioned);
    g_assert_cmpint(apply(desk,
                          DM_CHANGE_CREATE,
                          "routes",
                          NULL,
                          "{\"action\": {\"trunks\": [\"my-carrier-ltd\"]}}"),
                    ==,
                    DM_CHANGE_OK);
    g_assert_cmpstr(desk->id, ==, "route");
}

static void
ids_are_given_once(Desk *desk, gconstpointer unused)
{
    g_assert_cmpint(apply(desk,
                          DM_CHANGE_CREATE,
                          "trunks",
                          NULL,
                          "{\"id\": \"pbx\", \"role\": \"pbx\", \"acl\": [\"10.0.0.2\"]}"),
                    ==,
                    DM_CHANGE_EXISTS);
    g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "trunks", NULL, CARRIER), ==, DM_CHANGE_OK);
    g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "trunks", NULL, CARRIER), ==, DM_CHANGE_INVALID);
    g_assert_cmpstr(pointer(desk, 0), ==, "/name");
}

static void
problems_point_into_the_body(Desk *desk, gconstpointer unused)
{
    json_t *before = json_deep_copy(desk->api);

    g_assert_cmpint(apply(desk,
                          DM_CHANGE_CREATE,
                          "trunks",
                          NULL,
                          "{\"role\": \"carrier\", \"endpoints\": [{\"uri\": \"a b\"}], "
                          "\"limits\": {\"cps\": 3}}"),
                    ==,
                    DM_CHANGE_INVALID);
    g_assert_cmpstr(pointer(desk, 0), ==, "/endpoints/0/uri");
    g_assert_cmpstr(pointer(desk, 1), ==, "/limits/cps");
    g_assert_true(json_equal(before, desk->api));
    json_decref(before);
    g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "trunks", NULL, "[1]"), ==, DM_CHANGE_INVALID);
    g_assert_cmpstr(pointer(desk, 0), ==, "");
}

static void
what_the_file_says_stays(Desk *desk, gconstpointer unused)
{
    g_assert_cmpint(apply(desk, DM_CHANGE_DELETE, "trunks", "pbx", NULL),
                    ==,
                    DM_CHANGE_PROVISIONED);
    g_assert_cmpint(apply(desk, DM_CHANGE_MERGE, "trunks", "pbx", "{}"), ==, DM_CHANGE_PROVISIONED);
    g_assert_cmpint(apply(desk, DM_CHANGE_DELETE, "trunks", "none", NULL), ==, DM_CHANGE_NOT_FOUND);
    g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "nothing", NULL, "{}"), ==, DM_CHANGE_NOT_FOUND);
    g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "system", NULL, "{}"), ==, DM_CHANGE_NOT_FOUND);
}

static void
patch_changes_only_what_it_names(Desk *desk, gconstpointer unused)
{
    g_test_summary("RFC 7396: null takes away, objects are merged, arrays are replaced");
    apply(desk,
          DM_CHANGE_CREATE,
          "trunks",
          NULL,
          "{\"id\": \"c\", \"role\": \"carrier\", \"endpoints\": [{\"uri\": \"192.0.2.1\"}], "
          "\"limits\": {\"cps_in\": 3, \"cps_out\": 4}, \"domain\": \"example.com\"}");
    g_assert_cmpint(apply(desk,
                          DM_CHANGE_MERGE,
                          "trunks",
                          "c",
                          "{\"limits\": {\"cps_in\": 9}, \"domain\": null, \"endpoints\": "
                          "[{\"uri\": \"192.0.2.2\"}]}"),
                    ==,
                    DM_CHANGE_OK);
    const DmTrunkConfig *trunk = dm_config_trunk(desk->config, "c");
    g_assert_cmpuint(trunk->limits.cps_in, ==, 9);
    g_assert_cmpuint(trunk->limits.cps_out, ==, 4);
    g_assert_cmpstr(trunk->domain, ==, "");
    g_assert_cmpstr(((const DmEndpointConfig *)trunk->endpoints->pdata[0])->host, ==, "192.0.2.2");
    g_assert_cmpint(apply(desk, DM_CHANGE_MERGE, "trunks", "c", "{\"id\": \"d\"}"),
                    ==,
                    DM_CHANGE_INVALID);
    g_assert_cmpstr(pointer(desk, 0), ==, "/id");
}

static void
what_is_shown_can_be_put_back(Desk *desk, gconstpointer unused)
{
    g_test_summary("SEC-6: secrets are write-only, and survive a GET and a PUT");
    apply(desk,
          DM_CHANGE_CREATE,
          "trunks",
          NULL,
          "{\"id\": \"c\", \"role\": \"carrier\", \"endpoints\": [{\"uri\": \"192.0.2.1\"}], "
          "\"auth\": {\"mode\": \"digest\", \"user\": \"u\", \"password\": \"hunter2\"}}");
    json_t *shown = dm_resource_show(desk->config, "trunks", "c");
    char *text = json_dumps(shown, 0);

    g_assert_null(strstr(text, "hunter2"));
    g_assert_true(json_is_true(
        json_object_get(json_object_get(json_object_get(shown, "auth"), "password"), "set")));
    g_assert_true(json_is_false(json_object_get(shown, "provisioned")));
    g_assert_cmpstr(json_string_value(json_object_get(shown, "direction")), ==, "both");
    g_assert_cmpint(apply(desk, DM_CHANGE_REPLACE, "trunks", "c", text), ==, DM_CHANGE_OK);
    g_assert_cmpstr(dm_config_trunk(desk->config, "c")->auth.password, ==, "hunter2");
    g_assert_cmpstr(dm_config_trunk(desk->config, "c")->numbering.international_prefix, ==, "00");

    json_t *again = dm_resource_show(desk->config, "trunks", "c");
    char first[17];
    char second[17];
    dm_resource_etag(shown, first);
    dm_resource_etag(again, second);
    g_assert_cmpstr(first, ==, second);
    g_assert_cmpint(apply(desk, DM_CHANGE_MERGE, "trunks", "c", "{\"name\": \"n\"}"),
                    ==,
                    DM_CHANGE_OK);
    json_t *renamed = dm_resource_show(desk->config, "trunks", "c");
    dm_resource_etag(renamed, second);
    g_assert_cmpstr(first, !=, second);
    json_decref(shown);
    json_decref(again);
    json_decref(renamed);
    free(text);
}

static void
routes_shown_can_be_put_back(Desk *desk, gconstpointer unused)
{
    static const char *const routes[] = {
        "{\"id\": \"a\", \"action\": {\"trunks\": [\"pbx\"]}}",
        "{\"id\": \"b\", \"match\": {\"did\": \"+4420\"}, \"action\": {\"reject\": {\"code\": "
        "404}}}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
        g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "routes", NULL, routes[i]), ==, DM_CHANGE_OK);
        json_t *shown = dm_resource_show(desk->config, "routes", desk->id);
        char *text = json_dumps(shown, 0);
        g_autofree char *id = g_strdup(desk->id);
        g_assert_cmpint(apply(desk, DM_CHANGE_REPLACE, "routes", id, text), ==, DM_CHANGE_OK);
        json_decref(shown);
        free(text);
    }
    g_assert_null(dm_resource_show(desk->config, "routes", "c"));
}

static void
what_others_name_cannot_be_deleted(Desk *desk, gconstpointer unused)
{
    apply(desk, DM_CHANGE_CREATE, "trunks", NULL, CARRIER);
    apply(desk,
          DM_CHANGE_CREATE,
          "routes",
          NULL,
          "{\"id\": \"r\", \"action\": {\"trunks\": [\"my-carrier-ltd\"]}}");
    g_assert_cmpint(apply(desk, DM_CHANGE_DELETE, "trunks", "my-carrier-ltd", NULL),
                    ==,
                    DM_CHANGE_REFERENCED);
    g_assert_cmpstr(pointer(desk, 0), ==, "/routes/0/action/trunks/0");
    g_assert_cmpint(apply(desk, DM_CHANGE_DELETE, "routes", "r", NULL), ==, DM_CHANGE_OK);
    g_assert_cmpint(apply(desk, DM_CHANGE_DELETE, "trunks", "my-carrier-ltd", NULL),
                    ==,
                    DM_CHANGE_OK);
    g_assert_null(dm_config_trunk(desk->config, "my-carrier-ltd"));
}

static void
differences_are_by_id_and_without_secrets(void)
{
    json_t *old = json("{\"trunks\": [{\"id\": \"a\", \"limits\": {\"cps_in\": 1}, \"auth\": "
                       "{\"password\": \"s1\"}}, "
                       "{\"id\": \"b\", \"auth\": {\"password\": \"s2\"}}]}");
    json_t *new = json("{\"trunks\": [{\"id\": \"c\", \"auth\": {\"password\": \"s3\"}}, {\"id\": "
                       "\"a\", \"limits\": "
                       "{\"cps_in\": 2}, \"auth\": {\"password\": \"s4\"}}]}");
    json_t *diff = dm_revision_diff(old, new);
    char *text = json_dumps(diff, JSON_COMPACT);

    g_assert_cmpstr(
        text,
        ==,
        "[{\"op\":\"replace\",\"pointer\":\"/trunks/a/limits/cps_in\",\"old\":1,\"new\":2},"
        "{\"op\":\"replace\",\"pointer\":\"/trunks/a/auth/"
        "password\",\"old\":{\"set\":true},\"new\":{"
        "\"set\":true}},"
        "{\"op\":\"remove\",\"pointer\":\"/trunks/"
        "b\",\"old\":{\"id\":\"b\",\"auth\":{\"password\":{"
        "\"set\":true}}}},"
        "{\"op\":\"add\",\"pointer\":\"/trunks/"
        "c\",\"new\":{\"id\":\"c\",\"auth\":{\"password\":{\"set\":"
        "true}}}}]");
    free(text);
    json_decref(diff);
    diff = dm_revision_diff(old, old);
    g_assert_cmpuint(json_array_size(diff), ==, 0);
    json_decref(diff);
    json_decref(old);
    json_decref(new);
}

static void
deep_bodies_are_refused(Desk *desk, gconstpointer unused)
{
    g_autoptr(GString) body = g_string_new("{\"name\": ");

    for (unsigned i = 0; i < 500; i++) {
        g_string_append(body, "[");
    }
    for (unsigned i = 0; i < 500; i++) {
        g_string_append(body, "]");
    }
    g_string_append(body, "}");
    g_assert_cmpint(apply(desk, DM_CHANGE_CREATE, "trunks", NULL, body->str),
                    ==,
                    DM_CHANGE_INVALID);
}

#define ADD(path, func) g_test_add("/revision/" path, Desk, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("created", created_resources_get_an_id_from_their_name);
    ADD("ids", ids_are_given_once);
    ADD("pointers", problems_point_into_the_body);
    ADD("provisioned", what_the_file_says_stays);
    ADD("patch", patch_changes_only_what_it_names);
    ADD("round-trip", what_is_shown_can_be_put_back);
    ADD("routes-round-trip", routes_shown_can_be_put_back);
    ADD("referenced", what_others_name_cannot_be_deleted);
    ADD("deep", deep_bodies_are_refused);
    g_test_add_func("/revision/diff", differences_are_by_id_and_without_secrets);
    return g_test_run();
}
