/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* Bodies of several parts (RFC 5621). */

#define OTHER_PART                                                                                 \
    "--b1\r\nContent-Type: application/pidf+xml\r\nContent-ID: <x@y>\r\n\r\n<presence/>\r\n"
#define ISUP_PART                                                                                  \
    "--b1\r\nContent-Type: application/isup;version=itu-t92+\r\n"                                  \
    "Content-Disposition: signal;handling=optional\r\n\r\n\x01\x10\r\n"
#define SDP_PART                                                                                   \
    "--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 7 1 IN IP4 192.0.2.10\r\ns=-\r\n"     \
    "c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4700 RTP/AVP 0\r\n"
#define END "\r\n--b1--\r\n"

static void
pbx_sends_with(SipLab *lab, const char *headers, const char *body)
{
    g_autofree char *text = g_strdup_printf(
        "INVITE sip:+442@gw.example SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKm1;rport\r\n"
        "From: <sip:100@pbx.example>;tag=ft\r\nTo: <sip:+442@gw.example>\r\n"
        "Call-ID: pbx-call\r\nCSeq: 1 INVITE\r\nContact: <sip:peer@192.0.2.10>\r\n%s"
        "Content-Type: multipart/mixed;boundary=b1\r\nContent-Length: %zu\r\n\r\n%s",
        headers,
        strlen(body),
        body);

    dm_sim_peer_send(lab->pbx, text);
    sip_lab_run_ms(lab, 100);
}

static void
pbx_sends(SipLab *lab, const char *body)
{
    pbx_sends_with(lab, "", body);
}

static void
test_description_found(void)
{
    static const char *const bodies[] = {
        SDP_PART END,
        SDP_PART OTHER_PART END,
        OTHER_PART SDP_PART END,
        ISUP_PART OTHER_PART SDP_PART END,
    };

    g_test_summary("SIG-26: the description is taken out of a body of several parts, wherever it "
                   "stands; other parts do not stop the call");
    for (unsigned i = 0; i < G_N_ELEMENTS(bodies); i++) {
        SipLab lab;

        sip_lab_set_up(&lab, "{}");
        pbx_sends(&lab, bodies[i]);
        g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx ");
        g_assert_nonnull(lab.gateway->sdp);
        g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4700);
        sip_lab_tear_down(&lab);
    }
}

static void
test_no_description(void)
{
    SipLab lab;

    g_test_summary("SIG-26: parts without a description are an INVITE without an offer");
    sip_lab_set_up(&lab, "{}");
    pbx_sends(&lab, OTHER_PART END);
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx ");
    g_assert_null(lab.gateway->sdp);
    sip_lab_tear_down(&lab);
}

#define PART(headers, content) "--b1\r\n" headers "\r\n" content "\r\n"
#define REQUIRED               "Content-Disposition: signal;handling=required\r\n"

static const struct {
    const char *what, *sip, *body;
    unsigned status; /* 0: the call comes */
    const char *header;
} judged[] = {
    {"unknown and required",
     "{}",
     SDP_PART "\r\n" PART("Content-Type: application/isup\r\n" REQUIRED, "x") "--b1--\r\n",
     415,
     "\r\nAccept: application/sdp, multipart/mixed, application/pidf+xml\r\n"},
    {"unknown and optional", "{strict_bodies: true}", ISUP_PART SDP_PART END, 0, ""},
    {"unknown, and nothing said", "{}", PART("Content-Type: a/b\r\n", "x") SDP_PART END, 0, ""},
    {"unknown, nothing said, by the letter",
     "{strict_bodies: true}",
     PART("Content-Type: a/b\r\n", "x") SDP_PART END,
     415,
     "\r\nAccept: application/sdp"},
    {"known and required",
     "{body_types: [application/isup]}",
     PART("Content-Type: application/isup\r\n" REQUIRED, "x") SDP_PART END,
     0,
     ""},
    {"packed and required",
     "{}",
     PART("Content-Type: application/pidf+xml\r\nContent-Encoding: gzip\r\n" REQUIRED, "x")
         SDP_PART END,
     415,
     "\r\nAccept-Encoding: identity\r\n"},
    {"in a part of several parts",
     "{}",
     PART("Content-Type: multipart/mixed;boundary=b2\r\n",
          "--b2\r\nContent-Type: a/b\r\n" REQUIRED "\r\nx\r\n--b2--") SDP_PART END,
     415,
     "\r\nAccept: application/sdp"},
    {"of alternatives any may be passed over",
     "{strict_bodies: true}",
     PART("Content-Type: multipart/alternative;boundary=b2\r\n",
          "--b2\r\nContent-Type: a/b\r\n\r\nx\r\n--b2--") SDP_PART END,
     0,
     ""},
    {"no parts at all", "{}", "nothing", 400, ""},
};

static void
test_judged(void)
{
    g_test_summary("SIG-26, SIG-3: a part that has to be understood and is not gets 415 with what "
                   "would be (RFC 5621); optional ones do not stop the call");
    for (unsigned i = 0; i < G_N_ELEMENTS(judged); i++) {
        SipLab lab;
        g_autofree char *start = g_strdup_printf("SIP/2.0 %u", judged[i].status);

        g_test_message("%s", judged[i].what);
        sip_lab_set_up(&lab, judged[i].sip);
        pbx_sends(&lab, judged[i].body);
        if (judged[i].status == 0) {
            g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx ");
            g_assert_nonnull(lab.gateway->sdp);
        } else {
            sip_text_assert_has(dm_sim_peer_expect(lab.pbx, start), judged[i].header);
            g_assert_cmpstr(sip_lab_events(&lab), ==, "");
        }
        sip_lab_tear_down(&lab);
    }
}

static void
test_early_session(void)
{
    SipLab lab;

    g_test_summary("SIG-26: a description of an early session is not the session's (RFC 3959)");
    sip_lab_set_up(&lab, "{}");
    pbx_sends(&lab,
              PART("Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n",
                   "v=0\r\no=- 8 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                   "m=audio 4800 RTP/AVP 0") SDP_PART END);
    g_assert_nonnull(lab.gateway->sdp);
    g_assert_cmpuint(dm_sdp_media(lab.gateway->sdp, 0)->port, ==, 4700);
    sip_lab_tear_down(&lab);
}

static void
test_unreadable(void)
{
    SipLab lab;

    g_test_summary("a description that cannot be read is told, so that the call has a record");
    sip_lab_set_up(&lab, "{}");
    pbx_sends(&lab, PART("Content-Type: application/sdp\r\n", "nonsense") "--b1--\r\n");
    g_assert_cmpstr(sip_lab_events(&lab), ==, "incoming:pbx ");
    g_assert_true(lab.gateway->is_unreadable);
    g_assert_null(lab.gateway->sdp);
    sip_lab_tear_down(&lab);
}

static void
test_relayed(void)
{
    SipLab lab;
    const char *invite;
    g_autofree char *type = NULL;
    g_autofree char *location = NULL;
    g_autofree char *named = NULL;

    g_test_summary(
        "SIG-26, SIG-1: a location crosses in a multipart of our own, with a name of our "
        "own that Geolocation points to; ISUP does not");
    sip_lab_set_up(&lab, "{}");
    pbx_sends_with(&lab,
                   "Geolocation: <cid:x@y>\r\nGeolocation-Routing: yes\r\n",
                   ISUP_PART OTHER_PART SDP_PART END);
    invite = sip_lab_dial(&lab);
    type = dm_sim_header(invite, "Content-Type");
    g_assert_true(g_str_has_prefix(type, "multipart/mixed;boundary="));
    sip_text_assert_has(invite, "\r\nMIME-Version: 1.0\r\n");
    sip_text_assert_has(invite, "\r\n\r\nv=0\r\n");
    sip_text_assert_has(invite, "\r\nContent-Type: application/pidf+xml\r\n");
    sip_text_assert_has(invite, "<presence/>\r\n--");
    sip_text_assert_has(invite, "\r\nGeolocation-Routing: yes\r\n");
    sip_text_assert_lacks(invite, "isup");
    sip_text_assert_lacks(invite, "x@y");
    sip_text_assert_lacks(type, "b1");
    location = dm_sim_header_uri(invite, "Geolocation");
    g_assert_true(g_str_has_prefix(location, "cid:"));
    named = g_strdup_printf("\r\nContent-ID: <%s>\r\n", location + 4);
    sip_text_assert_has(invite, named);
    sip_lab_tear_down(&lab);
}

static void
test_not_relayed(void)
{
    SipLab lab;
    const char *invite;
    g_autofree char *type = NULL;

    g_test_summary("SIG-26: what neither trunk lists does not cross, and then the description is "
                   "alone again");
    sip_lab_set_up(&lab, "{body_types: []}");
    pbx_sends_with(&lab, "Geolocation: <cid:x@y>\r\n", OTHER_PART SDP_PART END);
    g_assert_null(lab.gateway->parts);
    invite = sip_lab_dial(&lab);
    type = dm_sim_header(invite, "Content-Type");
    g_assert_cmpstr(type, ==, "application/sdp");
    sip_text_assert_lacks(invite, "Geolocation");
    sip_lab_tear_down(&lab);
}

static void
test_binary(void)
{
    SipLab lab;
    const char *invite;

    g_test_summary("SIG-26: ISUP crosses, byte for byte and with its handling, between trunks that "
                   "list it; challenged, it is sent again");
    sip_lab_set_up(&lab, "{body_types: [application/isup]}");
    pbx_sends(&lab, ISUP_PART SDP_PART END);
    invite = sip_lab_dial(&lab);
    sip_text_assert_has(invite, "\r\nContent-Disposition: signal;handling=optional\r\n");
    sip_text_assert_has(invite, "\r\nContent-Type: application/isup;version=itu-t92+\r\n");
    sip_text_assert_has(invite, "\r\n\r\n\x01\x10\r\n--");
    sip_lab_tear_down(&lab);
}

static void
test_shortened(void)
{
    SipLab lab;
    const char *invite;
    g_autofree char *said = NULL;

    g_test_summary("SIG-23, SIG-26: the description is made shorter where it stands");
    sip_lab_set_up(&lab, "{}");
    pbx_sends(&lab, OTHER_PART SDP_PART END);
    dm_sim_host_set_max_request(lab.gateway->host, 200);
    invite = sip_lab_dial(&lab);
    said = dm_sim_header(invite, "Content-Length");
    g_assert_cmpuint(g_ascii_strtoull(said, NULL, 10), ==, strlen(dm_sim_body(invite)));
    sip_text_assert_has(invite, "m=audio 20000 RTP/AVP 0\r\n");
    sip_text_assert_lacks(invite, "a=sendrecv");
    sip_text_assert_has(invite, "<presence/>");
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-body/description-found", test_description_found);
    g_test_add_func("/sip-body/no-description", test_no_description);
    g_test_add_func("/sip-body/judged", test_judged);
    g_test_add_func("/sip-body/early-session", test_early_session);
    g_test_add_func("/sip-body/unreadable", test_unreadable);
    g_test_add_func("/sip-body/relayed", test_relayed);
    g_test_add_func("/sip-body/not-relayed", test_not_relayed);
    g_test_add_func("/sip-body/binary", test_binary);
    g_test_add_func("/sip-body/shortened", test_shortened);
    return g_test_run();
}
