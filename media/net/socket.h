/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "gateway/base/address.h"

/* A non-blocking UDP socket bound to @address, its packets marked with @dscp. Returns the
 * descriptor, or -1 with errno set (EADDRINUSE: someone else has the port). */
int dm_udp_open(const DmAddress *address, uint8_t dscp);

/* Room for what one system call brings: datagrams and where they came from. */
#define DM_BATCH_SIZE   8
#define DM_DATAGRAM_MAX 2048

typedef struct {
    uint8_t bytes[DM_BATCH_SIZE][DM_DATAGRAM_MAX];
    DmAddress from[DM_BATCH_SIZE];
    struct iovec iov[DM_BATCH_SIZE];
    struct mmsghdr message[DM_BATCH_SIZE];
} DmBatch;

void dm_batch_init(DmBatch *batch);
/* Returns how many came: fewer than DM_BATCH_SIZE means that the socket is empty now. */
unsigned dm_batch_receive(DmBatch *batch, int fd);
/* Length of one, 0 when it was longer than DM_DATAGRAM_MAX and so is no use. */
size_t dm_batch_len(const DmBatch *batch, unsigned i);
