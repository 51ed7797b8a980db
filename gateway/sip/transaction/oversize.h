/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "config/trunk.h"

/* SIG-23: a datagram in pieces is lost to many firewalls, so a request that is too long is made
 * shorter, step by step, as its trunk allows. */
typedef struct {
    const GArray *steps;               /* int, DmOversizeStep; NULL: compact names only */
    const GPtrArray *optional_headers; /* char * */
    unsigned always;                   /* DM_OVERSIZE_BIT of steps taken whatever the size */
    bool no_tcp;                       /* the peer takes no connections */
    unsigned taken;                    /* out: those that made it shorter */
    bool too_long;                     /* out: all the same it leaves in pieces */
} DmFit;

/* Takes @fit's steps but TCP until @text has @max bytes at most; 0: any number. */
void dm_fit_request(GString *text, size_t max, DmFit *fit);
/* Whether TCP is among the steps, and may be tried. */
bool dm_fit_may_use_tcp(const DmFit *fit);
/* The steps that shorten a description, of DM_OVERSIZE_BIT, as dm_sdp_slim() has them. */
unsigned dm_fit_sdp(unsigned steps);
