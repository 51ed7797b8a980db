/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the store asks of a database: one connection, used by one thread at a time. Statements are
 * written in the SQL that SQLite and PostgreSQL share, with parameters ?1, ?2, ... */
typedef struct DmSql DmSql;
typedef struct DmSqlRow DmSqlRow;

/* A parameter; text is borrowed. */
typedef struct {
    enum { DM_SQL_TYPE_NULL, DM_SQL_TYPE_INTEGER, DM_SQL_TYPE_TEXT } type;
    int64_t integer;
    const char *text;
} DmSqlValue;

#define DM_SQL_INT(value) ((DmSqlValue){.type = DM_SQL_TYPE_INTEGER, .integer = (int64_t)(value)})
/* NULL is SQL's NULL. */
#define DM_SQL_TEXT(value) dm_sql_text_value(value)

static inline DmSqlValue
dm_sql_text_value(const char *text)
{
    return (DmSqlValue){.type = text != NULL ? DM_SQL_TYPE_TEXT : DM_SQL_TYPE_NULL, .text = text};
}

/* Called for each row of a result; @row lives until it returns. */
typedef void (*DmSqlRowFunc)(const DmSqlRow *row, void *user_data);

typedef struct {
    void (*close)(DmSql *sql);
    /* One statement. @row may be NULL. Errors: DM_ERROR_CONFLICT (a key that must be unique is
     * there already), DM_ERROR_LIMIT (past the deadline), DM_ERROR_IO. */
    bool (*run)(DmSql *sql,
                const char *text,
                const DmSqlValue *values,
                size_t n,
                DmSqlRowFunc row,
                void *user_data,
                GError **error);
    /* Rows the last statement inserted, changed or removed. */
    int64_t (*changes)(DmSql *sql);
    /* Several statements without parameters. */
    bool (*script)(DmSql *sql, const char *text, GError **error);
    bool (*begin)(DmSql *sql, GError **error);
    bool (*commit)(DmSql *sql, GError **error);
    void (*rollback)(DmSql *sql);
    /* The number of the last migration applied. */
    bool (*version)(DmSql *sql, int *out_version, GError **error);
    bool (*set_version)(DmSql *sql, int version, GError **error);
    /* Columns of a row, from 0. Text is borrowed and NULL where SQL has NULL. */
    int64_t (*integer)(const DmSqlRow *row, int column);
    const char *(*text)(const DmSqlRow *row, int column);
} DmSqlOps;

/* The head of every connection. */
struct DmSql {
    const DmSqlOps *ops;
};

struct DmSqlRow {
    const DmSqlOps *ops;
    void *native;
};

static inline int64_t
dm_sql_integer(const DmSqlRow *row, int column)
{
    return row->ops->integer(row, column);
}

static inline const char *
dm_sql_text(const DmSqlRow *row, int column)
{
    return row->ops->text(row, column);
}

/* @max_us: how long one statement may take; 0: as long as it wants. */
DmSql *dm_sqlite_open(const char *path, int64_t max_us, GError **error);
