/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "config/config.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/counters.h"
#include "gateway/base/random.h"
#include "gateway/trunk/bindings.h"
#include "gateway/trunk/grant.h"

/* Trunks while running: up or down, calls in use, rates, resolved addresses. A DmPool belongs to
 * one signalling worker; what must hold across workers (calls in use, rates, endpoint and
 * registration state) is in a DmTrunkShared, made of atomics, found by trunk id in a
 * DmTrunkRegistry that all pools use. */
typedef struct DmTrunkRegistry DmTrunkRegistry;
typedef struct DmTrunkShared DmTrunkShared;
typedef struct DmPool DmPool;
typedef struct DmTrunk DmTrunk;

/* Any thread; look-ups take a lock, so pools make them only when a configuration is taken. */
DmTrunkRegistry *dm_trunk_registry_new(void);
void dm_trunk_registry_unref(DmTrunkRegistry *registry);

DmPool *dm_pool_new(DmTrunkRegistry *registry, const DmClock *clock, DmRandom *random);
void dm_pool_free(DmPool *pool);
/* Takes a new configuration: trunks that stay keep their state, new ones start up (not down),
 * removed ones live until their last call has released. */
void dm_pool_take_config(DmPool *pool, DmConfig *config);
DmTrunk *dm_pool_find(DmPool *pool, const char *trunk_id);
/* The trunk a request from @source belongs to (AUTH-3). A token of ours in @ruri_user says it
 * wherever the request comes from; else the address does: the endpoints' resolved ones and the acl,
 * with the port where it is given. When an endpoint's host fits and its port does not (TCP, NAT),
 * it counts too, if nothing fits better. Several trunks on one address are told apart by @ruri_user
 * (contact_user, a number of owned_numbers, the longest), then by @ruri_host (the trunk's domain),
 * then by the port; else it is the only one that does not list its numbers. NULL: a stranger. */
DmTrunk *dm_pool_match(DmPool *pool,
                       const DmAddress *source,
                       DmTransport transport,
                       const char *ruri_user,
                       const char *ruri_host);
/* What a request shows of whose it is. Text is never NULL, but "" where there is none. */
typedef struct {
    const DmAddress *source;
    DmTransport transport;
    uint64_t connection; /* of a stream; 0: none */
    const char
        *certified; /* id of the trunk whose certificate the other end of the stream showed */
    const char *ruri_user, *ruri_host, *to_user, *to_host;
    const char *digest_user, *digest_realm; /* who it says it is; nothing is verified yet */
    /* (nullable): the first header of this name, NULL when there is none */
    const char *(*header)(const char *name, void *user_data);
    void *user_data;
} DmRequestSigns;

/* How a request's trunk was found (AUTH-3): the higher counts. */
typedef enum {
    DM_KNOWN_NOT,
    DM_KNOWN_BY_ADDRESS, /* see dm_pool_match() */
    DM_KNOWN_BY_USER,    /* the user name of its credentials, which are still to be checked */
    DM_KNOWN_BY_CONTACT, /* it asks for the token we registered with the trunk */
    DM_KNOWN_BY_FLOW,    /* it came where the trunk's REGISTER came */
    DM_KNOWN_BY_CERTIFICATE,
} DmKnownBy;

/* The trunk of a request, and what says so. NULL: a stranger's. */
DmTrunk *dm_pool_identify(DmPool *pool, const DmRequestSigns *signs, DmKnownBy *out_by);
/* The first trunk that has a certificate name for which @proves is true; NULL: none. */
DmTrunk *dm_pool_find_certified(DmPool *pool,
                                bool (*proves)(const void *proof, const char *host),
                                const void *proof);
/* Whether any trunk's requests come from there, though it may take a number to say which trunk's.
 */
bool dm_pool_knows(DmPool *pool, const DmAddress *source);
/* The hosts of trunks' endpoints that resolve to @remote's host: what a server there may be called.
 * Borrowed until the pool takes another configuration. Returns how many were written. */
unsigned dm_pool_hosts_at(DmPool *pool,
                          const DmAddress *remote,
                          const char **out_hosts,
                          unsigned max);
void dm_pool_foreach(DmPool *pool, void (*func)(DmTrunk *trunk, void *user_data), void *user_data);

/* As configured; valid until the pool takes another configuration. */
const DmTrunkConfig *dm_trunk_config(const DmTrunk *trunk);
const char *dm_trunk_id(const DmTrunk *trunk);

/* One address of an endpoint. */
typedef struct {
    DmAddress address;
    DmTransport transport;
    unsigned endpoint; /* index into the configuration's endpoints; of a contact: none of them */
    uint64_t binding;  /* of a registered contact: dm_trunk_binding(); 0: an endpoint */
    char host[256];    /* host of the endpoint's URI, as configured */
} DmTarget;

/* What is to be resolved and watched as endpoint @i: the outbound proxy, as the only one, when
 * there is one. */
unsigned dm_trunk_n_endpoints(const DmTrunk *trunk);
const DmEndpointConfig *dm_trunk_endpoint(const DmTrunk *trunk, unsigned i);

/* Where a name is, as NAPTR, SRV and A say. A port of 0 is the transport's usual one. */
typedef struct {
    DmAddress address;
    DmTransport transport;
} DmResolved;

/* New addresses of an endpoint, from the resolver. Names already numeric need no call. */
void dm_trunk_set_addresses(DmTrunk *trunk,
                            unsigned endpoint,
                            const DmResolved *addresses,
                            size_t n);
/* Where the PBX has registered, from now on. @bindings: referenced; NULL: nowhere. For the worker's
 * own view; dm_trunk_share_bindings() tells the status and workers that make the trunk later as
 * well. */
void dm_trunk_set_bindings(DmTrunk *trunk, DmBindings *bindings);
void dm_trunk_share_bindings(DmTrunk *trunk, DmBindings *bindings);
/* Borrowed until the next change; NULL: nowhere. */
DmBindings *dm_trunk_bindings(const DmTrunk *trunk);
/* A contact by its id, wherever it has moved meanwhile. NULL: gone. */
const DmBinding *dm_trunk_binding(const DmTrunk *trunk, uint64_t id);
/* What the registrar of the trunk said last, for this worker. @grant: referenced; NULL: nothing, or
 * we are not registered. */
void dm_trunk_set_grant(DmTrunk *trunk, DmGrant *grant);
/* Borrowed until the next change; NULL: nothing. */
DmGrant *dm_trunk_grant(const DmTrunk *trunk);
/* What was registered before a restart: trunks of this id begin with it. @bindings: referenced. */
void dm_trunk_registry_remember(DmTrunkRegistry *registry,
                                const char *trunk_id,
                                DmBindings *bindings);

/* Contacts of a trunk that registers, the best first; then addresses in the order to try: priority,
 * weighted random among equals, those that are up first; down ones only when none is up. Returns
 * how many were written. */
size_t dm_trunk_targets(DmTrunk *trunk, DmTarget *out, size_t max);
/* The first address of one endpoint, whether it is up or down: whom to ping. False: unknown, or not
 * resolved yet. */
bool dm_trunk_endpoint_target(const DmTrunk *trunk, unsigned endpoint, DmTarget *out);

typedef enum {
    DM_RESERVE_OK,
    DM_RESERVE_DISABLED,
    DM_RESERVE_DOWN, /* every endpoint is down, or a registering trunk is not registered and has no
                        address */
    DM_RESERVE_CONCURRENT, /* limit of calls */
    DM_RESERVE_RATE,       /* calls a second */
} DmReserve;
const char *dm_reserve_name(
    DmReserve verdict); /* "ok", "disabled", "down", "limit_concurrent", "limit_cps" */

/* Takes a place for one call. @inbound: from the trunk. Released exactly once by
 * dm_trunk_release(). */
DmReserve dm_trunk_reserve(DmTrunk *trunk, bool inbound);
void dm_trunk_release(DmTrunk *trunk, bool inbound);
/* A call holds its trunk, whatever becomes of the configuration. */
DmTrunk *dm_trunk_ref(DmTrunk *trunk);
void dm_trunk_unref(DmTrunk *trunk);

/* Endpoint health, shared by all workers. @rtt_us: 0 when unknown. */
void dm_trunk_report_endpoint(DmTrunk *trunk, unsigned endpoint, bool alive, unsigned rtt_us);
bool dm_trunk_is_up(const DmTrunk *trunk);

/* What an endpoint has shown it cannot take; shared by all workers, and forgotten after a while, as
 * it may have been mended. */
typedef enum {
    DM_LESSON_SMALL,  /* it answered 513: requests are made as short as may be; for a day */
    DM_LESSON_NO_TCP, /* no connection to it could be made; for an hour */
} DmLesson;
#define DM_N_LESSONS 2
void dm_trunk_learn(DmTrunk *trunk, unsigned endpoint, DmLesson lesson);
/* False too for an endpoint that there is not (any more). */
bool dm_trunk_has_learned(const DmTrunk *trunk, unsigned endpoint, DmLesson lesson);

typedef enum {
    DM_REG_NONE, /* the trunk does not register */
    DM_REG_TRYING,
    DM_REG_REGISTERED,
    DM_REG_RETRYING,     /* failed, and trying again by itself */
    DM_REG_AUTH_FAILED,  /* wrong credentials: slow retry (REG-2) */
    DM_REG_REJECTED,     /* 404, 410 */
    DM_REG_UNREGISTERED, /* on purpose */
} DmRegistrationState;
const char *dm_registration_state_name(DmRegistrationState state);
void dm_trunk_report_registration(DmTrunk *trunk,
                                  DmRegistrationState state,
                                  unsigned last_code,
                                  int64_t expires_wall_us,
                                  int64_t next_attempt_wall_us);

/* A copy of everything shown of a trunk, by any thread. */
typedef struct {
    char id[65];
    bool up;
    int calls_in, calls_out;
    DmRegistrationState registration;
    unsigned registration_code;
    int64_t registration_expires_wall_us, registration_next_wall_us;
    unsigned registration_failures;
    unsigned n_endpoints;
    struct {
        bool up;
        unsigned rtt_us;
        int64_t last_ok_wall_us, last_fail_wall_us;
        int64_t learned_until_us[DM_N_LESSONS]; /* by the monotonic clock; 0: not learned */
        char address[DM_ADDRESS_TEXT_MAX];      /* the first resolved one, or "unresolved" */
    } endpoints[16];
    uint64_t attempts, answered, failed; /* since start */
    uint64_t rejected_limit;
    uint64_t auth_failures;
    int64_t unheard[2]; /* calls from it, and to it, of which only the other side was heard */
    int64_t mos[2][DM_HISTOGRAM_SLOTS]; /* of finished calls: from the trunk, to the trunk */
    int64_t t38_until_wall_us; /* it has refused T.38 and is not asked before; 0: it may be */
    DmBindings *contacts;      /* one reference; NULL: none. Given up by dm_trunk_status_clear(). */
} DmTrunkStatus;
void dm_trunk_status_clear(DmTrunkStatus *status);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DmTrunkStatus, dm_trunk_status_clear)
extern const DmHistogramShape dm_trunk_mos_shape;
bool dm_trunk_registry_status(DmTrunkRegistry *registry, const char *trunk_id, DmTrunkStatus *out);
/* Counts an attempt's end for the status. */
void dm_trunk_count_auth_failure(DmTrunk *trunk); /* either way: its credentials, or ours */
void dm_trunk_count_result(DmTrunk *trunk, bool answered);
/* What a trunk has shown of itself, for all workers: it refused T.38 when it was asked, and is not
 * asked again for as long as its configuration says; or it agreed to it. True: that is news. */
bool dm_trunk_learn_t38(DmTrunk *trunk, bool refused);
bool dm_trunk_refuses_t38(const DmTrunk *trunk);
/* All of that is forgotten. */
void dm_trunk_forget_learned(DmTrunk *trunk);
/* How a call sounded on average, MOS times 100. @inbound: what came from the trunk. */
void dm_trunk_count_mos(DmTrunk *trunk, bool inbound, unsigned mos_x100);
/* Counts a call from or to it in which it was not heard, and the other side was (MED-5). */
void dm_trunk_count_unheard(DmTrunk *trunk, bool inbound);
