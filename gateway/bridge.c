/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/bridge.h"

#include "gateway/base/mailbox.h"
#include "gateway/base/thread.h"
#include "media/session.h"

struct DmBridge {
    DmMedia *media;
    DmMailbox *mailbox;
    size_t n_open;
};

struct DmCallMedia {
    DmBridge *bridge;
    DmMediaSession *session; /* NULL once closed */
    DmCallMediaFunc on_event;
    void *user_data;
};

typedef struct {
    DmMessage message;
    DmCallMedia *media;
    DmMediaEvent event;
} EventMessage;

/* Which media events a call hears, and as what. */
static const struct {
    bool wanted;
    DmCallMediaEventType type;
} event_map[] = {
    [DM_MEDIA_EVENT_FIRST_PACKET] = {false, 0},
    [DM_MEDIA_EVENT_LATCHED] = {true, DM_CALL_MEDIA_LATCHED},
    [DM_MEDIA_EVENT_TIMEOUT] = {true, DM_CALL_MEDIA_TIMEOUT},
    [DM_MEDIA_EVENT_AUDIO_CHECK] = {true, DM_CALL_MEDIA_AUDIO_CHECK},
    [DM_MEDIA_EVENT_DIGIT] = {true, DM_CALL_MEDIA_DIGIT},
    [DM_MEDIA_EVENT_FAX] = {true, DM_CALL_MEDIA_FAX},
    [DM_MEDIA_EVENT_PLAY_STARTED] = {true, DM_CALL_MEDIA_PLAY_STARTED},
    [DM_MEDIA_EVENT_PLAY_ENDED] = {true, DM_CALL_MEDIA_PLAY_ENDED},
    [DM_MEDIA_EVENT_KEYED] = {false, 0},
    [DM_MEDIA_EVENT_KEYS_FAILED] = {true, DM_CALL_MEDIA_KEYS_FAILED},
    [DM_MEDIA_EVENT_CLOSED] = {true, DM_CALL_MEDIA_CLOSED},
};

/* On the media worker's thread: copy and post, nothing else. */
static void
on_media_event(const DmMediaEvent *event, void *user_data)
{
    DmCallMedia *media = user_data;
    EventMessage *message;

    if (!event_map[event->type].wanted) {
        return;
    }
    message = g_new0(EventMessage, 1);
    message->media = media;
    message->event = *event;
    dm_mailbox_post(media->bridge->mailbox, &message->message);
}

static void
on_message(DmMessage *message, void *user_data)
{
    g_autofree EventMessage *own = (EventMessage *)message;
    DmBridge *bridge = user_data;
    DmCallMedia *media = own->media;
    bool last = own->event.type == DM_MEDIA_EVENT_CLOSED;
    DmCallMediaEvent event = {
        .type = event_map[own->event.type].type,
        .side = own->event.side,
        .verdict = own->event.verdict,
        .report = &own->event.report,
        .key = own->event.digit,
        .failure = own->event.failure,
        .address = &own->event.address,
    };

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    /* After close() a call waits for the last event only. */
    if (last || media->session != NULL) {
        media->on_event(&event, media->user_data);
    }
    if (last) {
        bridge->n_open--;
        g_free(media);
    }
}

static void
drop_message(DmMessage *message)
{
    EventMessage *own = (EventMessage *)message;

    if (own->event.type == DM_MEDIA_EVENT_CLOSED) {
        g_free(own->media);
    }
    g_free(own);
}

DmBridge *
dm_bridge_new(DmLoop *loop, DmMedia *media)
{
    DmBridge *bridge = g_new0(DmBridge, 1);

    bridge->media = media;
    bridge->mailbox = dm_mailbox_new(loop, on_message, drop_message, bridge);
    return bridge;
}

void
dm_bridge_free(DmBridge *bridge)
{
    if (bridge == NULL) {
        return;
    }
    dm_mailbox_free(bridge->mailbox);
    g_free(bridge);
}

static DmCallMedia *
open_media(void *engine,
           const unsigned pool[DM_N_SIDES],
           DmCallMediaFunc on_event,
           void *user_data,
           GError **error)
{
    DmBridge *bridge = engine;
    g_autofree DmCallMedia *media = g_new0(DmCallMedia, 1);
    DmMediaOpen open = {
        .pool = {pool[DM_SIDE_A], pool[DM_SIDE_B]},
        .on_event = on_media_event,
        .user_data = media,
    };

    media->bridge = bridge;
    media->on_event = on_event;
    media->user_data = user_data;
    media->session = dm_media_session_open(bridge->media, &open, error);
    if (media->session == NULL) {
        return NULL;
    }
    bridge->n_open++;
    return g_steal_pointer(&media);
}

static const DmAddress *
local_address(const DmCallMedia *media, DmSide side)
{
    return dm_media_session_local(media->session, side);
}

static const DmFingerprint *
own_fingerprint(DmCallMedia *media)
{
    return dm_media_session_fingerprint(media->session);
}

static void
update_media(DmCallMedia *media, const DmMediaSpec *spec)
{
    dm_media_session_update(media->session, spec);
}

static void
play_media(DmCallMedia *media, DmSide side, const DmPlay *play)
{
    dm_media_session_play(media->session, side, play);
}

static void
stop_media(DmCallMedia *media, DmSide side)
{
    dm_media_session_stop(media->session, side);
}

static bool
record_media(DmCallMedia *media, const DmRecordSpec *spec, GError **error)
{
    return dm_media_session_record(media->session, spec, error);
}

static bool
pause_recording(DmCallMedia *media, bool paused)
{
    return dm_media_session_pause_recording(media->session, paused);
}

static bool
end_recording(DmCallMedia *media)
{
    return dm_media_session_end_recording(media->session);
}

static void
press_key(DmCallMedia *media, DmSide from, char key, unsigned ms)
{
    dm_media_session_press(media->session, from, key, ms);
}

static void
report_media(const DmCallMedia *media, DmMediaReport *out)
{
    dm_media_session_report(media->session, out);
}

static void
close_media(DmCallMedia *media)
{
    dm_media_session_close(g_steal_pointer(&media->session));
}

const DmMediaOps *
dm_bridge_ops(void)
{
    static const DmMediaOps ops = {
        .open = open_media,
        .local = local_address,
        .fingerprint = own_fingerprint,
        .update = update_media,
        .play = play_media,
        .stop = stop_media,
        .press = press_key,
        .record = record_media,
        .pause_recording = pause_recording,
        .end_recording = end_recording,
        .report = report_media,
        .close = close_media,
    };

    return &ops;
}

size_t
dm_bridge_n_open(const DmBridge *bridge)
{
    return bridge->n_open;
}
