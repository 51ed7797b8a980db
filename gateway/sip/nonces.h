/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/address.h"
#include "gateway/base/random.h"

/* The nonces of one signalling worker (AUTH-2). Nothing is remembered of one that was only handed
 * out: it is bound by HMAC to the source's host, the realm, the time and a key that this worker
 * makes at its start, so one of another worker or of an earlier run is never good. One that was
 * used is remembered with its counts until it is old, so no answer is taken twice. Memory is
 * bounded: when there are too many, all that were made until the oldest are given up. One thread.
 */
typedef struct DmNonces DmNonces;

#define DM_NONCE_LIFE_S 120
#define DM_NONCE_MAX    64 /* bytes of text, with its NUL */

/* @random is borrowed and outlives it. */
DmNonces *dm_nonces_new(DmRandom *random);
void dm_nonces_free(DmNonces *nonces);

/* @now_s: seconds of the monotonic clock; a wall clock that is set changes nothing. */
void dm_nonces_make(DmNonces *nonces,
                    const DmAddress *source,
                    const char *realm,
                    int64_t now_s,
                    char out[DM_NONCE_MAX]);
/* Whether an answer with it may be taken, which it then is. @count: nc of the answer, which may
 * come out of order by up to 63; 0: it has none, and one answer is all. False: not made here, for
 * another source or realm, old, or used so before: challenge again with stale=true. */
bool dm_nonces_take(DmNonces *nonces,
                    const DmAddress *source,
                    const char *realm,
                    const char *nonce,
                    uint32_t count,
                    int64_t now_s);
/* Used ones that are remembered. */
unsigned dm_nonces_n_used(const DmNonces *nonces);
