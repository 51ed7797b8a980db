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
    dm_seal_free(store->seal);
    g_free(store);
}

bool
dm_store_check(DmStore *store, GError **error)
{
    return dm_store_read(store, "SELECT 1", NULL, 0, NULL, NULL, error);
}

/* --- Sealing --- */

char *
dm_store_close_text(const DmStore *store, const char *purpose, const char *text)
{
    return store->seal != NULL ? dm_seal_close(store->seal, purpose, text) : g_strdup(text);
}

char *
dm_store_open_text(const DmStore *store, const char *purpose, const char *text, GError **error)
{
    if (!dm_seal_is_sealed(text)) {
        return g_strdup(text);
    }
    if (store->seal == NULL) {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "%s is sealed, and there is no key", purpose);
        return NULL;
    }
    return dm_seal_open(store->seal, purpose, text, error);
}

/* Where text is sealed. */
static const struct {
    const char *purpose, *one_sealed, *in_clear, *update;
} sealed_columns[] = {
    {DM_STORE_SEAL_REVISION,
     "SELECT document FROM revisions WHERE document LIKE 'sealed:%' LIMIT 1",
     "SELECT number, document FROM revisions WHERE document NOT LIKE 'sealed:%'",
     "UPDATE revisions SET document = ?2 WHERE number = ?1"},
    {DM_STORE_SEAL_VALUE,
     "SELECT value FROM named_values WHERE value LIKE 'sealed:%' LIMIT 1",
     "SELECT name, value FROM named_values WHERE value NOT LIKE 'sealed:%'",
     "UPDATE named_values SET value = ?2 WHERE name = ?1"},
};

static void
take_text(const DmSqlRow *row, void *user_data)
{
    char **text = user_data;

    g_free(*text);
    *text = g_strdup(dm_sql_text(row, 0));
}

/* (transfer full: @out_text); NULL: nothing in it is sealed. */
static bool
find_sealed(DmStore *store, unsigned column, char **out_text, GError **error)
{
    *out_text = NULL;
    return dm_store_read(store,
                         sealed_columns[column].one_sealed,
                         NULL,
                         0,
                         take_text,
                         out_text,
                         error);
}

static bool
is_any_sealed(DmStore *store, bool *out_any, GError **error)
{
    *out_any = false;
    for (unsigned i = 0; i < G_N_ELEMENTS(sealed_columns); i++) {
        g_autofree char *text = NULL;

        if (!find_sealed(store, i, &text, error)) {
            return false;
        }
        *out_any = *out_any || text != NULL;
    }
    return true;
}

/* Key and text one after the other. */
static void
add_pair(const DmSqlRow *row, void *user_data)
{
    g_ptr_array_add(user_data, g_strdup(dm_sql_text(row, 0)));
    g_ptr_array_add(user_data, g_strdup(dm_sql_text(row, 1)));
}

static bool
seal_one(DmStore *store, unsigned column, const char *key, const char *text, GError **error)
{
    g_autofree char *sealed = dm_store_close_text(store, sealed_columns[column].purpose, text);
    const DmSqlValue values[] = {DM_SQL_TEXT(key), DM_SQL_TEXT(sealed)};

    return dm_store_write(store,
                          sealed_columns[column].update,
                          values,
                          G_N_ELEMENTS(values),
                          NULL,
                          error);
}

static bool
seal_column(DmStore *store, unsigned column, unsigned *n_sealed, GError **error)
{
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);

    if (!dm_store_read(store, sealed_columns[column].in_clear, NULL, 0, add_pair, pairs, error)) {
        return false;
    }
    for (guint i = 0; i < pairs->len; i += 2) {
        if (!seal_one(store, column, pairs->pdata[i], pairs->pdata[i + 1], error)) {
            return false;
        }
        (*n_sealed)++;
    }
    return true;
}

/* Whether it opens what was sealed before. */
static bool
is_right_key(DmStore *store, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(sealed_columns); i++) {
        g_autofree char *sealed = NULL;
        g_autofree char *text = NULL;

        if (!find_sealed(store, i, &sealed, error)) {
            return false;
        }
        if (sealed != NULL) {
            text = dm_store_open_text(store, sealed_columns[i].purpose, sealed, error);
        }
        if (sealed != NULL && text == NULL) {
            return false;
        }
    }
    return true;
}

static bool
seal_all(DmStore *store, GError **error)
{
    unsigned n_sealed = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(sealed_columns); i++) {
        if (!seal_column(store, i, &n_sealed, error)) {
            return false;
        }
    }
    return n_sealed == 0 ||
           (dm_store_write(store, "VACUUM", NULL, 0, NULL, error) &&
            dm_store_write(store, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, 0, NULL, error));
}

bool
dm_store_use_key(DmStore *store, const char *path, GError **error)
{
    bool any;

    if (!is_any_sealed(store, &any, error)) {
        return false;
    }
    store->seal = dm_seal_new(path, !any, error);
    if (store->seal == NULL) {
        g_prefix_error(error, "key of the database: ");
        return false;
    }
    return is_right_key(store, error) && seal_all(store, error);
}

/* --- Named values --- */

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
    if (value != NULL) {
        g_autofree char *stored = value;

        return dm_store_open_text(store, DM_STORE_SEAL_VALUE, stored, error);
    }
    return dm_store_found(NULL, "value", key, error);
}

bool
dm_store_set_value(DmStore *store, const char *key, const char *value, GError **error)
{
    g_autofree char *stored = dm_store_close_text(store, DM_STORE_SEAL_VALUE, value);
    DmSqlValue values[] = {DM_SQL_TEXT(key), DM_SQL_TEXT(stored)};

    return dm_store_write(store,
                          "INSERT INTO named_values (name, value) VALUES (?1, ?2)"
                          " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                          values,
                          G_N_ELEMENTS(values),
                          NULL,
                          error);
}
