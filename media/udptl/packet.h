/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One datagram of T.38 over UDP (ITU-T T.38, 9.1, in aligned PER as all equipment has it): a
 * number, one IFP packet, and behind it either copies of earlier ones (redundancy) or sums of
 * earlier ones from which a lost one can be worked out (FEC). Pure; nothing is copied. */

/* More copies than that are passed over: nobody keeps so many. */
#define DM_UDPTL_MAX_COPIES 8
#define DM_UDPTL_MAX_FEC    8
/* Packets that one sum may reach back over. */
#define DM_UDPTL_FEC_REACH 15

typedef struct {
    const uint8_t *bytes;
    size_t len;
} DmUdptlField;

typedef struct {
    uint16_t sequence;
    DmUdptlField primary;
    unsigned n_copies;
    DmUdptlField copy[DM_UDPTL_MAX_COPIES]; /* [0] is the IFP packet right before this one */
    unsigned n_fec, span;                   /* each sum is of @span packets, @n_fec apart */
    DmUdptlField fec[DM_UDPTL_MAX_FEC];
} DmUdptlPacket;

/* Why a datagram was not UDPTL we can use. */
typedef enum {
    DM_UDPTL_OK,
    DM_UDPTL_TOO_SHORT,  /* ends inside a field */
    DM_UDPTL_BAD_LENGTH, /* a field in fragments, or an empty packet */
    DM_UDPTL_BAD_FEC,    /* sums that reach too far back, or over nothing */
    DM_UDPTL_TRAILING,   /* bytes behind the end: something else */
} DmUdptlVerdict;

/* Fields of @out point into @bytes. */
DmUdptlVerdict dm_udptl_parse(const uint8_t *bytes, size_t len, DmUdptlPacket *out);

/* @packet with its copies (sums are not written), in @size bytes at most: the oldest copies are
 * left out as long as it does not fit. Returns its length; 0: not even the packet alone fits. */
size_t dm_udptl_build(const DmUdptlPacket *packet, uint8_t *out, size_t size);
