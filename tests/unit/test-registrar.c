/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/digest.h"
#include "tests/lib/sip-gateway.h"
#include "tests/lib/sip-peer.h"
#include "tests/lib/sip-text.h"

#define S (1000LL * 1000)

/* A gateway and a PBX somewhere that registers with it. */
typedef struct {
    DmSimNetwork *network;
    DmSimGateway *gateway;
    DmSimPeer *pbx;
    DmSdp *sdp;
    DmDigestClient *digest;
    DmRandom *random;
    unsigned cseq;
    char *authorization; /* of the last request; a whole line */
    char *last;          /* that request */
} Fixture;

static const char plain[] = "trunks:\n"
                            "  - id: pbx\n"
                            "    role: pbx\n"
                            "    domain: gw.example\n"
                            "    auth: {mode: register_in, inbound_user: office, "
                            "inbound_password: secret}\n";

static void
set_up_with(Fixture *f, const char *yaml)
{
    *f = (Fixture){0};
    f->network = dm_sim_network_new(5);
    f->gateway = dm_sim_gateway_new(f->network, "192.0.2.1:5060", yaml);
    f->pbx = dm_sim_peer_new(f->network, "198.51.100.7:40000", "192.0.2.1");
    f->sdp = dm_sim_sdp(20000);
    f->random = dm_random_new_seeded(9);
    f->digest = dm_digest_client_new("office", "secret", "");
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
    dm_sim_gateway_free(f->gateway);
    dm_sdp_unref(f->sdp);
    dm_random_free(f->random);
    dm_digest_client_free(f->digest);
    g_free(f->authorization);
    g_free(f->last);
    dm_sim_network_free(f->network);
}

static void
keep_line(bool proxy, const char *value, void *user_data)
{
    Fixture *f = user_data;

    g_free(f->authorization);
    f->authorization = g_strdup_printf("Authorization: %s\r\n", value);
}

/* Sends @method for @uri with @headers, and with credentials once there was a challenge. */
static void
say(Fixture *f, const char *method, const char *uri, const char *headers)
{
    g_clear_pointer(&f->authorization, g_free);
    dm_digest_client_authorize(f->digest,
                               f->random,
                               &(DmDigestRequest){method, uri, NULL, 0},
                               keep_line,
                               f);
    f->cseq++;
    g_free(f->last);
    f->last = g_strdup_printf("%s %s SIP/2.0\r\n"
                              "Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK-r%u;rport\r\n"
                              "Max-Forwards: 70\r\n"
                              "From: <sip:office@gw.example>;tag=f%u\r\n"
                              "To: <sip:office@gw.example>\r\n"
                              "Call-ID: reg\r\n"
                              "CSeq: %u %s\r\n"
                              "%s%sContent-Length: 0\r\n\r\n",
                              method,
                              uri,
                              f->cseq,
                              f->cseq,
                              f->cseq,
                              method,
                              f->authorization != NULL ? f->authorization : "",
                              headers);
    dm_sim_peer_send(f->pbx, f->last);
}

static void
take_challenge(Fixture *f, const char *response)
{
    g_autoptr(DmSipMessage) message = sip_text_parse(response);
    DmDigestChallenge challenge;

    g_assert_true(dm_digest_challenge_parse(&challenge,
                                            message->sip->sip_www_authenticate->au_scheme,
                                            message->sip->sip_www_authenticate->au_params));
    dm_digest_client_begin(f->digest);
    g_assert_cmpint(dm_digest_client_take(f->digest, false, &challenge, 1), ==, DM_DIGEST_RETRY);
}

/* The same once more, challenged when it has to be; the final answer. */
static const char *
ask(Fixture *f, const char *method, const char *uri, const char *headers)
{
    const char *response;

    say(f, method, uri, headers);
    response = dm_sim_peer_expect(f->pbx, "SIP/2.0 ");
    if (g_str_has_prefix(response, "SIP/2.0 401")) {
        take_challenge(f, response);
        say(f, method, uri, headers);
        response = dm_sim_peer_expect(f->pbx, "SIP/2.0 ");
    }
    return response;
}

static const char *
registers(Fixture *f, const char *headers)
{
    return ask(f, "REGISTER", "sip:gw.example", headers);
}

#define CONTACT "Contact: <sip:office@10.0.0.5:5060;ob>\r\n"

static unsigned
n_contacts(const Fixture *f)
{
    DmBindings *bindings = dm_trunk_bindings(dm_pool_find(f->gateway->pool, "pbx"));

    return bindings != NULL ? bindings->list->len : 0;
}

static void
test_register_and_call(void)
{
    Fixture f;
    const char *ok;
    const char *invite;

    g_test_summary("REG-5 AUTH-2: a PBX behind NAT registers with its password and is called where "
                   "it came from, by its Contact, the number in To");
    set_up(&f);
    g_assert_false(dm_trunk_is_up(dm_pool_find(f.gateway->pool, "pbx")));
    ok = registers(&f, CONTACT "Expires: 600\r\n");
    g_assert_true(g_str_has_prefix(ok, "SIP/2.0 200"));
    sip_text_assert_has(ok, "\r\nContact: <sip:office@10.0.0.5:5060;ob>;expires=600\r\n");
    g_assert_cmpuint(n_contacts(&f), ==, 1);
    dm_sim_gateway_dial(f.gateway, "pbx", "+442079460000", f.sdp);
    invite = dm_sim_peer_expect(f.pbx, "INVITE ");
    g_assert_true(g_str_has_prefix(invite, "INVITE sip:office@10.0.0.5:5060;ob SIP/2.0\r\n"));
    sip_text_assert_has(invite, "\r\nTo: <sip:+442079460000@gw.example>\r\n");
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_register_in_accepted]), ==, 1);
    tear_down(&f);
}

static void
test_wrong_password(void)
{
    Fixture f;

    g_test_summary("AUTH-2: a wrong password binds nothing and is counted");
    set_up(&f);
    dm_digest_client_free(f.digest);
    f.digest = dm_digest_client_new("office", "guess", "");
    g_assert_true(g_str_has_prefix(registers(&f, CONTACT), "SIP/2.0 401"));
    g_assert_cmpuint(n_contacts(&f), ==, 0);
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_blocked_credentials]), ==, 1);
    tear_down(&f);
}

static void
test_replay(void)
{
    Fixture f;
    const char *again;
    g_auto(GStrv) parts = NULL;
    g_autofree char *replayed = NULL;

    g_test_summary("AUTH-2: the same credentials again, in another transaction, are stale");
    set_up(&f);
    registers(&f, CONTACT);
    g_assert_cmpuint(n_contacts(&f), ==, 1);
    parts = g_strsplit(f.last, "z9hG4bK-", 2);
    replayed = g_strjoinv("z9hG4bK-stolen", parts);
    dm_sim_peer_send(f.pbx, replayed);
    again = dm_sim_peer_expect(f.pbx, "SIP/2.0 ");
    g_assert_true(g_str_has_prefix(again, "SIP/2.0 401"));
    sip_text_assert_has(again, "stale=true");
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_blocked_credentials]), ==, 0);
    tear_down(&f);
}

static void
test_strangers(void)
{
    Fixture f;

    g_test_summary("SEC-3 REG-5: who registers as nobody we know hears nothing; who does is asked");
    set_up(&f);
    dm_sim_peer_send(f.pbx,
                     "REGISTER sip:gw.example SIP/2.0\r\n"
                     "Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK-s1;rport\r\n"
                     "From: <sip:100@gw.example>;tag=f\r\nTo: <sip:100@gw.example>\r\n"
                     "Call-ID: s\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n");
    dm_sim_network_run(f.network, 2 * S);
    g_assert_cmpuint(dm_sim_peer_count(f.pbx, "SIP/2.0"), ==, 0);
    g_assert_cmpint(dm_counter_value(&f.gateway->counters[SIP_blocked_unknown]), ==, 1);
    say(&f, "REGISTER", "sip:gw.example", CONTACT);
    dm_sim_peer_expect(f.pbx, "SIP/2.0 401");
    tear_down(&f);
}

static void
test_acl(void)
{
    Fixture f;

    g_test_summary("AUTH-2: with an acl a trunk registers from there only");
    set_up_with(&f,
                "security: {unknown_silent: false}\n"
                "trunks: [{id: pbx, role: pbx, domain: gw.example, acl: [203.0.113.0/24], "
                "auth: {mode: register_in, inbound_user: office, inbound_password: secret}}]\n");
    g_assert_true(g_str_has_prefix(registers(&f, CONTACT), "SIP/2.0 403"));
    g_assert_cmpuint(n_contacts(&f), ==, 0);
    tear_down(&f);
}

static void
test_expiry(void)
{
    Fixture f;

    g_test_summary("REG-5: a contact that is not refreshed is over in its time, whatever the wall "
                   "clock says");
    set_up(&f);
    registers(&f, CONTACT "Expires: 600\r\n");
    dm_fake_clock_step_wall(dm_sim_network_clock(f.network), 3600 * S);
    dm_sim_network_run(f.network, 599 * S);
    g_assert_cmpuint(n_contacts(&f), ==, 1);
    dm_sim_network_run(f.network, 2 * S);
    g_assert_cmpuint(n_contacts(&f), ==, 0);
    tear_down(&f);
}

static void
test_too_brief(void)
{
    Fixture f;
    const char *answer;

    g_test_summary("REG-5: 423 says what is enough");
    set_up(&f);
    answer = registers(&f, CONTACT "Expires: 5\r\n");
    g_assert_true(g_str_has_prefix(answer, "SIP/2.0 423"));
    sip_text_assert_has(answer, "\r\nMin-Expires: 60\r\n");
    tear_down(&f);
}

static void
test_all_back(void)
{
    Fixture f;
    const char *answer;

    g_test_summary("REG-5: Contact: * with Expires: 0 takes everything back; without Contact the "
                   "bindings are told");
    set_up(&f);
    registers(&f, CONTACT);
    answer = registers(&f, "");
    sip_text_assert_has(answer, "\r\nContact: <sip:office@10.0.0.5:5060;ob>;expires=3600\r\n");
    answer = registers(&f, "Contact: *\r\nExpires: 0\r\n");
    g_assert_true(g_str_has_prefix(answer, "SIP/2.0 200"));
    g_assert_null(strstr(answer, "Contact:"));
    g_assert_cmpuint(n_contacts(&f), ==, 0);
    tear_down(&f);
}

static void
test_q_order(void)
{
    Fixture f;
    const char *answer;

    g_test_summary("REG-5: contacts are called and told in the order of q");
    set_up(&f);
    answer = registers(&f, "Contact: <sip:low@10.0.0.5>;q=0.2, <sip:high@10.0.0.6>;q=0.7\r\n");
    sip_text_assert_has(answer, "\r\nContact: <sip:high@10.0.0.6>;expires=3600;q=0.700");
    dm_sim_gateway_dial(f.gateway, "pbx", "1", f.sdp);
    g_assert_true(
        g_str_has_prefix(dm_sim_peer_expect(f.pbx, "INVITE "), "INVITE sip:high@10.0.0.6 "));
    tear_down(&f);
}

static void
test_path(void)
{
    Fixture f;
    const char *answer;
    const char *invite;

    g_test_summary("REG-5: Path is told again and becomes the Route of calls (RFC 3327)");
    set_up(&f);
    answer = registers(&f,
                       CONTACT "Supported: path\r\n"
                               "Path: <sip:edge.example;lr>, <sip:far.example;lr>\r\n");
    sip_text_assert_has(answer, "\r\nPath: <sip:edge.example;lr>");
    dm_sim_gateway_dial(f.gateway, "pbx", "1", f.sdp);
    invite = dm_sim_peer_expect(f.pbx, "INVITE ");
    sip_text_assert_has(invite, "\r\nRoute: <sip:edge.example;lr>");
    sip_text_assert_has(invite, "<sip:far.example;lr>");
    tear_down(&f);
}

static void
test_bad_contacts(void)
{
    static const char *const bad[] = {
        "Contact: <tel:+44207>\r\n",
        "Contact: <sip:a@h>, <mailto:a@h>\r\n",
        "Contact: *\r\n",
        "Contact: <sip:a@h>, *\r\nExpires: 0\r\n",
        "Contact: <sip:u@19/.0.2.10sip:c@h>\r\n", /* read, but not once it is printed */
    };
    Fixture f;
    g_autofree char *name = g_strnfill(400, 'a');
    g_autofree char *too_long = g_strdup_printf("Contact: <sip:%s@h>\r\n", name);

    g_test_summary("REG-5 SEC-5: contacts that cannot be called are refused with 400");
    set_up(&f);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i]);
        g_assert_true(g_str_has_prefix(registers(&f, bad[i]), "SIP/2.0 400"));
    }
    g_assert_true(g_str_has_prefix(registers(&f, too_long), "SIP/2.0 400"));
    g_assert_cmpuint(n_contacts(&f), ==, 0);
    tear_down(&f);
}

static void
test_not_a_registrar(void)
{
    Fixture f;
    const char *answer;

    g_test_summary("SIG-3: without a trunk that registers, REGISTER is 405");
    set_up_with(&f,
                "security: {unknown_silent: false}\n"
                "trunks: [{id: pbx, role: pbx, endpoints: [{uri: 198.51.100.7}]}]\n");
    answer = registers(&f, CONTACT);
    g_assert_true(g_str_has_prefix(answer, "SIP/2.0 405"));
    sip_text_assert_has(answer, "\r\nAllow: ");
    tear_down(&f);
}

static const char gin[] = "trunks: [{id: pbx, role: pbx, domain: gw.example, "
                          "auth: {mode: register_in, inbound_user: office, inbound_password: "
                          "secret}, registration: {mode: gin}}]\n";

static void
test_gin(void)
{
    Fixture f;

    g_test_summary("REG-5: a bulk registration (RFC 6140): calls ask for the number itself");
    set_up_with(&f, gin);
    g_assert_true(g_str_has_prefix(registers(&f,
                                             "Require: gin\r\nProxy-Require: gin\r\n"
                                             "Contact: <sip:10.0.0.5:5070;bnc;foo=1>\r\n"),
                                   "SIP/2.0 200"));
    dm_sim_gateway_dial(f.gateway, "pbx", "+442079460000", f.sdp);
    g_assert_true(g_str_has_prefix(dm_sim_peer_expect(f.pbx, "INVITE "),
                                   "INVITE sip:+442079460000@10.0.0.5:5070;foo=1 SIP/2.0\r\n"));
    tear_down(&f);
}

static void
test_unreadable_with_number(void)
{
    Fixture f;

    g_test_summary("REG-5 SEC-5: a contact that a number would make unreadable is called as it is");
    set_up_with(&f,
                "trunks: [{id: pbx, role: pbx, domain: gw.example, auth: {mode: register_in, "
                "inbound_user: office, inbound_password: secret}, "
                "registration: {request_uri: number}}]\n");
    g_assert_true(
        g_str_has_prefix(registers(&f, "Contact: <sip:10.0.0.5://=>\r\n"), "SIP/2.0 200"));
    dm_sim_gateway_dial(f.gateway, "pbx", "+442079460000", f.sdp);
    g_assert_true(g_str_has_prefix(dm_sim_peer_expect(f.pbx, "INVITE "), "INVITE sip:10.0.0.5:"));
    tear_down(&f);
}

static void
test_gin_refused(void)
{
    Fixture f;
    const char *answer;

    g_test_summary("REG-5: gin is 420 where the trunk has no bulk registration");
    set_up(&f);
    answer = registers(&f, "Require: gin\r\nContact: <sip:10.0.0.5:5070;bnc>\r\n");
    g_assert_true(g_str_has_prefix(answer, "SIP/2.0 420"));
    sip_text_assert_has(answer, "\r\nUnsupported: gin\r\n");
    tear_down(&f);
}

static void
test_calls_in(void)
{
    Fixture f;
    const char *answer;

    g_test_summary("AUTH-2 AUTH-3: calls of a PBX that registered are its trunk's, and over UDP "
                   "they carry the password");
    set_up(&f);
    registers(&f, CONTACT);
    dm_digest_client_free(f.digest);
    f.digest = dm_digest_client_new("office", "secret", "");
    say(&f, "INVITE", "sip:+44@gw.example", "Contact: <sip:office@10.0.0.5>\r\n");
    answer = dm_sim_peer_expect(f.pbx, "SIP/2.0 401");
    take_challenge(&f, answer);
    say(&f, "INVITE", "sip:+44@gw.example", "Contact: <sip:office@10.0.0.5>\r\n");
    dm_sim_network_run(f.network, S);
    g_assert_cmpstr(f.gateway->events->str, ==, "incoming:pbx ");
    g_assert_cmpstr(f.gateway->auth, ==, "digest");
    tear_down(&f);
}

static void
test_keepalive(void)
{
    Fixture f;
    uint64_t before;

    g_test_summary("REG-5: behind NAT the way is kept open, every 20 s");
    set_up(&f);
    registers(&f, CONTACT);
    before = dm_sim_network_counts(f.network)->delivered;
    dm_sim_network_run(f.network, 101 * S);
    g_assert_cmpuint(dm_sim_network_counts(f.network)->delivered - before, ==, 5);
    tear_down(&f);
}

static void
test_configuration(void)
{
    Fixture f;
    g_autofree char *other = NULL;
    g_auto(GStrv) parts = g_strsplit(plain, "secret", 2);

    g_test_summary("REG-5: a change that leaves the password leaves the contacts; a new password "
                   "does not");
    set_up(&f);
    registers(&f, CONTACT);
    dm_sim_gateway_take_config(f.gateway, plain);
    g_assert_cmpuint(n_contacts(&f), ==, 1);
    other = g_strjoinv("changed", parts);
    dm_sim_gateway_take_config(f.gateway, other);
    g_assert_cmpuint(n_contacts(&f), ==, 0);
    tear_down(&f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/registrar/register-and-call", test_register_and_call);
    g_test_add_func("/registrar/wrong-password", test_wrong_password);
    g_test_add_func("/registrar/replay", test_replay);
    g_test_add_func("/registrar/strangers", test_strangers);
    g_test_add_func("/registrar/acl", test_acl);
    g_test_add_func("/registrar/expiry", test_expiry);
    g_test_add_func("/registrar/too-brief", test_too_brief);
    g_test_add_func("/registrar/all-back", test_all_back);
    g_test_add_func("/registrar/q-order", test_q_order);
    g_test_add_func("/registrar/path", test_path);
    g_test_add_func("/registrar/bad-contacts", test_bad_contacts);
    g_test_add_func("/registrar/not-a-registrar", test_not_a_registrar);
    g_test_add_func("/registrar/gin", test_gin);
    g_test_add_func("/registrar/unreadable-with-number", test_unreadable_with_number);
    g_test_add_func("/registrar/gin/refused", test_gin_refused);
    g_test_add_func("/registrar/calls-in", test_calls_in);
    g_test_add_func("/registrar/keepalive", test_keepalive);
    g_test_add_func("/registrar/configuration", test_configuration);
    return g_test_run();
}
