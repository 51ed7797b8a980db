/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/packed.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

#define WORD_BYTES    sizeof(uint64_t)
#define BITS_PER_WORD 64

/* Behind the head a bit for each word of the value, then the words that are not zero. */
struct DmPacked {
    gatomicrefcount references;
    uint16_t size;   /* of the value */
    uint16_t n_kept; /* words in @words, those of bits included */
    uint64_t words[];
};

static size_t
words_of(size_t size)
{
    return (size + WORD_BYTES - 1) / WORD_BYTES;
}

static size_t
bit_words_of(size_t size)
{
    return (words_of(size) + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

/* The last word may be half one: the rest of it is zero. */
static uint64_t
word_at(const void *value, size_t size, size_t index)
{
    size_t at = index * WORD_BYTES;
    uint64_t word = 0;

    memcpy(&word, (const char *)value + at, MIN(WORD_BYTES, size - at));
    return word;
}

static size_t
count_words(const void *value, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < words_of(size); i++) {
        n += word_at(value, size, i) != 0;
    }
    return n;
}

DmPacked *
dm_packed_new(const void *value, size_t size)
{
    size_t n_kept = bit_words_of(size) + count_words(value, size);
    DmPacked *packed;
    uint64_t *next;

    g_return_val_if_fail(size <= DM_PACKED_MAX, NULL);
    packed = g_malloc0(sizeof(DmPacked) + n_kept * WORD_BYTES);
    next = packed->words + bit_words_of(size);

    g_atomic_ref_count_init(&packed->references);
    packed->size = (uint16_t)size;
    packed->n_kept = (uint16_t)n_kept;
    for (size_t i = 0; i < words_of(size); i++) {
        uint64_t word = word_at(value, size, i);

        if (word != 0) {
            packed->words[i / BITS_PER_WORD] |= UINT64_C(1) << (i % BITS_PER_WORD);
            *next++ = word;
        }
    }
    return packed;
}

DmPacked *
dm_packed_ref(DmPacked *packed)
{
    if (packed != NULL) {
        g_atomic_ref_count_inc(&packed->references);
    }
    return packed;
}

void
dm_packed_unref(DmPacked *packed)
{
    if (packed != NULL && g_atomic_ref_count_dec(&packed->references)) {
        explicit_bzero(packed->words, packed->n_kept * WORD_BYTES);
        g_free(packed);
    }
}

void
dm_packed_get(const DmPacked *packed, void *out, size_t size)
{
    const uint64_t *next;

    memset(out, 0, size);
    if (packed == NULL) {
        return;
    }
    g_return_if_fail(packed->size == size);
    next = packed->words + bit_words_of(size);
    for (size_t i = 0; i < words_of(size); i++) {
        size_t at = i * WORD_BYTES;

        if (packed->words[i / BITS_PER_WORD] & UINT64_C(1) << (i % BITS_PER_WORD)) {
            memcpy((char *)out + at, next++, MIN(WORD_BYTES, size - at));
        }
    }
}
