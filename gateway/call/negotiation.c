/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/negotiation.h"

#include "gateway/call/call-media.h"
#include "gateway/call/diagnosis.h"
#include "gateway/call/forks.h"
#include "gateway/call/party.h"
#include "gateway/sdp/format.h"

bool
dm_negotiate_may_transcode(const DmCall *call, const DmTrunkConfig *b)
{
    return call->a->media->media.transcode && b->media.transcode;
}

DmSdpVerdict
dm_negotiate_check_caller(DmCall *call)
{
    DmParty *a = call->a;
    DmSdp *answer = NULL;
    DmSdpVerdict verdict;
    DmSdpPolicy policy;

    if (a->theirs == NULL) {
        return DM_SDP_OK;
    }
    dm_party_set_policy(a, NULL, DM_SIDE_A, false);
    policy = dm_party_policy(a);
    verdict = dm_sdp_answer_across(a->theirs, &policy, NULL, &answer);
    dm_sdp_unref(answer);
    return verdict;
}

static bool
is_speakable(const GArray *codecs, DmCodec codec, bool transcode)
{
    DmMediaFormat format = {0};
    bool is_known = dm_format_of_codec(codec, &format);

    for (guint i = 0; i < codecs->len; i++) {
        DmCodec each = g_array_index(codecs, DmCodec, i);
        DmMediaFormat own;

        if (each == codec || (is_known && dm_format_of_codec(each, &own) &&
                              dm_format_bridges(&format, &own, transcode))) {
            return true;
        }
    }
    return false;
}

/* Only codecs of the callee's trunk that the caller's can be given, one way or the other: the
 * callee picks first. */
static void
narrow_codecs(DmParty *callee, bool transcode)
{
    const GArray *theirs = callee->config->media.codecs;
    const GArray *ours = callee->call->a->media->media.codecs;

    callee->codecs = g_array_new(FALSE, FALSE, sizeof(DmCodec));
    for (guint i = 0; i < theirs->len; i++) {
        DmCodec codec = g_array_index(theirs, DmCodec, i);

        if (is_speakable(ours, codec, transcode)) {
            g_array_append_val(callee->codecs, codec);
        }
    }
}

/* No offer from the caller: ours, or none either (SIG-11). */
static DmSdpVerdict
offer_from_policy(const DmParty *callee, const DmSdpPolicy *policy, DmSdp **out_offer)
{
    if (policy->n_codecs == 0) {
        return DM_SDP_NO_COMMON_CODEC;
    }
    if (callee->config->sip.delayed_offer == DM_DELAYED_TRANSPARENT) {
        return DM_SDP_OK;
    }
    *out_offer = dm_sdp_offer_from_policy(policy, DM_MEDIA_BOTH, NULL);
    /* Codecs that we do not know cannot be offered unasked. */
    return dm_sdp_media(*out_offer, 0)->n_formats > 0 ? DM_SDP_OK : DM_SDP_NO_COMMON_CODEC;
}

DmSdpVerdict
dm_negotiate_first_offer(DmParty *callee)
{
    DmCall *call = callee->call;
    bool transcode = dm_negotiate_may_transcode(call, callee->config);
    g_autoptr(DmSdp) offer = NULL;
    DmSdpVerdict verdict;
    DmSdpPolicy policy;

    dm_party_set_policy(call->a, call, DM_SIDE_A, transcode);
    if (call->a->theirs == NULL) {
        narrow_codecs(callee, transcode);
    }
    dm_party_set_policy(callee, call, DM_SIDE_B, transcode);
    policy = dm_party_policy(callee);
    verdict = call->a->theirs != NULL ? dm_sdp_offer_across(call->a->theirs, &policy, NULL, &offer)
                                      : offer_from_policy(callee, &policy, &offer);
    if (verdict == DM_SDP_OK && offer != NULL) {
        dm_party_set_ours(callee, offer, false);
    }
    return verdict;
}

static void
forget_caller(DmParty *a)
{
    dm_party_set_ours(a, NULL, false);
    g_clear_pointer(&a->agreed, dm_packed_unref);
}

/* What to say to the caller now that the callee's side is known. */
static DmSdpVerdict
prepare_caller(DmCall *call, bool final)
{
    DmParty *a = call->a;
    const DmSdpPolicy policy = dm_party_policy(a);
    g_autoptr(DmSdp) sdp = NULL;
    DmSdpVerdict verdict;

    if (a->ours != NULL || (a->theirs == NULL && !final && !call->early_offer)) {
        return DM_SDP_OK;
    }
    if (a->theirs == NULL) {
        verdict = dm_sdp_offer_across(call->b->theirs, &policy, NULL, &sdp);
    } else {
        verdict = dm_sdp_answer_across(a->theirs, &policy, call->b->theirs, &sdp);
    }
    if (verdict == DM_SDP_OK) {
        dm_party_set_ours(a, sdp, a->theirs != NULL);
        verdict = a->theirs != NULL ? dm_party_agree(a) : DM_SDP_OK;
    }
    return verdict;
}

static DmSdpVerdict
check_bridge(const DmCall *call)
{
    if (call->a->agreed == NULL || call->b == NULL || call->b->agreed == NULL ||
        dm_parties_bridge(call->a, call->b)) {
        return DM_SDP_OK;
    }
    return DM_SDP_NO_COMMON_CODEC;
}

/* The caller has been told of another codec than the callee now has, and may be offered that. */
static bool
may_catch_up(DmCall *call)
{
    const DmSdpPolicy policy = dm_party_policy(call->a);
    g_autoptr(DmSdp) offer = NULL;

    call->caller_is_behind =
        call->early_told &&
        dm_sdp_offer_across(call->b->theirs, &policy, call->a->ours, &offer) == DM_SDP_OK;
    return call->caller_is_behind;
}

DmSdpVerdict
dm_negotiate_callee_answered(DmCall *call, const DmSdp *sdp, bool final)
{
    DmParty *b = call->b;
    g_autoptr(DmSdp) before = b->theirs != NULL ? dm_sdp_ref(b->theirs) : NULL;
    g_autoptr(DmPacked) agreed_before = g_steal_pointer(&b->agreed);
    bool caller_was_told = call->a->ours != NULL;
    DmSdpVerdict verdict;

    dm_party_set_theirs(b, sdp);
    verdict = dm_party_agree(b);
    if (verdict == DM_SDP_OK) {
        verdict = prepare_caller(call, final);
    }
    if (verdict == DM_SDP_OK && check_bridge(call) != DM_SDP_OK) {
        verdict = may_catch_up(call) ? DM_SDP_OK : DM_SDP_NO_COMMON_CODEC;
    }
    if (verdict == DM_SDP_OK) {
        dm_diagnose_address(b);
        if (before != NULL && !dm_sdp_same_media(before, sdp)) {
            dm_forks_note(b, before);
        }
        return verdict;
    }
    dm_party_set_theirs(b, before);
    dm_packed_unref(b->agreed);
    b->agreed = g_steal_pointer(&agreed_before);
    if (!caller_was_told) {
        forget_caller(call->a);
    }
    return verdict;
}

DmSdpVerdict
dm_negotiate_callee_offered(DmCall *call, const DmSdp *sdp, bool final)
{
    const DmSdpPolicy policy = dm_party_policy(call->b);
    g_autoptr(DmSdp) possible = NULL;
    DmSdpVerdict verdict = dm_sdp_answer_across(sdp, &policy, NULL, &possible);

    if (verdict != DM_SDP_OK) {
        return verdict;
    }
    dm_party_set_ours(call->b, NULL, false);
    dm_party_set_theirs(call->b, sdp);
    return prepare_caller(call, final);
}

DmSdpVerdict
dm_negotiate_answer_callee(DmCall *call)
{
    DmParty *b = call->b;
    const DmSdpPolicy policy = dm_party_policy(b);
    g_autoptr(DmSdp) answer = NULL;
    DmSdpVerdict verdict = dm_sdp_answer_across(b->theirs, &policy, call->a->theirs, &answer);

    if (verdict != DM_SDP_OK) {
        return verdict;
    }
    dm_party_set_ours(b, answer, true);
    verdict = dm_party_agree(b);
    if (verdict == DM_SDP_OK) {
        dm_diagnose_address(b);
        verdict = check_bridge(call);
    }
    return verdict;
}

DmSdpVerdict
dm_negotiate_picked_up(DmCall *call)
{
    bool caller_was_told = call->a->ours != NULL;
    g_autoptr(DmSdp) offer = dm_sdp_ref(call->b->theirs);
    DmSdpVerdict verdict = dm_negotiate_callee_offered(call, offer, true);

    if (verdict == DM_SDP_OK) {
        verdict = dm_negotiate_answer_callee(call);
    }
    if (verdict == DM_SDP_NO_COMMON_CODEC && call->b->agreed != NULL && may_catch_up(call)) {
        verdict = DM_SDP_OK;
    }
    if (verdict != DM_SDP_OK && !caller_was_told) {
        forget_caller(call->a);
    }
    return verdict;
}

DmSdpVerdict
dm_negotiate_caller_answered(DmCall *call, const DmSdp *sdp)
{
    DmSdpVerdict verdict;

    dm_party_set_theirs(call->a, sdp);
    verdict = dm_party_agree(call->a);
    return verdict == DM_SDP_OK ? check_bridge(call) : verdict;
}
