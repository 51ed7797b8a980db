/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/hold.h"

#include "gateway/call/call-media.h"
#include "gateway/call/party.h"
#include "gateway/call/renegotiate.h"

static bool
is_audio_only(const DmSdp *sdp)
{
    for (unsigned i = 0; i < dm_sdp_n_media(sdp); i++) {
        const DmSdpMedia *media = dm_sdp_media(sdp, i);

        if (media->port != 0 && media->type != DM_SDP_AUDIO) {
            return false;
        }
    }
    return true;
}

bool
dm_hold_stays_here(const DmParty *party, const DmParty *other, const DmSdp *offer)
{
    bool holds = dm_renegotiate_direction(offer) != DM_MEDIA_BOTH;
    bool held = dm_renegotiate_direction(party->theirs) != DM_MEDIA_BOTH;

    return other->config->sip.hold_mode == DM_HOLD_LOCAL && (holds || held) && is_audio_only(offer);
}

DmSdp *
dm_hold_as_told(const DmSdp *offer, const DmParty *other)
{
    unsigned n = dm_sdp_n_media(offer);
    g_autofree DmSdpMedia *media = NULL;

    if (other->config->media.hold_audio == DM_HOLD_AUDIO_PEER ||
        (dm_renegotiate_direction(offer) & DM_MEDIA_SEND) != 0) {
        return dm_sdp_ref(offer);
    }
    media = g_memdup2(dm_sdp_media(offer, 0), n * sizeof(DmSdpMedia));
    for (unsigned i = 0; i < n; i++) {
        media[i].peer_direction |= DM_MEDIA_SEND;
    }
    return dm_sdp_new(media, n);
}

/* Held, and willing to hear something that nobody else sends, or shall send. */
static bool
hears_ours(const DmParty *party, const DmParty *other)
{
    bool is_held = (other->wish & DM_MEDIA_RECV) == 0;
    bool peer_speaks =
        (other->wish & DM_MEDIA_SEND) != 0 && party->config->media.hold_audio == DM_HOLD_AUDIO_PEER;

    return is_held && !peer_speaks && !dm_party_is_t38(party) &&
           (dm_party_spec(party).direction & DM_MEDIA_SEND) != 0;
}

static void
play(const DmParty *party)
{
    const DmTrunkConfig *trunk = party->config;
    DmPlay music = {.tone = DM_TONE_SILENCE, .repeats = true};

    if (trunk->media.hold_audio == DM_HOLD_AUDIO_GATEWAY) {
        music.sound = dm_config_sound(party->call->config, trunk->media.hold_sound);
    }
    dm_call_media_play(party->call, party->side, &music);
}

static void
apply(DmCall *call, const DmParty *party, const DmParty *other)
{
    bool wanted = hears_ours(party, other);

    if (wanted == call->plays_hold[party->side]) {
        return;
    }
    call->plays_hold[party->side] = wanted;
    if (wanted) {
        play(party);
    } else {
        dm_call_media_stop(call, party->side);
    }
}

void
dm_hold_apply(DmCall *call)
{
    if (call->state == DM_CALL_UP && call->a != NULL && call->b != NULL) {
        apply(call, call->a, call->b);
        apply(call, call->b, call->a);
    }
}
