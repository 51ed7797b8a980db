/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/sip-gateway.h"

#include <string.h>

#include "config/load.h"
#include "gateway/sip/counters.h"

#define SECRET "a secret of tests"

const char dm_sim_sdp_text[] = "v=0\r\no=- 7 1 IN IP4 192.0.2.10\r\ns=-\r\n"
                               "c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

DmSdp *
dm_sim_sdp(unsigned port)
{
    DmSdpMedia media = {
        .type = DM_SDP_AUDIO,
        .proto = DM_SDP_RTP_AVP,
        .type_name = "audio",
        .proto_name = "RTP/AVP",
        .port = (uint16_t)port,
        .peer_direction = DM_MEDIA_BOTH,
        .n_formats = 1,
        .formats = &(DmMediaFormat){.codec = DM_CODEC_PCMU,
                                    .pt = 0,
                                    .channels = 1,
                                    .clock_hz = 8000,
                                    .name = "PCMU"},
    };

    dm_address_parse(&media.connection, "192.0.2.1", (uint16_t)port);
    return dm_sdp_new(&media, 1);
}

DmConfig *
dm_sim_config(const char *yaml)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmDocument) document = dm_document_parse(yaml, strlen(yaml), "test.yaml", &error);
    g_autofree char *explained = NULL;
    DmProblems problems;
    DmConfig *config;

    g_assert_no_error(error);
    dm_problems_init(&problems);
    config = dm_config_new_from_json(dm_document_json(document), &problems);
    explained = dm_document_explain(document, &problems);
    g_assert_cmpstr(explained, ==, "");
    dm_problems_clear(&problems);
    return config;
}

/* --- the call core --- */

static const char *const event_names[] = {
    [DM_LEG_PROGRESS] = "progress",
    [DM_LEG_OFFERED] = "offered",
    [DM_LEG_ANSWERED] = "answered",
    [DM_LEG_EARLY_ANSWER] = "early-answer",
    [DM_LEG_ACKED] = "acked",
    [DM_LEG_REOFFER] = "reoffer",
    [DM_LEG_REANSWER] = "reanswer",
    [DM_LEG_REOFFER_FAILED] = "reoffer-failed",
    [DM_LEG_REFERRED] = "referred",
    [DM_LEG_REFER_PROGRESS] = "refer-progress",
    [DM_LEG_KEY] = "key",
    [DM_LEG_CLOSED] = "closed",
};

static void
keep_sdp(DmSimGateway *gateway, const DmSdp *sdp)
{
    g_clear_pointer(&gateway->sdp, dm_sdp_unref);
    gateway->sdp = sdp != NULL ? dm_sdp_ref(sdp) : NULL;
}

static void
on_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    DmSimGateway *gateway = user_data;

    if (event->type == DM_LEG_KEY) {
        g_string_append_printf(gateway->events, "key:%c,%u ", event->key, event->key_ms);
        return;
    }
    g_string_append_printf(gateway->events, "%s:%u ", event_names[event->type], event->status);
    if (event->type == DM_LEG_CLOSED) {
        gateway->ended = *event->release;
        g_ptr_array_remove_fast(gateway->legs, leg);
        gateway->leg = gateway->leg == leg ? NULL : gateway->leg;
    } else {
        keep_sdp(gateway, event->sdp);
    }
    if (gateway->on_event != NULL) {
        gateway->on_event(leg, event, gateway->user_data);
    }
}

static void
on_incoming(const DmIncoming *incoming, void *user_data)
{
    DmSimGateway *gateway = user_data;

    incoming->leg->on_event = on_event;
    incoming->leg->user_data = gateway;
    gateway->leg = incoming->leg;
    g_ptr_array_add(gateway->legs, incoming->leg);
    gateway->max_forwards = incoming->max_forwards;
    keep_sdp(gateway, incoming->offer);
    dm_identity_clear(&gateway->identity);
    dm_identity_copy(&gateway->identity, incoming->identity);
    g_free(gateway->auth);
    gateway->auth = g_strdup(incoming->auth);
    gateway->replaced = incoming->replaced;
    gateway->is_unreadable = incoming->is_unreadable;
    g_clear_pointer(&gateway->parts, g_ptr_array_unref);
    gateway->parts = incoming->parts != NULL ? g_ptr_array_ref(incoming->parts) : NULL;
    g_string_append_printf(gateway->events, "incoming:%s ", dm_trunk_id(incoming->trunk));
}

static bool
is_accepting(void *user_data)
{
    return ((DmSimGateway *)user_data)->accepting;
}

static const DmSipStackUser stack_user = {
    .on_incoming = on_incoming,
    .is_accepting = is_accepting,
};

/* --- the host --- */

static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    dm_sip_stack_receive(((DmSimGateway *)user_data)->stack, flow, data, len);
}

static void
on_unreachable(const DmAddress *remote, void *user_data)
{
    dm_sip_stack_unreachable(((DmSimGateway *)user_data)->stack, remote);
}

DmSimGateway *
dm_sim_gateway_new(DmSimNetwork *network, const char *address, const char *yaml)
{
    DmSimGateway *gateway = g_new0(DmSimGateway, 1);
    DmRandom *random = dm_sim_network_random(network);

    gateway->network = network;
    gateway->accepting = true;
    gateway->events = g_string_new(NULL);
    gateway->legs = g_ptr_array_new();
    gateway->counters = g_new0(DmCounter, DM_N_SIP_COUNTERS);
    gateway->host = dm_sim_host_new(network, address, on_receive, on_unreachable, gateway);
    gateway->registry = dm_trunk_registry_new();
    gateway->pool = dm_pool_new(gateway->registry, &dm_sim_network_clock(network)->clock, random);
    gateway->config = dm_sim_config(yaml);
    dm_identity_init(&gateway->identity);
    dm_pool_take_config(gateway->pool, gateway->config);
    gateway->stack = dm_sip_stack_new(
        &(DmSipStackOptions){
            .loop = dm_sim_network_loop(network),
            .random = random,
            .pool = gateway->pool,
            .wire = dm_sim_host_wire(gateway->host),
            .n_workers = 1,
            .user = &stack_user,
            .user_data = gateway,
            .counters = gateway->counters,
            .token_secret = SECRET,
        },
        gateway->config);
    return gateway;
}

void
dm_sim_gateway_free(DmSimGateway *gateway)
{
    dm_sip_stack_free(gateway->stack);
    dm_pool_free(gateway->pool);
    dm_trunk_registry_unref(gateway->registry);
    dm_config_unref(gateway->config);
    keep_sdp(gateway, NULL);
    dm_identity_clear(&gateway->identity);
    g_free(gateway->auth);
    g_clear_pointer(&gateway->parts, g_ptr_array_unref);
    g_free(gateway->counters);
    g_string_free(gateway->events, TRUE);
    g_ptr_array_unref(gateway->legs);
    g_free(gateway);
}

void
dm_sim_gateway_take_config(DmSimGateway *gateway, const char *yaml)
{
    dm_config_unref(gateway->config);
    gateway->config = dm_sim_config(yaml);
    dm_pool_take_config(gateway->pool, gateway->config);
    dm_sip_stack_take_config(gateway->stack, gateway->config);
}

DmLeg *
dm_sim_gateway_dial(DmSimGateway *gateway,
                    const char *trunk_id,
                    const char *number,
                    const DmSdp *offer)
{
    DmTrunk *trunk = dm_pool_find(gateway->pool, trunk_id);
    const DmLegFactory *legs = dm_sip_stack_legs(gateway->stack);
    DmRouteTarget target = {.trunk = dm_trunk_config(trunk)};
    DmTarget address;

    g_assert_cmpuint(dm_trunk_targets(trunk, &address, 1), ==, 1);
    dm_identity_init(&target.identity);
    g_free(target.identity.ruri_user);
    target.identity.ruri_user = g_strdup(number);
    g_free(target.identity.from_user);
    target.identity.from_user = g_strdup("+441");
    gateway->leg = legs->dial(legs->factory,
                              &(DmDial){.target = &target,
                                        .address = &address,
                                        .trunk = trunk,
                                        .offer = offer,
                                        .max_forwards = 68,
                                        .parts = gateway->parts,
                                        .call_id = "dialled"},
                              on_event,
                              gateway);
    g_ptr_array_add(gateway->legs, gateway->leg);
    dm_identity_clear(&target.identity);
    return gateway->leg;
}
