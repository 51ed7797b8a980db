/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/request.h"
#include "admin/response.h"
#include "config/json-table.h"

/* Reads a body by the table of its members into @out; see dm_json_read(). Answers 422 with pointers
 * and returns false when it is not as it should be. Strings of @out are the caller's either way. */
bool dm_body_read(const DmRequest *request,
                  const DmJsonMember *members,
                  void *out,
                  DmResponse *response);
