/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Structured log. A line has a time, a level, a topic (one per file), the context of the object it
 * is about, and a message. Lines are handed to a writer thread through a bounded queue, so logging
 * never blocks; a full queue drops lines, counts them and says so in the next line that fits.
 * Before dm_log_start() lines go to standard error directly. */
typedef enum {
    DM_LOG_ERROR,   /* wakes someone */
    DM_LOG_WARNING, /* read in the morning; ends with what we did instead */
    DM_LOG_NOTICE,  /* lifecycle */
    DM_LOG_INFO,    /* one line per event of a call */
    DM_LOG_DEBUG,   /* for us */
} DmLogLevel;

/* What a line is about; strings are borrowed and must outlive the call. Members may be NULL. */
typedef struct {
    const char *call;  /* our call id */
    const char *leg;   /* "a" or "b" */
    const char *trunk; /* trunk id */
    const char *peer;  /* address text */
} DmLogContext;

typedef enum {
    DM_LOG_LOGFMT,
    DM_LOG_JSON,
} DmLogFormat;

/* Once per .c file, after the includes: DM_LOG_TOPIC("sip-udp") */
#define DM_LOG_TOPIC(name) G_GNUC_UNUSED static const char *const dm_log_topic_ = name

/* @fd: where lines go (borrowed), normally STDERR_FILENO. Error: DM_ERROR_IO. */
bool dm_log_start(DmLogFormat format, DmLogLevel max_level, int fd, GError **error);
/* Flushes and stops the writer. */
void dm_log_stop(void);
void dm_log_set_level(DmLogLevel max_level); /* any thread, takes effect at once */
DmLogLevel dm_log_level(void);
bool dm_log_level_parse(const char *text, DmLogLevel *out_level);
const char *dm_log_level_name(DmLogLevel level);
/* Lines dropped since start because the queue was full. */
uint64_t dm_log_dropped(void);

/* Tests: every line goes to @func instead, as printed. NULL restores. */
typedef void (*DmLogSink)(DmLogLevel level, const char *line, void *user_data);
void dm_log_set_sink(DmLogSink sink, void *user_data);

bool dm_log_wanted(DmLogLevel level);
void dm_log_write(DmLogLevel level,
                  const char *topic,
                  const DmLogContext *context,
                  const char *format,
                  ...) G_GNUC_PRINTF(4, 5);

/* Text from the network, quoted, control characters and quotes escaped, cut at 120 bytes. Returns a
 * buffer of this thread that lives until the fourth next call: use it as an argument of one log
 * call. */
const char *dm_log_quote(const char *text, size_t len);

/* Lines a stranger can cause: at most @per_second of this place a second; says how many were
 * suppressed when it speaks again. Zero-initialised, static, shared by threads. */
typedef struct {
    _Atomic int64_t second;
    _Atomic uint32_t count;
    _Atomic uint32_t suppressed;
} DmLogLimit;
bool dm_log_limit_pass(DmLogLimit *limit, uint32_t per_second, uint32_t *out_suppressed);

#define dm_log_at_(level, ctx, ...)                                                                \
    do {                                                                                           \
        if (dm_log_wanted(level)) {                                                                \
            dm_log_write(level, dm_log_topic_, ctx, __VA_ARGS__);                                  \
        }                                                                                          \
    } while (0)
#define dm_error(ctx, ...)   dm_log_at_(DM_LOG_ERROR, ctx, __VA_ARGS__)
#define dm_warning(ctx, ...) dm_log_at_(DM_LOG_WARNING, ctx, __VA_ARGS__)
#define dm_notice(ctx, ...)  dm_log_at_(DM_LOG_NOTICE, ctx, __VA_ARGS__)
#define dm_info(ctx, ...)    dm_log_at_(DM_LOG_INFO, ctx, __VA_ARGS__)
#define dm_debug(ctx, ...)   dm_log_at_(DM_LOG_DEBUG, ctx, __VA_ARGS__)
