/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/file-sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"

/* The place in the store up to which the file has everything. */
#define PLACE_NAME "sink.file"
#define PAGE       500

struct DmFileSink {
    DmStore *store; /* not owned */
    char *path;
    int fd; /* -1: to be opened again */
    int64_t delivered, remembered;
};

static bool
write_all(DmFileSink *sink, const char *text, size_t len, GError **error)
{
    while (len > 0) {
        ssize_t n = write(sink->fd, text, len);

        if (n < 0 && errno != EINTR) {
            dm_error_set_errno(error, errno, sink->path);
            return false;
        }
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* A crash, or a full disk, may have left half a line: what follows starts on a line of its own. */
static bool
end_last_line(DmFileSink *sink, GError **error)
{
    char last = '\n';
    off_t len = lseek(sink->fd, 0, SEEK_END);

    if (len > 0 && pread(sink->fd, &last, 1, len - 1) != 1) {
        dm_error_set_errno(error, errno, sink->path);
        return false;
    }
    return last == '\n' || write_all(sink, "\n", 1, error);
}

static void
close_file(DmFileSink *sink)
{
    if (sink->fd >= 0) {
        close(sink->fd);
        sink->fd = -1;
    }
}

static bool
open_file(DmFileSink *sink, GError **error)
{
    sink->fd = open(sink->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (sink->fd < 0) {
        dm_error_set_errno(error, errno, sink->path);
        return false;
    }
    if (!end_last_line(sink, error)) {
        close_file(sink);
        return false;
    }
    return true;
}

static bool
is_moved_away(const DmFileSink *sink)
{
    struct stat ours;
    struct stat named;

    return fstat(sink->fd, &ours) != 0 || stat(sink->path, &named) != 0 ||
           ours.st_ino != named.st_ino || ours.st_dev != named.st_dev;
}

static bool
ensure_open(DmFileSink *sink, GError **error)
{
    if (sink->fd >= 0 && is_moved_away(sink)) {
        close_file(sink);
    }
    return sink->fd >= 0 || open_file(sink, error);
}

static bool
append_records(DmFileSink *sink, const GPtrArray *records, GError **error)
{
    g_autoptr(GString) lines = g_string_new("");

    for (guint i = 0; i < records->len; i++) {
        const DmStoredRecord *record = g_ptr_array_index(records, i);

        g_string_append(lines, record->json);
        g_string_append_c(lines, '\n');
    }
    if (!write_all(sink, lines->str, lines->len, error)) {
        close_file(sink); /* the next one ends the half line */
        return false;
    }
    return true;
}

bool
dm_file_sink_deliver(DmFileSink *sink, GError **error)
{
    for (;;) {
        g_autoptr(GPtrArray) records =
            dm_store_records_ended_after(sink->store, sink->delivered, PAGE, error);

        if (records == NULL) {
            return false;
        }
        if (records->len == 0) {
            return true;
        }
        if (!ensure_open(sink, error) || !append_records(sink, records, error)) {
            return false;
        }
        sink->delivered =
            ((DmStoredRecord *)g_ptr_array_index(records, records->len - 1))->sequence;
    }
}

bool
dm_file_sink_sync(DmFileSink *sink, GError **error)
{
    g_autofree char *place = g_strdup_printf("%" G_GINT64_FORMAT, sink->delivered);

    if (sink->delivered == sink->remembered) {
        return true;
    }
    if (sink->fd >= 0 && fdatasync(sink->fd) != 0) {
        dm_error_set_errno(error, errno, sink->path);
        return false;
    }
    if (!dm_store_set_value(sink->store, PLACE_NAME, place, error)) {
        return false;
    }
    sink->remembered = sink->delivered;
    return true;
}

DmFileSink *
dm_file_sink_new(DmStore *store, const char *path, GError **error)
{
    g_autoptr(DmFileSink) sink = g_new0(DmFileSink, 1);
    g_autofree char *place = dm_store_value(store, PLACE_NAME, NULL);

    sink->store = store;
    sink->path = g_strdup(path);
    sink->fd = -1;
    sink->delivered = place != NULL ? g_ascii_strtoll(place, NULL, 10) : 0;
    sink->remembered = sink->delivered;
    if (!open_file(sink, error)) {
        return NULL;
    }
    return g_steal_pointer(&sink);
}

void
dm_file_sink_free(DmFileSink *sink)
{
    if (sink == NULL) {
        return;
    }
    dm_file_sink_sync(sink, NULL);
    close_file(sink);
    g_free(sink->path);
    g_free(sink);
}
