/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* Where randomness comes from: the kernel in production (buffered getrandom(2), fit for tags,
 * nonces and keys), a seed in simulations. One thread owns a DmRandom. */
typedef struct DmRandom DmRandom;

DmRandom *dm_random_new(void);
/* Repeatable; tests only. */
DmRandom *dm_random_new_seeded(uint64_t seed);
void dm_random_free(DmRandom *random);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmRandom, dm_random_free)

uint64_t dm_random_u64(DmRandom *random);
/* Uniform in [low, high]. */
int64_t dm_random_range(DmRandom *random, int64_t low, int64_t high);
void dm_random_bytes(DmRandom *random, void *out, size_t len);
/* Writes @n lower-case base-32 characters and a NUL (5 bits each). */
void dm_random_token(DmRandom *random, char *out, size_t n);
