/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* Offers that come late, on the wire (SIG-11): in a reliable provisional answer, or in the 2xx. */

#define SUPPORTED "Supported: 100rel\r\n"
#define RELIABLE  "Require: 100rel\r\nRSeq: 7\r\n"
#define ANSWER                                                                                     \
    "v=0\r\no=- 7 2 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\n"                           \
    "t=0 0\r\nm=audio 4400 RTP/AVP 0\r\n"

static DmLeg *
leg_of(SipLab *lab)
{
    return lab->gateway->leg;
}

static void
pbx_pracks(SipLab *lab, const char *answer, unsigned cseq, const char *body)
{
    g_autofree char *rseq = dm_sim_header(answer, "RSeq");
    g_autofree char *rack = g_strdup_printf("RAck: %s 1 INVITE\r\n", rseq);

    sip_lab_pbx_says(lab, "PRACK", cseq, rack, body);
}

static void
test_offer_in_183(void)
{
    SipLab lab;
    g_autofree char *early = NULL;
    const char *ok;

    g_test_summary("SIG-8 SIG-11: our offer in a reliable 183, the answer in PRACK; the 200 says "
                   "nothing more and its ACK brings nothing");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_invites(&lab, SUPPORTED, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
    leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
    early = g_strdup(sip_lab_pbx_gets(&lab, "SIP/2.0 183"));
    sip_text_assert_has(early, "m=audio 20000 ");
    leg_of(&lab)->ops->answer(leg_of(&lab), lab.sdp);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "SIP/2.0 200"), ==, 0);
    pbx_pracks(&lab, early, 2, ANSWER);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 200"), "CSeq: 2 PRACK");
    ok = dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    sip_text_assert_has(ok, "CSeq: 1 INVITE");
    g_assert_cmpstr(dm_sim_body(ok), ==, "");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4400);
    sip_lab_pbx_says(&lab, "ACK", 1, "", NULL);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx early-answer:0 acked:0 ");
    /* The next exchange is an ordinary one. */
    sip_lab_pbx_says(&lab, "UPDATE", 3, "", dm_sim_sdp_text);
    sip_lab_run_ms(&lab, 10);
    g_assert_true(g_str_has_suffix(sip_lab_events(&lab), "reoffer:0 "));
    sip_lab_tear_down(&lab);
}

static void
test_offer_waits_for_the_200(void)
{
    SipLab lab;

    g_test_summary("SIG-11: a caller who does not acknowledge 183 never sees an offer in it, and "
                   "has it in the 200");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_invites(&lab, "", NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
    leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
    g_assert_cmpstr(dm_sim_body(sip_lab_pbx_gets(&lab, "SIP/2.0 183")), ==, "");
    leg_of(&lab)->ops->answer(leg_of(&lab), lab.sdp);
    sip_text_assert_has(sip_lab_pbx_gets(&lab, "SIP/2.0 200"), "m=audio 20000 ");
    sip_lab_pbx_says(&lab, "ACK", 1, "", ANSWER);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx acked:0 ");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4400);
    sip_lab_tear_down(&lab);
}

/* Answers whatever the leg offers, as a call does. */
static void
answer_at_once(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    SipLab *lab = user_data;

    if (event->type == DM_LEG_OFFERED || event->is_offer) {
        leg->ops->reanswer(leg, lab->sdp);
    }
}

static void
dial_without_offer(SipLab *lab)
{
    dm_sim_gateway_dial(lab->gateway, "carrier", "+442", NULL);
    g_assert_cmpstr(dm_sim_body(sip_lab_carrier_invited(lab)), ==, "");
    lab->gateway->on_event = answer_at_once;
    lab->gateway->user_data = lab;
}

static void
test_answer_in_prack(void)
{
    SipLab lab;
    const char *prack;

    g_test_summary(
        "SIG-11: the called side's offer in a reliable 183 is answered in PRACK, of each "
        "fork; its 200 is acknowledged at once");
    sip_lab_set_up(&lab, "{}");
    dial_without_offer(&lab);
    sip_lab_carrier_answers(&lab, "183 Progress", "f1", RELIABLE, dm_sim_sdp_text);
    prack = dm_sim_peer_expect(lab.carrier, "PRACK ");
    sip_text_assert_has(prack, "m=audio 20000 ");
    dm_sim_peer_respond(lab.carrier, prack, "200 OK", "", "", NULL);
    sip_lab_carrier_answers(&lab, "183 Progress", "f2", RELIABLE, ANSWER);
    prack = dm_sim_peer_expect(lab.carrier, "PRACK ");
    sip_text_assert_has(prack, ";tag=f2\r\n");
    sip_text_assert_has(prack, "m=audio 20000 ");
    dm_sim_peer_respond(lab.carrier, prack, "200 OK", "", "", NULL);
    sip_lab_carrier_answers(&lab, "200 OK", "f2", "", NULL);
    g_assert_cmpstr(dm_sim_body(dm_sim_peer_expect(lab.carrier, "ACK ")), ==, "");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4400);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "offered:183 offered:183 answered:200 ");
    sip_lab_tear_down(&lab);
}

static void
test_answer_in_ack(void)
{
    SipLab lab;
    g_autofree char *first = NULL;

    g_test_summary("SIG-5 SIG-11: an offer in the 200 is answered in the ACK, and every repetition "
                   "of the 200 gets the same ACK");
    sip_lab_set_up(&lab, "{}");
    dial_without_offer(&lab);
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", dm_sim_sdp_text);
    first = g_strdup(dm_sim_peer_expect(lab.carrier, "ACK "));
    sip_text_assert_has(first, "m=audio 20000 ");
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", dm_sim_sdp_text);
    g_assert_cmpstr(dm_sim_peer_expect(lab.carrier, "ACK "), ==, first);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 ");
    sip_lab_tear_down(&lab);
}

static void
test_ack_waits(void)
{
    SipLab lab;

    g_test_summary(
        "SIG-11: the ACK waits for the caller's answer; a call that ends meanwhile sends "
        "it all the same, and BYE");
    sip_lab_set_up(&lab, "{}");
    dial_without_offer(&lab);
    lab.gateway->on_event = NULL;
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", dm_sim_sdp_text);
    sip_lab_run_ms(&lab, 1000);
    g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "ACK "), ==, 0);
    sip_lab_carrier_says(&lab, "INVITE", "ct", 5, "", ANSWER);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 491");
    leg_of(&lab)->ops->close(leg_of(&lab), &(DmRelease){.q850 = 16});
    dm_sim_peer_expect(lab.carrier, "ACK ");
    dm_sim_peer_expect(lab.carrier, "BYE ");
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip/delayed-offer/in-183", test_offer_in_183);
    g_test_add_func("/sip/delayed-offer/in-200", test_offer_waits_for_the_200);
    g_test_add_func("/sip/delayed-offer/answer-in-prack", test_answer_in_prack);
    g_test_add_func("/sip/delayed-offer/answer-in-ack", test_answer_in_ack);
    g_test_add_func("/sip/delayed-offer/ack-waits", test_ack_waits);
    return g_test_run();
}
