/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/store/store.h"

/* Records as lines of JSON at the end of a file, in the order in which calls ended, each at least
 * once: after a crash the last second's lines may come twice, with the same id. The file may be
 * moved away by log rotation at any time. One thread, the writer's. */
typedef struct DmFileSink DmFileSink;

/* @store and @path are borrowed. Error: DM_ERROR_IO. */
DmFileSink *dm_file_sink_new(DmStore *store, const char *path, GError **error);
/* Remembers how far it got. */
void dm_file_sink_free(DmFileSink *sink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmFileSink, dm_file_sink_free)

/* Appends everything the store has that was not yet appended. Error: DM_ERROR_IO; call again. */
bool dm_file_sink_deliver(DmFileSink *sink, GError **error);
/* Syncs the file and remembers how far it got. */
bool dm_file_sink_sync(DmFileSink *sink, GError **error);
