/* SPDX-License-Identifier: Apache-2.0 */
/* A recording of anyone's making: what is taken can be read to its end, and no further. */
#include <glib.h>
#include <stdint.h>

#include "media/sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(DmSound) sound = dm_sound_new_from_wav(data, size, NULL);
    int16_t samples[160];
    size_t n = 0;
    size_t n_now;

    if (sound == NULL) {
        return 0;
    }
    while ((n_now = dm_sound_read(sound, n, samples, G_N_ELEMENTS(samples))) > 0) {
        n += n_now;
    }
    g_assert_cmpuint(n, <=, size);
    g_assert_cmpuint(dm_sound_ms(sound), ==, n / 8);
    g_assert_cmpuint(dm_sound_ms(sound), >=, 20);
    return 0;
}
