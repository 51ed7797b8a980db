/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-table.h"
#include "gateway/sip/stack.h"

/* What signalling workers want of each other's calls. An attended transfer may name a call that
 * another worker has: that worker hands it over (call/hand-over.h), and from then on speaks for the
 * leg that stays with it, as the leg's dialog does. To the call that takes it in that leg is one
 * like any other, only that what is asked of it, and what it tells, goes by mail.
 *
 * One of these a worker; its thread only. */
typedef struct DmNeighbours DmNeighbours;

/* One message between two workers, owned by whoever has it. Any thread. */
typedef struct DmNeighbourMail DmNeighbourMail;
void dm_neighbour_mail_free(DmNeighbourMail *mail);

typedef struct {
    unsigned worker; /* our own number */
    DmSipStack *stack;
    DmCallTable *calls;
    const DmCallDeps *deps;
    /* Takes @mail to that worker, in order. (transfer full: @mail) */
    void (*post)(unsigned worker, DmNeighbourMail *mail, void *user_data);
    void *user_data;
} DmNeighboursOptions;

/* Everything in @options is borrowed and outlives it. */
DmNeighbours *dm_neighbours_new(const DmNeighboursOptions *options);
/* After all calls. */
void dm_neighbours_free(DmNeighbours *neighbours);

/* See DmCallObserver. */
void dm_neighbours_fetch(DmNeighbours *neighbours,
                         const char *call_id,
                         const DmFarDialog *dialog,
                         const char *trunk_id);
/* (transfer full: @mail) */
void dm_neighbours_take(DmNeighbours *neighbours, DmNeighbourMail *mail);
/* Ends the legs spoken for, as the calls of this worker end. */
void dm_neighbours_close_all(DmNeighbours *neighbours, const DmRelease *why);
