/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/call-media.h"

#include <string.h>

#include "gateway/call/announcement.h"
#include "gateway/call/call-record.h"
#include "gateway/call/cause.h"
#include "gateway/call/early-media.h"
#include "gateway/call/fax.h"
#include "gateway/call/forks.h"
#include "gateway/call/keys.h"
#include "gateway/call/party.h"
#include "gateway/call/renegotiate.h"
#include "gateway/sdp/format.h"

DM_LOG_TOPIC("call-media");

static unsigned
pool_of(const DmConfig *config, const DmTrunkConfig *trunk)
{
    const DmListenerConfig *listener;

    if (trunk->media_pool[0] != '\0') {
        return dm_config_media_pool_index(config, trunk->media_pool);
    }
    listener = dm_config_listener(config, trunk->listener);
    return dm_config_media_pool_index(config, listener != NULL ? listener->media_pool : "");
}

/* While who asked for a transfer is gone already, nobody speaks. */
static bool
may_be_silent(const DmCall *call)
{
    return dm_call_transfer_state(call) == DM_TRANSFER_CALLING;
}

static uint32_t
shorter(uint32_t a, uint32_t b)
{
    return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

/* Of the two trunks' the shorter; 0: never. */
static uint32_t
timeout_ms(const DmCall *call, bool held)
{
    const DmParty *const parties[] = {call->a, call->b};
    uint32_t found_ms = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(parties); i++) {
        if (parties[i] != NULL) {
            found_ms = shorter(found_ms,
                               held ? parties[i]->config->media.hold_timeout_ms
                                    : parties[i]->config->media.timeout_ms);
        }
    }
    return found_ms;
}

static void
on_silence(DmCall *call, DmSide side)
{
    bool held = dm_record_spec(call->record, DM_SIDE_A).direction != DM_MEDIA_BOTH ||
                dm_record_spec(call->record, DM_SIDE_B).direction != DM_MEDIA_BOTH;

    dm_record_add_evidence(call->record,
                           "Neither RTP nor RTCP from side %s for %u s%s",
                           side == DM_SIDE_A ? "A" : "B",
                           timeout_ms(call, held) / 1000,
                           held ? " while on hold" : "");
    dm_call_end(call, DM_Q850_TIMER, "No media", "media_timeout");
}

static void
on_closed(DmCallSession *session, const DmCallMediaEvent *event)
{
    DmCall *call = session->call;
    bool is_current = call->session == session;
    bool expected = session->media == NULL;

    if (is_current) {
        dm_call_record_media(call, event->report, event->verdict);
        call->session = NULL;
    }
    g_ptr_array_remove_fast(call->sessions, session);
    if (is_current && !expected) {
        dm_call_fail(call, 503, DM_Q850_OUT_OF_ORDER, "media_lost");
    }
}

static void
on_latched(DmCall *call, const DmCallMediaEvent *event)
{
    if (event->side == DM_SIDE_B && call->state == DM_CALL_RINGING && call->b != NULL &&
        event->address != NULL) {
        dm_forks_heard(call, event->address);
    }
}

/* Without keys nobody will ever hear anything. */
static void
on_keys_failed(DmCall *call, const DmCallMediaEvent *event)
{
    const char *side = event->side == DM_SIDE_A ? "A" : "B";

    dm_warning(&call->log,
               "no keys for side %s: %s; the call ends",
               side,
               dm_dtls_failure_name(event->failure));
    dm_record_add_evidence(call->record,
                           "DTLS-SRTP with side %s failed: %s",
                           side,
                           dm_dtls_failure_name(event->failure));
    if (call->state >= DM_CALL_ANSWERED) {
        dm_call_end(call, DM_Q850_INCOMPATIBLE, "No keys for SRTP", "dtls_failed");
    } else {
        dm_call_fail(call, 488, DM_Q850_INCOMPATIBLE, "dtls_failed");
    }
}

static void
on_live_event(DmCall *call, const DmCallMediaEvent *event)
{
    switch (event->type) {
    case DM_CALL_MEDIA_TIMEOUT:
        dm_info(&call->log, "side %s is silent", event->side == DM_SIDE_A ? "a" : "b");
        if (!may_be_silent(call)) {
            on_silence(call, event->side);
        }
        break;
    case DM_CALL_MEDIA_AUDIO_CHECK:
        dm_call_record_audio(call, event->report, event->verdict);
        break;
    case DM_CALL_MEDIA_LATCHED:
        dm_info(&call->log,
                "side %s sends from another address than it said",
                event->side == DM_SIDE_A ? "a" : "b");
        on_latched(call, event);
        break;
    case DM_CALL_MEDIA_DIGIT:
        dm_keys_on_pressed(call, event->side, event->key);
        break;
    case DM_CALL_MEDIA_FAX:
        dm_renegotiate_fax_heard(call, event->side);
        break;
    case DM_CALL_MEDIA_PLAY_STARTED:
        dm_early_media_heard(call, event->side);
        break;
    case DM_CALL_MEDIA_KEYS_FAILED:
        on_keys_failed(call, event);
        break;
    case DM_CALL_MEDIA_PLAY_ENDED:
        dm_announcement_on_played(call, event->side);
        break;
    case DM_CALL_MEDIA_CLOSED:
        break;
    }
}

static void
on_media_event(const DmCallMediaEvent *event, void *user_data)
{
    DmCallSession *session = user_data;
    DmCall *call = session->call;

    if (event->type == DM_CALL_MEDIA_CLOSED) {
        on_closed(session, event);
    } else if (call->session == session && !dm_call_is_ending(call)) {
        on_live_event(call, event);
    }
    dm_call_check_over(call);
}

static guint
index_of(const GPtrArray *sessions, const DmCallSession *session)
{
    guint i = 0;

    while (i < sessions->len && g_ptr_array_index(sessions, i) != session) {
        i++;
    }
    return i;
}

static bool
has_pools(const DmCallSession *session, const unsigned pool[DM_N_SIDES])
{
    return session != NULL && memcmp(session->pool, pool, sizeof(session->pool)) == 0;
}

/* In place of the one there is. */
static void
take_session(DmCall *call, DmCallSession *session)
{
    dm_call_media_close(call);
    session->call = call;
    call->session = session;
    memset(call->plays_hold, 0, sizeof(call->plays_hold));
    g_ptr_array_add(call->sessions, session);
}

/* False: none, and the one there is stays. */
static bool
open_session(DmCall *call, const unsigned pool[DM_N_SIDES])
{
    g_autoptr(GError) error = NULL;
    DmCallSession *session = g_new0(DmCallSession, 1);

    session->call = call;
    memcpy(session->pool, pool, sizeof(session->pool));
    session->is_beside = call->of != NULL;
    session->media =
        call->deps->media->open(call->deps->media_engine, pool, on_media_event, session, &error);
    if (session->media == NULL) {
        dm_warning(&call->log, "no media: %s; the call is refused", error->message);
        dm_record_add_evidence(call->record, "No media ports: %s", error->message);
        g_free(session);
        return false;
    }
    take_session(call, session);
    call->record->has_media = true;
    return true;
}

/* The new call of a transfer uses the ports of the one it comes from, where the newcomer can reach
 * them: then the one who stays never hears of another address. */
static bool
open_beside(DmCall *call, const DmTrunkConfig *b)
{
    const DmCall *of = call->of;
    unsigned pool[DM_N_SIDES];

    if (of->session == NULL) {
        return false;
    }
    memcpy(pool, of->session->pool, sizeof(pool));
    pool[of->transfer->place] = pool_of(call->config, b);
    if (has_pools(of->session, pool)) {
        dm_call_media_close(call);
        return true;
    }
    return has_pools(call->session, pool) || open_session(call, pool);
}

bool
dm_call_media_open(DmCall *call, const DmTrunkConfig *b)
{
    unsigned pool[DM_N_SIDES] = {pool_of(call->config, call->a->config), pool_of(call->config, b)};

    if (call->of != NULL) {
        return open_beside(call, b);
    }
    if (has_pools(call->session, pool)) {
        return true;
    }
    dm_call_media_close(call); /* its ports first */
    return open_session(call, pool);
}

static void
adopt_session(DmCall *host, DmCall *from)
{
    DmCallSession *session = g_steal_pointer(&from->session);

    g_ptr_array_steal_index_fast(from->sessions, index_of(from->sessions, session));
    session->is_beside = false;
    take_session(host, session);
}

bool
dm_call_media_fit(DmCall *host, DmSide place, const DmParty *in)
{
    DmCall *from = in->call;
    unsigned pool[DM_N_SIDES];

    if (host->session == NULL || host->session->media == NULL) {
        return false;
    }
    if (from->session != NULL && from->session->is_beside) {
        adopt_session(host, from);
        return true;
    }
    memcpy(pool, host->session->pool, sizeof(pool));
    pool[place] = pool_of(in->home->config, in->config);
    return has_pools(host->session, pool) || open_session(host, pool);
}

const DmAddress *
dm_call_media_local(const DmCall *call, DmSide side)
{
    const DmCall *of = call->of;

    if (of != NULL) {
        return call->deps->media->local(
            call->session != NULL ? call->session->media : of->session->media,
            side == DM_SIDE_B ? of->transfer->place : dm_side_other(of->transfer->place));
    }
    return call->deps->media->local(call->session->media, side);
}

const DmFingerprint *
dm_call_media_fingerprint(const DmCall *call)
{
    static const DmFingerprint none;
    const DmCallSession *session = call->session != NULL ? call->session : call->of->session;
    const DmFingerprint *own = call->deps->media->fingerprint(session->media);

    return own != NULL ? own : &none;
}

void
dm_call_media_update(DmCall *call, bool answered)
{
    DmMediaSpec spec = {.answered = answered, .modem_tones = call->fax_in_g711};

    if (call->media_waits || call->of != NULL || call->session == NULL || call->a == NULL ||
        call->b == NULL || call->a->agreed == NULL || call->b->agreed == NULL) {
        return;
    }
    spec.side[DM_SIDE_A] = dm_party_spec(call->a);
    spec.side[DM_SIDE_B] = dm_party_spec(call->b);
    dm_forks_fill(call->b, &spec.side[DM_SIDE_B]);
    spec.fax_signs = answered && !call->fax_in_g711 ? dm_fax_signs(call->a, call->b) : 0;
    spec.timeout_ms = timeout_ms(call, false);
    spec.hold_timeout_ms = timeout_ms(call, true);
    dm_record_set_agreed(call->record, DM_SIDE_A, call->a->agreed);
    dm_record_set_agreed(call->record, DM_SIDE_B, call->b->agreed);
    call->deps->media->update(call->session->media, &spec);
    explicit_bzero(&spec, sizeof spec); /* keys */
}

bool
dm_call_media_open_alone(DmCall *call)
{
    unsigned own = pool_of(call->config, call->a->config);
    unsigned pool[DM_N_SIDES] = {own, own};

    return call->session != NULL ? call->session->media != NULL : open_session(call, pool);
}

/* The side that is not there has the caller's own codecs, so that what is played can be made for
 * the caller, and nothing else. */
void
dm_call_media_update_alone(DmCall *call)
{
    DmMediaSpec spec = {.side = {dm_party_spec(call->a)}};
    DmMediaSideSpec *caller = &spec.side[DM_SIDE_A];
    DmMediaSideSpec *absent = &spec.side[DM_SIDE_B];

    caller->direction &= DM_MEDIA_SEND;
    absent->n_recv = caller->n_recv;
    absent->n_send = caller->n_send;
    memcpy(absent->recv, caller->recv, sizeof absent->recv);
    memcpy(absent->send, caller->send, sizeof absent->send);
    dm_record_set_agreed(call->record, DM_SIDE_A, call->a->agreed);
    call->deps->media->update(call->session->media, &spec);
    explicit_bzero(&spec, sizeof spec); /* keys */
}

void
dm_call_media_play(DmCall *call, DmSide side, const DmPlay *play)
{
    if (call->session != NULL && call->session->media != NULL) {
        call->deps->media->play(call->session->media, side, play);
    }
}

void
dm_call_media_stop(DmCall *call, DmSide side)
{
    if (call->session != NULL && call->session->media != NULL) {
        call->deps->media->stop(call->session->media, side);
    }
}

void
dm_call_media_press(DmCall *call, DmSide from, char key, unsigned ms)
{
    if (call->session != NULL && call->session->media != NULL) {
        call->deps->media->press(call->session->media, from, key, ms);
    }
}

void
dm_call_media_close(DmCall *call)
{
    DmCallMedia *media = call->session != NULL ? call->session->media : NULL;

    if (media == NULL) {
        return;
    }
    call->session->media = NULL;
    call->deps->media->close(media);
    if (!dm_call_is_ending(call)) {
        call->session = NULL; /* replaced: its report is of no interest */
    }
}

void
dm_call_media_refresh(DmCall *call)
{
    DmMediaReport report = dm_record_report(call->record);

    if (call->session != NULL && call->session->media != NULL) {
        call->deps->media->report(call->session->media, &report);
        dm_record_set_report(call->record, &report);
    }
}

static bool
flows(const DmMediaSideSpec *from, const DmMediaSideSpec *to, bool transcode)
{
    for (unsigned i = 0; i < from->n_recv; i++) {
        for (unsigned k = 0; k < to->n_send; k++) {
            if (dm_format_bridges(&from->recv[i], &to->send[k], transcode)) {
                return true;
            }
        }
    }
    return false;
}

bool
dm_parties_bridge(const DmParty *a, const DmParty *b)
{
    const DmMediaSideSpec at_a = dm_party_spec(a);
    const DmMediaSideSpec at_b = dm_party_spec(b);

    if (at_a.is_t38 || at_b.is_t38) {
        return (at_a.is_t38 || dm_fax_has_g711(a)) && (at_b.is_t38 || dm_fax_has_g711(b));
    }
    return flows(&at_a, &at_b, b->transcode) && flows(&at_b, &at_a, b->transcode);
}
