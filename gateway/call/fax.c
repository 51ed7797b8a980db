/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/fax.h"

#include "gateway/call/call-media.h"
#include "gateway/call/diagnosis.h"
#include "gateway/call/party.h"
#include "gateway/sdp/t38.h"

DM_LOG_TOPIC("call-fax");

/* What T.38's peers commonly take; our own fax needs less. */
#define MAX_BUFFER   2000
#define MAX_DATAGRAM 400

/* From the first V.21 of T.30 to the first page it takes little more. */
#define MAX_WAIT_US (5 * G_USEC_PER_SEC)

/*
 * Decisions
 */

/* T.38 has no encryption: where SRTP is a must, only modem tones go. */
static DmFaxTrunkMode
mode_of(const DmTrunkConfig *trunk)
{
    bool is_secret = trunk->media.srtp == DM_SRTP_REQUIRE;

    return trunk->media.fax.mode == DM_FAX_MODE_T38 && is_secret ? DM_FAX_MODE_GATEWAY
                                                                 : trunk->media.fax.mode;
}

/* May the peer on @side change the call to T.38? */
static bool
may_start(const DmTrunkConfig *trunk, DmSide side)
{
    if (mode_of(trunk) != DM_FAX_MODE_T38) {
        return false;
    }
    switch (trunk->media.fax.owner) {
    case DM_FAX_OWNER_ANSWERER:
        return side == DM_SIDE_B;
    case DM_FAX_OWNER_NEVER:
        return false;
    case DM_FAX_OWNER_RELAY:
    case DM_FAX_OWNER_GATEWAY:
        break;
    }
    return true;
}

static bool
may_be_asked(const DmTrunkConfig *trunk)
{
    return mode_of(trunk) == DM_FAX_MODE_T38 && trunk->media.fax.owner != DM_FAX_OWNER_NEVER;
}

DmFaxDecision
dm_fax_decide(const DmTrunkConfig *from, DmSide side, const DmTrunkConfig *to, bool other_has_g711)
{
    if (!may_start(from, side) || mode_of(to) == DM_FAX_MODE_PASSTHROUGH) {
        return DM_FAX_REFUSE;
    }
    if (may_be_asked(to)) {
        return DM_FAX_ACROSS;
    }
    return other_has_g711 ? DM_FAX_ALONE : DM_FAX_REFUSE;
}

bool
dm_fax_asks(const DmTrunkConfig *trunk, const DmTrunkConfig *other)
{
    return mode_of(trunk) == DM_FAX_MODE_T38 && trunk->media.fax.owner == DM_FAX_OWNER_GATEWAY &&
           mode_of(other) != DM_FAX_MODE_PASSTHROUGH;
}

bool
dm_fax_has_g711(const DmParty *party)
{
    const DmMediaSideSpec side = dm_party_spec(party);

    for (unsigned i = 0; i < side.n_send; i++) {
        if (side.send[i].codec == DM_CODEC_PCMA || side.send[i].codec == DM_CODEC_PCMU) {
            return true;
        }
    }
    return false;
}

void
dm_fax_set_policy(const DmTrunkConfig *trunk, DmSdpPolicy *policy)
{
    policy->has_t38 = mode_of(trunk) == DM_FAX_MODE_T38;
    policy->t38 = (DmT38){
        .ec = (uint8_t)trunk->media.fax.ec,
        .max_bit_rate = trunk->media.fax.max_bit_rate,
        .fill_bit_removal = true,
        .transcoding_mmr = true,
        .transcoding_jbig = true,
        .version = 3,
        .max_buffer = MAX_BUFFER,
        .max_datagram = MAX_DATAGRAM,
    };
}

/*
 * What is done
 */

/* Whom it is worth asking: who refused a while ago would refuse again. */
static bool
is_worth_asking(const DmParty *party, const DmParty *other)
{
    return dm_fax_asks(party->config, other->config) && !dm_trunk_refuses_t38(party->trunk);
}

static uint8_t
signs_for(const DmParty *party, const DmParty *other)
{
    const GArray *signs = party->config->media.fax.signs;
    unsigned bits = 0;

    for (guint i = 0; i < signs->len && is_worth_asking(party, other); i++) {
        bits |= (unsigned)g_array_index(signs, int, i);
    }
    return (uint8_t)bits;
}

uint8_t
dm_fax_signs(const DmParty *a, const DmParty *b)
{
    return signs_for(a, b) | signs_for(b, a);
}

static DmParty *
other_of(const DmParty *party)
{
    return party->side == DM_SIDE_A ? party->call->b : party->call->a;
}

/* Modem tones do not survive what speech does: from here on the sound is left alone. */
static void
stay_in_g711(DmCall *call)
{
    call->record->has_fax = true;
    if (!call->fax_in_g711) {
        call->fax_in_g711 = true;
        dm_call_media_update(call, true);
    }
}

/* MED-11: fax was offered beside speech, which is there all the same. */
static bool
answer_speech(DmParty *party, const DmSdp *offer)
{
    const DmSdpPolicy policy = dm_party_policy(party);
    g_autoptr(DmSdp) answer = NULL;

    if (dm_sdp_answer_across(offer, &policy, other_of(party)->theirs, &answer) != DM_SDP_OK ||
        dm_party_take(party, answer, offer, true) != DM_SDP_OK) {
        return false;
    }
    party->leg->ops->reanswer(party->leg, party->ours);
    return true;
}

static void
refuse_offer(DmParty *party)
{
    DmCall *call = party->call;

    dm_record_add_evidence(call->record,
                           "Trunk '%s' asked for T.38, which the configuration of '%s' and '%s' "
                           "does not have; the fax stayed in G.711",
                           dm_trunk_id(party->trunk),
                           dm_trunk_id(party->trunk),
                           dm_trunk_id(other_of(party)->trunk));
    dm_diagnose(call, "fax_g711_fallback");
    stay_in_g711(call);
    dm_info(&call->log, "T.38 refused to side %s", party->side == DM_SIDE_A ? "a" : "b");
    party->leg->ops->refuse_reoffer(party->leg, 488);
}

static bool
answer_alone(DmParty *party, const DmSdp *offer)
{
    DmCall *call = party->call;
    const DmSdpPolicy policy = dm_party_policy(party);
    g_autoptr(DmSdp) answer = NULL;

    if (dm_t38_answer_across(offer, &policy, NULL, &answer) != DM_SDP_OK ||
        dm_party_take(party, answer, offer, true) != DM_SDP_OK) {
        return false;
    }
    call->record->has_fax = true;
    dm_info(&call->log,
            "T.38 on side %s, modem tones on the other",
            party->side == DM_SIDE_A ? "a" : "b");
    party->leg->ops->reanswer(party->leg, party->ours);
    return true;
}

/* As configured, and as the other side has shown itself. */
static DmFaxDecision
decide(const DmParty *party, const DmParty *other)
{
    bool has_g711 = dm_fax_has_g711(other);
    DmFaxDecision decision = dm_fax_decide(party->config, party->side, other->config, has_g711);

    if (decision == DM_FAX_ACROSS && !dm_party_is_t38(other) &&
        dm_trunk_refuses_t38(other->trunk)) {
        dm_record_add_evidence(party->call->record,
                               "Trunk '%s' refused T.38 not long ago and was not asked again",
                               dm_trunk_id(other->trunk));
        return has_g711 ? DM_FAX_ALONE : DM_FAX_REFUSE;
    }
    return decision;
}

bool
dm_fax_take_offer(DmParty *party, const DmSdp *offer)
{
    DmParty *other = other_of(party);
    DmFaxDecision decision = decide(party, other);

    if (dm_party_is_t38(party) && !dm_party_is_t38(other)) {
        decision = DM_FAX_ALONE; /* as it is */
    }
    if (decision == DM_FAX_ACROSS) {
        party->call->record->has_fax = true;
        return false;
    }
    if (decision == DM_FAX_ALONE && answer_alone(party, offer)) {
        return true;
    }
    if (!answer_speech(party, offer)) {
        refuse_offer(party);
    }
    return true;
}

/* Interop 4: what a trunk does not have is not asked for every time. */
static void
remember_refusal(const DmParty *party, uint16_t status)
{
    bool says_so = status == 488 || status == 415 || status == 606;

    if (says_so && dm_trunk_learn_t38(party->trunk, true)) {
        dm_notice(&party->call->log,
                  "trunk %s refuses T.38 (%u): not asked again for %u s",
                  dm_trunk_id(party->trunk),
                  status,
                  party->config->media.fax.forget_s);
    }
}

void
dm_fax_agreed(DmParty *party)
{
    if (dm_trunk_learn_t38(party->trunk, false)) {
        dm_notice(&party->call->log, "trunk %s has T.38 again", dm_trunk_id(party->trunk));
    }
}

void
dm_fax_refused(DmParty *party, uint16_t status)
{
    DmCall *call = party->call;

    remember_refusal(party, status);
    dm_record_add_evidence(call->record,
                           "Trunk '%s' has refused T.38 (%u); its fax stayed in G.711",
                           dm_trunk_id(party->trunk),
                           status);
    dm_diagnose(call, "t38_rejected");
    stay_in_g711(call);
}

void
dm_fax_note_heard(DmCall *call, DmSide side)
{
    call->record->has_fax = true;
    dm_info(&call->log, "a fax machine is heard on side %s", side == DM_SIDE_A ? "a" : "b");
}

bool
dm_fax_is_still_wanted(DmCall *call)
{
    int64_t waited_us = dm_loop_now_us(call->deps->loop) - call->fax_heard_us;

    if (dm_party_is_t38(call->a) || dm_party_is_t38(call->b) || dm_fax_next(call) == NULL) {
        return false;
    }
    if (waited_us <= MAX_WAIT_US) {
        return true;
    }
    dm_record_add_evidence(call->record,
                           "A fax was heard while a re-INVITE was on its way, which took %u s; the "
                           "fax stayed in G.711",
                           (unsigned)(waited_us / G_USEC_PER_SEC));
    stay_in_g711(call);
    return false;
}

DmParty *
dm_fax_next(DmCall *call)
{
    DmParty *parties[DM_N_SIDES] = {call->b, call->a}; /* the called one is first: it answers */

    for (unsigned i = 0; i < DM_N_SIDES; i++) {
        DmParty *party = parties[i];
        DmParty *other = parties[DM_N_SIDES - 1 - i];

        if (party != NULL && other != NULL && !call->fax_in_g711 && !dm_party_is_t38(party) &&
            is_worth_asking(party, other) && (dm_party_is_t38(other) || dm_fax_has_g711(other))) {
            return party;
        }
    }
    return NULL;
}
