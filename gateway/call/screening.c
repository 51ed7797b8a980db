/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/screening.h"

#include <string.h>

#include "gateway/route/number.h"

/* "+4420794600!.*!" is all that begin so (RFC 7315, 4.1.2.2, wildcarded identities). */
static bool
fits(const DmTrunkConfig *trunk, const char *identity, const char *number)
{
    size_t len = strcspn(identity, "!");
    bool is_wildcard = identity[len] == '!';
    g_autofree char *plain = g_strndup(identity, len);
    g_autofree char *normal = dm_number_normalise(trunk, plain, NULL);

    return is_wildcard ? g_str_has_prefix(number, normal) : strcmp(number, normal) == 0;
}

DmGranted
dm_call_granted(const DmTrunkConfig *trunk, const char *number, void *pool)
{
    const DmTrunk *running = dm_pool_find(pool, trunk->id);
    const DmGrant *grant = running != NULL ? dm_trunk_grant(running) : NULL;

    if (grant == NULL || grant->identities->len == 0) {
        return DM_GRANTED_UNSAID;
    }
    for (guint i = 0; i < grant->identities->len; i++) {
        if (fits(trunk, grant->identities->pdata[i], number)) {
            return DM_GRANTED_YES;
        }
    }
    return DM_GRANTED_NO;
}
