/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/config.h"
#include "config/json-table.h"

typedef struct {
    char *name;
    uint16_t port;
    bool fast;
    int colour;
    GPtrArray *words;
    GArray *colours;
    struct {
        unsigned depth;
    } inner;
    char *secret;
} Thing;

static const DmJsonChoice colours[] = {{"red", 1}, {"green", 2}, {NULL}};

static const DmJsonMember inner_members[] = {
    {"depth", DM_JSON_INTEGER, DM_JSON_AT(Thing, inner.depth), .min = 1, .max = 9, .value = 3},
    {NULL},
};

static const DmJsonMember thing_members[] = {
    {"name", DM_JSON_STRING, DM_JSON_AT(Thing, name), .required = true, .min = 1, .max = 8},
    {"port", DM_JSON_INTEGER, DM_JSON_AT(Thing, port), .max = 65535, .value = 5060},
    {"fast", DM_JSON_BOOL, DM_JSON_AT(Thing, fast), .value = true},
    {"colour", DM_JSON_ENUM, DM_JSON_AT(Thing, colour), .choices = colours, .text = "green"},
    {"words",
     DM_JSON_ARRAY,
     DM_JSON_AT(Thing, words),
     .make = dm_json_make_string,
     .free = g_free,
     .max = 3},
    {"colours", DM_JSON_ARRAY, DM_JSON_AT(Thing, colours), .choices = colours, .text = "[\"red\"]"},
    {"inner", DM_JSON_OBJECT, .members = inner_members},
    {"secret", DM_JSON_SECRET, DM_JSON_AT(Thing, secret)},
    {NULL},
};

static void
clear_thing(Thing *thing)
{
    g_free(thing->name);
    g_free(thing->secret);
    g_clear_pointer(&thing->words, g_ptr_array_unref);
    g_clear_pointer(&thing->colours, g_array_unref);
}

/* Reads @text and returns the problems as "pointer code: detail" lines. */
static char *
read_thing(const char *text, Thing *thing)
{
    DmProblems problems;
    DmJsonReader reader;
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    GString *lines = g_string_new(NULL);

    g_assert_nonnull(json);
    *thing = (Thing){0};
    dm_problems_init(&problems);
    dm_json_reader_init(&reader, "/thing", NULL, &problems);
    bool good = dm_json_read(&reader, json, thing_members, thing);
    dm_json_reader_clear(&reader);
    g_assert_cmpint(good, ==, !dm_problems_any(&problems));
    for (guint i = 0; i < problems.list->len; i++) {
        const DmProblem *problem = problems.list->pdata[i];
        g_string_append_printf(lines,
                               "%s %s: %s\n",
                               problem->pointer,
                               problem->code,
                               problem->detail);
    }
    dm_problems_clear(&problems);
    json_decref(json);
    return g_string_free(lines, FALSE);
}

static void
assert_problems(const char *text, const char *expected)
{
    Thing thing;
    g_autofree char *lines = read_thing(text, &thing);

    g_assert_cmpstr(lines, ==, expected);
    clear_thing(&thing);
}

static void
defaults_fill_what_is_absent(void)
{
    Thing thing;
    g_autofree char *lines = read_thing("{\"name\": \"x\", \"fast\": null}", &thing);

    g_assert_cmpstr(lines, ==, "");
    g_assert_cmpstr(thing.name, ==, "x");
    g_assert_cmpuint(thing.port, ==, 5060);
    g_assert_true(thing.fast);
    g_assert_cmpint(thing.colour, ==, 2);
    g_assert_cmpuint(thing.words->len, ==, 0);
    g_assert_cmpuint(thing.colours->len, ==, 1);
    g_assert_cmpint(g_array_index(thing.colours, int, 0), ==, 1);
    g_assert_cmpuint(thing.inner.depth, ==, 3);
    g_assert_cmpstr(thing.secret, ==, "");
    clear_thing(&thing);
}

static void
values_are_taken(void)
{
    Thing thing;
    g_autofree char *lines = read_thing(
        "{\"name\": \"x\", \"port\": 65535, \"fast\": false, \"colour\": \"red\", \"words\": "
        "[\"a\", \"b\"], \"colours\": [\"green\", \"red\"], \"inner\": {\"depth\": 9}, \"secret\": "
        "\"s\"}",
        &thing);

    g_assert_cmpstr(lines, ==, "");
    g_assert_cmpuint(thing.port, ==, 65535);
    g_assert_false(thing.fast);
    g_assert_cmpint(thing.colour, ==, 1);
    g_assert_cmpstr(thing.words->pdata[1], ==, "b");
    g_assert_cmpint(g_array_index(thing.colours, int, 0), ==, 2);
    g_assert_cmpuint(thing.inner.depth, ==, 9);
    g_assert_cmpstr(thing.secret, ==, "s");
    clear_thing(&thing);
}

static void
every_problem_is_told_in_order(void)
{
    g_test_summary(
        "unknown members, wrong types, ranges, choices and missing members, all in one go");
    assert_problems(
        "{\"prot\": 1, \"port\": 70000, \"fast\": \"yes\", \"colour\": \"gren\", "
        "\"words\": [\"\", 5], \"inner\": {\"depht\": 1}}",
        "/thing/prot unknown_member: there is no member 'prot' here (did you mean 'port'?)\n"
        "/thing/port range: expected 0 to 65535, not 70000\n"
        "/thing/fast type: expected true or false, not a string\n"
        "/thing/colour enum: 'gren' is none of: red, green (did you mean 'green'?)\n"
        "/thing/words/0 range: expected 1 to 255 bytes of text, not 0\n"
        "/thing/words/1 type: expected a string, not an integer (put it in quotes)\n"
        "/thing/inner/depht unknown_member: there is no member 'depht' here (did you mean "
        "'depth'?)\n"
        "/thing/name required: is missing\n");
}

static void
fractions_are_not_integers(void)
{
    assert_problems("{\"name\": \"x\", \"port\": 1.0}",
                    "/thing/port type: expected an integer, not a number with a fraction\n");
}

static void
only_objects_have_members(void)
{
    assert_problems("[]", "/thing type: expected an object, not an array\n");
}

static void
control_characters_are_refused(void)
{
    g_test_summary("SEC-5: no CR or LF of a configuration reaches a header");
    assert_problems("{\"name\": \"a\\r\\nb\"}",
                    "/thing/name format: control characters are not allowed\n");
    assert_problems("{\"name\": \"x\", \"words\": [\"a\\u007fb\"]}",
                    "/thing/words/0 format: control characters are not allowed\n");
}

static void
pointers_are_escaped(void)
{
    assert_problems("{\"name\": \"x\", \"a/b~c\": 1}",
                    "/thing/a~1b~0c unknown_member: there is no member 'a/b~c' here\n");
}

static void
nearest_word_is_near(void)
{
    static const char *const words[] = {"endpoints", "enabled", "identity", NULL};

    g_assert_cmpstr(dm_json_nearest("endpoint", words), ==, "endpoints");
    g_assert_cmpstr(dm_json_nearest("Enabeld", words), ==, "enabled");
    g_assert_cmpstr(dm_json_nearest("colour", words), ==, NULL);
    g_assert_cmpstr(dm_json_nearest("", words), ==, NULL);
}

static void
secrets_are_never_shown(void)
{
    json_t *json = json_loads("{\"name\": \"x\", \"secret\": \"hunter2\"}", 0, NULL);
    json_t *shown = dm_json_show(json, thing_members);
    json_t *masked = dm_json_mask(json, thing_members);

    g_assert_true(json_is_true(json_object_get(json_object_get(shown, "secret"), "set")));
    g_assert_cmpint(json_integer_value(json_object_get(shown, "port")), ==, 5060);
    g_assert_cmpint(json_integer_value(json_object_get(json_object_get(shown, "inner"), "depth")),
                    ==,
                    3);
    g_assert_true(json_is_true(json_object_get(json_object_get(masked, "secret"), "set")));
    g_assert_cmpuint(json_object_size(masked), ==, 2);
    json_decref(json);
    json_decref(shown);
    json_decref(masked);
}

static void
depth_is_bounded(void)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < DM_JSON_MAX_DEPTH; i++) {
        g_string_append_c(text, '[');
    }
    for (unsigned i = 0; i < DM_JSON_MAX_DEPTH; i++) {
        g_string_append_c(text, ']');
    }
    json_t *json = json_loads(text->str, 0, NULL);
    g_assert_true(dm_json_depth_is_fine(json));
    json_t *deeper = json_pack("[o]", json);
    g_assert_false(dm_json_depth_is_fine(deeper));
    json_decref(deeper);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json-table/defaults", defaults_fill_what_is_absent);
    g_test_add_func("/json-table/values", values_are_taken);
    g_test_add_func("/json-table/problems", every_problem_is_told_in_order);
    g_test_add_func("/json-table/fractions", fractions_are_not_integers);
    g_test_add_func("/json-table/objects", only_objects_have_members);
    g_test_add_func("/json-table/control", control_characters_are_refused);
    g_test_add_func("/json-table/pointers", pointers_are_escaped);
    g_test_add_func("/json-table/nearest", nearest_word_is_near);
    g_test_add_func("/json-table/secrets", secrets_are_never_shown);
    g_test_add_func("/json-table/depth", depth_is_bounded);
    return g_test_run();
}
