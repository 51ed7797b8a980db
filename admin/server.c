/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/exchange.h"
#include "admin/rates.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/loop.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/thread.h"

DM_LOG_TOPIC("admin-server");

#define DEFAULT_READ_MS  10000
#define DEFAULT_WRITE_MS 60000
/* How often deadlines are looked at. */
#define LOOK_US (250 * 1000)
/* A connection's head: request line, headers, and what is read at once. */
#define HEAD_BYTES (32 * 1024)
/* Connections that have been cut off and that the library has not yet put away. */
#define SLACK          64
#define BACKLOG        128
#define ACCEPT_AT_ONCE 64
/* How long stopping waits for answers to be taken. */
#define STOP_US (2 * 1000 * 1000)

/* Where a connection is; a deadline hangs on the first and the last. */
typedef enum {
    CONNECTION_READING, /* its request has not arrived whole; or it is idle between two */
    CONNECTION_WORKING, /* the pool has it */
    CONNECTION_WRITING, /* its answer has not been taken whole */
    CONNECTION_CUT,     /* shut down by us; the library is about to see it */
} ConnectionState;

typedef struct {
    int fd; /* the library's */
    ConnectionState state;
    int64_t since_us; /* when it got into the state */
} Connection;

typedef enum {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_WORKING,
    PHASE_ANSWERED,
} Phase;

/* One request and its answer. The server's thread has it but in PHASE_WORKING, when the pool does.
 */
typedef struct {
    DmMessage message; /* back from the pool */
    DmServer *server;
    struct MHD_Connection *http;
    Connection *connection;
    Phase phase;
    bool is_too_large;
    char *target;
    DmRequest *request;
    DmResponse response;
} Exchange;

struct DmServer {
    /* set when made, read by any thread */
    DmApi *api; /* not owned */
    DmAddress address;
    unsigned max_connections;
    int64_t read_us, write_us;
    GAsyncQueue *jobs; /* Exchange; the server itself as the sign to end */
    GPtrArray *pool;   /* DmThread */
    DmMailbox *mailbox;

    /* the server's thread */
    DmLoop *loop;
    DmThread *thread;
    int listen_fd;
    DmWatch *listen_watch, *http_watch;
    struct MHD_Daemon *http;
    GPtrArray *connections; /* Connection, not owned: the library tells when they go */
    DmRates *rates;
    DmTimer drive_timer, look_timer;
    unsigned n_working;
    bool is_stopping;
    int64_t stop_by_us;

    DmMessage stop; /* posted once, by whoever stops the server */
};

/* --- The pool --- */

static void
work(void *user_data)
{
    DmServer *server = user_data;
    gpointer job;

    while ((job = g_async_queue_pop(server->jobs)) != server) {
        Exchange *exchange = job;

        dm_api_handle(server->api, exchange->request, &exchange->response);
        dm_mailbox_post(server->mailbox, &exchange->message);
    }
}

/* --- Driving the library: everything below is on the server's thread --- */

static void drive(DmServer *server);

static void
on_drive_timer(DmTimer *timer, void *user_data)
{
    drive(user_data);
}

/* Outside of the library's own callbacks only. */
static void
drive(DmServer *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    DM_RUNS_ON(DM_THREAD_ADMIN);

    MHD_run(server->http);
    if (MHD_get_timeout(server->http, &wait_ms) == MHD_YES) {
        dm_loop_arm(server->loop,
                    &server->drive_timer,
                    (int64_t)MIN(wait_ms, 1000) * 1000,
                    on_drive_timer,
                    server);
    }
}

static void
on_http_ready(int fd, uint32_t events, void *user_data)
{
    drive(user_data);
}

/* A connection that has been cut off stays so. */
static void
set_state(Connection *connection, ConnectionState state)
{
    if (connection->state != CONNECTION_CUT) {
        connection->state = state;
        connection->since_us = g_get_monotonic_time();
    }
}

/* The library sees the end of the stream and puts it away. */
static void
cut_off(Connection *connection)
{
    shutdown(connection->fd, SHUT_RDWR);
    connection->state = CONNECTION_CUT;
}

/* --- Deadlines --- */

static bool
is_late(const DmServer *server, const Connection *connection, int64_t now_us)
{
    int64_t age_us = now_us - connection->since_us;

    switch (connection->state) {
    case CONNECTION_READING:
        return age_us > server->read_us;
    case CONNECTION_WRITING:
        return age_us > server->write_us;
    case CONNECTION_WORKING:
    case CONNECTION_CUT:
    default:
        return false;
    }
}

static bool
is_anyone_writing(const DmServer *server)
{
    for (guint i = 0; i < server->connections->len; i++) {
        const Connection *connection = g_ptr_array_index(server->connections, i);

        if (connection->state == CONNECTION_WRITING) {
            return true;
        }
    }
    return false;
}

static void
stop_when_done(DmServer *server, int64_t now_us)
{
    if (server->is_stopping && server->n_working == 0 &&
        (!is_anyone_writing(server) || now_us > server->stop_by_us)) {
        dm_loop_quit(server->loop);
    }
}

static void
look(DmTimer *timer, void *user_data)
{
    DmServer *server = user_data;
    int64_t now_us = g_get_monotonic_time();

    for (guint i = 0; i < server->connections->len; i++) {
        Connection *connection = g_ptr_array_index(server->connections, i);

        if (is_late(server, connection, now_us)) {
            cut_off(connection);
        }
    }
    stop_when_done(server, now_us);
    dm_loop_arm(server->loop, &server->look_timer, LOOK_US, look, server);
}

/* --- Accepting --- */

/* The one that has been sending its request for longest; NULL when none is. */
static Connection *
slowest_sender(const DmServer *server)
{
    Connection *slowest = NULL;

    for (guint i = 0; i < server->connections->len; i++) {
        Connection *connection = g_ptr_array_index(server->connections, i);

        if (connection->state == CONNECTION_READING &&
            (slowest == NULL || connection->since_us < slowest->since_us)) {
            slowest = connection;
        }
    }
    return slowest;
}

/* False when every place is taken by a request that is being answered. */
static bool
make_room(DmServer *server)
{
    Connection *slowest;

    if (server->connections->len < server->max_connections) {
        return true;
    }
    slowest = slowest_sender(server);
    if (slowest == NULL) {
        return false;
    }
    cut_off(slowest);
    return true;
}

static void
take_connection(DmServer *server, int fd, const struct sockaddr *address, socklen_t len)
{
    if (!make_room(server)) {
        close(fd);
        return;
    }
    if (MHD_add_connection(server->http, fd, address, len) != MHD_YES) {
        dm_debug(NULL, "connection not taken: %s", g_strerror(errno));
    }
    drive(server);
}

static void
on_acceptable(int fd, uint32_t events, void *user_data)
{
    DmServer *server = user_data;

    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        DmAddress address;
        socklen_t len = sizeof(address);
        int accepted = accept4(fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted < 0) {
            return;
        }
        take_connection(server, accepted, &address.any, len);
    }
}

/* The library tells of connections that come and go. */
static void
on_connection(void *user_data,
              struct MHD_Connection *http,
              void **socket_context,
              enum MHD_ConnectionNotificationCode code)
{
    DmServer *server = user_data;
    Connection *connection = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);

        connection = g_new0(Connection, 1);
        connection->fd = info->connect_fd;
        set_state(connection, CONNECTION_READING);
        g_ptr_array_add(server->connections, connection);
        *socket_context = connection;
    } else {
        g_ptr_array_remove_fast(server->connections, connection);
        g_free(connection);
    }
}

/* --- One exchange --- */

/* The first word of a request: its target, before the library decodes it. */
static void *
on_target(void *user_data, const char *target, struct MHD_Connection *http)
{
    Exchange *exchange = g_new0(Exchange, 1);

    exchange->server = user_data;
    exchange->http = http;
    exchange->target = g_strdup(target);
    exchange->connection =
        MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    dm_response_init(&exchange->response);
    return exchange;
}

static void
on_completed(void *user_data,
             struct MHD_Connection *http,
             void **context,
             enum MHD_RequestTerminationCode code)
{
    Exchange *exchange = *context;

    if (exchange == NULL) {
        return;
    }
    set_state(exchange->connection, CONNECTION_READING);
    dm_request_free(exchange->request);
    dm_response_clear(&exchange->response);
    g_free(exchange->target);
    g_free(exchange);
    *context = NULL;
}

static enum MHD_Result
answer(Exchange *exchange, bool close)
{
    exchange->phase = PHASE_ANSWERED;
    set_state(exchange->connection, CONNECTION_WRITING);
    return dm_exchange_answer(exchange->http,
                              &exchange->response,
                              close || exchange->server->is_stopping);
}

static enum MHD_Result
begin(Exchange *exchange, const char *method, const char *version)
{
    DmServer *server = exchange->server;

    exchange->request = dm_exchange_read_head(exchange->http,
                                              method,
                                              exchange->target,
                                              version,
                                              &exchange->response);
    if (exchange->request == NULL) {
        return answer(exchange, true);
    }
    if (!dm_rates_take(server->rates, &exchange->request->remote, g_get_monotonic_time())) {
        dm_response_header(&exchange->response, "Retry-After", "1");
        dm_problem(&exchange->response, 429, "rate", "too many requests from this address");
        return answer(exchange, true);
    }
    exchange->phase = PHASE_BODY;
    return MHD_YES;
}

static void
take_body(Exchange *exchange, const char *data, size_t len)
{
    GString *body = exchange->request->body;

    if (exchange->is_too_large || body->len + len > DM_REQUEST_MAX_BODY) {
        exchange->is_too_large = true; /* the rest is read, until the deadline, and dropped */
        g_string_truncate(body, 0);
        return;
    }
    g_string_append_len(body, data, (gssize)len);
}

static enum MHD_Result
arrived(Exchange *exchange)
{
    DmServer *server = exchange->server;

    if (exchange->is_too_large) {
        dm_problem(&exchange->response,
                   413,
                   "too_large",
                   "a body has at most %d bytes",
                   DM_REQUEST_MAX_BODY);
        return answer(exchange, true);
    }
    exchange->phase = PHASE_WORKING;
    set_state(exchange->connection, CONNECTION_WORKING);
    server->n_working++;
    MHD_suspend_connection(exchange->http);
    g_async_queue_push(server->jobs, exchange);
    return MHD_YES;
}

/* The library calls this when the head is there, for each piece of the body, when the body has
 * ended, and again after a pause. */
static enum MHD_Result
on_request(void *user_data,
           struct MHD_Connection *http,
           const char *url,
           const char *method,
           const char *version,
           const char *data,
           size_t *len,
           void **context)
{
    Exchange *exchange = *context;

    switch (exchange->phase) {
    case PHASE_HEAD:
        return begin(exchange, method, version);
    case PHASE_BODY:
        if (*len > 0) {
            take_body(exchange, data, *len);
            *len = 0;
            return MHD_YES;
        }
        return arrived(exchange);
    case PHASE_WORKING:
        return answer(exchange, false);
    case PHASE_ANSWERED:
    default:
        *len = 0;
        return MHD_YES;
    }
}

/* --- Messages to the server's thread --- */

static void
begin_to_stop(DmServer *server)
{
    server->is_stopping = true;
    server->stop_by_us = g_get_monotonic_time() + STOP_US;
    g_clear_pointer(&server->listen_watch, dm_watch_remove);
}

/* An exchange comes back from the pool, or the sign to stop. */
static void
on_message(DmMessage *message, void *user_data)
{
    DmServer *server = user_data;
    Exchange *exchange = (Exchange *)message;

    if (message == &server->stop) {
        begin_to_stop(server);
        stop_when_done(server, g_get_monotonic_time());
        return;
    }
    server->n_working--;
    MHD_resume_connection(exchange->http);
    drive(server);
    stop_when_done(server, g_get_monotonic_time());
}

/* The library owns exchanges, and the server the sign to stop. */
static void
drop_message(DmMessage *message)
{
}

/* --- Starting --- */

static void
log_from_library(void *user_data, const char *format, va_list arguments)
{
    g_autofree char *text = NULL;

    if (dm_log_wanted(DM_LOG_DEBUG)) {
        text = g_strdup_vprintf(format, arguments);
        dm_debug(NULL, "%s", dm_log_quote(text, strlen(text)));
    }
}

static bool
listen_on(DmServer *server, const DmAddress *address, GError **error)
{
    char text[DM_ADDRESS_TEXT_MAX];
    int on = 1;
    socklen_t len = sizeof(server->address);
    int fd = socket(dm_address_family(address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    server->listen_fd = fd;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, &address->any, dm_address_len(address)) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &server->address.any, &len) != 0) {
        g_autofree char *what = g_strdup_printf("admin %s", dm_address_text(address, text));

        dm_error_set_errno(error, errno, what);
        return false;
    }
    return true;
}

/* The library's own connection timeout is not used: it starts anew with every byte. */
static bool
start_library(DmServer *server, const DmServerOptions *options, GError **error)
{
    bool is_tls = options->tls_cert != NULL;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | (is_tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, options->tls_cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, options->tls_key},
        {MHD_OPTION_HTTPS_PRIORITIES,
         0,
         (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

    server->http = MHD_start_daemon(flags,
                                    0,
                                    NULL,
                                    NULL,
                                    on_request,
                                    server,
                                    MHD_OPTION_EXTERNAL_LOGGER,
                                    log_from_library,
                                    NULL,
                                    MHD_OPTION_NOTIFY_CONNECTION,
                                    on_connection,
                                    server,
                                    MHD_OPTION_NOTIFY_COMPLETED,
                                    on_completed,
                                    server,
                                    MHD_OPTION_URI_LOG_CALLBACK,
                                    on_target,
                                    server,
                                    MHD_OPTION_CONNECTION_LIMIT,
                                    server->max_connections + SLACK,
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                    (size_t)HEAD_BYTES,
                                    MHD_OPTION_ARRAY,
                                    is_tls ? tls : none,
                                    MHD_OPTION_END);
    if (server->http == NULL) {
        g_set_error(error,
                    DM_ERROR,
                    is_tls ? DM_ERROR_CONFIG : DM_ERROR_IO,
                    "admin: the HTTP server does not start%s",
                    is_tls ? ": are certificate and key PEM, and do they belong together?" : "");
    }
    return server->http != NULL;
}

static bool
watch_all(DmServer *server, GError **error)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->http, MHD_DAEMON_INFO_EPOLL_FD);

    server->http_watch =
        dm_loop_watch(server->loop, info->epoll_fd, EPOLLIN, on_http_ready, server, error);
    if (server->http_watch == NULL) {
        return false;
    }
    server->listen_watch =
        dm_loop_watch(server->loop, server->listen_fd, EPOLLIN, on_acceptable, server, error);
    return server->listen_watch != NULL;
}

static void
run(void *user_data)
{
    DmServer *server = user_data;

    look(NULL, server);
    dm_loop_run(server->loop);
}

static bool
start_threads(DmServer *server, unsigned n, GError **error)
{
    for (unsigned i = 0; i < n; i++) {
        DmThread *thread = dm_thread_start(DM_THREAD_ADMIN, "dm-admin-pool", work, server, error);

        if (thread == NULL) {
            return false;
        }
        g_ptr_array_add(server->pool, thread);
    }
    server->thread = dm_thread_start(DM_THREAD_ADMIN, "dm-admin", run, server, error);
    return server->thread != NULL;
}

static bool
start_parts(DmServer *server, const DmServerOptions *options, GError **error)
{
    if (!listen_on(server, &options->address, error) || !start_library(server, options, error)) {
        return false;
    }
    server->loop = dm_loop_new(error);
    if (server->loop == NULL || !watch_all(server, error)) {
        return false;
    }
    server->mailbox = dm_mailbox_new(server->loop, on_message, drop_message, server);
    return start_threads(server, options->threads, error);
}

static void
end_pool(DmServer *server)
{
    for (guint i = 0; i < server->pool->len; i++) {
        g_async_queue_push(server->jobs, server);
    }
    for (guint i = 0; i < server->pool->len; i++) {
        dm_thread_join(g_ptr_array_index(server->pool, i));
    }
    g_ptr_array_unref(server->pool);
    g_async_queue_unref(server->jobs);
}

static void
free_server(DmServer *server)
{
    end_pool(server);
    g_clear_pointer(&server->http_watch, dm_watch_remove);
    g_clear_pointer(&server->listen_watch, dm_watch_remove);
    if (server->http != NULL) {
        MHD_stop_daemon(server->http);
    }
    if (server->mailbox != NULL) {
        dm_mailbox_free(server->mailbox);
    }
    dm_loop_free(server->loop);
    if (server->listen_fd >= 0) {
        close(server->listen_fd);
    }
    g_ptr_array_unref(server->connections);
    dm_rates_free(server->rates);
    g_free(server);
}

DmServer *
dm_server_start(const DmServerOptions *options, GError **error)
{
    DmServer *server = g_new0(DmServer, 1);

    server->api = options->api;
    server->max_connections = options->max_connections;
    server->read_us = (options->read_ms != 0 ? options->read_ms : DEFAULT_READ_MS) * INT64_C(1000);
    server->write_us =
        (options->write_ms != 0 ? options->write_ms : DEFAULT_WRITE_MS) * INT64_C(1000);
    server->jobs = g_async_queue_new();
    server->pool = g_ptr_array_new();
    server->connections = g_ptr_array_new();
    server->rates = dm_rates_new(options->requests_per_second);
    server->listen_fd = -1;
    if (!start_parts(server, options, error)) {
        free_server(server);
        return NULL;
    }
    return server;
}

void
dm_server_stop(DmServer *server)
{
    if (server == NULL) {
        return;
    }
    dm_mailbox_post(server->mailbox, &server->stop);
    dm_thread_join(server->thread);
    free_server(server);
}

void
dm_server_address(const DmServer *server, DmAddress *out)
{
    *out = server->address;
}
