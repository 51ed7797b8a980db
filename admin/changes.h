/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/api.h"
#include "config/revision.h"

/* Writes to the configuration, one at a time: checked whole, kept as a numbered revision, then put
 * in force. Any thread. */
typedef struct DmChanges DmChanges;

DmChanges *dm_changes_new(DmApi *api, const json_t *document, uint64_t revision);
void dm_changes_free(DmChanges *changes);

/* The API's document as it is now. (transfer full) */
json_t *dm_changes_document(DmChanges *changes, uint64_t *out_revision);

/* Makes @change unless the request is a dry run, and answers: 200, 201 or 204 with ETag, Location
 * and Demarc-Revision; 404, 409 (exists, is referenced, belongs to the file), 412 (If-Match), 422
 * with pointers. */
void dm_changes_run(DmApi *api, DmRequest *request, const DmChange *change, DmResponse *response);

/* Puts the document of an earlier revision in force again, as a new revision, and answers. */
void dm_changes_roll_back(DmApi *api, DmRequest *request, uint64_t revision, DmResponse *response);
