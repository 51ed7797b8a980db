/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/hand-over.h"

#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/call/answer.h"
#include "gateway/call/call-media.h"
#include "gateway/call/call-priv.h"
#include "gateway/call/cause.h"
#include "gateway/call/party.h"
#include "gateway/call/transfer-join.h"
#include "gateway/call/transfer-wait.h"

DM_LOG_TOPIC("call-hand-over");

/* Nothing in it belongs to a thread. */
struct DmHandOver {
    DmRecord *record;
    DmConfig *config;
    DmParty *party; /* without leg, call and trunk */
    char *trunk_id; /* its */
    unsigned max_forwards;
    unsigned n_transfers;
    int64_t ends_us;
};

static const DmRelease transferred = {
    .cause = DM_RELEASE_LOCAL,
    .q850 = DM_Q850_NORMAL,
    .reason = "Transferred",
};

/* --- going --- */

/* A call of two of its own, which is host to nobody. */
static bool
is_plain(const DmCall *call)
{
    return call->a->home == call && call->b->home == call && call->joining.n_away == 0 &&
           (call->joining.guests == NULL || call->joining.guests->len == 0) && call->of == NULL;
}

static uint16_t
judge(const DmLeg *leg, const char *trunk_id)
{
    const DmParty *out = leg->user_data;
    const DmCall *call;
    const DmParty *in;

    if (leg->on_event != dm_call_on_leg_event) {
        return 481;
    }
    call = out->call;
    if (!dm_join_is_possible(call) || *dm_call_place(out->call, out->side) != out ||
        !is_plain(call)) {
        return 481;
    }
    in = out->side == DM_SIDE_A ? call->b : call->a;
    if (dm_config_trunk(call->config, dm_trunk_id(in->trunk)) == NULL) {
        return 481;
    }
    if (strcmp(dm_trunk_id(out->trunk), trunk_id) != 0) {
        return 403;
    }
    return in->awaited_by != NULL || dm_transfer_has_to_wait(call, in) ? 491 : 0;
}

static DmParty *
take_out(DmCall *call, DmParty *in, char **out_trunk_id)
{
    g_ptr_array_remove_fast(call->parties, in);
    *dm_call_place(call, in->side) = NULL;
    *out_trunk_id = g_strdup(dm_trunk_id(in->trunk));
    in->config = in->media = dm_config_trunk(call->config, *out_trunk_id);
    g_clear_pointer(&in->trunk, dm_trunk_unref);
    in->leg = NULL;
    in->call = in->home = NULL;
    return in;
}

/* What is left of @call has another id, and a record that nobody is told of. */
static DmRecord *
take_record(DmCall *call)
{
    DmRecord *record = call->record;

    dm_call_media_refresh(call);
    call->record = dm_record_new();
    call->log.call = call->record->id;
    dm_call_id_make(call->record->id,
                    dm_clock_wall_us(dm_loop_clock(call->deps->loop)),
                    call->deps->random);
    call->record->end_wall_us = dm_clock_wall_us(dm_loop_clock(call->deps->loop));
    return record;
}

static void
end_rest(DmCall *call, DmParty *out)
{
    dm_call_move(call, DM_CALL_CLOSING);
    call->handed_over = true;
    dm_timer_disarm(&call->timer);
    *dm_call_place(call, out->side) = NULL;
    dm_party_close(out, &transferred);
    dm_call_media_close(call);
}

uint16_t
dm_call_hand_over(DmLeg *leg, const char *trunk_id, DmHandOver **out_hand_over, DmLeg **out_leg)
{
    uint16_t status = judge(leg, trunk_id);
    DmParty *out = leg->user_data;
    DmHandOver *own;
    DmCall *call;
    DmParty *in;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (status != 0) {
        return status;
    }
    call = out->call;
    in = out->side == DM_SIDE_A ? call->b : call->a;
    dm_info(&call->log, "handed over to another worker");
    *out_leg = in->leg;
    own = *out_hand_over = g_new0(DmHandOver, 1);
    own->config = dm_config_ref(call->config);
    own->max_forwards = call->max_forwards;
    own->n_transfers = call->n_transfers;
    own->ends_us = dm_answer_ends_us(call);
    own->party = take_out(call, in, &own->trunk_id);
    own->record = take_record(call);
    end_rest(call, out);
    return 0;
}

/* --- coming --- */

static void
place(DmCall *call, DmParty *party, DmTrunk *trunk, DmLeg *leg)
{
    party->call = party->home = call;
    party->trunk = dm_trunk_ref(trunk);
    party->leg = leg;
    leg->on_event = dm_call_on_leg_event;
    leg->user_data = party;
    g_ptr_array_add(call->parties, party);
    *dm_call_place(call, party->side) = party;
}

static void
free_party(DmParty *party)
{
    DmCall nobody = {.parties = g_ptr_array_new()};

    party->has_place = false; /* on a trunk that is gone */
    party->call = party->home = &nobody;
    dm_party_free(party);
    g_ptr_array_unref(nobody.parties);
}

static void
ignore_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
}

DmCall *
dm_call_adopt(const DmCallDeps *deps, DmHandOver *hand_over, DmLeg *leg)
{
    DmCall *call = dm_call_new_empty(deps, hand_over->config);
    DmTrunk *trunk = dm_pool_find(deps->pool, hand_over->trunk_id);

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_record_free(call->record);
    call->record = g_steal_pointer(&hand_over->record);
    call->log.call = call->record->id;
    call->state = DM_CALL_UP;
    call->max_forwards = hand_over->max_forwards;
    call->n_transfers = hand_over->n_transfers;
    dm_answer_arm_end(call, hand_over->ends_us);
    if (trunk != NULL) {
        place(call, g_steal_pointer(&hand_over->party), trunk, leg);
    } else {
        leg->on_event = ignore_event;
        leg->ops->close(leg, &transferred);
        dm_call_end(call, DM_Q850_NORMAL, "Trunk removed", "refer_failed");
    }
    dm_hand_over_free(hand_over);
    return call;
}

void
dm_hand_over_free(DmHandOver *hand_over)
{
    if (hand_over == NULL) {
        return;
    }
    if (hand_over->party != NULL) {
        free_party(hand_over->party);
    }
    dm_record_free(hand_over->record);
    dm_config_unref(hand_over->config);
    g_free(hand_over->trunk_id);
    g_free(hand_over);
}

const char *
dm_hand_over_id(const DmHandOver *hand_over)
{
    return hand_over->record->id;
}
