/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/cdr/row.h"
#include "gateway/cdr/writer.h"
#include "tests/lib/temp-dir.h"

#define T0         INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */
#define WATCHDOG_S 20

typedef struct {
    DmTempDir dir;
    char *db, *lines;
    DmStore *store;
    DmCdrWriter *writer;
} Fixture;

static void
open_store(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    f->store = dm_store_open(f->db, &error);
    g_assert_no_error(error);
}

static void
start_writer(Fixture *f, bool with_file)
{
    g_autoptr(GError) error = NULL;
    DmCdrWriterOptions options = {.file_path = with_file ? f->lines : NULL, .node = "gw1"};

    f->writer = dm_cdr_writer_start(f->store, &options, &error);
    g_assert_no_error(error);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    dm_temp_dir_init(&f->dir);
    f->db = dm_temp_dir_file(&f->dir, "demarc.db");
    f->lines = dm_temp_dir_file(&f->dir, "cdr.jsonl");
}

static void
stop(Fixture *f)
{
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);
    g_clear_pointer(&f->store, dm_store_close);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    stop(f);
    dm_temp_dir_clear(&f->dir);
    g_free(f->db);
    g_free(f->lines);
}

static DmRecord *
record_number(unsigned i)
{
    DmRecord *record = dm_record_new();

    g_snprintf(record->id, sizeof(record->id), "01JD3W%020u", i);
    record->start_wall_us = T0 + i;
    record->start_mono_us = 1;
    record->answer_wall_us = T0 + 2 * G_USEC_PER_SEC;
    record->answer_mono_us = 1 + 2 * G_USEC_PER_SEC;
    record->in.from = g_strdup("+442079460000");
    record->leg[DM_SIDE_A].trunk = g_strdup("pbx");
    return record;
}

static void
post_started(DmCdrWriter *writer, unsigned i)
{
    g_autoptr(DmRecord) record = record_number(i);

    dm_cdr_writer_started(writer, record);
}

static void
post_ended(DmCdrWriter *writer, unsigned i)
{
    g_autoptr(DmRecord) record = record_number(i);

    record->end_wall_us = T0 + 10 * G_USEC_PER_SEC;
    record->end_mono_us = 10 * G_USEC_PER_SEC;
    record->release.code = 200;
    dm_cdr_writer_ended(writer, record);
}

static void
wait_written(DmCdrWriter *writer, uint64_t n)
{
    int64_t until_us = g_get_monotonic_time() + WATCHDOG_S * G_USEC_PER_SEC;
    DmCdrWriterStats stats;

    do {
        g_thread_yield();
        dm_cdr_writer_stats(writer, &stats);
        g_assert_cmpint(g_get_monotonic_time(), <, until_us);
    } while (stats.written < n);
}

static unsigned
count_lines(const char *path)
{
    g_autofree char *text = NULL;
    unsigned n = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        n++;
    }
    return n;
}

static void
test_group_commit(Fixture *f, gconstpointer data)
{
    DmCdrWriterStats stats;
    DmStoreRecordQuery query = {.state = DM_STORE_ENDED, .limit = 1000};
    g_autoptr(GPtrArray) rows = NULL;

    g_test_summary("A burst of records shares few commits, and stopping loses none of them");
    open_store(f);
    start_writer(f, false);
    for (unsigned i = 0; i < 600; i++) {
        post_started(f->writer, i);
        post_ended(f->writer, i);
    }
    wait_written(f->writer, 1000);
    dm_cdr_writer_stats(f->writer, &stats);
    g_assert_cmpuint(stats.commits, <, stats.written / 4);
    g_assert_cmpuint(stats.dropped, ==, 0);
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);

    rows = dm_store_records_query(f->store, &query, NULL);
    g_assert_cmpuint(rows->len, ==, 600);
}

static void
test_row(Fixture *f, gconstpointer data)
{
    DmStoreRecordQuery query = {.trunk = "pbx", .number = "2079460000", .code = 200, .limit = 10};
    g_autoptr(GPtrArray) rows = NULL;
    json_t *json;

    g_test_summary("What is written can be found by its trunk, number and code, and carries the "
                   "gateway's name");
    open_store(f);
    start_writer(f, false);
    post_ended(f->writer, 1);
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);

    rows = dm_store_records_query(f->store, &query, NULL);
    g_assert_cmpuint(rows->len, ==, 1);
    json = json_loads(((DmStoredRecord *)g_ptr_array_index(rows, 0))->json, 0, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(json, "node")), ==, "gw1");
    json_decref(json);
}

/* The gateway of the next test: answers calls, says so through @ready, and lives until killed. */
static void
play_gateway(Fixture *f, int ready, unsigned n)
{
    open_store(f);
    start_writer(f, false);
    for (unsigned i = 0; i < n; i++) {
        post_started(f->writer, i);
    }
    wait_written(f->writer, n);
    g_assert_cmpint(write(ready, "y", 1), ==, 1);
    for (;;) {
        pause();
    }
}

static void
kill_gateway_after(Fixture *f, unsigned n)
{
    int ready[2];
    char byte;
    int status;
    pid_t pid;

    g_assert_cmpint(pipe(ready), ==, 0);
    pid = fork();
    if (pid == 0) {
        alarm(WATCHDOG_S);
        play_gateway(f, ready[1], n);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    close(ready[0]);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
swallow(DmLogLevel level, const char *line, void *user_data)
{
    unsigned *warnings = user_data;

    *warnings += level == DM_LOG_WARNING;
}

static void
test_kill(Fixture *f, gconstpointer data)
{
    DmStoreRecordQuery query = {.diagnosis = "restart", .limit = 1000};
    g_autoptr(GPtrArray) rows = NULL;
    g_autoptr(GPtrArray) unfinished = NULL;
    const DmStoredRecord *first;
    json_t *json;
    const json_t *release;
    unsigned warnings = 0;

    g_test_summary("kill -9 in the middle of 200 answered calls: each has a record, which the next "
                   "start ends as of when the call was last alive (CDR-1)");
    kill_gateway_after(f, 200);

    dm_log_set_sink(swallow, &warnings);
    open_store(f);
    start_writer(f, false);
    dm_log_set_sink(NULL, NULL);
    g_assert_cmpuint(warnings, ==, 1);
    unfinished = dm_store_records_unfinished(f->store, NULL);
    g_assert_cmpuint(unfinished->len, ==, 0);
    rows = dm_store_records_query(f->store, &query, NULL);
    g_assert_cmpuint(rows->len, ==, 200);

    first = g_ptr_array_index(rows, 0);
    json = json_loads(first->json, 0, NULL);
    release = json_object_get(json, "release");
    g_assert_cmpstr(json_string_value(json_object_get(release, "text")), ==, "ended_by=restart");
    g_assert_cmpstr(json_string_value(json_object_get(release, "side")), ==, "gateway");
    g_assert_cmpstr(json_string_value(json_object_get(json, "end_at")),
                    ==,
                    "2026-01-01T00:00:02.000Z");
    json_decref(json);
}

static void
test_alive(Fixture *f, gconstpointer data)
{
    const char *ids[] = {"01JD3W00000000000000000007"};
    g_autoptr(DmStoredRecord) stored = NULL;
    json_t *json;

    g_test_summary("A call whose media was heard 40 s after it began is billed until then");
    open_store(f);
    start_writer(f, false);
    post_started(f->writer, 7);
    wait_written(f->writer, 1);
    dm_cdr_writer_alive(f->writer, ids, 1, T0 + 40 * G_USEC_PER_SEC);
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);

    stored = dm_store_record(f->store, ids[0], NULL);
    json = json_loads(stored->json, 0, NULL);
    dm_cdr_close_unfinished(json, stored->start_wall_us, stored->alive_wall_us);
    g_assert_cmpint(json_integer_value(json_object_get(json, "duration_ms")), ==, 40000);
    g_assert_cmpint(json_integer_value(json_object_get(json, "billable_ms")), ==, 38000);
    json_decref(json);
}

static void
test_file(Fixture *f, gconstpointer data)
{
    g_autofree char *moved = g_strconcat(f->lines, ".1", NULL);

    g_test_summary("Every record that ended is a line in the file; after log rotation has moved it "
                   "away, a new one is begun");
    open_store(f);
    start_writer(f, true);
    post_started(f->writer, 1);
    post_ended(f->writer, 1);
    post_ended(f->writer, 2);
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);
    g_assert_cmpuint(count_lines(f->lines), ==, 2);

    start_writer(f, true);
    g_assert_cmpint(g_rename(f->lines, moved), ==, 0);
    post_ended(f->writer, 3);
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);
    g_assert_cmpuint(count_lines(moved), ==, 2);
    g_assert_cmpuint(count_lines(f->lines), ==, 1);
}

static void
test_file_catches_up(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;

    g_test_summary("What was committed and not yet in the file is appended at the next start, on a "
                   "line of its own although the last one was cut");
    open_store(f);
    start_writer(f, false);
    post_ended(f->writer, 1);
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);
    g_assert_true(g_file_set_contents(f->lines, "{\"cut\":", -1, NULL));

    start_writer(f, true);
    g_clear_pointer(&f->writer, dm_cdr_writer_stop);
    g_assert_cmpuint(count_lines(f->lines), ==, 2);
    g_assert_true(g_file_get_contents(f->lines, &text, NULL, NULL));
    g_assert_true(g_str_has_prefix(text, "{\"cut\":\n{\"id\":"));
}

static void
test_file_missing(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    DmCdrWriterOptions options = {.file_path = "/nonexistent/folder/cdr.jsonl"};

    g_test_summary("A file that cannot be opened stops the start and is named");
    open_store(f);
    g_assert_null(dm_cdr_writer_start(f->store, &options, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    g_assert_nonnull(strstr(error->message, options.file_path));
}

#define ADD(name, func) g_test_add("/cdr-writer/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("kill", test_kill); /* first: forks, so no thread may have run before */
    ADD("group-commit", test_group_commit);
    ADD("row", test_row);
    ADD("alive", test_alive);
    ADD("file/lines", test_file);
    ADD("file/catches-up", test_file_catches_up);
    ADD("file/missing", test_file_missing);
    return g_test_run();
}
