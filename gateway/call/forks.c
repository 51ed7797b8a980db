/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/forks.h"

#include "gateway/call/call-media.h"
#include "gateway/call/negotiation.h"
#include "gateway/call/party.h"

DM_LOG_TOPIC("call-forks");

static DmSdp *
rival(const DmParty *callee, unsigned i)
{
    return g_ptr_array_index(callee->rivals, i);
}

static unsigned
n_rivals(const DmParty *callee)
{
    return callee->rivals != NULL ? callee->rivals->len : 0;
}

/* Not set: it has none that we could use. */
static DmAddress
address_of(const DmParty *callee, const DmSdp *sdp)
{
    const DmSdpPolicy policy = dm_party_policy(callee);
    DmMediaSideSpec spec = {0};

    if (callee->ours == NULL || dm_sdp_side_spec(callee->ours, sdp, &policy, &spec) != DM_SDP_OK) {
        return (DmAddress){0};
    }
    return spec.remote_rtp;
}

static bool
is_known(const DmParty *callee, const DmAddress *address)
{
    for (unsigned i = 0; i < n_rivals(callee); i++) {
        DmAddress other = address_of(callee, rival(callee, i));

        if (dm_address_equal(&other, address)) {
            return true;
        }
    }
    return false;
}

void
dm_forks_note(DmParty *callee, const DmSdp *sdp)
{
    DmAddress address = address_of(callee, sdp);
    DmAddress current = dm_party_spec(callee).remote_rtp;

    if (!dm_address_is_set(&address) || dm_address_equal(&address, &current) ||
        is_known(callee, &address) || n_rivals(callee) >= DM_MEDIA_MAX_RIVALS) {
        return;
    }
    if (callee->rivals == NULL) {
        callee->rivals = g_ptr_array_new_with_free_func((GDestroyNotify)dm_sdp_unref);
    }
    g_ptr_array_add(callee->rivals, dm_sdp_ref(sdp));
}

void
dm_forks_heard(DmCall *call, const DmAddress *address)
{
    if (call->b->config->sip.forking != DM_FORKING_RTP_ACTIVE) {
        return;
    }
    for (unsigned i = 0; i < n_rivals(call->b); i++) {
        g_autoptr(DmSdp) heard = dm_sdp_ref(rival(call->b, i));
        DmAddress from = address_of(call->b, heard);

        if (dm_address_equal(&from, address) &&
            dm_negotiate_callee_answered(call, heard, false) == DM_SDP_OK) {
            dm_info(&call->log, "another phone of the called side is heard");
            dm_call_media_update(call, false);
            return;
        }
    }
}

void
dm_forks_fill(const DmParty *callee, DmMediaSideSpec *spec)
{
    spec->n_rivals = 0;
    spec->hear_rivals = callee->config->sip.forking == DM_FORKING_RTP_ACTIVE &&
                        callee->call->state < DM_CALL_ANSWERED;
    for (unsigned i = 0; i < n_rivals(callee); i++) {
        DmAddress address = address_of(callee, rival(callee, i));

        if (dm_address_is_set(&address) && !dm_address_equal(&address, &spec->remote_rtp)) {
            spec->rivals[spec->n_rivals++] = address;
        }
    }
}
