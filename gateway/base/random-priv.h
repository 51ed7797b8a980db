/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/random.h"

/* RFC 4648, 6, in lower case. */
#define DM_BASE32_LOWER "abcdefghijklmnopqrstuvwxyz234567"
/* Crockford's, as ULIDs use it: no I, L, O, U. */
#define DM_BASE32_CROCKFORD "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/* Writes @n characters of @alphabet and a NUL, 5 random bits each. */
void dm_random_text(DmRandom *random, const char alphabet[32], char *out, size_t n);
