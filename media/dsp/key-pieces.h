/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key of which the loss of two packets in a row has left a piece at either end, each too short to
 * tell it from its neighbours (key-ear.c): 5 ms know a frequency to 100 Hz. Together they know
 * more, for how much was lost between them is known to the sample: a tone goes on behind the hole
 * with the phase it would have had. Both pieces must be the two tones of one key and nothing else,
 * at their exact frequencies, with silence before the one and behind the other: speech is never so.
 */

/* Looked at on either side of the hole: 10 ms of tone, and 5 of silence. */
#define DM_KEY_PIECES_WINDOW 120

typedef struct {
    int16_t before[DM_KEY_PIECES_WINDOW], behind[DM_KEY_PIECES_WINDOW];
    size_t n_before, n_behind;
    size_t n_lost; /* between them; 0: nothing is missing */
} DmKeyPieces;

/* Returns true when there is as much behind a hole as is looked at: time to ask what it was. */
bool dm_key_pieces_hear(DmKeyPieces *pieces, const int16_t *samples, size_t n);
void dm_key_pieces_miss(DmKeyPieces *pieces, size_t n);

/* The key that they were, or 0. The hole is forgotten. */
char dm_key_pieces_judge(DmKeyPieces *pieces);
