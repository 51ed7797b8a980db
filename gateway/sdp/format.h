/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "media/spec.h"

/* Payload formats: what their names mean, and when two of them are the same. Pure. */

#define DM_PT_MAX     127
#define DM_PT_DYNAMIC 96

/* Name, clock, channels and usual payload type of a codec we know; false for DM_CODEC_OTHER. The
 * payload type is DM_PT_DYNAMIC where it has to be agreed. */
bool dm_format_of_codec(DmCodec codec, DmMediaFormat *out);
/* Sets @format->codec from its name, clock and channels. */
void dm_format_identify(DmMediaFormat *format);

/* The same encoding, whatever its payload type and parameters. */
bool dm_format_same_encoding(const DmMediaFormat *a, const DmMediaFormat *b);
/* One can be relayed as the other without looking inside: as above, and the same parameters where
 * we do not know what they mean. */
bool dm_format_relays(const DmMediaFormat *a, const DmMediaFormat *b);
/* Everything equal, payload type included. */
bool dm_format_equal(const DmMediaFormat *a, const DmMediaFormat *b);

/* Carries speech, unlike telephone-event, comfort noise, and what repairs other formats. */
bool dm_format_is_speech(const DmMediaFormat *format);
/* RFC 3551 gives @pt to a codec that we know. */
bool dm_format_owns_pt(uint8_t pt);
/* Media can turn it into any other format of which this is true. */
bool dm_format_transcodes(const DmMediaFormat *format);
/* From now on media can do that with G.729 too, whose library is there or not on each machine. To
 * be called before there are calls. */
void dm_format_set_g729_transcodes(bool transcodes);
/* Parameters of a format that we decode ourselves. */
const char *dm_format_own_fmtp(DmCodec codec);
/* Parameters for our answer to @offered when speech is relayed and the other side answered @other
 * (borrowed): what one of them cannot take is not promised to the other. */
void dm_format_answer_fmtp(DmMediaFormat *answer, const DmMediaFormat *offered, const char *other);
/* What the writer of @format, which is Opus, wants of who encodes for it (RFC 7587, 6.1). */
DmEncoderWishes dm_format_opus_wishes(const DmMediaFormat *format);
/* Speech in @from can be sent as @to: relayed, or made into it when @transcode. */
bool dm_format_bridges(const DmMediaFormat *from, const DmMediaFormat *to, bool transcode);
