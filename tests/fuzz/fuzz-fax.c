/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams (each behind a byte of its length; 0: 20 ms go by) at a gateway whose modem hears a
 * modem, a tone or nothing: whatever a T.38 peer says, samples come out, and pages only count up.
 */
#include <glib.h>

#include "media/fax/gateway.h"
#include "media/fax/ifp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEP 160

static void
on_made(const uint8_t *bytes, size_t len, void *user_data)
{
    DmUdptlPacket packet;

    g_assert_cmpint(dm_udptl_parse(bytes, len, &packet), ==, DM_UDPTL_OK);
    g_assert_true(dm_ifp_read(packet.primary.bytes,
                              packet.primary.len,
                              GPOINTER_TO_UINT(user_data),
                              NULL,
                              NULL));
}

static void
let_time_pass(DmFaxGateway *gateway, uint8_t kind)
{
    int16_t samples[STEP];

    dm_fax_gateway_speak(gateway, samples, STEP);
    for (unsigned i = 0; i < STEP; i++) {
        samples[i] = kind & 1 ? (int16_t)(i * kind * 97) : samples[i];
    }
    if (kind & 2) {
        dm_fax_gateway_miss(gateway, STEP);
    } else {
        dm_fax_gateway_hear(gateway, samples, STEP);
    }
}

static void
take(DmFaxGateway *gateway, const uint8_t *data, size_t size)
{
    g_autofree uint8_t *bytes = g_memdup2(data, size);
    DmUdptlPacket packet;

    if (dm_udptl_parse(bytes, size, &packet) == DM_UDPTL_OK) {
        dm_fax_gateway_input(gateway, &packet);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DmT38 t38 = {.max_bit_rate = 14400, .ec = DM_T38_REDUNDANCY};
    g_autoptr(DmFaxGateway) gateway = NULL;
    DmFaxReport report;

    if (size == 0) {
        return 0;
    }
    t38.version = data[0] & 3;
    t38.fill_bit_removal = data[0] & 4;
    gateway = dm_fax_gateway_new(&t38, on_made, GUINT_TO_POINTER((unsigned)t38.version));
    for (size_t at = 1; at < size;) {
        size_t len = MIN(data[at], size - at - 1);

        if (data[at] == 0) {
            let_time_pass(gateway, (uint8_t)at);
        }
        take(gateway, data + at + 1, len);
        at += 1 + len;
    }
    for (unsigned i = 0; i < 25; i++) {
        let_time_pass(gateway, 0);
    }
    dm_fax_gateway_report(gateway, &report);
    g_assert_cmpint(report.mode, ==, DM_FAX_GATEWAY);
    g_assert_true(report.pages == 0 || report.result != DM_FAX_FAILED);
    return 0;
}
