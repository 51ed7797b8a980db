/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/address.h"
#include "gateway/base/id.h"
#include "gateway/base/packed.h"
#include "gateway/cdr/route-trace.h"
#include "media/spec.h"

/* What is known about a call, filled in as it lives by the one thread that owns it. Field names in
 * JSON as in docs/api/openapi.yaml. Strings are owned (g_strdup) and NULL or "" where unknown.
 * Times are wall microseconds, 0 unknown; durations come from the monotonic clock. */

typedef struct {
    char *trunk, *endpoint; /* endpoint: host as configured */
    char *transport;        /* "udp" */
    DmAddress remote, local;
    char *call_id, *user_agent;
    char *auth; /* "ip", "digest", "reg" */
    uint16_t final_code, q850;
} DmRecordLeg;

/* One INVITE sent. */
typedef struct {
    char *trunk, *endpoint;
    DmAddress address;
    int64_t started_wall_us, started_mono_us;
    uint16_t provisional; /* last 1xx, 0 none */
    uint16_t code;        /* final; 0: cancelled by us or none */
    char *reason;
    char *failure_class; /* "", "busy", "timeout", "transport", "server", "auth", "limit", ... */
    uint32_t elapsed_ms;
} DmRecordAttempt;

/* What one side wanted of identity, and what was sent on. */
typedef struct {
    char *from, *to, *ruri, *pai, *privacy, *diversion, *display;
} DmRecordIdentity;

typedef enum {
    DM_RELEASED_BY_A,
    DM_RELEASED_BY_B,
    DM_RELEASED_BY_GATEWAY,
} DmReleasedBy;

typedef struct {
    char id[DM_CALL_ID_MAX];
    char *node;
    uint64_t revision;
    char *direction; /* "inbound": from a carrier; "outbound": to a carrier; "internal": PBX to PBX;
                        "transit": carrier to carrier */
    int64_t start_wall_us, start_mono_us;
    int64_t first_18x_wall_us, early_media_wall_us, answer_wall_us, end_wall_us;
    int64_t first_18x_mono_us, answer_mono_us, end_mono_us;

    DmRecordIdentity in, out;
    DmRecordLeg leg[DM_N_SIDES];
    GPtrArray *attempts; /* DmRecordAttempt */
    char *route_id;      /* these two: dm_record_set_route() */
    DmRouteTrace *trace;

    DmPacked *agreed[DM_N_SIDES]; /* last: dm_record_spec(); NULL: nothing */
    DmPacked *reported;    /* final, or as of the audio check: dm_record_report(); NULL: nothing */
    GPtrArray *recordings; /* char *: files, as many as the report has recordings, in their order */
    bool has_media;
    bool fast_close; /* media report never came: ended_by restart or shutdown */
    bool has_fax;    /* heard, or asked for */
    DmAudioVerdict audio;
    uint64_t digits; /* pressed, both sides; which ones is not kept (DTMF-5) */

    struct {
        DmReleasedBy by;
        uint16_t code, q850;
        char *reason;
        char *diagnosis;     /* code, or "" when the call ended as calls do */
        GPtrArray *evidence; /* char *: sentences for the operator */
    } release;
    GPtrArray *limits_hit; /* char * */
} DmRecord;

DmRecord *dm_record_new(void);
void dm_record_free(DmRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmRecord, dm_record_free)

DmRecordAttempt *dm_record_add_attempt(DmRecord *record);
void dm_record_add_evidence(DmRecord *record, const char *format, ...) G_GNUC_PRINTF(2, 3);
void dm_record_add_limit(DmRecord *record, const char *limit);

/* What @side has agreed on last; all zero: nothing. */
DmMediaSideSpec dm_record_spec(const DmRecord *record, DmSide side);
/* @agreed: a DmMediaSideSpec; referenced. */
void dm_record_set_agreed(DmRecord *record, DmSide side, DmPacked *agreed);

/* What became of media; all zero: not known yet. */
DmMediaReport dm_record_report(const DmRecord *record);
void dm_record_set_report(DmRecord *record, const DmMediaReport *report);

/* Which route was taken, NULL: none, and why: the plan's trace, an array; NULL: not told. The
 * record takes the text as it is now. */
void dm_record_set_route(DmRecord *record, const char *route_id, json_t *trace);
/* What was planned later, after a redirection, or happened instead. Adds to the trace that was set,
 * if any. */
void dm_record_extend_trace(DmRecord *record, json_t *trace);

/* As the API shows it, as JSON text; the same members whether or not the call has ended. @node: who
 * kept it, where the record does not say; may be NULL. (transfer full) */
GString *dm_record_print(const DmRecord *record, const char *node);
/* The same as a tree, for whoever adds to it. (transfer full) */
json_t *dm_record_to_json(const DmRecord *record);
const char *dm_released_by_name(DmReleasedBy by); /* "a", "b", "gateway" */
