/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/sip-lab.h"

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
pbx_sends(SipLab *lab, const char *body)
{
    g_autofree char *text = g_strdup_printf(
        "INVITE sip:+442@gw.example SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKm1;rport\r\n"
        "From: <sip:100@pbx.example>;tag=ft\r\nTo: <sip:+442@gw.example>\r\n"
        "Call-ID: pbx-call\r\nCSeq: 1 INVITE\r\nContact: <sip:peer@192.0.2.10>\r\n"
        "Content-Type: multipart/mixed;boundary=b1\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(body),
        body);

    dm_sim_peer_send(lab->pbx, text);
    sip_lab_run_ms(lab, 100);
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

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-body/description-found", test_description_found);
    g_test_add_func("/sip-body/no-description", test_no_description);
    return g_test_run();
}
