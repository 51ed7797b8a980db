/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/session-priv.h"

/* RTCP of one peer, ended here (MED-8): what it says of our stream is kept for the report, and it
 * gets reports of ours with a name of ours. Nothing of it crosses to the other side. */

/* A name, from random bytes; when the session is made. */
#define DM_CONTROL_NAME_LEN 12
void dm_control_init(DmStream *stream, const uint8_t random[DM_CONTROL_NAME_LEN]);

/* A new agreement: where reports go, and when the next one is due. */
void dm_control_update(DmStream *stream, const DmMediaSideSpec *agreed, int64_t now_us);

/* A datagram on the RTCP port, or one on the RTP port that is RTCP (RFC 5761). @bytes are changed
 * when the stream is secured. */
void dm_control_input(DmStream *stream, uint8_t *bytes, size_t len, const DmAddress *from);
/* @user_data: DmStream. */
void dm_control_on_readable(int fd, uint32_t events, void *user_data);

/* Where RTCP goes: as agreed, or beside RTP. A peer found elsewhere than signalled has its RTCP
 * elsewhere too: where it came from, or beside its RTP; one with a handshake for it, where that
 * was. */
DmAddress dm_control_destination(const DmStream *stream);

/* When the next report is due; G_MAXINT64: never. */
int64_t dm_control_due_us(const DmStream *stream);
/* Sends one, if there is anything to say and anyone to hear it, and puts the next one off by 5 s or
 * so. @is_bye: with a goodbye, for the end of the session. */
void dm_control_send(DmStream *stream, bool is_bye, int64_t now_us);
