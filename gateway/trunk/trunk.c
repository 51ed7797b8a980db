/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/trunk/trunk-priv.h"

DM_LOG_TOPIC("trunk");

static const DmTrunkConfig *
config_of(const DmTrunk *trunk)
{
    return trunk->trunk;
}

static bool
registers_here(const DmTrunk *trunk)
{
    return config_of(trunk)->auth.mode == DM_AUTH_REGISTER_IN;
}

unsigned
dm_trunk_n_endpoints(const DmTrunk *trunk)
{
    return trunk->n_endpoints;
}

const DmEndpointConfig *
dm_trunk_endpoint(const DmTrunk *trunk, unsigned i)
{
    const DmTrunkConfig *config = config_of(trunk);

    g_return_val_if_fail(i < trunk->n_endpoints, NULL);
    return config->outbound_proxy != NULL ? config->outbound_proxy : config->endpoints->pdata[i];
}

static uint16_t
default_port(DmTransport transport)
{
    return transport == DM_TRANSPORT_TLS ? 5061 : 5060;
}

static uint16_t
port_of(const DmEndpointConfig *endpoint)
{
    return endpoint->port != 0 ? endpoint->port : default_port(endpoint->transport);
}

/* --- a configuration --- */

static void
drop_endpoints(DmTrunk *trunk)
{
    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        dm_endpoint_shared_unref(trunk->shared, trunk->endpoints[i].shared);
    }
    trunk->n_endpoints = 0;
}

static GPtrArray *
endpoint_keys(const DmTrunk *trunk)
{
    GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        const DmEndpointConfig *endpoint = dm_trunk_endpoint(trunk, i);
        g_ptr_array_add(keys,
                        g_strdup_printf("%s %s:%u",
                                        dm_transport_name(endpoint->transport),
                                        endpoint->host,
                                        port_of(endpoint)));
    }
    return keys;
}

/* Resolved before, under the configuration there was; or numeric, so that nothing needs resolving.
 */
static void
fill_addresses(DmTrunk *trunk, unsigned i, const DmEndpoint *old, unsigned n_old)
{
    DmEndpoint *endpoint = &trunk->endpoints[i];
    const DmEndpointConfig *config = dm_trunk_endpoint(trunk, i);
    DmAddress numeric;

    endpoint->n_addresses = 0;
    for (unsigned k = 0; k < n_old; k++) {
        if (old[k].shared == endpoint->shared) {
            memcpy(endpoint->addresses, old[k].addresses, sizeof(old[k].addresses));
            endpoint->n_addresses = old[k].n_addresses;
            return;
        }
    }
    if (dm_address_parse(&numeric, config->host, port_of(config))) {
        dm_trunk_set_addresses(trunk, i, &(DmResolved){numeric, config->transport}, 1);
    }
}

static void
take_endpoints(DmTrunk *trunk)
{
    DmEndpoint old[DM_TRUNK_MAX_ENDPOINTS];
    DmEndpointShared *shared[DM_TRUNK_MAX_ENDPOINTS];
    unsigned n_old = trunk->n_endpoints;
    const DmTrunkConfig *config = config_of(trunk);

    memcpy(old, trunk->endpoints, sizeof(old));
    trunk->n_endpoints =
        config->outbound_proxy != NULL ? 1 : MIN(config->endpoints->len, DM_TRUNK_MAX_ENDPOINTS);
    g_autoptr(GPtrArray) keys = endpoint_keys(trunk);
    dm_trunk_shared_set_endpoints(trunk->shared, keys, shared);
    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        trunk->endpoints[i].shared = shared[i];
        fill_addresses(trunk, i, old, n_old);
    }
    for (unsigned i = 0; i < n_old; i++) {
        dm_endpoint_shared_unref(trunk->shared, old[i].shared);
    }
}

void
dm_trunk_take_config(DmTrunk *trunk, DmConfig *config)
{
    DmConfig *old = trunk->config;

    trunk->config = dm_config_ref(config);
    trunk->trunk = dm_config_trunk(config, trunk->shared->id);
    take_endpoints(trunk);
    atomic_store(&trunk->shared->registers_here, registers_here(trunk));
    if (!registers_here(trunk)) {
        dm_trunk_set_bindings(trunk, NULL);
    }
    dm_config_unref(old);
}

DmTrunk *
dm_trunk_new(DmPool *pool,
             DmTrunkRegistry *registry,
             const char *id,
             const DmClock *clock,
             DmRandom *random)
{
    DmTrunk *trunk = g_rc_box_new0(DmTrunk);

    trunk->pool = pool;
    trunk->shared = dm_trunk_shared_get(registry, id);
    trunk->clock = clock;
    trunk->random = random;
    trunk->bindings = dm_trunk_shared_bindings(trunk->shared);
    return trunk;
}

DmTrunk *
dm_trunk_ref(DmTrunk *trunk)
{
    return g_rc_box_acquire(trunk);
}

static void
clear_trunk(DmTrunk *trunk)
{
    drop_endpoints(trunk);
    dm_bindings_unref(trunk->bindings);
    dm_grant_unref(trunk->grant);
    dm_trunk_shared_unref(trunk->shared);
    dm_config_unref(trunk->config);
}

void
dm_trunk_unref(DmTrunk *trunk)
{
    if (trunk != NULL) {
        g_rc_box_release_full(trunk, (GDestroyNotify)clear_trunk);
    }
}

const DmTrunkConfig *
dm_trunk_config(const DmTrunk *trunk)
{
    return trunk->trunk;
}

const char *
dm_trunk_id(const DmTrunk *trunk)
{
    return trunk->shared->id;
}

/* --- where to send --- */

void
dm_trunk_set_addresses(DmTrunk *trunk, unsigned endpoint, const DmResolved *addresses, size_t n)
{
    static const DmAddress none;

    g_return_if_fail(endpoint < trunk->n_endpoints);
    DmEndpoint *here = &trunk->endpoints[endpoint];
    here->n_addresses = MIN(n, DM_TRUNK_MAX_ADDRESSES);
    for (size_t k = 0; k < here->n_addresses; k++) {
        here->addresses[k] = addresses[k];
        if (dm_address_port(&addresses[k].address) == 0) {
            dm_address_set_port(&here->addresses[k].address, default_port(addresses[k].transport));
        }
    }
    dm_endpoint_shared_set_address(trunk->shared,
                                   here->shared,
                                   here->n_addresses > 0 ? &here->addresses[0].address : &none);
    if (trunk->pool != NULL) {
        dm_pool_forget_sources(trunk->pool);
    }
}

void
dm_trunk_set_bindings(DmTrunk *trunk, DmBindings *bindings)
{
    DmBindings *old = trunk->bindings;

    trunk->bindings = bindings != NULL ? dm_bindings_ref(bindings) : NULL;
    if (trunk->pool != NULL && !dm_bindings_same_ways(old, bindings)) {
        dm_pool_forget_sources(trunk->pool);
    }
    dm_bindings_unref(old);
}

void
dm_trunk_share_bindings(DmTrunk *trunk, DmBindings *bindings)
{
    dm_trunk_set_bindings(trunk, bindings);
    dm_trunk_shared_set_bindings(trunk->shared, bindings);
}

DmBindings *
dm_trunk_bindings(const DmTrunk *trunk)
{
    return trunk->bindings;
}

void
dm_trunk_set_grant(DmTrunk *trunk, DmGrant *grant)
{
    DmGrant *old = trunk->grant;

    trunk->grant = grant != NULL ? dm_grant_ref(grant) : NULL;
    dm_grant_unref(old);
}

DmGrant *
dm_trunk_grant(const DmTrunk *trunk)
{
    return trunk->grant;
}

const DmBinding *
dm_trunk_binding(const DmTrunk *trunk, uint64_t id)
{
    return dm_bindings_find(trunk->bindings, id);
}

/* What requests to an endpoint name as their host; the proxy is only where they are sent. */
static const char *
host_for_target(const DmTrunk *trunk, unsigned i)
{
    const GPtrArray *endpoints = config_of(trunk)->endpoints;

    return i < endpoints->len ? ((const DmEndpointConfig *)endpoints->pdata[i])->host
                              : dm_trunk_endpoint(trunk, i)->host;
}

static size_t
add_targets(const DmTrunk *trunk, unsigned i, DmTarget *out, size_t n, size_t max)
{
    const DmEndpoint *endpoint = &trunk->endpoints[i];

    for (size_t k = 0; k < endpoint->n_addresses && n < max; k++) {
        out[n] = (DmTarget){
            .address = endpoint->addresses[k].address,
            .transport = endpoint->addresses[k].transport,
            .endpoint = i,
        };
        g_strlcpy(out[n].host, host_for_target(trunk, i), sizeof(out[n].host));
        n++;
    }
    return n;
}

static bool
is_usable(const DmTrunk *trunk, unsigned i, bool up)
{
    return dm_trunk_endpoint(trunk, i)->enabled &&
           dm_endpoint_shared_is_up(trunk->endpoints[i].shared) == up;
}

/* The next of @left, a set of endpoints: the lowest priority, by weight among equals (RFC 2782). */
static unsigned
draw(const DmTrunk *trunk, uint32_t left)
{
    unsigned priority = G_MAXUINT;
    int64_t total = 0;

    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        const DmEndpointConfig *endpoint = dm_trunk_endpoint(trunk, i);
        if ((left & (1U << i)) == 0 || endpoint->priority > priority) {
            continue;
        }
        total = (endpoint->priority < priority ? 0 : total) + endpoint->weight;
        priority = endpoint->priority;
    }
    int64_t at = total > 0 ? dm_random_range(trunk->random, 1, total) : 0;
    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        const DmEndpointConfig *endpoint = dm_trunk_endpoint(trunk, i);
        if ((left & (1U << i)) == 0 || endpoint->priority != priority) {
            continue;
        }
        at -= endpoint->weight;
        if (at <= 0) {
            return i;
        }
    }
    g_return_val_if_reached(0);
}

static size_t
add_contacts(const DmTrunk *trunk, DmTarget *out, size_t max)
{
    size_t n = 0;

    for (guint i = 0; trunk->bindings != NULL && i < trunk->bindings->list->len && n < max; i++) {
        const DmBinding *binding = trunk->bindings->list->pdata[i];

        out[n] = (DmTarget){
            .address = binding->source,
            .transport = binding->transport,
            .endpoint = DM_TRUNK_MAX_ENDPOINTS,
            .binding = binding->id,
        };
        dm_address_host(&binding->source, out[n].host);
        n++;
    }
    return n;
}

size_t
dm_trunk_targets(DmTrunk *trunk, DmTarget *out, size_t max)
{
    uint32_t up = 0;
    uint32_t down = 0;
    size_t n = add_contacts(trunk, out, max);

    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        up |= is_usable(trunk, i, true) ? 1U << i : 0;
        down |= is_usable(trunk, i, false) ? 1U << i : 0;
    }
    for (uint32_t left = up != 0 ? up : down; left != 0;) {
        unsigned i = draw(trunk, left);
        left &= ~(1U << i);
        n = add_targets(trunk, i, out, n, max);
    }
    return n;
}

bool
dm_trunk_endpoint_target(const DmTrunk *trunk, unsigned endpoint, DmTarget *out)
{
    return endpoint < trunk->n_endpoints && dm_trunk_endpoint(trunk, endpoint)->enabled &&
           add_targets(trunk, endpoint, out, 0, 1) == 1;
}

/* --- places --- */

static const char *const reserve_names[] = {
    [DM_RESERVE_OK] = "ok",
    [DM_RESERVE_DISABLED] = "disabled",
    [DM_RESERVE_DOWN] = "down",
    [DM_RESERVE_CONCURRENT] = "limit_concurrent",
    [DM_RESERVE_RATE] = "limit_cps",
};

const char *
dm_reserve_name(DmReserve verdict)
{
    g_return_val_if_fail(verdict < G_N_ELEMENTS(reserve_names), "");
    return reserve_names[verdict];
}

bool
dm_trunk_is_up(const DmTrunk *trunk)
{
    if (trunk->bindings != NULL) {
        return true;
    }
    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        if (is_usable(trunk, i, true)) {
            return true;
        }
    }
    return trunk->n_endpoints == 0 && !registers_here(trunk);
}

static bool
has_address(const DmTrunk *trunk)
{
    for (unsigned i = 0; i < trunk->n_endpoints; i++) {
        if (trunk->endpoints[i].n_addresses > 0) {
            return true;
        }
    }
    return false;
}

static bool
can_be_dialled(const DmTrunk *trunk)
{
    if (trunk->bindings != NULL) {
        return true;
    }
    bool registered = config_of(trunk)->auth.mode != DM_AUTH_REGISTER ||
                      atomic_load(&trunk->shared->registration) == DM_REG_REGISTERED;

    return trunk->n_endpoints > 0 && dm_trunk_is_up(trunk) && (registered || has_address(trunk));
}

/* Both limits, or neither: a place taken for a call that comes too fast is given back. */
static DmReserve
take_place(DmTrunk *trunk, bool inbound)
{
    const DmTrunkConfig *config = config_of(trunk);
    unsigned max_direction = inbound ? config->limits.concurrent_in : config->limits.concurrent_out;
    unsigned cps = inbound ? config->limits.cps_in : config->limits.cps_out;

    if (!dm_trunk_shared_take_place(trunk->shared,
                                    inbound,
                                    max_direction,
                                    config->limits.concurrent_total)) {
        return DM_RESERVE_CONCURRENT;
    }
    if (!dm_trunk_shared_take_token(trunk->shared, inbound, cps, dm_clock_mono_us(trunk->clock))) {
        dm_trunk_shared_give_place(trunk->shared, inbound);
        return DM_RESERVE_RATE;
    }
    return DM_RESERVE_OK;
}

DmReserve
dm_trunk_reserve(DmTrunk *trunk, bool inbound)
{
    const DmTrunkConfig *config = config_of(trunk);

    if (!config->enabled || !(inbound ? config->allow_inbound : config->allow_outbound)) {
        return DM_RESERVE_DISABLED;
    }
    if (!inbound && !can_be_dialled(trunk)) {
        return DM_RESERVE_DOWN;
    }
    DmReserve verdict = take_place(trunk, inbound);
    atomic_fetch_add(verdict == DM_RESERVE_OK ? &trunk->shared->attempts
                                              : &trunk->shared->rejected_limit,
                     1);
    return verdict;
}

void
dm_trunk_release(DmTrunk *trunk, bool inbound)
{
    dm_trunk_shared_give_place(trunk->shared, inbound);
}

void
dm_trunk_count_result(DmTrunk *trunk, bool answered)
{
    atomic_fetch_add(answered ? &trunk->shared->answered : &trunk->shared->failed, 1);
}

void
dm_trunk_count_auth_failure(DmTrunk *trunk)
{
    atomic_fetch_add(&trunk->shared->auth_failures, 1);
}

bool
dm_trunk_refuses_t38(const DmTrunk *trunk)
{
    return atomic_load(&trunk->shared->t38_until_us) > dm_clock_mono_us(trunk->clock);
}

bool
dm_trunk_learn_t38(DmTrunk *trunk, bool refused)
{
    int64_t keep_us = (int64_t)config_of(trunk)->media.fax.forget_s * G_USEC_PER_SEC;
    bool knew = dm_trunk_refuses_t38(trunk);
    bool refuses = refused && keep_us > 0;

    if (refuses || knew) {
        atomic_store(&trunk->shared->t38_until_wall_us,
                     refuses ? dm_clock_wall_us(trunk->clock) + keep_us : 0);
        atomic_store(&trunk->shared->t38_until_us,
                     refuses ? dm_clock_mono_us(trunk->clock) + keep_us : 0);
    }
    return refuses != knew;
}

void
dm_trunk_forget_learned(DmTrunk *trunk)
{
    dm_trunk_learn_t38(trunk, false);
}

/* Below 3.6 many are dissatisfied, below 3.1 nearly all (G.107, table B.1). */
const DmHistogramShape dm_trunk_mos_shape = {1e-2, {150, 200, 258, 310, 360, 400, 420, 434}};

void
dm_trunk_count_mos(DmTrunk *trunk, bool inbound, unsigned mos_x100)
{
    dm_histogram_observe(trunk->shared->mos[inbound ? 0 : 1], &dm_trunk_mos_shape, mos_x100);
}

void
dm_trunk_count_unheard(DmTrunk *trunk, bool inbound)
{
    dm_count(&trunk->shared->unheard[inbound ? 0 : 1]);
}

/* --- health and registration --- */

static void
log_health(const DmTrunk *trunk, unsigned i, bool alive)
{
    const DmLogContext context = {.trunk = trunk->shared->id};
    const char *host = dm_trunk_endpoint(trunk, i)->host;

    if (alive) {
        dm_notice(&context, "endpoint %s is up again", host);
    } else {
        dm_warning(&context,
                   "endpoint %s does not answer; no calls are sent there while another is up",
                   host);
    }
}

void
dm_trunk_report_endpoint(DmTrunk *trunk, unsigned endpoint, bool alive, unsigned rtt_us)
{
    const DmTrunkConfig *config = config_of(trunk);
    int64_t now_us = dm_clock_wall_us(trunk->clock);

    if (endpoint >= trunk->n_endpoints) {
        return; /* of a configuration that had more of them */
    }
    DmEndpointShared *shared = trunk->endpoints[endpoint].shared;
    if (alive) {
        atomic_store(&shared->last_ok_wall_us, now_us);
        if (rtt_us > 0) {
            atomic_store(&shared->rtt_us, rtt_us);
        }
    } else {
        atomic_store(&shared->last_fail_wall_us, now_us);
    }
    if (dm_endpoint_shared_report(shared,
                                  alive,
                                  config->health.up_after,
                                  config->health.down_after)) {
        log_health(trunk, endpoint, alive);
    }
}

#define HOUR_US (INT64_C(3600) * G_USEC_PER_SEC)

static const struct {
    int64_t kept_us;
    const char *what;
} lessons[DM_N_LESSONS] = {
    [DM_LESSON_SMALL] = {24 * HOUR_US,
                         "answered 513: requests to it are made as short as may be for a day"},
    [DM_LESSON_NO_TCP] = {HOUR_US, "takes no TCP connection: long requests go by UDP for an hour"},
};

void
dm_trunk_learn(DmTrunk *trunk, unsigned endpoint, DmLesson lesson)
{
    const DmLogContext context = {.trunk = trunk->shared->id};

    if (endpoint >= trunk->n_endpoints) {
        return;
    }
    if (!dm_trunk_has_learned(trunk, endpoint, lesson)) {
        dm_warning(&context,
                   "endpoint %s %s",
                   dm_trunk_endpoint(trunk, endpoint)->host,
                   lessons[lesson].what);
    }
    atomic_store(&trunk->endpoints[endpoint].shared->learned_until_us[lesson],
                 dm_clock_mono_us(trunk->clock) + lessons[lesson].kept_us);
}

bool
dm_trunk_has_learned(const DmTrunk *trunk, unsigned endpoint, DmLesson lesson)
{
    return endpoint < trunk->n_endpoints &&
           atomic_load(&trunk->endpoints[endpoint].shared->learned_until_us[lesson]) >
               dm_clock_mono_us(trunk->clock);
}

static const char *const registration_names[] = {
    [DM_REG_NONE] = "none",
    [DM_REG_TRYING] = "trying",
    [DM_REG_REGISTERED] = "registered",
    [DM_REG_RETRYING] = "retrying",
    [DM_REG_AUTH_FAILED] = "auth_failed",
    [DM_REG_REJECTED] = "rejected",
    [DM_REG_UNREGISTERED] = "unregistered",
};

const char *
dm_registration_state_name(DmRegistrationState state)
{
    g_return_val_if_fail(state < G_N_ELEMENTS(registration_names), "");
    return registration_names[state];
}

void
dm_trunk_report_registration(DmTrunk *trunk,
                             DmRegistrationState state,
                             unsigned last_code,
                             int64_t expires_wall_us,
                             int64_t next_attempt_wall_us)
{
    DmTrunkShared *shared = trunk->shared;

    if (state == DM_REG_AUTH_FAILED) {
        dm_trunk_count_auth_failure(trunk);
    }
    if (state == DM_REG_REGISTERED) {
        atomic_store(&shared->registration_failures, 0);
    } else if (state == DM_REG_RETRYING || state == DM_REG_AUTH_FAILED ||
               state == DM_REG_REJECTED) {
        atomic_fetch_add(&shared->registration_failures, 1);
    }
    atomic_store(&shared->registration_code, last_code);
    atomic_store(&shared->registration_expires_wall_us, expires_wall_us);
    atomic_store(&shared->registration_next_wall_us, next_attempt_wall_us);
    atomic_store(&shared->registration, (int)state);
}
