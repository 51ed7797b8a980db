/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/store/store-priv.h"

/* Each is applied once, in order, and never changed after it was released: add one instead. */
static const char *const migrations[] = {
    /* 1 */
    "CREATE TABLE records ("
    "  id TEXT PRIMARY KEY, ended INTEGER NOT NULL, start_us INTEGER NOT NULL,"
    "  end_us INTEGER NOT NULL, sequence INTEGER NOT NULL, trunk_a TEXT NOT NULL,"
    "  trunk_b TEXT NOT NULL, direction TEXT NOT NULL, diagnosis TEXT NOT NULL,"
    "  numbers TEXT NOT NULL, code INTEGER NOT NULL, duration_ms INTEGER NOT NULL,"
    "  json TEXT NOT NULL);"
    "CREATE INDEX records_by_start ON records (start_us, id);"
    "CREATE INDEX records_by_sequence ON records (sequence) WHERE ended = 1;"
    "CREATE INDEX records_by_end ON records (end_us) WHERE ended = 1;"
    "CREATE INDEX records_running ON records (start_us) WHERE ended = 0;"
    "CREATE TABLE revisions ("
    "  number INTEGER PRIMARY KEY, created_us INTEGER NOT NULL, actor TEXT NOT NULL,"
    "  summary TEXT NOT NULL, document TEXT NOT NULL);"
    "CREATE TABLE tokens ("
    "  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash TEXT NOT NULL UNIQUE,"
    "  role TEXT NOT NULL, created_us INTEGER NOT NULL, used_us INTEGER NOT NULL,"
    "  expires_us INTEGER NOT NULL);"
    "CREATE TABLE audit ("
    "  sequence INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, actor TEXT NOT NULL,"
    "  remote TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,"
    "  status INTEGER NOT NULL, revision INTEGER NOT NULL);"
    "CREATE INDEX audit_by_time ON audit (at_us);"
    "CREATE TABLE answers ("
    "  scope TEXT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL,"
    "  status INTEGER NOT NULL, location TEXT, etag TEXT, body TEXT NOT NULL,"
    "  created_us INTEGER NOT NULL, PRIMARY KEY (scope, key));"
    "CREATE INDEX answers_by_time ON answers (created_us);"
    "CREATE TABLE named_values (name TEXT PRIMARY KEY, value TEXT NOT NULL);",
};

#define N_MIGRATIONS ((int)G_N_ELEMENTS(migrations))

static DmStoreConnection *
reading_connection(DmStore *store)
{
    return store->reader.sql != NULL ? &store->reader : &store->writer;
}

bool
dm_store_read(DmStore *store,
              const char *text,
              const DmSqlValue *values,
              size_t n,
              DmSqlRowFunc row,
              void *user_data,
              GError **error)
{
    DmStoreConnection *connection = reading_connection(store);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&connection->lock);

    return connection->sql->ops->run(connection->sql, text, values, n, row, user_data, error);
}

bool
dm_store_write(DmStore *store,
               const char *text,
               const DmSqlValue *values,
               size_t n,
               int64_t *out_changes,
               GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&store->writer.lock);
    DmSql *sql = store->writer.sql;

    if (!sql->ops->run(sql, text, values, n, NULL, NULL, error)) {
        return false;
    }
    if (out_changes != NULL) {
        *out_changes = sql->ops->changes(sql);
    }
    return true;
}

static bool
run_transaction(DmSql *sql, DmStoreStepsFunc func, void *user_data, GError **error)
{
    if (!sql->ops->begin(sql, error)) {
        return false;
    }
    if (!func(sql, user_data, error) || !sql->ops->commit(sql, error)) {
        sql->ops->rollback(sql);
        return false;
    }
    return true;
}

bool
dm_store_transaction(DmStore *store, DmStoreStepsFunc func, void *user_data, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&store->writer.lock);

    return run_transaction(store->writer.sql, func, user_data, error);
}

void *
dm_store_found(void *found, const char *what, const char *name, GError **error)
{
    if (found == NULL && (error == NULL || *error == NULL)) {
        g_set_error(error, DM_ERROR, DM_ERROR_NOT_FOUND, "%s '%s' does not exist", what, name);
    }
    return found;
}

static bool
migrate_once(DmSql *sql, void *user_data, GError **error)
{
    const int *version = user_data;

    return sql->ops->script(sql, migrations[*version], error) &&
           sql->ops->set_version(sql, *version + 1, error);
}

static bool
migrate(DmSql *sql, GError **error)
{
    int version = 0;

    if (!sql->ops->version(sql, &version, error)) {
        return false;
    }
    if (version > N_MIGRATIONS) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_UNSUPPORTED,
                    "the database has schema %d and this program knows %d: it was written by a "
                    "newer version",
                    version,
                    N_MIGRATIONS);
        return false;
    }
    for (; version < N_MIGRATIONS; version++) {
        if (!run_transaction(sql, migrate_once, &version, error)) {
            g_prefix_error(error, "schema %d: ", version + 1);
            return false;
        }
    }
    return true;
}

/* Two gateways on one file would each close the other's running calls. */
static int
lock_file(const char *path, GError **error)
{
    g_autofree char *lock_path = g_strconcat(path, ".lock", NULL);
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        dm_error_set_errno(error, errno, lock_path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFLICT, "%s: another process has it open", path);
        close(fd);
        return -1;
    }
    return fd;
}

static bool
open_connections(DmStore *store, const char *path, bool in_memory, GError **error)
{
    if (!in_memory) {
        store->lock_fd = lock_file(path, error);
        if (store->lock_fd < 0) {
            return false;
        }
    }
    store->writer.sql = dm_sqlite_open(path, 0, error);
    if (store->writer.sql == NULL || !migrate(store->writer.sql, error)) {
        return false;
    }
    if (!in_memory) {
        store->reader.sql = dm_sqlite_open(path, DM_STORE_QUERY_MAX_MS * 1000, error);
        return store->reader.sql != NULL;
    }
    return true;
}

DmStore *
dm_store_open(const char *path, GError **error)
{
    g_autoptr(DmStore) store = NULL;

    g_return_val_if_fail(path != NULL, NULL);

    store = g_new0(DmStore, 1);
    store->lock_fd = -1;
    g_mutex_init(&store->writer.lock);
    g_mutex_init(&store->reader.lock);
    if (!open_connections(store, path, strcmp(path, ":memory:") == 0, error)) {
        g_prefix_error(error, "store %s: ", path);
        return NULL;
    }
    return g_steal_pointer(&store);
}

static void
clear_connection(DmStoreConnection *connection)
{
    if (connection->sql != NULL) {
        connection->sql->ops->close(connection->sql);
    }
    g_mutex_clear(&connection->lock);
}

void
dm_store_close(DmStore *store)
{
    if (store == NULL) {
        return;
    }
    clear_connection(&store->reader);
    clear_connection(&store->writer);
    if (store->lock_fd >= 0) {
        close(store->lock_fd);
    }
    g_free(store);
}

bool
dm_store_check(DmStore *store, GError **error)
{
    return dm_store_read(store, "SELECT 1", NULL, 0, NULL, NULL, error);
}

/* --- Named values --- */

static void
take_text(const DmSqlRow *row, void *user_data)
{
    char **text = user_data;

    g_free(*text);
    *text = g_strdup(dm_sql_text(row, 0));
}

char *
dm_store_value(DmStore *store, const char *key, GError **error)
{
    DmSqlValue values[] = {DM_SQL_TEXT(key)};
    char *value = NULL;

    if (!dm_store_read(store,
                       "SELECT value FROM named_values WHERE name = ?1",
                       values,
                       G_N_ELEMENTS(values),
                       take_text,
                       &value,
                       error)) {
        return NULL;
    }
    return dm_store_found(value, "value", key, error);
}

bool
dm_store_set_value(DmStore *store, const char *key, const char *value, GError **error)
{
    DmSqlValue values[] = {DM_SQL_TEXT(key), DM_SQL_TEXT(value)};

    return dm_store_write(store,
                          "INSERT INTO named_values (name, value) VALUES (?1, ?2)"
                          " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                          values,
                          G_N_ELEMENTS(values),
                          NULL,
                          error);
}
