/* SPDX-License-Identifier: Apache-2.0 */
#include "config/json-table.h"

#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "config/secret.h"

#define DEFAULT_MAX_TEXT     255
#define DEFAULT_MAX_ELEMENTS 1000

void
dm_json_reader_init(DmJsonReader *reader,
                    const char *pointer,
                    const json_t *document,
                    DmProblems *problems)
{
    *reader = (DmJsonReader){
        .pointer = g_string_new(pointer),
        .problems = problems,
        .document = document,
        .ids = g_hash_table_new_full(g_str_hash,
                                     g_str_equal,
                                     NULL,
                                     (GDestroyNotify)g_hash_table_unref),
    };
}

void
dm_json_reader_clear(DmJsonReader *reader)
{
    g_string_free(reader->pointer, TRUE);
    g_hash_table_unref(reader->ids);
}

size_t
dm_json_enter(DmJsonReader *reader, const char *member)
{
    size_t before = reader->pointer->len;

    g_string_append_c(reader->pointer, '/');
    for (const char *p = member; *p != '\0'; p++) {
        if (*p == '~') {
            g_string_append(reader->pointer, "~0");
        } else if (*p == '/') {
            g_string_append(reader->pointer, "~1");
        } else {
            g_string_append_c(reader->pointer, *p);
        }
    }
    return before;
}

size_t
dm_json_enter_index(DmJsonReader *reader, size_t index)
{
    size_t before = reader->pointer->len;

    g_string_append_printf(reader->pointer, "/%zu", index);
    return before;
}

void
dm_json_leave(DmJsonReader *reader, size_t before)
{
    g_string_truncate(reader->pointer, before);
}

void
dm_json_problem(DmJsonReader *reader, const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *detail = g_strdup_vprintf(format, args);
    va_end(args);
    dm_problems_add(reader->problems, reader->pointer->str, code, "%s", detail);
}

void
dm_json_problem_at(DmJsonReader *reader,
                   const char *member,
                   const char *code,
                   const char *format,
                   ...)
{
    size_t before = dm_json_enter(reader, member);
    va_list args;

    va_start(args, format);
    g_autofree char *detail = g_strdup_vprintf(format, args);
    va_end(args);
    dm_problems_add(reader->problems, reader->pointer->str, code, "%s", detail);
    dm_json_leave(reader, before);
}

/* --- near misses --- */

#define MAX_WORD 40

/* Edits (insert, delete, replace, swap of neighbours) from @a to @b; both are short. */
static unsigned
edit_distance(const char *a, const char *b)
{
    size_t len_a = strlen(a);
    size_t len_b = strlen(b);
    unsigned rows[MAX_WORD + 1][MAX_WORD + 1];

    if (len_a > MAX_WORD || len_b > MAX_WORD) {
        return G_MAXUINT;
    }
    for (size_t i = 0; i <= len_a; i++) {
        for (size_t k = 0; k <= len_b; k++) {
            if (i == 0 || k == 0) {
                rows[i][k] = i + k;
                continue;
            }
            unsigned replace = rows[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
            rows[i][k] = MIN(replace, MIN(rows[i - 1][k], rows[i][k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1]) {
                rows[i][k] = MIN(rows[i][k], rows[i - 2][k - 2] + 1);
            }
        }
    }
    return rows[len_a][len_b];
}

const char *
dm_json_nearest(const char *word, const char *const *words)
{
    g_autofree char *folded = g_ascii_strdown(word, -1);
    const char *best = NULL;
    unsigned best_distance = MAX(1, MIN(3, strlen(word) / 3)) + 1;

    for (; *words != NULL; words++) {
        g_autofree char *candidate = g_ascii_strdown(*words, -1);
        unsigned distance = edit_distance(folded, candidate);
        if (distance < best_distance) {
            best = *words;
            best_distance = distance;
        }
    }
    return best;
}

/* " (did you mean 'x'?)" or "". */
static char *
suggest(const char *word, GPtrArray *words)
{
    g_ptr_array_add(words, NULL);
    const char *nearest = dm_json_nearest(word, (const char *const *)words->pdata);
    return nearest == NULL ? g_strdup("") : g_strdup_printf(" (did you mean '%s'?)", nearest);
}

/* Text from outside in our sentences: short, and printable. */
static char *
quotable(const char *text)
{
    g_autofree char *escaped = g_strescape(text, NULL);
    return g_strndup(escaped, 60);
}

/* --- values --- */

static const char *
type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",
        [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a number with a fraction",
        [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",
        [JSON_NULL] = "null",
    };
    return names[json_typeof(value)];
}

static const struct {
    const char *name;
    json_type json; /* JSON_TRUE stands for both booleans */
} types[] = {
    [DM_JSON_STRING] = {"a string", JSON_STRING},
    [DM_JSON_SECRET] = {"a string", JSON_STRING},
    [DM_JSON_INTEGER] = {"an integer", JSON_INTEGER},
    [DM_JSON_BOOL] = {"true or false", JSON_TRUE},
    [DM_JSON_ENUM] = {"a string", JSON_STRING},
    [DM_JSON_OBJECT] = {"an object", JSON_OBJECT},
    [DM_JSON_ARRAY] = {"an array", JSON_ARRAY},
};

static bool
has_type(const json_t *value, DmJsonType type, DmJsonReader *reader)
{
    json_type is = json_typeof(value);

    if (is == types[type].json || (type == DM_JSON_BOOL && is == JSON_FALSE)) {
        return true;
    }
    dm_json_problem(reader,
                    "type",
                    "expected %s, not %s%s",
                    types[type].name,
                    type_name(value),
                    types[type].json == JSON_STRING && is != JSON_OBJECT && is != JSON_ARRAY
                        ? " (put it in quotes)"
                        : "");
    return false;
}

static bool
is_plain_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool
check_text(const json_t *value, int64_t min, int64_t max, DmJsonReader *reader)
{
    size_t len = json_string_length(value);

    max = max > 0 ? max : DEFAULT_MAX_TEXT;
    if (strlen(json_string_value(value)) != len || !is_plain_text(json_string_value(value))) {
        dm_json_problem(reader, "format", "control characters are not allowed");
        return false;
    }
    if ((int64_t)len < min || (int64_t)len > max) {
        dm_json_problem(reader,
                        "range",
                        "expected %" PRId64 " to %" PRId64 " bytes of text, not %zu",
                        min,
                        max,
                        len);
        return false;
    }
    return true;
}

static void
store_text(const DmJsonMember *member, void *object, char *text)
{
    char **target = G_STRUCT_MEMBER_P(object, member->offset);

    g_free(*target);
    *target = text;
}

static void
store_integer(const DmJsonMember *member, void *object, int64_t value)
{
    void *target = G_STRUCT_MEMBER_P(object, member->offset);

    switch (member->size) {
    case 1:
        *(uint8_t *)target = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)target = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)target = (uint32_t)value;
        break;
    default:
        *(int64_t *)target = value;
        break;
    }
}

/* Ids of a collection of the document, valid resources or not: what is wrong with one is not said
 * twice. */
static GHashTable *
ids_of(DmJsonReader *reader, const char *collection)
{
    GHashTable *ids = g_hash_table_lookup(reader->ids, collection);
    size_t i;
    json_t *element;

    if (ids == NULL) {
        ids = g_hash_table_new(g_str_hash, g_str_equal);
        json_array_foreach(json_object_get(reader->document, collection), i, element)
        {
            const char *id = json_string_value(json_object_get(element, "id"));
            if (id != NULL) {
                g_hash_table_add(ids, (gpointer)id);
            }
        }
        g_hash_table_insert(reader->ids, (gpointer)collection, ids);
    }
    return ids;
}

static void
check_reference(const char *id, const char *collection, DmJsonReader *reader)
{
    if (collection == NULL || reader->document == NULL || *id == '\0') {
        return;
    }
    GHashTable *ids = ids_of(reader, collection);
    if (g_hash_table_contains(ids, id)) {
        return;
    }
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, ids);
    while (words->len < 2000 && g_hash_table_iter_next(&iter, &key, NULL)) {
        g_ptr_array_add(words, key);
    }
    g_autofree char *hint = suggest(id, words);
    g_autofree char *quoted = quotable(id);
    dm_json_problem(reader, "reference", "'%s' is not in %s%s", quoted, collection, hint);
}

static void
read_string(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    if (!check_text(value, member->min, member->max, reader)) {
        return;
    }
    check_reference(json_string_value(value), member->reference, reader);
    if (!member->converts) {
        store_text(member, object, g_strdup(json_string_value(value)));
    }
}

static void
read_secret(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    g_autoptr(GError) error = NULL;

    if (!check_text(value, 0, DM_SECRET_MAX, reader)) {
        return;
    }
    char *secret = dm_secret_resolve(json_string_value(value), &error);
    if (secret == NULL) {
        dm_json_problem(reader, "secret", "%s", error->message);
        return;
    }
    store_text(member, object, secret);
}

static void
read_integer(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    int64_t number = json_integer_value(value);

    if (number < member->min || number > member->max) {
        dm_json_problem(reader,
                        "range",
                        "expected %" PRId64 " to %" PRId64 ", not %" PRId64,
                        member->min,
                        member->max,
                        number);
        return;
    }
    store_integer(member, object, number);
}

bool
dm_json_choice(const DmJsonChoice *choices, const char *name, int *out_value)
{
    for (; choices->name != NULL; choices++) {
        if (strcmp(choices->name, name) == 0) {
            *out_value = choices->value;
            return true;
        }
    }
    return false;
}

/* The choice @value names, or a problem. */
static bool
read_choice(const json_t *value, const DmJsonChoice *choices, DmJsonReader *reader, int *out_value)
{
    const char *name = json_string_value(value);

    if (dm_json_choice(choices, name, out_value)) {
        return true;
    }
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autoptr(GString) all = g_string_new(NULL);
    for (; choices->name != NULL; choices++) {
        g_ptr_array_add(words, (gpointer)choices->name);
        g_string_append_printf(all, "%s%s", all->len > 0 ? ", " : "", choices->name);
    }
    g_autofree char *hint = suggest(name, words);
    g_autofree char *quoted = quotable(name);
    dm_json_problem(reader, "enum", "'%s' is none of: %s%s", quoted, all->str, hint);
    return false;
}

static void
read_enum(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    int choice;

    if (read_choice(value, member->choices, reader, &choice) && !member->converts) {
        store_integer(member, object, choice);
    }
}

static void
read_choice_element(const json_t *element,
                    const DmJsonMember *member,
                    GArray *into,
                    DmJsonReader *reader)
{
    int choice;

    if (has_type(element, DM_JSON_ENUM, reader) &&
        read_choice(element, member->choices, reader, &choice) && into != NULL) {
        g_array_append_val(into, choice);
    }
}

static void
read_made_element(const json_t *element,
                  const DmJsonMember *member,
                  GPtrArray *into,
                  DmJsonReader *reader)
{
    guint before = reader->problems->list->len;
    void *made = member->make(element, reader);

    if (made == NULL) {
        return;
    }
    g_ptr_array_add(into, made);
    if (member->reference != NULL && reader->problems->list->len == before) {
        check_reference(made, member->reference, reader);
    }
}

/* Makes the array the elements go into; it belongs to the struct. */
static void *
prepare_array(const DmJsonMember *member, void *object)
{
    void **target = G_STRUCT_MEMBER_P(object, member->offset);

    if (member->make != NULL && *target == NULL) {
        *target = g_ptr_array_new_with_free_func(member->free);
    } else if (member->choices != NULL && *target == NULL) {
        *target = g_array_new(FALSE, FALSE, sizeof(int));
    }
    return *target;
}

static void
read_array(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    size_t n = json_array_size(value);
    int64_t max = member->max > 0 ? member->max : DEFAULT_MAX_ELEMENTS;
    void *into = member->converts ? NULL : prepare_array(member, object);

    if ((int64_t)n < member->min || (int64_t)n > max) {
        dm_json_problem(reader,
                        "range",
                        "expected %" PRId64 " to %" PRId64 " elements, not %zu",
                        member->min,
                        max,
                        n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t before = dm_json_enter_index(reader, i);
        if (member->make != NULL) {
            read_made_element(json_array_get(value, i), member, into, reader);
        } else if (member->choices != NULL) {
            read_choice_element(json_array_get(value, i), member, into, reader);
        }
        dm_json_leave(reader, before);
    }
}

static void
read_object(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    dm_json_read(reader, value, member->members, object);
}

static void
read_bool(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    store_integer(member, object, json_is_true(value));
}

typedef void (*ReadValue)(const json_t *value,
                          const DmJsonMember *member,
                          void *object,
                          DmJsonReader *reader);

static const ReadValue readers[] = {
    [DM_JSON_STRING] = read_string,
    [DM_JSON_SECRET] = read_secret,
    [DM_JSON_INTEGER] = read_integer,
    [DM_JSON_BOOL] = read_bool,
    [DM_JSON_ENUM] = read_enum,
    [DM_JSON_OBJECT] = read_object,
    [DM_JSON_ARRAY] = read_array,
};

static void
read_member(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    guint before = reader->problems->list->len;

    if (!has_type(value, member->type, reader)) {
        return;
    }
    readers[member->type](value, member, object, reader);
    if (member->convert != NULL && reader->problems->list->len == before) {
        member->convert(value, member, object, reader);
    }
}

/* What an absent member counts as. (transfer full) */
static json_t *
default_of(const DmJsonMember *member)
{
    switch (member->type) {
    case DM_JSON_INTEGER:
        return json_integer(member->value);
    case DM_JSON_BOOL:
        return json_boolean(member->value);
    case DM_JSON_OBJECT:
        return json_object();
    case DM_JSON_ENUM:
        return json_string(member->text != NULL ? member->text : member->choices->name);
    case DM_JSON_ARRAY:
        return json_loads(member->text != NULL ? member->text : "[]", 0, NULL);
    default:
        return json_string(member->text != NULL ? member->text : "");
    }
}

/* Left out, it is not the same as anything that could be written. */
static bool
has_no_default(const DmJsonMember *member)
{
    return member->converts && member->text == NULL && member->type != DM_JSON_ARRAY;
}

/* Defaults are ours and need no check; those that convert are read like any other. */
static void
apply_default(const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    if (member->size == 0 && member->type != DM_JSON_OBJECT && !member->converts) {
        return;
    }
    if (member->type == DM_JSON_INTEGER || member->type == DM_JSON_BOOL) {
        store_integer(member, object, member->value);
        return;
    }
    if (member->type == DM_JSON_STRING && !member->converts) {
        store_text(member, object, g_strdup(member->text != NULL ? member->text : ""));
        return;
    }
    if (has_no_default(member)) {
        return;
    }
    json_t *value = default_of(member);
    readers[member->type](value, member, object, reader);
    if (member->convert != NULL && member->converts) {
        member->convert(value, member, object, reader);
    }
    json_decref(value);
}

const DmJsonMember *
dm_json_find_member(const DmJsonMember *members, const char *name)
{
    for (; members->name != NULL; members++) {
        if (strcmp(members->name, name) == 0) {
            return members;
        }
    }
    return NULL;
}

static void
refuse_unknown(const char *name, const DmJsonMember *members, DmJsonReader *reader)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *quoted = quotable(name);

    for (; members->name != NULL; members++) {
        if (!members->hidden) {
            g_ptr_array_add(words, (gpointer)members->name);
        }
    }
    g_autofree char *hint = suggest(name, words);
    dm_json_problem(reader, "unknown_member", "there is no member '%s' here%s", quoted, hint);
}

static void
read_given(const json_t *value, const DmJsonMember *members, void *object, DmJsonReader *reader)
{
    const char *name;
    json_t *member_value;

    json_object_foreach((json_t *)value, name, member_value)
    {
        const DmJsonMember *member = dm_json_find_member(members, name);
        size_t before = dm_json_enter(reader, name);
        if (member == NULL) {
            refuse_unknown(name, members, reader);
        } else if (!json_is_null(member_value)) {
            read_member(member_value, member, object, reader);
        }
        dm_json_leave(reader, before);
    }
}

static void
read_absent(const json_t *value, const DmJsonMember *members, void *object, DmJsonReader *reader)
{
    for (const DmJsonMember *member = members; member->name != NULL; member++) {
        const json_t *given = json_object_get(value, member->name);
        if (given != NULL && !json_is_null(given)) {
            continue;
        }
        size_t before = dm_json_enter(reader, member->name);
        if (member->required) {
            dm_json_problem(reader, "required", "is missing");
        } else {
            apply_default(member, object, reader);
        }
        dm_json_leave(reader, before);
    }
}

bool
dm_json_read(DmJsonReader *reader, const json_t *value, const DmJsonMember *members, void *object)
{
    guint before = reader->problems->list->len;

    if (value == NULL || !has_type(value, DM_JSON_OBJECT, reader)) {
        return false;
    }
    read_given(value, members, object, reader);
    read_absent(value, members, object, reader);
    return reader->problems->list->len == before;
}

void *
dm_json_make_string(const json_t *element, DmJsonReader *reader)
{
    if (!has_type(element, DM_JSON_STRING, reader) || !check_text(element, 1, 0, reader)) {
        return NULL;
    }
    return g_strdup(json_string_value(element));
}

static bool
is_shallower(const json_t *value, unsigned levels)
{
    size_t i;
    const char *name;
    json_t *inner;

    if (!json_is_object(value) && !json_is_array(value)) {
        return true;
    }
    if (levels == 0) {
        return false;
    }
    json_array_foreach(value, i, inner)
    {
        if (!is_shallower(inner, levels - 1)) {
            return false;
        }
    }
    json_object_foreach((json_t *)value, name, inner)
    {
        if (!is_shallower(inner, levels - 1)) {
            return false;
        }
    }
    return true;
}

bool
dm_json_depth_is_fine(const json_t *value)
{
    return is_shallower(value, DM_JSON_MAX_DEPTH);
}

/* --- showing --- */

static json_t *
show_secret(const json_t *value)
{
    bool set = json_is_string(value) && json_string_length(value) > 0;
    return json_pack("{s:b}", "set", set);
}

static json_t *
show_value(const json_t *value,
           const DmJsonMember *member,
           json_t *(*inner)(const json_t *, const DmJsonMember *))
{
    if (member->type == DM_JSON_SECRET) {
        return show_secret(value);
    }
    if (member->members == NULL || (!json_is_object(value) && !json_is_array(value))) {
        return json_deep_copy(value);
    }
    if (json_is_object(value)) {
        return inner(value, member->members);
    }
    json_t *list = json_array();
    size_t i;
    json_t *element;
    json_array_foreach(value, i, element)
    {
        json_array_append_new(list, inner(element, member->members));
    }
    return list;
}

json_t *
dm_json_show(const json_t *value, const DmJsonMember *members)
{
    json_t *shown = json_object();

    if (!json_is_object(value)) {
        json_decref(shown);
        return json_deep_copy(value);
    }
    for (; members->name != NULL; members++) {
        const json_t *given = json_object_get(value, members->name);
        bool absent = given == NULL || json_is_null(given);
        if (members->hidden || (absent && has_no_default(members))) {
            continue;
        }
        json_t *stand_in = absent ? default_of(members) : NULL;
        json_object_set_new(shown,
                            members->name,
                            show_value(stand_in != NULL ? stand_in : given, members, dm_json_show));
        json_decref(stand_in);
    }
    return shown;
}

json_t *
dm_json_mask(const json_t *value, const DmJsonMember *members)
{
    if (!json_is_object(value)) {
        return json_deep_copy(value);
    }
    json_t *masked = json_object();
    const char *name;
    json_t *inner;
    json_object_foreach((json_t *)value, name, inner)
    {
        const DmJsonMember *member = dm_json_find_member(members, name);
        json_object_set_new(masked,
                            name,
                            member == NULL ? json_deep_copy(inner)
                                           : show_value(inner, member, dm_json_mask));
    }
    return masked;
}

/* --- checks --- */

bool
dm_host_is_valid(const char *host)
{
    size_t len = strlen(host);
    DmAddress address;

    if (len == 0 || len > 253) {
        return false;
    }
    if (dm_address_parse(&address, host, 0)) {
        return true;
    }
    if (strspn(host, "0123456789.") == len || *host == '.' || *host == '-' ||
        strstr(host, "..") != NULL) {
        return false;
    }
    for (const char *p = host; *p != '\0'; p++) {
        if (!g_ascii_isalnum(*p) && *p != '-' && *p != '.' && *p != '_') {
            return false;
        }
    }
    return true;
}

void
dm_json_check_id(const json_t *value,
                 const DmJsonMember *member,
                 void *object,
                 DmJsonReader *reader)
{
    const char *text = json_string_value(value);

    for (const char *p = text; *p != '\0'; p++) {
        if (!g_ascii_isalnum(*p) && (p == text || strchr("-_.", *p) == NULL)) {
            dm_json_problem(reader,
                            "format",
                            "expected letters, digits, '-', '_' and '.', a letter or digit first");
            return;
        }
    }
}

void
dm_json_check_host(const json_t *value,
                   const DmJsonMember *member,
                   void *object,
                   DmJsonReader *reader)
{
    const char *text = json_string_value(value);

    if (*text != '\0' && !dm_host_is_valid(text)) {
        dm_json_problem(reader,
                        "format",
                        "expected a host name or an address, without port or scheme");
    }
}

/* RFC 3261, 25.1: user, without what would need escaping. */
void
dm_json_check_user(const json_t *value,
                   const DmJsonMember *member,
                   void *object,
                   DmJsonReader *reader)
{
    const char *text = json_string_value(value);

    for (const char *p = text; *p != '\0'; p++) {
        if (!g_ascii_isalnum(*p) && strchr("-_.!~*'()&=+$,;?/#", *p) == NULL) {
            dm_json_problem(reader,
                            "format",
                            "expected the user part of a SIP address, without '@' and scheme");
            return;
        }
    }
}

void
dm_json_check_digits(const json_t *value,
                     const DmJsonMember *member,
                     void *object,
                     DmJsonReader *reader)
{
    const char *text = json_string_value(value);

    if (*text != '\0' && strspn(text, "0123456789") != strlen(text)) {
        dm_json_problem(reader, "format", "expected digits only");
    }
}

void
dm_json_convert_address(const json_t *value,
                        const DmJsonMember *member,
                        void *object,
                        DmJsonReader *reader)
{
    DmAddress *target = G_STRUCT_MEMBER_P(object, member->offset);
    const char *text = json_string_value(value);

    if (*text != '\0' && !dm_address_parse(target, text, 0)) {
        dm_json_problem(reader, "format", "expected a numeric IPv4 or IPv6 address, without port");
    }
}
