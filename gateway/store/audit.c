/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/store/store-priv.h"

/* --- The audit log --- */

void
dm_store_audit_free(DmStoreAudit *entry)
{
    if (entry == NULL) {
        return;
    }
    g_free(entry->actor);
    g_free(entry->remote);
    g_free(entry->method);
    g_free(entry->path);
    g_free(entry);
}

static void
add_entry(const DmSqlRow *row, void *user_data)
{
    DmStoreAudit *entry = g_new0(DmStoreAudit, 1);

    entry->sequence = dm_sql_integer(row, 0);
    entry->at_wall_us = dm_sql_integer(row, 1);
    entry->actor = g_strdup(dm_sql_text(row, 2));
    entry->remote = g_strdup(dm_sql_text(row, 3));
    entry->method = g_strdup(dm_sql_text(row, 4));
    entry->path = g_strdup(dm_sql_text(row, 5));
    entry->status = (int)dm_sql_integer(row, 6);
    entry->revision = (uint64_t)dm_sql_integer(row, 7);
    g_ptr_array_add(user_data, entry);
}

bool
dm_store_audit_add(DmStore *store, const DmStoreAudit *entry, GError **error)
{
    const DmSqlValue values[] = {
        DM_SQL_INT(entry->at_wall_us),
        DM_SQL_TEXT(entry->actor),
        DM_SQL_TEXT(entry->remote),
        DM_SQL_TEXT(entry->method),
        DM_SQL_TEXT(entry->path),
        DM_SQL_INT(entry->status),
        DM_SQL_INT(entry->revision),
    };

    return dm_store_write(store,
                          "INSERT INTO audit (at_us, actor, remote, method, path, status, revision)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                          values,
                          G_N_ELEMENTS(values),
                          NULL,
                          error);
}

GPtrArray *
dm_store_audit(DmStore *store, int64_t before, unsigned limit, GError **error)
{
    const DmSqlValue values[] = {
        DM_SQL_INT(before == 0 ? G_MAXINT64 : before),
        DM_SQL_INT(limit),
    };
    GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)dm_store_audit_free);

    if (!dm_store_read(store,
                       "SELECT sequence, at_us, actor, remote, method, path, status, revision"
                       " FROM audit WHERE sequence < ?1 ORDER BY sequence DESC LIMIT ?2",
                       values,
                       G_N_ELEMENTS(values),
                       add_entry,
                       entries,
                       error)) {
        g_clear_pointer(&entries, g_ptr_array_unref);
    }
    return entries;
}

int64_t
dm_store_audit_prune(DmStore *store, int64_t wall_us, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_INT(wall_us)};
    int64_t removed;

    if (!dm_store_write(store, "DELETE FROM audit WHERE at_us < ?1", values, 1, &removed, error)) {
        return -1;
    }
    return removed;
}

/* --- Answers kept for idempotency keys --- */

void
dm_store_answer_free(DmStoreAnswer *answer)
{
    if (answer == NULL) {
        return;
    }
    g_free(answer->request_hash);
    g_free(answer->location);
    g_free(answer->etag);
    g_free(answer->body);
    g_free(answer);
}

static void
take_answer(const DmSqlRow *row, void *user_data)
{
    DmStoreAnswer **answer = user_data;

    *answer = g_new0(DmStoreAnswer, 1);
    (*answer)->request_hash = g_strdup(dm_sql_text(row, 0));
    (*answer)->status = (int)dm_sql_integer(row, 1);
    (*answer)->location = g_strdup(dm_sql_text(row, 2));
    (*answer)->etag = g_strdup(dm_sql_text(row, 3));
    (*answer)->body = g_strdup(dm_sql_text(row, 4));
}

DmStoreAnswer *
dm_store_answer(DmStore *store,
                const char *scope,
                const char *key,
                int64_t now_wall_us,
                GError **error)
{
    const DmSqlValue values[] = {
        DM_SQL_TEXT(scope),
        DM_SQL_TEXT(key),
        DM_SQL_INT(now_wall_us - DM_STORE_IDEMPOTENCY_US),
    };
    DmStoreAnswer *answer = NULL;

    if (!dm_store_read(store,
                       "SELECT request_hash, status, location, etag, body FROM answers"
                       " WHERE scope = ?1 AND key = ?2 AND created_us > ?3",
                       values,
                       G_N_ELEMENTS(values),
                       take_answer,
                       &answer,
                       error)) {
        return NULL;
    }
    return dm_store_found(answer, "answer", key, error);
}

typedef struct {
    const char *scope, *key;
    const DmStoreAnswer *answer;
    int64_t now_wall_us;
} Keep;

static bool
forget_old_and_keep(DmSql *sql, void *user_data, GError **error)
{
    const Keep *keep = user_data;
    const DmSqlValue old[] = {DM_SQL_INT(keep->now_wall_us - DM_STORE_IDEMPOTENCY_US)};
    const DmSqlValue values[] = {
        DM_SQL_TEXT(keep->scope),
        DM_SQL_TEXT(keep->key),
        DM_SQL_TEXT(keep->answer->request_hash),
        DM_SQL_INT(keep->answer->status),
        DM_SQL_TEXT(keep->answer->location),
        DM_SQL_TEXT(keep->answer->etag),
        DM_SQL_TEXT(keep->answer->body),
        DM_SQL_INT(keep->now_wall_us),
    };

    return sql->ops->run(sql,
                         "DELETE FROM answers WHERE created_us <= ?1",
                         old,
                         1,
                         NULL,
                         NULL,
                         error) &&
           sql->ops->run(
               sql,
               "INSERT INTO answers (scope, key, request_hash, status, location, etag, body,"
               "  created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
               values,
               G_N_ELEMENTS(values),
               NULL,
               NULL,
               error);
}

bool
dm_store_answer_keep(DmStore *store,
                     const char *scope,
                     const char *key,
                     const DmStoreAnswer *answer,
                     int64_t now_wall_us,
                     GError **error)
{
    Keep keep = {scope, key, answer, now_wall_us};

    return dm_store_transaction(store, forget_old_and_keep, &keep, error);
}
