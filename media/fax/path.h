/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/stage.h"
#include "media/session-priv.h"

/* Fax in a media session: where a side speaks T.38 on the port that its RTP had. With T.38 on both
 * sides datagrams go on as they are; with it on one side they become modem tones in G.711 on the
 * other, and back (gateway.h). Either way T.30 is read as it passes by, for the report. All of this
 * but the last: on the worker. */
typedef struct DmFaxPath DmFaxPath;

/* Another agreement: makes or ends the path, and marks the streams it is on. */
void dm_fax_update(DmMediaSession *session, const DmMediaSpec *spec);
/* The end of the session. */
void dm_fax_stop(DmMediaSession *session);

/* Is this datagram UDPTL? Fills in as much of @packet's header as the latch looks at. */
bool dm_fax_read(DmPacket *packet);
/* A datagram of UDPTL from the peer of @stream: it is the peer. */
void dm_fax_input(DmStream *stream, const DmPacket *packet);
/* Is a fax machine heard in what the peer of @stream sends? */
void dm_fax_listen(DmStream *stream, const DmPacket *packet);
/* Speech from the peer of @stream that is a modem to the other side. */
void dm_fax_hear(DmStream *stream, const DmPacket *packet);

/* What the fax has come to; any thread. */
void dm_fax_report(const DmMediaSession *session, DmFaxReport *out);
