/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* The tones of telephone keys (Q.23) at 8 kHz: heard in speech, and made. A key is one of
 * '0'-'9', '*', '#', 'A'-'D'. */

/* Hears keys in sound of which packets may have been lost: what a lost packet leaves of a key is
 * that key, once. */
typedef struct DmKeyEar DmKeyEar;

DmKeyEar *dm_key_ear_new(void);
void dm_key_ear_free(DmKeyEar *ear);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmKeyEar, dm_key_ear_free)

/* A key is known this many samples after its tone began, at most; and after it ended. */
#define DM_KEY_LAG 320

/* Returns the key that sounds at the end of @samples, or 0. */
char dm_key_ear_hear(DmKeyEar *ear, const int16_t *samples, size_t n);
/* @n samples were lost here. Returns the same. */
char dm_key_ear_miss(DmKeyEar *ear, size_t n);
/* What comes next has nothing to do with what was heard. */
void dm_key_ear_reset(DmKeyEar *ear);

/* A tone being made: its phase from one call to the next. All zero is a start. */
typedef struct {
    uint32_t low, high;
} DmKeyTone;
void dm_key_tone_make(DmKeyTone *tone, char key, unsigned rate_hz, int16_t *samples, size_t n);

/* RFC 4733, 3.2: the number of an event; -1: not a key. And back; 0: not a key. Flash included,
 * which has no tone. */
int dm_key_event(char key);
char dm_key_of_event(unsigned event);
