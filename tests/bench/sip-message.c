/* SPDX-License-Identifier: Apache-2.0 */
/* What an INVITE of about 850 bytes costs: to look at, to parse, to answer, to print. */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "gateway/sip/message.h"

#define ROUNDS 200000

static const char invite[] =
    "INVITE sip:+442079460000@203.0.113.20:5060;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---a7d5e1f3c9;rport\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:201@192.0.2.10:5060>\r\n"
    "To: <sip:+442079460000@203.0.113.20;user=phone>\r\n"
    "From: \"Front desk\" <sip:201@192.0.2.10>;tag=9fxced76sl\r\n"
    "Call-ID: 3848276298220188511@192.0.2.10\r\n"
    "CSeq: 1 INVITE\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY\r\n"
    "Supported: replaces, timer, 100rel\r\n"
    "User-Agent: ExamplePBX/20.5.1\r\n"
    "P-Asserted-Identity: \"Front desk\" <sip:+442079461111@192.0.2.10>\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 229\r\n"
    "\r\n"
    "v=0\r\n"
    "o=- 13760799956958020 13760799956958020 IN IP4 192.0.2.10\r\n"
    "s=call\r\n"
    "c=IN IP4 192.0.2.10\r\n"
    "t=0 0\r\n"
    "m=audio 12000 RTP/AVP 8 0 101\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=ptime:20\r\n"
    "a=sendrecv\r\n";

static DmScan scan;
static DmSipFlow flow = {.transport = DM_TRANSPORT_UDP};

static void
scan_once(void)
{
    if (dm_scan(invite, sizeof(invite) - 1, false, &scan) != DM_SCAN_OK) {
        g_error("the message is bad");
    }
}

static void
parse_once(void)
{
    bool faulty;

    dm_sip_message_free(dm_sip_message_parse(invite, sizeof(invite) - 1, &scan, &flow, &faulty));
}

static void
answer_once(void)
{
    static GString *out;

    if (out == NULL) {
        out = g_string_sized_new(1024);
    }
    g_string_truncate(out, 0);
    dm_sip_raw_response(invite, &scan, &flow, 100, NULL, out);
}

static void
parse_answer_and_print_once(void)
{
    static GString *out;
    bool faulty;
    g_autoptr(DmSipMessage) request =
        dm_sip_message_parse(invite, sizeof(invite) - 1, &scan, &flow, &faulty);
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 180, NULL, "tag");

    if (out == NULL) {
        out = g_string_sized_new(1024);
    }
    g_string_truncate(out, 0);
    dm_sip_message_print(response, out);
}

static void
measure(const char *name, void (*func)(void))
{
    double best_ns = 1e12;

    for (unsigned round = 0; round < 5; round++) {
        gint64 start_us = g_get_monotonic_time();

        for (unsigned i = 0; i < ROUNDS / 5; i++) {
            func();
        }
        best_ns = MIN(best_ns, (double)(g_get_monotonic_time() - start_us) * 1000.0 * 5 / ROUNDS);
    }
    printf("%s %.0f ns\n", name, best_ns);
}

int
main(void)
{
    dm_address_parse(&flow.remote, "192.0.2.10", 5060);
    printf("sip_invite_size %zu bytes\n", sizeof(invite) - 1);
    measure("sip_scan", scan_once);
    measure("sip_parse_and_free", parse_once);
    measure("sip_raw_100", answer_once);
    measure("sip_parse_answer_print_free", parse_answer_and_print_once);
    return 0;
}
