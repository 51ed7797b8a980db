/* SPDX-License-Identifier: Apache-2.0 */
/* docs/config.md against the tables of config/: each member has its row, and each row its member.
 * With --print the rows are printed, to be put into the page. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/load.h"

static char *
range_of(const DmJsonMember *member)
{
    if (member->type == DM_JSON_INTEGER) {
        return g_strdup_printf("integer %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                               member->min,
                               member->max);
    }
    g_autoptr(GString) text = g_string_new(NULL);
    for (const DmJsonChoice *choice = member->choices; choice->name != NULL; choice++) {
        g_string_append_printf(text, "%s`%s`", text->len > 0 ? ", " : "", choice->name);
    }
    return g_strdup(text->str);
}

static char *
type_of(const DmJsonMember *member)
{
    switch (member->type) {
    case DM_JSON_INTEGER:
    case DM_JSON_ENUM:
        return range_of(member);
    case DM_JSON_BOOL:
        return g_strdup("boolean");
    case DM_JSON_SECRET:
        return g_strdup("secret");
    case DM_JSON_OBJECT:
        return g_strdup("object");
    case DM_JSON_ARRAY:
        if (member->choices != NULL) {
            g_autofree char *choices = range_of(member);
            return g_strdup_printf("array of %s", choices);
        }
        return g_strdup(member->members == dm_number_rule_members
                            ? "array of [number rules](#number-rules)"
                        : member->members != NULL ? "array of objects"
                                                  : "array");
    default:
        return g_strdup("string");
    }
}

static char *
default_of(const DmJsonMember *member)
{
    if (member->required) {
        return g_strdup("required");
    }
    if (member->shown != NULL) {
        return g_strdup(member->shown);
    }
    switch (member->type) {
    case DM_JSON_INTEGER:
        return g_strdup_printf("%" G_GINT64_FORMAT, member->value);
    case DM_JSON_BOOL:
        return g_strdup(member->value ? "true" : "false");
    case DM_JSON_ENUM:
        return g_strdup(member->text != NULL ? member->text : member->choices->name);
    case DM_JSON_OBJECT:
        return g_strdup("");
    case DM_JSON_ARRAY:
        return g_strdup(member->text != NULL ? member->text : "none");
    default:
        return g_strdup(member->text != NULL && *member->text != '\0' ? member->text : "empty");
    }
}

static void
add_rows(GPtrArray *rows, const DmJsonMember *members, const char *prefix)
{
    for (const DmJsonMember *member = members; member->name != NULL; member++) {
        if (member->hidden) {
            continue;
        }
        g_autofree char *type = type_of(member);
        g_autofree char *value = default_of(member);
        g_ptr_array_add(rows,
                        g_strdup_printf("| `%s%s` | %s | %s | %s |",
                                        prefix,
                                        member->name,
                                        type,
                                        value,
                                        member->doc));
        if (member->members != NULL && member->members != dm_number_rule_members) {
            g_autofree char *inner = g_strdup_printf("%s%s%s.",
                                                     prefix,
                                                     member->name,
                                                     member->type == DM_JSON_ARRAY ? "[]" : "");
            add_rows(rows, member->members, inner);
        }
    }
}

/* A section a member of the document, and one of number rules. */
static GPtrArray *
all_rows(bool print)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func(g_free);

    for (const DmJsonMember *member = dm_config_members; member->name != NULL; member++) {
        guint before = rows->len;
        add_rows(rows, member->members, "");
        if (print) {
            printf("\n## %s%s\n\n%s\n\n",
                   member->name,
                   member->type == DM_JSON_ARRAY ? "[]" : "",
                   member->doc);
            puts("| Member | Type | Default | What it is |\n|---|---|---|---|");
        }
        for (guint i = before; print && i < rows->len; i++) {
            puts(rows->pdata[i]);
        }
    }
    guint before = rows->len;
    add_rows(rows, dm_number_rule_members, "");
    if (print) {
        puts("\n## Number rules\n\n| Member | Type | Default | What it is |\n|---|---|---|---|");
    }
    for (guint i = before; print && i < rows->len; i++) {
        puts(rows->pdata[i]);
    }
    return rows;
}

static char *
path_in_tree(const char *path)
{
    const char *root = g_getenv("DEMARC_SOURCE_ROOT");

    if (root == NULL) {
        g_test_skip("DEMARC_SOURCE_ROOT is not set");
        return NULL;
    }
    return g_build_filename(root, path, NULL);
}

static void
every_member_is_documented(void)
{
    g_autofree char *path = path_in_tree("docs/config.md");
    g_autofree char *page = NULL;
    g_autoptr(GPtrArray) rows = all_rows(false);
    bool complete = true;

    if (path == NULL) {
        return;
    }
    g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
    for (guint i = 0; i < rows->len; i++) {
        g_autofree char *line = g_strdup_printf("\n%s\n", (const char *)rows->pdata[i]);
        if (strstr(page, line) == NULL) {
            g_test_message("not in docs/config.md: %s", (const char *)rows->pdata[i]);
            complete = false;
        }
    }
    g_assert_true(complete);
}

static void
every_row_has_its_member(void)
{
    g_autofree char *path = path_in_tree("docs/config.md");
    g_autofree char *page = NULL;
    g_autoptr(GPtrArray) rows = all_rows(false);

    if (path == NULL) {
        return;
    }
    g_assert_true(g_file_get_contents(path, &page, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(page, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, "| `") &&
            !g_ptr_array_find_with_equal_func(rows, *line, g_str_equal, NULL)) {
            g_error("no member of the configuration: %s", *line);
        }
    }
}

static void
examples_are_valid(void)
{
    g_autofree char *folder = path_in_tree("config/examples");
    g_autoptr(GDir) dir = folder != NULL ? g_dir_open(folder, 0, NULL) : NULL;
    unsigned n = 0;

    if (folder == NULL) {
        return;
    }
    g_assert_nonnull(dir);
    g_setenv("CARRIER_PASSWORD", "secret", TRUE);
    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(DmDocument) document = dm_document_load(path, &error);
        DmProblems problems;
        g_assert_no_error(error);
        dm_problems_init(&problems);
        g_autoptr(DmConfig) config = dm_config_new_from_json(dm_document_json(document), &problems);
        g_autofree char *explained = dm_document_explain(document, &problems);
        g_assert_cmpstr(explained, ==, "");
        g_assert_nonnull(config);
        dm_problems_clear(&problems);
        n++;
    }
    g_assert_cmpuint(n, >=, 2);
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        g_autoptr(GPtrArray) rows = all_rows(true);
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config-reference/members", every_member_is_documented);
    g_test_add_func("/config-reference/rows", every_row_has_its_member);
    g_test_add_func("/config-reference/examples", examples_are_valid);
    return g_test_run();
}
