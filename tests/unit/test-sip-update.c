/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* Offers of ours in UPDATE (SIG-12), before the answer and after it. */

#define SUPPORTED "Supported: 100rel\r\n"
#define RELIABLE  "Require: 100rel\r\nRSeq: 7\r\n"
#define ALLOW     "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE\r\n"
#define MOVED                                                                                      \
    "v=0\r\no=- 7 2 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\n"                           \
    "t=0 0\r\nm=audio 4400 RTP/AVP 0\r\n"

static DmLeg *
leg_of(SipLab *lab)
{
    return lab->gateway->leg;
}

static void
reoffer(SipLab *lab)
{
    g_autoptr(DmSdp) sdp = dm_sim_sdp(20002);

    leg_of(lab)->ops->reoffer(leg_of(lab), sdp);
    sip_lab_run_ms(lab, 10);
}

/* A caller whose first exchange is over before the answer. */
static void
pbx_early(SipLab *lab, const char *headers)
{
    g_autofree char *rseq = NULL, *rack = NULL;

    sip_lab_pbx_invites(lab, headers, dm_sim_sdp_text);
    dm_sim_peer_expect(lab->pbx, "SIP/2.0 100");
    leg_of(lab)->ops->progress(leg_of(lab), 183, lab->sdp);
    rseq = dm_sim_header(sip_lab_pbx_gets(lab, "SIP/2.0 183"), "RSeq");
    rack = g_strdup_printf("RAck: %s 1 INVITE\r\n", rseq);
    sip_lab_pbx_says(lab, "PRACK", 2, rack, NULL);
    dm_sim_peer_expect(lab->pbx, "SIP/2.0 200");
}

static void
test_before_the_answer(void)
{
    SipLab lab;
    g_autofree char *update = NULL;

    g_test_summary(
        "SIG-9 SIG-12: what was agreed early is changed by UPDATE before the answer; 491 "
        "is tried again");
    sip_lab_set_up(&lab, "{}");
    pbx_early(&lab, SUPPORTED ALLOW);
    reoffer(&lab);
    update = g_strdup(dm_sim_peer_expect(lab.pbx, "UPDATE "));
    sip_text_assert_has(update, "m=audio 20002 ");
    sip_lab_pbx_says(&lab, "UPDATE", 3, "", MOVED);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 491");
    dm_sim_peer_respond(lab.pbx, update, "491 Request Pending", "", "", NULL);
    g_free(update);
    update = g_strdup(dm_sim_peer_expect(lab.pbx, "UPDATE "));
    sip_text_assert_has(update, "m=audio 20002 ");
    dm_sim_peer_respond(lab.pbx, update, "200 OK", "", "", MOVED);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx reanswer:200 ");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4400);
    leg_of(&lab)->ops->answer(leg_of(&lab), lab.sdp);
    g_assert_cmpstr(dm_sim_body(sip_lab_pbx_gets(&lab, "SIP/2.0 200")), ==, "");
    sip_lab_pbx_says(&lab, "ACK", 1, "", NULL);
    sip_lab_run_ms(&lab, 10);
    sip_lab_tear_down(&lab);
}

static void
test_waits_for_the_answer(void)
{
    static const struct {
        const char *sip, *headers;
    } cases[] = {
        {"{}", SUPPORTED "Allow: INVITE, ACK, BYE\r\n"},
        {"{update: off}", SUPPORTED ALLOW},
        {"{rel100: off}", ALLOW},
    };

    g_test_summary("SIG-12: a peer that takes no UPDATE, or whose first exchange is not over, gets "
                   "a re-INVITE once the call is up");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SipLab lab;

        sip_lab_set_up(&lab, cases[i].sip);
        if (i < 2) {
            pbx_early(&lab, cases[i].headers);
        } else {
            sip_lab_pbx_invites(&lab, cases[i].headers, dm_sim_sdp_text);
            dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
        }
        reoffer(&lab);
        leg_of(&lab)->ops->answer(leg_of(&lab), lab.sdp);
        sip_lab_pbx_gets(&lab, "SIP/2.0 200");
        g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "UPDATE "), ==, 0);
        sip_lab_pbx_says(&lab, "ACK", 1, "", NULL);
        sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "INVITE "), "m=audio 20002 ");
        sip_lab_tear_down(&lab);
    }
}

static void
test_called_side(void)
{
    SipLab lab;
    const char *message;

    g_test_summary("SIG-12: the called side's early dialog is changed by UPDATE in that dialog");
    sip_lab_set_up(&lab, "{}");
    sip_lab_dial(&lab);
    reoffer(&lab);
    sip_lab_carrier_answers(&lab, "183 Progress", "ct", RELIABLE ALLOW, dm_sim_sdp_text);
    message = dm_sim_peer_expect(lab.carrier, "PRACK ");
    dm_sim_peer_respond(lab.carrier, message, "200 OK", "", "", NULL);
    message = dm_sim_peer_expect(lab.carrier, "UPDATE ");
    sip_text_assert_has(message, ";tag=ct\r\n");
    sip_text_assert_has(message, "m=audio 20002 ");
    dm_sim_peer_respond(lab.carrier, message, "200 OK", "", "", MOVED);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "progress:183 reanswer:200 ");
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", NULL);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    sip_lab_tear_down(&lab);
}

static void
test_after_the_answer(void)
{
    SipLab lab;
    g_autofree char *update = NULL;

    g_test_summary("SIG-12: prefer: UPDATE in a call that is up; 488 leaves it as it was, 405 is "
                   "tried by re-INVITE, 481 ends it");
    sip_lab_set_up(&lab, "{update: prefer}");
    sip_lab_carrier_up(&lab, ALLOW);
    reoffer(&lab);
    update = g_strdup(dm_sim_peer_expect(lab.carrier, "UPDATE "));
    sip_lab_carrier_says(&lab, "UPDATE", "ct", 5, "", MOVED);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 491");
    sip_lab_carrier_says(&lab, "INVITE", "ct", 6, "", MOVED);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 491");
    sip_lab_carrier_says(&lab, "ACK", "ct", 6, "", NULL);
    dm_sim_peer_respond(lab.carrier, update, "488 Not Here", "", "", NULL);
    sip_lab_run_ms(&lab, 10);
    g_assert_true(g_str_has_suffix(sip_lab_events(&lab), "reoffer-failed:488 "));
    reoffer(&lab);
    dm_sim_peer_respond(lab.carrier,
                        dm_sim_peer_expect(lab.carrier, "UPDATE "),
                        "405 Method Not Allowed",
                        "",
                        "",
                        NULL);
    sip_text_assert_has(sip_lab_carrier_invited(&lab), "m=audio 20002 ");
    sip_lab_carrier_answers(&lab, "481 Gone", "ct", "", NULL);
    dm_sim_peer_expect(lab.carrier, "BYE ");
    sip_lab_run_ms(&lab, 10);
    g_assert_true(g_str_has_suffix(sip_lab_events(&lab), "closed:481 "));
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip/update/before-the-answer", test_before_the_answer);
    g_test_add_func("/sip/update/waits-for-the-answer", test_waits_for_the_answer);
    g_test_add_func("/sip/update/called-side", test_called_side);
    g_test_add_func("/sip/update/after-the-answer", test_after_the_answer);
    return g_test_run();
}
