/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "media/udptl/stream.h"

/* What came out of a receiver: "0:aa 1:bb ". */
static void
note(uint16_t sequence, const uint8_t *ifp, size_t len, void *user_data)
{
    GString *out = user_data;

    g_string_append_printf(out, "%u:", sequence);
    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(out, "%02x", ifp[i]);
    }
    g_string_append_c(out, ' ');
}

static void
receive(DmUdptlReceiver *receiver, const uint8_t *bytes, size_t len, GString *out)
{
    DmUdptlPacket packet;

    g_assert_cmpint(dm_udptl_parse(bytes, len, &packet), ==, DM_UDPTL_OK);
    dm_udptl_receive(receiver, &packet, note, out);
}

static void
test_fields_are_read(void)
{
    static const uint8_t bytes[] = {0x01, 0x02, 2, 0xc0, 0x01, 0x00, 2, 1, 0xaa, 2, 0xbb, 0xbc};
    DmUdptlPacket packet;

    g_test_summary("T.38, 9.1: number, packet, and copies of earlier ones (FAX-2)");

    g_assert_cmpint(dm_udptl_parse(bytes, sizeof bytes, &packet), ==, DM_UDPTL_OK);
    g_assert_cmpuint(packet.sequence, ==, 0x0102);
    g_assert_cmpmem(packet.primary.bytes, packet.primary.len, bytes + 3, 2);
    g_assert_cmpuint(packet.n_copies, ==, 2);
    g_assert_cmpmem(packet.copy[0].bytes, packet.copy[0].len, bytes + 8, 1);
    g_assert_cmpmem(packet.copy[1].bytes, packet.copy[1].len, bytes + 10, 2);
}

static void
test_broken_datagrams_are_told_apart(void)
{
    static const struct {
        uint8_t bytes[8];
        size_t len;
        DmUdptlVerdict verdict;
    } cases[] = {
        {{0}, 0, DM_UDPTL_TOO_SHORT},
        {{0, 1}, 2, DM_UDPTL_TOO_SHORT},
        {{0, 1, 1}, 3, DM_UDPTL_TOO_SHORT},
        {{0, 1, 1, 6}, 4, DM_UDPTL_TOO_SHORT},
        {{0, 1, 1, 6, 0}, 5, DM_UDPTL_TOO_SHORT},
        {{0, 1, 1, 6, 0, 0}, 6, DM_UDPTL_OK},
        {{0, 1, 0, 0, 0}, 5, DM_UDPTL_BAD_LENGTH},
        {{0, 1, 0xc1, 6, 0, 0}, 6, DM_UDPTL_BAD_LENGTH},
        {{0, 1, 1, 6, 0, 0, 9}, 7, DM_UDPTL_TRAILING},
        {{0, 1, 1, 6, 0, 1, 5}, 7, DM_UDPTL_TOO_SHORT},
        {{0, 1, 1, 6, 0x80, 2, 1, 0}, 8, DM_UDPTL_BAD_FEC},
        {{0, 1, 1, 6, 0x80, 1, 200, 1}, 8, DM_UDPTL_TOO_SHORT},
    };

    g_test_summary("whatever is not UDPTL is refused with its reason (SEC-7)");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree uint8_t *bytes = g_memdup2(cases[i].bytes, MAX(cases[i].len, 1));
        DmUdptlPacket packet;

        g_test_message("case %zu", i);
        g_assert_cmpint(dm_udptl_parse(bytes, cases[i].len, &packet), ==, cases[i].verdict);
    }
}

static void
test_long_packets_have_long_lengths(void)
{
    uint8_t ifp[300];
    uint8_t bytes[DM_UDPTL_DATAGRAM_MAX];
    DmUdptlSender sender;
    DmUdptlPacket packet;
    size_t len;

    g_test_summary("X.691, 10.9: from 128 bytes on a length takes two octets");

    memset(ifp, 0x5a, sizeof ifp);
    dm_udptl_sender_init(&sender, 1, 0);
    g_assert_cmpuint(dm_udptl_send(&sender, ifp, sizeof ifp, bytes), ==, 2 + 2 + 300 + 2);
    g_assert_cmphex(bytes[2], ==, 0x81);
    len = dm_udptl_send(&sender, ifp, 1, bytes);
    g_assert_cmpint(dm_udptl_parse(bytes, len, &packet), ==, DM_UDPTL_OK);
    g_assert_cmpmem(packet.copy[0].bytes, packet.copy[0].len, ifp, sizeof ifp);
}

#define N_SENT 200

static void
test_three_copies_make_good_three_losses(void)
{
    DmUdptlReceiver *receiver = g_new0(DmUdptlReceiver, 1);
    g_autoptr(GString) got = g_string_new(NULL);
    g_autoptr(GString) expected = g_string_new(NULL);
    DmUdptlSender sender;

    g_test_summary("redundancy 3: three lost in a row of every four come out in order (FAX-3)");

    dm_udptl_sender_init(&sender, 3, 0);
    for (unsigned i = 0; i < N_SENT; i++) {
        uint8_t ifp[2] = {(uint8_t)i, 0x77};
        uint8_t bytes[DM_UDPTL_DATAGRAM_MAX];
        size_t len = dm_udptl_send(&sender, ifp, sizeof ifp, bytes);

        note((uint16_t)i, ifp, sizeof ifp, expected);
        if (i % 4 == 3) {
            receive(receiver, bytes, len, got);
            receive(receiver, bytes, len, got); /* and nothing comes twice */
        }
    }
    g_assert_cmpstr(got->str, ==, expected->str);
    g_assert_cmpuint(receiver->n_recovered, ==, N_SENT / 4 * 3);
    g_assert_cmpuint(receiver->n_missed, ==, 0);
    g_assert_cmpuint(receiver->n_late, ==, N_SENT / 4);
    g_free(receiver);
}

static void
test_what_cannot_be_had_is_counted(void)
{
    DmUdptlReceiver *receiver = g_new0(DmUdptlReceiver, 1);
    g_autoptr(GString) got = g_string_new(NULL);
    static const uint8_t first[] = {0, 0, 1, 0xa0, 0, 0};
    static const uint8_t fifth[] = {0, 5, 1, 0xa5, 0, 1, 1, 0xa4};

    g_test_summary("losses beyond the redundancy are passed over, and counted");

    receive(receiver, first, sizeof first, got);
    receive(receiver, fifth, sizeof fifth, got);
    g_assert_cmpstr(got->str, ==, "0:a0 4:a4 5:a5 ");
    g_assert_cmpuint(receiver->n_missed, ==, 3);
    g_assert_cmpuint(receiver->n_recovered, ==, 1);
    g_free(receiver);
}

static void
test_sums_make_good_losses(void)
{
    DmUdptlReceiver *receiver = g_new0(DmUdptlReceiver, 1);
    g_autoptr(GString) got = g_string_new(NULL);
    static const uint8_t plain[4][8] = {
        {0, 0, 2, 0x10, 0x01, 0, 0},
        {0, 1, 2, 0x20, 0x02, 0, 0},
        {0, 2, 2, 0x40, 0x04, 0, 0},
        {0, 3, 2, 0x80, 0x08, 0, 0},
    };
    /* Two sums of two packets each, two apart: 0 and 2, 1 and 3. */
    static const uint8_t with_sums[] = {0, 4, 1, 0xee, 0x80, 1, 2, 2, 2, 0x50, 0x05, 2, 0xa0, 0x0a};

    g_test_summary("FEC: a burst of two is worked out from two sums (FAX-2)");

    receive(receiver, plain[0], 7, got);
    receive(receiver, plain[1], 7, got);
    receive(receiver, with_sums, sizeof with_sums, got);
    g_assert_cmpstr(got->str, ==, "0:1001 1:2002 2:4004 3:8008 4:ee ");
    g_assert_cmpuint(receiver->n_recovered, ==, 2);
    g_assert_cmpuint(receiver->n_missed, ==, 0);
    g_free(receiver);
}

static void
test_numbers_wrap_and_start_anew(void)
{
    DmUdptlReceiver *receiver = g_new0(DmUdptlReceiver, 1);
    g_autoptr(GString) got = g_string_new(NULL);
    static const uint8_t last[] = {0xff, 0xff, 1, 0xa0, 0, 0};
    static const uint8_t second[] = {0, 1, 1, 0xa2, 0, 1, 1, 0xa1};
    static const uint8_t far[] = {0x70, 0, 1, 0xb0, 0, 0};
    static const uint8_t again[] = {0, 1, 1, 0xc1, 0, 1, 1, 0xc0};

    g_test_summary("65535 is followed by 0; a peer that starts over is followed");

    receive(receiver, last, sizeof last, got);
    receive(receiver, second, sizeof second, got);
    g_assert_cmpstr(got->str, ==, "65535:a0 0:a1 1:a2 ");
    receive(receiver, far, sizeof far, got);
    g_assert_cmpuint(receiver->n_missed, ==, 0);
    g_string_truncate(got, 0);
    receive(receiver, again, sizeof again, got);
    g_assert_cmpstr(got->str, ==, "0:c0 1:c1 ");
    g_free(receiver);
}

static void
test_copies_give_way_to_the_peers_limit(void)
{
    uint8_t ifp[100] = {0};
    uint8_t bytes[DM_UDPTL_DATAGRAM_MAX];
    DmUdptlSender sender;

    g_test_summary("T38FaxMaxDatagram: copies are left out first, the packet itself never");

    dm_udptl_sender_init(&sender, 3, 250);
    dm_udptl_send(&sender, ifp, sizeof ifp, bytes);
    g_assert_cmpuint(dm_udptl_send(&sender, ifp, sizeof ifp, bytes), ==, 2 + 101 + 2 + 101);
    g_assert_cmpuint(dm_udptl_send(&sender, ifp, sizeof ifp, bytes), ==, 2 + 101 + 2 + 101);
    dm_udptl_sender_init(&sender, 3, 72);
    g_assert_cmpuint(dm_udptl_send(&sender, ifp, sizeof ifp, bytes), ==, 2 + 101 + 2);
    g_assert_cmpuint(dm_udptl_send(&sender, bytes, 0, bytes), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/udptl/fields", test_fields_are_read);
    g_test_add_func("/udptl/broken", test_broken_datagrams_are_told_apart);
    g_test_add_func("/udptl/long", test_long_packets_have_long_lengths);
    g_test_add_func("/udptl/redundancy", test_three_copies_make_good_three_losses);
    g_test_add_func("/udptl/missed", test_what_cannot_be_had_is_counted);
    g_test_add_func("/udptl/fec", test_sums_make_good_losses);
    g_test_add_func("/udptl/wrap", test_numbers_wrap_and_start_anew);
    g_test_add_func("/udptl/limit", test_copies_give_way_to_the_peers_limit);
    return g_test_run();
}
