/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sounds.h"

#include "media/sound.h"

static void
free_sound(gpointer sound)
{
    dm_sound_unref(sound);
}

void
dm_sounds_load(DmConfig *config, DmBadSoundFunc on_bad, void *user_data)
{
    for (guint i = 0; i < config->sounds->len; i++) {
        const DmSoundConfig *place = config->sounds->pdata[i];
        g_autoptr(GError) error = NULL;
        DmSound *sound;

        if (place->sound != NULL) {
            continue;
        }
        sound = dm_sound_load(place->file, &error);
        if (sound != NULL) {
            dm_config_set_sound(config, i, sound, free_sound);
        } else {
            on_bad(place->id, error->message, user_data);
        }
    }
}
