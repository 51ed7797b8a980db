/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/stage.h"
#include "media/session-priv.h"

/* Where a stream's packets meet its decoded path (decoded.h): made when the first packet needs it,
 * kept until something else is agreed. */

/* Returns false when @packet can be passed on as it is, or octet by octet. */
bool dm_samples_input(DmStream *stream, const DmPacket *packet);

/* Comfort noise of the peer's that the other one hears as noise in speech, when all that was said
 * before it has been heard. */
void dm_samples_noise(DmStream *stream, const DmPacket *packet);

/* Another agreement, or the end. */
void dm_samples_stop(DmStream *stream);

/* The session's sound is changed on its way: for the report. */
void dm_samples_note_transcoding(DmStream *stream);
