/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/cdr/record.h"
#include "gateway/store/store.h"

/* Records on their way to the store: a thread of its own takes them from the signalling threads
 * without blocking them, and commits what has gathered at most 50 ms later, in one transaction
 * (CDR-1). Feeds the file sink from there. */
typedef struct DmCdrWriter DmCdrWriter;

typedef struct {
    const char *file_path; /* JSON lines, appended and flushed; NULL: none */
    const char *node;
    unsigned retention_days; /* records older than this are removed once an hour; 0: never */
} DmCdrWriterOptions;

/* Closes what a previous run left unfinished (ended_by restart, end at the last known media time),
 * then starts. Error: DM_ERROR_IO. */
DmCdrWriter *dm_cdr_writer_start(DmStore *store, const DmCdrWriterOptions *options, GError **error);
/* Writes everything queued, then stops. */
void dm_cdr_writer_stop(DmCdrWriter *writer);

/* An answered call begins: its row as of now. Any thread; the record is copied as JSON. */
void dm_cdr_writer_started(DmCdrWriter *writer, const DmRecord *record);
/* A call of any result has ended. Exactly once a call. */
void dm_cdr_writer_ended(DmCdrWriter *writer, const DmRecord *record);
/* Media of calls that are up was heard just now: remembered for a restart. Once every 10 s for all
 * calls. */
void dm_cdr_writer_alive(DmCdrWriter *writer,
                         const char *const *call_ids,
                         size_t n,
                         int64_t wall_us);

typedef struct {
    size_t queued; /* records not yet committed */
    uint64_t written, failed, dropped;
    uint64_t commits; /* transactions that wrote records */
} DmCdrWriterStats;
void dm_cdr_writer_stats(DmCdrWriter *writer, DmCdrWriterStats *out);
