/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/sim-network.h"

#include <string.h>

typedef struct {
    const DmSimHost *from, *to; /* NULL: any */
    DmSimLink link;
} LinkRule;

struct DmSimNetwork {
    DmFakeClock clock;
    int64_t start_us;
    DmLoop *loop;
    DmRandom *random;
    GPtrArray *hosts; /* DmSimHost, owned */
    GArray *rules;    /* LinkRule */
    GQueue under_way; /* Datagram */
    DmSimCounts counts;
};

struct DmSimHost {
    DmSimNetwork *network;
    GArray *listeners; /* DmAddress */
    DmSimHostState state;
    size_t max_request;
    DmSipReceiveFunc on_receive;
    DmSipUnreachableFunc on_unreachable;
    void *user_data;
};

/* One on its way. */
typedef struct {
    DmTimer timer;
    GList link;
    DmSimNetwork *network;
    DmSimHost *from;
    unsigned from_listener;
    DmAddress to;
    size_t len;
    char data[];
} Datagram;

static const DmSimLink default_link = {.delay_us = 1000};

/* --- the network --- */

static void
host_free(void *data)
{
    DmSimHost *host = data;

    g_array_free(host->listeners, TRUE);
    g_free(host);
}

DmSimNetwork *
dm_sim_network_new(uint64_t seed)
{
    DmSimNetwork *network = g_new0(DmSimNetwork, 1);

    dm_fake_clock_init(&network->clock);
    network->start_us = network->clock.mono_now_us;
    network->loop = dm_loop_new_virtual(&network->clock.clock);
    network->random = dm_random_new_seeded(seed);
    network->hosts = g_ptr_array_new_with_free_func(host_free);
    network->rules = g_array_new(FALSE, FALSE, sizeof(LinkRule));
    g_queue_init(&network->under_way);
    return network;
}

static void
datagram_free(Datagram *datagram)
{
    dm_timer_disarm(&datagram->timer);
    g_queue_unlink(&datagram->network->under_way, &datagram->link);
    g_free(datagram);
}

void
dm_sim_network_free(DmSimNetwork *network)
{
    if (network == NULL) {
        return;
    }
    while (network->under_way.head != NULL) {
        datagram_free(network->under_way.head->data);
    }
    g_ptr_array_free(network->hosts, TRUE);
    g_array_free(network->rules, TRUE);
    dm_random_free(network->random);
    dm_loop_free(network->loop);
    g_free(network);
}

DmLoop *
dm_sim_network_loop(DmSimNetwork *network)
{
    return network->loop;
}

DmFakeClock *
dm_sim_network_clock(DmSimNetwork *network)
{
    return &network->clock;
}

DmRandom *
dm_sim_network_random(DmSimNetwork *network)
{
    return network->random;
}

int64_t
dm_sim_network_now_us(const DmSimNetwork *network)
{
    return network->clock.mono_now_us - network->start_us;
}

const DmSimCounts *
dm_sim_network_counts(const DmSimNetwork *network)
{
    return &network->counts;
}

void
dm_sim_network_set_link(DmSimNetwork *network,
                        const DmSimHost *from,
                        const DmSimHost *to,
                        const DmSimLink *link)
{
    LinkRule rule = {from, to, *link};

    g_array_append_val(network->rules, rule);
}

static bool
never(void *user_data)
{
    return false;
}

bool
dm_sim_network_run_until(DmSimNetwork *network,
                         bool (*done)(void *user_data),
                         void *user_data,
                         int64_t max_us)
{
    int64_t end_us = network->clock.mono_now_us + max_us;

    while (!done(user_data)) {
        int64_t wait_us = dm_loop_wait_us(network->loop);
        int64_t left_us = end_us - network->clock.mono_now_us;
        bool is_last = wait_us < 0 || wait_us > left_us;

        dm_fake_clock_advance(&network->clock, is_last ? left_us : wait_us);
        dm_loop_turn(network->loop, 0);
        if (is_last) {
            return done(user_data);
        }
    }
    return true;
}

void
dm_sim_network_run(DmSimNetwork *network, int64_t us)
{
    dm_sim_network_run_until(network, never, NULL, us);
}

/* --- datagrams --- */

static DmSimHost *
find_host(const DmSimNetwork *network, const DmAddress *address, unsigned *out_listener)
{
    for (guint i = 0; i < network->hosts->len; i++) {
        DmSimHost *host = network->hosts->pdata[i];

        for (guint n = 0; n < host->listeners->len; n++) {
            if (dm_address_equal(&g_array_index(host->listeners, DmAddress, n), address)) {
                *out_listener = n;
                return host;
            }
        }
    }
    return NULL;
}

static const DmSimLink *
link_between(const DmSimNetwork *network, const DmSimHost *from, const DmSimHost *to)
{
    for (guint i = network->rules->len; i > 0; i--) {
        const LinkRule *rule = &g_array_index(network->rules, LinkRule, i - 1);

        if ((rule->from == NULL || rule->from == from) && (rule->to == NULL || rule->to == to)) {
            return &rule->link;
        }
    }
    return &default_link;
}

static bool
chance(DmSimNetwork *network, unsigned percent)
{
    return percent > 0 && dm_random_range(network->random, 0, 99) < percent;
}

static int64_t
travel_time(DmSimNetwork *network, const DmSimLink *link)
{
    int64_t us = link->delay_us;

    if (link->jitter_us > 0) {
        us += dm_random_range(network->random, 0, link->jitter_us);
    }
    if (chance(network, link->late_percent)) {
        us += dm_random_range(network->random, 0, link->late_max_us);
    }
    return us;
}

static void on_arrival(DmTimer *timer, void *user_data);

static void
put_under_way(DmSimHost *from,
              unsigned listener,
              const DmAddress *to,
              const void *data,
              size_t len,
              int64_t us)
{
    DmSimNetwork *network = from->network;
    Datagram *datagram = g_malloc0(sizeof(*datagram) + len);

    datagram->network = network;
    datagram->from = from;
    datagram->from_listener = listener;
    datagram->to = *to;
    datagram->len = len;
    memcpy(datagram->data, data, len);
    datagram->link.data = datagram;
    g_queue_push_tail_link(&network->under_way, &datagram->link);
    dm_loop_arm(network->loop, &datagram->timer, us, on_arrival, datagram);
}

static void
refuse(Datagram *datagram)
{
    DmSimHost *from = datagram->from;

    datagram->network->counts.unreachable++;
    if (from->state == DM_SIM_UP && from->on_unreachable != NULL) {
        from->on_unreachable(&datagram->to, from->user_data);
    }
}

static void
deliver(Datagram *datagram, DmSimHost *to, unsigned listener)
{
    DmSipFlow flow = {
        .transport = DM_TRANSPORT_UDP,
        .listener = (uint16_t)listener,
        .remote = *dm_sim_host_address(datagram->from, datagram->from_listener),
        .local = *dm_sim_host_address(to, listener),
    };
    g_autofree char *exact =
        g_memdup2(datagram->data, datagram->len); /* so that a read behind its end is seen */

    datagram->network->counts.delivered++;
    to->on_receive(&flow, exact, datagram->len, to->user_data);
}

static void
on_arrival(DmTimer *timer, void *user_data)
{
    Datagram *datagram = user_data;
    unsigned listener = 0;
    DmSimHost *to = find_host(datagram->network, &datagram->to, &listener);

    if (to != NULL && to->state == DM_SIM_UP) {
        deliver(datagram, to, listener);
    } else if (to != NULL && to->state == DM_SIM_REFUSES) {
        refuse(datagram);
    }
    datagram_free(datagram);
}

/* --- hosts --- */

static bool
host_send(void *wire, const DmSipFlow *flow, const void *data, size_t len)
{
    DmSimHost *host = wire;
    DmSimNetwork *network = host->network;
    unsigned listener;
    const DmSimLink *link =
        link_between(network, host, find_host(network, &flow->remote, &listener));
    unsigned copies = 1;

    g_return_val_if_fail(flow->listener < host->listeners->len, false);
    network->counts.sent++;
    if (host->state != DM_SIM_UP || chance(network, link->loss_percent)) {
        network->counts.lost++;
        return true;
    }
    if (chance(network, link->duplicate_percent)) {
        network->counts.duplicated++;
        copies = 2;
    }
    for (unsigned i = 0; i < copies; i++) {
        put_under_way(host, flow->listener, &flow->remote, data, len, travel_time(network, link));
    }
    return true;
}

static bool
host_flow_to(void *wire,
             int listener,
             DmTransport transport,
             const DmAddress *remote,
             DmSipFlow *out_flow)
{
    const DmSimHost *host = wire;

    if (transport != DM_TRANSPORT_UDP || listener >= (int)host->listeners->len) {
        return false;
    }
    for (int i = MAX(listener, 0); i < (int)host->listeners->len; i++) {
        const DmAddress *local = dm_sim_host_address(host, (unsigned)i);

        if (dm_address_family(local) == dm_address_family(remote)) {
            *out_flow = (DmSipFlow){.transport = transport,
                                    .listener = (uint16_t)i,
                                    .remote = *remote,
                                    .local = *local};
            return true;
        }
        if (listener >= 0) {
            return false;
        }
    }
    return false;
}

static const DmAddress *
host_advertised(void *wire, unsigned listener)
{
    return dm_sim_host_address(wire, listener);
}

static const char *
host_contact_host(void *wire, unsigned listener)
{
    return NULL;
}

static size_t
host_max_request_bytes(void *wire, unsigned listener)
{
    return ((const DmSimHost *)wire)->max_request;
}

void
dm_sim_host_set_max_request(DmSimHost *host, size_t bytes)
{
    host->max_request = bytes;
}

static const DmSipWireOps host_ops = {
    .max_request_bytes = host_max_request_bytes,
    .send = host_send,
    .flow_to = host_flow_to,
    .advertised = host_advertised,
    .contact_host = host_contact_host,
};

DmSimHost *
dm_sim_host_new(DmSimNetwork *network,
                const char *address,
                DmSipReceiveFunc on_receive,
                DmSipUnreachableFunc on_unreachable,
                void *user_data)
{
    DmSimHost *host = g_new0(DmSimHost, 1);

    host->network = network;
    host->listeners = g_array_new(FALSE, FALSE, sizeof(DmAddress));
    host->on_receive = on_receive;
    host->on_unreachable = on_unreachable;
    host->user_data = user_data;
    g_ptr_array_add(network->hosts, host);
    dm_sim_host_add_listener(host, address);
    return host;
}

unsigned
dm_sim_host_add_listener(DmSimHost *host, const char *address)
{
    DmAddress parsed = {0};

    if (!dm_address_parse_with_port(&parsed, address, 5060)) {
        g_error("not an address: %s", address);
    }
    g_array_append_val(host->listeners, parsed);
    return host->listeners->len - 1;
}

DmSipWire
dm_sim_host_wire(DmSimHost *host)
{
    return (DmSipWire){&host_ops, host};
}

const DmAddress *
dm_sim_host_address(const DmSimHost *host, unsigned listener)
{
    return &g_array_index(host->listeners, DmAddress, listener);
}

void
dm_sim_host_set_state(DmSimHost *host, DmSimHostState state)
{
    host->state = state;
}
