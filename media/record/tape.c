/* SPDX-License-Identifier: Apache-2.0 */
#include "media/record/tape.h"

#include <glib.h>
#include <string.h>

#define ALIGN 8

void
dm_tape_init(DmTape *tape)
{
    tape->bytes = g_malloc(DM_TAPE_BYTES);
    atomic_init(&tape->head, 0);
    atomic_init(&tape->tail, 0);
}

void
dm_tape_clear(DmTape *tape)
{
    g_clear_pointer(&tape->bytes, g_free);
}

static DmTapeEntry *
entry_at(const DmTape *tape, size_t position)
{
    return (DmTapeEntry *)(tape->bytes + position % DM_TAPE_BYTES);
}

/* Bytes up to the end of the memory: an entry lies in one piece. */
static size_t
left_before_wrap(size_t position)
{
    return DM_TAPE_BYTES - position % DM_TAPE_BYTES;
}

bool
dm_tape_push(DmTape *tape, const DmTapeEntry *entry, const uint8_t *payload)
{
    size_t head = atomic_load_explicit(&tape->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&tape->tail, memory_order_acquire);
    size_t size = (sizeof *entry + entry->rtp.payload_len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size_t left = left_before_wrap(head);
    size_t skipped = left < size ? left : 0;
    DmTapeEntry *copy;

    if (size > UINT16_MAX || head + skipped + size - tail > DM_TAPE_BYTES) {
        return false;
    }
    /* Too little for the mark itself is recognised by its length. */
    if (skipped >= sizeof *entry) {
        entry_at(tape, head)->side = DM_TAPE_WRAP;
    }
    head += skipped;
    copy = entry_at(tape, head);
    *copy = *entry;
    copy->size = (uint16_t)size;
    memcpy(copy + 1, payload, entry->rtp.payload_len);
    atomic_store_explicit(&tape->head, head + size, memory_order_release);
    return true;
}

const DmTapeEntry *
dm_tape_peek(DmTape *tape)
{
    size_t tail = atomic_load_explicit(&tape->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&tape->head, memory_order_acquire);
    size_t left = left_before_wrap(tail);

    if (tail == head) {
        return NULL;
    }
    if (left < sizeof(DmTapeEntry) || entry_at(tape, tail)->side == DM_TAPE_WRAP) {
        tail += left;
        atomic_store_explicit(&tape->tail, tail, memory_order_release);
    }
    return entry_at(tape, tail);
}

void
dm_tape_next(DmTape *tape)
{
    size_t tail = atomic_load_explicit(&tape->tail, memory_order_relaxed);

    atomic_store_explicit(&tape->tail, tail + entry_at(tape, tail)->size, memory_order_release);
}
