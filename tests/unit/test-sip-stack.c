/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/counters.h"
#include "tests/lib/sip-gateway.h"
#include "tests/lib/sip-peer.h"
#include "tests/lib/sip-text.h"

#define MS 1000
#define S  (1000 * MS)

/* The gateway, a PBX that calls it and a carrier that it calls. */
typedef struct {
    DmSimNetwork *network;
    DmSimGateway *gateway;
    DmSimPeer *pbx, *carrier;
    DmSdp *sdp;
} Fixture;

static const char plain[] =
    "security: {unknown_silent: false}\n"
    "trunks:\n"
    "  - {id: pbx, role: pbx, endpoints: [{uri: 192.0.2.10}]}\n"
    "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}], domain: carrier.example}\n";

static void
set_up_with(Fixture *f, const char *yaml)
{
    f->network = dm_sim_network_new(11);
    f->gateway = dm_sim_gateway_new(f->network, "192.0.2.1:5060", yaml);
    f->pbx = dm_sim_peer_new(f->network, "192.0.2.10:5060", "192.0.2.1");
    f->carrier = dm_sim_peer_new(f->network, "192.0.2.20:5060", "192.0.2.1");
    f->sdp = dm_sim_sdp(20000);
}

static void
set_up(Fixture *f)
{
    set_up_with(f, plain);
}

static void
tear_down(Fixture *f)
{
    dm_sim_peer_free(f->pbx);
    dm_sim_peer_free(f->carrier);
    dm_sim_gateway_free(f->gateway);
    dm_sdp_unref(f->sdp);
    dm_sim_network_free(f->network);
}

/* Long enough for every transaction to be forgotten. */
static void
assert_all_gone(Fixture *f)
{
    dm_sim_network_run(f->network, 200LL * S);
    g_assert_cmpuint(dm_sip_stack_n_legs(f->gateway->stack), ==, 0);
    g_assert_cmpint(dm_counter_value(&f->gateway->counters[SIP_tx_active]), ==, 0);
}

#define PBX_PARTIES(cseq, to_tag)                                                                  \
    "From: \"Ann\" <sip:100@pbx.example>;tag=ft\r\nTo: <sip:+442@gw.example>" to_tag               \
    "\r\nCall-ID: pbx-call\r\nCSeq: " cseq "\r\n"

static void
pbx_invites(Fixture *f)
{
    dm_sim_peer_request(f->pbx,
                        "INVITE",
                        "sip:+442@gw.example",
                        "1",
                        PBX_PARTIES("1 INVITE", ""),
                        dm_sim_sdp_text);
}

static void
pbx_calls(Fixture *f)
{
    pbx_invites(f);
    sip_text_assert_has(dm_sim_peer_expect(f->pbx, "SIP/2.0 100"), "branch=z9hG4bK1");
}

/* A request of the PBX inside the dialog that @ok made. */
static void
pbx_says(Fixture *f,
         const char *ok,
         const char *method,
         unsigned cseq,
         const char *branch,
         const char *body)
{
    g_autofree char *to = dm_sim_header(ok, "To");
    g_autofree char *uri = dm_sim_header_uri(ok, "Contact");
    g_autofree char *headers =
        g_strdup_printf("From: <sip:100@pbx.example>;tag=ft\r\nTo: %s\r\nCall-ID: pbx-call\r\n"
                        "CSeq: %u %s\r\n",
                        to,
                        cseq,
                        method);

    dm_sim_peer_request(f->pbx, method, uri, branch, headers, body);
}

/* A call from the PBX, answered and acknowledged. Returns the 200. */
static char *
pbx_call_up(Fixture *f)
{
    char *ok;

    pbx_calls(f);
    f->gateway->leg->ops->answer(f->gateway->leg, f->sdp);
    ok = g_strdup(dm_sim_peer_expect(f->pbx, "SIP/2.0 200"));
    pbx_says(f, ok, "ACK", 1, "a1", NULL);
    dm_sim_network_run(f->network, 10 * MS);
    return ok;
}

/* --- calls that come --- */

static void
test_incoming(void)
{
    Fixture f;
    g_autofree char *ok = NULL, *ringing = NULL, *contact = NULL;

    g_test_summary("a call comes, rings, is answered and ends with the caller's BYE");
    set_up(&f);
    pbx_calls(&f);
    g_assert_cmpstr(f.gateway->identity.ruri_user, ==, "+442");
    g_assert_cmpstr(f.gateway->identity.from_user, ==, "100");
    g_assert_cmpstr(f.gateway->auth, ==, "ip");
    g_assert_cmpuint(f.gateway->max_forwards, ==, 69);
    g_assert_nonnull(f.gateway->sdp);
    f.gateway->leg->ops->progress(f.gateway->leg, 180, NULL);
    ringing = g_strdup(dm_sim_peer_expect(f.pbx, "SIP/2.0 180"));
    sip_text_assert_has(ringing, "Contact: <sip:");
    f.gateway->leg->ops->answer(f.gateway->leg, f.sdp);
    ok = g_strdup(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"));
    sip_text_assert_has(dm_sim_body(ok), "m=audio 20000 RTP/AVP 0");
    contact = dm_sim_header_uri(ok, "Contact");
    g_assert_true(g_str_has_suffix(contact, "@192.0.2.1:5060"));
    pbx_says(&f, ok, "ACK", 1, "a1", NULL);
    dm_sim_network_run(f.network, 100 * MS);
    pbx_says(&f, ok, "BYE", 2, "b1", NULL);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 200");
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx acked:0 closed:200 ");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_PEER_BYE);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_repeated_2xx(void)
{
    Fixture f;
    char *ok;

    g_test_summary("a 2xx is repeated until its ACK comes");
    set_up(&f);
    pbx_calls(&f);
    f.gateway->leg->ops->answer(f.gateway->leg, f.sdp);
    dm_sim_network_run(f.network, 4 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "SIP/2.0 200"), ==, 4); /* 0, 0.5, 1.5, 3.5 s */
    ok = g_strdup(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"));
    pbx_says(&f, ok, "ACK", 1, "a1", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    dm_sim_peer_forget(f.pbx);
    dm_sim_network_run(f.network, 40LL * S);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "SIP/2.0 200"), ==, 0);
    g_assert_cmpuint(dm_sip_stack_n_legs(f.gateway->stack), ==, 1);
    g_free(ok);
    tear_down(&f);
}

static void
test_no_ack(void)
{
    Fixture f;
    g_autofree char *reason = NULL;

    g_test_summary("SIG-6: without an ACK the call ends after 32 s with BYE and its Reason");
    set_up(&f);
    pbx_calls(&f);
    f.gateway->leg->ops->answer(f.gateway->leg, f.sdp);
    dm_sim_network_run(f.network, 31900LL * MS);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "BYE "), ==, 0);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "SIP/2.0 200"), ==, 11);
    dm_sim_network_run(f.network, 200 * MS);
    reason = dm_sim_header(dm_sim_peer_expect(f.pbx, "BYE "), "Reason");
    g_assert_cmpstr(reason, ==, "SIP;cause=408;text=\"ACK timeout\"");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_ACK_TIMEOUT);
    g_assert_cmpstr(f.gateway->ended.diagnosis, ==, "ack_timeout");
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_cancelled(void)
{
    Fixture f;

    g_test_summary("SIG-7: CANCEL gets 200 and the INVITE 487, and its Reason is told");
    set_up(&f);
    pbx_calls(&f);
    dm_sim_peer_request(
        f.pbx,
        "CANCEL",
        "sip:+442@gw.example",
        "1",
        PBX_PARTIES("1 CANCEL", "") "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n",
        NULL);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 200");
    dm_sim_peer_expect(f.pbx, "SIP/2.0 487");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_PEER_CANCEL);
    g_assert_cmpuint(f.gateway->ended.status, ==, 200);
    g_assert_cmpstr(f.gateway->ended.reason, ==, "Call completed elsewhere");
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_rejected(void)
{
    Fixture f;
    const char *busy;

    g_test_summary("a call is refused with what the call core says: status, Q.850, Warning");
    set_up(&f);
    pbx_calls(&f);
    f.gateway->leg->ops->close(f.gateway->leg,
                               &(DmRelease){.status = 488,
                                            .q850 = 88,
                                            .warning_code = 305,
                                            .warning = "incompatible media format",
                                            .retry_after_s = 7});
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx ");
    busy = dm_sim_peer_expect(f.pbx, "SIP/2.0 488");
    sip_text_assert_has(busy, "Reason: Q.850;cause=88\r\n");
    sip_text_assert_has(busy, "Warning: 305 192.0.2.1 \"incompatible media format\"\r\n");
    sip_text_assert_has(busy, "Retry-After: 7\r\n");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_LOCAL);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_closed_before_ack(void)
{
    Fixture f;
    g_autofree char *ok = NULL;

    g_test_summary("RFC 3261, 15: an answered call that must end waits for its ACK before BYE");
    set_up(&f);
    pbx_calls(&f);
    f.gateway->leg->ops->answer(f.gateway->leg, f.sdp);
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.q850 = 16});
    ok = g_strdup(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"));
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "BYE "), ==, 0);
    pbx_says(&f, ok, "ACK", 1, "a1", NULL);
    dm_sim_peer_respond(f.pbx, dm_sim_peer_expect(f.pbx, "BYE "), "200 OK", "", "", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx closed:0 ");
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_refusals(void)
{
    static const struct {
        const char *what, *method, *headers;
        const char *answer;
    } cases[] = {
        {"no such dialog", "BYE", PBX_PARTIES("1 BYE", ";tag=none"), "SIP/2.0 481"},
        {"a re-INVITE of no dialog", "INVITE", PBX_PARTIES("1 INVITE", ";tag=no"), "SIP/2.0 481"},
        {"an extension", "INVITE", PBX_PARTIES("1 INVITE", "") "Require: x\r\n", "SIP/2.0 420"},
        {"a method", "MESSAGE", PBX_PARTIES("1 MESSAGE", ""), "SIP/2.0 405"},
        {"a strange method", "FETCH", PBX_PARTIES("1 FETCH", ""), "SIP/2.0 501"},
        {"a wrong CSeq", "INVITE", PBX_PARTIES("1 BYE", ""), "SIP/2.0 400"},
        {"no To",
         "INVITE",
         "From: <sip:1@x>;tag=f\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n",
         "SIP/2.0 400"},
        {"no From", "INVITE", "To: <sip:1@x>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n", "SIP/2.0 400"},
        {"no Call-ID",
         "INVITE",
         "From: <sip:1@x>;tag=f\r\nTo: <sip:1@x>\r\nCSeq: 1 INVITE\r\n",
         "SIP/2.0 400"},
        {"no CSeq",
         "INVITE",
         "From: <sip:1@x>;tag=f\r\nTo: <sip:1@x>\r\nCall-ID: q\r\n",
         "SIP/2.0 400"},
    };
    Fixture f;

    g_test_summary("SIG-3: what cannot be done is said, and nothing stays behind");
    set_up(&f);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *branch = g_strdup_printf("r%u", i);

        g_test_message("%s", cases[i].what);
        dm_sim_peer_request(f.pbx, cases[i].method, "sip:1@gw", branch, cases[i].headers, NULL);
        dm_sim_peer_expect(f.pbx, cases[i].answer);
    }
    g_assert_cmpstr(f.gateway->events->str, ==, "");
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_merged(void)
{
    Fixture f;

    g_test_summary("SIG-3: the same INVITE by another way is 482");
    set_up(&f);
    pbx_calls(&f);
    dm_sim_peer_request(f.pbx,
                        "INVITE",
                        "sip:+442@gw.example",
                        "2",
                        PBX_PARTIES("1 INVITE", ""),
                        dm_sim_sdp_text);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 482");
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx ");
    tear_down(&f);
}

static void
test_stranger(void)
{
    Fixture f;
    DmSimPeer *stranger;

    g_test_summary("SEC-3: strangers get 403, or nothing at all when we are silent to them");
    set_up(&f);
    stranger = dm_sim_peer_new(f.network, "203.0.113.5:5060", "192.0.2.1");
    dm_sim_peer_request(stranger, "INVITE", "sip:1@gw", "s1", PBX_PARTIES("1 INVITE", ""), NULL);
    dm_sim_peer_expect(stranger, "SIP/2.0 403");
    dm_sim_network_run(f.network, 60LL * S);
    dm_sim_peer_forget(stranger);
    dm_sim_gateway_take_config(f.gateway, "security: {unknown_silent: true}\n");
    dm_sim_peer_request(stranger, "INVITE", "sip:1@gw", "s2", PBX_PARTIES("1 INVITE", ""), NULL);
    dm_sim_peer_request(stranger, "OPTIONS", "sip:gw", "s3", PBX_PARTIES("1 OPTIONS", ""), NULL);
    dm_sim_peer_send(stranger, "INVITE sip:1@gw SIP/7.0\r\n\r\n");
    dm_sim_network_run(f.network, 60LL * S);
    g_assert_cmpuint(dm_sim_peer_count(stranger, "SIP/2.0"), ==, 0);
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_blocked_unknown]), ==, 2);
    dm_sim_peer_free(stranger);
    tear_down(&f);
}

static void
test_flood(void)
{
    Fixture f;
    DmSimPeer *stranger;

    g_test_summary(
        "SEC-3: a stranger's flood is cut to its rate; scanners and trunks are told apart");
    set_up_with(&f,
                "security: {unknown_silent: false, source_rate: 5, scanner_block: true}\n"
                "trunks: [{id: pbx, role: pbx, endpoints: [{uri: 192.0.2.10}]}]\n");
    stranger = dm_sim_peer_new(f.network, "203.0.113.5:5060", "192.0.2.1");
    for (unsigned i = 0; i < 100; i++) {
        g_autofree char *branch = g_strdup_printf("s%u", i);

        dm_sim_peer_request(stranger,
                            "OPTIONS",
                            "sip:gw",
                            branch,
                            PBX_PARTIES("1 OPTIONS", ""),
                            NULL);
        dm_sim_peer_request(f.pbx, "OPTIONS", "sip:gw", branch, PBX_PARTIES("1 OPTIONS", ""), NULL);
    }
    dm_sim_network_run(f.network, 100 * MS);
    g_assert_cmpuint(dm_sim_peer_count(stranger, "SIP/2.0"), ==, 10);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "SIP/2.0 200"), ==, 100);
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_blocked_rate]), ==, 90);
    dm_sim_network_run(f.network, 60LL * S);
    dm_sim_peer_forget(stranger);
    dm_sim_peer_request(stranger,
                        "OPTIONS",
                        "sip:gw",
                        "scan",
                        PBX_PARTIES("1 OPTIONS", "") "User-Agent: friendly-scanner\r\n",
                        NULL);
    dm_sim_network_run(f.network, 1 * S);
    g_assert_cmpuint(dm_sim_peer_count(stranger, "SIP/2.0"), ==, 0);
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_blocked_scanner]), ==, 1);
    dm_sim_peer_free(stranger);
    tear_down(&f);
}

static void
test_options(void)
{
    Fixture f;
    const char *ok;

    g_test_summary("SIG-21: OPTIONS says what we can; 503 while no calls are taken");
    set_up(&f);
    dm_sim_peer_request(f.pbx, "OPTIONS", "sip:gw", "o1", PBX_PARTIES("1 OPTIONS", ""), NULL);
    ok = dm_sim_peer_expect(f.pbx, "SIP/2.0 200");
    sip_text_assert_has(ok, "\r\nAllow: ");
    sip_text_assert_has(ok, "\r\nAccept: application/sdp, multipart/mixed");
    sip_text_assert_has(ok, "\r\nAccept-Encoding: ");
    sip_text_assert_has(ok, "\r\nSupported: replaces, norefersub, 100rel, timer\r\n");
    f.gateway->accepting = false;
    dm_sim_peer_request(f.pbx, "OPTIONS", "sip:gw", "o2", PBX_PARTIES("2 OPTIONS", ""), NULL);
    sip_text_assert_has(dm_sim_peer_expect(f.pbx, "SIP/2.0 503"), "\r\nRetry-After: ");
    dm_sim_peer_request(f.pbx, "INVITE", "sip:1@gw", "o3", PBX_PARTIES("3 INVITE", ""), NULL);
    sip_text_assert_has(dm_sim_peer_expect(f.pbx, "SIP/2.0 503"), "\r\nRetry-After: ");
    tear_down(&f);
}

static void
test_inbound_digest(void)
{
    static const char yaml[] = "trunks: [{id: pbx, role: pbx, endpoints: [{uri: 192.0.2.10}], "
                               "auth: {inbound_user: u, inbound_password: p, "
                               "inbound_algorithms: [SHA-256, MD5]}}]\n";
    Fixture f;
    const char *challenge;

    g_test_summary(
        "AUTH-2: a trunk with a password is challenged, with its algorithms in their order");
    set_up_with(&f, yaml);
    dm_sim_peer_request(f.pbx, "INVITE", "sip:1@gw", "d1", PBX_PARTIES("1 INVITE", ""), NULL);
    challenge = dm_sim_peer_expect(f.pbx, "SIP/2.0 401");
    g_assert_true(strstr(challenge, "algorithm=SHA-256") < strstr(challenge, "algorithm=MD5"));
    dm_sim_peer_request(
        f.pbx,
        "INVITE",
        "sip:1@gw",
        "d2",
        PBX_PARTIES("2 INVITE", "") "Authorization: Digest username=\"u\", realm=\"demarc\", "
                                    "nonce=\"x\", uri=\"sip:1@gw\", response=\"00\"\r\n",
        NULL);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 401");
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_blocked_credentials]), ==, 1);
    g_assert_cmpstr(f.gateway->events->str, ==, "");
    assert_all_gone(&f);
    tear_down(&f);
}

/* --- calls that go --- */

static void
dial(Fixture *f)
{
    dm_sim_gateway_dial(f->gateway, "carrier", "+442079460000", f->sdp);
}

/* A call to the carrier, answered. */
static void
carrier_call_up(Fixture *f)
{
    dial(f);
    dm_sim_peer_respond(f->carrier,
                        dm_sim_peer_expect(f->carrier, "INVITE "),
                        "200 OK",
                        "ct",
                        "",
                        dm_sim_sdp_text);
    dm_sim_peer_expect(f->carrier, "ACK ");
}

static void
test_outgoing(void)
{
    Fixture f;
    g_autofree char *invite = NULL;
    const char *ack, *bye;

    g_test_summary("a call goes, rings, is answered, acknowledged and ended by us");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    sip_text_assert_has(invite, "INVITE sip:+442079460000@carrier.example SIP/2.0\r\n");
    sip_text_assert_has(invite, "From: <sip:+441@carrier.example>;tag=");
    sip_text_assert_has(invite, "Max-Forwards: 68\r\n");
    sip_text_assert_has(invite, "Allow: INVITE");
    sip_text_assert_has(dm_sim_body(invite), "m=audio 20000");
    dm_sim_peer_respond(f.carrier, invite, "100 Trying", "", "", NULL);
    dm_sim_peer_respond(f.carrier, invite, "180 Ringing", "ct", "", NULL);
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "Server: X\r\n", dm_sim_sdp_text);
    ack = dm_sim_peer_expect(f.carrier, "ACK ");
    sip_text_assert_has(ack, "ACK sip:peer@192.0.2.20:5060 SIP/2.0\r\n");
    sip_text_assert_has(ack, "CSeq: 1 ACK\r\n");
    sip_text_assert_has(ack, ";tag=ct\r\n");
    g_assert_cmpstr(f.gateway->leg->ops->facts(f.gateway->leg)->user_agent, ==, "X");
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.q850 = 16});
    bye = dm_sim_peer_expect(f.carrier, "BYE ");
    sip_text_assert_has(bye, "CSeq: 2 BYE\r\n");
    sip_text_assert_has(bye, "Reason: Q.850;cause=16\r\n");
    dm_sim_peer_respond(f.carrier, bye, "200 OK", "", "", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_cmpstr(f.gateway->events->str, ==, "progress:100 progress:180 answered:200 closed:0 ");
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_ack_again(void)
{
    Fixture f;
    g_autofree char *invite = NULL, *first = NULL;

    g_test_summary("SIG-5: every repeated 2xx gets the same ACK, after the call is over as well");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "", dm_sim_sdp_text);
    first = g_strdup(dm_sim_peer_expect(f.carrier, "ACK "));
    f.gateway->leg->ops->reoffer(f.gateway->leg, f.sdp);
    dm_sim_peer_expect(f.carrier, "INVITE ");
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "", dm_sim_sdp_text);
    g_assert_cmpstr(dm_sim_peer_expect(f.carrier, "ACK "), ==, first);
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.q850 = 16});
    dm_sim_peer_respond(f.carrier, dm_sim_peer_expect(f.carrier, "BYE "), "200 OK", "", "", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_cmpuint(dm_sip_stack_n_legs(f.gateway->stack), ==, 0);
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "", dm_sim_sdp_text);
    g_assert_cmpstr(dm_sim_peer_expect(f.carrier, "ACK "), ==, first);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_other_fork(void)
{
    Fixture f;
    g_autofree char *invite = NULL;

    g_test_summary("SIG-5: the 2xx of another fork is acknowledged and ended; the call goes on");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    dm_sim_peer_respond(f.carrier, invite, "183 Session Progress", "one", "", dm_sim_sdp_text);
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "two", "", dm_sim_sdp_text);
    sip_text_assert_has(dm_sim_peer_expect(f.carrier, "ACK "), ";tag=two\r\n");
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "one", "", dm_sim_sdp_text);
    sip_text_assert_has(dm_sim_peer_expect(f.carrier, "ACK "), ";tag=one\r\n");
    sip_text_assert_has(dm_sim_peer_expect(f.carrier, "BYE "), ";tag=one\r\n");
    g_assert_cmpuint(dm_sip_stack_n_legs(f.gateway->stack), ==, 1);
    g_assert_cmpstr(f.gateway->events->str, ==, "progress:183 answered:200 ");
    tear_down(&f);
}

static void
test_cancel(void)
{
    Fixture f;
    g_autofree char *invite = NULL;

    g_test_summary("SIG-7: we cancel only after a provisional, with a Reason, and once");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    f.gateway->leg->ops->close(f.gateway->leg,
                               &(DmRelease){.status = 200, .reason = "Call completed elsewhere"});
    dm_sim_network_run(f.network, 100 * MS);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "CANCEL "), ==, 0);
    dm_sim_peer_respond(f.carrier, invite, "180 Ringing", "ct", "", NULL);
    sip_text_assert_has(dm_sim_peer_expect(f.carrier, "CANCEL "),
                        "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.status = 500});
    dm_sim_peer_respond(f.carrier, invite, "487 Request Terminated", "ct", "", NULL);
    dm_sim_peer_expect(f.carrier, "ACK ");
    g_assert_cmpstr(f.gateway->events->str, ==, "closed:200 ");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_LOCAL);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_crossing(void)
{
    Fixture f;
    g_autofree char *invite = NULL;

    g_test_summary("SIG-7: a 200 that crosses our CANCEL is acknowledged and ended");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    dm_sim_peer_respond(f.carrier, invite, "180 Ringing", "ct", "", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.status = 487});
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "", dm_sim_sdp_text);
    dm_sim_peer_expect(f.carrier, "CANCEL ");
    dm_sim_peer_expect(f.carrier, "ACK ");
    dm_sim_peer_respond(f.carrier, dm_sim_peer_expect(f.carrier, "BYE "), "200 OK", "", "", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_cmpstr(f.gateway->events->str, ==, "progress:180 closed:487 ");
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_failures(void)
{
    Fixture f;

    g_test_summary("refusal, silence and a closed port are three ends");
    set_up(&f);
    dial(&f);
    dm_sim_peer_respond(f.carrier,
                        dm_sim_peer_expect(f.carrier, "INVITE "),
                        "503 Overloaded",
                        "ct",
                        "Retry-After: 9\r\nReason: Q.850;cause=42\r\n",
                        NULL);
    dm_sim_peer_expect(f.carrier, "ACK ");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_REJECTED);
    g_assert_cmpuint(f.gateway->ended.status, ==, 503);
    g_assert_cmpuint(f.gateway->ended.q850, ==, 42);
    g_assert_cmpuint(f.gateway->ended.retry_after_s, ==, 9);
    g_assert_cmpstr(f.gateway->ended.reason, ==, "Overloaded");
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_SILENT);
    dial(&f);
    dm_sim_network_run(f.network, 33LL * S);
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_TIMEOUT);
    g_assert_cmpuint(f.gateway->ended.status, ==, 408);
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_REFUSES);
    dial(&f);
    dm_sim_network_run(f.network, 100 * MS);
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_TRANSPORT);
    g_assert_cmpuint(f.gateway->ended.status, ==, 503);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_foreign_answer(void)
{
    Fixture f;
    g_autofree char *invite = NULL;
    char *cseq;

    g_test_summary("a 2xx that answers another CSeq is none, and the leg does not wait for ever");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    cseq = strstr(invite, "CSeq: 1");
    cseq[6] = '7';
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "", dm_sim_sdp_text);
    dm_sim_network_run(f.network, 40LL * S);
    g_assert_cmpstr(f.gateway->events->str, ==, "closed:500 ");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_PROTOCOL);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_early_bye(void)
{
    Fixture f;
    g_autofree char *invite = NULL, *from = NULL, *call_id = NULL, *headers = NULL;

    g_test_summary("a BYE that overtakes its 2xx ends the call once the 2xx has come");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    from = dm_sim_header(invite, "From");
    call_id = dm_sim_header(invite, "Call-ID");
    headers = g_strdup_printf("From: <sip:c@carrier.example>;tag=ct\r\nTo: %s\r\nCall-ID: %s\r\n"
                              "CSeq: 1 BYE\r\n",
                              from,
                              call_id);
    dm_sim_peer_request(f.carrier, "BYE", "sip:gw", "eb", headers, NULL);
    dm_sim_peer_expect(f.carrier, "SIP/2.0 200");
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "", dm_sim_sdp_text);
    dm_sim_peer_expect(f.carrier, "ACK ");
    g_assert_cmpstr(f.gateway->events->str, ==, "closed:200 ");
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_early_requests(void)
{
    static const struct {
        const char *method, *body, *answer;
    } cases[] = {
        {"UPDATE", NULL, "SIP/2.0 200"},
        {"UPDATE", dm_sim_sdp_text, "SIP/2.0 491"},
        {"INVITE", dm_sim_sdp_text, "SIP/2.0 491"},
        {"OPTIONS", NULL, "SIP/2.0 200"},
        {"INFO", NULL, "SIP/2.0 200"},
        {"PRACK", NULL, "SIP/2.0 405"},
    };
    Fixture f;
    g_autofree char *invite = NULL;
    g_autofree char *from = NULL;
    g_autofree char *call_id = NULL;

    g_test_summary("what a called peer says while it rings is answered: 481 would make it hang up "
                   "(SIG-12, RFC 3311)");
    set_up(&f);
    dial(&f);
    invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    from = dm_sim_header(invite, "From");
    call_id = dm_sim_header(invite, "Call-ID");
    dm_sim_peer_respond(f.carrier, invite, "180 Ringing", "ct", "", NULL);
    dm_sim_network_run(f.network, 100 * MS);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *branch = g_strdup_printf("er%u", i);
        g_autofree char *headers =
            g_strdup_printf("From: <sip:c@carrier.example>;tag=ct\r\nTo: %s\r\nCall-ID: %s\r\n"
                            "CSeq: %u %s\r\n",
                            from,
                            call_id,
                            i + 1,
                            cases[i].method);

        dm_sim_peer_request(f.carrier, cases[i].method, "sip:gw", branch, headers, cases[i].body);
        dm_sim_peer_expect(f.carrier, cases[i].answer);
    }
    dm_sim_peer_respond(f.carrier, invite, "200 OK", "ct", "", dm_sim_sdp_text);
    dm_sim_peer_expect(f.carrier, "ACK ");
    g_assert_cmpstr(f.gateway->events->str, ==, "progress:180 answered:200 ");
    tear_down(&f);
}

/* --- credentials --- */

static const char with_password[] =
    "trunks:\n"
    "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}], domain: carrier.example,\n"
    "     auth: {mode: digest, user: me, password: pw}}\n";

static void
test_credentials(void)
{
    Fixture f;
    g_autofree char *first = NULL, *call_id = NULL, *call_id_2 = NULL;
    const char *second, *ack, *bye;

    g_test_summary("AUTH-1: 401 and 407 are answered; ACK and BYE carry credentials too");
    set_up_with(&f, with_password);
    dial(&f);
    first = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
    sip_text_assert_lacks(first, "uthorization");
    call_id = dm_sim_header(first, "Call-ID");
    dm_sim_peer_respond(f.carrier,
                        first,
                        "407 Proxy Authentication Required",
                        "x",
                        "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n1\", qop=\"auth\"\r\n"
                        "WWW-Authenticate: Digest realm=\"w\", nonce=\"n2\", algorithm=TIGER\r\n"
                        "WWW-Authenticate: Digest realm=\"w\", nonce=\"n3\", algorithm=SHA-256\r\n",
                        NULL);
    second = dm_sim_peer_expect(f.carrier, "INVITE ");
    call_id_2 = dm_sim_header(second, "Call-ID");
    g_assert_cmpstr(call_id, ==, call_id_2);
    sip_text_assert_has(second, "CSeq: 2 INVITE\r\n");
    sip_text_assert_has(second, "Proxy-Authorization: Digest username=\"me\", realm=\"p\"");
    sip_text_assert_has(second,
                        "\r\nAuthorization: Digest username=\"me\", realm=\"w\", nonce=\"n3\"");
    g_assert_null(strstr(strstr(second, "Via:") + 4, "Via:"));
    dm_sim_peer_respond(f.carrier, second, "200 OK", "ct", "", dm_sim_sdp_text);
    ack = dm_sim_peer_expect(f.carrier, "ACK ");
    sip_text_assert_has(ack, "CSeq: 2 ACK\r\n");
    sip_text_assert_has(ack, "Proxy-Authorization: Digest");
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.q850 = 16});
    bye = dm_sim_peer_expect(f.carrier, "BYE ");
    sip_text_assert_has(bye, "nc=00000002");
    sip_text_assert_has(bye, "CSeq: 3 BYE\r\n");
    dm_sim_peer_respond(f.carrier, bye, "200 OK", "", "", NULL);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_auth_loop(void)
{
    Fixture f;

    g_test_summary("AUTH-4: a carrier that never believes us sees two INVITEs, not more");
    set_up_with(&f, with_password);
    dial(&f);
    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *header =
            g_strdup_printf("WWW-Authenticate: Digest realm=\"w\", nonce=\"n%u\", stale=true\r\n",
                            i);

        dm_sim_peer_respond(f.carrier,
                            dm_sim_peer_expect(f.carrier, "INVITE "),
                            "401 Unauthorized",
                            "x",
                            header,
                            NULL);
    }
    dm_sim_network_run(f.network, 10 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "INVITE "), ==, 0);
    g_assert_cmpstr(f.gateway->events->str, ==, "closed:401 ");
    assert_all_gone(&f);
    tear_down(&f);
}

/* --- sessions that change --- */

static const char held[] = "v=0\r\no=- 7 2 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\n"
                           "t=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\n";

static void
test_reinvite_in(void)
{
    Fixture f;
    g_autofree char *ok = NULL, *again = NULL;

    g_test_summary("a re-INVITE is offered to the call, answered and acknowledged; refused ones "
                   "change nothing");
    set_up(&f);
    ok = pbx_call_up(&f);
    pbx_says(&f, ok, "INVITE", 2, "h1", held);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 100");
    f.gateway->leg->ops->reanswer(f.gateway->leg, f.sdp);
    again = g_strdup(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"));
    pbx_says(&f, ok, "ACK", 2, "h2", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    pbx_says(&f, ok, "INVITE", 3, "h3", dm_sim_sdp_text);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 100");
    f.gateway->leg->ops->refuse_reoffer(f.gateway->leg, 488);
    sip_text_assert_has(dm_sim_peer_expect(f.pbx, "SIP/2.0 488"),
                        "Warning: 305 192.0.2.1 \"incompatible media format\"\r\n");
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx acked:0 reoffer:0 reoffer:0 ");
    pbx_says(&f, ok, "INVITE", 3, "h4", dm_sim_sdp_text);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 500");
    tear_down(&f);
}

static void
test_refresh(void)
{
    Fixture f;
    g_autofree char *ok = NULL;
    g_autofree char *body = NULL;

    g_test_summary("SIG-14: the same description again gets the same bytes, unheard by the call");
    set_up(&f);
    ok = pbx_call_up(&f);
    body = g_strdup(dm_sim_body(ok));
    pbx_says(&f, ok, "INVITE", 2, "h1", dm_sim_sdp_text);
    g_assert_cmpstr(dm_sim_body(dm_sim_peer_expect(f.pbx, "SIP/2.0 200")), ==, body);
    pbx_says(&f, ok, "ACK", 2, "h2", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    pbx_says(&f, ok, "UPDATE", 3, "h3", dm_sim_sdp_text);
    g_assert_cmpstr(dm_sim_body(dm_sim_peer_expect(f.pbx, "SIP/2.0 200")), ==, body);
    pbx_says(&f, ok, "UPDATE", 4, "h4", NULL);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 200");
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx acked:0 ");
    tear_down(&f);
}

static void
test_update_in(void)
{
    Fixture f;
    g_autofree char *ok = NULL;

    g_test_summary(
        "RFC 3311: UPDATE with a description is an offer; a second one meanwhile is 500");
    set_up(&f);
    ok = pbx_call_up(&f);
    pbx_says(&f, ok, "UPDATE", 2, "u1", held);
    dm_sim_network_run(f.network, 10 * MS);
    pbx_says(&f, ok, "UPDATE", 3, "u2", held);
    sip_text_assert_has(dm_sim_peer_expect(f.pbx, "SIP/2.0 500"), "\r\nRetry-After: ");
    f.gateway->leg->ops->reanswer(f.gateway->leg, f.sdp);
    sip_text_assert_has(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"), "CSeq: 2 UPDATE");
    dm_sim_peer_forget(f.pbx);
    dm_sim_network_run(f.network, 60LL * S);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "SIP/2.0 200"), ==, 0);
    tear_down(&f);
}

static void
test_glare(void)
{
    Fixture f;
    int64_t before_us;

    g_test_summary("SIG-13: crossing re-INVITEs: 491 for theirs, and ours again after 2.1 to 4 s");
    set_up(&f);
    carrier_call_up(&f);
    f.gateway->leg->ops->reoffer(f.gateway->leg, f.sdp);
    {
        g_autofree char *invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
        g_autofree char *from = dm_sim_header(invite, "From"), *to = dm_sim_header(invite, "To");
        g_autofree char *id = dm_sim_header(invite, "Call-ID");
        g_autofree char *headers =
            g_strdup_printf("From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 9 INVITE\r\n",
                            to,
                            from,
                            id);

        dm_sim_peer_request(f.carrier, "INVITE", "sip:gw", "g1", headers, held);
        dm_sim_peer_expect(f.carrier, "SIP/2.0 491");
        dm_sim_peer_respond(f.carrier, invite, "491 Request Pending", "", "", NULL);
    }
    before_us = dm_sim_network_now_us(f.network);
    dm_sim_peer_expect(f.carrier, "ACK ");
    {
        g_autofree char *invite = g_strdup(dm_sim_peer_expect(f.carrier, "INVITE "));
        int64_t waited_us = dm_sim_network_now_us(f.network) - before_us;

        g_assert_cmpint(waited_us, >=, 2100 * MS);
        g_assert_cmpint(waited_us, <=, 4010 * MS);
        dm_sim_peer_respond(f.carrier, invite, "200 OK", "", "", dm_sim_sdp_text);
    }
    dm_sim_peer_expect(f.carrier, "ACK ");
    g_assert_cmpstr(f.gateway->events->str, ==, "answered:200 reanswer:200 ");
    tear_down(&f);
}

static void
test_reoffer_waits(void)
{
    Fixture f;
    g_autofree char *ok = NULL;

    g_test_summary("an offer of ours waits until the 2xx before it is acknowledged");
    set_up(&f);
    pbx_calls(&f);
    f.gateway->leg->ops->answer(f.gateway->leg, f.sdp);
    f.gateway->leg->ops->reoffer(f.gateway->leg, f.sdp);
    ok = g_strdup(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"));
    dm_sim_network_run(f.network, 1 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "INVITE "), ==, 0);
    pbx_says(&f, ok, "ACK", 1, "a1", NULL);
    dm_sim_peer_expect(f.pbx, "INVITE ");
    tear_down(&f);
}

static void
test_reinvite_lost(void)
{
    Fixture f;

    g_test_summary("SIG-14: 488 leaves the session as it was, 481 ends it");
    set_up(&f);
    carrier_call_up(&f);
    f.gateway->leg->ops->reoffer(f.gateway->leg, f.sdp);
    dm_sim_peer_respond(f.carrier,
                        dm_sim_peer_expect(f.carrier, "INVITE "),
                        "488 Not Acceptable Here",
                        "",
                        "",
                        NULL);
    dm_sim_peer_expect(f.carrier, "ACK ");
    f.gateway->leg->ops->reoffer(f.gateway->leg, f.sdp);
    dm_sim_peer_respond(f.carrier,
                        dm_sim_peer_expect(f.carrier, "INVITE "),
                        "481 Gone",
                        "",
                        "",
                        NULL);
    dm_sim_peer_expect(f.carrier, "ACK ");
    g_assert_cmpstr(f.gateway->events->str, ==, "answered:200 reoffer-failed:488 closed:481 ");
    g_assert_cmpint(f.gateway->ended.cause, ==, DM_RELEASE_PROTOCOL);
    assert_all_gone(&f);
    tear_down(&f);
}

static void
test_delayed_offer(void)
{
    Fixture f;
    const char *ack;

    g_test_summary("RFC 3264 in 200 and ACK: the call's answer goes into the ACK");
    set_up(&f);
    dm_sim_gateway_dial(f.gateway, "carrier", "1", NULL);
    dm_sim_peer_respond(f.carrier,
                        dm_sim_peer_expect(f.carrier, "INVITE "),
                        "200 OK",
                        "ct",
                        "",
                        dm_sim_sdp_text);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_nonnull(f.gateway->sdp);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "ACK "), ==, 0);
    f.gateway->leg->ops->reanswer(f.gateway->leg, f.sdp);
    ack = dm_sim_peer_expect(f.carrier, "ACK ");
    sip_text_assert_has(dm_sim_body(ack), "m=audio 20000");
    tear_down(&f);
}

static void
test_offerless(void)
{
    Fixture f;
    g_autofree char *ok = NULL;

    g_test_summary("SIG-11: an INVITE without a description gets an offer; the ACK has the answer");
    set_up(&f);
    dm_sim_peer_request(f.pbx, "INVITE", "sip:1@gw", "1", PBX_PARTIES("1 INVITE", ""), NULL);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 100");
    g_assert_null(f.gateway->sdp);
    f.gateway->leg->ops->answer(f.gateway->leg, f.sdp);
    ok = g_strdup(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"));
    pbx_says(&f, ok, "ACK", 1, "a1", dm_sim_sdp_text);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx acked:0 ");
    g_assert_nonnull(f.gateway->sdp);
    tear_down(&f);
}

static void
test_in_dialog(void)
{
    Fixture f;
    g_autofree char *ok = NULL;

    g_test_summary("inside a dialog OPTIONS and INFO are answered, others refused, old ones 500");
    set_up(&f);
    ok = pbx_call_up(&f);
    pbx_says(&f, ok, "OPTIONS", 2, "i1", NULL);
    sip_text_assert_has(dm_sim_peer_expect(f.pbx, "SIP/2.0 200"), "\r\nAllow: ");
    pbx_says(&f, ok, "INFO", 3, "i2", NULL);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 200");
    pbx_says(&f, ok, "MESSAGE", 4, "i3", NULL);
    sip_text_assert_has(dm_sim_peer_expect(f.pbx, "SIP/2.0 405"), "\r\nAllow: ");
    pbx_says(&f, ok, "INFO", 4, "i4", NULL);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 500");
    tear_down(&f);
}

static void
keep_line(DmLogLevel level, const char *line, void *user_data)
{
    if (strstr(line, "sip-leg: ") != NULL) {
        g_ptr_array_add(user_data, g_strdup(line));
    }
}

static void
assert_lines_name(const GPtrArray *lines, const char *call_id, const char *leg)
{
    g_autofree char *context = g_strdup_printf("call=%s leg=%s", call_id, leg);

    g_assert_cmpuint(lines->len, >, 1);
    for (guint i = 0; i < lines->len; i++) {
        sip_text_assert_has(lines->pdata[i], context);
    }
}

static void
test_log_names_call(void)
{
    Fixture f;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    DmLogLevel level = dm_log_level();
    char call_id[DM_CALL_ID_MAX];

    g_test_summary("every move of a leg is logged with its call, so that one grep finds all of it");
    set_up(&f);
    dm_log_set_level(DM_LOG_DEBUG);
    dm_log_set_sink(keep_line, lines);
    pbx_calls(&f);
    g_strlcpy(call_id, f.gateway->leg->call_id, sizeof call_id);
    g_assert_cmpuint(strlen(call_id), ==, DM_CALL_ID_MAX - 1);
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.status = 480});
    dm_sim_peer_expect(f.pbx, "SIP/2.0 480");
    assert_lines_name(lines, call_id, "a");
    g_ptr_array_set_size(lines, 0);
    dm_sim_gateway_dial(f.gateway, "carrier", "+442", f.sdp);
    dm_sim_peer_respond(f.carrier,
                        dm_sim_peer_expect(f.carrier, "INVITE "),
                        "486 Busy Here",
                        "ct",
                        "",
                        NULL);
    dm_sim_peer_expect(f.carrier, "ACK ");
    assert_lines_name(lines, "dialled", "b");
    dm_log_set_sink(NULL, NULL);
    dm_log_set_level(level);
    tear_down(&f);
}

static void
test_bye_unanswered(void)
{
    Fixture f;

    g_test_summary("a BYE nobody answers is repeated for 32 s, then the leg is gone");
    set_up(&f);
    carrier_call_up(&f);
    f.gateway->leg->ops->close(f.gateway->leg, &(DmRelease){.q850 = 16});
    dm_sim_network_run(f.network, 31LL * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "BYE "), >, 5);
    g_assert_cmpstr(f.gateway->events->str, ==, "answered:200 ");
    dm_sim_network_run(f.network, 2 * S);
    g_assert_cmpstr(f.gateway->events->str, ==, "answered:200 closed:0 ");
    assert_all_gone(&f);
    tear_down(&f);
}

/* --- registration and pings --- */

static const char registering[] =
    "trunks:\n"
    "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}], domain: carrier.example,\n"
    "     auth: {mode: register, user: me, password: pw}, registration: {expires: 600}}\n";

static DmTrunkStatus
trunk_status(Fixture *f)
{
    DmTrunkStatus status;

    g_assert_true(dm_trunk_registry_status(f->gateway->registry, "carrier", &status));
    return status;
}

static void
test_register(void)
{
    Fixture f;
    g_autofree char *first = NULL, *contact = NULL, *contact_2 = NULL, *rewritten = NULL;
    g_autofree char *user = NULL, *parties = NULL, *call_uri = NULL;
    const char *second, *refresh, *last;
    int64_t granted_us, waited_us;

    g_test_summary(
        "REG-1: credentials, refresh by our own rewritten Contact, calls by it, Expires: 0");
    set_up_with(&f, registering);
    first = g_strdup(dm_sim_peer_expect(f.carrier, "REGISTER "));
    sip_text_assert_has(first, "REGISTER sip:carrier.example SIP/2.0\r\n");
    sip_text_assert_has(first, "To: <sip:me@carrier.example>\r\n");
    sip_text_assert_has(first, "Expires: 600\r\n");
    contact = dm_sim_header_uri(first, "Contact");
    dm_sim_peer_respond(f.carrier,
                        first,
                        "401 Unauthorized",
                        "r",
                        "WWW-Authenticate: Digest realm=\"w\", nonce=\"n\", qop=\"auth\"\r\n",
                        NULL);
    second = dm_sim_peer_expect(f.carrier, "REGISTER ");
    sip_text_assert_has(second, "Authorization: Digest username=\"me\"");
    sip_text_assert_has(second, "CSeq: 2 REGISTER\r\n");
    user = g_strndup(contact + 4, strcspn(contact + 4, "@"));
    rewritten = g_strdup_printf("Contact: <sip:other@192.0.2.9>;expires=9\r\n"
                                "Contact: <sip:%s@203.0.113.1:61000>;expires=100\r\n"
                                "Expires: 3600\r\n",
                                user);
    dm_sim_peer_respond(f.carrier, second, "200 OK", "r", rewritten, NULL);
    dm_sim_network_run(f.network, 10 * MS);
    granted_us = dm_sim_network_now_us(f.network);
    g_assert_cmpint(trunk_status(&f).registration, ==, DM_REG_REGISTERED);
    g_assert_cmpint(trunk_status(&f).registration_expires_wall_us -
                        dm_clock_wall_us(&dm_sim_network_clock(f.network)->clock),
                    >,
                    99LL * S);

    /* a call to that Contact belongs to the trunk, wherever it comes from */
    parties =
        g_strdup("From: <sip:9@x>;tag=f\r\nTo: <sip:1@y>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n");
    call_uri = g_strdup_printf("sip:%s@192.0.2.1", user);
    dm_sim_peer_request(f.pbx, "INVITE", call_uri, "1", parties, dm_sim_sdp_text);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 100");
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:carrier ");
    g_assert_cmpstr(f.gateway->auth, ==, "reg");

    dm_sim_peer_forget(f.carrier);
    dm_sim_network_run(f.network, 40LL * S);
    refresh = dm_sim_peer_expect(f.carrier, "REGISTER ");
    waited_us = dm_sim_network_now_us(f.network) - granted_us;
    g_assert_cmpint(waited_us, >=, 67LL * S);
    g_assert_cmpint(waited_us, <=, 69LL * S);
    contact_2 = dm_sim_header_uri(refresh, "Contact");
    g_assert_cmpstr(contact, ==, contact_2);
    sip_text_assert_has(refresh, "nc=00000002");
    dm_sim_peer_respond(f.carrier, refresh, "200 OK", "r", "Expires: 600\r\n", NULL);
    dm_sim_network_run(f.network, 10 * MS);

    dm_sip_stack_shutdown(f.gateway->stack);
    g_assert_false(dm_sip_stack_is_quiet(f.gateway->stack));
    last = dm_sim_peer_expect(f.carrier, "REGISTER ");
    sip_text_assert_has(last, "Expires: 0\r\n");
    dm_sim_peer_respond(f.carrier, last, "200 OK", "r", "", NULL);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_cmpint(trunk_status(&f).registration, ==, DM_REG_UNREGISTERED);
    tear_down(&f);
}

static void
test_named_contact(void)
{
    Fixture f;

    g_test_summary(
        "REG-1 SEC-3: a contact_user that was configured can be guessed: it tells trunks "
        "of one address apart, and opens no door to a stranger");
    set_up_with(&f,
                "security: {unknown_silent: true}\n"
                "trunks:\n"
                "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}],\n"
                "     auth: {mode: register, user: me, password: pw},\n"
                "     registration: {contact_user: '+442'}}\n");
    pbx_invites(&f);
    dm_sim_network_run(f.network, 1LL * S);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "SIP/2.0"), ==, 0);
    dm_sim_peer_request(f.carrier,
                        "INVITE",
                        "sip:+442@gw.example",
                        "c1",
                        PBX_PARTIES("1 INVITE", ""),
                        dm_sim_sdp_text);
    dm_sim_peer_expect(f.carrier, "SIP/2.0 100");
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:carrier ");
    tear_down(&f);
}

static void
test_register_refused(void)
{
    Fixture f;

    g_test_summary("REG-2: wrong credentials are tried once, then not for five minutes");
    set_up_with(&f, registering);
    for (unsigned i = 0; i < 2; i++) {
        dm_sim_peer_respond(f.carrier,
                            dm_sim_peer_expect(f.carrier, "REGISTER "),
                            "401 Unauthorized",
                            "r",
                            "WWW-Authenticate: Digest realm=\"w\", nonce=\"n\"\r\n",
                            NULL);
    }
    dm_sim_network_run(f.network, 299LL * S);
    g_assert_cmpint(trunk_status(&f).registration, ==, DM_REG_AUTH_FAILED);
    g_assert_cmpuint(trunk_status(&f).registration_code, ==, 401);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), ==, 0);
    dm_sim_gateway_take_config(f.gateway,
                               "trunks:\n"
                               "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}],\n"
                               "     auth: {mode: register, user: me, password: right}}\n");
    dm_sim_network_run(f.network, 2 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.carrier, "REGISTER "), >=, 1);
    tear_down(&f);
}

static void
test_register_retry(void)
{
    Fixture f;
    unsigned attempts = 0;

    g_test_summary("REG-2: a dead registrar is tried again and again, ever more slowly");
    set_up_with(&f, registering);
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_REFUSES);
    dm_sim_network_run(f.network, 24LL * 3600 * S);
    g_assert_cmpint(trunk_status(&f).registration, ==, DM_REG_RETRYING);
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_UP);
    dm_sim_peer_forget(f.carrier);
    dm_sim_network_run(f.network, 1810LL * S);
    attempts = dm_sim_peer_count(f.carrier, "REGISTER ");
    g_assert_cmpuint(attempts, >=, 1);
    tear_down(&f);
}

static void
test_pings(void)
{
    Fixture f;

    g_test_summary("HLT-1: any answer to OPTIONS is a sign of life; silence is not");
    set_up_with(
        &f,
        "trunks:\n"
        "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}],\n"
        "     health: {options: {enabled: true, interval_s: 30, up_after: 1, down_after: 2}}}\n");
    dm_sim_peer_respond(f.carrier,
                        dm_sim_peer_expect(f.carrier, "OPTIONS "),
                        "404 Not Found",
                        "o",
                        "",
                        NULL);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_true(trunk_status(&f).endpoints[0].up);
    g_assert_cmpint(trunk_status(&f).endpoints[0].last_ok_wall_us, >, 0);
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_SILENT);
    dm_sim_network_run(f.network, 80LL * S);
    g_assert_false(trunk_status(&f).endpoints[0].up);
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_UP);
    dm_sim_network_run(f.network, 33LL * S); /* the last one sent into silence is given up */
    dm_sim_peer_forget(f.carrier);
    dm_sim_peer_respond(f.carrier,
                        dm_sim_peer_expect(f.carrier, "OPTIONS "),
                        "200 OK",
                        "o",
                        "",
                        NULL);
    dm_sim_network_run(f.network, 10 * MS);
    g_assert_true(trunk_status(&f).endpoints[0].up);
    g_assert_cmpuint(trunk_status(&f).endpoints[0].rtt_us, >=, 1 * MS);
    tear_down(&f);
}

static void
test_close_pings(void)
{
    Fixture f;

    g_test_summary("HLT-1: silence is noticed however short the interval is");
    set_up_with(
        &f,
        "trunks:\n"
        "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}],\n"
        "     health: {options: {enabled: true, interval_s: 2, up_after: 1, down_after: 2}}}\n");
    dm_sim_host_set_state(dm_sim_peer_host(f.carrier), DM_SIM_SILENT);
    dm_sim_network_run(f.network, 6LL * S);
    g_assert_false(trunk_status(&f).endpoints[0].up);
    tear_down(&f);
}

/* --- two workers --- */

typedef struct {
    DmSipStack *stack[2];
    unsigned handed_over, incoming, acked, closed;
    DmLeg *leg;
} Pair;

static void
pair_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    Pair *pair = user_data;

    pair->acked += event->type == DM_LEG_ACKED;
    pair->closed += event->type == DM_LEG_CLOSED;
}

static void
pair_incoming(const DmIncoming *incoming, void *user_data)
{
    Pair *pair = user_data;

    pair->incoming++;
    pair->leg = incoming->leg;
    incoming->leg->on_event = pair_event;
    incoming->leg->user_data = pair;
}

static void
pair_foreign(unsigned worker, const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    Pair *pair = user_data;

    pair->handed_over++;
    dm_sip_stack_receive_own(pair->stack[worker], flow, data, len);
}

/* The kernel gives every datagram of the test to the first worker. */
static void
pair_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    dm_sip_stack_receive(((Pair *)user_data)->stack[0], flow, data, len);
}

static const DmSipStackUser pair_user = {.on_incoming = pair_incoming, .on_foreign = pair_foreign};

static void
one_call_each(DmSimPeer *peer, Pair *pair, const char *call_id)
{
    g_autofree char *parties =
        g_strdup_printf("From: <sip:1@x>;tag=f\r\nTo: <sip:2@y>\r\nCall-ID: %s\r\n", call_id);
    g_autofree char *headers = g_strconcat(parties, "CSeq: 1 INVITE\r\n", NULL);
    g_autofree char *to = NULL, *more = NULL;

    dm_sim_peer_request(peer, "INVITE", "sip:2@y", call_id, headers, NULL);
    dm_sim_peer_expect(peer, "SIP/2.0 100");
    pair->leg->ops->close(pair->leg, &(DmRelease){.status = 486});
    to = dm_sim_header(dm_sim_peer_expect(peer, "SIP/2.0 486"), "To");
    more = g_strdup_printf("From: <sip:1@x>;tag=f\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 ACK\r\n",
                           to,
                           call_id);
    dm_sim_peer_request(peer, "ACK", "sip:2@y", call_id, more, NULL);
}

/* An INVITE as worker @worker of ours would have sent it, come back by a proxy. */
static void
one_loop(DmSimPeer *peer, Pair *pair, DmRandom *random, unsigned worker)
{
    char tag[DM_TOKEN_MAX];
    char call_id[DM_TOKEN_MAX];
    g_autofree char *headers = NULL;
    unsigned handed_over = pair->handed_over;

    dm_token_make(tag, worker, random);
    dm_token_make(call_id, worker, random);
    headers = g_strdup_printf("From: <sip:1@x>;tag=%s\r\nTo: <sip:2@y>\r\nCall-ID: %s\r\n"
                              "CSeq: 1 INVITE\r\n",
                              tag,
                              call_id);
    dm_sim_peer_request(peer, "INVITE", "sip:2@y", call_id, headers, NULL);
    dm_sim_peer_expect(peer, "SIP/2.0 100");
    g_assert_cmpuint(pair->handed_over - handed_over, ==, worker);
    pair->leg->ops->close(pair->leg, &(DmRelease){.status = 486});
    dm_sim_peer_expect(peer, "SIP/2.0 486");
}

static void
test_two_workers(void)
{
    DmSimNetwork *network = dm_sim_network_new(3);
    DmTrunkRegistry *registry = dm_trunk_registry_new();
    DmRandom *random = dm_sim_network_random(network);
    DmPool *pool = dm_pool_new(registry, &dm_sim_network_clock(network)->clock, random);
    DmConfig *config = dm_sim_config(plain);
    DmCounter counters[DM_N_SIP_COUNTERS] = {0};
    Pair pair = {0};
    DmSimHost *host = dm_sim_host_new(network, "192.0.2.1:5060", pair_receive, NULL, &pair);
    DmSimPeer *peer = dm_sim_peer_new(network, "192.0.2.10:5060", "192.0.2.1");

    g_test_summary("a datagram that the wrong worker got comes to the one whose call it is");
    dm_pool_take_config(pool, config);
    for (unsigned i = 0; i < 2; i++) {
        pair.stack[i] = dm_sip_stack_new(&(DmSipStackOptions){.loop = dm_sim_network_loop(network),
                                                              .random = random,
                                                              .pool = pool,
                                                              .wire = dm_sim_host_wire(host),
                                                              .worker = i,
                                                              .n_workers = 2,
                                                              .user = &pair_user,
                                                              .user_data = &pair,
                                                              .counters = counters,
                                                              .token_secret = "s"},
                                         config);
    }
    for (unsigned i = 0; i < 20; i++) {
        g_autofree char *call_id = g_strdup_printf("call%u", i);

        one_call_each(peer, &pair, call_id);
    }
    dm_sim_network_run(network, 100LL * S);
    g_assert_cmpuint(pair.incoming, ==, 20);
    g_assert_cmpuint(pair.closed, ==, 20);
    g_assert_cmpuint(pair.handed_over, >, 0);
    g_assert_cmpuint(pair.handed_over, <, 40);
    g_assert_cmpuint(pair.handed_over % 2, ==, 0); /* each INVITE with its ACK */
    g_assert_cmpint(dm_counter_value(&counters[SIP_tx_active]), ==, 0);
    g_assert_cmpint(dm_counter_value(&counters[SIP_ack_timeout]), ==, 0);
    for (unsigned i = 0; i < 20; i++) {
        one_loop(peer, &pair, random, i % 2); /* SIG-2: whose leg it was can tell that it is one */
    }
    dm_sim_network_run(network, 100LL * S);
    dm_sip_stack_free(pair.stack[0]);
    dm_sip_stack_free(pair.stack[1]);
    dm_sim_peer_free(peer);
    dm_pool_free(pool);
    dm_trunk_registry_unref(registry);
    dm_config_unref(config);
    dm_sim_network_free(network);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-stack/incoming", test_incoming);
    g_test_add_func("/sip-stack/incoming/repeated-2xx", test_repeated_2xx);
    g_test_add_func("/sip-stack/incoming/no-ack", test_no_ack);
    g_test_add_func("/sip-stack/incoming/cancelled", test_cancelled);
    g_test_add_func("/sip-stack/incoming/rejected", test_rejected);
    g_test_add_func("/sip-stack/incoming/closed-before-ack", test_closed_before_ack);
    g_test_add_func("/sip-stack/incoming/offerless", test_offerless);
    g_test_add_func("/sip-stack/refusals", test_refusals);
    g_test_add_func("/sip-stack/merged", test_merged);
    g_test_add_func("/sip-stack/stranger", test_stranger);
    g_test_add_func("/sip-stack/flood", test_flood);
    g_test_add_func("/sip-stack/options", test_options);
    g_test_add_func("/sip-stack/inbound-digest", test_inbound_digest);
    g_test_add_func("/sip-stack/outgoing", test_outgoing);
    g_test_add_func("/sip-stack/outgoing/ack-again", test_ack_again);
    g_test_add_func("/sip-stack/outgoing/other-fork", test_other_fork);
    g_test_add_func("/sip-stack/outgoing/cancel", test_cancel);
    g_test_add_func("/sip-stack/outgoing/crossing", test_crossing);
    g_test_add_func("/sip-stack/outgoing/failures", test_failures);
    g_test_add_func("/sip-stack/outgoing/foreign-answer", test_foreign_answer);
    g_test_add_func("/sip-stack/outgoing/early-bye", test_early_bye);
    g_test_add_func("/sip-stack/outgoing/early-requests", test_early_requests);
    g_test_add_func("/sip-stack/outgoing/delayed-offer", test_delayed_offer);
    g_test_add_func("/sip-stack/credentials", test_credentials);
    g_test_add_func("/sip-stack/credentials/loop", test_auth_loop);
    g_test_add_func("/sip-stack/reinvite/in", test_reinvite_in);
    g_test_add_func("/sip-stack/reinvite/refresh", test_refresh);
    g_test_add_func("/sip-stack/reinvite/update", test_update_in);
    g_test_add_func("/sip-stack/reinvite/glare", test_glare);
    g_test_add_func("/sip-stack/reinvite/waits", test_reoffer_waits);
    g_test_add_func("/sip-stack/reinvite/lost", test_reinvite_lost);
    g_test_add_func("/sip-stack/in-dialog", test_in_dialog);
    g_test_add_func("/sip-stack/log-names-call", test_log_names_call);
    g_test_add_func("/sip-stack/bye-unanswered", test_bye_unanswered);
    g_test_add_func("/sip-stack/register", test_register);
    g_test_add_func("/sip-stack/register/named-contact", test_named_contact);
    g_test_add_func("/sip-stack/register/refused", test_register_refused);
    g_test_add_func("/sip-stack/register/retry", test_register_retry);
    g_test_add_func("/sip-stack/pings", test_pings);
    g_test_add_func("/sip-stack/pings/close", test_close_pings);
    g_test_add_func("/sip-stack/two-workers", test_two_workers);
    return g_test_run();
}
