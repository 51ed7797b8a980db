/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/session-priv.h"

/* DTLS-SRTP with the peer of a stream: on the port of its RTP, before any, and once more on that of
 * its RTCP where the two do not share one (RFC 5764, 4.1.2). The arithmetic is done as jobs of the
 * worker, a few a millisecond, so that no number of calls that begin at once delays the packets of
 * the others. All of this: on the worker. */
typedef struct DmHandshake DmHandshake;

/* A handshake that has not ended so long after the answer has failed. One for RTCP may: then there
 * is no RTCP with that peer. */
#define DM_HANDSHAKE_LIMIT_US (INT64_C(15) * 1000000)

/* A new agreement, after that of @checks and with the stream's address up to date. The same role,
 * fingerprint and association as before: what there is goes on. Others: a new handshake, and what
 * was agreed before goes on until that has ended. */
void dm_handshake_update(DmStream *stream, const DmMediaSideSpec *agreed, bool is_answered);
void dm_handshake_free(DmStream *stream);

/* A datagram that looks like DTLS, on the stream's RTP port or on its RTCP port. */
void dm_handshake_input(DmStream *stream,
                        bool is_rtcp,
                        const uint8_t *bytes,
                        size_t len,
                        const DmAddress *from);

/* The same on the RTP port before anything is agreed: a peer that answers begins before its answer
 * has come here, and waits a second before it says so again. The first is kept until the next
 * agreement. */
void dm_handshake_keep(DmStream *stream, const uint8_t *bytes, size_t len, const DmAddress *from);

/* The peer may be reached now, where it could not be before. Harmless without a handshake. */
void dm_handshake_reach(DmStream *stream, bool is_rtcp);
