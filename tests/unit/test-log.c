/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log-line.h"
#include "gateway/base/log.h"
#include "gateway/base/sm.h"
#include "gateway/base/thread.h"

DM_LOG_TOPIC("test");

static void
keep_line(DmLogLevel level, const char *line, void *user_data)
{
    /* The time at the front differs each run. */
    g_string_append_printf(user_data, "%s|", strchr(line, ' ') + 1);
}

static void
test_logfmt(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    DmLogContext context = {.call = "01JD", .leg = "a", .peer = "[::1]:5060"};

    dm_log_set_sink(keep_line, out);
    dm_info(&context, "not wanted at this level");
    dm_notice(&context, "up");
    dm_warning(NULL, "name \"%s\"\r\n\x01\xff caf\xc3\xa9 \\", "x=y");
    dm_log_set_sink(NULL, NULL);
    g_assert_cmpstr(out->str,
                    ==,
                    "level=notice topic=test call=01JD leg=a peer=[::1]:5060 msg=up|"
                    "level=warning topic=test msg=\"name \\\"x=y\\\"\\r\\n\\x01\\xff caf\xc3\xa9 "
                    "\\\\\"|");
}

static void
test_json_line(void)
{
    DmLogLine line;

    dm_log_line_begin(&line, DM_LOG_JSON);
    dm_log_line_add(&line, "level", "info");
    dm_log_line_add(&line, "call", NULL);
    dm_log_line_add(&line, "msg", "a \"b\" \\ \n\x7f\xc3(");
    dm_log_line_end(&line);
    line.text[line.len] = '\0';
    g_assert_cmpstr(line.text,
                    ==,
                    "{\"level\":\"info\",\"msg\":\"a \\\"b\\\" \\\\ \\n\\u007f\\u00c3(\"}\n");
}

static void
test_long_values_are_cut_and_stay_well_formed(void)
{
    for (size_t len = DM_LOG_LINE_MAX - 64; len < DM_LOG_LINE_MAX + 64; len++) {
        g_autofree char *value = g_strnfill(len, '"');
        DmLogLine line;

        dm_log_line_begin(&line, DM_LOG_JSON);
        dm_log_line_add(&line, "msg", value + len / 2);
        dm_log_line_add(&line, "more", value);
        dm_log_line_add(&line, "none", value);
        dm_log_line_end(&line);
        g_assert_cmpuint(line.len, <=, DM_LOG_LINE_MAX);
        g_assert_cmpmem(line.text + line.len - 3, 3, "\"}\n", 3);
    }
}

static void
test_quote(void)
{
    g_autofree char *long_text = g_strnfill(200, '\x01');
    const char *quoted;

    g_assert_cmpstr(dm_log_quote("it's\r\n", 6), ==, "'it\\'s\\r\\n'");
    g_assert_cmpstr(dm_log_quote("a\0b", 3), ==, "'a\\x00b'");
    g_assert_cmpstr(dm_log_quote("", 0), ==, "''");
    quoted = dm_log_quote(long_text, 200);
    g_assert_cmpuint(strlen(quoted), ==, 2 + 120 * 4 + 3);
    g_assert_true(g_str_has_suffix(quoted, "\\x01'..."));
    /* A character cut in two at the limit is bytes. */
    memset(long_text, 'x', 119);
    memcpy(long_text + 119, "\xc3\xa9", 2);
    g_assert_true(g_str_has_suffix(dm_log_quote(long_text, 121), "x\\xc3'..."));
}

static void
test_four_quotes_in_one_line(void)
{
    const char *a = dm_log_quote("a", 1);
    const char *b = dm_log_quote("b", 1);
    const char *c = dm_log_quote("c", 1);
    const char *d = dm_log_quote("d", 1);
    g_autofree char *all = g_strconcat(a, b, c, d, NULL);

    g_assert_cmpstr(all, ==, "'a''b''c''d'");
}

static void
test_levels(void)
{
    DmLogLevel level = DM_LOG_ERROR;

    g_assert_true(dm_log_level_parse("debug", &level));
    g_assert_cmpint(level, ==, DM_LOG_DEBUG);
    g_assert_false(dm_log_level_parse("loud", &level));
    g_assert_false(dm_log_level_parse(NULL, &level));
    g_assert_cmpint(level, ==, DM_LOG_DEBUG);
    g_assert_cmpstr(dm_log_level_name(DM_LOG_WARNING), ==, "warning");
}

static void
test_limit(void)
{
    static DmLogLimit limit;
    uint32_t suppressed = 0;
    uint32_t n_passed = 0;
    uint32_t n_said = 0;

    g_test_summary("Every line of a flood is either passed or counted as suppressed");

    for (int i = 0; i < 1000; i++) {
        if (dm_log_limit_pass(&limit, 3, &suppressed)) {
            n_passed++;
            n_said += suppressed;
        }
    }
    /* The second may turn during the loop. */
    g_assert_cmpuint(n_passed, >=, 3);
    g_assert_cmpuint(n_passed, <=, 9);
    g_assert_cmpuint(n_passed + n_said + limit.suppressed, ==, 1000);
}

#define N_THREADS 4
#define N_LINES   2000

static void
log_many(void *user_data)
{
    for (int i = 0; i < N_LINES; i++) {
        dm_notice(NULL, "line %s %d", (const char *)user_data, i);
    }
}

static void
test_writer_keeps_every_line(void)
{
    static char names[N_THREADS][2] = {"a", "b", "c", "d"};
    g_autofree char *path = NULL;
    g_autofree char *written = NULL;
    g_auto(GStrv) lines = NULL;
    DmThread *threads[N_THREADS];
    int fd = g_file_open_tmp("log-XXXXXX", &path, NULL);
    size_t n_lines = 0;

    g_test_summary(
        "Lines of several threads reach the file whole, and all of them before stop returns");

    g_assert_true(dm_log_start(DM_LOG_LOGFMT, DM_LOG_NOTICE, fd, NULL));
    for (int i = 0; i < N_THREADS; i++) {
        threads[i] = dm_thread_start(DM_THREAD_SIGNAL, names[i], log_many, names[i], NULL);
    }
    for (int i = 0; i < N_THREADS; i++) {
        dm_thread_join(threads[i]);
    }
    dm_log_stop();
    g_assert_true(g_file_get_contents(path, &written, NULL, NULL));
    lines = g_strsplit(written, "\n", -1);
    for (size_t i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++) {
        g_assert_true(g_str_has_prefix(lines[i], "time="));
        g_assert_nonnull(strstr(lines[i], " level=notice topic=test msg=\"line "));
        n_lines++;
    }
    g_assert_cmpuint(n_lines, ==, N_THREADS * N_LINES);
    g_assert_cmpuint(dm_log_dropped(), ==, 0);
    close(fd);
    unlink(path);
}

typedef struct {
    int fd;
    GString *text;
} Drain;

static void
drain_pipe(void *user_data)
{
    Drain *drain = user_data;
    char buffer[4096];
    ssize_t n;

    while ((n = read(drain->fd, buffer, sizeof buffer)) > 0) {
        g_string_append_len(drain->text, buffer, n);
    }
}

static void
test_full_queue_drops_and_says_so(void)
{
    enum { N = 40000 };
    int fds[2];
    uint64_t dropped;
    g_autofree char *said = NULL;
    Drain drain;
    DmThread *thread;

    g_test_summary("A reader that stops costs lines, never time, and is told how many");

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_true(dm_log_start(DM_LOG_LOGFMT, DM_LOG_NOTICE, fds[1], NULL));
    for (int i = 0; i < N; i++) {
        dm_notice(NULL, "a line that nobody reads, long enough to fill the pipe in no time");
    }
    dropped = dm_log_dropped();
    g_assert_cmpuint(dropped, >, 0);
    g_assert_cmpuint(dropped, <, N);

    drain = (Drain){fds[0], g_string_new(NULL)};
    thread = dm_thread_start(DM_THREAD_NONE, "drain", drain_pipe, &drain, NULL);
    do {
        dropped = dm_log_dropped();
        dm_notice(NULL, "heard again");
    } while (dm_log_dropped() != dropped);
    dm_log_stop();
    close(fds[1]);
    dm_thread_join(thread);
    said = g_strdup_printf(" dropped=%" G_GUINT64_FORMAT " msg=\"heard again\"", dropped);
    g_assert_nonnull(strstr(drain.text->str, said));
    g_string_free(drain.text, TRUE);
    close(fds[0]);
}

enum { OPEN, SHUT, N_STATES };
static const DmSmState door[N_STATES] = {
    [OPEN] = {"open", DM_SM_TO(SHUT)},
    [SHUT] = {"shut", 0},
};

static void
test_state_machine_logs_its_moves(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    unsigned state = OPEN;

    g_test_summary("A legal move is logged at debug; another is refused with both names");

    dm_log_set_sink(keep_line, out);
    dm_log_set_level(DM_LOG_DEBUG);
    g_assert_true(dm_sm_move(door, "door", &state, SHUT, NULL));
    g_assert_cmpuint(state, ==, SHUT);
    g_assert_false(dm_sm_move(door, "door", &state, OPEN, NULL));
    g_assert_cmpuint(state, ==, SHUT);
    dm_log_set_level(DM_LOG_NOTICE);
    dm_log_set_sink(NULL, NULL);
    g_assert_cmpstr(out->str,
                    ==,
                    "level=debug topic=sm msg=\"door: open -> shut\"|"
                    "level=warning topic=sm msg=\"door: shut -> open is not a legal move; staying "
                    "in shut\"|");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log/logfmt", test_logfmt);
    g_test_add_func("/log/json-line", test_json_line);
    g_test_add_func("/log/long-values-are-cut-and-stay-well-formed",
                    test_long_values_are_cut_and_stay_well_formed);
    g_test_add_func("/log/quote", test_quote);
    g_test_add_func("/log/four-quotes-in-one-line", test_four_quotes_in_one_line);
    g_test_add_func("/log/levels", test_levels);
    g_test_add_func("/log/limit", test_limit);
    g_test_add_func("/log/writer-keeps-every-line", test_writer_keeps_every_line);
    g_test_add_func("/log/full-queue-drops-and-says-so", test_full_queue_drops_and_says_so);
    g_test_add_func("/sm/logs-its-moves", test_state_machine_logs_its_moves);
    return g_test_run();
}
