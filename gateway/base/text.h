/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* Text put together piece by piece, as messages and records are a dozen times a call. GLib's
 * appends go through its general insertion and its formatted ones through a copy; these only copy
 * bytes. Everything appends to @out, which stays terminated. */

static inline void
dm_text_add_len(GString *out, const char *text, size_t len)
{
    if (out->len + len >= out->allocated_len) {
        g_string_append_len(out, text, (gssize)len);
        return;
    }
    memcpy(out->str + out->len, text, len);
    out->len += len;
    out->str[out->len] = '\0';
}

static inline void
dm_text_add(GString *out, const char *text)
{
    dm_text_add_len(out, text, strlen(text));
}

static inline void
dm_text_add_char(GString *out, char c)
{
    dm_text_add_len(out, &c, 1);
}

/* Decimal. */
void dm_text_add_unsigned(GString *out, uint64_t value);

/* Strings one after another; the last argument is NULL. */
void dm_text_add_all(GString *out, ...) G_GNUC_NULL_TERMINATED;

/* Longest decimal of 64 bits. No NUL. */
#define DM_DIGITS_MAX 20
/* Writes @value's digits, at least @width of them with zeros before; returns how many. @width at
 * most DM_DIGITS_MAX. */
size_t dm_text_digits(char out[DM_DIGITS_MAX], uint64_t value, size_t width);
