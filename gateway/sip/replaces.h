/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <sofia-sip/sip.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/sip/span.h"

/* Which dialog a Replaces means (RFC 3891), in an INVITE or inside a Refer-To. One signalling
 * thread. */

/* Dialogs that have ended, by a hash of their names, the oldest forgotten first: 603 for these, 481
 * for what never was. */
#define DM_REPLACES_REMEMBERED 4096
typedef struct {
    uint64_t *hashes; /* made when the first dialog ends */
    unsigned next;
} DmReplacesMemory;

void dm_replaces_memory_clear(DmReplacesMemory *memory);
void dm_replaces_remember(DmReplacesMemory *memory,
                          const char *call_id,
                          const char *local_tag,
                          const char *remote_tag);

typedef enum {
    DM_REPLACES_NONE, /* there is no such header */
    DM_REPLACES_BAD,  /* 400: two of them, one without tags, or Join beside it */
    DM_REPLACES_FOUND,
    DM_REPLACES_UNKNOWN,   /* 481: no dialog of ours, or one of a call that rings here */
    DM_REPLACES_ENDED,     /* 603 */
    DM_REPLACES_CONFIRMED, /* 486: early-only was asked */
    DM_REPLACES_ELSEWHERE, /* of another worker's, if there is one */
    DM_REPLACES_FOREIGN,   /* its tag is none that we make: of a dialog between others */
} DmReplacesVerdict;

struct DmSipCore;
struct DmSipLeg;

/* @out_leg: when found: up, or a leg of ours that rings. */
DmReplacesVerdict dm_replaces_find(const struct DmSipCore *core,
                                   const sip_replaces_t *replaces,
                                   struct DmSipLeg **out_leg);
/* Of an INVITE. */
DmReplacesVerdict dm_replaces_of_invite(const struct DmSipCore *core,
                                        const sip_t *invite,
                                        struct DmSipLeg **out_leg);
/* 400 to 603. */
unsigned dm_replaces_status(DmReplacesVerdict verdict);

/* The worker whose dialog a Replaces names, by its to-tag; -1: it names none of ours. @value: of
 * the header, as it came. */
int dm_replaces_worker(DmSpan value);
