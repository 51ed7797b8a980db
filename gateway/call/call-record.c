/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/call-record.h"

#include <string.h>

#include "gateway/call/cause.h"
#include "gateway/call/diagnosis.h"

static void
set(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text);
}

static void
fill_identity(DmRecordIdentity *out, const DmIdentity *identity)
{
    set(&out->from, identity->from_user);
    set(&out->to, identity->to_user);
    set(&out->ruri, identity->ruri_user);
    set(&out->pai, identity->pai_user);
    set(&out->privacy, identity->privacy);
    set(&out->diversion, identity->diversion_user);
    set(&out->display, identity->from_display);
}

static const char *
direction_name(const DmTrunkConfig *from, const DmTrunkConfig *to)
{
    static const char *const names[2][2] = {
        [DM_TRUNK_CARRIER] = {[DM_TRUNK_CARRIER] = "transit", [DM_TRUNK_PBX] = "inbound"},
        [DM_TRUNK_PBX] = {[DM_TRUNK_CARRIER] = "outbound", [DM_TRUNK_PBX] = "internal"},
    };
    DmTrunkRole usual = from->role == DM_TRUNK_PBX ? DM_TRUNK_CARRIER : DM_TRUNK_PBX;

    return names[from->role][to != NULL ? to->role : usual];
}

void
dm_call_record_open(DmCall *call, const DmIncoming *incoming)
{
    DmRecord *record = call->record;
    const DmClock *clock = dm_loop_clock(call->deps->loop);

    record->start_wall_us = dm_clock_wall_us(clock);
    record->start_mono_us = dm_loop_now_us(call->deps->loop);
    record->revision = call->config->revision;
    set(&record->node, call->config->system.node);
    set(&record->leg[DM_SIDE_A].auth, incoming->auth);
    set(&record->leg[DM_SIDE_A].trunk, dm_trunk_id(incoming->trunk));
    fill_identity(&record->in, incoming->identity);
}

void
dm_call_record_plan(DmCall *call)
{
    DmRecord *record = call->record;
    const DmRoutePlan *plan = call->dialing->plan;
    const DmRouteTarget *first =
        plan->targets->len > 0 ? g_ptr_array_index(plan->targets, 0) : NULL;

    dm_record_set_route(record, plan->route_id, plan->trace);
    set(&record->direction, direction_name(call->a->config, first != NULL ? first->trunk : NULL));
}

void
dm_call_record_redirect(DmCall *call)
{
    dm_record_extend_trace(call->record, call->dialing->plan->trace);
}

void
dm_call_record_attempt(DmParty *party, const DmRouteTarget *target, const DmTarget *address)
{
    DmRecord *record = party->call->record;
    DmRecordAttempt *attempt = dm_record_add_attempt(record);

    attempt->trunk = g_strdup(target->trunk->id);
    attempt->endpoint = g_strdup(address->host);
    attempt->address = address->address;
    attempt->started_wall_us = dm_clock_wall_us(dm_loop_clock(party->call->deps->loop));
    attempt->started_mono_us = party->started_us;
    party->attempt = attempt;
    set(&record->leg[DM_SIDE_B].trunk, target->trunk->id);
    set(&record->leg[DM_SIDE_B].endpoint, address->host);
    set(&record->direction, direction_name(party->call->a->config, target->trunk));
    fill_identity(&record->out, &target->identity);
}

void
dm_call_record_attempt_end(DmParty *party, const DmRelease *release)
{
    DmRecordAttempt *attempt = party->attempt;
    bool rejected = release->cause == DM_RELEASE_REJECTED || release->cause == DM_RELEASE_TIMEOUT ||
                    release->cause == DM_RELEASE_TRANSPORT;

    if (attempt == NULL) {
        return;
    }
    attempt->code = rejected ? release->status : 0;
    attempt->elapsed_ms =
        (uint32_t)((dm_loop_now_us(party->call->deps->loop) - party->started_us) / 1000);
    set(&attempt->reason, release->reason);
    set(&attempt->failure_class, rejected ? dm_failover_class(release) : "");
    party->call->record->leg[DM_SIDE_B].final_code = attempt->code;
    party->call->record->leg[DM_SIDE_B].q850 = release->q850;
    party->attempt = NULL;
}

static const char *
endpoint_host(const DmTrunkConfig *trunk, unsigned index)
{
    if (index >= trunk->endpoints->len) {
        return "";
    }
    return ((const DmEndpointConfig *)g_ptr_array_index(trunk->endpoints, index))->host;
}

void
dm_call_record_facts(DmParty *party)
{
    DmRecordLeg *leg = &party->home->record->leg[party->home_side];
    const DmLegFacts *facts = party->leg != NULL ? party->leg->ops->facts(party->leg) : NULL;

    if (facts == NULL) {
        return;
    }
    set(&leg->call_id, facts->call_id);
    set(&leg->user_agent, facts->user_agent);
    set(&leg->transport, dm_transport_name(facts->transport));
    set(&leg->endpoint, endpoint_host(party->config, facts->endpoint));
    leg->remote = facts->remote;
    leg->local = facts->local;
}

void
dm_call_record_progress(DmCall *call, uint16_t status, bool early_media)
{
    DmRecord *record = call->record;
    int64_t wall_us = dm_clock_wall_us(dm_loop_clock(call->deps->loop));

    if (call->b->attempt != NULL) {
        call->b->attempt->provisional = status;
    }
    if (status > 100 && record->first_18x_mono_us == 0) {
        record->first_18x_wall_us = wall_us;
        record->first_18x_mono_us = dm_loop_now_us(call->deps->loop);
    }
    if (early_media && record->early_media_wall_us == 0) {
        record->early_media_wall_us = wall_us;
    }
}

void
dm_call_record_answer(DmCall *call)
{
    DmRecord *record = call->record;
    DmRecordAttempt *attempt = call->b->attempt;

    record->answer_wall_us = dm_clock_wall_us(dm_loop_clock(call->deps->loop));
    record->answer_mono_us = dm_loop_now_us(call->deps->loop);
    record->leg[DM_SIDE_A].final_code = 200;
    record->leg[DM_SIDE_B].final_code = 200;
    if (attempt != NULL) {
        attempt->code = 200;
        attempt->elapsed_ms =
            (uint32_t)((record->answer_mono_us - attempt->started_mono_us) / 1000);
        call->b->attempt = NULL;
    }
}

/* A CANCEL may carry the number of another call's success (RFC 3326, 2); this one had none. */
static uint16_t
final_code(const DmRelease *why, DmReleasedBy by, bool answered)
{
    if (answered) {
        return why->status != 0 ? why->status : 200;
    }
    if (why->status >= 300) {
        return why->status;
    }
    return by == DM_RELEASED_BY_A ? 487 : 480; /* the caller may give up with BYE as well */
}

void
dm_call_record_release(DmCall *call, DmReleasedBy by, const DmRelease *why)
{
    DmRecord *record = call->record;
    bool answered = record->answer_mono_us != 0;

    record->end_wall_us = dm_clock_wall_us(dm_loop_clock(call->deps->loop));
    record->end_mono_us = dm_loop_now_us(call->deps->loop);
    record->release.by = by;
    record->release.code = final_code(why, by, answered);
    record->release.q850 = why->q850 != 0 ? why->q850 : dm_q850_from_status(record->release.code);
    set(&record->release.reason,
        why->reason[0] != '\0' ? why->reason : dm_status_phrase(why->status));
    if (by != DM_RELEASED_BY_GATEWAY) {
        record->leg[by == DM_RELEASED_BY_A ? DM_SIDE_A : DM_SIDE_B].q850 = record->release.q850;
    }
    if (!answered) {
        record->leg[DM_SIDE_A].final_code = record->release.code;
        record->leg[DM_SIDE_A].q850 = record->release.q850;
    }
    dm_diagnose(call, why->diagnosis);
}

void
dm_call_record_audio(DmCall *call, const DmMediaReport *report, DmAudioVerdict verdict)
{
    call->record->audio = verdict;
    if (report != NULL) {
        dm_record_set_report(call->record, report);
    }
}

static DmTrunk *
trunk_of(const DmCall *call, DmSide side)
{
    const char *id = call->record->leg[side].trunk;

    return id != NULL ? dm_pool_find(call->deps->pool, id) : NULL;
}

static void
count_one_way(const DmCall *call)
{
    DmAudioVerdict audio = call->record->audio;
    DmSide unheard = audio == DM_AUDIO_A_ONLY ? DM_SIDE_B : DM_SIDE_A;
    DmTrunk *trunk = trunk_of(call, unheard);

    if (trunk != NULL && (audio == DM_AUDIO_A_ONLY || audio == DM_AUDIO_B_ONLY)) {
        dm_trunk_count_unheard(trunk, unheard == DM_SIDE_A);
    }
}

static void
count_quality(DmCall *call)
{
    const DmMediaReport all = dm_record_report(call->record);

    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        const DmMediaSideReport *report = &all.side[side];
        DmTrunk *trunk = trunk_of(call, side);

        if (trunk != NULL && report->in.n > 0) {
            dm_trunk_count_mos(trunk, true, report->in.mos_avg_x100);
        }
        if (trunk != NULL && report->out.n > 0) {
            dm_trunk_count_mos(trunk, false, report->out.mos_avg_x100);
        }
    }
}

void
dm_call_record_media(DmCall *call, const DmMediaReport *report, DmAudioVerdict verdict)
{
    DmRecord *record = call->record;

    if (report != NULL) {
        dm_record_set_report(record, report);
    }
    if (record->audio == DM_AUDIO_UNKNOWN && record->answer_mono_us != 0) {
        record->audio = verdict;
    }
    dm_diagnose_audio(call);
    dm_diagnose_quality(call);
    dm_diagnose_keys(call);
    count_quality(call);
    count_one_way(call);
}

void
dm_call_record_transfer(DmCall *call, const DmCall *other, const char *what)
{
    json_t *trace = json_pack("[{s:s, s:s, s:s}]",
                              "step",
                              "transfer",
                              "rule",
                              what,
                              "detail",
                              other != NULL ? other->record->id : "");

    dm_record_extend_trace(call->record, trace);
    json_decref(trace);
}

void
dm_call_record_taken(DmCall *call, const DmParty *stays)
{
    DmRecord *record = call->record;
    DmRecordLeg *leg = &record->leg[DM_SIDE_B];
    const DmRecordLeg *known = &stays->home->record->leg[stays->home_side];

    record->answer_wall_us = dm_clock_wall_us(dm_loop_clock(call->deps->loop));
    record->answer_mono_us = dm_loop_now_us(call->deps->loop);
    record->leg[DM_SIDE_A].final_code = 200;
    leg->final_code = 200;
    set(&leg->trunk, dm_trunk_id(stays->trunk));
    set(&leg->endpoint, known->endpoint);
    set(&leg->transport, known->transport);
    leg->remote = known->remote;
    leg->local = known->local;
    set(&record->direction, direction_name(call->a->config, stays->config));
    dm_call_record_transfer(call, stays->call, "took a place in");
}
