/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/store/sql.h"

/* Prepared statements kept. The store has fewer fixed ones; queries with filters make many. */
#define MAX_KEPT 64
/* Virtual machine instructions between two looks at the clock. */
#define DEADLINE_STEPS 10000
#define BUSY_MS        2000

typedef struct {
    DmSql sql;
    sqlite3 *db;
    GHashTable *kept; /* SQL text -> sqlite3_stmt */
    int64_t max_us;
    int64_t deadline_mono_us; /* of the statement that runs */
    bool late;
} Sqlite;

static void
finalize(gpointer statement)
{
    sqlite3_finalize(statement);
}

static void
set_error(Sqlite *sqlite, GError **error)
{
    int code = sqlite3_extended_errcode(sqlite->db);
    DmErrorCode kind = DM_ERROR_IO;

    if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
        kind = DM_ERROR_CONFLICT;
    } else if (sqlite->late) {
        kind = DM_ERROR_LIMIT;
    }
    g_set_error(error,
                DM_ERROR,
                kind,
                "database: %s",
                sqlite->late ? "the query took too long" : sqlite3_errmsg(sqlite->db));
}

static int
check_deadline(void *user_data)
{
    Sqlite *sqlite = user_data;

    sqlite->late = g_get_monotonic_time() > sqlite->deadline_mono_us;
    return sqlite->late;
}

/* @out_keep: false when the caller finalizes it. */
static sqlite3_stmt *
prepare(Sqlite *sqlite, const char *text, bool *out_keep, GError **error)
{
    sqlite3_stmt *statement = g_hash_table_lookup(sqlite->kept, text);

    *out_keep = true;
    if (statement != NULL) {
        return statement;
    }
    if (sqlite3_prepare_v3(sqlite->db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK) {
        set_error(sqlite, error);
        return NULL;
    }
    *out_keep = g_hash_table_size(sqlite->kept) < MAX_KEPT;
    if (*out_keep) {
        g_hash_table_insert(sqlite->kept, g_strdup(text), statement);
    }
    return statement;
}

static void
bind(sqlite3_stmt *statement, const DmSqlValue *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int place = (int)i + 1;

        switch (values[i].type) {
        case DM_SQL_TYPE_INTEGER:
            sqlite3_bind_int64(statement, place, values[i].integer);
            break;
        case DM_SQL_TYPE_TEXT:
            sqlite3_bind_text(statement, place, values[i].text, -1, SQLITE_STATIC);
            break;
        case DM_SQL_TYPE_NULL:
        default:
            sqlite3_bind_null(statement, place);
        }
    }
}

static const DmSqlOps sqlite_ops;

static bool
step_all(Sqlite *sqlite, sqlite3_stmt *statement, DmSqlRowFunc func, void *user_data)
{
    DmSqlRow row = {&sqlite_ops, statement};
    int result;

    sqlite->late = false;
    sqlite->deadline_mono_us = g_get_monotonic_time() + sqlite->max_us;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        if (func != NULL) {
            func(&row, user_data);
        }
    }
    return result == SQLITE_DONE;
}

static bool
sqlite_run(DmSql *sql,
           const char *text,
           const DmSqlValue *values,
           size_t n,
           DmSqlRowFunc func,
           void *user_data,
           GError **error)
{
    Sqlite *sqlite = (Sqlite *)sql;
    bool keep;
    bool ok;
    sqlite3_stmt *statement = prepare(sqlite, text, &keep, error);

    if (statement == NULL) {
        return false;
    }
    bind(statement, values, n);
    ok = step_all(sqlite, statement, func, user_data);
    if (!ok) {
        set_error(sqlite, error);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (!keep) {
        sqlite3_finalize(statement);
    }
    return ok;
}

static int64_t
sqlite_changes(DmSql *sql)
{
    return sqlite3_changes(((Sqlite *)sql)->db);
}

static bool
sqlite_script(DmSql *sql, const char *text, GError **error)
{
    Sqlite *sqlite = (Sqlite *)sql;

    sqlite->late = false;
    sqlite->deadline_mono_us = G_MAXINT64;
    if (sqlite3_exec(sqlite->db, text, NULL, NULL, NULL) != SQLITE_OK) {
        set_error(sqlite, error);
        return false;
    }
    return true;
}

/* IMMEDIATE: takes its turn at writing at once, so that it cannot fail half-way with "busy". */
static bool
sqlite_begin(DmSql *sql, GError **error)
{
    return sqlite_run(sql, "BEGIN IMMEDIATE", NULL, 0, NULL, NULL, error);
}

static bool
sqlite_commit(DmSql *sql, GError **error)
{
    return sqlite_run(sql, "COMMIT", NULL, 0, NULL, NULL, error);
}

static void
sqlite_rollback(DmSql *sql)
{
    /* Some errors have rolled back already. */
    if (sqlite3_get_autocommit(((Sqlite *)sql)->db) == 0) {
        sqlite_run(sql, "ROLLBACK", NULL, 0, NULL, NULL, NULL);
    }
}

static int64_t
sqlite_integer(const DmSqlRow *row, int column)
{
    return sqlite3_column_int64(row->native, column);
}

static const char *
sqlite_text(const DmSqlRow *row, int column)
{
    return (const char *)sqlite3_column_text(row->native, column);
}

static void
take_version(const DmSqlRow *row, void *user_data)
{
    int *version = user_data;

    *version = (int)dm_sql_integer(row, 0);
}

static bool
sqlite_version(DmSql *sql, int *out_version, GError **error)
{
    return sqlite_run(sql, "PRAGMA user_version", NULL, 0, take_version, out_version, error);
}

static bool
sqlite_set_version(DmSql *sql, int version, GError **error)
{
    g_autofree char *text = g_strdup_printf("PRAGMA user_version = %d", version);

    return sqlite_script(sql, text, error);
}

static void
sqlite_close(DmSql *sql)
{
    Sqlite *sqlite = (Sqlite *)sql;

    g_hash_table_unref(sqlite->kept);
    sqlite3_close(sqlite->db);
    g_free(sqlite);
}

static const DmSqlOps sqlite_ops = {
    .close = sqlite_close,
    .run = sqlite_run,
    .changes = sqlite_changes,
    .script = sqlite_script,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .version = sqlite_version,
    .set_version = sqlite_set_version,
    .integer = sqlite_integer,
    .text = sqlite_text,
};

/* The file holds hashes of tokens and the configuration's secrets: for its owner only. SQLite gives
 * its companions (-wal, -shm) the same mode. */
static bool
make_private(const char *path, GError **error)
{
    int fd;

    if (strcmp(path, ":memory:") == 0) {
        return true;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        dm_error_set_errno(error, errno, path);
        return false;
    }
    close(fd);
    return true;
}

DmSql *
dm_sqlite_open(const char *path, int64_t max_us, GError **error)
{
    Sqlite *sqlite;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    if (!make_private(path, error)) {
        return NULL;
    }
    sqlite = g_new0(Sqlite, 1);
    sqlite->sql.ops = &sqlite_ops;
    sqlite->max_us = max_us;
    sqlite->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, finalize);
    if (sqlite3_open_v2(path, &sqlite->db, flags, NULL) != SQLITE_OK) {
        set_error(sqlite, error);
        sqlite_close(&sqlite->sql);
        return NULL;
    }
    sqlite3_busy_timeout(sqlite->db, BUSY_MS);
    if (max_us > 0) {
        sqlite3_progress_handler(sqlite->db, DEADLINE_STEPS, check_deadline, sqlite);
    }
    /* The limit is what the write-ahead log shrinks back to after a burst. */
    if (!sqlite_script(&sqlite->sql,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
                       error)) {
        sqlite_close(&sqlite->sql);
        return NULL;
    }
    return &sqlite->sql;
}
