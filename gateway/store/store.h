/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What must outlive the process: records of calls, revisions of the configuration, API tokens, the
 * audit log, idempotency keys and a few named values. SQLite in one file by default; the database
 * is behind the operations of sql.h, so that another can take its place.
 *
 * Any thread may call any function. Writers take turns on one connection, readers on another, so
 * that a page of records is read while others are being committed. Never call from a signalling or
 * media thread: everything here may wait for a disk.
 *
 * Durability: write-ahead log with synchronous=FULL. A commit that has returned survives kill -9
 * and a power cut. The cost is one fsync a commit, which is why records are committed in groups.
 *
 * Errors, where not said otherwise: DM_ERROR_IO (the database said no), DM_ERROR_LIMIT (a query
 * took longer than DM_STORE_QUERY_MAX_MS). Times are wall microseconds, 0 unknown or never. */
typedef struct DmStore DmStore;

#define DM_STORE_QUERY_MAX_MS 3000

/**
 * dm_store_open:
 * @path: database file; made, with its tables, when missing. ":memory:" is a store for tests.
 *
 * Brings an older schema up to date, one migration at a time, each in a transaction. Refuses a
 * newer one (DM_ERROR_UNSUPPORTED) and a file another process has open (DM_ERROR_CONFLICT).
 */
DmStore *dm_store_open(const char *path, GError **error);
void dm_store_close(DmStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmStore, dm_store_close)
/* Whether the database answers: for /readyz. */
bool dm_store_check(DmStore *store, GError **error);

/**
 * dm_store_use_key:
 * @path: file of the key; made when missing, unless something was sealed before
 *
 * From now on documents of revisions and named values are sealed: they hold passwords. Those there
 * in clear are sealed first, and nothing of them is left in the file. To be called before anyone
 * else uses the store. Errors: also DM_ERROR_CONFIG, the key is missing, or another.
 */
bool dm_store_use_key(DmStore *store, const char *path, GError **error);

/* --- Records of calls --- */

/* A row to write. Everything is borrowed for the call; NULL is as "". Members other than @json are
 * for filters. */
typedef struct {
    const char *id;
    bool ended; /* false: the call was answered and goes on */
    int64_t start_wall_us;
    int64_t end_wall_us; /* of a call that goes on: when it was last known to be alive */
    const char *trunk_a, *trunk_b, *direction, *diagnosis;
    const char *numbers; /* every number of the call, with spaces between */
    unsigned code;
    int64_t duration_ms;
    const char *json; /* the whole record as the API shows it */
} DmStoreRecord;

/* In one transaction, all or none. Idempotent by id: an ended record is never written again, nor
 * undone by a late "started". */
bool dm_store_records_write(DmStore *store, const DmStoreRecord *rows, size_t n, GError **error);
/* Remembers that the media of these calls was heard at @wall_us. Unknown ids are ignored. */
bool dm_store_records_alive(DmStore *store,
                            const char *const *ids,
                            size_t n,
                            int64_t wall_us,
                            GError **error);
/* Ended records that ended before @wall_us are removed. Returns how many, -1 on error. */
int64_t dm_store_records_prune(DmStore *store, int64_t wall_us, GError **error);

/* A row as read. */
typedef struct {
    char *id, *json;
    bool ended;
    int64_t start_wall_us, alive_wall_us;
    int64_t sequence; /* order in which calls ended, 0 while they have not */
} DmStoredRecord;
void dm_stored_record_free(DmStoredRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmStoredRecord, dm_stored_record_free)

/* DM_ERROR_NOT_FOUND when there is none. */
DmStoredRecord *dm_store_record(DmStore *store, const char *id, GError **error);
/* Calls that began and never ended, oldest first: what a crash leaves. (transfer full): of
 * DmStoredRecord */
GPtrArray *dm_store_records_unfinished(DmStore *store, GError **error);
/* At most @limit that ended after @sequence, in order of ending: what a sink has still to get. */
GPtrArray *dm_store_records_ended_after(DmStore *store,
                                        int64_t sequence,
                                        unsigned limit,
                                        GError **error);

/* Members that are NULL or 0 do not filter. */
typedef struct {
    int64_t from_wall_us, to_wall_us; /* start of the call: from <= start < to */
    const char *trunk;                /* either side */
    const char *number;               /* part of any number of the call */
    int code;                         /* final SIP status; 0: any */
    const char *diagnosis;
    const char *direction;
    int64_t min_duration_ms;
    enum { DM_STORE_ANY, DM_STORE_RUNNING, DM_STORE_ENDED } state;
    bool ascending;
    /* the place after which to go on: a row's start and id; NULL: from the beginning */
    int64_t after_start_wall_us;
    const char *after_id;
    unsigned limit; /* 1 to 1000 */
} DmStoreRecordQuery;

/* Newest first, or oldest first when @ascending. A row that is added while somebody pages never
 * makes another appear twice or not at all. (transfer full): of DmStoredRecord */
GPtrArray *dm_store_records_query(DmStore *store, const DmStoreRecordQuery *query, GError **error);

/* --- Revisions of the API's part of the configuration --- */

typedef struct {
    uint64_t number; /* 1 is the first; 0: none yet */
    int64_t created_wall_us;
    char *actor, *summary;
    char *document; /* JSON; NULL in lists */
} DmStoreRevision;
void dm_store_revision_free(DmStoreRevision *revision);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmStoreRevision, dm_store_revision_free)

/* Older ones than this many are forgotten. */
#define DM_STORE_MAX_REVISIONS 1000

/* Adds a revision on top of @base, the number it was made from: DM_ERROR_CONFLICT when another has
 * been added since. @out_number may be NULL. */
bool dm_store_revision_add(DmStore *store,
                           uint64_t base,
                           const char *actor,
                           const char *summary,
                           const char *document,
                           uint64_t *out_number,
                           GError **error);
/* DM_ERROR_NOT_FOUND when there is none. */
DmStoreRevision *dm_store_revision(DmStore *store, uint64_t number, GError **error);
DmStoreRevision *dm_store_revision_last(DmStore *store, GError **error);
/* Newest first, numbers below @before (0: from the newest), without their documents. */
GPtrArray *dm_store_revisions(DmStore *store, uint64_t before, unsigned limit, GError **error);

/* --- Tokens of the API --- */

typedef enum {
    DM_ROLE_READ,     /* looks */
    DM_ROLE_OPERATOR, /* and acts: hang up, register, probe, drain, enable */
    DM_ROLE_ADMIN,    /* and changes configuration and tokens */
} DmRole;
#define DM_N_ROLES 3
const char *dm_role_name(DmRole role); /* "read", "operator", "admin" */
bool dm_role_parse(const char *text, DmRole *out_role);

typedef struct {
    char *id, *name;
    DmRole role;
    int64_t created_wall_us, last_used_wall_us;
    int64_t expires_wall_us; /* 0: never */
} DmStoreToken;
void dm_store_token_free(DmStoreToken *token);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmStoreToken, dm_store_token_free)

/* The secret is never stored: only its SHA-256, as 64 hex digits. Secrets are 256 random bits, so
 * they need no salt and no slow hash. (transfer full) */
char *dm_store_hash_secret(const char *secret);
/* Names are unique: DM_ERROR_CONFLICT. */
bool dm_store_token_add(DmStore *store,
                        const DmStoreToken *token,
                        const char *hash,
                        GError **error);
/* The token whose secret has this hash, expired or not. DM_ERROR_NOT_FOUND. */
DmStoreToken *dm_store_token_by_hash(DmStore *store, const char *hash, GError **error);
/* DM_ERROR_NOT_FOUND. */
DmStoreToken *dm_store_token(DmStore *store, const char *id, GError **error);
GPtrArray *dm_store_tokens(DmStore *store, GError **error); /* by name */
bool dm_store_token_used(DmStore *store, const char *id, int64_t wall_us, GError **error);
/* DM_ERROR_NOT_FOUND; DM_ERROR_CONFLICT when it is the last admin token that has not expired by
 * @wall_us: someone must be able to come in. */
bool dm_store_token_delete(DmStore *store, const char *id, int64_t wall_us, GError **error);

/* --- Audit log --- */

typedef struct {
    int64_t sequence; /* set by the store */
    int64_t at_wall_us;
    char *actor, *remote, *method, *path;
    int status;
    uint64_t revision; /* the one the request made; 0: none */
} DmStoreAudit;
void dm_store_audit_free(DmStoreAudit *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmStoreAudit, dm_store_audit_free)

bool dm_store_audit_add(DmStore *store, const DmStoreAudit *entry, GError **error);
/* Newest first, sequences below @before (0: from the newest). */
GPtrArray *dm_store_audit(DmStore *store, int64_t before, unsigned limit, GError **error);
/* Entries older than @wall_us are removed. Returns how many, -1 on error. */
int64_t dm_store_audit_prune(DmStore *store, int64_t wall_us, GError **error);

/* --- Answers to requests that carried an Idempotency-Key --- */

#define DM_STORE_IDEMPOTENCY_US (INT64_C(24) * 3600 * G_USEC_PER_SEC)

typedef struct {
    char
        *request_hash; /* of method, path and body: the same key for another request is a mistake */
    int status;
    char *location, *etag; /* NULL: none */
    char *body;
} DmStoreAnswer;
void dm_store_answer_free(DmStoreAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmStoreAnswer, dm_store_answer_free)

/* Kept for 24 hours. @scope: whose key it is. DM_ERROR_NOT_FOUND. */
DmStoreAnswer *dm_store_answer(DmStore *store,
                               const char *scope,
                               const char *key,
                               int64_t now_wall_us,
                               GError **error);
bool dm_store_answer_keep(DmStore *store,
                          const char *scope,
                          const char *key,
                          const DmStoreAnswer *answer,
                          int64_t now_wall_us,
                          GError **error);

/* --- Named values --- */

/* DM_ERROR_NOT_FOUND. (transfer full) */
char *dm_store_value(DmStore *store, const char *key, GError **error);
bool dm_store_set_value(DmStore *store, const char *key, const char *value, GError **error);
