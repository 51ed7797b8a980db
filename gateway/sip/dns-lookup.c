/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/dns-lookup.h"

#include <arpa/nameser.h>
#include <math.h>
#include <string.h>

#include "gateway/base/log.h"

#define MAX_GROUPS  4  /* SRV names looked at */
#define MAX_TARGETS 16 /* SRV records looked at, of one name */

/* One host, in the order of preference, with what came back for it. */
typedef struct {
    DmLookup *lookup;
    char *host;
    uint16_t port;
    DmTransport transport;
    unsigned priority;
    double turn; /* among equal priorities the lowest comes first */
    unsigned n_addresses;
    DmAddress addresses[DM_LOOKUP_MAX_ADDRESSES];
} Target;

/* One SRV name, and one way to the host: the first of them that has targets is taken. */
typedef struct {
    DmLookup *lookup;
    char *name;
    DmTransport transport;
    unsigned order, preference; /* of its NAPTR record */
    bool failed;                /* the server did, which is not "there is none" */
    unsigned n_targets;
    Target targets[MAX_TARGETS];
} Group;

struct DmLookup {
    DmDnsChannel *channel;
    DmRandom *random;
    DmLookupFunc func; /* NULL: nobody waits */
    void *user_data;
    char *host;
    DmLookupQuestion question;
    DmLookupAnswer answer;
    unsigned n_pending; /* whatever is still to come before the end */
    unsigned n_srv;     /* SRV answers of them */
    unsigned n_groups;
    Group groups[MAX_GROUPS];
    Group *chosen;
};

/* The service a NAPTR record names (RFC 3263, 4.1), and how its SRV name begins. */
static const struct {
    const char *naptr, *srv;
    DmTransport transport;
} services[] = {
    {"SIP+D2U", "_sip._udp", DM_TRANSPORT_UDP},
    {"SIP+D2T", "_sip._tcp", DM_TRANSPORT_TCP},
    {"SIPS+D2T", "_sips._tcp", DM_TRANSPORT_TLS},
};

static uint16_t
default_port(DmTransport transport)
{
    return transport == DM_TRANSPORT_TLS ? 5061 : 5060;
}

static bool
speaks(const DmLookup *lookup, DmTransport transport)
{
    return (lookup->question.transports & (1U << transport)) != 0;
}

/* --- the end --- */

static void
lookup_free(DmLookup *lookup)
{
    for (unsigned g = 0; g < lookup->n_groups; g++) {
        for (unsigned i = 0; i < lookup->groups[g].n_targets; i++) {
            g_free(lookup->groups[g].targets[i].host);
        }
        g_free(lookup->groups[g].name);
    }
    g_free(lookup->host);
    g_free(lookup);
}

static void
collect(DmLookup *lookup)
{
    DmLookupAnswer *answer = &lookup->answer;
    const Group *group = lookup->chosen;

    for (unsigned i = 0; group != NULL && i < group->n_targets; i++) {
        const Target *target = &group->targets[i];

        for (unsigned k = 0; k < target->n_addresses && answer->n < DM_LOOKUP_MAX_ADDRESSES; k++) {
            answer->addresses[answer->n++] = (DmResolved){target->addresses[k], target->transport};
        }
    }
}

static void
release(DmLookup *lookup)
{
    if (--lookup->n_pending > 0) {
        return;
    }
    if (lookup->func != NULL) {
        collect(lookup);
        lookup->func(&lookup->answer, lookup->user_data);
    }
    lookup_free(lookup);
}

/* --- A and AAAA --- */

static void
take_ttl(DmLookup *lookup, int ttl_s)
{
    if (lookup->answer.ttl_s < 0 || ttl_s < lookup->answer.ttl_s) {
        lookup->answer.ttl_s = ttl_s;
    }
}

static void
on_addresses(void *user_data, int status, int timeouts, struct ares_addrinfo *info)
{
    Target *target = user_data;

    if (status == ARES_SUCCESS) {
        for (struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
            if (target->n_addresses < DM_LOOKUP_MAX_ADDRESSES) {
                DmAddress *address = &target->addresses[target->n_addresses++];

                dm_address_from_sockaddr(address, node->ai_addr);
                dm_address_set_port(address, target->port);
                take_ttl(target->lookup, node->ai_ttl);
            }
        }
    }
    if (info != NULL) {
        ares_freeaddrinfo(info);
    }
    release(target->lookup);
}

static void
ask_addresses(DmLookup *lookup, Group *group)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                     .ai_flags = ARES_AI_NOSORT};
    ares_channel ares = dm_dns_channel_ares(lookup->channel);

    lookup->chosen = group;
    lookup->n_pending += group->n_targets;
    for (unsigned i = 0; i < group->n_targets; i++) {
        Target *target = &group->targets[i];

        ares_getaddrinfo(ares, target->host, NULL, &hints, on_addresses, target);
    }
}

static Target *
add_target(Group *group, const char *host, uint16_t port)
{
    Target *target = &group->targets[group->n_targets++];

    *target = (Target){
        .lookup = group->lookup,
        .host = g_strdup(host),
        .port = port,
        .transport = group->transport,
    };
    return target;
}

static Group *
add_group(DmLookup *lookup, const char *name, DmTransport transport)
{
    Group *group = &lookup->groups[lookup->n_groups++];

    group->lookup = lookup;
    group->name = g_strdup(name);
    group->transport = transport;
    return group;
}

/* --- SRV --- */

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
take_srv(Group *group, const uint8_t *answer, int len)
{
    struct ares_srv_reply *list = NULL;

    if (ares_parse_srv_reply(answer, len, &list) != ARES_SUCCESS) {
        return;
    }
    for (struct ares_srv_reply *srv = list; srv != NULL; srv = srv->next) {
        if (group->n_targets < MAX_TARGETS && srv->host[0] != '\0' && strcmp(srv->host, ".") != 0) {
            Target *target = add_target(group, srv->host, srv->port);

            target->priority = srv->priority;
            target->turn = draw_turn(group->lookup->random, srv->weight);
        }
    }
    qsort(group->targets, group->n_targets, sizeof(Target), by_priority);
    ares_free_data(list);
}

/* All SRV answers are there. RFC 3263, 4.2: without SRV records the name itself. A server that
 * fails to answer is another matter: what was known from SRV must not be replaced by a guess. */
static void
choose_group(DmLookup *lookup)
{
    bool failed = false;

    for (unsigned i = 0; i < lookup->n_groups; i++) {
        if (lookup->groups[i].n_targets > 0) {
            ask_addresses(lookup, &lookup->groups[i]);
            return;
        }
        failed = failed || lookup->groups[i].failed;
    }
    if (!failed && lookup->n_groups > 0 && !lookup->answer.naptr) {
        Group *group = &lookup->groups[0];

        group->transport = lookup->question.transport;
        add_target(group, lookup->host, default_port(group->transport));
        ask_addresses(lookup, group);
    }
}

static void
on_srv(void *user_data, int status, int timeouts, unsigned char *answer, int len)
{
    Group *group = user_data;
    DmLookup *lookup = group->lookup;

    if (status == ARES_SUCCESS) {
        take_srv(group, answer, len);
    }
    group->failed = status != ARES_SUCCESS && status != ARES_ENOTFOUND && status != ARES_ENODATA;
    if (--lookup->n_srv == 0 && status != ARES_EDESTRUCTION) {
        choose_group(lookup);
    }
    release(lookup);
}

static void
ask_srv(DmLookup *lookup)
{
    /* All are counted before the first is asked: c-ares may answer at once. */
    lookup->n_pending += lookup->n_groups;
    lookup->n_srv = lookup->n_groups;
    for (unsigned i = 0; i < lookup->n_groups; i++) {
        ares_query(dm_dns_channel_ares(lookup->channel),
                   lookup->groups[i].name,
                   ns_c_in,
                   ns_t_srv,
                   on_srv,
                   &lookup->groups[i]);
    }
}

/* The SRV names of RFC 3263, 4.1, last paragraph: of the transport that was said, or of every one
 * we speak. */
static void
guess_groups(DmLookup *lookup)
{
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
        DmTransport transport = services[i].transport;
        bool wanted = transport == lookup->question.transport ||
                      (lookup->question.transport_free && speaks(lookup, transport));

        if (wanted) {
            g_autofree char *name = g_strdup_printf("%s.%s", services[i].srv, lookup->host);

            add_group(lookup, name, transport);
        }
    }
}

/* --- NAPTR --- */

static int
by_order(const void *a, const void *b)
{
    const Group *one = a;
    const Group *other = b;

    if (one->order != other->order) {
        return one->order < other->order ? -1 : 1;
    }
    return one->preference < other->preference ? -1 : one->preference > other->preference;
}

/* RFC 3263, 4.1: flag "s", a service we speak, and an SRV name as replacement. */
static void
take_naptr_record(DmLookup *lookup, const struct ares_naptr_reply *record)
{
    if (lookup->n_groups == MAX_GROUPS || record->replacement[0] == '\0' ||
        g_ascii_strcasecmp((const char *)record->flags, "s") != 0) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(services); i++) {
        if (g_ascii_strcasecmp((const char *)record->service, services[i].naptr) == 0 &&
            speaks(lookup, services[i].transport)) {
            Group *group = add_group(lookup, record->replacement, services[i].transport);

            group->order = record->order;
            group->preference = record->preference;
        }
    }
}

static void
take_naptr(DmLookup *lookup, const uint8_t *answer, int len)
{
    struct ares_naptr_reply *list = NULL;

    if (ares_parse_naptr_reply(answer, len, &list) != ARES_SUCCESS) {
        return;
    }
    for (const struct ares_naptr_reply *record = list; record != NULL; record = record->next) {
        take_naptr_record(lookup, record);
    }
    ares_free_data(list);
    qsort(lookup->groups, lookup->n_groups, sizeof(Group), by_order);
    lookup->answer.naptr = lookup->n_groups > 0;
}

static void
on_naptr(void *user_data, int status, int timeouts, unsigned char *answer, int len)
{
    DmLookup *lookup = user_data;
    bool none = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS;

    if (status == ARES_SUCCESS) {
        take_naptr(lookup, answer, len);
    }
    /* Some name servers fail on types they do not know: SRV may still be answered. Where NAPTR was
     * seen before, that failure says nothing, and what was known is kept. */
    if (status != ARES_EDESTRUCTION && (none || !lookup->question.naptr_known)) {
        if (lookup->n_groups == 0) {
            guess_groups(lookup);
        }
        ask_srv(lookup);
    }
    release(lookup);
}

/* --- the beginning --- */

DmLookup *
dm_lookup_new(DmDnsChannel *channel,
              DmRandom *random,
              const DmLookupQuestion *question,
              DmLookupFunc func,
              void *user_data)
{
    DmLookup *lookup = g_new0(DmLookup, 1);

    lookup->channel = channel;
    lookup->random = random;
    lookup->func = func;
    lookup->user_data = user_data;
    lookup->host = g_strdup(question->host);
    lookup->question = *question;
    lookup->question.host = lookup->host;
    lookup->answer.ttl_s = -1;
    lookup->n_pending = 1;
    return lookup;
}

void
dm_lookup_ask(DmLookup *lookup)
{
    const DmLookupQuestion *question = &lookup->question;

    if (question->port != 0) {
        Group *group = add_group(lookup, "", question->transport);

        add_target(group, lookup->host, question->port);
        ask_addresses(lookup, group);
    } else if (question->transport_free) {
        lookup->n_pending++;
        ares_query(dm_dns_channel_ares(lookup->channel),
                   lookup->host,
                   ns_c_in,
                   ns_t_naptr,
                   on_naptr,
                   lookup);
    } else {
        guess_groups(lookup);
        ask_srv(lookup);
    }
    dm_dns_channel_wind(lookup->channel);
    release(lookup);
}

void
dm_lookup_forget(DmLookup *lookup)
{
    lookup->func = NULL;
}
