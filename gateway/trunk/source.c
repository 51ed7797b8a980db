/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/trunk/source.h"

#include <string.h>

/* Trunks on one address that are looked at. */
#define MAX_CANDIDATES 64

/* How well an address fits. */
typedef enum {
    FIT_HOST,    /* an endpoint's host, another port */
    FIT_NETWORK, /* of the acl */
    FIT_PORT,    /* host and port */
} Fit;

typedef struct {
    DmCidr network;
    bool is_endpoint;
    DmTrunk *trunk;
} Entry;

struct DmSources {
    GHashTable *hosts;          /* of a single address: its hash -> GArray of Entry */
    GArray *networks;           /* Entry */
    GHashTable *tokens;         /* contact user -> DmTrunk */
    GHashTable *ids;            /* trunk id -> DmTrunk */
    GHashTable *users;          /* inbound user -> GPtrArray of DmTrunk */
    GHashTable *datagram_flows; /* DmAddress a contact sends from -> DmTrunk */
    GHashTable *stream_flows;   /* connection -> DmTrunk */
};

typedef struct {
    DmTrunk *trunk;
    Fit fit;
} Candidate;

/* The trunks a request may belong to. */
typedef struct {
    Candidate list[MAX_CANDIDATES];
    size_t n;
} Candidates;

/* --- making --- */

static void
free_array(gpointer array)
{
    g_array_unref(array);
}

static void
add_entry(DmSources *sources, const Entry *entry)
{
    bool single = entry->network.prefix_len ==
                  (dm_address_family(&entry->network.network) == AF_INET ? 32 : 128);

    if (!single) {
        g_array_append_val(sources->networks, *entry);
        return;
    }
    gint64 hash = (gint64)dm_address_host_hash(&entry->network.network);
    GArray *entries = g_hash_table_lookup(sources->hosts, &hash);
    if (entries == NULL) {
        entries = g_array_new(FALSE, FALSE, sizeof(Entry));
        g_hash_table_insert(sources->hosts, g_memdup2(&hash, sizeof(hash)), entries);
    }
    g_array_append_val(entries, *entry);
}

static void
add_address(DmSources *sources, DmTrunk *trunk, const DmAddress *address)
{
    Entry entry = {.is_endpoint = true, .trunk = trunk};

    entry.network.network = *address;
    entry.network.prefix_len = dm_address_family(address) == AF_INET ? 32 : 128;
    add_entry(sources, &entry);
}

/* Behind an outbound proxy, requests may come from the endpoints themselves too. */
static void
add_endpoints_behind_proxy(DmSources *sources, DmTrunk *trunk)
{
    const DmTrunkConfig *config = dm_trunk_config(trunk);

    for (guint i = 0; config->outbound_proxy != NULL && i < config->endpoints->len; i++) {
        const DmEndpointConfig *endpoint = config->endpoints->pdata[i];
        DmAddress address;
        if (dm_address_parse(&address,
                             endpoint->host,
                             endpoint->port != 0 ? endpoint->port : 5060)) {
            add_address(sources, trunk, &address);
        }
    }
}

static void
free_list(gpointer list)
{
    g_ptr_array_unref(list);
}

static void
add_user(DmSources *sources, DmTrunk *trunk)
{
    char *user = dm_trunk_config(trunk)->auth.inbound_user;
    GPtrArray *trunks = g_hash_table_lookup(sources->users, user);

    if (*user == '\0') {
        return;
    }
    if (trunks == NULL) {
        trunks = g_ptr_array_new();
        g_hash_table_insert(sources->users, user, trunks);
    }
    g_ptr_array_add(trunks, trunk);
}

/* Where a PBX registered from; others behind the same NAT come from the same host, and behind a
 * proxy (RFC 3327) from the very same place. */
static void
add_contact(DmSources *sources, DmTrunk *trunk, const DmBinding *binding)
{
    add_address(sources, trunk, &binding->source);
    if (*binding->path != '\0') {
        return;
    }
    if (binding->transport == DM_TRANSPORT_UDP) {
        g_hash_table_insert(sources->datagram_flows,
                            g_memdup2(&binding->source, sizeof binding->source),
                            trunk);
    } else if (binding->connection != 0) {
        g_hash_table_insert(sources->stream_flows,
                            g_memdup2(&binding->connection, sizeof binding->connection),
                            trunk);
    }
}

static void
add_names(DmSources *sources, DmTrunk *trunk)
{
    const DmTrunkConfig *config = dm_trunk_config(trunk);

    g_hash_table_insert(sources->ids, config->id, trunk);
    add_user(sources, trunk);
    for (guint i = 0; trunk->bindings != NULL && i < trunk->bindings->list->len; i++) {
        add_contact(sources, trunk, trunk->bindings->list->pdata[i]);
    }
}

static void
add_trunk(DmSources *sources, DmTrunk *trunk)
{
    const DmTrunkConfig *config = dm_trunk_config(trunk);

    add_names(sources, trunk);

    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        for (size_t k = 0; k < trunk->endpoints[i].n_addresses; k++) {
            add_address(sources, trunk, &trunk->endpoints[i].addresses[k].address);
        }
    }
    add_endpoints_behind_proxy(sources, trunk);
    for (guint i = 0; i < config->acl->len; i++) {
        Entry entry = {.network = g_array_index(config->acl, DmCidr, i), .trunk = trunk};
        add_entry(sources, &entry);
    }
    if (config->registration.contact_is_token) {
        g_hash_table_insert(sources->tokens, config->registration.contact_user, trunk);
    }
}

DmSources *
dm_sources_new(const GPtrArray *trunks)
{
    DmSources *sources = g_new0(DmSources, 1);

    sources->hosts = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_array);
    sources->networks = g_array_new(FALSE, FALSE, sizeof(Entry));
    sources->tokens = g_hash_table_new(g_str_hash, g_str_equal);
    sources->ids = g_hash_table_new(g_str_hash, g_str_equal);
    sources->users = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_list);
    sources->datagram_flows =
        g_hash_table_new_full(dm_address_hash, dm_address_equal_func, g_free, NULL);
    sources->stream_flows = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; i < trunks->len; i++) {
        add_trunk(sources, trunks->pdata[i]);
    }
    return sources;
}

void
dm_sources_free(DmSources *sources)
{
    if (sources == NULL) {
        return;
    }
    g_hash_table_unref(sources->hosts);
    g_array_unref(sources->networks);
    g_hash_table_unref(sources->tokens);
    g_hash_table_unref(sources->ids);
    g_hash_table_unref(sources->users);
    g_hash_table_unref(sources->datagram_flows);
    g_hash_table_unref(sources->stream_flows);
    g_free(sources);
}

/* --- candidates --- */

static bool
entry_fits(const Entry *entry, const DmAddress *source, Fit *out_fit)
{
    uint16_t port = dm_address_port(&entry->network.network);
    bool same_port = port == dm_address_port(source);

    if (!dm_cidr_contains(&entry->network, source) ||
        (!entry->is_endpoint && port != 0 && !same_port)) {
        return false;
    }
    *out_fit = port != 0 && same_port ? FIT_PORT : entry->is_endpoint ? FIT_HOST : FIT_NETWORK;
    return true;
}

static void
add_candidate(Candidates *candidates, DmTrunk *trunk, Fit fit)
{
    for (size_t i = 0; i < candidates->n; i++) {
        if (candidates->list[i].trunk == trunk) {
            candidates->list[i].fit = MAX(candidates->list[i].fit, fit);
            return;
        }
    }
    if (candidates->n < MAX_CANDIDATES) {
        candidates->list[candidates->n++] = (Candidate){trunk, fit};
    }
}

static void
gather(const GArray *entries, const DmAddress *source, Candidates *candidates)
{
    for (guint i = 0; entries != NULL && i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);
        Fit fit;
        if (entry_fits(entry, source, &fit)) {
            add_candidate(candidates, entry->trunk, fit);
        }
    }
}

/* Leaves those that fit at least as well as @fit, unless none does. */
static void
keep_fits(Candidates *candidates, Fit fit)
{
    Candidates kept = {.n = 0};

    for (size_t i = 0; i < candidates->n; i++) {
        if (candidates->list[i].fit >= fit) {
            kept.list[kept.n++] = candidates->list[i];
        }
    }
    if (kept.n > 0) {
        *candidates = kept;
    }
}

/* --- telling them apart --- */

/* How much of @number one of the trunk's numbers fits; 0: none does. */
static size_t
owned_length(const DmTrunk *trunk, const char *number)
{
    const GPtrArray *owned = dm_trunk_config(trunk)->identity.owned_numbers;
    size_t longest = 0;

    for (guint i = 0; i < owned->len; i++) {
        const char *digits = (const char *)owned->pdata[i] + 1; /* behind the + */
        if (g_str_has_prefix(number, digits)) {
            longest = MAX(longest, strlen(digits));
        }
    }
    return longest;
}

static const char *
digits_of(const char *user)
{
    if (*user == '+') {
        return user + 1;
    }
    return g_str_has_prefix(user, "00") ? user + 2 : user;
}

static DmTrunk *
by_number(const Candidates *candidates, const char *user)
{
    DmTrunk *best = NULL;
    size_t best_length = 0;

    for (size_t i = 0; i < candidates->n; i++) {
        size_t length = owned_length(candidates->list[i].trunk, digits_of(user));
        if (length > best_length) {
            best = candidates->list[i].trunk;
            best_length = length;
        }
    }
    return best;
}

static DmTrunk *
by_contact(const Candidates *candidates, const char *user)
{
    for (size_t i = 0; *user != '\0' && i < candidates->n; i++) {
        if (strcmp(dm_trunk_config(candidates->list[i].trunk)->registration.contact_user, user) ==
            0) {
            return candidates->list[i].trunk;
        }
    }
    return NULL;
}

static DmTrunk *
by_domain(const Candidates *candidates, const char *host)
{
    for (size_t i = 0; *host != '\0' && i < candidates->n; i++) {
        if (g_ascii_strcasecmp(dm_trunk_config(candidates->list[i].trunk)->domain, host) == 0) {
            return candidates->list[i].trunk;
        }
    }
    return NULL;
}

/* The only one that takes whatever number there is. */
static DmTrunk *
by_silence(const Candidates *candidates)
{
    DmTrunk *only = NULL;

    for (size_t i = 0; i < candidates->n; i++) {
        if (dm_trunk_config(candidates->list[i].trunk)->identity.owned_numbers->len > 0) {
            continue;
        }
        if (only != NULL) {
            return NULL;
        }
        only = candidates->list[i].trunk;
    }
    return only;
}

/* Leaves those that carry calls, unless none does. */
static void
keep_enabled(Candidates *candidates)
{
    Candidates kept = {.n = 0};

    for (size_t i = 0; i < candidates->n; i++) {
        if (dm_trunk_config(candidates->list[i].trunk)->enabled) {
            kept.list[kept.n++] = candidates->list[i];
        }
    }
    if (kept.n > 0) {
        *candidates = kept;
    }
}

/* A trunk that is told by a header has the requests that carry it, and no others. */
static bool
is_selected(const DmTrunk *trunk, const DmRequestSigns *signs)
{
    const DmTrunkConfig *config = dm_trunk_config(trunk);
    const char *value;

    if (*config->auth.selector_header == '\0') {
        return true;
    }
    value = signs->header != NULL ? signs->header(config->auth.selector_header, signs->user_data)
                                  : NULL;
    return value != NULL && strcmp(value, config->auth.selector_value) == 0;
}

static void
keep_selected(Candidates *candidates, const DmRequestSigns *signs)
{
    Candidates kept = {.n = 0};

    for (size_t i = 0; i < candidates->n; i++) {
        if (is_selected(candidates->list[i].trunk, signs)) {
            kept.list[kept.n++] = candidates->list[i];
        }
    }
    *candidates = kept;
}

/* The only one told by a header: there is nothing more definite. */
static DmTrunk *
by_header(const Candidates *candidates)
{
    DmTrunk *only = NULL;

    for (size_t i = 0; i < candidates->n; i++) {
        if (*dm_trunk_config(candidates->list[i].trunk)->auth.selector_header == '\0') {
            continue;
        }
        if (only != NULL) {
            return NULL;
        }
        only = candidates->list[i].trunk;
    }
    return only;
}

static DmTrunk *
tell_apart(Candidates *candidates, const DmRequestSigns *signs)
{
    keep_enabled(candidates);
    DmTrunk *trunk = by_header(candidates);
    trunk = trunk != NULL ? trunk : by_contact(candidates, signs->ruri_user);
    trunk = trunk != NULL ? trunk : by_number(candidates, signs->ruri_user);
    trunk = trunk != NULL ? trunk : by_domain(candidates, signs->ruri_host);
    trunk = trunk != NULL ? trunk : by_number(candidates, signs->to_user);
    trunk = trunk != NULL ? trunk : by_domain(candidates, signs->to_host);
    if (trunk != NULL) {
        return trunk;
    }
    keep_fits(candidates, FIT_PORT);
    return candidates->n == 1 ? candidates->list[0].trunk : by_silence(candidates);
}

static void
gather_all(const DmSources *sources, const DmAddress *source, Candidates *candidates)
{
    gint64 hash = (gint64)dm_address_host_hash(source);

    gather(g_hash_table_lookup(sources->hosts, &hash), source, candidates);
    gather(sources->networks, source, candidates);
}

bool
dm_sources_knows(const DmSources *sources, const DmAddress *source)
{
    Candidates candidates = {.n = 0};

    gather_all(sources, source, &candidates);
    return candidates.n > 0;
}

static DmTrunk *
by_flow(const DmSources *sources, const DmRequestSigns *signs)
{
    return signs->transport == DM_TRANSPORT_UDP
               ? g_hash_table_lookup(sources->datagram_flows, signs->source)
               : g_hash_table_lookup(sources->stream_flows, &signs->connection);
}

static bool
is_candidate(const Candidates *candidates, const DmTrunk *trunk)
{
    for (size_t i = 0; i < candidates->n; i++) {
        if (candidates->list[i].trunk == trunk) {
            return true;
        }
    }
    return false;
}

/* Who says who it is must be where that trunk may be: what registers may be anywhere, unless an
 * acl says where. */
static bool
may_be_from(const DmTrunk *trunk, const Candidates *candidates)
{
    const DmTrunkConfig *config = dm_trunk_config(trunk);

    return is_candidate(candidates, trunk) ||
           (config->auth.mode == DM_AUTH_REGISTER_IN && config->acl->len == 0);
}

static DmTrunk *
by_user(const DmSources *sources, const DmRequestSigns *signs, const Candidates *candidates)
{
    const GPtrArray *trunks = g_hash_table_lookup(sources->users, signs->digest_user);

    for (guint i = 0; trunks != NULL && i < trunks->len; i++) {
        DmTrunk *trunk = trunks->pdata[i];
        const DmTrunkConfig *config = dm_trunk_config(trunk);

        if (config->enabled && strcmp(config->auth.inbound_realm, signs->digest_realm) == 0 &&
            may_be_from(trunk, candidates)) {
            return trunk;
        }
    }
    return NULL;
}

static DmTrunk *
by_address(Candidates *candidates, const DmRequestSigns *signs)
{
    keep_selected(candidates, signs);
    keep_fits(candidates, FIT_NETWORK);
    return candidates->n > 1    ? tell_apart(candidates, signs)
           : candidates->n == 1 ? candidates->list[0].trunk
                                : NULL;
}

DmTrunk *
dm_sources_identify(const DmSources *sources, const DmRequestSigns *signs, DmKnownBy *out_by)
{
    Candidates candidates = {.n = 0};
    DmTrunk *trunk;

    *out_by = DM_KNOWN_BY_CERTIFICATE;
    if ((trunk = g_hash_table_lookup(sources->ids, signs->certified)) != NULL) {
        return trunk;
    }
    *out_by = DM_KNOWN_BY_FLOW;
    if ((trunk = by_flow(sources, signs)) != NULL) {
        return trunk;
    }
    *out_by = DM_KNOWN_BY_CONTACT;
    if ((trunk = g_hash_table_lookup(sources->tokens, signs->ruri_user)) != NULL) {
        return trunk;
    }
    gather_all(sources, signs->source, &candidates);
    *out_by = DM_KNOWN_BY_USER;
    if ((trunk = by_user(sources, signs, &candidates)) != NULL) {
        return trunk;
    }
    trunk = by_address(&candidates, signs);
    *out_by = trunk != NULL ? DM_KNOWN_BY_ADDRESS : DM_KNOWN_NOT;
    return trunk;
}

DmTrunk *
dm_sources_match(const DmSources *sources,
                 const DmAddress *source,
                 const char *ruri_user,
                 const char *ruri_host)
{
    DmKnownBy by;

    return dm_sources_identify(sources,
                               &(DmRequestSigns){.source = source,
                                                 .certified = "",
                                                 .ruri_user = ruri_user,
                                                 .ruri_host = ruri_host,
                                                 .to_user = "",
                                                 .to_host = "",
                                                 .digest_user = "",
                                                 .digest_realm = ""},
                               &by);
}
