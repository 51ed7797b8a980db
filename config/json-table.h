/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a JSON object may hold, as a table of its members. Checking, conversion into a C struct,
 * error messages, what the API shows and docs/config.md all come from the same table. Pure; any
 * thread. */

struct DmProblems;
typedef struct DmJsonMember DmJsonMember;

typedef enum {
    DM_JSON_STRING,  /* -> char * */
    DM_JSON_SECRET,  /* -> char *: text, "${file:/path}" or "${env:NAME}"; never shown */
    DM_JSON_INTEGER, /* -> any unsigned or signed integer, by its size; never a real */
    DM_JSON_BOOL,    /* -> bool */
    DM_JSON_ENUM,    /* one of @choices -> enum */
    DM_JSON_OBJECT,  /* @members, written into the same struct */
    DM_JSON_ARRAY,   /* @make: -> GPtrArray of what it returns; @choices: -> GArray of int; else
                        @convert */
} DmJsonType;

/* A list of them ends with {NULL}. */
typedef struct {
    const char *name;
    int value;
} DmJsonChoice;

/* One reading of one document: where we are, and what was wrong so far. */
typedef struct {
    GString *pointer; /* RFC 6901 */
    struct DmProblems *problems;
    const json_t *document; /* (nullable) (transfer none): where references are looked up; NULL:
                               they are not */
    GHashTable *ids;        /* collection name -> set of ids, filled when first asked */
} DmJsonReader;

/* Makes one element of an array: owned by the GPtrArray, or NULL with a problem added. */
typedef void *(*DmJsonMake)(const json_t *element, DmJsonReader *reader);
/* Checks further, or converts, a value that has the right type and range; @object is the whole
 * struct. Adds a problem when it is not good. */
typedef void (*DmJsonConvert)(const json_t *value,
                              const DmJsonMember *member,
                              void *object,
                              DmJsonReader *reader);

/* A list of them ends with {NULL}. */
struct DmJsonMember {
    const char *name;
    DmJsonType type;
    bool required;
    bool hidden;   /* ours, not for people: neither documented nor suggested nor shown */
    bool converts; /* @convert stores the value; otherwise it only checks what is stored as usual */
    int64_t min, max; /* INTEGER: the value; STRING: bytes; ARRAY: elements. Both 0: 255 bytes, 1000
                         elements */
    int64_t value;    /* default of INTEGER and BOOL */
    const char *text; /* default of STRING, NULL is ""; of ENUM, NULL is the first; of ARRAY as
                         JSON, NULL is [] */
    const char *shown;     /* what docs say of a default that is computed */
    const char *reference; /* STRING or ARRAY of them: ids of this collection of the document; "" is
                              no reference */
    const DmJsonChoice *choices;
    const DmJsonMember *members; /* OBJECT; ARRAY of objects: what @make reads */
    size_t offset, size;         /* DM_JSON_AT() */
    DmJsonMake make;
    GDestroyNotify free; /* of what @make returns */
    DmJsonConvert convert;
    const char *doc; /* one sentence, with the unit */
};

#define DM_JSON_AT(type, field)                                                                    \
    .offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)

/* Deepest document that is read. */
#define DM_JSON_MAX_DEPTH 16

/* @pointer: where the value to be read stands, "" for a whole document. Borrows @problems and
 * @document. */
void dm_json_reader_init(DmJsonReader *reader,
                         const char *pointer,
                         const json_t *document,
                         struct DmProblems *problems);
void dm_json_reader_clear(DmJsonReader *reader);
/* Goes one member or element down; the return value is for dm_json_leave(). */
size_t dm_json_enter(DmJsonReader *reader, const char *member);
size_t dm_json_enter_index(DmJsonReader *reader, size_t index);
void dm_json_leave(DmJsonReader *reader, size_t before);
/* A problem where the reader stands; see dm_problems_add(). */
void dm_json_problem(DmJsonReader *reader, const char *code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* The same, of a member of where it stands. */
void dm_json_problem_at(DmJsonReader *reader,
                        const char *member,
                        const char *code,
                        const char *format,
                        ...) G_GNUC_PRINTF(4, 5);

/**
 * dm_json_read:
 * @value: what should be an object; a member that is null counts as absent
 * @members: what it may hold
 * @object: zeroed struct that the offsets are of; strings and arrays in it become its own, even on
 * failure
 *
 * Adds every problem in the order of the document, then the missing members. Absent members get
 * their defaults. Returns: whether no problem was added
 */
bool dm_json_read(DmJsonReader *reader,
                  const json_t *value,
                  const DmJsonMember *members,
                  void *object);

/* Position in @choices of @name's value; false when it is none of them. */
bool dm_json_choice(const DmJsonChoice *choices, const char *name, int *out_value);

/* For ARRAYs of strings: a copy, at most 255 bytes, not empty, references checked by the reader. */
void *dm_json_make_string(const json_t *element, DmJsonReader *reader);

/* No object or array deeper than DM_JSON_MAX_DEPTH. */
bool dm_json_depth_is_fine(const json_t *value);

/* The nearest of @words (NULL-terminated) to @word, or NULL when none is near enough to be meant.
 */
const char *dm_json_nearest(const char *word, const char *const *words);

/* @value as people may see it: members in the table's order, absent ones with their defaults,
 * secrets as {"set": bool}. (transfer full) */
json_t *dm_json_show(const json_t *value, const DmJsonMember *members);
/* A copy of @value without its secrets, otherwise as it is: {"set": true} in their place. (transfer
 * full) */
json_t *dm_json_mask(const json_t *value, const DmJsonMember *members);
const DmJsonMember *dm_json_find_member(const DmJsonMember *members, const char *name);

/* Checks for use as @convert of strings. "" passes them all. */
void dm_json_check_id(const json_t *value,
                      const DmJsonMember *member,
                      void *object,
                      DmJsonReader *reader);
void dm_json_check_host(const json_t *value,
                        const DmJsonMember *member,
                        void *object,
                        DmJsonReader *reader);
void dm_json_check_user(const json_t *value,
                        const DmJsonMember *member,
                        void *object,
                        DmJsonReader *reader);
void dm_json_check_digits(const json_t *value,
                          const DmJsonMember *member,
                          void *object,
                          DmJsonReader *reader);
/* Of addresses: converts into the DmAddress at the member's offset, port 0. */
void dm_json_convert_address(const json_t *value,
                             const DmJsonMember *member,
                             void *object,
                             DmJsonReader *reader);
bool dm_host_is_valid(const char *host);
