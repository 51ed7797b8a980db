/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/error.h"
#include "gateway/store/store-priv.h"

void
dm_store_revision_free(DmStoreRevision *revision)
{
    if (revision == NULL) {
        return;
    }
    g_free(revision->actor);
    g_free(revision->summary);
    g_free(revision->document);
    g_free(revision);
}

static DmStoreRevision *
revision_from_row(const DmSqlRow *row)
{
    DmStoreRevision *revision = g_new0(DmStoreRevision, 1);

    revision->number = (uint64_t)dm_sql_integer(row, 0);
    revision->created_wall_us = dm_sql_integer(row, 1);
    revision->actor = g_strdup(dm_sql_text(row, 2));
    revision->summary = g_strdup(dm_sql_text(row, 3));
    revision->document = g_strdup(dm_sql_text(row, 4));
    return revision;
}

static void
add_revision(const DmSqlRow *row, void *user_data)
{
    g_ptr_array_add(user_data, revision_from_row(row));
}

static void
take_revision(const DmSqlRow *row, void *user_data)
{
    DmStoreRevision **revision = user_data;

    *revision = revision_from_row(row);
}

typedef struct {
    uint64_t base;
    const char *actor, *summary, *document;
} NewRevision;

/* The condition is what makes it optimistic: no row is added once the base has moved. */
static bool
insert_revision(DmSql *sql, const NewRevision *revision, GError **error)
{
    const DmSqlValue values[] = {
        DM_SQL_INT(revision->base),
        DM_SQL_INT(g_get_real_time()),
        DM_SQL_TEXT(revision->actor),
        DM_SQL_TEXT(revision->summary),
        DM_SQL_TEXT(revision->document),
    };

    if (!sql->ops->run(sql,
                       "INSERT INTO revisions (number, created_us, actor, summary, document)"
                       " SELECT ?1 + 1, ?2, ?3, ?4, ?5"
                       " WHERE (SELECT COALESCE(MAX(number), 0) FROM revisions) = ?1",
                       values,
                       G_N_ELEMENTS(values),
                       NULL,
                       NULL,
                       error)) {
        return false;
    }
    if (sql->ops->changes(sql) == 0) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFLICT,
                    "revision %" G_GUINT64_FORMAT " is not the last one any more",
                    revision->base);
        return false;
    }
    return true;
}

static bool
add_and_forget(DmSql *sql, void *user_data, GError **error)
{
    const NewRevision *revision = user_data;
    const DmSqlValue values[] = {
        DM_SQL_INT((int64_t)revision->base + 1 - DM_STORE_MAX_REVISIONS),
    };

    return insert_revision(sql, revision, error) &&
           sql->ops->run(sql,
                         "DELETE FROM revisions WHERE number <= ?1",
                         values,
                         G_N_ELEMENTS(values),
                         NULL,
                         NULL,
                         error);
}

bool
dm_store_revision_add(DmStore *store,
                      uint64_t base,
                      const char *actor,
                      const char *summary,
                      const char *document,
                      uint64_t *out_number,
                      GError **error)
{
    g_autofree char *stored = dm_store_close_text(store, DM_STORE_SEAL_REVISION, document);
    NewRevision revision = {base, actor, summary, stored};

    if (!dm_store_transaction(store, add_and_forget, &revision, error)) {
        return false;
    }
    if (out_number != NULL) {
        *out_number = base + 1;
    }
    return true;
}

/* Takes @revision over; NULL is passed on. */
static DmStoreRevision *
opened(const DmStore *store, DmStoreRevision *revision, GError **error)
{
    char *document;

    if (revision == NULL) {
        return NULL;
    }
    document = dm_store_open_text(store, DM_STORE_SEAL_REVISION, revision->document, error);
    if (document == NULL) {
        dm_store_revision_free(revision);
        return NULL;
    }
    g_free(revision->document);
    revision->document = document;
    return revision;
}

DmStoreRevision *
dm_store_revision(DmStore *store, uint64_t number, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_INT(number)};
    g_autofree char *name = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    DmStoreRevision *revision = NULL;

    if (!dm_store_read(store,
                       "SELECT number, created_us, actor, summary, document FROM revisions"
                       " WHERE number = ?1",
                       values,
                       G_N_ELEMENTS(values),
                       take_revision,
                       &revision,
                       error)) {
        return NULL;
    }
    return opened(store, dm_store_found(revision, "revision", name, error), error);
}

DmStoreRevision *
dm_store_revision_last(DmStore *store, GError **error)
{
    DmStoreRevision *revision = NULL;

    if (!dm_store_read(store,
                       "SELECT number, created_us, actor, summary, document FROM revisions"
                       " ORDER BY number DESC LIMIT 1",
                       NULL,
                       0,
                       take_revision,
                       &revision,
                       error)) {
        return NULL;
    }
    return opened(store, dm_store_found(revision, "revision", "last", error), error);
}

GPtrArray *
dm_store_revisions(DmStore *store, uint64_t before, unsigned limit, GError **error)
{
    const DmSqlValue values[] = {
        DM_SQL_INT(before == 0 ? G_MAXINT64 : (int64_t)before),
        DM_SQL_INT(limit),
    };
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)dm_store_revision_free);

    if (!dm_store_read(store,
                       "SELECT number, created_us, actor, summary, NULL FROM revisions"
                       " WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
                       values,
                       G_N_ELEMENTS(values),
                       add_revision,
                       list,
                       error)) {
        g_clear_pointer(&list, g_ptr_array_unref);
    }
    return list;
}
