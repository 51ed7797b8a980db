/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/request.h"
#include "admin/response.h"

/* Lists as the API gives them: {"items": [...], "next": cursor or null}, with ?limit, ?cursor,
 * ?sort=name,-order, ?fields=id,name and ?filter[name]=value. Pure. */

#define DM_LIST_DEFAULT 100
#define DM_LIST_MAX     1000

/* Answers 400 and returns false for a limit that is no number from 1 to @max. */
bool dm_list_limit(const DmRequest *request,
                   unsigned max,
                   unsigned *out_limit,
                   DmResponse *response);
/* As it is when there is no ?fields. @json: (transfer full). (transfer full) */
json_t *dm_list_fields(const DmRequest *request, json_t *json);
/* {"items", "next"}; both (transfer full), @next may be NULL. */
json_t *dm_list_page(json_t *items, const char *next);

/* Filters, sorts and cuts @items, objects with an "id", and answers. @items: (transfer full). A
 * member is named by its path with dots: "release.code". */
void dm_list_answer(const DmRequest *request, json_t *items, DmResponse *response);
