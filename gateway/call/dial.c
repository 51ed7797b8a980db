/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/dial.h"

#include "gateway/call/announcement.h"
#include "gateway/call/call-media.h"
#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/diagnosis.h"
#include "gateway/call/negotiation.h"
#include "gateway/call/party.h"
#include "gateway/call/redirect.h"

DM_LOG_TOPIC("call-dial");

#define RETRY_AFTER_S 5

static void
remember_failure(DmCall *call, const DmRelease *failure)
{
    DmDialing *dialing = call->dialing;

    if (!dialing->has_best || dm_failover_is_better(failure, &dialing->best)) {
        dialing->best = *failure;
        dialing->has_best = true;
    }
}

/* A target that was not even tried. */
static void
remember_refusal(DmCall *call, uint16_t status, uint16_t q850, const char *diagnosis)
{
    DmRelease failure = {.cause = DM_RELEASE_LOCAL, .status = status, .q850 = q850};

    if (status == 503) {
        failure.retry_after_s = RETRY_AFTER_S;
    }
    g_strlcpy(failure.reason, dm_status_phrase(status), sizeof(failure.reason));
    g_strlcpy(failure.diagnosis, diagnosis, sizeof(failure.diagnosis));
    remember_failure(call, &failure);
}

/* Full: a PBX shall go elsewhere; a carrier shall tell its caller that every line is busy, and not
 * that we are out of order. */
static void
note_full_trunk(DmCall *call, DmTrunk *trunk, DmReserve verdict)
{
    bool is_carrier = call->a->config->role == DM_TRUNK_CARRIER;

    dm_info(&call->log, "trunk %s: %s", dm_trunk_id(trunk), dm_reserve_name(verdict));
    if (verdict == DM_RESERVE_CONCURRENT || verdict == DM_RESERVE_RATE) {
        dm_record_add_limit(call->record, dm_reserve_name(verdict));
        dm_record_add_evidence(call->record,
                               "Trunk '%s' has reached its %s",
                               dm_trunk_id(trunk),
                               dm_reserve_name(verdict));
        if (verdict == DM_RESERVE_CONCURRENT && is_carrier) {
            remember_refusal(call, 486, DM_Q850_BUSY, "trunk_limit");
        } else {
            remember_refusal(call, 503, DM_Q850_NO_CIRCUIT, "trunk_limit");
        }
        return;
    }
    dm_record_add_evidence(call->record,
                           "Trunk '%s' is %s",
                           dm_trunk_id(trunk),
                           dm_reserve_name(verdict));
    remember_refusal(call, 503, DM_Q850_OUT_OF_ORDER, "trunk_down");
}

static bool
next_trunk(DmCall *call)
{
    DmDialing *dialing = call->dialing;

    while (dialing->next_target < dialing->plan->targets->len || dm_redirect_next(call)) {
        DmTrunk *trunk;

        if (dialing->next_target >= dialing->plan->targets->len) {
            continue; /* routing lets no such number be called */
        }

        dialing->target = g_ptr_array_index(dialing->plan->targets, dialing->next_target++);
        trunk = dm_pool_find(call->deps->pool, dialing->target->trunk->id);
        g_clear_pointer(&dialing->trunk, dm_trunk_unref);
        dialing->n_addresses = dialing->next_address = 0;
        if (trunk == NULL) {
            continue; /* taken out of the configuration meanwhile */
        }
        dialing->trunk = dm_trunk_ref(trunk);
        dialing->n_addresses =
            dm_trunk_targets(trunk, dialing->addresses, G_N_ELEMENTS(dialing->addresses));
        if (dialing->n_addresses > 0) {
            return true;
        }
        note_full_trunk(call, trunk, DM_RESERVE_DOWN);
    }
    return false;
}

static bool
next_place(DmCall *call)
{
    DmDialing *dialing = call->dialing;
    int64_t waited_us = dm_loop_now_us(call->deps->loop) - call->record->start_mono_us;

    if (dialing->n_attempts >= DM_MAX_ATTEMPTS ||
        (dialing->n_attempts > 0 && waited_us > DM_POST_DIAL_BUDGET_US)) {
        return false;
    }
    return dialing->next_address < dialing->n_addresses || next_trunk(call);
}

/* What else may be offered where SRTP, or its absence, may be what was refused; the same: nothing.
 */
static DmSrtpPolicy
other_srtp(DmSrtpPolicy policy)
{
    switch (policy) {
    case DM_SRTP_OFFER:
        return DM_SRTP_OFF;
    case DM_SRTP_OPPORTUNISTIC:
        return DM_SRTP_REQUIRE;
    default:
        return policy;
    }
}

static bool
refuses_media(const DmRelease *release)
{
    return release->cause == DM_RELEASE_REJECTED &&
           (release->status == 488 || release->status == 606 || release->status == 415);
}

/* RTE-6, SEC-2: the same address once more, with the other kind of media; a refusal of that is the
 * last word. */
static bool
prepare_other_srtp(DmParty *party, const DmRelease *release)
{
    DmCall *call = party->call;

    if (!refuses_media(release) || call->state == DM_CALL_RINGING || party->srtp == DM_SRTP_OFF ||
        party->srtp != party->config->media.srtp) {
        return false;
    }
    dm_record_add_evidence(call->record,
                           "Trunk '%s' refused an offer of SRTP with %u",
                           dm_trunk_id(party->trunk),
                           release->status);
    if (other_srtp(party->srtp) == party->srtp) {
        return false;
    }
    dm_info(&call->log, "media refused: offered once more, otherwise protected");
    dm_party_leave_trunk(party);
    call->dialing->try_other_srtp = true;
    call->dialing->next_address--;
    return true;
}

static void
skip_trunk(DmDialing *dialing)
{
    dialing->next_address = dialing->n_addresses;
}

/* SIG-23: what many a firewall drops. */
static bool
left_in_pieces(const DmParty *party)
{
    const DmLegFacts *facts = party->leg != NULL ? party->leg->ops->facts(party->leg) : NULL;

    return facts != NULL && facts->fragmented;
}

static void
give_up_attempt(DmParty *party)
{
    DmRelease why = {
        .cause = DM_RELEASE_TIMEOUT,
        .status = 408,
        .q850 = DM_Q850_TIMER,
        .reason = "No answer at all",
        .diagnosis = "setup_timeout",
    };

    if (left_in_pieces(party)) {
        g_strlcpy(why.diagnosis, "oversize_udp", sizeof why.diagnosis);
        dm_record_add_evidence(party->call->record,
                               "The INVITE to trunk '%s' was too long for one datagram, and left "
                               "in pieces",
                               dm_trunk_id(party->trunk));
    }
    dm_party_close(party, &why);
    dm_party_leave_trunk(party);
    dm_dial_failed(party, &why, NULL);
}

static void
give_up_ringing(DmCall *call)
{
    DmRelease why = {.cause = DM_RELEASE_LOCAL, .status = 408, .q850 = DM_Q850_NO_ANSWER};

    dm_record_add_evidence(call->record,
                           "Nobody answered within %u s",
                           call->b->config->sip.ringing_ms / 1000);
    g_strlcpy(why.reason, dm_status_phrase(408), sizeof(why.reason));
    g_strlcpy(why.diagnosis, "ring_timeout", sizeof(why.diagnosis));
    dm_announcement_release(call, DM_RELEASED_BY_GATEWAY, &why);
}

static void
on_wait_timer(DmTimer *timer, void *user_data)
{
    DmCall *call = user_data;

    if (call->b == NULL) {
        return;
    }
    if (!call->b->provisional) {
        dm_info(&call->log, "no answer at all in %u ms", call->b->config->sip.setup_ms);
        give_up_attempt(call->b);
    } else {
        give_up_ringing(call);
    }
    dm_call_check_over(call);
}

static void
arm_wait(DmCall *call, unsigned wait_ms)
{
    if (wait_ms > 0) {
        dm_loop_arm(call->deps->loop, &call->timer, wait_ms * INT64_C(1000), on_wait_timer, call);
    } else {
        dm_timer_disarm(&call->timer);
    }
}

static void
send_invite(DmParty *party, const DmTarget *address)
{
    DmCall *call = party->call;
    const DmDial dial = {
        .target = call->dialing->target,
        .address = address,
        .trunk = party->trunk,
        .offer = party->ours,
        .max_forwards = call->max_forwards,
        .call_id = call->record->id,
        .replaces = call->replaces,
        .referred_by = call->referred_by,
        .parts = call->parts,
    };

    call->b = party;
    call->dialing->n_attempts++;
    party->endpoint = address->endpoint;
    dm_party_move(party, DM_LEG_TRYING);
    dm_call_record_attempt(party, dial.target, address);
    dm_info(&call->log, "trying trunk %s, %s", dm_trunk_id(party->trunk), address->host);
    party->leg =
        call->deps->legs->dial(call->deps->legs->factory, &dial, dm_call_on_leg_event, party);
    dm_call_record_facts(party);
    arm_wait(call, party->config->sip.setup_ms);
}

/* False: not this one, try on. */
static bool
try_address(DmCall *call, DmParty *party)
{
    DmReserve verdict = dm_party_enter_trunk(party);
    DmSdpVerdict offered;
    DmRelease refusal;

    if (verdict != DM_RESERVE_OK) {
        note_full_trunk(call, party->trunk, verdict);
        skip_trunk(call->dialing);
        return false;
    }
    offered = dm_negotiate_first_offer(party);
    if (offered != DM_SDP_OK) {
        dm_diagnose_sdp(call, offered, "The caller", call->a->theirs, party->config);
        refusal = dm_diagnose_refusal(offered);
        remember_failure(call, &refusal);
        skip_trunk(call->dialing);
        return false;
    }
    return true;
}

static void
end_with_best(DmCall *call)
{
    DmRelease why;

    if (!call->dialing->has_best) {
        remember_refusal(call, 503, DM_Q850_OUT_OF_ORDER, "trunk_down");
    }
    why = call->dialing->best;
    why.status = why.redirect_to[0] != '\0' ? why.status : dm_status_toward_caller(why.status);
    dm_announcement_release(call,
                            why.cause == DM_RELEASE_REJECTED ? DM_RELEASED_BY_B
                                                             : DM_RELEASED_BY_GATEWAY,
                            &why);
}

void
dm_dial_next(DmCall *call)
{
    DmDialing *dialing = call->dialing;

    while (next_place(call)) {
        const DmTarget *address = &dialing->addresses[dialing->next_address++];
        DmParty *party;

        if (!dm_call_media_open(call, dialing->target->trunk)) {
            dm_call_fail(call, 503, DM_Q850_NO_CIRCUIT, "media_ports");
            return;
        }
        party = dm_party_new(call, DM_SIDE_B, dialing->trunk, dialing->target->trunk);
        if (dialing->try_other_srtp) {
            party->srtp = other_srtp(party->srtp);
            dialing->try_other_srtp = false;
        }
        if (try_address(call, party)) {
            send_invite(party, address);
            return;
        }
        dm_party_free(party);
    }
    end_with_best(call);
}

void
dm_dial_plan(DmCall *call, const DmRouteRequest *request)
{
    if (call->dialing == NULL) {
        call->dialing = g_new0(DmDialing, 1);
        dm_identity_init(&call->dialing->redirection.identity);
    }
    dm_route_plan_free(call->dialing->plan);
    call->dialing->plan = dm_route_plan(call->config, request);
    call->dialing->next_target = 0;
    call->route_records = call->dialing->plan->record;
}

void
dm_dial_end(DmCall *call)
{
    g_autofree DmDialing *dialing = g_steal_pointer(&call->dialing);

    if (dialing != NULL) {
        dm_redirect_clear(&dialing->redirection);
        dm_route_plan_free(dialing->plan);
        g_clear_pointer(&dialing->trunk, dm_trunk_unref);
    }
}

/* The state of an endpoint follows its traffic, where probes can bring it back. */
static void
report_endpoint(const DmParty *party, bool alive)
{
    if (alive || party->config->health.options) {
        dm_trunk_report_endpoint(party->trunk, party->endpoint, alive, 0);
    }
}

void
dm_dial_heard(DmParty *party)
{
    if (!party->provisional) {
        party->provisional = true;
        report_endpoint(party, true);
        arm_wait(party->call, party->config->sip.ringing_ms);
    }
}

static void
diagnose_failure(DmRelease *failure)
{
    bool is_challenge = failure->status == 401 || failure->status == 407;
    const char *code = "";

    if (failure->cause == DM_RELEASE_REJECTED && is_challenge) {
        code = "trunk_auth_failed";
    } else if (failure->cause == DM_RELEASE_REJECTED && failure->status == 513) {
        code = "oversize_udp";
    } else if (failure->cause == DM_RELEASE_TRANSPORT) {
        code = "trunk_unreachable";
    }
    if (failure->diagnosis[0] == '\0') {
        g_strlcpy(failure->diagnosis, code, sizeof(failure->diagnosis));
    }
}

/* Known only by its address: there was no answer that could say more. */
static void
note_unreachable(DmParty *party)
{
    char text[DM_ADDRESS_TEXT_MAX];

    if (party->attempt != NULL) {
        dm_record_add_evidence(party->call->record,
                               "Nothing can be sent to trunk '%s' at %s",
                               dm_trunk_id(party->trunk),
                               dm_address_text(&party->attempt->address, text));
    }
}

void
dm_dial_failed(DmParty *party, const DmRelease *release, const GPtrArray *contacts)
{
    DmCall *call = party->call;
    DmFailover next = dm_failover_decide(release, party->config);
    DmRelease failure = *release;
    bool redirected = dm_redirect_take(party, &failure, contacts);

    diagnose_failure(&failure);
    if (refuses_media(release) && party->srtp != DM_SRTP_OFF && failure.diagnosis[0] == '\0') {
        g_strlcpy(failure.diagnosis, "srtp_mismatch", sizeof(failure.diagnosis));
    }
    if (release->cause == DM_RELEASE_TRANSPORT) {
        note_unreachable(party);
    }
    call->b = NULL;
    dm_timer_disarm(&call->timer);
    dm_call_record_attempt_end(party, &failure);
    dm_trunk_count_result(party->trunk, false);
    report_endpoint(party, release->cause == DM_RELEASE_REJECTED);
    remember_failure(call, &failure);
    if (redirected || prepare_other_srtp(party, release)) {
        dm_dial_next(call);
        return;
    }
    /* RTE-5: a caller who has heard ringing would hear it start again. */
    if (next == DM_FAILOVER_STOP || call->state == DM_CALL_RINGING) {
        end_with_best(call);
        return;
    }
    if (next == DM_FAILOVER_NEXT_TRUNK) {
        skip_trunk(call->dialing);
    }
    dm_dial_next(call);
}
