/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/early-media.h"

#include "gateway/call/call-media.h"
#include "gateway/call/party.h"

#define NO_RTP_MS 500 /* RFC 3960, 3.2: nothing comes, so nobody else rings */

typedef enum {
    TELL_STATUS, /* as it came */
    TELL_RINGING,
    TELL_MEDIA, /* 183 with our description */
} Telling;

/* A description is early media, whatever number it came under. One that may not or cannot be passed
 * on makes a 183 useless: it would only keep the caller from playing ringback. */
static Telling
what_to_tell(const DmCall *call, uint16_t status, bool is_described, bool is_barred)
{
    DmEarlyMedia mode = call->b->config->sip.early_media;
    bool is_news = is_described || (call->a->ours != NULL && !call->early_told);

    if (is_news && !is_barred) {
        return TELL_MEDIA;
    }
    if (status == 183 && call->b->theirs != NULL) {
        return call->early_told && !is_barred ? TELL_MEDIA : TELL_RINGING;
    }
    if (status == 180 && call->early_told && call->b->theirs != NULL &&
        mode != DM_EARLY_MEDIA_RELAY) {
        return TELL_MEDIA;
    }
    return TELL_STATUS;
}

/* RFC 3960, 3.2: rings, and may not be heard doing so. */
static void
play_ringback(DmCall *call)
{
    const DmPlay ringing = {
        .tone = DM_TONE_RINGING,
        .country = call->a->config->media.country,
        .yield_ms = NO_RTP_MS,
    };

    if (call->ringback || !call->early_told || call->a->agreed == NULL || call->b->agreed == NULL) {
        return;
    }
    call->ringback = true;
    dm_call_media_play(call, DM_SIDE_A, &ringing);
}

void
dm_early_media_tell(DmCall *call, uint16_t status, bool is_described, bool is_barred)
{
    DmParty *a = call->a;
    Telling telling = what_to_tell(call, status, is_described, is_barred);

    if (a->state == DM_LEG_TRYING) {
        dm_party_move(a, DM_LEG_EARLY);
    }
    if (telling != TELL_MEDIA) {
        a->leg->ops->progress(a->leg, telling == TELL_RINGING ? 180 : status, NULL);
        return;
    }
    if (is_described || !call->early_told) {
        call->early_told = true;
        dm_call_media_update(call, false);
    }
    a->leg->ops->progress(a->leg, 183, a->ours);
    if (status == 180 && call->b->config->sip.early_media == DM_EARLY_MEDIA_RINGBACK) {
        play_ringback(call);
    }
}

void
dm_early_media_over(DmCall *call)
{
    if (call->ringback) {
        call->ringback = false;
        dm_call_media_stop(call, DM_SIDE_A);
    }
}

void
dm_early_media_heard(DmCall *call, DmSide side)
{
    if (call->ringback && side == DM_SIDE_A) {
        dm_record_add_evidence(call->record,
                               "The called side rang and sent no audio: the caller heard ours");
    }
}
