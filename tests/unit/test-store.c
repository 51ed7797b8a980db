/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/error.h"
#include "gateway/store/store.h"
#include "tests/lib/temp-dir.h"

#define T0 INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

/* A folder of its own for each test that needs a file. */
typedef struct {
    DmTempDir dir;
    char *path;
} Place;

static void
place_init(Place *place)
{
    dm_temp_dir_init(&place->dir);
    place->path = dm_temp_dir_file(&place->dir, "demarc.db");
}

static void
place_clear(Place *place)
{
    dm_temp_dir_clear(&place->dir);
    g_free(place->path);
}

static DmStore *
memory_store(void)
{
    g_autoptr(GError) error = NULL;
    DmStore *store = dm_store_open(":memory:", &error);

    g_assert_no_error(error);
    return store;
}

static void
write_one(DmStore *store, const DmStoreRecord *row)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dm_store_records_write(store, row, 1, &error));
    g_assert_no_error(error);
}

static DmStoreRecord
row_at(const char *id, int64_t start_wall_us, bool ended)
{
    return (DmStoreRecord){
        .id = id,
        .ended = ended,
        .start_wall_us = start_wall_us,
        .end_wall_us = start_wall_us + 60 * G_USEC_PER_SEC,
        .trunk_a = "pbx",
        .trunk_b = "carrier",
        .direction = "outbound",
        .numbers = "+442079460000 +33140000000",
        .code = 200,
        .duration_ms = 60000,
        .json = ended ? "{\"over\":true}" : "{\"over\":false}",
    };
}

/* --- Opening --- */

static void
test_reopen(void)
{
    Place place;
    g_autoptr(GError) error = NULL;
    DmStore *store;
    char *value;
    GStatBuf info;

    g_test_summary("What was committed is there after a restart, in a file only its owner can "
                   "read");
    place_init(&place);
    store = dm_store_open(place.path, &error);
    g_assert_no_error(error);
    g_assert_true(dm_store_check(store, NULL));
    g_assert_true(dm_store_set_value(store, "k", "v", NULL));
    dm_store_close(store);

    g_assert_cmpint(g_stat(place.path, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0600);
    store = dm_store_open(place.path, &error);
    g_assert_no_error(error);
    value = dm_store_value(store, "k", NULL);
    g_assert_cmpstr(value, ==, "v");
    g_free(value);
    dm_store_close(store);
    place_clear(&place);
}

static void
test_one_process(void)
{
    Place place;
    g_autoptr(GError) error = NULL;
    DmStore *store;

    g_test_summary("A second opening of the same file is refused: it would close the first one's "
                   "running calls");
    place_init(&place);
    store = dm_store_open(place.path, NULL);
    g_assert_nonnull(store);
    g_assert_null(dm_store_open(place.path, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFLICT);
    dm_store_close(store);
    place_clear(&place);
}

static void
test_newer_schema(void)
{
    Place place;
    g_autoptr(GError) error = NULL;
    sqlite3 *db;

    g_test_summary("A database of a newer version is left alone");
    place_init(&place);
    g_assert_cmpint(sqlite3_open(place.path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);

    g_assert_null(dm_store_open(place.path, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_UNSUPPORTED);
    place_clear(&place);
}

static void
test_not_a_database(void)
{
    Place place;
    g_autoptr(GError) error = NULL;

    g_test_summary("A file that is no database is an error that names it");
    place_init(&place);
    g_assert_true(
        g_file_set_contents(place.path, "this is a shopping list, not a store", -1, NULL));
    g_assert_null(dm_store_open(place.path, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    g_assert_nonnull(strstr(error->message, place.path));
    place_clear(&place);
}

/* --- Records --- */

static void
test_record_idempotent(void)
{
    g_autoptr(DmStore) store = memory_store();
    DmStoreRecord started = row_at("A", T0, false);
    DmStoreRecord ended = row_at("A", T0, true);
    g_autoptr(DmStoredRecord) record = NULL;
    g_autoptr(GPtrArray) sunk = NULL;

    g_test_summary("Writing a record again changes nothing, and a late 'started' does not reopen "
                   "a call that ended (CDR-1)");
    write_one(store, &started);
    write_one(store, &ended);
    write_one(store, &ended);
    write_one(store, &started);

    record = dm_store_record(store, "A", NULL);
    g_assert_true(record->ended);
    g_assert_cmpstr(record->json, ==, "{\"over\":true}");
    sunk = dm_store_records_ended_after(store, 0, 10, NULL);
    g_assert_cmpuint(sunk->len, ==, 1);
}

static void
test_unfinished(void)
{
    g_autoptr(DmStore) store = memory_store();
    DmStoreRecord a = row_at("A", T0, false);
    DmStoreRecord b = row_at("B", T0 + 1, true);
    const char *ids[] = {"A", "B", "unknown"};
    g_autoptr(GPtrArray) unfinished = NULL;
    const DmStoredRecord *record;

    g_test_summary("Calls that began and never ended are found, with the time they were last "
                   "known to be alive");
    write_one(store, &a);
    write_one(store, &b);
    g_assert_true(dm_store_records_alive(store, ids, 3, T0 + 90 * G_USEC_PER_SEC, NULL));

    unfinished = dm_store_records_unfinished(store, NULL);
    g_assert_cmpuint(unfinished->len, ==, 1);
    record = g_ptr_array_index(unfinished, 0);
    g_assert_cmpstr(record->id, ==, "A");
    g_assert_cmpint(record->alive_wall_us, ==, T0 + 90 * G_USEC_PER_SEC);
}

static void
test_all_or_none(void)
{
    g_autoptr(DmStore) store = memory_store();
    DmStoreRecord rows[] = {row_at("A", T0, true), row_at("B", T0, true)};
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoredRecord) record = NULL;

    g_test_summary("A batch in which one row cannot be written writes none of them");
    rows[1].json = NULL;
    g_assert_false(dm_store_records_write(store, rows, 2, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    g_clear_error(&error);
    record = dm_store_record(store, "A", &error);
    g_assert_null(record);
    g_assert_error(error, DM_ERROR, DM_ERROR_NOT_FOUND);
    rows[1].json = "{}";
    g_assert_true(dm_store_records_write(store, rows, 2, NULL));
}

static void
test_sequence_survives_prune(void)
{
    g_autoptr(DmStore) store = memory_store();
    DmStoreRecord a = row_at("A", T0, true);
    DmStoreRecord b = row_at("B", T0 + G_USEC_PER_SEC, true);
    DmStoreRecord running = row_at("C", T0, false);
    g_autoptr(GPtrArray) after = NULL;

    g_test_summary("Old records go, running calls stay, and a sink that had got the removed ones "
                   "gets the next");
    write_one(store, &a);
    write_one(store, &running);
    g_assert_cmpint(dm_store_records_prune(store, T0 + 3600 * INT64_C(1000000), NULL), ==, 1);
    write_one(store, &b);

    after = dm_store_records_ended_after(store, 1, 10, NULL);
    g_assert_cmpuint(after->len, ==, 1);
    g_assert_cmpstr(((DmStoredRecord *)g_ptr_array_index(after, 0))->id, ==, "B");
}

/* Ids of a query's rows, joined. */
static char *
ids_of(DmStore *store, const DmStoreRecordQuery *query)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = dm_store_records_query(store, query, &error);
    GString *text = g_string_new("");

    g_assert_no_error(error);
    for (guint i = 0; i < rows->len; i++) {
        g_string_append(text, ((DmStoredRecord *)g_ptr_array_index(rows, i))->id);
    }
    return g_string_free(text, FALSE);
}

#define ASSERT_FOUND(store, expected, ...)                                                         \
    do {                                                                                           \
        DmStoreRecordQuery query_ = {__VA_ARGS__};                                                 \
        g_autofree char *found_ = NULL;                                                            \
        query_.limit = 100;                                                                        \
        found_ = ids_of(store, &query_);                                                           \
        g_assert_cmpstr(found_, ==, expected);                                                     \
    } while (0)

static void
test_filters(void)
{
    g_autoptr(DmStore) store = memory_store();
    DmStoreRecord a = row_at("A", T0, true);
    DmStoreRecord b = row_at("B", T0 + 10, true);
    DmStoreRecord c = row_at("C", T0 + 20, false);

    g_test_summary("Each filter alone, and together");
    a.code = 503;
    a.diagnosis = "trunk_down";
    b.trunk_b = "other";
    b.duration_ms = 100;
    c.direction = "inbound";
    c.numbers = "+15550100 200";
    write_one(store, &a);
    write_one(store, &b);
    write_one(store, &c);

    ASSERT_FOUND(store, "CBA", .ascending = false);
    ASSERT_FOUND(store, "ABC", .ascending = true);
    ASSERT_FOUND(store, "BA", .to_wall_us = T0 + 20);
    ASSERT_FOUND(store, "CB", .from_wall_us = T0 + 10);
    ASSERT_FOUND(store, "A", .code = 503);
    ASSERT_FOUND(store, "A", .diagnosis = "trunk_down");
    ASSERT_FOUND(store, "B", .trunk = "other");
    ASSERT_FOUND(store, "CBA", .trunk = "pbx");
    ASSERT_FOUND(store, "C", .number = "5550100");
    ASSERT_FOUND(store, "C", .direction = "inbound");
    ASSERT_FOUND(store, "CA", .min_duration_ms = 1000);
    ASSERT_FOUND(store, "C", .state = DM_STORE_RUNNING);
    ASSERT_FOUND(store, "BA", .state = DM_STORE_ENDED);
    ASSERT_FOUND(store, "A", .code = 503, .trunk = "carrier", .number = "2079460000");
    ASSERT_FOUND(store, "", .code = 503, .trunk = "other");
    ASSERT_FOUND(store, "", .number = "' OR 1=1 --");
}

static void
test_pages(void)
{
    g_autoptr(DmStore) store = memory_store();
    g_autoptr(GString) seen = g_string_new("");
    DmStoreRecordQuery query = {.limit = 3};
    g_autofree char *last = NULL;

    g_test_summary("Pages follow on each other without gap or repetition, although calls share a "
                   "microsecond and new ones come in meanwhile");
    for (int i = 0; i < 10; i++) {
        g_autofree char *id = g_strdup_printf("%c", 'A' + i);
        DmStoreRecord row = row_at(id, T0 + i / 4, true);

        write_one(store, &row);
    }
    for (int page = 0; page < 4; page++) {
        g_autoptr(GPtrArray) rows = dm_store_records_query(store, &query, NULL);
        g_autofree char *id = g_strdup_printf("new%d", page);
        DmStoreRecord row = row_at(id, T0 + 1000 + page, true);

        for (guint i = 0; i < rows->len; i++) {
            const DmStoredRecord *record = g_ptr_array_index(rows, i);

            g_string_append(seen, record->id);
            query.after_start_wall_us = record->start_wall_us;
            g_free(last);
            last = g_strdup(record->id);
            query.after_id = last;
        }
        write_one(store, &row);
    }
    g_assert_cmpstr(seen->str, ==, "JIHGFEDCBA");
}

/* --- Revisions --- */

static void
test_revisions(void)
{
    g_autoptr(DmStore) store = memory_store();
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoreRevision) last = NULL;
    g_autoptr(GPtrArray) list = NULL;
    uint64_t number = 0;

    g_test_summary("Of two writers who start from the same revision the second is refused");
    g_assert_null(dm_store_revision_last(store, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_NOT_FOUND);
    g_clear_error(&error);

    g_assert_true(dm_store_revision_add(store, 0, "ann", "one", "{\"n\":1}", &number, NULL));
    g_assert_cmpuint(number, ==, 1);
    g_assert_false(dm_store_revision_add(store, 0, "bob", "two", "{}", NULL, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFLICT);
    g_assert_true(dm_store_revision_add(store, 1, "bob", "two", "{\"n\":2}", &number, NULL));

    last = dm_store_revision_last(store, NULL);
    g_assert_cmpuint(last->number, ==, 2);
    g_assert_cmpstr(last->document, ==, "{\"n\":2}");
    list = dm_store_revisions(store, 2, 10, NULL);
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_cmpstr(((DmStoreRevision *)g_ptr_array_index(list, 0))->actor, ==, "ann");
}

static void
test_revisions_bounded(void)
{
    g_autoptr(DmStore) store = memory_store();
    g_autoptr(GError) error = NULL;

    g_test_summary("The oldest revisions are forgotten once there are a thousand");
    for (uint64_t i = 0; i < DM_STORE_MAX_REVISIONS + 5; i++) {
        g_assert_true(dm_store_revision_add(store, i, "a", "s", "{}", NULL, NULL));
    }
    g_assert_null(dm_store_revision(store, 5, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_NOT_FOUND);
    dm_store_revision_free(dm_store_revision(store, 6, NULL));
}

/* --- Tokens --- */

static void
add_token(DmStore *store, const char *id, DmRole role, int64_t expires_wall_us)
{
    g_autofree char *hash = dm_store_hash_secret(id);
    DmStoreToken token = {(char *)id, (char *)id, role, T0, 0, expires_wall_us};

    g_assert_true(dm_store_token_add(store, &token, hash, NULL));
}

static void
test_tokens(void)
{
    g_autoptr(DmStore) store = memory_store();
    g_autoptr(GError) error = NULL;
    g_autofree char *hash = dm_store_hash_secret("one");
    g_autoptr(DmStoreToken) found = NULL;
    DmStoreToken same_name = {(char *)"x", (char *)"one", DM_ROLE_READ, T0, 0, 0};

    g_test_summary("Tokens are found by the hash of their secret; names are unique");
    g_assert_cmpuint(strlen(hash), ==, 64);
    add_token(store, "one", DM_ROLE_OPERATOR, T0 + 5);
    g_assert_true(dm_store_token_used(store, "one", T0 + 3, NULL));

    found = dm_store_token_by_hash(store, hash, NULL);
    g_assert_cmpint(found->role, ==, DM_ROLE_OPERATOR);
    g_assert_cmpint(found->last_used_wall_us, ==, T0 + 3);
    g_assert_cmpint(found->expires_wall_us, ==, T0 + 5);
    g_assert_false(dm_store_token_add(store, &same_name, "other", &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFLICT);
}

static void
test_last_admin(void)
{
    g_autoptr(DmStore) store = memory_store();
    g_autoptr(GError) error = NULL;

    g_test_summary("The last admin token that still works cannot be deleted, any other can");
    add_token(store, "a", DM_ROLE_ADMIN, 0);
    add_token(store, "expired", DM_ROLE_ADMIN, T0);
    add_token(store, "reader", DM_ROLE_READ, 0);

    g_assert_true(dm_store_token_delete(store, "reader", T0 + 1, NULL));
    g_assert_false(dm_store_token_delete(store, "a", T0 + 1, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFLICT);
    g_clear_error(&error);
    add_token(store, "b", DM_ROLE_ADMIN, 0);
    g_assert_true(dm_store_token_delete(store, "a", T0 + 1, NULL));
    g_assert_false(dm_store_token_delete(store, "a", T0 + 1, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_NOT_FOUND);
}

/* --- Audit, idempotency --- */

static void
test_audit(void)
{
    g_autoptr(DmStore) store = memory_store();
    g_autoptr(GPtrArray) page = NULL;
    g_autoptr(GPtrArray) rest = NULL;

    g_test_summary("The audit log is read newest first and page by page, and pruned by age");
    for (int i = 0; i < 5; i++) {
        DmStoreAudit entry = {0,
                              T0 + i,
                              (char *)"ann",
                              (char *)"127.0.0.1",
                              (char *)"PUT",
                              (char *)"/api/v1/trunks/a",
                              200,
                              (uint64_t)i};

        g_assert_true(dm_store_audit_add(store, &entry, NULL));
    }
    page = dm_store_audit(store, 0, 2, NULL);
    g_assert_cmpuint(page->len, ==, 2);
    g_assert_cmpint(((DmStoreAudit *)g_ptr_array_index(page, 0))->at_wall_us, ==, T0 + 4);
    g_assert_cmpint(dm_store_audit_prune(store, T0 + 2, NULL), ==, 2);
    rest = dm_store_audit(store, ((DmStoreAudit *)g_ptr_array_index(page, 1))->sequence, 10, NULL);
    g_assert_cmpuint(rest->len, ==, 1);
}

static void
test_idempotency(void)
{
    g_autoptr(DmStore) store = memory_store();
    g_autoptr(GError) error = NULL;
    g_autoptr(DmStoreAnswer) found = NULL;
    DmStoreAnswer answer = {(char *)"h", 201, (char *)"/x", NULL, (char *)"{}"};

    g_test_summary("An answer is kept for a day under its owner's key, and not for another's");
    g_assert_true(dm_store_answer_keep(store, "tok", "k", &answer, T0, NULL));
    found = dm_store_answer(store, "tok", "k", T0 + DM_STORE_IDEMPOTENCY_US - 1, NULL);
    g_assert_cmpint(found->status, ==, 201);
    g_assert_cmpstr(found->location, ==, "/x");
    g_assert_null(found->etag);
    g_assert_null(dm_store_answer(store, "other", "k", T0, NULL));
    g_assert_null(dm_store_answer(store, "tok", "k", T0 + DM_STORE_IDEMPOTENCY_US, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_NOT_FOUND);
    g_assert_true(
        dm_store_answer_keep(store, "tok", "k", &answer, T0 + DM_STORE_IDEMPOTENCY_US, NULL));
}

/* --- Threads --- */

static gpointer
read_while_written(gpointer data)
{
    DmStore *store = data;

    for (int i = 0; i < 200; i++) {
        DmStoreRecordQuery query = {.limit = 50};
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) rows = dm_store_records_query(store, &query, &error);

        g_assert_no_error(error);
    }
    return NULL;
}

static void
test_readers_and_writer(void)
{
    Place place;
    DmStore *store;
    GThread *readers[3];

    g_test_summary("Readers on other threads see whole records while one thread writes");
    place_init(&place);
    store = dm_store_open(place.path, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
        readers[i] = g_thread_new("reader", read_while_written, store);
    }
    for (int i = 0; i < 50; i++) {
        g_autofree char *id = g_strdup_printf("%d", i);
        DmStoreRecord row = row_at(id, T0 + i, true);

        write_one(store, &row);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
        g_thread_join(readers[i]);
    }
    dm_store_close(store);
    place_clear(&place);
}

/* --- sealing --- */

#define PASSWORD "open-sesame-1001"

static DmStore *
open_with_key(const char *path, const char *key)
{
    g_autoptr(GError) error = NULL;
    DmStore *store = dm_store_open(path, &error);

    g_assert_no_error(error);
    g_assert_true(dm_store_use_key(store, key, &error));
    g_assert_no_error(error);
    return store;
}

static bool
file_has(const char *path, const char *text)
{
    g_autofree char *bytes = NULL;
    gsize len = 0;

    return g_file_get_contents(path, &bytes, &len, NULL) &&
           memmem(bytes, len, text, strlen(text)) != NULL;
}

static void
assert_hidden(const Place *place)
{
    g_autofree char *log = g_strconcat(place->path, "-wal", NULL);

    g_assert_false(file_has(place->path, PASSWORD));
    g_assert_false(file_has(log, PASSWORD));
}

static void
passwords_are_sealed(void)
{
    Place place;
    g_autofree char *key = NULL;
    g_autofree char *value = NULL;
    g_autoptr(DmStoreRevision) revision = NULL;
    struct stat status;
    DmStore *store;

    g_test_summary(
        "SEC-6: what the API wrote is unreadable in the database, and read back with its "
        "key; what was there in clear is sealed, and its trace gone");
    place_init(&place);
    key = dm_temp_dir_file(&place.dir, "secret.key");
    store = dm_store_open(place.path, NULL);
    g_assert_true(
        dm_store_revision_add(store, 0, "a", "s", "{\"old\": \"" PASSWORD "\"}", NULL, NULL));
    dm_store_close(store);
    g_assert_true(file_has(place.path, PASSWORD));
    store = open_with_key(place.path, key);
    assert_hidden(&place);
    g_assert_true(
        dm_store_revision_add(store, 1, "a", "s", "{\"new\": \"" PASSWORD "\"}", NULL, NULL));
    g_assert_true(dm_store_set_value(store, "name", PASSWORD, NULL));
    dm_store_close(store);
    assert_hidden(&place);
    g_assert_cmpint(stat(key, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);
    store = open_with_key(place.path, key);
    revision = dm_store_revision(store, 1, NULL);
    g_assert_cmpstr(revision->document, ==, "{\"old\": \"" PASSWORD "\"}");
    value = dm_store_value(store, "name", NULL);
    g_assert_cmpstr(value, ==, PASSWORD);
    dm_store_close(store);
    place_clear(&place);
}

static void
assert_refused(const char *path, const char *key, const char *said)
{
    g_autoptr(GError) error = NULL;
    DmStore *store = dm_store_open(path, NULL);

    g_assert_false(dm_store_use_key(store, key, &error));
    g_assert_nonnull(strstr(error->message, said));
    dm_store_close(store);
}

static void
keys_are_not_guessed(void)
{
    Place place;
    g_autofree char *key = NULL;
    g_autofree char *other = NULL;
    DmStore *store;

    g_test_summary("SEC-6: without its key, or with another, the database is refused; none is made "
                   "in its place");
    place_init(&place);
    key = dm_temp_dir_file(&place.dir, "secret.key");
    other = dm_temp_dir_file(&place.dir, "other.key");
    store = open_with_key(place.path, key);
    g_assert_true(dm_store_set_value(store, "name", PASSWORD, NULL));
    dm_store_close(store);
    assert_refused(place.path, other, "other.key");
    g_assert_false(g_file_test(other, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_set_contents(other, "nonsense", -1, NULL));
    assert_refused(place.path, other, "is no key");
    g_assert_true(g_file_set_contents(other,
                                      "00112233445566778899aabbccddeeff"
                                      "00112233445566778899aabbccddeeff\n",
                                      -1,
                                      NULL));
    assert_refused(place.path, other, "another key");
    place_clear(&place);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/store/open/reopen", test_reopen);
    g_test_add_func("/store/open/one-process", test_one_process);
    g_test_add_func("/store/open/newer-schema", test_newer_schema);
    g_test_add_func("/store/open/not-a-database", test_not_a_database);
    g_test_add_func("/store/records/idempotent", test_record_idempotent);
    g_test_add_func("/store/records/unfinished", test_unfinished);
    g_test_add_func("/store/records/all-or-none", test_all_or_none);
    g_test_add_func("/store/records/sequence-survives-prune", test_sequence_survives_prune);
    g_test_add_func("/store/records/filters", test_filters);
    g_test_add_func("/store/records/pages", test_pages);
    g_test_add_func("/store/revisions/optimistic", test_revisions);
    g_test_add_func("/store/revisions/bounded", test_revisions_bounded);
    g_test_add_func("/store/tokens/find", test_tokens);
    g_test_add_func("/store/tokens/last-admin", test_last_admin);
    g_test_add_func("/store/audit", test_audit);
    g_test_add_func("/store/idempotency", test_idempotency);
    g_test_add_func("/store/readers-and-writer", test_readers_and_writer);
    g_test_add_func("/store/seal/passwords", passwords_are_sealed);
    g_test_add_func("/store/seal/keys", keys_are_not_guessed);
    return g_test_run();
}
