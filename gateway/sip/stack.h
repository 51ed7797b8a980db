/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/base/counters.h"
#include "gateway/call/leg-ops.h"
#include "gateway/sip/transport/transport.h"
#include "gateway/trunk/pool.h"

/* The SIP side of one signalling worker, whole: scanner, admission, transactions, dialogs, legs,
 * registrations, OPTIONS. Bytes in on one side, legs and calls out on the other. No clock and no
 * socket of its own. */
typedef struct DmSipStack DmSipStack;

typedef struct {
    /* A welcome first INVITE: becomes a call at once (the leg's on_event must be set before this
     * returns). */
    void (*on_incoming)(const DmIncoming *incoming, void *user_data);
    /* A message that belongs to worker @worker: hand it over (copy it); it comes back to that
     * worker's stack through dm_sip_stack_receive_own(). */
    void (*on_foreign)(unsigned worker,
                       const DmSipFlow *flow,
                       const char *data,
                       size_t len,
                       void *user_data);
    /* (nullable) A trunk has registered here, or has not any more (NULL): other workers and the
     * store want to know. */
    void (*on_bindings)(const char *trunk_id, DmBindings *bindings, void *user_data);
    /* (nullable) What a registrar said when it registered a trunk of this worker's; NULL: it has
     * not, any more. Other workers want to know. */
    void (*on_grant)(const char *trunk_id, DmGrant *grant, void *user_data);
    /* New calls welcome? False: 503 with Retry-After; OPTIONS too (drain, overload). */
    bool (*is_accepting)(void *user_data);
} DmSipStackUser;

typedef struct {
    DmLoop *loop;
    DmRandom *random;
    DmPool *pool;
    DmSipWire wire;
    unsigned worker, n_workers;
    const DmSipStackUser *user;
    void *user_data;
    DmCounter *counters; /* DM_N_SIP_COUNTERS of gateway/sip/counters.h, shared by all workers */
    const char *token_secret; /* keys contact tokens; the same for all workers and runs */
} DmSipStackOptions;

DmSipStack *dm_sip_stack_new(const DmSipStackOptions *options, DmConfig *config);
void dm_sip_stack_free(DmSipStack *stack);
/* New calls follow @config; registrations and OPTIONS of this worker's trunks (hash of id modulo
 * workers) are started, changed and stopped. The pool has taken @config already. */
void dm_sip_stack_take_config(DmSipStack *stack, DmConfig *config);
/* From the wire. */
void dm_sip_stack_receive(DmSipStack *stack, const DmSipFlow *flow, const char *data, size_t len);
/* From another worker: belongs here. */
void dm_sip_stack_receive_own(DmSipStack *stack,
                              const DmSipFlow *flow,
                              const char *data,
                              size_t len);
void dm_sip_stack_unreachable(DmSipStack *stack, const DmAddress *remote);
/* A name of a trunk's has other addresses now. */
void dm_sip_stack_addresses_changed(DmSipStack *stack, const char *trunk_id);
/* A stream is gone, or could not be made. */
void dm_sip_stack_flow_failed(DmSipStack *stack, const DmSipFlow *flow);
/* How calls make legs. */
const DmLegFactory *dm_sip_stack_legs(DmSipStack *stack);
/* An operator's wish for one trunk: "register", "unregister" (of a trunk that registers with us:
 * its contacts are forgotten), "probe", "forget" (what it has shown of itself). False: unknown, or
 * not this worker's. */
bool dm_sip_stack_trunk_action(DmSipStack *stack, const char *trunk_id, const char *action);
/* A quality report for the configured collector: see publish.h. @body: (transfer full). */
void dm_sip_stack_publish(DmSipStack *stack, GString *body);
/* Unregisters what is registered; calls are the gateway's to end. Done when no transaction is
 * active and no report is left, or after 2 s. */
void dm_sip_stack_shutdown(DmSipStack *stack);
bool dm_sip_stack_is_quiet(DmSipStack *stack);
/* The leg with this dialog, when it is up; NULL: *@out_status says why not (RFC 3891, 3). */
DmLeg *dm_sip_stack_find_dialog(DmSipStack *stack, const DmFarDialog *dialog, uint16_t *out_status);
size_t dm_sip_stack_n_legs(const DmSipStack *stack);
