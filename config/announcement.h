/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/json-table.h"
#include "media/spec.h"

/* What a caller hears before a call that was not answered ends, and for which reasons. Part of a
 * DmTrunkConfig or a DmRoute, immutable like it. */
typedef struct {
    GPtrArray *codes; /* GUINT_TO_POINTER(SIP status as the caller gets it) */
    GPtrArray *q850;  /* GUINT_TO_POINTER(cause); both empty: every reason */
    char *sound;      /* id; "": @tone */
    DmTone tone;
    unsigned max_s;
} DmAnnouncementConfig;

/* For tables: an array of them is {.members = dm_announcement_members, .make =
 * dm_announcement_make, .free = dm_announcement_free}. */
extern const DmJsonMember dm_announcement_members[];
void *dm_announcement_make(const json_t *element, DmJsonReader *reader);
void dm_announcement_free(gpointer announcement);

/* The first of @list (DmAnnouncementConfig; nullable) for this end of a call; NULL: none. */
const DmAnnouncementConfig *dm_announcement_find(const GPtrArray *list,
                                                 unsigned status,
                                                 unsigned q850);

/* For arrays of final answers: 400 to 699. */
void *dm_status_code_make(const json_t *element, DmJsonReader *reader);
