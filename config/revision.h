/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

/* Configuration as numbered changes. The file's resources are provisioned and read-only; the API's
 * resources live in a document of their own ("trunks", "routes", ... as arrays of objects with
 * ids), kept by the store as revisions. The effective document is the file's with the API's
 * appended. All functions are pure. */

/* One write. */
typedef enum {
    DM_CHANGE_CREATE,  /* body; the id from body or made from its name */
    DM_CHANGE_REPLACE, /* PUT */
    DM_CHANGE_MERGE,   /* PATCH: RFC 7396 */
    DM_CHANGE_DELETE,
} DmChangeKind;

typedef struct {
    DmChangeKind kind;
    const char *collection; /* "trunks", "routes" */
    const char *id;         /* NULL for create */
    const json_t *body;     /* NULL for delete */
} DmChange;

typedef enum {
    DM_CHANGE_OK,
    DM_CHANGE_INVALID, /* @problems says why; pointers are relative to the body */
    DM_CHANGE_NOT_FOUND,
    DM_CHANGE_EXISTS,      /* create with an id that is there */
    DM_CHANGE_REFERENCED,  /* delete of what others name; @problems lists them */
    DM_CHANGE_PROVISIONED, /* belongs to the file */
} DmChangeVerdict;

/**
 * dm_change_apply:
 * @file: (transfer none): the file's document
 * @api: (transfer none): the API's document as of the last revision
 * @out_api: (transfer full): the API's document after the change
 * @out_config: (transfer full): the effective configuration after the change, validated whole
 * @out_id: (transfer full): the id of the resource
 */
DmChangeVerdict dm_change_apply(const json_t *file,
                                const json_t *api,
                                const DmChange *change,
                                json_t **out_api,
                                DmConfig **out_config,
                                char **out_id,
                                DmProblems *problems);

/* The effective document. (transfer full) */
json_t *dm_revision_merge(const json_t *file, const json_t *api);
/* What differs, as an array of {"op","pointer","old","new"}; secrets masked. (transfer full) */
json_t *dm_revision_diff(const json_t *old_api, const json_t *new_api);
/* A resource as the API shows it: secrets as {"set":true}, defaults filled in, "provisioned" added.
 * (transfer full) */
json_t *dm_resource_show(const DmConfig *config, const char *collection, const char *id);
/* A strong validator of one resource's stored text, for ETag: 16 hex digits and NUL. */
void dm_resource_etag(const json_t *shown, char out[17]);
