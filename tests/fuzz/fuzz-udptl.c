/* SPDX-License-Identifier: Apache-2.0 */
/* A run of datagrams (each behind a byte of its length) as UDPTL: fields lie inside the datagram,
 * IFP packets come out in order and each once, and what is built from one reads as the same. */
#include <glib.h>
#include <string.h>

#include "media/udptl/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    DmUdptlReceiver receiver;
    bool has_last;
    uint16_t last;
    unsigned sum;
} Sink;

static void
check_inside(const DmUdptlField *field, const uint8_t *data, size_t size)
{
    g_assert_true(field->bytes >= data && field->bytes + field->len <= data + size);
}

static void
on_ifp(uint16_t sequence, const uint8_t *ifp, size_t len, void *user_data)
{
    Sink *sink = user_data;

    for (size_t i = 0; i < len; i++) {
        sink->sum += ifp[i]; /* every byte can be read */
    }
    g_assert_cmpuint(len, >, 0);
    g_assert_true(!sink->has_last || (int16_t)(sequence - sink->last) > 0);
    sink->has_last = true;
    sink->last = sequence;
}

static void
check_building(const DmUdptlPacket *packet)
{
    uint8_t bytes[DM_UDPTL_DATAGRAM_MAX];
    DmUdptlPacket again;
    size_t len = dm_udptl_build(packet, bytes, sizeof bytes);

    if (len == 0) {
        return;
    }
    g_assert_cmpuint(len, <=, sizeof bytes);
    g_assert_cmpint(dm_udptl_parse(bytes, len, &again), ==, DM_UDPTL_OK);
    g_assert_cmpuint(again.sequence, ==, packet->sequence);
    g_assert_cmpmem(again.primary.bytes,
                    again.primary.len,
                    packet->primary.bytes,
                    packet->primary.len);
    g_assert_cmpuint(again.n_copies, <=, packet->n_copies);
    g_assert_cmpuint(again.n_fec, ==, 0);
}

static void
take(Sink *sink, const uint8_t *data, size_t size)
{
    g_autofree uint8_t *bytes = g_memdup2(data, size);
    DmUdptlPacket packet;
    int ahead;

    if (dm_udptl_parse(bytes, size, &packet) != DM_UDPTL_OK) {
        return;
    }
    check_inside(&packet.primary, bytes, size);
    for (unsigned i = 0; i < packet.n_copies; i++) {
        check_inside(&packet.copy[i], bytes, size);
    }
    for (unsigned i = 0; i < packet.n_fec; i++) {
        check_inside(&packet.fec[i], bytes, size);
    }
    check_building(&packet);
    ahead = (int16_t)(packet.sequence - sink->receiver.next);
    if (sink->receiver.started && ABS(ahead) > 1000) {
        sink->has_last = false; /* another stream */
    }
    dm_udptl_receive(&sink->receiver, &packet, on_ifp, sink);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Sink sink = {0};

    take(&sink, data, size);
    memset(&sink, 0, sizeof sink);
    while (size > 0) {
        size_t len = MIN(data[0], size - 1);

        take(&sink, data + 1, len);
        data += 1 + len;
        size -= 1 + len;
    }
    return 0;
}
