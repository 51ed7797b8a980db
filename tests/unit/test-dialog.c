/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/dialog.h"
#include "tests/lib/sip-text.h"

/* A wire that reaches everything. */
static bool
flow_to(void *wire,
        int listener,
        DmTransport transport,
        const DmAddress *remote,
        DmSipFlow *out_flow)
{
    *out_flow = (DmSipFlow){.transport = transport, .remote = *remote};
    return true;
}
static const DmSipWireOps wire_ops = {.flow_to = flow_to};
static const DmSipWire wire = {.ops = &wire_ops};

#define OK(contact, routes)                                                                        \
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKx\r\n" routes                   \
    "From: <sip:1@us.example>;tag=ours\r\nTo: <sip:2@them.example>;tag=theirs\r\n"                 \
    "Call-ID: id\r\nCSeq: 5 INVITE\r\nContact: " contact "\r\nContent-Length: 0\r\n\r\n"

static char *
request_of(DmDialog *dialog, DmSipMethod method)
{
    g_autoptr(DmSipMessage) request = dm_dialog_request(dialog, method, 5);

    return sip_text_print(request);
}

static char *
destination(DmDialog *dialog)
{
    char text[DM_ADDRESS_TEXT_MAX];
    DmSipFlow flow;

    dm_dialog_flow(dialog, &wire, &flow);
    return g_strdup(dm_address_text(&flow.remote, text));
}

static void
test_caller(void)
{
    g_autoptr(DmSipMessage) ok = sip_text_parse(
        OK("<sip:2@192.0.2.9:5090>",
           "Record-Route: <sip:192.0.2.8;lr>;x=y, <sip:192.0.2.7;lr>;a=b;c;d=e\r\n"));
    DmDialog *dialog = dm_dialog_new_uac(ok);
    g_autofree char *ack = request_of(dialog, DM_METHOD_ACK);
    g_autofree char *bye = request_of(dialog, DM_METHOD_BYE);
    g_autofree char *to = destination(dialog);

    g_test_summary("SIG-5: ACK goes to the Contact of the 2xx, by its Record-Route reversed");
    sip_text_assert_has(ack, "ACK sip:2@192.0.2.9:5090 SIP/2.0\r\n");
    sip_text_assert_has(ack, "Route: <sip:192.0.2.7;lr>");
    sip_text_assert_has(ack, "CSeq: 5 ACK\r\n");
    sip_text_assert_has(ack, "From: <sip:1@us.example>;tag=ours\r\n");
    sip_text_assert_has(ack, "To: <sip:2@them.example>;tag=theirs\r\n");
    g_assert_true(strstr(ack, "192.0.2.7") < strstr(ack, "192.0.2.8"));
    sip_text_assert_has(bye, "CSeq: 6 BYE\r\n");
    g_assert_cmpstr(to, ==, "192.0.2.7:5060");
    dm_dialog_free(dialog);
}

static void
test_strict_route(void)
{
    g_autoptr(DmSipMessage) ok =
        sip_text_parse(OK("<sip:2@192.0.2.9>", "Record-Route: <sip:192.0.2.8>\r\n"));
    DmDialog *dialog = dm_dialog_new_uac(ok);
    g_autofree char *bye = request_of(dialog, DM_METHOD_BYE);

    g_test_summary("a strict router becomes the Request-URI, and the target ends the route");
    sip_text_assert_has(bye, "BYE sip:192.0.2.8 SIP/2.0\r\n");
    sip_text_assert_has(bye, "Route: <sip:2@192.0.2.9");
    dm_dialog_free(dialog);
}

/* Parameters behind the brackets, or without any, are of the header (RFC 3261, 20): what such
 * proxies mean is the URI. */
static void
test_lr_outside(void)
{
    g_autoptr(DmSipMessage) ok = sip_text_parse(
        OK("<sip:2@192.0.2.9>", "Record-Route: <sip:192.0.2.8>;lr, <sip:192.0.2.7>\r\n"));
    g_autoptr(DmSipMessage) invite = sip_text_parse(
        "INVITE sip:1@us.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKy\r\n"
        "Record-Route: sip:192.0.2.8;lr=on, sip:192.0.2.7\r\n"
        "From: <sip:2@them.example>;tag=theirs\r\nTo: <sip:1@us.example>\r\n"
        "Call-ID: id\r\nCSeq: 10 INVITE\r\nContact: <sip:2@192.0.2.9>\r\n"
        "Content-Length: 0\r\n\r\n");
    DmDialog *called = dm_dialog_new_uas(invite, "ours");
    DmDialog *caller = dm_dialog_new_uac(ok);
    g_autofree char *bye = request_of(called, DM_METHOD_BYE);
    g_autofree char *ack = request_of(caller, DM_METHOD_ACK);

    g_test_summary("SIG-5: lr outside the brackets, and none at the next hop");
    sip_text_assert_has(bye, "BYE sip:2@192.0.2.9 SIP/2.0\r\n");
    sip_text_assert_has(bye, "Route: <sip:192.0.2.8;lr=on>");
    sip_text_assert_has(bye, "<sip:192.0.2.7>");
    sip_text_assert_has(ack, "ACK sip:192.0.2.7 SIP/2.0\r\n");
    sip_text_assert_has(ack, "Route: <sip:192.0.2.8;lr>");
    dm_dialog_free(called);
    dm_dialog_free(caller);
}

static const char invite_text[] = "INVITE sip:1@us.example SIP/2.0\r\n"
                                  "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKy\r\n"
                                  "Record-Route: <sip:192.0.2.8;lr>\r\n"
                                  "Record-Route: <sip:192.0.2.7;lr>\r\n"
                                  "From: <sip:2@them.example>;tag=theirs\r\n"
                                  "To: <sip:1@us.example>\r\n"
                                  "Call-ID: id\r\nCSeq: 10 INVITE\r\n"
                                  "Contact: <sip:2@10.0.0.1>\r\nContent-Length: 0\r\n\r\n";

static DmSipMessage *
in_dialog(const char *method, unsigned cseq, const char *to_tag, const char *contact)
{
    g_autofree char *text = g_strdup_printf("%s sip:1@us.example SIP/2.0\r\n"
                                            "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKz\r\n"
                                            "From: <sip:2@them.example>;tag=theirs\r\n"
                                            "To: <sip:1@us.example>;tag=%s\r\n"
                                            "Call-ID: id\r\nCSeq: %u %s\r\n"
                                            "%sContent-Length: 0\r\n\r\n",
                                            method,
                                            to_tag,
                                            cseq,
                                            method,
                                            contact);

    return sip_text_parse(text);
}

static void
test_called(void)
{
    g_autoptr(DmSipMessage) invite = sip_text_parse(invite_text);
    DmDialog *dialog = dm_dialog_new_uas(invite, "ours");
    g_autofree char *bye = request_of(dialog, DM_METHOD_BYE);

    g_test_summary("a called side sends by the Record-Route as it stands, parties exchanged");
    sip_text_assert_has(bye, "BYE sip:2@10.0.0.1 SIP/2.0\r\n");
    g_assert_true(strstr(bye, "192.0.2.8") < strstr(bye, "192.0.2.7"));
    sip_text_assert_has(bye, "From: <sip:1@us.example>;tag=ours\r\n");
    sip_text_assert_has(bye, "To: <sip:2@them.example>;tag=theirs\r\n");
    dm_dialog_free(dialog);
}

static void
test_cseq(void)
{
    g_autoptr(DmSipMessage) invite = sip_text_parse(invite_text);
    g_autoptr(DmSipMessage) lower = in_dialog("INFO", 9, "ours", "");
    g_autoptr(DmSipMessage) higher = in_dialog("INFO", 12, "ours", "");
    DmDialog *dialog = dm_dialog_new_uas(invite, "ours");

    g_test_summary("SIG-13: a CSeq that is not higher than the last is old");
    g_assert_cmpint(dm_dialog_take_cseq(dialog, lower), ==, DM_CSEQ_OLD);
    g_assert_cmpint(dm_dialog_take_cseq(dialog, higher), ==, DM_CSEQ_OK);
    g_assert_cmpint(dm_dialog_take_cseq(dialog, higher), ==, DM_CSEQ_OLD);
    dm_dialog_free(dialog);
}

static void
test_owner(void)
{
    g_autoptr(DmSipMessage) invite = sip_text_parse(invite_text);
    g_autoptr(DmSipMessage) ours = in_dialog("BYE", 11, "ours", "");
    g_autoptr(DmSipMessage) other = in_dialog("BYE", 11, "other", "");
    DmDialog *dialog = dm_dialog_new_uas(invite, "ours");

    g_test_summary("a request belongs to the dialog whose tags it names");
    g_assert_true(dm_dialog_owns_request(dialog, ours));
    g_assert_false(dm_dialog_owns_request(dialog, other));
    dm_dialog_free(dialog);
}

static void
test_target_refresh(void)
{
    g_autoptr(DmSipMessage) ok = sip_text_parse(OK("<sip:2@192.0.2.9>", ""));
    g_autoptr(DmSipMessage) moved =
        in_dialog("INVITE", 11, "ours", "Contact: <sip:2@203.0.113.5:5099>\r\n");
    g_autoptr(DmSipMessage) silent = in_dialog("INVITE", 12, "ours", "");
    DmDialog *dialog = dm_dialog_new_uac(ok);
    g_autofree char *to = NULL;

    g_test_summary("a re-INVITE moves the remote target; one without Contact does not");
    dm_dialog_refresh_target(dialog, moved);
    dm_dialog_refresh_target(dialog, silent);
    to = destination(dialog);
    g_assert_cmpstr(to, ==, "203.0.113.5:5099");
    dm_dialog_free(dialog);
}

static void
test_destination(void)
{
    static const struct {
        const char *contact, *to;
    } cases[] = {
        {"<sip:2@10.0.0.1:5099>", "192.0.2.1:5060"},  /* the inside of a NAT */
        {"<sip:2@127.0.0.1:5099>", "192.0.2.1:5060"}, /* ourselves */
        {"<sip:2@0.0.0.0>", "192.0.2.1:5060"},
        {"<sip:2@name.example:5099>", "192.0.2.1:5060"}, /* never looked up here */
        {"<sip:2@192.0.2.77:99999>", "192.0.2.77:5060"},
        {"<sip:2@[2001:db8::7]:5066>", "[2001:db8::7]:5066"},
    };

    g_test_summary("requests follow the Contact unless it cannot be true");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(OK("%s", ""), cases[i].contact);
        g_autoptr(DmSipMessage) ok = sip_text_parse(text);
        DmDialog *dialog = dm_dialog_new_uac(ok);
        g_autofree char *to = destination(dialog);

        g_assert_cmpstr(to, ==, cases[i].to);
        dm_dialog_free(dialog);
    }
}

static void
test_bad_target(void)
{
    static const char *const contacts[] = {
        "<sip:2@them.example491> x",
        "<tel:+44>",
        "<sip:2@a\xf8\xff.example>",
        "<mailto:x@y.example>",
        "<sip:u@19/.0.2.10sip:c@h>", /* reads well, and no more once it is printed */
    };

    g_test_summary("SEC-5: what cannot stand in a request line is not put there");
    for (unsigned i = 0; i < G_N_ELEMENTS(contacts); i++) {
        g_autofree char *text =
            g_strdup_printf(OK("%s", "Record-Route: <tel:+1>\r\n"), contacts[i]);
        DmSipFlow flow = {.transport = DM_TRANSPORT_UDP};
        g_autoptr(DmSipMessage) ok = NULL;
        bool faulty;
        DmScan scan;

        dm_address_parse_with_port(&flow.remote, "192.0.2.1", 5060);
        if (dm_scan(text, strlen(text), false, &scan) == DM_SCAN_OK) {
            ok = dm_sip_message_parse(text, strlen(text), &scan, &flow, &faulty);
        }
        if (ok != NULL && !faulty) {
            DmDialog *dialog = dm_dialog_new_uac(ok);
            g_autofree char *bye = request_of(dialog, DM_METHOD_BYE);

            sip_text_assert_has(bye, "BYE sip:2@them.example SIP/2.0\r\n");
            sip_text_assert_lacks(bye, "Route:");
            dm_dialog_free(dialog);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dialog/caller", test_caller);
    g_test_add_func("/dialog/strict-route", test_strict_route);
    g_test_add_func("/dialog/lr-outside", test_lr_outside);
    g_test_add_func("/dialog/called", test_called);
    g_test_add_func("/dialog/cseq", test_cseq);
    g_test_add_func("/dialog/owner", test_owner);
    g_test_add_func("/dialog/target-refresh", test_target_refresh);
    g_test_add_func("/dialog/destination", test_destination);
    g_test_add_func("/dialog/bad-target", test_bad_target);
    return g_test_run();
}
