/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "config/config.h"
#include "gateway/base/counters.h"
#include "gateway/sip/transport/certificate.h"
#include "gateway/store/store.h"
#include "gateway/trunk/pool.h"
#include "media/media.h"

/* The running gateway: signalling workers, media, records. What the admin side sees of it:
 * snapshots to read and commands to post. Every function may be called by any thread but a
 * signalling or media one; those that ask the workers wait at most @deadline_ms and then fail with
 * DM_ERROR_LIMIT. */
typedef struct DmGateway DmGateway;

typedef struct {
    DmConfig *config;
    DmStore *store;       /* not owned, outlives the gateway */
    const char *data_dir; /* (nullable): instead of the configuration's */
} DmGatewayOptions;

/* Binds the listeners, starts every thread. Errors: DM_ERROR_IO (a port is taken: which),
 * DM_ERROR_CONFIG. */
DmGateway *dm_gateway_start(const DmGatewayOptions *options, GError **error);
/* Unregisters, ends calls (BYE), stops all threads. */
void dm_gateway_stop(DmGateway *gateway);

/* No new calls (503, OPTIONS too); true once no call is left. */
void dm_gateway_drain(DmGateway *gateway, bool draining);
bool dm_gateway_is_draining(const DmGateway *gateway);

/* (transfer full): a reference to what is in force */
DmConfig *dm_gateway_config(DmGateway *gateway);
/* From now on @config, for new calls; running ones keep theirs. What only a restart can change
 * (listeners, media pools, worker numbers) and does differ is named in @out_needs_restart
 * (nullable, transfer full array of text). */
void dm_gateway_apply(DmGateway *gateway, DmConfig *config, json_t **out_needs_restart);

size_t dm_gateway_n_calls(const DmGateway *gateway);
/* Live calls, newest first, as in the API. (transfer full) */
json_t *dm_gateway_calls(DmGateway *gateway, unsigned deadline_ms, GError **error);
json_t *dm_gateway_call(DmGateway *gateway,
                        const char *call_id,
                        unsigned deadline_ms,
                        GError **error);
/* BYE on both legs with @reason. Error: DM_ERROR_NOT_FOUND. */
bool dm_gateway_hang_up(DmGateway *gateway,
                        const char *call_id,
                        const char *reason,
                        unsigned deadline_ms,
                        GError **error);
/* "start", "stop", "pause", "resume". Errors: DM_ERROR_NOT_FOUND, DM_ERROR_UNSUPPORTED (no such
 * action), DM_ERROR_CONFLICT (not answered, recorded already or not recorded). */
bool dm_gateway_recording(DmGateway *gateway,
                          const char *call_id,
                          const char *action,
                          unsigned deadline_ms,
                          GError **error);
/* "register", "unregister", "probe". Error: DM_ERROR_NOT_FOUND, DM_ERROR_UNSUPPORTED. */
bool dm_gateway_trunk_action(DmGateway *gateway,
                             const char *trunk_id,
                             const char *action,
                             unsigned deadline_ms,
                             GError **error);
bool dm_gateway_trunk_status(DmGateway *gateway, const char *trunk_id, DmTrunkStatus *out);

/* Process facts for /system, /healthz, /readyz. */
typedef struct {
    int64_t started_wall_us, uptime_us;
    unsigned workers;
    bool draining, listeners_bound;
    size_t calls;
    int64_t loop_lag_us;
    size_t cdr_queued;
    uint64_t cdr_written, cdr_failed;
    DmMediaUsage media;
} DmGatewayStatus;
void dm_gateway_status(DmGateway *gateway, DmGatewayStatus *out);
/* Every set of counters there is: sip, calls, media. At most @max; returns how many. They live as
 * long as the gateway. */
size_t dm_gateway_counters(DmGateway *gateway, DmCounterSet *out, size_t max);
/* The certificate of each TLS profile that has one, as it is in use. @facts are valid during the
 * call. */
typedef void (*DmGatewayCertificateFunc)(const DmCertificateFacts *facts, void *user_data);
void dm_gateway_certificates(DmGateway *gateway, DmGatewayCertificateFunc func, void *user_data);
DmStore *dm_gateway_store(DmGateway *gateway);
