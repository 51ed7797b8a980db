/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/store/seal.h"
#include "gateway/store/sql.h"
#include "gateway/store/store.h"

/* A connection and the turn to use it. */
typedef struct {
    GMutex lock; /* protects sql */
    DmSql *sql;
} DmStoreConnection;

struct DmStore {
    DmStoreConnection writer;
    DmStoreConnection reader; /* without a connection of its own for ":memory:" */
    int lock_fd;              /* held as long as we have the file; -1: none */
    DmSeal *seal;             /* set once before others use the store; NULL: texts are in clear */
};

/* One statement that changes something. @out_changes may be NULL. */
bool dm_store_write(DmStore *store,
                    const char *text,
                    const DmSqlValue *values,
                    size_t n,
                    int64_t *out_changes,
                    GError **error);
/* One statement that reads. */
bool dm_store_read(DmStore *store,
                   const char *text,
                   const DmSqlValue *values,
                   size_t n,
                   DmSqlRowFunc row,
                   void *user_data,
                   GError **error);

/* Several statements, all or none. @func runs them on the connection given. */
typedef bool (*DmStoreStepsFunc)(DmSql *sql, void *user_data, GError **error);
bool dm_store_transaction(DmStore *store, DmStoreStepsFunc func, void *user_data, GError **error);

/* What is written for @text, and @text again; as it is without a key. (transfer full) */
char *dm_store_close_text(const DmStore *store, const char *purpose, const char *text);
char *dm_store_open_text(const DmStore *store,
                         const char *purpose,
                         const char *text,
                         GError **error);
#define DM_STORE_SEAL_REVISION "a revision"
#define DM_STORE_SEAL_VALUE    "a value"

/* Sets DM_ERROR_NOT_FOUND and returns NULL when @found is NULL and nothing is wrong yet. */
void *dm_store_found(void *found, const char *what, const char *name, GError **error);
