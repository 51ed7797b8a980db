/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/transfer-wait.h"

#include "gateway/call/cause.h"
#include "gateway/call/renegotiate.h"
#include "gateway/call/transfer-join.h"
#include "gateway/call/transfer.h"

#define WAIT_US (32 * G_USEC_PER_SEC) /* 64 * T1: an exchange that lives is over by then */
#define AGAIN_US                                                                                   \
    (G_USEC_PER_SEC / 10) /* rare and short: looking again is simpler than being told */

static DmParty *
other_party(const DmParty *party)
{
    return *dm_call_place(party->call, dm_side_other(party->side));
}

static bool
lacks_ack(const DmParty *party)
{
    return party != NULL && party->state == DM_LEG_WAITS_FOR_ACK;
}

bool
dm_transfer_has_to_wait(const DmCall *call, const DmParty *in)
{
    const DmCall *theirs = in != NULL ? in->call : call;

    return call->joining.unsettled != 0 || lacks_ack(call->a) || lacks_ack(call->b) ||
           theirs->joining.unsettled != 0 || lacks_ack(theirs->a) || lacks_ack(theirs->b) ||
           (in != NULL && dm_renegotiate_is_pending(theirs));
}

/* --- the end of the wait --- */

static void
wait_free(DmTransferWait *wait)
{
    if (wait->in != NULL) {
        wait->in->awaited_by = NULL;
    }
    g_free(wait->number);
    g_free(wait->replaces);
    *wait = (DmTransferWait){0};
}

/* Its own call has nobody else left: it was kept only for this. */
static void
let_go(const DmParty *in)
{
    if (in != NULL && other_party(in) == NULL) {
        dm_call_end(in->call, DM_Q850_NORMAL, "Transfer failed", "refer_failed");
    }
}

void
dm_transfer_wait_clear(DmTransfer *transfer)
{
    DmParty *in = transfer->wait.in;

    wait_free(&transfer->wait);
    let_go(in);
}

void
dm_transfer_wait_forget(DmTransfer *transfer)
{
    wait_free(&transfer->wait);
}

void
dm_transfer_wait_gone(DmParty *party)
{
    if (party->awaited_by != NULL) {
        party->awaited_by->wait.in = NULL;
        party->awaited_by = NULL;
    }
}

static bool
nobody_comes(const DmTransferWait *wait)
{
    return !wait->by_number && (wait->in == NULL || !dm_join_may_come(wait->in));
}

static void
finish(DmTransfer *transfer, uint16_t status)
{
    DmTransferWait done = transfer->wait;
    const DmReferral asked = {.number = done.number, .replaces = done.replaces, .referred_by = ""};

    transfer->wait = (DmTransferWait){0};
    if (done.in != NULL) {
        done.in->awaited_by = NULL;
    }
    if (status != 0) {
        let_go(done.in);
    }
    dm_transfer_go_on(transfer->call, &asked, done.in, status);
    g_free(done.number);
    g_free(done.replaces);
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    DmTransfer *transfer = user_data;
    DmLoop *loop = transfer->call->deps.loop;

    if (nobody_comes(&transfer->wait)) {
        finish(transfer, 481);
    } else if (!dm_transfer_has_to_wait(transfer->call, transfer->wait.in)) {
        finish(transfer, 0);
    } else if (dm_loop_now_us(loop) >= transfer->wait.until_us) {
        finish(transfer, 491);
    } else {
        dm_loop_arm(loop, timer, AGAIN_US, on_timer, transfer);
    }
}

/* --- its beginning --- */

void
dm_transfer_wait(DmTransfer *transfer, const DmReferral *asked, DmParty *in)
{
    DmLoop *loop = transfer->call->deps.loop;

    transfer->wait = (DmTransferWait){
        .in = in,
        .by_number = in == NULL,
        .number = g_strdup(asked->number),
        .replaces = g_strdup(asked->replaces),
        .until_us = dm_loop_now_us(loop) + WAIT_US,
    };
    if (in != NULL) {
        in->awaited_by = transfer;
    }
    dm_loop_arm(loop, &transfer->timer, AGAIN_US, on_timer, transfer);
}

bool
dm_transfer_waits_for_party(const DmTransfer *transfer)
{
    return transfer->state == DM_TRANSFER_WAITING && transfer->wait.in != NULL;
}
