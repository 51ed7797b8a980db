/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What a registrar said when it registered us: never changes, any thread. */
typedef struct {
    char *service_route;   /* values of Service-Route (RFC 3608): the Route of our calls; "" */
    GPtrArray *identities; /* char *: user parts of P-Associated-URI (RFC 7315), as they came */
} DmGrant;

#define DM_GRANT_MAX_IDENTITIES 64

/* (transfer full: @identities) */
DmGrant *dm_grant_new(const char *service_route, GPtrArray *identities);
DmGrant *dm_grant_ref(DmGrant *grant);
void dm_grant_unref(DmGrant *grant); /* NULL: nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmGrant, dm_grant_unref)
bool dm_grant_equal(const DmGrant *a, const DmGrant *b);
