/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* Early media on the wire (SIG-10): RFC 5009 and RFC 6228. */

static DmLeg *
leg_of(SipLab *lab)
{
    return lab->gateway->leg;
}

static void
note_barred(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    g_string_append_c(user_data, event->is_barred ? 'b' : '-');
}

static void
test_gate_of_the_called_side(void)
{
    SipLab lab;
    g_autoptr(GString) heard = g_string_new(NULL);

    g_test_summary("SIG-10: P-Early-Media of the called side holds until it says otherwise");
    sip_lab_set_up(&lab, "{p_early_media: true}");
    sip_text_assert_has(sip_lab_dial(&lab), "\r\nP-Early-Media: supported\r\n");
    lab.gateway->on_event = note_barred;
    lab.gateway->user_data = heard;
    sip_lab_carrier_answers(&lab, "183 P", "ct", "P-Early-Media: inactive\r\n", dm_sim_sdp_text);
    sip_lab_carrier_answers(&lab, "180 R", "ct", "", NULL);
    sip_lab_carrier_answers(&lab, "183 P", "ct", "p-early-media: sendonly, gated\r\n", NULL);
    sip_lab_carrier_answers(&lab, "183 P", "ct", "P-Early-Media: recvonly, sendrecv\r\n", NULL);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpstr(heard->str, ==, "bb-b");
    lab.gateway->on_event = NULL;
    sip_lab_tear_down(&lab);
}

static void
test_gate_toward_the_caller(void)
{
    static const struct {
        const char *sip, *headers;
        bool said;
    } cases[] = {
        {"{p_early_media: true}", "P-Early-Media: supported\r\n", true},
        {"{p_early_media: true}", "", false},
        {"{}", "P-Early-Media: supported\r\n", false},
    };

    g_test_summary("SIG-10: a caller that knows P-Early-Media is told where the trunk lets us");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SipLab lab;
        const char *answer;

        sip_lab_set_up(&lab, cases[i].sip);
        sip_lab_pbx_invites(&lab, cases[i].headers, dm_sim_sdp_text);
        dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
        leg_of(&lab)->ops->progress(leg_of(&lab), 183, lab.sdp);
        answer = sip_lab_pbx_gets(&lab, "SIP/2.0 183");
        g_assert_cmpint(strstr(answer, "\r\nP-Early-Media: sendrecv\r\n") != NULL,
                        ==,
                        cases[i].said);
        sip_lab_tear_down(&lab);
    }
}

static void
test_one_of_many_stops(void)
{
    SipLab lab;

    g_test_summary("SIG-9 SIG-10: 199 is the caller's business when nobody rings any more; the "
                   "next to describe its media is heard");
    sip_lab_set_up(&lab, "{}");
    sip_lab_dial(&lab);
    sip_lab_carrier_answers(&lab, "183 P", "f1", "", dm_sim_sdp_text);
    sip_lab_carrier_answers(&lab, "180 R", "f2", "", NULL);
    sip_lab_carrier_answers(&lab, "199 Gone", "f1", "", NULL);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "progress:183 progress:180 ");
    sip_lab_carrier_answers(&lab, "183 P", "f2", "", dm_sim_sdp_text);
    sip_lab_run_ms(&lab, 100);
    g_assert_nonnull(lab.gateway->sdp);
    sip_lab_carrier_answers(&lab, "199 Gone", "f2", "", NULL);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpstr(sip_lab_events(&lab),
                    ==,
                    "progress:183 progress:180 progress:183 progress:199 ");
    sip_lab_tear_down(&lab);
}

static void
test_end_told_to_the_caller(void)
{
    g_test_summary("SIG-10: 199 goes to a caller that lists it, and to no other (RFC 6228)");
    for (unsigned knows = 0; knows < 2; knows++) {
        SipLab lab;

        sip_lab_set_up(&lab, "{}");
        sip_lab_pbx_invites(&lab, knows != 0 ? "Supported: 199\r\n" : "", dm_sim_sdp_text);
        dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
        leg_of(&lab)->ops->progress(leg_of(&lab), 199, NULL);
        leg_of(&lab)->ops->progress(leg_of(&lab), 180, NULL);
        sip_lab_run_ms(&lab, 100);
        g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "SIP/2.0 199"), ==, knows);
        g_assert_cmpuint(dm_sim_peer_count(lab.pbx, "SIP/2.0 180"), ==, 1);
        sip_lab_tear_down(&lab);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip/early-media/gate-of-the-called-side", test_gate_of_the_called_side);
    g_test_add_func("/sip/early-media/gate-toward-the-caller", test_gate_toward_the_caller);
    g_test_add_func("/sip/early-media/one-of-many-stops", test_one_of_many_stops);
    g_test_add_func("/sip/early-media/end-told-to-the-caller", test_end_told_to_the_caller);
    return g_test_run();
}
