/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "gateway/base/error.h"

#define MAX_BYTES (4U << 20)
#define MAX_NODES 200000

struct DmDocument {
    char *name; /* as in messages */
    json_t *json;
    GHashTable *lines; /* pointer -> line */
};

/* One parsing. The first thing wrong ends it. */
typedef struct {
    yaml_parser_t parser;
    DmDocument *document;
    DmJsonReader place; /* its pointer is where we are; problems are not used */
    unsigned n_nodes;
    GError **error;
} Loader;

static json_t *read_node(Loader *loader, const yaml_event_t *event, unsigned depth);

static void fail(Loader *loader, const yaml_mark_t *mark, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void
fail(Loader *loader, const yaml_mark_t *mark, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    if (*loader->error == NULL) {
        g_set_error(loader->error,
                    DM_ERROR,
                    DM_ERROR_PARSE,
                    "%s:%zu:%zu: %s",
                    loader->document->name,
                    mark->line + 1,
                    mark->column + 1,
                    what);
    }
}

static bool
next_event(Loader *loader, yaml_event_t *event)
{
    if (yaml_parser_parse(&loader->parser, event)) {
        return true;
    }
    yaml_mark_t mark = loader->parser.error == YAML_READER_ERROR ? loader->parser.mark
                                                                 : loader->parser.problem_mark;
    fail(loader,
         &mark,
         "%s",
         loader->parser.problem != NULL ? loader->parser.problem : "out of memory");
    return false;
}

/* -?(0|[1-9][0-9]*), in 64 bits. What starts with + or 0 is a telephone number, and stays text. */
static bool
is_integer(const char *text, gint64 *out_value)
{
    const char *digits = *text == '-' ? text + 1 : text;

    if (*digits == '\0' || (*digits == '0' && digits[1] != '\0') ||
        strspn(digits, "0123456789") != strlen(digits)) {
        return false;
    }
    return g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, out_value, NULL);
}

/* An unquoted scalar, as the core schema of YAML 1.2 has it, but without fractions, octal and
 * hexadecimal. */
static json_t *
plain_scalar(const char *text)
{
    gint64 number;

    if (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0) {
        return json_null();
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return json_boolean(*text == 't');
    }
    return is_integer(text, &number) ? json_integer(number) : json_string(text);
}

static json_t *
read_scalar(Loader *loader, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;

    if (strlen(text) != len) {
        fail(loader, &event->start_mark, "a NUL character is not allowed");
        return NULL;
    }
    json_t *value = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text)
                                                                        : json_string(text);
    if (value == NULL) {
        fail(loader, &event->start_mark, "text is not UTF-8");
    }
    return value;
}

/* Adds the value that starts with @event to @list or, under @key, to @object. */
static bool
add_value(Loader *loader, json_t *into, const char *key, const yaml_event_t *event, unsigned depth)
{
    size_t before = key != NULL ? dm_json_enter(&loader->place, key)
                                : dm_json_enter_index(&loader->place, json_array_size(into));
    json_t *value = read_node(loader, event, depth + 1);

    dm_json_leave(&loader->place, before);
    if (value == NULL) {
        return false;
    }
    if ((key != NULL ? json_object_set_new(into, key, value)
                     : json_array_append_new(into, value)) != 0) {
        fail(loader, &event->start_mark, "the member's name is not UTF-8");
        return false;
    }
    return true;
}

static bool
read_elements(Loader *loader, json_t *list, unsigned depth)
{
    for (;;) {
        yaml_event_t event;
        if (!next_event(loader, &event)) {
            return false;
        }
        bool ends = event.type == YAML_SEQUENCE_END_EVENT;
        bool good = ends || add_value(loader, list, NULL, &event, depth);
        yaml_event_delete(&event);
        if (ends || !good) {
            return good;
        }
    }
}

/* Keys are plain words. @event: a scalar. */
static bool
check_key(Loader *loader, const json_t *object, const yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.anchor != NULL ||
        event->data.scalar.tag != NULL) {
        fail(loader, &event->start_mark, "a member's name must be plain text");
        return false;
    }
    const char *key = (const char *)event->data.scalar.value;
    if (strlen(key) != event->data.scalar.length || event->data.scalar.length > 255) {
        fail(loader, &event->start_mark, "a member's name is too long or holds a NUL character");
        return false;
    }
    if (json_object_get(object, key) != NULL) {
        g_autofree char *shown = g_strescape(key, NULL);
        fail(loader, &event->start_mark, "member '%s' is there twice", shown);
        return false;
    }
    return true;
}

/* One "key: value". @event: what stands where a key should. */
static bool
read_pair(Loader *loader, json_t *object, const yaml_event_t *event, unsigned depth)
{
    yaml_event_t value;

    if (!check_key(loader, object, event) || !next_event(loader, &value)) {
        return false;
    }
    bool good = add_value(loader, object, (const char *)event->data.scalar.value, &value, depth);
    yaml_event_delete(&value);
    return good;
}

static bool
read_members(Loader *loader, json_t *object, unsigned depth)
{
    for (;;) {
        yaml_event_t event;
        if (!next_event(loader, &event)) {
            return false;
        }
        bool ends = event.type == YAML_MAPPING_END_EVENT;
        bool good = ends || read_pair(loader, object, &event, depth);
        yaml_event_delete(&event);
        if (ends || !good) {
            return good;
        }
    }
}

static json_t *
read_collection(Loader *loader, bool is_object, unsigned depth)
{
    json_t *collection = is_object ? json_object() : json_array();
    bool good = is_object ? read_members(loader, collection, depth)
                          : read_elements(loader, collection, depth);

    if (!good) {
        json_decref(collection);
        return NULL;
    }
    return collection;
}

/* Anchors would let a small file grow without bound, and tags change what text means. */
static bool
is_plain_node(Loader *loader, const yaml_event_t *event, unsigned depth)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;

    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL || tag != NULL || event->type == YAML_ALIAS_EVENT) {
        fail(loader, &event->start_mark, "anchors, aliases and tags are not supported");
    } else if (depth > DM_JSON_MAX_DEPTH) {
        fail(loader, &event->start_mark, "nested deeper than %d levels", DM_JSON_MAX_DEPTH);
    } else if (++loader->n_nodes > MAX_NODES) {
        fail(loader, &event->start_mark, "more than %d values", MAX_NODES);
    }
    return *loader->error == NULL;
}

static json_t *
read_node(Loader *loader, const yaml_event_t *event, unsigned depth)
{
    if (!is_plain_node(loader, event, depth)) {
        return NULL;
    }
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): a number in a GHashTable */
    gpointer line = GSIZE_TO_POINTER(event->start_mark.line + 1);
    g_hash_table_insert(loader->document->lines, g_strdup(loader->place.pointer->str), line);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(loader, event);
    case YAML_SEQUENCE_START_EVENT:
        return read_collection(loader, false, depth);
    case YAML_MAPPING_START_EVENT:
        return read_collection(loader, true, depth);
    default:
        fail(loader, &event->start_mark, "expected a value");
        return NULL;
    }
}

/* Reads past the events around the one document there may be. */
static json_t *
read_stream(Loader *loader)
{
    json_t *json = NULL;
    bool ends = false;

    while (!ends && *loader->error == NULL) {
        yaml_event_t event;
        if (!next_event(loader, &event)) {
            break;
        }
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_STREAM_END_EVENT:
            ends = true;
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (json != NULL) {
                fail(loader, &event.start_mark, "more than one document in a file");
            }
            break;
        default:
            json = read_node(loader, &event, 0);
            break;
        }
        yaml_event_delete(&event);
    }
    if (*loader->error != NULL) {
        g_clear_pointer(&json, json_decref);
    }
    return json;
}

static bool
parse_yaml(DmDocument *document, const char *text, size_t len, GError **error)
{
    g_autoptr(GError) own_error = NULL;
    Loader loader = {.document = document, .error = &own_error};

    if (!yaml_parser_initialize(&loader.parser)) {
        g_set_error(error, DM_ERROR, DM_ERROR_LIMIT, "%s: out of memory", document->name);
        return false;
    }
    yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&loader.parser, (const unsigned char *)text, len);
    dm_json_reader_init(&loader.place, "", NULL, NULL);
    document->json = read_stream(&loader);
    dm_json_reader_clear(&loader.place);
    yaml_parser_delete(&loader.parser);
    if (own_error != NULL) {
        g_propagate_error(error, g_steal_pointer(&own_error));
        return false;
    }
    if (document->json == NULL || json_is_null(document->json)) {
        json_decref(document->json);
        document->json = json_object(); /* nothing but comments */
    }
    return true;
}

DmDocument *
dm_document_parse(const char *text, size_t len, const char *name, GError **error)
{
    g_autoptr(DmDocument) document = g_new0(DmDocument, 1);

    document->name = g_strdup(name);
    document->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (len > MAX_BYTES) {
        g_set_error(error, DM_ERROR, DM_ERROR_PARSE, "%s: larger than %u bytes", name, MAX_BYTES);
        return NULL;
    }
    return parse_yaml(document, text, len, error) ? g_steal_pointer(&document) : NULL;
}

/* At most one byte more than is allowed, so that the parser says what is wrong. */
static bool
read_file(const char *path, GByteArray *bytes, GError **error)
{
    guint8 chunk[16384];
    FILE *file = fopen(path, "re");
    size_t n;

    if (file == NULL) {
        dm_error_set_errno(error, errno, path);
        return false;
    }
    while (bytes->len <= MAX_BYTES && (n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        g_byte_array_append(bytes, chunk, n);
    }
    int failure = ferror(file) ? errno : 0;
    (void)fclose(file);
    if (failure != 0) {
        dm_error_set_errno(error, failure, path);
    }
    return failure == 0;
}

DmDocument *
dm_document_load(const char *path, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (!read_file(path, bytes, error)) {
        return NULL;
    }
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return dm_document_parse((const char *)bytes->data, bytes->len - 1, path, error);
}

void
dm_document_free(DmDocument *document)
{
    if (document == NULL) {
        return;
    }
    g_free(document->name);
    json_decref(document->json);
    g_hash_table_unref(document->lines);
    g_free(document);
}

const json_t *
dm_document_json(const DmDocument *document)
{
    return document->json;
}

unsigned
dm_document_line(const DmDocument *document, const char *pointer)
{
    g_autofree char *place = g_strdup(pointer);

    for (;;) {
        gpointer line = g_hash_table_lookup(document->lines, place);
        char *last = strrchr(place, '/');
        if (line != NULL || last == NULL) {
            return GPOINTER_TO_SIZE(line);
        }
        *last = '\0';
    }
}

char *
dm_document_explain(const DmDocument *document, const DmProblems *problems)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < problems->list->len; i++) {
        const DmProblem *problem = problems->list->pdata[i];
        g_string_append_printf(text,
                               "%s:%u: %s: %s\n",
                               document->name,
                               dm_document_line(document, problem->pointer),
                               *problem->pointer != '\0' ? problem->pointer : "/",
                               problem->detail);
    }
    return g_string_free(text, FALSE);
}
