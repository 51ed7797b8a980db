/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <string.h>

#include "gateway/sip/message.h"

/* Messages from text and back, for tests. */

static inline DmSipMessage *
sip_text_parse_from(const char *text, const char *source)
{
    DmSipFlow flow = {.transport = DM_TRANSPORT_UDP};
    DmSipMessage *message;
    bool faulty;
    DmScan scan;

    g_assert_true(dm_address_parse_with_port(&flow.remote, source, 5060));
    g_assert_cmpstr(dm_scan_verdict_name(dm_scan(text, strlen(text), false, &scan)), ==, "ok");
    message = dm_sip_message_parse(text, strlen(text), &scan, &flow, &faulty);
    g_assert_nonnull(message);
    g_assert_false(faulty);
    return message;
}

static inline DmSipMessage *
sip_text_parse(const char *text)
{
    return sip_text_parse_from(text, "192.0.2.1:5060");
}

static inline char *
sip_text_print(DmSipMessage *message)
{
    GString *out = g_string_new(NULL);

    g_assert_true(dm_sip_message_print(message, out));
    return g_string_free(out, FALSE);
}

static inline void
sip_text_assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        g_error("\"%s\" is not in:\n%s", part, text);
    }
}

static inline void
sip_text_assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) {
        g_error("\"%s\" is in:\n%s", part, text);
    }
}
