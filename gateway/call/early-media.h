/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* What a caller is told and hears before the answer (SIG-10). */

/* The called side has said @status, 101 to 199. @is_described: what the caller would be told of
 * media (call->a->ours) is known; @is_barred: and may not be heard (RFC 5009). */
void dm_early_media_tell(DmCall *call, uint16_t status, bool is_described, bool is_barred);
/* Answered: our ringing ends. */
void dm_early_media_over(DmCall *call);
/* Our ringing began to be heard by @side: it goes into the record. */
void dm_early_media_heard(DmCall *call, DmSide side);
