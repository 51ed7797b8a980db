/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/loop.h"
#include "gateway/base/random.h"
#include "gateway/call/leg-ops.h"
#include "gateway/call/media-ops.h"
#include "gateway/cdr/record.h"

/* One call across the gateway: a caller's leg (A), a called leg (B) that may be tried at several
 * targets, media between them, and the record. A pure machine: leg and media events in, operations
 * out; no SIP text, no socket, no time but the loop's. One signalling thread. */
typedef struct DmCall DmCall;

typedef struct {
    void (*started)(const DmRecord *record, void *user_data); /* answered */
    void (*ended)(const DmRecord *record, void *user_data);   /* exactly once a call */
    /* A call of ours, made for a transfer: to be taken in like one that arrives. */
    void (*arrives)(const DmIncoming *incoming, void *user_data);
    /* Nullable: the call of @dialog, of another worker's, is wanted here, for the transfer that
     * @call_id waits in: dm_transfer_fetched() follows. Only by who is on @trunk_id as well. */
    void (*fetch)(const char *call_id,
                  const DmFarDialog *dialog,
                  const char *trunk_id,
                  void *user_data);
    /* A transfer of a call is over. */
    void (*transferred)(bool done, void *user_data);
    /* The call holds nothing any more; free it with dm_call_free() now or later. */
    void (*over)(DmCall *call, void *user_data);
    void *user_data;
} DmCallObserver;

/* All borrowed; it and they outlive every call. */
typedef struct {
    DmLoop *loop;
    DmRandom *random;
    DmPool *pool;
    const DmLegFactory *legs;
    const DmMediaOps *media;
    void *media_engine;
    const DmCallObserver *observer;
} DmCallDeps;

/* Takes the incoming leg, routes, reserves, and dials. Never NULL; a call that cannot be routed
 * ends from the loop. The configuration is referenced for the whole life of the call. */
DmCall *dm_call_new(const DmCallDeps *deps, DmConfig *config, const DmIncoming *incoming);
/* Only when it is over. */
void dm_call_free(DmCall *call);

const char *dm_call_id(const DmCall *call);
bool dm_call_is_over(const DmCall *call);
const char *dm_call_state_name(const DmCall *call);
/* As it is now, media numbers included. (transfer full) */
json_t *dm_call_to_json(DmCall *call);
const DmRecord *dm_call_record(const DmCall *call);
/* The same, with the media numbers as they are now. */
const DmRecord *dm_call_record_now(DmCall *call);

/* What an operator may want of its recording. */
typedef enum {
    DM_RECORDING_START,
    DM_RECORDING_STOP,
    DM_RECORDING_PAUSE, /* silence in the file */
    DM_RECORDING_RESUME,
} DmRecordingAction;
/* Error: DM_ERROR_CONFLICT. */
bool dm_call_recording(DmCall *call, DmRecordingAction action, GError **error);

/* Ends it from our side: an operator, a drain, a shutdown. */
void dm_call_hang_up(DmCall *call, const DmRelease *why);
