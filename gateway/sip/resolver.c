/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <math.h>
#include <string.h>
#include <sys/epoll.h>

#include "gateway/base/error.h"
#include "gateway/base/loop.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/random.h"
#include "gateway/base/thread.h"
#include "gateway/sip/resolver-priv.h"

DM_LOG_TOPIC("resolver");

#define MAX_TARGETS   16 /* SRV records looked at */
#define MAX_ADDRESSES 16 /* kept of one name */
#define QUERY_MS      2000
#define QUERY_TRIES   3
#define MIN_TTL_S     5
#define MAX_TTL_S     3600
#define MAX_FAILURE_S 300

struct DmResolver {
    /* set when made, read by any thread */
    DmResolverFunc func;
    void *user_data;
    DmLoop *loop;
    DmMailbox *mailbox;
    DmThread *thread;

    /* the resolver's thread */
    ares_channel channel;
    DmTimer ares_timer;
    DmRandom *random;
    GHashTable *watches; /* fd -> Watch, owned */
    GHashTable *names;   /* key text -> Name, owned */
};

/* One socket of c-ares. */
typedef struct {
    int fd;
    DmWatch *watch;
} Watch;

typedef struct Lookup Lookup;

/* One endpoint to be kept resolved. */
typedef struct {
    DmResolver *resolver;
    char *key, *trunk_id, *host;
    unsigned endpoint;
    uint16_t port;
    DmTransport transport;
    DmTimer timer;
    unsigned failures;
    Lookup *lookup; /* under way, or NULL */
} Name;

/* One host of a lookup, in the order of preference, with what came back for it. */
typedef struct {
    Lookup *lookup;
    char *host;
    uint16_t port;
    unsigned priority;
    double turn; /* among equal priorities the lowest comes first */
    unsigned n_addresses;
    DmAddress addresses[MAX_ADDRESSES];
} Target;

/* One round of questions for one name. It outlives a name that is no longer wanted, because its
 * questions cannot be taken back. */
struct Lookup {
    DmResolver *resolver;
    Name *name; /* NULL: nobody waits */
    unsigned n_pending, n_targets;
    int ttl_s; /* the shortest; -1: none yet */
    Target targets[MAX_TARGETS];
};

int64_t
dm_resolver_wait_us(bool answered, int ttl_s, unsigned failures)
{
    int64_t wait_s = MAX_FAILURE_S;

    if (answered) {
        wait_s = CLAMP(ttl_s, MIN_TTL_S, MAX_TTL_S);
    } else if (failures < 7) {
        wait_s = MIN(MAX_FAILURE_S, MIN_TTL_S << (failures > 0 ? failures - 1 : 0));
    }
    return wait_s * G_USEC_PER_SEC;
}

/* --- c-ares on our loop --- */

static void on_ares_timer(DmTimer *timer, void *user_data);

static void
arm_ares_timer(DmResolver *resolver)
{
    struct timeval most = {.tv_sec = 60};
    struct timeval until;
    const struct timeval *tv = ares_timeout(resolver->channel, &most, &until);

    dm_loop_arm(resolver->loop,
                &resolver->ares_timer,
                tv->tv_sec * G_USEC_PER_SEC + tv->tv_usec,
                on_ares_timer,
                resolver);
}

static void
on_ares_timer(DmTimer *timer, void *user_data)
{
    DmResolver *resolver = user_data;

    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_ares_timer(resolver);
}

static void
on_socket(int fd, uint32_t events, void *user_data)
{
    DmResolver *resolver = user_data;
    bool readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    bool writable = (events & (EPOLLOUT | EPOLLERR)) != 0;

    ares_process_fd(resolver->channel,
                    readable ? fd : ARES_SOCKET_BAD,
                    writable ? fd : ARES_SOCKET_BAD);
    arm_ares_timer(resolver);
}

static void
watch_free(gpointer data)
{
    Watch *watch = data;

    dm_watch_remove(watch->watch);
    g_free(watch);
}

static void
watch_socket(DmResolver *resolver, int fd, uint32_t events)
{
    g_autoptr(GError) error = NULL;
    DmWatch *handle = dm_loop_watch(resolver->loop, fd, events, on_socket, resolver, &error);
    Watch *watch;

    if (handle == NULL) {
        dm_warning(NULL, "cannot watch a socket: %s; its query will time out", error->message);
        return;
    }
    watch = g_new(Watch, 1);
    *watch = (Watch){fd, handle};
    g_hash_table_insert(resolver->watches, &watch->fd, watch);
}

static void
on_socket_state(void *user_data, ares_socket_t fd, int readable, int writable)
{
    DmResolver *resolver = user_data;
    uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    Watch *watch = g_hash_table_lookup(resolver->watches, &fd);

    if (events == 0) {
        g_hash_table_remove(resolver->watches, &fd);
    } else if (watch != NULL) {
        dm_watch_set_events(watch->watch, events);
    } else {
        watch_socket(resolver, fd, events);
    }
}

/* --- one lookup --- */

static void start_lookup(DmTimer *timer, void *user_data);

static void
lookup_free(Lookup *lookup)
{
    for (unsigned i = 0; i < lookup->n_targets; i++) {
        g_free(lookup->targets[i].host);
    }
    g_free(lookup);
}

static Target *
lookup_add_target(Lookup *lookup, const char *host, uint16_t port)
{
    Target *target = &lookup->targets[lookup->n_targets++];

    *target = (Target){.lookup = lookup, .host = g_strdup(host), .port = port};
    return target;
}

static void
lookup_take_ttl(Lookup *lookup, int ttl_s)
{
    if (lookup->ttl_s < 0 || ttl_s < lookup->ttl_s) {
        lookup->ttl_s = ttl_s;
    }
}

static size_t
lookup_collect(const Lookup *lookup, DmAddress out[MAX_ADDRESSES])
{
    size_t n = 0;

    for (unsigned i = 0; i < lookup->n_targets; i++) {
        const Target *target = &lookup->targets[i];

        for (unsigned k = 0; k < target->n_addresses && n < MAX_ADDRESSES; k++) {
            out[n++] = target->addresses[k];
        }
    }
    return n;
}

static void
lookup_finish(Lookup *lookup)
{
    DmResolver *resolver = lookup->resolver;
    Name *name = lookup->name;
    DmAddress addresses[MAX_ADDRESSES];
    size_t n = lookup_collect(lookup, addresses);

    if (name != NULL) {
        name->lookup = NULL;
        if (n > 0) {
            name->failures = 0;
            resolver->func(name->trunk_id, name->endpoint, addresses, n, resolver->user_data);
        } else {
            name->failures++;
            dm_warning(&(DmLogContext){.trunk = name->trunk_id},
                       "%s did not resolve (%u in a row); kept what was known",
                       dm_log_quote(name->host, strlen(name->host)),
                       name->failures);
        }
        dm_loop_arm(resolver->loop,
                    &name->timer,
                    dm_resolver_wait_us(n > 0, lookup->ttl_s, name->failures),
                    start_lookup,
                    name);
    }
    lookup_free(lookup);
}

static void
lookup_release(Lookup *lookup)
{
    if (--lookup->n_pending == 0) {
        lookup_finish(lookup);
    }
}

static void
on_addresses(void *user_data, int status, int timeouts, struct ares_addrinfo *info)
{
    Target *target = user_data;

    if (status == ARES_SUCCESS) {
        for (struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
            if (target->n_addresses < MAX_ADDRESSES) {
                DmAddress *address = &target->addresses[target->n_addresses++];

                dm_address_from_sockaddr(address, node->ai_addr);
                dm_address_set_port(address, target->port);
                lookup_take_ttl(target->lookup, node->ai_ttl);
            }
        }
    }
    if (info != NULL) {
        ares_freeaddrinfo(info);
    }
    lookup_release(target->lookup);
}

static void
ask_addresses(Lookup *lookup)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                     .ai_flags = ARES_AI_NOSORT};

    lookup->n_pending += lookup->n_targets;
    for (unsigned i = 0; i < lookup->n_targets; i++) {
        Target *target = &lookup->targets[i];

        ares_getaddrinfo(lookup->resolver->channel,
                         target->host,
                         NULL,
                         &hints,
                         on_addresses,
                         target);
    }
}

static uint16_t
default_port(DmTransport transport)
{
    return transport == DM_TRANSPORT_TLS ? 5061 : 5060;
}

static int
by_priority(const void *a, const void *b)
{
    const Target *one = a;
    const Target *other = b;

    if (one->priority != other->priority) {
        return one->priority < other->priority ? -1 : 1;
    }
    return one->turn < other->turn ? -1 : one->turn > other->turn;
}

/* RFC 2782: among equals a target comes first as often as its weight says, which exponential
 * waiting times do; weight 0 comes last. */
static double
draw_turn(DmRandom *random, unsigned weight)
{
    double uniform = (double)dm_random_range(random, 1, 1000000) / 1000000.0;

    return weight == 0 ? HUGE_VAL : -log(uniform) / weight;
}

static void
take_srv(Lookup *lookup, const uint8_t *answer, int len)
{
    struct ares_srv_reply *list = NULL;

    if (ares_parse_srv_reply(answer, len, &list) != ARES_SUCCESS) {
        return;
    }
    for (struct ares_srv_reply *srv = list; srv != NULL; srv = srv->next) {
        if (lookup->n_targets < MAX_TARGETS && srv->host[0] != '\0' &&
            strcmp(srv->host, ".") != 0) {
            Target *target = lookup_add_target(lookup, srv->host, srv->port);

            target->priority = srv->priority;
            target->turn = draw_turn(lookup->resolver->random, srv->weight);
        }
    }
    qsort(lookup->targets, lookup->n_targets, sizeof(Target), by_priority);
    ares_free_data(list);
}

static void
on_srv(void *user_data, int status, int timeouts, unsigned char *answer, int len)
{
    Lookup *lookup = user_data;
    Name *name = lookup->name;

    if (status == ARES_SUCCESS) {
        take_srv(lookup, answer, len);
    }
    /* RFC 3263, 4.2: without SRV records the name itself. A server that fails to answer is another
     * matter: what was known from SRV must not be replaced by a guess. */
    if (lookup->n_targets == 0 && name != NULL &&
        (status == ARES_ENOTFOUND || status == ARES_ENODATA)) {
        lookup_add_target(lookup, name->host, default_port(name->transport));
    }
    if (status != ARES_EDESTRUCTION) {
        ask_addresses(lookup);
    }
    lookup_release(lookup);
}

static void
start_lookup(DmTimer *timer, void *user_data)
{
    static const char *const services[DM_N_TRANSPORTS] = {
        [DM_TRANSPORT_UDP] = "_sip._udp",
        [DM_TRANSPORT_TCP] = "_sip._tcp",
        [DM_TRANSPORT_TLS] = "_sips._tcp",
    };
    Name *name = user_data;
    DmResolver *resolver = name->resolver;
    Lookup *lookup = g_new0(Lookup, 1);

    lookup->resolver = resolver;
    lookup->name = name;
    lookup->ttl_s = -1;
    lookup->n_pending = 1;
    name->lookup = lookup;
    if (name->port == 0) {
        g_autofree char *service = g_strdup_printf("%s.%s", services[name->transport], name->host);

        ares_query(resolver->channel, service, ns_c_in, ns_t_srv, on_srv, lookup);
    } else {
        lookup_add_target(lookup, name->host, name->port);
        ask_addresses(lookup);
        lookup_release(lookup);
    }
    arm_ares_timer(resolver);
}

/* --- which names --- */

static void
name_free(gpointer data)
{
    Name *name = data;

    dm_timer_disarm(&name->timer);
    if (name->lookup != NULL) {
        name->lookup->name = NULL;
    }
    g_free(name->key);
    g_free(name->trunk_id);
    g_free(name->host);
    g_free(name);
}

static bool
is_name(const char *host)
{
    DmAddress ignored;

    return *host != '\0' && !dm_address_parse(&ignored, host, 0);
}

/* A name that is wanted already goes on as it is; any change of it makes another one. */
static void
want_name(DmResolver *resolver,
          GHashTable *wanted,
          const char *trunk_id,
          unsigned endpoint,
          const DmEndpointConfig *config)
{
    g_autofree char *key = g_strdup_printf("%s/%u/%u/%u/%s",
                                           trunk_id,
                                           endpoint,
                                           config->transport,
                                           config->port,
                                           config->host);
    g_autofree char *old_key = NULL;
    Name *name = NULL;

    if (!is_name(config->host)) {
        return;
    }
    if (g_hash_table_steal_extended(resolver->names, key, NULL, (gpointer *)&name)) {
        g_hash_table_insert(wanted, name->key, name);
        return;
    }
    name = g_new0(Name, 1);
    name->resolver = resolver;
    name->key = g_steal_pointer(&key);
    name->trunk_id = g_strdup(trunk_id);
    name->host = g_strdup(config->host);
    name->endpoint = endpoint;
    name->port = config->port;
    name->transport = config->transport;
    g_hash_table_insert(wanted, name->key, name);
    dm_loop_arm(resolver->loop, &name->timer, 0, start_lookup, name);
}

/* With an outbound proxy everything goes there: to the pool it is the one endpoint. */
static void
want_trunk(DmResolver *resolver, GHashTable *wanted, const DmTrunkConfig *trunk)
{
    if (!trunk->enabled) {
        return;
    }
    if (trunk->outbound_proxy != NULL) {
        want_name(resolver, wanted, trunk->id, 0, trunk->outbound_proxy);
        return;
    }
    for (unsigned i = 0; i < trunk->endpoints->len; i++) {
        const DmEndpointConfig *endpoint = g_ptr_array_index(trunk->endpoints, i);

        if (endpoint->enabled) {
            want_name(resolver, wanted, trunk->id, i, endpoint);
        }
    }
}

typedef struct {
    DmMessage head;
    DmConfig *config; /* one reference */
} ConfigMessage;

static void
drop_message(DmMessage *head)
{
    ConfigMessage *message = (ConfigMessage *)head;

    dm_config_unref(message->config);
    g_free(message);
}

static GHashTable *
name_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, name_free);
}

static void
on_message(DmMessage *head, void *user_data)
{
    DmResolver *resolver = user_data;
    const DmConfig *config = ((ConfigMessage *)head)->config;
    GHashTable *wanted = name_table();

    DM_RUNS_ON(DM_THREAD_RESOLVER);
    for (unsigned i = 0; i < config->trunks->len; i++) {
        want_trunk(resolver, wanted, g_ptr_array_index(config->trunks, i));
    }
    g_hash_table_unref(resolver->names);
    resolver->names = wanted;
    drop_message(head);
}

/* --- the thread --- */

static void
run(void *user_data)
{
    DmResolver *resolver = user_data;

    dm_loop_run(resolver->loop);
}

static bool
open_channel(DmResolver *resolver, const char *servers, GError **error)
{
    struct ares_options options = {
        .timeout = QUERY_MS,
        .tries = QUERY_TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = resolver,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (status == ARES_SUCCESS) {
        status = ares_init_options(&resolver->channel, &options, mask);
    }
    if (status == ARES_SUCCESS && servers != NULL) {
        status = ares_set_servers_ports_csv(resolver->channel, servers);
    }
    if (status != ARES_SUCCESS) {
        g_set_error(error, DM_ERROR, DM_ERROR_IO, "name resolution: %s", ares_strerror(status));
        return false;
    }
    return true;
}

DmResolver *
dm_resolver_start_with_servers(DmResolverFunc func,
                               void *user_data,
                               const char *servers,
                               GError **error)
{
    DmResolver *resolver = g_new0(DmResolver, 1);

    resolver->func = func;
    resolver->user_data = user_data;
    resolver->names = name_table();
    resolver->watches = g_hash_table_new_full(g_int_hash, g_int_equal, NULL, watch_free);
    resolver->random = dm_random_new();
    resolver->loop = dm_loop_new(error);
    if (resolver->loop == NULL || !open_channel(resolver, servers, error)) {
        dm_resolver_stop(resolver);
        return NULL;
    }
    resolver->mailbox = dm_mailbox_new(resolver->loop, on_message, drop_message, resolver);
    resolver->thread = dm_thread_start(DM_THREAD_RESOLVER, "dm-resolver", run, resolver, error);
    if (resolver->thread == NULL) {
        dm_resolver_stop(resolver);
        return NULL;
    }
    return resolver;
}

DmResolver *
dm_resolver_start(DmResolverFunc func, void *user_data, GError **error)
{
    return dm_resolver_start_with_servers(func, user_data, NULL, error);
}

void
dm_resolver_stop(DmResolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    if (resolver->thread != NULL) {
        dm_loop_quit(resolver->loop);
        dm_thread_join(resolver->thread);
    }
    /* names first: then the questions that the channel drops have nobody to tell */
    g_hash_table_unref(resolver->names);
    if (resolver->channel != NULL) {
        ares_destroy(resolver->channel);
    }
    dm_timer_disarm(&resolver->ares_timer);
    if (resolver->mailbox != NULL) {
        dm_mailbox_free(resolver->mailbox);
    }
    g_hash_table_unref(resolver->watches);
    dm_random_free(resolver->random);
    dm_loop_free(resolver->loop);
    g_free(resolver);
}

void
dm_resolver_take_config(DmResolver *resolver, DmConfig *config)
{
    ConfigMessage *message = g_new0(ConfigMessage, 1);

    message->config = dm_config_ref(config);
    dm_mailbox_post(resolver->mailbox, &message->head);
}
