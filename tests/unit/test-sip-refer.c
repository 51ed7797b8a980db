/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* REFER and NOTIFY on the wire (SIG-18). The PBX asks, the carrier is asked. */

#define TO_NUMBER "Refer-To: <sip:+44201@gw.example>\r\n"

/* What the call core was told, and what it answers. */
typedef struct {
    uint16_t status; /* of its answer; 0: it says nothing */
    char number[80], replaces[512];
    bool replaced;
} Core;

static void
on_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    Core *core = user_data;

    if (event->type != DM_LEG_REFERRED) {
        return;
    }
    g_strlcpy(core->number, event->referral->number, sizeof core->number);
    g_strlcpy(core->replaces, event->referral->replaces, sizeof core->replaces);
    core->replaced = event->referral->replaced != NULL;
    if (core->status != 0) {
        leg->ops->answer_refer(leg, core->status);
    }
}

static void
set_up(SipLab *lab, Core *core, const char *sip)
{
    *core = (Core){.status = 202};
    sip_lab_set_up(lab, sip);
    lab->gateway->on_event = on_event;
    lab->gateway->user_data = core;
    sip_lab_pbx_up(lab, "");
}

static void
tear_down(SipLab *lab)
{
    if (lab->gateway->leg != NULL) {
        lab->gateway->leg->ops->close(lab->gateway->leg, &(DmRelease){.status = 480});
    }
    sip_lab_assert_all_gone(lab);
    sip_lab_tear_down(lab);
}

/* The PBX gets a NOTIFY with @fragment and @state, and answers it. */
static void
take_notify(SipLab *lab, const char *fragment, const char *state, const char *event)
{
    const char *notify = dm_sim_peer_expect(lab->pbx, "NOTIFY ");
    g_autofree char *said = dm_sim_header(notify, "Subscription-State");
    g_autofree char *of = dm_sim_header(notify, "Event");

    sip_text_assert_has(notify, "\r\nContent-Type: message/sipfrag");
    g_assert_cmpstr(dm_sim_body(notify), ==, fragment);
    g_assert_true(g_str_has_prefix(said, state));
    g_assert_cmpstr(of, ==, event);
    dm_sim_peer_respond(lab->pbx, notify, "200 OK", NULL, "", NULL);
    sip_lab_run_ms(lab, 10);
}

static void
test_told_how_it_goes(void)
{
    SipLab lab;
    Core core;
    const char *accepted;
    DmLeg *leg;

    g_test_summary("SIG-18: 202, then NOTIFY with 100, ringing and the outcome, which ends the "
                   "subscription (RFC 3515)");
    set_up(&lab, &core, "{}");
    leg = lab.gateway->leg;
    sip_lab_pbx_says(&lab,
                     "REFER",
                     2,
                     TO_NUMBER "Referred-By: <sip:100@pbx.example>;cid=\"x\"\r\n",
                     NULL);
    accepted = dm_sim_peer_expect(lab.pbx, "SIP/2.0 202");
    sip_text_assert_has(accepted, "\r\nContact: ");
    g_assert_cmpstr(core.number, ==, "+44201");
    take_notify(&lab, "SIP/2.0 100 Trying\r\n", "active", "refer");
    leg->ops->notify(leg, 180);
    take_notify(&lab, "SIP/2.0 180 Ringing\r\n", "active", "refer");
    leg->ops->notify(leg, 486);
    take_notify(&lab, "SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource", "refer");
    leg->ops->notify(leg, 200);
    sip_lab_pbx_says(&lab, "REFER", 3, TO_NUMBER, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 202");
    take_notify(&lab, "SIP/2.0 100 Trying\r\n", "active", "refer;id=3");
    tear_down(&lab);
}

static void
test_in_order(void)
{
    SipLab lab;
    Core core;
    DmLeg *leg;

    g_test_summary("SIG-18: one NOTIFY at a time; what is overtaken is left out; BYE follows the "
                   "last one");
    set_up(&lab, &core, "{}");
    leg = lab.gateway->leg;
    sip_lab_pbx_says(&lab, "REFER", 2, TO_NUMBER, NULL);
    sip_lab_run_ms(&lab, 10);
    leg->ops->notify(leg, 180);
    leg->ops->notify(leg, 183);
    leg->ops->notify(leg, 200);
    leg->ops->close(leg, &(DmRelease){.q850 = 16});
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "NOTIFY "), ==, 1);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "BYE "), ==, 0);
    take_notify(&lab, "SIP/2.0 100 Trying\r\n", "active", "refer");
    take_notify(&lab, "SIP/2.0 200 OK\r\n", "terminated", "refer");
    dm_sim_peer_respond(lab.pbx, dm_sim_peer_expect(lab.pbx, "BYE "), "200 OK", NULL, "", NULL);
    tear_down(&lab);
}

static void
test_bye_waits_not_for_ever(void)
{
    SipLab lab;
    Core core;
    DmLeg *leg;

    g_test_summary("SIG-18: a peer that answers no NOTIFY gets its BYE all the same");
    set_up(&lab, &core, "{}");
    leg = lab.gateway->leg;
    sip_lab_pbx_says(&lab, "REFER", 2, TO_NUMBER, NULL);
    sip_lab_run_ms(&lab, 10);
    leg->ops->notify(leg, 200);
    leg->ops->close(leg, &(DmRelease){.q850 = 16});
    sip_lab_run_ms(&lab, 1500);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "BYE "), >, 0);
    tear_down(&lab);
}

static void
test_subscription_gone(void)
{
    SipLab lab;
    Core core;
    DmLeg *leg;

    g_test_summary("SIG-18: 481 to a NOTIFY, or SUBSCRIBE with Expires 0: nothing more is told, "
                   "and the dialog lives");
    set_up(&lab, &core, "{}");
    leg = lab.gateway->leg;
    sip_lab_pbx_says(&lab, "REFER", 2, TO_NUMBER, NULL);
    dm_sim_peer_respond(lab.pbx,
                        dm_sim_peer_expect(lab.pbx, "NOTIFY "),
                        "481 Gone",
                        NULL,
                        "",
                        NULL);
    sip_lab_run_ms(&lab, 10);
    leg->ops->notify(leg, 200);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "NOTIFY "), ==, 0);
    g_assert_nonnull(lab.gateway->leg);

    sip_lab_pbx_says(&lab, "REFER", 3, TO_NUMBER, NULL);
    take_notify(&lab, "SIP/2.0 100 Trying\r\n", "active", "refer;id=3");
    sip_lab_pbx_says(&lab, "SUBSCRIBE", 4, "Event: refer;id=3\r\nExpires: 0\r\n", NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    leg->ops->notify(leg, 200);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "NOTIFY "), ==, 0);
    sip_lab_pbx_says(&lab, "SUBSCRIBE", 5, "Event: refer\r\n", NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 481");
    tear_down(&lab);
}

static void
test_no_subscription_wanted(void)
{
    SipLab lab;
    Core core;

    g_test_summary("SIG-18: Refer-Sub: false is honoured (RFC 4488)");
    set_up(&lab, &core, "{}");
    sip_lab_pbx_says(&lab,
                     "REFER",
                     2,
                     TO_NUMBER "Refer-Sub: false\r\nRequire: norefersub\r\n",
                     NULL);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 202"), "\r\nRefer-Sub: false\r\n");
    lab.gateway->leg->ops->notify(lab.gateway->leg, 200);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "NOTIFY "), ==, 0);
    tear_down(&lab);
}

static void
test_refused(void)
{
    static const struct {
        const char *headers, *status;
    } cases[] = {
        {"", "SIP/2.0 400"},
        {TO_NUMBER TO_NUMBER, "SIP/2.0 400"},
        {"Refer-To: <sip:1@a>, <sip:2@a>\r\n", "SIP/2.0 400"},
        {"Refer-To: <<<>\r\n", "SIP/2.0 416"},
        {"Refer-To: <sip:>\r\n", "SIP/2.0 400"},
        {"Refer-To: <sip:host.example>\r\n", "SIP/2.0 400"},
        {"Refer-To: <sip:a%0d%0ab@x>\r\n", "SIP/2.0 400"},
        {"Refer-To: <mailto:a@b>\r\n", "SIP/2.0 416"},
        {"Refer-To: <sip:1@a;method=BYE>\r\n", "SIP/2.0 400"},
        {"Refer-To: <sip:1@a?Replaces=x>\r\n", "SIP/2.0 400"},
        {"Refer-To: <sip:1@a?Replaces=x%3Bto-tag%3D1%0D%0AFoo:%20x%3Bfrom-tag%3D2>\r\n",
         "SIP/2.0 400"},
        {"Refer-To: <sip:1@a?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=y%3Bto-tag%3D1%3B"
         "from-tag%3D2>\r\n",
         "SIP/2.0 400"},
        {TO_NUMBER "Require: nonsense\r\n", "SIP/2.0 420"},
    };

    g_test_summary("SIG-18 SEC-5: a REFER that cannot be meant is refused, and the call goes on");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SipLab lab;
        Core core;

        set_up(&lab, &core, "{}");
        sip_lab_pbx_says(&lab, "REFER", 2, cases[i].headers, NULL);
        dm_sim_peer_expect(lab.pbx, cases[i].status);
        g_assert_cmpstr(core.number, ==, "");
        g_assert_nonnull(lab.gateway->leg);
        tear_down(&lab);
    }
}

static void
test_long_and_odd(void)
{
    g_autoptr(GString) parameters = g_string_new(NULL);
    g_autofree char *headers = NULL;
    SipLab lab;
    Core core;

    g_test_summary("SIG-18: a Refer-To of more than 400 characters, a tel: URI, a compact name");
    set_up(&lab, &core, "{}");
    for (unsigned i = 0; i < 40; i++) {
        g_string_append_printf(parameters, ";x-m%u=abcdefgh", i);
    }
    headers = g_strdup_printf("Refer-To: <sip:+44201@gw.example%s>\r\n", parameters->str);
    sip_lab_pbx_says(&lab, "REFER", 2, headers, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 202");
    g_assert_cmpstr(core.number, ==, "+44201");
    take_notify(&lab, "SIP/2.0 100 Trying\r\n", "active", "refer");
    sip_lab_pbx_says(&lab, "REFER", 3, "r: <tel:+44202>\r\n", NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 491"); /* one at a time */
    lab.gateway->leg->ops->notify(lab.gateway->leg, 200);
    take_notify(&lab, "SIP/2.0 200 OK\r\n", "terminated", "refer");
    sip_lab_pbx_says(&lab, "REFER", 4, "r: <tel:+44202>\r\n", NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 202");
    g_assert_cmpstr(core.number, ==, "+44202");
    tear_down(&lab);
}

static void
test_replaces_inside(void)
{
    SipLab lab;
    Core core;
    g_autofree char *headers = NULL;
    g_autofree char *tag = NULL;

    g_test_summary("SIG-18: Replaces inside Refer-To: of others' dialog it goes on, of an unknown "
                   "one of ours it is 481");
    set_up(&lab, &core, "{}");
    sip_lab_pbx_says(&lab,
                     "REFER",
                     2,
                     "Refer-To: "
                     "<sip:1@a?Require=replaces&Replaces=x%40pbx%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\n",
                     NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 202");
    g_assert_cmpstr(core.replaces, ==, "x@pbx;to-tag=a;from-tag=b");
    g_assert_false(core.replaced);
    take_notify(&lab, "SIP/2.0 100 Trying\r\n", "active", "refer");
    lab.gateway->leg->ops->notify(lab.gateway->leg, 200);
    take_notify(&lab, "SIP/2.0 200 OK\r\n", "terminated", "refer");
    tag = g_strdup(strstr(lab.pbx_to, "tag=") + 4);
    headers = g_strdup_printf(
        "Refer-To: <sip:1@a?Replaces=other-call%%3Bto-tag%%3D%s%%3Bfrom-tag%%3Dft>\r\n",
        tag);
    sip_lab_pbx_says(&lab, "REFER", 3, headers, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 481");
    g_free(headers);
    headers =
        g_strdup_printf("Refer-To: <sip:a?Replaces=pbx-call%%3Bto-tag%%3D%s%%3Bfrom-tag%%3Dft>\r\n",
                        tag);
    sip_lab_pbx_says(&lab, "REFER", 4, headers, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 202");
    g_assert_true(core.replaced);
    tear_down(&lab);
}

static void
test_modes(void)
{
    SipLab lab;
    Core core;

    g_test_summary("SIG-18: refer_mode reject: 603, and neither REFER nor NOTIFY in Allow");
    set_up(&lab, &core, "{refer_mode: reject}");
    sip_lab_pbx_says(&lab, "REFER", 2, TO_NUMBER, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 603");
    sip_lab_pbx_says(&lab, "OPTIONS", 3, "", NULL);
    g_assert_null(strstr(dm_sim_peer_expect(lab.pbx, "SIP/2.0 200"), "REFER"));
    tear_down(&lab);

    set_up(&lab, &core, "{}");
    core.status = 0;
    sip_lab_pbx_says(&lab, "REFER", 2, TO_NUMBER, NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 603");
    sip_lab_pbx_says(&lab, "OPTIONS", 3, "", NULL);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 200"), "REFER, NOTIFY");
    tear_down(&lab);
}

static void
test_outside_dialogs(void)
{
    SipLab lab;
    static const struct {
        const char *method, *to_tag, *headers, *status;
    } cases[] = {
        {"REFER", "", TO_NUMBER, "SIP/2.0 403"},
        {"REFER", ";tag=nobody", TO_NUMBER, "SIP/2.0 481"},
        {"NOTIFY", "", "Event: refer\r\n", "SIP/2.0 481"},
        {"NOTIFY", ";tag=nobody", "Event: refer\r\n", "SIP/2.0 481"},
    };

    g_test_summary("SIG-18: REFER outside a dialog: 403; of a dialog there is not, or NOTIFY "
                   "without a subscription: 481");
    sip_lab_set_up(&lab, "{}");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *number = g_strdup_printf("%u", i);
        g_autofree char *headers =
            g_strdup_printf("From: <sip:100@pbx.example>;tag=ft\r\nTo: <sip:x@gw.example>%s\r\n"
                            "Call-ID: other%s\r\nCSeq: 7 %s\r\n%s",
                            cases[i].to_tag,
                            number,
                            cases[i].method,
                            cases[i].headers);

        dm_sim_peer_request(lab.pbx, cases[i].method, "sip:x@gw.example", number, headers, NULL);
        dm_sim_peer_expect(lab.pbx, cases[i].status);
    }
    sip_lab_pbx_up(&lab, "");
    sip_lab_pbx_says(&lab, "NOTIFY", 9, "Event: refer\r\nSubscription-State: active\r\n", NULL);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 481");
    tear_down(&lab);
}

/* --- the carrier is asked --- */

static void
carrier_notifies(SipLab *lab, unsigned cseq, const char *state, const char *fragment)
{
    g_autofree char *headers = g_strdup_printf("Event: refer\r\nSubscription-State: %s\r\n"
                                               "Content-Type: message/sipfrag;version=2.0\r\n",
                                               state);

    sip_lab_carrier_says(lab, "NOTIFY", "ct", cseq, headers, fragment);
    dm_sim_peer_expect(lab->carrier, "SIP/2.0 ");
}

static void
test_asked(void)
{
    SipLab lab;
    Core core = {0};
    const DmReferral referral = {.number = "+44201", .replaces = "", .referred_by = "+442"};
    const char *refer;

    g_test_summary("SIG-1 SIG-18: REFER to the other side with a number in its domain, and what it "
                   "tells of the outcome");
    sip_lab_set_up(&lab, "{refer_mode: relay}");
    sip_lab_carrier_up(&lab, "Allow: INVITE, REFER\r\n");
    lab.gateway->on_event = on_event;
    lab.gateway->user_data = &core;
    g_assert_true(lab.gateway->leg->ops->facts(lab.gateway->leg)->takes_refer);
    lab.gateway->leg->ops->refer(lab.gateway->leg, &referral);
    refer = dm_sim_peer_expect(lab.carrier, "REFER ");
    sip_text_assert_has(refer, "\r\nRefer-To: <sip:+44201@carrier.example>\r\n");
    sip_text_assert_has(refer, "\r\nReferred-By: <sip:+442@carrier.example>\r\n");
    dm_sim_peer_respond(lab.carrier, refer, "202 Accepted", NULL, "", NULL);
    carrier_notifies(&lab, 1, "active", "SIP/2.0 180 Ringing\r\n");
    carrier_notifies(&lab, 2, "active", "SIP/2.0 nonsense");
    carrier_notifies(&lab, 3, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
    sip_lab_carrier_says(&lab, "NOTIFY", "ct", 4, "Event: refer\r\n", NULL);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 481");
    g_assert_nonnull(strstr(sip_lab_events(&lab), "refer-progress:180 refer-progress:200 "));

    lab.gateway->leg->ops->refer(lab.gateway->leg, &referral);
    refer = dm_sim_peer_expect(lab.carrier, "REFER ");
    dm_sim_peer_respond(lab.carrier, refer, "603 Decline", NULL, "", NULL);
    sip_lab_run_ms(&lab, 10);
    g_assert_true(g_str_has_suffix(sip_lab_events(&lab), "refer-progress:603 "));
    tear_down(&lab);
}

static void
test_asked_again(void)
{
    SipLab lab;
    Core core = {0};
    const DmReferral referral = {.number = "+44201", .replaces = "", .referred_by = ""};

    g_test_summary("SIG-18: a peer that tells how a transfer ends and never answers its REFER, and "
                   "is asked again: nothing of the first is left when the call ends");
    sip_lab_set_up(&lab, "{refer_mode: relay}");
    sip_lab_carrier_up(&lab, "Allow: INVITE, REFER\r\n");
    lab.gateway->on_event = on_event;
    lab.gateway->user_data = &core;
    lab.gateway->leg->ops->refer(lab.gateway->leg, &referral);
    dm_sim_peer_expect(lab.carrier, "REFER ");
    carrier_notifies(&lab, 1, "terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n");
    lab.gateway->leg->ops->refer(lab.gateway->leg, &referral);
    sip_lab_carrier_says(&lab, "BYE", "ct", 2, "", NULL);
    dm_sim_peer_expect(lab.carrier, "SIP/2.0 200");
    sip_lab_run_ms(&lab, 40000);
    tear_down(&lab);
}

static void
test_asked_to_replace(void)
{
    SipLab lab;
    DmReferral referral = {.number = "", .replaces = "", .referred_by = ""};
    g_autofree char *first = NULL;
    g_autofree char *our_tag = NULL;
    g_autofree char *want = NULL;
    g_autofree char *from = NULL;
    const char *refer;

    g_test_summary("SIG-18: Replaces is rewritten to the dialog as the other side knows it");
    sip_lab_set_up(&lab, "{refer_mode: relay}");
    sip_lab_carrier_up(&lab, "");
    referral.replaced = lab.gateway->leg;
    first = dm_sim_header(lab.invite, "Call-ID");
    from = dm_sim_header(lab.invite, "From");
    our_tag = g_strdup(strstr(from, "tag=") + 4);
    sip_lab_carrier_up(&lab, "");
    lab.gateway->leg->ops->refer(lab.gateway->leg, &referral);
    refer = dm_sim_peer_expect(lab.carrier, "REFER ");
    want = g_strdup_printf("?Replaces=%s%%3Bto-tag%%3Dct%%3Bfrom-tag%%3D%s>\r\n", first, our_tag);
    sip_text_assert_has(refer, want);
    dm_sim_peer_respond(lab.carrier, refer, "202 Accepted", NULL, "Refer-Sub: false\r\n", NULL);
    sip_lab_run_ms(&lab, 10);
    g_assert_true(g_str_has_suffix(sip_lab_events(&lab), "refer-progress:200 "));
    referral.replaced->ops->close(referral.replaced, &(DmRelease){.status = 480});
    tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-refer/told-how-it-goes", test_told_how_it_goes);
    g_test_add_func("/sip-refer/in-order", test_in_order);
    g_test_add_func("/sip-refer/bye-waits-not-for-ever", test_bye_waits_not_for_ever);
    g_test_add_func("/sip-refer/subscription-gone", test_subscription_gone);
    g_test_add_func("/sip-refer/no-subscription-wanted", test_no_subscription_wanted);
    g_test_add_func("/sip-refer/refused", test_refused);
    g_test_add_func("/sip-refer/long-and-odd", test_long_and_odd);
    g_test_add_func("/sip-refer/replaces-inside", test_replaces_inside);
    g_test_add_func("/sip-refer/modes", test_modes);
    g_test_add_func("/sip-refer/outside-dialogs", test_outside_dialogs);
    g_test_add_func("/sip-refer/asked", test_asked);
    g_test_add_func("/sip-refer/asked-again", test_asked_again);
    g_test_add_func("/sip-refer/asked-to-replace", test_asked_to_replace);
    return g_test_run();
}
