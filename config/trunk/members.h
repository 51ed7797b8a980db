/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/json-table.h"
#include "config/trunk.h"

/* The members of a trunk, a file a section; config/trunk.c puts them together. Each table says what
 * may stand in its section, its defaults and what is printed of it in docs/config.md. */

extern const DmJsonMember dm_endpoint_members[];
extern const DmJsonMember dm_trunk_auth_members[], dm_trunk_registration_members[];
extern const DmJsonMember dm_trunk_identity_members[], dm_trunk_numbering_members[];
extern const DmJsonMember dm_trunk_media_members[];
extern const DmJsonMember dm_trunk_sip_members[];

/* An element of `endpoints`; NULL: it has problems. */
void *dm_endpoint_make(const json_t *element, DmJsonReader *reader);
void dm_endpoint_free(gpointer endpoint);
/* A value in the manner of an endpoint's `uri`; "": no proxy. */
void dm_endpoint_convert_proxy(const json_t *value,
                               const DmJsonMember *member,
                               void *object,
                               DmJsonReader *reader);

/* Whether members that are fine by themselves are so together; problems go to @reader. */
void dm_trunk_check_auth(const DmTrunkConfig *trunk, DmJsonReader *reader);
void dm_trunk_check_registration(const DmTrunkConfig *trunk, DmJsonReader *reader);

/* What was not given and follows from the rest; @json: the trunk as given. */
void dm_trunk_complete_algorithms(DmTrunkConfig *trunk);
void dm_trunk_complete_registration(DmTrunkConfig *trunk);
void dm_trunk_complete_numbering(DmTrunkConfig *trunk, const json_t *json);

static inline void
dm_trunk_replace_text(char **text, const char *with)
{
    g_free(*text);
    *text = g_strdup(with);
}
