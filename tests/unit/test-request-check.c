/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/request-check.h"
#include "tests/lib/sip-text.h"

#define SDP "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"

static const struct {
    const char *what, *method, *uri, *rest;
    unsigned status;
    const char *header, *value;
} cases[] = {
    {"an ordinary INVITE", "INVITE", "sip:1@gw", SDP, 0, NULL, ""},
    {"a tel URI", "INVITE", "tel:+4420", SDP, 0, NULL, ""},
    {"unknown method", "FETCH", "sip:1@gw", "\r\n", 501, "Allow", NULL},
    {"method of others", "SUBSCRIBE", "sip:gw", "\r\n", 405, "Allow", NULL},
    {"extensions of REGISTER", "REGISTER", "sip:gw", "Require: path, gin\r\n\r\n", 0, NULL, ""},
    {"not of REGISTER",
     "REGISTER",
     "sip:gw",
     "Require: timer\r\n\r\n",
     420,
     "Unsupported",
     "timer"},
    {"unknown scheme", "OPTIONS", "nobody:1@gw", "\r\n", 416, NULL, ""},
    {"no hops left", "INVITE", "sip:1@gw", "Max-Forwards: 0\r\n" SDP, 483, NULL, ""},
    {"no hops left, but only asking", "OPTIONS", "sip:gw", "Max-Forwards: 0\r\n\r\n", 0, NULL, ""},
    {"an extension we lack",
     "INVITE",
     "sip:1@gw",
     "Require: precondition, gruu\r\n" SDP,
     420,
     "Unsupported",
     "precondition, gruu"},
    {"Proxy-Require is not for us", "INVITE", "sip:1@gw", "Proxy-Require: x\r\n" SDP, 0, NULL, ""},
    {"an unknown body",
     "INVITE",
     "sip:1@gw",
     "Content-Type: application/x\r\nContent-Length: 1\r\n\r\nx",
     415,
     "Accept",
     "application/sdp, multipart/mixed"},
    {"an unknown body that may be ignored",
     "INVITE",
     "sip:1@gw",
     "Content-Type: application/x\r\nContent-Disposition: render;handling=optional\r\n"
     "Content-Length: 1\r\n\r\nx",
     0,
     NULL,
     ""},
    {"a packed body",
     "INVITE",
     "sip:1@gw",
     "Content-Encoding: gzip\r\n" SDP,
     415,
     "Accept-Encoding",
     "identity"},
    {"who will not read SDP", "INVITE", "sip:1@gw", "Accept: text/html\r\n" SDP, 406, NULL, ""},
    {"who reads anything", "INVITE", "sip:1@gw", "Accept: text/html, */*\r\n" SDP, 0, NULL, ""},
};

static void
test_cases(void)
{
    g_test_summary("SIG-3: what is wrong with a request is said as RFC 3261, 8.2 says");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("%s %s SIP/2.0\r\n"
                                                "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKz\r\n"
                                                "From: <sip:2@x>;tag=f\r\nTo: <sip:1@gw>\r\n"
                                                "Call-ID: id\r\nCSeq: 1 %s\r\n%s",
                                                cases[i].method,
                                                cases[i].uri,
                                                cases[i].method,
                                                cases[i].rest);
        g_autoptr(DmSipMessage) request = sip_text_parse(text);
        DmRequestFault fault;

        g_test_message("%s", cases[i].what);
        g_assert_true(dm_request_check(request, &fault) == (cases[i].status == 0));
        g_assert_cmpuint(fault.status, ==, cases[i].status);
        g_assert_cmpstr(fault.header, ==, cases[i].header);
        if (cases[i].value != NULL) {
            g_assert_cmpstr(fault.value, ==, cases[i].value);
        }
    }
}

static void
test_long_require(void)
{
    g_autofree char *tags = g_strnfill(3000, 'x');
    g_autofree char *text = g_strdup_printf("INVITE sip:1@gw SIP/2.0\r\n"
                                            "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKz\r\n"
                                            "From: <sip:2@x>;tag=f\r\nTo: <sip:1@gw>\r\n"
                                            "Call-ID: id\r\nCSeq: 1 INVITE\r\n"
                                            "Require: %s\r\nContent-Length: 0\r\n\r\n",
                                            tags);
    g_autoptr(DmSipMessage) request = sip_text_parse(text);
    DmRequestFault fault;

    g_test_summary("SEC-5: an endless option tag does not come back whole");
    g_assert_false(dm_request_check(request, &fault));
    g_assert_cmpuint(strlen(fault.value), <, sizeof fault.value);
}

static void
test_max_forwards(void)
{
    g_autoptr(DmSipMessage) request =
        sip_text_parse("OPTIONS sip:gw SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKz\r\n"
                       "From: <sip:2@x>;tag=f\r\nTo: <sip:gw>\r\nCall-ID: id\r\n"
                       "CSeq: 1 OPTIONS\r\n\r\n");

    g_test_summary("SIG-2: without Max-Forwards it is 70");
    g_assert_cmpuint(dm_request_max_forwards(request), ==, 71);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request-check/cases", test_cases);
    g_test_add_func("/request-check/long-require", test_long_require);
    g_test_add_func("/request-check/max-forwards", test_max_forwards);
    return g_test_run();
}
