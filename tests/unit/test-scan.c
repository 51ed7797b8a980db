/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/scan.h"

/* A request, in pieces that tests replace. */
#define START   "INVITE sip:100@gw.example SIP/2.0\r\n"
#define VIA     "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKabc;rport\r\n"
#define FROM    "From: \"A, <B>\" <sip:200@pbx.example;tag=not>;tag=from1\r\n"
#define TO      "To: <sip:100@gw.example>\r\n"
#define CALL_ID "Call-ID: one@192.0.2.1\r\n"
#define CSEQ    "CSeq: 7 INVITE\r\n"
#define KEYS    VIA FROM TO CALL_ID CSEQ
#define END     "\r\n"

static void
assert_span(DmSpan span, const char *text)
{
    g_autofree char *copy = g_strndup(span.p != NULL ? span.p : "", span.len);

    g_assert_cmpstr(copy, ==, text);
}

static DmScanVerdict
scan(const char *text, DmScan *out)
{
    return dm_scan(text, strlen(text), false, out);
}

static void
assert_verdict(const char *what, const char *text, DmScanVerdict verdict, bool answerable)
{
    DmScan out;
    DmScanVerdict got = scan(text, &out);

    g_test_message("%s", what);
    g_assert_cmpstr(dm_scan_verdict_name(got), ==, dm_scan_verdict_name(verdict));
    g_assert_cmpint(out.answerable, ==, answerable);
}

static void
test_request(void)
{
    DmScan out;
    const char *text = START KEYS "Content-Length: 4\r\n" END "v=0\nrest";

    g_test_summary("A request's method, keys, tags, branch and lengths are found (RFC 3261, 7)");
    g_assert_cmpint(scan(text, &out), ==, DM_SCAN_OK);
    g_assert_true(out.is_request);
    g_assert_cmpint(out.method, ==, DM_METHOD_INVITE);
    g_assert_cmpuint(out.cseq, ==, 7);
    assert_span(out.uri, "sip:100@gw.example");
    assert_span(out.call_id, "one@192.0.2.1");
    assert_span(out.from, "\"A, <B>\" <sip:200@pbx.example;tag=not>;tag=from1");
    assert_span(out.from_tag, "from1");
    assert_span(out.to_tag, "");
    assert_span(out.branch, "z9hG4bKabc");
    assert_span(out.sent_by, "192.0.2.1:5070");
    g_assert_cmpuint(out.body_len, ==, 4);
    g_assert_cmpmem(text + out.head_len, out.body_len, "v=0\n", 4);
}

static void
test_body_may_begin_with_space(void)
{
    DmScan out;
    const char *text = START KEYS "Content-Length: 6\r\n" END " a\r\n b";

    g_test_summary(
        "What follows the empty line is the body, and continues no header (RFC 3261, 7)");
    for (unsigned is_stream = 0; is_stream < 2; is_stream++) {
        g_assert_cmpint(dm_scan(text, strlen(text), is_stream != 0, &out), ==, DM_SCAN_OK);
        g_assert_cmpmem(text + out.head_len, out.body_len, " a\r\n b", 6);
    }
}

static void
test_response(void)
{
    DmScan out;
    const char *text = "SIP/2.0 180 Ringing\r\n" KEYS END;

    g_test_summary("A response's method is that of its CSeq; it is never answered");
    g_assert_cmpint(scan(text, &out), ==, DM_SCAN_OK);
    g_assert_false(out.is_request);
    g_assert_cmpuint(out.status, ==, 180);
    g_assert_cmpint(out.method, ==, DM_METHOD_INVITE);
    g_assert_false(out.answerable);
}

static void
test_compact_and_folded(void)
{
    DmScan out;
    const char *text = "BYE sip:a@b SIP/2.0\r\n"
                       "v :  SIP / 2.0 / UDP  [2001:db8::1] : 5080 ;\r\n  branch\t=\r\n z9hG4bKx , "
                       "SIP/2.0/UDP other\r\n"
                       "f: sip:a@b;tag=1\r\nt:\r\n <sip:c@d>\r\n ; tag = 2\r\n"
                       "i: x\r\ncseq: 0009\r\n  BYE\r\nl:0\r\n\r\n";

    g_test_summary("Compact names, folded lines and white space everywhere (RFC 3261, 7.3.1; RFC "
                   "4475, 3.1.1.1)");
    g_assert_cmpint(scan(text, &out), ==, DM_SCAN_OK);
    g_assert_cmpint(out.method, ==, DM_METHOD_BYE);
    assert_span(out.branch, "z9hG4bKx");
    assert_span(out.sent_by, "[2001:db8::1] : 5080");
    assert_span(out.from_tag, "1");
    assert_span(out.to_tag, "2");
    assert_span(out.call_id, "x");
    g_assert_cmpuint(out.cseq, ==, 9);
}

static void
test_keepalive(void)
{
    g_test_summary("Empty datagrams and line ends are keep-alives (RFC 5626, 3.5.1)");
    assert_verdict("nothing", "", DM_SCAN_KEEPALIVE, false);
    assert_verdict("pong", "\r\n", DM_SCAN_KEEPALIVE, false);
    assert_verdict("ping", "\r\n\r\n", DM_SCAN_KEEPALIVE, false);
    assert_verdict("line ends before a message", "\r\n" START KEYS END, DM_SCAN_OK, true);
}

static const struct {
    const char *what;
    const char *text;
    DmScanVerdict verdict;
    bool answerable;
} cases[] = {
    {"plain", START KEYS END, DM_SCAN_OK, true},
    {"bare line feeds",
     "ACK sip:a SIP/2.0\nVia: SIP/2.0/UDP h\nFrom: <sip:a>\nTo: <sip:b>\nCall-ID: c\nCSeq: 1 "
     "ACK\n\n",
     DM_SCAN_OK,
     false},
    {"unknown method",
     "FLY sip:a SIP/2.0\r\n" VIA FROM TO CALL_ID "CSeq: 1 FLY\r\n" END,
     DM_SCAN_OK,
     true},
    {"version in lower case", "INVITE sip:a sip/2.0\r\n" KEYS END, DM_SCAN_OK, true},
    {"quoted pair",
     START VIA "From: \"\\\x01\\\"\" <sip:a>\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_OK,
     true},
    {"bytes above 127", START KEYS "Subject: \xc3\xa9\r\n" END, DM_SCAN_OK, true},
    {"no reason phrase", "SIP/2.0 200 \r\n" KEYS END, DM_SCAN_OK, false},

    {"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", DM_SCAN_NOT_SIP, false},
    {"noise", "\x16\x03\x01 hello", DM_SCAN_NOT_SIP, false},
    {"control character in the start line",
     "INVITE sip:\x01 SIP/2.0\r\n" KEYS END,
     DM_SCAN_NOT_SIP,
     false},
    {"no version", "INVITE sip:a\r\n" KEYS END, DM_SCAN_NOT_SIP, true},
    {"only a method", "INVITE \r\n" KEYS END, DM_SCAN_NOT_SIP, true},
    {"version 3", "INVITE sip:a SIP/3.0\r\n" KEYS END, DM_SCAN_BAD_VERSION, true},
    {"response of version 3", "SIP/3.0 200 OK\r\n" KEYS END, DM_SCAN_BAD_VERSION, false},
    {"two spaces", "INVITE  sip:a SIP/2.0\r\n" KEYS END, DM_SCAN_BAD_START, true},
    {"space at the end", "INVITE sip:a SIP/2.0 \r\n" KEYS END, DM_SCAN_BAD_START, true},
    {"space in the URI", "INVITE sip:a; lr SIP/2.0\r\n" KEYS END, DM_SCAN_BAD_START, true},
    {"URI in brackets", "INVITE <sip:a> SIP/2.0\r\n" KEYS END, DM_SCAN_BAD_START, true},
    {"status 99", "SIP/2.0 099 x\r\n" KEYS END, DM_SCAN_BAD_STATUS, false},
    {"status 700", "SIP/2.0 700 x\r\n" KEYS END, DM_SCAN_BAD_STATUS, false},
    {"status beyond 32 bits", "SIP/2.0 4294967301 x\r\n" KEYS END, DM_SCAN_BAD_STATUS, false},

    {"headers that do not end", START KEYS, DM_SCAN_INCOMPLETE, false},
    {"no colon", START KEYS "Subject\r\n" END, DM_SCAN_BAD_HEADER, true},
    {"no name", START KEYS ": x\r\n" END, DM_SCAN_BAD_HEADER, true},
    {"space in a name", START KEYS "Sub ject: x\r\n" END, DM_SCAN_BAD_HEADER, true},
    {"lone carriage return", START KEYS "Subject: a\rTo: b\r\n" END, DM_SCAN_BAD_HEADER, true},
    {"control character", START KEYS "Subject: a\x01\r\n" END, DM_SCAN_BAD_HEADER, true},
    {"escape that is escaped itself",
     START KEYS "Subject: \"\\\\\x01\"\r\n" END,
     DM_SCAN_BAD_HEADER,
     true},
    {"DEL", START KEYS "Subject: a\x7f\r\n" END, DM_SCAN_BAD_HEADER, true},
    {"quote that does not end",
     START VIA "From: \"a <sip:a>\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"bracket that does not end",
     START VIA "From: <sip:a\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"comma in a display name",
     START VIA "From: Bell, A <sip:a>\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"white space in a URI",
     START VIA "From: <sip:a b>\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"line break in a URI",
     START VIA "From: <sip:a\r\n b>\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"bracket that does not begin",
     START VIA "From: sip:a>\r\n ;x=y\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"display name without brackets",
     START VIA "From: \"A\" sip:a\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"empty brackets", START KEYS "Contact: <>\r\n" END, DM_SCAN_BAD_HEADER, true},
    {"two tags",
     START VIA "From: <sip:a>;tag=1;tag=2\r\n" TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"empty tag", START VIA "From: <sip:a>;tag=\r\n" TO CALL_ID CSEQ END, DM_SCAN_BAD_HEADER, true},
    {"space in Call-ID", START VIA FROM TO "Call-ID: a b\r\n" CSEQ END, DM_SCAN_BAD_HEADER, true},
    {"URI headers outside brackets",
     START KEYS "Contact: sip:a@b?Route=%3Csip:c%3E\r\n" END,
     DM_SCAN_BAD_HEADER,
     true},
    {"separators in Via",
     START "Via: SIP/2.0/UDP h;;,;\r\n" FROM TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"Via without sent-by",
     START "Via: SIP/2.0/UDP;branch=a\r\n" FROM TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},
    {"Via without protocol",
     START "Via: host\r\n" FROM TO CALL_ID CSEQ END,
     DM_SCAN_BAD_HEADER,
     true},

    {"no Via", START FROM TO CALL_ID CSEQ END, DM_SCAN_NO_KEY, false},
    {"empty Via", START "Via: \r\n" FROM TO CALL_ID CSEQ END, DM_SCAN_BAD_HEADER, false},
    {"no From", START VIA TO CALL_ID CSEQ END, DM_SCAN_NO_KEY, true},
    {"no To", START VIA FROM CALL_ID CSEQ END, DM_SCAN_NO_KEY, true},
    {"no Call-ID", START VIA FROM TO CSEQ END, DM_SCAN_NO_KEY, true},
    {"no CSeq", START VIA FROM TO CALL_ID END, DM_SCAN_NO_KEY, true},
    {"empty Call-ID", START VIA FROM TO "Call-ID:\r\n" CSEQ END, DM_SCAN_NO_KEY, true},
    {"two Call-IDs", START KEYS CALL_ID END, DM_SCAN_NO_KEY, true},
    {"two Froms", START KEYS FROM END, DM_SCAN_NO_KEY, true},
    {"two CSeqs", START KEYS CSEQ END, DM_SCAN_NO_KEY, true},

    {"CSeq of another method",
     START VIA FROM TO CALL_ID "CSeq: 7 BYE\r\n" END,
     DM_SCAN_BAD_CSEQ,
     true},
    {"CSeq of another case",
     START VIA FROM TO CALL_ID "CSeq: 7 invite\r\n" END,
     DM_SCAN_BAD_CSEQ,
     true},
    {"CSeq of 2^31",
     START VIA FROM TO CALL_ID "CSeq: 2147483648 INVITE\r\n" END,
     DM_SCAN_BAD_CSEQ,
     true},
    {"CSeq beyond 64 bits",
     START VIA FROM TO CALL_ID "CSeq: 36893488147419103232 INVITE\r\n" END,
     DM_SCAN_BAD_CSEQ,
     true},
    {"CSeq without number",
     START VIA FROM TO CALL_ID "CSeq: INVITE\r\n" END,
     DM_SCAN_BAD_CSEQ,
     true},
    {"CSeq without method", START VIA FROM TO CALL_ID "CSeq: 7\r\n" END, DM_SCAN_BAD_CSEQ, true},

    {"length larger than the datagram",
     START KEYS "Content-Length: 5\r\n" END "1234",
     DM_SCAN_BAD_LENGTH,
     true},
    {"negative length", START KEYS "Content-Length: -1\r\n" END, DM_SCAN_BAD_LENGTH, true},
    {"length with a sign", START KEYS "Content-Length: +0\r\n" END, DM_SCAN_BAD_LENGTH, true},
    {"length beyond 64 bits",
     START KEYS "Content-Length: 18446744073709551616\r\n" END,
     DM_SCAN_BAD_LENGTH,
     true},
    {"two lengths", START KEYS "Content-Length: 0\r\nl: 0\r\n" END, DM_SCAN_BAD_LENGTH, true},
};

static void
test_cases(void)
{
    g_test_summary("What a datagram is, and whether it can be answered (SIG-3, SIG-4, SEC-5)");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_verdict(cases[i].what, cases[i].text, cases[i].verdict, cases[i].answerable);
    }
}

static void
test_nul(void)
{
    static const char quoted[] = START VIA "From: \"\\\0\" <sip:a>\r\n" TO CALL_ID CSEQ END;
    static const char bare[] = START KEYS "Subject: a\0b\r\n" END;
    DmScan out;

    g_test_summary("A NUL passes only as a quoted pair (RFC 4475, 3.1.1.2)");
    g_assert_cmpint(dm_scan(quoted, sizeof(quoted) - 1, false, &out), ==, DM_SCAN_OK);
    g_assert_cmpint(dm_scan(bare, sizeof(bare) - 1, false, &out), ==, DM_SCAN_BAD_HEADER);
}

static void
assert_many(const char *line, unsigned n, DmScanVerdict verdict)
{
    g_autoptr(GString) text = g_string_new(START KEYS);
    DmScan out;

    for (unsigned i = 0; i < n; i++) {
        g_string_append(text, line);
    }
    g_string_append(text, END);
    g_test_message("%u times %.20s", n, line);
    g_assert_cmpint(dm_scan(text->str, text->len, false, &out), ==, verdict);
}

static void
test_limits(void)
{
    g_autofree char *wide = g_strnfill(DM_SIP_MAX_LINE, 'a');
    g_autofree char *line = g_strdup_printf("Subject: %s\r\n", wide);
    g_autofree char *start = g_strdup_printf("INVITE sip:%s SIP/2.0\r\n" KEYS END, wide);
    g_autofree char *huge = g_strnfill(DM_SIP_MAX_MESSAGE + 1, 'a');
    DmScan out;

    g_test_summary("Nothing in a message is without limit (SEC-5)");
    assert_many("Via: SIP/2.0/UDP h\r\n", DM_SIP_MAX_VIAS - 1, DM_SCAN_OK);
    assert_many("Via: SIP/2.0/UDP h\r\n", DM_SIP_MAX_VIAS, DM_SCAN_TOO_MANY);
    assert_many("v: a, b, c, d\r\n", DM_SIP_MAX_VIAS / 4, DM_SCAN_TOO_MANY);
    assert_many("Route: <sip:a,b>\r\n", DM_SIP_MAX_ROUTES, DM_SCAN_OK);
    assert_many("Route: <sip:a>\r\n", DM_SIP_MAX_ROUTES + 1, DM_SCAN_TOO_MANY);
    assert_many("m: <sip:a>\r\n", DM_SIP_MAX_CONTACTS + 1, DM_SCAN_TOO_MANY);
    assert_many("X: y\r\n", DM_SIP_MAX_HEADERS - 5, DM_SCAN_OK);
    assert_many("X: y\r\n", DM_SIP_MAX_HEADERS, DM_SCAN_TOO_MANY);
    assert_many(line, 1, DM_SCAN_TOO_LONG);
    g_assert_cmpint(scan(start, &out), ==, DM_SCAN_TOO_LONG);
    g_assert_cmpint(scan(huge, &out), ==, DM_SCAN_TOO_LONG);
}

static void
test_too_many_vias_are_not_answered(void)
{
    g_autoptr(GString) text = g_string_new(START KEYS);
    DmScan out;

    g_test_summary("An answer that could not carry every Via back is not given");
    for (unsigned i = 0; i < DM_SIP_MAX_VIAS; i++) {
        g_string_append(text, VIA);
    }
    g_string_append(text, END);
    g_assert_cmpint(dm_scan(text->str, text->len, false, &out), ==, DM_SCAN_TOO_MANY);
    g_assert_false(out.answerable);
}

static void
test_stream(void)
{
    const char *text = START KEYS "Content-Length: 4\r\n" END "v=0\nNEXT";
    size_t whole = strlen(text) - 4;
    DmScan out;

    g_test_summary("On a stream a message is incomplete until its last byte, and the next may "
                   "follow (SIG-24)");
    for (size_t len = 1; len < whole; len++) {
        g_assert_cmpint(dm_scan(text, len, true, &out), ==, DM_SCAN_INCOMPLETE);
    }
    g_assert_cmpint(dm_scan(text, whole + 4, true, &out), ==, DM_SCAN_OK);
    g_assert_cmpuint(out.head_len + out.body_len, ==, whole);
    g_assert_cmpint(dm_scan("\r", 1, true, &out), ==, DM_SCAN_INCOMPLETE);
    g_assert_cmpint(dm_scan("\r\n\r\n", 4, true, &out), ==, DM_SCAN_KEEPALIVE);
    g_assert_cmpuint(out.head_len, ==, 4);
}

static void
test_stream_limits(void)
{
    g_autofree char *line = g_strnfill(DM_SIP_MAX_LINE + 1, 'a');
    g_autoptr(GString) endless = g_string_new(START KEYS);
    DmScan out;

    g_test_summary(
        "A stream needs Content-Length and cannot make us collect for ever (SIG-24, SEC-5)");
    g_assert_cmpint(dm_scan(START KEYS END, strlen(START KEYS END), true, &out),
                    ==,
                    DM_SCAN_BAD_LENGTH);
    g_assert_cmpint(dm_scan(line, strlen(line), true, &out), ==, DM_SCAN_TOO_LONG);
    while (endless->len < DM_SIP_MAX_MESSAGE) {
        g_string_append(endless, "X: y\r\n");
    }
    g_assert_cmpint(dm_scan(endless->str, endless->len, true, &out), ==, DM_SCAN_TOO_MANY);
    g_string_assign(endless, START KEYS "Content-Length: 65535\r\n\r\n");
    g_assert_cmpint(dm_scan(endless->str, endless->len, true, &out), ==, DM_SCAN_TOO_LONG);
}

static void
test_names(void)
{
    g_test_summary("Methods and verdicts have names");
    g_assert_cmpstr(dm_method_name(DM_METHOD_PUBLISH), ==, "PUBLISH");
    g_assert_cmpstr(dm_method_name(DM_METHOD_OTHER), ==, "other");
    for (unsigned i = 0; i < DM_N_SCAN_VERDICTS; i++) {
        g_assert_nonnull(dm_scan_verdict_name((DmScanVerdict)i));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scan/request", test_request);
    g_test_add_func("/scan/body-begins-with-space", test_body_may_begin_with_space);
    g_test_add_func("/scan/response", test_response);
    g_test_add_func("/scan/compact-and-folded", test_compact_and_folded);
    g_test_add_func("/scan/keepalive", test_keepalive);
    g_test_add_func("/scan/cases", test_cases);
    g_test_add_func("/scan/nul", test_nul);
    g_test_add_func("/scan/limits", test_limits);
    g_test_add_func("/scan/too-many-vias", test_too_many_vias_are_not_answered);
    g_test_add_func("/scan/stream", test_stream);
    g_test_add_func("/scan/stream-limits", test_stream_limits);
    g_test_add_func("/scan/names", test_names);
    return g_test_run();
}
