/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/stage.h"
#include "media/session-priv.h"

/* What a peer hears of our own: tones, made into packets of whatever was agreed with it by the
 * worker's timers, 20 ms by 20 ms. A stream gets its player with the first thing to be played and
 * keeps it. All of this: on the worker. */
typedef struct DmPlayer DmPlayer;

/* To the peer of @to, in place of what was played before. */
void dm_player_play(DmStream *to, const DmPlay *play);
void dm_player_stop(DmStream *to);
/* A key, behind those that wait, as events or as a tone, whichever was agreed. @ms: 0: not said. */
void dm_player_press(DmStream *to, char key, unsigned ms);
/* The other peer has fallen silent, over noise of @level (RFC 3389): the same, until it is heard
 * again or for a minute. Nothing that is played is disturbed. */
void dm_player_noise(DmStream *to, unsigned level);
/* The other peer sends nothing, and has not said that it would: the noise goes on that it asked
 * for, or a faint one begins. */
void dm_player_keep_up(DmStream *to);
/* The end of the stream. */
void dm_player_free(DmStream *to);

/* Something else may have been agreed. */
void dm_player_replan(DmStream *to);

/* The other peer's @packet is about to go to @to's, whose @played is set. Returns true when it
 * shall not. */
bool dm_player_takes_over(DmStream *to, const DmPacket *packet);
