/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/row.h"

#include <string.h>

#include "gateway/base/clock.h"

static const char *
text_of(const json_t *json, const char *object, const char *name)
{
    const json_t *from = object != NULL ? json_object_get(json, object) : json;

    return json_string_value(json_object_get(from, name));
}

static json_int_t
integer_of(const json_t *json, const char *object, const char *name)
{
    const json_t *from = object != NULL ? json_object_get(json, object) : json;

    return json_integer_value(json_object_get(from, name));
}

/* Every number of the call once, so that one search finds what either side saw. */
static char *
join_numbers(const json_t *json)
{
    static const char *const members[] =
        {"from_in", "to_in", "ruri_in", "from_out", "to_out", "ruri_out"};
    GString *numbers = g_string_new("");

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        const char *number = json_string_value(json_object_get(json, members[i]));

        if (number != NULL && strstr(numbers->str, number) == NULL) {
            g_string_append_printf(numbers, "%s%s", numbers->len > 0 ? " " : "", number);
        }
    }
    return g_string_free(numbers, FALSE);
}

void
dm_cdr_row_init(DmCdrRow *row, const json_t *json, int64_t start_wall_us, int64_t end_wall_us)
{
    json_int_t code = integer_of(json, "release", "code");

    row->numbers = join_numbers(json);
    row->text = json_dumps(json, JSON_COMPACT);
    row->row = (DmStoreRecord){
        .id = text_of(json, NULL, "id"),
        .ended = !json_is_null(json_object_get(json, "end_at")),
        .start_wall_us = start_wall_us,
        .end_wall_us = end_wall_us,
        .trunk_a = text_of(json, "a", "trunk"),
        .trunk_b = text_of(json, "b", "trunk"),
        .direction = text_of(json, NULL, "direction"),
        .diagnosis = text_of(json, "release", "diagnosis"),
        .numbers = row->numbers,
        .code = (unsigned)(code != 0 ? code : integer_of(json, "a", "final_code")),
        .duration_ms = integer_of(json, NULL, "duration_ms"),
        .json = row->text,
    };
}

void
dm_cdr_row_clear(DmCdrRow *row)
{
    g_free(row->numbers);
    free(row->text);
}

/* Milliseconds from the time a member tells to @wall_us, null when it tells none. */
static json_t *
span_from(const json_t *json, const char *name, int64_t wall_us)
{
    const char *text = json_string_value(json_object_get(json, name));
    g_autoptr(GDateTime) time = text != NULL ? g_date_time_new_from_iso8601(text, NULL) : NULL;
    int64_t from_us;

    if (time == NULL) {
        return json_null();
    }
    from_us = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
    return json_integer(MAX(wall_us - from_us, 0) / 1000);
}

void
dm_cdr_close_unfinished(json_t *json, int64_t start_wall_us, int64_t alive_wall_us)
{
    int64_t end_wall_us = MAX(alive_wall_us, start_wall_us);
    char end[DM_TIME_TEXT_MAX];

    json_object_set_new(json, "end_at", json_string(dm_wall_text(end_wall_us, end)));
    json_object_set_new(json, "duration_ms", span_from(json, "start_at", end_wall_us));
    json_object_set_new(json, "billable_ms", span_from(json, "answer_at", end_wall_us));
    json_object_set_new(json,
                        "release",
                        json_pack("{s:s, s:n, s:n, s:n, s:s, s:s, s:[s]}",
                                  "side",
                                  "gateway",
                                  "code",
                                  "reason",
                                  "q850",
                                  "text",
                                  "ended_by=restart",
                                  "diagnosis",
                                  "restart",
                                  "evidence",
                                  "the gateway stopped while the call was up; it ends here when "
                                  "its media was last heard"));
    if (json_is_object(json_object_get(json, "media"))) {
        json_object_set_new(json_object_get(json, "media"), "final", json_false());
    }
}
