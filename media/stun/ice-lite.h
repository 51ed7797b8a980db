/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/address.h"
#include "media/spec.h"
#include "media/stun/message.h"

/* The lite agent of one component (RFC 8445): it sends no checks of its own and answers those of
 * the peer, who is in control and says which of its addresses counts. Whoever has no password of
 * ours can move nothing. Pure: bytes and the time in, a verdict and the bytes to answer with out.
 *
 * Of several nominated addresses the one with the highest priority counts, as peers that nominate
 * as they go expect (RFC 5245, 8.1.1.2), unless it has not been checked for DM_ICE_STALE_US: then
 * any nominated one takes its place. Media are not stopped for want of checks: the lite side asks
 * for no consent (RFC 7675, 5.1), and a peer that is gone is found by its silence. */

#define DM_ICE_STALE_US (INT64_C(30) * 1000000)

/* Addresses that have passed a check and may be heard before one is nominated. */
#define DM_ICE_MAX_VALID 4

typedef struct {
    DmIceCredentials ours;
    DmIceCredentials before; /* until the peer has used the present ones after a restart */
    DmAddress selected;      /* not set: none nominated yet */
    bool is_selection_old;   /* it was nominated before the restart */
    uint32_t priority;       /* of it, as the peer says */
    int64_t heard_us;        /* its last check */
    DmAddress valid[DM_ICE_MAX_VALID]; /* a ring */
    uint8_t next_valid;
    DmAddress last_valid;
    int64_t window_us; /* when the present second of answers began */
    uint16_t n_answers, n_refusals;
} DmIceLite;

typedef enum {
    DM_ICE_IGNORED,  /* nothing is said to it */
    DM_ICE_REFUSED,  /* an error; it changes nothing */
    DM_ICE_VALID,    /* a good check: whoever sent it may be heard */
    DM_ICE_SELECTED, /* and from now on it is the peer's address */
    DM_ICE_ALIVE,    /* a sign of life of the peer */
} DmIceVerdict;

/* An agreement. Other credentials than before are a restart: the address selected goes on until
 * another is. */
void dm_ice_lite_update(DmIceLite *agent, const DmIceCredentials *ours);

/* A datagram that looks like STUN. What to send to @from is in @answer; @answer->len is 0 when that
 * is nothing. At most DM_ICE_MAX_ANSWERS a second are given, and DM_ICE_MAX_REFUSALS. */
DmIceVerdict dm_ice_lite_input(DmIceLite *agent,
                               const uint8_t *bytes,
                               size_t len,
                               const DmAddress *from,
                               int64_t now_us,
                               DmStunWriter *answer);
#define DM_ICE_MAX_ANSWERS  100
#define DM_ICE_MAX_REFUSALS 10

/* Whether @from has passed a check. */
bool dm_ice_lite_knows(const DmIceLite *agent, const DmAddress *from);
