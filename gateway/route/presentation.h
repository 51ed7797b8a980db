/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/route/policy.h"

/* Who calls, and how that is said to each trunk (ID-1, ID-2, ID-3; RFC 3323, RFC 3325). Pure. */

/* A caller, as the trunk it came from says. */
typedef struct {
    char *number;     /* normalised; "" when there is none */
    char *display;    /* "" when there is none */
    char *diversion;  /* normalised */
    char *reason;     /* of the diversion */
    char *privacy;    /* as received */
    const char *rule; /* of in_rules, or NULL; borrowed */
    bool restricted;  /* the number is not to be shown */
} DmCaller;

/* @source: (nullable): unknown */
void dm_caller_init(DmCaller *caller, const DmTrunkConfig *source, const DmIdentity *identity);
void dm_caller_clear(DmCaller *caller);

/* What became of a caller on a trunk. */
typedef enum {
    DM_CALLER_SHOWN,
    DM_CALLER_PILOT,   /* not the trunk's to present: its pilot number instead */
    DM_CALLER_REFUSED, /* not the trunk's to present: the trunk is not to be used */
} DmCallerVerdict;

/* Writes the caller into @target's identity as its trunk wants it; nothing when refused. @granted:
 * what the trunk's registrar said of the caller's number. */
DmCallerVerdict dm_caller_present(const DmCaller *caller, DmGranted granted, DmRouteTarget *target);
