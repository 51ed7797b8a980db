/* SPDX-License-Identifier: Apache-2.0 */
#include "media/udptl/stream.h"

#include <string.h>

/* A first packet with such a number has lost some before it; a higher one joins in the middle. */
#define MAX_FIRST DM_UDPTL_FEC_REACH
/* Further back or ahead is another stream, or the same begun anew. */
#define MAX_JUMP 1000

static void
keep(DmUdptlKept *kept, uint16_t sequence, const uint8_t *bytes, size_t len)
{
    kept->sequence = sequence;
    kept->len = (uint16_t)(len <= DM_UDPTL_IFP_MAX ? len : 0);
    if (kept->len > 0) {
        memcpy(kept->bytes, bytes, len);
    }
}

/*
 * Receiving
 */

static DmUdptlKept *
place_of(DmUdptlReceiver *receiver, uint16_t sequence)
{
    return &receiver->kept[sequence % G_N_ELEMENTS(receiver->kept)];
}

static const DmUdptlKept *
find_kept(DmUdptlReceiver *receiver, uint16_t sequence)
{
    const DmUdptlKept *kept = place_of(receiver, sequence);

    return kept->len > 0 && kept->sequence == sequence ? kept : NULL;
}

static void
add(uint8_t *sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum[i] ^= bytes[i];
    }
}

/* The one packet of sum @index that is missing, if it is one; its number in @out_sequence. */
static bool
find_hole(DmUdptlReceiver *receiver,
          const DmUdptlPacket *packet,
          unsigned index,
          uint16_t *out_sequence)
{
    unsigned n_missing = 0;

    for (unsigned k = 0; k < packet->span; k++) {
        uint16_t sequence =
            (uint16_t)(packet->sequence + index - packet->n_fec * (packet->span - k));

        if (find_kept(receiver, sequence) == NULL) {
            *out_sequence = sequence;
            n_missing++;
        }
    }
    return n_missing == 1;
}

/* A sum less all of its packets but one is that one. Sums are as long as the longest of them, so it
 * may end in zeros, which readers of IFP pass over. */
static void
repair(DmUdptlReceiver *receiver, const DmUdptlPacket *packet, unsigned index)
{
    const DmUdptlField *sum = &packet->fec[index];
    uint16_t hole = 0;
    uint8_t bytes[DM_UDPTL_IFP_MAX] = {0};

    if (sum->len == 0 || sum->len > sizeof bytes || !find_hole(receiver, packet, index, &hole)) {
        return;
    }
    add(bytes, sum->bytes, sum->len);
    for (unsigned k = 0; k < packet->span; k++) {
        uint16_t sequence =
            (uint16_t)(packet->sequence + index - packet->n_fec * (packet->span - k));
        const DmUdptlKept *kept = find_kept(receiver, sequence);

        if (kept != NULL) {
            add(bytes, kept->bytes, MIN(kept->len, sum->len));
        }
    }
    keep(place_of(receiver, hole), hole, bytes, sum->len);
}

static void
take_copies(DmUdptlReceiver *receiver, const DmUdptlPacket *packet)
{
    for (unsigned i = 0; i < packet->n_copies; i++) {
        uint16_t sequence = (uint16_t)(packet->sequence - 1 - i);

        if ((int16_t)(sequence - receiver->next) >= 0 && packet->copy[i].len > 0) {
            keep(place_of(receiver, sequence),
                 sequence,
                 packet->copy[i].bytes,
                 packet->copy[i].len);
        }
    }
}

/* Everything from the number expected to right before @packet. */
static void
deliver_lost(DmUdptlReceiver *receiver, uint16_t until, DmUdptlDeliverFunc deliver, void *user_data)
{
    uint16_t n = (uint16_t)(until - receiver->next);
    uint16_t reach = MIN(n, DM_UDPTL_FEC_REACH);

    receiver->n_missed += n;
    for (uint16_t sequence = (uint16_t)(until - reach); sequence != until; sequence++) {
        const DmUdptlKept *kept = find_kept(receiver, sequence);

        if (kept != NULL) {
            receiver->n_recovered++;
            receiver->n_missed--;
            deliver(sequence, kept->bytes, kept->len, user_data);
        }
    }
}

static void
start(DmUdptlReceiver *receiver, const DmUdptlPacket *packet)
{
    memset(receiver->kept, 0, sizeof receiver->kept);
    receiver->started = true;
    receiver->next = packet->sequence <= MAX_FIRST ? 0 : packet->sequence;
}

void
dm_udptl_receive(DmUdptlReceiver *receiver,
                 const DmUdptlPacket *packet,
                 DmUdptlDeliverFunc deliver,
                 void *user_data)
{
    int16_t ahead = (int16_t)(packet->sequence - receiver->next);

    if (!receiver->started || ahead < -MAX_JUMP || ahead > MAX_JUMP) {
        start(receiver, packet);
    } else if (ahead < 0) {
        receiver->n_late++;
        return;
    }
    take_copies(receiver, packet);
    for (unsigned i = 0; i < packet->n_fec; i++) {
        repair(receiver, packet, i);
    }
    deliver_lost(receiver, packet->sequence, deliver, user_data);
    keep(place_of(receiver, packet->sequence),
         packet->sequence,
         packet->primary.bytes,
         packet->primary.len);
    receiver->next = (uint16_t)(packet->sequence + 1);
    deliver(packet->sequence, packet->primary.bytes, packet->primary.len, user_data);
}

/*
 * Sending
 */

void
dm_udptl_sender_init(DmUdptlSender *sender, unsigned depth, unsigned max_datagram)
{
    memset(sender, 0, sizeof *sender);
    sender->depth = (uint8_t)MIN(depth, DM_UDPTL_MAX_DEPTH);
    sender->max_datagram = (uint16_t)(max_datagram == 0 ? DM_UDPTL_DATAGRAM_MAX
                                                        : MIN(max_datagram, DM_UDPTL_DATAGRAM_MAX));
}

static void
remember(DmUdptlSender *sender, uint16_t sequence, const uint8_t *ifp, size_t len)
{
    if (len > DM_UDPTL_IFP_MAX) {
        sender->n_kept = 0; /* copies are of the packets right before */
        return;
    }
    memmove(&sender->kept[1], &sender->kept[0], sizeof sender->kept - sizeof sender->kept[0]);
    keep(&sender->kept[0], sequence, ifp, len);
    sender->n_kept = MIN(sender->n_kept + 1, DM_UDPTL_MAX_DEPTH);
}

size_t
dm_udptl_send(DmUdptlSender *sender,
              const uint8_t *ifp,
              size_t len,
              uint8_t out[DM_UDPTL_DATAGRAM_MAX])
{
    DmUdptlPacket packet = {
        .sequence = sender->next,
        .primary = {ifp, len},
        .n_copies = MIN(sender->depth, sender->n_kept),
    };
    size_t n_bytes;

    for (unsigned i = 0; i < packet.n_copies; i++) {
        packet.copy[i] = (DmUdptlField){sender->kept[i].bytes, sender->kept[i].len};
    }
    n_bytes = dm_udptl_build(&packet, out, sender->max_datagram);
    if (n_bytes == 0) {
        packet.n_copies = 0;
        n_bytes = dm_udptl_build(&packet, out, DM_UDPTL_DATAGRAM_MAX);
    }
    if (n_bytes > 0) {
        remember(sender, sender->next++, ifp, len);
    }
    return n_bytes;
}
