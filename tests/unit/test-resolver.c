/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config/load.h"
#include "gateway/base/thread.h"
#include "gateway/sip/resolver-priv.h"

/* A name server of its own on loopback: it knows one zone, and counts. */
typedef struct {
    int fd, quit_fd;
    uint16_t port;
    GThread *thread;
    _Atomic bool failing;
    _Atomic unsigned queries;
} NameServer;

typedef struct {
    const char *name;
    uint16_t type;
    const char *data; /* address, or "priority weight port host" */
} Record;

static const Record zone[] = {
    {"one.test", ns_t_a, "192.0.2.1"},
    {"one.test", ns_t_aaaa, "2001:db8::1"},
    {"two.test", ns_t_a, "192.0.2.2"},
    {"_sip._udp.srv.test", ns_t_srv, "20 0 5070 two.test"},
    {"_sip._udp.srv.test", ns_t_srv, "10 0 5080 one.test"},
    {"bare.test", ns_t_a, "192.0.2.3"},
};

static size_t
put_name(uint8_t *out, const char *name)
{
    g_auto(GStrv) labels = g_strsplit(name, ".", 0);
    size_t n = 0;

    for (char **label = labels; *label != NULL; label++) {
        out[n++] = (uint8_t)strlen(*label);
        memcpy(out + n, *label, strlen(*label));
        n += strlen(*label);
    }
    out[n++] = 0;
    return n;
}

static size_t
put_data(uint8_t *out, const Record *record)
{
    g_auto(GStrv) words = g_strsplit(record->data, " ", 0);

    if (record->type == ns_t_a) {
        g_assert_cmpint(inet_pton(AF_INET, record->data, out), ==, 1);
        return 4;
    }
    if (record->type == ns_t_aaaa) {
        g_assert_cmpint(inet_pton(AF_INET6, record->data, out), ==, 1);
        return 16;
    }
    for (unsigned i = 0; i < 3; i++) {
        uint16_t number = htons((uint16_t)atoi(words[i]));

        memcpy(out + 2 * i, &number, 2);
    }
    return 6 + put_name(out + 6, words[3]);
}

static void
put_u16(uint8_t *out, size_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static size_t
put_record(uint8_t *out, const Record *record)
{
    uint8_t *p = out;
    size_t len;

    put_u16(p, 0xc00c); /* the name asked for */
    put_u16(p + 2, record->type);
    put_u16(p + 4, ns_c_in);
    put_u16(p + 6, 0);
    put_u16(p + 8, 60); /* TTL */
    len = put_data(p + 12, record);
    put_u16(p + 10, len);
    return 12 + len;
}

/* Lower case, with dots; returns where it ends. */
static size_t
get_name(const uint8_t *question, GString *out)
{
    size_t at = 0;

    while (question[at] != 0) {
        if (out->len > 0) {
            g_string_append_c(out, '.');
        }
        g_string_append_len(out, (const char *)question + at + 1, question[at]);
        at += question[at] + 1U;
    }
    g_string_ascii_down(out);
    return at + 1;
}

static size_t
answer(NameServer *server, const uint8_t *query, size_t len, uint8_t *out)
{
    g_autoptr(GString) name = g_string_new(NULL);
    size_t end = 12 + get_name(query + 12, name);
    unsigned type = (unsigned)query[end] << 8 | query[end + 1];
    size_t n = end + 4, records = 0;
    bool exists = false;

    memcpy(out, query, n);
    for (unsigned i = 0; i < G_N_ELEMENTS(zone); i++) {
        if (strcmp(zone[i].name, name->str) == 0) {
            exists = true;
            if (zone[i].type == type && !server->failing) {
                n += put_record(out + n, &zone[i]);
                records++;
            }
        }
    }
    out[2] = 0x85;
    out[3] = server->failing ? ns_r_servfail : exists ? ns_r_noerror : ns_r_nxdomain;
    put_u16(out + 6, records);
    put_u16(out + 8, 0);
    put_u16(out + 10, 0);
    return n;
}

static gpointer
serve(gpointer user_data)
{
    NameServer *server = user_data;

    for (;;) {
        struct pollfd fds[2] = {{.fd = server->fd, .events = POLLIN},
                                {.fd = server->quit_fd, .events = POLLIN}};
        uint8_t query[512], reply[1500];
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        ssize_t len;

        poll(fds, 2, -1);
        if (fds[1].revents != 0) {
            return NULL;
        }
        len = recvfrom(server->fd, query, sizeof query, 0, (struct sockaddr *)&from, &from_len);
        if (len > 12) {
            size_t n = answer(server, query, (size_t)len, reply);

            server->queries++;
            sendto(server->fd, reply, n, 0, (struct sockaddr *)&from, from_len);
        }
    }
}

static void
name_server_start(NameServer *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;

    *server = (NameServer){.fd = socket(AF_INET, SOCK_DGRAM, 0), .quit_fd = eventfd(0, 0)};
    g_assert_cmpint(bind(server->fd, (struct sockaddr *)&address, len), ==, 0);
    g_assert_cmpint(getsockname(server->fd, (struct sockaddr *)&address, &len), ==, 0);
    server->port = ntohs(address.sin_port);
    server->thread = g_thread_new("dns", serve, server);
}

static void
name_server_stop(NameServer *server)
{
    uint64_t one = 1;

    g_assert_cmpint(write(server->quit_fd, &one, sizeof one), ==, sizeof one);
    g_thread_join(server->thread);
    close(server->fd);
    close(server->quit_fd);
}

/* --- the resolver's user --- */

typedef struct {
    NameServer server;
    DmResolver *resolver;
    GAsyncQueue *told; /* "trunk/endpoint address address" */
} Fixture;

static void
on_addresses(const char *trunk_id,
             unsigned endpoint,
             const DmAddress *addresses,
             size_t n,
             void *user_data)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%s/%u", trunk_id, endpoint);
    for (size_t i = 0; i < n; i++) {
        char buffer[DM_ADDRESS_TEXT_MAX];

        g_string_append_printf(text, " %s", dm_address_text(&addresses[i], buffer));
    }
    g_async_queue_push(((Fixture *)user_data)->told, g_string_free(text, FALSE));
}

static void
set_up(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *servers = NULL;

    name_server_start(&f->server);
    servers = g_strdup_printf("127.0.0.1:%u", f->server.port);
    f->told = g_async_queue_new_full(g_free);
    f->resolver = dm_resolver_start_with_servers(on_addresses, f, servers, &error);
    g_assert_no_error(error);
}

static void
tear_down(Fixture *f)
{
    dm_resolver_stop(f->resolver);
    name_server_stop(&f->server);
    g_async_queue_unref(f->told);
}

static void
take(Fixture *f, const char *trunks)
{
    g_autofree char *text = g_strconcat("trunks:\n", trunks, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(DmDocument) document = dm_document_parse(text, strlen(text), "t.yaml", &error);
    g_autoptr(DmConfig) config = NULL;
    DmProblems problems;

    g_assert_no_error(error);
    dm_problems_init(&problems);
    config = dm_config_new_from_json(dm_document_json(document), &problems);
    g_assert_nonnull(config);
    dm_problems_clear(&problems);
    dm_resolver_take_config(f->resolver, config);
}

static char *
next(Fixture *f)
{
    char *told = g_async_queue_timeout_pop(f->told, 10 * G_USEC_PER_SEC);

    g_assert_nonnull(told);
    return told;
}

static void
test_addresses(void)
{
    Fixture f;
    g_autofree char *told = NULL;

    g_test_summary("SIG-22: with a port a name is its A and AAAA, with that port");
    set_up(&f);
    take(&f, "  - {id: t, role: carrier, endpoints: [{uri: 'one.test:5066'}]}\n");
    told = next(&f);
    g_assert_true(g_str_has_prefix(told, "t/0 "));
    g_assert_nonnull(strstr(told, " 192.0.2.1:5066"));
    g_assert_nonnull(strstr(told, " [2001:db8::1]:5066"));
    tear_down(&f);
}

static void
test_srv(void)
{
    Fixture f;
    g_autofree char *told = NULL;
    const char *first, *last;

    g_test_summary("SIG-22: without a port SRV decides targets, their order and ports");
    set_up(&f);
    take(&f, "  - {id: t, role: carrier, endpoints: [{uri: 192.0.2.9}, {uri: srv.test}]}\n");
    told = next(&f);
    g_assert_true(g_str_has_prefix(told, "t/1 "));
    first = strstr(told, "192.0.2.1:5080");
    last = strstr(told, "192.0.2.2:5070");
    g_assert_nonnull(first);
    g_assert_true(first < last);
    tear_down(&f);
}

static void
test_no_srv(void)
{
    Fixture f;
    g_autofree char *told = NULL;

    g_test_summary("SIG-22: without SRV records the name itself, at the default port");
    set_up(&f);
    take(&f, "  - {id: t, role: carrier, endpoints: [{uri: bare.test}]}\n");
    told = next(&f);
    g_assert_cmpstr(told, ==, "t/0 192.0.2.3:5060");
    tear_down(&f);
}

static void
test_failure(void)
{
    Fixture f;

    g_test_summary("SIG-22: SERVFAIL tells nothing, so what was known stays");
    set_up(&f);
    f.server.failing = true;
    take(&f, "  - {id: t, role: carrier, endpoints: [{uri: 'one.test:5060'}]}\n");
    while (f.server.queries < 2) {
        g_thread_yield();
    }
    g_assert_null(g_async_queue_try_pop(f.told));
    tear_down(&f);
}

static void
test_change(void)
{
    Fixture f;
    g_autofree char *first = NULL, *second = NULL;

    g_test_summary("a new configuration resolves what is new, and only that");
    set_up(&f);
    take(&f, "  - {id: t, role: carrier, endpoints: [{uri: 'two.test:5060'}]}\n");
    first = next(&f);
    take(&f,
         "  - {id: t, role: carrier, endpoints: [{uri: 'two.test:5060'}]}\n"
         "  - {id: u, role: carrier, endpoints: [{uri: 'bare.test:5060'}]}\n");
    second = next(&f);
    g_assert_cmpstr(first, ==, "t/0 192.0.2.2:5060");
    g_assert_cmpstr(second, ==, "u/0 192.0.2.3:5060");
    tear_down(&f);
}

static void
test_stop(void)
{
    Fixture f;

    g_test_summary("it can be stopped in the middle of a question");
    set_up(&f);
    take(&f, "  - {id: t, role: carrier, endpoints: [{uri: one.test}, {uri: srv.test}]}\n");
    tear_down(&f);
}

static void
test_waiting(void)
{
    g_test_summary("it asks again after the TTL, within bounds, and more slowly without an answer");
    g_assert_cmpint(dm_resolver_wait_us(true, 60, 0), ==, 60 * G_USEC_PER_SEC);
    g_assert_cmpint(dm_resolver_wait_us(true, 0, 0), ==, 5 * G_USEC_PER_SEC);
    g_assert_cmpint(dm_resolver_wait_us(true, 1000000, 0), ==, 3600LL * G_USEC_PER_SEC);
    g_assert_cmpint(dm_resolver_wait_us(false, -1, 1), ==, 5 * G_USEC_PER_SEC);
    g_assert_cmpint(dm_resolver_wait_us(false, -1, 3), ==, 20 * G_USEC_PER_SEC);
    g_assert_cmpint(dm_resolver_wait_us(false, -1, 1000), ==, 300 * G_USEC_PER_SEC);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resolver/addresses", test_addresses);
    g_test_add_func("/resolver/srv", test_srv);
    g_test_add_func("/resolver/no-srv", test_no_srv);
    g_test_add_func("/resolver/failure", test_failure);
    g_test_add_func("/resolver/change", test_change);
    g_test_add_func("/resolver/stop", test_stop);
    g_test_add_func("/resolver/waiting", test_waiting);
    return g_test_run();
}
