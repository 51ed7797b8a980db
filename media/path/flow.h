/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/stage.h"
#include "media/session-priv.h"

/* A datagram from @from on the RTP port of @stream goes through the stages, in their order: source
 * and payload type, latch, statistics, events, transcoding, relay, and out to the other peer.
 * @bytes may be changed. */
void dm_flow_input(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from);

/* The same for a stream that is secured: only what is the peer's own gets that far, and so only
 * that is latched on (MED-4). */
void dm_flow_input_secured(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from);

/* Everything that waits on a stream's RTP socket, within reason. @user_data: DmStream. */
void dm_flow_on_readable(int fd, uint32_t events, void *user_data);
void dm_flow_on_secured_readable(int fd, uint32_t events, void *user_data);
/* The same where STUN or DTLS may come among it (RFC 7983, 7). */
void dm_flow_on_mixed_readable(int fd, uint32_t events, void *user_data);

/* The peer is at @address: something better than a packet has shown it (a check of ICE, a
 * handshake). */
void dm_flow_believe(DmStream *stream, const DmAddress *address);

/* Tells any thread where the peer's media really comes from; not set: as signalled. */
void dm_flow_publish_latched(DmStream *stream, const DmAddress *address);
/* Any thread. */
DmAddress dm_flow_latched(const DmStream *stream);

/* Strangers are heard and counted again: for half a second every time reports are sent, and when
 * another source may be learned. */
void dm_flow_unshield(DmStream *stream);

/* The last step of every way through: @packet, finished, goes out to @to's peer and is counted. */
void dm_flow_send(DmStream *to, const DmPacket *packet);
/* The same for a datagram of T.38. */
void dm_flow_send_udptl(DmStream *to, const uint8_t *bytes, size_t len);
