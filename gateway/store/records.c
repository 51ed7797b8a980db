/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/store/store-priv.h"

#define MAX_LIMIT 1000
/* Rows removed in one statement, so that records can be written in between. */
#define PRUNE_STEP 500

#define COLUMNS "id, json, ended, start_us, end_us, sequence"

void
dm_stored_record_free(DmStoredRecord *record)
{
    if (record == NULL) {
        return;
    }
    g_free(record->id);
    g_free(record->json);
    g_free(record);
}

static DmStoredRecord *
record_from_row(const DmSqlRow *row)
{
    DmStoredRecord *record = g_new0(DmStoredRecord, 1);

    record->id = g_strdup(dm_sql_text(row, 0));
    record->json = g_strdup(dm_sql_text(row, 1));
    record->ended = dm_sql_integer(row, 2) != 0;
    record->start_wall_us = dm_sql_integer(row, 3);
    record->alive_wall_us = dm_sql_integer(row, 4);
    record->sequence = dm_sql_integer(row, 5);
    return record;
}

static void
add_record(const DmSqlRow *row, void *user_data)
{
    g_ptr_array_add(user_data, record_from_row(row));
}

static void
take_record(const DmSqlRow *row, void *user_data)
{
    DmStoredRecord **record = user_data;

    *record = record_from_row(row);
}

/* (transfer full), NULL with @error */
static GPtrArray *
read_records(DmStore *store, const char *text, const DmSqlValue *values, size_t n, GError **error)
{
    GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)dm_stored_record_free);

    if (!dm_store_read(store, text, values, n, add_record, records, error)) {
        g_clear_pointer(&records, g_ptr_array_unref);
    }
    return records;
}

/* --- Writing --- */

typedef struct {
    const DmStoreRecord *rows;
    size_t n;
    int64_t sequence; /* of the last record that ended */
} Batch;

static void
take_integer(const DmSqlRow *row, void *user_data)
{
    int64_t *integer = user_data;

    *integer = dm_sql_integer(row, 0);
}

/* A row that has ended is final; a row that has not gives way to one that has. */
static bool
write_row(DmSql *sql, const DmStoreRecord *row, int64_t sequence, GError **error)
{
    const DmSqlValue values[] = {
        DM_SQL_TEXT(row->id),
        DM_SQL_INT(row->ended),
        DM_SQL_INT(row->start_wall_us),
        DM_SQL_INT(row->end_wall_us),
        DM_SQL_INT(sequence),
        DM_SQL_TEXT(row->trunk_a != NULL ? row->trunk_a : ""),
        DM_SQL_TEXT(row->trunk_b != NULL ? row->trunk_b : ""),
        DM_SQL_TEXT(row->direction != NULL ? row->direction : ""),
        DM_SQL_TEXT(row->diagnosis != NULL ? row->diagnosis : ""),
        DM_SQL_TEXT(row->numbers != NULL ? row->numbers : ""),
        DM_SQL_INT(row->code),
        DM_SQL_INT(row->duration_ms),
        DM_SQL_TEXT(row->json),
    };

    return sql->ops->run(
        sql,
        "INSERT INTO records (id, ended, start_us, end_us, sequence, trunk_a, trunk_b, direction,"
        "  diagnosis, numbers, code, duration_ms, json)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        " ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, end_us = excluded.end_us,"
        "  sequence = excluded.sequence, trunk_a = excluded.trunk_a, trunk_b = excluded.trunk_b,"
        "  direction = excluded.direction, diagnosis = excluded.diagnosis,"
        "  numbers = excluded.numbers, code = excluded.code, duration_ms = excluded.duration_ms,"
        "  json = excluded.json"
        " WHERE records.ended = 0 AND excluded.ended = 1",
        values,
        G_N_ELEMENTS(values),
        NULL,
        NULL,
        error);
}

/* Sequences go on after the rows that had them are pruned, so a sink never misses one. */
static bool
read_sequence(DmSql *sql, int64_t *out_sequence, GError **error)
{
    return sql->ops->run(sql,
                         "SELECT value FROM named_values WHERE name = 'records.sequence'",
                         NULL,
                         0,
                         take_integer,
                         out_sequence,
                         error);
}

static bool
write_sequence(DmSql *sql, int64_t sequence, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_INT(sequence)};

    return sql->ops->run(sql,
                         "INSERT INTO named_values (name, value) VALUES ('records.sequence', ?1)"
                         " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                         values,
                         G_N_ELEMENTS(values),
                         NULL,
                         NULL,
                         error);
}

static bool
write_batch(DmSql *sql, void *user_data, GError **error)
{
    Batch *batch = user_data;

    if (!read_sequence(sql, &batch->sequence, error)) {
        return false;
    }
    for (size_t i = 0; i < batch->n; i++) {
        const DmStoreRecord *row = &batch->rows[i];

        if (!write_row(sql, row, row->ended ? ++batch->sequence : 0, error)) {
            return false;
        }
    }
    return write_sequence(sql, batch->sequence, error);
}

bool
dm_store_records_write(DmStore *store, const DmStoreRecord *rows, size_t n, GError **error)
{
    Batch batch = {rows, n, 0};

    return n == 0 || dm_store_transaction(store, write_batch, &batch, error);
}

typedef struct {
    const char *const *ids;
    size_t n;
    int64_t wall_us;
} Alive;

static bool
write_alive(DmSql *sql, void *user_data, GError **error)
{
    const Alive *alive = user_data;

    for (size_t i = 0; i < alive->n; i++) {
        const DmSqlValue values[] = {DM_SQL_TEXT(alive->ids[i]), DM_SQL_INT(alive->wall_us)};

        if (!sql->ops->run(sql,
                           "UPDATE records SET end_us = ?2 WHERE id = ?1 AND ended = 0"
                           " AND end_us < ?2",
                           values,
                           G_N_ELEMENTS(values),
                           NULL,
                           NULL,
                           error)) {
            return false;
        }
    }
    return true;
}

bool
dm_store_records_alive(DmStore *store,
                       const char *const *ids,
                       size_t n,
                       int64_t wall_us,
                       GError **error)
{
    Alive alive = {ids, n, wall_us};

    return n == 0 || dm_store_transaction(store, write_alive, &alive, error);
}

int64_t
dm_store_records_prune(DmStore *store, int64_t wall_us, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_INT(wall_us), DM_SQL_INT(PRUNE_STEP)};
    int64_t total = 0;
    int64_t removed;

    do {
        if (!dm_store_write(store,
                            "DELETE FROM records WHERE id IN (SELECT id FROM records"
                            " WHERE ended = 1 AND end_us < ?1 LIMIT ?2)",
                            values,
                            G_N_ELEMENTS(values),
                            &removed,
                            error)) {
            return -1;
        }
        total += removed;
    } while (removed == PRUNE_STEP);
    return total;
}

/* --- Reading --- */

DmStoredRecord *
dm_store_record(DmStore *store, const char *id, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_TEXT(id)};
    DmStoredRecord *record = NULL;

    if (!dm_store_read(store,
                       "SELECT " COLUMNS " FROM records WHERE id = ?1",
                       values,
                       G_N_ELEMENTS(values),
                       take_record,
                       &record,
                       error)) {
        return NULL;
    }
    return dm_store_found(record, "record", id, error);
}

GPtrArray *
dm_store_records_unfinished(DmStore *store, GError **error)
{
    return read_records(store,
                        "SELECT " COLUMNS " FROM records WHERE ended = 0 ORDER BY start_us",
                        NULL,
                        0,
                        error);
}

GPtrArray *
dm_store_records_ended_after(DmStore *store, int64_t sequence, unsigned limit, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_INT(sequence), DM_SQL_INT(limit)};

    return read_records(store,
                        "SELECT " COLUMNS " FROM records WHERE ended = 1 AND sequence > ?1"
                        " ORDER BY sequence LIMIT ?2",
                        values,
                        G_N_ELEMENTS(values),
                        error);
}

/* --- Reading with filters --- */

#define MAX_FILTERS 16

/* A WHERE clause as it grows: conditions have one parameter, written as %d. */
typedef struct {
    GString *text;
    DmSqlValue values[MAX_FILTERS];
    size_t n;
} Where;

static void
add_condition(Where *where, const char *condition, DmSqlValue value)
{
    g_autofree char *place = g_strdup_printf("?%zu", where->n + 1);
    g_autoptr(GString) text = g_string_new(condition);

    g_return_if_fail(where->n < MAX_FILTERS);

    g_string_replace(text, "?", place, 0);
    g_string_append(where->text, where->n == 0 ? " WHERE " : " AND ");
    g_string_append(where->text, text->str);
    where->values[where->n++] = value;
}

static void
add_text_condition(Where *where, const char *condition, const char *value)
{
    if (value != NULL && *value != '\0') {
        add_condition(where, condition, DM_SQL_TEXT(value));
    }
}

static void
add_integer_condition(Where *where, const char *condition, int64_t value)
{
    if (value > 0) {
        add_condition(where, condition, DM_SQL_INT(value));
    }
}

/* Where the last page ended. The start is compared alone first, which is what the index is good
 * for, and with the id to tell calls of the same microsecond apart. */
static void
add_place(Where *where, const DmStoreRecordQuery *query)
{
    if (query->after_id == NULL) {
        return;
    }
    add_condition(where,
                  query->ascending ? "start_us >= ?" : "start_us <= ?",
                  DM_SQL_INT(query->after_start_wall_us));
    where->values[where->n] = DM_SQL_TEXT(query->after_id);
    g_string_append_printf(where->text,
                           " AND (start_us, id) %s (?%zu, ?%zu)",
                           query->ascending ? ">" : "<",
                           where->n,
                           where->n + 1);
    where->n++;
}

static void
add_filters(Where *where, const DmStoreRecordQuery *query)
{
    add_integer_condition(where, "start_us >= ?", query->from_wall_us);
    add_integer_condition(where, "start_us < ?", query->to_wall_us);
    add_text_condition(where, "(trunk_a = ? OR trunk_b = ?)", query->trunk);
    add_text_condition(where, "instr(numbers, ?) > 0", query->number);
    add_text_condition(where, "diagnosis = ?", query->diagnosis);
    add_text_condition(where, "direction = ?", query->direction);
    add_integer_condition(where, "code = ?", query->code);
    add_integer_condition(where, "duration_ms >= ?", query->min_duration_ms);
    if (query->state != DM_STORE_ANY) {
        add_condition(where, "ended = ?", DM_SQL_INT(query->state == DM_STORE_ENDED));
    }
}

GPtrArray *
dm_store_records_query(DmStore *store, const DmStoreRecordQuery *query, GError **error)
{
    const char *order = query->ascending ? "ASC" : "DESC";
    g_autoptr(GString) text = g_string_new("SELECT " COLUMNS " FROM records");
    Where where = {text, {{0}}, 0};

    add_filters(&where, query);
    add_place(&where, query);
    g_string_append_printf(text,
                           " ORDER BY start_us %s, id %s LIMIT %u",
                           order,
                           order,
                           CLAMP(query->limit, 1, MAX_LIMIT));
    return read_records(store, text->str, where.values, where.n, error);
}
