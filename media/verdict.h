/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "media/spec.h"

/* Which way audio flowed (MED-5): the arithmetic of dm_media_verdict(), on what a session remembers
 * of its spec. */

/* Is this peer to send anything? */
bool dm_audio_is_expected(const DmMediaSideSpec *side);

/* @expected: by side; none: no media was agreed. */
DmAudioVerdict dm_audio_verdict(const DmMediaReport *report,
                                const bool expected[DM_N_SIDES],
                                int64_t end_mono_us);
