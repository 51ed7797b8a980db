/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever came in, what goes out is a message that the scanner takes, and nothing follows it. */
static void
check_output(const GString *out)
{
    DmScan scan;
    DmScanVerdict verdict = dm_scan(out->str, out->len, true, &scan);

    if (out->len > DM_SIP_MAX_MESSAGE) {
        return;
    }
    if (verdict != DM_SCAN_OK || scan.head_len + scan.body_len != out->len) {
        g_error("%s: %s", dm_scan_verdict_name(verdict), out->str);
    }
}

static void
answer_raw(const char *text, const DmScan *scan, const DmSipFlow *flow)
{
    g_autoptr(GString) out = g_string_new(NULL);
    DmSipFlow back;
    DmScan answer;

    dm_sip_response_flow(scan, flow, &back);
    g_assert_true(dm_address_same_host(&back.remote, &flow->remote));
    if (dm_sip_raw_response(text, scan, flow, 400, NULL, out)) {
        g_assert_true(scan->answerable);
        /* a bad request may leave its faults in the answer, but never a second message */
        dm_scan(out->str, out->len, true, &answer);
        g_assert_cmpuint(answer.status, ==, 400);
        g_assert_cmpuint(answer.head_len, ==, out->len);
    }
}

static void
answer_parsed(DmSipMessage *request)
{
    static const unsigned codes[] = {100, 180, 200, 486};

    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        g_autoptr(DmSipMessage) response = dm_sip_response_new(request, codes[i], NULL, "tag");
        g_autoptr(GString) out = g_string_new(NULL);

        if (codes[i] == 200) {
            dm_sip_message_set_body(response, "application/sdp", "v=0\r\n", 5);
        }
        g_assert_true(dm_sip_message_print(response, out));
        check_output(out);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    DmSipFlow flow = {.transport = DM_TRANSPORT_UDP};
    g_autoptr(DmSipMessage) message = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    DmScan scan;
    DmScanVerdict verdict = dm_scan(text, size, false, &scan);
    bool faulty = false;

    dm_address_parse(&flow.remote, "192.0.2.1", 5060);
    answer_raw(text, &scan, &flow);
    if (verdict != DM_SCAN_OK) {
        return 0;
    }
    message = dm_sip_message_parse(text, size, &scan, &flow, &faulty);
    if (message == NULL || faulty) {
        return 0;
    }
    if (scan.is_request) {
        answer_parsed(message);
    }
    if (dm_sip_message_print(message, out)) {
        check_output(out);
    }
    return 0;
}
