/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/transfer.h"

#include <string.h>

#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/diagnosis.h"
#include "gateway/call/party.h"
#include "gateway/call/renegotiate.h"
#include "gateway/call/transfer-join.h"
#include "gateway/call/transfer-leg.h"
#include "gateway/call/transfer-wait.h"

DM_LOG_TOPIC("call-transfer");

#define ASKED_US (180 * G_USEC_PER_SEC) /* for any news of a transfer the other side makes */

#define TO(state) DM_SM_TO(DM_TRANSFER_##state)

static const DmSmState transfer_states[DM_TRANSFER_N_STATES] = {
    [DM_TRANSFER_NONE] = {"none", TO(WAITING) | TO(CALLING) | TO(ASKED)},
    [DM_TRANSFER_WAITING] = {"waiting", TO(NONE)},
    [DM_TRANSFER_CALLING] = {"calling", TO(NONE)},
    [DM_TRANSFER_ASKED] = {"asked", TO(NONE)},
};

static bool
move(DmTransfer *transfer, DmTransferState to)
{
    return dm_sm_move(transfer_states, "transfer", &transfer->state, to, &transfer->call->log);
}

static DmParty *
other_party(const DmParty *party)
{
    return *dm_call_place(party->call, dm_side_other(party->side));
}

static bool
on_one_trunk(const DmParty *a, const DmParty *b)
{
    return strcmp(dm_trunk_id(a->trunk), dm_trunk_id(b->trunk)) == 0;
}

/* --- the end of a transfer --- */

static void
notify(DmParty *party, uint16_t status)
{
    if (party != NULL && party->leg != NULL && party->state == DM_LEG_UP) {
        party->leg->ops->notify(party->leg, status);
    }
}

static void
hang_up(DmParty *party)
{
    const DmRelease why = {.cause = DM_RELEASE_LOCAL, .q850 = DM_Q850_NORMAL};

    dm_party_close(party, &why);
}

/* The call is as it was. Whoever was put on hold for the transfer talks again. */
static void
fail(DmCall *call, uint16_t status)
{
    DmParty *from = *dm_call_place(call, call->transfer->place);

    dm_info(&call->log, "the transfer failed with %u", status);
    call->deps->observer->transferred(false, call->deps->observer->user_data);
    dm_record_add_evidence(call->record, "A transfer failed with %u", status);
    notify(from, status >= 300 ? status : 503);
    if (from == NULL) {
        dm_call_end(call, DM_Q850_NORMAL, "Transfer failed", "refer_failed");
    } else {
        dm_diagnose(call, "refer_failed_kept");
        dm_join_come_back(call, call->transfer->place);
    }
    dm_call_check_over(call);
}

/* @in is there: the one who asked for it may go. */
static void
join(DmCall *call, DmParty *in)
{
    DmSide place = call->transfer->place;
    DmParty *out;

    dm_call_record_transfer(call, in->home, "joined");
    call->deps->observer->transferred(true, call->deps->observer->user_data);
    out = dm_join_take_place(call, place, in);
    notify(out, 200);
    if (out != NULL) {
        hang_up(out);
    }
    dm_join_settle(call);
}

/* --- the new call, made here --- */

static const char *
number_of(const DmParty *party)
{
    const DmRecord *record = party->home->record;
    const char *number =
        party->home_side == DM_SIDE_A
            ? (record->out.from != NULL && *record->out.from != '\0' ? record->out.from
                                                                     : record->in.from)
            : record->in.ruri;

    return number != NULL ? number : "";
}

/* What others may be told of who asks for a transfer (RFC 3892): the number it has in this call. */
static const char *
referrer(const DmParty *from)
{
    const DmRecord *record = from->home->record;
    bool is_private = from->home_side == DM_SIDE_A && record->in.privacy != NULL &&
                      *record->in.privacy != '\0' && strcmp(record->in.privacy, "none") != 0;

    return is_private ? "" : number_of(from);
}

static void
set(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text != NULL ? text : "");
}

/* The one who stays calls, as the one who asks knows it: on its trunk, in its format (RFC 5589, 5).
 */
static void
fill_identity(DmIdentity *identity, const DmParty *stays, const char *number)
{
    const DmRecord *record = stays->home->record;

    dm_identity_init(identity);
    set(&identity->from_user, number_of(stays));
    set(&identity->ruri_user, number);
    set(&identity->to_user, number);
    if (stays->home_side == DM_SIDE_A) {
        set(&identity->from_display, record->in.display);
        set(&identity->privacy, record->in.privacy);
    }
}

static void
call_number(DmParty *from, const DmReferral *asked)
{
    DmCall *call = from->call;
    DmTransfer *transfer = call->transfer;
    g_autoptr(DmSdp) offer = dm_renegotiate_wish(other_party(from));
    DmIdentity identity;
    const DmIncoming incoming = {
        .leg = dm_stand_in_new(call->deps->loop, from->leg->ops->facts(from->leg)),
        .trunk = from->trunk,
        .identity = &identity,
        .offer = offer,
        .max_forwards = call->max_forwards,
        .auth = "refer",
        .transfer = transfer,
    };

    move(transfer, DM_TRANSFER_CALLING);
    transfer->asked = asked;
    fill_identity(&identity, other_party(from), asked->number);
    call->deps->observer->arrives(&incoming, call->deps->observer->user_data);
    transfer->asked = NULL;
    dm_identity_clear(&identity);
    dm_call_record_transfer(call, transfer->made, "refer local");
}

void
dm_transfer_begin(DmCall *made, const DmIncoming *incoming)
{
    DmTransfer *transfer = incoming->transfer;
    const DmReferral *asked = transfer->asked;
    DmParty *stays = *dm_call_place(transfer->call, dm_side_other(transfer->place));
    const DmParty *from = *dm_call_place(transfer->call, transfer->place);

    transfer->made = made;
    made->of = transfer->call;
    made->stand_in = incoming->leg;
    made->n_transfers = transfer->call->n_transfers;
    made->a->media = stays->media;
    made->lender = dm_config_ref(stays->home->config);
    made->replaces = *asked->replaces != '\0' ? g_strdup(asked->replaces) : NULL;
    made->referred_by = *referrer(from) != '\0' ? g_strdup(referrer(from)) : NULL;
}

/* A dialog that is none of ours is known to the trunk it was named by and to nobody else. */
void
dm_transfer_plan(DmCall *made)
{
    GPtrArray *targets = made->dialing->plan->targets;

    if (made->of != NULL) {
        dm_call_record_transfer(made, made->of, "of");
    }
    for (unsigned i = targets->len; made->replaces != NULL && i > 0; i--) {
        const DmRouteTarget *target = g_ptr_array_index(targets, i - 1);

        if (strcmp(target->trunk->id, dm_trunk_id(made->a->trunk)) != 0) {
            g_ptr_array_remove_index(targets, i - 1);
        }
    }
}

void
dm_transfer_on_progress(DmCall *made, uint16_t status)
{
    DmCall *call = made->of;

    if (call != NULL) {
        notify(*dm_call_place(call, call->transfer->place), status);
    }
}

/* From now on @made stands for itself. */
static DmCall *
part(DmCall *made)
{
    DmCall *call = made->of;

    if (call != NULL) {
        call->transfer->made = NULL;
        move(call->transfer, DM_TRANSFER_NONE);
    }
    return call;
}

void
dm_transfer_on_answered(DmCall *made)
{
    DmCall *call = part(made);

    if (call == NULL || dm_call_is_ending(made)) {
        return;
    }
    if (!dm_join_prepare_media(call, call->transfer->place, made->b)) {
        made->of = NULL;
        dm_call_fail(made, 503, DM_Q850_NO_CIRCUIT, "media_ports");
        fail(call, 503);
        return;
    }
    made->of = NULL;
    join(call, made->b);
}

void
dm_transfer_on_failed(DmCall *made, uint16_t status)
{
    DmCall *call = part(made);

    made->of = NULL;
    if (call != NULL && !dm_call_is_ending(call)) {
        fail(call, status);
    }
}

bool
dm_transfer_goes_on_without(const DmParty *party, const DmRelease *release)
{
    const DmTransfer *transfer = party->call->transfer;
    bool has_asked =
        transfer != NULL && transfer->place == party->side &&
        (transfer->state == DM_TRANSFER_CALLING || dm_transfer_waits_for_party(transfer));
    const DmParty *stays = other_party(party);
    bool may_go = has_asked || (stays != NULL && stays->awaited_by != NULL);

    return may_go && release->cause == DM_RELEASE_PEER_BYE && party->call->state == DM_CALL_UP &&
           *dm_call_place(party->call, party->side) == party;
}

void
dm_transfer_abandon(DmCall *call)
{
    const DmRelease why = {.cause = DM_RELEASE_PEER_CANCEL, .status = 487};
    DmCall *made;

    if (call->transfer == NULL) {
        return;
    }
    made = call->transfer->made;
    dm_timer_disarm(&call->transfer->timer);
    dm_transfer_wait_clear(call->transfer);
    if (made != NULL) {
        part(made);
        made->of = NULL;
        dm_call_release(made, DM_RELEASED_BY_A, &why);
    }
}

void
dm_transfer_forget(DmCall *call)
{
    DmTransfer *transfer = g_steal_pointer(&call->transfer);

    if (transfer != NULL) {
        dm_timer_disarm(&transfer->timer);
        dm_transfer_wait_forget(transfer);
        if (transfer->made != NULL) {
            transfer->made->of = NULL;
        }
        g_free(transfer);
    }
    if (call->of != NULL) {
        call->of->transfer->made = NULL;
    }
}

/* --- the new call, made by the other side --- */

static void
on_asked_timer(DmTimer *timer, void *user_data)
{
    DmTransfer *transfer = user_data;
    DmParty *asked = *dm_call_place(transfer->call, dm_side_other(transfer->place));

    move(transfer, DM_TRANSFER_NONE);
    asked->leaves_us_waiting = true;
    fail(transfer->call, 408);
}

/* The number as the other side's trunk wants it, where routing lets the one who asks call it there;
 * NULL: it may not. (transfer full) */
static char *
number_across(const DmParty *from, const char *number)
{
    DmCall *call = from->call;
    const DmParty *other = other_party(from);
    const char *across = NULL;
    DmIdentity identity;
    const DmRouteRequest request = {
        .source_trunk = dm_trunk_id(from->trunk),
        .identity = &identity,
        .wall_us = dm_clock_wall_us(dm_loop_clock(call->deps->loop)),
    };
    g_autoptr(DmRoutePlan) plan = NULL;
    char *copy;

    fill_identity(&identity, other, number);
    plan = dm_route_plan(call->config, &request);
    for (unsigned i = 0; i < plan->targets->len && across == NULL; i++) {
        const DmRouteTarget *target = g_ptr_array_index(plan->targets, i);

        across = strcmp(target->trunk->id, dm_trunk_id(other->trunk)) == 0
                     ? target->identity.ruri_user
                     : NULL;
    }
    copy = g_strdup(across);
    dm_identity_clear(&identity);
    return copy;
}

static bool
may_ask(const DmParty *from)
{
    const DmParty *other = other_party(from);

    return from->config->sip.refer_mode == DM_REFER_RELAY &&
           other->config->sip.refer_mode != DM_REFER_REJECT && other->state == DM_LEG_UP &&
           !other->leaves_us_waiting && other->leg->ops->facts(other->leg)->takes_refer;
}

static void
ask(DmParty *from, const DmReferral *referral)
{
    DmCall *call = from->call;
    DmParty *other = other_party(from);

    move(call->transfer, DM_TRANSFER_ASKED);
    dm_loop_arm(call->deps->loop, &call->transfer->timer, ASKED_US, on_asked_timer, call->transfer);
    dm_call_record_transfer(call, NULL, "refer relay");
    other->leg->ops->refer(other->leg, referral);
}

/* Whom the other side calls instead must be known there: a number it can be given, or a party of
 * its own. */
static bool
ask_other_side(DmParty *from, const DmReferral *asked, DmParty *in)
{
    DmParty *other = other_party(from);
    DmReferral referral = {.number = "", .replaces = "", .referred_by = referrer(from)};
    g_autofree char *number = NULL;

    if (!may_ask(from) || *asked->replaces != '\0') {
        return false;
    }
    if (in != NULL) {
        if (!on_one_trunk(other, in)) {
            return false;
        }
        referral.replaced = in->leg;
    } else {
        number = number_across(from, asked->number);
        if (number == NULL) {
            return false;
        }
        referral.number = number;
    }
    ask(from, &referral);
    return true;
}

void
dm_transfer_on_refer_progress(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;
    DmTransfer *transfer = call->transfer;

    if (dm_call_transfer_state(call) != DM_TRANSFER_ASKED || party->side == transfer->place) {
        return;
    }
    if (event->status < 200) {
        notify(other_party(party), event->status);
        return;
    }
    dm_timer_disarm(&transfer->timer);
    move(transfer, DM_TRANSFER_NONE);
    if (event->status < 300) {
        call->deps->observer->transferred(true, call->deps->observer->user_data);
        notify(other_party(party), event->status); /* both hang up by themselves now */
    } else {
        fail(call, event->status);
    }
}

/* --- REFER --- */

/* Both calls of the one who asks end here: the two others are joined at once. */
static void
join_replaced(DmCall *call, DmParty *in)
{
    if (dm_join_prepare_media(call, call->transfer->place, in)) {
        join(call, in);
    } else {
        fail(call, 503);
    }
}

/* 0, or why the dialog named by a Replaces is not for @from to dispose of. */
static uint16_t
judge_replaced(const DmParty *from, const DmLeg *replaced)
{
    const DmParty *party;

    if (replaced == NULL) {
        return 0;
    }
    party = replaced->user_data;
    if (replaced->on_event != dm_call_on_leg_event || party->call == from->call ||
        !dm_join_is_possible(party->call) || *dm_call_place(party->call, party->side) != party) {
        return 481;
    }
    if (other_party(party)->awaited_by != NULL) {
        return 491;
    }
    return on_one_trunk(from, party) ? 0 : 403;
}

static uint16_t
judge(const DmParty *from, const DmReferral *asked)
{
    if (!dm_join_is_possible(from->call)) {
        return 491;
    }
    if (asked->far != NULL && from->call->deps->observer->fetch == NULL) {
        return 481;
    }
    return from->call->n_transfers >= DM_MAX_TRANSFERS ? 603
                                                       : judge_replaced(from, asked->replaced);
}

/* The one who asked may have gone since, when @in is there. */
static void
go_on(DmCall *call, const DmReferral *asked, DmParty *in)
{
    DmParty *from = *dm_call_place(call, call->transfer->place);

    if (from != NULL && ask_other_side(from, asked, in)) {
        return;
    }
    if (in != NULL) {
        join_replaced(call, in);
    } else {
        call_number(from, asked);
    }
}

void
dm_transfer_on_referred(DmParty *party, const DmLegEvent *event)
{
    const DmReferral *asked = event->referral;
    DmCall *call = party->call;
    DmParty *in = NULL;
    uint16_t status = judge(party, asked);

    if (status != 0) {
        dm_info(&call->log, "transfer refused with %u", status);
        party->leg->ops->answer_refer(party->leg, status);
        return;
    }
    if (call->transfer == NULL) {
        call->transfer = g_new0(DmTransfer, 1);
        call->transfer->call = call;
    }
    call->transfer->place = party->side;
    call->n_transfers++;
    party->leg->ops->answer_refer(party->leg, 202);
    in = asked->replaced != NULL ? other_party(asked->replaced->user_data) : NULL;
    if (asked->far != NULL || dm_transfer_has_to_wait(call, in)) {
        dm_info(&call->log,
                "the transfer waits for %s",
                asked->far != NULL ? "a call of another worker's"
                                   : "descriptions that are on their way");
        move(call->transfer, DM_TRANSFER_WAITING);
        dm_transfer_wait(call->transfer, asked, in);
    } else {
        go_on(call, asked, in);
    }
}

void
dm_transfer_go_on(DmCall *call, const DmReferral *asked, DmParty *in, uint16_t status)
{
    move(call->transfer, DM_TRANSFER_NONE);
    if (status == 0) {
        go_on(call, asked, in);
    } else {
        fail(call, status);
    }
}
