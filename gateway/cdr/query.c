/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/query.h"

#include <string.h>

#include "gateway/base/error.h"

#define DEFAULT_LIMIT 100
#define MAX_LIMIT     1000

struct DmCdrQuery {
    DmStoreRecordQuery store; /* its strings are in @texts */
    GPtrArray *texts;
};

DmCdrQuery *
dm_cdr_query_new(void)
{
    DmCdrQuery *query = g_new0(DmCdrQuery, 1);

    query->texts = g_ptr_array_new_with_free_func(g_free);
    query->store.limit = DEFAULT_LIMIT;
    return query;
}

void
dm_cdr_query_free(DmCdrQuery *query)
{
    if (query == NULL) {
        return;
    }
    g_ptr_array_unref(query->texts);
    g_free(query);
}

static const char *
keep(DmCdrQuery *query, char *text)
{
    g_ptr_array_add(query->texts, text);
    return text;
}

static bool
fail(GError **error, const char *what)
{
    g_set_error_literal(error, DM_ERROR, DM_ERROR_PARSE, what);
    return false;
}

/* --- One function a name --- */

static bool
parse_time(const char *value, int64_t *out_wall_us, GError **error)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(value, utc);

    if (time == NULL) {
        return fail(error, "expected a time like 2026-11-20T18:00:00Z");
    }
    *out_wall_us = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
    return true;
}

static bool
set_from(DmCdrQuery *query, const char *value, GError **error)
{
    return parse_time(value, &query->store.from_wall_us, error);
}

static bool
set_to(DmCdrQuery *query, const char *value, GError **error)
{
    return parse_time(value, &query->store.to_wall_us, error);
}

static bool
set_trunk(DmCdrQuery *query, const char *value, GError **error)
{
    query->store.trunk = keep(query, g_strdup(value));
    return true;
}

/* A plus in a URL is easily read as a blank, and people write numbers with blanks: neither counts.
 */
static bool
set_number(DmCdrQuery *query, const char *value, GError **error)
{
    GString *number = g_string_new("");

    for (; *value != '\0'; value++) {
        if (strchr(" +-./()", *value) == NULL) {
            g_string_append_c(number, *value);
        }
    }
    query->store.number = keep(query, g_string_free(number, FALSE));
    return *query->store.number != '\0' || fail(error, "expected a number or part of one");
}

static bool
set_code(DmCdrQuery *query, const char *value, GError **error)
{
    guint64 code;

    if (!g_ascii_string_to_unsigned(value, 10, 100, 699, &code, NULL)) {
        return fail(error, "expected a SIP status from 100 to 699");
    }
    query->store.code = (int)code;
    return true;
}

static bool
set_diagnosis(DmCdrQuery *query, const char *value, GError **error)
{
    query->store.diagnosis = keep(query, g_strdup(value));
    return true;
}

static bool
set_direction(DmCdrQuery *query, const char *value, GError **error)
{
    static const char *const directions[] = {"inbound", "outbound", "internal", "transit", NULL};

    if (!g_strv_contains(directions, value)) {
        return fail(error, "expected inbound, outbound, internal or transit");
    }
    query->store.direction = keep(query, g_strdup(value));
    return true;
}

static bool
set_min_duration(DmCdrQuery *query, const char *value, GError **error)
{
    if (!g_ascii_string_to_signed(value, 10, 0, G_MAXINT32, &query->store.min_duration_ms, NULL)) {
        return fail(error, "expected milliseconds");
    }
    return true;
}

static bool
set_state(DmCdrQuery *query, const char *value, GError **error)
{
    bool is_ended = strcmp(value, "ended") == 0;

    if (!is_ended && strcmp(value, "running") != 0) {
        return fail(error, "expected running or ended");
    }
    query->store.state = is_ended ? DM_STORE_ENDED : DM_STORE_RUNNING;
    return true;
}

static bool
set_sort(DmCdrQuery *query, const char *value, GError **error)
{
    query->store.ascending = strcmp(value, "start_at") == 0;
    return query->store.ascending || strcmp(value, "-start_at") == 0 ||
           fail(error, "expected start_at or -start_at");
}

/* "1767225600000000.01JD3W...": where the last page ended. */
static bool
set_cursor(DmCdrQuery *query, const char *value, GError **error)
{
    char *end;

    query->store.after_start_wall_us = g_ascii_strtoll(value, &end, 10);
    if (end == value || *end != '.' || end[1] == '\0') {
        return fail(error, "this is no cursor of this list");
    }
    query->store.after_id = keep(query, g_strdup(end + 1));
    return true;
}

bool
dm_cdr_query_set(DmCdrQuery *query, const char *name, const char *value, GError **error)
{
    static const struct {
        const char *name;
        bool (*set)(DmCdrQuery *query, const char *value, GError **error);
    } setters[] = {
        {"from", set_from},
        {"to", set_to},
        {"trunk", set_trunk},
        {"number", set_number},
        {"code", set_code},
        {"diagnosis", set_diagnosis},
        {"direction", set_direction},
        {"min_duration_ms", set_min_duration},
        {"state", set_state},
        {"sort", set_sort},
        {"cursor", set_cursor},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(setters); i++) {
        if (strcmp(name, setters[i].name) == 0) {
            return setters[i].set(query, value, error);
        }
    }
    g_set_error(error, DM_ERROR, DM_ERROR_NOT_FOUND, "there is no filter '%s'", name);
    return false;
}

void
dm_cdr_query_set_limit(DmCdrQuery *query, unsigned limit)
{
    query->store.limit = CLAMP(limit, 1, MAX_LIMIT);
}

/* --- Running --- */

static char *
cursor_after(const DmStoredRecord *record)
{
    return g_strdup_printf("%" G_GINT64_FORMAT ".%s", record->start_wall_us, record->id);
}

/* A full page may be the last one; the page after it is then empty. */
GPtrArray *
dm_cdr_query_run(DmStore *store, const DmCdrQuery *query, char **out_next, GError **error)
{
    g_autoptr(GPtrArray) records = dm_store_records_query(store, &query->store, error);
    GPtrArray *texts;

    if (records == NULL) {
        return NULL;
    }
    *out_next = records->len == query->store.limit
                    ? cursor_after(g_ptr_array_index(records, records->len - 1))
                    : NULL;
    texts = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < records->len; i++) {
        DmStoredRecord *record = g_ptr_array_index(records, i);

        g_ptr_array_add(texts, g_steal_pointer(&record->json));
    }
    return texts;
}
