/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/address.h"
#include "media/rtp/packet.h"
#include "media/spec.h"

/* Whom we believe about where a peer's media comes from and so where ours goes (MED-4).
 *
 * The signalled address is believed until someone else proves better, and that is possible only as
 * the policy allows and for 3 s after each offer and answer: DM_LATCH_PROOF packets of one source
 * in a row, in sequence, of a payload type agreed on, and none from the signalled address
 * meanwhile. Then, or with the first packet from the signalled address, the source is pinned, and
 * nobody else is heard or sent to until the peer signals another address. */
typedef struct {
    DmAddress believed; /* not set: nobody yet */
    DmAddress signalled;
    DmAddress candidate;
    int64_t open_until_us;
    uint32_t candidate_ssrc;
    uint16_t candidate_next;
    uint8_t n_proof;
    uint8_t nat; /* DmNatPolicy */
    bool pinned;
    bool hear_rivals;
    uint8_t n_rivals;
    DmAddress *rivals; /* few calls have any */
} DmLatch;

#define DM_LATCH_WINDOW_US 3000000
#define DM_LATCH_PROOF     3

typedef enum {
    DM_LATCH_ACCEPT,   /* of the source we believe */
    DM_LATCH_MOVED,    /* of a source we believe from this packet on, not the signalled one */
    DM_LATCH_LEARNING, /* may become one: dropped */
    DM_LATCH_FOREIGN,  /* of someone else: dropped */
} DmLatchOutcome;

/* A new offer or answer. Returns whether learning starts anew, because the address or the policy is
 * another one; otherwise a latch not yet pinned stays open longer, and a pinned one stays pinned.
 */
bool dm_latch_update(DmLatch *latch, const DmAddress *signalled, DmNatPolicy nat, int64_t now_us);

/* Frees what it holds, and not the latch. */
void dm_latch_clear(DmLatch *latch);

/* Who else may send here, as @spec has it: after each update. */
void dm_latch_set_rivals(DmLatch *latch, const DmMediaSideSpec *spec);
bool dm_latch_is_rival(const DmLatch *latch, const DmAddress *from);

/* Whether @from may turn out to be the peer, be it shown by packets or otherwise: as the policy has
 * it, at any time. */
bool dm_latch_allows(const DmLatch *latch, const DmAddress *from);

/* The peer is at @address: shown otherwise. */
void dm_latch_believe(DmLatch *latch, const DmAddress *address);

/* A packet that is valid RTP of a payload type agreed on. */
DmLatchOutcome dm_latch_input(DmLatch *latch,
                              const DmAddress *from,
                              const DmRtpPacket *packet,
                              int64_t now_us);
