/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* Acknowledged provisional answers (RFC 3262), early dialogs and what is offered in them. */

#define SUPPORTED "Supported: 100rel\r\n"
#define REQUIRED  "Require: 100rel\r\n"
#define RELIABLE  "Require: 100rel\r\nRSeq: 7\r\n"
#define MOVED                                                                                      \
    "v=0\r\no=- 7 2 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\n"                           \
    "t=0 0\r\nm=audio 4400 RTP/AVP 0\r\n"

static DmLeg *
leg_of(SipLab *lab)
{
    return lab->gateway->leg;
}

/* The PBX acknowledges the last provisional answer; @add to its RSeq. */
static void
pbx_pracks(SipLab *lab, const char *answer, unsigned cseq, int add, const char *body)
{
    g_autofree char *rseq = dm_sim_header(answer, "RSeq");
    g_autofree char *rack = g_strdup_printf("RAck: %d 1 INVITE\r\n", atoi(rseq) + add);

    sip_lab_pbx_says(lab, "PRACK", cseq, rack, body);
}

static void
pbx_calls(SipLab *lab, const char *headers)
{
    sip_lab_pbx_invites(lab, headers, dm_sim_sdp_text);
    dm_sim_peer_expect(lab->pbx, "SIP/2.0 100");
}

static void
test_caller_matrix(void)
{
    static const struct {
        const char *sip, *headers;
        bool ringing, media; /* whether 180 and 183 are acknowledged */
    } cases[] = {
        {"{}", "", false, false},
        {"{}", SUPPORTED, false, true},
        {"{}", REQUIRED, true, true},
        {"{rel100: off}", SUPPORTED, false, false},
        {"{rel100: required}", SUPPORTED, true, true},
    };

    g_test_summary(
        "SIG-8: what a caller who cannot, can, or must have it gets, whatever the called "
        "side does");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SipLab lab;
        const char *answer;

        sip_lab_set_up(&lab, cases[i].sip);
        pbx_calls(&lab, cases[i].headers);
        leg_of(&lab)->ops->progress(leg_of(&lab), 180, NULL);
        answer = sip_lab_pbx_gets(&lab, "SIP/2.0 180");
        g_assert_cmpint(strstr(answer, "\r\nRSeq: ") != NULL, ==, cases[i].ringing);
        if (cases[i].ringing) {
            pbx_pracks(&lab, answer, 2, 0, NULL);
            sip_lab_pbx_gets(&lab, "SIP/2.0 200");
        }
        leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
        answer = sip_lab_pbx_gets(&lab, "SIP/2.0 183");
        g_assert_cmpint(strstr(answer, "\r\nRequire: 100rel\r\n") != NULL, ==, cases[i].media);
        sip_lab_tear_down(&lab);
    }
}

static void
test_refused(void)
{
    SipLab lab;

    g_test_summary("SIG-8: required where it is off is 420, missing where it is required 421");
    sip_lab_set_up(&lab, "{rel100: off}");
    sip_lab_pbx_invites(&lab, REQUIRED, dm_sim_sdp_text);
    sip_text_assert_has(sip_lab_pbx_gets(&lab, "SIP/2.0 420"), "\r\nUnsupported: 100rel\r\n");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{rel100: required}");
    sip_lab_pbx_invites(&lab, "", dm_sim_sdp_text);
    sip_text_assert_has(sip_lab_pbx_gets(&lab, "SIP/2.0 421"), "\r\nRequire: 100rel\r\n");
    sip_lab_tear_down(&lab);
}

static void
test_order(void)
{
    SipLab lab;
    g_autofree char *first = NULL, *second = NULL, *first_rseq = NULL, *second_rseq = NULL;
    const char *ok;

    g_test_summary(
        "SIG-8: one at a time, repeated until acknowledged, RSeq one up; a 2xx waits for "
        "the description before it and does not say it again");
    sip_lab_set_up(&lab, "{}");
    pbx_calls(&lab, REQUIRED);
    leg_of(&lab)->ops->progress(leg_of(&lab), 180, NULL);
    leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
    first = g_strdup(sip_lab_pbx_gets(&lab, "SIP/2.0 180"));
    sip_lab_run_ms(&lab, 3600);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "SIP/2.0 180"), ==, 3); /* 0.5, 1.5, 3.5 s */
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "SIP/2.0 183"), ==, 0);
    pbx_pracks(&lab, first, 2, 1, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 481");
    pbx_pracks(&lab, first, 3, 0, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    second = g_strdup(dm_sim_peer_expect(lab.pbx, "SIP/2.0 183"));
    first_rseq = dm_sim_header(first, "RSeq");
    second_rseq = dm_sim_header(second, "RSeq");
    g_assert_cmpint(atoi(second_rseq), ==, atoi(first_rseq) + 1);
    leg_of(&lab)->ops->answer(leg_of(&lab), lab.sdp);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "SIP/2.0 200"), ==, 0);
    pbx_pracks(&lab, second, 4, 0, NULL);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 200"), "CSeq: 4 PRACK");
    ok = dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    sip_text_assert_has(ok, "CSeq: 1 INVITE");
    g_assert_cmpstr(dm_sim_body(ok), ==, "");
    sip_lab_pbx_says(&lab, "ACK", 1, "", NULL);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx acked:0 ");
    sip_lab_tear_down(&lab);
}

static void
test_prack_overtaken(void)
{
    SipLab lab;
    g_autofree char *early = NULL;

    g_test_summary("SIG-8: a PRACK that comes behind a later request still acknowledges");
    sip_lab_set_up(&lab, "{}");
    pbx_calls(&lab, SUPPORTED);
    leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
    early = g_strdup(sip_lab_pbx_gets(&lab, "SIP/2.0 183"));
    sip_lab_pbx_says(&lab, "UPDATE", 3, "", MOVED);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 500");
    pbx_pracks(&lab, early, 2, 0, NULL);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 200"), "CSeq: 2 PRACK");
    sip_lab_tear_down(&lab);
}

static void
test_no_prack(void)
{
    SipLab lab;

    g_test_summary("SIG-8: no PRACK in 64*T1 is 504, and the call is told");
    sip_lab_set_up(&lab, "{}");
    pbx_calls(&lab, REQUIRED);
    leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
    sip_lab_run_ms(&lab, 31 * 1000);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx ");
    sip_lab_run_ms(&lab, 1100);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx closed:504 ");
    g_assert_cmpstr(lab.gateway->ended.diagnosis, ==, "prack_timeout");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 504");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
}

static void
test_caller_changes(void)
{
    SipLab lab;
    g_autofree char *early = NULL;

    g_test_summary(
        "SIG-12: an UPDATE before the answer: 500 while ours is owed, then offered to the "
        "call; an offer in PRACK likewise");
    sip_lab_set_up(&lab, "{}");
    pbx_calls(&lab, SUPPORTED);
    leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
    early = g_strdup(sip_lab_pbx_gets(&lab, "SIP/2.0 183"));
    sip_lab_pbx_says(&lab, "UPDATE", 2, "", MOVED);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 500"), "\r\nRetry-After: ");
    pbx_pracks(&lab, early, 3, 0, MOVED);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx reoffer:0 ");
    sip_lab_pbx_says(&lab, "UPDATE", 4, "", MOVED);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 500");
    leg_of(&lab)->ops->reanswer(leg_of(&lab), lab.sdp);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 200"), "CSeq: 3 PRACK");
    sip_lab_pbx_says(&lab, "UPDATE", 5, "", MOVED);
    sip_lab_run_ms(&lab, 10);
    leg_of(&lab)->ops->refuse_reoffer(leg_of(&lab), 488);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 488"), "\r\nWarning: 305 ");
    leg_of(&lab)->ops->answer(leg_of(&lab), lab.sdp);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 200"), "CSeq: 1 INVITE");
    sip_lab_tear_down(&lab);
}

/* --- we call --- */

static void
test_we_ask(void)
{
    SipLab lab;

    g_test_summary("SIG-8: what our INVITE says, by trunk");
    sip_lab_set_up(&lab, "{session_timer: {mode: off}}");
    sip_text_assert_has(sip_lab_dial(&lab), ", 100rel\r\n");
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{rel100: off}");
    g_assert_null(strstr(sip_lab_dial(&lab), "100rel"));
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{rel100: required}");
    sip_text_assert_has(sip_lab_dial(&lab), "\r\nRequire: 100rel\r\n");
    sip_lab_tear_down(&lab);
}

static void
test_we_acknowledge(void)
{
    SipLab lab;
    const char *prack;

    g_test_summary("SIG-8: acknowledged within its dialog, each once and in order; the description "
                   "in it holds, whatever the 200 says");
    sip_lab_set_up(&lab, "{}");
    sip_lab_dial(&lab);
    sip_lab_carrier_answers(&lab, "183 Progress", "ct", RELIABLE, dm_sim_sdp_text);
    prack = dm_sim_peer_expect(lab.carrier, "PRACK sip:peer@");
    sip_text_assert_has(prack, "\r\nRAck: 7 1 INVITE\r\n");
    sip_text_assert_has(prack, "\r\nCSeq: 2 PRACK\r\n");
    sip_text_assert_has(prack, ";tag=ct\r\n");
    dm_sim_peer_respond(lab.carrier, prack, "200 OK", "", "", NULL);
    sip_lab_carrier_answers(&lab, "183 Progress", "ct", RELIABLE, dm_sim_sdp_text);
    sip_lab_carrier_answers(&lab, "180 Ringing", "ct", "Require: 100rel\r\nRSeq: 9\r\n", NULL);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "progress:183 ");
    g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "PRACK "), ==, 0);
    sip_lab_carrier_answers(&lab, "180 Ringing", "ct", "Require: 100rel\r\nRSeq: 8\r\n", NULL);
    prack = dm_sim_peer_expect(lab.carrier, "PRACK ");
    sip_text_assert_has(prack, "\r\nCSeq: 3 PRACK\r\n");
    dm_sim_peer_respond(lab.carrier, prack, "200 OK", "", "", NULL);
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", MOVED);
    sip_text_assert_has(dm_sim_peer_expect(lab.carrier, "ACK "), "\r\nCSeq: 1 ACK\r\n");
    g_assert_cmpstr(sip_lab_events(&lab), ==, "progress:183 progress:180 answered:200 ");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4000);
    leg_of(&lab)->ops->close(leg_of(&lab), &(DmRelease){.q850 = 16});
    sip_text_assert_has(dm_sim_peer_expect(lab.carrier, "BYE "), "\r\nCSeq: 4 BYE\r\n");
    sip_lab_tear_down(&lab);
}

static void
note_rival(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    g_string_append_c(user_data, event->is_rival ? 'r' : '-');
}

static void
test_forks(void)
{
    SipLab lab;
    g_autoptr(GString) rivals = g_string_new(NULL);
    const char *prack;

    g_test_summary(
        "SIG-9: three ring, each acknowledged in its own dialog; the first is heard; the "
        "one that answers has the call");
    sip_lab_set_up(&lab, "{}");
    lab.gateway->on_event = note_rival;
    lab.gateway->user_data = rivals;
    sip_lab_dial(&lab);
    for (unsigned i = 1; i <= 3; i++) {
        g_autofree char *tag = g_strdup_printf("f%u", i);
        g_autofree char *to = g_strdup_printf(";tag=f%u\r\n", i);

        sip_lab_carrier_answers(&lab, "183 Progress", tag, RELIABLE, dm_sim_sdp_text);
        prack = dm_sim_peer_expect(lab.carrier, "PRACK ");
        sip_text_assert_has(prack, to);
        dm_sim_peer_respond(lab.carrier, prack, "200 OK", "", "", NULL);
    }
    sip_lab_carrier_answers(&lab, "200 OK", "f3", "", NULL);
    sip_text_assert_has(dm_sim_peer_expect(lab.carrier, "ACK "), ";tag=f3\r\n");
    g_assert_cmpstr(sip_lab_events(&lab),
                    ==,
                    "progress:183 progress:183 progress:183 answered:200 ");
    g_assert_nonnull(lab.gateway->sdp);
    g_assert_cmpstr(rivals->str, ==, "-rr-");
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{forking: latest}");
    lab.gateway->on_event = note_rival;
    lab.gateway->user_data = rivals;
    sip_lab_dial(&lab);
    sip_lab_carrier_answers(&lab, "183 Progress", "f1", "", dm_sim_sdp_text);
    sip_lab_carrier_answers(&lab, "183 Progress", "f2", "", MOVED);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpstr(rivals->str, ==, "-rr---");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4400);
    sip_lab_tear_down(&lab);
}

static void
test_many_forks(void)
{
    SipLab lab;

    g_test_summary(
        "SIG-9: a stranger's hundredth fork costs nothing: eight early dialogs are kept");
    sip_lab_set_up(&lab, "{}");
    sip_lab_dial(&lab);
    for (unsigned i = 0; i < 100; i++) {
        g_autofree char *tag = g_strdup_printf("f%u", i);

        sip_lab_carrier_answers(&lab, "180 Ringing", tag, RELIABLE, NULL);
    }
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "PRACK "), ==, 8);
    sip_lab_carrier_answers(&lab, "200 OK", "f99", "", dm_sim_sdp_text);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    sip_lab_tear_down(&lab);
}

static void
test_answer_given_while_ringing(void)
{
    SipLab lab;

    g_test_summary("SIG-9: a 200 without a description means what its own fork said while it rang, "
                   "not what another did");
    sip_lab_set_up(&lab, "{}");
    sip_lab_dial(&lab);
    sip_lab_carrier_answers(&lab, "183 Progress", "f1", "", dm_sim_sdp_text);
    sip_lab_carrier_answers(&lab, "183 Progress", "f2", "", MOVED);
    sip_lab_carrier_answers(&lab, "200 OK", "f2", "", NULL);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4400);
    sip_lab_tear_down(&lab);
}

static void
test_called_changes(void)
{
    SipLab lab;

    g_test_summary("SIG-12: a called peer changes its early media by UPDATE once its answer was "
                   "acknowledged; the other forks wait");
    sip_lab_set_up(&lab, "{}");
    sip_lab_dial(&lab);
    sip_lab_carrier_answers(&lab, "183 Progress", "ct", RELIABLE, dm_sim_sdp_text);
    sip_lab_carrier_answers(&lab, "183 Progress", "other", RELIABLE, dm_sim_sdp_text);
    sip_lab_run_ms(&lab, 10);
    sip_lab_carrier_says(&lab, "UPDATE", "other", 1, "", MOVED);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 491");
    sip_lab_carrier_says(&lab, "UPDATE", "ct", 1, "", MOVED);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "progress:183 progress:183 reoffer:0 ");
    leg_of(&lab)->ops->reanswer(leg_of(&lab), lab.sdp);
    sip_text_assert_has(dm_sim_peer_expect(lab.carrier, "SIP/2.0 200"), "UPDATE");
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", NULL);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4400);
    sip_lab_carrier_says(&lab, "BYE", "ct", 1, "", NULL);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 500"); /* its CSeq goes on */
    sip_lab_carrier_says(&lab, "BYE", "ct", 2, "", NULL);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 200");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
}

static void
test_called_moves(void)
{
    SipLab lab;

    g_test_summary(
        "SIG-12: a called peer that rings says by UPDATE, without a description, where it "
        "is now");
    sip_lab_set_up(&lab, "{}");
    sip_lab_dial(&lab);
    sip_lab_carrier_answers(&lab, "183 Progress", "ct", RELIABLE, dm_sim_sdp_text);
    dm_sim_peer_expect(lab.carrier, "PRACK ");
    sip_lab_carrier_says(&lab, "UPDATE", "ct", 1, "Contact: <sip:new@carrier.example>\r\n", NULL);
    sip_text_assert_has(dm_sim_peer_expect(lab.carrier, "SIP/2.0 200"), "UPDATE");
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", NULL);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-rel100/caller/matrix", test_caller_matrix);
    g_test_add_func("/sip-rel100/called/moves", test_called_moves);
    g_test_add_func("/sip-rel100/caller/refused", test_refused);
    g_test_add_func("/sip-rel100/caller/order", test_order);
    g_test_add_func("/sip-rel100/caller/no-prack", test_no_prack);
    g_test_add_func("/sip-rel100/caller/prack-overtaken", test_prack_overtaken);
    g_test_add_func("/sip-rel100/caller/changes", test_caller_changes);
    g_test_add_func("/sip-rel100/called/asked", test_we_ask);
    g_test_add_func("/sip-rel100/called/acknowledged", test_we_acknowledge);
    g_test_add_func("/sip-rel100/called/forks", test_forks);
    g_test_add_func("/sip-rel100/called/many-forks", test_many_forks);
    g_test_add_func("/sip-rel100/called/answer-given-while-ringing",
                    test_answer_given_while_ringing);
    g_test_add_func("/sip-rel100/called/changes", test_called_changes);
    return g_test_run();
}
