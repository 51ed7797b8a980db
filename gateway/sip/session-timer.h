/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/trunk.h"
#include "gateway/sip/message.h"

/* Session timers of RFC 4028, as decisions: headers in, terms out. No clock, no dialog; one leg's
 * terms are nobody else's. Any thread. */

#define DM_SESSION_MIN_S 90 /* RFC 4028, 4 */

typedef enum {
    DM_SESSION_OPEN, /* not said */
    DM_SESSION_UAC,
    DM_SESSION_UAS,
} DmSessionRole;

/* What one message says of the session's life. */
typedef struct {
    bool supported, required;
    unsigned expires_s; /* 0: no Session-Expires */
    unsigned min_s;     /* Min-SE; 0: none */
    DmSessionRole refresher;
} DmSessionWord;

/* What was agreed. */
typedef struct {
    unsigned interval_s; /* 0: the session does not expire */
    bool we_refresh;
} DmSessionTerms;

void dm_session_word_read(const DmSipMessage *message, DmSessionWord *out);
/* Session-Expires and Min-SE of a request of ours; Supported and Require are the caller's.
 * @now: the terms in force, all zero before there are any. @min_s: what a 422 has asked for, or 0.
 */
void dm_session_write_request(DmSipMessage *request,
                              const DmTrunkConfig *trunk,
                              const DmSessionTerms *now,
                              unsigned min_s);

/* 0, or why a request is refused: 421 without the extension, 422 for less than our minimum. */
uint16_t dm_session_check(const DmTrunkConfig *trunk, const DmSessionWord *asked);
/* What we agree to when the peer asks, having passed the check. */
DmSessionTerms dm_session_agree(const DmTrunkConfig *trunk,
                                const DmSessionWord *asked,
                                const DmSessionTerms *now);
/* Session-Expires of our 2xx, and Require where the peer is to refresh. */
void dm_session_write_answer(DmSipMessage *response,
                             const DmSessionTerms *terms,
                             const DmSessionWord *asked);
/* What the peer's 2xx makes of our request. */
DmSessionTerms dm_session_settle(const DmTrunkConfig *trunk, const DmSessionWord *answer);

/* When to refresh, and when a session that nobody has refreshed is over: seconds after the last
 * refresh (RFC 4028, 7.2 and 10). */
static inline unsigned
dm_session_refresh_s(const DmSessionTerms *terms)
{
    return terms->interval_s / 2;
}
static inline unsigned
dm_session_end_s(const DmSessionTerms *terms)
{
    unsigned third_s = terms->interval_s / 3;

    return terms->interval_s - (third_s < 32 ? third_s : 32);
}
