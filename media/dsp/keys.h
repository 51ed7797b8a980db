/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* The tones of telephone keys (Q.23) at 8 kHz: heard in speech, and made. A key is one of
 * '0'-'9', '*', '#', 'A'-'D'. */

/* SpanDSP fills its tables with the first detector, without a lock: once, before threads start. */
void dm_keys_init(void);

typedef struct DmKeyEar DmKeyEar;

DmKeyEar *dm_key_ear_new(void);
void dm_key_ear_free(DmKeyEar *ear);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmKeyEar, dm_key_ear_free)

/* A key is known this many samples after its tone began, at most; and after it ended. */
#define DM_KEY_LAG 320

/* Returns the key that sounds at the end of @samples, or 0. */
char dm_key_ear_hear(DmKeyEar *ear, const int16_t *samples, size_t n);

/* A tone being made: its phase from one call to the next. All zero is a start. */
typedef struct {
    uint32_t low, high;
} DmKeyTone;
void dm_key_tone_make(DmKeyTone *tone, char key, unsigned rate_hz, int16_t *samples, size_t n);

/* RFC 4733, 3.2: the number of an event; -1: not a key. And back; 0: not a key. */
int dm_key_event(char key);
char dm_key_of_event(unsigned event);
