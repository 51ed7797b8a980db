/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route/index.h"

#include <string.h>

/* config/route.c lets no number of a route be longer. */
#define MAX_PREFIX 40

struct DmRouteIndex {
    GHashTable *exact;       /* digits, without + -> GPtrArray of DmRoute */
    GHashTable *prefixes;    /* the same */
    uint64_t prefix_lengths; /* bit n: there is a prefix of n digits */
    GPtrArray *regexes;
    GPtrArray *any;
};

static const char *
without_plus(const char *number)
{
    return *number == '+' ? number + 1 : number;
}

bool
dm_route_prefix_fits(const char *prefix, const char *number)
{
    if (*prefix == '+') {
        return g_str_has_prefix(number, prefix);
    }
    return g_str_has_prefix(without_plus(number), prefix);
}

/* By order, then those that ask for more first, then by id. */
static gint
compare(gconstpointer a, gconstpointer b)
{
    const DmRoute *route_a = *(const DmRoute *const *)a;
    const DmRoute *route_b = *(const DmRoute *const *)b;
    size_t caller_a = strlen(route_a->match.caller_prefix);
    size_t caller_b = strlen(route_b->match.caller_prefix);
    bool source_a = route_a->match.source_trunks->len > 0;
    bool source_b = route_b->match.source_trunks->len > 0;

    if (route_a->order != route_b->order) {
        return route_a->order < route_b->order ? -1 : 1;
    }
    if (caller_a != caller_b) {
        return caller_a > caller_b ? -1 : 1;
    }
    if (source_a != source_b) {
        return source_a ? -1 : 1;
    }
    return strcmp(route_a->id, route_b->id);
}

static void
add_to(GHashTable *table, const DmRoute *route)
{
    const char *digits = without_plus(route->match.called);
    GPtrArray *routes = g_hash_table_lookup(table, digits);

    if (routes == NULL) {
        routes = g_ptr_array_new();
        g_hash_table_insert(table, (gpointer)digits, routes);
    }
    g_ptr_array_add(routes, (gpointer)route);
}

static void
add_route(DmRouteIndex *index, const DmRoute *route)
{
    switch (route->match.kind) {
    case DM_CALLED_EXACT:
        add_to(index->exact, route);
        break;
    case DM_CALLED_PREFIX:
        add_to(index->prefixes, route);
        index->prefix_lengths |= UINT64_C(1)
                                 << MIN(strlen(without_plus(route->match.called)), MAX_PREFIX);
        break;
    case DM_CALLED_REGEX:
        g_ptr_array_add(index->regexes, (gpointer)route);
        break;
    case DM_CALLED_ANY:
        g_ptr_array_add(index->any, (gpointer)route);
        break;
    }
}

static void
sort_table(GHashTable *table)
{
    GHashTableIter iter;
    gpointer routes;

    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &routes)) {
        g_ptr_array_sort(routes, compare);
    }
}

static void
unref_list(gpointer list)
{
    g_ptr_array_unref(list);
}

DmRouteIndex *
dm_route_index_new(const DmConfig *config)
{
    DmRouteIndex *index = g_new0(DmRouteIndex, 1);

    index->exact = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unref_list);
    index->prefixes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unref_list);
    index->regexes = g_ptr_array_new();
    index->any = g_ptr_array_new();
    for (guint i = 0; i < config->routes->len; i++) {
        add_route(index, config->routes->pdata[i]);
    }
    sort_table(index->exact);
    sort_table(index->prefixes);
    g_ptr_array_sort(index->regexes, compare);
    g_ptr_array_sort(index->any, compare);
    return index;
}

void
dm_route_index_free(gpointer data)
{
    DmRouteIndex *index = data;

    g_hash_table_unref(index->exact);
    g_hash_table_unref(index->prefixes);
    g_ptr_array_unref(index->regexes);
    g_ptr_array_unref(index->any);
    g_free(index);
}

/* --- looking up --- */

/* One look-up. */
typedef struct {
    const char *called;
    DmRouteFits fits;
    void *user_data;
} Search;

static bool
is_wanted(const DmRoute *route, const Search *search)
{
    bool plus_fits = *route->match.called != '+' || *search->called == '+';

    if (route->match.kind == DM_CALLED_REGEX) {
        plus_fits = g_regex_match(route->match.called_regex, search->called, 0, NULL);
    }
    return plus_fits && search->fits(route, search->user_data);
}

/* @routes: or NULL */
static const DmRoute *
first_of(const GPtrArray *routes, const Search *search)
{
    for (guint i = 0; routes != NULL && i < routes->len; i++) {
        if (is_wanted(routes->pdata[i], search)) {
            return routes->pdata[i];
        }
    }
    return NULL;
}

static const DmRoute *
longest_prefix(const DmRouteIndex *index, const Search *search)
{
    char digits[MAX_PREFIX + 1];
    size_t len = g_strlcpy(digits, without_plus(search->called), sizeof(digits));

    for (size_t left = MIN(len, MAX_PREFIX) + 1; left > 0; left--) {
        size_t n = left - 1; /* down to 0: "+" is a prefix without digits */
        if ((index->prefix_lengths & (UINT64_C(1) << n)) == 0) {
            continue;
        }
        digits[n] = '\0';
        const DmRoute *route = first_of(g_hash_table_lookup(index->prefixes, digits), search);
        if (route != NULL) {
            return route;
        }
    }
    return NULL;
}

const DmRoute *
dm_route_index_find(const DmRouteIndex *index,
                    const char *called,
                    DmRouteFits fits,
                    void *user_data)
{
    Search search = {.called = called, .fits = fits, .user_data = user_data};
    const DmRoute *route =
        first_of(g_hash_table_lookup(index->exact, without_plus(called)), &search);

    if (route == NULL) {
        route = longest_prefix(index, &search);
    }
    if (route == NULL) {
        route = first_of(index->regexes, &search);
    }
    return route != NULL ? route : first_of(index->any, &search);
}
