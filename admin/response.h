/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "config/config.h"

/* One answer, free of HTTP's library. */
typedef struct {
    int status; /* 0: not answered yet */
    const char *content_type;
    GString *body;
    GPtrArray *headers; /* char *: name, value, name, value, ... */
} DmResponse;

#define DM_TYPE_JSON    "application/json"
#define DM_TYPE_PROBLEM "application/problem+json"
#define DM_TYPE_NDJSON  "application/x-ndjson"
#define DM_TYPE_CSV     "text/csv"
#define DM_TYPE_TEXT    "text/plain"
#define DM_TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

void dm_response_init(DmResponse *response);
void dm_response_clear(DmResponse *response);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DmResponse, dm_response_clear)

void dm_response_header(DmResponse *response, const char *name, const char *value);
/* NULL: absent. */
const char *dm_response_get_header(const DmResponse *response, const char *name);
/* @json: (transfer full) */
void dm_response_json(DmResponse *response, int status, json_t *json);
void dm_response_text(DmResponse *response, int status, const char *type, const char *text);
/* Without a body. */
void dm_response_empty(DmResponse *response, int status);
const char *dm_http_phrase(int status); /* "Not Found" */

/* --- problem.c: RFC 9457 --- */

/* "code" is for programs and never changes ("not_found"); "detail" is a sentence for people. Takes
 * the place of whatever was answered before. */
void dm_problem(DmResponse *response, int status, const char *code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* With errors[{pointer, code, detail}]. */
void dm_problem_list(DmResponse *response,
                     int status,
                     const char *code,
                     const char *detail,
                     const DmProblems *problems);
/* The status that tells what a GError means: 404, 409, 503 for a deadline, 501, 500. */
void dm_problem_from_error(DmResponse *response, const GError *error);
