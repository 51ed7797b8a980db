/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "gateway/cdr/json-text.h"

static void
test_as_jansson(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    json_t *json = json_pack("{s:s, s:n, s:[i, I, b], s:{}, s:[]}",
                             "text",
                             "quote \" backslash \\ slash / tab \t newline \n bell \a caf\u00e9",
                             "nothing",
                             "list",
                             0,
                             (json_int_t)G_MININT64,
                             1,
                             "object",
                             "array");
    char *expected = json_dumps(json, JSON_COMPACT);

    g_test_summary("Text written piece by piece is what the library writes from a tree");
    dm_json_text_open(out, NULL, '{');
    dm_json_text_add_text(out, "text", json_string_value(json_object_get(json, "text")));
    dm_json_text_add_text(out, "nothing", "");
    dm_json_text_open(out, "list", '[');
    dm_json_text_add_integer(out, NULL, 0);
    dm_json_text_add_integer(out, NULL, G_MININT64);
    dm_json_text_add_boolean(out, NULL, true);
    dm_json_text_close(out, ']');
    dm_json_text_open(out, "object", '{');
    dm_json_text_close(out, '}');
    dm_json_text_add_json(out, "array", json_object_get(json, "array"));
    dm_json_text_close(out, '}');

    g_assert_cmpstr(out->str, ==, expected);
    free(expected);
    json_decref(json);
}

static void
test_tree(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    json_t *json = json_pack("{s:[{s:s, s:s, s:n}, {s:s}], s:f, s:I, s:b, s:{s:{s:[]}}}",
                             "trace",
                             "step",
                             "called \"quoted\" \t",
                             "empty",
                             "",
                             "rule",
                             "detail",
                             "caf\u00e9",
                             "real",
                             0.25,
                             "integer",
                             (json_int_t)G_MININT64,
                             "boolean",
                             1,
                             "deep",
                             "deeper",
                             "nothing");
    char *expected = json_dumps(json, JSON_COMPACT);

    g_test_summary("A tree is written as the library writes it, empty strings included");
    dm_json_text_add_json(out, NULL, json);
    g_assert_cmpstr(out->str, ==, expected);
    free(expected);
    json_decref(json);
}

static void
test_every_byte(void)
{
    g_test_summary("Any byte from the network, UTF-8 or not, comes out as JSON that can be read");
    for (int byte = 1; byte < 256; byte++) {
        const char text[] = {'a', (char)byte, 'b', '\0'};
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        g_autoptr(GString) out = g_string_new(NULL);
        json_t *json;

        dm_json_text_open(out, NULL, '[');
        dm_json_text_add_text(out, NULL, text);
        dm_json_text_close(out, ']');
        json = json_loadb(out->str, out->len, 0, NULL);
        g_assert_nonnull(json);
        g_assert_cmpstr(json_string_value(json_array_get(json, 0)), ==, valid);
        json_decref(json);
    }
}

static void
test_thousandths(void)
{
    static const uint32_t values[] = {0, 1, 42, 999, 1000, 12345, 100050, UINT32_MAX};

    g_test_summary("Microseconds are written as milliseconds with a fraction, exactly");
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        json_t *json;

        dm_json_text_open(out, NULL, '{');
        dm_json_text_add_thousandths(out, "ms", values[i]);
        dm_json_text_close(out, '}');
        json = json_loadb(out->str, out->len, 0, NULL);
        g_assert_true(json_is_real(json_object_get(json, "ms")));
        g_assert_cmpfloat(json_real_value(json_object_get(json, "ms")), ==, values[i] / 1000.0);
        json_decref(json);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cdr-json-text/as-the-library", test_as_jansson);
    g_test_add_func("/cdr-json-text/tree", test_tree);
    g_test_add_func("/cdr-json-text/every-byte", test_every_byte);
    g_test_add_func("/cdr-json-text/thousandths", test_thousandths);
    return g_test_run();
}
