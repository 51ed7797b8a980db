/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/options.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>

#include "gateway/sip/identity.h"

DM_LOG_TOPIC("sip-options");

/* Four repetitions on UDP; a peer that needs longer cannot take a call either. */
#define ANSWER_US (8LL * G_USEC_PER_SEC)

/* One endpoint. */
typedef struct {
    DmOptions *options;
    unsigned endpoint;
    DmTimer timer;    /* next ping */
    DmTimer deadline; /* of this one */
    DmClientTx *tx;
    int64_t sent_us;
} Ping;

struct DmOptions {
    DmSipCore *core;
    DmConfig *config;
    const DmTrunkConfig *trunk; /* in config */
    unsigned n_pings;
    Ping *pings;
};

static void on_timer(DmTimer *timer, void *user_data);

static void
wait_for_next(Ping *ping)
{
    DmOptions *options = ping->options;
    int64_t interval_us = options->trunk->health.interval_s * G_USEC_PER_SEC;
    int64_t tenth_us = interval_us / 10;

    dm_loop_arm(options->core->loop,
                &ping->timer,
                interval_us + dm_random_range(options->core->random, -tenth_us, tenth_us),
                on_timer,
                ping);
}

static void
report(Ping *ping, bool alive)
{
    DmOptions *options = ping->options;
    DmTrunk *trunk = dm_pool_find(options->core->pool, options->trunk->id);
    int64_t rtt_us = dm_loop_now_us(options->core->loop) - ping->sent_us;

    dm_timer_disarm(&ping->deadline);
    if (trunk != NULL) {
        dm_trunk_report_endpoint(trunk, ping->endpoint, alive, alive ? (unsigned)rtt_us : 0);
    }
}

static void
forget(Ping *ping)
{
    if (ping->tx != NULL) {
        dm_client_tx_forget_user(ping->tx);
        ping->tx = NULL;
    }
}

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    dm_sip_message_free(response);
    forget(user_data);
    report(user_data, true);
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    Ping *ping = user_data;
    bool reported = !dm_timer_is_armed(&ping->deadline);

    forget(ping);
    if (!reported) {
        report(ping, false);
    }
}

static void
on_ended(DmClientTx *tx, void *user_data)
{
    ((Ping *)user_data)->tx = NULL;
}

static const DmClientTxUser ping_user = {
    .on_response = on_response,
    .on_failed = on_failed,
    .on_ended = on_ended,
};

/* Counted as silence; an answer may still come, late, until the next ping. */
static void
on_deadline(DmTimer *timer, void *user_data)
{
    report(user_data, false);
}

static DmSipMessage *
new_request(const DmOptions *options, const DmTarget *target, const DmSipFlow *flow)
{
    const DmTrunkConfig *trunk = options->trunk;
    DmSipMessage *request = dm_sip_message_new();
    g_autoptr(GString) uri = g_string_sized_new(64);
    g_autofree char *contact = dm_sip_contact_uri(options->core, NULL, flow);
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    char token[DM_TOKEN_MAX];

    request->method = DM_METHOD_OPTIONS;
    dm_identity_append_uri(uri,
                           "",
                           *trunk->domain != '\0' ? trunk->domain : target->host,
                           0,
                           false);
    msg_header_insert(request->msg,
                      (msg_pub_t *)request->sip,
                      (msg_header_t *)sip_request_create(request->home,
                                                         sip_method_options,
                                                         "OPTIONS",
                                                         (const url_string_t *)uri->str,
                                                         NULL));
    dm_sip_token(options->core, token);
    from = g_strdup_printf("<%s>;tag=%s", contact, token);
    to = g_strdup_printf("<%s>", uri->str);
    dm_sip_message_add(request, "Max-Forwards", "70");
    dm_sip_message_add(request, "From", from);
    dm_sip_message_add(request, "To", to);
    dm_sip_token(options->core, token);
    dm_sip_message_add(request, "Call-ID", token);
    dm_sip_message_add(request, "CSeq", "1 OPTIONS");
    dm_sip_add_contact(options->core, request, trunk, flow);
    dm_sip_message_add(request, "Accept", DM_SIP_ACCEPT);
    dm_sip_add_abilities(request, trunk);
    return request;
}

static void
send_ping(Ping *ping)
{
    DmOptions *options = ping->options;
    DmSipCore *core = options->core;
    DmTrunk *trunk = dm_pool_find(core->pool, options->trunk->id);
    g_autoptr(DmSipMessage) request = NULL;
    DmTarget target;
    DmSipFlow flow;

    if (trunk == NULL || !dm_trunk_endpoint_target(trunk, ping->endpoint, &target)) {
        return; /* there is nowhere to send it yet */
    }
    forget(ping);
    ping->sent_us = dm_loop_now_us(core->loop);
    if (!core->wire.ops->flow_to(core->wire.wire,
                                 dm_sip_listener_of(core, options->trunk),
                                 target.transport,
                                 &target.address,
                                 &flow)) {
        report(ping, false);
        return;
    }
    request = new_request(options, &target, &flow);
    ping->tx = dm_client_tx_start(core->tx, request, &flow, &ping_user, ping);
    dm_loop_arm(core->loop, &ping->deadline, ANSWER_US, on_deadline, ping);
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    Ping *ping = user_data;

    if (dm_timer_is_armed(&ping->deadline)) {
        report(ping, false); /* pings that follow each other closely: this one had its time */
    }
    wait_for_next(ping);
    send_ping(ping);
}

DmOptions *
dm_options_new(DmSipCore *core, DmConfig *config, const DmTrunkConfig *trunk)
{
    DmOptions *options = g_new0(DmOptions, 1);

    options->core = core;
    options->config = dm_config_ref(config);
    options->trunk = trunk;
    options->n_pings = trunk->endpoints->len;
    options->pings = g_new0(Ping, options->n_pings);
    for (unsigned i = 0; i < options->n_pings; i++) {
        Ping *ping = &options->pings[i];

        ping->options = options;
        ping->endpoint = i;
        /* the first ones soon, but not all trunks' in one moment */
        dm_loop_arm(core->loop,
                    &ping->timer,
                    dm_random_range(core->random, 0, G_USEC_PER_SEC),
                    on_timer,
                    ping);
    }
    return options;
}

void
dm_options_free(DmOptions *options)
{
    if (options == NULL) {
        return;
    }
    for (unsigned i = 0; i < options->n_pings; i++) {
        dm_timer_disarm(&options->pings[i].timer);
        dm_timer_disarm(&options->pings[i].deadline);
        if (options->pings[i].tx != NULL) {
            dm_client_tx_forget_user(options->pings[i].tx);
        }
    }
    g_free(options->pings);
    dm_config_unref(options->config);
    g_free(options);
}

void
dm_options_probe(DmOptions *options)
{
    for (unsigned i = 0; i < options->n_pings; i++) {
        send_ping(&options->pings[i]);
    }
}
