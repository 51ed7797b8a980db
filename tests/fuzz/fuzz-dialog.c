/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* What a dialog sends can be read again, and is one message: whatever its peer called itself. */
static void
check_request(DmDialog *dialog, DmSipMethod method)
{
    g_autoptr(DmSipMessage) request = dm_dialog_request(dialog, method, 1);
    g_autoptr(GString) out = g_string_new(NULL);
    DmSipFlow flow;
    DmScan scan;

    dm_dialog_flow(dialog, &wire, &flow);
    g_assert_true(dm_sip_message_print(request, out));
    if (out->len > DM_SIP_MAX_MESSAGE) {
        return;
    }
    dm_scan(out->str, out->len, true, &scan);
    g_assert_cmpint(scan.method, ==, method);
    g_assert_cmpuint(scan.head_len + scan.body_len, ==, out->len);
}

static void
live(DmDialog *dialog, const DmSipMessage *message, bool is_request)
{
    g_autofree char *target = NULL;

    check_request(dialog, DM_METHOD_ACK);
    dm_dialog_refresh_target(dialog, message);
    if (!is_request) {
        dm_dialog_confirm(dialog, message);
    }
    check_request(dialog, DM_METHOD_BYE);
    target = dm_dialog_target(dialog);
    g_assert_nonnull(target);
    dm_dialog_free(dialog);
}

/* An INVITE or an answer to one begins a dialog, and changes it later. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DmSipFlow flow = {.transport = DM_TRANSPORT_UDP};
    g_autoptr(DmSipMessage) message = NULL;
    DmScan scan;
    bool faulty = false;

    dm_address_parse(&flow.remote, "192.0.2.1", 5060);
    if (dm_scan((const char *)data, size, false, &scan) != DM_SCAN_OK) {
        return 0;
    }
    message = dm_sip_message_parse((const char *)data, size, &scan, &flow, &faulty);
    if (message == NULL || faulty) {
        return 0;
    }
    live(scan.is_request ? dm_dialog_new_uas(message, "tag") : dm_dialog_new_uac(message),
         message,
         scan.is_request);
    return 0;
}
