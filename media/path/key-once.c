/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/key-once.h"

#define WINDOW_US (200 * INT64_C(1000))

bool
dm_key_once_press(DmKeyOnce *once, char key, DmKeyMethod way, int64_t now_us)
{
    if (once->key == key && once->way != way && now_us - once->at_us <= WINDOW_US) {
        once->key = 0;
        return false;
    }
    *once = (DmKeyOnce){key, way, now_us};
    return true;
}

void
dm_key_once_lasts(DmKeyOnce *once, DmKeyMethod way, int64_t now_us)
{
    if (once->key != 0 && once->way == way) {
        once->at_us = now_us;
    }
}
