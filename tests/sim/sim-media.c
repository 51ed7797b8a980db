/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim-media.h"

#include "gateway/base/error.h"

#define CHECK_US (5 * G_USEC_PER_SEC)

struct SimMedia {
    DmLoop *loop;
    DmRandom *random;
    size_t n_open;
    uint16_t next_port;
    bool is_perfect;
};

struct DmCallMedia {
    SimMedia *engine;
    DmCallMediaFunc on_event;
    void *user_data;
    DmAddress local[DM_N_SIDES];
    DmMediaSpec spec;
    bool closed;
    DmTimer timer, timeout;
};

static void
report(const DmCallMedia *media, DmMediaReport *out)
{
    g_assert_false(media->closed);
    *out = (DmMediaReport){.answered_mono_us = media->spec.answered ? 1 : 0};
}

static void
tell(DmCallMedia *media, DmCallMediaEventType type)
{
    DmMediaReport numbers = {0};
    DmCallMediaEvent event = {.type = type, .verdict = DM_AUDIO_BOTH, .report = &numbers};

    media->on_event(&event, media->user_data);
}

static void
on_check(DmTimer *timer, void *user_data)
{
    tell(user_data, DM_CALL_MEDIA_AUDIO_CHECK);
}

/* As if a side had fallen silent: rare, but it must end the call by itself. */
static void
on_timeout(DmTimer *timer, void *user_data)
{
    tell(user_data, DM_CALL_MEDIA_TIMEOUT);
}

static DmCallMedia *
open_media(void *engine,
           const unsigned pool[DM_N_SIDES],
           DmCallMediaFunc on_event,
           void *user_data,
           GError **error)
{
    SimMedia *own = engine;
    DmCallMedia *media;

    if (!own->is_perfect && dm_random_range(own->random, 0, 199) == 0) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_LIMIT, "no port left");
        return NULL;
    }
    media = g_new0(DmCallMedia, 1);
    media->engine = own;
    media->on_event = on_event;
    media->user_data = user_data;
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        own->next_port = own->next_port >= 39998 ? 30000 : own->next_port + 2;
        dm_address_parse(&media->local[side], "192.0.2.1", own->next_port);
    }
    own->n_open++;
    return media;
}

static const DmFingerprint *
fingerprint(DmCallMedia *media)
{
    static const DmFingerprint own = {.hash = DM_FINGERPRINT_SHA_256, .bytes = {0xda}};

    return &own;
}

static const DmAddress *
local(const DmCallMedia *media, DmSide side)
{
    g_assert_false(media->closed);
    return &media->local[side];
}

static void
update(DmCallMedia *media, const DmMediaSpec *spec)
{
    bool answered = spec->answered && !media->spec.answered;

    g_assert_false(media->closed);
    media->spec = *spec;
    if (answered) {
        dm_loop_arm(media->engine->loop, &media->timer, CHECK_US, on_check, media);
        if (!media->engine->is_perfect && dm_random_range(media->engine->random, 0, 99) == 0) {
            dm_loop_arm(media->engine->loop,
                        &media->timeout,
                        60 * G_USEC_PER_SEC,
                        on_timeout,
                        media);
        }
    }
}

static void
play(DmCallMedia *media, DmSide side, const DmPlay *what)
{
    g_assert_false(media->closed);
}

static void
stop(DmCallMedia *media, DmSide side)
{
    g_assert_false(media->closed);
}

static void
press(DmCallMedia *media, DmSide from, char key, unsigned ms)
{
    g_assert_false(media->closed);
}

static void
on_closed(DmTimer *timer, void *user_data)
{
    DmCallMedia *media = user_data;

    tell(media, DM_CALL_MEDIA_CLOSED);
    media->engine->n_open--;
    g_free(media);
}

static void
close_media(DmCallMedia *media)
{
    g_assert_false(media->closed);
    media->closed = true;
    dm_timer_disarm(&media->timeout);
    dm_loop_arm(media->engine->loop, &media->timer, 1000, on_closed, media);
}

SimMedia *
sim_media_new(DmLoop *loop, DmRandom *random)
{
    SimMedia *media = g_new0(SimMedia, 1);

    media->loop = loop;
    media->random = random;
    media->next_port = 30000;
    return media;
}

void
sim_media_free(SimMedia *media)
{
    g_free(media);
}

void
sim_media_set_perfect(SimMedia *media)
{
    media->is_perfect = true;
}

/* No audio is simulated: nothing is ever recorded. */
static bool
record(DmCallMedia *media, const DmRecordSpec *spec, GError **error)
{
    g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFLICT, "not simulated");
    return false;
}

static bool
pause_recording(DmCallMedia *media, bool paused)
{
    return false;
}

static bool
end_recording(DmCallMedia *media)
{
    return false;
}

const DmMediaOps *
sim_media_ops(void)
{
    static const DmMediaOps ops = {
        .open = open_media,
        .local = local,
        .fingerprint = fingerprint,
        .update = update,
        .play = play,
        .stop = stop,
        .press = press,
        .record = record,
        .pause_recording = pause_recording,
        .end_recording = end_recording,
        .report = report,
        .close = close_media,
    };

    return &ops;
}

size_t
sim_media_n_open(const SimMedia *media)
{
    return media->n_open;
}
