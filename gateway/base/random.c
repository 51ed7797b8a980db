/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/random.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/base/random-priv.h"

struct DmRandom {
    bool seeded;
    uint64_t state; /* of the seeded generator */

    /* Bytes from the kernel not yet handed out are the last @n_left. */
    size_t n_left;
    uint8_t buffer[1024];
};

/* SplitMix64: passes the usual batteries, and any seed is a good one. */
static uint64_t
next_seeded(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void
fill_seeded(uint64_t *state, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t word = next_seeded(state);

        memcpy(out + i, &word, MIN(sizeof word, len - i));
    }
}

static void
fill_from_kernel(uint8_t *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom(out + done, len - done, 0);

        if (n < 0 && errno != EINTR) {
            /* Guessable tags and keys would be worse than no gateway. */
            g_error("getrandom: %s", g_strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
}

static void
take_buffered(DmRandom *random, uint8_t *out, size_t len)
{
    uint8_t *from;

    if (random->n_left < len) {
        fill_from_kernel(random->buffer, sizeof random->buffer);
        random->n_left = sizeof random->buffer;
    }
    from = random->buffer + sizeof random->buffer - random->n_left;
    memcpy(out, from, len);
    explicit_bzero(from, len); /* a key handed out is not kept here */
    random->n_left -= len;
}

DmRandom *
dm_random_new(void)
{
    return g_new0(DmRandom, 1);
}

DmRandom *
dm_random_new_seeded(uint64_t seed)
{
    DmRandom *random = g_new0(DmRandom, 1);

    random->seeded = true;
    random->state = seed;
    return random;
}

void
dm_random_free(DmRandom *random)
{
    if (random != NULL) {
        explicit_bzero(random, sizeof *random);
        g_free(random);
    }
}

void
dm_random_bytes(DmRandom *random, void *out, size_t len)
{
    if (random->seeded) {
        fill_seeded(&random->state, out, len);
    } else if (len > sizeof random->buffer) {
        fill_from_kernel(out, len);
    } else {
        take_buffered(random, out, len);
    }
}

uint64_t
dm_random_u64(DmRandom *random)
{
    uint64_t value;

    dm_random_bytes(random, &value, sizeof value);
    return value;
}

int64_t
dm_random_range(DmRandom *random, int64_t low, int64_t high)
{
    uint64_t span;
    uint64_t value;

    g_return_val_if_fail(low <= high, low);

    span = (uint64_t)high - (uint64_t)low + 1;
    if (span == 0) {
        return (int64_t)dm_random_u64(random);
    }
    /* The 2^64 mod span values at the bottom would make the small results likelier. */
    do {
        value = dm_random_u64(random);
    } while (value < -span % span);
    return (int64_t)((uint64_t)low + value % span);
}

void
dm_random_token(DmRandom *random, char *out, size_t n)
{
    dm_random_text(random, DM_BASE32_LOWER, out, n);
}

void
dm_random_text(DmRandom *random, const char alphabet[32], char *out, size_t n)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        if (i % 12 == 0) {
            bits = dm_random_u64(random);
        }
        out[i] = alphabet[bits & 31];
        bits >>= 5;
    }
    out[n] = '\0';
}
