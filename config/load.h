/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

/* Configuration files: YAML or JSON (which is YAML), read into the same json_t as the API's bodies.
 */

typedef struct DmDocument DmDocument;

/* Reads and parses. Depth, size (4 MiB) and the number of nodes (200 000) are bounded; anchors and
 * tags are refused; duplicate keys are refused. Error: DM_ERROR_IO or DM_ERROR_PARSE with
 * "file:line:column: what". */
DmDocument *dm_document_load(const char *path, GError **error);
DmDocument *dm_document_parse(const char *text, size_t len, const char *name, GError **error);
void dm_document_free(DmDocument *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmDocument, dm_document_free)

/* (transfer none) */
const json_t *dm_document_json(const DmDocument *document);
/* The line of the value at @pointer, or of the nearest one above it; 0 when unknown. */
unsigned dm_document_line(const DmDocument *document, const char *pointer);
/* One line a problem, as people read them: "demarc.yaml:12: /trunks/0/uri: ..." (transfer full) */
char *dm_document_explain(const DmDocument *document, const DmProblems *problems);
