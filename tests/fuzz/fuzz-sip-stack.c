/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/counters.h"
#include "tests/lib/sip-gateway.h"

/* A whole stack, given datagrams and orders in any sequence. The input is a list separated by 0x1e:
 * "!x" is an order of the call core or a turn of the clock, anything else a datagram, in which $T
 * becomes the tag, $B the branch and $I the Call-ID that the gateway used last. */

#define MAX_STEPS   64
#define LONGEST     4096
#define SECOND      ((int64_t)G_USEC_PER_SEC)
#define ALL_GONE_US (400 * SECOND)

typedef struct {
    DmSimNetwork *network;
    DmSimGateway *gateway;
    DmSimHost *peer;
    DmSdp *sdp;
    char *tag, *branch, *call_id; /* as last seen from the gateway */
    unsigned n_referred;
} World;

static const char yaml[] =
    "security: {unknown_silent: false, source_rate: 100000}\n"
    "trunks:\n"
    "  - {id: pbx, role: pbx, endpoints: [{uri: 192.0.2.10}]}\n"
    "  - {id: reg, role: carrier, endpoints: [{uri: 192.0.2.10}], domain: carrier.example,\n"
    "     auth: {mode: register, user: me, password: pw}, identity: {owned_numbers: ['+999']}}\n";

static void
keep(char **text, DmSpan span)
{
    if (span.len > 0) {
        g_free(*text);
        *text = g_strndup(span.p, span.len);
    }
}

/* What the gateway says must be SIP, whatever it was told; only a refusal of something malformed
 * repeats the Via and the rest as it came (RFC 3261, 8.2.6.2). */
static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    World *w = user_data;
    DmScan scan;
    DmScanVerdict verdict = dm_scan(data, len, false, &scan);

    if (verdict != DM_SCAN_OK && strncmp(data, "SIP/2.0 4", 9) != 0 &&
        strncmp(data, "SIP/2.0 5", 9) != 0) {
        g_error("%s: %.*s", dm_scan_verdict_name(verdict), (int)len, data);
    }
    keep(&w->tag, scan.is_request ? scan.from_tag : scan.to_tag);
    keep(&w->call_id, scan.call_id);
    if (scan.is_request) {
        keep(&w->branch, scan.branch);
    }
}

/* Every second transfer is taken. */
static void
on_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    World *w = user_data;

    if (event->type == DM_LEG_REFERRED) {
        const DmReferral *referral = event->referral;

        g_assert_true(*referral->number != '\0' || referral->replaced != NULL ||
                      *referral->replaces != '\0');
        g_assert_null(strpbrk(referral->replaces, "\r\n"));
        leg->ops->answer_refer(leg, w->n_referred++ % 2 == 0 ? 202 : 603);
    }
}

static void
transfer(World *w, DmLeg *leg, char what)
{
    const DmReferral referral = {
        .number = what == 'f' ? "+442" : "",
        .replaced = what == 'F' ? g_ptr_array_index(w->gateway->legs, 0) : NULL,
        .replaces = "",
        .referred_by = "+441",
    };

    if (what == 't') {
        leg->ops->notify(leg, 180);
    } else if (what == 'T') {
        leg->ops->notify(leg, 200);
    } else if (what == 'f' || leg != referral.replaced) {
        leg->ops->refer(leg, &referral);
    }
}

/* --- steps --- */

static void
order(World *w, char what)
{
    DmSimGateway *gateway = w->gateway;
    DmLeg *leg =
        gateway->legs->len > 0 ? g_ptr_array_index(gateway->legs, gateway->legs->len - 1) : NULL;

    if (g_ascii_isdigit(what)) {
        dm_sim_network_run(w->network, (what - '0') * (what - '0') * SECOND);
    } else if (what == 'd' && gateway->legs->len < 8) {
        dm_sim_gateway_dial(gateway, "reg", "+441", w->sdp);
    } else if (what == 'D' && gateway->legs->len < 8) {
        dm_sim_gateway_dial(gateway, "pbx", "+441", NULL);
    } else if (leg == NULL) {
        return;
    } else if (what == 'p') {
        leg->ops->progress(leg, 183, w->sdp);
    } else if (what == 'a') {
        leg->ops->answer(leg, w->sdp);
    } else if (what == 'r') {
        leg->ops->reoffer(leg, w->sdp);
    } else if (what == 'R') {
        leg->ops->reoffer(leg, NULL);
    } else if (what == 'n') {
        leg->ops->reanswer(leg, w->sdp);
    } else if (what == 'x') {
        leg->ops->refuse_reoffer(leg, 488);
    } else if (strchr("tTfF", what) != NULL) {
        transfer(w, leg, what);
    } else if (what == 'c') {
        leg->ops->close(leg, &(DmRelease){.status = 486, .q850 = 17, .reason = "\"busy\""});
    }
}

static void
append_substituted(const World *w, GString *out, const char *p, const char *end)
{
    for (; p < end; p++) {
        char what = *p == '$' && p + 1 < end ? p[1] : '\0';

        if (what == 'T' || what == 'B' || what == 'I') {
            g_string_append(out, what == 'T' ? w->tag : what == 'B' ? w->branch : w->call_id);
            p++;
        } else {
            g_string_append_c(out, *p);
        }
    }
}

static void
say(World *w, const char *p, const char *end)
{
    DmSipWire wire = dm_sim_host_wire(w->peer);
    g_autoptr(GString) text = g_string_new(NULL);
    DmSipFlow flow;

    append_substituted(w, text, p, end);
    g_assert_true(wire.ops->flow_to(wire.wire,
                                    -1,
                                    DM_TRANSPORT_UDP,
                                    dm_sim_host_address(w->gateway->host, 0),
                                    &flow));
    wire.ops->send(wire.wire, &flow, text->str, MIN(text->len, LONGEST));
    dm_sim_network_run(w->network, 5000);
}

static void
run_steps(World *w, const char *p, const char *end)
{
    for (unsigned n = 0; p < end && n < MAX_STEPS; n++) {
        const char *next = memchr(p, 0x1e, (size_t)(end - p));
        const char *stop = next != NULL ? next : end;

        if (stop - p == 2 && *p == '!') {
            order(w, p[1]);
            dm_sim_network_run(w->network, 5000);
        } else {
            say(w, p, stop);
        }
        p = stop + 1;
    }
}

/* Whatever happened: told to end, everything ends by itself. */
static void
end(World *w)
{
    for (unsigned i = 0; i < w->gateway->legs->len; i++) {
        DmLeg *leg = g_ptr_array_index(w->gateway->legs, i);

        leg->ops->close(leg, &(DmRelease){.status = 503});
    }
    dm_sip_stack_shutdown(w->gateway->stack);
    dm_sim_network_run(w->network, ALL_GONE_US);
    g_assert_cmpuint(w->gateway->legs->len, ==, 0);
    g_assert_cmpuint(dm_sip_stack_n_legs(w->gateway->stack), ==, 0);
    g_assert_cmpint(dm_counter_value(&w->gateway->counters[SIP_tx_active]), ==, 0);
    g_assert_true(dm_sip_stack_is_quiet(w->gateway->stack));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    World w = {.network = dm_sim_network_new(5)};

    dm_log_set_level(DM_LOG_ERROR);
    w.tag = g_strdup("none");
    w.branch = g_strdup("none");
    w.call_id = g_strdup("none");
    w.sdp = dm_sim_sdp(20000);
    w.gateway = dm_sim_gateway_new(w.network, "192.0.2.1:5060", yaml);
    w.gateway->on_event = on_event;
    w.gateway->user_data = &w;
    w.peer = dm_sim_host_new(w.network, "192.0.2.10:5060", on_receive, NULL, &w);
    run_steps(&w, text, text + size);
    end(&w);
    dm_sim_gateway_free(w.gateway);
    dm_sim_network_free(w.network);
    dm_sdp_unref(w.sdp);
    g_free(w.tag);
    g_free(w.branch);
    g_free(w.call_id);
    return 0;
}
