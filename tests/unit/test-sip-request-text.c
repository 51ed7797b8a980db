/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/transaction/request-text.h"
#include "gateway/sip/transaction/transaction.h"

#define LONG                                                                                       \
    "INVITE sip:300@192.0.2.9 SIP/2.0\r\n"                                                         \
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1\r\n"                                         \
    "Max-Forwards: 70\r\n"                                                                         \
    "From: <sip:gw@192.0.2.1>;tag=g1\r\n"                                                          \
    "To: <sip:300@192.0.2.9>\r\n"                                                                  \
    "Call-ID: ours\r\n"                                                                            \
    "CSeq: 1 INVITE\r\n"                                                                           \
    "Contact: <sip:gw@192.0.2.1>\r\n"                                                              \
    "Supported: timer\r\n"                                                                         \
    "P-Asserted-Identity: <sip:1@h>\r\n"                                                           \
    "Content-Type: application/sdp\r\n"                                                            \
    "Content-Length: 14\r\n"                                                                       \
    "\r\n"                                                                                         \
    "To: no header\n"

static void
names_are_written_compactly(void)
{
    g_autoptr(GString) text = g_string_new(LONG);
    DmScan scan;

    g_test_summary("SIG-23: headers in their compact form, the others and the body as they were");
    dm_request_text_compact(text);
    g_assert_cmpstr(text->str,
                    ==,
                    "INVITE sip:300@192.0.2.9 SIP/2.0\r\n"
                    "v:SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1\r\n"
                    "Max-Forwards: 70\r\n"
                    "f:<sip:gw@192.0.2.1>;tag=g1\r\n"
                    "t:<sip:300@192.0.2.9>\r\n"
                    "i:ours\r\n"
                    "CSeq: 1 INVITE\r\n"
                    "m:<sip:gw@192.0.2.1>\r\n"
                    "k:timer\r\n"
                    "P-Asserted-Identity: <sip:1@h>\r\n"
                    "c:application/sdp\r\n"
                    "l:14\r\n"
                    "\r\n"
                    "To: no header\n");
    g_assert_cmpint(dm_scan(text->str, text->len, false, &scan), ==, DM_SCAN_OK);
    g_assert_cmpuint(scan.body_len, ==, 14);
}

static void
what_is_derived_is_the_same(void)
{
    static const char *const methods[] = {"ACK", "CANCEL"};
    g_autoptr(GString) compact = g_string_new(LONG);
    g_autoptr(GString) whole = g_string_new(LONG);

    g_test_summary("SIG-23: ACK and CANCEL of a compact INVITE are those of the long one");
    dm_request_text_compact(compact);
    for (unsigned i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GString) from_compact = g_string_new(NULL);
        g_autoptr(GString) from_whole = g_string_new(NULL);

        dm_request_text_derive(compact, methods[i], NULL, "x", from_compact);
        dm_request_text_derive(whole, methods[i], NULL, "x", from_whole);
        g_assert_cmpstr(from_compact->str, ==, from_whole->str);
        g_assert_nonnull(strstr(from_whole->str, "Call-ID: ours\r\n"));
    }
}

/* A wire that keeps the last message and has a limit. */
typedef struct {
    DmAddress address;
    size_t max;
    GString *sent;
} Wire;

static bool
wire_send(void *data, const DmSipFlow *flow, const void *bytes, size_t len)
{
    Wire *wire = data;

    g_string_truncate(wire->sent, 0);
    g_string_append_len(wire->sent, bytes, (gssize)len);
    return true;
}

static const DmAddress *
wire_advertised(void *data, unsigned listener)
{
    return &((Wire *)data)->address;
}

static size_t
wire_max(void *data, unsigned listener)
{
    return ((Wire *)data)->max;
}

static DmSipMessage *
parse(void)
{
    DmSipFlow flow = {0};
    DmScan scan;
    bool faulty;

    g_assert_cmpint(dm_scan(LONG, strlen(LONG), false, &scan), ==, DM_SCAN_OK);
    return dm_sip_message_parse(LONG, strlen(LONG), &scan, &flow, &faulty);
}

static void
only_what_is_too_long_is_slimmed(void)
{
    static const DmSipWireOps ops = {
        .send = wire_send,
        .advertised = wire_advertised,
        .max_request_bytes = wire_max,
    };
    static const struct {
        int max; /* below 0: less than the request as it is; 0: no limit */
        DmTransport transport;
        bool compact;
        int64_t fit, did_not;
    } cases[] = {
        {0, DM_TRANSPORT_UDP, false, 0, 0},
        {1300, DM_TRANSPORT_UDP, false, 0, 0},
        {-1, DM_TRANSPORT_TCP, false, 0, 0},
        {-1, DM_TRANSPORT_UDP, true, 1, 0},
        {100, DM_TRANSPORT_UDP, true, 0, 1},
    };

    g_test_summary(
        "SIG-23: a request beyond the listener's size is slimmed and counted; it stays UDP");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Wire wire = {.sent = g_string_new(NULL)};
        DmCounter counters[DM_N_SIP_COUNTERS] = {0};
        g_autoptr(GError) error = NULL;
        g_autoptr(DmLoop) loop = dm_loop_new(&error);
        g_autoptr(DmRandom) random = dm_random_new_seeded(1);
        g_autoptr(DmSipMessage) request = parse();
        DmSipFlow flow = {.transport = cases[i].transport};
        DmTxLayer *layer;
        int64_t whole;

        g_assert_no_error(error);
        g_assert_true(dm_address_parse(&wire.address, "192.0.2.1", 5060));
        layer = dm_tx_layer_new(&(DmTxLayerOptions){
            .loop = loop,
            .random = random,
            .wire = {&ops, &wire},
            .max_transactions = 10,
            .counters = counters,
        });
        dm_client_tx_start(layer, request, &flow, NULL, NULL);
        whole = (int64_t)wire.sent->len;
        wire.max = (size_t)(cases[i].max < 0 ? whole + cases[i].max : cases[i].max);
        dm_client_tx_start(layer, request, &flow, NULL, NULL);
        g_assert_cmpint(strstr(wire.sent->str, "\r\ni:ours") != NULL, ==, cases[i].compact);
        g_assert_cmpint(dm_counter_value(&counters[SIP_oversize_compact]), ==, cases[i].fit);
        g_assert_cmpint(dm_counter_value(&counters[SIP_oversize_fragmented]), ==, cases[i].did_not);
        dm_tx_layer_free(layer);
        g_string_free(wire.sent, TRUE);
    }
}

int
main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-request-text/compact", names_are_written_compactly);
    g_test_add_func("/sip-request-text/derive", what_is_derived_is_the_same);
    g_test_add_func("/sip-request-text/oversize", only_what_is_too_long_is_slimmed);
    return g_test_run();
}
