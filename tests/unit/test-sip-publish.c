/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/publish.h"
#include "tests/lib/sip-gateway.h"
#include "tests/lib/sip-peer.h"
#include "tests/lib/sip-text.h"

#define S (1000LL * 1000)

/* A gateway with a collector at two addresses. */
typedef struct {
    DmSimNetwork *network;
    DmSimGateway *gateway;
    DmSimPeer *first, *second;
} Fixture;

static const char *const trunks =
    "trunks:\n"
    "  - {id: reports, role: carrier, domain: reports.example, direction: outbound,\n"
    "     auth: {mode: digest, user: gw, password: pw}, health: {options: {enabled: false}},\n"
    "     endpoints: [{uri: 192.0.2.20, priority: 1}, {uri: 192.0.2.21, priority: 2}]}\n"
    "quality: {reports: {collector: reports, user: vq}}\n";

static void
set_up(Fixture *f)
{
    f->network = dm_sim_network_new(31);
    f->gateway = dm_sim_gateway_new(f->network, "192.0.2.1:5060", trunks);
    f->first = dm_sim_peer_new(f->network, "192.0.2.20:5060", "192.0.2.1");
    f->second = dm_sim_peer_new(f->network, "192.0.2.21:5060", "192.0.2.1");
}

static void
tear_down(Fixture *f)
{
    dm_sim_peer_free(f->first);
    dm_sim_peer_free(f->second);
    dm_sim_gateway_free(f->gateway);
    dm_sim_network_free(f->network);
}

static void
publish(Fixture *f, const char *body)
{
    dm_sip_stack_publish(f->gateway->stack, g_string_new(body));
}

static int64_t
counted(const Fixture *f, DmSipCounterId id)
{
    return dm_counter_value(&f->gateway->counters[id]);
}

static void
test_accepted(void)
{
    Fixture f;
    const char *request;

    g_test_summary("RFC 6035, 3.2: the report is the body of a PUBLISH to the collector, for the "
                   "event vq-rtcpxr");
    set_up(&f);
    publish(&f, "VQSessionReport: CallTerm\r\n");
    request = dm_sim_peer_expect(f.first, "PUBLISH sip:vq@reports.example SIP/2.0");
    sip_text_assert_has(request, "\r\nEvent: vq-rtcpxr\r\n");
    sip_text_assert_has(request, "\r\nContent-Type: application/vq-rtcpxr\r\n");
    sip_text_assert_has(request, "\r\nTo: <sip:vq@reports.example>\r\n");
    sip_text_assert_has(request, "\r\nFrom: <sip:gw@reports.example>;tag=");
    g_assert_cmpstr(dm_sim_body(request), ==, "VQSessionReport: CallTerm\r\n");
    dm_sim_peer_respond(f.first, request, "200 OK", "c", "SIP-ETag: 1\r\nExpires: 60\r\n", NULL);
    dm_sim_network_run(f.network, S);
    g_assert_cmpint(counted(&f, SIP_reports_accepted), ==, 1);
    g_assert_cmpuint(dm_sim_peer_count(f.first, "PUBLISH "), ==, 0);
    tear_down(&f);
}

static void
test_challenged(void)
{
    Fixture f;
    g_autofree char *first = NULL;
    const char *again;

    g_test_summary("AUTH-1: a challenge is answered once, in the same Call-ID; a second one is a "
                   "refusal (AUTH-4)");
    set_up(&f);
    publish(&f, "VQSessionReport: CallTerm\r\n");
    first = g_strdup(dm_sim_peer_expect(f.first, "PUBLISH "));
    dm_sim_peer_respond(f.first,
                        first,
                        "407 Proxy Authentication Required",
                        "c",
                        "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
                        NULL);
    again = dm_sim_peer_expect(f.first, "PUBLISH ");
    sip_text_assert_has(again, "\r\nProxy-Authorization: Digest username=\"gw\"");
    sip_text_assert_has(again, "\r\nCSeq: 2 PUBLISH\r\n");
    g_assert_nonnull(strstr(again, "VQSessionReport: CallTerm\r\n"));
    dm_sim_peer_respond(f.first,
                        again,
                        "407 Proxy Authentication Required",
                        "c",
                        "Proxy-Authenticate: Digest realm=\"r\", nonce=\"m\", qop=\"auth\"\r\n",
                        NULL);
    dm_sim_network_run(f.network, S);
    g_assert_cmpint(counted(&f, SIP_reports_failed), ==, 1);
    g_assert_cmpuint(dm_sim_peer_count(f.first, "PUBLISH "), ==, 0);
    tear_down(&f);
}

static void
test_next_address(void)
{
    Fixture f;
    const char *request;

    g_test_summary("An address that fails is followed by the next; after the last one the report "
                   "is given up, and counted");
    set_up(&f);
    publish(&f, "one");
    dm_sim_peer_respond(f.first,
                        dm_sim_peer_expect(f.first, "PUBLISH "),
                        "503 Service Unavailable",
                        "c",
                        "",
                        NULL);
    request = dm_sim_peer_expect(f.second, "PUBLISH ");
    g_assert_cmpstr(dm_sim_body(request), ==, "one");
    dm_sim_peer_respond(f.second, request, "500 Server Error", "c", "", NULL);
    dm_sim_network_run(f.network, S);
    g_assert_cmpint(counted(&f, SIP_reports_failed), ==, 1);
    g_assert_cmpint(counted(&f, SIP_reports_accepted), ==, 0);
    tear_down(&f);
}

static void
test_silent_collector(void)
{
    Fixture f;
    const int64_t n = DM_PUBLISH_MAX_WAITING + 100;

    g_test_summary("A collector that says nothing: as many reports wait as may, the rest is "
                   "dropped; nothing is left once it answers again");
    set_up(&f);
    for (int64_t i = 0; i < n; i++) {
        publish(&f, "VQSessionReport: CallTerm\r\n");
    }
    g_assert_cmpint(counted(&f, SIP_reports_dropped), ==, 84); /* 16 are under way */
    dm_sim_network_run(f.network, 70 * S);
    g_assert_cmpint(counted(&f, SIP_reports_failed), >=, 16);
    while (counted(&f, SIP_reports_accepted) + counted(&f, SIP_reports_failed) +
               counted(&f, SIP_reports_dropped) <
           n) {
        const char *request = dm_sim_peer_wait(f.first, "PUBLISH ");

        if (request != NULL) {
            dm_sim_peer_respond(f.first, request, "200 OK", "c", "", NULL);
        }
    }
    g_assert_cmpint(counted(&f, SIP_reports_accepted), >, 900);
    tear_down(&f);
}

static void
test_turned_off(void)
{
    Fixture f;

    g_test_summary("Turned off: what waits is given up");
    set_up(&f);
    for (unsigned i = 0; i < 20; i++) {
        publish(&f, "x");
    }
    dm_sim_gateway_take_config(f.gateway, "trunks: []\n");
    dm_sim_network_run(f.network, 70 * S);
    g_assert_cmpint(counted(&f, SIP_reports_failed), ==, 20);
    tear_down(&f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip/publish/accepted", test_accepted);
    g_test_add_func("/sip/publish/challenged", test_challenged);
    g_test_add_func("/sip/publish/next-address", test_next_address);
    g_test_add_func("/sip/publish/silent", test_silent_collector);
    g_test_add_func("/sip/publish/turned-off", test_turned_off);
    return g_test_run();
}
