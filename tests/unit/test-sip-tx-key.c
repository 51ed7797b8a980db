/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/transaction/key.h"
#include "gateway/sip/transaction/request-text.h"

static void
test_siphash(void)
{
    /* the authors' first and sixteenth vectors: key 00..0f, input of 0 and 15 bytes */
    static const uint8_t empty[] = {0xa3,
                                    0x81,
                                    0x7f,
                                    0x04,
                                    0xba,
                                    0x25,
                                    0xa8,
                                    0xe6,
                                    0x6d,
                                    0xf6,
                                    0x72,
                                    0x14,
                                    0xc7,
                                    0x55,
                                    0x02,
                                    0x93};
    static const uint8_t fifteen[] = {0x54,
                                      0x93,
                                      0xe9,
                                      0x99,
                                      0x33,
                                      0xb0,
                                      0xa8,
                                      0x11,
                                      0x7e,
                                      0x08,
                                      0xec,
                                      0x0f,
                                      0x97,
                                      0xcf,
                                      0xc3,
                                      0xd9};
    DmTxSecret secret = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t input[15];
    DmTxKey key;

    g_test_summary("The hash of transaction keys is SipHash-2-4-128");
    for (unsigned i = 0; i < sizeof(input); i++) {
        input[i] = (uint8_t)i;
    }
    dm_siphash128(&secret, input, 0, &key);
    g_assert_cmpmem(&key, sizeof(key), empty, sizeof(empty));
    dm_siphash128(&secret, input, sizeof(input), &key);
    g_assert_cmpmem(&key, sizeof(key), fifteen, sizeof(fifteen));
}

static DmTxKey
key_of(const char *method, const char *via, const char *rest)
{
    static const DmTxSecret secret = {1, 2};
    g_autofree char *text = g_strdup_printf("%s sip:a@b SIP/2.0\r\nVia: %s\r\n%sCSeq: 5 %s\r\n\r\n",
                                            method,
                                            via,
                                            rest,
                                            method);
    DmScan scan;
    DmTxKey key;

    g_assert_cmpint(dm_scan(text, strlen(text), false, &scan), ==, DM_SCAN_OK);
    dm_tx_key_server(&secret, &scan, &key);
    return key;
}

static void
assert_same(DmTxKey a, DmTxKey b, bool same)
{
    g_assert_cmpint(dm_tx_key_equal(&a, &b), ==, same);
}

#define REST       "From: <sip:x>;tag=1\r\nTo: <sip:y>\r\nCall-ID: one\r\n"
#define REST_ACKED "From: <sip:x>;tag=1\r\nTo: <sip:y>;tag=9\r\nCall-ID: one\r\n"
#define REST_OTHER "From: <sip:x>;tag=1\r\nTo: <sip:y>\r\nCall-ID: two\r\n"

static void
test_matching(void)
{
    const char *via = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa";
    const char *elsewhere = "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKa";
    const char *next = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb";

    g_test_summary(
        "A request belongs to a transaction by branch, sent-by and method (RFC 3261, 17.2.3)");
    assert_same(key_of("INVITE", via, REST), key_of("INVITE", via, REST_OTHER), true);
    assert_same(key_of("INVITE", via, REST), key_of("ACK", via, REST_ACKED), true);
    assert_same(key_of("INVITE", via, REST), key_of("CANCEL", via, REST), true);
    assert_same(key_of("INVITE", via, REST), key_of("INVITE", elsewhere, REST), false);
    assert_same(key_of("INVITE", via, REST), key_of("INVITE", next, REST), false);
    assert_same(key_of("BYE", via, REST), key_of("INVITE", via, REST), false);
    assert_same(key_of("BYE", via, REST), key_of("BYE", via, REST), true);
}

static void
test_matching_rfc2543(void)
{
    const char *via = "SIP/2.0/UDP 192.0.2.1:5060";
    const char *odd = "SIP/2.0/UDP 192.0.2.1:5060;branch=1";
    const char *cookie = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK";

    g_test_summary("Without the magic cookie tags, Call-ID and Via decide (RFC 3261, 17.2.3; RFC "
                   "4475, 3.4.1)");
    assert_same(key_of("INVITE", via, REST), key_of("ACK", via, REST_ACKED), true);
    assert_same(key_of("INVITE", odd, REST), key_of("INVITE", odd, REST), true);
    assert_same(key_of("INVITE", via, REST), key_of("INVITE", via, REST_OTHER), false);
    assert_same(key_of("INVITE", cookie, REST), key_of("INVITE", cookie, REST_OTHER), false);
}

static void
test_long_parts(void)
{
    g_autofree char *wide = g_strnfill(4000, 'x');
    g_autofree char *a = g_strdup_printf("SIP/2.0/UDP h;branch=z9hG4bK%sa", wide);
    g_autofree char *b = g_strdup_printf("SIP/2.0/UDP h;branch=z9hG4bK%sb", wide);

    g_test_summary("A branch of any length counts to its last character");
    assert_same(key_of("BYE", a, REST), key_of("BYE", a, REST), true);
    assert_same(key_of("BYE", a, REST), key_of("BYE", b, REST), false);
}

static void
test_derived_requests(void)
{
    g_autoptr(GString) invite =
        g_string_new("INVITE sip:b@c;x=y SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bK1\r\n"
                     "Max-Forwards: 60\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n"
                     "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: one\r\nCSeq: 42 INVITE\r\n"
                     "Contact: <sip:us>\r\nContent-Length: 3\r\n\r\nv=0");
    DmSpan to = {"<sip:b>\r\n ;tag=2", 16};
    g_autoptr(GString) ack = g_string_new(NULL);
    g_autoptr(GString) cancel = g_string_new(NULL);

    g_test_summary("ACK and CANCEL carry what RFC 3261, 17.1.1.3 and 9.1 say, and nothing else");
    dm_request_text_derive(invite, "ACK", &to, NULL, ack);
    dm_request_text_derive(invite, "CANCEL", NULL, "SIP;cause=200", cancel);
    g_assert_cmpstr(
        ack->str,
        ==,
        "ACK sip:b@c;x=y SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bK1\r\n"
        "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>   "
        ";tag=2\r\n"
        "Call-ID: one\r\nCSeq: 42 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
    g_assert_cmpstr(
        cancel->str,
        ==,
        "CANCEL sip:b@c;x=y SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bK1\r\n"
        "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n"
        "Call-ID: one\r\nCSeq: 42 CANCEL\r\nMax-Forwards: 70\r\nReason: SIP;cause=200\r\n"
        "Content-Length: 0\r\n\r\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-tx-key/siphash", test_siphash);
    g_test_add_func("/sip-tx-key/matching", test_matching);
    g_test_add_func("/sip-tx-key/matching-rfc2543", test_matching_rfc2543);
    g_test_add_func("/sip-tx-key/long-parts", test_long_parts);
    g_test_add_func("/sip-tx-key/derived-requests", test_derived_requests);
    return g_test_run();
}
