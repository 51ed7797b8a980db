/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/call/screening.h"
#include "gateway/sip/counters.h"
#include "tests/lib/sip-gateway.h"
#include "tests/lib/sip-peer.h"
#include "tests/lib/sip-text.h"

#define S (1000LL * 1000)

/* A gateway that registers with a carrier. */
typedef struct {
    DmSimNetwork *network;
    DmSimGateway *gateway;
    DmSimPeer *carrier;
    DmSdp *sdp;
} Fixture;

/* @more: members of the trunk, with a comma in front. */
static char *
yaml_with(const char *more)
{
    return g_strdup_printf("trunks:\n"
                           "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}],\n"
                           "     domain: carrier.example, numbering: {country: '44'},\n"
                           "     auth: {mode: register, user: me, password: pw}%s}\n",
                           more);
}

static void
set_up(Fixture *f, const char *more)
{
    g_autofree char *yaml = yaml_with(more);

    f->network = dm_sim_network_new(21);
    f->gateway = dm_sim_gateway_new(f->network, "192.0.2.1:5060", yaml);
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

static DmRegistrationState
state(Fixture *f)
{
    g_auto(DmTrunkStatus) status = {0};

    g_assert_true(dm_trunk_registry_status(f->gateway->registry, "carrier", &status));
    return status.registration;
}

/* The next REGISTER is answered so; returns it. */
static const char *
answer(Fixture *f, const char *status, const char *headers)
{
    const char *request = dm_sim_peer_expect(f->carrier, "REGISTER ");

    dm_sim_peer_respond(f->carrier, request, status, "r", headers, NULL);
    dm_sim_network_run(f->network, S / 100);
    return request;
}

static void
test_gin(void)
{
    Fixture f;
    const char *request;

    g_test_summary("REG-5: bulk registration with a carrier: gin required of it and of proxies, a "
                   "Contact without a user, its expiry by the bulk contact");
    set_up(&f, ", registration: {mode: gin}");
    request = answer(&f,
                     "200 OK",
                     "Contact: <sip:other@192.0.2.1>;expires=9, "
                     "<sip:192.0.2.1:5060;bnc>;expires=100\r\n");
    sip_text_assert_has(request, "\r\nRequire: gin\r\n");
    sip_text_assert_has(request, "\r\nProxy-Require: gin\r\n");
    sip_text_assert_has(request, "\r\nContact: <sip:192.0.2.1:5060;bnc>\r\n");
    g_assert_cmpint(state(&f), ==, DM_REG_REGISTERED);
    dm_sim_network_run(f.network, 60 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), ==, 0);
    dm_sim_network_run(f.network, 10 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), >=, 1);
    tear_down(&f);
}

static void
test_gin_unknown(void)
{
    Fixture f;
    const char *second;

    g_test_summary("REG-5: 420 for gin: registered at once without it");
    set_up(&f, ", registration: {mode: gin}");
    answer(&f, "420 Bad Extension", "Unsupported: gin\r\n");
    second = answer(&f, "200 OK", "Expires: 600\r\n");
    g_assert_null(strstr(second, "gin"));
    g_assert_null(strstr(second, "bnc"));
    g_assert_cmpint(state(&f), ==, DM_REG_REGISTERED);
    tear_down(&f);
}

static void
test_outbound(void)
{
    Fixture f;
    g_autofree char *first = NULL;
    const char *second;

    g_test_summary("REG-4: a flow of our own is asked for; 439 is answered by asking without");
    set_up(&f, ", registration: {outbound: true}");
    first = g_strdup(answer(&f, "439 First Hop Lacks Outbound Support", ""));
    sip_text_assert_has(first, "\r\nSupported: path, outbound\r\n");
    sip_text_assert_has(first, ";reg-id=1;+sip.instance=\"<urn:uuid:");
    second = answer(&f, "200 OK", "Expires: 600\r\n");
    g_assert_null(strstr(second, "outbound"));
    g_assert_null(strstr(second, "reg-id"));
    g_assert_cmpint(state(&f), ==, DM_REG_REGISTERED);
    tear_down(&f);
}

static void
test_service_route(void)
{
    Fixture f;
    const char *invite;

    g_test_summary("REG-1: Service-Route is the Route of calls (RFC 3608), and goes with the "
                   "registration");
    set_up(&f, "");
    answer(&f,
           "200 OK",
           "Expires: 600\r\nService-Route: <sip:edge.carrier.example;lr>, "
           "<sip:core.carrier.example;lr>\r\n");
    dm_sim_gateway_dial(f.gateway, "carrier", "+442079460000", f.sdp);
    invite = dm_sim_peer_expect(f.carrier, "INVITE ");
    g_assert_true(g_str_has_prefix(invite, "INVITE sip:+442079460000@carrier.example "));
    sip_text_assert_has(invite, "\r\nRoute: <sip:edge.carrier.example;lr>");
    sip_text_assert_has(invite, "<sip:core.carrier.example;lr>");
    dm_sip_stack_trunk_action(f.gateway->stack, "carrier", "unregister");
    answer(&f, "200 OK", "");
    g_assert_null(dm_trunk_grant(dm_pool_find(f.gateway->pool, "carrier")));
    tear_down(&f);
}

static DmGranted
granted(Fixture *f, const char *number)
{
    return dm_call_granted(dm_config_trunk(f->gateway->config, "carrier"),
                           number,
                           f->gateway->pool);
}

static void
test_associated(void)
{
    Fixture f;

    g_test_summary("REG-1 ID-3: P-Associated-URI says which numbers may be presented");
    set_up(&f, "");
    g_assert_cmpint(granted(&f, "+442079460001"), ==, DM_GRANTED_UNSAID);
    answer(
        &f,
        "200 OK",
        "Expires: 600\r\nP-Associated-URI: <sip:+442079460001@carrier.example>, "
        "<tel:02079460002>\r\nP-Associated-URI: \"Range\" <sip:+44207947!.*!@carrier.example>\r\n");
    g_assert_cmpint(granted(&f, "+442079460001"), ==, DM_GRANTED_YES);
    g_assert_cmpint(granted(&f, "+442079460002"), ==, DM_GRANTED_YES);
    g_assert_cmpint(granted(&f, "+442079471234"), ==, DM_GRANTED_YES);
    g_assert_cmpint(granted(&f, "+442079460003"), ==, DM_GRANTED_NO);
    tear_down(&f);
}

static void
test_removed(void)
{
    static const char *const changes[] = {", enabled: false", NULL};
    static const char none[] =
        "trunks: [{id: other, role: carrier, endpoints: [{uri: 192.0.2.20}]}]\n";

    g_test_summary("REG-3: a trunk that is disabled or removed is taken back at the registrar");
    for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *yaml = changes[i] != NULL ? yaml_with(changes[i]) : g_strdup(none);
        Fixture f;
        const char *last;

        set_up(&f, "");
        answer(&f, "200 OK", "Expires: 600\r\n");
        dm_sim_gateway_take_config(f.gateway, yaml);
        last = answer(&f, "200 OK", "");
        sip_text_assert_has(last, "\r\nExpires: 0\r\n");
        sip_text_assert_has(last, "\r\nTo: <sip:me@carrier.example>\r\n");
        dm_sim_network_run(f.network, 700 * S);
        g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), ==, 0);
        tear_down(&f);
    }
}

static void
test_new_password(void)
{
    Fixture f;
    g_autofree char *yaml = yaml_with(", registration: {expires: 900}");
    const char *request;

    g_test_summary("REG-2 REG-3: a change that keeps the Contact registers at once, and takes "
                   "nothing back");
    set_up(&f, "");
    answer(&f, "200 OK", "Expires: 600\r\n");
    dm_sim_gateway_take_config(f.gateway, yaml);
    dm_sim_network_run(f.network, S / 10);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), ==, 1);
    request = answer(&f, "200 OK", "Expires: 900\r\n");
    sip_text_assert_has(request, "\r\nExpires: 900\r\n");
    tear_down(&f);
}

static void
set_address(Fixture *f, const char *host)
{
    DmTrunk *trunk = dm_pool_find(f->gateway->pool, "carrier");
    DmResolved resolved = {.transport = DM_TRANSPORT_UDP};

    dm_address_parse(&resolved.address, host, 5060);
    dm_trunk_set_addresses(trunk, 0, &resolved, 1);
    dm_sip_stack_addresses_changed(f->gateway->stack, "carrier");
}

static void
test_address_changes(void)
{
    Fixture f;
    DmSimPeer *other;
    const char *request;

    g_test_summary("REG-3: when the registrar's name leads elsewhere we register there at once");
    set_up(&f, "");
    other = dm_sim_peer_new(f.network, "192.0.2.21:5060", "192.0.2.1");
    answer(&f, "200 OK", "Expires: 600\r\n");
    set_address(&f, "192.0.2.20");
    dm_sim_network_run(f.network, 10 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), ==, 0);
    set_address(&f, "192.0.2.21");
    dm_sim_network_run(f.network, S);
    request = dm_sim_peer_expect(other, "REGISTER ");
    sip_text_assert_has(request, "\r\nExpires: 3600\r\n");
    dm_sim_peer_respond(other, request, "200 OK", "r", "Expires: 600\r\n", NULL);
    dm_sim_network_run(f.network, S);
    g_assert_cmpint(state(&f), ==, DM_REG_REGISTERED);
    dm_sim_peer_free(other);
    tear_down(&f);
}

static void
test_stale_again(void)
{
    Fixture f;

    g_test_summary("REG-2 AUTH-4: a second challenge that is only about the nonce (another server "
                   "of the farm asks) is tried again soon; one that is not means a wrong password");
    set_up(&f, "");
    answer(&f, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"c\", nonce=\"1\"\r\n");
    answer(&f,
           "401 Unauthorized",
           "WWW-Authenticate: Digest realm=\"c\", nonce=\"2\", stale=true\r\n");
    g_assert_cmpint(state(&f), ==, DM_REG_RETRYING);
    for (unsigned i = 0; i < 600 && dm_sim_peer_count(f.carrier, "REGISTER ") == 0; i++) {
        dm_sim_network_run(f.network, S / 10);
    }
    answer(&f,
           "401 Unauthorized",
           "WWW-Authenticate: Digest realm=\"c\", nonce=\"3\", stale=true\r\n");
    answer(&f, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"c\", nonce=\"4\"\r\n");
    g_assert_cmpint(state(&f), ==, DM_REG_AUTH_FAILED);
    tear_down(&f);
}

static void
test_stream_ends(void)
{
    Fixture f;
    DmSipFlow flow = {.transport = DM_TRANSPORT_TCP, .connection = 7};

    g_test_summary("REG-3: another stream's end changes nothing for a registration");
    set_up(&f, "");
    answer(&f, "200 OK", "Expires: 600\r\n");
    dm_sip_stack_flow_failed(f.gateway->stack, &flow);
    dm_sim_network_run(f.network, 10 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), ==, 0);
    tear_down(&f);
}

static void
test_hand_over(void)
{
    Fixture f;

    g_test_summary("REG-3: with hand_over the registration is left standing at the end");
    set_up(&f, ", registration: {hand_over: true}");
    answer(&f, "200 OK", "Expires: 600\r\n");
    dm_sip_stack_shutdown(f.gateway->stack);
    g_assert_true(dm_sip_stack_is_quiet(f.gateway->stack));
    dm_sim_network_run(f.network, 700 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), ==, 0);
    tear_down(&f);
}

/* --- many at once --- */

#define N_TRUNKS 300

static char *
many_trunks(void)
{
    GString *yaml = g_string_new("trunks:\n");

    for (unsigned i = 0; i < N_TRUNKS; i++) {
        g_string_append_printf(yaml,
                               "  - {id: t%u, role: carrier, endpoints: [{uri: 192.0.2.20}], "
                               "domain: d%u.example, auth: {mode: register, user: u%u, password: "
                               "p}}\n",
                               i,
                               i,
                               i);
    }
    return g_string_free(yaml, FALSE);
}

/* Answers all that come in a second, before they are repeated; returns how many. */
static unsigned
serve_a_second(Fixture *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 10; i++) {
        dm_sim_network_run(f->network, S / 10);
        for (; dm_sim_peer_count(f->carrier, "REGISTER ") > 0; n++) {
            const char *request = dm_sim_peer_wait(f->carrier, "REGISTER ");

            dm_sim_peer_respond(f->carrier, request, "200 OK", "r", "Expires: 120\r\n", NULL);
        }
    }
    return n;
}

static void
test_no_storm(void)
{
    Fixture f;
    g_autofree char *yaml = many_trunks();
    unsigned total = 0, most = 0, seconds = 0;

    g_test_summary(
        "REG-2: after an outage 300 trunks come back over 30 s and more, none forgotten");
    f.network = dm_sim_network_new(22);
    f.gateway = dm_sim_gateway_new(f.network, "192.0.2.1:5060", yaml);
    f.carrier = dm_sim_peer_new(f.network, "192.0.2.20:5060", "192.0.2.1");
    f.sdp = dm_sim_sdp(20000);
    for (unsigned i = 0; i < 60; i++) {
        total += serve_a_second(&f);
    }
    g_assert_cmpuint(total, ==, N_TRUNKS);
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_REFUSES);
    dm_sim_network_run(f.network, 400 * S);
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_UP);
    dm_sim_peer_forget(f.carrier);
    for (total = 0; total < N_TRUNKS && seconds < 3700; seconds++) {
        unsigned n = serve_a_second(&f);

        most = MAX(most, n);
        total += n;
    }
    g_test_message("back within %u s, at most %u in one second", seconds, most);
    g_assert_cmpuint(total, >=, N_TRUNKS);
    g_assert_cmpuint(seconds, >=, 30);
    g_assert_cmpuint(most, <, N_TRUNKS / 10);
    tear_down(&f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/register/gin", test_gin);
    g_test_add_func("/register/gin/unknown", test_gin_unknown);
    g_test_add_func("/register/outbound", test_outbound);
    g_test_add_func("/register/service-route", test_service_route);
    g_test_add_func("/register/associated", test_associated);
    g_test_add_func("/register/removed", test_removed);
    g_test_add_func("/register/new-password", test_new_password);
    g_test_add_func("/register/address-changes", test_address_changes);
    g_test_add_func("/register/stale-again", test_stale_again);
    g_test_add_func("/register/stream-ends", test_stream_ends);
    g_test_add_func("/register/hand-over", test_hand_over);
    g_test_add_func("/register/no-storm", test_no_storm);
    return g_test_run();
}
