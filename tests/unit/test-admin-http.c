/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/rates.h"
#include "admin/server.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "tests/lib/api-fixture.h"

#define WATCHDOG_S 20

typedef struct {
    DmApiFixture api;
    DmServer *server;
    DmAddress address;
} Fixture;

static void
start(Fixture *f, unsigned max_connections, unsigned read_ms, unsigned rate)
{
    g_autoptr(GError) error = NULL;
    DmServerOptions options = {
        .api = f->api.api,
        .max_connections = max_connections,
        .threads = 2,
        .requests_per_second = rate,
        .read_ms = read_ms,
    };

    g_assert_true(dm_address_parse(&options.address, "127.0.0.1", 0));
    f->server = dm_server_start(&options, &error);
    g_assert_no_error(error);
    dm_server_address(f->server, &f->address);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    dm_api_fixture_init(&f->api);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    dm_server_stop(f->server);
    dm_api_fixture_clear(&f->api);
}

static int
dial(const Fixture *f)
{
    struct timeval watchdog = {.tv_sec = WATCHDOG_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &watchdog, sizeof(watchdog)), ==, 0);
    g_assert_cmpint(connect(fd, &f->address.any, dm_address_len(&f->address)), ==, 0);
    return fd;
}

static void
say(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize)strlen(text));
}

/* Everything until the other side closes. (transfer full) */
static char *
hear_all(int fd)
{
    GString *text = g_string_new("");
    char piece[4096];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
        g_string_append_len(text, piece, n);
    }
    return g_string_free(text, FALSE);
}

/* Whether the other side closed without a word, not the watchdog. */
static bool
is_cut_off(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* The status of the answer to @request, which must make the server close. */
static int
status_of(const Fixture *f, const char *request)
{
    g_autofree char *text = NULL;
    int fd = dial(f);

    say(fd, request);
    text = hear_all(fd);
    close(fd);
    return g_str_has_prefix(text, "HTTP/1.1 ") ? atoi(text + 9) : 0;
}

static void
test_over_http(Fixture *f, gconstpointer data)
{
    g_autofree char *request = NULL;
    g_autofree char *answer = NULL;
    const char *body = "{\"name\":\"x\",\"role\":\"read\"}";
    int fd;

    g_test_summary("A request with a body goes in and its answer comes out; the connection serves "
                   "two");
    start(f, 8, 0, 1000);
    fd = dial(f);
    request = g_strdup_printf("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                              "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                              "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                              "Content-Length: %zu\r\n\r\n%s",
                              f->api.secrets[DM_ROLE_ADMIN],
                              strlen(body),
                              body);
    say(fd, request);
    answer = hear_all(fd);
    close(fd);
    g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200 OK\r\n"));
    g_assert_nonnull(strstr(answer, "HTTP/1.1 201 Created\r\n"));
    g_assert_nonnull(strstr(answer, "Location: /api/v1/tokens/"));
    g_assert_nonnull(strstr(answer, "\"token\":\"dmt_"));
}

static void
test_framing(Fixture *f, gconstpointer data)
{
    g_test_summary("What two parsers could read differently is refused: two lengths, a length "
                   "beside chunks, no Host or two");
    start(f, 8, 0, 1000);
    g_assert_cmpint(status_of(f, "GET /healthz HTTP/1.1\r\n\r\n"), ==, 400);
    g_assert_cmpint(status_of(f, "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), ==, 400);
    g_assert_cmpint(status_of(f,
                              "POST /api/v1/trunks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                              "Content-Length: 2\r\n\r\n{}"),
                    ==,
                    400);
    g_assert_cmpint(status_of(f,
                              "POST /api/v1/trunks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
                    ==,
                    400);
    g_assert_cmpint(status_of(f,
                              "GET /api/v1/trunks HTTP/1.1\r\nHost: a\r\n"
                              "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"),
                    ==,
                    400);
    g_assert_cmpint(status_of(f, "GET /healthz?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n"), ==, 400);
}

static void
test_too_large(Fixture *f, gconstpointer data)
{
    g_autofree char *chunk = g_strnfill(1024 * 1024 + 1, ' ');
    g_autofree char *chunked =
        g_strdup_printf("POST /api/v1/trunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                        "\r\n%x\r\n%s\r\n0\r\n\r\n",
                        1024 * 1024 + 1,
                        chunk);

    g_test_summary("A body over one megabyte is refused, before it comes when it is announced");
    start(f, 8, 0, 1000);
    g_assert_cmpint(status_of(f,
                              "POST /api/v1/trunks HTTP/1.1\r\nHost: a\r\n"
                              "Content-Length: 1048577\r\n\r\n"),
                    ==,
                    413);
    g_assert_cmpint(status_of(f, chunked), ==, 413);
}

static void
test_rate(Fixture *f, gconstpointer data)
{
    const char *request = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    bool was_refused = false;

    g_test_summary("A source that asks too often gets 429");
    start(f, 8, 0, 2);
    for (int i = 0; i < 50 && !was_refused; i++) {
        was_refused = status_of(f, request) == 429;
    }
    g_assert_true(was_refused);
}

static void
test_deadline(Fixture *f, gconstpointer data)
{
    int fd;
    int64_t until_us;
    bool cut = false;

    g_test_summary("A client that sends a byte now and then is cut off when its request's time is "
                   "over, however busy it looks");
    start(f, 8, 300, 1000);
    fd = dial(f);
    say(fd, "GET /healthz HTTP/1.1\r\nX-Slow: ");
    until_us = g_get_monotonic_time() + WATCHDOG_S * G_USEC_PER_SEC;
    while (!cut && g_get_monotonic_time() < until_us) {
        struct timeval moment = {.tv_usec = 20000};
        char byte;

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
        cut = send(fd, "a", 1, MSG_NOSIGNAL) < 0 || recv(fd, &byte, 1, 0) == 0;
    }
    g_assert_true(cut);
    close(fd);
}

#define N_DRIBBLERS 40

static void
test_dribblers(Fixture *f, gconstpointer data)
{
    int dribblers[N_DRIBBLERS];

    g_test_summary("40 clients that never finish a request do not lock out a server with 32 "
                   "places: the slowest makes room");
    start(f, 32, 60000, 1000);
    for (int i = 0; i < N_DRIBBLERS; i++) {
        dribblers[i] = dial(f);
        say(dribblers[i], "GET /healthz HTTP/1.1\r\nHost: a\r\n");
    }
    for (int i = 0; i < 5; i++) {
        g_assert_cmpint(
            status_of(f, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            ==,
            200);
    }
    g_assert_true(is_cut_off(dribblers[0]));
    for (int i = 0; i < N_DRIBBLERS; i++) {
        close(dribblers[i]);
    }
}

static void
test_head_too_large(Fixture *f, gconstpointer data)
{
    g_autofree char *value = g_strnfill(100000, 'a');
    g_autofree char *request =
        g_strdup_printf("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: %s\r\n\r\n", value);
    g_autofree char *answer = NULL;
    int fd;

    g_test_summary("A head without end is refused and costs no more than its buffer");
    start(f, 8, 0, 1000);
    fd = dial(f);
    send(fd, request, strlen(request), MSG_NOSIGNAL);
    answer = hear_all(fd);
    g_assert_null(strstr(answer, "200 OK"));
    close(fd);
}

static void
test_port_taken(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    DmServerOptions options = {.api = f->api.api, .max_connections = 8, .threads = 1};

    g_test_summary("A port that is taken is an error that names it");
    start(f, 8, 0, 1000);
    options.address = f->address;
    g_assert_null(dm_server_start(&options, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "127.0.0.1:"));
}

/* What @command prints; NULL: it is not installed. (transfer full) */
static char *
output_of(const char *command)
{
    g_autofree char *errors = NULL;
    char *output = NULL;
    int status;

    if (!g_spawn_command_line_sync(command, &output, &errors, &status, NULL)) {
        return NULL;
    }
    if (status != 0) {
        g_error("%s: %s", command, errors);
    }
    return output;
}

static void
test_tls(Fixture *f, gconstpointer data)
{
    g_autofree char *pem = output_of("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
                                     " -nodes -subj /CN=localhost -days 2 -keyout - -out -");
    g_autoptr(GError) error = NULL;
    g_autofree char *command = NULL;
    g_autofree char *answer = NULL;
    DmServerOptions options = {
        .api = f->api.api,
        .max_connections = 8,
        .threads = 1,
        .requests_per_second = 100,
        .tls_cert = pem,
        .tls_key = pem,
    };

    g_test_summary("With a certificate the API speaks TLS, and nothing else");
    if (pem == NULL) {
        g_test_skip("no openssl here");
        return;
    }
    g_assert_true(dm_address_parse(&options.address, "127.0.0.1", 0));
    f->server = dm_server_start(&options, &error);
    g_assert_no_error(error);
    dm_server_address(f->server, &f->address);

    command = g_strdup_printf("curl --silent --show-error --insecure --max-time 10"
                              " https://127.0.0.1:%u/healthz",
                              dm_address_port(&f->address));
    answer = output_of(command);
    if (answer == NULL) {
        g_test_skip("no curl here");
        return;
    }
    g_assert_cmpstr(answer, ==, "{\"status\":\"ok\"}");
    g_assert_cmpint(status_of(f, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), ==, 0);
}

static void
test_bad_certificate(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    DmServerOptions options = {
        .api = f->api.api,
        .max_connections = 8,
        .threads = 1,
        .requests_per_second = 100,
        .tls_cert = (char *)"no certificate",
        .tls_key = (char *)"no key",
    };

    g_test_summary("What is no certificate stops the start");
    g_assert_true(dm_address_parse(&options.address, "127.0.0.1", 0));
    g_assert_null(dm_server_start(&options, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFIG);
}

static void
test_rates(void)
{
    g_autoptr(DmRates) rates = dm_rates_new(10);
    DmAddress a;
    DmAddress b;
    int64_t now_us = 1000000;

    g_test_summary("A bucket holds two seconds' worth, fills with time, and is each source's own");
    g_assert_true(dm_address_parse(&a, "192.0.2.1", 0));
    g_assert_true(dm_address_parse(&b, "192.0.2.2", 0));
    for (int i = 0; i < 20; i++) {
        g_assert_true(dm_rates_take(rates, &a, now_us));
    }
    g_assert_false(dm_rates_take(rates, &a, now_us));
    g_assert_true(dm_rates_take(rates, &b, now_us));
    g_assert_true(dm_rates_take(rates, &a, now_us + 100000));
    g_assert_false(dm_rates_take(rates, &a, now_us + 100000));
}

#define ADD(name, func) g_test_add("/admin-http/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dm_log_set_level(DM_LOG_ERROR);
    ADD("request", test_over_http);
    ADD("framing", test_framing);
    ADD("too-large", test_too_large);
    ADD("head-too-large", test_head_too_large);
    ADD("rate", test_rate);
    ADD("deadline", test_deadline);
    ADD("dribblers", test_dribblers);
    ADD("port-taken", test_port_taken);
    ADD("tls", test_tls);
    ADD("bad-certificate", test_bad_certificate);
    g_test_add_func("/admin-http/rates", test_rates);
    return g_test_run();
}
