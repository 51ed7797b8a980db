/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* What a caller hears when nobody answers: a recording or a tone as early media, and the final
 * answer behind it. The call stays as it is meanwhile, without a called side; CANCEL ends it. */

/* Ends a call that was not answered: at once, or after what its route or its caller's trunk has for
 * the reason. */
void dm_announcement_release(DmCall *call, DmReleasedBy by, const DmRelease *why);
/* What @side was played has come to its end. */
void dm_announcement_on_played(DmCall *call, DmSide side);
