/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_span(DmSpan span, const char *data, size_t size)
{
    if (span.p != NULL) {
        g_assert_true(span.p >= data && span.p + span.len <= data + size);
    }
}

static void
check(const DmScan *scan, DmScanVerdict verdict, const char *data, size_t size)
{
    const DmSpan spans[] = {
        scan->method_text,
        scan->uri,
        scan->call_id,
        scan->from,
        scan->from_tag,
        scan->to,
        scan->to_tag,
        scan->via,
        scan->sent_by,
        scan->branch,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(spans); i++) {
        check_span(spans[i], data, size);
    }
    g_assert_cmpuint(scan->head_len, <=, size);
    if (verdict == DM_SCAN_OK) {
        g_assert_cmpuint(scan->head_len + scan->body_len, <=, size);
        g_assert_true(scan->call_id.len > 0 && scan->from.len > 0 && scan->to.len > 0 &&
                      scan->via.len > 0);
        g_assert_true(scan->is_request || (scan->status >= 100 && scan->status <= 699));
    }
    if (scan->answerable) {
        g_assert_true(scan->is_request && scan->method != DM_METHOD_ACK);
    }
}

/* What is good on a stream is good as a datagram, and means the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    DmScan datagram;
    DmScan stream;
    DmScanVerdict as_datagram = dm_scan(text, size, false, &datagram);
    DmScanVerdict as_stream = dm_scan(text, size, true, &stream);

    check(&datagram, as_datagram, text, size);
    check(&stream, as_stream, text, size);
    if (as_stream == DM_SCAN_OK && size <= DM_SIP_MAX_MESSAGE) {
        g_assert_cmpint(as_datagram, ==, DM_SCAN_OK);
        g_assert_cmpmem(&datagram, sizeof(datagram), &stream, sizeof(stream));
    }
    return 0;
}
