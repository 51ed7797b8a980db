/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call.h"

/* The live calls of one signalling worker: look up, count, drain. Owns them. */
typedef struct DmCallTable DmCallTable;

DmCallTable *dm_call_table_new(void);
/* Calls still there are freed; hang up and let the loop finish them first. */
void dm_call_table_free(DmCallTable *table);
void dm_call_table_add(DmCallTable *table, DmCall *call);
/* Frees @call, which is over. */
void dm_call_table_remove(DmCallTable *table, DmCall *call);
/* The call that was in the table as @call_id has another id now (hand-over.h). */
void dm_call_table_rename(DmCallTable *table, const char *call_id);
DmCall *dm_call_table_find(DmCallTable *table, const char *call_id);
size_t dm_call_table_count(const DmCallTable *table);
void dm_call_table_foreach(DmCallTable *table,
                           void (*func)(DmCall *call, void *user_data),
                           void *user_data);
