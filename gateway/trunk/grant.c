/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/trunk/grant.h"

#include <string.h>

DmGrant *
dm_grant_new(const char *service_route, GPtrArray *identities)
{
    DmGrant *grant = g_atomic_rc_box_new0(DmGrant);

    grant->service_route = g_strdup(service_route);
    grant->identities = identities;
    g_ptr_array_set_free_func(identities, g_free);
    return grant;
}

DmGrant *
dm_grant_ref(DmGrant *grant)
{
    return g_atomic_rc_box_acquire(grant);
}

static void
clear_grant(gpointer data)
{
    DmGrant *grant = data;

    g_free(grant->service_route);
    g_ptr_array_unref(grant->identities);
}

void
dm_grant_unref(DmGrant *grant)
{
    if (grant != NULL) {
        g_atomic_rc_box_release_full(grant, clear_grant);
    }
}

bool
dm_grant_equal(const DmGrant *a, const DmGrant *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (strcmp(a->service_route, b->service_route) != 0 ||
        a->identities->len != b->identities->len) {
        return false;
    }
    for (guint i = 0; i < a->identities->len; i++) {
        if (strcmp(a->identities->pdata[i], b->identities->pdata[i]) != 0) {
            return false;
        }
    }
    return true;
}
