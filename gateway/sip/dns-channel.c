/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/dns-channel.h"

#include <sys/epoll.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"

DM_LOG_TOPIC("resolver");

#define QUERY_MS    2000
#define QUERY_TRIES 3

struct DmDnsChannel {
    DmLoop *loop;
    ares_channel ares;
    DmTimer timer;
    GHashTable *watches; /* fd -> Watch, owned */
};

/* One socket of c-ares. */
typedef struct {
    int fd;
    DmWatch *watch;
} Watch;

static void
on_timer(DmTimer *timer, void *user_data)
{
    DmDnsChannel *channel = user_data;

    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dm_dns_channel_wind(channel);
}

void
dm_dns_channel_wind(DmDnsChannel *channel)
{
    struct timeval most = {.tv_sec = 60};
    struct timeval until;
    const struct timeval *tv = ares_timeout(channel->ares, &most, &until);

    dm_loop_arm(channel->loop,
                &channel->timer,
                tv->tv_sec * G_USEC_PER_SEC + tv->tv_usec,
                on_timer,
                channel);
}

static void
on_socket(int fd, uint32_t events, void *user_data)
{
    DmDnsChannel *channel = user_data;
    bool readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    bool writable = (events & (EPOLLOUT | EPOLLERR)) != 0;

    ares_process_fd(channel->ares,
                    readable ? fd : ARES_SOCKET_BAD,
                    writable ? fd : ARES_SOCKET_BAD);
    dm_dns_channel_wind(channel);
}

static void
watch_free(gpointer data)
{
    Watch *watch = data;

    dm_watch_remove(watch->watch);
    g_free(watch);
}

static void
watch_socket(DmDnsChannel *channel, int fd, uint32_t events)
{
    g_autoptr(GError) error = NULL;
    DmWatch *handle = dm_loop_watch(channel->loop, fd, events, on_socket, channel, &error);
    Watch *watch;

    if (handle == NULL) {
        dm_warning(NULL, "cannot watch a socket: %s; its query will time out", error->message);
        return;
    }
    watch = g_new(Watch, 1);
    *watch = (Watch){fd, handle};
    g_hash_table_insert(channel->watches, &watch->fd, watch);
}

static void
on_socket_state(void *user_data, ares_socket_t fd, int readable, int writable)
{
    DmDnsChannel *channel = user_data;
    uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    Watch *watch = g_hash_table_lookup(channel->watches, &fd);

    if (events == 0) {
        g_hash_table_remove(channel->watches, &fd);
    } else if (watch != NULL) {
        dm_watch_set_events(watch->watch, events);
    } else {
        watch_socket(channel, fd, events);
    }
}

static bool
open_ares(DmDnsChannel *channel, const char *servers, GError **error)
{
    struct ares_options options = {
        .timeout = QUERY_MS,
        .tries = QUERY_TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (status == ARES_SUCCESS) {
        status = ares_init_options(&channel->ares, &options, mask);
    }
    if (status == ARES_SUCCESS && servers != NULL) {
        status = ares_set_servers_ports_csv(channel->ares, servers);
    }
    if (status != ARES_SUCCESS) {
        g_set_error(error, DM_ERROR, DM_ERROR_IO, "name resolution: %s", ares_strerror(status));
        return false;
    }
    return true;
}

DmDnsChannel *
dm_dns_channel_new(DmLoop *loop, const char *servers, GError **error)
{
    DmDnsChannel *channel = g_new0(DmDnsChannel, 1);

    channel->loop = loop;
    channel->watches = g_hash_table_new_full(g_int_hash, g_int_equal, NULL, watch_free);
    if (!open_ares(channel, servers, error)) {
        dm_dns_channel_free(channel);
        return NULL;
    }
    return channel;
}

void
dm_dns_channel_free(DmDnsChannel *channel)
{
    if (channel == NULL) {
        return;
    }
    if (channel->ares != NULL) {
        ares_destroy(channel->ares);
    }
    dm_timer_disarm(&channel->timer);
    g_hash_table_unref(channel->watches);
    g_free(channel);
}

ares_channel
dm_dns_channel_ares(DmDnsChannel *channel)
{
    return channel->ares;
}
