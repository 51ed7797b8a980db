/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"

typedef void (*DmBadSoundFunc)(const char *id, const char *why, void *user_data);

/* Reads the recordings of a configuration that nobody else has seen yet; on a thread that may wait
 * for a disk. Those read before stay as they are. @on_bad: of each that cannot be used. */
void dm_sounds_load(DmConfig *config, DmBadSoundFunc on_bad, void *user_data);
