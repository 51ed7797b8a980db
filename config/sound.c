/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/members.h"

const DmJsonMember dm_sound_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(DmSoundConfig, id),
     .required = true,
     .min = 1,
     .max = 64,
     .doc = "Unique name."},
    {"file",
     DM_JSON_STRING,
     DM_JSON_AT(DmSoundConfig, file),
     .required = true,
     .min = 1,
     .max = 4096,
     .doc =
         "Path of a WAV file of 5 minutes at most: one channel, 16 bit linear at 8000 or 16000 Hz, "
         "or G.711. Read again on reload."},
    {NULL},
};

void
dm_sound_config_free(gpointer data)
{
    DmSoundConfig *sound = data;

    if (sound != NULL) {
        if (sound->sound != NULL) {
            sound->free_sound(sound->sound);
        }
        g_free(sound->id);
        g_free(sound->file);
        g_free(sound);
    }
}

void *
dm_sound_config_make(const json_t *element, DmJsonReader *reader)
{
    DmSoundConfig *sound = g_new0(DmSoundConfig, 1);

    if (!dm_json_read(reader, element, dm_sound_members, sound)) {
        g_clear_pointer(&sound, dm_sound_config_free);
    }
    return sound;
}
