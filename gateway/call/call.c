/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/call.h"

#include <string.h>

#include "gateway/base/id.h"
#include "gateway/base/thread.h"
#include "gateway/call/announcement.h"
#include "gateway/call/answer.h"
#include "gateway/call/call-media.h"
#include "gateway/call/call-priv.h"
#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/diagnosis.h"
#include "gateway/call/dial.h"
#include "gateway/call/keys.h"
#include "gateway/call/negotiation.h"
#include "gateway/call/party.h"
#include "gateway/call/renegotiate.h"
#include "gateway/call/screening.h"
#include "gateway/call/transfer-join.h"
#include "gateway/call/transfer-leg.h"
#include "gateway/call/transfer.h"

DM_LOG_TOPIC("call");

#define TO(state) DM_SM_TO(DM_CALL_##state)

static const DmSmState call_states[DM_CALL_N_STATES] = {
    [DM_CALL_START] = {"start", TO(DIALING) | TO(CLOSING)},
    [DM_CALL_DIALING] = {"dialing", TO(RINGING) | TO(ANSWERED) | TO(CLOSING)},
    [DM_CALL_RINGING] = {"ringing", TO(ANSWERED) | TO(CLOSING)},
    [DM_CALL_ANSWERED] = {"answered", TO(UP) | TO(CLOSING)},
    [DM_CALL_UP] = {"up", TO(CLOSING)},
    [DM_CALL_CLOSING] = {"closing", TO(OVER)},
    [DM_CALL_OVER] = {"over", 0},
};

bool
dm_call_move(DmCall *call, DmCallState to)
{
    return dm_sm_move(call_states, "call", &call->state, to, &call->log);
}

/* What happens on which leg in which states of the call; anything else a leg tells is not for us
 * and is ignored, but for an offer, which must be answered. */
typedef struct {
    uint32_t states;
    void (*handle)(DmParty *party, const DmLegEvent *event);
} Reaction;

#define SETTING_UP (TO(DIALING) | TO(RINGING))
#define ANSWERED   (TO(ANSWERED) | TO(UP))

static void
on_acked(DmParty *party, const DmLegEvent *event)
{
    if (party->call->state == DM_CALL_ANSWERED && party->side == DM_SIDE_A) {
        dm_answer_on_acked(party, event);
        dm_join_settle(party->call);
    } else if (party->state == DM_LEG_WAITS_FOR_ACK) {
        dm_transfer_on_acked(party, event);
    } else {
        dm_renegotiate_on_acked(party, event);
    }
}

static const Reaction a_reactions[] = {
    [DM_LEG_EARLY_ANSWER] = {SETTING_UP | TO(ANSWERED), dm_answer_on_early_answer},
    [DM_LEG_ACKED] = {ANSWERED, on_acked},
    [DM_LEG_REOFFER] = {SETTING_UP | ANSWERED, dm_renegotiate_on_reoffer},
    [DM_LEG_REANSWER] = {SETTING_UP | ANSWERED, dm_renegotiate_on_reanswer},
    [DM_LEG_REOFFER_FAILED] = {SETTING_UP | ANSWERED, dm_renegotiate_on_failed},
    [DM_LEG_REFERRED] = {ANSWERED, dm_transfer_on_referred},
    [DM_LEG_REFER_PROGRESS] = {TO(UP), dm_transfer_on_refer_progress},
    [DM_LEG_KEY] = {SETTING_UP | ANSWERED, dm_keys_on_signalled},
    [DM_LEG_CLOSED] = {0, NULL},
};

static const Reaction b_reactions[] = {
    [DM_LEG_PROGRESS] = {SETTING_UP, dm_answer_on_progress},
    [DM_LEG_OFFERED] = {SETTING_UP, dm_answer_on_offered},
    [DM_LEG_ANSWERED] = {SETTING_UP, dm_answer_on_answered},
    [DM_LEG_ACKED] = {ANSWERED, on_acked},
    [DM_LEG_REOFFER] = {SETTING_UP | ANSWERED, dm_renegotiate_on_reoffer},
    [DM_LEG_REANSWER] = {TO(UP), dm_renegotiate_on_reanswer},
    [DM_LEG_REOFFER_FAILED] = {TO(UP), dm_renegotiate_on_failed},
    [DM_LEG_REFERRED] = {ANSWERED, dm_transfer_on_referred},
    [DM_LEG_REFER_PROGRESS] = {TO(UP), dm_transfer_on_refer_progress},
    [DM_LEG_KEY] = {SETTING_UP | ANSWERED, dm_keys_on_signalled},
    [DM_LEG_CLOSED] = {0, NULL},
};

static void
react(DmParty *party, const DmLegEvent *event)
{
    DmCall *call = party->call;
    const Reaction *table = party->side == DM_SIDE_A ? a_reactions : b_reactions;
    const Reaction *reaction = &table[event->type];
    bool is_current = party == call->a || party == call->b;

    if (!is_current || (reaction->states & DM_SM_TO(call->state)) == 0) {
        dm_debug(&call->log, "leg event %d ignored", event->type);
        return;
    }
    reaction->handle(party, event);
}

/* Whom a leg's end is put down to: the peer who hung up, or ourselves who gave up on it. */
static DmReleasedBy
releaser(const DmParty *party, const DmRelease *release)
{
    switch (release->cause) {
    case DM_RELEASE_PEER_BYE:
    case DM_RELEASE_PEER_CANCEL:
    case DM_RELEASE_REJECTED:
        return party->side == DM_SIDE_A ? DM_RELEASED_BY_A : DM_RELEASED_BY_B;
    default:
        return DM_RELEASED_BY_GATEWAY;
    }
}

static void
explain(DmParty *party, DmRelease *why)
{
    if (why->cause == DM_RELEASE_ACK_TIMEOUT) {
        why->status = 408;
        g_strlcpy(why->reason, "ACK timeout", sizeof(why->reason));
        g_strlcpy(why->diagnosis, "ack_timeout", sizeof(why->diagnosis));
        dm_diagnose_ack(party->call);
    }
    if (why->cause == DM_RELEASE_PEER_CANCEL && why->status == 0) {
        why->status = 487;
    }
}

static void
on_leg_gone(DmParty *party, const DmRelease *release, const GPtrArray *contacts)
{
    DmCall *call = party->call;
    DmRelease why = *release;

    if (party == call->b && (call->state == DM_CALL_DIALING || call->state == DM_CALL_RINGING)) {
        dm_dial_failed(party, release, contacts);
    } else if (dm_transfer_goes_on_without(party, release)) {
        dm_join_leave(party);
    } else if (party == call->a || party == call->b) {
        explain(party, &why);
        dm_call_release(call, releaser(party, release), &why);
        dm_call_record_attempt_end(party, release);
    }
    if (party == call->a) {
        call->a = NULL;
    } else if (party == call->b) {
        call->b = NULL;
    }
}

void
dm_call_on_leg_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    DmParty *party = user_data;
    DmCall *call = party->call;
    DmCall *home = party->home;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    g_return_if_fail(party->leg == leg);
    if (event->type != DM_LEG_CLOSED) {
        react(party, event);
    } else {
        if (party == call->a || party == call->b) {
            dm_call_record_facts(party);
        }
        dm_party_move(party, DM_LEG_GONE);
        party->leg = NULL;
        on_leg_gone(party, event->release, event->contacts);
        dm_party_free(party);
        if (home != call) {
            dm_join_party_gone(home);
        }
    }
    dm_renegotiate_ask_late(call);
    dm_call_check_over(call);
}

/* Numbers cross, a peer's own words do not (SIG-1); but a phone must not show a call as missed that
 * was taken elsewhere (RFC 3326, 2), and must show one that was given up: a success as the cause of
 * CANCEL would tell it the former. */
static void
put_in_our_words(DmRelease *told)
{
    bool taken_elsewhere =
        told->cause == DM_RELEASE_PEER_CANCEL && (told->status == 200 || told->q850 == 26);

    if (told->cause != DM_RELEASE_LOCAL && told->cause != DM_RELEASE_ACK_TIMEOUT) {
        told->warning[0] = '\0';
        g_strlcpy(told->reason,
                  taken_elsewhere ? "Call completed elsewhere" : dm_status_phrase(told->status),
                  sizeof(told->reason));
    }
    if (told->status < 300 && !taken_elsewhere) {
        told->status = 0;
    }
    told->cause = DM_RELEASE_LOCAL;
}

/* What one leg is told of the end; a caller who still waits needs a final answer. */
static void
close_leg(DmParty *party, const DmRelease *why)
{
    DmRelease told = *why;

    if (party == NULL) {
        return;
    }
    put_in_our_words(&told);
    if (party->side == DM_SIDE_A && party->state < DM_LEG_WAITS_FOR_ACK) {
        told.status = why->redirect_to[0] != '\0'
                          ? why->status
                          : dm_status_toward_caller(why->status != 0 ? why->status : 480);
    }
    if (told.q850 == 0) {
        told.q850 = dm_q850_from_status(told.status);
    }
    if (told.reason[0] == '\0') {
        g_strlcpy(told.reason, dm_status_phrase(told.status), sizeof(told.reason));
    }
    dm_party_close(party, &told);
}

void
dm_call_release(DmCall *call, DmReleasedBy by, const DmRelease *why)
{
    if (dm_call_is_ending(call)) {
        return;
    }
    if (call->joining.host != NULL && !dm_call_is_ending(call->joining.host)) {
        dm_call_release(call->joining.host, DM_RELEASED_BY_GATEWAY, why);
        return; /* which has ended this one too */
    }
    dm_call_move(call, DM_CALL_CLOSING);
    dm_timer_disarm(&call->timer);
    if (!call->joining.own_end) {
        dm_call_record_release(call, by, why);
    }
    dm_transfer_abandon(call);
    dm_join_release_guests(call, by, why);
    dm_info(&call->log,
            "released by %s: %u %s",
            dm_released_by_name(by),
            call->record->release.code,
            dm_log_quote(why->reason, strlen(why->reason)));
    close_leg(call->a, why);
    close_leg(call->b, why);
    dm_call_media_close(call);
}

void
dm_call_fail(DmCall *call, uint16_t status, uint16_t q850, const char *diagnosis)
{
    DmRelease why = {.cause = DM_RELEASE_LOCAL, .status = status, .q850 = q850};

    if (status == 503) {
        why.retry_after_s = 5;
    }
    g_strlcpy(why.reason, dm_status_phrase(status), sizeof(why.reason));
    g_strlcpy(why.diagnosis, diagnosis, sizeof(why.diagnosis));
    dm_call_release(call, DM_RELEASED_BY_GATEWAY, &why);
}

void
dm_call_end(DmCall *call, uint16_t q850, const char *reason, const char *diagnosis)
{
    DmRelease why = {.cause = DM_RELEASE_LOCAL, .q850 = q850};

    g_strlcpy(why.reason, reason, sizeof(why.reason));
    g_strlcpy(why.diagnosis, diagnosis, sizeof(why.diagnosis));
    dm_call_release(call, DM_RELEASED_BY_GATEWAY, &why);
}

void
dm_call_check_over(DmCall *call)
{
    if (call->state != DM_CALL_CLOSING || call->parties->len > 0 || call->sessions->len > 0 ||
        call->joining.n_away > 0 || call->joining.host != NULL) {
        return;
    }
    dm_join_dissolve(call);
    dm_call_move(call, DM_CALL_OVER);
    if (!call->handed_over) {
        call->deps->observer->ended(call->record, call->deps->observer->user_data);
    }
    call->deps->observer->over(call, call->deps->observer->user_data);
}

static void
reject_by_plan(DmCall *call)
{
    const DmRoutePlan *plan = call->dialing->plan;
    DmRelease why = {
        .cause = DM_RELEASE_LOCAL,
        .status = plan->reject_code != 0 ? plan->reject_code : 404,
        .q850 = (uint16_t)plan->reject_q850,
    };

    if (why.q850 == 0) {
        why.q850 = dm_q850_from_status(why.status);
    }
    g_strlcpy(why.reason,
              plan->reject_reason != NULL ? plan->reject_reason : dm_status_phrase(why.status),
              sizeof(why.reason));
    g_strlcpy(why.diagnosis,
              plan->route_id != NULL ? "route_rejects" : "no_route",
              sizeof(why.diagnosis));
    dm_announcement_release(call, DM_RELEASED_BY_GATEWAY, &why);
}

static bool
admit(DmCall *call)
{
    DmReserve verdict = dm_party_enter_trunk(call->a);

    if (verdict == DM_RESERVE_OK) {
        return true;
    }
    dm_record_add_evidence(call->record,
                           "The caller's trunk '%s' is refused: %s",
                           dm_trunk_id(call->a->trunk),
                           dm_reserve_name(verdict));
    if (verdict == DM_RESERVE_DISABLED) {
        dm_call_fail(call, 403, 0, "trunk_disabled");
        return false;
    }
    dm_record_add_limit(call->record, dm_reserve_name(verdict));
    if (verdict == DM_RESERVE_CONCURRENT && call->a->config->role == DM_TRUNK_CARRIER) {
        dm_call_fail(call, 486, DM_Q850_BUSY, "trunk_limit");
    } else {
        dm_call_fail(call, 503, DM_Q850_NO_CIRCUIT, "trunk_limit");
    }
    return false;
}

static bool
check_offer(DmCall *call)
{
    DmSdpVerdict verdict = dm_negotiate_check_caller(call);
    DmRelease why;

    if (verdict == DM_SDP_OK) {
        return true;
    }
    dm_diagnose_sdp(call, verdict, "The caller", call->a->theirs, call->a->config);
    why = dm_diagnose_refusal(verdict);
    dm_call_release(call, DM_RELEASED_BY_GATEWAY, &why);
    return false;
}

static void
set_up(DmCall *call, const DmIncoming *incoming)
{
    const DmRouteRequest request = {
        .source_trunk = dm_trunk_id(incoming->trunk),
        .identity = incoming->identity,
        .wall_us = call->record->start_wall_us,
        .granted = dm_call_granted,
        .user_data = call->deps->pool,
    };

    if (incoming->is_unreadable) {
        dm_record_add_evidence(call->record, "The caller's session description cannot be read");
        dm_call_fail(call, 400, DM_Q850_INTERWORKING, "sdp_unreadable");
        return;
    }
    if (incoming->replaced != NULL) {
        if (admit(call)) {
            dm_transfer_take_place(call, incoming->replaced);
        }
        return;
    }
    dm_dial_plan(call, &request);
    dm_call_record_plan(call);
    dm_transfer_plan(call);
    if (!admit(call) || !check_offer(call)) {
        return;
    }
    if (call->dialing->plan->targets->len == 0) {
        reject_by_plan(call);
        return;
    }
    dm_call_move(call, DM_CALL_DIALING);
    dm_dial_next(call);
}

static void
take_caller(DmCall *call, const DmIncoming *incoming)
{
    const DmTrunkConfig *config = dm_config_trunk(call->config, dm_trunk_id(incoming->trunk));

    call->a = dm_party_new(call,
                           DM_SIDE_A,
                           incoming->trunk,
                           config != NULL ? config : dm_trunk_config(incoming->trunk));
    call->a->leg = incoming->leg;
    incoming->leg->on_event = dm_call_on_leg_event;
    incoming->leg->user_data = call->a;
    dm_party_move(call->a, DM_LEG_TRYING);
    dm_party_set_theirs(call->a, incoming->offer);
    dm_call_record_facts(call->a);
    if (incoming->transfer != NULL) {
        dm_transfer_begin(call, incoming);
    }
}

DmCall *
dm_call_new_empty(const DmCallDeps *deps, DmConfig *config)
{
    DmCall *call = g_new0(DmCall, 1);

    call->deps = deps;
    call->config = dm_config_ref(config);
    call->parties = g_ptr_array_new();
    call->sessions = g_ptr_array_new_with_free_func(g_free);
    call->record = dm_record_new();
    call->log.call = call->record->id;
    return call;
}

DmCall *
dm_call_new(const DmCallDeps *deps, DmConfig *config, const DmIncoming *incoming)
{
    DmCall *call = dm_call_new_empty(deps, config);
    int64_t wall_us = dm_clock_wall_us(dm_loop_clock(deps->loop));

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    call->early_offer = incoming->offer == NULL && incoming->early_offer;
    /* RFC 7332, 3: a loop through several B2BUAs ends as one through proxies does. */
    call->max_forwards = incoming->max_forwards > 0 ? incoming->max_forwards - 1 : 0;
    call->parts = incoming->parts != NULL ? g_ptr_array_ref(incoming->parts) : NULL;
    g_strlcpy(call->record->id, incoming->leg->call_id, sizeof(call->record->id));
    if (call->record->id[0] == '\0') {
        dm_call_id_make(call->record->id, wall_us, deps->random);
    }
    dm_call_record_open(call, incoming);
    take_caller(call, incoming);
    set_up(call, incoming);
    return call;
}

void
dm_call_free(DmCall *call)
{
    if (call != NULL) {
        g_return_if_fail(call->state == DM_CALL_OVER);
        dm_call_destroy(call);
    }
}

void
dm_call_destroy(DmCall *call)
{
    dm_timer_disarm(&call->timer);
    while (call->parties->len > 0) {
        dm_party_free(g_ptr_array_index(call->parties, 0));
    }
    dm_transfer_forget(call);
    dm_join_forget(call);
    dm_stand_in_free(call->stand_in);
    g_free(call->replaces);
    g_free(call->referred_by);
    g_clear_pointer(&call->parts, g_ptr_array_unref);
    g_ptr_array_unref(call->parties);
    g_ptr_array_unref(call->sessions);
    dm_renegotiation_clear(&call->renegotiation);
    dm_dial_end(call);
    dm_record_free(call->record);
    g_clear_pointer(&call->lender, dm_config_unref);
    dm_config_unref(call->config);
    g_free(call);
}

const char *
dm_call_id(const DmCall *call)
{
    return call->record->id;
}

bool
dm_call_is_over(const DmCall *call)
{
    return call->state == DM_CALL_OVER;
}

const char *
dm_call_state_name(const DmCall *call)
{
    return call_states[call->state].name;
}

json_t *
dm_call_to_json(DmCall *call)
{
    json_t *json = dm_record_to_json(dm_call_record_now(call));

    json_object_set_new(json, "state", json_string(dm_call_state_name(call)));
    return json;
}

const DmRecord *
dm_call_record(const DmCall *call)
{
    return call->record;
}

const DmRecord *
dm_call_record_now(DmCall *call)
{
    if (call->joining.host != NULL) {
        dm_join_refresh_media(call);
    } else {
        dm_call_media_refresh(call);
    }
    return call->record;
}

void
dm_call_hang_up(DmCall *call, const DmRelease *why)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_call_release(call, DM_RELEASED_BY_GATEWAY, why);
    dm_call_check_over(call);
}
