/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/random.h"

/* Identifiers that tell which signalling worker made them, so that any worker can hand a message to
 * its owner without a table. Worker numbers are 0 to 63. */
#define DM_ID_MAX_WORKERS 64

/* A call: 26 characters, time first, so ids sort by start ("01JD3W…", ULID). The record, the log
 * and the API use it. */
#define DM_CALL_ID_MAX 27
void dm_call_id_make(char out[DM_CALL_ID_MAX], int64_t wall_us, DmRandom *random);

/* A token for a Via branch, a tag or a Call-ID: one character of worker, then 80 random bits: "f" +
 * 16 characters. dm_token_worker() reads the worker back; -1 when @text is not of that form. The
 * token may stand behind a prefix of the caller's ("z9hG4bK-dm-"), which is not part of @text. */
#define DM_TOKEN_MAX 18
void dm_token_make(char out[DM_TOKEN_MAX], unsigned worker, DmRandom *random);
int dm_token_worker(const char *text, size_t len);
