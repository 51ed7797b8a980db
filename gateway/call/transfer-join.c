/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/transfer-join.h"

#include "gateway/call/call-media.h"
#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/hold.h"
#include "gateway/call/negotiation.h"
#include "gateway/call/party.h"
#include "gateway/call/recording.h"
#include "gateway/call/renegotiate.h"

DM_LOG_TOPIC("call-join");

static const DmRelease transferred = {
    .cause = DM_RELEASE_LOCAL,
    .q850 = DM_Q850_NORMAL,
    .reason = "Transferred",
};

static unsigned
bit(DmSide side)
{
    return 1U << side;
}

static bool
is_up(const DmParty *party)
{
    return party != NULL && party->leg != NULL && party->state == DM_LEG_UP;
}

/* An ACK may be overtaken by what the other side does next. */
static bool
has_agreed(const DmParty *party)
{
    return party != NULL && party->leg != NULL && party->ours != NULL && party->theirs != NULL &&
           (party->state == DM_LEG_UP || party->state == DM_LEG_WAITS_FOR_ACK);
}

bool
dm_join_may_come(const DmParty *in)
{
    const DmCall *call = in->call;

    return (call->state == DM_CALL_UP || call->state == DM_CALL_ANSWERED) && has_agreed(in) &&
           dm_call_transfer_state(call) == DM_TRANSFER_NONE;
}

bool
dm_join_is_possible(const DmCall *call)
{
    return call->a != NULL && call->b != NULL && dm_join_may_come(call->a) &&
           dm_join_may_come(call->b) && call->session != NULL;
}

bool
dm_join_prepare_media(DmCall *host, DmSide place, DmParty *in)
{
    return dm_call_media_fit(host, place, in);
}

/* --- who goes --- */

static DmReleasedBy
by_side(DmSide side)
{
    return side == DM_SIDE_A ? DM_RELEASED_BY_A : DM_RELEASED_BY_B;
}

/* The record of a guest ends with its party; the conversation goes on. */
static void
end_guest(DmCall *guest, DmSide side)
{
    if (!dm_call_is_ending(guest)) {
        dm_call_move(guest, DM_CALL_CLOSING);
        dm_timer_disarm(&guest->timer);
        dm_call_record_release(guest, by_side(side), &transferred);
    }
}

static void
end_own_record(DmCall *host, DmSide side)
{
    if (!host->joining.own_end) {
        host->joining.own_end = true;
        dm_call_record_release(host, by_side(side), &transferred);
    }
}

/* What was on its way between the one who goes and the one who stays. */
static void
drop_renegotiation(DmCall *call, const DmParty *out)
{
    DmRenegotiation *pending = &call->renegotiation;

    if (pending->to == out && pending->from != NULL) {
        pending->from->leg->ops->refuse_reoffer(pending->from->leg, 491);
    }
    if (pending->to == out || (pending->from == out && pending->to == NULL)) {
        dm_renegotiation_clear(pending);
    } else if (pending->from == out) {
        pending->from = NULL; /* the other one answers us */
    }
}

void
dm_join_leave(DmParty *party)
{
    DmCall *host = party->call;
    const DmParty *stays = *dm_call_place(host, dm_side_other(party->side));

    drop_renegotiation(host, party);
    if (party->home != host) {
        end_guest(party->home, party->home_side);
    } else if (stays == NULL || stays->home != host) {
        end_own_record(host, party->side);
    }
}

static DmParty *
take_out(DmCall *host, DmSide place)
{
    DmParty *out = *dm_call_place(host, place);

    if (out != NULL) {
        dm_join_leave(out);
    }
    host->fax_heard_us = 0;
    *dm_call_place(host, place) = NULL;
    return out;
}

/* --- who comes --- */

static void
unlink_guest(DmCall *guest)
{
    DmCall *host = guest->joining.host;

    if (host != NULL) {
        g_ptr_array_remove_fast(host->joining.guests, guest);
        guest->joining.host = NULL;
    }
}

static void
link_guest(DmCall *guest, DmCall *host, bool swapped)
{
    if (host->joining.guests == NULL) {
        host->joining.guests = g_ptr_array_new();
    }
    g_ptr_array_add(host->joining.guests, guest);
    guest->joining.host = host;
    guest->joining.swapped = swapped;
}

static void
move_party(DmParty *in, DmCall *host, DmSide place)
{
    DmCall *old = in->call;

    g_ptr_array_remove_fast(old->parties, in);
    *dm_call_place(old, in->side) = NULL;
    unlink_guest(in->home);
    if (in->home == old) {
        old->joining.n_away++;
    }
    g_ptr_array_add(host->parties, in);
    in->call = host;
    in->side = place;
    *dm_call_place(host, place) = in;
    link_guest(in->home, host, in->home_side != place);
}

/* What is left of the call that @in came from: the other leg of the one who asked, or whoever stood
 * in for it. */
static void
clear_out(DmCall *old, const DmParty *in)
{
    DmParty *left = old->a != NULL ? old->a : old->b;

    if (in->home != old) {
        dm_call_release(old, DM_RELEASED_BY_GATEWAY, &transferred);
        return;
    }
    if (old->state < DM_CALL_ANSWERED) {
        dm_timer_disarm(&old->timer);
    }
    dm_renegotiation_clear(&old->renegotiation);
    if (left != NULL) {
        if (left->home != old) {
            end_guest(left->home, left->home_side);
        }
        *dm_call_place(old, left->side) = NULL;
        dm_party_close(left, &transferred);
    }
    dm_call_media_refresh(old);
    dm_call_media_close(old);
}

/* Each is told where the other is now, if it is not where it was; the newcomer first. */
static void
note_unsettled(DmCall *host, DmSide place)
{
    bool transcode = (*dm_call_place(host, DM_SIDE_A))->media->media.transcode &&
                     (*dm_call_place(host, DM_SIDE_B))->media->media.transcode;

    host->joining.place = place;
    host->joining.comes_back = false;
    host->joining.moved = 0;
    host->joining.unsettled = bit(DM_SIDE_A) | bit(DM_SIDE_B);
    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        DmParty *party = *dm_call_place(host, side);
        const DmAddress *local = dm_call_media_local(host, side);

        if (!dm_address_equal(&party->local_rtp, local)) {
            host->joining.moved |= bit(side);
        }
        dm_party_set_policy(party, host, side, transcode);
    }
}

DmParty *
dm_join_change_places(DmCall *host, DmSide place, DmParty *in)
{
    DmParty *out = take_out(host, place);
    DmCall *old = in->call;

    host->n_transfers = MAX(host->n_transfers, old->n_transfers);
    move_party(in, host, place);
    clear_out(old, in);
    return out;
}

DmParty *
dm_join_take_place(DmCall *host, DmSide place, DmParty *in)
{
    DmParty *out = dm_join_change_places(host, place, in);

    note_unsettled(host, place);
    dm_call_media_update(host, true);
    dm_hold_apply(host);
    dm_call_recording_goes_on(host, in->home);
    dm_info(&host->log, "joined with call %s", in->home->record->id);
    return out;
}

/* --- bringing descriptions together --- */

static bool
bridges(const DmCall *host)
{
    return dm_parties_bridge(host->a, host->b);
}

static DmSide
next_unsettled(const DmJoining *joining)
{
    return (joining->unsettled & bit(joining->place)) != 0 ? joining->place
                                                           : dm_side_other(joining->place);
}

void
dm_join_settle(DmCall *host)
{
    DmJoining *joining = &host->joining;

    while (joining->unsettled != 0 && host->state == DM_CALL_UP &&
           !dm_renegotiate_is_pending(host)) {
        DmSide side = next_unsettled(joining);
        DmParty *party = *dm_call_place(host, side);
        bool always = (joining->moved & bit(side)) != 0 || !bridges(host);

        if (party == NULL || party->state != DM_LEG_UP) {
            return; /* its ACK brings us back */
        }
        if (dm_renegotiate_tell(party, always)) {
            return;
        }
        joining->unsettled &= ~bit(side);
    }
}

static void
check_settled(DmCall *host, DmSide side, bool taken)
{
    if (host->joining.unsettled == 0 && !bridges(host)) {
        dm_record_add_evidence(host->record,
                               "After a transfer the two sides have no codec in common");
        dm_call_fail(host, 488, DM_Q850_INCOMPATIBLE, "codec_mismatch");
    } else if (!taken && (host->joining.moved & bit(side)) != 0) {
        dm_record_add_evidence(host->record,
                               "After a transfer side %s did not take up where its media go now",
                               side == DM_SIDE_A ? "A" : "B");
        dm_call_fail(host, 488, DM_Q850_INCOMPATIBLE, "transfer_media");
    }
}

void
dm_join_on_settled(DmCall *host, DmSide side, bool taken)
{
    DmJoining *joining = &host->joining;
    DmParty *party = *dm_call_place(host, side);

    if ((joining->unsettled & bit(side)) == 0 || dm_call_is_ending(host)) {
        return;
    }
    joining->unsettled &= ~bit(side);
    if (joining->comes_back && taken && side == joining->place) {
        party->wish = dm_renegotiate_direction(party->theirs);
    }
    check_settled(host, side, taken);
    dm_join_settle(host);
}

void
dm_join_come_back(DmCall *call, DmSide place)
{
    if (call->state != DM_CALL_UP || !is_up(call->a) || !is_up(call->b)) {
        return;
    }
    call->joining.place = place;
    call->joining.comes_back = true;
    call->joining.moved = 0;
    call->joining.unsettled = bit(DM_SIDE_A) | bit(DM_SIDE_B);
    dm_join_settle(call);
}

/* --- the end --- */

static DmReleasedBy
seen_by_guest(const DmCall *guest, DmReleasedBy by)
{
    if (by == DM_RELEASED_BY_GATEWAY || !guest->joining.swapped) {
        return by;
    }
    return by == DM_RELEASED_BY_A ? DM_RELEASED_BY_B : DM_RELEASED_BY_A;
}

void
dm_join_release_guests(DmCall *host, DmReleasedBy by, const DmRelease *why)
{
    for (unsigned i = 0; host->joining.guests != NULL && i < host->joining.guests->len; i++) {
        DmCall *guest = g_ptr_array_index(host->joining.guests, i);

        dm_call_release(guest, seen_by_guest(guest, by), why);
    }
}

void
dm_join_refresh_media(DmCall *guest)
{
    DmRecord *record = guest->record;
    const DmRecord *host = guest->joining.host->record;
    DmMediaReport report = dm_record_report(record);
    DmMediaReport hosts;

    dm_call_media_refresh(guest->joining.host);
    hosts = dm_record_report(host);
    record->has_media = true;
    for (DmSide side = DM_SIDE_A; side < DM_N_SIDES; side++) {
        DmSide place = guest->joining.swapped ? dm_side_other(side) : side;

        dm_record_set_agreed(record, side, host->agreed[place]);
        report.side[side] = hosts.side[place];
    }
    report.transcoded = hosts.transcoded;
    dm_record_set_report(record, &report);
}

static void
keep_media(DmCall *guest)
{
    static const DmAudioVerdict mirrored[] = {
        [DM_AUDIO_NONE] = DM_AUDIO_NONE,
        [DM_AUDIO_A_ONLY] = DM_AUDIO_B_ONLY,
        [DM_AUDIO_B_ONLY] = DM_AUDIO_A_ONLY,
        [DM_AUDIO_BOTH] = DM_AUDIO_BOTH,
        [DM_AUDIO_UNKNOWN] = DM_AUDIO_UNKNOWN,
    };
    DmAudioVerdict audio = guest->joining.host->record->audio;

    dm_join_refresh_media(guest);
    dm_call_record_media(guest, NULL, guest->joining.swapped ? mirrored[audio] : audio);
}

static void
let_go(DmCall *guest)
{
    keep_media(guest);
    unlink_guest(guest);
    dm_call_check_over(guest);
}

void
dm_join_dissolve(DmCall *host)
{
    while (host->joining.guests != NULL && host->joining.guests->len > 0) {
        let_go(g_ptr_array_index(host->joining.guests, 0));
    }
}

void
dm_join_party_gone(DmCall *guest)
{
    if (guest->joining.n_away == 0 && guest->joining.host != NULL && dm_call_is_ending(guest) &&
        !dm_call_is_ending(guest->joining.host)) {
        let_go(guest);
    }
}

void
dm_join_forget(DmCall *call)
{
    DmCall *host = call->joining.host;

    for (unsigned i = 0; host != NULL && i < host->parties->len; i++) {
        DmParty *party = g_ptr_array_index(host->parties, i);

        if (party->home == call) {
            party->home = host;
        }
    }
    unlink_guest(call);
    while (call->joining.guests != NULL && call->joining.guests->len > 0) {
        unlink_guest(g_ptr_array_index(call->joining.guests, 0));
    }
    g_clear_pointer(&call->joining.guests, g_ptr_array_unref);
}
