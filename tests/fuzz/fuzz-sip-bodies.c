/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/bodies.h"
#include "tests/lib/sip-gateway.h"

/* A body of several parts (boundary "b"), whatever it is: what is judged has a sensible verdict,
 * and what crosses arrives as it was, beside the same description. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BODY 32768

static const char yaml[] = "trunks: [{id: pbx, role: pbx, acl: [192.0.2.1], sip: {body_types: "
                           "[application/isup, application/pidf+xml]}}]\n";

static DmSipMessage *
message_with(const char *type, const void *body, size_t len, DmSipMessage *(*parse)(GString *))
{
    g_autoptr(GString) text = g_string_new(
        "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1@h>;tag=a\r\n"
        "To: <sip:1@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nGeolocation: <cid:a@b>\r\n");

    g_string_append_printf(text, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, len);
    g_string_append_len(text, body, (gssize)len);
    return parse(text);
}

static DmSipMessage *
parse(GString *text)
{
    DmSipFlow flow = {0};
    DmScan scan;
    bool faulty;

    if (dm_scan(text->str, text->len, false, &scan) != DM_SCAN_OK) {
        return NULL;
    }
    return dm_sip_message_parse(text->str, text->len, &scan, &flow, &faulty);
}

static void
check_parts(const GPtrArray *parts)
{
    g_assert_cmpuint(parts->len, <=, 4);
    for (guint i = 0; i < parts->len; i++) {
        const DmBodyPart *part = parts->pdata[i];

        g_assert_cmpuint(g_bytes_get_size(part->data), >, 0);
        g_assert_null(strpbrk(part->type, "\r\n "));
        g_assert_null(strpbrk(part->disposition, "\r\n "));
    }
}

static void
assert_same_parts(const GPtrArray *before, const GPtrArray *after)
{
    g_assert_nonnull(after);
    g_assert_cmpuint(before->len, ==, after->len);
    for (guint i = 0; i < before->len; i++) {
        const DmBodyPart *a = before->pdata[i];
        const DmBodyPart *b = after->pdata[i];

        g_assert_cmpstr(a->type, ==, b->type);
        g_assert_cmpstr(a->parameters, ==, b->parameters);
        g_assert_cmpstr(a->disposition, ==, b->disposition);
        g_assert_true(g_bytes_equal(a->data, b->data));
    }
}

/* Written by us and read again. */
static void
check_crossing(const GPtrArray *parts, const DmTrunkConfig *trunk)
{
    g_autoptr(DmSipMessage) out =
        message_with("application/sdp", dm_sim_sdp_text, strlen(dm_sim_sdp_text), parse);
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(DmSipMessage) back = NULL;
    g_autoptr(GPtrArray) again = NULL;
    g_autoptr(DmSdp) sdp = NULL;
    DmSipCore core = {.random = random};

    dm_sip_bodies_add(&core, out, parts, trunk, "192.0.2.1");
    g_assert_true(dm_sip_message_print(out, text));
    back = parse(text);
    g_assert_nonnull(back);
    g_assert_true(dm_sip_bodies_read_sdp(back->sip, &sdp));
    g_assert_nonnull(sdp);
    again = dm_sip_bodies_take(back, trunk);
    assert_same_parts(parts, again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(DmConfig) config = dm_sim_config(yaml);
    const DmTrunkConfig *trunk = dm_config_trunk(config, "pbx");
    g_autoptr(DmSipMessage) request =
        message_with("multipart/mixed;boundary=b", data, MIN(size, MAX_BODY), parse);
    g_autoptr(GPtrArray) parts = NULL;
    g_autoptr(DmSdp) sdp = NULL;
    DmRequestFault fault;

    if (request == NULL) {
        return 0;
    }
    if (!dm_sip_bodies_check(request, trunk, &fault)) {
        g_assert_true(fault.status == 400 || fault.status == 415);
    }
    dm_sip_bodies_read_sdp(request->sip, &sdp);
    parts = dm_sip_bodies_take(request, trunk);
    if (parts != NULL) {
        check_parts(parts);
        check_crossing(parts, trunk);
    }
    return 0;
}
