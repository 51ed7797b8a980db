/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/json-table.h"

/* The members of a configuration, a file a part; config/config.c puts them together. Each table
 * says what may stand there, its defaults and what is printed of it in docs/config.md. Those that
 * describe elements of an array come with what makes one of them (NULL: it has problems) and frees
 * it. */

extern const DmJsonMember dm_tls_profile_members[];
void *dm_tls_profile_make(const json_t *element, DmJsonReader *reader);
void dm_tls_profile_free(gpointer profile);

extern const DmJsonMember dm_listener_members[];
void *dm_listener_make(const json_t *element, DmJsonReader *reader);
void dm_listener_free(gpointer listener);

extern const DmJsonMember dm_media_pool_members[];
void *dm_media_pool_make(const json_t *element, DmJsonReader *reader);
void dm_media_pool_free(gpointer pool);

extern const DmJsonMember dm_sound_members[];
void *dm_sound_config_make(const json_t *element, DmJsonReader *reader);
void dm_sound_config_free(gpointer sound);

extern const DmJsonMember dm_system_members[], dm_log_members[], dm_admin_members[];
extern const DmJsonMember dm_security_members[], dm_quality_members[], dm_recording_members[];
extern const DmJsonMember dm_cdr_members[];
