/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/id.h"

#include <string.h>

#include "gateway/base/random-priv.h"

/* One character a worker, all of them legal in a SIP token and in a Call-ID. */
static const char worker_chars[] =
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
G_STATIC_ASSERT(sizeof worker_chars == DM_ID_MAX_WORKERS + 1);

#define ULID_TIME_CHARS   10
#define ULID_RANDOM_CHARS 16

void
dm_call_id_make(char out[DM_CALL_ID_MAX], int64_t wall_us, DmRandom *random)
{
    uint64_t ms = (uint64_t)wall_us / 1000;

    for (int i = ULID_TIME_CHARS - 1; i >= 0; i--) {
        out[i] = DM_BASE32_CROCKFORD[ms & 31];
        ms >>= 5;
    }
    dm_random_text(random, DM_BASE32_CROCKFORD, out + ULID_TIME_CHARS, ULID_RANDOM_CHARS);
}

void
dm_token_make(char out[DM_TOKEN_MAX], unsigned worker, DmRandom *random)
{
    g_return_if_fail(worker < DM_ID_MAX_WORKERS);

    out[0] = worker_chars[worker];
    dm_random_token(random, out + 1, DM_TOKEN_MAX - 2);
}

int
dm_token_worker(const char *text, size_t len)
{
    const char *worker;

    if (len != DM_TOKEN_MAX - 1 || text[0] == '\0') {
        return -1;
    }
    for (size_t i = 1; i < len; i++) {
        if (text[i] == '\0' || strchr(DM_BASE32_LOWER, text[i]) == NULL) {
            return -1;
        }
    }
    worker = strchr(worker_chars, text[0]);
    return worker != NULL ? (int)(worker - worker_chars) : -1;
}
