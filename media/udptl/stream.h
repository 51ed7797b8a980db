/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "media/udptl/packet.h"

/* The two ends of a UDPTL stream: IFP packets out of datagrams, in order and each once, lost ones
 * made good where the peer gave the means; and datagrams out of IFP packets. Bounded; no socket, no
 * clock, no allocation. */

/* IFP packets of all fax modems are far shorter. Longer ones are delivered, but not kept. */
#define DM_UDPTL_IFP_MAX      512
#define DM_UDPTL_DATAGRAM_MAX 1400
/* Copies of earlier packets that we send. */
#define DM_UDPTL_MAX_DEPTH 3

typedef void (*DmUdptlDeliverFunc)(uint16_t sequence,
                                   const uint8_t *ifp,
                                   size_t len,
                                   void *user_data);

typedef struct {
    uint16_t sequence, len; /* len 0: none */
    uint8_t bytes[DM_UDPTL_IFP_MAX];
} DmUdptlKept;

/* All zero is a fresh one. */
typedef struct {
    bool started;
    uint16_t next;                  /* the number expected */
    uint64_t n_recovered, n_missed; /* IFP packets that did not come by themselves */
    uint64_t n_late;                /* datagrams whose turn was over */
    DmUdptlKept kept[DM_UDPTL_FEC_REACH + 1];
} DmUdptlReceiver;

/* Calls @deliver for @packet and before it for what was lost and can be had from it. */
void dm_udptl_receive(DmUdptlReceiver *receiver,
                      const DmUdptlPacket *packet,
                      DmUdptlDeliverFunc deliver,
                      void *user_data);

typedef struct {
    uint16_t next;
    uint8_t depth; /* copies in each datagram; 0: none */
    uint16_t max_datagram;
    unsigned n_kept;
    DmUdptlKept kept[DM_UDPTL_MAX_DEPTH]; /* the newest first */
} DmUdptlSender;

/* @max_datagram: what the peer takes; 0: not said. It limits copies and not the packet itself:
 * peers that say less than a packet of their own fax needs are common. */
void dm_udptl_sender_init(DmUdptlSender *sender, unsigned depth, unsigned max_datagram);

/* The next datagram, which carries @ifp. Returns its length; 0: too long for any. */
size_t dm_udptl_send(DmUdptlSender *sender,
                     const uint8_t *ifp,
                     size_t len,
                     uint8_t out[DM_UDPTL_DATAGRAM_MAX]);
