/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "admin/api.h"
#include "tests/lib/fake-gateway.h"
#include "tests/lib/temp-dir.h"

/* An API in front of a fake gateway, with one token of each role and a file that provisions the
 * trunks "pbx" and "carrier" and the route "out". No HTTP. */
typedef struct {
    DmStore *store;
    DmGateway *gateway;
    DmApi *api;
    DmTempDir dir;
    DmSettings *settings;
    char *secrets[DM_N_ROLES];

    /* the last answer */
    DmResponse response;
    json_t *json; /* its body; NULL: not JSON */
} DmApiFixture;

void dm_api_fixture_init(DmApiFixture *fixture);
void dm_api_fixture_clear(DmApiFixture *fixture);
/* The settings as the next start would find them. (transfer full) */
DmSettings *dm_api_fixture_open_settings(DmApiFixture *fixture);

/* Asks as @role; @body may be NULL. @headers: name, value, ..., NULL. Returns the status. */
int dm_api_ask(DmApiFixture *fixture,
               DmRole role,
               const char *method,
               const char *target,
               const char *body,
               ...) G_GNUC_NULL_TERMINATED;
/* Text of a member of the answer by its path with dots and array indices ("errors.0.pointer");
 * numbers and booleans as JSON; NULL: absent. Valid until the next call. */
const char *dm_api_answer(DmApiFixture *fixture, const char *path);
