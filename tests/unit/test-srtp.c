/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <srtp2/srtp.h>
#include <string.h>

#include "gateway/base/address.h"
#include "media/rtp/packet.h"
#include "media/srtp/cipher.h"
#include "media/srtp/srtp.h"

#define PAYLOAD_LEN 160
#define SSRC        0x11223344

static DmSrtpKey
make_key(DmSrtpSuite suite, uint8_t seed)
{
    DmSrtpKey key = {.suite = (uint8_t)suite};

    for (unsigned i = 0; i < dm_srtp_key_len(suite); i++) {
        key.bytes[i] = (uint8_t)(seed + i * 7);
    }
    return key;
}

typedef struct {
    uint8_t bytes[DM_RTP_HEADER_LEN + PAYLOAD_LEN + DM_SRTP_ROOM];
    size_t len;
} Datagram;

static Datagram
make_rtp(uint32_t ssrc, uint16_t sequence)
{
    Datagram datagram = {.len = DM_RTP_HEADER_LEN + PAYLOAD_LEN};
    DmRtpPacket rtp = {.ssrc = ssrc, .sequence = sequence, .timestamp = sequence * 160u};

    dm_rtp_build(datagram.bytes, &rtp);
    memset(datagram.bytes + DM_RTP_HEADER_LEN, sequence & 0xff, PAYLOAD_LEN);
    return datagram;
}

/* A receiver report of @ssrc about nobody. */
static Datagram
make_rtcp(uint32_t ssrc)
{
    Datagram datagram = {.bytes = {0x80, 201, 0, 1}, .len = 8};

    for (unsigned i = 0; i < 4; i++) {
        datagram.bytes[4 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    }
    return datagram;
}

static Datagram
protected_rtp(DmSrtp *sender, uint32_t ssrc, uint16_t sequence)
{
    Datagram datagram = make_rtp(ssrc, sequence);

    g_assert_cmpint(dm_srtp_protect_rtp(sender, datagram.bytes, &datagram.len), ==, DM_SRTP_OK);
    return datagram;
}

static DmSrtpVerdict
receive(DmSrtp *receiver, Datagram datagram)
{
    return dm_srtp_unprotect_rtp(receiver, datagram.bytes, &datagram.len);
}

static void
test_the_librarys_self_tests_pass_with_our_ciphers(void)
{
    const srtp_cipher_type_t *ciphers[] = {&dm_srtp_aes_cm_128,
                                           &dm_srtp_aes_cm_256,
                                           &dm_srtp_aes_gcm_128,
                                           &dm_srtp_aes_gcm_256};

    g_test_summary("SEC-2: vectors of RFC 3711, RFC 6188, GCM and RFC 2202, and what the stock "
                   "ciphers must pass; replacing runs the latter");

    for (unsigned i = 0; i < G_N_ELEMENTS(ciphers); i++) {
        g_test_message("%s", ciphers[i]->description);
        g_assert_cmpint(srtp_cipher_type_self_test(ciphers[i]), ==, srtp_err_status_ok);
        g_assert_cmpint(srtp_replace_cipher_type(ciphers[i], ciphers[i]->id),
                        ==,
                        srtp_err_status_ok);
    }
    g_assert_cmpint(srtp_auth_type_self_test(&dm_srtp_hmac_sha1), ==, srtp_err_status_ok);
    g_assert_cmpint(srtp_replace_auth_type(&dm_srtp_hmac_sha1, SRTP_HMAC_SHA1),
                    ==,
                    srtp_err_status_ok);
}

static void
test_the_vector_of_rfc_3711_comes_out(void)
{
    /* RFC 3711, B.3 has the master key; the packet is libsrtp2's own reference packet. */
    static const uint8_t master[] = {0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f,
                                     0xa3, 0x2c, 0x06, 0xde, 0x41, 0x39, 0x0e, 0xc6, 0x75, 0xad,
                                     0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6};
    static const uint8_t expected[] = {0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe,
                                       0xba, 0xbe, 0x4e, 0x55, 0xdc, 0x4c, 0xe7, 0x99, 0x78, 0xd8,
                                       0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d, 0x24, 0x02, 0xb7, 0x8d,
                                       0x6a, 0xcc, 0x99, 0xea, 0x17, 0x9b, 0x8d, 0xbb};
    uint8_t bytes[28 + DM_SRTP_ROOM] =
        {0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe};
    DmSrtpKey key = {.suite = DM_SRTP_AES_CM_128_HMAC_SHA1_80};
    g_autoptr(DmSrtp) sender = NULL;
    size_t len = 28;

    g_test_summary("SEC-2: key derivation, counter mode and authentication give the known packet");

    memset(bytes + 12, 0xab, 16);
    memcpy(key.bytes, master, sizeof master);
    sender = dm_srtp_new_sender(&key, 0xcafebabe, 0);
    g_assert_cmpint(dm_srtp_protect_rtp(sender, bytes, &len), ==, DM_SRTP_OK);
    g_assert_cmpmem(bytes, len, expected, sizeof expected);
}

static void
test_every_suite_carries_rtp_and_rtcp(void)
{
    static const struct {
        DmSrtpSuite suite;
        size_t rtp_more, rtcp_more;
    } cases[] = {
        {DM_SRTP_AES_CM_128_HMAC_SHA1_80, 10, 14},
        {DM_SRTP_AES_CM_128_HMAC_SHA1_32, 4, 14},
        {DM_SRTP_AES_256_CM_HMAC_SHA1_80, 10, 14},
        {DM_SRTP_AES_256_CM_HMAC_SHA1_32, 4, 14},
        {DM_SRTP_AEAD_AES_128_GCM, 16, 20},
        {DM_SRTP_AEAD_AES_256_GCM, 16, 20},
    };

    g_test_summary("SEC-2: what one side protects the other gets back, and nobody reads between");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmSrtpKey key = make_key(cases[i].suite, 1);
        g_autoptr(DmSrtp) sender = dm_srtp_new_sender(&key, SSRC, 0);
        g_autoptr(DmSrtp) receiver = dm_srtp_new_receiver(&key, 0, 0);
        Datagram plain = make_rtp(SSRC, 7);
        Datagram sent = protected_rtp(sender, SSRC, 7);
        Datagram report = make_rtcp(SSRC);

        g_assert_cmpuint(sent.len, ==, plain.len + cases[i].rtp_more);
        g_assert_true(memcmp(sent.bytes + 12, plain.bytes + 12, PAYLOAD_LEN) != 0);
        g_assert_cmpint(dm_srtp_unprotect_rtp(receiver, sent.bytes, &sent.len), ==, DM_SRTP_OK);
        g_assert_cmpmem(sent.bytes, sent.len, plain.bytes, plain.len);

        g_assert_cmpint(dm_srtp_protect_rtcp(sender, report.bytes, &report.len), ==, DM_SRTP_OK);
        g_assert_cmpuint(report.len, ==, 8 + cases[i].rtcp_more);
        g_assert_cmpint(dm_srtp_unprotect_rtcp(receiver, report.bytes, &report.len),
                        ==,
                        DM_SRTP_OK);
        g_assert_cmpmem(report.bytes, report.len, make_rtcp(SSRC).bytes, 8);
    }
}

static void
test_what_is_not_ours_is_dropped_and_harms_nothing(void)
{
    DmSrtpKey key = make_key(DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1);
    DmSrtpKey other = make_key(DM_SRTP_AES_CM_128_HMAC_SHA1_80, 2);
    g_autoptr(DmSrtp) sender = dm_srtp_new_sender(&key, SSRC, 0);
    g_autoptr(DmSrtp) stranger = dm_srtp_new_sender(&other, SSRC, 0);
    g_autoptr(DmSrtp) receiver = dm_srtp_new_receiver(&key, 0, 0);
    Datagram first = protected_rtp(sender, SSRC, 1);
    Datagram second = protected_rtp(sender, SSRC, 2);
    Datagram changed = second;
    Datagram shortened = {.len = 15};

    g_test_summary("SEC-2: another key, a changed byte, too few bytes, the same packet again");

    g_assert_cmpint(receive(receiver, protected_rtp(stranger, SSRC, 1)), ==, DM_SRTP_FOREIGN);
    g_assert_cmpint(receive(receiver, first), ==, DM_SRTP_OK);
    g_assert_cmpint(receive(receiver, first), ==, DM_SRTP_REPLAYED);
    changed.bytes[20] ^= 1;
    g_assert_cmpint(receive(receiver, changed), ==, DM_SRTP_FOREIGN);
    g_assert_cmpint(receive(receiver, shortened), ==, DM_SRTP_MALFORMED);
    g_assert_cmpint(receive(receiver, make_rtp(SSRC, 2)), ==, DM_SRTP_FOREIGN);
    g_assert_cmpint(receive(receiver, second), ==, DM_SRTP_OK);
}

static void
test_the_rollover_counter_goes_on(void)
{
    DmSrtpKey key = make_key(DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1);
    DmSrtpKey next = make_key(DM_SRTP_AEAD_AES_128_GCM, 9);
    g_autoptr(DmSrtp) sender = dm_srtp_new_sender(&key, SSRC, 0);
    g_autoptr(DmSrtp) receiver = dm_srtp_new_receiver(&key, 0, 0);
    g_autoptr(DmSrtp) next_sender = NULL;
    g_autoptr(DmSrtp) next_receiver = NULL;
    g_autoptr(DmSrtp) reset_receiver = NULL;
    Datagram packet;

    g_test_summary("RFC 3711, 3.3.1: sequence numbers go round twice, and a new key takes the "
                   "count over");

    for (uint32_t i = 65000; i < 65000 + 2 * 65536; i += 100) {
        packet = protected_rtp(sender, SSRC, (uint16_t)i);
        g_assert_cmpint(receive(receiver, packet), ==, DM_SRTP_OK);
    }
    g_assert_cmpuint(dm_srtp_roc(sender, SSRC), ==, 2);
    g_assert_cmpuint(dm_srtp_roc(receiver, SSRC), ==, 2);
    g_assert_cmpuint(dm_srtp_roc(receiver, SSRC + 1), ==, 0);

    next_sender = dm_srtp_new_sender(&next, SSRC, dm_srtp_roc(sender, SSRC));
    next_receiver = dm_srtp_new_receiver(&next, SSRC, dm_srtp_roc(receiver, SSRC));
    reset_receiver = dm_srtp_new_receiver(&next, 0, 0);
    for (uint16_t sequence = 64930; sequence != 100; sequence += 2) {
        packet = protected_rtp(next_sender, SSRC, sequence);
        g_assert_cmpint(receive(next_receiver, packet), ==, DM_SRTP_OK);
        g_assert_cmpint(receive(reset_receiver, packet), ==, DM_SRTP_FOREIGN);
    }
    g_assert_cmpuint(dm_srtp_roc(next_receiver, SSRC), ==, 3);
}

static void
test_sources_come_and_go(void)
{
    DmSrtpKey key = make_key(DM_SRTP_AEAD_AES_256_GCM, 1);
    g_autoptr(DmSrtp) receiver = dm_srtp_new_receiver(&key, 0, 0);
    Datagram first = {0};

    g_test_summary("Any number of sources, one after the other; the last ones stay known");

    for (uint32_t ssrc = 1; ssrc <= 100; ssrc++) {
        g_autoptr(DmSrtp) sender = dm_srtp_new_sender(&key, ssrc, 0);
        Datagram packet = protected_rtp(sender, ssrc, 5);

        g_assert_cmpint(receive(receiver, packet), ==, DM_SRTP_OK);
        g_assert_cmpint(receive(receiver, packet), ==, DM_SRTP_REPLAYED);
        first = ssrc == 1 ? packet : first;
    }
    /* Of a source no longer known: nothing is kept that would tell. */
    g_assert_cmpint(receive(receiver, first), ==, DM_SRTP_OK);
}

/* @mki put in its place, as a sender with an identifier has it. */
static Datagram
with_mki(Datagram packet, size_t tag_len, const char *mki)
{
    size_t n = strlen(mki);

    memmove(packet.bytes + packet.len - tag_len + n, packet.bytes + packet.len - tag_len, tag_len);
    memcpy(packet.bytes + packet.len - tag_len, mki, n);
    packet.len += n;
    return packet;
}

static void
test_master_key_identifiers_are_skipped(void)
{
    DmSrtpKey key = make_key(DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1);
    DmSrtpKey gcm = make_key(DM_SRTP_AEAD_AES_128_GCM, 1);
    g_autoptr(DmSrtp) sender = dm_srtp_new_sender(&key, SSRC, 0);
    g_autoptr(DmSrtp) gcm_sender = dm_srtp_new_sender(&gcm, SSRC, 0);
    g_autoptr(DmSrtp) receiver = NULL;
    g_autoptr(DmSrtp) gcm_receiver = NULL;

    g_test_summary("SEC-2: a peer that announced an identifier may put it into its packets");

    key.mki_len = 4;
    gcm.mki_len = 1;
    receiver = dm_srtp_new_receiver(&key, 0, 0);
    gcm_receiver = dm_srtp_new_receiver(&gcm, 0, 0);
    g_assert_cmpint(receive(receiver, with_mki(protected_rtp(sender, SSRC, 1), 10, "\1\2\3\4")),
                    ==,
                    DM_SRTP_OK);
    g_assert_cmpint(receive(receiver, protected_rtp(sender, SSRC, 2)), ==, DM_SRTP_FOREIGN);
    g_assert_cmpint(receive(gcm_receiver, with_mki(protected_rtp(gcm_sender, SSRC, 1), 0, "\1")),
                    ==,
                    DM_SRTP_OK);
}

static void
test_a_key_without_a_suite_is_refused(void)
{
    DmSrtpKey none = {0};
    DmSrtpKey unknown = {.suite = DM_N_SRTP_SUITES};

    g_test_summary("No context without a key");

    g_assert_null(dm_srtp_new_sender(&none, SSRC, 0));
    g_assert_null(dm_srtp_new_receiver(&unknown, 0, 0));
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    dm_srtp_init(&error);
    g_assert_no_error(error);
    g_test_add_func("/srtp/self-tests", test_the_librarys_self_tests_pass_with_our_ciphers);
    g_test_add_func("/srtp/vector", test_the_vector_of_rfc_3711_comes_out);
    g_test_add_func("/srtp/suites", test_every_suite_carries_rtp_and_rtcp);
    g_test_add_func("/srtp/foreign", test_what_is_not_ours_is_dropped_and_harms_nothing);
    g_test_add_func("/srtp/rollover", test_the_rollover_counter_goes_on);
    g_test_add_func("/srtp/sources", test_sources_come_and_go);
    g_test_add_func("/srtp/mki", test_master_key_identifiers_are_skipped);
    g_test_add_func("/srtp/no-suite", test_a_key_without_a_suite_is_refused);
    return g_test_run();
}
