/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/transfer-wait.h"

#include "gateway/call/cause.h"
#include "gateway/call/hand-over.h"
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
    g_free(wait->call_id);
    g_free(wait->to_tag);
    g_free(wait->from_tag);
    g_free(wait->trunk_id);
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
    return !wait->by_number && !wait->is_far && (wait->in == NULL || !dm_join_may_come(wait->in));
}

static void
finish(DmTransfer *transfer, uint16_t status)
{
    DmTransferWait done = transfer->wait;
    const DmReferral asked = {.number = done.number, .replaces = done.replaces, .referred_by = ""};
    DmParty *in = done.in;

    dm_timer_disarm(&transfer->timer); /* it may be the mail that ends the wait */
    transfer->wait = (DmTransferWait){0};
    if (status != 0) {
        let_go(in);
    }
    if (in != NULL) {
        in->awaited_by = NULL;
    }
    done.in = NULL;
    dm_transfer_go_on(transfer->call, &asked, in, status);
    wait_free(&done);
}

static void on_timer(DmTimer *timer, void *user_data);

static void
look_again(DmTransfer *transfer)
{
    dm_loop_arm(transfer->call->deps->loop, &transfer->timer, AGAIN_US, on_timer, transfer);
}

/* Its worker answers at once, unless it is overloaded. */
static void
fetch(DmTransfer *transfer)
{
    DmCall *call = transfer->call;
    const DmTransferWait *wait = &transfer->wait;
    const DmFarDialog dialog = {wait->worker, wait->call_id, wait->to_tag, wait->from_tag};

    dm_loop_arm(call->deps->loop,
                &transfer->timer,
                MAX(wait->until_us - dm_loop_now_us(call->deps->loop), 0),
                on_timer,
                transfer);
    call->deps->observer->fetch(call->record->id,
                                &dialog,
                                wait->trunk_id,
                                call->deps->observer->user_data);
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    DmTransfer *transfer = user_data;
    DmTransferWait *wait = &transfer->wait;

    if (nobody_comes(wait)) {
        finish(transfer, 481);
    } else if (dm_loop_now_us(transfer->call->deps->loop) >= wait->until_us) {
        finish(transfer, 491);
    } else if (dm_transfer_has_to_wait(transfer->call, wait->in)) {
        look_again(transfer);
    } else if (wait->is_far) {
        fetch(transfer);
    } else {
        finish(transfer, 0);
    }
}

static void
take_fetched(DmTransfer *transfer, DmCall *adopted)
{
    DmParty *in = adopted->a != NULL ? adopted->a : adopted->b;

    transfer->wait.is_far = false;
    transfer->wait.in = in;
    in->awaited_by = transfer;
    on_timer(&transfer->timer, transfer);
}

void
dm_transfer_fetched(DmCall *call, DmCall *adopted, uint16_t status)
{
    bool waits = call != NULL && dm_call_transfer_state(call) == DM_TRANSFER_WAITING &&
                 call->transfer->wait.is_far && !dm_call_is_ending(call);
    bool is_there = adopted != NULL && !dm_call_is_ending(adopted);

    if (waits && is_there) {
        take_fetched(call->transfer, adopted);
    } else if (waits && status == 491) {
        look_again(call->transfer);
    } else if (waits) {
        finish(call->transfer, status != 0 ? status : 481);
    } else if (is_there) {
        dm_call_end(adopted, DM_Q850_NORMAL, "Transfer failed", "refer_failed");
    }
    if (adopted != NULL && !is_there) {
        dm_call_check_over(adopted);
    }
}

/* --- its beginning --- */

static void
note_far(DmTransfer *transfer, const DmFarDialog *far)
{
    const DmParty *from = *dm_call_place(transfer->call, transfer->place);
    DmTransferWait *wait = &transfer->wait;

    wait->is_far = true;
    wait->worker = far->worker;
    wait->call_id = g_strdup(far->call_id);
    wait->to_tag = g_strdup(far->to_tag);
    wait->from_tag = g_strdup(far->from_tag);
    wait->trunk_id = g_strdup(dm_trunk_id(from->trunk));
}

void
dm_transfer_wait(DmTransfer *transfer, const DmReferral *asked, DmParty *in)
{
    DmLoop *loop = transfer->call->deps->loop;

    transfer->wait = (DmTransferWait){
        .in = in,
        .by_number = in == NULL && asked->far == NULL,
        .number = g_strdup(asked->number),
        .replaces = g_strdup(asked->replaces),
        .until_us = dm_loop_now_us(loop) + WAIT_US,
    };
    if (in != NULL) {
        in->awaited_by = transfer;
    }
    if (asked->far != NULL) {
        note_far(transfer, asked->far);
    }
    dm_loop_arm(loop, &transfer->timer, asked->far != NULL ? 0 : AGAIN_US, on_timer, transfer);
}

bool
dm_transfer_waits_for_party(const DmTransfer *transfer)
{
    return transfer->state == DM_TRANSFER_WAITING &&
           (transfer->wait.in != NULL || transfer->wait.is_far);
}
