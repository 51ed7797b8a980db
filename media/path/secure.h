/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/session-priv.h"
#include "media/srtp/srtp.h"

/* SRTP toward one peer: the stage before all others, and the last one before the socket. A stream
 * without keys has none of this and pays nothing for it: its socket is read by another function.
 * All of this: on the worker. */
typedef struct DmSecure DmSecure;

/* A new agreement. What has the same key as before goes on as it is, rollover counter and replay
 * window included, even when there was none in between: a counter that began again under the same
 * key would give the text away. A new key takes the counter over, unless the peer counts anew; what
 * still comes under the old key is heard until the new one has been used. Sets the stream's
 * @secured, and returns whether that changed. */
bool dm_secure_update(DmStream *stream, const DmMediaSideSpec *agreed);
/* The keys of a stream whose agreement has DTLS: until then nothing of it is sent or heard, or what
 * was agreed before goes on. */
void dm_secure_take_keys(DmStream *stream, const DmSrtpKey *in, const DmSrtpKey *out);
/* The same for RTCP, where it does not share the port of RTP. */
void dm_secure_take_rtcp_keys(DmStream *stream, const DmSrtpKey *in, const DmSrtpKey *out);
void dm_secure_free(DmStream *stream);

/* The rest: for a stream that is @secured. */

/* In place. False: not the peer's, and counted. */
bool dm_secure_open_rtp(DmStream *stream, uint8_t *bytes, size_t *len);
bool dm_secure_open_rtcp(DmStream *stream, uint8_t *bytes, size_t *len);

/* @bytes as they go to the peer of @to, in @sealed, which has room for DM_SRTP_ROOM more. Returns
 * the length; 0: it cannot be sent. */
size_t dm_secure_seal_rtp(const DmStream *to, const uint8_t *bytes, size_t len, uint8_t *sealed);
size_t dm_secure_seal_rtcp(const DmStream *to, const uint8_t *bytes, size_t len, uint8_t *sealed);
