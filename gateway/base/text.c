/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/text.h"

#include <stdarg.h>

size_t
dm_text_digits(char out[DM_DIGITS_MAX], uint64_t value, size_t width)
{
    char reversed[DM_DIGITS_MAX];
    size_t n = 0;

    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n < MIN(width, DM_DIGITS_MAX)) {
        reversed[n++] = '0';
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = reversed[n - 1 - i];
    }
    return n;
}

void
dm_text_add_unsigned(GString *out, uint64_t value)
{
    char digits[DM_DIGITS_MAX];

    dm_text_add_len(out, digits, dm_text_digits(digits, value, 1));
}

void
dm_text_add_all(GString *out, ...)
{
    va_list pieces;
    const char *piece;

    va_start(pieces, out);
    while ((piece = va_arg(pieces, const char *)) != NULL) {
        dm_text_add(out, piece);
    }
    va_end(pieces);
}
