/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route/request.h"

/* Every text of an identity. */
#define N_TEXTS (sizeof(DmIdentity) / sizeof(char *))

static char **
texts_of(DmIdentity *identity)
{
    return (char **)identity;
}

void
dm_identity_init(DmIdentity *identity)
{
    for (size_t i = 0; i < N_TEXTS; i++) {
        texts_of(identity)[i] = g_strdup("");
    }
}

void
dm_identity_clear(DmIdentity *identity)
{
    for (size_t i = 0; i < N_TEXTS; i++) {
        g_clear_pointer(&texts_of(identity)[i], g_free);
    }
}

void
dm_identity_copy(DmIdentity *to, const DmIdentity *from)
{
    for (size_t i = 0; i < N_TEXTS; i++) {
        texts_of(to)[i] = g_strdup(texts_of((DmIdentity *)from)[i]);
    }
}
