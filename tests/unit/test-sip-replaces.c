/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/base/id.h"
#include "gateway/sip/replaces.h"
#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* INVITE with Replaces on the wire (SIG-19, RFC 3891). */

static const char *
our_tag(const SipLab *lab)
{
    return strstr(lab->pbx_to, "tag=") + 4;
}

/* Another INVITE of the PBX's. */
static void
invite(SipLab *lab, const char *call_id, const char *headers)
{
    g_autofree char *all = g_strdup_printf("From: <sip:101@pbx.example>;tag=f-%s\r\n"
                                           "To: <sip:+442@gw.example>\r\n"
                                           "Call-ID: %s\r\nCSeq: 1 INVITE\r\n%s",
                                           call_id,
                                           call_id,
                                           headers);

    dm_sim_peer_request(lab->pbx, "INVITE", "sip:+442@gw.example", call_id, all, dm_sim_sdp_text);
}

static char *
replaces(const SipLab *lab, const char *more)
{
    return g_strdup_printf("Replaces: pbx-call;to-tag=%s;from-tag=ft%s\r\n", our_tag(lab), more);
}

static void
close_all(SipLab *lab)
{
    while (lab->gateway->legs->len > 0) {
        DmLeg *leg = g_ptr_array_index(lab->gateway->legs, 0);

        leg->ops->close(leg, &(DmRelease){.status = 480});
        dm_sim_network_run(lab->network, 70 * SIP_LAB_S);
    }
    sip_lab_assert_all_gone(lab);
    sip_lab_tear_down(lab);
}

static void
test_found(void)
{
    SipLab lab;
    g_autofree char *header = NULL;
    DmLeg *first;

    g_test_summary("SIG-19: a dialog that is up is found by its Call-ID and both tags");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_up(&lab, "");
    first = lab.gateway->leg;
    header = replaces(&lab, "");
    invite(&lab, "second", header);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
    g_assert_true(lab.gateway->replaced == first);
    close_all(&lab);
}

static void
test_refused(void)
{
    g_autofree char *good = NULL;
    SipLab lab;

    g_test_summary("SIG-19: unknown 481, early-only for one that is up 486, two of them or with "
                   "Join 400, no tags 400");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_up(&lab, "");
    good = replaces(&lab, "");
    {
        g_autofree char *other_tag =
            g_strdup_printf("Replaces: pbx-call;to-tag=%s;from-tag=ftx\r\n", our_tag(&lab));
        g_autofree char *other_id =
            g_strdup_printf("Replaces: x;to-tag=%s;from-tag=ft\r\n", our_tag(&lab));
        g_autofree char *early = replaces(&lab, ";early-only");
        g_autofree char *twice = g_strconcat(good, good, NULL);
        g_autofree char *join = g_strconcat(good, "Join: x;to-tag=1;from-tag=2\r\n", NULL);
        const struct {
            const char *headers, *status;
        } cases[] = {
            {other_tag, "SIP/2.0 481"},
            {other_id, "SIP/2.0 481"},
            {"Replaces: a;to-tag=b;from-tag=c\r\n", "SIP/2.0 481"},
            {early, "SIP/2.0 486"},
            {twice, "SIP/2.0 400"},
            {join, "SIP/2.0 400"},
            {"Replaces: a\r\n", "SIP/2.0 400"},
            {"Replaces: ;;;\r\n", "SIP/2.0 400"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_autofree char *id = g_strdup_printf("r%u", i);

            invite(&lab, id, cases[i].headers);
            dm_sim_peer_expect(lab.pbx, cases[i].status);
        }
    }
    close_all(&lab);
}

static void
test_ended(void)
{
    SipLab lab;
    g_autofree char *header = NULL;

    g_test_summary("SIG-19: a dialog that has ended: 603");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_up(&lab, "");
    header = replaces(&lab, "");
    sip_lab_pbx_says(&lab, "BYE", 2, "", NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    invite(&lab, "late", header);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 603");
    close_all(&lab);
}

static void
test_early(void)
{
    SipLab lab;
    g_autofree char *header = NULL;

    g_test_summary("SIG-19: who calls us and is not answered yet is replaced by nobody: 481");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_invites(&lab, "", dm_sim_sdp_text);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
    lab.gateway->leg->ops->progress(lab.gateway->leg, 180, NULL);
    sip_lab_pbx_gets(&lab, "SIP/2.0 180");
    header = replaces(&lab, "");
    invite(&lab, "early", header);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 481");
    close_all(&lab);
}

static void
test_early_of_ours(void)
{
    static const char *const reliably[] = {"", "Require: 100rel\r\nRSeq: 7\r\n"};

    g_test_summary(
        "SIG-19: a phone that we called and that rings may be taken over from, whether "
        "or not its ringing is acknowledged; another tag, or one that has not rung: 481");
    for (unsigned i = 0; i < G_N_ELEMENTS(reliably); i++) {
        g_autofree char *call_id = NULL;
        g_autofree char *from = NULL;
        g_autofree char *right = NULL;
        g_autofree char *wrong = NULL;
        SipLab lab;
        DmLeg *ours;

        sip_lab_set_up(&lab, "{}");
        sip_lab_dial(&lab);
        ours = lab.gateway->leg;
        call_id = dm_sim_header(lab.invite, "Call-ID");
        from = dm_sim_header(lab.invite, "From");
        right = g_strdup_printf("From: <sip:9@x>;tag=q1\r\nTo: <sip:+442@gw.example>\r\n"
                                "Call-ID: right\r\nCSeq: 1 INVITE\r\n"
                                "Replaces: %s;to-tag=%s;from-tag=ct;early-only\r\n",
                                call_id,
                                strstr(from, "tag=") + 4);
        wrong = g_strdup_printf("From: <sip:9@x>;tag=q2\r\nTo: <sip:+442@gw.example>\r\n"
                                "Call-ID: wrong\r\nCSeq: 1 INVITE\r\n"
                                "Replaces: %s;to-tag=%s;from-tag=other\r\n",
                                call_id,
                                strstr(from, "tag=") + 4);
        sip_lab_carrier_answers(&lab, "180 Ringing", "ct", reliably[i], NULL);
        sip_lab_run_ms(&lab, 100);
        dm_sim_peer_request(lab.carrier, "INVITE", "sip:1@gw.example", "w", wrong, dm_sim_sdp_text);
        dm_sim_peer_expect(lab.carrier, "SIP/2.0 481");
        dm_sim_peer_request(lab.carrier, "INVITE", "sip:1@gw.example", "r", right, dm_sim_sdp_text);
        dm_sim_peer_expect(lab.carrier, "SIP/2.0 100");
        g_assert_true(lab.gateway->replaced == ours);
        close_all(&lab);
    }
}

static void
test_of_another_trunk(void)
{
    SipLab lab;
    g_autofree char *header = NULL;
    g_autofree char *all = NULL;

    g_test_summary("SIG-19: nobody takes over a call of another trunk: 403");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_up(&lab, "");
    header = replaces(&lab, "");
    all = g_strdup_printf("From: <sip:9@x>;tag=q\r\nTo: <sip:+442@gw.example>\r\n"
                          "Call-ID: theft\r\nCSeq: 1 INVITE\r\n%s",
                          header);
    dm_sim_peer_request(lab.carrier, "INVITE", "sip:+442@gw.example", "th", all, dm_sim_sdp_text);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 403");
    close_all(&lab);
}

static void
test_sent(void)
{
    SipLab lab;
    const char *offers;

    g_test_summary("SIG-19: replaces is told as supported, and Require: replaces is understood");
    sip_lab_set_up(&lab, "{}");
    offers = sip_lab_dial(&lab);
    sip_text_assert_has(offers, "replaces");
    sip_lab_carrier_answers(&lab, "486 Busy", "ct", "", NULL);
    sip_lab_run_ms(&lab, 100);
    sip_lab_pbx_invites(&lab, "Require: replaces\r\n", dm_sim_sdp_text);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
    close_all(&lab);
}

static void
test_worker(void)
{
    DmRandom *random = dm_random_new_seeded(1);
    char token[DM_TOKEN_MAX];

    g_test_summary("SIG-19: the to-tag names the worker whose call is taken over");
    for (unsigned worker = 0; worker < 5; worker++) {
        g_autofree char *text = NULL;

        dm_token_make(token, worker, random);
        text = worker % 2 == 0 ? g_strdup_printf("call;from-tag=1;to-tag=%s", token)
                               : g_strdup_printf("call ; to-tag=%s;early-only", token);
        g_assert_cmpint(dm_replaces_worker((DmSpan){text, strlen(text)}), ==, (int)worker);
    }
    g_assert_cmpint(dm_replaces_worker((DmSpan){"x;to-tag=abc", 12}), ==, -1);
    g_assert_cmpint(dm_replaces_worker((DmSpan){"x", 1}), ==, -1);
    g_assert_cmpint(dm_replaces_worker((DmSpan){"\"x;to-tag", 9}), ==, -1);
    dm_random_free(random);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-replaces/found", test_found);
    g_test_add_func("/sip-replaces/refused", test_refused);
    g_test_add_func("/sip-replaces/ended", test_ended);
    g_test_add_func("/sip-replaces/early", test_early);
    g_test_add_func("/sip-replaces/early-of-ours", test_early_of_ours);
    g_test_add_func("/sip-replaces/of-another-trunk", test_of_another_trunk);
    g_test_add_func("/sip-replaces/sent", test_sent);
    g_test_add_func("/sip-replaces/worker", test_worker);
    return g_test_run();
}
