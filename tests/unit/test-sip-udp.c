/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/sip/counters.h"
#include "gateway/sip/transport/udp.h"

#define PATIENCE_US 5000000

/* One end: its listeners and what came in. */
typedef struct {
    DmUdp *udp;
    GPtrArray *listeners;
    DmCounter counters[DM_N_SIP_COUNTERS];
    GPtrArray *received; /* char * */
    DmSipFlow last_flow;
    unsigned unreachable;
    DmAddress last_unreachable;
} End;

typedef struct {
    DmLoop *loop;
    End a, b;
} Fixture;

static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    End *end = user_data;

    g_ptr_array_add(end->received, g_strndup(data, len));
    end->last_flow = *flow;
}

static void
on_unreachable(const DmAddress *remote, void *user_data)
{
    End *end = user_data;

    end->unreachable++;
    end->last_unreachable = *remote;
}

static DmListenerConfig *
listener(const char *id, const char *address)
{
    DmListenerConfig *config = g_new0(DmListenerConfig, 1);

    config->id = g_strdup(id);
    config->dscp = 24;
    g_assert_true(dm_address_parse_with_port(&config->address, address, 0));
    return config;
}

static void
listener_free(void *data)
{
    DmListenerConfig *config = data;

    g_free(config->id);
    g_free(config->fqdn_contact);
    g_free(config);
}

static DmUdp *
open_udp(Fixture *f, End *end, GError **error)
{
    return dm_udp_new(&(DmUdpOptions){.loop = f->loop,
                                      .listeners = end->listeners,
                                      .on_receive = on_receive,
                                      .on_unreachable = on_unreachable,
                                      .user_data = end,
                                      .counters = end->counters},
                      error);
}

static void
init_end(End *end)
{
    end->listeners = g_ptr_array_new_with_free_func(listener_free);
    end->received = g_ptr_array_new_with_free_func(g_free);
}

static void
clear_end(End *end)
{
    dm_udp_free(end->udp);
    g_ptr_array_free(end->listeners, TRUE);
    g_ptr_array_free(end->received, TRUE);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->loop = dm_loop_new(&error);
    g_assert_no_error(error);
    init_end(&f->a);
    init_end(&f->b);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    clear_end(&f->a);
    clear_end(&f->b);
    dm_loop_free(f->loop);
}

static bool
open_both(Fixture *f, const char *address)
{
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(f->a.listeners, listener("a", address));
    g_ptr_array_add(f->b.listeners, listener("b", address));
    f->a.udp = open_udp(f, &f->a, &error);
    if (f->a.udp == NULL) {
        g_test_message("%s", error->message);
        return false;
    }
    f->b.udp = open_udp(f, &f->b, &error);
    g_assert_no_error(error);
    return true;
}

static DmSipFlow
flow_between(const End *from, const End *to)
{
    const DmSipWireOps *ops = dm_udp_ops();
    DmSipFlow flow;

    g_assert_true(
        ops->flow_to(from->udp, -1, DM_TRANSPORT_UDP, ops->advertised(to->udp, 0), &flow));
    return flow;
}

static void
turn_until(Fixture *f, bool (*done)(const Fixture *f))
{
    int64_t end_us = g_get_monotonic_time() + PATIENCE_US;

    while (!done(f)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        dm_loop_turn(f->loop, 10000);
    }
}

static bool
b_has_one(const Fixture *f)
{
    return f->b.received->len >= 1;
}

static bool
a_has_one(const Fixture *f)
{
    return f->a.received->len >= 1;
}

static bool
b_has_two_hundred(const Fixture *f)
{
    return f->b.received->len >= 200;
}

static bool
a_heard_unreachable(const Fixture *f)
{
    return f->a.unreachable > 0;
}

static void
there_and_back(Fixture *f)
{
    const DmSipWireOps *ops = dm_udp_ops();
    DmSipFlow flow = flow_between(&f->a, &f->b);

    g_assert_true(ops->send(f->a.udp, &flow, "ping", 4));
    g_assert_cmpint(dm_counter_value(&f->a.counters[SIP_udp_tx]), ==, 0);
    turn_until(f, b_has_one);
    g_assert_cmpstr(f->b.received->pdata[0], ==, "ping");
    g_assert_true(dm_address_equal(&f->b.last_flow.remote, ops->advertised(f->a.udp, 0)));
    g_assert_true(dm_address_equal(&f->b.last_flow.local, ops->advertised(f->b.udp, 0)));
    g_assert_true(ops->send(f->b.udp, &f->b.last_flow, "pong", 4));
    turn_until(f, a_has_one);
    g_assert_cmpstr(f->a.received->pdata[0], ==, "pong");
    g_assert_cmpint(dm_counter_value(&f->a.counters[SIP_udp_tx]), ==, 1);
    g_assert_cmpint(dm_counter_value(&f->a.counters[SIP_udp_rx]), ==, 1);
}

static void
test_ipv4(Fixture *f, gconstpointer data)
{
    g_test_summary("A datagram leaves at the end of the turn, arrives with its flow, and the flow "
                   "leads back (SIG-25)");
    g_assert_true(open_both(f, "127.0.0.1:0"));
    there_and_back(f);
}

static void
test_ipv6(Fixture *f, gconstpointer data)
{
    g_test_summary("The same over IPv6");
    if (!open_both(f, "[::1]:0")) {
        g_test_skip("no IPv6 here");
        return;
    }
    there_and_back(f);
}

static void
test_batches(Fixture *f, gconstpointer data)
{
    const DmSipWireOps *ops = dm_udp_ops();
    DmSipFlow flow;

    g_test_summary("Many datagrams of one turn arrive whole and in order");
    g_assert_true(open_both(f, "127.0.0.1:0"));
    flow = flow_between(&f->a, &f->b);
    for (unsigned i = 0; i < 200; i++) {
        g_autofree char *text = g_strdup_printf("%u %.*s",
                                                i,
                                                (int)(i * 5),
                                                "................................................");

        g_assert_true(ops->send(f->a.udp, &flow, text, strlen(text)));
    }
    turn_until(f, b_has_two_hundred);
    for (unsigned i = 0; i < 200; i++) {
        g_assert_cmpuint((unsigned)g_ascii_strtoull(f->b.received->pdata[i], NULL, 10), ==, i);
    }
}

static void
test_unreachable(Fixture *f, gconstpointer data)
{
    const DmSipWireOps *ops = dm_udp_ops();
    DmSipFlow to_closed;

    g_test_summary("A closed port is told of, by name, and does not stop what goes elsewhere (RFC "
                   "3261, 18.4)");
    g_assert_true(open_both(f, "127.0.0.1:0"));
    to_closed = flow_between(&f->a, &f->b);
    dm_udp_free(f->b.udp);
    f->b.udp = NULL;
    g_assert_true(ops->send(f->a.udp, &to_closed, "x", 1));
    turn_until(f, a_heard_unreachable);
    g_assert_true(dm_address_equal(&f->a.last_unreachable, &to_closed.remote));
    {
        DmSipFlow to_self = flow_between(&f->a, &f->a);

        g_assert_true(ops->send(f->a.udp, &to_closed, "x", 1));
        g_assert_true(ops->send(f->a.udp, &to_self, "y", 1));
        turn_until(f, a_has_one);
        g_assert_true(ops->send(f->a.udp, &to_self, "z", 1));
        g_ptr_array_set_size(f->a.received, 0);
        turn_until(f, a_has_one);
    }
}

static void
test_address_in_use(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    DmListenerConfig *config = listener("edge", "127.0.0.1:0");
    socklen_t len = sizeof(config->address.in4);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char text[DM_ADDRESS_TEXT_MAX];
    g_autofree char *expected = NULL;

    g_test_summary("A port that another program has is an error with the listener's name");
    g_assert_cmpint(bind(fd, &config->address.any, len), ==, 0);
    g_assert_cmpint(getsockname(fd, &config->address.any, &len), ==, 0);
    g_ptr_array_add(f->a.listeners, config);
    f->a.udp = open_udp(f, &f->a, &error);
    g_assert_null(f->a.udp);
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    expected = g_strdup_printf("listener 'edge': %s: Address already in use",
                               dm_address_text(&config->address, text));
    g_assert_cmpstr(error->message, ==, expected);
    close(fd);
}

static void
test_two_workers(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    DmListenerConfig *config;

    g_test_summary("Every worker has sockets of its own on the same port");
    g_ptr_array_add(f->a.listeners, listener("a", "127.0.0.1:0"));
    f->a.udp = open_udp(f, &f->a, &error);
    g_assert_no_error(error);
    config = listener("a", "127.0.0.1:0");
    config->address = *dm_udp_ops()->advertised(f->a.udp, 0);
    g_ptr_array_add(f->b.listeners, config);
    f->b.udp = open_udp(f, &f->b, &error);
    g_assert_no_error(error);
}

static void
test_second_gateway(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    DmListenerConfig *config = listener("edge", "127.0.0.1:0");

    g_test_summary("A port that a gateway of the same user listens on is not free, though the "
                   "system would share it");
    g_ptr_array_add(f->b.listeners, listener("edge", "127.0.0.1:0"));
    f->b.udp = open_udp(f, &f->b, &error);
    g_assert_no_error(error);
    config->address = *dm_udp_ops()->advertised(f->b.udp, 0);
    g_ptr_array_add(f->a.listeners, config);
    g_assert_false(dm_udp_check_free(f->a.listeners, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "listener 'edge': 127.0.0.1:"));
    g_clear_error(&error);
    g_clear_pointer(&f->b.udp, dm_udp_free);
    g_assert_true(dm_udp_check_free(f->a.listeners, &error));
    g_assert_no_error(error);
}

static void
test_listeners(Fixture *f, gconstpointer data)
{
    const DmSipWireOps *ops = dm_udp_ops();
    g_autoptr(GError) error = NULL;
    DmListenerConfig *tcp = listener("tcp", "127.0.0.1:0");
    DmListenerConfig *nat = listener("nat", "127.0.0.1:0");
    DmAddress remote;
    DmSipFlow flow;

    g_test_summary("Listeners keep their numbers; other transports are passed over; advertised is "
                   "what was configured");
    tcp->transport = DM_TRANSPORT_TCP;
    g_assert_true(dm_address_parse(&nat->advertised, "203.0.113.5", 0));
    nat->fqdn_contact = g_strdup("sbc.example.com");
    g_ptr_array_add(f->a.listeners, tcp);
    g_ptr_array_add(f->a.listeners, nat);
    f->a.udp = open_udp(f, &f->a, &error);
    g_assert_no_error(error);
    g_assert_true(dm_address_parse(&remote, "192.0.2.1", 5060));
    g_assert_true(ops->flow_to(f->a.udp, -1, DM_TRANSPORT_UDP, &remote, &flow));
    g_assert_cmpuint(flow.listener, ==, 1);
    g_assert_false(ops->flow_to(f->a.udp, 0, DM_TRANSPORT_UDP, &remote, &flow));
    g_assert_false(ops->flow_to(f->a.udp, 7, DM_TRANSPORT_UDP, &remote, &flow));
    g_assert_false(ops->flow_to(f->a.udp, -1, DM_TRANSPORT_TCP, &remote, &flow));
    g_assert_cmpuint(dm_address_port(ops->advertised(f->a.udp, 1)),
                     ==,
                     dm_address_port(&flow.local));
    g_assert_cmpstr(ops->contact_host(f->a.udp, 1), ==, "sbc.example.com");
    g_assert_true(dm_address_parse(&remote, "2001:db8::1", 5060));
    g_assert_false(ops->flow_to(f->a.udp, -1, DM_TRANSPORT_UDP, &remote, &flow));
    flow.listener = 0;
    g_assert_false(ops->send(f->a.udp, &flow, "x", 1));
}

static void
test_queue_is_bounded(Fixture *f, gconstpointer data)
{
    const DmSipWireOps *ops = dm_udp_ops();
    g_autofree char *large = g_malloc0(60000);
    DmSipFlow flow;
    unsigned n = 0;

    g_test_summary("What waits to be sent has a limit (SEC-5)");
    g_assert_true(open_both(f, "127.0.0.1:0"));
    flow = flow_between(&f->a, &f->b);
    while (n < 10000 && ops->send(f->a.udp, &flow, large, 60000)) {
        n++;
    }
    g_assert_cmpuint(n, <, 10000);
    g_assert_cmpuint(n, >, 100);
    g_assert_cmpint(dm_counter_value(&f->a.counters[SIP_udp_tx_failed]), ==, 1);
}

#define TEST(name, func) g_test_add("/sip-udp/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("ipv4", test_ipv4);
    TEST("ipv6", test_ipv6);
    TEST("batches", test_batches);
    TEST("unreachable", test_unreachable);
    TEST("address-in-use", test_address_in_use);
    TEST("two-workers", test_two_workers);
    TEST("second-gateway", test_second_gateway);
    TEST("listeners", test_listeners);
    TEST("queue-is-bounded", test_queue_is_bounded);
    return g_test_run();
}
