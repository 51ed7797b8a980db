/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "media/spec.h"

/* Some peers tell of a key in two ways at once: events and INFO, INFO and a tone. One press is one
 * press: the second to come within 200 ms of the first, or of its end, is the same. A key that
 * comes twice in the same way is two. All zero: nothing yet. */
typedef struct {
    char key; /* 0: none that could come again */
    DmKeyMethod way;
    int64_t at_us; /* when last heard of */
} DmKeyOnce;

/* Returns false when it is the same press as before. */
bool dm_key_once_press(DmKeyOnce *once, char key, DmKeyMethod way, int64_t now_us);
/* The key that came @way is still down. */
void dm_key_once_lasts(DmKeyOnce *once, DmKeyMethod way, int64_t now_us);
