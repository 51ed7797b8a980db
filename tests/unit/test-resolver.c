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
    _Atomic bool no_naptr; /* fails on that type only, as old servers do */
    _Atomic unsigned queries;
} NameServer;

typedef struct {
    const char *name;
    uint16_t type;
    const char *data; /* address, "priority weight port host", or "order preference service host" */
} Record;

static const Record zone[] = {
    {"one.test", ns_t_a, "192.0.2.1"},
    {"one.test", ns_t_aaaa, "2001:db8::1"},
    {"two.test", ns_t_a, "192.0.2.2"},
    {"_sip._udp.srv.test", ns_t_srv, "20 0 5070 two.test"},
    {"_sip._udp.srv.test", ns_t_srv, "10 0 5080 one.test"},
    {"bare.test", ns_t_a, "192.0.2.3"},
    {"naptr.test", ns_t_naptr, "20 1 SIP+D2U _sip._udp.naptr.test"},
    {"naptr.test", ns_t_naptr, "10 2 SIPS+D2T _sips._tcp.naptr.test"},
    {"naptr.test", ns_t_naptr, "10 3 SIP+D2T other.naptr.test"},
    {"naptr.test", ns_t_naptr, "5 1 E2U+sip _sip._udp.naptr.test"},
    {"_sip._udp.naptr.test", ns_t_srv, "10 0 5090 two.test"},
    {"_sips._tcp.naptr.test", ns_t_srv, "10 0 5091 two.test"},
    {"other.naptr.test", ns_t_srv, "10 0 5092 two.test"},
    {"_sip._tcp.stream.test", ns_t_srv, "10 0 5093 two.test"},
    {"stream.test", ns_t_a, "192.0.2.4"},
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
put_text(uint8_t *out, const char *text)
{
    out[0] = (uint8_t)strlen(text);
    memcpy(out + 1, text, strlen(text));
    return 1 + strlen(text);
}

static void
put_u16(uint8_t *out, size_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

/* RFC 2915, 2: order, preference, flags, service, expression, replacement */
static size_t
put_naptr(uint8_t *out, char **words)
{
    size_t n = 4;

    put_u16(out, (size_t)atoi(words[0]));
    put_u16(out + 2, (size_t)atoi(words[1]));
    n += put_text(out + n, "S");
    n += put_text(out + n, words[2]);
    n += put_text(out + n, "");
    return n + put_name(out + n, words[3]);
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
    if (record->type == ns_t_naptr) {
        return put_naptr(out, words);
    }
    for (unsigned i = 0; i < 3; i++) {
        uint16_t number = htons((uint16_t)atoi(words[i]));

        memcpy(out + 2 * i, &number, 2);
    }
    return 6 + put_name(out + 6, words[3]);
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
    out[3] = server->failing || (server->no_naptr && type == ns_t_naptr) ? ns_r_servfail
             : exists                                                    ? ns_r_noerror
                                                                         : ns_r_nxdomain;
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
             const DmResolved *addresses,
             size_t n,
             void *user_data)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%s/%u", trunk_id, endpoint);
    for (size_t i = 0; i < n; i++) {
        char buffer[DM_ADDRESS_TEXT_MAX];

        g_string_append_printf(text, " %s", dm_address_text(&addresses[i].address, buffer));
        if (addresses[i].transport != DM_TRANSPORT_UDP) {
            g_string_append_printf(text, "/%s", dm_transport_name(addresses[i].transport));
        }
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

#define UDP_AND_TCP                                                                                \
    "listeners:\n"                                                                                 \
    "  - {id: u, address: 127.0.0.1, port: 5060, transport: udp}\n"                                \
    "  - {id: t, address: 127.0.0.1, port: 5060, transport: tcp}\n"

/* What @trunks, with listeners for UDP and TCP, resolve to. */
static char *
resolve(Fixture *f, const char *uri)
{
    g_autofree char *text =
        g_strdup_printf("  - {id: t, role: carrier, endpoints: [{uri: '%s'}]}\n" UDP_AND_TCP, uri);

    take(f, text);
    return next(f);
}

static void
test_naptr(void)
{
    static const struct {
        const char *uri, *told;
    } cases[] = {
        {"naptr.test", "t/0 192.0.2.2:5092/tcp"}, /* what we do not speak or know is skipped */
        {"naptr.test;transport=udp", "t/0 192.0.2.2:5090"}, /* said: no NAPTR, RFC 3263, 4.1 */
        {"stream.test", "t/0 192.0.2.2:5093/tcp"},          /* no NAPTR: SRV of any transport */
        {"sip:bare.test", "t/0 192.0.2.3:5060"},            /* neither */
        {"stream.test:5070", "t/0 192.0.2.4:5070"},
    };

    g_test_summary("SIG-22: NAPTR decides where neither transport nor port is said");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *told = NULL;
        Fixture f;

        set_up(&f);
        told = resolve(&f, cases[i].uri);
        g_assert_cmpstr(told, ==, cases[i].told);
        tear_down(&f);
    }
}

static void
test_server_without_naptr(void)
{
    Fixture f;
    g_autofree char *told = NULL;

    g_test_summary("SIG-22: a name server that fails on NAPTR only does not keep SRV away");
    set_up(&f);
    f.server.no_naptr = true;
    told = resolve(&f, "stream.test");
    g_assert_cmpstr(told, ==, "t/0 192.0.2.2:5093/tcp");
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
    g_test_add_func("/resolver/naptr", test_naptr);
    g_test_add_func("/resolver/server-without-naptr", test_server_without_naptr);
    g_test_add_func("/resolver/failure", test_failure);
    g_test_add_func("/resolver/change", test_change);
    g_test_add_func("/resolver/stop", test_stop);
    g_test_add_func("/resolver/waiting", test_waiting);
    return g_test_run();
}
