/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Fax: who may change a call to T.38, and what is done about it on either side (FAX-1, FAX-4,
 * FAX-5). The first four are pure. */

typedef enum {
    DM_FAX_ACROSS, /* the other side is asked for T.38 too */
    DM_FAX_ALONE,  /* the one who asks gets it, and the other side modem tones */
    DM_FAX_REFUSE,
} DmFaxDecision;

/* T.38 is asked for by the peer of trunk @from, on @side, after the call was answered.
 * @other_has_g711: what the other side speaks now. */
DmFaxDecision dm_fax_decide(const DmTrunkConfig *from,
                            DmSide side,
                            const DmTrunkConfig *to,
                            bool other_has_g711);
/* A fax machine was heard: whether to ask @trunk's peer for T.38. */
bool dm_fax_asks(const DmTrunkConfig *trunk, const DmTrunkConfig *other);
bool dm_fax_has_g711(const DmParty *party);
void dm_fax_set_policy(const DmTrunkConfig *trunk, DmSdpPolicy *policy);

/* What is to be listened for while they talk: bits of DmFaxSign; 0: nothing, as nobody would be
 * asked. */
uint8_t dm_fax_signs(const DmParty *a, const DmParty *b);

/* @offer of @party asks for T.38. Returns true when it has been dealt with; false: it is to go
 * across. */
bool dm_fax_take_offer(DmParty *party, const DmSdp *offer);
/* @party has been asked for T.38 and has none: the fax stays in G.711. @status: what it answered
 * with; 200: with a description without T.38. */
void dm_fax_refused(DmParty *party, uint16_t status);
/* It has agreed to T.38: a refusal before counts no more. */
void dm_fax_agreed(DmParty *party);
/* A fax machine is heard on @side. */
void dm_fax_note_heard(DmCall *call, DmSide side);
/* Whether to ask now, for a machine heard at call->fax_heard_us: the call may be T.38 by itself
 * meanwhile, or a page be on its way that a change would tear. */
bool dm_fax_is_still_wanted(DmCall *call);
/* Whom to ask for T.38 now that one is; NULL: nobody, or nobody more. */
DmParty *dm_fax_next(DmCall *call);
