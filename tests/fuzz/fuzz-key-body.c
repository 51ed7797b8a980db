/* SPDX-License-Identifier: Apache-2.0 */
/* The body of an INFO: what is a key is one of the seventeen, and what we write of it says the same
 * again. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "gateway/sip/key-body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_again(const DmKeyBody *body, const char *text, bool has_ms)
{
    DmKeyBody again;

    g_assert_true(dm_key_body_parse(text, strlen(text), &again));
    g_assert_cmpint(again.key, ==, body->key);
    g_assert_true(!has_ms || again.ms == body->ms);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *relay = NULL;
    g_autofree char *plain = NULL;
    DmKeyBody body;

    if (!dm_key_body_parse((const char *)data, size, &body)) {
        return 0;
    }
    g_assert_nonnull(strchr("0123456789*#ABCD!", body.key));
    g_assert_cmpint(body.key, !=, 0);
    relay = dm_key_body_relay(&body);
    check_again(&body, relay, true);
    plain = dm_key_body_plain(&body);
    check_again(&body, plain, false);
    return 0;
}
