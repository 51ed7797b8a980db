/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* A REFER that comes while descriptions are on their way: the ACK of one of both calls is missing,
 * or who is to come over has an offer of ours to answer, whose answer would be taken for one to the
 * offer that tells it where it is now. It is accepted and goes on as soon as that is over, or fails
 * with 491 when that takes longer than any transaction lives. One whose other call another worker
 * has waits for that call to be handed over (hand-over.h). */

/* Whether @call, and the one of @in (NULL: a number is to be called), have to come to rest first.
 */
bool dm_transfer_has_to_wait(const DmCall *call, const DmParty *in);
/* @transfer is WAITING: dm_transfer_go_on() follows, or dm_transfer_wait_clear(). Copies @asked. */
void dm_transfer_wait(DmTransfer *transfer, const DmReferral *asked, DmParty *in);
/* It waits for somebody who is on the line, so that the one who asked need not. */
bool dm_transfer_waits_for_party(const DmTransfer *transfer);
/* The call of @transfer ends: whoever was to come, and is alone now, is let go. */
void dm_transfer_wait_clear(DmTransfer *transfer);
/* In a process that ends. */
void dm_transfer_wait_forget(DmTransfer *transfer);
/* @party is gone. */
void dm_transfer_wait_gone(DmParty *party);
