/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/call-table.h"

#include "gateway/call/call-priv.h"

struct DmCallTable {
    GHashTable *calls; /* id, which is the call's -> DmCall */
};

DmCallTable *
dm_call_table_new(void)
{
    DmCallTable *table = g_new0(DmCallTable, 1);

    table->calls = g_hash_table_new(g_str_hash, g_str_equal);
    return table;
}

void
dm_call_table_free(DmCallTable *table)
{
    GHashTableIter iter;
    gpointer call;

    if (table == NULL) {
        return;
    }
    g_hash_table_iter_init(&iter, table->calls);
    while (g_hash_table_iter_next(&iter, NULL, &call)) {
        g_hash_table_iter_steal(&iter);
        dm_call_destroy(call);
    }
    g_hash_table_unref(table->calls);
    g_free(table);
}

void
dm_call_table_add(DmCallTable *table, DmCall *call)
{
    g_hash_table_insert(table->calls, (gpointer)dm_call_id(call), call);
}

void
dm_call_table_remove(DmCallTable *table, DmCall *call)
{
    g_hash_table_remove(table->calls, dm_call_id(call));
    dm_call_free(call);
}

void
dm_call_table_rename(DmCallTable *table, const char *call_id)
{
    gpointer call = NULL;

    if (g_hash_table_steal_extended(table->calls, call_id, NULL, &call)) {
        dm_call_table_add(table, call);
    }
}

DmCall *
dm_call_table_find(DmCallTable *table, const char *call_id)
{
    return g_hash_table_lookup(table->calls, call_id);
}

size_t
dm_call_table_count(const DmCallTable *table)
{
    return g_hash_table_size(table->calls);
}

void
dm_call_table_foreach(DmCallTable *table,
                      void (*func)(DmCall *call, void *user_data),
                      void *user_data)
{
    g_autoptr(GPtrArray) calls = g_ptr_array_new();
    GHashTableIter iter;
    gpointer call;

    /* A copy, as @func may end calls. */
    g_hash_table_iter_init(&iter, table->calls);
    while (g_hash_table_iter_next(&iter, NULL, &call)) {
        g_ptr_array_add(calls, call);
    }
    for (guint i = 0; i < calls->len; i++) {
        func(g_ptr_array_index(calls, i), user_data);
    }
}
