/* SPDX-License-Identifier: Apache-2.0 */
#include <glib/gstdio.h>
#include <string.h>

#include "config/load.h"
#include "gateway/base/error.h"

static DmDocument *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    DmDocument *document = dm_document_parse(text, strlen(text), "t.yaml", &error);

    g_assert_no_error(error);
    return document;
}

static void
assert_json(const char *text, const char *expected)
{
    g_autoptr(DmDocument) document = parse(text);
    char *json = json_dumps(dm_document_json(document), JSON_COMPACT);

    g_assert_cmpstr(json, ==, expected);
    free(json);
}

static void
assert_refused(const char *text, size_t len, const char *expected)
{
    g_autoptr(GError) error = NULL;
    DmDocument *document = dm_document_parse(text, len, "t.yaml", &error);

    g_assert_null(document);
    g_assert_error(error, DM_ERROR, DM_ERROR_PARSE);
    g_assert_cmpstr(error->message, ==, expected);
}

static void
scalars_have_types_unless_quoted(void)
{
    assert_json(
        "{a: true, b: false, c: null, d: ~, e: 12, f: -3, g: '12', h: \"true\", i: yes, j: 1.5}",
        "{\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":12,\"f\":-3,\"g\":\"12\",\"h\":"
        "\"true\","
        "\"i\":\"yes\",\"j\":\"1.5\"}");
}

static void
telephone_numbers_stay_text(void)
{
    assert_json(
        "[+442079460000, 02079460000, 0, 00, 0x10, 112, 99999999999999999999]",
        "[\"+442079460000\",\"02079460000\",0,\"00\",\"0x10\",112,\"99999999999999999999\"]");
}

static void
json_is_read_too(void)
{
    assert_json("{\"a\": [1, {\"b\": \"\\u00e9\"}], \"c\": \"\"}",
                "{\"a\":[1,{\"b\":\"é\"}],\"c\":\"\"}");
}

static void
nothing_but_comments_is_empty(void)
{
    assert_json("", "{}");
    assert_json("# later\n---\n...\n", "{}");
}

static void
lines_are_known_by_pointer(void)
{
    g_autoptr(DmDocument) document = parse("a: 1\nlist:\n  - x: 1\n    y/z: 2\n  - 3\n");

    g_assert_cmpuint(dm_document_line(document, ""), ==, 1);
    g_assert_cmpuint(dm_document_line(document, "/list/0"), ==, 3);
    g_assert_cmpuint(dm_document_line(document, "/list/0/y~1z"), ==, 4);
    g_assert_cmpuint(dm_document_line(document, "/list/1"), ==, 5);
    g_assert_cmpuint(dm_document_line(document, "/list/0/missing/deep"), ==, 3);
    g_assert_cmpuint(dm_document_line(document, "/elsewhere"), ==, 1);
}

static void
ambiguous_documents_are_refused(void)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: member 'a' is there twice"},
        {"a: &x 1\n", "t.yaml:1:4: anchors, aliases and tags are not supported"},
        {"a: *x\n", "t.yaml:1:4: anchors, aliases and tags are not supported"},
        {"a: !!str 1\n", "t.yaml:1:4: anchors, aliases and tags are not supported"},
        {"[a]: 1\n", "t.yaml:1:1: a member's name must be plain text"},
        {"a: 1\n---\nb: 2\n", "t.yaml:2:1: more than one document in a file"},
        {"a: \"x\\0y\"\n", "t.yaml:1:4: a NUL character is not allowed"},
        {"a: [1\n", "t.yaml:2:1: did not find expected ',' or ']'"},
        {"\"a\\0b\": 1\n", "t.yaml:1:1: a member's name is too long or holds a NUL character"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].error);
    }
}

static void
bytes_that_are_no_text_are_refused(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(dm_document_parse("a: \xff\xfe\n", 6, "t.yaml", &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_PARSE);
}

static void
depth_and_size_are_bounded(void)
{
    g_autofree char *deep = g_strnfill(1000, '[');
    g_autofree char *large = g_strnfill((4 << 20) + 1, '#');
    g_autoptr(GString) many = g_string_new("[");

    assert_refused(deep, 1000, "t.yaml:1:18: nested deeper than 16 levels");
    assert_refused(large, (4 << 20) + 1, "t.yaml: larger than 4194304 bytes");
    for (unsigned i = 0; i < 200000; i++) {
        g_string_append(many, "1,");
    }
    assert_refused(many->str, many->len, "t.yaml:1:400000: more than 200000 values");
}

static void
files_that_cannot_be_read_are_told(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(dm_document_load("/nonexistent/demarc.yaml", &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
}

static void
files_are_read(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "demarc-test-load-XXXXXX", NULL);
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, "system: {workers: 2}\n", -1, NULL));
    g_autoptr(DmDocument) document = dm_document_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(json_object_size(dm_document_json(document)), ==, 1);
    g_unlink(path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/load/scalars", scalars_have_types_unless_quoted);
    g_test_add_func("/load/numbers", telephone_numbers_stay_text);
    g_test_add_func("/load/json", json_is_read_too);
    g_test_add_func("/load/empty", nothing_but_comments_is_empty);
    g_test_add_func("/load/lines", lines_are_known_by_pointer);
    g_test_add_func("/load/refused", ambiguous_documents_are_refused);
    g_test_add_func("/load/not-text", bytes_that_are_no_text_are_refused);
    g_test_add_func("/load/bounds", depth_and_size_are_bounded);
    g_test_add_func("/load/no-file", files_that_cannot_be_read_are_told);
    g_test_add_func("/load/file", files_are_read);
    return g_test_run();
}
