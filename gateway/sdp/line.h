/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/draft.h"
#include "gateway/sdp/format.h"
#include "gateway/sdp/negotiate.h"
#include "gateway/sdp/session-priv.h"

/* One media line under negotiation. Pure. */

static inline DmMediaDirection
dm_direction_reverse(DmMediaDirection direction)
{
    return (DmMediaDirection)(((direction & DM_MEDIA_SEND) << 1) |
                              ((direction & DM_MEDIA_RECV) >> 1));
}

/* What the writer of @media really wants: c=0.0.0.0 says "send me nothing" (RFC 3264, 8.4). */
DmMediaDirection dm_line_direction(const DmSdpMedia *media);

/* The one audio line we anchor: the first that @policy would protect, else the first it allows;
 * without @policy the first. @out_index nullable. NULL with the reason in @out_why. */
const DmSdpMedia *dm_line_find_audio(const DmSdp *sdp,
                                     const DmSdpPolicy *policy,
                                     unsigned *out_index,
                                     DmSdpVerdict *out_why);

/* Begins @draft with as many lines as @like (nullable) has, all refused in kind and in place (RFC
 * 3264, 6). It borrows from @like. */
void dm_line_refuse_all(DmSdpDraft *draft, const DmSdp *like);
/* The one at @place, or a new one at the end where that is negative. */
DmSdpMedia *dm_line_at(DmSdpDraft *draft, int place);
/* Makes a refused line ours: live, at our address, without formats yet. */
void dm_line_open(DmSdpMedia *line, const DmSdpPolicy *policy, DmMediaDirection direction);

bool dm_policy_allows(const DmSdpPolicy *policy, DmCodec codec);
bool dm_line_has_speech(const DmSdpMedia *line);
bool dm_line_transcodes(const DmSdpMedia *line);
/* The format of @line that relays as @format; NULL. */
const DmMediaFormat *dm_line_find_relay(const DmSdpMedia *line, const DmMediaFormat *format);
/* The format of @line that @format in the other side's answer stands for; NULL. An answerer states
 * parameters of its own, and what we offered it has @line's payload types wherever they were free.
 */
const DmMediaFormat *dm_line_find_answered(const DmSdpMedia *line, const DmMediaFormat *format);
/* @line has @format, which we do not know, already, be it with other parameters: media could not
 * tell them apart. */
bool dm_line_has_variant(const DmSdpMedia *line, const DmMediaFormat *format);
/* The first format of @codec; NULL. */
const DmMediaFormat *dm_line_find_codec(const DmSdpMedia *line, DmCodec codec);
/* The event format with @clock_hz; NULL. */
const DmMediaFormat *dm_line_find_event(const DmSdpMedia *line, uint32_t clock_hz);

/* Appends @format with its payload type as it is, unless the line is full or the type is taken. */
void dm_line_add(DmSdpDraft *draft, DmSdpMedia *line, const DmMediaFormat *format);
/* Appends @format under a payload type that is free and that @previous (nullable), the line as last
 * sent, did not use for something else. @reserved_pt is kept for events at 8 kHz. */
void dm_line_add_numbered(DmSdpDraft *draft,
                          DmSdpMedia *line,
                          const DmMediaFormat *format,
                          const DmSdpMedia *previous,
                          uint8_t reserved_pt);
