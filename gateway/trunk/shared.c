/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/trunk/shared.h"

#include <string.h>

#define DOWN     (UINT32_C(1) << 31)
#define IN_SHIFT 32

struct DmTrunkRegistry {
    GMutex lock;
    GHashTable *trunks; /* id -> DmTrunkShared; under the lock, owns nothing: entries go with their
                           last reference */
    GHashTable *remembered; /* id -> DmBindings of before a restart; under the lock */
};

static void
unref_bindings(gpointer bindings)
{
    dm_bindings_unref(bindings);
}

DmTrunkRegistry *
dm_trunk_registry_new(void)
{
    DmTrunkRegistry *registry = g_atomic_rc_box_new0(DmTrunkRegistry);

    g_mutex_init(&registry->lock);
    registry->trunks = g_hash_table_new(g_str_hash, g_str_equal);
    registry->remembered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_bindings);
    return registry;
}

static void
clear_registry(DmTrunkRegistry *registry)
{
    g_hash_table_unref(registry->trunks);
    g_hash_table_unref(registry->remembered);
    g_mutex_clear(&registry->lock);
}

DmTrunkRegistry *
dm_trunk_registry_ref(DmTrunkRegistry *registry)
{
    return g_atomic_rc_box_acquire(registry);
}

void
dm_trunk_registry_unref(DmTrunkRegistry *registry)
{
    if (registry != NULL) {
        g_atomic_rc_box_release_full(registry, (GDestroyNotify)clear_registry);
    }
}

/* --- endpoints; all under the lock --- */

static void
release_endpoint(gpointer data)
{
    DmEndpointShared *endpoint = data;

    if (--endpoint->refs == 0) {
        g_free(endpoint->key);
        g_free(endpoint);
    }
}

static DmEndpointShared *
find_or_make_endpoint(const GPtrArray *endpoints, const char *key)
{
    for (guint i = 0; i < endpoints->len; i++) {
        DmEndpointShared *endpoint = endpoints->pdata[i];
        if (strcmp(endpoint->key, key) == 0) {
            endpoint->refs++;
            return endpoint;
        }
    }
    DmEndpointShared *endpoint = g_new0(DmEndpointShared, 1);
    endpoint->key = g_strdup(key);
    endpoint->refs = 1;
    return endpoint;
}

void
dm_trunk_shared_set_endpoints(DmTrunkShared *shared, GPtrArray *keys, DmEndpointShared **out)
{
    GPtrArray *endpoints = g_ptr_array_new_with_free_func(release_endpoint);

    g_mutex_lock(&shared->registry->lock);
    for (guint i = 0; i < keys->len; i++) {
        out[i] = find_or_make_endpoint(shared->endpoints, keys->pdata[i]);
        out[i]->refs++;
        g_ptr_array_add(endpoints, out[i]);
    }
    g_ptr_array_unref(shared->endpoints);
    shared->endpoints = endpoints;
    g_mutex_unlock(&shared->registry->lock);
}

void
dm_endpoint_shared_unref(DmTrunkShared *shared, DmEndpointShared *endpoint)
{
    if (endpoint != NULL) {
        g_mutex_lock(&shared->registry->lock);
        release_endpoint(endpoint);
        g_mutex_unlock(&shared->registry->lock);
    }
}

void
dm_endpoint_shared_set_address(DmTrunkShared *shared,
                               DmEndpointShared *endpoint,
                               const DmAddress *address)
{
    char text[DM_ADDRESS_TEXT_MAX] = "";

    if (dm_address_is_set(address)) {
        dm_address_text(address, text);
    }
    g_mutex_lock(&shared->registry->lock);
    memcpy(endpoint->address, text, sizeof(text));
    g_mutex_unlock(&shared->registry->lock);
}

bool
dm_endpoint_shared_is_up(const DmEndpointShared *endpoint)
{
    return (atomic_load_explicit(&endpoint->health, memory_order_relaxed) & DOWN) == 0;
}

bool
dm_endpoint_shared_report(DmEndpointShared *endpoint,
                          bool alive,
                          unsigned up_after,
                          unsigned down_after)
{
    uint32_t old = atomic_load(&endpoint->health);
    uint32_t new;
    bool flips;

    do {
        bool is_up = (old & DOWN) == 0;
        uint32_t against = alive == is_up ? 0 : (old & ~DOWN) + 1;
        flips = against >= (is_up ? down_after : up_after) && against > 0;
        new = flips ? (is_up ? DOWN : 0) : (old & DOWN) | against;
    } while (!atomic_compare_exchange_weak(&endpoint->health, &old, new));
    return flips;
}

/* --- contacts --- */

void
dm_trunk_registry_remember(DmTrunkRegistry *registry, const char *trunk_id, DmBindings *bindings)
{
    g_mutex_lock(&registry->lock);
    g_hash_table_insert(registry->remembered, g_strdup(trunk_id), dm_bindings_ref(bindings));
    g_mutex_unlock(&registry->lock);
}

/* Once: a trunk that is taken away and made anew has not registered. Under the lock. */
static DmBindings *
take_remembered(DmTrunkRegistry *registry, const char *id)
{
    g_autofree gpointer key = NULL;
    gpointer value = NULL;

    g_hash_table_steal_extended(registry->remembered, id, &key, &value);
    return value;
}

void
dm_trunk_shared_set_bindings(DmTrunkShared *shared, DmBindings *bindings)
{
    DmBindings *old;

    g_mutex_lock(&shared->registry->lock);
    old = shared->bindings;
    shared->bindings = bindings != NULL ? dm_bindings_ref(bindings) : NULL;
    g_mutex_unlock(&shared->registry->lock);
    dm_bindings_unref(old);
}

DmBindings *
dm_trunk_shared_bindings(DmTrunkShared *shared)
{
    DmBindings *bindings;

    g_mutex_lock(&shared->registry->lock);
    bindings = shared->bindings != NULL ? dm_bindings_ref(shared->bindings) : NULL;
    g_mutex_unlock(&shared->registry->lock);
    return bindings;
}

/* --- trunks --- */

DmTrunkShared *
dm_trunk_shared_get(DmTrunkRegistry *registry, const char *id)
{
    g_mutex_lock(&registry->lock);
    DmTrunkShared *shared = g_hash_table_lookup(registry->trunks, id);
    if (shared == NULL) {
        shared = g_new0(DmTrunkShared, 1);
        shared->id = g_strdup(id);
        shared->registry = dm_trunk_registry_ref(registry);
        shared->endpoints = g_ptr_array_new_with_free_func(release_endpoint);
        shared->bindings = take_remembered(registry, id);
        g_hash_table_insert(registry->trunks, shared->id, shared);
    }
    shared->refs++;
    g_mutex_unlock(&registry->lock);
    return shared;
}

void
dm_trunk_shared_unref(DmTrunkShared *shared)
{
    DmTrunkRegistry *registry = shared->registry;

    g_mutex_lock(&registry->lock);
    bool last = --shared->refs == 0;
    if (last) {
        g_hash_table_remove(registry->trunks, shared->id);
        g_ptr_array_unref(shared->endpoints);
    }
    g_mutex_unlock(&registry->lock);
    if (last) {
        dm_bindings_unref(shared->bindings);
        g_free(shared->id);
        g_free(shared);
        dm_trunk_registry_unref(registry);
    }
}

/* --- places and rates --- */

static unsigned
calls_in(uint64_t calls)
{
    return (unsigned)(calls >> IN_SHIFT);
}

static unsigned
calls_out(uint64_t calls)
{
    return (unsigned)(calls & UINT32_MAX);
}

static uint64_t
one_call(bool inbound)
{
    return inbound ? UINT64_C(1) << IN_SHIFT : 1;
}

bool
dm_trunk_shared_take_place(DmTrunkShared *shared,
                           bool inbound,
                           unsigned max_direction,
                           unsigned max_total)
{
    uint64_t calls = atomic_load(&shared->calls);

    do {
        unsigned direction = inbound ? calls_in(calls) : calls_out(calls);
        if (max_direction > 0 && direction >= max_direction) {
            return false;
        }
        if (max_total > 0 && (uint64_t)calls_in(calls) + calls_out(calls) >= max_total) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&shared->calls, &calls, calls + one_call(inbound)));
    return true;
}

void
dm_trunk_shared_give_place(DmTrunkShared *shared, bool inbound)
{
    uint64_t calls = atomic_load(&shared->calls);

    g_return_if_fail((inbound ? calls_in(calls) : calls_out(calls)) > 0);
    atomic_fetch_sub(&shared->calls, one_call(inbound));
}

bool
dm_trunk_shared_take_token(DmTrunkShared *shared, bool inbound, unsigned cps, int64_t mono_us)
{
    _Atomic int64_t *rate = inbound ? &shared->rate_in_us : &shared->rate_out_us;
    int64_t full_us = atomic_load(rate);
    int64_t next_us;

    if (cps == 0) {
        return true;
    }
    do {
        next_us = MAX(full_us, mono_us) + G_USEC_PER_SEC / cps;
        if (next_us - mono_us > G_USEC_PER_SEC) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(rate, &full_us, next_us));
    return true;
}

/* --- status --- */

static void
copy_endpoints(const DmTrunkShared *shared, DmTrunkStatus *out)
{
    out->n_endpoints = MIN(shared->endpoints->len, G_N_ELEMENTS(out->endpoints));
    out->up =
        out->contacts != NULL || (out->n_endpoints == 0 && !atomic_load(&shared->registers_here));
    for (unsigned i = 0; i < out->n_endpoints; i++) {
        const DmEndpointShared *endpoint = shared->endpoints->pdata[i];
        out->endpoints[i].up = dm_endpoint_shared_is_up(endpoint);
        out->endpoints[i].rtt_us = atomic_load(&endpoint->rtt_us);
        out->endpoints[i].last_ok_wall_us = atomic_load(&endpoint->last_ok_wall_us);
        out->endpoints[i].last_fail_wall_us = atomic_load(&endpoint->last_fail_wall_us);
        for (unsigned lesson = 0; lesson < DM_N_LESSONS; lesson++) {
            out->endpoints[i].learned_until_us[lesson] =
                atomic_load(&endpoint->learned_until_us[lesson]);
        }
        g_strlcpy(out->endpoints[i].address,
                  *endpoint->address != '\0' ? endpoint->address : "unresolved",
                  sizeof(out->endpoints[i].address));
        out->up |= out->endpoints[i].up;
    }
}

static void
copy_audio(const DmTrunkShared *shared, DmTrunkStatus *out)
{
    for (unsigned way = 0; way < G_N_ELEMENTS(out->mos); way++) {
        out->unheard[way] = dm_counter_value(&shared->unheard[way]);
        for (unsigned i = 0; i < DM_HISTOGRAM_SLOTS; i++) {
            out->mos[way][i] = dm_counter_value(&shared->mos[way][i]);
        }
    }
}

static void
copy_status(DmTrunkShared *shared, DmTrunkStatus *out)
{
    uint64_t calls = atomic_load(&shared->calls);

    *out = (DmTrunkStatus){
        .calls_in = (int)calls_in(calls),
        .calls_out = (int)calls_out(calls),
        .registration = (DmRegistrationState)atomic_load(&shared->registration),
        .registration_code = atomic_load(&shared->registration_code),
        .registration_expires_wall_us = atomic_load(&shared->registration_expires_wall_us),
        .registration_next_wall_us = atomic_load(&shared->registration_next_wall_us),
        .registration_failures = atomic_load(&shared->registration_failures),
        .t38_until_wall_us = atomic_load(&shared->t38_until_wall_us),
        .attempts = atomic_load(&shared->attempts),
        .answered = atomic_load(&shared->answered),
        .failed = atomic_load(&shared->failed),
        .rejected_limit = atomic_load(&shared->rejected_limit),
        .auth_failures = atomic_load(&shared->auth_failures),
    };
    g_strlcpy(out->id, shared->id, sizeof(out->id));
    out->contacts = shared->bindings != NULL ? dm_bindings_ref(shared->bindings) : NULL;
    copy_endpoints(shared, out);
    copy_audio(shared, out);
}

void
dm_trunk_status_clear(DmTrunkStatus *status)
{
    dm_bindings_unref(g_steal_pointer(&status->contacts));
}

bool
dm_trunk_registry_status(DmTrunkRegistry *registry, const char *trunk_id, DmTrunkStatus *out)
{
    g_mutex_lock(&registry->lock);
    DmTrunkShared *shared = g_hash_table_lookup(registry->trunks, trunk_id);
    if (shared != NULL) {
        copy_status(shared, out);
    }
    g_mutex_unlock(&registry->lock);
    return shared != NULL;
}
