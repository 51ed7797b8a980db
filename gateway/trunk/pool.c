/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/trunk/pool.h"

#include "gateway/trunk/source.h"
#include "gateway/trunk/trunk-priv.h"

struct DmPool {
    DmTrunkRegistry *registry;
    const DmClock *clock; /* not owned */
    DmRandom *random;     /* not owned */
    GPtrArray *trunks;    /* DmTrunk, one reference each, in the order of the configuration */
    GHashTable *by_id;    /* borrows from @trunks */
    DmSources *sources;   /* NULL: to be made when next asked */
};

static void
unref_trunk(gpointer trunk)
{
    dm_trunk_unref(trunk);
}

DmPool *
dm_pool_new(DmTrunkRegistry *registry, const DmClock *clock, DmRandom *random)
{
    DmPool *pool = g_new0(DmPool, 1);

    pool->registry = dm_trunk_registry_ref(registry);
    pool->clock = clock;
    pool->random = random;
    pool->trunks = g_ptr_array_new_with_free_func(unref_trunk);
    pool->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    return pool;
}

void
dm_pool_forget_sources(DmPool *pool)
{
    g_clear_pointer(&pool->sources, dm_sources_free);
}

/* The trunk as the pool has it, or a new one. One reference. */
static DmTrunk *
find_or_make(DmPool *pool, const char *id)
{
    DmTrunk *trunk = g_hash_table_lookup(pool->by_id, id);

    return trunk != NULL ? dm_trunk_ref(trunk)
                         : dm_trunk_new(pool, pool->registry, id, pool->clock, pool->random);
}

/* Those of @trunks that the pool has no more belong to nobody but their calls. */
static void
let_removed_go(DmPool *pool, const GPtrArray *trunks)
{
    for (guint i = 0; i < trunks->len; i++) {
        DmTrunk *trunk = trunks->pdata[i];
        if (g_hash_table_lookup(pool->by_id, dm_trunk_id(trunk)) == NULL) {
            trunk->pool = NULL;
        }
    }
}

void
dm_pool_free(DmPool *pool)
{
    if (pool == NULL) {
        return;
    }
    g_hash_table_remove_all(pool->by_id);
    let_removed_go(pool, pool->trunks);
    dm_sources_free(pool->sources);
    g_hash_table_unref(pool->by_id);
    g_ptr_array_unref(pool->trunks);
    dm_trunk_registry_unref(pool->registry);
    g_free(pool);
}

void
dm_pool_take_config(DmPool *pool, DmConfig *config)
{
    g_autoptr(GPtrArray) old = pool->trunks;

    pool->trunks = g_ptr_array_new_with_free_func(unref_trunk);
    for (guint i = 0; i < config->trunks->len; i++) {
        DmTrunk *trunk = find_or_make(pool, ((const DmTrunkConfig *)config->trunks->pdata[i])->id);
        dm_trunk_take_config(trunk, config);
        g_ptr_array_add(pool->trunks, trunk);
    }
    g_hash_table_remove_all(pool->by_id);
    for (guint i = 0; i < pool->trunks->len; i++) {
        g_hash_table_insert(pool->by_id,
                            (gpointer)dm_trunk_id(pool->trunks->pdata[i]),
                            pool->trunks->pdata[i]);
    }
    let_removed_go(pool, old);
    dm_pool_forget_sources(pool);
}

DmTrunk *
dm_pool_find(DmPool *pool, const char *trunk_id)
{
    return trunk_id != NULL ? g_hash_table_lookup(pool->by_id, trunk_id) : NULL;
}

static const DmSources *
sources_of(DmPool *pool)
{
    if (pool->sources == NULL) {
        pool->sources = dm_sources_new(pool->trunks);
    }
    return pool->sources;
}

bool
dm_pool_knows(DmPool *pool, const DmAddress *source)
{
    return dm_sources_knows(sources_of(pool), source);
}

DmTrunk *
dm_pool_match(DmPool *pool,
              const DmAddress *source,
              DmTransport transport,
              const char *ruri_user,
              const char *ruri_host)
{
    return dm_sources_match(sources_of(pool), source, ruri_user, ruri_host);
}

DmTrunk *
dm_pool_identify(DmPool *pool, const DmRequestSigns *signs, DmKnownBy *out_by)
{
    return dm_sources_identify(sources_of(pool), signs, out_by);
}

static bool
is_proved(const DmTrunk *trunk,
          bool (*proves)(const void *proof, const char *host),
          const void *proof)
{
    const GPtrArray *names = dm_trunk_config(trunk)->auth.certificate_names;

    for (guint i = 0; i < names->len; i++) {
        if (proves(proof, names->pdata[i])) {
            return true;
        }
    }
    return false;
}

DmTrunk *
dm_pool_find_certified(DmPool *pool,
                       bool (*proves)(const void *proof, const char *host),
                       const void *proof)
{
    for (guint i = 0; i < pool->trunks->len; i++) {
        if (is_proved(pool->trunks->pdata[i], proves, proof)) {
            return pool->trunks->pdata[i];
        }
    }
    return NULL;
}

static bool
is_at(const DmEndpoint *endpoint, const DmAddress *remote)
{
    for (size_t i = 0; i < endpoint->n_addresses; i++) {
        if (dm_address_same_host(&endpoint->addresses[i].address, remote)) {
            return true;
        }
    }
    return false;
}

unsigned
dm_pool_hosts_at(DmPool *pool, const DmAddress *remote, const char **out_hosts, unsigned max)
{
    unsigned n = 0;

    for (guint i = 0; i < pool->trunks->len; i++) {
        const DmTrunk *trunk = pool->trunks->pdata[i];

        for (unsigned k = 0; k < trunk->n_endpoints && n < max; k++) {
            if (is_at(&trunk->endpoints[k], remote)) {
                out_hosts[n++] = dm_trunk_endpoint(trunk, k)->host;
            }
        }
    }
    return n;
}

void
dm_pool_foreach(DmPool *pool, void (*func)(DmTrunk *trunk, void *user_data), void *user_data)
{
    for (guint i = 0; i < pool->trunks->len; i++) {
        func(pool->trunks->pdata[i], user_data);
    }
}
