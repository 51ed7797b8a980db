/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/random.h"
#include "gateway/trunk/pool.h"

/* When to register again (REG-1, REG-2): a pure function of what came back and what came before. It
 * never gives up. */

/* The end of one REGISTER, credentials answered where they could be. */
typedef struct {
    unsigned status;        /* final answer; 0: none in time, or it could not be sent */
    bool refused;           /* 401 or 407 although our credentials were in it */
    unsigned granted_s;     /* of a 2xx */
    unsigned retry_after_s; /* 0: not said */
    unsigned min_expires_s; /* of a 423 */
} DmRegisterResult;

/* All zero at the start; a change of configuration starts afresh. */
typedef struct {
    unsigned failures;      /* in a row */
    unsigned auth_failures; /* in a row */
    unsigned asked_s;       /* Expires asked for last */
} DmRegisterHistory;

typedef struct {
    DmRegistrationState state;
    int64_t delay_us;
    unsigned ask_s; /* 0: what is configured; else what a 423 demanded */
} DmRegisterNext;

DmRegisterNext dm_register_next(DmRegisterHistory *history,
                                const DmRegisterResult *result,
                                DmRandom *random);

/* Half of the time at the earliest; else a tenth, and at least 32 s (a transaction's life), before
 * the end. */
int64_t dm_register_refresh_us(unsigned granted_s);
