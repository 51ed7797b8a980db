/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "gateway/store/store.h"

/* A record between the shape the API shows and the row the store keeps. Pure. */

/* What dm_cdr_row_init() had to make; strings of the row are borrowed from it and from the JSON. */
typedef struct {
    DmStoreRecord row;
    char *numbers;
    char *text;
} DmCdrRow;

/* @json: a whole record; must outlive the row. @end_wall_us: see DmStoreRecord. */
void dm_cdr_row_init(DmCdrRow *row, const json_t *json, int64_t start_wall_us, int64_t end_wall_us);
void dm_cdr_row_clear(DmCdrRow *row);

/* Ends a record that a crash left open, at @alive_wall_us: when its media was last heard. Side
 * gateway, diagnosis "restart", text "ended_by=restart" (CDR-1). */
void dm_cdr_close_unfinished(json_t *json, int64_t start_wall_us, int64_t alive_wall_us);
