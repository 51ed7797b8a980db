/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/resolver.h"

#include <string.h>

#include "gateway/base/loop.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/random.h"
#include "gateway/base/thread.h"
#include "gateway/sip/dns-channel.h"
#include "gateway/sip/dns-lookup.h"
#include "gateway/sip/resolver-priv.h"

DM_LOG_TOPIC("resolver");

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
    DmDnsChannel *channel;
    DmRandom *random;
    uint32_t transports; /* those we have listeners for: bits of DmTransport */
    GHashTable *names;   /* key text -> Name, owned */
};

/* One endpoint to be kept resolved. */
typedef struct {
    DmResolver *resolver;
    char *key, *trunk_id, *host;
    unsigned endpoint;
    uint16_t port;
    DmTransport transport;
    bool transport_free;
    bool naptr_known; /* NAPTR has decided, at least once */
    DmTimer timer;
    unsigned failures;
    DmLookup *lookup; /* under way, or NULL */
} Name;

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

/* --- one name --- */

static void start_lookup(DmTimer *timer, void *user_data);

static void
on_answer(const DmLookupAnswer *answer, void *user_data)
{
    Name *name = user_data;
    DmResolver *resolver = name->resolver;

    name->lookup = NULL;
    if (answer->n > 0) {
        name->failures = 0;
        name->naptr_known = answer->naptr;
        resolver->func(name->trunk_id,
                       name->endpoint,
                       answer->addresses,
                       answer->n,
                       resolver->user_data);
    } else {
        name->failures++;
        dm_warning(&(DmLogContext){.trunk = name->trunk_id},
                   "%s did not resolve (%u in a row); kept what was known",
                   dm_log_quote(name->host, strlen(name->host)),
                   name->failures);
    }
    dm_loop_arm(resolver->loop,
                &name->timer,
                dm_resolver_wait_us(answer->n > 0, answer->ttl_s, name->failures),
                start_lookup,
                name);
}

static void
start_lookup(DmTimer *timer, void *user_data)
{
    Name *name = user_data;
    DmResolver *resolver = name->resolver;
    DmLookupQuestion question = {
        .host = name->host,
        .port = name->port,
        .transport = name->transport,
        .transport_free = name->transport_free,
        .transports = resolver->transports,
        .naptr_known = name->naptr_known,
    };

    name->lookup = dm_lookup_new(resolver->channel, resolver->random, &question, on_answer, name);
    dm_lookup_ask(name->lookup);
}

/* --- which names --- */

static void
name_free(gpointer data)
{
    Name *name = data;

    dm_timer_disarm(&name->timer);
    if (name->lookup != NULL) {
        dm_lookup_forget(name->lookup);
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
    g_autofree char *key = g_strdup_printf("%s/%u/%u/%u/%u/%s",
                                           trunk_id,
                                           endpoint,
                                           config->transport,
                                           config->transport_free ? resolver->transports : 0,
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
    name->transport_free = config->transport_free;
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

static uint32_t
transports_of(const DmConfig *config)
{
    uint32_t transports = 0;

    for (unsigned i = 0; i < config->listeners->len; i++) {
        const DmListenerConfig *listener = g_ptr_array_index(config->listeners, i);

        transports |= 1U << listener->transport;
    }
    return transports;
}

static void
on_message(DmMessage *head, void *user_data)
{
    DmResolver *resolver = user_data;
    const DmConfig *config = ((ConfigMessage *)head)->config;
    GHashTable *wanted = name_table();

    DM_RUNS_ON(DM_THREAD_RESOLVER);
    resolver->transports = transports_of(config);
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
    resolver->random = dm_random_new();
    resolver->loop = dm_loop_new(error);
    if (resolver->loop != NULL) {
        resolver->channel = dm_dns_channel_new(resolver->loop, servers, error);
    }
    if (resolver->channel == NULL) {
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
    dm_dns_channel_free(resolver->channel);
    if (resolver->mailbox != NULL) {
        dm_mailbox_free(resolver->mailbox);
    }
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
