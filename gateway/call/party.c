/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/party.h"

#include <string.h>

#include "gateway/call/call-media.h"
#include "gateway/call/fax.h"
#include "gateway/call/hold.h"
#include "gateway/call/transfer-wait.h"

DM_LOG_TOPIC("call-party");

static DmPartySecurity *
security_new(DmRandom *random)
{
    DmPartySecurity *security = g_new0(DmPartySecurity, 1);

    dm_random_bytes(random, security->keying.secret, sizeof security->keying.secret);
    security->keying.leg = (uint32_t)dm_random_u64(random);
    return security;
}

static void
security_free(DmPartySecurity *security)
{
    if (security != NULL) {
        explicit_bzero(security, sizeof *security);
        g_free(security);
    }
}

DmParty *
dm_party_new(DmCall *call, DmSide side, DmTrunk *trunk, const DmTrunkConfig *config)
{
    DmParty *party = g_new0(DmParty, 1);

    party->call = call;
    party->side = side;
    party->home = call;
    party->home_side = side;
    party->trunk = dm_trunk_ref(trunk);
    party->config = config;
    party->media = config;
    party->started_us = dm_loop_now_us(call->deps->loop);
    party->wish = DM_MEDIA_BOTH;
    party->srtp = config->media.srtp;
    if (party->srtp != DM_SRTP_OFF || config->media.ice != DM_ICE_OFF) {
        party->security = security_new(call->deps->random);
    }
    g_ptr_array_add(call->parties, party);
    return party;
}

void
dm_party_free(DmParty *party)
{
    if (party == NULL) {
        return;
    }
    dm_party_leave_trunk(party);
    dm_trunk_unref(party->trunk);
    dm_sdp_unref(party->ours);
    dm_sdp_unref(party->theirs);
    g_clear_pointer(&party->codecs, g_array_unref);
    g_clear_pointer(&party->rivals, g_ptr_array_unref);
    dm_transfer_wait_gone(party);
    g_ptr_array_remove_fast(party->call->parties, party);
    if (party->home != party->call) {
        party->home->joining.n_away--;
    }
    security_free(party->security);
    dm_packed_unref(party->agreed);
    g_free(party);
}

DmReserve
dm_party_enter_trunk(DmParty *party)
{
    DmReserve verdict = dm_trunk_reserve(party->trunk, party->home_side == DM_SIDE_A);

    party->has_place = verdict == DM_RESERVE_OK;
    return verdict;
}

void
dm_party_leave_trunk(DmParty *party)
{
    if (party->has_place) {
        dm_trunk_release(party->trunk, party->home_side == DM_SIDE_A);
    }
    party->has_place = false;
}

bool
dm_party_move(DmParty *party, DmLegState to)
{
    return dm_sm_move(dm_leg_states,
                      party->side == DM_SIDE_A ? "leg a" : "leg b",
                      &party->state,
                      to,
                      &party->call->log);
}

void
dm_party_close(DmParty *party, const DmRelease *why)
{
    if (party == NULL || party->leg == NULL || party->state == DM_LEG_CLOSING ||
        party->state == DM_LEG_GONE) {
        return;
    }
    dm_party_move(party, DM_LEG_CLOSING);
    party->leg->ops->close(party->leg, why);
}

/* Without a payload type for events there are none. */
static DmKeyMethod
keys_of(const DmTrunkConfig *trunk)
{
    bool is_auto = trunk->media.keys == DM_KEYS_AUTO;

    return is_auto && trunk->media.dtmf_pt == 0 ? DM_KEYS_TONES : trunk->media.keys;
}

void
dm_party_set_policy(DmParty *party, const DmCall *host, DmSide side, bool transcode)
{
    bool has_dtls = party->srtp != DM_SRTP_OFF &&
                    party->media->media.srtp_keying == DM_SRTP_BY_DTLS && party->security != NULL;

    party->transcode = transcode;
    party->local_rtp = host != NULL ? *dm_call_media_local(host, side) : (DmAddress){0};
    if (has_dtls) {
        party->security->fingerprint =
            host != NULL ? *dm_call_media_fingerprint(host) : (DmFingerprint){0};
    }
}

DmSdpPolicy
dm_party_policy(const DmParty *party)
{
    const DmTrunkConfig *trunk = party->media;
    const GArray *codecs = party->codecs != NULL ? party->codecs : trunk->media.codecs;
    DmSdpPolicy policy = {
        .local_rtp = party->local_rtp,
        .codecs = (const DmCodec *)(const void *)codecs->data,
        .n_codecs = codecs->len,
        .transcode = party->transcode,
        .preference = trunk->media.preference,
        .ptime_ms = trunk->media.ptime_ms,
        .dtmf_pt = trunk->media.dtmf_pt,
        .nat = trunk->media.nat,
        .jitter = trunk->media.jitter,
        .keys = keys_of(trunk),
        .srtp = party->srtp,
        .keys_by = trunk->media.srtp_keying,
        .has_ice = trunk->media.ice == DM_ICE_LITE,
        .rekey_resets_roc = trunk->media.rekey_resets_roc,
        .rtcp_xr = trunk->media.rtcp_xr,
        .suites = (const DmSrtpSuite *)(const void *)trunk->media.srtp_suites->data,
        .n_suites = trunk->media.srtp_suites->len,
    };

    if (party->security != NULL) {
        policy.keying = &party->security->keying;
        policy.fingerprint = party->security->fingerprint;
    }
    dm_fax_set_policy(trunk, &policy);
    return policy;
}

static void
set_sdp(DmSdp **place, const DmSdp *sdp)
{
    DmSdp *old = *place;

    *place = sdp != NULL ? dm_sdp_ref(sdp) : NULL;
    dm_sdp_unref(old);
}

void
dm_party_set_ours(DmParty *party, const DmSdp *sdp, bool is_answer)
{
    set_sdp(&party->ours, sdp);
    party->ours_was_answer = is_answer;
}

void
dm_party_set_theirs(DmParty *party, const DmSdp *sdp)
{
    set_sdp(&party->theirs, sdp);
}

DmMediaSideSpec
dm_party_spec(const DmParty *party)
{
    DmMediaSideSpec spec;

    dm_packed_get(party->agreed, &spec, sizeof spec);
    return spec;
}

bool
dm_party_is_t38(const DmParty *party)
{
    return dm_party_spec(party).is_t38;
}

static void
note_agreed(DmParty *party, const DmMediaSideSpec *spec)
{
    if (party->security != NULL) {
        dm_sdp_keying_agreed(&party->security->keying, party->theirs, spec, party->ours_was_answer);
    }
}

DmSdpVerdict
dm_party_agree(DmParty *party)
{
    const DmSdpPolicy policy = dm_party_policy(party);
    DmMediaSideSpec spec = {0};
    DmSdpVerdict verdict;

    if (party->ours == NULL || party->theirs == NULL) {
        return DM_SDP_NO_AUDIO;
    }
    verdict = dm_sdp_side_spec(party->ours, party->theirs, &policy, &spec);
    if (verdict == DM_SDP_OK) {
        dm_packed_unref(party->agreed);
        party->agreed = dm_packed_new(&spec, sizeof spec);
        note_agreed(party, &spec);
    }
    explicit_bzero(&spec, sizeof spec); /* keys */
    return verdict;
}

DmSdpVerdict
dm_party_take(DmParty *party, const DmSdp *ours, const DmSdp *theirs, bool ours_is_answer)
{
    g_autoptr(DmSdp) keep_ours = dm_sdp_ref(party->ours);
    g_autoptr(DmSdp) keep_theirs = party->theirs != NULL ? dm_sdp_ref(party->theirs) : NULL;
    bool kept_role = party->ours_was_answer;
    DmSdpVerdict verdict;

    dm_party_set_ours(party, ours, ours_is_answer);
    dm_party_set_theirs(party, theirs);
    verdict = dm_party_agree(party);
    if (verdict != DM_SDP_OK) {
        dm_party_set_ours(party, keep_ours, kept_role);
        dm_party_set_theirs(party, keep_theirs);
        return verdict;
    }
    if (dm_party_is_t38(party)) {
        dm_fax_agreed(party);
    }
    dm_call_media_update(party->call, party->call->state >= DM_CALL_ANSWERED);
    dm_hold_apply(party->call);
    return verdict;
}
