/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/writer.h"

#include <stdatomic.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/loop.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/thread.h"
#include "gateway/cdr/file-sink.h"
#include "gateway/cdr/row.h"

DM_LOG_TOPIC("cdr-writer");

/* What has gathered is committed this long after the first of it came. With the commit itself that
 * stays well under the 50 ms promised. */
#define GATHER_US (20 * 1000)
/* A batch this long does not wait. */
#define BATCH_MAX 512
/* Records that may wait while the disk does not take them. About 100 MB at the usual 5 kB. */
#define QUEUE_MAX 20000
/* After the database or the file said no. */
#define RETRY_US (1000 * 1000)
/* How often the file is synced and its place remembered. */
#define SYNC_US    (1000 * 1000)
#define PRUNE_US   (INT64_C(3600) * G_USEC_PER_SEC)
#define AUDIT_DAYS 400

#define DAY_US (INT64_C(24) * 3600 * G_USEC_PER_SEC)

typedef enum {
    NOTE_RECORD,
    NOTE_ALIVE,
    NOTE_STOP,
} NoteKind;

/* One thing told to the writer. */
typedef struct {
    DmMessage message;
    NoteKind kind;
    DmCdrRow row; /* NOTE_RECORD */
    char **ids;   /* NOTE_ALIVE: the calls alive at alive_wall_us */
    int64_t alive_wall_us;
} Note;

struct DmCdrWriter {
    /* set when made, read by any thread */
    DmStore *store; /* not owned */
    char *node;
    unsigned retention_days;
    DmLoop *loop;
    DmMailbox *mailbox;
    DmThread *thread;

    /* the writer's thread */
    GPtrArray *pending; /* Note: records to commit, oldest first */
    DmFileSink *sink;   /* NULL: none */
    DmTimer commit, sync, prune;
    bool is_failing;

    /* written by any thread, read by any thread */
    _Atomic size_t queued;
    _Atomic uint64_t written, failed, dropped, commits;
};

static void
free_note(Note *note)
{
    dm_cdr_row_clear(&note->row);
    g_strfreev(note->ids);
    g_free(note);
}

static void
drop_message(DmMessage *message)
{
    free_note((Note *)message);
}

/* --- Committing: the writer's thread --- */

/* Says once that it began to fail and once that it works again, however often it is tried. */
static void
report_outcome(DmCdrWriter *writer, const GError *error)
{
    if (error != NULL && !writer->is_failing) {
        dm_error(NULL,
                 "records cannot be written: %s; %u are kept and tried again every second",
                 error->message,
                 writer->pending->len);
    } else if (error == NULL && writer->is_failing) {
        dm_notice(NULL, "records are written again");
    }
    writer->is_failing = error != NULL;
}

static bool
commit_records(DmCdrWriter *writer, guint n, GError **error)
{
    g_autofree DmStoreRecord *rows = g_new(DmStoreRecord, n);

    for (guint i = 0; i < n; i++) {
        const Note *note = g_ptr_array_index(writer->pending, i);

        rows[i] = note->row.row;
    }
    return dm_store_records_write(writer->store, rows, n, error);
}

static bool
commit_pending(DmCdrWriter *writer, GError **error)
{
    while (writer->pending->len > 0) {
        guint n = MIN(writer->pending->len, BATCH_MAX);

        if (!commit_records(writer, n, error)) {
            atomic_fetch_add(&writer->failed, 1);
            return false;
        }
        g_ptr_array_remove_range(writer->pending, 0, n);
        atomic_fetch_sub(&writer->queued, n);
        atomic_fetch_add(&writer->written, n);
        atomic_fetch_add(&writer->commits, 1);
    }
    return true;
}

static void
on_sync(DmTimer *timer, void *user_data)
{
    DmCdrWriter *writer = user_data;
    g_autoptr(GError) error = NULL;

    if (!dm_file_sink_sync(writer->sink, &error)) {
        dm_warning(NULL, "record file: %s; tried again with the next record", error->message);
    }
}

static bool
deliver(DmCdrWriter *writer, GError **error)
{
    if (writer->sink == NULL) {
        return true;
    }
    if (!dm_file_sink_deliver(writer->sink, error)) {
        return false;
    }
    if (!dm_timer_is_armed(&writer->sync)) {
        dm_loop_arm(writer->loop, &writer->sync, SYNC_US, on_sync, writer);
    }
    return true;
}

static void
flush(DmTimer *timer, void *user_data)
{
    DmCdrWriter *writer = user_data;
    g_autoptr(GError) error = NULL;
    bool ok;

    DM_RUNS_ON(DM_THREAD_STORE);

    ok = commit_pending(writer, &error) && deliver(writer, &error);
    report_outcome(writer, ok ? NULL : error);
    if (!ok) {
        dm_loop_arm(writer->loop, &writer->commit, RETRY_US, flush, writer);
    }
}

static void
on_record(DmCdrWriter *writer, Note *note)
{
    g_ptr_array_add(writer->pending, note);
    if (writer->is_failing) {
        return; /* the retry takes it along */
    }
    if (writer->pending->len >= BATCH_MAX) {
        dm_timer_disarm(&writer->commit);
        flush(NULL, writer);
    } else if (!dm_timer_is_armed(&writer->commit)) {
        dm_loop_arm(writer->loop, &writer->commit, 0, flush, writer);
    }
}

/* Only a help for the next start: when it fails, the next one comes in ten seconds. */
static void
on_alive(DmCdrWriter *writer, Note *note)
{
    g_autoptr(GError) error = NULL;

    if (!dm_store_records_alive(writer->store,
                                (const char *const *)note->ids,
                                g_strv_length(note->ids),
                                note->alive_wall_us,
                                &error)) {
        dm_debug(NULL, "calls alive: %s", error->message);
    }
    free_note(note);
}

static void
on_message(DmMessage *message, void *user_data)
{
    DmCdrWriter *writer = user_data;
    Note *note = (Note *)message;

    switch (note->kind) {
    case NOTE_RECORD:
        on_record(writer, note);
        break;
    case NOTE_ALIVE:
        on_alive(writer, note);
        break;
    case NOTE_STOP:
    default:
        free_note(note);
        flush(NULL, writer);
        dm_loop_quit(writer->loop);
    }
}

static void
on_prune(DmTimer *timer, void *user_data)
{
    DmCdrWriter *writer = user_data;
    int64_t now_us = g_get_real_time();
    g_autoptr(GError) error = NULL;
    int64_t removed = 0;

    if (writer->retention_days > 0) {
        removed =
            dm_store_records_prune(writer->store, now_us - writer->retention_days * DAY_US, &error);
    }
    if (removed >= 0) {
        dm_store_audit_prune(writer->store, now_us - AUDIT_DAYS * DAY_US, &error);
    }
    if (error != NULL) {
        dm_warning(NULL, "old records: %s; tried again in an hour", error->message);
    } else if (removed > 0) {
        dm_info(NULL,
                "%" G_GINT64_FORMAT " records older than %u days removed",
                removed,
                writer->retention_days);
    }
    dm_loop_arm(writer->loop, &writer->prune, PRUNE_US, on_prune, writer);
}

static void
run(void *user_data)
{
    DmCdrWriter *writer = user_data;

    flush(NULL, writer); /* what an earlier run committed and did not deliver */
    on_prune(NULL, writer);
    dm_loop_run(writer->loop);
}

/* --- Starting and stopping --- */

static bool
close_one(DmStore *store, const DmStoredRecord *stored, GError **error)
{
    json_error_t where;
    json_t *json = json_loads(stored->json, 0, &where);
    DmCdrRow row;
    bool ok;

    if (json == NULL) {
        dm_warning(NULL, "record %s: %s; left open", stored->id, where.text);
        return true;
    }
    dm_cdr_close_unfinished(json, stored->start_wall_us, stored->alive_wall_us);
    dm_cdr_row_init_from_json(&row,
                              json,
                              stored->start_wall_us,
                              MAX(stored->alive_wall_us, stored->start_wall_us));
    ok = dm_store_records_write(store, &row.row, 1, error);
    dm_cdr_row_clear(&row);
    json_decref(json);
    return ok;
}

static bool
close_unfinished(DmStore *store, GError **error)
{
    g_autoptr(GPtrArray) unfinished = dm_store_records_unfinished(store, error);

    if (unfinished == NULL) {
        return false;
    }
    for (guint i = 0; i < unfinished->len; i++) {
        if (!close_one(store, g_ptr_array_index(unfinished, i), error)) {
            return false;
        }
    }
    if (unfinished->len > 0) {
        dm_warning(NULL,
                   "%u calls were up when the gateway stopped; their records end when their media "
                   "was last heard",
                   unfinished->len);
    }
    return true;
}

static void
free_writer(DmCdrWriter *writer)
{
    if (writer->mailbox != NULL) {
        dm_mailbox_free(writer->mailbox);
    }
    dm_file_sink_free(writer->sink);
    dm_loop_free(writer->loop);
    g_ptr_array_unref(writer->pending);
    g_free(writer->node);
    g_free(writer);
}

static bool
start_parts(DmCdrWriter *writer, const DmCdrWriterOptions *options, GError **error)
{
    if (!close_unfinished(writer->store, error)) {
        return false;
    }
    if (options->file_path != NULL) {
        writer->sink = dm_file_sink_new(writer->store, options->file_path, error);
        if (writer->sink == NULL) {
            return false;
        }
    }
    writer->loop = dm_loop_new(error);
    if (writer->loop == NULL) {
        return false;
    }
    writer->mailbox = dm_mailbox_new(writer->loop, on_message, drop_message, writer);
    dm_mailbox_set_gather_us(writer->mailbox, GATHER_US);
    writer->thread = dm_thread_start(DM_THREAD_STORE, "dm-store", run, writer, error);
    return writer->thread != NULL;
}

DmCdrWriter *
dm_cdr_writer_start(DmStore *store, const DmCdrWriterOptions *options, GError **error)
{
    DmCdrWriter *writer = g_new0(DmCdrWriter, 1);

    writer->store = store;
    writer->node = g_strdup(options->node);
    writer->retention_days = options->retention_days;
    writer->pending = g_ptr_array_new_with_free_func((GDestroyNotify)free_note);
    if (!start_parts(writer, options, error)) {
        free_writer(writer);
        return NULL;
    }
    return writer;
}

void
dm_cdr_writer_stop(DmCdrWriter *writer)
{
    Note *note;

    if (writer == NULL) {
        return;
    }
    note = g_new0(Note, 1);
    note->kind = NOTE_STOP;
    dm_mailbox_post(writer->mailbox, &note->message);
    dm_thread_join(writer->thread);
    if (writer->pending->len > 0) {
        dm_error(NULL, "%u records could not be written and are lost", writer->pending->len);
    }
    free_writer(writer);
}

/* --- From the signalling threads --- */

static void
post_record(DmCdrWriter *writer, const DmRecord *record, int64_t end_wall_us)
{
    static DmLogLimit limit;
    uint32_t suppressed;
    Note *note;

    if (atomic_fetch_add(&writer->queued, 1) >= QUEUE_MAX) {
        atomic_fetch_sub(&writer->queued, 1);
        atomic_fetch_add(&writer->dropped, 1);
        if (dm_log_limit_pass(&limit, 1, &suppressed)) {
            dm_error(NULL, "record of call %s dropped: %d are waiting", record->id, QUEUE_MAX);
        }
        return;
    }
    note = g_new0(Note, 1);
    note->kind = NOTE_RECORD;
    dm_cdr_row_init(&note->row, record, writer->node, end_wall_us);
    dm_mailbox_post(writer->mailbox, &note->message);
}

void
dm_cdr_writer_started(DmCdrWriter *writer, const DmRecord *record)
{
    post_record(writer, record, record->answer_wall_us);
}

void
dm_cdr_writer_ended(DmCdrWriter *writer, const DmRecord *record)
{
    post_record(writer, record, record->end_wall_us);
}

void
dm_cdr_writer_alive(DmCdrWriter *writer, const char *const *call_ids, size_t n, int64_t wall_us)
{
    Note *note = g_new0(Note, 1);

    note->kind = NOTE_ALIVE;
    note->alive_wall_us = wall_us;
    note->ids = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        note->ids[i] = g_strdup(call_ids[i]);
    }
    dm_mailbox_post(writer->mailbox, &note->message);
}

void
dm_cdr_writer_stats(DmCdrWriter *writer, DmCdrWriterStats *out)
{
    out->queued = atomic_load(&writer->queued);
    out->written = atomic_load(&writer->written);
    out->failed = atomic_load(&writer->failed);
    out->dropped = atomic_load(&writer->dropped);
    out->commits = atomic_load(&writer->commits);
}
