/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* 3xx on the wire (SIG-20). */

static void
note_contacts(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    GString *noted = user_data;

    for (unsigned i = 0; event->contacts != NULL && i < event->contacts->len; i++) {
        g_string_append_printf(noted, "%s ", (const char *)g_ptr_array_index(event->contacts, i));
    }
}

static void
test_contacts(void)
{
    static const struct {
        const char *status, *headers, *numbers;
    } cases[] = {
        {"302 Moved", "Contact: <sip:+4420@192.0.2.9:5070;user=phone>\r\n", "peer +4420 "},
        {"300 Choices",
         "Contact: <sip:1@a>;q=0.2, <sip:2@a>;q=0.9\r\nContact: <tel:+443;x=y>;q=0.5\r\n",
         "peer 2 +443 1 "},
        {"302 Moved",
         "Contact: <sip:a%0d%0ab@x>, <mailto:x@y>, <sip:host.example>, <sips:7;npdi@x>\r\n",
         "peer 7 "},
        {"302 Moved",
         "Contact: <sip:1@a>, <sip:2@a>, <sip:3@a>, <sip:4@a>, <sip:5@a>, <sip:6@a>\r\n",
         "peer 1 2 3 4 "},
        {"305 Use Proxy", "Contact: <sip:1@a>\r\n", ""},
        {"486 Busy", "Contact: <sip:1@a>\r\n", ""},
    };

    g_test_summary("SIG-20: numbers in order of q, those that can be called, five at most");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SipLab lab;
        g_autoptr(GString) noted = g_string_new(NULL);

        sip_lab_set_up(&lab, "{}");
        lab.gateway->on_event = note_contacts;
        lab.gateway->user_data = noted;
        sip_lab_dial(&lab);
        sip_lab_carrier_answers(&lab, cases[i].status, "ct", cases[i].headers, NULL);
        sip_lab_run_ms(&lab, 100);
        g_assert_cmpstr(noted->str, ==, cases[i].numbers);
        sip_lab_assert_all_gone(&lab);
        sip_lab_tear_down(&lab);
    }
}

static void
test_relayed(void)
{
    SipLab lab;
    DmRelease why = {.status = 302, .redirect_to = "+442079462222"};

    g_test_summary("SIG-1 SIG-20: a caller is redirected to the number, at our address");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_invites(&lab, "", dm_sim_sdp_text);
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
    lab.gateway->leg->ops->close(lab.gateway->leg, &why);
    sip_text_assert_has(dm_sim_peer_expect(lab.pbx, "SIP/2.0 302"),
                        "\r\nContact: <sip:+442079462222@192.0.2.1:5060>\r\n");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-redirect/contacts", test_contacts);
    g_test_add_func("/sip-redirect/relayed", test_relayed);
    return g_test_run();
}
