/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/api.h"
#include "config/revision.h"

/* Writes to the configuration, from the request to the answer. Any thread. */

/* Makes @change unless the request is a dry run, and answers: 200, 201 or 204 with ETag, Location
 * and Demarc-Revision; 404, 409 (exists, is referenced, belongs to the file), 412 (If-Match), 422
 * with pointers. */
void dm_changes_run(DmApi *api, DmRequest *request, const DmChange *change, DmResponse *response);

/* Puts the document of an earlier revision in force again, as a new revision, and answers. */
void dm_changes_roll_back(DmApi *api, DmRequest *request, uint64_t revision, DmResponse *response);
