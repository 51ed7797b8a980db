/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "gateway/base/address.h"
#include "gateway/gateway.h"
#include "gateway/store/store.h"

/* The REST API under /api/v1 (docs/api/openapi.yaml), /healthz, /readyz and /metrics: a thread that
 * talks HTTP and a small pool that answers. */
typedef struct DmAdmin DmAdmin;

/* Everything is borrowed; gateway and store outlive the admin side. */
typedef struct {
    DmGateway *gateway;
    DmStore *store;
    const json_t *file;             /* the configuration file's document: provisioned resources */
    const json_t *document;         /* the API's document as of dm_admin_load_document() */
    uint64_t revision;              /* its number */
    DmAddress address;              /* port 0: any free one */
    const char *tls_cert, *tls_key; /* PEM files; NULL or "": plain HTTP */
    unsigned max_connections, threads, requests_per_second; /* 0: 64, 4, 50 */
} DmAdminOptions;

/* Errors: DM_ERROR_IO (the port is taken, a certificate cannot be read), DM_ERROR_CONFIG. */
DmAdmin *dm_admin_start(const DmAdminOptions *options, GError **error);
/* Requests under way are answered first. */
void dm_admin_stop(DmAdmin *admin);
/* Where it listens. */
void dm_admin_address(const DmAdmin *admin, DmAddress *out);

/* What the API has configured, as of the last revision: {} and 0 when it never did. (transfer
 * full) */
json_t *dm_admin_load_document(DmStore *store, uint64_t *out_revision, GError **error);

/**
 * dm_admin_first_token:
 *
 * Makes the first admin token when the store has no token at all. It is shown this once: only its
 * hash is kept.
 *
 * Returns: (transfer full) (nullable): the secret; %NULL without @error when there are tokens
 */
char *dm_admin_first_token(DmStore *store, GError **error);
