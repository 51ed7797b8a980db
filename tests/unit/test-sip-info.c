/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* Keys by INFO, both ways (DTMF-3). */

#define RELAY "Content-Type: application/dtmf-relay\r\n"
#define PLAIN "Content-Type: application/dtmf\r\n"

static DmLeg *
leg_of(SipLab *lab)
{
    return lab->gateway->leg;
}

static void
press(SipLab *lab, const char *keys)
{
    for (; *keys != '\0'; keys++) {
        leg_of(lab)->ops->press(leg_of(lab), *keys);
    }
}

static void
test_received(void)
{
    SipLab lab;

    g_test_summary("DTMF-3: INFO of both forms is answered with 200 and told; anything else is "
                   "answered too and not a key");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_up(&lab, "");
    sip_lab_pbx_says(&lab, "INFO", 2, RELAY, "Signal=5\r\nDuration=160\r\n");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    sip_lab_pbx_says(&lab, "INFO", 3, PLAIN, "#");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    sip_lab_pbx_says(&lab, "INFO", 4, RELAY, "Signal=16\r\n");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    sip_lab_pbx_says(&lab, "INFO", 5, RELAY, "Signal=nonsense\r\n");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    sip_lab_pbx_says(&lab, "INFO", 6, "Content-Type: application/media_control+xml\r\n", "5");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    g_assert_nonnull(strstr(sip_lab_events(&lab), "key:5,160 key:#,0 key:!,0 "));
    g_assert_null(strstr(strstr(sip_lab_events(&lab), "key:!,0 ") + 1, "key"));
    sip_lab_tear_down(&lab);
}

static void
test_received_out_of_order(void)
{
    SipLab lab;

    g_test_summary("DTMF-3: a repetition is one key; a CSeq that was overtaken is 500 and none");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_up(&lab, "");
    sip_lab_pbx_says(&lab, "INFO", 7, RELAY, "Signal=1\r\n");
    sip_lab_pbx_says(&lab, "INFO", 7, RELAY, "Signal=1\r\n");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    sip_lab_pbx_says(&lab, "INFO", 6, RELAY, "Signal=2\r\n");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 500");
    sip_lab_pbx_says(&lab, "INFO", 8, RELAY, "Signal=3\r\n");
    dm_sim_peer_expect(lab.pbx, "SIP/2.0 200");
    g_assert_nonnull(strstr(sip_lab_events(&lab), "key:1,0 key:3,0 "));
    g_assert_null(strstr(sip_lab_events(&lab), "key:2"));
    sip_lab_tear_down(&lab);
}

static void
test_sent_in_order(void)
{
    static const char keys[] = "15#!";
    static const char *const signals[] = {"Signal=1\r\n",
                                          "Signal=5\r\n",
                                          "Signal=#\r\n",
                                          "Signal=16\r\n"};
    SipLab lab;

    g_test_summary("DTMF-3: keys go one after the other, each when the one before was answered");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "");
    press(&lab, keys);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        const char *info = dm_sim_peer_expect(lab.carrier, "INFO ");

        sip_text_assert_has(info, "\r\nContent-Type: application/dtmf-relay\r\n");
        sip_text_assert_has(info, signals[i]);
        sip_text_assert_has(info, "Duration=160\r\n");
        sip_lab_run_ms(&lab, 100);
        g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "INFO "), ==, 0);
        dm_sim_peer_respond(lab.carrier, info, "200 OK", "", "", NULL);
    }
    sip_lab_run_ms(&lab, 1000);
    g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "INFO "), ==, 0);
    sip_lab_tear_down(&lab);
}

static void
test_sent_in_the_other_form(void)
{
    SipLab lab;
    const char *info;

    g_test_summary("DTMF-3: 415 to application/dtmf-relay: application/dtmf, from now on");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "");
    press(&lab, "92");
    info = dm_sim_peer_expect(lab.carrier, "INFO ");
    dm_sim_peer_respond(lab.carrier, info, "415 Unsupported Media Type", "", "", NULL);
    info = dm_sim_peer_expect(lab.carrier, "INFO ");
    sip_text_assert_has(info, "\r\nContent-Type: application/dtmf\r\n");
    g_assert_cmpstr(dm_sim_body(info), ==, "9");
    dm_sim_peer_respond(lab.carrier, info, "200 OK", "", "", NULL);
    info = dm_sim_peer_expect(lab.carrier, "INFO ");
    g_assert_cmpstr(dm_sim_body(info), ==, "2");
    dm_sim_peer_respond(lab.carrier, info, "200 OK", "", "", NULL);
    sip_lab_tear_down(&lab);
}

static void
test_unanswered_keys_end_with_the_call(void)
{
    SipLab lab;

    g_test_summary("A peer that does not answer keys is hung up on all the same; nothing is left");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "");
    press(&lab, "0123456789012345678901234567890123456789");
    dm_sim_peer_expect(lab.carrier, "INFO ");
    leg_of(&lab)->ops->close(leg_of(&lab), &(DmRelease){.status = 480});
    dm_sim_peer_respond(lab.carrier,
                        dm_sim_peer_expect(lab.carrier, "BYE "),
                        "200 OK",
                        "",
                        "",
                        NULL);
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-info/received", test_received);
    g_test_add_func("/sip-info/order", test_received_out_of_order);
    g_test_add_func("/sip-info/sent", test_sent_in_order);
    g_test_add_func("/sip-info/other-form", test_sent_in_the_other_form);
    g_test_add_func("/sip-info/ends", test_unanswered_keys_end_with_the_call);
    return g_test_run();
}
