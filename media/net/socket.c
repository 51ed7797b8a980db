/* SPDX-License-Identifier: Apache-2.0 */
#include "media/net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <unistd.h>

static void
mark(int fd, int family, uint8_t dscp)
{
    int tos = dscp << 2;

    /* Refused by the system: the packets go unmarked, which is no reason to refuse a call. */
    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    }
}

int
dm_udp_open(const DmAddress *address, uint8_t dscp)
{
    int family = dm_address_family(address);
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    int on = 1;

    if (fd < 0) {
        return -1;
    }
    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (bind(fd, &address->any, dm_address_len(address)) < 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    mark(fd, family, dscp);
    return fd;
}

void
dm_batch_init(DmBatch *batch)
{
    for (unsigned i = 0; i < DM_BATCH_SIZE; i++) {
        batch->iov[i] = (struct iovec){batch->bytes[i], sizeof batch->bytes[i]};
        batch->message[i] = (struct mmsghdr){
            .msg_hdr =
                {
                    .msg_name = &batch->from[i],
                    .msg_namelen = sizeof batch->from[i],
                    .msg_iov = &batch->iov[i],
                    .msg_iovlen = 1,
                },
        };
    }
}

unsigned
dm_batch_receive(DmBatch *batch, int fd)
{
    int n = recvmmsg(fd, batch->message, DM_BATCH_SIZE, MSG_DONTWAIT, NULL);

    /* An ICMP error of an earlier send is reported once, in place of what is waiting behind it. */
    if (n < 0 && errno != EAGAIN) {
        n = recvmmsg(fd, batch->message, DM_BATCH_SIZE, MSG_DONTWAIT, NULL);
    }
    if (n <= 0) {
        return 0;
    }
    /* The kernel has written how long each address is; the next round wants the room again. */
    for (int i = 0; i < n; i++) {
        batch->message[i].msg_hdr.msg_namelen = sizeof batch->from[i];
    }
    return (unsigned)n;
}

size_t
dm_batch_len(const DmBatch *batch, unsigned i)
{
    return batch->message[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : batch->message[i].msg_len;
}
