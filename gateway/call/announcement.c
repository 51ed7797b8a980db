/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/announcement.h"

#include "gateway/call/call-media.h"
#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/party.h"

DM_LOG_TOPIC("call-announce");

/* Media tells of the end of what it plays; should it not, the call ends all the same. */
#define GRACE_MS 2000

static const DmAnnouncementConfig *
find_for(const DmCall *call, const DmRelease *why)
{
    unsigned status = dm_status_toward_caller(why->status != 0 ? why->status : 480);
    unsigned q850 = why->q850 != 0 ? why->q850 : dm_q850_from_status((uint16_t)status);
    const DmRoutePlan *plan = call->dialing->plan;
    const GPtrArray *of_route = plan != NULL ? plan->announcements : NULL;
    const DmAnnouncementConfig *found = dm_announcement_find(of_route, status, q850);

    return found != NULL ? found
                         : dm_announcement_find(call->a->config->media.announcements, status, q850);
}

/* A called network that has spoken has said why itself. */
static bool
has_heard_why(DmCall *call)
{
    dm_call_media_refresh(call);
    return call->early_told && dm_record_report(call->record).side[DM_SIDE_B].rx_packets > 0;
}

/* A person who waits, who has said where to send it; not one who is on the way elsewhere, and not
 * while we make the call ourselves for a transfer. */
static bool
can_hear(const DmCall *call, const DmRelease *why)
{
    const DmParty *a = call->a;

    return a != NULL && a->leg != NULL && a->state < DM_LEG_WAITS_FOR_ACK && a->theirs != NULL &&
           call->of == NULL && call->stand_in == NULL && why->redirect_to[0] == '\0' &&
           call->dialing != NULL && call->state < DM_CALL_ANSWERED && !call->announcing.is_on;
}

/* What the caller was told already holds; otherwise its offer is answered from its trunk alone. */
static bool
describe(DmCall *call)
{
    DmParty *a = call->a;
    g_autoptr(DmSdp) answer = NULL;
    DmSdpPolicy policy;

    if (call->early_told) {
        return a->agreed != NULL && call->session != NULL;
    }
    if (!dm_call_media_open_alone(call)) {
        return false;
    }
    dm_party_set_policy(a, call, DM_SIDE_A, true);
    policy = dm_party_policy(a);
    if (dm_sdp_answer_across(a->theirs, &policy, NULL, &answer) != DM_SDP_OK) {
        return false;
    }
    dm_party_set_ours(a, answer, true);
    return dm_party_agree(a) == DM_SDP_OK && !dm_party_spec(a).is_t38;
}

static void
end(DmCall *call)
{
    call->announcing.is_on = false;
    dm_timer_disarm(&call->timer);
    dm_call_release(call, call->announcing.by, &call->dialing->best);
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    DmCall *call = user_data;

    end(call);
    dm_call_check_over(call);
}

static void
play(DmCall *call, const DmAnnouncementConfig *what)
{
    DmSound *sound = dm_config_sound(call->config, what->sound);
    const DmPlay play = {
        .sound = sound,
        .tone = what->tone,
        .country = call->a->config->media.country,
        .duration_ms = what->max_s * 1000,
    };

    if (sound == NULL && *what->sound != '\0') {
        dm_warning(&call->log, "sound '%s' cannot be read: a tone in its place", what->sound);
    }
    call->ringback = false;
    dm_call_media_play(call, DM_SIDE_A, &play);
    dm_record_add_evidence(call->record,
                           "The caller heard %s%s before it was told",
                           sound != NULL ? "announcement " : "a tone",
                           sound != NULL ? what->sound : "");
}

/* A phone that still rings need not while the caller is told. */
static void
let_go(DmParty *party, const DmRelease *why)
{
    if (party != NULL) {
        dm_party_close(party, why);
        dm_party_leave_trunk(party);
        dm_call_record_attempt_end(party, why);
        party->call->b = NULL;
    }
}

static void
begin(DmCall *call, const DmAnnouncementConfig *what)
{
    DmParty *a = call->a;

    let_go(call->b, &call->dialing->best);
    dm_info(&call->log, "the caller is told by %s", *what->sound != '\0' ? what->sound : "a tone");
    call->announcing.is_on = true;
    call->early_told = true;
    dm_call_media_update_alone(call);
    if (a->state == DM_LEG_TRYING) {
        dm_party_move(a, DM_LEG_EARLY);
    }
    a->leg->ops->progress(a->leg, 183, a->ours);
    play(call, what);
    dm_loop_arm(call->deps->loop,
                &call->timer,
                (what->max_s * 1000 + GRACE_MS) * INT64_C(1000),
                on_timer,
                call);
}

void
dm_announcement_release(DmCall *call, DmReleasedBy by, const DmRelease *why)
{
    const DmAnnouncementConfig *what = can_hear(call, why) ? find_for(call, why) : NULL;

    if (what == NULL || has_heard_why(call) || !describe(call)) {
        dm_call_release(call, by, why);
        return;
    }
    dm_timer_disarm(&call->timer);
    call->announcing.by = by;
    call->dialing->best = *why;
    begin(call, what);
}

void
dm_announcement_on_played(DmCall *call, DmSide side)
{
    if (call->announcing.is_on && side == DM_SIDE_A) {
        end(call);
    }
}
