/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/scan.h"
#include "tests/lib/sip-gateway.h"

/* REGISTERs in any sequence, of a PBX that need not say a password (its certificate was seen). The
 * input is a list of header blocks separated by 0x1e, each of one REGISTER; "!x" turns the clock.
 */

#define MAX_STEPS   64
#define LONGEST     4096
#define SECOND      ((int64_t)G_USEC_PER_SEC)
#define MAX_HELD    3
#define EXPIRES_MAX 1800

static const char yaml[] =
    "security: {unknown_silent: false, source_rate: 100000}\n"
    "trunks: [{id: pbx, role: pbx, auth: {mode: register_in, inbound_user: u, inbound_password: "
    "p}, "
    "registration: {mode: gin, max_contacts: 3, max_expires: 1800, request_uri: number}}]\n";

static const DmTrunk *
trunk_of(DmSimGateway *gateway)
{
    return dm_pool_find(gateway->pool, "pbx");
}

/* Whatever was said: few, none over, none longer than granted, and each can be written into a
 * request and a store. */
static void
check_contacts(DmSimGateway *gateway, DmSimNetwork *network)
{
    const DmBindings *bindings = dm_trunk_bindings(trunk_of(gateway));
    int64_t now_us = dm_loop_now_us(dm_sim_network_loop(network));

    g_assert_true(bindings == NULL || bindings->list->len > 0);
    for (guint i = 0; bindings != NULL && i < bindings->list->len; i++) {
        const DmBinding *binding = bindings->list->pdata[i];

        g_assert_cmpuint(bindings->list->len, <=, MAX_HELD);
        g_assert_cmpint(binding->expires_us, >, now_us);
        g_assert_cmpint(binding->expires_us, <=, now_us + EXPIRES_MAX * SECOND);
        g_assert_null(strpbrk(binding->uri, "<>\"\r\n "));
        g_assert_null(strpbrk(binding->path, "\r\n"));
        g_assert_null(strpbrk(binding->instance, "<>\"\r\n"));
        g_assert_true(g_utf8_validate(binding->user_agent, -1, NULL));
    }
}

static void
check_store(DmSimGateway *gateway)
{
    DmBindings *bindings = dm_trunk_bindings(trunk_of(gateway));
    json_t *json = dm_bindings_to_json(bindings, 0, 0);
    g_autoptr(DmBindings) back = dm_bindings_from_json(json, 0, 0);

    g_assert_nonnull(back);
    g_assert_cmpuint(back->list->len, ==, bindings != NULL ? bindings->list->len : 0);
    json_decref(json);
}

static void
call_it(DmSimGateway *gateway, DmSimNetwork *network)
{
    g_autoptr(DmSdp) sdp = NULL;
    DmTarget target;

    if (dm_trunk_targets(dm_pool_find(gateway->pool, "pbx"), &target, 1) == 1) {
        sdp = dm_sim_sdp(20000);
        dm_sim_gateway_dial(gateway, "pbx", "+441", sdp);
        dm_sim_network_run(network, SECOND / 100);
    }
}

static void
register_it(DmSimGateway *gateway, const char *p, size_t len)
{
    g_autoptr(GString) text = g_string_new("REGISTER sip:gw SIP/2.0\r\n"
                                           "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK");
    DmSipFlow flow = {.transport = DM_TRANSPORT_UDP};
    static unsigned n;

    n++;
    g_string_append_printf(text,
                           "%u\r\nFrom: <sip:u@gw>;tag=%u\r\nTo: <sip:u@gw>\r\n"
                           "Call-ID: f\r\nCSeq: %u REGISTER\r\n",
                           n,
                           n,
                           n);
    g_string_append_len(text, p, (gssize)MIN(len, LONGEST));
    g_string_append(text, "\r\n\r\n");
    dm_address_parse(&flow.remote, "192.0.2.10", 5060);
    flow.local = *dm_sim_host_address(gateway->host, 0);
    flow.certified = g_quark_from_string("pbx");
    dm_sip_stack_receive(gateway->stack, &flow, text->str, text->len);
}

/* Only a refusal of something malformed repeats what came as it came (RFC 3261, 8.2.6.2). */
static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    DmScan scan;
    DmScanVerdict verdict = dm_scan(data, len, false, &scan);

    if (verdict != DM_SCAN_OK && strncmp(data, "SIP/2.0 400", 11) != 0) {
        g_error("%s: %.*s", dm_scan_verdict_name(verdict), (int)len, data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DmSimNetwork *network = dm_sim_network_new(1);
    DmSimGateway *gateway = dm_sim_gateway_new(network, "192.0.2.1:5060", yaml);
    const char *p = (const char *)data;
    const char *end = p + size;

    dm_sim_host_new(network, "192.0.2.10:5060", on_receive, NULL, NULL);
    for (unsigned n = 0; p < end && n < MAX_STEPS; n++) {
        const char *next = memchr(p, 0x1e, (size_t)(end - p));
        const char *stop = next != NULL ? next : end;

        if (stop - p == 2 && *p == '!' && g_ascii_isdigit(p[1])) {
            dm_sim_network_run(network, (p[1] - '0') * 100 * SECOND);
        } else {
            register_it(gateway, p, (size_t)(stop - p));
            dm_sim_network_run(network, SECOND / 100);
        }
        check_contacts(gateway, network);
        p = stop + 1;
    }
    check_store(gateway);
    call_it(gateway, network);
    dm_sim_network_run(network, (EXPIRES_MAX + 400) * SECOND);
    g_assert_null(dm_trunk_bindings(trunk_of(gateway)));
    dm_sim_gateway_free(gateway);
    dm_sim_network_free(network);
    return 0;
}
