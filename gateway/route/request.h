/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "config/config.h"

/* What a peer says of a caller and of a forwarded call, as text, bounded and free of control
 * characters. Owned copies;
 * "" where absent, never NULL after dm_identity_init(). */
typedef struct {
    char *from_user, *from_display, *from_host;
    char *to_user, *to_host;
    char *ruri_user, *ruri_host;
    char *pai_user, *pai_display; /* P-Asserted-Identity, first sip: or tel: value */
    char *ppi_user;               /* P-Preferred-Identity */
    char *rpid_user, *rpid_privacy;
    char *privacy; /* RFC 3323 values, lower case, ";"-separated: "id", "header;user", "none" */
    char *diversion_user, *diversion_reason;
} DmIdentity;

void dm_identity_init(DmIdentity *identity);
void dm_identity_clear(DmIdentity *identity);
void dm_identity_copy(DmIdentity *to, const DmIdentity *from);

/* What the registrar of a trunk said of a number. */
typedef enum {
    DM_GRANTED_UNSAID, /* it said nothing of numbers */
    DM_GRANTED_YES,
    DM_GRANTED_NO, /* it named others */
} DmGranted;

/* What a routing decision is made from. */
typedef struct {
    const char *source_trunk; /* id */
    const DmIdentity *identity;
    int64_t wall_us;
    /* (nullable): what the registrar of @trunk lets it present (RFC 7315, P-Associated-URI) */
    DmGranted (*granted)(const DmTrunkConfig *trunk, const char *number, void *user_data);
    void *user_data;
} DmRouteRequest;
