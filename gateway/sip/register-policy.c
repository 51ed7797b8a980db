/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/register-policy.h"

#define S_US INT64_C(1000000)

/* RFC 5626, 4.5 */
#define BACKOFF_BASE_S 30
#define BACKOFF_MAX_S  1800

#define AUTH_FIRST_S 300
#define AUTH_MAX_S   1800

#define RETRY_AFTER_MAX_S 86400
#define EXPIRES_MAX_S     604800

int64_t
dm_register_refresh_us(unsigned granted_s)
{
    int64_t expires_us = MIN(granted_s, EXPIRES_MAX_S) * S_US;
    int64_t delay_us = MIN(expires_us / 10 * 9, expires_us - 32 * S_US);

    return MAX(delay_us, expires_us / 2);
}

/* From half of it to all of it, so that many trunks do not come back in one moment. */
static int64_t
backoff_us(unsigned failures, DmRandom *random)
{
    int64_t most_us = BACKOFF_MAX_S * S_US;

    if (failures < 6) {
        most_us = MIN(most_us, (BACKOFF_BASE_S << failures) * S_US);
    }
    return dm_random_range(random, most_us / 2, most_us);
}

static int64_t
a_little_later_us(int64_t delay_us, DmRandom *random)
{
    return dm_random_range(random, delay_us, delay_us + delay_us / 10);
}

static DmRegisterNext
after_success(DmRegisterHistory *history, const DmRegisterResult *result)
{
    history->failures = 0;
    history->auth_failures = 0;
    return (DmRegisterNext){DM_REG_REGISTERED,
                            dm_register_refresh_us(result->granted_s),
                            history->asked_s};
}

/* Wrong credentials stay wrong until someone changes them: asking often only gets us banned. */
static DmRegisterNext
after_refusal(DmRegisterHistory *history, DmRandom *random)
{
    int64_t delay_s = AUTH_FIRST_S;

    history->auth_failures++;
    for (unsigned i = 1; i < history->auth_failures && delay_s < AUTH_MAX_S; i++) {
        delay_s *= 3;
    }
    delay_s = MIN(delay_s, AUTH_MAX_S);
    return (DmRegisterNext){DM_REG_AUTH_FAILED, a_little_later_us(delay_s * S_US, random), 0};
}

static DmRegisterNext
after_failure(DmRegisterHistory *history, const DmRegisterResult *result, DmRandom *random)
{
    DmRegisterNext next = {DM_REG_RETRYING, 0, 0};

    history->failures++;
    if (result->status == 404 || result->status == 410) {
        next.state = DM_REG_REJECTED;
        next.delay_us = a_little_later_us(BACKOFF_MAX_S * S_US, random);
    } else if (result->retry_after_s > 0) {
        int64_t after_s = MIN(result->retry_after_s, RETRY_AFTER_MAX_S);

        next.delay_us = a_little_later_us(after_s * S_US, random);
    } else {
        next.delay_us = backoff_us(history->failures, random);
    }
    return next;
}

static bool
demands_more_time(const DmRegisterHistory *history, const DmRegisterResult *result)
{
    return result->status == 423 && result->min_expires_s > history->asked_s &&
           result->min_expires_s <= EXPIRES_MAX_S;
}

DmRegisterNext
dm_register_next(DmRegisterHistory *history, const DmRegisterResult *result, DmRandom *random)
{
    if (result->status >= 200 && result->status < 300 && result->granted_s > 0) {
        return after_success(history, result);
    }
    if (demands_more_time(history, result)) {
        return (DmRegisterNext){DM_REG_TRYING, 0, result->min_expires_s};
    }
    if (result->refused || result->status == 403) {
        return after_refusal(history, random);
    }
    return after_failure(history, result, random);
}
