/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/cdr/row.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/cdr/json-text.h"

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
join_numbers(const char *const *some, size_t n)
{
    g_autoptr(GString) numbers = g_string_new("");

    for (size_t i = 0; i < n; i++) {
        if (some[i] != NULL && strstr(numbers->str, some[i]) == NULL) {
            if (numbers->len > 0) {
                g_string_append_c(numbers, ' ');
            }
            g_string_append(numbers, some[i]);
        }
    }
    return g_utf8_make_valid(numbers->str, (gssize)numbers->len);
}

/* (transfer full): @text */
static const char *
keep(DmCdrRow *row, char *text)
{
    g_assert(row->n_texts < G_N_ELEMENTS(row->texts));
    row->texts[row->n_texts++] = text;
    return text;
}

static const char *
copy(DmCdrRow *row, const char *text)
{
    return text != NULL ? keep(row, g_strdup(text)) : NULL;
}

/* What ended the call, or what the caller was last told. */
static unsigned
code_of(const DmRecord *record)
{
    bool is_released = record->end_wall_us != 0 && record->release.code != 0;

    return is_released ? record->release.code : record->leg[DM_SIDE_A].final_code;
}

void
dm_cdr_row_init(DmCdrRow *row, const DmRecord *record, const char *node, int64_t end_wall_us)
{
    const char *const numbers[] = {
        record->in.from,
        record->in.to,
        record->in.ruri,
        record->out.from,
        record->out.to,
        record->out.ruri,
    };
    bool ended = record->end_wall_us != 0;

    row->n_texts = 0;
    row->row = (DmStoreRecord){
        .id = copy(row, record->id),
        .ended = ended,
        .start_wall_us = record->start_wall_us,
        .end_wall_us = end_wall_us,
        .trunk_a = copy(row, record->leg[DM_SIDE_A].trunk),
        .trunk_b = copy(row, record->leg[DM_SIDE_B].trunk),
        .direction = copy(row, record->direction),
        .diagnosis = ended ? copy(row, record->release.diagnosis) : NULL,
        .numbers = keep(row, join_numbers(numbers, G_N_ELEMENTS(numbers))),
        .code = code_of(record),
        .duration_ms = record->end_mono_us > 0 && record->start_mono_us > 0
                           ? MAX(record->end_mono_us - record->start_mono_us, 0) / 1000
                           : 0,
        .json = keep(row, g_string_free(dm_record_print(record, node), FALSE)),
    };
}

void
dm_cdr_row_init_from_json(DmCdrRow *row,
                          const json_t *json,
                          int64_t start_wall_us,
                          int64_t end_wall_us)
{
    const char *const numbers[] = {
        text_of(json, NULL, "from_in"),
        text_of(json, NULL, "to_in"),
        text_of(json, NULL, "ruri_in"),
        text_of(json, NULL, "from_out"),
        text_of(json, NULL, "to_out"),
        text_of(json, NULL, "ruri_out"),
    };
    json_int_t code = integer_of(json, "release", "code");
    g_autoptr(GString) text = g_string_new("");

    dm_json_text_add_json(text, NULL, json);
    row->n_texts = 0;
    row->row = (DmStoreRecord){
        .id = copy(row, text_of(json, NULL, "id")),
        .ended = !json_is_null(json_object_get(json, "end_at")),
        .start_wall_us = start_wall_us,
        .end_wall_us = end_wall_us,
        .trunk_a = copy(row, text_of(json, "a", "trunk")),
        .trunk_b = copy(row, text_of(json, "b", "trunk")),
        .direction = copy(row, text_of(json, NULL, "direction")),
        .diagnosis = copy(row, text_of(json, "release", "diagnosis")),
        .numbers = keep(row, join_numbers(numbers, G_N_ELEMENTS(numbers))),
        .code = (unsigned)(code != 0 ? code : integer_of(json, "a", "final_code")),
        .duration_ms = integer_of(json, NULL, "duration_ms"),
        .json = copy(row, text->str),
    };
}

void
dm_cdr_row_clear(DmCdrRow *row)
{
    while (row->n_texts > 0) {
        g_free(row->texts[--row->n_texts]);
    }
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
