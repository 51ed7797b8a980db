/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/announcement.h"
#include "config/json-table.h"
#include "config/number-rule.h"

/* A route as configured: which calls it is for, and where they go. Part of a DmConfig, immutable
 * like it. */
typedef enum {
    DM_CALLED_ANY,
    DM_CALLED_PREFIX,
    DM_CALLED_EXACT, /* a DID */
    DM_CALLED_REGEX,
} DmCalledKind;

typedef struct {
    char *id;
    char *name;
    bool enabled;
    bool provisioned;
    unsigned order; /* lower first among equally specific routes */

    struct {
        GPtrArray *source_trunks; /* char *: trunk ids; empty: any */
        DmCalledKind kind;
        char *called; /* digits with optional +, or the expression's text */
        GRegex *called_regex;
        char *caller_prefix; /* "": any */
    } match;

    struct {
        GPtrArray *trunks;       /* char *: targets in order; empty when the route rejects */
        GPtrArray *called_rules; /* DmNumberRule, before the target's own */
        bool record;             /* calls are written to files once answered */
        uint16_t reject_code;    /* 0: does not reject */
        char *reject_reason;
        unsigned reject_q850;
        GPtrArray *announcements; /* DmAnnouncementConfig: before a call ends unanswered */
    } action;
    json_t *source;
} DmRoute;

DmRoute *dm_route_from_json(const json_t *json, const char *pointer, struct DmProblems *problems);
void dm_route_free(DmRoute *route);
extern const DmJsonMember dm_route_members[];
void *dm_route_make(const json_t *element, DmJsonReader *reader); /* DmJsonMake */
