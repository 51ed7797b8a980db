/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "gateway/cdr/record.h"
#include "gateway/store/store.h"

/* A record between the shape the API shows and the row the store keeps. Pure. */

#define DM_CDR_ROW_TEXTS 7

/* A row with the texts it borrows. */
typedef struct {
    DmStoreRecord row;
    char *texts[DM_CDR_ROW_TEXTS];
    size_t n_texts;
} DmCdrRow;

/* @node: as for dm_record_print(). @end_wall_us: see DmStoreRecord. */
void dm_cdr_row_init(DmCdrRow *row, const DmRecord *record, const char *node, int64_t end_wall_us);
/* @json: a whole record, as it was stored */
void dm_cdr_row_init_from_json(DmCdrRow *row,
                               const json_t *json,
                               int64_t start_wall_us,
                               int64_t end_wall_us);
void dm_cdr_row_clear(DmCdrRow *row);

/* Ends a record that a crash left open, at @alive_wall_us: when its media was last heard. Side
 * gateway, diagnosis "restart", text "ended_by=restart" (CDR-1). */
void dm_cdr_close_unfinished(json_t *json, int64_t start_wall_us, int64_t alive_wall_us);
