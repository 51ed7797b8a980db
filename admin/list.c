/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/list.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SORT_KEYS 4

bool
dm_list_limit(const DmRequest *request, unsigned max, unsigned *out_limit, DmResponse *response)
{
    const char *text = dm_request_query(request, "limit");
    guint64 limit = MIN(DM_LIST_DEFAULT, max);

    if (text != NULL && !g_ascii_string_to_unsigned(text, 10, 1, max, &limit, NULL)) {
        dm_problem(response, 400, "query", "limit: expected a number from 1 to %u", max);
        return false;
    }
    *out_limit = (unsigned)limit;
    return true;
}

json_t *
dm_list_page(json_t *items, const char *next)
{
    return json_pack("{s:o, s:s?}", "items", items, "next", next);
}

/* --- Members --- */

/* "release.code" of @json, borrowed; NULL: absent. */
static const json_t *
member_at(const json_t *json, const char *path)
{
    while (json != NULL) {
        size_t len = strcspn(path, ".");
        g_autofree char *name = g_strndup(path, len);

        json = json_object_get(json, name);
        if (path[len] == '\0') {
            return json;
        }
        path += len + 1;
    }
    return NULL;
}

/* As one would write it in a filter: text without quotes. (transfer full) */
static char *
value_text(const json_t *value)
{
    char *dumped;
    char *text;

    if (json_is_string(value)) {
        return g_strdup(json_string_value(value));
    }
    dumped = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    text = g_strdup(dumped != NULL ? dumped : "null");
    free(dumped);
    return text;
}

static json_t *
pick_fields(const json_t *json, char *const *names)
{
    json_t *picked = json_object();

    for (size_t i = 0; names[i] != NULL; i++) {
        json_t *value = json_object_get(json, names[i]);

        if (value != NULL) {
            json_object_set(picked, names[i], value);
        }
    }
    return picked;
}

json_t *
dm_list_fields(const DmRequest *request, json_t *json)
{
    const char *fields = dm_request_query(request, "fields");
    g_auto(GStrv) names = NULL;
    json_t *picked;

    if (fields == NULL || json == NULL) {
        return json;
    }
    names = g_strsplit(fields, ",", 64);
    picked = pick_fields(json, names);
    json_decref(json);
    return picked;
}

/* --- Filters --- */

/* "x" of "filter[x]", or NULL. (transfer full) */
static char *
filter_name(const char *query_name)
{
    return g_str_has_prefix(query_name, "filter[")
               ? g_strndup(query_name + 7, strlen(query_name) - 8)
               : NULL;
}

static bool
passes(const DmRequest *request, const json_t *item)
{
    GHashTableIter iter;
    gpointer name;
    gpointer wanted;

    g_hash_table_iter_init(&iter, request->query);
    while (g_hash_table_iter_next(&iter, &name, &wanted)) {
        g_autofree char *path = filter_name(name);
        g_autofree char *text = path != NULL ? value_text(member_at(item, path)) : NULL;

        if (text != NULL && strcmp(text, wanted) != 0) {
            return false;
        }
    }
    return true;
}

/* --- Order --- */

/* Numbers by value, all else by its text; what is absent first. */
static int
compare_values(const json_t *a, const json_t *b)
{
    g_autofree char *a_text = NULL;
    g_autofree char *b_text = NULL;

    if (json_is_number(a) && json_is_number(b)) {
        double difference = json_number_value(a) - json_number_value(b);

        return (difference > 0) - (difference < 0);
    }
    if (a == NULL || b == NULL) {
        return (a != NULL) - (b != NULL);
    }
    a_text = value_text(a);
    b_text = value_text(b);
    return strcmp(a_text, b_text);
}

/* @data: the keys of ?sort. */
static gint
compare_items(gconstpointer a, gconstpointer b, gpointer data)
{
    const json_t *first = *(json_t *const *)a;
    const json_t *second = *(json_t *const *)b;
    char *const *keys = data;

    for (; *keys != NULL; keys++) {
        bool descending = **keys == '-';
        const char *path = *keys + descending;
        int order = compare_values(member_at(first, path), member_at(second, path));

        if (order != 0) {
            return descending ? -order : order;
        }
    }
    return 0;
}

/* Those that pass, in the order asked for; borrowed from @items. The sort is stable, so without
 * ?sort the order stays as it came. */
static GPtrArray *
select_items(const DmRequest *request, const json_t *items)
{
    const char *sort = dm_request_query(request, "sort");
    g_auto(GStrv) keys = g_strsplit(sort != NULL ? sort : "", ",", MAX_SORT_KEYS);
    GPtrArray *selected = g_ptr_array_new();
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        if (passes(request, item)) {
            g_ptr_array_add(selected, item);
        }
    }
    if (sort != NULL) {
        g_ptr_array_sort_with_data(selected, compare_items, keys);
    }
    return selected;
}

/* --- Pages --- */

/* The cursor is the id of the last item given. When that is gone, so is the place. */
static bool
find_place(const DmRequest *request, const GPtrArray *items, guint *out_place, DmResponse *response)
{
    const char *cursor = dm_request_query(request, "cursor");

    *out_place = 0;
    if (cursor == NULL) {
        return true;
    }
    for (guint i = 0; i < items->len; i++) {
        const char *id = json_string_value(json_object_get(g_ptr_array_index(items, i), "id"));

        if (g_strcmp0(id, cursor) == 0) {
            *out_place = i + 1;
            return true;
        }
    }
    dm_problem(response, 400, "cursor", "the cursor is not of this list, or its place is gone");
    return false;
}

void
dm_list_answer(const DmRequest *request, json_t *items, DmResponse *response)
{
    g_autoptr(GPtrArray) selected = select_items(request, items);
    unsigned limit;
    guint place;

    if (dm_list_limit(request, DM_LIST_MAX, &limit, response) &&
        find_place(request, selected, &place, response)) {
        guint end = MIN(place + limit, selected->len);
        const json_t *last = end > place ? g_ptr_array_index(selected, end - 1) : NULL;
        const char *next =
            end < selected->len ? json_string_value(json_object_get(last, "id")) : NULL;
        json_t *page = json_array();

        for (guint i = place; i < end; i++) {
            json_array_append_new(
                page,
                dm_list_fields(request, json_incref(g_ptr_array_index(selected, i))));
        }
        dm_response_json(response, 200, dm_list_page(page, next));
    }
    json_decref(items);
}
