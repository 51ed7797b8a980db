/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* Session timers (RFC 4028): each leg's own. */

#define TIMER "Supported: timer\r\n"

static void
test_offered(void)
{
    SipLab lab;
    const char *invite;

    g_test_summary("SIG-15: our INVITE offers a session of 1800 s and requires nothing");
    sip_lab_set_up(&lab, "{}");
    invite = sip_lab_dial(&lab);
    sip_text_assert_has(invite, "timer\r\n");
    sip_text_assert_has(invite, "\r\nSession-Expires: 1800\r\n");
    g_assert_null(strstr(invite, "\r\nRequire:"));
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{session_timer: {mode: off}}");
    invite = sip_lab_dial(&lab);
    g_assert_null(strstr(invite, "timer"));
    g_assert_null(strstr(invite, "Session-Expires"));
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{session_timer: {mode: required, refresher: peer, min_se: 120}}");
    invite = sip_lab_dial(&lab);
    sip_text_assert_has(invite, "\r\nRequire: timer\r\n");
    sip_text_assert_has(invite, "\r\nSession-Expires: 1800;refresher=uas\r\n");
    sip_text_assert_has(invite, "\r\nMin-SE: 120\r\n");
    sip_lab_tear_down(&lab);
}

static void
test_unknown_to_the_peer(void)
{
    SipLab lab;

    g_test_summary("SIG-15: a peer without session timers keeps its call, and gets no refresh");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "Allow: INVITE, UPDATE\r\n");
    sip_lab_run_ms(&lab, 7200 * 1000);
    g_assert_cmpuint(dm_sim_peer_count(lab.carrier, ""), ==, 0);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 ");
    sip_lab_tear_down(&lab);
}

static void
test_we_refresh_by_update(void)
{
    SipLab lab;
    const char *update;

    g_test_summary("SIG-15: refreshed at half the interval by UPDATE, again and again, without a "
                   "description");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab,
                       "Allow: INVITE, UPDATE\r\nSession-Expires: 600;refresher=uac\r\n"
                       "Require: timer\r\n");
    for (unsigned i = 0; i < 3; i++) {
        sip_lab_run_ms(&lab, 299 * 1000);
        g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "UPDATE "), ==, 0);
        update = dm_sim_peer_expect(lab.carrier, "UPDATE ");
        sip_text_assert_has(update, "\r\nSession-Expires: 600;refresher=uac\r\n");
        sip_text_assert_has(update, "\r\nContent-Length: 0\r\n");
        dm_sim_peer_respond(lab.carrier,
                            update,
                            "200 OK",
                            "",
                            "Session-Expires: 600;refresher=uac\r\n",
                            NULL);
        sip_lab_run_ms(&lab, 100);
    }
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 ");
    sip_lab_tear_down(&lab);
}

static void
test_we_refresh_by_invite(void)
{
    SipLab lab;
    g_autofree char *first = NULL;
    const char *again;

    g_test_summary("SIG-15 SIG-17: without UPDATE the same bytes go by re-INVITE, unheard by the "
                   "call");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "Allow: INVITE, BYE\r\nSession-Expires: 100\r\n");
    first = g_strdup(dm_sim_body(lab.invite));
    again = sip_lab_carrier_invited(&lab);
    g_assert_cmpstr(dm_sim_body(again), ==, first);
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "Session-Expires: 100\r\n", dm_sim_sdp_text);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 ");
    /* and when the answer is another one, the call hears of it */
    sip_lab_carrier_invited(&lab);
    {
        g_autofree char *moved = g_strdup(dm_sim_sdp_text);

        strstr(moved, "4000")[0] = '5';
        sip_lab_carrier_answers(&lab, "200 OK", "ct", "Session-Expires: 100\r\n", moved);
    }
    dm_sim_peer_expect(lab.carrier, "ACK ");
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 reanswer:200 ");
    sip_lab_tear_down(&lab);
}

static void
test_we_refresh_a_fax(void)
{
    static const char body[] = "v=0\r\no=- 1 2 IN IP4 192.0.2.20\r\ns=-\r\n"
                               "c=IN IP4 192.0.2.20\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n"
                               "m=image 4002 udptl t38\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";
    SipLab lab;
    g_autoptr(DmSdp) fax = dm_sdp_parse(body, strlen(body), NULL);
    g_autofree char *said = NULL;

    g_test_summary("SIG-15: a refresh during T.38 says T.38 again, to the byte");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "Allow: INVITE, BYE\r\nSession-Expires: 100\r\n");
    sip_lab_carrier_says(&lab,
                         "INVITE",
                         "ct",
                         5,
                         TIMER "Allow: INVITE\r\nSession-Expires: 100;refresher=uas\r\n",
                         body);
    sip_lab_run_ms(&lab, 10);
    lab.gateway->leg->ops->reanswer(lab.gateway->leg, fax);
    said = g_strdup(dm_sim_body(dm_sim_peer_expect(lab.carrier, "SIP/2.0 200 ")));
    sip_lab_carrier_says(&lab, "ACK", "ct", 5, "", NULL);
    g_assert_nonnull(strstr(said, "m=image 4002 udptl t38"));
    g_assert_cmpstr(dm_sim_body(sip_lab_carrier_invited(&lab)), ==, said);
    sip_lab_tear_down(&lab);
}

static void
test_update_refused(void)
{
    SipLab lab;

    g_test_summary("SIG-15: a peer that lists UPDATE and refuses it is refreshed by re-INVITE");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "Allow: INVITE, UPDATE\r\nSession-Expires: 600;refresher=uac\r\n");
    sip_lab_run_ms(&lab, 240 * 1000);
    dm_sim_peer_respond(lab.carrier,
                        dm_sim_peer_expect(lab.carrier, "UPDATE "),
                        "405 Method Not Allowed",
                        "",
                        "",
                        NULL);
    sip_lab_carrier_invited(&lab);
    sip_lab_tear_down(&lab);
}

static void
test_refresh_fails(void)
{
    SipLab lab;

    g_test_summary("SIG-15: 481 to a refresh ends the call; any other refusal lets it live until "
                   "the session expires");
    sip_lab_set_up(&lab, "{session_timer: {method: invite}}");
    sip_lab_carrier_up(&lab, "Session-Expires: 100;refresher=uac\r\n");
    sip_lab_carrier_invited(&lab);
    sip_lab_carrier_answers(&lab, "500 Server Error", "ct", "", NULL);
    sip_lab_carrier_invited(&lab); /* tried once more */
    sip_lab_carrier_answers(&lab, "500 Server Error", "ct", "", NULL);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 ");
    dm_sim_peer_expect(lab.carrier, "BYE ");
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 closed:408 ");
    g_assert_cmpstr(lab.gateway->ended.diagnosis, ==, "refresh_failed");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "Allow: UPDATE\r\nSession-Expires: 100;refresher=uac\r\n");
    dm_sim_peer_respond(lab.carrier,
                        dm_sim_peer_expect(lab.carrier, "UPDATE "),
                        "481 Gone",
                        "",
                        "",
                        NULL);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "answered:200 closed:481 ");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
}

static void
test_too_small_for_the_peer(void)
{
    SipLab lab;
    g_autofree char *id = NULL, *again_id = NULL;

    g_test_summary(
        "SIG-15: 422 is answered with its Min-SE, same Call-ID, next CSeq; not for ever");
    sip_lab_set_up(&lab, "{}");
    id = dm_sim_header(sip_lab_dial(&lab), "Call-ID");
    sip_lab_carrier_answers(&lab, "422 Too Small", "ct", "Min-SE: 3600\r\n", NULL);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    again_id = dm_sim_header(sip_lab_carrier_invited(&lab), "Call-ID");
    g_assert_cmpstr(id, ==, again_id);
    sip_text_assert_has(lab.invite, "\r\nCSeq: 2 INVITE\r\n");
    sip_text_assert_has(lab.invite, "\r\nSession-Expires: 3600\r\n");
    sip_text_assert_has(lab.invite, "\r\nMin-SE: 3600\r\n");
    for (unsigned i = 0; i < 3; i++) {
        sip_lab_carrier_answers(&lab, "422 Too Small", "ct", "Min-SE: 7200\r\n", NULL);
        sip_lab_carrier_invited(&lab);
    }
    sip_lab_carrier_answers(&lab, "422 Too Small", "ct", "Min-SE: 7200\r\n", NULL);
    sip_lab_run_ms(&lab, 100);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "closed:422 ");
    sip_lab_tear_down(&lab);
}

static void
test_too_small_for_us(void)
{
    SipLab lab;

    g_test_summary("SIG-15: less than our minimum is 422 with Min-SE; required and missing is 421");
    sip_lab_set_up(&lab, "{session_timer: {min_se: 300}}");
    sip_lab_pbx_invites(&lab, TIMER "Session-Expires: 200\r\n", dm_sim_sdp_text);
    sip_text_assert_has(sip_lab_pbx_gets(&lab, "SIP/2.0 422"), "\r\nMin-SE: 300\r\n");
    g_assert_cmpstr(sip_lab_events(&lab), ==, "");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
    sip_lab_set_up(&lab, "{session_timer: {mode: required}}");
    sip_lab_pbx_invites(&lab, "", dm_sim_sdp_text);
    sip_text_assert_has(sip_lab_pbx_gets(&lab, "SIP/2.0 421"), "\r\nRequire: timer\r\n");
    sip_lab_tear_down(&lab);
}

static void
test_answered(void)
{
    static const struct {
        const char *sip, *asked, *answer;
    } cases[] = {
        {"{}", TIMER "Session-Expires: 900\r\n", "900;refresher=uac"},
        {"{}", TIMER "Session-Expires: 900;refresher=uas\r\n", "900;refresher=uas"},
        {"{}", TIMER "Session-Expires: 7200\r\n", "1800;refresher=uac"},
        {"{}", TIMER "Session-Expires: 7200\r\nMin-SE: 3600\r\n", "3600;refresher=uac"},
        {"{}", TIMER, "1800;refresher=uac"},
        {"{}", "Require: timer\r\n", "1800;refresher=uac"},
        {"{}", "x: 600;refresher=uac\r\n", "600;refresher=uas"}, /* a proxy's wish */
        {"{session_timer: {refresher: gateway}}", TIMER, "1800;refresher=uas"},
        {"{}", "", NULL},
        {"{session_timer: {mode: off}}", TIMER "Session-Expires: 900\r\n", NULL},
    };

    g_test_summary("SIG-15: who refreshes and when, for every way a caller may ask");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SipLab lab;
        g_autofree char *answer = NULL;
        const char *ok;

        sip_lab_set_up(&lab, cases[i].sip);
        sip_lab_pbx_invites(&lab, cases[i].asked, dm_sim_sdp_text);
        dm_sim_peer_expect(lab.pbx, "SIP/2.0 100");
        lab.gateway->leg->ops->answer(lab.gateway->leg, lab.sdp);
        ok = sip_lab_pbx_gets(&lab, "SIP/2.0 200");
        answer = dm_sim_header(ok, "Session-Expires");
        g_assert_cmpstr(answer, ==, cases[i].answer);
        g_assert_cmpint(strstr(ok, "\r\nRequire: timer") != NULL,
                        ==,
                        answer != NULL && strstr(answer, "uac") != NULL);
        sip_lab_tear_down(&lab);
    }
}

static void
test_peer_refreshes(void)
{
    SipLab lab;

    g_test_summary("SIG-15: the peer's refreshes keep the call; without them BYE 32 s before the "
                   "end (RFC 4028, 10)");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_up(&lab, TIMER "Session-Expires: 300;refresher=uac\r\n");
    sip_lab_run_ms(&lab, 150 * 1000);
    sip_lab_pbx_says(&lab, "UPDATE", 2, TIMER "Session-Expires: 300;refresher=uac\r\n", NULL);
    sip_text_assert_has(sip_lab_pbx_gets(&lab, "SIP/2.0 200"),
                        "\r\nSession-Expires: 300;refresher=uac\r\n");
    sip_lab_run_ms(&lab, 267 * 1000);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx acked:0 ");
    sip_lab_run_ms(&lab, 2 * 1000);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx acked:0 closed:408 ");
    dm_sim_peer_expect(lab.pbx, "BYE ");
    sip_lab_assert_all_gone(&lab);
    sip_lab_tear_down(&lab);
}

static void
test_refresh_waits(void)
{
    SipLab lab;
    const char *update;

    g_test_summary("SIG-13 SIG-15: a refresh that meets a re-INVITE of the peer waits for its end");
    sip_lab_set_up(&lab, "{}");
    sip_lab_carrier_up(&lab, "Allow: UPDATE\r\nSession-Expires: 100;refresher=uac\r\n");
    sip_lab_run_ms(&lab, 49 * 1000);
    sip_lab_carrier_says(&lab, "INVITE", "ct", 5, TIMER, NULL);
    sip_lab_run_ms(&lab, 5 * 1000);
    g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "UPDATE "), ==, 0);
    lab.gateway->leg->ops->refuse_reoffer(lab.gateway->leg, 488);
    update = dm_sim_peer_expect(lab.carrier, "UPDATE ");
    dm_sim_peer_respond(lab.carrier, update, "491 Pending", "", "", NULL);
    dm_sim_peer_expect(lab.carrier, "UPDATE ");
    sip_lab_tear_down(&lab);
}

static void
test_not_absorbed(void)
{
    SipLab lab;

    g_test_summary("SIG-14: where refreshes are not to be absorbed, the call hears of them");
    sip_lab_set_up(&lab, "{absorb_refresh: false}");
    sip_lab_pbx_up(&lab, "");
    sip_lab_pbx_says(&lab, "INVITE", 2, "", dm_sim_sdp_text);
    sip_lab_run_ms(&lab, 10);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx acked:0 reoffer:0 ");
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-session/offered", test_offered);
    g_test_add_func("/sip-session/unknown-to-the-peer", test_unknown_to_the_peer);
    g_test_add_func("/sip-session/we-refresh/update", test_we_refresh_by_update);
    g_test_add_func("/sip-session/we-refresh/invite", test_we_refresh_by_invite);
    g_test_add_func("/sip-session/we-refresh/fax", test_we_refresh_a_fax);
    g_test_add_func("/sip-session/we-refresh/update-refused", test_update_refused);
    g_test_add_func("/sip-session/we-refresh/fails", test_refresh_fails);
    g_test_add_func("/sip-session/we-refresh/waits", test_refresh_waits);
    g_test_add_func("/sip-session/too-small/peer", test_too_small_for_the_peer);
    g_test_add_func("/sip-session/too-small/us", test_too_small_for_us);
    g_test_add_func("/sip-session/answered", test_answered);
    g_test_add_func("/sip-session/peer-refreshes", test_peer_refreshes);
    g_test_add_func("/sip-session/not-absorbed", test_not_absorbed);
    return g_test_run();
}
