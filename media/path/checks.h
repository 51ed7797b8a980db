/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/session-priv.h"

/* A peer's checks of connectivity on the ports of its stream (ICE, the lite side), and what follows
 * from them: where it is. All of this: on the worker. */
typedef struct DmChecks DmChecks;

/* A new agreement, with ICE or without. Where there is ICE the stream's @checked is set, and its
 * address is what a check with our password has chosen. */
void dm_checks_update(DmStream *stream, const DmMediaSideSpec *agreed);
void dm_checks_free(DmStream *stream);

/* A datagram that looks like STUN, on the stream's RTP port or on its RTCP port. */
void dm_checks_input(DmStream *stream,
                     bool is_rtcp,
                     const uint8_t *bytes,
                     size_t len,
                     const DmAddress *from);

/* Whether @from has passed a check of that port; and where the peer is: the address it has chosen,
 * before that where the last good check came from, which may be nowhere. Only for a stream that is
 * @checked. */
bool dm_checks_knows(const DmStream *stream, bool is_rtcp, const DmAddress *from);
const DmAddress *dm_checks_way(const DmStream *stream, bool is_rtcp);
