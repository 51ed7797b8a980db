/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/transaction/transaction.h"
#include "tests/lib/sip-lab.h"
#include "tests/lib/sip-text.h"

/* SIG-23: requests that are too long for one datagram. */

#define MANY_CODECS                                                                                \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                    \
    "m=audio 20000 RTP/AVP 9 3 97 98 99 100 102 103 8 0 101\r\na=rtpmap:9 G722/8000\r\n"           \
    "a=rtpmap:3 GSM/8000\r\na=rtpmap:97 G726-16/8000\r\na=rtpmap:98 G726-24/8000\r\n"              \
    "a=rtpmap:99 G726-32/8000\r\na=rtpmap:100 G726-40/8000\r\na=rtpmap:102 iLBC/8000\r\n"          \
    "a=fmtp:102 mode=30\r\na=rtpmap:103 AMR/8000\r\na=fmtp:103 octet-align=1; mode-set=7\r\n"      \
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"        \
    "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"

static void
set_up(SipLab *lab, const char *sip)
{
    sip_lab_set_up(lab, sip);
    dm_sdp_unref(lab->sdp);
    lab->sdp = dm_sdp_parse(MANY_CODECS, strlen(MANY_CODECS), NULL);
    g_assert_nonnull(lab->sdp);
}

static int64_t
counted(const SipLab *lab, DmSipCounterId id)
{
    return dm_counter_value(&lab->gateway->counters[id]);
}

/* How long the INVITE is with nothing done to it. */
static size_t
whole_length(void)
{
    SipLab lab;
    size_t len;

    set_up(&lab, "{}");
    len = strlen(sip_lab_dial(&lab));
    sip_lab_tear_down(&lab);
    return len;
}

static void
assert_lengths_fit(const char *request)
{
    g_autofree char *said = dm_sim_header(request, "Content-Length");

    g_assert_nonnull(said);
    g_assert_cmpuint(g_ascii_strtoull(said, NULL, 10), ==, strlen(dm_sim_body(request)));
}

static void
test_steps(void)
{
    enum { COMPACT = 1, ATTRIBUTES = 2, HEADERS = 4, CODECS = 8 };
    static const struct {
        const char *sip;
        unsigned less; /* bytes below the whole length; beyond all that can be saved: in pieces */
        unsigned taken;
        DmSipCounterId counted;
    } cases[] = {
        {"{}", 0, 0, 0},
        {"{}", 1, COMPACT, SIP_oversize_compact},
        {"{}", 100, COMPACT | ATTRIBUTES, SIP_oversize_slim},
        {"{}", 185, COMPACT | ATTRIBUTES | HEADERS, SIP_oversize_slim},
        {"{}", 300, COMPACT | ATTRIBUTES | HEADERS | CODECS, SIP_oversize_slim},
        {"{}", 900, COMPACT | ATTRIBUTES | HEADERS | CODECS, SIP_oversize_fragmented},
        {"{oversize: [codecs, compact]}", 1, CODECS, SIP_oversize_slim},
        {"{oversize: [headers]}", 1, HEADERS, SIP_oversize_slim},
        {"{oversize: []}", 1, 0, SIP_oversize_fragmented},
    };
    size_t whole = whole_length();

    g_test_summary("SIG-23: a request that is too long for a datagram is made shorter step by "
                   "step, only as far as is needed and as its trunk allows; the description and "
                   "its length stay true");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        SipLab lab;
        const char *invite;
        unsigned taken;

        set_up(&lab, cases[i].sip);
        dm_sim_host_set_max_request(lab.gateway->host, whole - cases[i].less);
        invite = sip_lab_dial(&lab);
        taken = (strstr(invite, "\r\ni:") != NULL ? COMPACT : 0) |
                (strstr(invite, "a=sendrecv") == NULL ? ATTRIBUTES : 0) |
                (strstr(invite, "User-Agent") == NULL ? HEADERS : 0) |
                (strstr(invite, "AMR") == NULL ? CODECS : 0);
        g_test_message("%s -%u", cases[i].sip, cases[i].less);
        g_assert_cmphex(taken, ==, cases[i].taken);
        if (cases[i].less > 0) {
            g_assert_cmpint(counted(&lab, cases[i].counted), ==, 1);
            g_assert_cmpint(strlen(invite) <= whole - cases[i].less,
                            ==,
                            cases[i].counted != SIP_oversize_fragmented);
        }
        g_assert_cmpint(lab.gateway->leg->ops->facts(lab.gateway->leg)->fragmented,
                        ==,
                        cases[i].counted == SIP_oversize_fragmented);
        assert_lengths_fit(invite);
        sip_lab_tear_down(&lab);
    }
}

/* The value of the o= line. */
static char *
origin_of(const char *message)
{
    const char *line = strstr(message, "\r\no=");

    g_assert_nonnull(line);
    return g_strndup(line + 4, strcspn(line + 4, "\r"));
}

static void
test_stays_short(void)
{
    SipLab lab;
    g_autofree char *first = NULL;
    g_autofree char *origin = NULL;
    g_autofree char *again = NULL;
    const char *reinvite;

    g_test_summary("SIG-23, SIG-17: what was offered shorter is offered again with the same bytes, "
                   "though there would be room now");
    set_up(&lab, "{}");
    dm_sim_host_set_max_request(lab.gateway->host, whole_length() - 300);
    sip_lab_dial(&lab);
    first = g_strdup(dm_sim_body(lab.invite));
    origin = origin_of(lab.invite);
    sip_lab_carrier_answers(&lab, "200 OK", "ct", "", dm_sim_sdp_text);
    dm_sim_peer_expect(lab.carrier, "ACK ");
    dm_sim_host_set_max_request(lab.gateway->host, 0);
    lab.gateway->leg->ops->reoffer(lab.gateway->leg, lab.sdp);
    reinvite = sip_lab_carrier_invited(&lab);
    again = origin_of(reinvite);
    g_assert_cmpstr(again, ==, origin);
    g_assert_cmpstr(dm_sim_body(reinvite), ==, first);
    sip_lab_tear_down(&lab);
}

static void
test_too_large(void)
{
    SipLab lab;
    const char *invite;
    g_autofree char *cseq = NULL;
    DmTrunk *trunk;

    g_test_summary("SIG-23: 513 is answered once with the shortest form, whatever the size; the "
                   "next call begins with it, for a day");
    set_up(&lab, "{}");
    trunk = dm_pool_find(lab.gateway->pool, "carrier");
    invite = sip_lab_dial(&lab);
    sip_text_assert_has(invite, "AMR");
    sip_lab_carrier_answers(&lab, "513 Message Too Large", "t1", "", NULL);
    invite = sip_lab_carrier_invited(&lab);
    cseq = dm_sim_header(invite, "CSeq");
    g_assert_cmpstr(cseq, ==, "2 INVITE");
    sip_text_assert_lacks(invite, "AMR");
    sip_text_assert_has(invite, "\r\ni:");
    g_assert_cmpint(counted(&lab, SIP_oversize_refused), ==, 1);
    g_assert_true(dm_trunk_has_learned(trunk, 0, DM_LESSON_SMALL));
    sip_lab_carrier_answers(&lab, "513 Message Too Large", "t2", "", NULL);
    sip_lab_run_ms(&lab, 5000);
    g_assert_cmpuint(dm_sim_peer_count(lab.carrier, "INVITE "), ==, 0);
    g_assert_cmpuint(lab.gateway->ended.status, ==, 513);
    sip_text_assert_lacks(sip_lab_dial(&lab), "AMR");
    sip_lab_carrier_answers(&lab, "486 Busy Here", "t3", "", NULL);
    sip_lab_run_ms(&lab, 24 * 3600 * 1000);
    g_assert_false(dm_trunk_has_learned(trunk, 0, DM_LESSON_SMALL));
    sip_text_assert_has(sip_lab_dial(&lab), "AMR");
    sip_lab_tear_down(&lab);
}

/* --- TCP --- */

/* A wire that keeps what was sent by each transport; no connection is ever ready. */
typedef struct {
    DmAddress address;
    size_t max;
    bool has_tcp;
    unsigned given_up;
    GString *sent[DM_N_TRANSPORTS];
} Wire;

static bool
wire_send(void *data, const DmSipFlow *flow, const void *bytes, size_t len)
{
    GString *sent = ((Wire *)data)->sent[flow->transport];

    g_string_truncate(sent, 0);
    g_string_append_len(sent, bytes, (gssize)len);
    return true;
}

static bool
wire_flow_to(void *data,
             int listener,
             DmTransport transport,
             const DmAddress *remote,
             DmSipFlow *out_flow)
{
    *out_flow = (DmSipFlow){.transport = transport, .listener = 1, .remote = *remote};
    return transport == DM_TRANSPORT_UDP || ((Wire *)data)->has_tcp;
}

static const DmAddress *
wire_advertised(void *data, unsigned listener)
{
    return &((Wire *)data)->address;
}

static size_t
wire_max(void *data, unsigned listener)
{
    return ((Wire *)data)->max;
}

static void
wire_give_up(void *data, const DmSipFlow *flow)
{
    g_assert_cmpint(flow->transport, ==, DM_TRANSPORT_TCP);
    ((Wire *)data)->given_up++;
}

static const DmSipWireOps wire_ops = {
    .send = wire_send,
    .flow_to = wire_flow_to,
    .advertised = wire_advertised,
    .max_request_bytes = wire_max,
    .give_up_connecting = wire_give_up,
};

typedef struct {
    Wire wire;
    DmFakeClock clock;
    DmLoop *loop;
    DmRandom *random;
    DmCounter counters[DM_N_SIP_COUNTERS];
    DmTxLayer *layer;
    GArray *steps;
    DmFit fit;
    GString *told;
    DmSipFlow flow;
} World;

static void
on_no_tcp(DmClientTx *tx, void *user_data)
{
    g_string_append(((World *)user_data)->told, "no-tcp ");
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    g_string_append(((World *)user_data)->told,
                    failure == DM_TX_TIMEOUT ? "timeout " : "transport ");
}

static const DmClientTxUser tx_user = {.on_no_tcp = on_no_tcp, .on_failed = on_failed};

static void
world_set_up(World *world, bool has_tcp)
{
    const int steps[] = {DM_OVERSIZE_COMPACT, DM_OVERSIZE_TCP};

    *world = (World){.wire = {.max = 100, .has_tcp = has_tcp}, .told = g_string_new(NULL)};
    for (unsigned i = 0; i < DM_N_TRANSPORTS; i++) {
        world->wire.sent[i] = g_string_new(NULL);
    }
    dm_address_parse(&world->wire.address, "192.0.2.1", 5060);
    world->flow.transport = DM_TRANSPORT_UDP;
    dm_address_parse(&world->flow.remote, "192.0.2.20", 5060);
    dm_fake_clock_init(&world->clock);
    world->loop = dm_loop_new_virtual(&world->clock.clock);
    world->random = dm_random_new_seeded(1);
    world->layer = dm_tx_layer_new(&(DmTxLayerOptions){
        .loop = world->loop,
        .random = world->random,
        .wire = {&wire_ops, &world->wire},
        .max_transactions = 10,
        .counters = world->counters,
    });
    world->steps = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_append_vals(world->steps, steps, G_N_ELEMENTS(steps));
    world->fit.steps = world->steps;
}

static void
world_tear_down(World *world)
{
    dm_tx_layer_free(world->layer);
    dm_loop_free(world->loop);
    dm_random_free(world->random);
    for (unsigned i = 0; i < DM_N_TRANSPORTS; i++) {
        g_string_free(world->wire.sent[i], TRUE);
    }
    g_string_free(world->told, TRUE);
    g_array_unref(world->steps);
}

static void
world_run_ms(World *world, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        dm_fake_clock_advance(&world->clock, SIP_LAB_MS);
        dm_loop_turn(world->loop, 0);
    }
}

static void
world_start(World *world)
{
    g_autoptr(DmSipMessage) request = sip_text_parse(
        "INVITE sip:300@192.0.2.20 SIP/2.0\r\nMax-Forwards: 70\r\nVia: SIP/2.0/UDP h\r\n"
        "From: <sip:gw@192.0.2.1>;tag=g1\r\nTo: <sip:300@192.0.2.20>\r\nCall-ID: ours\r\n"
        "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");

    dm_client_tx_start_fit(world->layer, request, &world->flow, &world->fit, &tx_user, world);
}

static void
test_tcp(void)
{
    World world;

    g_test_summary("SIG-23: what fits no datagram goes by TCP where the trunk allows it, with a "
                   "Via that says so; not when the peer is known to take none, and not without a "
                   "listener");
    world_set_up(&world, true);
    world_start(&world);
    sip_text_assert_has(world.wire.sent[DM_TRANSPORT_TCP]->str, "SIP/2.0/TCP 192.0.2.1");
    g_assert_cmpuint(world.wire.sent[DM_TRANSPORT_UDP]->len, ==, 0);
    g_assert_false(world.fit.too_long);
    g_assert_cmpint(dm_counter_value(&world.counters[SIP_oversize_tcp]), ==, 1);
    world.fit.no_tcp = true;
    world_start(&world);
    sip_text_assert_has(world.wire.sent[DM_TRANSPORT_UDP]->str, "SIP/2.0/UDP 192.0.2.1");
    g_assert_true(world.fit.too_long);
    world_tear_down(&world);

    world_set_up(&world, false);
    world_start(&world);
    sip_text_assert_has(world.wire.sent[DM_TRANSPORT_UDP]->str, "SIP/2.0/UDP 192.0.2.1");
    g_assert_true(world.fit.too_long);
    g_assert_cmpstr(world.told->str, ==, "");
    world_tear_down(&world);
}

static void
test_fall_back(void)
{
    World world;
    DmSipFlow gone = {.transport = DM_TRANSPORT_TCP, .connection = 7};

    g_test_summary("SIG-23: when TCP is refused the request goes by UDP at once, and is repeated "
                   "there; its failure is told as that of any other");
    world_set_up(&world, true);
    world_start(&world);
    gone.remote = world.flow.remote;
    dm_tx_layer_flow_failed(world.layer, &gone);
    world_run_ms(&world, 1);
    sip_text_assert_has(world.wire.sent[DM_TRANSPORT_UDP]->str, "SIP/2.0/UDP 192.0.2.1");
    g_assert_cmpstr(world.told->str, ==, "no-tcp ");
    g_assert_cmpuint(dm_tx_layer_n_active(world.layer), ==, 1);
    g_assert_cmpint(dm_counter_value(&world.counters[SIP_tx_active]), ==, 1);
    g_assert_cmpint(dm_counter_value(&world.counters[SIP_req_out_tcp_INVITE]), ==, 1);
    g_assert_cmpint(dm_counter_value(&world.counters[SIP_oversize_tcp_failed]), ==, 1);
    world_run_ms(&world, 600);
    g_assert_cmpint(dm_counter_value(&world.counters[SIP_repeat_out_request]), ==, 1);
    g_assert_cmpuint(world.wire.given_up, ==, 0);
    dm_tx_layer_unreachable(world.layer, &world.flow.remote);
    world_run_ms(&world, 1);
    g_assert_cmpstr(world.told->str, ==, "no-tcp transport ");
    world_tear_down(&world);
}

static void
test_silent_tcp(void)
{
    World world;

    g_test_summary("SIG-23: a connection that is not there after 2 s is given up");
    world_set_up(&world, true);
    world_start(&world);
    world_run_ms(&world, 1990);
    g_assert_cmpuint(world.wire.given_up, ==, 0);
    world_run_ms(&world, 20);
    g_assert_cmpuint(world.wire.given_up, ==, 1);
    world_tear_down(&world);
}

static void
test_no_ice(void)
{
    static const char offer[] =
        "v=0\r\no=- 7 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
        "a=ice-lite\r\nm=audio 4000 RTP/AVP 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef\r\n"
        "a=candidate:1 1 UDP 2130706431 192.0.2.10 4000 typ host\r\na=ssrc:1 cname:x\r\n";
    SipLab lab;
    const char *invite;

    g_test_summary("SIG-23, SIG-1: ICE of the caller does not cross at all");
    sip_lab_set_up(&lab, "{}");
    sip_lab_pbx_invites(&lab, "", offer);
    sip_lab_run_ms(&lab, 100);
    dm_sdp_unref(lab.sdp);
    lab.sdp = dm_sdp_ref(lab.gateway->sdp);
    invite = sip_lab_dial(&lab);
    sip_text_assert_lacks(invite, "ice-");
    sip_text_assert_lacks(invite, "candidate");
    sip_lab_tear_down(&lab);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-oversize/steps", test_steps);
    g_test_add_func("/sip-oversize/stays-short", test_stays_short);
    g_test_add_func("/sip-oversize/too-large", test_too_large);
    g_test_add_func("/sip-oversize/tcp", test_tcp);
    g_test_add_func("/sip-oversize/fall-back", test_fall_back);
    g_test_add_func("/sip-oversize/silent-tcp", test_silent_tcp);
    g_test_add_func("/sip-oversize/no-ice", test_no_ice);
    return g_test_run();
}
