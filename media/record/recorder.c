/* SPDX-License-Identifier: Apache-2.0 */
#include "media/record/recorder.h"

#include <string.h>
#include <sys/statvfs.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "media/record/sweep.h"
#include "media/record/tape.h"
#include "media/record/track.h"
#include "media/record/wav.h"
#include "media/rtp/published.h"
#include "media/stats.h"

DM_LOG_TOPIC("recorder");

#define TURN_US (100 * INT64_C(1000))
/* Samples wait so long for packets that are late, the other side's, or still in order to be made.
 */
#define SETTLE_MS 700
/* Samples are written in pieces of this length... */
#define PIECE_MS 500
/* ...and the header that counts them so often. */
#define SYNC_US G_USEC_PER_SEC
/* As much as there is room for: settling, a piece, and a turn that was late. */
#define WINDOW_MS 2000

#define SWEEP_US       (INT64_C(3600) * G_USEC_PER_SEC)
#define SWEEP_MORE_US  G_USEC_PER_SEC
#define MAX_SWEPT      500
#define SECONDS_OF_DAY 86400

struct DmRecording {
    /* set when made */
    DmRecordSpec spec;
    char *path;
    int64_t begin_us;
    int64_t n_window; /* frames there is room for */
    DmCounter *stats;

    DmTape tape; /* worker to recorder */

    /* the recorder's */
    DmWav *wav; /* NULL: not begun, or over */
    bool begun;
    DmRecordTrack *track[DM_N_SIDES];
    int16_t *frames; /* a ring: that at @n_written is the next to be written */
    int64_t n_written;
    int64_t synced_us;

    /* written by the worker */
    _Atomic int64_t ended_us; /* 0: goes on */
    _Atomic bool paused;
    _Atomic uint32_t n_dropped;

    /* written by the recorder */
    _Atomic bool failed;
    _Atomic bool closed;
    _Atomic uint32_t duration_ms;
};

struct DmRecorder {
    /* set when made */
    DmCounter *stats;
    DmThread *thread;

    /* the recorder's */
    GPtrArray *recordings; /* DmRecording, a reference each */
    int64_t sweep_us;      /* when next */

    GMutex lock; /* protects what follows */
    GCond news;
    GPtrArray *started; /* DmRecording, a reference each, not seen by the recorder yet */
    char *directory;
    unsigned days;
    bool quit;
};

static int64_t
now_us(void)
{
    return dm_clock_mono_us(dm_clock_system());
}

/*
 * One recording, on the recorder's thread
 */

static int64_t
frames_of_ms(const DmRecording *recording, int64_t ms)
{
    return ms * recording->spec.rate_hz / 1000;
}

static void
fail(DmRecording *recording, const GError *error)
{
    dm_warning(NULL,
               "recording %s: %s; it ends here, the call goes on",
               recording->path,
               error->message);
    dm_publish(recording->failed, true);
    dm_count(&recording->stats[DM_MEDIA_STAT_recordings_failed]);
}

static bool
is_writing(const DmRecording *recording)
{
    return recording->wav != NULL && !dm_published(recording->failed);
}

/* Everything before @until is as it will be. */
static void
write_until(DmRecording *recording, int64_t until)
{
    g_autoptr(GError) error = NULL;

    while (is_writing(recording) && recording->n_written < until) {
        int64_t at = recording->n_written % recording->n_window;
        int64_t n = MIN(until - recording->n_written, recording->n_window - at);
        int16_t *frames = recording->frames + 2 * at;

        if (!dm_wav_write(recording->wav, frames, (size_t)n, &error)) {
            fail(recording, error);
            return;
        }
        memset(frames, 0, (size_t)n * 2 * sizeof *frames);
        recording->n_written += n;
    }
    dm_publish(recording->duration_ms,
               (uint32_t)(recording->n_written * 1000 / recording->spec.rate_hz));
}

static void
place(DmRecording *recording, DmSide side, int64_t at, const int16_t *samples, size_t n)
{
    int64_t end = at + (int64_t)n;

    write_until(recording, end - recording->n_window);
    for (int64_t i = MAX(at, recording->n_written); i < end; i++) {
        recording->frames[2 * (i % recording->n_window) + side] = samples[i - at];
    }
}

static void
place_a(int64_t at, const int16_t *samples, size_t n, void *user_data)
{
    place(user_data, DM_SIDE_A, at, samples, n);
}

static void
place_b(int64_t at, const int16_t *samples, size_t n, void *user_data)
{
    place(user_data, DM_SIDE_B, at, samples, n);
}

/* A full disk stops more than recordings: they end before it is. */
static bool
check_room(const DmRecording *recording, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(recording->path);
    struct statvfs disk;

    if (recording->spec.min_free_mb == 0 || statvfs(folder, &disk) < 0 ||
        (uint64_t)disk.f_bavail * disk.f_frsize / (1024 * 1024) >= recording->spec.min_free_mb) {
        return true;
    }
    g_set_error(error,
                G_FILE_ERROR,
                G_FILE_ERROR_NOSPC,
                "less than %u MB are left on the disk",
                recording->spec.min_free_mb);
    return false;
}

static void
begin(DmRecording *recording)
{
    static const DmRecordTrackFunc places[DM_N_SIDES] = {place_a, place_b};
    g_autoptr(GError) error = NULL;

    recording->begun = true;
    recording->wav = dm_wav_create(recording->path, recording->spec.rate_hz, &error);
    if (recording->wav == NULL || !check_room(recording, &error)) {
        fail(recording, error);
        return;
    }
    recording->synced_us = recording->begin_us;
    recording->frames = g_new0(int16_t, 2 * (size_t)recording->n_window);
    for (DmSide side = 0; side < DM_N_SIDES; side++) {
        recording->track[side] = dm_record_track_new(recording->spec.rate_hz,
                                                     recording->begin_us,
                                                     places[side],
                                                     recording);
    }
}

static void
read_tape(DmRecording *recording)
{
    const DmTapeEntry *entry;

    while ((entry = dm_tape_peek(&recording->tape)) != NULL) {
        if (is_writing(recording) && entry->side < DM_N_SIDES) {
            dm_record_track_input(recording->track[entry->side],
                                  entry,
                                  (const uint8_t *)(entry + 1));
        }
        dm_tape_next(&recording->tape);
    }
}

static void
sync_now_and_then(DmRecording *recording, int64_t at_us)
{
    g_autoptr(GError) error = NULL;

    if (!is_writing(recording) || at_us - recording->synced_us < SYNC_US) {
        return;
    }
    recording->synced_us = at_us;
    if (!dm_wav_sync(recording->wav, &error) || !check_room(recording, &error)) {
        fail(recording, error);
    }
}

static int64_t
frames_until(const DmRecording *recording, int64_t at_us)
{
    return frames_of_ms(recording, (at_us - recording->begin_us) / 1000);
}

/* Returns whether it is over. */
static bool
serve(DmRecording *recording, int64_t at_us)
{
    /* Read before the tape: what was put there before the end is there now. */
    int64_t ended_us = atomic_load_explicit(&recording->ended_us, memory_order_acquire);
    int64_t settled;

    if (!recording->begun) {
        begin(recording);
    }
    read_tape(recording);
    settled = ended_us != 0 ? frames_until(recording, ended_us)
                            : frames_until(recording, at_us) - frames_of_ms(recording, SETTLE_MS);
    if (ended_us != 0 || settled - recording->n_written >= frames_of_ms(recording, PIECE_MS)) {
        write_until(recording, settled);
    }
    sync_now_and_then(recording, at_us);
    return ended_us != 0;
}

static void
finish(DmRecording *recording)
{
    g_clear_pointer(&recording->wav, dm_wav_close);
    for (DmSide side = 0; side < DM_N_SIDES; side++) {
        g_clear_pointer(&recording->track[side], dm_record_track_free);
    }
    g_clear_pointer(&recording->frames, g_free);
    dm_count_add(&recording->stats[DM_MEDIA_STAT_recordings_active], -1);
    dm_publish(recording->closed, true);
}

/*
 * The recorder
 */

static void
take_started(DmRecorder *recorder)
{
    for (guint i = 0; i < recorder->started->len; i++) {
        g_ptr_array_add(recorder->recordings,
                        dm_recording_ref(g_ptr_array_index(recorder->started, i)));
    }
    g_ptr_array_set_size(recorder->started, 0);
}

static void
serve_all(DmRecorder *recorder)
{
    int64_t at_us = now_us();

    for (guint i = recorder->recordings->len; i > 0; i--) {
        DmRecording *recording = g_ptr_array_index(recorder->recordings, i - 1);

        if (serve(recording, at_us)) {
            finish(recording);
            g_ptr_array_remove_index_fast(recorder->recordings, i - 1);
        }
    }
}

/* Under the lock, which is let go while it works. */
static void
sweep_when_due(DmRecorder *recorder)
{
    g_autofree char *directory = g_strdup(recorder->directory);
    int64_t days = recorder->days;
    unsigned n;

    if (now_us() < recorder->sweep_us || days == 0) {
        return;
    }
    g_mutex_unlock(&recorder->lock);
    n = dm_record_sweep(directory,
                        dm_clock_wall_us(dm_clock_system()) / G_USEC_PER_SEC -
                            days * SECONDS_OF_DAY,
                        MAX_SWEPT);
    dm_count_add(&recorder->stats[DM_MEDIA_STAT_recordings_removed], n);
    recorder->sweep_us = now_us() + (n == MAX_SWEPT ? SWEEP_MORE_US : SWEEP_US);
    g_mutex_lock(&recorder->lock);
}

static void
wait_for_news(DmRecorder *recorder)
{
    int64_t until_us = recorder->recordings->len > 0 ? now_us() + TURN_US
                       : recorder->days > 0          ? recorder->sweep_us
                                                     : now_us() + SWEEP_US;

    /* Started ones are taken at once, so that their files begin when they were asked for. */
    if (!recorder->quit && recorder->started->len == 0) {
        g_cond_wait_until(&recorder->news, &recorder->lock, until_us);
    }
}

static void
run(void *user_data)
{
    DmRecorder *recorder = user_data;

    g_mutex_lock(&recorder->lock);
    while (!recorder->quit || recorder->started->len > 0 || recorder->recordings->len > 0) {
        take_started(recorder);
        g_mutex_unlock(&recorder->lock);
        serve_all(recorder);
        g_mutex_lock(&recorder->lock);
        sweep_when_due(recorder);
        wait_for_news(recorder);
    }
    g_mutex_unlock(&recorder->lock);
}

static void
unref_recording(gpointer data)
{
    dm_recording_unref(data);
}

DmRecorder *
dm_recorder_new(DmCounter *stats, GError **error)
{
    DmRecorder *recorder = g_new0(DmRecorder, 1);

    recorder->stats = stats;
    recorder->recordings = g_ptr_array_new_with_free_func(unref_recording);
    recorder->started = g_ptr_array_new_with_free_func(unref_recording);
    g_mutex_init(&recorder->lock);
    g_cond_init(&recorder->news);
    recorder->thread = dm_thread_start(DM_THREAD_RECORDER, "dm-recorder", run, recorder, error);
    if (recorder->thread == NULL) {
        dm_recorder_free(recorder);
        return NULL;
    }
    return recorder;
}

void
dm_recorder_free(DmRecorder *recorder)
{
    if (recorder == NULL) {
        return;
    }
    g_mutex_lock(&recorder->lock);
    recorder->quit = true;
    g_cond_signal(&recorder->news);
    g_mutex_unlock(&recorder->lock);
    dm_thread_join(recorder->thread);
    g_ptr_array_unref(recorder->recordings);
    g_ptr_array_unref(recorder->started);
    g_mutex_clear(&recorder->lock);
    g_cond_clear(&recorder->news);
    g_free(recorder->directory);
    g_free(recorder);
}

void
dm_recorder_keep(DmRecorder *recorder, const char *directory, unsigned days)
{
    g_mutex_lock(&recorder->lock);
    g_free(recorder->directory);
    recorder->directory = g_strdup(directory);
    recorder->days = days;
    recorder->sweep_us = 0;
    g_cond_signal(&recorder->news);
    g_mutex_unlock(&recorder->lock);
}

DmRecording *
dm_recorder_start(DmRecorder *recorder, const DmRecordSpec *spec)
{
    DmRecording *recording = g_atomic_rc_box_new0(DmRecording);

    recording->spec = *spec;
    recording->spec.rate_hz = spec->rate_hz == 16000 ? 16000 : 8000;
    recording->stats = recorder->stats;
    recording->begin_us = now_us();
    recording->n_window = frames_of_ms(recording, WINDOW_MS);
    dm_tape_init(&recording->tape);
    dm_count(&recorder->stats[DM_MEDIA_STAT_recordings]);
    dm_count(&recorder->stats[DM_MEDIA_STAT_recordings_active]);
    g_mutex_lock(&recorder->lock);
    recording->path = g_canonicalize_filename(spec->path, recorder->directory);
    g_ptr_array_add(recorder->started, dm_recording_ref(recording));
    g_cond_signal(&recorder->news);
    g_mutex_unlock(&recorder->lock);
    return recording;
}

DmRecording *
dm_recording_ref(DmRecording *recording)
{
    return g_atomic_rc_box_acquire(recording);
}

static void
clear_recording(gpointer data)
{
    DmRecording *recording = data;

    dm_tape_clear(&recording->tape);
    g_free(recording->path);
}

void
dm_recording_unref(DmRecording *recording)
{
    if (recording != NULL) {
        g_atomic_rc_box_release_full(recording, clear_recording);
    }
}

void
dm_recording_read(const DmRecording *recording, DmMediaRecording *out)
{
    bool over = dm_published(recording->ended_us) != 0;

    *out = (DmMediaRecording){
        .state = dm_published(recording->failed)   ? DM_RECORDING_FAILED
                 : over                            ? DM_RECORDING_DONE
                 : dm_published(recording->paused) ? DM_RECORDING_PAUSED
                                                   : DM_RECORDING_ACTIVE,
        .n_dropped = dm_published(recording->n_dropped),
        .duration_ms = dm_published(recording->duration_ms),
    };
    /* What is still on its way to the file will be there. */
    if (out->state != DM_RECORDING_FAILED && !dm_published(recording->closed)) {
        int64_t until_us = over ? dm_published(recording->ended_us) : now_us();

        out->duration_ms = (uint32_t)((until_us - recording->begin_us) / 1000);
    }
}

/*
 * On the media worker
 */

void
dm_recording_input(DmRecording *recording, DmSide side, const DmPacket *packet)
{
    DmTapeEntry entry = {
        .now_us = packet->now_us,
        .rtp = packet->rtp,
        .clock_hz = packet->rule.clock_in_hz,
        .side = (uint8_t)side,
        .codec = packet->rule.codec,
    };

    if (!dm_tape_push(&recording->tape, &entry, dm_packet_payload(packet))) {
        dm_publish_add(recording->n_dropped, 1);
        dm_count(&recording->stats[DM_MEDIA_STAT_recording_dropped]);
    }
}

void
dm_recording_pause(DmRecording *recording, bool paused)
{
    dm_publish(recording->paused, paused);
}

void
dm_recording_end(DmRecording *recording, int64_t at_us)
{
    atomic_store_explicit(&recording->ended_us, at_us, memory_order_release);
}
