/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/spec.h"

/* What a packet of one payload type needs on its way to the other side. */
typedef enum {
    DM_PATH_FORWARD = 1, /* not set: understood, and nothing the other side could use */
    DM_PATH_EVENT = 2,   /* RFC 4733 */
    DM_PATH_TO_ALAW = 4, /* G.711, of either law: A-law goes on */
    DM_PATH_TO_ULAW = 8,
    DM_PATH_DECODE = 16, /* through samples (decoded.h) into the plan's @made */
    DM_PATH_TONES = 32,  /* events: heard by the other side as tones in its speech */
    DM_PATH_HUSH = 64,   /* speech: silenced while such a tone sounds */
    DM_PATH_NOISE = 128, /* comfort noise: heard by the other side as noise in its speech */
} DmPathOps;

typedef struct {
    uint8_t pt_in, pt_out;
    uint8_t ops;   /* DmPathOps */
    uint8_t codec; /* DmCodec received */
    uint32_t clock_in_hz;
    uint32_t clock_out_hz;
} DmPathRule;

/* One direction: a rule for each payload type that may come. All zero: none. */
typedef struct {
    uint8_t n;                      /* rules */
    uint16_t ptime_ms, maxptime_ms; /* toward the peer, as it said; 0: it did not */
    DmJitterBounds jitter;          /* of what comes */
    bool hears_keys;  /* from a peer without events, to one that wants no tones: they are taken
                         out, told, and made events if there is @event_pt */
    bool makes_tones; /* a key of ours reaches the peer as a tone */
    uint8_t event_pt; /* or as this; 0: not */
    uint32_t event_hz;
    bool keeps_up;      /* a peer that knows no comfort noise is to hear something all the time */
    bool modem_tones;   /* what is lost is silence: nothing is made up */
    DmMediaFormat made; /* what samples are made into; DM_CODEC_OTHER: nothing we can make */
    DmEncoderWishes wishes; /* of the peer, for that */
    DmPathRule rule[DM_MEDIA_MAX_FORMATS];
} DmPathPlan;

extern const DmPathPlan dm_path_plan_none;

/* A copy that has room for the rules there are and no more: to be read, not to be copied again.
 * g_free() frees it. */
const DmPathPlan *dm_path_plan_keep(const DmPathPlan *plan);
bool dm_path_plan_equal(const DmPathPlan *a, const DmPathPlan *b);

/* Joins what @from may send to what @to wants: the same format under @to's number where there is
 * one; G.711 in the other law; anything else that can be decoded by way of samples; telephone
 * events of another clock. Pure. */
void dm_path_plan(DmPathPlan *out_plan, const DmMediaSideSpec *from, const DmMediaSideSpec *to);

/* The same for a fax in G.711: no keys are listened for, none made, and nothing is made up. */
void dm_path_plan_modem(DmPathPlan *out_plan,
                        const DmMediaSideSpec *from,
                        const DmMediaSideSpec *to);

/* NULL: a payload type nobody agreed on (MED-1). */
const DmPathRule *dm_path_plan_rule(const DmPathPlan *plan, uint8_t pt);

/* G.711 goes on packet by packet, in the same law or the other, unless the peer asked for another
 * length or bears only a shorter one. */
bool dm_path_plan_keeps_length(const DmPathPlan *plan, size_t payload_len);

/* The clock of the first voice format of @plan toward the peer; 8000 when there is none. */
uint32_t dm_path_plan_clock_out(const DmPathPlan *plan);
