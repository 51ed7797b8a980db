/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "gateway/base/address.h"
#include "gateway/store/store.h"

/* One request, free of HTTP's library: what a handler sees and what tests make by hand. */

#define DM_REQUEST_MAX_BODY   (1024 * 1024)
#define DM_REQUEST_MAX_PARAMS 2

typedef struct {
    char *method;        /* "GET" */
    char *path;          /* as sent, without the query */
    GHashTable *query;   /* decoded name -> value */
    GHashTable *headers; /* lower-case name -> value */
    GString *body;
    DmAddress remote;

    /* filled in on the way to the handler */
    char *params[DM_REQUEST_MAX_PARAMS]; /* of the path's template, in order, decoded */
    DmStoreToken *token;                 /* who asks; NULL where anyone may */
    json_t *json;                        /* the body; NULL: none */
    bool dry_run;                        /* ?dry_run=true */
} DmRequest;

/* @target: "/path?query" as in the request line. NULL when it cannot be decoded: bad percent
 * escapes, control characters, a name twice, more than 64 names. (transfer full) */
DmRequest *dm_request_new(const char *method, const char *target);
void dm_request_free(DmRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmRequest, dm_request_free)

void dm_request_set_header(DmRequest *request, const char *name, const char *value);
/* NULL: absent. @name in lower case. */
const char *dm_request_header(const DmRequest *request, const char *name);
const char *dm_request_query(const DmRequest *request, const char *name);
/* A header or part of one without its parameters and blanks, in lower case: "application/json".
 * (transfer full) */
char *dm_request_media_type(const DmRequest *request);

/* Percent-decodes @len bytes; NULL for a bad escape or a control character. (transfer full) */
char *dm_percent_decode(const char *text, size_t len, bool plus_is_space);

/* The offer (a NULL-terminated array of media types) the client likes best, by q and then by the
 * server's order (RFC 9110, 12.5.1); -1: none. No Accept: the first. */
int dm_request_accepts(const DmRequest *request, const char *const *offers);
