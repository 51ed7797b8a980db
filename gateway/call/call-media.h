/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* A call's hold on media: one session at a time, and what it tells. */

/* Makes sure a session is open with the ports that go with @b. False when there is no port. */
bool dm_call_media_open(DmCall *call, const DmTrunkConfig *b);
/* A session of @host's that fits @in at @place: the one there is, the one that was made for the
 * call
 * @in is of, or a new one. False: no ports; nothing has changed. */
bool dm_call_media_fit(DmCall *host, DmSide place, const DmParty *in);
/* Our advertised address toward @side; only while a session is open. */
const DmAddress *dm_call_media_local(const DmCall *call, DmSide side);
/* Of the certificate that its peers see in DTLS-SRTP; all zero: none can be made. */
const DmFingerprint *dm_call_media_fingerprint(const DmCall *call);
/* Tells media what both sides agreed on; waits while one of them has not. */
void dm_call_media_update(DmCall *call, bool answered);
/* Something of our own to one side: see DmPlay. Harmless without a session. */
/* The same for a caller without a called side: only what we play ourselves flows, to it alone. */
void dm_call_media_update_alone(DmCall *call);
/* Ports for such a call, unless there are some. False: none are left. */
bool dm_call_media_open_alone(DmCall *call);
void dm_call_media_play(DmCall *call, DmSide side, const DmPlay *play);
void dm_call_media_stop(DmCall *call, DmSide side);
/* A key that signalling tells of. Harmless without a session. */
void dm_call_media_press(DmCall *call, DmSide from, char key, unsigned ms);
/* Its final report arrives later. Harmless without a session. */
void dm_call_media_close(DmCall *call);
/* Numbers as of now into the record. */
void dm_call_media_refresh(DmCall *call);

/* Whether something @a may send can be made into something @b takes, and the other way round. */
bool dm_parties_bridge(const DmParty *a, const DmParty *b);
