/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "gateway/base/address.h"
#include "gateway/gateway.h"
#include "gateway/settings.h"
#include "gateway/store/store.h"

/* The REST API under /api/v1 (docs/api/openapi.yaml), /healthz, /readyz and /metrics: a thread that
 * talks HTTP and a small pool that answers. */
typedef struct DmAdmin DmAdmin;

/* Everything is borrowed and outlives the admin side. Where it listens, its certificate and its
 * limits are as the settings say at the start. */
typedef struct {
    DmGateway *gateway;
    DmStore *store;
    DmSettings *settings;
} DmAdminOptions;

/* Errors: DM_ERROR_IO (the port is taken, a certificate cannot be read), DM_ERROR_CONFIG. */
DmAdmin *dm_admin_start(const DmAdminOptions *options, GError **error);
/* Requests under way are answered first. */
void dm_admin_stop(DmAdmin *admin);
/* Where it listens. */
void dm_admin_address(const DmAdmin *admin, DmAddress *out);

/* The first token, for who starts the gateway without reading what it prints. */
#define DM_ADMIN_TOKEN_ENV "DEMARC_ADMIN_TOKEN"

/**
 * dm_admin_first_token:
 *
 * Makes the first admin token when the store has no token at all: the one in the environment
 * (DM_ADMIN_TOKEN_ENV, at least 32 characters), else a random one that is shown this once. Only its
 * hash is kept. Errors: DM_ERROR_CONFIG when the one in the environment will not do.
 *
 * Returns: (transfer full) (nullable): the secret to show; %NULL without @error when there are
 * tokens, or it was given
 */
char *dm_admin_first_token(DmStore *store, GError **error);
