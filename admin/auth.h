/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/router.h"

/* Who may do what: bearer tokens (RFC 6750) with one of three roles.
 *
 * The store is asked for the SHA-256 of the secret, so how long the look-up takes says nothing
 * about the secret: an attacker cannot steer the hash. */

/* Sets the request's token, or answers 401 or 403 and returns false. */
bool dm_auth_check(DmApi *api,
                   DmRequest *request,
                   const DmOperation *operation,
                   DmResponse *response);

/* "dmt_" and 43 characters of 256 random bits. (transfer full) */
char *dm_auth_make_secret(void);
/* 16 characters, unique. (transfer full) */
char *dm_auth_make_id(void);
