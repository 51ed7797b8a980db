/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/draft.h"
#include "gateway/sdp/negotiate.h"

/* Keys of SRTP in descriptions (RFC 4568), and when media are protected by them. Pure: keys of ours
 * follow from the leg's secret. */

/* The value of one a=crypto, changed in place: tag, suite, the first key, what it may have behind
 * it. False: a suite or a parameter we do not know, or nonsense; such a line is passed over (RFC
 * 4568, 5.1.2). */
bool dm_crypto_parse(char *value, DmSdpCrypto *out);
void dm_crypto_print(GString *out, const DmSdpMedia *line);
bool dm_crypto_equal(const DmSdpMedia *a, const DmSdpMedia *b);

/* Protected, wherever the keys come from. */
bool dm_line_is_savp(const DmSdpMedia *line);

/* Whether @policy lets us take up @offered as it is: protected or not. */
DmSdpVerdict dm_crypto_judge(const DmSdpMedia *offered, const DmSdpPolicy *policy);
/* Whether it would be protected then. */
bool dm_crypto_protects(const DmSdpMedia *offered, const DmSdpPolicy *policy);

/* Makes an offer of ours protected, or not. @previous: (nullable): the line as last sent: while it
 * is alive everything stays, keys included. */
void dm_crypto_offer(DmSdpDraft *draft,
                     DmSdpMedia *line,
                     const DmSdpPolicy *policy,
                     const DmSdpMedia *previous);
/* The same for an answer. A new key of the peer's gets a new key of ours, and the same one the same
 * (SEC-2). */
DmSdpVerdict dm_crypto_answer(DmSdpDraft *draft,
                              DmSdpMedia *line,
                              const DmSdpMedia *offered,
                              const DmSdpPolicy *policy);

/* The keys of both, as media need them. */
DmSdpVerdict dm_crypto_side(const DmSdpMedia *ours,
                            const DmSdpMedia *theirs,
                            const DmSdpPolicy *policy,
                            DmMediaSideSpec *out);
