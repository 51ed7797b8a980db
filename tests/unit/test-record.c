/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <utime.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "media/dsp/g711.h"
#include "media/record/recorder.h"
#include "media/record/sweep.h"
#include "media/record/tape.h"
#include "media/record/track.h"
#include "media/record/wav.h"
#include "media/stats.h"
#include "tests/lib/tone.h"

#define FRAME  160
#define HEADER 44

static char *
temp_dir_new(void)
{
    char *folder = g_dir_make_tmp("demarc-test-XXXXXX", NULL);

    g_assert_nonnull(folder);
    return folder;
}

/* With all that is in it. */
static void
temp_dir_remove(const char *folder)
{
    GDir *open = g_dir_open(folder, 0, NULL);
    const char *name;

    while (open != NULL && (name = g_dir_read_name(open)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_unlink(path) != 0) {
            temp_dir_remove(path);
        }
    }
    if (open != NULL) {
        g_dir_close(open);
    }
    g_rmdir(folder);
}

static uint32_t
u32_at(const char *bytes, size_t at)
{
    return (uint8_t)bytes[at] | (uint32_t)(uint8_t)bytes[at + 1] << 8 |
           (uint32_t)(uint8_t)bytes[at + 2] << 16 | (uint32_t)(uint8_t)bytes[at + 3] << 24;
}

/* A file that any program reads: its header agrees with itself and the file. Returns the frames. */
static int16_t *
read_wav(const char *path, unsigned rate_hz, size_t *out_n)
{
    g_autoptr(GError) error = NULL;
    char *bytes;
    gsize len;

    g_file_get_contents(path, &bytes, &len, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(len, >=, HEADER);
    g_assert_cmpmem(bytes, 4, "RIFF", 4);
    g_assert_cmpmem(bytes + 8, 8, "WAVEfmt ", 8);
    g_assert_cmpuint(u32_at(bytes, 24), ==, rate_hz);
    g_assert_cmpuint(u32_at(bytes, 4), ==, u32_at(bytes, 40) + 36);
    g_assert_cmpuint(u32_at(bytes, 40), <=, len - HEADER);
    *out_n = u32_at(bytes, 40) / 4;
    memmove(bytes, bytes + HEADER, 4 * *out_n);
    return (int16_t *)bytes;
}

/*
 * tape
 */

static DmTapeEntry
entry_of(unsigned i, uint16_t len)
{
    return (DmTapeEntry){
        .now_us = i,
        .rtp = {.sequence = (uint16_t)i, .payload_len = len},
        .clock_hz = 8000,
        .side = (uint8_t)(i % 2),
        .codec = DM_CODEC_PCMU,
    };
}

static void
test_tape_keeps_order_and_is_bounded(void)
{
    DmTape tape;
    uint8_t payload[1500];
    unsigned pushed = 0;
    unsigned read = 0;

    g_test_summary("Entries of any length come out as they went in, many times round; what does "
                   "not fit is refused");

    dm_tape_init(&tape);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 100; i++) {
            uint16_t len = (uint16_t)((pushed * 37) % sizeof payload);
            DmTapeEntry entry = entry_of(pushed, len);

            memset(payload, (int)(pushed & 0xff), len);
            if (!dm_tape_push(&tape, &entry, payload)) {
                break;
            }
            pushed++;
        }
        while (dm_tape_peek(&tape) != NULL) {
            const DmTapeEntry *entry = dm_tape_peek(&tape);
            const uint8_t *bytes = (const uint8_t *)(entry + 1);

            g_assert_cmpint(entry->now_us, ==, read);
            g_assert_cmpuint(entry->rtp.payload_len, ==, (read * 37) % sizeof payload);
            for (unsigned i = 0; i < entry->rtp.payload_len; i++) {
                g_assert_cmphex(bytes[i], ==, read & 0xff);
            }
            dm_tape_next(&tape);
            read++;
        }
    }
    g_assert_cmpuint(read, ==, pushed);
    g_assert_cmpuint(pushed, >, 2000);
    g_assert_cmpuint(pushed, <, 5000); /* some were refused */
    dm_tape_clear(&tape);
}

/*
 * track
 */

#define TRACK_SAMPLES 48000

typedef struct {
    int16_t samples[TRACK_SAMPLES];
    int64_t first, end;
} Placed;

static void
on_placed(int64_t at, const int16_t *samples, size_t n, void *user_data)
{
    Placed *placed = user_data;

    g_assert_cmpint(at, >=, 0);
    g_assert_cmpint(at + (int64_t)n, <=, TRACK_SAMPLES);
    memcpy(placed->samples + at, samples, n * sizeof *samples);
    placed->first = placed->end == 0 ? at : placed->first;
    placed->end = MAX(placed->end, at + (int64_t)n);
}

/* One frame of a tone of 1 kHz at the time its number says. */
static void
feed_tone(DmRecordTrack *track, unsigned i, int64_t now_us, uint32_t timestamp)
{
    DmTapeEntry entry = {
        .now_us = now_us,
        .rtp = {.ssrc = 1,
                .sequence = (uint16_t)i,
                .timestamp = timestamp,
                .payload_len = FRAME,
                .pt = 8},
        .clock_hz = 8000,
        .codec = DM_CODEC_PCMA,
    };
    int16_t samples[FRAME] = {0};
    uint8_t payload[FRAME];

    tone_add(samples, FRAME, 1000, 8000, 8000, (size_t)i * FRAME);
    for (unsigned k = 0; k < FRAME; k++) {
        payload[k] = dm_g711_to_alaw(samples[k]);
    }
    dm_record_track_input(track, &entry, payload);
}

static void
test_track_follows_time_stamps(void)
{
    static Placed placed;
    g_autoptr(DmRecordTrack) track = dm_record_track_new(8000, 1000000, on_placed, &placed);

    g_test_summary("Jitter and order of arrival do not show; a packet lost is concealed; silence "
                   "of the peer is silence of its length");

    memset(&placed, 0, sizeof placed);
    for (unsigned i = 0; i < 50; i++) {
        unsigned swapped = i == 20 ? 21 : i == 21 ? 20 : i;

        if (i != 30) {
            feed_tone(track,
                      swapped,
                      1100000 + swapped * 20000 + (swapped % 3) * 4000,
                      swapped * FRAME);
        }
    }
    for (unsigned i = 50; i < 60; i++) { /* a second of silence before */
        feed_tone(track, i, 2100000 + i * 20000, 8000 + i * FRAME);
    }
    g_assert_cmpint(placed.first, ==, 800);
    g_assert_cmpint(placed.end, ==, 800 + 60 * FRAME + 8000);
    for (unsigned at = 800; at < 800 + 50 * FRAME; at += 800) {
        g_assert_cmpfloat(tone_amplitude(placed.samples + at, 800, 1000, 8000), >, 6500);
    }
    for (unsigned at = 800 + 50 * FRAME; at < 800 + 50 * FRAME + 8000; at++) {
        g_assert_cmpint(placed.samples[at], ==, 0);
    }
}

static void
test_track_follows_the_wall_where_time_stamps_lie(void)
{
    static Placed placed;
    g_autoptr(DmRecordTrack) track = dm_record_track_new(8000, 0, on_placed, &placed);

    g_test_summary("A timestamp that leaps, and one that stands still");

    memset(&placed, 0, sizeof placed);
    feed_tone(track, 0, 0, 0);
    feed_tone(track, 1, 20000, 4000000000u);
    feed_tone(track, 2, 40000, 4000000000u);
    for (unsigned i = 3; i < 50; i++) {
        feed_tone(track, i, i * 20000, 4000000000u);
    }
    g_assert_cmpint(placed.end, <=, 50 * FRAME + 8000 * 3 / 10);
    g_assert_cmpint(placed.end, >=, 49 * FRAME);
}

static void
test_track_fills_a_wide_band_file(void)
{
    static Placed placed;
    g_autoptr(DmRecordTrack) track = dm_record_track_new(16000, 0, on_placed, &placed);

    memset(&placed, 0, sizeof placed);
    for (unsigned i = 0; i < 50; i++) {
        feed_tone(track, i, i * 20000, i * FRAME);
    }
    g_assert_cmpint(placed.end, ==, 16000);
    g_assert_cmpfloat(tone_amplitude(placed.samples, 16000, 1000, 16000), >, 7000);
}

/*
 * file
 */

static void
test_file_is_whole_at_any_time(void)
{
    g_autofree char *folder = temp_dir_new();
    g_autofree char *path = g_build_filename(folder, "a", "b", "call.wav", NULL);
    g_autoptr(GError) error = NULL;
    int16_t frames[2000] = {0};
    struct stat info;
    size_t n;
    DmWav *wav;
    DmWav *second;

    g_test_summary("For nobody else's eyes; whole as of the last sync, so after kill -9 too; never "
                   "over another file");

    wav = dm_wav_create(path, 8000, &error);
    g_assert_no_error(error);
    g_assert_cmpint(stat(path, &info), ==, 0);
    g_assert_cmphex(info.st_mode & 0777, ==, 0600);
    g_free(read_wav(path, 8000, &n));
    g_assert_cmpuint(n, ==, 0);

    g_assert_true(dm_wav_write(wav, frames, 1000, &error));
    g_assert_true(dm_wav_sync(wav, &error));
    g_assert_true(dm_wav_write(wav, frames, 1000, &error));
    g_free(read_wav(path, 8000, &n)); /* as a killed process leaves it */
    g_assert_cmpuint(n, ==, 1000);

    second = dm_wav_create(path, 8000, &error);
    g_assert_null(second);
    g_assert_nonnull(error);

    dm_wav_close(wav);
    g_free(read_wav(path, 8000, &n));
    g_assert_cmpuint(n, ==, 2000);
    temp_dir_remove(folder);
}

static void
test_full_disk_leaves_a_whole_file(void)
{
    g_autofree char *folder = temp_dir_new();
    g_autofree char *path = g_build_filename(folder, "call.wav", NULL);
    g_autoptr(GError) error = NULL;
    static int16_t frames[20000];
    struct rlimit before;
    struct rlimit limit;
    struct stat info;
    size_t n;
    DmWav *wav = dm_wav_create(path, 8000, &error);

    g_test_summary("Played by the limit of a file's size: what was begun is taken back");

    g_assert_no_error(error);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = (struct rlimit){10001, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    g_assert_true(dm_wav_write(wav, frames, 2000, &error));
    g_assert_false(dm_wav_write(wav, frames, 2000, &error));
    setrlimit(RLIMIT_FSIZE, &before);
    g_assert_nonnull(error);
    dm_wav_close(wav);
    g_free(read_wav(path, 8000, &n));
    g_assert_cmpuint(n, ==, 2000);
    g_assert_cmpint(stat(path, &info), ==, 0);
    g_assert_cmpint(info.st_size, ==, HEADER + 8000);
    temp_dir_remove(folder);
}

static void
make_file(const char *folder, const char *name, int64_t age_s)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *above = g_path_get_dirname(path);
    time_t then = (time_t)(g_get_real_time() / G_USEC_PER_SEC - age_s);
    struct utimbuf times = {then, then};

    g_mkdir_with_parents(above, 0700);
    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
    g_assert_cmpint(utime(path, &times), ==, 0);
}

static bool
is_there(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
test_old_files_go(void)
{
    g_autofree char *folder = temp_dir_new();
    int64_t now_s = g_get_real_time() / G_USEC_PER_SEC;

    g_test_summary("Recordings older than wanted, in any folder below, and nothing else");

    make_file(folder, "old.wav", 1000);
    make_file(folder, "new.wav", 10);
    make_file(folder, "old.txt", 1000);
    make_file(folder, "2026/11/old.wav", 1000);
    make_file(folder, "2026/12/new.wav", 10);
    g_assert_cmpuint(dm_record_sweep(folder, now_s - 100, 100), ==, 2);
    g_assert_false(is_there(folder, "old.wav"));
    g_assert_false(is_there(folder, "2026/11/old.wav"));
    g_assert_true(is_there(folder, "new.wav"));
    g_assert_true(is_there(folder, "old.txt"));
    g_assert_true(is_there(folder, "2026/12/new.wav"));
    g_assert_cmpuint(dm_record_sweep(folder, now_s + 100, 1), ==, 1);
    g_assert_cmpuint(dm_record_sweep("/nonexistent", now_s, 100), ==, 0);
    temp_dir_remove(folder);
}

/*
 * recorder
 */

typedef struct {
    char *folder;
    DmCounter stats[DM_MEDIA_N_STATS];
    DmRecorder *recorder;
    DmRecordSpec spec;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    dm_g711_tables();
    f->folder = temp_dir_new();
    f->recorder = dm_recorder_new(f->stats, &error);
    g_assert_no_error(error);
    f->spec.rate_hz = 8000;
    g_snprintf(f->spec.path, sizeof f->spec.path, "%s/call.wav", f->folder);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    dm_recorder_free(f->recorder);
    temp_dir_remove(f->folder);
    g_free(f->folder);
}

/* 20 ms of a tone from @side, @i frames after @from_us. */
static void
send_tone(DmRecording *recording, DmSide side, double hz, unsigned i, int64_t from_us)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + FRAME];
    int16_t samples[FRAME] = {0};
    DmPacket packet = {
        .bytes = bytes,
        .len = sizeof bytes,
        .rtp = {.ssrc = side + 1u,
                .sequence = (uint16_t)i,
                .timestamp = i * FRAME,
                .payload_offset = DM_RTP_HEADER_LEN,
                .payload_len = FRAME},
        .rule = {.codec = DM_CODEC_PCMU, .clock_in_hz = 8000},
        .now_us = from_us + i * INT64_C(20000),
    };

    tone_add(samples, FRAME, hz, 8000, 8000, (size_t)i * FRAME);
    for (unsigned k = 0; k < FRAME; k++) {
        bytes[DM_RTP_HEADER_LEN + k] = dm_g711_to_ulaw(samples[k]);
    }
    dm_recording_input(recording, side, &packet);
}

static double
amplitude_in(const int16_t *frames, size_t n, DmSide side, double hz)
{
    g_autofree int16_t *samples = g_new(int16_t, n);

    for (size_t i = 0; i < n; i++) {
        samples[i] = frames[2 * i + side];
    }
    return tone_amplitude(samples, n, hz, 8000);
}

static void
test_each_side_has_its_channel(Fixture *f, gconstpointer data)
{
    int64_t begin_us = dm_clock_mono_us(dm_clock_system());
    DmRecording *recording = dm_recorder_start(f->recorder, &f->spec);
    g_autofree int16_t *frames = NULL;
    DmMediaRecording state;
    size_t n;

    g_test_summary("Caller left, called right, of the length of the call");

    for (unsigned i = 0; i < 100; i++) {
        send_tone(recording, DM_SIDE_A, 500, i, begin_us);
        send_tone(recording, DM_SIDE_B, 1250, i, begin_us);
    }
    dm_recording_end(recording, begin_us + 2 * G_USEC_PER_SEC);
    g_clear_pointer(&f->recorder, dm_recorder_free);
    dm_recording_read(recording, &state);
    g_assert_cmpint(state.state, ==, DM_RECORDING_DONE);
    g_assert_cmpuint(state.n_dropped, ==, 0);
    g_assert_cmpuint(state.duration_ms, >=, 1900);
    g_assert_cmpuint(state.duration_ms, <=, 2000);
    frames = read_wav(f->spec.path, 8000, &n);
    g_assert_cmpuint(n, ==, state.duration_ms * 8);
    g_assert_cmpfloat(amplitude_in(frames + 2 * 1600, 8000, DM_SIDE_A, 500), >, 7000);
    g_assert_cmpfloat(amplitude_in(frames + 2 * 1600, 8000, DM_SIDE_A, 1250), <, 50);
    g_assert_cmpfloat(amplitude_in(frames + 2 * 1600, 8000, DM_SIDE_B, 1250), >, 7000);
    g_assert_cmpfloat(amplitude_in(frames + 2 * 1600, 8000, DM_SIDE_B, 500), <, 50);
    g_assert_cmpint(dm_counter_value(&f->stats[DM_MEDIA_STAT_recordings]), ==, 1);
    g_assert_cmpint(dm_counter_value(&f->stats[DM_MEDIA_STAT_recordings_active]), ==, 0);
    dm_recording_unref(recording);
}

static void
test_a_flood_is_dropped_and_counted(Fixture *f, gconstpointer data)
{
    int64_t begin_us = dm_clock_mono_us(dm_clock_system());
    DmRecording *recording = dm_recorder_start(f->recorder, &f->spec);
    DmMediaRecording state;

    g_test_summary("More than there is room for until the recorder comes: the worker goes on");

    for (unsigned i = 0; i < 20000; i++) {
        send_tone(recording, DM_SIDE_A, 500, i, begin_us);
    }
    dm_recording_end(recording, begin_us + G_USEC_PER_SEC);
    g_clear_pointer(&f->recorder, dm_recorder_free);
    dm_recording_read(recording, &state);
    g_assert_cmpuint(state.n_dropped, >, 0);
    g_assert_cmpint(dm_counter_value(&f->stats[DM_MEDIA_STAT_recording_dropped]),
                    ==,
                    state.n_dropped);
    dm_recording_unref(recording);
}

static void
assert_fails(Fixture *f)
{
    int64_t begin_us = dm_clock_mono_us(dm_clock_system());
    DmRecording *recording = dm_recorder_start(f->recorder, &f->spec);
    DmMediaRecording state;

    send_tone(recording, DM_SIDE_A, 500, 0, begin_us);
    dm_recording_end(recording, begin_us + G_USEC_PER_SEC);
    g_clear_pointer(&f->recorder, dm_recorder_free);
    dm_recording_read(recording, &state);
    g_assert_cmpint(state.state, ==, DM_RECORDING_FAILED);
    g_assert_cmpuint(state.duration_ms, ==, 0);
    g_assert_cmpint(dm_counter_value(&f->stats[DM_MEDIA_STAT_recordings_failed]), ==, 1);
    g_assert_cmpint(dm_counter_value(&f->stats[DM_MEDIA_STAT_recordings_active]), ==, 0);
    dm_recording_unref(recording);
}

static void
test_no_folder_is_told(Fixture *f, gconstpointer data)
{
    g_strlcpy(f->spec.path, "/proc/nowhere/call.wav", sizeof f->spec.path);
    assert_fails(f);
}

static void
test_disk_is_not_filled(Fixture *f, gconstpointer data)
{
    g_test_summary("min_free_mb: more than any disk has");
    f->spec.min_free_mb = 4000000000u;
    assert_fails(f);
}

#define ADD(name, func) g_test_add("/record/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dm_log_set_level(DM_LOG_ERROR);
    dm_g711_tables();
    g_test_add_func("/record/tape", test_tape_keeps_order_and_is_bounded);
    g_test_add_func("/record/track/time", test_track_follows_time_stamps);
    g_test_add_func("/record/track/lies", test_track_follows_the_wall_where_time_stamps_lie);
    g_test_add_func("/record/track/wide", test_track_fills_a_wide_band_file);
    g_test_add_func("/record/file/whole", test_file_is_whole_at_any_time);
    g_test_add_func("/record/file/full-disk", test_full_disk_leaves_a_whole_file);
    g_test_add_func("/record/file/old", test_old_files_go);
    ADD("channels", test_each_side_has_its_channel);
    ADD("flood", test_a_flood_is_dropped_and_counted);
    ADD("no-folder", test_no_folder_is_told);
    ADD("disk", test_disk_is_not_filled);
    return g_test_run();
}
