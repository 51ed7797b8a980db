/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-gateway.h"
#include "tests/lib/sip-peer.h"
#include "tests/lib/sip-text.h"

/* What a carrier asks of each request of a call (AUTH-1, AUTH-4). */

typedef struct {
    DmSimNetwork *network;
    DmSimGateway *gateway;
    DmSimPeer *carrier;
    DmSdp *sdp;
} Fixture;

static void
set_up(Fixture *f)
{
    f->network = dm_sim_network_new(31);
    f->gateway =
        dm_sim_gateway_new(f->network,
                           "192.0.2.1:5060",
                           "trunks:\n"
                           "  - {id: carrier, role: carrier, endpoints: [{uri: "
                           "192.0.2.20}], auth: {mode: digest, user: me, password: pw}}\n");
    f->carrier = dm_sim_peer_new(f->network, "192.0.2.20:5060", "192.0.2.1");
    f->sdp = dm_sim_sdp(20000);
}

static void
tear_down(Fixture *f)
{
    dm_sim_peer_free(f->carrier);
    dm_sim_gateway_free(f->gateway);
    dm_sdp_unref(f->sdp);
    dm_sim_network_free(f->network);
}

#define WWW(nonce)   "WWW-Authenticate: Digest realm=\"w\", nonce=\"" nonce "\", qop=\"auth\"\r\n"
#define PROXY(nonce) "Proxy-Authenticate: Digest realm=\"p\", nonce=\"" nonce "\", qop=\"auth\"\r\n"

static const char *
dial(Fixture *f)
{
    dm_sim_gateway_dial(f->gateway, "carrier", "+442079460000", f->sdp);
    return dm_sim_peer_expect(f->carrier, "INVITE ");
}

static void
test_both_kinds(void)
{
    Fixture f;
    g_autofree char *invite = NULL;
    const char *ack;

    g_test_summary(
        "AUTH-1: 401 with challenges of both kinds is answered with both, and the ACK for "
        "the 2xx has them too");
    set_up(&f);
    dm_sim_peer_respond(f.carrier, dial(&f), "401 Unauthorized", "a", WWW("n1") PROXY("n2"), NULL);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    sip_text_assert_has(invite, "\r\nAuthorization: Digest username=\"me\", realm=\"w\"");
    sip_text_assert_has(invite, "\r\nProxy-Authorization: Digest username=\"me\", realm=\"p\"");
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "b", "", dm_sim_sdp_text);
    ack = dm_sim_peer_expect(f.carrier, "ACK ");
    sip_text_assert_has(ack, "\r\nAuthorization: Digest username=\"me\", realm=\"w\"");
    sip_text_assert_has(ack, "\r\nProxy-Authorization: Digest username=\"me\", realm=\"p\"");
    tear_down(&f);
}

static void
test_one_after_the_other(void)
{
    Fixture f;
    g_auto(DmTrunkStatus) status = {0};
    const char *invite;

    g_test_summary(
        "AUTH-1 AUTH-4: a proxy asks, then the server behind it; the same realm once more "
        "ends it");
    set_up(&f);
    dm_sim_peer_respond(f.carrier,
                        dial(&f),
                        "407 Proxy Authentication Required",
                        "a",
                        PROXY("n1"),
                        NULL);
    invite = dm_sim_peer_expect(f.carrier, "INVITE ");
    dm_sim_peer_respond(f.carrier, invite, "401 Unauthorized", "b", WWW("n2"), NULL);
    invite = dm_sim_peer_expect(f.carrier, "INVITE ");
    sip_text_assert_has(invite, "\r\nAuthorization: ");
    sip_text_assert_has(invite, "\r\nProxy-Authorization: ");
    dm_sim_peer_respond(f.carrier, invite, "401 Unauthorized", "c", WWW("n3"), NULL);
    dm_sim_network_run(f.network, 2 * G_USEC_PER_SEC);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "INVITE "), ==, 0);
    g_assert_cmpstr(f.gateway->events->str, ==, "closed:401 ");
    g_assert_true(dm_trunk_registry_status(f.gateway->registry, "carrier", &status));
    g_assert_cmpuint(status.auth_failures, ==, 1);
    tear_down(&f);
}

static void
test_prack(void)
{
    Fixture f;
    g_autofree char *invite = NULL;
    g_autofree char *first = NULL;
    const char *second;

    g_test_summary("AUTH-1: a PRACK that is challenged comes again, with its RAck and credentials; "
                   "and not a third time");
    set_up(&f);
    invite = g_strdup(dial(&f));
    dm_sim_peer_respond(f.carrier,
                        invite,
                        "183 Session Progress",
                        "r",
                        "Require: 100rel\r\nRSeq: 7\r\n",
                        dm_sim_sdp_text);
    first = g_strdup(dm_sim_peer_expect(f.carrier, "PRACK "));
    g_assert_null(strstr(first, "Authorization"));
    dm_sim_peer_respond(f.carrier, first, "401 Unauthorized", "r", WWW("n1"), NULL);
    second = dm_sim_peer_expect(f.carrier, "PRACK ");
    sip_text_assert_has(second, "\r\nRAck: 7 1 INVITE\r\n");
    sip_text_assert_has(second, "\r\nAuthorization: Digest username=\"me\"");
    sip_text_assert_has(second, "\r\nCSeq: 3 PRACK\r\n");
    dm_sim_peer_respond(f.carrier, second, "401 Unauthorized", "r", WWW("n2"), NULL);
    dm_sim_network_run(f.network, 2 * G_USEC_PER_SEC);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "PRACK "), ==, 0);
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "r", "", dm_sim_sdp_text);
    dm_sim_peer_expect(f.carrier, "ACK ");
    tear_down(&f);
}

static void
test_prack_when_over(void)
{
    Fixture f;
    g_autofree char *invite = NULL;
    g_autofree char *prack = NULL;

    g_test_summary("AUTH-1: an answer to a PRACK that comes when its call is over finds nobody");
    set_up(&f);
    invite = g_strdup(dial(&f));
    dm_sim_peer_respond(f.carrier,
                        invite,
                        "180 Ringing",
                        "r",
                        "Require: 100rel\r\nRSeq: 7\r\n",
                        NULL);
    prack = g_strdup(dm_sim_peer_expect(f.carrier, "PRACK "));
    dm_sim_peer_respond(f.carrier, invite, "486 Busy Here", "r", "", NULL);
    dm_sim_peer_expect(f.carrier, "ACK ");
    dm_sim_peer_respond(f.carrier, prack, "401 Unauthorized", "r", WWW("n1"), NULL);
    dm_sim_network_run(f.network, 40LL * G_USEC_PER_SEC);
    g_assert_cmpuint(dm_sip_stack_n_legs(f.gateway->stack), ==, 0);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "PRACK "), ==, 0);
    tear_down(&f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-auth/both-kinds", test_both_kinds);
    g_test_add_func("/sip-auth/one-after-the-other", test_one_after_the_other);
    g_test_add_func("/sip-auth/prack", test_prack);
    g_test_add_func("/sip-auth/prack/when-over", test_prack_when_over);
    return g_test_run();
}
