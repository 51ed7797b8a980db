/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/sip/message.h"

#define KEYS                                                                                       \
    "From: \"A\" <sip:200@pbx.example>;tag=from1\r\nTo: <sip:100@gw.example>\r\n"                  \
    "Call-ID: one@192.0.2.1\r\nCSeq: 7 INVITE\r\n"
#define INVITE_VIA(via) "INVITE sip:100@gw.example SIP/2.0\r\nVia: " via "\r\n" KEYS
#define INVITE          INVITE_VIA("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport")

static DmSipFlow
flow_from(const char *source)
{
    DmSipFlow flow = {.transport = DM_TRANSPORT_UDP};

    g_assert_true(dm_address_parse_with_port(&flow.remote, source, 0));
    return flow;
}

static DmSipMessage *
parse_from(const char *text, const char *source, bool *out_faulty)
{
    DmSipFlow flow = flow_from(source);
    DmScan scan;

    g_assert_cmpint(dm_scan(text, strlen(text), false, &scan), ==, DM_SCAN_OK);
    return dm_sip_message_parse(text, strlen(text), &scan, &flow, out_faulty);
}

static DmSipMessage *
parse(const char *text)
{
    bool faulty;
    DmSipMessage *message = parse_from(text, "192.0.2.1:5070", &faulty);

    g_assert_nonnull(message);
    g_assert_false(faulty);
    return message;
}

static char *
print(DmSipMessage *message)
{
    GString *out = g_string_new(NULL);

    g_assert_true(dm_sip_message_print(message, out));
    return g_string_free(out, FALSE);
}

/* Printed and scanned again: what it must be whatever was done to it. */
static void
assert_well_formed(const char *text)
{
    DmScan scan;

    g_assert_cmpstr(dm_scan_verdict_name(dm_scan(text, strlen(text), true, &scan)), ==, "ok");
    g_assert_cmpuint(scan.head_len + scan.body_len, ==, strlen(text));
}

static void
assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        g_test_message("'%s' is not in:\n%s", part, text);
        g_test_fail();
    }
}

static void
test_parse_and_print(void)
{
    g_autoptr(DmSipMessage) message =
        parse(INVITE "Contact: <sip:200@192.0.2.1>\r\nX-Odd:  thing \r\nContent-Type: "
                     "application/sdp\r\n\r\nv=0\r\n");
    g_autofree char *text = print(message);

    g_test_summary("What was parsed prints with the same headers and body, Content-Length added");
    g_assert_cmpint(message->method, ==, DM_METHOD_INVITE);
    g_assert_cmpstr(message->sip->sip_from->a_tag, ==, "from1");
    g_assert_cmpstr(message->sip->sip_request->rq_url->url_user, ==, "100");
    assert_well_formed(text);
    assert_contains(text, "INVITE sip:100@gw.example SIP/2.0\r\n");
    assert_contains(text, "X-Odd: thing\r\n");
    assert_contains(text, "Content-Length: 5\r\n\r\nv=0\r\n");
}

static void
test_folded(void)
{
    g_autoptr(DmSipMessage) message = NULL;
    g_autoptr(DmSipMessage) response = NULL;
    g_autofree char *text = NULL;
    bool faulty;

    g_test_summary("A folded line of a stranger's never becomes a line of its own in ours");

    message =
        parse_from("OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP\r\n 192.0.2.1;branch=z9hG4bKa\r\n"
                   "From: <sip:a@b>\r\n\t;tag=1\r\nTo:\r\n =<sip:c@d>\r\n ; kag = 2\r\n"
                   "Call-ID: x\r\nSubject: one\r\n\ttwo\r\nCSeq: 1\r\n OPTIONS\r\n\r\n",
                   "192.0.2.1:5070",
                   &faulty);
    response = dm_sip_response_new(message, 200, NULL, NULL);
    text = print(response);
    assert_well_formed(text);
    g_assert_null(strstr(text, "\n;"));
    assert_contains(text, "CSeq: 1 OPTIONS\r\n");
}

static void
test_trailing_bytes(void)
{
    g_autoptr(DmSipMessage) message =
        parse(INVITE "Content-Length: 2\r\n\r\nabBYE sip:x SIP/2.0\r\n");

    g_test_summary(
        "What follows the body in a datagram is not part of the message (RFC 4475, 3.1.1.8)");
    g_assert_cmpuint(message->sip->sip_payload->pl_len, ==, 2);
}

static void
test_no_line_break_survives(void)
{
    g_autoptr(DmSipMessage) message = parse(
        INVITE
        "Subject: one\r\n two\r\nReferred-By: sip:a>\r\n b;c\r\nX-Odd: three\n\tfour\r\n\r\n");
    g_autofree char *text = print(message);
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);

    g_test_summary("No line break of a folded header gets into another header (SEC-5)");
    assert_well_formed(text);
    for (char **line = lines; *line != NULL && **line != '\0'; line++) {
        g_assert_null(strpbrk(*line, "\r\n"));
        g_assert_true(strchr(*line, ':') != NULL);
    }
    g_assert_cmpstr(message->sip->sip_subject->g_string, ==, "one   two");
}

static void
test_faulty(void)
{
    static const char *const faulty_lines[] = {
        "Contact: <sip:a@>b\r\n",
        "Max-Forwards: many\r\n",
        "Route: sip:a b\r\n",
        "Content-Type: sdp\r\n",
        "Max-Forwards: 1\r\nMax-Forwards: 2\r\n",
    };
    static const char *const harmless_lines[] = {"Date: tomorrow\r\n",
                                                 "Subject:\r\n",
                                                 "Retry-After: soon\r\n"};
    bool faulty;

    g_test_summary("A fault in a header that matters is noticed, one in another is not held "
                   "against the message");
    for (size_t i = 0; i < G_N_ELEMENTS(faulty_lines); i++) {
        g_autofree char *text = g_strconcat(INVITE, faulty_lines[i], "\r\n", NULL);
        g_autoptr(DmSipMessage) message = parse_from(text, "192.0.2.1:5070", &faulty);

        g_test_message("%s", faulty_lines[i]);
        g_assert_true(message == NULL || faulty);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(harmless_lines); i++) {
        g_autofree char *text = g_strconcat(INVITE, harmless_lines[i], "\r\n", NULL);
        g_autoptr(DmSipMessage) message = parse_from(text, "192.0.2.1:5070", &faulty);

        g_test_message("%s", harmless_lines[i]);
        g_assert_true(message != NULL && !faulty);
    }
}

static void
test_headers_in_request_uri(void)
{
    bool faulty;
    g_autoptr(DmSipMessage) message =
        parse_from("INVITE sip:a@b?Route=%3Csip:c%3E SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n" KEYS "\r\n",
                   "192.0.2.1:1",
                   &faulty);

    g_test_summary("A Request-URI with headers is faulty (RFC 4475, 3.1.2.11)");
    g_assert_true(message == NULL || faulty);
}

static void
test_response(void)
{
    g_autoptr(DmSipMessage) request =
        parse_from(INVITE "Record-Route: <sip:p;lr>\r\nTimestamp: 54\r\n\r\n",
                   "198.51.100.7:6000",
                   &(bool){false});
    g_autoptr(DmSipMessage) trying = dm_sip_response_new(request, 100, NULL, "ours");
    g_autoptr(DmSipMessage) ringing = dm_sip_response_new(request, 180, "Here we go", "ours");
    g_autofree char *trying_text = print(trying);
    g_autofree char *ringing_text = print(ringing);

    g_test_summary("A response copies what RFC 3261, 8.2.6 says, and says where the request came "
                   "from (SIG-25)");
    assert_well_formed(trying_text);
    assert_well_formed(ringing_text);
    assert_contains(trying_text, "SIP/2.0 100 Trying\r\n");
    assert_contains(trying_text, "Timestamp: 54\r\n");
    assert_contains(trying_text, "To: <sip:100@gw.example>\r\n");
    assert_contains(trying_text, "received=198.51.100.7");
    assert_contains(trying_text, "rport=6000");
    g_assert_null(strstr(trying_text, "Record-Route"));
    assert_contains(ringing_text, "SIP/2.0 180 Here we go\r\n");
    assert_contains(ringing_text, "To: <sip:100@gw.example>;tag=ours\r\n");
    assert_contains(ringing_text, "Record-Route: <sip:p;lr>\r\n");
    assert_contains(ringing_text, "CSeq: 7 INVITE\r\n");
}

static const struct {
    const char *via, *source, *expected;
} via_cases[] = {
    {"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc",
     "192.0.2.1:9",
     "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc"},
    {"SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKabc",
     "192.0.2.1:9",
     "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKabc;received=192.0.2.1;rport=9"},
    {"SIP/2.0/UDP pbx;branch=z9hG4bKabc",
     "192.0.2.1:9",
     "SIP/2.0/UDP pbx;branch=z9hG4bKabc;received=192.0.2.1"},
    {"SIP/2.0/UDP pbx;received=9.9.9.9;branch=z9hG4bKabc",
     "192.0.2.1:9",
     "SIP/2.0/UDP pbx;branch=z9hG4bKabc;received=192.0.2.1"},
    {"SIP/2.0/UDP [2001:db8::1]:5080;branch=z9hG4bKabc;rport",
     "[2001:db8::1]:9",
     "SIP/2.0/UDP [2001:db8::1]:5080;branch=z9hG4bKabc;received=2001:db8::1;rport=9"},
    {"SIP/2.0/UDP [2001:db8::1]:5080;branch=z9hG4bKabc",
     "[2001:DB8:0::1]:9",
     "SIP/2.0/UDP [2001:db8::1]:5080;branch=z9hG4bKabc"},
};

static gint
by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Parameters in order of the alphabet: theirs says nothing. */
static GPtrArray *
sorted_params(const char *via)
{
    g_auto(GStrv) params = g_strsplit(via, ";", -1);
    GPtrArray *sorted = g_ptr_array_new_with_free_func(g_free);

    for (char **p = params; *p != NULL; p++) {
        g_ptr_array_add(sorted, g_strdup(*p));
    }
    g_ptr_array_sort(sorted, by_text);
    return sorted;
}

static void
assert_same_via(const char *response, const char *expected)
{
    const char *via = strstr(response, "\r\nVia: ") + strlen("\r\nVia: ");
    g_autofree char *got = g_strndup(via, strcspn(via, "\r"));
    g_autoptr(GPtrArray) a = sorted_params(got);
    g_autoptr(GPtrArray) b = sorted_params(expected);

    g_assert_cmpuint(a->len, ==, b->len);
    for (guint i = 0; i < a->len; i++) {
        g_assert_cmpstr(a->pdata[i], ==, b->pdata[i]);
    }
}

static void
test_via(void)
{
    g_test_summary(
        "received and rport, by both ways of building a response (RFC 3581, RFC 5118 4.5, SIG-25)");
    for (size_t i = 0; i < G_N_ELEMENTS(via_cases); i++) {
        g_autofree char *text =
            g_strdup_printf("INVITE sip:a SIP/2.0\r\nVia: %s\r\n" KEYS "\r\n", via_cases[i].via);
        g_autoptr(DmSipMessage) request = parse_from(text, via_cases[i].source, &(bool){false});
        g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 486, NULL, "x");
        g_autofree char *printed = print(response);
        g_autoptr(GString) raw = g_string_new(NULL);
        DmSipFlow flow = flow_from(via_cases[i].source);
        DmScan scan;

        dm_scan(text, strlen(text), false, &scan);
        g_assert_true(dm_sip_raw_response(text, &scan, &flow, 486, NULL, raw));
        assert_same_via(printed, via_cases[i].expected);
        assert_same_via(raw->str, via_cases[i].expected);
    }
}

static void
test_raw_response(void)
{
    const char *text =
        "INVITE sip:a SIP/7.0\r\nv: SIP/2.0/UDP a.example;branch=1 ,\r\n SIP/2.0/TCP "
        "b.example\r\n" KEYS "Timestamp: 3\r\nVia: SIP/2.0/UDP c.example\r\n\r\n";
    DmSipFlow flow = flow_from("192.0.2.1:5070");
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) again = g_string_new(NULL);
    DmScan scan;

    g_test_summary("A message that is not parsed is answered from its bytes: all Vias, one To tag "
                   "(RFC 3261, 8.2.6)");
    g_assert_cmpint(dm_scan(text, strlen(text), false, &scan), ==, DM_SCAN_BAD_VERSION);
    g_assert_true(dm_sip_raw_response(text, &scan, &flow, 505, NULL, out));
    g_assert_true(dm_sip_raw_response(text, &scan, &flow, 505, NULL, again));
    g_assert_cmpstr(out->str, ==, again->str);
    assert_well_formed(out->str);
    g_assert_true(g_str_has_prefix(out->str,
                                   "SIP/2.0 505 Version Not Supported\r\n"
                                   "Via: SIP/2.0/UDP a.example;branch=1;received=192.0.2.1\r\n"
                                   "Via: SIP/2.0/TCP b.example\r\n"));
    assert_contains(out->str, "\r\nVia: SIP/2.0/UDP c.example\r\n");
    assert_contains(out->str, "\r\nTo: <sip:100@gw.example>;tag=");
    assert_contains(out->str, "\r\nCSeq: 7 INVITE\r\n");
    g_assert_null(strstr(out->str, "Timestamp"));
}

static void
test_raw_response_skips_what_is_not_understood(void)
{
    const char *text = "INVITE sip:a SIP/2.0\r\nVia: bad\rone, SIP/2.0/UDP x\r\nVia: SIP/2.0/UDP "
                       "a.example, SIP/2.0/UDP b\r\n"
                       "CSeq: 7\rINVITE\r\n" KEYS "CSeq: 8 INVITE\r\n\r\n";
    DmSipFlow flow = flow_from("192.0.2.1:5070");
    g_autoptr(GString) out = g_string_new(NULL);
    DmScan scan;

    g_test_summary("Lines that the scanner refused are not repeated, and no header twice (SEC-5)");
    g_assert_cmpint(dm_scan(text, strlen(text), false, &scan), ==, DM_SCAN_BAD_HEADER);
    g_assert_true(dm_sip_raw_response(text, &scan, &flow, 400, NULL, out));
    assert_well_formed(out->str);
    g_assert_null(strstr(out->str, "bad"));
    assert_contains(out->str,
                    "\r\nVia: SIP/2.0/UDP a.example;received=192.0.2.1\r\nVia: SIP/2.0/UDP b\r\n");
    assert_contains(out->str, "\r\nCSeq: 7 INVITE\r\n");
}

static void
test_raw_response_is_refused(void)
{
    const char *text = "INVITE sip:a SIP/2.0\r\nFrom: <sip:a>\r\n\r\n";
    DmSipFlow flow = flow_from("192.0.2.1:5070");
    g_autoptr(GString) out = g_string_new(NULL);
    DmScan scan;

    g_test_summary("A message without the keys of an answer gets none");
    g_assert_cmpint(dm_scan(text, strlen(text), false, &scan), ==, DM_SCAN_NO_KEY);
    g_assert_false(dm_sip_raw_response(text, &scan, &flow, 400, NULL, out));
    g_assert_cmpuint(out->len, ==, 0);
}

static const struct {
    const char *via, *source, *target;
} flow_cases[] = {
    {"SIP/2.0/UDP 192.0.2.1:5070;rport", "192.0.2.1:9", "192.0.2.1:9"},
    {"SIP/2.0/UDP 192.0.2.1:5070", "192.0.2.1:9", "192.0.2.1:5070"},
    {"SIP/2.0/UDP 192.0.2.1", "192.0.2.1:9", "192.0.2.1:5060"},
    {"SIP/2.0/UDP pbx.example:5070", "192.0.2.1:9", "192.0.2.1:5070"},
    {"SIP/2.0/UDP 10.0.0.1:5070", "192.0.2.1:9", "192.0.2.1:9"}, /* behind a NAT */
    {"SIP/2.0/UDP [2001:db8::1] : 5080", "[2001:db8::1]:9", "[2001:db8::1]:5080"},
};

static void
test_response_flow(void)
{
    g_test_summary("A response goes to the source; to which port, the Via says (RFC 3261, 18.2.2; "
                   "RFC 3581, 4)");
    for (size_t i = 0; i < G_N_ELEMENTS(flow_cases); i++) {
        g_autofree char *text =
            g_strdup_printf("INVITE sip:a SIP/2.0\r\nVia: %s\r\n" KEYS "\r\n", flow_cases[i].via);
        DmSipFlow flow = flow_from(flow_cases[i].source);
        DmSipFlow out;
        DmScan scan;
        char target[DM_ADDRESS_TEXT_MAX];

        g_assert_cmpint(dm_scan(text, strlen(text), false, &scan), ==, DM_SCAN_OK);
        dm_sip_response_flow(&scan, &flow, &out);
        g_assert_cmpstr(dm_address_text(&out.remote, target), ==, flow_cases[i].target);
    }
}

static void
test_add(void)
{
    g_autoptr(DmSipMessage) message = parse(INVITE "\r\n");
    g_autofree char *text = NULL;

    g_test_summary("Headers are added from text; none can bring a second one with it (SEC-5)");
    g_assert_true(dm_sip_message_add(message, "X-Thing", "value; with=\"things\""));
    g_assert_true(dm_sip_message_add(message, "Contact", "<sip:gw@192.0.2.9:5060>"));
    g_assert_true(dm_sip_message_add(message, "Max-Forwards", "69"));
    g_assert_false(dm_sip_message_add(message, "X-Bad", "a\r\nTo: <sip:evil>"));
    g_assert_false(dm_sip_message_add(message, "X-Bad", "a\nb"));
    g_assert_false(dm_sip_message_add(message, "X-Bad\r\nTo", "a"));
    g_assert_false(dm_sip_message_add(message, "", "a"));
    g_assert_false(dm_sip_message_add(message, "Content-Length", "many"));
    g_assert_false(dm_sip_message_add(message, "Max-Forwards", "68")); /* there already */
    text = print(message);
    assert_well_formed(text);
    assert_contains(text, "X-Thing: value; with=\"things\"\r\n");
    assert_contains(text, "Contact: <sip:gw@192.0.2.9:5060>\r\n");
    assert_contains(text, "Max-Forwards: 69\r\n");
    g_assert_null(strstr(text, "evil"));
}

static void
test_set_body(void)
{
    g_autoptr(DmSipMessage) message =
        parse(INVITE "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx");
    g_autofree char *with = NULL;
    g_autofree char *without = NULL;

    g_test_summary("A body is replaced and removed, also after printing");
    dm_sip_message_set_body(message, "application/sdp", "v=0\r\n", 5);
    with = print(message);
    assert_well_formed(with);
    assert_contains(with, "Content-Type: application/sdp\r\n");
    assert_contains(with, "\r\n\r\nv=0\r\n");
    dm_sip_message_set_body(message, NULL, NULL, 0);
    without = print(message);
    assert_well_formed(without);
    g_assert_null(strstr(without, "v=0"));
    g_assert_null(strstr(without, "Content-Type"));
    assert_contains(without, "Content-Length: 0\r\n\r\n");
}

static void
test_new(void)
{
    g_autoptr(DmSipMessage) message = dm_sip_message_new();
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *text = NULL;

    g_test_summary("A message made from nothing prints when it has what every message needs");
    g_assert_false(dm_sip_message_print(message, out));
    msg_header_insert(message->msg,
                      (msg_pub_t *)message->sip,
                      (msg_header_t *)sip_request_create(message->home,
                                                         SIP_METHOD_BYE,
                                                         (url_string_t *)"sip:a@b",
                                                         NULL));
    g_assert_true(dm_sip_message_add(message, "From", "<sip:c@d>;tag=1"));
    g_assert_true(dm_sip_message_add(message, "To", "<sip:a@b>;tag=2"));
    g_assert_true(dm_sip_message_add(message, "Call-ID", "x"));
    g_assert_true(dm_sip_message_add(message, "CSeq", "2 BYE"));
    text = print(message);
    g_assert_true(g_str_has_prefix(text, "BYE sip:a@b SIP/2.0\r\n"));
    assert_contains(text, "Content-Length: 0\r\n\r\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-message/parse-and-print", test_parse_and_print);
    g_test_add_func("/sip-message/folded", test_folded);
    g_test_add_func("/sip-message/trailing-bytes", test_trailing_bytes);
    g_test_add_func("/sip-message/no-line-break-survives", test_no_line_break_survives);
    g_test_add_func("/sip-message/faulty", test_faulty);
    g_test_add_func("/sip-message/headers-in-request-uri", test_headers_in_request_uri);
    g_test_add_func("/sip-message/response", test_response);
    g_test_add_func("/sip-message/via", test_via);
    g_test_add_func("/sip-message/raw-response", test_raw_response);
    g_test_add_func("/sip-message/raw-response-skips",
                    test_raw_response_skips_what_is_not_understood);
    g_test_add_func("/sip-message/raw-response-refused", test_raw_response_is_refused);
    g_test_add_func("/sip-message/response-flow", test_response_flow);
    g_test_add_func("/sip-message/add", test_add);
    g_test_add_func("/sip-message/set-body", test_set_body);
    g_test_add_func("/sip-message/new", test_new);
    return g_test_run();
}
