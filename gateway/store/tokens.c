/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/store/store-priv.h"

#define COLUMNS "id, name, role, created_us, used_us, expires_us"

static const char *const role_names[DM_N_ROLES] = {
    [DM_ROLE_READ] = "read",
    [DM_ROLE_OPERATOR] = "operator",
    [DM_ROLE_ADMIN] = "admin",
};

const char *
dm_role_name(DmRole role)
{
    g_return_val_if_fail(role < DM_N_ROLES, "read");

    return role_names[role];
}

bool
dm_role_parse(const char *text, DmRole *out_role)
{
    for (int i = 0; i < DM_N_ROLES; i++) {
        if (g_strcmp0(text, role_names[i]) == 0) {
            *out_role = (DmRole)i;
            return true;
        }
    }
    return false;
}

void
dm_store_token_free(DmStoreToken *token)
{
    if (token == NULL) {
        return;
    }
    g_free(token->id);
    g_free(token->name);
    g_free(token);
}

/* A role this program does not know may do least. */
static DmStoreToken *
token_from_row(const DmSqlRow *row)
{
    DmStoreToken *token = g_new0(DmStoreToken, 1);

    token->id = g_strdup(dm_sql_text(row, 0));
    token->name = g_strdup(dm_sql_text(row, 1));
    token->role = DM_ROLE_READ;
    dm_role_parse(dm_sql_text(row, 2), &token->role);
    token->created_wall_us = dm_sql_integer(row, 3);
    token->last_used_wall_us = dm_sql_integer(row, 4);
    token->expires_wall_us = dm_sql_integer(row, 5);
    return token;
}

static void
add_token(const DmSqlRow *row, void *user_data)
{
    g_ptr_array_add(user_data, token_from_row(row));
}

static void
take_token(const DmSqlRow *row, void *user_data)
{
    DmStoreToken **token = user_data;

    *token = token_from_row(row);
}

char *
dm_store_hash_secret(const char *secret)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, secret, -1);
}

bool
dm_store_token_add(DmStore *store, const DmStoreToken *token, const char *hash, GError **error)
{
    const DmSqlValue values[] = {
        DM_SQL_TEXT(token->id),
        DM_SQL_TEXT(token->name),
        DM_SQL_TEXT(hash),
        DM_SQL_TEXT(dm_role_name(token->role)),
        DM_SQL_INT(token->created_wall_us),
        DM_SQL_INT(token->last_used_wall_us),
        DM_SQL_INT(token->expires_wall_us),
    };

    return dm_store_write(
        store,
        "INSERT INTO tokens (id, name, hash, role, created_us, used_us, expires_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values,
        G_N_ELEMENTS(values),
        NULL,
        error);
}

DmStoreToken *
dm_store_token_by_hash(DmStore *store, const char *hash, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_TEXT(hash)};
    DmStoreToken *token = NULL;

    if (!dm_store_read(store,
                       "SELECT " COLUMNS " FROM tokens WHERE hash = ?1",
                       values,
                       G_N_ELEMENTS(values),
                       take_token,
                       &token,
                       error)) {
        return NULL;
    }
    return dm_store_found(token, "token", "(by hash)", error);
}

DmStoreToken *
dm_store_token(DmStore *store, const char *id, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_TEXT(id)};
    DmStoreToken *token = NULL;

    if (!dm_store_read(store,
                       "SELECT " COLUMNS " FROM tokens WHERE id = ?1",
                       values,
                       G_N_ELEMENTS(values),
                       take_token,
                       &token,
                       error)) {
        return NULL;
    }
    return dm_store_found(token, "token", id, error);
}

GPtrArray *
dm_store_tokens(DmStore *store, GError **error)
{
    GPtrArray *tokens = g_ptr_array_new_with_free_func((GDestroyNotify)dm_store_token_free);

    if (!dm_store_read(store,
                       "SELECT " COLUMNS " FROM tokens ORDER BY name",
                       NULL,
                       0,
                       add_token,
                       tokens,
                       error)) {
        g_clear_pointer(&tokens, g_ptr_array_unref);
    }
    return tokens;
}

bool
dm_store_token_used(DmStore *store, const char *id, int64_t wall_us, GError **error)
{
    const DmSqlValue values[] = {DM_SQL_TEXT(id), DM_SQL_INT(wall_us)};

    return dm_store_write(store,
                          "UPDATE tokens SET used_us = ?2 WHERE id = ?1",
                          values,
                          G_N_ELEMENTS(values),
                          NULL,
                          error);
}

typedef struct {
    const char *id;
    int64_t wall_us;
} Deletion;

static void
count_row(const DmSqlRow *row, void *user_data)
{
    int *n = user_data;

    (*n)++;
}

static bool
delete_and_check(DmSql *sql, void *user_data, GError **error)
{
    const Deletion *deletion = user_data;
    const DmSqlValue id[] = {DM_SQL_TEXT(deletion->id)};
    const DmSqlValue now[] = {DM_SQL_INT(deletion->wall_us)};
    int admins = 0;

    if (!sql->ops->run(sql, "DELETE FROM tokens WHERE id = ?1", id, 1, NULL, NULL, error)) {
        return false;
    }
    if (sql->ops->changes(sql) == 0) {
        return dm_store_found(NULL, "token", deletion->id, error) != NULL;
    }
    if (!sql->ops->run(sql,
                       "SELECT id FROM tokens WHERE role = 'admin'"
                       " AND (expires_us = 0 OR expires_us > ?1) LIMIT 1",
                       now,
                       1,
                       count_row,
                       &admins,
                       error)) {
        return false;
    }
    if (admins == 0) {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFLICT, "it is the last admin token");
    }
    return admins > 0;
}

bool
dm_store_token_delete(DmStore *store, const char *id, int64_t wall_us, GError **error)
{
    Deletion deletion = {id, wall_us};

    return dm_store_transaction(store, delete_and_check, &deletion, error);
}
