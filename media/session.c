/* SPDX-License-Identifier: Apache-2.0 */
#include "media/session.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "media/dtls/identity.h"
#include "media/fax/path.h"
#include "media/media-priv.h"
#include "media/path/activity.h"
#include "media/path/checks.h"
#include "media/path/control.h"
#include "media/path/flow.h"
#include "media/path/handshake.h"
#include "media/path/judge.h"
#include "media/path/player.h"
#include "media/path/samples.h"
#include "media/path/secure.h"
#include "media/record/recorder.h"
#include "media/rtp/published.h"
#include "media/session-priv.h"
#include "media/sound.h"
#include "media/verdict.h"

DM_LOG_TOPIC("media");

#define AUDIO_CHECK_US (5 * G_USEC_PER_SEC)

/* Ports of our pool that another program holds are passed over this often. */
#define MAX_BUSY_PORTS 16

/* No RTP payload type, so that the next packet looks up its rule. */
#define NO_PT 0xff

typedef struct {
    DmWorkerCommand command;
    DmMediaSession *session;
    DmMediaSpec *spec; /* update only */
    DmSide side;       /* play, stop and press */
    DmPlay play;
    char key;
    unsigned key_ms;
    struct DmRecording *recording; /* begin; the session's reference */
    bool paused;
} SessionCommand;

/*
 * Opening, on a signalling thread
 */

/* What both sides need of it. */
typedef struct {
    uint32_t port[DM_N_SIDES];
    uint32_t ssrc[DM_N_SIDES];
    uint32_t timestamp[DM_N_SIDES];
    uint16_t sequence[DM_N_SIDES];
    uint8_t name[DM_N_SIDES][DM_CONTROL_NAME_LEN];
} Randomness;

static bool
open_pair(DmStream *stream, const DmMediaPool *pool, uint16_t port)
{
    DmAddress address = pool->address;

    dm_address_set_port(&address, port);
    stream->fd = dm_udp_open(&address, pool->dscp);
    if (stream->fd < 0) {
        return false;
    }
    dm_address_set_port(&address, (uint16_t)(port + 1));
    stream->rtcp_fd = dm_udp_open(&address, pool->dscp);
    if (stream->rtcp_fd < 0) {
        int saved = errno;

        close(stream->fd);
        stream->fd = -1;
        errno = saved;
        return false;
    }
    return true;
}

static void
set_local(DmStream *stream, const DmMediaPool *pool)
{
    stream->local = dm_address_is_set(&pool->advertised) ? pool->advertised : pool->address;
    dm_address_set_port(&stream->local, stream->port);
}

static bool
take_ports(DmStream *stream, const DmMediaPoolState *pool, uint32_t random, GError **error)
{
    int64_t now_us = dm_clock_mono_us(dm_clock_system());

    for (unsigned busy = 0; busy < MAX_BUSY_PORTS; busy++) {
        uint16_t port;

        if (!dm_ports_take(pool->ports, random + busy, now_us, &port)) {
            g_set_error_literal(error, DM_ERROR, DM_ERROR_LIMIT, "no media port left");
            return false;
        }
        if (open_pair(stream, &pool->spec, port)) {
            stream->ports = pool->ports;
            stream->port = port;
            set_local(stream, &pool->spec);
            return true;
        }
        /* It rests like any other and is tried again later. */
        dm_ports_give_back(pool->ports, port, now_us);
        if (errno != EADDRINUSE) {
            break;
        }
    }
    dm_error_set_errno(error, errno, "media port");
    return false;
}

static void
init_stream(DmStream *stream, DmSide side, const Randomness *random)
{
    stream->side = (uint8_t)side;
    stream->fd = -1;
    stream->rtcp_fd = -1;
    stream->rule.pt_in = NO_PT;
    dm_rtp_continuity_init(&stream->out,
                           random->ssrc[side],
                           random->sequence[side],
                           random->timestamp[side]);
    dm_control_init(stream, random->name[side]);
}

static void
close_stream(DmStream *stream, int64_t now_us)
{
    if (stream->ports == NULL) {
        return;
    }
    close(stream->fd);
    close(stream->rtcp_fd);
    dm_ports_give_back(stream->ports, stream->port, now_us);
}

static DmMediaSession *
session_new(const DmMediaOpen *open, const Randomness *random)
{
    DmMediaSession *session = g_aligned_alloc0(1, sizeof *session, alignof(DmMediaSession));

    session->on_event = open->on_event;
    session->user_data = open->user_data;
    session->opened_us = dm_clock_mono_us(dm_clock_system());
    session->wall_offset_us = dm_clock_wall_us(dm_clock_system()) - session->opened_us;
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        init_stream(&session->stream[side], (DmSide)side, random);
    }
    return session;
}

static void
drop_recordings(DmMediaSession *session)
{
    for (unsigned i = 0; i < session->n_recordings; i++) {
        dm_recording_unref(session->recordings[i]);
    }
}

static void
clear_stream(DmStream *stream)
{
    dm_latch_clear(&stream->latch);
    g_free(dm_published(stream->latched));
    g_free(dm_published(stream->judge.told));
    g_free((void *)stream->plan);
}

static void
session_free(DmMediaSession *session)
{
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        clear_stream(&session->stream[side]);
    }
    drop_recordings(session);
    dm_dtls_identity_unref(session->identity);
    g_aligned_free(session);
}

static void
close_streams(DmMediaSession *session, int64_t now_us)
{
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        close_stream(&session->stream[side], now_us);
    }
}

static void enter(DmWorkerCommand *base);
static void update(DmWorkerCommand *base);
static void press(DmWorkerCommand *base);
static void play(DmWorkerCommand *base);
static void stop_play(DmWorkerCommand *base);
static void leave(DmWorkerCommand *base);
static void begin_recording(DmWorkerCommand *base);
static void pause_recording(DmWorkerCommand *base);
static void end_recording(DmWorkerCommand *base);

static DmWorkerCommand *
command_new(DmMediaSession *session, void (*run)(DmWorkerCommand *command), const DmMediaSpec *spec)
{
    SessionCommand *command = g_new0(SessionCommand, 1);

    command->command.run = run;
    command->session = session;
    command->spec = g_memdup2(spec, spec != NULL ? sizeof *spec : 0);
    return &command->command;
}

DmMediaSession *
dm_media_session_open(DmMedia *media, const DmMediaOpen *open, GError **error)
{
    Randomness random;
    DmMediaSession *session;

    g_return_val_if_fail(open->pool[DM_SIDE_A] < media->n_pools &&
                             open->pool[DM_SIDE_B] < media->n_pools,
                         NULL);

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        dm_error_set_errno(error, errno, "random numbers");
        return NULL;
    }
    session = session_new(open, &random);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        if (!take_ports(&session->stream[side],
                        &media->pools[open->pool[side]],
                        random.port[side],
                        error)) {
            dm_count(&media->stats[DM_MEDIA_STAT_no_port]);
            close_streams(session, session->opened_us);
            session_free(session);
            return NULL;
        }
    }
    dm_count(&media->stats[DM_MEDIA_STAT_sessions]);
    dm_count(&media->stats[DM_MEDIA_STAT_sessions_active]);
    session->worker = dm_media_choose_worker(media);
    session->recorder = media->recorder;
    session->media = media;
    /* Nothing is relayed before the first update, which takes this along. */
    dm_worker_post_unhurried(session->worker, command_new(session, enter, NULL));
    return session;
}

const DmAddress *
dm_media_session_local(const DmMediaSession *session, DmSide side)
{
    return &session->stream[side].local;
}

const DmFingerprint *
dm_media_session_fingerprint(DmMediaSession *session)
{
    int64_t now_us = dm_clock_mono_us(dm_clock_system());
    g_autoptr(GError) error = NULL;

    if (session->identity == NULL) {
        session->identity = dm_dtls_keeper_take(session->media->keeper, now_us, &error);
    }
    if (session->identity == NULL) {
        dm_error(NULL, "%s; calls that need it will fail", error->message);
        return NULL;
    }
    return dm_dtls_identity_fingerprint(session->identity);
}

void
dm_media_session_update(DmMediaSession *session, const DmMediaSpec *spec)
{
    dm_worker_post(session->worker, command_new(session, update, spec));
}

void
dm_media_session_play(DmMediaSession *session, DmSide side, const DmPlay *what)
{
    DmWorkerCommand *base = command_new(session, play, NULL);
    SessionCommand *command = (SessionCommand *)base;

    command->side = side;
    command->play = *what;
    if (what->sound != NULL) {
        dm_sound_ref(what->sound);
    }
    dm_worker_post(session->worker, base);
}

void
dm_media_session_press(DmMediaSession *session, DmSide from, char key, unsigned ms)
{
    DmWorkerCommand *base = command_new(session, press, NULL);
    SessionCommand *command = (SessionCommand *)base;

    command->side = from;
    command->key = key;
    command->key_ms = ms;
    dm_worker_post(session->worker, base);
}

void
dm_media_session_stop(DmMediaSession *session, DmSide side)
{
    DmWorkerCommand *base = command_new(session, stop_play, NULL);

    ((SessionCommand *)base)->side = side;
    dm_worker_post(session->worker, base);
}

/* The last one may have come to its end by itself. */
static bool
is_recording(const DmMediaSession *session)
{
    DmMediaRecording last;

    if (!session->is_recorded) {
        return false;
    }
    dm_recording_read(session->recordings[session->n_recordings - 1], &last);
    return last.state != DM_RECORDING_FAILED;
}

bool
dm_media_session_record(DmMediaSession *session, const DmRecordSpec *spec, GError **error)
{
    unsigned n = session->n_recordings;
    DmWorkerCommand *base;

    if (is_recording(session)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFLICT, "the call is being recorded");
        return false;
    }
    if (n == DM_MEDIA_MAX_RECORDINGS) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFLICT,
                    "a call has at most %u recordings",
                    DM_MEDIA_MAX_RECORDINGS);
        return false;
    }
    session->recordings[n] = dm_recorder_start(session->recorder, spec);
    atomic_store_explicit(&session->n_recordings, n + 1, memory_order_release);
    session->is_recorded = true;
    base = command_new(session, begin_recording, NULL);
    ((SessionCommand *)base)->recording = session->recordings[n];
    dm_worker_post(session->worker, base);
    return true;
}

bool
dm_media_session_pause_recording(DmMediaSession *session, bool paused)
{
    DmWorkerCommand *base;

    if (!is_recording(session)) {
        return false;
    }
    base = command_new(session, pause_recording, NULL);
    ((SessionCommand *)base)->paused = paused;
    dm_worker_post(session->worker, base);
    return true;
}

bool
dm_media_session_end_recording(DmMediaSession *session)
{
    if (!is_recording(session)) {
        return false;
    }
    session->is_recorded = false;
    dm_worker_post(session->worker, command_new(session, end_recording, NULL));
    return true;
}

void
dm_media_session_close(DmMediaSession *session)
{
    dm_worker_post(session->worker, command_new(session, leave, NULL));
}

/*
 * Reporting, on any thread
 */

/* 0: never. Milliseconds of 32 bits are all that is kept of it for each packet. */
static int64_t
last_rx_us(const DmStream *stream, int64_t now_us)
{
    int32_t silent_ms = (int32_t)((uint32_t)(now_us / 1000) - dm_published(stream->last_rx_ms));

    if (dm_published(stream->rx_packets) == 0) {
        return 0;
    }
    return MAX((now_us / 1000 - MAX(silent_ms, 0)) * 1000, dm_published(stream->first_rx_us));
}

static void
report_side(const DmStream *stream, int64_t now_us, DmMediaSideReport *out)
{
    uint32_t clock_hz = dm_published(stream->clock_hz);
    uint32_t format = dm_published(stream->format);

    *out = (DmMediaSideReport){
        .rx_packets = dm_published(stream->rx_packets),
        .rx_bytes = dm_published(stream->rx_bytes),
        .tx_packets = dm_published(stream->tx_packets),
        .tx_bytes = dm_published(stream->tx_bytes),
        .rx_lost = dm_rtp_sequence_lost(&stream->rx),
        .rx_out_of_order = dm_published(stream->rx_out_of_order),
        .rx_duplicates = dm_published(stream->rx_duplicates),
        .rx_foreign_source = dm_published(stream->rx_foreign_source),
        .rx_unknown_pt = dm_published(stream->rx_unknown_pt),
        .rx_invalid = dm_published(stream->rx_invalid),
        .rx_srtp_auth = dm_published(stream->rx_srtp_auth),
        .rx_srtp_replayed = dm_published(stream->rx_srtp_replayed),
        .srtp_suite = (uint8_t)dm_published(stream->srtp_suite),
        .is_checked = dm_published(stream->is_selected) != 0,
        .rtcp_rx = dm_published(stream->rtcp_rx),
        .rtcp_tx = dm_published(stream->rtcp_tx),
        .dtmf_events = dm_published(stream->dtmf_events),
        .dtmf_duplicates = dm_published(stream->dtmf_duplicates),
        .jitter_us = dm_rtp_sequence_jitter_us(&stream->rx, clock_hz),
        .jitter_max_us = dm_rtp_sequence_jitter_max_us(&stream->rx, clock_hz),
        .peer_mos_x100 = (uint16_t)dm_published(stream->peer_mos_x100),
        .tx_lost = dm_published(stream->tx_lost),
        .tx_jitter_us = dm_published(stream->tx_jitter_us),
        .buffer_ms = dm_published(stream->buffer_ms),
        .buffer_max_ms = dm_published(stream->buffer_max_ms),
        .rtt_us = dm_published(stream->rtt_us),
        .rtt_max_us = dm_published(stream->rtt_max_us),
        .ssrc_rx = dm_published(stream->ssrc_rx),
        .ssrc_tx = stream->out.ssrc,
        .first_rx_mono_us = dm_published(stream->first_rx_us),
        .latched = dm_flow_latched(stream),
        .codec = (DmCodec)(format >> 8),
        .pt = (uint8_t)format,
    };
    out->last_rx_mono_us = last_rx_us(stream, now_us);
    dm_quality_read(&stream->judge.in, &out->in);
    dm_quality_read(&stream->judge.out, &out->out);
    out->told = dm_judge_told(stream);
    if (dm_published(stream->rx.received) > 0) {
        dm_judge_voip(stream, &out->heard);
    }
    out->local = stream->local;
}

static void
report_recordings(const DmMediaSession *session, DmMediaReport *out)
{
    out->n_recordings = atomic_load_explicit(&session->n_recordings, memory_order_acquire);
    for (unsigned i = 0; i < out->n_recordings; i++) {
        dm_recording_read(session->recordings[i], &out->recordings[i]);
    }
}

void
dm_media_session_report(const DmMediaSession *session, DmMediaReport *out_report)
{
    int64_t now_us = dm_clock_mono_us(dm_clock_system());

    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        report_side(&session->stream[side], now_us, &out_report->side[side]);
    }
    dm_fax_report(session, &out_report->fax);
    report_recordings(session, out_report);
    out_report->transcoded = dm_published(session->transcoded);
    out_report->opened_mono_us = session->opened_us;
    out_report->answered_mono_us = dm_published(session->answered_us);
    out_report->closed_mono_us = dm_published(session->closed_us);
}

/*
 * Living, on the worker's thread
 */

static int64_t
now_of(const DmMediaSession *session)
{
    return dm_loop_now_us(dm_worker_loop(session->worker));
}

void
dm_session_emit(DmStream *stream, DmMediaEvent *event)
{
    DmMediaSession *session = dm_stream_session(stream);

    event->side = (DmSide)stream->side;
    if (session->on_event != NULL) {
        session->on_event(event, session->user_data);
    }
}

static void
emit_report(DmStream *stream, DmMediaEventType type)
{
    DmMediaEvent event = {.type = type};
    DmMediaSession *session = dm_stream_session(stream);

    dm_media_session_report(session, &event.report);
    event.verdict = dm_audio_verdict(&event.report, session->expected, now_of(session));
    dm_session_emit(stream, &event);
}

void
dm_session_set_forwarding(DmMediaSession *session)
{
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        DmStream *from = &session->stream[side];
        DmStream *to = dm_stream_other(from);
        bool forward = (from->direction & DM_MEDIA_RECV) != 0 &&
                       (to->direction & DM_MEDIA_SEND) != 0 && dm_address_is_set(&to->remote);

        if (forward && !from->forward) {
            dm_rtp_continuity_splice(&to->out);
        }
        from->forward = forward;
    }
}

static int64_t
alive_us(const DmStream *stream, int64_t now_us)
{
    return MAX(last_rx_us(stream, now_us), stream->rtcp.heard_us);
}

/* A fax machine says nothing in T.38 for as long as it receives a page: with one side alive both
 * are. */
static int64_t
either_alive_us(DmStream *stream, int64_t now_us)
{
    int64_t own_us = alive_us(stream, now_us);

    return stream->udptl ? MAX(own_us, alive_us(dm_stream_other(stream), now_us)) : own_us;
}

/* When @stream will have been silent for too long; never: G_MAXINT64. */
static int64_t
silence_ends_us(DmStream *stream)
{
    const DmMediaSession *session = dm_stream_session(stream);
    uint32_t limit_ms = dm_activity_limit_ms(stream->direction,
                                             dm_stream_other(stream)->direction,
                                             session->timeout_ms,
                                             session->hold_timeout_ms);

    if (limit_ms == 0 || session->silence_from_us == 0 || stream->timeout_told) {
        return G_MAXINT64;
    }
    return MAX(session->silence_from_us, either_alive_us(stream, now_of(session))) +
           limit_ms * INT64_C(1000);
}

static int64_t
audio_check_due_us(const DmMediaSession *session)
{
    int64_t answered_us = dm_published(session->answered_us);

    return answered_us != 0 && !session->audio_checked ? answered_us + AUDIO_CHECK_US : G_MAXINT64;
}

static void
check_audio(DmMediaSession *session, int64_t now_us)
{
    if (now_us < audio_check_due_us(session)) {
        return;
    }
    session->audio_checked = true;
    emit_report(&session->stream[DM_SIDE_A], DM_MEDIA_EVENT_AUDIO_CHECK);
}

static void
check_silence(DmStream *stream, int64_t now_us)
{
    if (now_us < silence_ends_us(stream)) {
        return;
    }
    stream->timeout_told = true;
    dm_worker_count(dm_worker_stats(dm_stream_session(stream)->worker), timeouts);
    emit_report(stream, DM_MEDIA_EVENT_TIMEOUT);
}

static int64_t
judge_due_us(const DmMediaSession *session)
{
    return session->judge_due_us != 0 ? session->judge_due_us : G_MAXINT64;
}

static void
judge(DmMediaSession *session, int64_t now_us)
{
    if (now_us < judge_due_us(session)) {
        return;
    }
    session->judge_due_us = now_us + DM_JUDGE_INTERVAL_US;
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        dm_judge_in(&session->stream[side]);
    }
}

static void
report_to_peer(DmStream *stream, int64_t now_us)
{
    if (now_us >= dm_control_due_us(stream)) {
        dm_control_send(stream, false, now_us);
        dm_flow_unshield(stream);
    }
}

static void on_timer(DmTimer *timer, void *user_data);

static void
arm_timer(DmMediaSession *session)
{
    int64_t due_us = MIN(audio_check_due_us(session), judge_due_us(session));

    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        due_us = MIN(due_us, silence_ends_us(&session->stream[side]));
        due_us = MIN(due_us, dm_control_due_us(&session->stream[side]));
    }
    if (due_us == G_MAXINT64) {
        dm_timer_disarm(&session->timer);
        return;
    }
    dm_loop_arm(dm_worker_loop(session->worker),
                &session->timer,
                MAX(due_us - now_of(session), 0),
                on_timer,
                session);
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    DmMediaSession *session = user_data;
    int64_t now_us = now_of(session);

    check_audio(session, now_us);
    judge(session, now_us);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        check_silence(&session->stream[side], now_us);
        report_to_peer(&session->stream[side], now_us);
    }
    arm_timer(session);
}

static void
command_free(SessionCommand *command)
{
    if (command->spec != NULL) {
        explicit_bzero(command->spec, sizeof *command->spec); /* keys */
    }
    g_free(command->spec);
    dm_sound_unref(command->play.sound);
    g_free(command);
}

static DmWatch *
watch(DmLoop *loop, DmStream *stream, int fd, DmWatchFunc func)
{
    g_autoptr(GError) error = NULL;
    DmWatch *made = dm_loop_watch(loop, fd, EPOLLIN | EPOLLET, func, stream, &error);

    if (made == NULL) {
        dm_error(NULL, "port %u: %s; left unheard", stream->port, error->message);
    }
    return made;
}

static void stop(DmWorkerGuest *guest);

static void
enter(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;
    DmMediaSession *session = command->session;
    DmLoop *loop = dm_worker_loop(session->worker);

    DM_RUNS_ON(DM_THREAD_MEDIA);
    session->guest.stop = stop;
    dm_worker_enter(session->worker, &session->guest);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        DmStream *stream = &session->stream[side];

        stream->reader = dm_flow_on_readable;
        stream->watch = watch(loop, stream, stream->fd, stream->reader);
        stream->rtcp_watch = watch(loop, stream, stream->rtcp_fd, dm_control_on_readable);
    }
    command_free(command);
}

static void
forget_latched(DmStream *stream)
{
    if (dm_published(stream->latched) != NULL) {
        dm_flow_publish_latched(stream, &(DmAddress){0});
    }
}

/* The same agreement again leaves a path that is under way alone. */
static void
plan_stream(DmStream *stream, const DmMediaSpec *spec)
{
    DmSide side = (DmSide)stream->side;
    DmPathPlan plan;
    void (*make_plan)(DmPathPlan *, const DmMediaSideSpec *, const DmMediaSideSpec *) =
        spec->modem_tones ? dm_path_plan_modem : dm_path_plan;

    make_plan(&plan, &spec->side[side], &spec->side[dm_side_other(side)]);
    if (!dm_path_plan_equal(&plan, dm_stream_plan(stream))) {
        dm_samples_stop(stream);
        g_free((void *)stream->plan);
        stream->plan = dm_path_plan_keep(&plan);
        stream->planned = plan.n > 0;
        dm_publish(stream->buffer_limit_ms, plan.jitter.max_ms);
    }
}

/* Which function reads the socket says whether packets are protected, and whether they are alone
 * there: those of other streams are not asked. */
static DmWatchFunc
reader_of(const DmStream *stream)
{
    if (stream->checked || stream->handshake != NULL) {
        return dm_flow_on_mixed_readable;
    }
    return stream->secured ? dm_flow_on_secured_readable : dm_flow_on_readable;
}

static void
secure_stream(DmStream *stream, const DmMediaSideSpec *agreed, bool is_answered)
{
    bool was_other = dm_secure_update(stream, agreed);

    dm_handshake_update(stream, agreed, is_answered);
    if (was_other) {
        dm_flow_unshield(stream);
    }
    if (reader_of(stream) != stream->reader) {
        stream->reader = reader_of(stream);
        dm_watch_remove(stream->watch);
        stream->watch = watch(dm_worker_loop(dm_stream_session(stream)->worker),
                              stream,
                              stream->fd,
                              stream->reader);
    }
}

/* What signalling says of it; nothing where checks are to say it. */
static DmAddress
signalled_address(const DmMediaSideSpec *agreed)
{
    bool is_none = dm_address_is_any(&agreed->remote_rtp) ||
                   dm_address_port(&agreed->remote_rtp) == 0 || agreed->ice.ufrag[0] != '\0';

    return is_none ? (DmAddress){0} : agreed->remote_rtp;
}

static void
update_stream(DmStream *stream, const DmMediaSpec *spec, int64_t now_us)
{
    const DmMediaSideSpec *agreed = &spec->side[stream->side];
    DmAddress remote = signalled_address(agreed);
    DmNatPolicy nat = agreed->ice.ufrag[0] != '\0' ? DM_NAT_NEVER : agreed->nat;

    if (dm_latch_update(&stream->latch, &remote, nat, now_us)) {
        forget_latched(stream);
        dm_flow_unshield(stream);
        stream->remote = remote;
        stream->pinned = false;
    }
    dm_latch_set_rivals(&stream->latch, agreed);
    dm_checks_update(stream, agreed);
    dm_control_update(stream, agreed, now_us);
    secure_stream(stream, agreed, spec->answered);
    plan_stream(stream, spec);
    stream->rule.pt_in = NO_PT;
    stream->direction = agreed->direction;
    stream->heard = false;
    stream->timeout_told = false;
}

static void
update(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;
    DmMediaSession *session = command->session;
    const DmMediaSpec *spec = command->spec;
    int64_t now_us = now_of(session);
    bool is_hold_other = false;

    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        is_hold_other |= session->stream[side].direction != spec->side[side].direction;
        update_stream(&session->stream[side], spec, now_us);
        session->expected[side] = dm_audio_is_expected(&spec->side[side]);
    }
    if (spec->answered && dm_published(session->answered_us) == 0) {
        dm_publish(session->answered_us, now_us);
        session->silence_from_us = now_us;
    } else if (session->silence_from_us != 0 && is_hold_other) {
        session->silence_from_us = now_us;
    }
    if (session->judge_due_us == 0) {
        session->judge_due_us = now_us + DM_JUDGE_INTERVAL_US;
    }
    session->timeout_ms = spec->timeout_ms;
    session->hold_timeout_ms = spec->hold_timeout_ms;
    dm_session_set_forwarding(session);
    dm_fax_update(session, spec);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        dm_player_replan(&session->stream[side]);
    }
    arm_timer(session);
    command_free(command);
}

static void
play(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;

    dm_player_play(&command->session->stream[command->side], &command->play);
    command_free(command);
}

bool
dm_session_take_key(DmStream *stream, char key, DmKeyMethod way, int64_t now_us)
{
    DmMediaEvent event = {.type = DM_MEDIA_EVENT_DIGIT, .digit = key};

    if (!dm_key_once_press(&stream->key_once, key, way, now_us)) {
        dm_publish_add(stream->dtmf_duplicates, 1);
        dm_worker_count(dm_worker_stats(dm_stream_session(stream)->worker), dtmf_duplicates);
        return false;
    }
    dm_publish_add(stream->dtmf_events, 1);
    dm_session_emit(stream, &event);
    return true;
}

static void
press(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;
    DmMediaSession *session = command->session;
    DmStream *from = &session->stream[command->side];

    if (dm_session_take_key(from, command->key, DM_KEYS_SIGNALLED, now_of(session))) {
        dm_worker_count(dm_worker_stats(session->worker), dtmf_info);
        dm_player_press(dm_stream_other(from), command->key, command->key_ms);
    }
    command_free(command);
}

static void
set_taped(DmMediaSession *session, bool taped)
{
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        session->stream[side].taped = taped;
    }
}

static void
end_present_recording(DmMediaSession *session)
{
    set_taped(session, false);
    if (session->recording != NULL) {
        dm_recording_end(g_steal_pointer(&session->recording), now_of(session));
    }
}

static void
begin_recording(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;

    end_present_recording(command->session);
    command->session->recording = command->recording;
    set_taped(command->session, true);
    command_free(command);
}

static void
pause_recording(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;

    if (command->session->recording != NULL) {
        dm_recording_pause(command->session->recording, command->paused);
        set_taped(command->session, !command->paused);
    }
    command_free(command);
}

static void
end_recording(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;

    end_present_recording(command->session);
    command_free(command);
}

static void
stop_play(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;

    dm_player_stop(&command->session->stream[command->side]);
    command_free(command);
}

static void
count_end(const DmMediaSession *session, const DmMediaReport *report, DmAudioVerdict verdict)
{
    int64_t *stats = dm_worker_stats(session->worker);

    stats[DM_MEDIA_STAT_rtp_lost] +=
        (int64_t)(report->side[DM_SIDE_A].rx_lost + report->side[DM_SIDE_B].rx_lost);
    stats[DM_MEDIA_STAT_sessions_active]--;
    stats[DM_MEDIA_STAT_transcoding] -= report->transcoded;
    stats[DM_MEDIA_STAT_no_audio] += verdict == DM_AUDIO_NONE;
}

static void
stop(DmWorkerGuest *guest)
{
    DmMediaSession *session =
        (DmMediaSession *)((char *)guest - G_STRUCT_OFFSET(DmMediaSession, guest));
    DmMediaEvent event = {.type = DM_MEDIA_EVENT_CLOSED};
    int64_t now_us = now_of(session);

    dm_timer_disarm(&session->timer);
    dm_fax_stop(session);
    end_present_recording(session);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        dm_control_send(&session->stream[side], true, now_us);
        dm_judge_in(&session->stream[side]);
        dm_watch_forget(session->stream[side].watch); /* closed below */
        dm_watch_forget(session->stream[side].rtcp_watch);
        dm_samples_stop(&session->stream[side]);
        dm_player_free(&session->stream[side]);
        dm_secure_free(&session->stream[side]);
        dm_handshake_free(&session->stream[side]);
        dm_checks_free(&session->stream[side]);
    }
    dm_publish(session->closed_us, now_us);
    dm_media_session_report(session, &event.report);
    event.verdict = dm_audio_verdict(&event.report, session->expected, now_us);
    count_end(session, &event.report, event.verdict);
    dm_worker_flush_stats(session->worker);
    dm_worker_leave(session->worker, guest);
    /* The ports go first: whoever hears of the end may ask for them. */
    close_streams(session, now_us);
    dm_session_emit(&session->stream[DM_SIDE_A], &event);
    session_free(session);
}

static void
leave(DmWorkerCommand *base)
{
    SessionCommand *command = (SessionCommand *)base;

    stop(&command->session->guest);
    command_free(command);
}
