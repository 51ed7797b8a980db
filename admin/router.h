/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "admin/api.h"

/* Answers one operation. The request has been authenticated, its body parsed and its query checked
 * against the operation's names. */
typedef void (*DmHandler)(DmApi *api, DmRequest *request, DmResponse *response);

typedef enum {
    DM_BODY_NONE,     /* a body is refused */
    DM_BODY_OPTIONAL, /* JSON or nothing */
    DM_BODY_JSON,
    DM_BODY_MERGE, /* application/merge-patch+json or application/json */
} DmBodyKind;

/* One operation of the API: everything that is known about it without running it. */
typedef struct {
    const char *method;
    const char *path; /* "/api/v1/trunks/{id}" */
    DmHandler handler;
    bool is_public; /* without a token */
    DmRole role;    /* the least one that may */
    DmBodyKind body;
    const char *const *query;    /* names it knows; "filter[]" stands for any filter[x] */
    const char *const *produces; /* media types, the usual one first */
} DmOperation;

/* Every operation there is, ended by one without a method. */
extern const DmOperation dm_operations[];

typedef enum {
    DM_MATCH_OK,
    DM_MATCH_NO_PATH,
    DM_MATCH_NO_METHOD, /* the path is known, and allows what dm_router_allow() says */
} DmMatch;

/* Fills in the request's parameters. HEAD is GET. */
DmMatch dm_router_match(DmRequest *request, const DmOperation **out_operation);
/* "GET, HEAD, PUT" (transfer full) */
char *dm_router_allow(const char *path);
