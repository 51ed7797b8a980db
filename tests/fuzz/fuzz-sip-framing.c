/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/scan.h"
#include "gateway/sip/transport/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The messages, pings ("\r\n\r\n") and the end, in a row. */
static void
feed(DmFraming *framing, const uint8_t *data, size_t len, GString *story)
{
    DmSpan message;
    DmFrameVerdict verdict;
    DmScan scan;

    dm_framing_add(framing, data, len);
    while ((verdict = dm_framing_next(framing, &message)) == DM_FRAME_MESSAGE ||
           verdict == DM_FRAME_PING) {
        g_string_append_len(story,
                            verdict == DM_FRAME_PING ? "\r\n\r\n" : message.p,
                            verdict == DM_FRAME_PING ? 4 : (gssize)message.len);
        g_string_append_c(story, '|');
        if (verdict == DM_FRAME_MESSAGE &&
            dm_scan(message.p, message.len, true, &scan) == DM_SCAN_OK) {
            /* framing and scanner see one and the same message */
            g_assert_cmpuint(scan.head_len + scan.body_len, ==, message.len);
        }
    }
    if (verdict == DM_FRAME_BROKEN && message.p != NULL) {
        g_string_append(story, "broken");
        g_string_append_len(story, message.p, (gssize)message.len);
    }
}

/* However the bytes are cut, what comes out is the same. The first byte chooses the cuts. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GString) whole = g_string_new(NULL);
    g_autoptr(GString) cut = g_string_new(NULL);
    DmFraming framing;
    size_t step = size > 0 ? data[0] % 32 + 1U : 1;

    dm_framing_init(&framing, 4096);
    feed(&framing, data, size, whole);
    dm_framing_clear(&framing);
    dm_framing_init(&framing, 4096);
    for (size_t i = 0; i < size; i += step) {
        feed(&framing, data + i, MIN(step, size - i), cut);
        g_assert_cmpuint(framing.bytes->len, <=, 4096 + 64);
    }
    dm_framing_clear(&framing);
    g_assert_cmpstr(whole->str, ==, cut->str);
    return 0;
}
