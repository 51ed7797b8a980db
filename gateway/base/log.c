/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/log.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log-line.h"
#include "gateway/base/thread.h"

#define MAX_QUEUED  16384 /* lines */
#define GATHER_US   5000
#define MESSAGE_MAX 2048 /* bytes; the rest is cut */
#define QUOTE_MAX   120  /* bytes of the original */
#define N_QUOTES    4

typedef struct QueuedLine {
    struct QueuedLine *next;
    size_t len;
    char text[];
} QueuedLine;

/* One log a process, used before anything else exists: the only mutable globals of the file. */
static struct {
    /* set by dm_log_start() and dm_log_set_sink(), while nothing else logs */
    DmLogFormat format;
    int fd;
    DmLogSink sink;
    void *sink_data;
    DmThread *writer;
    sem_t filled; /* posted when the queue was empty, and to stop */

    /* any thread */
    _Atomic int max_level;
    _Atomic bool running;
    _Atomic(QueuedLine *) queue; /* newest first */
    _Atomic size_t n_queued;
    _Atomic uint64_t dropped;
    _Atomic uint64_t dropped_unsaid; /* of those, not yet mentioned in a line */
} logger = {.fd = STDERR_FILENO, .max_level = DM_LOG_NOTICE};

static const char *const level_names[] = {
    [DM_LOG_ERROR] = "error",
    [DM_LOG_WARNING] = "warning",
    [DM_LOG_NOTICE] = "notice",
    [DM_LOG_INFO] = "info",
    [DM_LOG_DEBUG] = "debug",
};

/* Writes all of it, or as much as the descriptor takes: a log that cannot be written is not worth a
 * call. */
static void
write_fully(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
        } else if (n == 0 || errno != EINTR) {
            return;
        }
    }
}

/* Everything queued, oldest first. */
static QueuedLine *
take_queue(void)
{
    QueuedLine *newest = atomic_exchange_explicit(&logger.queue, NULL, memory_order_acquire);
    QueuedLine *oldest = NULL;

    while (newest != NULL) {
        QueuedLine *older = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

static void
write_queue(GString *buffer)
{
    QueuedLine *line = take_queue();

    while (line != NULL) {
        QueuedLine *next = line->next;

        g_string_append_len(buffer, line->text, (gssize)line->len);
        g_free(line);
        atomic_fetch_sub_explicit(&logger.n_queued, 1, memory_order_relaxed);
        line = next;
        if (line == NULL || buffer->len > 65536) {
            write_fully(logger.fd, buffer->str, buffer->len);
            g_string_truncate(buffer, 0);
        }
    }
}

/* The writer thread. */
static void
write_lines(void *user_data)
{
    g_autoptr(GString) buffer = g_string_new(NULL);

    while (atomic_load(&logger.running)) {
        while (sem_wait(&logger.filled) != 0) {
            /* interrupted */
        }
        /* Waking us costs the one who logs more than the line: let some gather. */
        g_usleep(GATHER_US);
        write_queue(buffer);
    }
    write_queue(buffer);
}

static void
enqueue(const char *text, size_t len)
{
    QueuedLine *newest = atomic_load_explicit(&logger.queue, memory_order_relaxed);
    QueuedLine *line = g_malloc(sizeof *line + len);

    line->len = len;
    memcpy(line->text, text, len);
    do {
        line->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&logger.queue,
                                                    &newest,
                                                    line,
                                                    memory_order_release,
                                                    memory_order_relaxed));
    if (newest == NULL) {
        sem_post(&logger.filled);
    }
}

/* Takes a place in the queue; false when there is none. */
static bool
reserve_place(void)
{
    if (atomic_fetch_add_explicit(&logger.n_queued, 1, memory_order_relaxed) < MAX_QUEUED) {
        return true;
    }
    atomic_fetch_sub_explicit(&logger.n_queued, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&logger.dropped, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&logger.dropped_unsaid, 1, memory_order_relaxed);
    return false;
}

bool
dm_log_start(DmLogFormat format, DmLogLevel max_level, int fd, GError **error)
{
    g_return_val_if_fail(logger.writer == NULL, false);

    logger.format = format;
    logger.fd = fd;
    sem_init(&logger.filled, 0, 0);
    dm_log_set_level(max_level);
    atomic_store(&logger.running, true);
    /* Without a role the watchdog lets it be: a reader of our standard error that stops reading
     * stops the log and not the gateway. */
    logger.writer = dm_thread_start(DM_THREAD_NONE, "log", write_lines, NULL, error);
    if (logger.writer == NULL) {
        atomic_store(&logger.running, false);
        return false;
    }
    return true;
}

void
dm_log_stop(void)
{
    if (logger.writer == NULL) {
        return;
    }
    atomic_store(&logger.running, false);
    sem_post(&logger.filled);
    dm_thread_join(g_steal_pointer(&logger.writer));
}

void
dm_log_set_level(DmLogLevel max_level)
{
    atomic_store_explicit(&logger.max_level, (int)max_level, memory_order_relaxed);
}

DmLogLevel
dm_log_level(void)
{
    return (DmLogLevel)atomic_load_explicit(&logger.max_level, memory_order_relaxed);
}

bool
dm_log_level_parse(const char *text, DmLogLevel *out_level)
{
    for (size_t i = 0; i < G_N_ELEMENTS(level_names); i++) {
        if (g_strcmp0(text, level_names[i]) == 0) {
            *out_level = (DmLogLevel)i;
            return true;
        }
    }
    return false;
}

const char *
dm_log_level_name(DmLogLevel level)
{
    return level < G_N_ELEMENTS(level_names) ? level_names[level] : "unknown";
}

uint64_t
dm_log_dropped(void)
{
    return atomic_load_explicit(&logger.dropped, memory_order_relaxed);
}

void
dm_log_set_sink(DmLogSink sink, void *user_data)
{
    logger.sink = sink;
    logger.sink_data = user_data;
}

bool
dm_log_wanted(DmLogLevel level)
{
    return level <= dm_log_level();
}

static void
add_context(DmLogLine *line, const DmLogContext *context)
{
    if (context != NULL) {
        dm_log_line_add(line, "call", context->call);
        dm_log_line_add(line, "leg", context->leg);
        dm_log_line_add(line, "trunk", context->trunk);
        dm_log_line_add(line, "peer", context->peer);
    }
}

static void
compose(DmLogLine *line,
        DmLogLevel level,
        const char *topic,
        const DmLogContext *context,
        const char *message,
        uint64_t dropped)
{
    char time_text[DM_TIME_TEXT_MAX];
    char dropped_text[24];

    dm_log_line_begin(line, logger.format);
    dm_log_line_add(line, "time", dm_wall_text(dm_clock_wall_us(dm_clock_system()), time_text));
    dm_log_line_add(line, "level", dm_log_level_name(level));
    dm_log_line_add(line, "topic", topic);
    add_context(line, context);
    if (dropped > 0) {
        g_snprintf(dropped_text, sizeof dropped_text, "%" G_GUINT64_FORMAT, dropped);
        dm_log_line_add(line, "dropped", dropped_text);
    }
    dm_log_line_add(line, "msg", message);
    dm_log_line_end(line);
}

void
dm_log_write(DmLogLevel level,
             const char *topic,
             const DmLogContext *context,
             const char *format,
             ...)
{
    bool queued =
        logger.sink == NULL && atomic_load_explicit(&logger.running, memory_order_acquire);
    uint64_t dropped = 0;
    char message[MESSAGE_MAX];
    DmLogLine line;
    va_list args;

    if (queued) {
        if (!reserve_place()) {
            return;
        }
        dropped = atomic_exchange_explicit(&logger.dropped_unsaid, 0, memory_order_relaxed);
    }
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    compose(&line, level, topic, context, message, dropped);

    if (queued) {
        enqueue(line.text, line.len);
    } else if (logger.sink != NULL) {
        line.text[line.len - 1] = '\0'; /* the newline */
        logger.sink(level, line.text, logger.sink_data);
    } else {
        write_fully(logger.fd, line.text, line.len);
    }
}

const char *
dm_log_quote(const char *text, size_t len)
{
    static _Thread_local char buffers[N_QUOTES][QUOTE_MAX * 4 + sizeof "''..."];
    static _Thread_local unsigned next;
    char *start = buffers[next++ % N_QUOTES];
    char *out = start;

    *out++ = '\'';
    out = dm_log_escape(out, text, MIN(len, QUOTE_MAX), '\'');
    *out++ = '\'';
    g_strlcpy(out, len > QUOTE_MAX ? "..." : "", sizeof "...");
    return start;
}

bool
dm_log_limit_pass(DmLogLimit *limit, uint32_t per_second, uint32_t *out_suppressed)
{
    int64_t now = dm_clock_mono_us(dm_clock_system()) / 1000000;
    int64_t second = atomic_load_explicit(&limit->second, memory_order_relaxed);

    if (second != now && atomic_compare_exchange_strong_explicit(&limit->second,
                                                                 &second,
                                                                 now,
                                                                 memory_order_relaxed,
                                                                 memory_order_relaxed)) {
        atomic_store_explicit(&limit->count, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&limit->count, 1, memory_order_relaxed) >= per_second) {
        atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *out_suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
    return true;
}
