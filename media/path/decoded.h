/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/path/plan.h"
#include "media/path/stage.h"
#include "media/rtp/continuity.h"

/* One direction of a call whose sound is taken apart and put together again: another codec, another
 * packet length, keys that only one side has events for (DTMF-2). Packets are put in order and
 * their times are evened out (jitter.h), they are decoded, lost ones concealed, and the samples
 * made into packets as the other peer wants them. Packets go in and come out; it has no socket and
 * no clock. It allocates when made and with the first packet of each payload type. */
typedef struct DmDecodedPath DmDecodedPath;

/* What to do with a datagram made: @rtp says what its header says. Both live until it returns. */
typedef void (*DmPathSendFunc)(const DmRtpPacket *rtp,
                               const uint8_t *bytes,
                               size_t len,
                               void *user_data);

/* A key was heard in the speech that came; once a press. Returns false when it is known already:
 * the peer is not told of it, nor does it hear it. */
typedef bool (*DmPathKeyFunc)(char key, void *user_data);

/* The peer has fallen silent, over noise of @level (RFC 3389). */
typedef void (*DmPathNoiseFunc)(unsigned level, void *user_data);

typedef struct {
    DmPathSendFunc send;
    DmPathKeyFunc on_key;
    DmPathNoiseFunc on_noise;
} DmPathOutput;

/* @plan and @out outlive the path; @out is the stream that its packets go to, shared with what is
 * relayed. NULL: there is no codec toward the peer that we can encode. */
DmDecodedPath *dm_decoded_path_new(const DmPathPlan *plan,
                                   DmRtpContinuity *out,
                                   const DmPathOutput *output,
                                   void *user_data);
void dm_decoded_path_free(DmDecodedPath *path);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmDecodedPath, dm_decoded_path_free)

/* Any packet of a rule of the plan. Returns false when it is dropped: it came twice, or too late.
 */
bool dm_decoded_path_input(DmDecodedPath *path, const DmPacket *packet);

/* When packets that wait have their turn: dm_decoded_path_tick() is to be called then. G_MAXINT64:
 * none waits. */
int64_t dm_decoded_path_due_us(const DmDecodedPath *path);
void dm_decoded_path_tick(DmDecodedPath *path, int64_t now_us);
/* By how much packets are held back now. */
int64_t dm_decoded_path_delay_us(const DmDecodedPath *path);

/* Nothing has come for so long that nothing more is expected for now: what is there goes out. The
 * next packet is joined on. */
void dm_decoded_path_fall_silent(DmDecodedPath *path, int64_t now_us);

/* Whether a key's tone is being made: no other speech shall reach the peer meanwhile. */
bool dm_decoded_path_sounds(const DmDecodedPath *path, int64_t now_us);

/* Samples made up in place of lost ones, in milliseconds, so far. */
uint64_t dm_decoded_path_concealed_ms(const DmDecodedPath *path);
