/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/sip/counters.h"
#include "gateway/sip/transport/wire.h"
#include "tests/lib/certificates.h"
#include "tests/lib/temp-dir.h"

#define PATIENCE_US 20000000
#define MESSAGE(body)                                                                              \
    "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nContent-Length: "              \
    "2\r\n\r\n" body

/* One end: its listeners (0: TCP, 1: TLS) and what came in. */
typedef struct {
    DmWire *wire;
    GPtrArray *listeners;
    DmTlsContexts *tls;
    DmCounter counters[DM_N_SIP_COUNTERS];
    GPtrArray *received; /* char * */
    DmSipFlow last_flow;
    unsigned closed;
    DmSipFlow last_closed;
    bool last_foreign;
    bool echoes;
    const char *name; /* of what it connects to */
    bool knows;
    unsigned foreign_sends;
    unsigned last_foreign_worker;
} End;

typedef struct {
    DmLoop *loop;
    DmTempDir dir;
    End a, b;
    DmStreamLimits limits;
} Fixture;

static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    End *end = user_data;

    g_ptr_array_add(end->received, g_strndup(data, len));
    end->last_flow = *flow;
    if (end->echoes) {
        dm_wire_ops()->send(end->wire, flow, data, len);
    }
}

static void
on_unreachable(const DmAddress *remote, void *user_data)
{
}

static void
on_closed(const DmSipFlow *flow, bool foreign, void *user_data)
{
    End *end = user_data;

    end->closed++;
    end->last_closed = *flow;
    end->last_foreign = foreign;
}

static void
send_foreign(unsigned worker, const DmSipFlow *flow, const void *data, size_t len, void *user_data)
{
    End *end = user_data;

    end->foreign_sends++;
    end->last_foreign_worker = worker;
}

static bool
is_known(const DmAddress *remote, void *user_data)
{
    return ((End *)user_data)->knows;
}

static unsigned
names_of(const DmAddress *remote, const char **out_names, unsigned max, void *user_data)
{
    const End *end = user_data;

    out_names[0] = end->name;
    return end->name != NULL;
}

static void
free_listener(void *data)
{
    DmListenerConfig *config = data;

    g_free(config->id);
    g_free(config->tls_profile);
    g_free(config);
}

static void
add_listener(End *end, const char *id, DmTransport transport)
{
    DmListenerConfig *config = g_new0(DmListenerConfig, 1);

    config->id = g_strdup(id);
    config->transport = transport;
    config->max_message_bytes = 20000;
    config->tls_profile = g_strdup("p");
    g_assert_true(dm_address_parse(&config->address, "127.0.0.1", 0));
    g_ptr_array_add(end->listeners, config);
}

/* A configuration of nothing but one TLS profile. */
static DmTlsContexts *
certificates(const Fixture *f, const char *name)
{
    g_autofree char *text =
        g_strdup_printf("{\"tls_profiles\": [{\"id\": \"p\", \"cert\": \"%s/%s.pem\", \"key\": "
                        "\"%s/%s.key\", \"ca\": \"%s/ca.pem\"}]}",
                        f->dir.path,
                        name,
                        f->dir.path,
                        name,
                        f->dir.path);
    json_t *document = json_loads(text, 0, NULL);
    g_autoptr(GError) error = NULL;
    DmProblems problems;
    DmTlsContexts *contexts;

    dm_problems_init(&problems);
    g_autoptr(DmConfig) config = dm_config_new_from_json(document, &problems);
    g_assert_false(dm_problems_any(&problems));
    dm_problems_clear(&problems);
    json_decref(document);
    contexts = dm_tls_contexts_new(config, &error);
    g_assert_no_error(error);
    return contexts;
}

static void
open_end(Fixture *f, End *end, unsigned worker)
{
    g_autoptr(GError) error = NULL;

    end->received = g_ptr_array_new_with_free_func(g_free);
    end->listeners = g_ptr_array_new_with_free_func(free_listener);
    end->tls = certificates(f, "sbc");
    add_listener(end, "tcp", DM_TRANSPORT_TCP);
    add_listener(end, "tls", DM_TRANSPORT_TLS);
    add_listener(end, "udp", DM_TRANSPORT_UDP);
    end->wire = dm_wire_new(
        &(DmUdpOptions){
            .loop = f->loop,
            .listeners = end->listeners,
            .on_receive = on_receive,
            .on_unreachable = on_unreachable,
            .user_data = end,
            .counters = end->counters,
        },
        &(DmStreamsOptions){
            .loop = f->loop,
            .listeners = end->listeners,
            .worker = worker,
            .limits = f->limits,
            .on_receive = on_receive,
            .on_closed = on_closed,
            .send_foreign = send_foreign,
            .is_known = is_known,
            .names_of = names_of,
            .user_data = end,
            .counters = end->counters,
        },
        end->tls,
        &error);
    g_assert_no_error(error);
}

static void
close_end(End *end)
{
    dm_wire_free(end->wire);
    g_assert_cmpint(dm_counter_value(&end->counters[SIP_connections]), ==, 0);
    dm_tls_contexts_unref(end->tls);
    g_ptr_array_unref(end->received);
    g_ptr_array_unref(end->listeners);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    const DmStreamLimits *limits = data;
    g_autoptr(GError) error = NULL;
    DmTestAuthority *authority;

    f->limits = limits != NULL ? *limits
                               : (DmStreamLimits){
                                     .handshake_ms = 10000,
                                     .first_message_ms = 10000,
                                     .half_message_ms = 10000,
                                     .idle_ms = 10000,
                                     .stall_ms = 10000,
                                     .max_queue_bytes = 65536,
                                     .max_connections = 100,
                                     .max_per_source = 50,
                                 };
    f->loop = dm_loop_new(&error);
    g_assert_no_error(error);
    dm_temp_dir_init(&f->dir);
    authority = dm_test_authority_new(f->dir.path, "ca");
    dm_test_certificate(authority, "sbc", "DNS:sbc.example.com,IP:127.0.0.1", 864000);
    dm_test_certificate(authority, "next", "DNS:next.example.com", 864000);
    dm_test_authority_free(authority);
    open_end(f, &f->a, 0);
    open_end(f, &f->b, 1);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    close_end(&f->a);
    close_end(&f->b);
    dm_loop_free(f->loop);
    dm_temp_dir_clear(&f->dir);
}

#define TURN_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        int64_t until_us = g_get_monotonic_time() + PATIENCE_US;                                   \
        while (!(condition)) {                                                                     \
            g_assert_cmpint(g_get_monotonic_time(), <, until_us);                                  \
            dm_loop_turn((f)->loop, 10000);                                                        \
        }                                                                                          \
    } while (0)

static int64_t
count(const End *end, DmSipCounterId id)
{
    return dm_counter_value(&end->counters[id]);
}

static DmSipFlow
flow_to(const End *from, const End *to, DmTransport transport)
{
    const DmSipWireOps *ops = dm_wire_ops();
    unsigned listener = transport == DM_TRANSPORT_TCP ? 0 : 1;
    DmSipFlow flow;

    g_assert_true(
        ops->flow_to(from->wire, -1, transport, ops->advertised(to->wire, listener), &flow));
    return flow;
}

static bool
send_text(const End *end, const DmSipFlow *flow, const char *text)
{
    return dm_wire_ops()->send(end->wire, flow, text, strlen(text));
}

static const char *
received(const End *end, unsigned i)
{
    return end->received->pdata[i];
}

/* A plain socket to one of @end's listeners. */
static int
dial(const End *end, unsigned listener)
{
    const DmAddress *address = dm_wire_ops()->advertised(end->wire, listener);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(connect(fd, &address->any, dm_address_len(address)), ==, 0);
    return fd;
}

static void
there_and_back(Fixture *f, DmTransport transport)
{
    DmSipFlow flow = flow_to(&f->a, &f->b, transport);

    f->b.echoes = true;
    g_assert_true(send_text(&f->a, &flow, MESSAGE("12")));
    g_assert_true(send_text(&f->a, &flow, MESSAGE("34")));
    TURN_UNTIL(f, f->a.received->len == 2);
    g_assert_cmpstr(received(&f->b, 0), ==, MESSAGE("12"));
    g_assert_cmpstr(received(&f->a, 1), ==, MESSAGE("34"));
    g_assert_cmpint(f->b.last_flow.transport, ==, transport);
    g_assert_cmpuint(dm_flow_worker(f->b.last_flow.connection), ==, 1);
    g_assert_true(dm_address_equal(&f->a.last_flow.remote, &flow.remote));
    g_assert_cmpuint(dm_streams_n_connections(dm_wire_streams(f->a.wire)), ==, 1);
    g_assert_cmpint(count(&f->a, SIP_connections_out), ==, 1);
    g_assert_cmpint(count(&f->b, SIP_connections_in), ==, 1);
}

static void
test_tcp(Fixture *f, gconstpointer data)
{
    g_test_summary("SIG-24: connected on demand, used again, answered on the same connection: TCP");
    there_and_back(f, DM_TRANSPORT_TCP);
    g_assert_cmpint(count(&f->b, SIP_tcp_rx), ==, 2);
}

static void
test_tls(Fixture *f, gconstpointer data)
{
    g_test_summary("SIG-24, SEC-1: the same with TLS, server verified by the name of its trunk");
    f->a.name = "sbc.example.com";
    there_and_back(f, DM_TRANSPORT_TLS);
    g_assert_cmpint(count(&f->b, SIP_tls_rx), ==, 2);
    g_assert_cmpint(count(&f->a, SIP_tls_handshakes), ==, 1);
}

static void
test_wrong_name(Fixture *f, gconstpointer data)
{
    DmSipFlow flow = flow_to(&f->a, &f->b, DM_TRANSPORT_TLS);

    g_test_summary("SEC-1: a server that proves another name gets nothing, and its requests fail");
    f->a.name = "carrier.example.com";
    g_assert_true(send_text(&f->a, &flow, MESSAGE("12")));
    TURN_UNTIL(f, f->a.closed == 1);
    g_assert_cmpuint(f->b.received->len, ==, 0);
    g_assert_true(dm_address_equal(&f->a.last_closed.remote, &flow.remote));
    g_assert_cmpint(count(&f->a, SIP_tls_failed_name), ==, 1);
    TURN_UNTIL(f, count(&f->b, SIP_tls_failed_alert) == 1);
}

static void
test_alias(Fixture *f, gconstpointer data)
{
    DmSipFlow flow = flow_to(&f->a, &f->b, DM_TRANSPORT_TLS);
    DmSipFlow back;

    g_test_summary("SIG-24: requests go back over a connection whose maker has told its alias "
                   "(RFC 5923), until it is gone");
    g_assert_true(send_text(&f->a, &flow, MESSAGE("12")));
    TURN_UNTIL(f, f->b.received->len == 1);
    back = flow_to(&f->b, &f->a, DM_TRANSPORT_TLS);
    dm_wire_ops()->take_alias(f->b.wire, &f->b.last_flow, dm_address_port(&back.remote));
    g_assert_true(send_text(&f->b, &back, MESSAGE("34")));
    TURN_UNTIL(f, f->a.received->len == 1);
    g_assert_cmpint(count(&f->b, SIP_connections_out), ==, 0);
    g_assert_cmpuint(f->a.last_flow.connection >> DM_FLOW_WORKER_SHIFT, ==, 0);

    close_end(&f->a);
    TURN_UNTIL(f, count(&f->b, SIP_connections) == 0);
    f->a = (End){0};
    open_end(f, &f->a, 0);
    g_assert_true(send_text(&f->b, &back, MESSAGE("56")));
    g_assert_cmpint(count(&f->b, SIP_connections_out), ==, 1);
}

static void
test_nobody_listens(Fixture *f, gconstpointer data)
{
    DmSipFlow flow = flow_to(&f->a, &f->b, DM_TRANSPORT_TCP);

    g_test_summary("SIG-22: a connection that is refused fails what was sent, at once");
    close_end(&f->b);
    g_assert_true(send_text(&f->a, &flow, MESSAGE("12")));
    TURN_UNTIL(f, f->a.closed == 1);
    g_assert_cmpint(count(&f->a, SIP_stream_connect_failed), ==, 1);
    f->b = (End){0};
    open_end(f, &f->b, 1);
}

static void
test_gone_connections_are_made_again(Fixture *f, gconstpointer data)
{
    DmSipFlow flow;
    int fd = dial(&f->a, 0);

    g_test_summary("SIG-24: a dialog outlives its connection: to whom it is gone, another is made, "
                   "and without an address it fails");
    g_assert_cmpint(send(fd, MESSAGE("12"), strlen(MESSAGE("12")), 0), >, 0);
    TURN_UNTIL(f, f->a.received->len == 1);
    close(fd);
    TURN_UNTIL(f, count(&f->a, SIP_connections) == 0);
    flow = f->a.last_flow;
    g_assert_false(send_text(&f->a, &flow, MESSAGE("34")));
    g_assert_cmpint(count(&f->a, SIP_tcp_tx_failed), ==, 1);
    flow.fallback = *dm_wire_ops()->advertised(f->b.wire, 0);
    g_assert_true(send_text(&f->a, &flow, MESSAGE("34")));
    TURN_UNTIL(f, f->b.received->len == 1);
    g_assert_cmpstr(received(&f->b, 0), ==, MESSAGE("34"));
    g_assert_cmpuint(f->a.closed, ==, 0); /* nothing was waiting on the first */
}

static void
test_pings(Fixture *f, gconstpointer data)
{
    char answer[16];
    int fd = dial(&f->a, 0);

    g_test_summary("SIG-24, RFC 5626, 3.5.1: CRLF CRLF is answered with CRLF");
    g_assert_cmpint(send(fd, "\r\n\r\n", 4, 0), ==, 4);
    TURN_UNTIL(f, recv(fd, answer, sizeof answer, MSG_DONTWAIT | MSG_PEEK) > 0);
    g_assert_cmpint(recv(fd, answer, sizeof answer, MSG_DONTWAIT), ==, 2);
    g_assert_cmpmem(answer, 2, "\r\n", 2);
    close(fd);
}

static bool
is_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void
test_rubbish(Fixture *f, gconstpointer data)
{
    static const char no_length[] = "OPTIONS sip:h SIP/2.0\r\nVia: x\r\n\r\n";
    int fd = dial(&f->a, 0);

    g_test_summary("SEC-5: what cannot be framed is handed over to be refused, then closed");
    g_assert_cmpint(send(fd, no_length, strlen(no_length), 0), >, 0);
    TURN_UNTIL(f, is_closed(fd));
    g_assert_cmpstr(received(&f->a, 0), ==, no_length);
    g_assert_cmpint(count(&f->a, SIP_stream_broken), ==, 1);
    close(fd);
    fd = dial(&f->a, 0);
    g_assert_cmpint(send(fd, "\x16\x03\x01", 3, 0), ==, 3);
    TURN_UNTIL(f, is_closed(fd));
    g_assert_cmpuint(f->a.received->len, ==, 1);
    close(fd);
}

static const DmStreamLimits quick = {
    .handshake_ms = 100,
    .first_message_ms = 100,
    .half_message_ms = 100,
    .idle_ms = 300,
    .stall_ms = 100,
    .max_queue_bytes = 65536,
    .max_connections = 16,
    .max_per_source = 3,
};

static void
test_deadlines(Fixture *f, gconstpointer data)
{
    int silent = dial(&f->a, 0);
    int shaking = dial(&f->a, 1);
    int dribbling = dial(&f->a, 0);
    unsigned sent = 0;

    g_test_summary("SIG-24: silence, half a handshake, and a message that dribbles in have a "
                   "deadline, whatever bytes they send meanwhile");
    TURN_UNTIL(f, count(&f->a, SIP_connections) == 3);
    g_assert_cmpint(send(shaking, "\x16\x03\x01", 3, 0), ==, 3);
    g_assert_cmpint(send(dribbling, MESSAGE("12"), strlen(MESSAGE("12")), 0), >, 0);
    TURN_UNTIL(f, f->a.received->len == 1);
    while (count(&f->a, SIP_stream_timeout) < 3) {
        g_assert_cmpint(count(&f->a, SIP_connections), >, 0);
        if (sent++ < 1000) {
            send(dribbling, "a", 1, MSG_NOSIGNAL);
        }
        dm_loop_turn(f->loop, 5000);
    }
    TURN_UNTIL(f, count(&f->a, SIP_connections) == 0);
    g_assert_true(is_closed(silent));
    g_assert_cmpint(count(&f->a, SIP_tls_failed_timeout), ==, 1);
    close(silent);
    close(shaking);
    close(dribbling);
}

static void
test_idle(Fixture *f, gconstpointer data)
{
    DmSipFlow flow = flow_to(&f->a, &f->b, DM_TRANSPORT_TCP);
    int fd = dial(&f->a, 0);

    g_test_summary("SIG-24: idle connections are closed, those to endpoints of trunks are kept");
    f->a.name = "sbc.example.com";
    g_assert_cmpint(send(fd, MESSAGE("12"), strlen(MESSAGE("12")), 0), >, 0);
    TURN_UNTIL(f, f->a.received->len == 1);
    TURN_UNTIL(f, is_closed(fd));
    close(fd);
    g_assert_true(send_text(&f->a, &flow, MESSAGE("12")));
    TURN_UNTIL(f, f->b.received->len == 1);
    TURN_UNTIL(f, count(&f->b, SIP_connections) == 0); /* the other side has no trunk there */
    g_assert_cmpint(count(&f->a, SIP_stream_timeout), ==, 1);
}

static void
test_caps(Fixture *f, gconstpointer data)
{
    int fds[20];

    g_test_summary("SIG-24: one stranger gets three connections, all strangers twelve of sixteen; "
                   "known trunks get the rest");
    for (unsigned i = 0; i < 5; i++) {
        fds[i] = dial(&f->a, 0);
    }
    TURN_UNTIL(f, count(&f->a, SIP_refused_source) == 2);
    g_assert_cmpint(count(&f->a, SIP_connections), ==, 3);
    TURN_UNTIL(f, is_closed(fds[4]));
    f->a.knows = true;
    for (unsigned i = 5; i < 20; i++) {
        fds[i] = dial(&f->a, 0);
    }
    TURN_UNTIL(f, count(&f->a, SIP_refused_total) == 2);
    g_assert_cmpint(count(&f->a, SIP_connections), ==, 16);
    for (unsigned i = 0; i < 20; i++) {
        close(fds[i]);
    }
    TURN_UNTIL(f, count(&f->a, SIP_connections) == 0);
    f->a.knows = false;
    fds[0] = dial(&f->a, 0);
    TURN_UNTIL(f, count(&f->a, SIP_connections) == 1); /* places come back */
    close(fds[0]);
}

static void
test_full_queue(Fixture *f, gconstpointer data)
{
    g_autofree char *large = g_strnfill(10000, 'x');
    int fd = dial(&f->a, 0);
    unsigned n = 0;

    g_test_summary("SIG-24: what waits for a peer that does not read is bounded, and ends it");
    g_assert_cmpint(send(fd, MESSAGE("12"), strlen(MESSAGE("12")), 0), >, 0);
    TURN_UNTIL(f, f->a.received->len == 1);
    while (n < 10000 && dm_wire_ops()->send(f->a.wire, &f->a.last_flow, large, strlen(large))) {
        n++;
        dm_loop_turn(f->loop, 0);
    }
    g_assert_cmpuint(n, <, 10000);
    TURN_UNTIL(f, f->a.closed == 1);
    g_assert_cmpint(count(&f->a, SIP_stream_timeout), ==, 1);
    close(fd);
}

static void
test_other_workers(Fixture *f, gconstpointer data)
{
    DmSipFlow flow = flow_to(&f->a, &f->b, DM_TRANSPORT_TCP);

    g_test_summary(
        "A worker hands bytes for another worker's connection over; the owner sends them, "
        "and says so when it ends");
    g_assert_true(send_text(&f->a, &flow, MESSAGE("12")));
    TURN_UNTIL(f, f->b.received->len == 1);
    flow = f->b.last_flow; /* worker 1's */
    g_assert_true(send_text(&f->a, &flow, MESSAGE("34")));
    g_assert_cmpuint(f->a.foreign_sends, ==, 1);
    g_assert_cmpuint(f->a.last_foreign_worker, ==, 1);
    g_assert_true(dm_streams_send_own(dm_wire_streams(f->b.wire),
                                      &flow,
                                      MESSAGE("34"),
                                      strlen(MESSAGE("34"))));
    TURN_UNTIL(f, f->a.received->len == 1);
    close_end(&f->a);
    TURN_UNTIL(f, f->b.closed == 1);
    g_assert_true(f->b.last_foreign);
    f->a = (End){0};
    open_end(f, &f->a, 0);
}

static void
test_new_certificates(Fixture *f, gconstpointer data)
{
    DmSipFlow flow = flow_to(&f->a, &f->b, DM_TRANSPORT_TLS);
    DmTlsContexts *next;

    g_test_summary("SEC-1: new certificates are shown to new connections; the old ones live on");
    f->a.name = "sbc.example.com";
    g_assert_true(send_text(&f->a, &flow, MESSAGE("12")));
    TURN_UNTIL(f, f->b.received->len == 1);
    next = certificates(f, "next");
    dm_streams_take_tls(dm_wire_streams(f->b.wire), next);
    dm_tls_contexts_unref(next);
    g_assert_true(send_text(&f->a, &flow, MESSAGE("34")));
    TURN_UNTIL(f, f->b.received->len == 2);
    g_assert_cmpint(count(&f->a, SIP_connections_out), ==, 1);

    close_end(&f->a);
    f->a = (End){.name = "next.example.com"};
    open_end(f, &f->a, 0);
    flow = flow_to(&f->a, &f->b, DM_TRANSPORT_TLS);
    g_assert_true(send_text(&f->a, &flow, MESSAGE("56")));
    TURN_UNTIL(f, f->b.received->len == 3);
}

static unsigned
n_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static void
test_descriptors(Fixture *f, gconstpointer data)
{
    unsigned before = n_descriptors();

    g_test_summary("SIG-24: connections that come and go leave no descriptor behind");
    for (unsigned i = 0; i < 300; i++) {
        int fd = dial(&f->a, i % 2);
        struct linger reset = {.l_onoff = 1};

        if (i % 3 == 0) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        } else if (i % 3 == 1) {
            send(fd, "\x16\x03\x01\x02", 4, MSG_NOSIGNAL);
        }
        close(fd);
        dm_loop_turn(f->loop, 0);
    }
    TURN_UNTIL(f, count(&f->a, SIP_connections) == 0);
    g_assert_cmpuint(n_descriptors(), ==, before);
}

static void
test_wire(Fixture *f, gconstpointer data)
{
    const DmSipWireOps *ops = dm_wire_ops();
    DmSipFlow flow;
    DmAddress remote;

    g_test_summary("One wire of all transports: each flow by the listener of its transport");
    g_assert_true(dm_address_parse(&remote, "127.0.0.1", 9));
    g_assert_true(ops->flow_to(f->a.wire, -1, DM_TRANSPORT_UDP, &remote, &flow));
    g_assert_cmpuint(flow.listener, ==, 2);
    g_assert_true(ops->flow_to(f->a.wire, -1, DM_TRANSPORT_TLS, &remote, &flow));
    g_assert_cmpuint(flow.listener, ==, 1);
    g_assert_false(ops->flow_to(f->a.wire, 0, DM_TRANSPORT_TLS, &remote, &flow));
    g_assert_cmpuint(dm_address_port(ops->advertised(f->a.wire, 2)), !=, 0);
    g_assert_null(ops->contact_host(f->a.wire, 1));
    g_assert_true(dm_address_parse(&remote, "::1", 9));
    g_assert_false(ops->flow_to(f->a.wire, -1, DM_TRANSPORT_TCP, &remote, &flow));
}

static void
test_taken_port(Fixture *f, gconstpointer data)
{
    DmListenerConfig *own = f->a.listeners->pdata[0];
    uint16_t port = dm_address_port(&own->address);
    g_autoptr(GError) error = NULL;

    g_test_summary("A port that a gateway listens on already is told, although workers share it");
    g_assert_true(dm_streams_check_free(f->a.listeners, &error));
    own->address = *dm_wire_ops()->advertised(f->a.wire, 0);
    g_assert_false(dm_streams_check_free(f->a.listeners, &error));
    g_assert_true(g_str_has_prefix(error->message, "listener 'tcp': 127.0.0.1:"));
    g_assert_true(g_str_has_suffix(error->message, ": Address already in use"));
    dm_address_set_port(&own->address, port);
}

#define ADD(name, func) g_test_add("/sip-streams/" name, Fixture, NULL, set_up, func, tear_down)
#define ADD_QUICK(name, func)                                                                      \
    g_test_add("/sip-streams/" name, Fixture, &quick, set_up, func, tear_down)

int
main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    ADD("tcp", test_tcp);
    ADD("tls", test_tls);
    ADD("wrong-name", test_wrong_name);
    ADD("alias", test_alias);
    ADD("nobody-listens", test_nobody_listens);
    ADD("made-again", test_gone_connections_are_made_again);
    ADD("pings", test_pings);
    ADD("rubbish", test_rubbish);
    ADD_QUICK("deadlines", test_deadlines);
    ADD_QUICK("idle", test_idle);
    ADD_QUICK("caps", test_caps);
    ADD_QUICK("full-queue", test_full_queue);
    ADD("other-workers", test_other_workers);
    ADD("new-certificates", test_new_certificates);
    ADD("descriptors", test_descriptors);
    ADD("wire", test_wire);
    ADD("taken-port", test_taken_port);
    return g_test_run();
}
